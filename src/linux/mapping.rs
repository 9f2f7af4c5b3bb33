// SPDX-License-Identifier: GPL-2.0

//! Mapping memory into the current process, or into the one whose address space the current thread
//! has adopted ([`super::foreign`]), and unmapping it.
//!
//! Locks: the mmap lock, inside. May sleep.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::ptr;
use kernel::{
    bindings,
    error::to_result,
    mm::{
        virt::VmaRef,
        MmWithUser, //
    },
    page::PAGE_SIZE,
    prelude::*, //
};

use super::{
    bindings as shim,
    current,
    shared_memory::SharedMemory, //
};

/// What a mapping allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Protection {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) execute: bool,
}

impl Protection {
    /// As the kernel has it.
    fn bits(self) -> u32 {
        let bit = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
        bit(self.read, shim::PROT_READ)
            | bit(self.write, shim::PROT_WRITE)
            | bit(self.execute, shim::PROT_EXEC)
    }
}

/// Where to map; addresses are page boundaries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Anywhere,
    /// Here, if nothing is mapped there.
    Free(usize),
    /// Here, instead of what is mapped there.
    Replacing(usize),
}

/// What to map.
#[derive(Clone)]
pub(crate) enum Contents {
    Zeroes,
    /// Memory, from an offset on, which is a multiple of the page size: every change is seen by all
    /// who have it mapped so.
    Shared(SharedMemory, u64),
    /// The same, but changes are for the process alone.
    Private(SharedMemory, u64),
}

/// Maps `length` bytes, a multiple of the page size, and returns where.
///
/// `EEXIST` when the place is not free, `ENOMEM` without room or memory, `EACCES` for memory that
/// may not be written, `EINVAL`, `EPERM`.
pub(crate) fn map(
    contents: &Contents,
    place: Place,
    length: usize,
    protection: Protection,
) -> Result<usize> {
    let (file, offset, kind) = match contents {
        Contents::Zeroes => (ptr::null_mut(), 0, shim::MAP_PRIVATE),
        Contents::Shared(memory, offset) => (memory.file(), *offset, shim::MAP_SHARED),
        Contents::Private(memory, offset) => (memory.file(), *offset, shim::MAP_PRIVATE),
    };
    let (address, where_) = match place {
        Place::Anywhere => (0, 0),
        Place::Free(address) => (address, shim::MAP_FIXED_NOREPLACE),
        Place::Replacing(address) => (address, shim::MAP_FIXED),
    };
    let offset = usize::try_from(offset).map_err(|_| EINVAL)?;
    let bits = protection.bits();
    // SAFETY: The file, if there is one, is alive.
    unsafe { map_file(file, address, length, bits, kind | where_, offset) }
}

/// Maps `length` bytes of `file` from `offset` on, or zeroes if it is null, as mmap(2) does with
/// these bits and flags, and returns where. No address that is passed in can hurt the kernel.
/// `ESRCH` for a thread without an address space.
///
/// # Safety
///
/// `file` must be null or valid.
pub(super) unsafe fn map_file(
    file: *mut bindings::file,
    address: usize,
    length: usize,
    protection: u32,
    flags: u32,
    offset: usize,
) -> Result<usize> {
    // The kernel takes for granted that there is one.
    if current::mm_key() == 0 {
        return Err(ESRCH);
    }
    // CAST: `u32` to `usize` loses nothing.
    // SAFETY: By the caller's promise, and there is an address space. The function checks the rest.
    let mapped = unsafe {
        bindings::vm_mmap(
            file,
            address,
            length,
            protection as c_ulong,
            flags as c_ulong,
            offset,
        )
    };
    // An error is one of the last addresses, which no process has.
    // CAST: Reinterpretation is what the interface says.
    match i32::try_from(mapped as isize) {
        Ok(errno @ -4095..=-1) => Err(Error::from_errno(errno)),
        _ => Ok(mapped),
    }
}

/// Unmaps `length` bytes, a multiple of the page size, at a page boundary. Nothing need be mapped
/// there. `ESRCH` for a thread without an address space.
pub(crate) fn unmap(address: usize, length: usize) -> Result {
    if current::mm_key() == 0 {
        return Err(ESRCH);
    }
    // SAFETY: There is an address space. A process may unmap any of its memory, and so may who
    // controls it; the function checks the range.
    to_result(unsafe { bindings::vm_munmap(address, length) })
}

/// Where `length` bytes are free in `mm` below `end`, not below what is the lowest place for
/// anybody, and not where a stack is to grow; nobody keeps it free.
pub(crate) fn find_gap(mm: &MmWithUser, length: usize, end: usize) -> Option<usize> {
    const LOWEST: usize = 16 * PAGE_SIZE;
    /// The gap that the kernel leaves below stacks, unless it is told another one.
    const STACK_GAP: usize = 256 * PAGE_SIZE;

    let guard = mm.mmap_read_lock();
    let mut start = LOWEST;
    let found = loop {
        let gap_end = start.checked_add(length).filter(|gap_end| *gap_end <= end);
        let Some(gap_end) = gap_end else {
            break None;
        };
        // SAFETY: The lock is held.
        let next = unsafe { bindings::find_vma(mm.as_raw(), start) };
        if next.is_null() {
            break Some(start);
        }
        // SAFETY: The mapping is there as long as the lock is held.
        let next = unsafe { VmaRef::from_raw(next) };
        let reserve = match next.flags() & shim::MACH_VM_GROWSDOWN {
            0 => 0,
            _ => STACK_GAP,
        };
        if next.start().saturating_sub(reserve) >= gap_end {
            break Some(start);
        }
        start = next.end();
    };
    drop(guard);
    found
}
