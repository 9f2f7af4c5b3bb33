// SPDX-License-Identifier: GPL-2.0

//! Routines that read, write and copy the memory of a task (ABI mig §3.4; XNU osfmk/vm/vm_user.c).

use super::target::{
    error,
    Piece,
    Target, //
};
use crate::{
    abi::UserAddr,
    core::{
        user,
        KernError,
        KernResult, //
    },
    linux::{
        mapping::{
            Contents,
            Place,
            Protection, //
        },
        private_map::unmap_touched,
        remote_memory,
        shared_memory::SharedMemory, //
    },
    traps::ipc::{
        Call,
        Memory,
        RoutineDescriptor,
        TaskPort,
        WideWords, //
    },
};
use kernel::{
    mm::MmWithUser,
    page::PAGE_SIZE,
    prelude::*, //
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    mach_vm_read,
    mach_vm_read_list,
    mach_vm_write,
    mach_vm_copy,
    mach_vm_read_overwrite,
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

/// The most ranges that [`mach_vm_read_list`] reads.
const LIST_MAX: usize = 256;

/// Copies `size` bytes of `mm` at `address` to memory that the caller gets, and returns where.
fn read_out(own: &Target, mm: &MmWithUser, address: u64, size: u64) -> KernResult<u64> {
    const PROTECTION: Protection = Protection {
        read: true,
        write: true,
        execute: false,
    };

    if size > READ_MAX {
        return Err(KernError::INVALID_ARGUMENT);
    }
    let (address, size) = range(address, size)?;
    let within = address % PAGE_SIZE;
    let length = size
        .saturating_add(within)
        .checked_next_multiple_of(PAGE_SIZE)
        .ok_or(KernError::INVALID_ADDRESS)?;
    let memory = SharedMemory::copy_of(mm, address - within, length).map_err(error)?;
    let mut pieces = KVec::new();
    let piece = Piece {
        offset: 0,
        length,
        contents: Contents::Private(memory, 0),
        protection: PROTECTION,
    };
    pieces.push(piece, GFP_KERNEL)?;
    let mapped = own.map(Place::Anywhere, 0, length, pieces)?;
    // CAST: `usize` has 64 bits at most.
    Ok(mapped.saturating_add(within) as u64)
}

/// Reads several ranges of memory of a task, which are given by addresses and sizes, to memory that
/// the caller gets. Those that cannot be read are told as null and empty; when the last one is such,
/// its error is the answer, and nothing is given. `KERN_INVALID_ARGUMENT` for more than there is
/// room for in the list.
#[routine(4805)]
fn mach_vm_read_list(
    call: &Call<'_>,
    task: &TaskPort,
    list: WideWords<{ 2 * LIST_MAX }>,
    count: u32,
) -> KernResult<WideWords<{ 2 * LIST_MAX }>> {
    let mut list = list;
    // CAST: `u32` to `usize` loses nothing.
    let count = count as usize;
    if count > LIST_MAX {
        return Err(KernError::INVALID_ARGUMENT);
    }
    let mm = task.controlled_mm(call.context())?;
    let own = Target::own();
    let mut last = Ok(());
    for entry in list.0.chunks_exact_mut(2).take(count) {
        let [address, size] = entry else {
            continue;
        };
        let read = match *size {
            0 => Ok(0),
            _ => read_out(&own, &mm, *address, *size),
        };
        if let Ok(0) | Err(_) = read {
            (*address, *size) = (0, 0);
        } else if let Ok(at) = read {
            *address = at;
        }
        last = read.map(drop);
    }
    if let Err(failure) = last {
        for entry in list.0.chunks_exact(2).take(count) {
            if let [address, size] = entry {
                // Nothing for those of no bytes.
                // CAST: both are those of memory that was just mapped here.
                unmap_touched(*address as usize, *size as usize);
            }
        }
        return Err(failure);
    }
    Ok(list)
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
