// SPDX-License-Identifier: GPL-2.0
/*
 * What the requests of all routines hold, see shapes.h.
 */
#include <unistd.h>

#include "harness.h"
#include "lookup.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "shapes.h"

const struct shape shapes[] = {
	{ 200, "host_info", HOST, 0, 2 },
	{ 201, "host_kernel_version", HOST, 0, 0 },
	{ 202, "host_page_size", HOST, 0, 0 },
	{ 203, "mach_memory_object_memory_entry", HOST, 1, 4 },
	{ 204, "host_processor_info", HOST, 0, 1 },
	{ 205, "host_get_io_master", HOST, 0, 0 },
	{ 206, "host_get_clock_service", HOST, 0, 1 },
	{ 207, "kmod_get_info", HOST, 0, 0 },
	{ 209, "host_virtual_physical_table_info", HOST, 0, 0 },
	{ 213, "processor_set_default", HOST, 0, 0 },
	{ 214, "processor_set_create", HOST, 0, 0 },
	{ 215, "mach_memory_object_memory_entry_64", HOST, 1, 4 },
	{ 216, "host_statistics", HOST, 0, 2 },
	{ 217, "host_request_notification", HOST, 1, 1 },
	{ 218, "host_lockgroup_info", HOST, 0, 0 },
	{ 219, "host_statistics64", HOST, 0, 2 },
	{ 220, "mach_zone_info", HOST, 0, 0 },
	{ 221, "mach_zone_force_gc", HOST, 0, 0 },
	{ 222, "host_create_mach_voucher", HOST, 0, 1 },
	{ 223, "host_register_mach_voucher_attr_manager", HOST, 1, 2 },
	{ 224, "host_register_well_known_mach_voucher_attr_manager", HOST, 1, 3 },
	{ 225, "host_set_atm_diagnostic_flag", HOST, 0, 1 },
	{ 226, "host_get_atm_diagnostic_flag", HOST, 0, 0 },
	{ 227, "mach_memory_info", HOST, 0, 0 },
	{ 228, "host_set_multiuser_config_flags", HOST, 0, 1 },
	{ 229, "host_get_multiuser_config_flags", HOST, 0, 0 },
	{ 230, "host_check_multiuser_mode", HOST, 0, 0 },
	{ 400, "host_get_boot_info", HOST, 0, 0 },
	{ 401, "host_reboot", HOST, 0, 1 },
	{ 402, "host_priv_statistics", HOST, 0, 2 },
	{ 403, "host_default_memory_manager", HOST, 1, 1 },
	{ 404, "vm_wire", HOST, 1, 5 },
	{ 405, "thread_wire", HOST, 1, 1 },
	{ 406, "vm_allocate_cpm", HOST, 1, 5 },
	{ 407, "host_processors", HOST, 0, 0 },
	{ 408, "host_get_clock_control", HOST, 0, 1 },
	{ 409, "kmod_create", HOST, 0, 2 },
	{ 410, "kmod_destroy", HOST, 0, 1 },
	{ 411, "kmod_control", HOST, 1, 3 },
	{ 412, "host_get_special_port", HOST, 0, 2 },
	{ 413, "host_set_special_port", HOST, 1, 1 },
	{ 414, "host_get_exception_ports", HOST, 0, 1 },
	{ 415, "host_set_exception_ports", HOST, 1, 3 },
	{ 416, "host_swap_exception_ports", HOST, 1, 3 },
	{ 418, "mach_vm_wire", HOST, 1, 5 },
	{ 419, "host_processor_sets", HOST, 0, 0 },
	{ 420, "host_processor_set_priv", HOST, 1, 0 },
	{ 423, "host_set_UNDServer", HOST, 1, 0 },
	{ 424, "host_get_UNDServer", HOST, 0, 0 },
	{ 425, "kext_request", HOST, 1, 2 },
	{ 1000, "clock_get_time", CLOCK, 0, 0 },
	{ 1001, "clock_get_attributes", CLOCK, 0, 2 },
	{ 1002, "clock_alarm", CLOCK, 1, 3 },
	{ 1200, "clock_set_time", CLOCK_CONTROL, 0, 2 },
	{ 1201, "clock_set_attributes", CLOCK_CONTROL, 0, 2 },
	{ 3000, "processor_start", PROCESSOR, 0, 0 },
	{ 3001, "processor_exit", PROCESSOR, 0, 0 },
	{ 3002, "processor_info", PROCESSOR, 0, 2 },
	{ 3003, "processor_control", PROCESSOR, 0, 1 },
	{ 3004, "processor_assign", PROCESSOR, 1, 1 },
	{ 3005, "processor_get_assignment", PROCESSOR, 0, 0 },
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
	{ 3400, "task_create", TASK, 1, 2 },
	{ 3401, "task_terminate", TASK, 0, 0 },
	{ 3402, "task_threads", TASK, 0, 0 },
	{ 3403, "mach_ports_register", TASK, 1, 1 },
	{ 3404, "mach_ports_lookup", TASK, 0, 0 },
	{ 3405, "task_info", TASK, 0, 2 },
	{ 3406, "task_set_info", TASK, 0, 2 },
	{ 3407, "task_suspend", TASK, 0, 0 },
	{ 3408, "task_resume", TASK, 0, 0 },
	{ 3409, "task_get_special_port", TASK, 0, 1 },
	{ 3410, "task_set_special_port", TASK, 1, 1 },
	{ 3411, "thread_create", TASK, 0, 0 },
	{ 3412, "thread_create_running", TASK, 0, 2 },
	{ 3413, "task_set_exception_ports", TASK, 1, 3 },
	{ 3414, "task_get_exception_ports", TASK, 0, 1 },
	{ 3415, "task_swap_exception_ports", TASK, 1, 3 },
	{ 3416, "lock_set_create", TASK, 0, 2 },
	{ 3417, "lock_set_destroy", TASK, 1, 0 },
	{ 3418, "semaphore_create", TASK, 0, 2 },
	{ 3419, "semaphore_destroy", TASK, 1, 0 },
	{ 3420, "task_policy_set", TASK, 0, 2 },
	{ 3421, "task_policy_get", TASK, 0, 3 },
	{ 3422, "task_sample", TASK, 1, 0 },
	{ 3423, "task_policy", TASK, 0, 4 },
	{ 3424, "task_set_emulation", TASK, 0, 3 },
	{ 3425, "task_get_emulation_vector", TASK, 0, 0 },
	{ 3426, "task_set_emulation_vector", TASK, 1, 2 },
	{ 3427, "task_set_ras_pc", TASK, 0, 4 },
	{ 3428, "task_zone_info", TASK, 0, 0 },
	{ 3429, "task_assign", TASK, 1, 1 },
	{ 3430, "task_assign_default", TASK, 0, 1 },
	{ 3431, "task_get_assignment", TASK, 0, 0 },
	{ 3432, "task_set_policy", TASK, 1, 4 },
	{ 3433, "task_get_state", TASK, 0, 2 },
	{ 3434, "task_set_state", TASK, 0, 2 },
	{ 3435, "task_set_phys_footprint_limit", TASK, 0, 1 },
	{ 3436, "task_suspend2", TASK, 0, 0 },
	{ 3437, "task_resume2", TOKEN, 0, 0 },
	{ 3438, "task_purgable_info", TASK, 0, 0 },
	{ 3439, "task_get_mach_voucher", TASK, 0, 1 },
	{ 3440, "task_set_mach_voucher", TASK, 1, 0 },
	{ 3441, "task_swap_mach_voucher", TASK, 2, 0 },
	{ 3442, "task_generate_corpse", TASK, 0, 0 },
	{ 3443, "task_map_corpse_info", TASK, 1, 0 },
	{ 3444, "task_register_dyld_image_infos", TASK, 1, 1 },
	{ 3445, "task_unregister_dyld_image_infos", TASK, 1, 1 },
	{ 3446, "task_get_dyld_image_infos", TASK, 0, 0 },
	{ 3447, "task_register_dyld_shared_cache_image_info", TASK, 0, 12 },
	{ 3448, "task_register_dyld_set_dyld_state", TASK, 0, 1 },
	{ 3449, "task_register_dyld_get_process_state", TASK, 0, 0 },
	{ 3450, "task_map_corpse_info_64", TASK, 1, 0 },
	{ 3451, "task_inspect", TASK, 0, 2 },
	{ 3452, "task_get_exc_guard_behavior", TASK, 0, 0 },
	{ 3453, "task_set_exc_guard_behavior", TASK, 0, 1 },
	{ 3600, "thread_terminate", THREAD, 0, 0 },
	{ 3601, "act_get_state", THREAD, 0, 2 },
	{ 3602, "act_set_state", THREAD, 0, 2 },
	{ 3603, "thread_get_state", THREAD, 0, 2 },
	{ 3604, "thread_set_state", THREAD, 0, 2 },
	{ 3605, "thread_suspend", THREAD, 0, 0 },
	{ 3606, "thread_resume", THREAD, 0, 0 },
	{ 3607, "thread_abort", THREAD, 0, 0 },
	{ 3608, "thread_abort_safely", THREAD, 0, 0 },
	{ 3609, "thread_depress_abort", THREAD, 0, 0 },
	{ 3610, "thread_get_special_port", THREAD, 0, 1 },
	{ 3611, "thread_set_special_port", THREAD, 1, 1 },
	{ 3612, "thread_info", THREAD, 0, 2 },
	{ 3613, "thread_set_exception_ports", THREAD, 1, 3 },
	{ 3614, "thread_get_exception_ports", THREAD, 0, 1 },
	{ 3615, "thread_swap_exception_ports", THREAD, 1, 3 },
	{ 3616, "thread_policy", THREAD, 0, 3 },
	{ 3617, "thread_policy_set", THREAD, 0, 2 },
	{ 3618, "thread_policy_get", THREAD, 0, 3 },
	{ 3619, "thread_sample", THREAD, 1, 0 },
	{ 3620, "etap_trace_thread", THREAD, 0, 1 },
	{ 3621, "thread_assign", THREAD, 1, 0 },
	{ 3622, "thread_assign_default", THREAD, 0, 0 },
	{ 3623, "thread_get_assignment", THREAD, 0, 0 },
	{ 3624, "thread_set_policy", THREAD, 1, 3 },
	{ 3625, "thread_get_mach_voucher", THREAD, 0, 1 },
	{ 3626, "thread_set_mach_voucher", THREAD, 1, 0 },
	{ 3627, "thread_swap_mach_voucher", THREAD, 2, 0 },
	{ 4000, "processor_set_statistics", SET_NAME, 0, 2 },
	{ 4001, "processor_set_destroy", SET, 0, 0 },
	{ 4002, "processor_set_max_priority", SET, 0, 2 },
	{ 4003, "processor_set_policy_enable", SET, 0, 1 },
	{ 4004, "processor_set_policy_disable", SET, 0, 2 },
	{ 4005, "processor_set_tasks", SET, 0, 0 },
	{ 4006, "processor_set_threads", SET, 0, 0 },
	{ 4007, "processor_set_policy_control", SET, 0, 3 },
	{ 4008, "processor_set_stack_usage", SET, 0, 0 },
	{ 4009, "processor_set_info", SET_NAME, 0, 2 },
	{ 4010, "processor_set_tasks_with_flavor", SET, 0, 1 },
	{ 4800, "mach_vm_allocate", TASK, 0, 5 },
	{ 4801, "mach_vm_deallocate", TASK, 0, 4 },
	{ 4802, "mach_vm_protect", TASK, 0, 6 },
	{ 4803, "mach_vm_inherit", TASK, 0, 5 },
	{ 4804, "mach_vm_read", TASK, 0, 4 },
	{ 4805, "mach_vm_read_list", TASK, 0, 1025 },
	{ 4806, "mach_vm_write", TASK, 1, 3 },
	{ 4807, "mach_vm_copy", TASK, 0, 6 },
	{ 4808, "mach_vm_read_overwrite", TASK, 0, 6 },
	{ 4809, "mach_vm_msync", TASK, 0, 5 },
	{ 4810, "mach_vm_behavior_set", TASK, 0, 5 },
	{ 4811, "mach_vm_map", TASK, 1, 13 },
	{ 4812, "mach_vm_machine_attribute", TASK, 0, 6 },
	{ 4813, "mach_vm_remap", TASK, 1, 11 },
	{ 4814, "mach_vm_page_query", TASK, 0, 2 },
	{ 4815, "mach_vm_region_recurse", TASK, 0, 4 },
	{ 4816, "mach_vm_region", TASK, 0, 4 },
	{ 4817, "mach_make_memory_entry_64", TASK, 1, 5 },
	{ 4818, "mach_vm_purgable_control", TASK, 0, 4 },
	{ 4819, "mach_vm_page_info", TASK, 0, 4 },
	{ 4820, "mach_vm_page_range_query", TASK, 0, 8 },
	{ 4900, "mach_memory_entry_purgable_control", ENTRY, 0, 2 },
	{ 4901, "mach_memory_entry_access_tracking", ENTRY, 0, 1 },
	{ 4902, "mach_memory_entry_ownership", ENTRY, 1, 2 },
	{ 5400, "mach_voucher_extract_attr_content", VOUCHER, 0, 2 },
	{ 5401, "mach_voucher_extract_attr_recipe", VOUCHER, 0, 2 },
	{ 5402, "mach_voucher_extract_all_attr_recipes", VOUCHER, 0, 1 },
	{ 5403, "mach_voucher_attr_command", VOUCHER, 0, 4 },
	{ 5404, "mach_voucher_debug_info", TASK, 0, 2 },
	{ 8000, "task_restartable_ranges_register", TASK, 0, 1 },
	{ 8001, "task_restartable_ranges_synchronize", TASK, 0, 0 },
};

