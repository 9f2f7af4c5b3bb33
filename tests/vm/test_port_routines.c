// SPDX-License-Identifier: GPL-2.0
/*
 * The mach_port routines: what the traps do for oneself, by message, for one's
 * own task and for another.
 * time limit: 240 s
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"

#define QLIMIT_MAX	1024u

static name_t allocate(struct rpc *rpc, name_t task, uint32_t right)
{
	REQUIRE_RET(RPC(rpc, task, 3204, right), 0);
	REQUIRE_EQ(rpc->size, 40);
	return rpc_words(rpc)[0];
}

static uint32_t type_of(struct rpc *rpc, name_t task, name_t name)
{
	REQUIRE_RET(RPC(rpc, task, 3201, name), 0);
	REQUIRE_EQ(rpc->size, 40);
	return rpc_words(rpc)[0];
}

static uint32_t refs(struct rpc *rpc, name_t task, name_t name, uint32_t right)
{
	REQUIRE_RET(RPC(rpc, task, 3207, name, right), 0);
	REQUIRE_EQ(rpc->size, 40);
	return rpc_words(rpc)[0];
}

static int32_t insert(struct rpc *rpc, name_t task, name_t name, name_t port, int disposition)
{
	rpc_begin(rpc, task, 3214);
	rpc_port(rpc, port, disposition);
	rpc_word(rpc, name);
	return rpc_call(rpc);
}

#define TYPE(right) (1u << ((right) + 16))

BOTH(names_are_made_and_dropped)
{
	static const uint32_t rights[] = {
		MACH_PORT_RIGHT_RECEIVE, MACH_PORT_RIGHT_PORT_SET, MACH_PORT_RIGHT_DEAD_NAME,
	};
	struct rpc rpc;

	for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
		name_t name = allocate(&rpc, task, rights[i]);

		CHECK_HEX(type_of(&rpc, task, name), TYPE(rights[i]));
		for (uint32_t right = 0; right <= 5; right++)
			CHECK_EQ(refs(&rpc, task, name, right), right == rights[i]);
		CHECK_RET(RPC(&rpc, task, 3205, name), 0);
		CHECK_RET(RPC(&rpc, task, 3201, name), KERN_INVALID_NAME);
		CHECK_RET(RPC(&rpc, task, 3205, name), KERN_INVALID_NAME);
	}
	CHECK_RET(RPC(&rpc, task, 3204, MACH_PORT_RIGHT_SEND), KERN_INVALID_VALUE);
	CHECK_RET(RPC(&rpc, task, 3204, 77), KERN_INVALID_VALUE);
	CHECK_RET(RPC(&rpc, task, 3202, 1, 2), KERN_NOT_SUPPORTED);
	CHECK_RET(RPC(&rpc, task, 3201, MACH_PORT_NULL), KERN_INVALID_NAME);
	CHECK_RET(RPC(&rpc, task, 3205, MACH_PORT_NULL), 0);
}

/* mach_port_allocate_full */
static void full(struct rpc *rpc, name_t task, name_t prototype, int disposition, uint32_t right,
		 uint64_t qos, name_t name)
{
	rpc_begin(rpc, task, 3220);
	rpc_port(rpc, prototype, disposition);
	rpc_word(rpc, right);
	rpc_wide(rpc, qos);
	rpc_word(rpc, name);
}

