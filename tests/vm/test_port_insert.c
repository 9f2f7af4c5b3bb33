// SPDX-License-Identifier: GPL-2.0
/*
 * mach_port_insert_right: every disposition, and every failure in its order.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <limits.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

TEST(insert_make_send)
{
	name_t port;

	mach_open();
	port = new_port();
	CHECK_RET(insert_right(port, port, MAKE_SEND), KERN_SUCCESS);
	CHECK_SEND_UREFS(port, 1);
	CHECK_RET(insert_right(port, port, MAKE_SEND), KERN_SUCCESS);
	CHECK_RET(insert_right(port, port, COPY_SEND), KERN_SUCCESS);
	CHECK_SEND_UREFS(port, 3);
	/* Out of the name and into it again */
	CHECK_RET(insert_right(port, port, MOVE_SEND), KERN_SUCCESS);
	CHECK_SEND_UREFS(port, 3);
	CHECK_RET(mod_refs(port, SEND, -2), KERN_SUCCESS);
	CHECK_RET(insert_right(port, port, MOVE_SEND), KERN_SUCCESS);
	CHECK_SEND_UREFS(port, 1);
	CHECK(has_right(port, RECEIVE));
}

TEST(insert_send_once)
{
	name_t port, name;

	mach_open();
	port = new_port();
	name = unused_name();
	CHECK_RET(insert_right(name, port, MAKE_SEND_ONCE), KERN_SUCCESS);
	CHECK(has_right(name, SEND_ONCE));
	CHECK(has_right(port, RECEIVE));
	CHECK_RET(send_id(name, MOVE_SEND_ONCE, 9), 0);
	CHECK_UNKNOWN(name);
	CHECK_EQ(receive_id(port), 9);
	CHECK_NO_MESSAGE(port);
}

TEST(insert_moves_a_send_once_right)
{
	name_t port, once, other;

	mach_open();
	port = new_port();
	once = new_send_once(port);
	other = unused_name();
	CHECK_RET(insert_right(other, once, MOVE_SEND_ONCE), KERN_SUCCESS);
	CHECK_UNKNOWN(once);
	CHECK(has_right(other, SEND_ONCE));
	CHECK_NO_MESSAGE(port);
}

TEST(insert_moves_a_send_right)
{
	name_t host, other;

	mach_open();
	host = host_self();
	other = unused_name();
	CHECK_RET(insert_right(other, host, MOVE_SEND), KERN_SUCCESS);
	CHECK_UNKNOWN(host);
	CHECK_SEND_UREFS(other, 1);
	/* One name per port: this is now its name. */
	CHECK_EQ(host_self(), other);
	CHECK_SEND_UREFS(other, 2);
}

TEST(insert_moves_a_receive_right)
{
	name_t port, other;

	mach_open();
	port = new_port();
	CHECK_RET(send_id(port, MAKE_SEND, 1), 0);
	CHECK_RET(send_id(port, MAKE_SEND, 2), 0);
	other = unused_name();
	CHECK_RET(insert_right(other, port, MOVE_RECEIVE), KERN_SUCCESS);
	CHECK_UNKNOWN(port);
	CHECK(has_right(other, RECEIVE));
	/* Queued messages travel along. */
	CHECK_EQ(receive_id(other), 1);
	CHECK_EQ(receive_id(other), 2);
}

/* Send references stay under the old name, so the receive right comes back to it. */
TEST(insert_receive_right_that_has_senders_here)
{
	name_t port;

	mach_open();
	port = new_send_right();
	CHECK_RET(insert_right(unused_name(), port, MOVE_RECEIVE), KERN_RIGHT_EXISTS);
	/*
	 * The right that could not be entered was destroyed, so what is left
	 * denotes a dead port.
	 */
	CHECK_UREFS(port, DEAD_NAME, 1);

	port = new_send_right();
	CHECK_RET(insert_right(port, port, MOVE_RECEIVE), KERN_SUCCESS);
	CHECK(has_right(port, RECEIVE));
	CHECK_SEND_UREFS(port, 1);
}