const size_t shape_count = ARRAY_SIZE(shapes);

const struct shape *shape_of(int32_t id)
{
	for (size_t i = 0; i < shape_count; i++)
		if (shapes[i].id == id)
			return &shapes[i];
	FATAL("no shape of routine %d", id);
	return NULL;
}

/* One of the ports that a routine of the host gives */
static name_t host_gives(int32_t id, uint32_t words)
{
	struct rpc rpc;

	rpc_begin(&rpc, host_self(), id);
	for (uint32_t i = 0; i < words; i++)
		rpc_word(&rpc, 0);
	REQUIRE_RET(rpc_call(&rpc), 0);
	return rpc_right(&rpc, 0, MOVE_SEND);
}

static name_t first_processor(void)
{
	struct rpc rpc;
	uint32_t count;
	const name_t *names;

	rpc_begin(&rpc, host_self(), 407);
	REQUIRE_RET(rpc_call(&rpc), 0);
	names = rpc_out_of_line(&rpc, 0, &count);
	REQUIRE(count > 0);
	return names[0];
}

static name_t processor_set(void)
{
	struct rpc rpc;

	rpc_begin(&rpc, host_self(), 420);
	rpc_port(&rpc, host_gives(213, 0), MOVE_SEND);
	REQUIRE_RET(rpc_call(&rpc), 0);
	return rpc_right(&rpc, 0, MOVE_SEND);
}

