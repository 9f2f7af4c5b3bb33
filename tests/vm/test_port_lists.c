// SPDX-License-Identifier: GPL-2.0
/*
 * The mach_port routines that return lists or take structures: for one's own
 * task and for another.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "port.h"
#include "process.h"
#include "rpc.h"

#define TYPE(right) (1u << ((right) + 16))
#define TYPE_DNREQUEST 0x80000000u

static name_t allocate(struct rpc *rpc, name_t task, uint32_t right)
{
	REQUIRE_RET(RPC(rpc, task, 3204, right), 0);
	return rpc_words(rpc)[0];
}

/* A list of the last reply, which is unmapped with the case */
static const uint32_t *list(struct rpc *rpc, unsigned int index, uint32_t entry_size, uint32_t count)
{
	uint32_t size;
	const uint32_t *words = rpc_out_of_line(rpc, index, &size);

	CHECK_EQ(size, count * entry_size);
	CHECK((words == NULL) == (count == 0));
	return words;
}

/* The type that mach_port_names tells of a name, or 0; how many names there are */
static uint32_t listed(struct rpc *rpc, name_t task, name_t name, uint32_t *count)
{
	const uint32_t *names, *types;
	uint32_t type = 0;

	rpc_begin(rpc, task, 3200);
	REQUIRE_RET(rpc_call(rpc), 0);
	REQUIRE_EQ(rpc->ports, 2);
	REQUIRE_EQ(rpc->size, 24 + 4 + 16 + 16 + 8 + 4 + 4);
	*count = rpc_words(rpc)[0];
	CHECK_EQ(rpc_words(rpc)[1], *count);
	names = list(rpc, 0, 4, *count);
	types = list(rpc, 1, 4, *count);
	for (uint32_t i = 0; i < *count; i++) {
		CHECK(names[i] != 0 && types[i] != 0);
		if (names[i] == name) {
			CHECK_EQ(type, 0);
			type = types[i];
		}
	}
	return type;
}

BOTH(names_are_listed)
{
	static const uint32_t rights[] = {
		MACH_PORT_RIGHT_RECEIVE, MACH_PORT_RIGHT_PORT_SET, MACH_PORT_RIGHT_DEAD_NAME,
	};
	struct rpc rpc;
	uint32_t before, now;
	name_t name;

	CHECK_HEX(listed(&rpc, task, 0x7003, &before), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
		name = allocate(&rpc, task, rights[i]);
		CHECK_HEX(listed(&rpc, task, name, &now), TYPE(rights[i]));
		CHECK_EQ(now, before + 1 + i);
	}
	CHECK_RET(RPC(&rpc, task, 3205, name), 0);
	CHECK_HEX(listed(&rpc, task, name, &now), 0);
	/* More than fit into a page */
	for (unsigned int i = 0; i < 2000; i++)
		name = allocate(&rpc, task, MACH_PORT_RIGHT_DEAD_NAME);
	CHECK_HEX(listed(&rpc, task, name, &now), TYPE(MACH_PORT_RIGHT_DEAD_NAME));
	CHECK_EQ(now, before + 2 + 2000);
}

TEST(names_of_dead_ports_and_requests_are_listed)
{
	struct rpc rpc;
	uint32_t count;
	name_t port, send, notify;

	mach_open();
	notify = new_port();
	port = new_send_right();
	CHECK_HEX(listed(&rpc, self(), port, &count),
		  TYPE(MACH_PORT_RIGHT_RECEIVE) | TYPE(MACH_PORT_RIGHT_SEND));
	notify_on(notify, port, NOTIFY_DEAD_NAME, 0);
	CHECK_HEX(listed(&rpc, self(), port, &count),
		  TYPE(MACH_PORT_RIGHT_RECEIVE) | TYPE(MACH_PORT_RIGHT_SEND) | TYPE_DNREQUEST);
	send = new_send_once(port);
	CHECK_HEX(listed(&rpc, self(), send, &count), TYPE(MACH_PORT_RIGHT_SEND_ONCE));
	destroy_receive(port);
	CHECK_HEX(listed(&rpc, self(), send, &count), TYPE(MACH_PORT_RIGHT_DEAD_NAME));
	CHECK_HEX(listed(&rpc, self(), port, &count), TYPE(MACH_PORT_RIGHT_DEAD_NAME));
	CHECK_UREFS(port, MACH_PORT_RIGHT_DEAD_NAME, 2);
}

/* Words of ipc_info_name_t */
#define INFO_WORDS 7u

