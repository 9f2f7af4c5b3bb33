// SPDX-License-Identifier: GPL-2.0
/*
 * Pairs of operations on one port against each other on two CPUs: each operation
 * of a table with each, by two threads of a task and by two tasks. Whoever wins,
 * no message is lost or comes twice, each request for a notification is answered
 * once, each operation ends with a result that it may have, and nothing is left.
 *
 * MACH_TEST_ROUNDS sets how often each pair meets: `make test TESTS=ipc_race
 * APPEND=MACH_TEST_ROUNDS=1000`.
 * time limit: 2400 s
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "port.h"
#include "process.h"
#include "short_rights.h"

#define ROUNDS		25
#define TIME_S		8	/* of a case: then no further round is begun */
#define SIDES		2
#define SEEN		16
#define HANG_S		40

/* Message ids */
#define WAITING		1	/* in the queue from the start */
#define SENT		100	/* plus the side's number */
#define SENT_ONCE	200

/* What both sides have before them: one port, and what belongs to it */
struct scene {
	name_t port;		/* receive right and three references to a send right */
	name_t once;
	name_t set;		/* the port is in it */
	name_t other_set;
	name_t carrier;		/* another port, to which rights are moved */
	name_t notify;
};

struct side {
	int number;
	struct scene *scene;
	bool sent;		/* SENT + number went off */
	bool sent_once;
	bool destroyed;		/* the receive right was destroyed */
	int requests;
	int seen;
	int32_t id[SEEN];
};

struct operation {
	const char *name;
	long (*run)(struct side *side);
	bool by_sender;		/* can be made by a task that has send rights alone */
	long codes[8];		/* what may come of it, besides success */
};

static void saw(struct side *side, int32_t id)
{
	REQUIRE(side->seen < SEEN);
	side->id[side->seen++] = id;
}

/* Gives up what a received message brought. */
static void take_message(struct side *side, struct message *message)
{
	saw(side, message->header.id);
	if (message->header.remote != MACH_PORT_NULL && message->header.remote != MACH_PORT_DEAD)
		deallocate(message->header.remote);
}

static long receive_from(struct side *side, name_t name, uint32_t timeout_ms)
{
	struct message message;
	long result = msg_receive_within(&message, name, timeout_ms);

	if (!result)
		take_message(side, &message);
	return result;
}

static long send_with(struct side *side, uint32_t bits, name_t local, uint32_t timeout_ms)
{
	struct message message;
	long result;

	message_init(&message, bits, side->scene->port, local, SENT + side->number);
	result = msg_send_within(&message, HEADER_SIZE, timeout_ms);
	side->sent = !result;
	return result;
}

/* The operations */

static long send_copy(struct side *side)
{
	return send_with(side, MSGH_BITS(COPY_SEND, 0), 0, 0);
}

static long send_timed(struct side *side)
{
	return send_with(side, MSGH_BITS(COPY_SEND, 0), 0, 1);
}

static long send_make(struct side *side)
{
	return send_with(side, MSGH_BITS(MAKE_SEND, 0), 0, 0);
}

static long send_move(struct side *side)
{
	return send_with(side, MSGH_BITS(MOVE_SEND, 0), 0, 0);
}

static long send_with_reply_right(struct side *side)
{
	return send_with(side, MSGH_BITS(COPY_SEND, COPY_SEND), side->scene->port, 0);
}

static long send_to_once(struct side *side)
{
	struct message message;
	long result;

	message_init(&message, MSGH_BITS(MOVE_SEND_ONCE, 0), side->scene->once, 0, SENT_ONCE);
	result = msg_send_within(&message, HEADER_SIZE, 0);
	side->sent_once = !result;
	return result;
}

static long deallocate_once(struct side *side)
{
	return deallocate(side->scene->once);
}

static long receive_now(struct side *side)
{
	return receive_from(side, side->scene->port, 0);
}

static long receive_twice(struct side *side)
{
	receive_from(side, side->scene->port, 0);
	return receive_from(side, side->scene->port, 1);
}

static long receive_from_set(struct side *side)
{
	receive_from(side, side->scene->set, 0);
	return receive_from(side, side->scene->set, 1);
}

