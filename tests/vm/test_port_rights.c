// SPDX-License-Identifier: GPL-2.0
/*
 * Names and rights: allocate, insert_right, mod_refs, deallocate.
 * time limit: 300 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"

#define SEND		MACH_PORT_RIGHT_SEND
#define RECEIVE		MACH_PORT_RIGHT_RECEIVE
#define SEND_ONCE	MACH_PORT_RIGHT_SEND_ONCE
#define PORT_SET	MACH_PORT_RIGHT_PORT_SET
#define DEAD_NAME	MACH_PORT_RIGHT_DEAD_NAME
#define LABELH		MACH_PORT_RIGHT_LABELH

/* Allocation */

TEST(allocate_each_right)
{
	static const int rights[] = { RECEIVE, PORT_SET, DEAD_NAME };
	name_t name;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
		CHECK_RET(port_allocate(rights[i], &name), KERN_SUCCESS);
		CHECK(name != MACH_PORT_NULL && name != POISON32);
		CHECK((int32_t)name > 0);
		CHECK_EQ(name & 3, 3);
		for (int right = SEND; right <= LABELH; right++)
			CHECK_RET(mod_refs(name, right, 0),
				  right == rights[i] ? KERN_SUCCESS : KERN_INVALID_RIGHT);
	}
	CHECK_RET(port_allocate(DEAD_NAME, &name), KERN_SUCCESS);
	CHECK_UREFS(name, DEAD_NAME, 1);
}

TEST(allocate_refuses_other_rights)
{
	static const int rights[] = { SEND, SEND_ONCE, LABELH, 6, 7, 100, -1, INT_MAX, INT_MIN };
	name_t name;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
		CHECK_RET(port_allocate(rights[i], &name), KERN_INVALID_VALUE);
		CHECK_HEX(name, POISON32);
		/* The right is looked at before the place for the name. */
		CHECK_RET(port_allocate_in(self(), rights[i], NULL), KERN_INVALID_VALUE);
	}
}

TEST(allocate_to_a_bad_place)
{
	struct hole hole;
	void *read_only;

	mach_open();
	for (int right = RECEIVE; right <= DEAD_NAME; right++) {
		if (right == SEND_ONCE)
			continue;
		for (size_t i = 0; i < bad_pointer_count; i++)
			CHECK_RET(port_allocate_in(self(), right, (void *)bad_pointers[i]),
				  KERN_ABORTED);
	}
	hole_init(&hole);
	for (size_t room = 0; room < 4; room++)
		CHECK_RET(port_allocate_in(self(), RECEIVE, fault_at(&hole, room)), KERN_ABORTED);
	CHECK_RET(port_allocate_in(self(), RECEIVE, fault_at(&hole, 4)), KERN_SUCCESS);
	read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_RET(port_allocate_in(self(), RECEIVE, read_only), KERN_ABORTED);
}

TEST(allocate_to_an_odd_place)
{
	uint8_t bytes[16];
	name_t name;

	mach_open();
	for (size_t offset = 1; offset < 8; offset++) {
		poison(bytes, sizeof(bytes));
		CHECK_RET(port_allocate_in(self(), RECEIVE, bytes + offset), KERN_SUCCESS);
		memcpy(&name, bytes + offset, sizeof(name));
		CHECK(has_right(name, RECEIVE));
		CHECK(is_poison(bytes, offset));
		CHECK(is_poison(bytes + offset + 4, sizeof(bytes) - offset - 4));
	}
}

TEST(name_changes_when_it_is_used_again)
{
	enum { TIMES = 40 };
	name_t seen[TIMES];

	mach_open();
	for (int i = 0; i < TIMES; i++) {
		seen[i] = new_port();
		for (int j = 0; j < i; j++)
			CHECK(seen[i] != seen[j]);
		CHECK_RET(mod_refs(seen[i], RECEIVE, -1), KERN_SUCCESS);
		CHECK_UNKNOWN(seen[i]);
	}
	for (int i = 0; i < TIMES; i++)
		CHECK_UNKNOWN(seen[i]);
}

static int by_value(const void *a, const void *b)
{
	name_t left = *(const name_t *)a, right = *(const name_t *)b;

	return left < right ? -1 : left > right;
}

TEST(thousands_of_names)
{
	enum { NAMES = 5000 };
	name_t *names = calloc(NAMES, sizeof(*names));

	REQUIRE(names);
	mach_open();
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < NAMES; i++) {
			int right = i % 3 == 0 ? RECEIVE : i % 3 == 1 ? PORT_SET : DEAD_NAME;

			REQUIRE_RET(port_allocate(right, &names[i]), KERN_SUCCESS);
		}
		for (int i = 0; i < NAMES; i++) {
			int right = i % 3 == 0 ? RECEIVE : i % 3 == 1 ? PORT_SET : DEAD_NAME;

			REQUIRE_RET(mod_refs(names[i], right, 0), KERN_SUCCESS);
			if (round == 0)
				REQUIRE_RET(mod_refs(names[i], right, -1), KERN_SUCCESS);
		}
		qsort(names, NAMES, sizeof(*names), by_value);
		for (int i = 1; i < NAMES; i++)
			CHECK(names[i] != names[i - 1]);
	}
	/* The rest goes with the task. */
}

