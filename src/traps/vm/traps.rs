// SPDX-License-Identifier: GPL-2.0

//! Traps that map and unmap memory (ABI traps §4). Only in the caller: in another task they answer
//! `KERN_NOT_SUPPORTED`.

use crate::{
    abi::{
        args::{
            MachVmAllocateArgs,
            MachVmDeallocateArgs, //
        },
        nr,
        PortName,
        UserAddr, //
    },
    core::{
        Context,
        InOut,
        KernError,
        KernResult,
        TrapDescriptor, //
    },
    linux::remote_memory,
    traps::ipc::{
        as_kind,
        object_named,
        TaskPort, //
    },
};
use core::ptr;
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] = traps![mach_vm_allocate, mach_vm_deallocate];

/// Checks that `name` is the port of the caller's task. `KERN_INVALID_TASK` if it is that of no
/// living task.
fn check_own(context: &Context<'_>, name: PortName) -> KernResult {
    let object = object_named(context, name).map_err(|_| KernError::INVALID_TASK)?;
    let port: &TaskPort = as_kind(&*object).ok_or(KernError::INVALID_TASK)?;
    own(context, port)
}

/// Checks that `port` is the caller's.
pub(super) fn own(context: &Context<'_>, port: &TaskPort) -> KernResult {
    let task = port.task(context.mach())?;
    if ptr::eq(&*task, context.task()) {
        Ok(())
    } else {
        Err(KernError::NOT_SUPPORTED)
    }
}

/// Maps zeroed memory into the current task: anywhere, or at `address` if nothing is there.
pub(super) fn allocate(address: UserAddr, size: u64, flags: u32) -> KernResult<UserAddr> {
    const VM_FLAGS_ANYWHERE: u32 = 1;

    if size == 0 {
        return Ok(UserAddr::NULL);
    }
    let size = usize::try_from(size).map_err(|_| KernError::NO_SPACE)?;
    let size = size
        .checked_next_multiple_of(PAGE_SIZE)
        .ok_or(KernError::NO_SPACE)?;
    let wanted = if flags & VM_FLAGS_ANYWHERE != 0 {
        None
    } else {
        let address = usize::try_from(address.0).map_err(|_| KernError::INVALID_ADDRESS)?;
        Some(address - address % PAGE_SIZE)
    };
    let address = remote_memory::map_zeroes(wanted, size).map_err(|error| match error {
        EEXIST | ENOMEM => KernError::NO_SPACE,
        EPERM | EINVAL => KernError::INVALID_ADDRESS,
        _ => KernError::FAILURE,
    })?;
    // CAST: `usize` has 64 bits at most.
    Ok(UserAddr(address as u64))
}

/// Unmaps what is mapped in the pages of the current task that `size` bytes at `address` touch.
pub(super) fn deallocate(address: UserAddr, size: u64) -> KernResult {
    if size == 0 {
        return Ok(());
    }
    let start = usize::try_from(address.0).map_err(|_| KernError::INVALID_ARGUMENT)?;
    let size = usize::try_from(size).map_err(|_| KernError::INVALID_ARGUMENT)?;
    let end = start
        .checked_add(size)
        .and_then(|end| end.checked_next_multiple_of(PAGE_SIZE))
        .ok_or(KernError::INVALID_ARGUMENT)?;
    let start = start - start % PAGE_SIZE;
    remote_memory::unmap(start, end - start).map_err(|_| KernError::INVALID_ADDRESS)
}

/// Maps zeroed memory that can be read and written. `KERN_NO_SPACE` if the place is taken.
#[trap(nr::MACH_VM_ALLOCATE)]
fn mach_vm_allocate(context: &Context<'_>, args: InOut<MachVmAllocateArgs>) -> KernResult {
    let mut args = args;
    check_own(context, args.value.target)?;
    let (size, flags) = (args.value.size, args.value.flags);
    let address = allocate(args.value.address, size, flags)?;
    args.value.address = address;
    args.write_back().map_err(|_| {
        // Nobody knows of it.
        let _ = deallocate(address, size);
        KernError::INVALID_ARGUMENT
    })
}

/// Unmaps memory.
#[trap(nr::MACH_VM_DEALLOCATE)]
fn mach_vm_deallocate(context: &Context<'_>, args: MachVmDeallocateArgs) -> KernResult {
    check_own(context, args.target)?;
    deallocate(args.address, args.size)
}