BOTH(names_are_chosen)
{
	static const uint32_t rights[] = {
		MACH_PORT_RIGHT_RECEIVE, MACH_PORT_RIGHT_PORT_SET, MACH_PORT_RIGHT_DEAD_NAME,
	};
	struct rpc rpc;
	name_t name = 0x2003;

	for (size_t i = 0; i < ARRAY_SIZE(rights); i++, name += 0x100) {
		CHECK_RET(RPC(&rpc, task, 3203, rights[i], name), 0);
		CHECK_HEX(type_of(&rpc, task, name), TYPE(rights[i]));
		CHECK_RET(RPC(&rpc, task, 3203, rights[i], name), KERN_NAME_EXISTS);
		CHECK_RET(RPC(&rpc, task, 3203, rights[i], name ^ 4), KERN_FAILURE);
	}
	CHECK_RET(RPC(&rpc, task, 3203, MACH_PORT_RIGHT_SEND, name), KERN_INVALID_VALUE);
	CHECK_RET(RPC(&rpc, task, 3203, MACH_PORT_RIGHT_RECEIVE, 0), KERN_INVALID_VALUE);
	CHECK_RET(RPC(&rpc, task, 3203, MACH_PORT_RIGHT_DEAD_NAME, MACH_PORT_DEAD),
		  KERN_INVALID_VALUE);
	CHECK_RET(RPC(&rpc, task, 3203, MACH_PORT_RIGHT_RECEIVE, 0x7fffff03), KERN_NO_SPACE);
	/* With a quality of service, which may say that the name is chosen */
	CHECK_RET(RPC(&rpc, task, 3219, MACH_PORT_RIGHT_RECEIVE, 2, 0), 0);
	CHECK_EQ(rpc.size, 48);
	CHECK_EQ(rpc_words(&rpc)[0], 2);
	CHECK_HEX(type_of(&rpc, task, rpc_words(&rpc)[2]), TYPE(MACH_PORT_RIGHT_RECEIVE));
	full(&rpc, task, MACH_PORT_NULL, MOVE_SEND, MACH_PORT_RIGHT_DEAD_NAME, 1, name);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_EQ(rpc.size, 48);
	CHECK_HEX(rpc_words(&rpc)[2], name);
	CHECK_HEX(type_of(&rpc, task, name), TYPE(MACH_PORT_RIGHT_DEAD_NAME));
	/* Ports are not made like others, and only ports have memory for messages. */
	full(&rpc, task, self(), COPY_SEND, MACH_PORT_RIGHT_RECEIVE, 0, 0);
	CHECK_RET(rpc_call(&rpc), KERN_INVALID_VALUE);
	full(&rpc, task, MACH_PORT_DEAD, MOVE_SEND, MACH_PORT_RIGHT_RECEIVE, 0, 0);
	CHECK_RET(rpc_call(&rpc), KERN_INVALID_VALUE);
	full(&rpc, task, MACH_PORT_NULL, MOVE_SEND, MACH_PORT_RIGHT_PORT_SET, 2, 0);
	CHECK_RET(rpc_call(&rpc), KERN_INVALID_VALUE);
	full(&rpc, task, MACH_PORT_NULL, MOVE_SEND, MACH_PORT_RIGHT_SEND, 1, MACH_PORT_NULL);
	CHECK_RET(rpc_call(&rpc), KERN_INVALID_VALUE);
	CHECK_RET(RPC(&rpc, task, 3219, MACH_PORT_RIGHT_DEAD_NAME, 2, 0), KERN_INVALID_VALUE);
	CHECK_RET(RPC(&rpc, task, 3221, 100), 0);
	CHECK_RET(RPC(&rpc, task, 3221, (uint32_t)-1), KERN_INVALID_ARGUMENT);
}

BOTH(references_are_counted)
{
	struct rpc rpc;
	name_t name = allocate(&rpc, task, MACH_PORT_RIGHT_DEAD_NAME);

	CHECK_RET(RPC(&rpc, task, 3208, name, MACH_PORT_RIGHT_DEAD_NAME, 4), 0);
	CHECK_EQ(refs(&rpc, task, name, MACH_PORT_RIGHT_DEAD_NAME), 5);
	CHECK_RET(RPC(&rpc, task, 3206, name), 0);
	CHECK_EQ(refs(&rpc, task, name, MACH_PORT_RIGHT_DEAD_NAME), 4);
	CHECK_RET(RPC(&rpc, task, 3208, name, MACH_PORT_RIGHT_DEAD_NAME, (uint32_t)-5),
		  KERN_INVALID_VALUE);
	CHECK_RET(RPC(&rpc, task, 3208, name, MACH_PORT_RIGHT_SEND, 1), KERN_INVALID_RIGHT);
	CHECK_RET(RPC(&rpc, task, 3208, name, 6, 1), KERN_INVALID_VALUE);
	CHECK_RET(RPC(&rpc, task, 3208, name, MACH_PORT_RIGHT_DEAD_NAME, (uint32_t)-4), 0);
	CHECK_RET(RPC(&rpc, task, 3207, name, MACH_PORT_RIGHT_DEAD_NAME), KERN_INVALID_NAME);
	CHECK_RET(RPC(&rpc, task, 3206, name), KERN_INVALID_NAME);
	CHECK_EQ(refs(&rpc, task, MACH_PORT_NULL, MACH_PORT_RIGHT_SEND), 1);
	CHECK_EQ(refs(&rpc, task, MACH_PORT_NULL, MACH_PORT_RIGHT_SEND_ONCE), 1);
	CHECK_RET(RPC(&rpc, task, 3207, MACH_PORT_NULL, MACH_PORT_RIGHT_RECEIVE),
		  KERN_INVALID_NAME);
	CHECK_RET(RPC(&rpc, task, 3207, MACH_PORT_NULL, 99), KERN_INVALID_VALUE);
}