TEST(insert_unknown_poly)
{
	static const int dispositions[] = {
		MOVE_RECEIVE, MOVE_SEND, MOVE_SEND_ONCE, COPY_SEND, MAKE_SEND, MAKE_SEND_ONCE,
	};

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(dispositions); i++)
		CHECK_RET(insert_right(unused_name(), unused_name(), dispositions[i]),
			  KERN_INVALID_NAME);
}

TEST(insert_wrong_right)
{
	name_t port, set, host, once, free_name;

	mach_open();
	port = new_port();
	set = new_port_set();
	host = host_self();
	once = new_send_once(port);
	free_name = unused_name();

	CHECK_RET(insert_right(free_name, port, MOVE_SEND), KERN_INVALID_RIGHT);
	CHECK_RET(insert_right(free_name, port, COPY_SEND), KERN_INVALID_RIGHT);
	CHECK_RET(insert_right(free_name, port, MOVE_SEND_ONCE), KERN_INVALID_RIGHT);
	CHECK_RET(insert_right(free_name, host, MAKE_SEND), KERN_INVALID_RIGHT);
	CHECK_RET(insert_right(free_name, host, MAKE_SEND_ONCE), KERN_INVALID_RIGHT);
	CHECK_RET(insert_right(free_name, host, MOVE_SEND_ONCE), KERN_INVALID_RIGHT);
	CHECK_RET(insert_right(free_name, host, MOVE_RECEIVE), KERN_INVALID_RIGHT);
	CHECK_RET(insert_right(free_name, once, MOVE_SEND), KERN_INVALID_RIGHT);
	CHECK_RET(insert_right(free_name, once, COPY_SEND), KERN_INVALID_RIGHT);
	CHECK_RET(insert_right(free_name, once, MAKE_SEND), KERN_INVALID_RIGHT);
	CHECK_RET(insert_right(free_name, once, MAKE_SEND_ONCE), KERN_INVALID_RIGHT);
	CHECK_RET(insert_right(free_name, once, MOVE_RECEIVE), KERN_INVALID_RIGHT);
	for (int disposition = MOVE_RECEIVE; disposition <= MAKE_SEND_ONCE; disposition++)
		CHECK_RET(insert_right(free_name, set, disposition), KERN_INVALID_RIGHT);
	CHECK_UNKNOWN(free_name);
	CHECK_SEND_UREFS(host, 1);
	CHECK(has_right(once, SEND_ONCE));
	CHECK(has_right(port, RECEIVE));
	CHECK_NO_MESSAGE(port);
}

TEST(insert_unknown_disposition)
{
	static const int dispositions[] = { 0, 1, 15, 22, 23, 24, 25, 26, 255, -1, INT_MAX,
					   INT_MIN };
	name_t port;

	mach_open();
	port = new_send_right();
	for (size_t i = 0; i < ARRAY_SIZE(dispositions); i++) {
		CHECK_RET(insert_right(port, port, dispositions[i]), KERN_INVALID_RIGHT);
		CHECK_RET(insert_right(unused_name(), port, dispositions[i]), KERN_INVALID_RIGHT);
		/* Before the name */
		CHECK_RET(insert_right(0, port, dispositions[i]), KERN_INVALID_RIGHT);
	}
	CHECK_SEND_UREFS(port, 1);
}

TEST(insert_null_or_dead_poly)
{
	mach_open();
	for (int disposition = MOVE_RECEIVE; disposition <= MAKE_SEND_ONCE; disposition++) {
		CHECK_RET(insert_right(unused_name(), 0, disposition), KERN_INVALID_CAPABILITY);
		CHECK_RET(insert_right(unused_name(), MACH_PORT_DEAD, disposition),
			  KERN_INVALID_CAPABILITY);
	}
	/* poly is looked at before name */
	CHECK_RET(insert_right(0, 0, MAKE_SEND), KERN_INVALID_CAPABILITY);
	CHECK_RET(insert_right(MACH_PORT_DEAD, unused_name(), MAKE_SEND), KERN_INVALID_NAME);
}

