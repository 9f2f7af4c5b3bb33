// SPDX-License-Identifier: GPL-2.0
/*
 * Port sets: members, and receiving from them.
 * time limit: 180 s
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

static void open_for_sets(void)
{
	mach_open();
	if (!trap_is_built(NR__kernelrpc_mach_port_insert_member_trap))
		SKIP("port sets have no members yet");
}

TEST(members_come_and_go)
{
	name_t port, set, other;

	open_for_sets();
	port = new_port();
	set = new_port_set();
	other = new_port_set();
	CHECK_RET(extract_member(port, set), KERN_NOT_IN_SET);
	CHECK_RET(insert_member(port, set), KERN_SUCCESS);
	CHECK_RET(insert_member(port, set), KERN_ALREADY_IN_SET);
	/* A port may be in several sets. */
	CHECK_RET(insert_member(port, other), KERN_SUCCESS);
	CHECK_RET(extract_member(port, set), KERN_SUCCESS);
	CHECK_RET(extract_member(port, set), KERN_NOT_IN_SET);
	CHECK_RET(insert_member(port, other), KERN_ALREADY_IN_SET);
	/* Moving takes it out of all. */
	CHECK_RET(insert_member(port, set), KERN_SUCCESS);
	CHECK_RET(move_member(port, set), KERN_SUCCESS);
	CHECK_RET(extract_member(port, other), KERN_NOT_IN_SET);
	CHECK_RET(insert_member(port, set), KERN_ALREADY_IN_SET);
	CHECK_RET(move_member(port, MACH_PORT_NULL), KERN_SUCCESS);
	CHECK_RET(move_member(port, MACH_PORT_NULL), KERN_SUCCESS);
	CHECK_RET(extract_member(port, set), KERN_NOT_IN_SET);
}

TEST(member_names_that_are_wrong)
{
	static const name_t invalid[] = { MACH_PORT_NULL, MACH_PORT_DEAD };
	name_t port, set, dead, once, host, wrong[4];

	open_for_sets();
	port = new_port();
	set = new_port_set();
	dead = new_dead_name();
	once = new_send_once(port);
	host = host_self();
	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++) {
		CHECK_RET(insert_member(invalid[i], set), KERN_INVALID_RIGHT);
		CHECK_RET(insert_member(port, invalid[i]), KERN_INVALID_RIGHT);
		CHECK_RET(extract_member(invalid[i], set), KERN_INVALID_RIGHT);
		CHECK_RET(extract_member(port, invalid[i]), KERN_INVALID_RIGHT);
		CHECK_RET(move_member(invalid[i], set), KERN_INVALID_RIGHT);
	}
	CHECK_RET(move_member(port, MACH_PORT_DEAD), KERN_INVALID_RIGHT);
	CHECK_RET(insert_member(unused_name(), set), KERN_INVALID_NAME);
	CHECK_RET(insert_member(port, unused_name()), KERN_INVALID_NAME);
	CHECK_RET(extract_member(unused_name(), set), KERN_INVALID_NAME);
	CHECK_RET(extract_member(port, unused_name()), KERN_INVALID_NAME);
	CHECK_RET(move_member(port, unused_name()), KERN_INVALID_NAME);
	wrong[0] = dead;
	wrong[1] = once;
	wrong[2] = host;
	wrong[3] = set;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		CHECK_RET(insert_member(wrong[i], set), KERN_INVALID_RIGHT);
		CHECK_RET(extract_member(wrong[i], set), KERN_INVALID_RIGHT);
		CHECK_RET(move_member(wrong[i], set), KERN_INVALID_RIGHT);
	}
	wrong[3] = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		CHECK_RET(insert_member(port, wrong[i]), KERN_INVALID_RIGHT);
		CHECK_RET(extract_member(port, wrong[i]), KERN_INVALID_RIGHT);
		CHECK_RET(move_member(port, wrong[i]), KERN_INVALID_RIGHT);
	}
}