BOTH(rights_are_moved_in_and_out)
{
	struct message message;
	struct rpc rpc;
	name_t port = new_port(), inserted = 0x3003, got;

	/* A send right into the task, */
	CHECK_RET(insert(&rpc, task, inserted, port, MAKE_SEND),
		  task == self() ? KERN_RIGHT_EXISTS : 0);
	if (task == self())
		inserted = port, CHECK_RET(insert(&rpc, task, port, port, MAKE_SEND), 0);
	CHECK_EQ(refs(&rpc, task, inserted, MACH_PORT_RIGHT_SEND), 1);
	/* out again as a copy, */
	CHECK_RET(RPC(&rpc, task, 3215, inserted, COPY_SEND), 0);
	CHECK_EQ(rpc.size, 40);
	got = rpc_right(&rpc, 0, MOVE_SEND);
	CHECK_HEX(got, port);
	CHECK_SEND_UREFS(port, task == self() ? 2 : 1);
	/* and away. */
	CHECK_RET(RPC(&rpc, task, 3215, inserted, MOVE_SEND), 0);
	rpc_right(&rpc, 0, MOVE_SEND);
	CHECK_SEND_UREFS(port, 2);

	/* A receive right that the task makes, with a message in it */
	inserted = allocate(&rpc, task, MACH_PORT_RIGHT_RECEIVE);
	CHECK_RET(RPC(&rpc, task, 3215, inserted, MAKE_SEND), 0);
	got = rpc_right(&rpc, 0, MOVE_SEND);
	CHECK_RET(send_id(got, COPY_SEND, 7), 0);
	CHECK_RET(RPC(&rpc, task, 3215, inserted, MAKE_SEND_ONCE), 0);
	CHECK_RET(send_id(rpc_right(&rpc, 0, MOVE_SEND_ONCE), MOVE_SEND_ONCE, 8), 0);
	if (task != self()) {
		CHECK_RET(RPC(&rpc, task, 3215, inserted, MOVE_RECEIVE), 0);
		CHECK_HEX(rpc_right(&rpc, 0, MOVE_RECEIVE), got);
		CHECK_RET(RPC(&rpc, task, 3201, inserted), KERN_INVALID_NAME);
	}
	CHECK_EQ(receive_id(got), 7);
	CHECK_EQ(receive_id(got), 8);
	/* And back under another name; here it stays as a send right. */
	if (task != self()) {
		CHECK_RET(insert(&rpc, task, 0x5003, got, MOVE_RECEIVE), 0);
		CHECK_HEX(type_of(&rpc, task, 0x5003), TYPE(MACH_PORT_RIGHT_RECEIVE));
		CHECK_RET(msg_receive(&message, got), MACH_RCV_INVALID_NAME);
	}
	CHECK_RET(RPC(&rpc, task, 3215, inserted, 99), KERN_INVALID_VALUE);
	CHECK_RET(RPC(&rpc, task, 3215, MACH_PORT_NULL, MAKE_SEND), KERN_INVALID_RIGHT);
	CHECK_RET(RPC(&rpc, task, 3215, 0x7003, MAKE_SEND), KERN_INVALID_NAME);
	CHECK_RET(insert(&rpc, task, MACH_PORT_NULL, port, MAKE_SEND), KERN_INVALID_VALUE);
	CHECK_RET(insert(&rpc, task, 0x6003, MACH_PORT_NULL, MAKE_SEND), KERN_INVALID_CAPABILITY);
	CHECK_RET(insert(&rpc, task, 0x6003, MACH_PORT_DEAD, MOVE_SEND), KERN_INVALID_CAPABILITY);
}