TEST(insert_null_or_dead_name)
{
	name_t port, once;

	mach_open();
	port = new_port();
	CHECK_RET(insert_right(0, port, MAKE_SEND), KERN_INVALID_VALUE);
	CHECK_RET(insert_right(MACH_PORT_DEAD, port, MAKE_SEND), KERN_INVALID_VALUE);
	CHECK(!has_right(port, SEND));
	CHECK_NO_MESSAGE(port);

	/* The right was taken already, and is destroyed: the port hears of it. */
	CHECK_RET(insert_right(0, port, MAKE_SEND_ONCE), KERN_INVALID_VALUE);
	CHECK_NOTIFIED(port, NOTIFY_SEND_ONCE);
	once = new_send_once(port);
	CHECK_RET(insert_right(MACH_PORT_DEAD, once, MOVE_SEND_ONCE), KERN_INVALID_VALUE);
	CHECK_UNKNOWN(once);
	CHECK_NOTIFIED(port, NOTIFY_SEND_ONCE);
	CHECK_NO_MESSAGE(port);
}

TEST(insert_dead_right)
{
	name_t dead;

	mach_open();
	dead = new_dead_name();
	CHECK_RET(mod_refs(dead, DEAD_NAME, 2), KERN_SUCCESS);
	CHECK_RET(insert_right(unused_name(), dead, COPY_SEND), KERN_INVALID_CAPABILITY);
	CHECK_UREFS(dead, DEAD_NAME, 3);
	CHECK_RET(insert_right(unused_name(), dead, MOVE_SEND), KERN_INVALID_CAPABILITY);
	CHECK_UREFS(dead, DEAD_NAME, 2);
	CHECK_RET(insert_right(unused_name(), dead, MOVE_SEND_ONCE), KERN_INVALID_CAPABILITY);
	CHECK_UREFS(dead, DEAD_NAME, 1);
	CHECK_RET(insert_right(unused_name(), dead, MAKE_SEND), KERN_INVALID_RIGHT);
	CHECK_RET(insert_right(unused_name(), dead, MAKE_SEND_ONCE), KERN_INVALID_RIGHT);
	CHECK_RET(insert_right(unused_name(), dead, MOVE_RECEIVE), KERN_INVALID_RIGHT);
	CHECK_UREFS(dead, DEAD_NAME, 1);
	/* name 0 comes before a dead poly */
	CHECK_RET(insert_right(0, dead, COPY_SEND), KERN_INVALID_VALUE);
	CHECK_RET(insert_right(unused_name(), dead, MOVE_SEND), KERN_INVALID_CAPABILITY);
	CHECK_UNKNOWN(dead);
}

