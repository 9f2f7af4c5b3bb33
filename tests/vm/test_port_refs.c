// SPDX-License-Identifier: GPL-2.0
/*
 * mach_port_mod_refs and mach_port_deallocate: the tables, row by row.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

TEST(mod_refs_right_out_of_range)
{
	static const int rights[] = { 6, 7, 100, INT_MAX, -1, INT_MIN };

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
		/* Before the name, and before the delta */
		CHECK_RET(mod_refs(unused_name(), rights[i], 0), KERN_INVALID_VALUE);
		CHECK_RET(mod_refs(0, rights[i], 0), KERN_INVALID_VALUE);
		CHECK_RET(mod_refs(new_port(), rights[i], 0), KERN_INVALID_VALUE);
		CHECK_RET(mod_refs(new_port(), rights[i], -1), KERN_INVALID_VALUE);
	}
}

TEST(mod_refs_null_and_dead_name)
{
	static const name_t names[] = { MACH_PORT_NULL, MACH_PORT_DEAD };
	static const int deltas[] = { 0, 1, -1, 100000, INT_MIN };

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		for (size_t j = 0; j < ARRAY_SIZE(deltas); j++) {
			CHECK_RET(mod_refs(names[i], SEND, deltas[j]), KERN_SUCCESS);
			CHECK_RET(mod_refs(names[i], SEND_ONCE, deltas[j]), KERN_SUCCESS);
			CHECK_RET(mod_refs(names[i], RECEIVE, deltas[j]), KERN_INVALID_NAME);
			CHECK_RET(mod_refs(names[i], PORT_SET, deltas[j]), KERN_INVALID_NAME);
			CHECK_RET(mod_refs(names[i], DEAD_NAME, deltas[j]), KERN_INVALID_NAME);
		}
}

TEST(mod_refs_unknown_name)
{
	mach_open();
	for (int right = SEND; right <= DEAD_NAME; right++)
		for (int delta = -1; delta <= 1; delta++)
			CHECK_RET(mod_refs(unused_name(), right, delta), KERN_INVALID_NAME);
	/* The right index with another generation is another name. */
	CHECK_RET(mod_refs(new_port() ^ 4, RECEIVE, 0), KERN_INVALID_NAME);
	CHECK_RET(mod_refs(0x7fffff03, RECEIVE, 0), KERN_INVALID_NAME);
	CHECK_RET(mod_refs(1, RECEIVE, 0), KERN_INVALID_NAME);
	CHECK_RET(mod_refs(0xff, RECEIVE, 0), KERN_INVALID_NAME);
}

TEST(mod_refs_wrong_right)
{
	name_t port, set, dead, host, once;

	mach_open();
	port = new_port();
	set = new_port_set();
	dead = new_dead_name();
	host = host_self();
	once = new_send_once(port);
	for (int delta = -1; delta <= 1; delta++) {
		CHECK_RET(mod_refs(port, SEND, delta), KERN_INVALID_RIGHT);
		CHECK_RET(mod_refs(port, SEND_ONCE, delta), KERN_INVALID_RIGHT);
		CHECK_RET(mod_refs(port, PORT_SET, delta), KERN_INVALID_RIGHT);
		CHECK_RET(mod_refs(port, DEAD_NAME, delta), KERN_INVALID_RIGHT);
		CHECK_RET(mod_refs(port, LABELH, delta), KERN_INVALID_RIGHT);
		CHECK_RET(mod_refs(set, RECEIVE, delta), KERN_INVALID_RIGHT);
		CHECK_RET(mod_refs(set, SEND, delta), KERN_INVALID_RIGHT);
		CHECK_RET(mod_refs(dead, SEND, delta), KERN_INVALID_RIGHT);
		CHECK_RET(mod_refs(dead, RECEIVE, delta), KERN_INVALID_RIGHT);
		CHECK_RET(mod_refs(host, RECEIVE, delta), KERN_INVALID_RIGHT);
		CHECK_RET(mod_refs(host, SEND_ONCE, delta), KERN_INVALID_RIGHT);
		CHECK_RET(mod_refs(host, DEAD_NAME, delta), KERN_INVALID_RIGHT);
		CHECK_RET(mod_refs(host, LABELH, delta), KERN_INVALID_RIGHT);
		CHECK_RET(mod_refs(once, SEND, delta), KERN_INVALID_RIGHT);
		CHECK_RET(mod_refs(once, RECEIVE, delta), KERN_INVALID_RIGHT);
	}
	CHECK(has_right(port, RECEIVE) && has_right(set, PORT_SET) && has_right(once, SEND_ONCE));
	CHECK_UREFS(dead, DEAD_NAME, 1);
	CHECK_SEND_UREFS(host, 1);
}