TEST(names_until_there_is_no_more)
{
	enum { MANY = 40000 };
	name_t name, port;
	long result = 0;
	int count;

	mach_open();
	port = new_port();
	for (count = 0; count < MANY && !result; count++)
		result = port_allocate(DEAD_NAME, &name);
	if (result) {
		note("no more names after %d: %ld", count - 1, result);
		CHECK(result == KERN_NO_SPACE || result == KERN_RESOURCE_SHORTAGE);
	}
	CHECK(count > 4000);
	CHECK(has_right(port, RECEIVE));
	CHECK_RET(send_id(port, MAKE_SEND, 1), 0);
	CHECK_EQ(receive_id(port), 1);
}

/* The target */

TEST(target_must_be_the_own_task)
{
	name_t port, set, dead, free_name, name = POISON32, once;
	name_t targets[12];
	size_t count = 0;

	mach_open();
	port = new_send_right();
	set = new_port_set();
	dead = new_dead_name();
	free_name = unused_name();
	once = new_send_once(port);
	targets[count++] = 0;
	targets[count++] = MACH_PORT_DEAD;
	targets[count++] = free_name;
	targets[count++] = port;
	targets[count++] = set;
	targets[count++] = dead;
	targets[count++] = once;
	targets[count++] = thread_self();
	targets[count++] = host_self();
	targets[count++] = self() ^ 4;
	targets[count++] = self() ^ 0x40000000;

	for (size_t i = 0; i < count; i++) {
		name_t target = targets[i];

		CHECK_RET(port_allocate_in(target, RECEIVE, &name), MACH_SEND_INVALID_DEST);
		CHECK_HEX(name, POISON32);
		CHECK_RET(mod_refs_in(target, port, SEND, 1), MACH_SEND_INVALID_DEST);
		CHECK_RET(deallocate_in(target, port), MACH_SEND_INVALID_DEST);
		CHECK_RET(insert_right_in(target, port, port, MAKE_SEND), MACH_SEND_INVALID_DEST);
	}
	/* None of them did anything. */
	CHECK_SEND_UREFS(port, 1);
	CHECK(has_right(once, SEND_ONCE));
	CHECK_NO_MESSAGE(port);
}

TEST(target_is_looked_at_first)
{
	mach_open();
	/* Everything else is wrong as well. */
	CHECK_RET(port_allocate_in(0, 77, (void *)1), MACH_SEND_INVALID_DEST);
	CHECK_RET(mod_refs_in(0, 0, 77, 100000), MACH_SEND_INVALID_DEST);
	CHECK_RET(mod_refs_in(MACH_PORT_DEAD, 0, SEND, 0), MACH_SEND_INVALID_DEST);
	CHECK_RET(deallocate_in(0, 0), MACH_SEND_INVALID_DEST);
	CHECK_RET(deallocate_in(0, unused_name()), MACH_SEND_INVALID_DEST);
	CHECK_RET(insert_right_in(0, 0, 0, 0), MACH_SEND_INVALID_DEST);
	CHECK_RET(insert_right_in(0, unused_name(), unused_name(), 99), MACH_SEND_INVALID_DEST);
}

/* insert_right */

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
	static const int dispositions[] = { 0, 1, 15, 22, 23, 24, 25, 26, 255, -1, INT_MAX, INT_MIN };
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
	static const name_t names[] = { 0x7fffff03, 0x3fffff03, 0x01000003, 0xffffff03, 0xfffffffe };
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

/* mod_refs */

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

/* Types, where the trap is there */

TEST(type_of_each_name)
{
	name_t port, set, dead, once, free_name;
	uint32_t type;

	mach_open();
	if (!trap_is_built(NR__kernelrpc_mach_port_type_trap))
		SKIP("mach_port_type is not built yet");
	port = new_port();
	CHECK_RET(port_type(port, &type), KERN_SUCCESS);
	CHECK_HEX(type, MACH_PORT_TYPE_RECEIVE);
	insert_right(port, port, MAKE_SEND);
	CHECK_RET(port_type(port, &type), KERN_SUCCESS);
	CHECK_HEX(type, MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_SEND);
	once = new_send_once(port);
	CHECK_RET(port_type(once, &type), KERN_SUCCESS);
	CHECK_HEX(type, MACH_PORT_TYPE_SEND_ONCE);
	set = new_port_set();
	CHECK_RET(port_type(set, &type), KERN_SUCCESS);
	CHECK_HEX(type, MACH_PORT_TYPE_PORT_SET);
	dead = new_dead_name();
	CHECK_RET(port_type(dead, &type), KERN_SUCCESS);
	CHECK_HEX(type, MACH_PORT_TYPE_DEAD_NAME);
	CHECK_RET(port_type(host_self(), &type), KERN_SUCCESS);
	CHECK_HEX(type, MACH_PORT_TYPE_SEND);
	destroy_receive(port);
	CHECK_RET(port_type(port, &type), KERN_SUCCESS);
	CHECK_HEX(type, MACH_PORT_TYPE_DEAD_NAME);

	free_name = unused_name();
	CHECK_RET(port_type(free_name, &type), KERN_INVALID_NAME);
	CHECK_HEX(type, POISON32);
	CHECK_RET(port_type(MACH_PORT_NULL, &type), KERN_INVALID_NAME);
	CHECK_RET(port_type(MACH_PORT_DEAD, &type), KERN_SUCCESS);
	CHECK_HEX(type, MACH_PORT_TYPE_DEAD_NAME);
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