/* The suspension of another task */
static name_t token(void)
{
	static struct other other;
	struct rpc rpc;

	if (!other.pid)
		other_start(&other, NULL, NULL);
	rpc_begin(&rpc, other.task, 3436);
	REQUIRE_RET(rpc_call(&rpc), 0);
	return rpc_right(&rpc, 0, MOVE_SEND_ONCE);
}

/* With user data in it */
static name_t voucher(void)
{
	struct rpc rpc;

	REQUIRE_RET(RPC(&rpc, host_self(), 222, 20, 7, 211, 0, 4, 1), 0);
	return rpc_right(&rpc, 0, MOVE_SEND);
}

static name_t memory_entry(void)
{
	struct rpc rpc;

	rpc_begin(&rpc, self(), 4817);
	rpc_port(&rpc, MACH_PORT_NULL, MOVE_SEND);
	rpc_wide(&rpc, 4096);
	rpc_wide(&rpc, 0);
	rpc_word(&rpc, 0x20003);
	REQUIRE_RET(rpc_call(&rpc), 0);
	return rpc_right(&rpc, 0, MOVE_SEND);
}

name_t port_of(enum target target)
{
	name_t name;

	switch (target) {
	case TASK:
		return self();
	case THREAD:
		return thread_self();
	case HOST:
		return host_self();
	case CLOCK:
		return host_gives(206, 1);
	case CLOCK_CONTROL:
		return host_gives(408, 1);
	case PROCESSOR:
		return first_processor();
	case SET:
		return processor_set();
	case SET_NAME:
		return host_gives(213, 0);
	case ENTRY:
		return memory_entry();
	case TASK_NAME:
		REQUIRE_RET(task_name_for(getpid(), &name), 0);
		return name;
	case VOUCHER:
		return voucher();
	case TOKEN:
		return token();
	}
	return MACH_PORT_NULL;
}

enum descriptor_kind kind_of(const struct shape *shape)
{
	switch (shape->id) {
	case 411:
	case 425:
	case 3231:
	case 3426:
	case 3444:
	case 3445:
	case 4806:
		return MEMORY;
	case 3400:
	case 3403:
		return ARRAY;
	default:
		return RIGHT;
	}
}

void add_descriptor(struct rpc *rpc, enum descriptor_kind kind)
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

void shape_start(struct rpc *rpc, const struct shape *shape, name_t target)
{
	rpc_begin(rpc, target, shape->id);
	if (has_right(target, MACH_PORT_RIGHT_SEND_ONCE))
		rpc->message.header.bits = MSGH_BITS(MOVE_SEND_ONCE, MAKE_SEND_ONCE);
}

void shape_begin(struct rpc *rpc, const struct shape *shape, name_t target)
{
	shape_start(rpc, shape, target);
	for (unsigned int i = 0; i < shape->descriptors; i++)
		add_descriptor(rpc, kind_of(shape));
	for (unsigned int i = 0; i < shape->words; i++)
		rpc_word(rpc, 0);
}