TEST(mod_refs_send)
{
	name_t port;

	mach_open();
	port = new_send_right();
	CHECK_RET(mod_refs(port, SEND, 0), KERN_SUCCESS);
	CHECK_RET(mod_refs(port, SEND, 4), KERN_SUCCESS);
	CHECK_SEND_UREFS(port, 5);
	CHECK_RET(mod_refs(port, SEND, -6), KERN_INVALID_VALUE);
	CHECK_RET(mod_refs(port, SEND, -65535), KERN_INVALID_VALUE);
	CHECK_RET(mod_refs(port, SEND, 65536), KERN_INVALID_VALUE);
	CHECK_RET(mod_refs(port, SEND, -65536), KERN_INVALID_VALUE);
	CHECK_RET(mod_refs(port, SEND, INT_MAX), KERN_INVALID_VALUE);
	CHECK_RET(mod_refs(port, SEND, INT_MIN), KERN_INVALID_VALUE);
	CHECK_SEND_UREFS(port, 5);
	CHECK_RET(mod_refs(port, SEND, -3), KERN_SUCCESS);
	CHECK_SEND_UREFS(port, 2);
	CHECK_RET(mod_refs(port, SEND, -2), KERN_SUCCESS);
	CHECK_RET(mod_refs(port, SEND, 1), KERN_INVALID_RIGHT);
	CHECK(has_right(port, RECEIVE));

	/* A name that has only the send right goes with it. */
	port = host_self();
	CHECK_RET(mod_refs(port, SEND, 1), KERN_SUCCESS);
	CHECK_RET(mod_refs(port, SEND, -2), KERN_SUCCESS);
	CHECK_UNKNOWN(port);
}

TEST(mod_refs_send_overflow_pegs)
{
	static const int ways[][3] = {
		/* from 1: what is added */
		{ 65535, 0, 0 }, { 65534, 0, 0 }, { 65533, 1, 0 }, { 65533, 65535, 7 },
		{ 40000, 40000, 0 },
	};
	name_t port;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		port = new_send_right();
		for (size_t j = 0; j < 3; j++)
			CHECK_RET(mod_refs(port, SEND, ways[i][j]), KERN_SUCCESS);
		CHECK_RET(mod_refs(port, SEND, -1), KERN_SUCCESS);
		CHECK_RET(mod_refs(port, SEND, -65534), KERN_SUCCESS);
		CHECK_RET(mod_refs(port, SEND, 1), KERN_SUCCESS);
		CHECK_RET(mod_refs(port, SEND, -65536), KERN_INVALID_VALUE);
		CHECK_RET(mod_refs(port, SEND, 65536), KERN_INVALID_VALUE);
		CHECK(has_right(port, SEND));
		CHECK_RET(mod_refs(port, SEND, -65535), KERN_SUCCESS);
		CHECK(!has_right(port, SEND));
	}
	/* One below the maximum counts still. */
	port = new_send_right();
	CHECK_RET(mod_refs(port, SEND, 65533), KERN_SUCCESS);
	CHECK_RET(mod_refs(port, SEND, -65535), KERN_INVALID_VALUE);
	CHECK_RET(mod_refs(port, SEND, -65533), KERN_SUCCESS);
	CHECK_SEND_UREFS(port, 1);
}

