// SPDX-License-Identifier: GPL-2.0

//! Mapping what there is already: memory entries, and the memory of tasks (ABI mig §3.4, 4811 and
//! 4813; XNU osfmk/vm/vm_user.c, vm_map.c).

use super::{
    entry::MemoryEntry,
    regions,
    target::{
        error,
        Piece,
        Target, //
    },
    traps::{
        in_pages,
        place, //
    },
};
use crate::{
    abi::UserAddr,
    core::{
        KernError,
        KernResult,
        Live,
        ObjectCounter, //
    },
    linux::{
        mapping::{
            Contents,
            Protection, //
        },
        remote_memory::{
            self,
            Region, //
        },
        shared_memory::SharedMemory, //
    },
    traps::ipc::{
        as_kind,
        AnyRight,
        Call,
        RoutineDescriptor,
        TaskPort, //
    },
};
use kernel::{
    mm::MmWithUser,
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![mach_vm_map, mach_vm_remap];

/// Private memory that is mapped in several places.
pub(super) static PINNED: ObjectCounter = ObjectCounter::new("pinned_memory");

/// Read, write and execute.
const ALL: u32 = 7;

/// The ways to inherit are share, copy and none. Linux's forked children get private memory as a
/// copy and shared memory shared, whatever is said here.
const LAST_INHERITANCE: u32 = 2;

fn protection(bits: u32) -> Protection {
    Protection {
        read: bits & 1 != 0,
        write: bits & 2 != 0,
        execute: bits & 4 != 0,
    }
}

/// The bits that an address is not to have. `KERN_NO_SPACE` for more than there are.
fn mask(mask: u64) -> KernResult<usize> {
    let mask = usize::try_from(mask).map_err(|_| KernError::NO_SPACE)?;
    // What is no row of low bits is taken as the whole row.
    let row = mask
        .checked_add(1)
        .and_then(usize::checked_next_power_of_two)
        .ok_or(KernError::NO_SPACE)?;
    Ok(row.saturating_sub(1).max(PAGE_SIZE - 1))
}

/// Maps an object: for the null one zeroes, else a memory entry, shared or as a copy.
///
/// `KERN_INVALID_ARGUMENT` for no bytes, and for protections and ways to inherit that there are not;
/// `KERN_INVALID_OBJECT` for what is no memory entry; `KERN_INVALID_RIGHT` if that does not allow
/// the protection; `KERN_NO_SPACE` if the place is taken. The highest protection is not kept.
#[allow(clippy::too_many_arguments)] // They are those of the request.
#[routine(4811)]
fn mach_vm_map(
    call: &Call<'_>,
    task: &TaskPort,
    object: AnyRight,
    address: UserAddr,
    size: u64,
    alignment: u64,
    flags: u32,
    offset: u64,
    copy: u32,
    current: u32,
    maximum: u32,
    inheritance: u32,
) -> KernResult<UserAddr> {
    if size == 0
        || (current | maximum) & !ALL != 0
        || current & !maximum != 0
        || inheritance > LAST_INHERITANCE
    {
        return Err(KernError::INVALID_ARGUMENT);
    }
    let target = Target::of(call.context(), task)?;
    let length = in_pages(size)?;
    let contents = if object.is_null() {
        Contents::Zeroes
    } else {
        let object = object.object().ok_or(KernError::INVALID_OBJECT)?;
        let entry: &MemoryEntry = as_kind(&*object).ok_or(KernError::INVALID_OBJECT)?;
        // What is written to a copy does not get to the entry.
        let wanted = if copy != 0 { current & !2 } else { current };
        // CAST: `usize` has 64 bits at most.
        let (memory, at) = entry.part(offset, length as u64, wanted)?;
        if copy != 0 {
            Contents::Private(memory.copy(at, length).map_err(error)?, 0)
        } else {
            Contents::Shared(memory.clone(), at)
        }
    };
    let mut pieces = KVec::new();
    let piece = Piece {
        offset: 0,
        length,
        contents,
        protection: protection(current),
    };
    pieces.push(piece, GFP_KERNEL)?;
    let address = target.map(place(address, flags)?, mask(alignment)?, length, pieces)?;
    // CAST: As above.
    Ok(UserAddr(address as u64))
}

/// The part of `region` that is within `length` bytes at `start`, as offset from there and length.
pub(super) fn part(region: &Region, start: usize, length: usize) -> (usize, usize) {
    // CAST: addresses of a process fit.
    let from = (region.start as usize).max(start);
    let end = (region.end as usize).min(start.saturating_add(length));
    (from.saturating_sub(start), end.saturating_sub(from))
}

/// `length` bytes of `region` at `start`, which is private and can be written, to be mapped in other
/// places as well. `KERN_RESOURCE_SHORTAGE` if the caller may not lock so much memory;
/// `KERN_NOT_SUPPORTED` for code, which Linux does not let be mapped so.
fn share(
    mm: &MmWithUser,
    region: &Region,
    start: usize,
    length: usize,
) -> KernResult<SharedMemory> {
    if region.executable {
        return Err(KernError::NOT_SUPPORTED);
    }
    let label = Arc::new(Live::new(&PINNED), GFP_KERNEL_ACCOUNT)?;
    SharedMemory::pinned(mm, start, length, label).map_err(|failure| match failure {
        ENOMEM => KernError::RESOURCE_SHORTAGE,
        failure => error(failure),
    })
}

/// `length` bytes of `region` at `start`, to be mapped in other places as well: the memory, and where
/// in it they are.
///
/// Private memory that can only be read is copied: nobody can tell that as long as it is not written.
/// `KERN_NOT_SUPPORTED` for what drivers map; errors of [`share`].
pub(super) fn shared(
    mm: &MmWithUser,
    region: &Region,
    start: usize,
    length: usize,
) -> KernResult<(SharedMemory, u64)> {
    if !region.private {
        return SharedMemory::in_mm(mm, start)
            .filter(|(memory, _)| memory.is_ordinary())
            .ok_or(KernError::NOT_SUPPORTED);
    }
    let memory = match region.writable {
        true => share(mm, region, start, length)?,
        false => SharedMemory::copy_of(mm, start, length).map_err(error)?,
    };
    Ok((memory, 0))
}

/// What `length` bytes of `region` at `start` are for whoever maps them too.
fn contents(
    mm: &MmWithUser,
    region: &Region,
    start: usize,
    length: usize,
    copy: bool,
) -> KernResult<Contents> {
    if copy || (region.private && !region.writable) {
        let memory = SharedMemory::copy_of(mm, start, length).map_err(error)?;
        return Ok(Contents::Private(memory, 0));
    }
    let (memory, at) = shared(mm, region, start, length)?;
    Ok(Contents::Shared(memory, at))
}

/// Maps memory of one task into another, or the same: as a copy, or shared. Tells the protection,
/// which is that of the source, and the highest one.
///
/// Private memory that can be written is shared as [`share`] has it. What can only be read is copied
/// in either case. `KERN_INVALID_ADDRESS` where the source has no memory,
/// `KERN_MEMORY_ERROR` for what cannot be read, `KERN_NO_SPACE` if the place is taken.
#[allow(clippy::too_many_arguments)] // They are those of the request.
#[routine(4813)]
fn mach_vm_remap(
    call: &Call<'_>,
    task: &TaskPort,
    source: AnyRight,
    address: UserAddr,
    size: u64,
    alignment: u64,
    flags: u32,
    from: u64,
    copy: u32,
    inheritance: u32,
) -> KernResult<(UserAddr, u32, u32)> {
    if size == 0 || inheritance > LAST_INHERITANCE {
        return Err(KernError::INVALID_ARGUMENT);
    }
    let target = Target::of(call.context(), task)?;
    let source = source.object().ok_or(KernError::INVALID_ARGUMENT)?;
    let source: &TaskPort = as_kind(&*source).ok_or(KernError::INVALID_ARGUMENT)?;
    let mm = source.controlled_mm(call.context())?;
    let from = usize::try_from(from).map_err(|_| KernError::INVALID_ADDRESS)?;
    let within = from % PAGE_SIZE;
    let start = from - within;
    // CAST: `usize` has 64 bits at most.
    let length = in_pages(size.saturating_add(within as u64))?;
    start
        .checked_add(length)
        .ok_or(KernError::INVALID_ADDRESS)?;
    let mut pieces: KVec<Piece> = KVec::new();
    let (mut done, mut common) = (0, ALL);
    while done < length {
        let at = start.saturating_add(done);
        let region = remote_memory::region_at_or_after(&mm, at)
            .filter(|region| region.start <= at as u64)
            .ok_or(KernError::INVALID_ADDRESS)?;
        let (_, count) = part(&region, at, length.saturating_sub(done));
        let bits = regions::protection(&region);
        common &= bits;
        let piece = Piece {
            offset: done,
            length: count,
            contents: contents(&mm, &region, at, count, copy != 0)?,
            protection: protection(bits),
        };
        pieces.push(piece, GFP_KERNEL_ACCOUNT)?;
        done = done.saturating_add(count);
    }
    let address = target.map(place(address, flags)?, mask(alignment)?, length, pieces)?;
    Ok((UserAddr(address as u64), common, ALL))
}
