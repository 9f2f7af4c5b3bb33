// SPDX-License-Identifier: GPL-2.0

//! Routines on memory (ABI mig §3.4; XNU osfmk/vm/vm_user.c).
//!
//! Reading and writing work on any task that the caller may control; mapping only on its own.

use super::traps::{
    allocate,
    deallocate,
    own, //
};
use crate::{
    abi::UserAddr,
    core::{
        user,
        KernError,
        KernResult, //
    },
    linux::remote_memory::{
        self,
        Region, //
    },
    traps::ipc::{
        Call,
        Memory,
        RoutineDescriptor,
        RoutineResult,
        SendRight,
        TaskPort,
        Words, //
    },
};
use core::mem::size_of;
use kernel::{
    mm::MmWithUser,
    page::PAGE_SIZE,
    prelude::*, //
};
use mach_macros::{
    routine,
    routines, //
};
use zerocopy::{
    Immutable,
    IntoBytes, //
};
use zerocopy_derive::{
    Immutable,
    IntoBytes, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    mach_vm_allocate,
    mach_vm_deallocate,
    mach_vm_inherit,
    mach_vm_read,
    mach_vm_write,
    mach_vm_copy,
    mach_vm_read_overwrite,
    mach_vm_msync,
    mach_vm_behavior_set,
    mach_vm_region_recurse,
    mach_vm_region,
    mach_vm_purgable_control,
];

/// The most that [`mach_vm_read`] reads at once.
const READ_MAX: u64 = 30 << 20;
/// The most that [`mach_vm_copy`] copies at once.
const COPY_MAX: u64 = 100 << 20;

/// The address and length as the machine has them. `KERN_INVALID_ADDRESS` for what no task has.
fn range(address: u64, size: u64) -> KernResult<(usize, usize)> {
    let address = usize::try_from(address).map_err(|_| KernError::INVALID_ADDRESS)?;
    let size = usize::try_from(size).map_err(|_| KernError::INVALID_ADDRESS)?;
    address
        .checked_add(size)
        .ok_or(KernError::INVALID_ADDRESS)?;
    Ok((address, size))
}

/// Calls `work` for pieces of `size` bytes, each of which passes through a buffer: with the offset
/// of the piece and the buffer.
fn in_pieces(size: usize, mut work: impl FnMut(usize, &mut [u8]) -> KernResult) -> KernResult {
    const PIECE: usize = 16 * PAGE_SIZE;

    let mut buffer = KVVec::new();
    buffer.resize(size.min(PIECE), 0, GFP_KERNEL_ACCOUNT)?;
    let mut offset = 0;
    while offset < size {
        let length = PIECE.min(size.saturating_sub(offset));
        let piece = buffer.get_mut(..length).ok_or(KernError::FAILURE)?;
        work(offset, piece)?;
        offset = offset.saturating_add(length);
    }
    Ok(())
}

fn read(mm: &MmWithUser, address: usize, bytes: &mut [u8]) -> KernResult {
    remote_memory::read(mm, address, bytes).map_err(|_| KernError::INVALID_ADDRESS)
}

fn write(mm: &MmWithUser, address: usize, bytes: &[u8]) -> KernResult {
    remote_memory::write(mm, address, bytes).map_err(|_| KernError::INVALID_ADDRESS)
}

/// Maps zeroed memory into the caller; into another task `KERN_NOT_SUPPORTED`.
#[routine(4800)]
fn mach_vm_allocate(
    call: &Call<'_>,
    task: &TaskPort,
    address: UserAddr,
    size: u64,
    flags: u32,
) -> KernResult<UserAddr> {
    own(call.context(), task)?;
    allocate(address, size, flags)
}

/// Unmaps memory of the caller; of another task `KERN_NOT_SUPPORTED`.
#[routine(4801)]
fn mach_vm_deallocate(
    call: &Call<'_>,
    task: &TaskPort,
    address: UserAddr,
    size: u64,
) -> KernResult {
    own(call.context(), task)?;
    deallocate(address, size)
}

