// SPDX-License-Identifier: GPL-2.0
#include "port.h"

#include <string.h>

#include "harness.h"
#include "mach.h"

long port_construct_in(name_t target, const void *options, uint64_t context, void *name)
{
	struct mach_port_construct_args arguments = {
		.task_right_name = target,
		.options = (uintptr_t)options,
		.context = context,
		.port_right_name_out = (uintptr_t)name,
	};

	return trap_struct(NR__kernelrpc_mach_port_construct_trap, &arguments);
}

long port_construct(uint32_t flags, uint32_t qlimit, uint64_t context, name_t *name)
{
	struct port_options options = { .flags = flags, .qlimit = qlimit };

	*name = POISON32;
	return port_construct_in(self(), &options, context, name);
}

name_t new_port_with(uint32_t flags, uint64_t context)
{
	name_t name;

	REQUIRE_RET(port_construct(flags, 0, context, &name), KERN_SUCCESS);
	REQUIRE(name != POISON32 && name != MACH_PORT_NULL && name != MACH_PORT_DEAD);
	return name;
}

long port_destruct_in(name_t target, name_t name, int32_t srdelta, uint64_t guard)
{
	struct mach_port_destruct_args arguments = {
		.task_right_name = target,
		.port_right_name = name,
		.srdelta = (uint64_t)(int64_t)srdelta,
		.guard = guard,
	};

	return trap_struct(NR__kernelrpc_mach_port_destruct_trap, &arguments);
}

long port_destruct(name_t name, int32_t srdelta, uint64_t guard)
{
	return port_destruct_in(self(), name, srdelta, guard);
}

long port_guard_in(name_t target, name_t name, uint64_t guard, bool strict)
{
	struct mach_port_guard_args arguments = {
		.task_right_name = target,
		.port_right_name = name,
		.guard = guard,
		.strict = strict,
	};

	return trap_struct(NR__kernelrpc_mach_port_guard_trap, &arguments);
}

long port_guard(name_t name, uint64_t guard, bool strict)
{
	return port_guard_in(self(), name, guard, strict);
}

long port_unguard_in(name_t target, name_t name, uint64_t guard)
{
	struct mach_port_unguard_args arguments = {
		.task_right_name = target,
		.port_right_name = name,
		.guard = guard,
	};

	return trap_struct(NR__kernelrpc_mach_port_unguard_trap, &arguments);
}

long port_unguard(name_t name, uint64_t guard)
{
	return port_unguard_in(self(), name, guard);
}

long port_attributes_in(name_t target, name_t name, int flavor, void *words, void *count)
{
	struct mach_port_get_attributes_args arguments = {
		.task_right_name = target,
		.port_right_name = name,
		.flavor = flavor,
		.info_out = words,
		.count_out = count,
	};

	return trap_struct(NR__kernelrpc_mach_port_get_attributes_trap, &arguments);
}

long port_attributes(name_t name, int flavor, uint32_t *words, uint32_t *count)
{
	return port_attributes_in(self(), name, flavor, words, count);
}

struct port_status port_status(name_t name)
{
	uint32_t count = PORT_STATUS_WORDS;
	struct port_status status;

	poison(&status, sizeof(status));
	REQUIRE_RET(port_attributes_in(self(), name, PORT_RECEIVE_STATUS, &status, &count),
		    KERN_SUCCESS);
	REQUIRE_EQ(count, PORT_STATUS_WORDS);
	return status;
}

name_t special_reply_port(void)
{
	return (name_t)trap(NR_thread_get_special_reply_port, 0);
}

long request_notification_in(name_t target, name_t name, int id, uint32_t sync, name_t notify,
			     int disposition, void *previous)
{
	struct mach_port_request_notification_args arguments = {
		.task_right_name = target,
		.port_right_name = name,
		.message_id = id,
		.make_send_count = sync,
		.notification_destination_port_name = notify,
		.message_type = (unsigned int)disposition,
		.previous_destination_port_name_out = previous,
	};

	return trap_struct(NR__kernelrpc_mach_port_request_notification_trap, &arguments);
}

void notify_on(name_t port, name_t name, int id, uint32_t sync)
{
	name_t previous;

	REQUIRE_RET(request_notification(name, id, sync, port, MAKE_SEND_ONCE, &previous),
		    KERN_SUCCESS);
	REQUIRE_EQ(previous, MACH_PORT_NULL);
}