BOTH(ports_are_put_into_sets)
{
	struct rpc rpc;
	name_t port = allocate(&rpc, task, MACH_PORT_RIGHT_RECEIVE);
	name_t one = allocate(&rpc, task, MACH_PORT_RIGHT_PORT_SET);
	name_t two = allocate(&rpc, task, MACH_PORT_RIGHT_PORT_SET);

	CHECK_RET(RPC(&rpc, task, 3226, port, one), 0);
	CHECK_RET(RPC(&rpc, task, 3226, port, one), KERN_ALREADY_IN_SET);
	CHECK_RET(RPC(&rpc, task, 3227, port, two), KERN_NOT_IN_SET);
	CHECK_RET(RPC(&rpc, task, 3212, port, two), 0);
	CHECK_RET(RPC(&rpc, task, 3227, port, one), KERN_NOT_IN_SET);
	CHECK_RET(RPC(&rpc, task, 3227, port, two), 0);
	CHECK_RET(RPC(&rpc, task, 3226, port, two), 0);
	CHECK_RET(RPC(&rpc, task, 3212, port, MACH_PORT_NULL), 0);
	CHECK_RET(RPC(&rpc, task, 3227, port, two), KERN_NOT_IN_SET);
	CHECK_RET(RPC(&rpc, task, 3226, one, port), KERN_INVALID_RIGHT);
	CHECK_RET(RPC(&rpc, task, 3226, MACH_PORT_NULL, one), KERN_INVALID_RIGHT);
	CHECK_RET(RPC(&rpc, task, 3212, port, port), KERN_INVALID_RIGHT);
	CHECK_RET(RPC(&rpc, task, 3212, 0x7003, one), KERN_INVALID_NAME);
}

/* The word of a port's status: 1 seqno, 2 make-send count, 3 limit, 4 messages … */
static uint32_t status(struct rpc *rpc, name_t task, name_t port, unsigned int word)
{
	REQUIRE_RET(RPC(rpc, task, 3217, port, 2, 10), 0);
	REQUIRE_EQ(rpc->size, 40 + 40);
	REQUIRE_EQ(rpc_words(rpc)[0], 10);
	return rpc_words(rpc)[1 + word];
}

BOTH(attributes_are_set_and_told)
{
	struct rpc rpc;
	name_t port = allocate(&rpc, task, MACH_PORT_RIGHT_RECEIVE);

	CHECK_EQ(status(&rpc, task, port, 3), 5);
	CHECK_RET(RPC(&rpc, task, 3218, port, 1, 1, 77), 0);
	CHECK_EQ(rpc.size, 36);
	CHECK_EQ(status(&rpc, task, port, 3), 77);
	CHECK_RET(RPC(&rpc, task, 3217, port, 1, 1), 0);
	CHECK_EQ(rpc.size, 44);
	CHECK_EQ(rpc_words(&rpc)[1], 77);
	CHECK_RET(RPC(&rpc, task, 3218, port, 1, 1, QLIMIT_MAX + 1), KERN_INVALID_VALUE);
	CHECK_RET(RPC(&rpc, task, 3218, port, 1, 0), KERN_FAILURE);
	CHECK_RET(RPC(&rpc, task, 3218, port, 2, 1, 1), KERN_INVALID_ARGUMENT);
	for (uint32_t flavor = 3; flavor <= 6; flavor++)
		CHECK_RET(RPC(&rpc, task, 3218, port, flavor, 1, 1), 0);
	/* As many words as the count says */
	CHECK_RET(RPC(&rpc, task, 3218, port, 1, 2, 1), MIG_BAD_ARGUMENTS);
	CHECK_RET(RPC(&rpc, task, 3218, port, 1, 0xffffffff, 1), MIG_BAD_ARGUMENTS);
	CHECK_RET(RPC(&rpc, task, 3218, port, 1, 1, 1, 1), MIG_BAD_ARGUMENTS);
	CHECK_RET(RPC(&rpc, task, 3218, MACH_PORT_NULL, 1, 1, 1), KERN_INVALID_RIGHT);
	CHECK_RET(RPC(&rpc, task, 3218, 0x7003, 1, 1, 1), KERN_INVALID_NAME);
	CHECK_RET(RPC(&rpc, task, 3217, port, 7, 17), 0);
	CHECK_EQ(rpc.size, 40 + 68);
	CHECK_RET(RPC(&rpc, task, 3217, port, 7, 16), KERN_FAILURE);
	CHECK_RET(RPC(&rpc, task, 3217, port, 4, 17), KERN_INVALID_ARGUMENT);

	CHECK_RET(RPC(&rpc, task, 3210, port, 9), 0);
	CHECK_EQ(status(&rpc, task, port, 2), 9);
	CHECK_RET(RPC(&rpc, task, 3216, port, 12), 0);
	CHECK_EQ(status(&rpc, task, port, 1), 12);
	CHECK_RET(RPC(&rpc, task, 3210, MACH_PORT_NULL, 9), KERN_INVALID_RIGHT);
	CHECK_RET(RPC(&rpc, task, 3216, 0x7003, 9), KERN_INVALID_NAME);
}