static long drop_receive(struct side *side)
{
	long result = mod_refs(side->scene->port, RECEIVE, -1);

	side->destroyed = !result;
	return result;
}

static long destroy_name(struct side *side)
{
	/* Whether there still was a receive right under the name is not told. */
	long result = port_destroy(side->scene->port);

	side->destroyed = !result;
	return result;
}

static long destruct(struct side *side)
{
	long result = port_destruct(side->scene->port, -1, 0);

	side->destroyed = !result;
	return result;
}

/* Sends a right to the carrier. */
static long carry(struct side *side, int disposition)
{
	struct {
		struct header header;
		uint32_t count;
		struct port_descriptor port;
	} message = {
		.header = { MSGH_BITS(MAKE_SEND, 0) | MSGH_COMPLEX, 0, side->scene->carrier, 0, 0,
			    300 },
		.count = 1,
		.port = PORT_DESCRIPTOR(side->scene->port, disposition),
	};

	return mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(message), 0, 0, 0);
}

static long carry_receive(struct side *side)
{
	return carry(side, MOVE_RECEIVE);
}

static long carry_send(struct side *side)
{
	return carry(side, MOVE_SEND);
}

static long carry_copy(struct side *side)
{
	return carry(side, COPY_SEND);
}

static long enter_other_set(struct side *side)
{
	return insert_member(side->scene->port, side->scene->other_set);
}

static long leave_set(struct side *side)
{
	return extract_member(side->scene->port, side->scene->set);
}

static long change_set(struct side *side)
{
	return move_member(side->scene->port, side->scene->other_set);
}

static long destroy_set(struct side *side)
{
	return mod_refs(side->scene->set, PORT_SET, -1);
}

static long deallocate_name(struct side *side)
{
	return deallocate(side->scene->port);
}

static long drop_all_send(struct side *side)
{
	return mod_refs(side->scene->port, SEND, -3);
}

static long add_send(struct side *side)
{
	return mod_refs(side->scene->port, SEND, 1);
}

static long make_send(struct side *side)
{
	return insert_right(side->scene->port, side->scene->port, MAKE_SEND);
}

static long copy_send(struct side *side)
{
	return insert_right(side->scene->port, side->scene->port, COPY_SEND);
}

static long ask_for(struct side *side, int id, uint32_t sync)
{
	name_t previous;
	long result = request_notification(side->scene->port, id, sync, side->scene->notify,
					   MAKE_SEND_ONCE, &previous);

	side->requests++;
	if (!result && previous != MACH_PORT_NULL)
		CHECK_RET(deallocate(previous), KERN_SUCCESS);
	return result;
}

static long ask_dead_name(struct side *side)
{
	return ask_for(side, NOTIFY_DEAD_NAME, 0);
}

static long ask_send_possible(struct side *side)
{
	return ask_for(side, NOTIFY_SEND_POSSIBLE, 1);
}

static long ask_no_senders(struct side *side)
{
	return ask_for(side, NOTIFY_NO_SENDERS, 0);
}

static long ask_port_destroyed(struct side *side)
{
	return ask_for(side, NOTIFY_PORT_DESTROYED, 0);
}

static long guard_and_unguard(struct side *side)
{
	long result = port_guard(side->scene->port, 7, true);

	return result ? result : port_unguard(side->scene->port, 7);
}

static long look(struct side *side)
{
	uint32_t words[PORT_STATUS_WORDS], count = PORT_STATUS_WORDS, type;
	long result = port_type(side->scene->port, &type);

	return result ? result : port_attributes(side->scene->port, PORT_RECEIVE_STATUS, words,
						 &count);
}

#define NAME	KERN_INVALID_NAME
#define RIGHT	KERN_INVALID_RIGHT
#define VALUE	KERN_INVALID_VALUE
#define DEST	MACH_SEND_INVALID_DEST
#define FULL	MACH_SEND_TIMED_OUT
#define NO_RCV	MACH_RCV_INVALID_NAME
#define EMPTY	MACH_RCV_TIMED_OUT
#define CHANGED	MACH_RCV_PORT_CHANGED

