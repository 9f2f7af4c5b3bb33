// SPDX-License-Identifier: GPL-2.0

//! Bytes kept in whole pages, so that they can be mapped into a process without another copy.
//!
//! Serves the out-of-line memory of messages.
//!
//! Locks: none. Everything here may sleep.
//!
//! C headers: [`include/linux/gfp.h`](srctree/include/linux/gfp.h),
//! [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::{
    mem::MaybeUninit,
    ptr::NonNull, //
};
use kernel::{
    alloc::AllocError,
    bindings,
    page::PAGE_SIZE,
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

use super::bindings as shim;

/// Pages are allocated up to two to this power at once, if there are that many in a row: it costs
/// less for each. The allocator keeps lists of free blocks up to this size for each processor.
const BLOCK_ORDER: u32 = 3;

/// How pages are allocated: charged to the memory cgroup of the caller; without killing anybody
/// for them, since who asks is told that there are none; and in the kernel's own mapping.
const GFP_PAGES: bindings::gfp_t = bindings::GFP_KERNEL_ACCOUNT
    | bindings::__GFP_NOWARN
    | (1 << bindings::___GFP_RETRY_MAYFAIL_BIT);

/// The same for more than one page, which is not worth an effort.
const GFP_BLOCK: bindings::gfp_t =
    bindings::GFP_KERNEL_ACCOUNT | bindings::__GFP_NOWARN | (1 << bindings::___GFP_NORETRY_BIT);

/// So many pages are given back before others may run.
const RELEASED_AT_ONCE: usize = 512;

/// Why bytes were not taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TakeError {
    /// The user memory could not be read.
    Fault,
    /// There is no memory, or the caller may not have more.
    NoMemory,
    /// The caller has been killed.
    Killed,
}

impl From<AllocError> for TakeError {
    fn from(_: AllocError) -> Self {
        Self::NoMemory
    }
}

/// A number of bytes in pages. What follows the last byte in its page is zero.
///
/// # Invariants
///
/// - Of each page in `pages` one reference is owned by this value. None of them is a tail page of
///   a compound page, and all of them are in the kernel's linear mapping.
/// - There are as many pages as `length` bytes need, once the value has been given out.
/// - The first `pages.len() * PAGE_SIZE` bytes are initialised, once the value has been given out.
pub(crate) struct PageList {
    pages: KVVec<NonNull<bindings::page>>,
    length: usize,
}

// SAFETY: A page belongs to no thread; its reference count is atomic.
unsafe impl Send for PageList {}

// SAFETY: A shared list only lets its pages be read and mapped.
unsafe impl Sync for PageList {}