static int32_t with_guard(struct rpc *rpc, name_t task, int32_t id, name_t name, uint64_t guard)
{
	rpc_begin(rpc, task, id);
	rpc_word(rpc, name);
	rpc_wide(rpc, guard);
	return rpc_call(rpc);
}

static int32_t with_two(struct rpc *rpc, name_t task, int32_t id, name_t name, uint64_t one,
			uint64_t two)
{
	rpc_begin(rpc, task, id);
	rpc_word(rpc, name);
	rpc_wide(rpc, one);
	rpc_wide(rpc, two);
	return rpc_call(rpc);
}

static int32_t set_guard(struct rpc *rpc, name_t task, name_t name, uint64_t guard, uint32_t strict)
{
	rpc_begin(rpc, task, 3233);
	rpc_word(rpc, name);
	rpc_wide(rpc, guard);
	rpc_word(rpc, strict);
	return rpc_call(rpc);
}

static int32_t destruct(struct rpc *rpc, name_t task, name_t name, int32_t delta, uint64_t guard)
{
	rpc_begin(rpc, task, 3232);
	rpc_word(rpc, name);
	rpc_word(rpc, (uint32_t)delta);
	rpc_wide(rpc, guard);
	return rpc_call(rpc);
}

BOTH(contexts_and_guards)
{
	const uint64_t secret = 0x123456789abcdef0, other = 0xfedcba9876543210;
	struct rpc rpc;
	name_t port = allocate(&rpc, task, MACH_PORT_RIGHT_RECEIVE);

	CHECK_RET(with_guard(&rpc, task, 3229, port, secret), 0);
	CHECK_RET(RPC(&rpc, task, 3228, port), 0);
	CHECK_EQ(rpc.size, 44);
	CHECK_HEX(rpc_wide_at(&rpc, 0), secret);
	/* A context is in the way of a guard. */
	CHECK_RET(set_guard(&rpc, task, port, other, 0), KERN_INVALID_ARGUMENT);
	CHECK_RET(with_guard(&rpc, task, 3229, port, 0), 0);
	CHECK_RET(set_guard(&rpc, task, port, secret, 0), 0);
	CHECK_RET(set_guard(&rpc, task, port, secret, 0), KERN_INVALID_ARGUMENT);
	CHECK_RET(with_guard(&rpc, task, 3234, port, other), KERN_INVALID_ARGUMENT);
	CHECK_RET(destruct(&rpc, task, port, 0, other), KERN_INVALID_ARGUMENT);
	CHECK_RET(with_two(&rpc, task, 3238, port, other, secret), KERN_INVALID_ARGUMENT);
	CHECK_RET(with_two(&rpc, task, 3238, port, secret, other), 0);
	CHECK_RET(with_guard(&rpc, task, 3234, port, other), 0);
	CHECK_RET(with_guard(&rpc, task, 3234, port, other), KERN_INVALID_ARGUMENT);
	/* Flags that mean nothing */
	CHECK_RET(with_two(&rpc, task, 3237, port, secret, ~3ull), 0);
	CHECK_RET(with_guard(&rpc, task, 3234, port, secret), 0);
	CHECK_RET(with_two(&rpc, task, 3237, port, secret, 1), 0);
	/* A strict guard is not told, and not set over. */
	CHECK_RET(RPC(&rpc, task, 3228, port), 0);
	CHECK_HEX(rpc_wide_at(&rpc, 0), 0);
	CHECK_RET(with_guard(&rpc, task, 3229, port, 1), KERN_INVALID_ARGUMENT);
	CHECK_RET(with_two(&rpc, task, 3238, port, secret, other), KERN_INVALID_ARGUMENT);
	CHECK_RET(destruct(&rpc, task, port, 0, secret), 0);
	CHECK_RET(RPC(&rpc, task, 3201, port), KERN_INVALID_NAME);
	CHECK_RET(RPC(&rpc, task, 3228, MACH_PORT_NULL), KERN_INVALID_RIGHT);
	CHECK_RET(RPC(&rpc, task, 3228, port), KERN_INVALID_NAME);
	CHECK_RET(RPC(&rpc, task, 3236, port), KERN_NOT_SUPPORTED);

	port = allocate(&rpc, task, MACH_PORT_RIGHT_RECEIVE);
	CHECK_RET(with_two(&rpc, task, 3237, port, secret, 2), 0);
	CHECK_RET(RPC(&rpc, task, 3215, port, MOVE_RECEIVE), KERN_INVALID_CAPABILITY);
}