static const struct operation operations[] = {
	{ "send", send_copy, true, { DEST, FULL } },
	{ "send, waiting", send_timed, true, { DEST, FULL } },
	{ "send by make", send_make, false, { DEST, FULL } },
	{ "send by move", send_move, true, { DEST, FULL } },
	{ "send with reply", send_with_reply_right, true,
	  { DEST, MACH_SEND_INVALID_REPLY, FULL } },
	{ "send once", send_to_once, true, { DEST } },
	{ "deallocate once", deallocate_once, true, { NAME } },
	{ "receive", receive_now, false, { EMPTY, NO_RCV, CHANGED } },
	{ "receive, waiting", receive_twice, false, { EMPTY, NO_RCV, CHANGED } },
	{ "receive from set", receive_from_set, false, { EMPTY, NO_RCV, CHANGED } },
	{ "drop receive", drop_receive, false, { NAME, RIGHT } },
	{ "destroy", destroy_name, false, { NAME, RIGHT } },
	{ "destruct", destruct, false, { NAME, RIGHT, VALUE, KERN_INVALID_ARGUMENT } },
	{ "move receive", carry_receive, false, { MACH_SEND_INVALID_RIGHT } },
	{ "move send", carry_send, false, { MACH_SEND_INVALID_RIGHT } },
	{ "carry copy", carry_copy, false, { MACH_SEND_INVALID_RIGHT } },
	{ "insert member", enter_other_set, false, { NAME, RIGHT, KERN_ALREADY_IN_SET } },
	{ "extract member", leave_set, false, { NAME, RIGHT, KERN_NOT_IN_SET } },
	{ "move member", change_set, false, { NAME, RIGHT } },
	{ "destroy set", destroy_set, false, { NAME } },
	{ "deallocate", deallocate_name, true, { NAME, RIGHT } },
	{ "drop all send", drop_all_send, true, { NAME, RIGHT, VALUE } },
	{ "add send", add_send, true, { NAME, RIGHT } },
	{ "make send", make_send, false, { NAME, RIGHT, KERN_INVALID_CAPABILITY } },
	{ "copy send", copy_send, true, { NAME, RIGHT, KERN_INVALID_CAPABILITY } },
	{ "ask dead name", ask_dead_name, true, { NAME, RIGHT, KERN_INVALID_ARGUMENT } },
	{ "ask send possible", ask_send_possible, true, { NAME, RIGHT } },
	{ "ask no senders", ask_no_senders, false, { NAME, RIGHT } },
	{ "ask port destroyed", ask_port_destroyed, false, { NAME, RIGHT, KERN_FAILURE } },
	{ "guard", guard_and_unguard, false, { NAME, RIGHT, KERN_INVALID_ARGUMENT } },
	{ "look", look, false, { NAME, RIGHT } },
};

#define OPERATIONS ((int)ARRAY_SIZE(operations))

static bool may_end_with(const struct operation *operation, long code)
{
	if (!code)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(operation->codes) && operation->codes[i]; i++)
		if (operation->codes[i] == code)
			return true;
	return false;
}

/* Two who start at the same time: the second follows the first's lead. */
struct meeting {
	atomic_int round;	/* opened by the first */
	atomic_int finished;	/* by the second */
	atomic_bool over;
	int operation;
	long result;
	struct scene scene;
	struct side side;
};

static void wait_for(atomic_int *counter, int value)
{
	for (int spins = 0; atomic_load(counter) < value; spins++)
		if (spins > 2000)
			sched_yield();
}

static void follow(struct meeting *meeting)
{
	for (int round = 1;; round++) {
		wait_for(&meeting->round, round);
		if (atomic_load(&meeting->over))
			return;
		meeting->result = operations[meeting->operation].run(&meeting->side);
		atomic_store(&meeting->finished, round);
	}
}

static void *follow_as_thread(void *argument)
{
	follow(argument);
	return NULL;
}

/* What happened in a pair of operations that left something wrong */
static char pair_text[200];

