// SPDX-License-Identifier: GPL-2.0

//! Routines that say how memory is to be treated (ABI mig §3.4; XNU osfmk/vm/vm_user.c). Linux lets
//! a module change none of it, for no process; what clients rely on is accepted (ABI mig §4).

use crate::{
    core::{
        KernError,
        KernResult, //
    },
    linux::remote_memory,
    traps::ipc::{
        Call,
        RoutineDescriptor,
        TaskPort, //
    },
};
use core::ptr;
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    mach_vm_protect,
    mach_vm_inherit,
    mach_vm_msync,
    mach_vm_behavior_set,
    mach_vm_machine_attribute,
    mach_vm_purgable_control,
];

/// The protection of memory. If all of it has that protection already, there is nothing to do. Else
/// it is accepted without effect for another task, as clients rely on (ABI mig §4), and
/// `KERN_NOT_SUPPORTED` for the caller's own, whose library calls mprotect(2).
/// `KERN_INVALID_ARGUMENT` for what is no protection, `KERN_INVALID_ADDRESS` where there is no
/// memory.
#[routine(4802)]
fn mach_vm_protect(
    call: &Call<'_>,
    task: &TaskPort,
    address: u64,
    size: u64,
    set_maximum: u32,
    protection: u32,
) -> KernResult {
    /// Read, write and execute, and: a copy of what cannot be written.
    const ALL: u32 = 7 | 0x10;

    if protection & !ALL != 0 {
        return Err(KernError::INVALID_ARGUMENT);
    }
    let mm = task.controlled_mm(call.context())?;
    let mut at = usize::try_from(address).map_err(|_| KernError::INVALID_ADDRESS)?;
    let end = usize::try_from(size)
        .ok()
        .and_then(|size| at.checked_add(size))
        .ok_or(KernError::INVALID_ADDRESS)?;
    let mut differs = set_maximum != 0;
    while at < end {
        let region = remote_memory::region_at_or_after(&mm, at)
            .filter(|region| region.start <= at as u64)
            .ok_or(KernError::INVALID_ADDRESS)?;
        differs |= super::regions::protection(&region) != protection;
        at = usize::try_from(region.end).map_err(|_| KernError::INVALID_ADDRESS)?;
    }
    let is_own = ptr::eq(&*task.task(call.context().mach())?, call.task());
    if differs && is_own {
        return Err(KernError::NOT_SUPPORTED);
    }
    Ok(())
}

/// What children are to inherit. Accepted without effect: clients rely on that (ABI mig §4), and
/// children get a copy. `KERN_INVALID_ARGUMENT` for what is none of the ways to inherit.
#[routine(4803)]
fn mach_vm_inherit(
    call: &Call<'_>,
    task: &TaskPort,
    _address: u64,
    _size: u64,
    inheritance: u32,
) -> KernResult {
    /// Share, copy, none.
    const LAST: u32 = 2;

    if inheritance > LAST {
        return Err(KernError::INVALID_ARGUMENT);
    }
    task.controlled(call.context()).map(drop)
}

/// Writes changes back. Accepted without effect: clients rely on that (ABI mig §4), and Linux
/// writes back by itself.
#[routine(4809)]
fn mach_vm_msync(
    call: &Call<'_>,
    task: &TaskPort,
    _address: u64,
    _size: u64,
    _flags: u32,
) -> KernResult {
    task.controlled(call.context()).map(drop)
}

/// How memory is going to be used: a hint, accepted without effect, as clients rely on (ABI mig
/// §4).
#[routine(4810)]
fn mach_vm_behavior_set(
    call: &Call<'_>,
    task: &TaskPort,
    _address: u64,
    _size: u64,
    _behavior: u32,
) -> KernResult {
    task.controlled(call.context()).map(drop)
}

/// What may be taken away when memory is short. Accepted without effect, as clients rely on (ABI
/// mig §4): the state told is 0, which is that nothing may.
#[routine(4818)]
fn mach_vm_purgable_control(
    call: &Call<'_>,
    task: &TaskPort,
    _address: u64,
    _control: u32,
    _state: u32,
) -> KernResult<u32> {
    task.controlled(call.context()).map(|_| 0)
}

/// What the processor's caches are to do with memory. Those of x86 are coherent, so there is nothing
/// to do for any value; `KERN_INVALID_ARGUMENT` for other attributes.
#[routine(4812)]
fn mach_vm_machine_attribute(
    call: &Call<'_>,
    task: &TaskPort,
    _address: u64,
    _size: u64,
    attribute: u32,
    value: i32,
) -> KernResult<i32> {
    const CACHE: u32 = 1;

    task.controlled(call.context())?;
    if attribute != CACHE {
        return Err(KernError::INVALID_ARGUMENT);
    }
    Ok(value)
}