static int32_t request(struct rpc *rpc, name_t task, name_t name, uint32_t id, name_t notify,
		       int disposition)
{
	rpc_begin(rpc, task, 3213);
	rpc_port(rpc, notify, disposition);
	rpc_word(rpc, name);
	rpc_word(rpc, id);
	rpc_word(rpc, 0);
	return rpc_call(rpc);
}

BOTH(notifications_are_asked_for)
{
	struct rpc rpc;
	name_t notify = new_port(), port = allocate(&rpc, task, MACH_PORT_RIGHT_RECEIVE), previous;

	CHECK_RET(request(&rpc, task, port, NOTIFY_DEAD_NAME, notify, MAKE_SEND_ONCE), 0);
	CHECK_EQ(rpc.size, 40);
	CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND_ONCE), 0);
	CHECK_RET(RPC(&rpc, task, 3224, port), 0);
	CHECK_EQ(rpc_words(&rpc)[1], 1);
	CHECK(rpc_words(&rpc)[0] >= 1);
	/* The right comes back when another takes its place, */
	CHECK_RET(request(&rpc, task, port, NOTIFY_DEAD_NAME, notify, MAKE_SEND_ONCE), 0);
	previous = rpc_right(&rpc, 0, MOVE_SEND_ONCE);
	CHECK(has_right(previous, MACH_PORT_RIGHT_SEND_ONCE));
	/* or none. */
	CHECK_RET(request(&rpc, task, port, NOTIFY_DEAD_NAME, MACH_PORT_NULL, MOVE_SEND_ONCE), 0);
	CHECK(has_right(rpc_right(&rpc, 0, MOVE_SEND_ONCE), MACH_PORT_RIGHT_SEND_ONCE));
	CHECK_RET(RPC(&rpc, task, 3224, port), 0);
	CHECK_EQ(rpc_words(&rpc)[1], 0);
	/* One is told of no senders. */
	CHECK_RET(request(&rpc, task, port, NOTIFY_NO_SENDERS, notify, MAKE_SEND_ONCE), 0);
	CHECK_EQ(receive_id(notify), NOTIFY_NO_SENDERS);
	/* A send right is not what it takes. */
	CHECK_RET(request(&rpc, task, port, NOTIFY_DEAD_NAME, notify, MAKE_SEND), MIG_TYPE_ERROR);
	CHECK_RET(request(&rpc, task, port, NOTIFY_DEAD_NAME, MACH_PORT_DEAD, MOVE_SEND_ONCE),
		  KERN_INVALID_CAPABILITY);
	/* What is refused is dropped, which the port is told. */
	CHECK_RET(request(&rpc, task, port, 12, notify, MAKE_SEND_ONCE), KERN_INVALID_VALUE);
	CHECK_EQ(receive_id(notify), NOTIFY_SEND_ONCE);
	CHECK_RET(request(&rpc, task, 0x7003, NOTIFY_DEAD_NAME, notify, MAKE_SEND_ONCE),
		  KERN_INVALID_NAME);
	CHECK_EQ(receive_id(notify), NOTIFY_SEND_ONCE);
	/* Nothing is asked for and nothing to be taken back. */
	CHECK_RET(RPC(&rpc, task, 3203, MACH_PORT_RIGHT_PORT_SET, 0x6003), 0);
	CHECK_RET(request(&rpc, task, 0x6003, NOTIFY_DEAD_NAME, MACH_PORT_NULL, MOVE_SEND_ONCE), 0);
	CHECK_RET(request(&rpc, task, 0x6003, NOTIFY_DEAD_NAME, notify, MAKE_SEND_ONCE),
		  KERN_INVALID_RIGHT);
	CHECK_EQ(receive_id(notify), NOTIFY_SEND_ONCE);
	CHECK_NO_MESSAGE(notify);
}