TEST(message_tells_the_member)
{
	struct message message;
	name_t ports[3], set;

	open_for_sets();
	set = new_port_set();
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		ports[i] = new_port();
		/* Queued before it became a member, or after */
		if (i == 1)
			CHECK_RET(send_id(ports[i], MAKE_SEND, (int32_t)i), 0);
		CHECK_RET(insert_member(ports[i], set), KERN_SUCCESS);
		if (i != 1)
			CHECK_RET(send_id(ports[i], MAKE_SEND, (int32_t)i), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		CHECK_RET(msg_receive(&message, set), 0);
		REQUIRE(message.header.id >= 0 && message.header.id < 3);
		CHECK_HEX(message.header.local, ports[message.header.id]);
	}
	CHECK_RET(msg_receive(&message, set), MACH_RCV_TIMED_OUT);
	/* A member can be received from by itself as well. */
	CHECK_RET(send_id(ports[0], MAKE_SEND, 7), 0);
	CHECK_EQ(receive_id(ports[0]), 7);
	CHECK_RET(msg_receive(&message, set), MACH_RCV_TIMED_OUT);
}

/* Nobody is left waiting because another has many messages. */
TEST(members_take_turns)
{
	int seen[4] = { 0 };
	name_t ports[4], set;

	open_for_sets();
	set = new_port_set();
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		ports[i] = new_port();
		CHECK_RET(insert_member(ports[i], set), KERN_SUCCESS);
		for (int j = 0; j < 5; j++)
			CHECK_RET(send_id(ports[i], MAKE_SEND, (int32_t)i), 0);
	}
	for (int round = 1; round <= 5; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
			long id = receive_id(set);

			REQUIRE(id >= 0 && id < 4);
			seen[id]++;
		}
		for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
			CHECK_EQ(seen[i], round);
	}
	CHECK_NO_MESSAGE(set);
}

TEST(large_message_tells_the_member)
{
	struct message message;
	name_t port, set;

	open_for_sets();
	set = new_port_set();
	port = new_port();
	CHECK_RET(insert_member(port, set), KERN_SUCCESS);
	message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 1);
	CHECK_RET(msg_send(&message, HEADER_SIZE + 40), 0);
	poison(&message, sizeof(message));
	CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY, 0, 16,
			   set, 0), MACH_RCV_TOO_LARGE);
	CHECK_EQ(message.header.size, HEADER_SIZE + 40);
	CHECK_HEX(message.header.local, port);
	CHECK_EQ(receive_id(set), 1);
}

TEST(what_is_no_member_any_more)
{
	struct message message;
	name_t port, set, moved;

	open_for_sets();
	set = new_port_set();
	port = new_port();
	CHECK_RET(insert_member(port, set), KERN_SUCCESS);
	CHECK_RET(send_id(port, MAKE_SEND, 1), 0);
	CHECK_RET(extract_member(port, set), KERN_SUCCESS);
	CHECK_NO_MESSAGE(set);
	CHECK_RET(insert_member(port, set), KERN_SUCCESS);
	/* A receive right that moves leaves its sets. */
	moved = unused_name();
	CHECK_RET(insert_right(moved, port, MOVE_RECEIVE), KERN_SUCCESS);
	CHECK_NO_MESSAGE(set);
	CHECK_RET(insert_member(moved, set), KERN_SUCCESS);
	CHECK_EQ(receive_id(set), 1);
	/* A dead member is none; a dead set leaves its members alone. */
	destroy_receive(moved);
	CHECK_RET(msg_receive(&message, set), MACH_RCV_TIMED_OUT);
	port = new_port();
	CHECK_RET(insert_member(port, set), KERN_SUCCESS);
	CHECK_RET(mod_refs(set, PORT_SET, -1), KERN_SUCCESS);
	CHECK_RET(send_id(port, MAKE_SEND, 2), 0);
	CHECK_EQ(receive_id(port), 2);
	CHECK_RET(insert_member(port, new_port_set()), KERN_SUCCESS);
}

struct set_receive {
	name_t set;
	long result;
	struct message message;
};

static void *receive_from_set(void *argument)
{
	struct set_receive *receive = argument;

	receive->result = msg_receive_blocking(&receive->message, receive->set);
	return NULL;
}