/// What children are to inherit. Accepted without effect: clients rely on that (ABI mig §4), and
/// children get a copy.
#[routine(4803)]
fn mach_vm_inherit(
    call: &Call<'_>,
    task: &TaskPort,
    _address: u64,
    _size: u64,
    _inheritance: u32,
) -> KernResult {
    task.controlled(call.context()).map(drop)
}

/// Reads memory of a task. `KERN_INVALID_ARGUMENT` for more than 30 MiB, `KERN_INVALID_ADDRESS`
/// for what the task itself cannot read.
#[routine(4804)]
fn mach_vm_read(
    call: &Call<'_>,
    task: &TaskPort,
    address: u64,
    size: u64,
) -> KernResult<(Memory, u32)> {
    if size > READ_MAX {
        return Err(KernError::INVALID_ARGUMENT);
    }
    let mm = task.controlled_mm(call.context())?;
    let (address, length) = range(address, size)?;
    let mut memory = Memory::zeroed(length)?;
    in_pieces(length, |offset, piece| {
        read(&mm, address.wrapping_add(offset), piece)?;
        memory.write(offset, piece);
        Ok(())
    })?;
    // CAST: at most 30 MiB.
    Ok((memory, size as u32))
}

/// Writes memory of a task, also what that may only read. `KERN_INVALID_ADDRESS` where there is
/// none; what is before that has been written.
#[routine(4806)]
fn mach_vm_write(
    call: &Call<'_>,
    task: &TaskPort,
    data: Memory,
    address: u64,
    count: u32,
) -> KernResult {
    let mm = task.controlled_mm(call.context())?;
    if count > data.size() {
        return Err(KernError::INVALID_ARGUMENT);
    }
    let (address, length) = range(address, count.into())?;
    in_pieces(length, |offset, piece| {
        data.read(offset, piece);
        write(&mm, address.wrapping_add(offset), piece)
    })
}

/// Copies memory within a task. `KERN_FAILURE` for more than 100 MiB. The ranges may not overlap
/// unless the copy goes to lower addresses.
#[routine(4807)]
fn mach_vm_copy(
    call: &Call<'_>,
    task: &TaskPort,
    source: u64,
    size: u64,
    destination: u64,
) -> KernResult {
    if size > COPY_MAX {
        return Err(KernError::FAILURE);
    }
    let mm = task.controlled_mm(call.context())?;
    let (source, length) = range(source, size)?;
    let (destination, _) = range(destination, size)?;
    in_pieces(length, |offset, piece| {
        read(&mm, source.wrapping_add(offset), piece)?;
        write(&mm, destination.wrapping_add(offset), piece)
    })
}

