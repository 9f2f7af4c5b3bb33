// SPDX-License-Identifier: GPL-2.0
/*
 * Names: how they are allocated, typed, used again, and by whom.
 * time limit: 240 s
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

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