BOTH(space_is_told_entry_by_entry)
{
	struct rpc rpc;
	const uint32_t *entries;
	name_t name = allocate(&rpc, task, MACH_PORT_RIGHT_DEAD_NAME);
	unsigned int used = 0, found = 0;
	uint32_t size, tree;

	CHECK_RET(RPC(&rpc, task, 3208, name, MACH_PORT_RIGHT_DEAD_NAME, 4), 0);
	rpc_begin(&rpc, task, 3223);
	REQUIRE_RET(rpc_call(&rpc), 0);
	REQUIRE_EQ(rpc.ports, 2);
	REQUIRE_EQ(rpc.size, 24 + 4 + 16 + 16 + 8 + 24 + 4 + 4);
	size = rpc_words(&rpc)[1];
	CHECK(rpc_words(&rpc)[2] > size);
	for (unsigned int i = 3; i < 6; i++)
		CHECK_EQ(rpc_words(&rpc)[i], 0);
	CHECK_EQ(rpc_words(&rpc)[6], size);
	CHECK_EQ(rpc_words(&rpc)[7], 0);
	entries = list(&rpc, 0, 4 * INFO_WORDS, size);
	CHECK(rpc_out_of_line(&rpc, 1, &tree) == NULL);
	CHECK_EQ(tree, 0);
	for (uint32_t i = 0; i < size; i++) {
		const uint32_t *entry = entries + i * INFO_WORDS;

		CHECK_EQ(entry[0] >> 8, i);
		CHECK_EQ(entry[4], 0);
		if (entry[2])
			used++;
		if (entry[0] != name)
			continue;
		found++;
		CHECK_HEX(entry[2], TYPE(MACH_PORT_RIGHT_DEAD_NAME));
		CHECK_EQ(entry[3], 5);
	}
	CHECK_EQ(found, 1);
	rpc_begin(&rpc, task, 3235);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_EQ(rpc_words(&rpc)[3], used);
}

static int32_t members(struct rpc *rpc, name_t task, name_t set, uint32_t *count)
{
	int32_t result = RPC(rpc, task, 3211, set);

	if (result)
		return result;
	REQUIRE_EQ(rpc->ports, 1);
	REQUIRE_EQ(rpc->size, 24 + 4 + 16 + 8 + 4);
	*count = rpc_words(rpc)[0];
	return 0;
}

BOTH(members_of_a_set_are_listed)
{
	struct rpc rpc;
	name_t set = allocate(&rpc, task, MACH_PORT_RIGHT_PORT_SET), ports[20];
	const uint32_t *names;
	uint32_t count;

	CHECK_RET(members(&rpc, task, set, &count), 0);
	CHECK_EQ(count, 0);
	list(&rpc, 0, 4, 0);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		ports[i] = allocate(&rpc, task, MACH_PORT_RIGHT_RECEIVE);
		CHECK_RET(RPC(&rpc, task, 3226, ports[i], set), 0);
	}
	CHECK_RET(members(&rpc, task, set, &count), 0);
	REQUIRE_EQ(count, ARRAY_SIZE(ports));
	names = list(&rpc, 0, 4, count);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		unsigned int found = 0;

		for (uint32_t j = 0; j < count; j++)
			found += names[j] == ports[i];
		CHECK_EQ(found, 1);
	}
	CHECK_RET(RPC(&rpc, task, 3227, ports[3], set), 0);
	CHECK_RET(members(&rpc, task, set, &count), 0);
	CHECK_EQ(count, ARRAY_SIZE(ports) - 1);
	CHECK_RET(members(&rpc, task, ports[0], &count), KERN_INVALID_RIGHT);
	CHECK_RET(members(&rpc, task, 0x7003, &count), KERN_INVALID_NAME);
	CHECK_RET(members(&rpc, task, MACH_PORT_NULL, &count), KERN_INVALID_RIGHT);
	CHECK_RET(members(&rpc, task, MACH_PORT_DEAD, &count), KERN_INVALID_RIGHT);
}

#define TRAILER(elements) ((uint32_t)(elements) << 24)

static int32_t peek(struct rpc *rpc, name_t task, name_t port, uint32_t trailer, uint32_t seqno,
		    uint32_t room)
{
	return RPC(rpc, task, 3209, port, trailer, seqno, room);
}