#define CHECK_PAIR(condition)						\
	do {								\
		if (!(condition))					\
			FATAL("%s: not true: %s", pair_text, #condition);	\
	} while (0)

static void set_the_scene(struct scene *scene)
{
	scene->port = new_port();
	for (int i = 0; i < 3; i++)
		REQUIRE_RET(insert_right(scene->port, scene->port, MAKE_SEND), KERN_SUCCESS);
	scene->once = new_send_once(scene->port);
	scene->set = new_port_set();
	scene->other_set = new_port_set();
	REQUIRE_RET(insert_member(scene->port, scene->set), KERN_SUCCESS);
	scene->carrier = new_port();
	scene->notify = new_port();
	REQUIRE_RET(send_id(scene->port, COPY_SEND, WAITING), 0);
}

/* Reads all that waits on @name, giving up the receive right of the port elsewhere. */
static int drain(struct side *into, name_t name, name_t *receive)
{
	int count = 0;

	for (;;) {
		struct message message;
		long result = msg_receive(&message, name);
		uint32_t disposition;

		if (result == MACH_RCV_TIMED_OUT)
			return count;
		if (result)
			FATAL("%s: draining: %#lx (%s)", pair_text, result, code_name(result));
		count++;
		if (into)
			take_message(into, &message);
		if (!(message.header.bits & MSGH_COMPLEX))
			continue;
		disposition = message.body[3] >> 16 & 0xff;
		if (disposition == MOVE_RECEIVE) {
			CHECK_PAIR(*receive == MACH_PORT_NULL);
			*receive = message.body[1];
		} else if (message.body[1] != MACH_PORT_NULL &&
			   message.body[1] != MACH_PORT_DEAD) {
			CHECK_PAIR(deallocate(message.body[1]) == KERN_SUCCESS);
		}
	}
}

static int times_seen(const struct side *side, int32_t id)
{
	int times = 0;

	for (int i = 0; i < side->seen; i++)
		times += side->id[i] == id;
	return times;
}

/* Each message that was sent came once, unless its queue was destroyed. */
static void check_message(const struct side *all, int32_t id, bool sent, bool destroyed)
{
	int times = times_seen(all, id);

	if (destroyed ? times > sent : times != sent)
		FATAL("%s: message %d came %d times, sent %d", pair_text, id, times, sent);
}

static void clear_the_scene(struct scene *scene, struct side *sides)
{
	struct side all = { .scene = scene };
	bool destroyed = sides[0].destroyed || sides[1].destroyed;
	name_t receive = MACH_PORT_NULL;
	int notified;

	notified = drain(NULL, scene->notify, &receive);
	drain(NULL, scene->carrier, &receive);
	if (receive == MACH_PORT_DEAD)
		receive = MACH_PORT_NULL;
	if (receive == MACH_PORT_NULL && has_right(scene->port, RECEIVE))
		receive = scene->port;
	if (receive != MACH_PORT_NULL)
		drain(&all, receive, &(name_t){ MACH_PORT_NULL });
	for (int i = 0; i < SIDES; i++)
		for (int j = 0; j < sides[i].seen; j++)
			saw(&all, sides[i].id[j]);
	check_message(&all, WAITING, true, destroyed);
	for (int i = 0; i < SIDES; i++)
		check_message(&all, SENT + i, sides[i].sent, destroyed);
	CHECK_PAIR(times_seen(&all, SENT_ONCE) <= sides[0].sent_once + sides[1].sent_once);
	CHECK_PAIR(sides[0].sent_once + sides[1].sent_once <= 1);
	CHECK_PAIR(times_seen(&all, SENT_ONCE) + times_seen(&all, NOTIFY_SEND_ONCE) <= 1);
	if (!destroyed)
		CHECK_PAIR(times_seen(&all, SENT_ONCE) == sides[0].sent_once + sides[1].sent_once);

	/* Nothing can be wrong with an end of what there still is. */
	port_destroy(scene->once);
	CHECK_PAIR(receive == scene->port || receive == MACH_PORT_NULL ||
		   port_destroy(receive) == KERN_SUCCESS);
	port_destroy(scene->port);
	port_destroy(scene->set);
	port_destroy(scene->other_set);
	receive = MACH_PORT_NULL;
	notified += drain(NULL, scene->notify, &receive);
	if (receive != MACH_PORT_NULL)
		CHECK_PAIR(port_destroy(receive) == KERN_SUCCESS);
	CHECK_PAIR(port_destroy(scene->carrier) == KERN_SUCCESS);
	notified += drain(NULL, scene->notify, &(name_t){ MACH_PORT_NULL });
	if (notified != sides[0].requests + sides[1].requests)
		FATAL("%s: %d requests, %d notifications", pair_text,
		      sides[0].requests + sides[1].requests, notified);
	CHECK_PAIR(port_status(scene->notify).sorights == 0);
	CHECK_PAIR(port_destroy(scene->notify) == KERN_SUCCESS);
}

static void hangs(int signal_number)
{
	(void)signal_number;
	FATAL("%s: hangs", pair_text);
}

/*
 * Each pair meets once, then once more, and so on: so often if there is time.
 * MACH_TEST_ROUNDS takes the time that it takes.
 */
static int rounds_wanted(void)
{
	const char *text = getenv("MACH_TEST_ROUNDS");

	return text ? atoi(text) : 0;
}

static bool another_round(int round, uint64_t began)
{
	int wanted = rounds_wanted();

	if (wanted)
		return round < wanted;
	return round < 1 || (round < ROUNDS && now_ns() - began < TIME_S * 1000000000ull);
}

static void check_result(const struct operation *operation, long result)
{
	if (!may_end_with(operation, result))
		FATAL("%s: %s ended with %#lx (%s)", pair_text, operation->name, result,
		      code_name(result));
}

static void meet(struct meeting *meeting, int first, int second, int *round)
{
	struct side sides[SIDES] = { { .number = 0, .scene = &meeting->scene } };
	long result;

	set_the_scene(&meeting->scene);
	meeting->operation = second;
	meeting->side = (struct side){ .number = 1, .scene = &meeting->scene };
	atomic_store(&meeting->round, ++*round);
	/* Who begins is a matter of chance; let each have some luck. */
	for (volatile int i = *round % 7 * 40; i > 0; i--)
		;
	result = operations[first].run(&sides[0]);
	wait_for(&meeting->finished, *round);
	check_result(&operations[first], result);
	check_result(&operations[second], meeting->result);
	sides[1] = meeting->side;
	clear_the_scene(&meeting->scene, sides);
}

TEST_LIMIT(each_with_each_in_one_task, 1200)
{
	struct meeting meeting = { .round = 0 };
	uint64_t began = now_ns();
	int round = 0, times;
	pthread_t thread;

	mach_open();
	self();
	signal(SIGALRM, hangs);
	REQUIRE(!pthread_create(&thread, NULL, follow_as_thread, &meeting));
	for (times = 0; another_round(times, began); times++)
		for (int first = 0; first < OPERATIONS; first++)
			for (int second = 0; second <= first; second++) {
				snprintf(pair_text, sizeof(pair_text), "\"%s\" against \"%s\"",
					 operations[first].name, operations[second].name);
				alarm(HANG_S);
				meet(&meeting, first, second, &round);
			}
	atomic_store(&meeting.over, true);
	atomic_store(&meeting.round, round + 1);
	pthread_join(thread, NULL);
	note("%d meetings, each pair %d times", round, times);
}

/* Two tasks: one has the receive right, the other send rights by message. */

struct shared {
	struct meeting meeting;
	name_t child_notify;
};

/* In the child: takes the rights of the scene out of a message. */
static void take_scene(struct peer_side *side, struct scene *scene)
{
	struct message message;

	REQUIRE_RET(msg_receive_blocking(&message, side->own), 0);
	REQUIRE_EQ(message.body[0], 2);
	scene->port = message.body[1];
	scene->once = message.body[4];
	REQUIRE_RET(mod_refs(scene->port, SEND, 2), KERN_SUCCESS);
}

static void give_scene(const struct scene *scene, name_t to)
{
	struct {
		struct header header;
		uint32_t count;
		struct port_descriptor port[2];
	} message = {
		.header = { MSGH_BITS(COPY_SEND, 0) | MSGH_COMPLEX, 0, to, 0, 0, 400 },
		.count = 2,
		.port = { PORT_DESCRIPTOR(scene->port, COPY_SEND),
			  PORT_DESCRIPTOR(scene->once, MOVE_SEND_ONCE) },
	};

	REQUIRE_RET(mach_msg(&message, MACH_SEND_MSG, sizeof(message), 0, 0, 0), 0);
}

/* The child's own part of the scene ends: its requests are answered. */
static void end_child_scene(struct meeting *meeting, struct scene *scene)
{
	name_t receive = MACH_PORT_NULL;
	int notified = 0;

	port_destroy(scene->once);
	port_destroy(scene->port);
	/* The port may be dying just now: then its notification is on its way. */
	while (notified < meeting->side.requests) {
		struct message message;

		if (msg_receive_within(&message, scene->notify, 5000))
			break;
		notified++;
	}
	notified += drain(NULL, scene->notify, &receive);
	if (notified != meeting->side.requests)
		FATAL("%s: %d requests of the other task, %d notifications",
		      operations[meeting->operation].name, meeting->side.requests, notified);
	CHECK_EQ(port_status(scene->notify).sorights, 0);
}

static void follow_as_task(struct peer_side *side)
{
	struct meeting *meeting = side->argument;
	struct scene scene = { .notify = new_port() };

	for (int round = 1;; round++) {
		take_scene(side, &scene);
		meeting->side = (struct side){ .number = 1, .scene = &scene };
		atomic_store(&meeting->finished, 3 * round - 2);
		wait_for(&meeting->round, 2 * round - 1);
		meeting->result = operations[meeting->operation].run(&meeting->side);
		atomic_store(&meeting->finished, 3 * round - 1);
		wait_for(&meeting->round, 2 * round);
		end_child_scene(meeting, &scene);
		atomic_store(&meeting->finished, 3 * round);
	}
}

static void meet_task(struct meeting *meeting, name_t child, int first, int second, int round)
{
	struct side sides[SIDES] = { { .number = 0, .scene = &meeting->scene } };
	long result;

	set_the_scene(&meeting->scene);
	meeting->operation = second;
	give_scene(&meeting->scene, child);
	wait_for(&meeting->finished, 3 * round - 2);
	atomic_store(&meeting->round, 2 * round - 1);
	result = operations[first].run(&sides[0]);
	wait_for(&meeting->finished, 3 * round - 1);
	check_result(&operations[first], result);
	check_result(&operations[second], meeting->result);
	sides[1] = meeting->side;
	sides[1].scene = &meeting->scene;
	/* Its requests are answered there. */
	sides[1].requests = 0;
	/* Its references are to be gone before ours are judged. */
	atomic_store(&meeting->round, 2 * round);
	clear_the_scene(&meeting->scene, sides);
	wait_for(&meeting->finished, 3 * round);
}

static struct meeting *shared_meeting(void)
{
	struct meeting *meeting = mmap(NULL, sizeof(*meeting), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	REQUIRE(meeting != MAP_FAILED);
	return meeting;
}

/* Operations on the send-once right: it is the child's. */
static bool needs_once(int operation)
{
	return operations[operation].run == send_to_once ||
	       operations[operation].run == deallocate_once;
}

TEST_LIMIT(each_with_each_in_two_tasks, 1200)
{
	struct meeting *meeting = shared_meeting();
	uint64_t began = now_ns();
	int round = 0, times;
	struct peer peer;

	mach_open();
	signal(SIGALRM, hangs);
	peer_start(&peer, follow_as_task, meeting);
	for (times = 0; another_round(times, began); times++)
		for (int first = 0; first < OPERATIONS; first++)
			for (int second = 0; second < OPERATIONS; second++) {
				if (!operations[second].by_sender || needs_once(first))
					continue;
				snprintf(pair_text, sizeof(pair_text),
					 "\"%s\" against \"%s\" elsewhere",
					 operations[first].name, operations[second].name);
				alarm(HANG_S);
				meet_task(meeting, peer.port, first, second, ++round);
			}
	kill_child(peer.pid);
	note("%d meetings, each pair %d times", round, times);
}

/* A task that dies, at any moment, in the middle of one operation or blocked */

static void block_or_work(struct peer_side *side)
{
	struct meeting *meeting = side->argument;
	struct scene scene = { .notify = new_port() };
	struct side own = { .number = 1, .scene = &scene };

	take_scene(side, &scene);
	atomic_store(&meeting->finished, 1);
	if (meeting->operation < 0) {
		struct message message;

		msg_receive_blocking(&message, scene.notify);
	} else {
		for (;;) {
			operations[meeting->operation].run(&own);
			own.seen = own.requests = 0;
		}
	}
}

TEST_LIMIT(each_with_a_dying_task, 600)
{
	struct meeting *meeting = shared_meeting();
	unsigned int luck = (unsigned int)now_ns();

	note("seed %u", luck);
	mach_open();
	signal(SIGALRM, hangs);
	for (int first = 0; first < OPERATIONS; first++) {
		int second;

		if (needs_once(first))
			continue;
		do {
			second = (int)((unsigned int)rand_r(&luck) % (unsigned int)OPERATIONS) - 1;
		} while (second >= 0 && (!operations[second].by_sender ||
					 operations[second].run == add_send ||
					 operations[second].run == copy_send));
		snprintf(pair_text, sizeof(pair_text), "\"%s\" against the death in \"%s\"",
			 operations[first].name, second < 0 ? "wait" : operations[second].name);
		alarm(HANG_S);
		for (int i = 0; i < 2; i++) {
			struct side sides[SIDES] = { { .scene = &meeting->scene },
						     { .scene = &meeting->scene } };
			struct peer peer;
			long result;

			atomic_store(&meeting->finished, 0);
			meeting->operation = second;
			peer_start(&peer, block_or_work, meeting);
			set_the_scene(&meeting->scene);
			give_scene(&meeting->scene, peer.port);
			wait_for(&meeting->finished, 1);
			usleep((unsigned int)rand_r(&luck) % 500);
			kill(peer.pid, SIGKILL);
			result = operations[first].run(&sides[0]);
			check_result(&operations[first], result);
			wait_child(peer.pid);
			/* What the dead one sent, nobody knows. */
			port_destroy(meeting->scene.once);
			port_destroy(meeting->scene.port);
			port_destroy(meeting->scene.set);
			port_destroy(meeting->scene.other_set);
			port_destroy(meeting->scene.carrier);
			port_destroy(meeting->scene.notify);
			CHECK_PAIR(deallocate(peer.port) == KERN_SUCCESS);
			destroy_receive(peer.service);
		}
	}
}

/* A message is sent each time that the other thread has seen to the last one. */
struct exchange {
	name_t port;
	int disposition;
	int messages;
	atomic_int seen;
};

static void *send_one_by_one(void *argument)
{
	struct exchange *exchange = argument;

	for (int sent = 0; sent < exchange->messages; sent++) {
		while (atomic_load(&exchange->seen) < sent)
			sched_yield();
		REQUIRE_EQ(send_id(exchange->port, exchange->disposition, sent), 0);
	}
	return NULL;
}

/* The right that a message was sent by is used up when somebody has the message. */
TEST_LIMIT(a_received_message_has_used_its_right_up, 300)
{
	static const int dispositions[] = { MAKE_SEND_ONCE, MAKE_SEND };

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(dispositions); i++) {
		struct exchange exchange = {
			.port = new_port(), .disposition = dispositions[i], .messages = 10000,
		};
		pthread_t sender;

		REQUIRE(pthread_create(&sender, NULL, send_one_by_one, &exchange) == 0);
		for (int seen = 1; seen <= exchange.messages; seen++) {
			struct message message;
			struct port_status status;

			REQUIRE_EQ(msg_receive_blocking(&message, exchange.port), 0);
			status = port_status(exchange.port);
			if (status.sorights || status.srights)
				FATAL("message %d: %u send-once rights, send rights %u", seen,
				      status.sorights, status.srights);
			atomic_store(&exchange.seen, seen);
		}
		pthread_join(sender, NULL);
		CHECK_EQ(port_destroy(exchange.port), KERN_SUCCESS);
	}
}
