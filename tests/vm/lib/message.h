/* SPDX-License-Identifier: GPL-2.0 */
/* Messages as user space lays them out, and short ways to send and receive. */
#ifndef TESTS_MESSAGE_H
#define TESTS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mach.h"

struct header {
	uint32_t bits;
	uint32_t size;
	uint32_t remote;
	uint32_t local;
	uint32_t voucher;
	int32_t id;
};

#define HEADER_SIZE	24u
#define MESSAGE_WORDS	1100u

struct message {
	struct header header;
	uint32_t body[MESSAGE_WORDS];
};

struct port_descriptor {
	uint32_t name;
	uint32_t pad;
	uint32_t pad16_disposition_type;
};

#define PORT_DESCRIPTOR(port, disposition)				\
	{ .name = (port), .pad = 0,					\
	  .pad16_disposition_type = (uint32_t)(disposition) << 16 |	\
				    (uint32_t)MSG_PORT_DESCRIPTOR << 24 }

/* Everything a trailer may hold, in order; trailer_size() tells how much. */
struct trailer {
	uint32_t type;
	uint32_t size;
	uint32_t seqno;
	uint32_t sender[2];
	uint32_t audit[8];
	uint64_t context;
	uint32_t ad;
	uint32_t label;
} __attribute__((packed));

_Static_assert(sizeof(struct header) == HEADER_SIZE, "header");
_Static_assert(sizeof(struct trailer) == MACH_TRAILER_MAX, "trailer");

/* Fills the header; the message's body and size word become poison. */
void message_init(struct message *message, uint32_t bits, name_t remote, name_t local,
		  int32_t id);

/* A body whose every byte depends on @seed, and the check of it. */
void body_fill(void *body, size_t size, uint32_t seed);
bool body_matches(const void *body, size_t size, uint32_t seed);

/* Send @size bytes; with a time limit in ms. */
long msg_send(struct message *message, uint32_t size);
long msg_send_within(struct message *message, uint32_t size, uint32_t timeout_ms);

/*
 * Receive what is there now, without waiting; within a limit in ms; or waiting
 * for ever. The buffer is poisoned first.
 */
long msg_receive(struct message *message, name_t port);
long msg_receive_within(struct message *message, name_t port, uint32_t timeout_ms);
long msg_receive_blocking(struct message *message, name_t port);

/* A message of header only to @remote, without a reply right. */
long send_id(name_t remote, int disposition, int32_t id);

/* The same with @local as the reply right. */
long send_with_reply(name_t remote, int remote_disposition, name_t local,
		     int local_disposition, int32_t id);

/* The dispositions that a header's rights may have */
#define SEND_DISPOSITIONS	5u
extern const int send_dispositions[SEND_DISPOSITIONS];
/* What a receiver holds of a right that was sent by @disposition. */
int carried_right(int disposition);
/* A name that has what @disposition takes from the port received at @port. */
name_t name_for(name_t port, int disposition);

/*
 * Receives what is there now and returns its id, or the failure as a
 * mach_msg_return_t.
 */
long receive_id(name_t port);

/* Fills the queue of the port received at @port with ids 0, 1, … up to the limit. */
void fill_queue(name_t port);

/* The trailer after a received message. */
struct trailer *trailer_of(struct message *message);

/* Checks that the next message on @port is notification @id, or that none is there. */
#define CHECK_NOTIFIED(port, id) check_notified(__FILE__, __LINE__, port, id)
void check_notified(const char *file, int line, name_t port, int32_t id);
#define CHECK_NO_MESSAGE(port)						\
	CHECK_RET(msg_receive(&(struct message){ .header = { 0 } }, port), MACH_RCV_TIMED_OUT)

/* Body of a MIG reply that carries a return code only */
struct mig_reply {
	struct header header;
	uint8_t ndr[8];
	int32_t result;
};

/*
 * The bootstrap port of the own task, which a forked child inherits: the one
 * way for a right to get from one task to another before they have exchanged
 * any. Skips the case when the task port does not serve these messages.
 */
void bootstrap_set(name_t port, int disposition);
name_t bootstrap_get(void);
bool bootstrap_is_served(void);

#endif