impl PageList {
    /// An empty list, with room for the pages of `length` bytes.
    fn with_room(length: usize) -> Result<Self, AllocError> {
        let count = length.div_ceil(PAGE_SIZE);
        Ok(Self {
            pages: KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT | __GFP_NOWARN)?,
            length,
        })
    }

    /// Copies `length` bytes at `address` of the current process, each of them once.
    ///
    /// A copy of any size can be interrupted by a fatal signal, and lets others run.
    pub(crate) fn from_user(address: usize, length: usize) -> Result<Self, TakeError> {
        let mut reader = UserSlice::new(UserPtr::from_addr(address), length).reader();
        let mut list = Self::with_room(length)?;
        let mut left = length;
        while left > 0 {
            let block = list.add_block(left)?;
            let (used, rest) = block.split_at_mut(left.min(block.len()));
            reader.read_raw(used).map_err(|_| TakeError::Fault)?;
            rest.fill(MaybeUninit::new(0));
            left -= used.len();
            if left > 0 && is_killed() {
                return Err(TakeError::Killed);
            }
        }
        Ok(list)
    }

    /// Copies `bytes`.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, AllocError> {
        let mut list = Self::with_room(bytes.len())?;
        let mut left = bytes;
        while !left.is_empty() {
            let block = list.add_block(left.len())?;
            let (used, rest) = block.split_at_mut(left.len().min(block.len()));
            let (now, later) = left.split_at(used.len());
            for (to, from) in used.iter_mut().zip(now) {
                to.write(*from);
            }
            rest.fill(MaybeUninit::new(0));
            left = later;
        }
        Ok(list)
    }

    /// `length` zeroes.
    pub(crate) fn zeroed(length: usize) -> Result<Self, AllocError> {
        let mut list = Self::with_room(length)?;
        let mut left = length;
        while left > 0 {
            let block = list.add_block(left)?;
            block.fill(MaybeUninit::new(0));
            left = left.saturating_sub(block.len());
        }
        Ok(list)
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The number of bytes in whole pages.
    pub(crate) fn mapped_len(&self) -> usize {
        // OVERFLOW: As many bytes have been allocated.
        self.pages.len() * PAGE_SIZE
    }

    /// Replaces the bytes from `offset` on. What does not fit is not written.
    ///
    /// Works also while the pages are mapped; a process that has written to one has its own copy.
    pub(crate) fn write(&mut self, offset: usize, mut bytes: &[u8]) {
        let mut offset = offset;
        while !bytes.is_empty() {
            let Some(page) = self.pages.get(offset / PAGE_SIZE) else {
                return;
            };
            let start = offset % PAGE_SIZE;
            let part = bytes.len().min(PAGE_SIZE - start);
            let (now, later) = bytes.split_at(part);
            // SAFETY: The page is in the linear mapping by the type invariants, and `start + part`
            // is at most a page. Processes may be reading it meanwhile, which get the old or the
            // new bytes; nobody in the kernel has a reference to them, as `self` is borrowed
            // mutably.
            unsafe {
                let to = shim::mach_shim_page_address(page.as_ptr()).cast::<u8>();
                to.add(start).copy_from_nonoverlapping(now.as_ptr(), part);
            }
            offset += part;
            bytes = later;
        }
    }

    /// Fills `bytes` from `offset` on. What is beyond the end stays as it is.
    pub(crate) fn read(&self, offset: usize, bytes: &mut [u8]) {
        let mut offset = offset;
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let Some(page) = self.pages.get(offset / PAGE_SIZE) else {
                return;
            };
            let start = offset % PAGE_SIZE;
            let part = bytes.len().min(PAGE_SIZE - start);
            let (now, later) = bytes.split_at_mut(part);
            // SAFETY: As in `write`; the page is initialised by the type invariants. Processes
            // have it for reading only.
            unsafe {
                let from = shim::mach_shim_page_address(page.as_ptr()).cast::<u8>();
                from.add(start)
                    .copy_to_nonoverlapping(now.as_mut_ptr(), part);
            }
            offset += part;
            bytes = later;
        }
    }

    /// Adds pages, several if there are to be `left` more bytes, and returns what is in them, which
    /// the caller must initialise before the list is given out.
    fn add_block(&mut self, left: usize) -> Result<&mut [MaybeUninit<u8>], AllocError> {
        let wanted = left.div_ceil(PAGE_SIZE);
        let order = wanted.checked_ilog2().unwrap_or(0).min(BLOCK_ORDER);
        let (first, order) = match alloc_pages(GFP_BLOCK, order) {
            Some(first) if order > 0 => (first, order),
            Some(first) => (first, 0),
            None => (alloc_pages(GFP_PAGES, 0).ok_or(AllocError)?, 0),
        };
        let count = 1 << order;
        if order > 0 {
            // SAFETY: The block has just been allocated with this order, not as a compound page.
            // Now each page has a reference of its own.
            unsafe { bindings::split_page(first.as_ptr(), order) };
        }
        for index in 0..count {
            // SAFETY: The pages of a block have their `struct page` in a row.
            let page = unsafe { first.add(index) };
            // INVARIANT: The reference that the allocation made is the list's now.
            if self.pages.push(page, GFP_KERNEL_ACCOUNT).is_err() {
                // Not reached, there is room. The page is lost rather than used twice.
                return Err(AllocError);
            }
        }
        // SAFETY: The pages were allocated without `__GFP_HIGHMEM`, so they are in the linear
        // mapping, one after the other, and nobody else knows them. They stay as long as the list.
        Ok(unsafe {
            let start = shim::mach_shim_page_address(first.as_ptr());
            core::slice::from_raw_parts_mut(start.cast(), count * PAGE_SIZE)
        })
    }

    /// The pages, for being mapped.
    pub(super) fn as_pages(&self) -> &[NonNull<bindings::page>] {
        &self.pages
    }
}

impl Drop for PageList {
    fn drop(&mut self) {
        for part in self.pages.chunks_mut(RELEASED_AT_ONCE) {
            let pages = bindings::release_pages_arg {
                pages: part.as_mut_ptr().cast(),
            };
            // CAST: A small number.
            // SAFETY: The array has that many pages, of which we own a reference each by the type
            // invariants, and do not use them any more.
            unsafe {
                bindings::release_pages(pages, part.len() as c_int);
                shim::mach_shim_cond_resched();
            }
        }
    }
}

/// Allocates two to the power of `order` pages in a row.
fn alloc_pages(flags: bindings::gfp_t, order: u32) -> Option<NonNull<bindings::page>> {
    // SAFETY: May be called where sleeping is allowed.
    NonNull::new(unsafe { bindings::alloc_pages(flags, order) })
}

/// Whether the current thread has been killed. Lets others run if it is their turn.
pub(super) fn is_killed() -> bool {
    // SAFETY: Both concern the current thread and need nothing.
    unsafe {
        shim::mach_shim_cond_resched();
        shim::mach_shim_fatal_signal_pending()
    }
}
