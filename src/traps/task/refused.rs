// SPDX-License-Identifier: GPL-2.0

//! What tasks and threads cannot do here, and what they answer (ABI mig §3.2, §3.3).
//!
//! These are in the table, so that a request is checked and answered as what it is and not as one
//! that nobody knows.

use crate::traps::ipc::{
    refused_routines,
    AnyRight,
    Memory,
    SendRights,
    TaskPort,
    ThreadPort,
    Words, //
};

/// Words that the state of a thread may have (`THREAD_STATE_MAX`).
const STATE: usize = 614;

refused_routines! {
    // Linux makes tasks and threads by system calls, of the process itself.
    3400 task_create(TaskPort, SendRights, u32, u32) => NOT_SUPPORTED;
    3411 thread_create(TaskPort) => NOT_SUPPORTED;
    3412 thread_create_running(TaskPort, i32, Words<STATE>) => NOT_SUPPORTED;
    3433 task_get_state(TaskPort, i32, u32) => NOT_SUPPORTED;
    3434 task_set_state(TaskPort, i32, Words<STATE>) => NOT_SUPPORTED;

    // Gone from XNU, or never there
    3406 task_set_info(TaskPort, i32, Words<90>) => NOT_SUPPORTED;
    3416 lock_set_create(TaskPort, i32, i32) => NOT_SUPPORTED;
    3417 lock_set_destroy(TaskPort, AnyRight) => NOT_SUPPORTED;
    3422 task_sample(TaskPort, AnyRight) => NOT_SUPPORTED;
    3423 task_policy(TaskPort, i32, Words<5>, u32, u32) => NOT_SUPPORTED;
    3424 task_set_emulation(TaskPort, u64, i32) => NOT_SUPPORTED;
    3425 task_get_emulation_vector(TaskPort) => NOT_SUPPORTED;
    3426 task_set_emulation_vector(TaskPort, Memory, i32, u32) => NOT_SUPPORTED;
    3427 task_set_ras_pc(TaskPort, u64, u64) => NOT_SUPPORTED;
    3428 task_zone_info(TaskPort) => NOT_SUPPORTED;
    3429 task_assign(TaskPort, AnyRight, u32) => NOT_SUPPORTED;
    3430 task_assign_default(TaskPort, u32) => NOT_SUPPORTED;
    3431 task_get_assignment(TaskPort) => NOT_SUPPORTED;
    3432 task_set_policy(TaskPort, AnyRight, i32, Words<5>, Words<1>, u32) => NOT_SUPPORTED;
    3609 thread_depress_abort(ThreadPort) => NOT_SUPPORTED;
    3616 thread_policy(ThreadPort, i32, Words<5>, u32) => NOT_SUPPORTED;
    3619 thread_sample(ThreadPort, AnyRight) => NOT_SUPPORTED;
    3620 etap_trace_thread(ThreadPort, u32) => NOT_SUPPORTED;
    3621 thread_assign(ThreadPort, AnyRight) => NOT_SUPPORTED;
    3622 thread_assign_default(ThreadPort) => NOT_SUPPORTED;
    3623 thread_get_assignment(ThreadPort) => NOT_SUPPORTED;
    3624 thread_set_policy(ThreadPort, AnyRight, i32, Words<5>, Words<1>) => NOT_SUPPORTED;

    // Limits and accounts that Linux keeps by other means
    3435 task_set_phys_footprint_limit(TaskPort, i32) => NOT_SUPPORTED;
    3438 task_purgable_info(TaskPort) => NOT_SUPPORTED;
    3451 task_inspect(TaskPort, u32, u32) => NOT_SUPPORTED;

    // Corpses, and lists of images besides the dynamic linker's own
    3442 task_generate_corpse(TaskPort) => NOT_SUPPORTED;
    3443 task_map_corpse_info(TaskPort, AnyRight) => NOT_SUPPORTED;
    3444 task_register_dyld_image_infos(TaskPort, Memory, u32) => NOT_SUPPORTED;
    3445 task_unregister_dyld_image_infos(TaskPort, Memory, u32) => NOT_SUPPORTED;
    3446 task_get_dyld_image_infos(TaskPort) => NOT_SUPPORTED;
    3447 task_register_dyld_shared_cache_image_info(TaskPort, [u32; 10], u32, u32)
        => NOT_SUPPORTED;
    3448 task_register_dyld_set_dyld_state(TaskPort, u32) => NOT_SUPPORTED;
    3449 task_register_dyld_get_process_state(TaskPort) => NOT_SUPPORTED;
    3450 task_map_corpse_info_64(TaskPort, AnyRight) => NOT_SUPPORTED;

    // Vouchers are not carried by threads.
    3625 thread_get_mach_voucher(ThreadPort, u32) => NOT_SUPPORTED;
    3626 thread_set_mach_voucher(ThreadPort, AnyRight) => NOT_SUPPORTED;
    3627 thread_swap_mach_voucher(ThreadPort, AnyRight, AnyRight) => NOT_SUPPORTED;
}
