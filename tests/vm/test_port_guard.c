// SPDX-License-Identifier: GPL-2.0
/*
 * Ports made to measure, guarded and taken apart: construct, destruct, guard,
 * unguard, and what a guard keeps others from.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "port.h"
#include "process.h"
#include "short_rights.h"

#define GUARD		0x1122334455667788ull
#define NOT_GUARD	0x1122334455667789ull

static void check_type(int line, name_t name, uint32_t want)
{
	uint32_t type;

	if (check_equal(__FILE__, line, CHECK_CODE, GO_ON, "port_type", port_type(name, &type),
			"known", KERN_SUCCESS))
		check_equal(__FILE__, line, CHECK_HEX, GO_ON, "type", type, "expected", want);
}

#define CHECK_TYPE(name, type) check_type(__LINE__, name, type)

/* Moves the receive right @port to @to in a message and back out; returns its name. */
static name_t move_through(name_t port, name_t to, long *result)
{
	struct {
		struct header header;
		uint32_t count;
		struct port_descriptor port;
		uint32_t trailer[32];
	} message = {
		.header = { MSGH_BITS(MAKE_SEND, 0) | MSGH_COMPLEX, 0, to, 0, 0, 9 },
		.count = 1,
		.port = PORT_DESCRIPTOR(port, MOVE_RECEIVE),
	};

	*result = mach_msg(&message, MACH_SEND_MSG, 40, 0, 0, 0);
	if (*result)
		return MACH_PORT_NULL;
	REQUIRE_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(message), to, 0),
		    0);
	CHECK_EQ(message.port.pad16_disposition_type >> 16 & 0xff, MOVE_RECEIVE);
	return message.port.name;
}

/* The context that the port's next trailer tells. */
static uint64_t context_of(name_t port)
{
	struct message message;

	REQUIRE_RET(send_id(port, MAKE_SEND, 3), 0);
	REQUIRE_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TIMEOUT |
			     MACH_RCV_TRAILER(TRAILER_CTX), 0, sizeof(message), port, 0), 0);
	return trailer_of(&message)->context;
}

/* construct */

TEST(construct_without_flags)
{
	struct port_status status;
	name_t port;

	mach_open();
	port = new_port_with(0, 0);
	CHECK_TYPE(port, MACH_PORT_TYPE_RECEIVE);
	status = port_status(port);
	CHECK_EQ(status.qlimit, MACH_PORT_QLIMIT_BASIC);
	CHECK_EQ(status.mscount, 0);
	CHECK_EQ(status.srights, 0);
	CHECK_HEX(status.flags, 0);
	CHECK_EQ(context_of(port), 0);
}

TEST(construct_with_a_send_right)
{
	struct port_status status;
	name_t port;

	mach_open();
	port = new_port_with(MPO_INSERT_SEND_RIGHT, 0);
	CHECK_TYPE(port, MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_SEND);
	CHECK_SEND_UREFS(port, 1);
	status = port_status(port);
	CHECK_EQ(status.mscount, 1);
	CHECK_EQ(status.srights, 1);
	CHECK_RET(send_id(port, COPY_SEND, 12), 0);
	CHECK_EQ(receive_id(port), 12);
}

TEST(construct_with_a_limit)
{
	static const uint32_t good[] = { 0, 1, 5, 6, 1023, 1024 };
	static const uint32_t bad[] = { 1025, 65534, 0x80000000, 0xffffffff };
	name_t name;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		CHECK_RET(port_construct(MPO_QLIMIT, good[i], 0, &name), KERN_SUCCESS);
		CHECK_EQ(port_status(name).qlimit, good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_RET(port_construct(MPO_QLIMIT | MPO_INSERT_SEND_RIGHT, bad[i], 0, &name),
			  KERN_INVALID_VALUE);
		CHECK_HEX(name, POISON32);
		/* Without the flag, the word is not looked at. */
		CHECK_RET(port_construct(0, bad[i], 0, &name), KERN_SUCCESS);
		CHECK_EQ(port_status(name).qlimit, MACH_PORT_QLIMIT_BASIC);
	}
}

