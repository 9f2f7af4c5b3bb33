// SPDX-License-Identifier: GPL-2.0
/*
 * Many of everything: ports, members, messages, waiters, names, requests. Told
 * is only whether it works; how long it takes is the benchmarks' matter.
 * time limit: 500 s
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "port.h"
#include "process.h"
#include "short_rights.h"

#define MANY	10000

static name_t *many_ports(int count, uint32_t flags)
{
	name_t *ports = calloc((size_t)count, sizeof(*ports));

	REQUIRE(ports);
	for (int i = 0; i < count; i++)
		ports[i] = new_port_with(flags, 0);
	return ports;
}

TEST_LIMIT(ten_thousand_ports, 120)
{
	name_t *ports;

	mach_open();
	ports = many_ports(MANY, MPO_INSERT_SEND_RIGHT);
	for (int i = 0; i < MANY; i += 7)
		REQUIRE_RET(send_id(ports[i], COPY_SEND, i), 0);
	for (int i = 0; i < MANY; i += 7)
		REQUIRE_EQ(receive_id(ports[i]), i);
	/* Every second goes, and its name is used again. */
	for (int i = 0; i < MANY; i += 2)
		REQUIRE_RET(port_destruct(ports[i], -1, 0), KERN_SUCCESS);
	for (int i = 0; i < MANY; i += 2)
		ports[i] = new_port();
	for (int i = 0; i < MANY; i += 13)
		REQUIRE(has_right(ports[i], RECEIVE));
}

TEST_LIMIT(set_of_ten_thousand, 120)
{
	struct message message;
	name_t *ports, set, other;

	mach_open();
	set = new_port_set();
	other = new_port_set();
	ports = many_ports(MANY, 0);
	for (int i = 0; i < MANY; i++)
		REQUIRE_RET(insert_member(ports[i], set), KERN_SUCCESS);
	CHECK_NO_MESSAGE(set);
	for (int i = 0; i < MANY; i += 997) {
		REQUIRE_RET(send_id(ports[i], MAKE_SEND, i), 0);
		REQUIRE_RET(msg_receive(&message, set), 0);
		REQUIRE_EQ(message.header.id, i);
		REQUIRE_EQ(message.header.local, ports[i]);
	}
	for (int i = 0; i < MANY; i += 3)
		REQUIRE_RET(move_member(ports[i], other), KERN_SUCCESS);
	for (int i = 0; i < MANY; i++)
		REQUIRE_RET(send_id(ports[i], MAKE_SEND, i), 0);
	/* Each comes once, from the set that its port is in. */
	for (int i = 0; i < MANY; i++) {
		bool moved = i < (MANY + 2) / 3;

		REQUIRE_RET(msg_receive(&message, moved ? other : set), 0);
		REQUIRE_EQ(message.header.id % 3 == 0, moved);
		REQUIRE_EQ(message.header.local, ports[message.header.id]);
		ports[message.header.id] = MACH_PORT_NULL;
	}
	CHECK_NO_MESSAGE(set);
	CHECK_NO_MESSAGE(other);
	REQUIRE_RET(mod_refs(set, PORT_SET, -1), KERN_SUCCESS);
}

TEST_LIMIT(one_port_in_a_thousand_sets, 120)
{
	enum { SETS = 1000 };
	name_t port, sets[SETS];

	mach_open();
	port = new_port();
	for (int i = 0; i < SETS; i++) {
		sets[i] = new_port_set();
		REQUIRE_RET(insert_member(port, sets[i]), KERN_SUCCESS);
	}
	REQUIRE_RET(send_id(port, MAKE_SEND, 3), 0);
	REQUIRE_EQ(receive_id(sets[SETS / 2]), 3);
	for (int i = 0; i < SETS; i += 100)
		CHECK_NO_MESSAGE(sets[i]);
	REQUIRE_RET(move_member(port, MACH_PORT_NULL), KERN_SUCCESS);
	for (int i = 0; i < SETS; i++)
		REQUIRE_RET(extract_member(port, sets[i]), KERN_NOT_IN_SET);
}

TEST_LIMIT(thousand_messages_in_a_queue, 120)
{
	struct message message;
	name_t port;

	mach_open();
	REQUIRE_RET(port_construct(MPO_QLIMIT, MACH_PORT_QLIMIT_LARGE, 0, &port), KERN_SUCCESS);
	for (uint32_t i = 0; i < MACH_PORT_QLIMIT_LARGE; i++) {
		message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, (int32_t)i);
		body_fill(message.body, 100, i);
		REQUIRE_RET(msg_send_within(&message, HEADER_SIZE + 100, 0), 0);
	}
	message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 0);
	CHECK_RET(msg_send_within(&message, HEADER_SIZE, 0), MACH_SEND_TIMED_OUT);
	/* Send-once rights know no limit. */
	for (int32_t i = 0; i < 2000; i++)
		REQUIRE_RET(send_id(port, MAKE_SEND_ONCE, 5000 + i), 0);
	for (uint32_t i = 0; i < MACH_PORT_QLIMIT_LARGE; i++) {
		REQUIRE_RET(msg_receive(&message, port), 0);
		REQUIRE_EQ(message.header.id, (int32_t)i);
		REQUIRE(body_matches(message.body, 100, i));
	}
	for (int32_t i = 0; i < 2000; i++)
		REQUIRE_EQ(receive_id(port), 5000 + i);
	CHECK_NO_MESSAGE(port);
}