TEST(mod_refs_receive)
{
	static const int bad[] = { 1, 2, -2, -65535, 65536, INT_MAX, INT_MIN };
	name_t port;

	mach_open();
	port = new_port();
	CHECK_RET(mod_refs(port, RECEIVE, 0), KERN_SUCCESS);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_RET(mod_refs(port, RECEIVE, bad[i]), KERN_INVALID_VALUE);
	CHECK_RET(mod_refs(port, RECEIVE, -1), KERN_SUCCESS);
	CHECK_UNKNOWN(port);
}

TEST(mod_refs_receive_leaves_a_dead_name)
{
	name_t port;

	mach_open();
	port = new_send_right();
	CHECK_RET(mod_refs(port, SEND, 6), KERN_SUCCESS);
	CHECK_RET(mod_refs(port, RECEIVE, -1), KERN_SUCCESS);
	CHECK_RET(mod_refs(port, RECEIVE, 0), KERN_INVALID_RIGHT);
	CHECK_UREFS(port, DEAD_NAME, 7);
	CHECK_RET(mod_refs(port, SEND, 0), KERN_INVALID_RIGHT);
	CHECK_RET(mod_refs(port, DEAD_NAME, -7), KERN_SUCCESS);
	CHECK_UNKNOWN(port);
}

TEST(mod_refs_port_set)
{
	static const int bad[] = { 1, 2, -2, 65536, INT_MAX, INT_MIN };
	name_t set;

	mach_open();
	set = new_port_set();
	CHECK_RET(mod_refs(set, PORT_SET, 0), KERN_SUCCESS);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_RET(mod_refs(set, PORT_SET, bad[i]), KERN_INVALID_VALUE);
	CHECK_RET(mod_refs(set, PORT_SET, -1), KERN_SUCCESS);
	CHECK_UNKNOWN(set);
}

TEST(mod_refs_send_once)
{
	static const int bad[] = { 1, 2, -2, 65536, INT_MAX, INT_MIN };
	name_t port, once;

	mach_open();
	port = new_port();
	once = new_send_once(port);
	CHECK(once != port);
	CHECK_RET(mod_refs(once, SEND_ONCE, 0), KERN_SUCCESS);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_RET(mod_refs(once, SEND_ONCE, bad[i]), KERN_INVALID_VALUE);
	CHECK_NO_MESSAGE(port);
	CHECK_RET(mod_refs(once, SEND_ONCE, -1), KERN_SUCCESS);
	CHECK_UNKNOWN(once);
	CHECK_NOTIFIED(port, NOTIFY_SEND_ONCE);
	CHECK_NO_MESSAGE(port);
}

TEST(mod_refs_dead_name)
{
	name_t dead;

	mach_open();
	dead = new_dead_name();
	CHECK_RET(mod_refs(dead, DEAD_NAME, 9), KERN_SUCCESS);
	CHECK_UREFS(dead, DEAD_NAME, 10);
	CHECK_RET(mod_refs(dead, DEAD_NAME, -11), KERN_INVALID_VALUE);
	CHECK_RET(mod_refs(dead, DEAD_NAME, 65536), KERN_INVALID_VALUE);
	CHECK_RET(mod_refs(dead, DEAD_NAME, -65536), KERN_INVALID_VALUE);
	CHECK_RET(mod_refs(dead, DEAD_NAME, INT_MIN), KERN_INVALID_VALUE);
	CHECK_RET(mod_refs(dead, DEAD_NAME, -4), KERN_SUCCESS);
	CHECK_UREFS(dead, DEAD_NAME, 6);
	CHECK_RET(mod_refs(dead, DEAD_NAME, -6), KERN_SUCCESS);
	CHECK_UNKNOWN(dead);

	dead = new_dead_name();
	CHECK_RET(mod_refs(dead, DEAD_NAME, 65535), KERN_SUCCESS);
	CHECK_RET(mod_refs(dead, DEAD_NAME, -100), KERN_SUCCESS);
	CHECK(has_right(dead, DEAD_NAME));
	CHECK_RET(mod_refs(dead, DEAD_NAME, -65535), KERN_SUCCESS);
	CHECK_UNKNOWN(dead);
}