TEST(constructed_limit_counts)
{
	name_t port;

	mach_open();
	for (uint32_t limit = 0; limit < 9; limit += 4) {
		struct message message;

		CHECK_RET(port_construct(MPO_QLIMIT, limit, 0, &port), KERN_SUCCESS);
		for (uint32_t i = 0; i < limit; i++)
			CHECK_RET(send_id(port, MAKE_SEND, (int32_t)i), 0);
		message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 99);
		CHECK_RET(msg_send_within(&message, HEADER_SIZE, 0), MACH_SEND_TIMED_OUT);
		CHECK_EQ(port_status(port).msgcount, limit);
		for (uint32_t i = 0; i < limit; i++)
			CHECK_EQ(receive_id(port), i);
		CHECK_NO_MESSAGE(port);
	}
}

TEST(construct_keeps_the_context)
{
	name_t port;

	mach_open();
	port = new_port_with(0, GUARD);
	CHECK_HEX(context_of(port), GUARD);
	CHECK_HEX(port_status(port).flags, 0);
	port = new_port_with(MPO_CONTEXT_AS_GUARD, GUARD);
	CHECK_HEX(context_of(port), GUARD);
}

/* Which flags make a guard, and which kind */
TEST(construct_guards)
{
	static const struct {
		uint32_t flags;
		uint32_t status;
	} rows[] = {
		{ 0, 0 },
		{ MPO_STRICT, 0 },
		{ MPO_IMMOVABLE_RECEIVE, 0 },
		{ MPO_CONTEXT_AS_GUARD, PORT_STATUS_GUARDED },
		{ MPO_CONTEXT_AS_GUARD | MPO_STRICT, PORT_STATUS_GUARDED | PORT_STATUS_STRICT },
		{ MPO_CONTEXT_AS_GUARD | MPO_IMMOVABLE_RECEIVE, PORT_STATUS_GUARDED },
		{ MPO_CONTEXT_AS_GUARD | MPO_INSERT_SEND_RIGHT, PORT_STATUS_GUARDED },
		{ MPO_TEMPOWNER | MPO_DENAP_RECEIVER, 0 },
		{ 0xfffffe00, 0 },
		{ 0xfffffe00 | MPO_CONTEXT_AS_GUARD, PORT_STATUS_GUARDED },
	};

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (uint64_t context = 0; context <= GUARD; context += GUARD) {
			name_t port = new_port_with(rows[i].flags, context);

			CHECK_HEX(port_status(port).flags & (PORT_STATUS_GUARDED |
							     PORT_STATUS_STRICT), rows[i].status);
			/* A guard may be zero, and a context be no guard. */
			CHECK_RET(mod_refs(port, RECEIVE, -1),
				  rows[i].status ? KERN_INVALID_RIGHT : KERN_SUCCESS);
		}
}

