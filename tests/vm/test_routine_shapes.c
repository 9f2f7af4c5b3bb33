// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to kernel objects that do not have the layout of the routine, or go
 * to an object of another kind. One line for each routine that is built.
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

enum target { TASK, THREAD, HOST, CLOCK };
#define LAST_TARGET CLOCK

/*
 * What a request holds, from the interface definitions: rights or memory, then words.
 */
struct shape {
	int32_t id;
	const char *name;
	enum target target;
	unsigned int descriptors;
	unsigned int words;
};

static const struct shape shapes[] = {
	{ 200, "host_info", HOST, 0, 2 },
	{ 201, "host_kernel_version", HOST, 0, 0 },
	{ 202, "host_page_size", HOST, 0, 0 },
	{ 206, "host_get_clock_service", HOST, 0, 1 },
	{ 216, "host_statistics", HOST, 0, 2 },
	{ 219, "host_statistics64", HOST, 0, 2 },
	{ 1000, "clock_get_time", CLOCK, 0, 0 },
	{ 1001, "clock_get_attributes", CLOCK, 0, 2 },
	{ 3200, "mach_port_names", TASK, 0, 0 },
	{ 3201, "mach_port_type", TASK, 0, 1 },
	{ 3202, "mach_port_rename", TASK, 0, 2 },
	{ 3203, "mach_port_allocate_name", TASK, 0, 2 },
	{ 3204, "mach_port_allocate", TASK, 0, 1 },
	{ 3205, "mach_port_destroy", TASK, 0, 1 },
	{ 3206, "mach_port_deallocate", TASK, 0, 1 },
	{ 3207, "mach_port_get_refs", TASK, 0, 2 },
	{ 3208, "mach_port_mod_refs", TASK, 0, 3 },
	{ 3209, "mach_port_peek", TASK, 0, 4 },
	{ 3210, "mach_port_set_mscount", TASK, 0, 2 },
	{ 3211, "mach_port_get_set_status", TASK, 0, 1 },
	{ 3212, "mach_port_move_member", TASK, 0, 2 },
	{ 3213, "mach_port_request_notification", TASK, 1, 3 },
	{ 3214, "mach_port_insert_right", TASK, 1, 1 },
	{ 3215, "mach_port_extract_right", TASK, 0, 2 },
	{ 3216, "mach_port_set_seqno", TASK, 0, 2 },
	{ 3217, "mach_port_get_attributes", TASK, 0, 3 },
	{ 3218, "mach_port_set_attributes", TASK, 0, 3 },
	{ 3219, "mach_port_allocate_qos", TASK, 0, 3 },
	{ 3220, "mach_port_allocate_full", TASK, 1, 4 },
	{ 3221, "task_set_port_space", TASK, 0, 1 },
	{ 3222, "mach_port_get_srights", TASK, 0, 1 },
	{ 3223, "mach_port_space_info", TASK, 0, 0 },
	{ 3224, "mach_port_dnrequest_info", TASK, 0, 1 },
	{ 3225, "mach_port_kernel_object", TASK, 0, 1 },
	{ 3226, "mach_port_insert_member", TASK, 0, 2 },
	{ 3227, "mach_port_extract_member", TASK, 0, 2 },
	{ 3228, "mach_port_get_context", TASK, 0, 1 },
	{ 3229, "mach_port_set_context", TASK, 0, 3 },
	{ 3230, "mach_port_kobject", TASK, 0, 1 },
	{ 3231, "mach_port_construct", TASK, 1, 2 },
	{ 3232, "mach_port_destruct", TASK, 0, 4 },
	{ 3233, "mach_port_guard", TASK, 0, 4 },
	{ 3234, "mach_port_unguard", TASK, 0, 3 },
	{ 3235, "mach_port_space_basic_info", TASK, 0, 0 },
	{ 3236, "mach_port_special_reply_port_reset_link", TASK, 0, 1 },
	{ 3237, "mach_port_guard_with_flags", TASK, 0, 5 },
	{ 3238, "mach_port_swap_guard", TASK, 0, 5 },
	{ 3402, "task_threads", TASK, 0, 0 },
	{ 3403, "mach_ports_register", TASK, 1, 1 },
	{ 3404, "mach_ports_lookup", TASK, 0, 0 },
	{ 3405, "task_info", TASK, 0, 2 },
	{ 3409, "task_get_special_port", TASK, 0, 1 },
	{ 3410, "task_set_special_port", TASK, 1, 1 },
	{ 3420, "task_policy_set", TASK, 0, 2 },
	{ 3612, "thread_info", THREAD, 0, 2 },
	{ 3617, "thread_policy_set", THREAD, 0, 2 },
	{ 4800, "mach_vm_allocate", TASK, 0, 5 },
	{ 4801, "mach_vm_deallocate", TASK, 0, 4 },
	{ 4803, "mach_vm_inherit", TASK, 0, 5 },
	{ 4804, "mach_vm_read", TASK, 0, 4 },
	{ 4806, "mach_vm_write", TASK, 1, 3 },
	{ 4807, "mach_vm_copy", TASK, 0, 6 },
	{ 4808, "mach_vm_read_overwrite", TASK, 0, 6 },
	{ 4809, "mach_vm_msync", TASK, 0, 5 },
	{ 4810, "mach_vm_behavior_set", TASK, 0, 5 },
	{ 4815, "mach_vm_region_recurse", TASK, 0, 4 },
	{ 4816, "mach_vm_region", TASK, 0, 4 },
	{ 4818, "mach_vm_purgable_control", TASK, 0, 4 },
	{ 3418, "semaphore_create", TASK, 0, 2 },
	{ 3419, "semaphore_destroy", TASK, 1, 0 },
};

