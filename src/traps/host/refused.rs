// SPDX-License-Identifier: GPL-2.0

//! What the host, its clocks and its processors cannot do here, and what they answer (ABI mig §3.5).
//!
//! These are in the table, so that a request is checked and answered as what it is and not as one
//! that nobody knows.

use super::{
    clock::ClockControl,
    processors::{
        Processor,
        ProcessorSet, //
    },
};
use crate::traps::ipc::{
    refused_routines,
    AnyRight,
    HostPort,
    Memory,
    Words, //
};

refused_routines! {
    // Memory objects of pagers, loaded kernel code, tables and zones of XNU's kernel
    203 mach_memory_object_memory_entry(HostPort, AnyRight, u32, u64, u32) => NOT_SUPPORTED;
    207 kmod_get_info(HostPort) => NOT_SUPPORTED;
    209 host_virtual_physical_table_info(HostPort) => NOT_SUPPORTED;
    214 processor_set_create(HostPort) => FAILURE;
    215 mach_memory_object_memory_entry_64(HostPort, AnyRight, u32, u64, u32) => NOT_SUPPORTED;
    218 host_lockgroup_info(HostPort) => NOT_SUPPORTED;
    220 mach_zone_info(HostPort) => NOT_SUPPORTED;
    221 mach_zone_force_gc(HostPort) => NOT_SUPPORTED;
    227 mach_memory_info(HostPort) => NOT_SUPPORTED;

    // Managers of voucher attributes
    223 host_register_mach_voucher_attr_manager(HostPort, AnyRight, u64) => NOT_SUPPORTED;
    224 host_register_well_known_mach_voucher_attr_manager(HostPort, AnyRight, u64, u32)
        => NOT_SUPPORTED;

    // Words of the commpage, which is the same for all tasks and not written any more
    225 host_set_atm_diagnostic_flag(HostPort, u32) => NOT_SUPPORTED;
    226 host_get_atm_diagnostic_flag(HostPort) => NOT_SUPPORTED;
    228 host_set_multiuser_config_flags(HostPort, u32) => NOT_SUPPORTED;
    229 host_get_multiuser_config_flags(HostPort) => NOT_SUPPORTED;
    230 host_check_multiuser_mode(HostPort) => NOT_SUPPORTED;

    // The machine itself is Linux's.
    400 host_get_boot_info(HostPort) => NOT_SUPPORTED;
    401 host_reboot(HostPort, i32) => NOT_SUPPORTED;
    403 host_default_memory_manager(HostPort, AnyRight, u32) => NOT_SUPPORTED;
    404 vm_wire(HostPort, AnyRight, u64, u64, u32) => NOT_SUPPORTED;
    405 thread_wire(HostPort, AnyRight, u32) => NOT_SUPPORTED;
    406 vm_allocate_cpm(HostPort, AnyRight, u64, u64, i32) => NOT_SUPPORTED;
    409 kmod_create(HostPort, u64) => NOT_SUPPORTED;
    410 kmod_destroy(HostPort, i32) => NOT_SUPPORTED;
    411 kmod_control(HostPort, Memory, i32, i32, u32) => NOT_SUPPORTED;
    418 mach_vm_wire(HostPort, AnyRight, u64, u64, u32) => NOT_SUPPORTED;
    423 host_set_UNDServer(HostPort, AnyRight) => NOT_SUPPORTED;
    424 host_get_UNDServer(HostPort) => NOT_SUPPORTED;
    425 kext_request(HostPort, Memory, u32, u32) => NOT_SUPPORTED;

    1200 clock_set_time(ClockControl, [u32; 2]) => FAILURE;
    1201 clock_set_attributes(ClockControl, i32, Words<1>) => FAILURE;

    // Linux assigns threads to processors by itself.
    3000 processor_start(Processor) => FAILURE;
    3001 processor_exit(Processor) => FAILURE;
    3003 processor_control(Processor, Words<20>) => FAILURE;
    3004 processor_assign(Processor, AnyRight, u32) => FAILURE;
    4001 processor_set_destroy(ProcessorSet) => FAILURE;
    4002 processor_set_max_priority(ProcessorSet, i32, u32) => FAILURE;
    4003 processor_set_policy_enable(ProcessorSet, i32) => FAILURE;
    4004 processor_set_policy_disable(ProcessorSet, i32, u32) => FAILURE;
    4005 processor_set_tasks(ProcessorSet) => FAILURE;
    4006 processor_set_threads(ProcessorSet) => FAILURE;
    4007 processor_set_policy_control(ProcessorSet, i32, Words<5>, u32) => FAILURE;
    4008 processor_set_stack_usage(ProcessorSet) => FAILURE;
    4010 processor_set_tasks_with_flavor(ProcessorSet, u32) => FAILURE;
}
