// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to kernel objects that do not have the layout of the routine, or go
 * to an object of another kind.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "rpc.h"
#include "shapes.h"

TEST(size_is_wrong)
{
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < shape_count; i++) {
		const struct shape *shape = &shapes[i];

		for (int change = -8; change <= 64; change += 4) {
			shape_begin(&rpc, shape, port_of(shape->target));
			/* Not into the descriptors: that is another error, see below. */
			if (!change || (change < 0 && (unsigned int)-change > shape->words * 4))
				continue;
			rpc.size += (uint32_t)change;
			CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
		}
		shape_begin(&rpc, shape, port_of(shape->target));
		rpc.size = sizeof(rpc.message);
		CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
	}
}

TEST(complex_bit_is_wrong)
{
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < shape_count; i++) {
		const struct shape *shape = &shapes[i];

		/* A right more; one less, the bit with or without others */
		shape_start(&rpc, shape, port_of(shape->target));
		for (unsigned int j = 0; j <= shape->descriptors; j++)
			add_descriptor(&rpc, kind_of(shape));
		for (unsigned int j = 0; j < shape->words; j++)
			rpc_word(&rpc, 0);
		CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
		if (!shape->descriptors)
			continue;
		shape_begin(&rpc, shape, port_of(shape->target));
		rpc.message.header.bits &= ~MSGH_COMPLEX;
		CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
		shape_begin(&rpc, shape, port_of(shape->target));
		rpc.message.body[0]--;
		CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
	}
}

TEST(descriptor_is_of_another_kind)
{
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < shape_count; i++) {
		const struct shape *shape = &shapes[i];

		if (!shape->descriptors)
			continue;
		shape_start(&rpc, shape, port_of(shape->target));
		for (unsigned int j = 0; j < shape->descriptors; j++)
			add_descriptor(&rpc, kind_of(shape) == RIGHT ? MEMORY : RIGHT);
		for (unsigned int j = 0; j < shape->words; j++)
			rpc_word(&rpc, 0);
		CHECK_REFUSED(&rpc, MIG_TYPE_ERROR);
	}
}

TEST(object_is_of_another_kind)
{
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < shape_count; i++)
		for (enum target target = TASK; target <= LAST_TARGET; target++) {
			/* The set can be asked by its own port as well as by its name. */
			if (target == shapes[i].target ||
			    (target == SET && shapes[i].target == SET_NAME))
				continue;
			/* What is public of a task is told by its name as well. */
			if (target == TASK_NAME && shapes[i].id == 3405)
				continue;
			shape_begin(&rpc, &shapes[i], port_of(target));
			CHECK_REFUSED(&rpc, KERN_INVALID_ARGUMENT);
		}
}

TEST(rights_of_a_refused_request_are_released)
{
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < shape_count; i++) {
		const struct shape *shape = &shapes[i];
		name_t port = new_send_right();

		if (!shape->descriptors || kind_of(shape) != RIGHT)
			continue;
		shape_start(&rpc, shape, port_of(shape->target));
		for (unsigned int j = 0; j < shape->descriptors; j++)
			rpc_port(&rpc, port, j + 1 < shape->descriptors ? COPY_SEND : MOVE_SEND);
		rpc_word(&rpc, 0);
		for (unsigned int j = 0; j < shape->words; j++)
			rpc_word(&rpc, 0);
		CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
		CHECK_SEND_UREFS(port, 0);
	}
}

TEST(table_tells_every_routine)
{
	struct routine_counts before, after;
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < shape_count; i++) {
		const struct shape *shape = &shapes[i];

		if (!read_routine_counts(shape->id, &before)) {
			FAIL("%d is not in the table", shape->id);
			continue;
		}
		CHECK(!strcmp(before.name, shape->name));
		shape_begin(&rpc, shape, port_of(shape->target));
		rpc_word(&rpc, 0);
		CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
		REQUIRE(read_routine_counts(shape->id, &after));
		CHECK(after.calls == before.calls + 1);
		CHECK(after.errors == before.errors + 1);
	}
}

TEST(table_has_no_other_routine)
{
	FILE *file;
	char line[256];

	debugfs_mount();
	file = fopen("/sys/kernel/debug/mach/routines", "re");
	REQUIRE(file);
	while (fgets(line, sizeof(line), file)) {
		bool found;
		int id = 0;

		REQUIRE_EQ(sscanf(line, "%d", &id), 1);
		/* Answers have no reply: see test_exceptions. */
		found = id > 2500 && id < 2508;
		for (size_t i = 0; i < shape_count; i++)
			found |= shapes[i].id == id;
		if (!found)
			FAIL("no test knows routine %d", id);
	}
	fclose(file);
}