static name_t port_of(enum target target)
{
	struct rpc rpc;

	switch (target) {
	case TASK:
		return self();
	case THREAD:
		return thread_self();
	case HOST:
		return host_self();
	case CLOCK:
		REQUIRE_RET(RPC(&rpc, host_self(), 206, 0), 0);
		return rpc_right(&rpc, 0, MOVE_SEND);
	}
	return MACH_PORT_NULL;
}

enum kind { RIGHT, MEMORY, ARRAY };

/* What are the descriptors? */
static enum kind kind_of(const struct shape *shape)
{
	switch (shape->id) {
	case 3231:
	case 4806:
		return MEMORY;
	case 3403:
		return ARRAY;
	default:
		return RIGHT;
	}
}

static void add_descriptor(struct rpc *rpc, enum kind kind)
{
	switch (kind) {
	case MEMORY:
		rpc_memory(rpc, NULL, 0);
		break;
	case ARRAY:
		rpc_array(rpc, NULL, 0, MOVE_SEND);
		break;
	case RIGHT:
		rpc_port(rpc, MACH_PORT_NULL, MOVE_SEND);
		break;
	}
}

/* The request with all values 0 and null rights */
static void begin(struct rpc *rpc, const struct shape *shape, name_t target)
{
	rpc_begin(rpc, target, shape->id);
	for (unsigned int i = 0; i < shape->descriptors; i++)
		add_descriptor(rpc, kind_of(shape));
	for (unsigned int i = 0; i < shape->words; i++)
		rpc_word(rpc, 0);
}

TEST(size_is_wrong)
{
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		const struct shape *shape = &shapes[i];

		for (int change = -8; change <= 64; change += 4) {
			begin(&rpc, shape, port_of(shape->target));
			/* Not into the descriptors: that is another error, see below. */
			if (!change || (change < 0 && (unsigned int)-change > shape->words * 4))
				continue;
			rpc.size += (uint32_t)change;
			CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
		}
		begin(&rpc, shape, port_of(shape->target));
		rpc.size = sizeof(rpc.message);
		CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
	}
}

TEST(complex_bit_is_wrong)
{
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		const struct shape *shape = &shapes[i];

		/* A right more; one less, the bit with or without others */
		rpc_begin(&rpc, port_of(shape->target), shape->id);
		for (unsigned int j = 0; j <= shape->descriptors; j++)
			add_descriptor(&rpc, kind_of(shape));
		for (unsigned int j = 0; j < shape->words; j++)
			rpc_word(&rpc, 0);
		CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
		if (!shape->descriptors)
			continue;
		begin(&rpc, shape, port_of(shape->target));
		rpc.message.header.bits &= ~MSGH_COMPLEX;
		CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
		begin(&rpc, shape, port_of(shape->target));
		rpc.message.body[0]--;
		CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
	}
}

TEST(descriptor_is_of_another_kind)
{
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		const struct shape *shape = &shapes[i];

		if (!shape->descriptors)
			continue;
		rpc_begin(&rpc, port_of(shape->target), shape->id);
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
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		for (enum target target = TASK; target <= LAST_TARGET; target++) {
			if (target == shapes[i].target)
				continue;
			begin(&rpc, &shapes[i], port_of(target));
			CHECK_REFUSED(&rpc, KERN_INVALID_ARGUMENT);
		}
}

TEST(rights_of_a_refused_request_are_released)
{
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		const struct shape *shape = &shapes[i];
		name_t port = new_send_right();

		if (!shape->descriptors || kind_of(shape) != RIGHT)
			continue;
		rpc_begin(&rpc, port_of(shape->target), shape->id);
		for (unsigned int j = 0; j < shape->descriptors; j++)
			rpc_port(&rpc, port, j ? COPY_SEND : MOVE_SEND);
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
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		const struct shape *shape = &shapes[i];

		if (!read_routine_counts(shape->id, &before)) {
			FAIL("%d is not in the table", shape->id);
			continue;
		}
		CHECK(!strcmp(before.name, shape->name));
		begin(&rpc, shape, port_of(shape->target));
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
		bool found = false;
		int id = 0;

		REQUIRE_EQ(sscanf(line, "%d", &id), 1);
		for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
			found |= shapes[i].id == id;
		if (!found)
			FAIL("no test knows routine %d", id);
	}
	fclose(file);
}
