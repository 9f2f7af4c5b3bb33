// SPDX-License-Identifier: GPL-2.0
#include "harness.h"
#include "lookup.h"
#include "rpc.h"

#define TASK_INFO	3405
#define TASK_DYLD_INFO	17

long task_for(pid_t pid, name_t *name)
{
	struct task_for_pid args = { .pid = pid, .task_port = (void *)name };

	poison(name, sizeof(*name));
	return trap_struct(NR_task_for_pid_trap, &args);
}

long task_name_for(pid_t pid, name_t *name)
{
	struct task_name_for_pid args = { .pid = pid, .name_out = POISON32 };
	long result = trap_struct(NR_task_name_for_pid_trap, &args);

	*name = args.name_out;
	return result;
}

long pid_for(name_t name, int32_t *pid)
{
	struct pid_for_task args = { .task_port = name, .pid = (void *)pid };

	poison(pid, sizeof(*pid));
	return trap_struct(NR_pid_for_task_trap, &args);
}

void mark_task(uint64_t mark)
{
	struct set_dyld_info_args args = { .all_images_address = mark };

	REQUIRE_RET(trap_struct(NR_set_dyld_info, &args), 0);
}

uint64_t mark_of(name_t task)
{
	struct rpc rpc;

	CHECK_RET(RPC(&rpc, task, TASK_INFO, TASK_DYLD_INFO, 5), 0);
	return rpc_wide_at(&rpc, 1);
}