/* Messages that carry receive rights whose queues have such messages: no stack is deep. */
TEST_LIMIT(ports_within_ports, 120)
{
	enum { DEPTH = 5000 };
	name_t outer, inner;

	mach_open();
	inner = new_port();
	for (int i = 0; i < DEPTH; i++) {
		struct {
			struct header header;
			uint32_t count;
			struct port_descriptor port;
		} message = {
			.header = { MSGH_BITS(MAKE_SEND, 0) | MSGH_COMPLEX, 0, 0, 0, 0, i },
			.count = 1,
			.port = PORT_DESCRIPTOR(inner, MOVE_RECEIVE),
		};

		outer = new_port();
		message.header.remote = outer;
		REQUIRE_RET(mach_msg(&message, MACH_SEND_MSG, sizeof(message), 0, 0, 0), 0);
		inner = outer;
	}
	CHECK_RET(mod_refs(inner, RECEIVE, -1), KERN_SUCCESS);
}

/* Many threads wait: for one port, for a set of it, and for room. */

#define WAITERS		100

struct hall {
	name_t port;
	atomic_int got;
	atomic_int began;
};

static void *wait_in_hall(void *argument)
{
	struct hall *hall = argument;
	struct message message;

	atomic_fetch_add(&hall->began, 1);
	if (CHECK_RET(msg_receive_blocking(&message, hall->port), 0))
		atomic_fetch_add(&hall->got, 1);
	return NULL;
}

static void *send_to_hall(void *argument)
{
	struct hall *hall = argument;
	struct message message;

	message_init(&message, MSGH_BITS(MAKE_SEND, 0), hall->port, 0, 1);
	atomic_fetch_add(&hall->began, 1);
	if (CHECK_RET(msg_send(&message, HEADER_SIZE), 0))
		atomic_fetch_add(&hall->got, 1);
	return NULL;
}

static void start_waiters(struct hall *hall, pthread_t *threads, void *(*run)(void *))
{
	for (int i = 0; i < WAITERS; i++)
		REQUIRE(!pthread_create(&threads[i], NULL, run, hall));
	while (atomic_load(&hall->began) < WAITERS)
		usleep(1000);
	usleep(50000);
	CHECK_EQ(atomic_load(&hall->got), 0);
}

TEST_LIMIT(many_receivers_wait, 120)
{
	mach_open();
	self();
	for (int in_set = 0; in_set < 2; in_set++) {
		struct hall hall = { 0 };
		pthread_t threads[WAITERS];
		name_t port = new_port();

		hall.port = port;
		if (in_set) {
			hall.port = new_port_set();
			REQUIRE_RET(insert_member(port, hall.port), KERN_SUCCESS);
		}
		start_waiters(&hall, threads, wait_in_hall);
		for (int i = 0; i < WAITERS; i++)
			REQUIRE_RET(send_id(port, MAKE_SEND, i), 0);
		for (int i = 0; i < WAITERS; i++)
			pthread_join(threads[i], NULL);
		CHECK_EQ(atomic_load(&hall.got), WAITERS);
		CHECK_NO_MESSAGE(port);
	}
}

TEST_LIMIT(many_senders_wait, 120)
{
	struct hall hall = { 0 };
	pthread_t threads[WAITERS];

	mach_open();
	self();
	hall.port = new_port();
	fill_queue(hall.port);
	start_waiters(&hall, threads, send_to_hall);
	for (int i = 0; i < WAITERS + MACH_PORT_QLIMIT_BASIC; i++) {
		struct message message;

		REQUIRE_RET(msg_receive_blocking(&message, hall.port), 0);
	}
	for (int i = 0; i < WAITERS; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(atomic_load(&hall.got), WAITERS);
	CHECK_NO_MESSAGE(hall.port);
}

TEST_LIMIT(many_dead_names_at_once, 120)
{
	enum { NAMES = 3000 };
	name_t *once = calloc(NAMES, sizeof(*once)), port, notify;

	mach_open();
	REQUIRE(once);
	port = new_port();
	notify = new_port();
	for (int i = 0; i < NAMES; i++) {
		once[i] = new_send_once(port);
		notify_on(notify, once[i], NOTIFY_DEAD_NAME, 0);
	}
	destroy_receive(port);
	CHECK_EQ(port_status(notify).msgcount, NAMES);
	for (int i = 0; i < NAMES; i++)
		REQUIRE_EQ(receive_id(notify), NOTIFY_DEAD_NAME);
	for (int i = 0; i < NAMES; i++)
		REQUIRE_RET(mod_refs(once[i], DEAD_NAME, -2), KERN_SUCCESS);
}
