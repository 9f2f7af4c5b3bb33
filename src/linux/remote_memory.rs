// SPDX-License-Identifier: GPL-2.0

//! The memory of any process: reading, writing, and what is mapped where.
//!
//! Serves routines on the memory of tasks. Whoever has an address space here has been allowed to
//! (see [`super::access`]).
//!
//! Locks: the mmap lock of the address space, for a page at a time. May sleep.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::ptr;
use kernel::{
    bindings,
    mm::{
        virt::VmaRef,
        MmWithUser, //
    },
    page::PAGE_SIZE,
    prelude::*, //
};

use super::{
    bindings as shim,
    pinned::bytes_of,
    pinned_map, //
};

/// Memory that cannot be read or written; all before it has been.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unmapped;

/// Calls `work` with what is mapped at the page of `address`, from that address to the end of the
/// page.
fn with_page(
    mm: &MmWithUser,
    address: usize,
    flags: c_uint,
    work: impl FnOnce(*mut u8, usize),
) -> Result<(), Unmapped> {
    let mut page = ptr::null_mut();
    let offset = address % PAGE_SIZE;
    let guard = mm.mmap_read_lock();
    // SAFETY: The lock is held, and stays held without a place to tell that it was not. There is
    // room for one page.
    let count = unsafe {
        bindings::get_user_pages_remote(mm.as_raw(), address, 1, flags, &mut page, ptr::null_mut())
    };
    drop(guard);
    if count != 1 {
        // The kernel finds no page where the page table has frames.
        let is_write = flags & bindings::FOLL_WRITE != 0;
        let (frames, number) = pinned_map::shown_at(mm, address, is_write).ok_or(Unmapped)?;
        let page = frames.page(number).ok_or(Unmapped)?;
        // SAFETY: The frames keep the page, and `offset` is in it.
        work(unsafe { bytes_of(page).add(offset) }, PAGE_SIZE - offset);
        return Ok(());
    }
    // SAFETY: A reference to the page is ours until it is put. The mapping is of one page, and is
    // undone by the thread that made it.
    unsafe {
        let mapped = bindings::kmap_local_page(page);
        work(mapped.cast::<u8>().add(offset), PAGE_SIZE - offset);
        bindings::kunmap_local(mapped);
        if flags & bindings::FOLL_WRITE != 0 {
            bindings::set_page_dirty_lock(page);
        }
        shim::mach_shim_put_page(page);
    }
    Ok(())
}

/// The pieces of `length` bytes at `address` that are in one page each: address, and offset from
/// the start.
fn pieces(address: usize, length: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut done = 0;
    core::iter::from_fn(move || {
        if done >= length {
            return None;
        }
        let at = address.wrapping_add(done);
        let offset = done;
        done = done.saturating_add(PAGE_SIZE - at % PAGE_SIZE);
        Some((at, offset))
    })
}

/// Fills `bytes` from `address` on. What the process itself cannot read is not read.
pub(crate) fn read(mm: &MmWithUser, address: usize, bytes: &mut [u8]) -> Result<(), Unmapped> {
    address.checked_add(bytes.len()).ok_or(Unmapped)?;
    for (at, offset) in pieces(address, bytes.len()) {
        let rest = bytes.get_mut(offset..).unwrap_or_default();
        with_page(mm, at, 0, |from, room| {
            let count = room.min(rest.len());
            // SAFETY: There are `room` bytes at `from`. The process may be changing them, so that
            // any mixture of old and new may be read, as by itself.
            unsafe { ptr::copy_nonoverlapping(from, rest.as_mut_ptr(), count) };
        })?;
    }
    Ok(())
}

/// Replaces the bytes from `address` on, also where the process itself may only read, as debuggers
/// do; a private mapping gets a copy of its own then.
pub(crate) fn write(mm: &MmWithUser, address: usize, bytes: &[u8]) -> Result<(), Unmapped> {
    address.checked_add(bytes.len()).ok_or(Unmapped)?;
    let flags = bindings::FOLL_WRITE | bindings::FOLL_FORCE;
    for (at, offset) in pieces(address, bytes.len()) {
        let rest = bytes.get(offset..).unwrap_or_default();
        with_page(mm, at, flags, |to, room| {
            let count = room.min(rest.len());
            // SAFETY: There are `room` bytes at `to`, which the process may be changing as well,
            // as by writing itself.
            unsafe { ptr::copy_nonoverlapping(rest.as_ptr(), to, count) };
        })?;
    }
    Ok(())
}

/// A mapping.
pub(crate) struct Region {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) executable: bool,
    pub(crate) shared: bool,
    /// Whether all of it that is changed is changed for this process alone.
    pub(crate) private: bool,
    /// Where in its file the mapping starts, in bytes; 0 without one.
    pub(crate) offset: u64,
}

/// The first mapping at or after `address`.
pub(crate) fn region_at_or_after(mm: &MmWithUser, address: usize) -> Option<Region> {
    let guard = mm.mmap_read_lock();
    // SAFETY: The lock is held.
    let vma = unsafe { bindings::find_vma(mm.as_raw(), address) };
    if vma.is_null() {
        return None;
    }
    // SAFETY: The mapping is there until the lock is released.
    let (vma, file, page_offset) =
        unsafe { (VmaRef::from_raw(vma), (*vma).vm_file, (*vma).vm_pgoff) };
    let has = |flag| vma.flags() & flag != 0;
    // CAST: `usize` has 64 bits at most.
    let region = Region {
        start: vma.start() as u64,
        end: vma.end() as u64,
        readable: has(kernel::mm::virt::flags::READ),
        writable: has(kernel::mm::virt::flags::WRITE),
        executable: has(kernel::mm::virt::flags::EXEC),
        shared: has(kernel::mm::virt::flags::SHARED),
        private: !has(kernel::mm::virt::flags::MAYSHARE),
        offset: if file.is_null() {
            0
        } else {
            page_offset.saturating_mul(PAGE_SIZE) as u64
        },
    };
    drop(guard);
    Some(region)
}

/// A page that a process has, as its own page table says.
#[derive(Clone, Copy)]
pub(crate) struct PresentPage {
    /// It belongs to a file, and not to the process alone.
    pub(crate) of_file: bool,
    pub(crate) dirty: bool,
    pub(crate) referenced: bool,
}

/// The page at `address`, if it is there without being brought in.
pub(crate) fn present_page(mm: &MmWithUser, address: usize) -> Option<PresentPage> {
    let flags = bindings::FOLL_NOFAULT | bindings::FOLL_FORCE;
    let mut page = ptr::null_mut();
    let guard = mm.mmap_read_lock();
    // SAFETY: As in `with_page`.
    let count = unsafe {
        bindings::get_user_pages_remote(mm.as_raw(), address, 1, flags, &mut page, ptr::null_mut())
    };
    drop(guard);
    if count != 1 {
        return None;
    }
    // SAFETY: A reference to the page is ours until it is put.
    unsafe {
        let present = PresentPage {
            of_file: !shim::mach_shim_page_is_anonymous(page),
            dirty: shim::mach_shim_page_is_dirty(page),
            referenced: shim::mach_shim_page_is_referenced(page),
        };
        shim::mach_shim_put_page(page);
        Some(present)
    }
}