/// Reads memory of a task into that of the caller. Returns the number of bytes.
#[routine(4808)]
fn mach_vm_read_overwrite(
    call: &Call<'_>,
    task: &TaskPort,
    address: u64,
    size: u64,
    to: UserAddr,
) -> KernResult<u64> {
    let mm = task.controlled_mm(call.context())?;
    let (address, length) = range(address, size)?;
    in_pieces(length, |offset, piece| {
        read(&mm, address.wrapping_add(offset), piece)?;
        // CAST: `usize` has 64 bits at most.
        to.checked_add(offset as u64)
            .and_then(|to| user::write_bytes(to, piece).ok())
            .ok_or(KernError::INVALID_ADDRESS)
    })?;
    Ok(size)
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

/// Read, write and execute.
const ALL: u32 = 7;

fn protection(region: &Region) -> u32 {
    u32::from(region.readable) | u32::from(region.writable) << 1 | u32::from(region.executable) << 2
}

/// `vm_region_basic_info`
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct BasicInfo {
    protection: u32,
    max_protection: u32,
    inheritance: u32,
    shared: u32,
    reserved: u32,
    offset: u32,
    behavior: u32,
    wired: u32,
}

/// `vm_region_basic_info_64`
#[derive(IntoBytes, Immutable)]
#[repr(C, packed(4))]
struct BasicInfo64 {
    protection: u32,
    max_protection: u32,
    inheritance: u32,
    shared: u32,
    reserved: u32,
    offset: u64,
    behavior: u32,
    wired: u32,
}

/// `vm_region_submap_short_info_64`
#[derive(IntoBytes, Immutable)]
#[repr(C, packed(4))]
struct SubmapShortInfo64 {
    protection: u32,
    max_protection: u32,
    inheritance: u32,
    offset: u64,
    user_tag: u32,
    references: u32,
    shadow_depth: u16,
    external_pager: u8,
    share_mode: u8,
    is_submap: u32,
    behavior: u32,
    object_id: u32,
    wired: u32,
}

/// Children get a copy.
const VM_INHERIT_COPY: u32 = 1;

/// The first mapping of the task at or after `address`. `KERN_INVALID_ADDRESS` after the last one.
fn region(call: &Call<'_>, task: &TaskPort, address: u64) -> KernResult<Region> {
    let mm = task.controlled_mm(call.context())?;
    let address = usize::try_from(address).map_err(|_| KernError::INVALID_ADDRESS)?;
    remote_memory::region_at_or_after(&mm, address).ok_or(KernError::INVALID_ADDRESS)
}

fn whole<T: IntoBytes + Immutable, const MAX: usize>(
    value: &T,
    room: u32,
) -> RoutineResult<Words<MAX>> {
    // CAST: `u32` to `usize` loses nothing.
    if (room as usize) < size_of::<T>() / 4 {
        return Err(KernError::INVALID_ARGUMENT.into());
    }
    Words::of(value)
}

type RegionResults<const MAX: usize> = (Option<SendRight>, u64, u64, Words<MAX>);

/// Tells of the first mapping at or after an address: where it is and, as `flavor` says, what.
/// `KERN_INVALID_ARGUMENT` for other flavors and without room, `KERN_INVALID_ADDRESS` after the
/// last mapping.
#[routine(4816)]
fn mach_vm_region(
    call: &Call<'_>,
    task: &TaskPort,
    address: u64,
    flavor: i32,
    room: u32,
) -> RoutineResult<RegionResults<10>> {
    const BASIC_INFO_64: i32 = 9;
    const BASIC_INFO: i32 = 10;

    let region = region(call, task, address)?;
    let info = match flavor {
        BASIC_INFO_64 => whole(
            &BasicInfo64 {
                protection: protection(&region),
                max_protection: ALL,
                inheritance: VM_INHERIT_COPY,
                shared: region.shared.into(),
                reserved: 0,
                offset: region.offset,
                behavior: 0,
                wired: 0,
            },
            room,
        )?,
        BASIC_INFO => whole(
            &BasicInfo {
                protection: protection(&region),
                max_protection: ALL,
                inheritance: VM_INHERIT_COPY,
                shared: region.shared.into(),
                reserved: 0,
                offset: u32::try_from(region.offset).unwrap_or(u32::MAX),
                behavior: 0,
                wired: 0,
            },
            room,
        )?,
        _ => return Err(KernError::INVALID_ARGUMENT.into()),
    };
    let size = region.end.saturating_sub(region.start);
    Ok((None, region.start, size, info))
}

/// As [`mach_vm_region`]; there are no maps within maps, so the depth told is 0.
#[routine(4815)]
fn mach_vm_region_recurse(
    call: &Call<'_>,
    task: &TaskPort,
    address: u64,
    _depth: u32,
    room: u32,
) -> RoutineResult<(u64, u64, u32, Words<19>)> {
    const SM_COW: u8 = 1;
    const SM_SHARED: u8 = 4;

    let region = region(call, task, address)?;
    let info = whole(
        &SubmapShortInfo64 {
            protection: protection(&region),
            max_protection: ALL,
            inheritance: VM_INHERIT_COPY,
            offset: region.offset,
            user_tag: 0,
            references: 1,
            shadow_depth: 0,
            external_pager: 0,
            share_mode: if region.shared { SM_SHARED } else { SM_COW },
            is_submap: 0,
            behavior: 0,
            object_id: 0,
            wired: 0,
        },
        room,
    )?;
    let size = region.end.saturating_sub(region.start);
    Ok((region.start, size, 0, info))
}

const _: () = {
    assert!(size_of::<BasicInfo>() == 4 * 8);
    assert!(size_of::<BasicInfo64>() == 4 * 9);
    assert!(size_of::<SubmapShortInfo64>() == 4 * 12);
};
