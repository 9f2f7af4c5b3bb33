/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A reference model of Mach IPC: spaces of a few tasks, their names, ports,
 * queues, sets and notifications, one operation at a time. It knows what user
 * space can see and nothing of how the module does it.
 *
 * The kernel chooses names. A model function that enters a right answers which
 * name it must get, or 0 for "a name that is free"; the caller tells the model
 * the name that came (model_enter()).
 */
#ifndef TESTS_IPC_MODEL_H
#define TESTS_IPC_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define MODEL_TASKS	3
#define MODEL_PORTS	400
#define MODEL_NAMES	160
#define MODEL_MESSAGES	1200
#define MODEL_RIGHTS	3	/* in the body of a message */
#define NO_PORT		(-1)

enum model_kind { NONE, PORT_RIGHTS, ONCE, SET, DEAD };

struct model_request {
	int port;		/* who is told, or NO_PORT */
	bool send_possible;
	bool armed;
};

struct model_entry {
	enum model_kind kind;
	uint32_t name;
	int port;
	bool send;		/* PORT_RIGHTS */
	bool receive;
	int urefs;		/* send or dead */
	bool stale;		/* DEAD: was a send-once right that nobody has looked at since */
	struct model_request request;
};

enum model_carried { C_NONE, C_DEAD, C_SEND, C_ONCE, C_RECEIVE };

struct model_right {
	enum model_carried kind;
	int port;
};

struct model_message {
	bool used;
	unsigned int batch;	/* those of one batch come in any order */
	int next;
	struct model_right dest;
	struct model_right reply;
	int reply_type;		/* in the bits word, whatever became of the right */
	bool complex;
	int shape;		/* what carries the rights, see model_wire.h */
	uint32_t flags;		/* of guarded descriptors */
	int rights;
	struct model_right right[MODEL_RIGHTS];
	int32_t id;
	uint32_t size;
	uint32_t word;		/* notifications */
	int sender;		/* task, or -1 for the kernel */
	unsigned long step;	/* when it was queued */
};

struct model_port {
	bool alive;
	bool fresh;		/* not to be collected during this step */
	int receiver;		/* task, or -1 in transit */
	int carrier;		/* in transit: the port in whose queue it is */
	int srights;
	int sorights;
	uint32_t mscount;
	uint32_t limit;
	uint32_t seqno;
	bool seqno_known;
	uint64_t context;
	bool guarded;
	bool strict;
	bool immovable;
	int special_of;		/* the task one of whose threads has it for replies, plus 1 */
	int no_senders;
	int destroyed;
	int first, last;	/* messages */
	uint32_t queued;
	uint32_t sets[MODEL_NAMES / 32 + 1];	/* entries of the receiver's space */
};

struct model {
	struct model_port port[MODEL_PORTS];
	struct model_entry entry[MODEL_TASKS][MODEL_NAMES];
	struct model_message message[MODEL_MESSAGES];
	unsigned int batch;
	unsigned long step;	/* for who reads the state */
};

extern struct model model;

void model_reset(void);

struct model_entry *model_find(int task, uint32_t name);
struct model_entry *model_find_port(int task, int port);
int model_entry_index(int task, const struct model_entry *entry);
int model_count(int task);
struct model_entry *model_add(int task, uint32_t name);
int model_new_port(int task);
uint32_t model_type(const struct model_entry *entry);
bool model_in_set(int port, int set_index);
bool model_in_any_set(int port);
void model_set_membership(int port, int set_index, bool member);
void model_leave_sets(int port);

/* What it costs to give up a right. */
void model_release_send(int port);
void model_release_once(int port);
void model_release(struct model_right right);
/* The receive right goes: to whoever asked for it, or for ever. */
void model_destroy_receive(int port);
/* The request of a name that is deleted: its port gets PORT_DELETED. */
void model_cancel_request(struct model_entry *entry);

/* Traps on names: each returns the code that is expected. */
long model_mod_refs(int task, uint32_t name, int right, int delta);
long model_deallocate(int task, uint32_t name);
long model_destroy(int task, uint32_t name);
long model_destruct(int task, uint32_t name, int srdelta, uint64_t guard);

/* Can @disposition be taken from the name? Takes it, if @take. */
long model_copyin(int task, uint32_t name, int disposition, bool take,
		  struct model_right *right);
/* The name that a right gets: 0 for a new one, else what it must be. */
bool model_existing_name(int task, struct model_right right, uint32_t *name);
/* Enters a right under a name that the kernel told; false if that cannot be. */
bool model_enter(int task, struct model_right right, uint32_t name);

struct model_message *model_new_message(int sender);
bool model_is_circular(int moved, int into);
/* The message goes: delivered to nobody. */
void model_destroy_message(struct model_message *message, bool with_dest);
void model_enqueue(struct model_message *message);
bool model_is_full(int port);
/* The messages that may come next from @port: the first, and its batch. */
struct model_message *model_first(int port);
struct model_message *model_next(struct model_message *message);
void model_dequeue(struct model_message *message);
/* The destination right has done its work. */
void model_consume_dest(struct model_message *message);

#endif