TEST(construct_faults)
{
	struct port_options options = { .flags = MPO_INSERT_SEND_RIGHT };
	name_t name = POISON32;
	struct hole hole;
	long rights;

	mach_open();
	self();
	rights = live("rights");
	hole_init(&hole);
	for (size_t i = 0; i < bad_pointer_count; i++) {
		const void *bad = (const void *)bad_pointers[i];

		/* The options come first, before the task. */
		CHECK_RET(port_construct_in(self(), bad, 0, &name), MACH_SEND_INVALID_DATA);
		CHECK_RET(port_construct_in(0, bad, 0, &name), MACH_SEND_INVALID_DATA);
		CHECK_RET(port_construct_in(0, &options, 0, (void *)bad_pointers[i]),
			  MACH_SEND_INVALID_DEST);
		CHECK_RET(port_construct_in(self(), &options, 0, (void *)bad_pointers[i]),
			  KERN_ABORTED);
	}
	/* Both rights are taken back. */
	CHECK_EQ(live("rights"), rights);
	for (size_t size = 0; size < sizeof(options); size++) {
		memcpy(fault_at(&hole, size), &options, size);
		CHECK_RET(port_construct_in(self(), fault_at(&hole, size), 0, &name),
			  MACH_SEND_INVALID_DATA);
	}
	memcpy(fault_at(&hole, sizeof(options)), &options, sizeof(options));
	CHECK_HEX(name, POISON32);
	CHECK_RET(port_construct_in(self(), fault_at(&hole, sizeof(options)), 0, &name),
		  KERN_SUCCESS);
	CHECK_SEND_UREFS(name, 1);
	for (size_t size = 0; size < 4; size++)
		CHECK_RET(port_construct_in(self(), &options, 0, fault_at(&hole, size)),
			  KERN_ABORTED);
	CHECK_RET(trap(NR__kernelrpc_mach_port_construct_trap, 0), -EFAULT);
	CHECK_RET(trap(NR__kernelrpc_mach_port_destruct_trap, 0), -EFAULT);
	CHECK_RET(trap(NR__kernelrpc_mach_port_guard_trap, 0), -EFAULT);
	CHECK_RET(trap(NR__kernelrpc_mach_port_unguard_trap, 0), -EFAULT);
}

TEST(guard_struct_has_seventeen_bytes)
{
	struct mach_port_guard_args arguments = { .guard = GUARD, .strict = 1 };
	struct hole hole;

	mach_open();
	hole_init(&hole);
	arguments.task_right_name = self();
	arguments.port_right_name = new_port();
	for (size_t size = 0; size < sizeof(arguments); size++) {
		memcpy(fault_at(&hole, size), &arguments, size);
		CHECK_RET(trap_struct(NR__kernelrpc_mach_port_guard_trap, fault_at(&hole, size)),
			  -EFAULT);
	}
	memcpy(fault_at(&hole, sizeof(arguments)), &arguments, sizeof(arguments));
	CHECK_RET(trap_struct(NR__kernelrpc_mach_port_guard_trap,
			      fault_at(&hole, sizeof(arguments))), KERN_SUCCESS);
	CHECK_HEX(port_status(arguments.port_right_name).flags,
		  PORT_STATUS_GUARDED | PORT_STATUS_STRICT);
}

/* destruct */

TEST(destruct_refuses)
{
	name_t port, plain, dead, set, send;

	mach_open();
	port = new_port_with(MPO_CONTEXT_AS_GUARD | MPO_INSERT_SEND_RIGHT, GUARD);
	plain = new_port();
	dead = new_dead_name();
	set = new_port_set();
	send = host_self();

	/* The target comes first, then the name, then what it is. */
	CHECK_RET(port_destruct_in(0, 0, 1, 0), MACH_SEND_INVALID_DEST);
	CHECK_RET(port_destruct_in(port, port, 0, GUARD), MACH_SEND_INVALID_DEST);
	CHECK_RET(port_destruct(MACH_PORT_NULL, 1, 0), KERN_INVALID_NAME);
	CHECK_RET(port_destruct(MACH_PORT_DEAD, 1, 0), KERN_INVALID_NAME);
	CHECK_RET(port_destruct(unused_name(), 1, 0), KERN_INVALID_NAME);
	CHECK_RET(port_destruct(dead, 1, 0), KERN_INVALID_RIGHT);
	CHECK_RET(port_destruct(set, 1, 0), KERN_INVALID_RIGHT);
	CHECK_RET(port_destruct(send, 1, 0), KERN_INVALID_RIGHT);
	/* No send right, before the sign of the change. */
	CHECK_RET(port_destruct(plain, 1, 0), KERN_INVALID_RIGHT);
	CHECK_RET(port_destruct(plain, -1, 0), KERN_INVALID_RIGHT);
	/* The sign, before the guard. */
	CHECK_RET(port_destruct(port, 1, NOT_GUARD), KERN_INVALID_VALUE);
	CHECK_RET(port_destruct(port, 1, GUARD), KERN_INVALID_VALUE);
	/* The guard, before the number. */
	CHECK_RET(port_destruct(port, -2, NOT_GUARD), KERN_INVALID_ARGUMENT);
	CHECK_RET(port_destruct(port, 0, NOT_GUARD), KERN_INVALID_ARGUMENT);
	CHECK_RET(port_destruct(port, 0, 0), KERN_INVALID_ARGUMENT);
	CHECK_RET(port_destruct(port, -2, GUARD), KERN_INVALID_VALUE);
	CHECK_RET(port_destruct(port, -0x7fffffff - 1, GUARD), KERN_INVALID_VALUE);

	/* All of them are as they were. */
	CHECK_SEND_UREFS(port, 1);
	CHECK(has_right(port, RECEIVE) && has_right(plain, RECEIVE));
	CHECK_TYPE(port, MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_SEND);
	CHECK_UREFS(dead, DEAD_NAME, 1);
	CHECK_HEX(port_status(port).flags, PORT_STATUS_GUARDED);
	CHECK_RET(send_id(port, COPY_SEND, 4), 0);
	CHECK_EQ(receive_id(port), 4);
}