/* deallocate */

TEST(deallocate_table)
{
	name_t port, set, dead, once, host;

	mach_open();
	CHECK_RET(deallocate(MACH_PORT_NULL), KERN_SUCCESS);
	CHECK_RET(deallocate(MACH_PORT_DEAD), KERN_SUCCESS);
	CHECK_RET(deallocate(unused_name()), KERN_INVALID_NAME);

	port = new_port();
	set = new_port_set();
	CHECK_RET(deallocate(port), KERN_INVALID_RIGHT);
	CHECK_RET(deallocate(set), KERN_INVALID_RIGHT);
	CHECK(has_right(port, RECEIVE) && has_right(set, PORT_SET));

	/* send, with and without receive */
	CHECK_RET(insert_right(port, port, MAKE_SEND), KERN_SUCCESS);
	CHECK_RET(insert_right(port, port, MAKE_SEND), KERN_SUCCESS);
	CHECK_RET(deallocate(port), KERN_SUCCESS);
	CHECK_SEND_UREFS(port, 1);
	CHECK_RET(deallocate(port), KERN_SUCCESS);
	CHECK_RET(deallocate(port), KERN_INVALID_RIGHT);
	CHECK(has_right(port, RECEIVE));
	host = host_self();
	host_self();
	CHECK_RET(deallocate(host), KERN_SUCCESS);
	CHECK_SEND_UREFS(host, 1);
	CHECK_RET(deallocate(host), KERN_SUCCESS);
	CHECK_RET(deallocate(host), KERN_INVALID_NAME);

	/* send-once: the port hears of it */
	once = new_send_once(port);
	CHECK_RET(deallocate(once), KERN_SUCCESS);
	CHECK_RET(deallocate(once), KERN_INVALID_NAME);
	CHECK_NOTIFIED(port, NOTIFY_SEND_ONCE);

	/* dead names, made and come about */
	dead = new_dead_name();
	CHECK_RET(mod_refs(dead, DEAD_NAME, 1), KERN_SUCCESS);
	CHECK_RET(deallocate(dead), KERN_SUCCESS);
	CHECK_UREFS(dead, DEAD_NAME, 1);
	CHECK_RET(deallocate(dead), KERN_SUCCESS);
	CHECK_RET(deallocate(dead), KERN_INVALID_NAME);
	CHECK_RET(insert_right(port, port, MAKE_SEND), KERN_SUCCESS);
	CHECK_RET(insert_right(port, port, MAKE_SEND), KERN_SUCCESS);
	destroy_receive(port);
	CHECK_RET(deallocate(port), KERN_SUCCESS);
	CHECK_UREFS(port, DEAD_NAME, 1);
	CHECK_RET(deallocate(port), KERN_SUCCESS);
	CHECK_UNKNOWN(port);
}

/* destroy, where the trap is there: all rights under the name at once */

TEST(destroy_table)
{
	name_t port, set, dead, once, host, other;

	mach_open();
	if (!trap_is_built(NR__kernelrpc_mach_port_destroy))
		SKIP("mach_port_destroy is not built yet");
	CHECK_RET(port_destroy(MACH_PORT_NULL), KERN_SUCCESS);
	CHECK_RET(port_destroy(MACH_PORT_DEAD), KERN_SUCCESS);
	CHECK_RET(port_destroy(unused_name()), KERN_INVALID_NAME);

	port = new_send_right();
	CHECK_RET(mod_refs(port, SEND, 5), KERN_SUCCESS);
	other = new_port();
	CHECK_RET(send_with_reply(port, COPY_SEND, other, MAKE_SEND_ONCE, 1), 0);
	CHECK_RET(port_destroy(port), KERN_SUCCESS);
	CHECK_UNKNOWN(port);
	CHECK_NOTIFIED(other, NOTIFY_SEND_ONCE);

	once = new_send_once(other);
	CHECK_RET(port_destroy(once), KERN_SUCCESS);
	CHECK_UNKNOWN(once);
	CHECK_NOTIFIED(other, NOTIFY_SEND_ONCE);

	host = host_self();
	CHECK_EQ(host_self(), host);
	CHECK_RET(port_destroy(host), KERN_SUCCESS);
	CHECK_UNKNOWN(host);
	set = new_port_set();
	CHECK_RET(port_destroy(set), KERN_SUCCESS);
	CHECK_UNKNOWN(set);
	dead = new_dead_name();
	CHECK_RET(mod_refs(dead, DEAD_NAME, 5), KERN_SUCCESS);
	CHECK_RET(port_destroy(dead), KERN_SUCCESS);
	CHECK_UNKNOWN(dead);
}