TEST(insert_under_a_name_in_use)
{
	name_t port, names[5];

	mach_open();
	port = new_port();
	names[0] = new_port();
	names[1] = new_send_right();
	names[2] = new_port_set();
	names[3] = new_dead_name();
	names[4] = new_send_once(port);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CHECK_RET(insert_right(names[i], port, MAKE_SEND_ONCE), KERN_NAME_EXISTS);
		CHECK_NOTIFIED(port, NOTIFY_SEND_ONCE);
	}
	/* A send-once right never joins the name of its port. */
	CHECK_RET(insert_right(port, port, MAKE_SEND_ONCE), KERN_NAME_EXISTS);
	CHECK_NOTIFIED(port, NOTIFY_SEND_ONCE);
	CHECK_NO_MESSAGE(port);

	/* A receive right whose port has no other name here */
	port = new_port();
	CHECK_RET(insert_right(names[0], port, MOVE_RECEIVE), KERN_NAME_EXISTS);
	CHECK_UNKNOWN(port);
	CHECK(has_right(names[0], RECEIVE));
	CHECK_SEND_UREFS(names[1], 1);

	/* A name that differs only in its generation cannot be made, nor one of index 0. */
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CHECK_RET(insert_right(names[i] ^ 4, port, MAKE_SEND_ONCE), KERN_FAILURE);
		CHECK_NOTIFIED(port, NOTIFY_SEND_ONCE);
		CHECK_UNKNOWN(names[i] ^ 4);
	}
	CHECK_RET(insert_right(3, port, MAKE_SEND_ONCE), KERN_FAILURE);
	CHECK_NOTIFIED(port, NOTIFY_SEND_ONCE);
	CHECK_RET(insert_right(names[0] ^ 4, port, MOVE_RECEIVE), KERN_FAILURE);
	CHECK_UNKNOWN(port);
}

TEST(insert_under_a_second_name)
{
	name_t port, other, host;

	mach_open();
	port = new_send_right();
	other = unused_name();
	CHECK_RET(insert_right(other, port, MAKE_SEND), KERN_RIGHT_EXISTS);
	CHECK_RET(insert_right(other, port, COPY_SEND), KERN_RIGHT_EXISTS);
	CHECK_SEND_UREFS(port, 1);
	CHECK_UNKNOWN(other);

	host = host_self();
	CHECK_RET(insert_right(other, host, COPY_SEND), KERN_RIGHT_EXISTS);
	CHECK_SEND_UREFS(host, 1);

	/* MOVE takes the right, finds that the rest has another name, and destroys it. */
	CHECK_EQ(host_self(), host);
	CHECK_RET(insert_right(other, host, MOVE_SEND), KERN_RIGHT_EXISTS);
	CHECK_SEND_UREFS(host, 1);
	CHECK_RET(insert_right(other, port, MOVE_SEND), KERN_RIGHT_EXISTS);
	CHECK(!has_right(port, SEND));
	CHECK(has_right(port, RECEIVE));
}

TEST(insert_pegs_the_references)
{
	name_t port;

	mach_open();
	port = new_send_right();
	CHECK_RET(mod_refs(port, SEND, 65533), KERN_SUCCESS);
	for (int i = 0; i < 5; i++)
		CHECK_RET(insert_right(port, port, MAKE_SEND), KERN_SUCCESS);
	CHECK_RET(mod_refs(port, SEND, -1), KERN_SUCCESS);
	CHECK_RET(mod_refs(port, SEND, -65534), KERN_SUCCESS);
	CHECK(has_right(port, SEND));
	CHECK_RET(mod_refs(port, SEND, -65535), KERN_SUCCESS);
	CHECK(!has_right(port, SEND));
	CHECK(has_right(port, RECEIVE));
}

/* A chosen name far beyond the table must not make a huge table. */
TEST(insert_at_a_remote_name)
{
	static const name_t names[] = { 0x7fffff03, 0x3fffff03, 0x01000003, 0xffffff03,
				       0xfffffffe };
	name_t port, near;

	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CHECK_RET(insert_right(names[i], port, MAKE_SEND_ONCE), KERN_NO_SPACE);
		CHECK_NOTIFIED(port, NOTIFY_SEND_ONCE);
		CHECK_UNKNOWN(names[i]);
	}
	/* One not far beyond a table in use is fine. */
	for (int i = 0; i < 30; i++)
		new_port();
	near = (60 << 8) | 3;
	CHECK_RET(insert_right(near, port, MAKE_SEND_ONCE), KERN_SUCCESS);
	CHECK(has_right(near, SEND_ONCE));
	/* And allocation goes round it. */
	for (int i = 0; i < 200; i++)
		CHECK(new_port() != near);
	CHECK(has_right(near, SEND_ONCE));
}