TEST(destruct_takes_references)
{
	mach_open();
	for (int urefs = 0; urefs < 5; urefs++)
		for (int taken = 0; taken <= urefs; taken++)
			for (int guarded = 0; guarded < 2; guarded++) {
				name_t port = new_port_with(guarded ? MPO_CONTEXT_AS_GUARD : 0,
							    GUARD);

				for (int i = 0; i < urefs; i++)
					insert_right(port, port, MAKE_SEND);
				/* Without a guard, anything will do as one. */
				CHECK_RET(port_destruct(port, -taken, guarded ? GUARD : 77),
					  KERN_SUCCESS);
				if (taken == urefs)
					CHECK_UNKNOWN(port);
				else
					CHECK_UREFS(port, DEAD_NAME, urefs - taken);
			}
}

TEST(destruct_releases_what_is_queued)
{
	name_t port, reply;

	mach_open();
	port = new_port_with(MPO_INSERT_SEND_RIGHT, 0);
	reply = new_port();
	CHECK_RET(send_with_reply(port, COPY_SEND, reply, MAKE_SEND_ONCE, 5), 0);
	CHECK_RET(port_destruct(port, 0, 0), KERN_SUCCESS);
	CHECK_NOTIFIED(reply, NOTIFY_SEND_ONCE);
	CHECK_NO_MESSAGE(reply);
	CHECK_UREFS(port, DEAD_NAME, 1);
}

/* guard and unguard */

TEST(guard_refuses)
{
	name_t port, send, dead, with_context, guarded;

	mach_open();
	port = new_port();
	send = host_self();
	dead = new_dead_name();
	with_context = new_port_with(0, 1);
	guarded = new_port_with(MPO_CONTEXT_AS_GUARD, GUARD);

	CHECK_RET(port_guard_in(0, port, GUARD, false), MACH_SEND_INVALID_DEST);
	CHECK_RET(port_guard_in(port, port, GUARD, false), MACH_SEND_INVALID_DEST);
	CHECK_RET(port_guard(MACH_PORT_NULL, GUARD, false), KERN_INVALID_NAME);
	CHECK_RET(port_guard(MACH_PORT_DEAD, GUARD, false), KERN_INVALID_NAME);
	CHECK_RET(port_guard(unused_name(), GUARD, false), KERN_INVALID_NAME);
	CHECK_RET(port_guard(send, GUARD, false), KERN_INVALID_RIGHT);
	CHECK_RET(port_guard(dead, GUARD, false), KERN_INVALID_RIGHT);
	CHECK_RET(port_guard(new_port_set(), GUARD, false), KERN_INVALID_RIGHT);
	CHECK_RET(port_guard(with_context, GUARD, false), KERN_INVALID_ARGUMENT);
	CHECK_RET(port_guard(guarded, GUARD, false), KERN_INVALID_ARGUMENT);
	CHECK_HEX(port_status(port).flags, 0);
	CHECK_HEX(port_status(with_context).flags, 0);

	CHECK_RET(port_unguard_in(0, guarded, 0), MACH_SEND_INVALID_DEST);
	CHECK_RET(port_unguard(MACH_PORT_NULL, GUARD), KERN_INVALID_NAME);
	CHECK_RET(port_unguard(MACH_PORT_DEAD, GUARD), KERN_INVALID_NAME);
	CHECK_RET(port_unguard(unused_name(), GUARD), KERN_INVALID_NAME);
	CHECK_RET(port_unguard(send, GUARD), KERN_INVALID_RIGHT);
	CHECK_RET(port_unguard(dead, GUARD), KERN_INVALID_RIGHT);
	CHECK_RET(port_unguard(port, 0), KERN_INVALID_ARGUMENT);
	CHECK_RET(port_unguard(with_context, 1), KERN_INVALID_ARGUMENT);
	CHECK_RET(port_unguard(guarded, 1), KERN_INVALID_ARGUMENT);
	CHECK_HEX(port_status(guarded).flags, PORT_STATUS_GUARDED);
}

