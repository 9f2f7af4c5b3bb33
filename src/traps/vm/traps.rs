// SPDX-License-Identifier: GPL-2.0

//! Mapping and unmapping memory of one's own or another task, by trap and by message (ABI traps §4,
//! mig §3.4; XNU osfmk/vm/vm_user.c).

use super::target::Target;
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
    linux::mapping::{
        Place,
        Protection, //
    },
    traps::ipc::{
        as_kind,
        object_named,
        Call,
        RoutineDescriptor,
        TaskPort, //
    },
};
use kernel::page::PAGE_SIZE;
use mach_macros::{
    routine,
    routines,
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] = traps![allocate_trap, deallocate_trap];

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![mach_vm_allocate, mach_vm_deallocate];

/// Bits of the flags that say where to map.
mod flag {
    pub(super) const ANYWHERE: u32 = 1;
    pub(super) const OVERWRITE: u32 = 0x4000;
}

/// The task that `name` is a right to. `KERN_INVALID_TASK` if it is that of no living task.
fn named(context: &Context<'_>, name: PortName) -> KernResult<Target> {
    let object = object_named(context, name).map_err(|_| KernError::INVALID_TASK)?;
    let port: &TaskPort = as_kind(&*object).ok_or(KernError::INVALID_TASK)?;
    Target::of(context, port)
}

/// A number of bytes, rounded up to pages. `KERN_NO_SPACE` for more than there can be.
pub(super) fn in_pages(size: u64) -> KernResult<usize> {
    usize::try_from(size)
        .ok()
        .and_then(|size| size.checked_next_multiple_of(PAGE_SIZE))
        .ok_or(KernError::NO_SPACE)
}

/// Where `flags` say that something is to be mapped, with `address` if they do not say anywhere.
pub(super) fn place(address: UserAddr, flags: u32) -> KernResult<Place> {
    if flags & flag::ANYWHERE != 0 {
        return Ok(Place::Anywhere);
    }
    let address = usize::try_from(address.0).map_err(|_| KernError::INVALID_ADDRESS)?;
    let address = address - address % PAGE_SIZE;
    Ok(if flags & flag::OVERWRITE != 0 {
        Place::Replacing(address)
    } else {
        Place::Free(address)
    })
}

/// Maps zeroed memory that can be read and written.
fn allocate(target: &Target, address: UserAddr, size: u64, flags: u32) -> KernResult<UserAddr> {
    const READ_WRITE: Protection = Protection {
        read: true,
        write: true,
        execute: false,
    };

    if size == 0 {
        return Ok(UserAddr::NULL);
    }
    let place = place(address, flags)?;
    let address = target.map_zeroes(place, in_pages(size)?, READ_WRITE)?;
    // CAST: `usize` has 64 bits at most.
    Ok(UserAddr(address as u64))
}

/// Unmaps what is mapped in the pages that `size` bytes at `address` touch.
fn deallocate(target: &Target, address: UserAddr, size: u64) -> KernResult {
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
    target.unmap(start, end - start)
}

/// Maps zeroed memory that can be read and written. `KERN_NO_SPACE` if the place is taken, unless
/// the flags say that what is there is to be replaced.
#[trap(nr::MACH_VM_ALLOCATE)]
fn allocate_trap(context: &Context<'_>, args: InOut<MachVmAllocateArgs>) -> KernResult {
    let mut args = args;
    let target = named(context, args.value.target)?;
    let (size, flags) = (args.value.size, args.value.flags);
    let address = allocate(&target, args.value.address, size, flags)?;
    args.value.address = address;
    args.write_back().map_err(|_| {
        // Nobody knows of it.
        let _ = deallocate(&target, address, size);
        KernError::INVALID_ARGUMENT
    })
}

/// Unmaps memory.
#[trap(nr::MACH_VM_DEALLOCATE)]
fn deallocate_trap(context: &Context<'_>, args: MachVmDeallocateArgs) -> KernResult {
    let target = named(context, args.target)?;
    deallocate(&target, args.address, args.size)
}

/// As the trap of the same name.
#[routine(4800)]
fn mach_vm_allocate(
    call: &Call<'_>,
    task: &TaskPort,
    address: UserAddr,
    size: u64,
    flags: u32,
) -> KernResult<UserAddr> {
    allocate(&Target::of(call.context(), task)?, address, size, flags)
}

/// As the trap of the same name.
#[routine(4801)]
fn mach_vm_deallocate(
    call: &Call<'_>,
    task: &TaskPort,
    address: UserAddr,
    size: u64,
) -> KernResult {
    deallocate(&Target::of(call.context(), task)?, address, size)
}