/* A send-once right whose port is gone is a dead name, without a notification. */
TEST(send_once_right_of_a_dead_port)
{
	name_t port, once;

	mach_open();
	port = new_port();
	once = new_send_once(port);
	destroy_receive(port);
	CHECK_RET(deallocate(once), KERN_SUCCESS);
	CHECK_UNKNOWN(once);

	port = new_port();
	once = new_send_once(port);
	destroy_receive(port);
	CHECK_UREFS(once, DEAD_NAME, 1);
	CHECK_RET(mod_refs(once, SEND_ONCE, 0), KERN_INVALID_RIGHT);
	CHECK_RET(mod_refs(once, DEAD_NAME, -1), KERN_SUCCESS);
	CHECK_UNKNOWN(once);
}

TEST(send_once_notification_overflows_the_queue)
{
	name_t port, once[3];

	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(once); i++)
		once[i] = new_send_once(port);
	fill_queue(port);
	for (size_t i = 0; i < ARRAY_SIZE(once); i++)
		CHECK_RET(deallocate(once[i]), KERN_SUCCESS);
	for (int i = 0; i < MACH_PORT_QLIMIT_BASIC; i++)
		CHECK_EQ(receive_id(port), i);
	for (size_t i = 0; i < ARRAY_SIZE(once); i++)
		CHECK_NOTIFIED(port, NOTIFY_SEND_ONCE);
	CHECK_NO_MESSAGE(port);
}

/* Many rights to one port at once */
TEST(many_send_once_rights)
{
	enum { RIGHTS = 1000 };
	name_t port, *once = calloc(RIGHTS, sizeof(*once));

	REQUIRE(once);
	mach_open();
	port = new_port();
	for (int i = 0; i < RIGHTS; i++)
		once[i] = new_send_once(port);
	for (int i = 0; i < RIGHTS; i++)
		CHECK_RET(send_id(once[i], MOVE_SEND_ONCE, i), 0);
	for (int i = 0; i < RIGHTS; i++)
		CHECK_EQ(receive_id(port), i);
	CHECK_NO_MESSAGE(port);
}

/* Several threads at the same names */

static void *change_references(void *argument)
{
	name_t name = *(name_t *)argument;

	for (int i = 0; i < 3000; i++) {
		CHECK_RET(mod_refs(name, SEND, 3), KERN_SUCCESS);
		CHECK_RET(deallocate(name), KERN_SUCCESS);
		CHECK_RET(insert_right(name, name, MAKE_SEND), KERN_SUCCESS);
		CHECK_RET(mod_refs(name, SEND, -3), KERN_SUCCESS);
	}
	return NULL;
}

static void *make_and_drop_names(void *argument)
{
	name_t names[16];

	(void)argument;
	for (int i = 0; i < 300; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(names); j++)
			names[j] = new_port();
		for (size_t j = 0; j < ARRAY_SIZE(names); j++)
			CHECK_RET(mod_refs(names[j], RECEIVE, -1), KERN_SUCCESS);
	}
	return NULL;
}

TEST(references_under_several_threads)
{
	pthread_t threads[6];
	name_t port;

	mach_open();
	port = new_send_right();
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		REQUIRE(!pthread_create(&threads[i], NULL,
					i < 3 ? change_references : make_and_drop_names, &port));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	CHECK_SEND_UREFS(port, 1);
	CHECK(has_right(port, RECEIVE));
}