BOTH(spaces_and_ports_are_told_of)
{
	struct rpc rpc;
	uint32_t used;
	name_t port = allocate(&rpc, task, MACH_PORT_RIGHT_RECEIVE);
	name_t own_task;

	rpc_begin(&rpc, task, 3235);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_EQ(rpc.size, 60);
	used = rpc_words(&rpc)[3];
	CHECK(used >= 1 && used <= rpc_words(&rpc)[1]);
	CHECK(rpc_words(&rpc)[1] <= rpc_words(&rpc)[2]);
	allocate(&rpc, task, MACH_PORT_RIGHT_RECEIVE);
	rpc_begin(&rpc, task, 3235);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_EQ(rpc_words(&rpc)[3], used + 1);

	CHECK_RET(RPC(&rpc, task, 3222, port), 0);
	CHECK_EQ(rpc_words(&rpc)[0], 0);
	CHECK_RET(RPC(&rpc, task, 3215, port, MAKE_SEND), 0);
	CHECK_RET(RPC(&rpc, task, 3222, port), 0);
	CHECK_EQ(rpc_words(&rpc)[0], 1);

	/* Kinds of objects: none, and, put into the task, the host */
	CHECK_RET(RPC(&rpc, task, 3225, port), 0);
	CHECK_EQ(rpc.size, 44);
	CHECK_EQ(rpc_words(&rpc)[0], 0);
	own_task = task == self() ? host_self() : 0x4003;
	CHECK_RET(insert(&rpc, task, own_task, host_self(), MOVE_SEND), 0);
	CHECK_RET(RPC(&rpc, task, 3225, own_task), 0);
	CHECK_EQ(rpc_words(&rpc)[0], 3);
	CHECK_EQ(rpc_words(&rpc)[1], 0);
	CHECK_RET(RPC(&rpc, task, 3230, own_task), 0);
	CHECK_EQ(rpc.size, 48);
	CHECK_EQ(rpc_words(&rpc)[0], 3);
	CHECK_RET(RPC(&rpc, task, 3225, 0x7003), KERN_INVALID_NAME);
}

/* Everything that would change or tell something of another task is refused. */
static void check_no_access(void *argument)
{
	name_t task = *(const name_t *)argument;
	static const int32_t ids[] = { 3201, 3204, 3205, 3206, 3222, 3224, 3225, 3228, 3230 };
	struct rpc rpc;

	become_nobody(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		CHECK_RET(RPC(&rpc, task, ids[i], 1), KERN_NO_ACCESS);
	CHECK_RET(RPC(&rpc, task, 3203, 1, 0x2003), KERN_NO_ACCESS);
	CHECK_RET(RPC(&rpc, task, 3215, 0x103, MAKE_SEND), KERN_NO_ACCESS);
	CHECK_RET(insert(&rpc, task, 0x2003, task, COPY_SEND), KERN_NO_ACCESS);
	rpc_begin(&rpc, task, 3235);
	CHECK_RET(rpc_call(&rpc), KERN_NO_ACCESS);
}

/* A process of another user with a right to the task port */
static void run_as_nobody(name_t task)
{
	pid_t pid;

	bootstrap_set(task, COPY_SEND);
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		task = bootstrap_get();
		check_no_access(&task);
		_exit(0);
	}
	WAIT_CHILD_OK(pid);
}

TEST(task_of_another_user_is_not_controlled)
{
	mach_open();
	self();
	run_as_nobody(self());
}

TEST(task_that_may_not_be_dumped_is_not_controlled)
{
	struct other other;
	struct rpc rpc;

	mach_open();
	become_nobody(NULL);
	other_start(&other, NULL, NULL);
	CHECK_RET(RPC(&rpc, other.task, 3204, 1), 0);
	other_end(&other);
	other_start(&other, become_undumpable, NULL);
	CHECK_RET(RPC(&rpc, other.task, 3204, 1), KERN_NO_ACCESS);
	other_end(&other);
	/* One's own task always is. */
	become_undumpable(NULL);
	CHECK_RET(RPC(&rpc, self(), 3204, 1), 0);
}

TEST(privileged_task_controls_any)
{
	struct other other;
	struct rpc rpc;

	mach_open();
	other_start(&other, become_nobody, NULL);
	CHECK_RET(RPC(&rpc, other.task, 3204, 1), 0);
	other_end(&other);
	other_start(&other, become_undumpable, NULL);
	CHECK_RET(RPC(&rpc, other.task, 3204, 1), 0);
	other_end(&other);
}