TEST(guard_and_unguard)
{
	name_t port;

	mach_open();
	port = new_send_right();
	for (int strict = 0; strict < 2; strict++) {
		CHECK_RET(port_guard(port, GUARD, strict), KERN_SUCCESS);
		CHECK_HEX(port_status(port).flags,
			  PORT_STATUS_GUARDED | (strict ? PORT_STATUS_STRICT : 0));
		CHECK_HEX(context_of(port), GUARD);
		CHECK_RET(port_guard(port, GUARD, strict), KERN_INVALID_ARGUMENT);
		CHECK_RET(port_unguard(port, NOT_GUARD), KERN_INVALID_ARGUMENT);
		CHECK_RET(port_unguard(port, GUARD), KERN_SUCCESS);
		CHECK_HEX(port_status(port).flags, 0);
		CHECK_HEX(context_of(port), 0);
		CHECK_RET(port_unguard(port, GUARD), KERN_INVALID_ARGUMENT);
	}
	/* A guard of zero is one, but none that is in the way of another. */
	CHECK_RET(port_guard(port, 0, true), KERN_SUCCESS);
	CHECK_RET(port_destruct(port, 0, GUARD), KERN_INVALID_ARGUMENT);
	CHECK_RET(port_guard(port, GUARD, false), KERN_SUCCESS);
	CHECK_HEX(port_status(port).flags, PORT_STATUS_GUARDED);
	CHECK_RET(port_unguard(port, GUARD), KERN_SUCCESS);
	CHECK_RET(port_guard(port, 0, false), KERN_SUCCESS);
	CHECK_RET(port_destruct(port, 0, GUARD), KERN_INVALID_ARGUMENT);
	CHECK_RET(port_unguard(port, 0), KERN_SUCCESS);
	CHECK_RET(port_destruct(port, -1, GUARD), KERN_SUCCESS);
	CHECK_UNKNOWN(port);
}