BOTH(messages_are_peeked_at)
{
	struct rpc rpc;
	name_t port = allocate(&rpc, task, MACH_PORT_RIGHT_RECEIVE), send;

	CHECK_RET(peek(&rpc, task, port, 0, 0, 68), KERN_FAILURE);
	CHECK_RET(RPC(&rpc, task, 3216, port, 12), 0);
	CHECK_RET(RPC(&rpc, task, 3215, port, MAKE_SEND), 0);
	send = rpc_right(&rpc, 0, MOVE_SEND);
	for (int32_t id = 70; id < 73; id++) {
		struct message message;

		message_init(&message, MSGH_BITS(COPY_SEND, 0), send, 0, id);
		CHECK_RET(msg_send(&message, HEADER_SIZE + 4 * (uint32_t)(id - 70)), 0);
	}
	CHECK_RET(peek(&rpc, task, port, TRAILER(0), 0, 8), 0);
	CHECK_EQ(rpc.size, 36 + 4 + 4 + 4 + 4 + 8);
	CHECK_EQ(rpc_words(&rpc)[0], 12);
	CHECK_EQ(rpc_words(&rpc)[1], HEADER_SIZE);
	CHECK_EQ(rpc_words(&rpc)[2], 70);
	CHECK_EQ(rpc_words(&rpc)[3], 8);
	CHECK_EQ(rpc_words(&rpc)[4], 0);
	CHECK_EQ(rpc_words(&rpc)[5], 8);
	/* By number, with all that is told of a sender */
	CHECK_RET(peek(&rpc, task, port, TRAILER(3), 14, 68), 0);
	CHECK_EQ(rpc.size, 36 + 16 + 52);
	CHECK_EQ(rpc_words(&rpc)[0], 14);
	CHECK_EQ(rpc_words(&rpc)[1], HEADER_SIZE + 8);
	CHECK_EQ(rpc_words(&rpc)[2], 72);
	CHECK_EQ(rpc_words(&rpc)[3], 52);
	CHECK_EQ(rpc_words(&rpc)[4 + 1], 52);
	CHECK_EQ(rpc_words(&rpc)[4 + 2], 14);
	CHECK_EQ(rpc_words(&rpc)[4 + 5 + 5], (uint32_t)getpid());
	CHECK_RET(peek(&rpc, task, port, 0, 15, 68), KERN_FAILURE);
	CHECK_RET(peek(&rpc, task, port, 0, 11, 68), KERN_FAILURE);
	/* They are still there. */
	CHECK_RET(peek(&rpc, task, port, 0, 12, 68), 0);
	CHECK_EQ(rpc_words(&rpc)[2], 70);
	CHECK_RET(peek(&rpc, task, port, TRAILER(4), 0, 68), KERN_INVALID_VALUE);
	CHECK_RET(peek(&rpc, task, port, TRAILER(3), 0, 51), KERN_INVALID_VALUE);
	CHECK_RET(peek(&rpc, task, MACH_PORT_NULL, 0, 0, 68), KERN_INVALID_RIGHT);
	CHECK_RET(peek(&rpc, task, 0x7003, 0, 0, 68), KERN_INVALID_NAME);
}

static int32_t construct(struct rpc *rpc, name_t task, const struct port_options *options,
			 uint32_t size, uint64_t context)
{
	rpc_begin(rpc, task, 3231);
	rpc_memory(rpc, options, size);
	rpc_wide(rpc, context);
	return rpc_call(rpc);
}

BOTH(ports_are_constructed)
{
	struct port_options options = {
		.flags = MPO_QLIMIT | MPO_INSERT_SEND_RIGHT | MPO_CONTEXT_AS_GUARD, .qlimit = 33,
	};
	struct rpc rpc;
	name_t port;

	REQUIRE_RET(construct(&rpc, task, &options, sizeof(options), 0x1234), 0);
	CHECK_EQ(rpc.size, 40);
	port = rpc_words(&rpc)[0];
	CHECK_RET(RPC(&rpc, task, 3201, port), 0);
	CHECK_HEX(rpc_words(&rpc)[0], TYPE(MACH_PORT_RIGHT_RECEIVE) | TYPE(MACH_PORT_RIGHT_SEND));
	CHECK_RET(RPC(&rpc, task, 3217, port, 2, 10), 0);
	CHECK_EQ(rpc_words(&rpc)[1 + 3], 33);
	CHECK_HEX(rpc_words(&rpc)[1 + 9], PORT_STATUS_GUARDED);
	options.qlimit = MACH_PORT_QLIMIT_LARGE + 1;
	CHECK_RET(construct(&rpc, task, &options, sizeof(options), 0), KERN_INVALID_VALUE);
	CHECK_RET(construct(&rpc, task, &options, sizeof(options) - 4, 0), MIG_TYPE_ERROR);
	CHECK_RET(construct(&rpc, task, &options, 0, 0), MIG_TYPE_ERROR);
}

TEST(lists_of_another_user_are_refused)
{
	const struct port_options options = { .flags = 0 };
	struct other other;
	struct rpc rpc;

	mach_open();
	other_start(&other, NULL, NULL);
	become_nobody(NULL);
	for (int32_t id = 3200; id <= 3223; id += 23) {
		rpc_begin(&rpc, other.task, id);
		CHECK_RET(rpc_call(&rpc), KERN_NO_ACCESS);
	}
	CHECK_RET(RPC(&rpc, other.task, 3211, 0x103), KERN_NO_ACCESS);
	CHECK_RET(peek(&rpc, other.task, 0x103, 0, 0, 68), KERN_NO_ACCESS);
	CHECK_RET(construct(&rpc, other.task, &options, sizeof(options), 0), KERN_NO_ACCESS);
}