TEST_LIMIT(blocked_on_a_set, 20)
{
	struct set_receive receive;
	struct worker worker;
	name_t ports[2];

	open_for_sets();
	receive.set = new_port_set();
	ports[0] = new_port();
	ports[1] = new_port();
	CHECK_RET(insert_member(ports[0], receive.set), KERN_SUCCESS);

	worker_start(&worker, receive_from_set, &receive);
	worker_wait_in_trap(&worker);
	CHECK_RET(send_id(ports[0], MAKE_SEND, 1), 0);
	worker_join(&worker);
	CHECK_RET(receive.result, 0);
	CHECK_HEX(receive.message.header.local, ports[0]);

	/* A port with a message becomes a member. */
	CHECK_RET(send_id(ports[1], MAKE_SEND, 2), 0);
	worker_start(&worker, receive_from_set, &receive);
	worker_wait_in_trap(&worker);
	CHECK_RET(insert_member(ports[1], receive.set), KERN_SUCCESS);
	worker_join(&worker);
	CHECK_RET(receive.result, 0);
	CHECK_HEX(receive.message.header.local, ports[1]);

	/* The death of a member is no reason to leave; that of the set is. */
	worker_start(&worker, receive_from_set, &receive);
	worker_wait_in_trap(&worker);
	destroy_receive(ports[1]);
	CHECK_RET(send_id(ports[0], MAKE_SEND, 3), 0);
	worker_join(&worker);
	CHECK_RET(receive.result, 0);
	CHECK_EQ(receive.message.header.id, 3);
	worker_start(&worker, receive_from_set, &receive);
	worker_wait_in_trap(&worker);
	CHECK_RET(mod_refs(receive.set, PORT_SET, -1), KERN_SUCCESS);
	worker_join(&worker);
	CHECK_RET(receive.result, MACH_RCV_PORT_CHANGED);
}

TEST(thousands_of_members)
{
	enum { PORTS = 3000 };
	name_t *ports = calloc(PORTS, sizeof(*ports)), sets[3];
	struct message message;

	REQUIRE(ports);
	open_for_sets();
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		sets[i] = new_port_set();
	for (int i = 0; i < PORTS; i++) {
		ports[i] = new_port();
		for (size_t j = 0; j < ARRAY_SIZE(sets); j++)
			REQUIRE_RET(insert_member(ports[i], sets[j]), KERN_SUCCESS);
	}
	for (int i = 0; i < PORTS; i += 7)
		CHECK_RET(send_id(ports[i], MAKE_SEND, i), 0);
	for (int i = 0; i < PORTS; i += 7) {
		REQUIRE_RET(msg_receive(&message, sets[(size_t)i % 3]), 0);
		CHECK_HEX(message.header.local, ports[message.header.id]);
	}
	for (size_t j = 0; j < ARRAY_SIZE(sets); j++)
		CHECK_NO_MESSAGE(sets[j]);
	CHECK_RET(mod_refs(sets[1], PORT_SET, -1), KERN_SUCCESS);
	for (int i = 0; i < PORTS; i += 2)
		CHECK_RET(mod_refs(ports[i], RECEIVE, -1), KERN_SUCCESS);
}

static void *change_sets(void *argument)
{
	name_t *names = argument;	/* two ports, two sets */
	unsigned int seed = (unsigned int)thread_id();

	for (int i = 0; i < 4000; i++) {
		name_t port = names[rand_r(&seed) % 2], set = names[2 + rand_r(&seed) % 2];
		struct message message;

		switch (rand_r(&seed) % 6) {
		case 0:
			insert_member(port, set);
			break;
		case 1:
			extract_member(port, set);
			break;
		case 2:
			move_member(port, rand_r(&seed) % 2 ? set : MACH_PORT_NULL);
			break;
		case 3:
			msg_receive(&message, rand_r(&seed) % 2 ? set : port);
			break;
		default:
			message_init(&message, MSGH_BITS(MAKE_SEND_ONCE, 0), port, 0, 1);
			msg_send_within(&message, HEADER_SIZE, 0);
		}
	}
	return NULL;
}

TEST(sets_under_several_threads)
{
	pthread_t threads[4];
	struct message message;
	name_t names[4];

	open_for_sets();
	self();
	names[0] = new_port();
	names[1] = new_port();
	names[2] = new_port_set();
	names[3] = new_port_set();
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		REQUIRE(!pthread_create(&threads[i], NULL, change_sets, names));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	/* Whatever is left in the ports can be had through a set. */
	for (size_t i = 0; i < 2; i++)
		CHECK_RET(move_member(names[i], names[2]), KERN_SUCCESS);
	while (msg_receive(&message, names[2]) == 0)
		;
	CHECK_NO_MESSAGE(names[0]);
	CHECK_NO_MESSAGE(names[1]);
}