TEST(guard_keeps_the_receive_right)
{
	mach_open();
	for (int strict = 0; strict < 2; strict++)
		for (int urefs = 0; urefs < 3; urefs++) {
			name_t port = new_port();
			uint32_t type = MACH_PORT_TYPE_RECEIVE;

			for (int i = 0; i < urefs; i++)
				insert_right(port, port, MAKE_SEND);
			if (urefs)
				type |= MACH_PORT_TYPE_SEND;
			CHECK_RET(port_guard(port, GUARD, strict), KERN_SUCCESS);
			CHECK_RET(mod_refs(port, RECEIVE, -1), KERN_INVALID_RIGHT);
			CHECK_RET(mod_refs(port, RECEIVE, 0), KERN_SUCCESS);
			CHECK_RET(mod_refs(port, RECEIVE, 1), KERN_INVALID_VALUE);
			CHECK_TYPE(port, type);
			CHECK_RET(port_destroy(port), KERN_INVALID_RIGHT);
			CHECK_TYPE(port, type);
			if (urefs)
				CHECK_SEND_UREFS(port, urefs);
			/* It serves as before. */
			CHECK_RET(send_id(port, MAKE_SEND, 8), 0);
			CHECK_EQ(receive_id(port), 8);
			for (int i = 0; i < urefs; i++)
				CHECK_RET(deallocate(port), KERN_SUCCESS);
			CHECK_TYPE(port, MACH_PORT_TYPE_RECEIVE);
			CHECK_RET(port_unguard(port, GUARD), KERN_SUCCESS);
			CHECK_RET(port_destroy(port), KERN_SUCCESS);
			CHECK_UNKNOWN(port);
		}
}

TEST(guard_does_not_outlive_a_move)
{
	name_t port, to, got;
	long result;

	mach_open();
	to = new_port();
	for (int strict = 0; strict < 2; strict++) {
		port = new_port();
		CHECK_RET(port_guard(port, GUARD, strict), KERN_SUCCESS);
		got = move_through(port, to, &result);
		CHECK_RET(result, 0);
		CHECK_HEX(port_status(got).flags, 0);
		CHECK_EQ(port_status(got).mscount, 0);
		CHECK_HEX(context_of(got), 0);
		CHECK_RET(port_unguard(got, GUARD), KERN_INVALID_ARGUMENT);
		CHECK_RET(mod_refs(got, RECEIVE, -1), KERN_SUCCESS);
	}
	/* Nor does a mere context. */
	got = move_through(new_port_with(0, GUARD), to, &result);
	CHECK_RET(result, 0);
	CHECK_HEX(context_of(got), 0);
}

TEST(immovable_stays_where_it_is)
{
	name_t port, to;
	long result;

	mach_open();
	to = new_port();
	port = new_port_with(MPO_CONTEXT_AS_GUARD | MPO_IMMOVABLE_RECEIVE | MPO_INSERT_SEND_RIGHT,
			     GUARD);
	move_through(port, to, &result);
	CHECK_RET(result, MACH_SEND_INVALID_RIGHT);
	CHECK_RET(insert_right(port, port, MOVE_RECEIVE), KERN_INVALID_CAPABILITY);
	/* Without its guard as well */
	CHECK_RET(port_unguard(port, GUARD), KERN_SUCCESS);
	move_through(port, to, &result);
	CHECK_RET(result, MACH_SEND_INVALID_RIGHT);
	/* And with another one */
	CHECK_RET(port_guard(port, NOT_GUARD, false), KERN_SUCCESS);
	CHECK_RET(port_unguard(port, NOT_GUARD), KERN_SUCCESS);
	move_through(port, to, &result);
	CHECK_RET(result, MACH_SEND_INVALID_RIGHT);
	CHECK_NO_MESSAGE(to);
	CHECK_TYPE(port, MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_SEND);
	CHECK_SEND_UREFS(port, 1);
	CHECK_RET(send_id(port, COPY_SEND, 8), 0);
	CHECK_EQ(receive_id(port), 8);
	CHECK_RET(port_destruct(port, -1, 0), KERN_SUCCESS);
	CHECK_UNKNOWN(port);
	/* Alone, the flag does nothing. */
	port = move_through(new_port_with(MPO_IMMOVABLE_RECEIVE, 0), to, &result);
	CHECK_RET(result, 0);
	CHECK_TYPE(port, MACH_PORT_TYPE_RECEIVE);
}

TEST(guarded_ports_end_with_their_task)
{
	mach_open();
	for (int i = 0; i < 50; i++)
		new_port_with(MPO_CONTEXT_AS_GUARD | MPO_STRICT | MPO_IMMOVABLE_RECEIVE |
			      MPO_INSERT_SEND_RIGHT, GUARD + (uint64_t)i);
}
