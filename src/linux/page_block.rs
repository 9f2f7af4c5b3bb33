// SPDX-License-Identifier: GPL-2.0

//! Pages that follow one another in the kernel's memory, and so cost less for each.
//!
//! Serves what is mapped into processes: [`page_list`](super::page_list) and `pinned`.
//!
//! Locks: none. Allocating may sleep.
//!
//! C headers: [`include/linux/gfp.h`](srctree/include/linux/gfp.h),
//! [`include/linux/mm.h`](srctree/include/linux/mm.h)

use super::bindings as shim;
use core::{
    mem::MaybeUninit,
    ptr::NonNull, //
};
use kernel::{
    alloc::AllocError,
    bindings,
    page::PAGE_SIZE,
    prelude::*, //
};

/// A block has two to this power of pages at most. Larger ones cost less for each page; what is
/// left of a block after all but a part was unmapped or overwritten is wasted.
pub(super) const BLOCK_ORDER: u32 = 5;

/// The most pages of a block.
pub(super) const BLOCK_PAGES: usize = 1 << BLOCK_ORDER;

/// How pages are allocated: charged to the memory cgroup of the caller; without killing anybody
/// for them, since who asks is told that there are none; and in the kernel's own mapping.
const GFP_PAGES: bindings::gfp_t = bindings::GFP_KERNEL_ACCOUNT
    | bindings::__GFP_NOWARN
    | (1 << bindings::___GFP_RETRY_MAYFAIL_BIT);

/// The same for more than one page, which are not worth an effort, as one compound page.
const GFP_BLOCK: bindings::gfp_t = bindings::GFP_KERNEL_ACCOUNT
    | bindings::__GFP_NOWARN
    | (1 << bindings::___GFP_NORETRY_BIT)
    | (1 << bindings::___GFP_COMP_BIT);

/// A reference to pages that follow one another: a page, or a compound page.
///
/// # Invariants
///
/// `first` is the head of the pages, of which one reference is owned by this value. They are in
/// the kernel's linear mapping, and there are `1 << order` of them.
pub(super) struct Pages {
    first: NonNull<bindings::page>,
    order: u32,
}

// SAFETY: A page belongs to no thread; its reference count is atomic.
unsafe impl Send for Pages {}

// SAFETY: A shared value gives out addresses, which are followed by unsafe code only.
unsafe impl Sync for Pages {}

impl Pages {
    /// Allocates `wanted` pages, or as many as there are in a row, or one, and has `fill` fill them.
    pub(super) fn filled<E: From<AllocError>>(
        wanted: usize,
        fill: impl FnOnce(&mut [MaybeUninit<u8>]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let pages = Self::new(wanted)?;
        // SAFETY: The linear mapping has the pages one after the other. They have just been
        // allocated, so nobody else uses them, and they stay until after the call.
        fill(unsafe {
            core::slice::from_raw_parts_mut(pages.address().cast(), pages.count() * PAGE_SIZE)
        })?;
        Ok(pages)
    }

    fn new(wanted: usize) -> Result<Self, AllocError> {
        let order = wanted.checked_ilog2().unwrap_or(0).min(BLOCK_ORDER);
        if order > 0 {
            if let Some(first) = alloc_pages(GFP_BLOCK, order) {
                // INVARIANT: The reference that the allocation made is ours now. Without
                // `__GFP_HIGHMEM` the pages are in the linear mapping.
                return Ok(Self { first, order });
            }
        }
        let first = alloc_pages(GFP_PAGES, 0).ok_or(AllocError)?;
        // INVARIANT: As above.
        Ok(Self { first, order: 0 })
    }

    /// One page of zeroes.
    pub(super) fn zero() -> Result<Self, AllocError> {
        let flags = GFP_PAGES | (1 << bindings::___GFP_ZERO_BIT);
        let first = alloc_pages(flags, 0).ok_or(AllocError)?;
        // INVARIANT: As in `new`.
        Ok(Self { first, order: 0 })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        1 << self.order
    }

    /// The page at `index`.
    pub(super) fn page(&self, index: usize) -> Option<NonNull<bindings::page>> {
        // SAFETY: The `struct page`s of pages in a row are in a row.
        (index < self.count()).then(|| unsafe { self.first.add(index) })
    }

    /// Another reference.
    pub(super) fn share(&self) -> Self {
        // SAFETY: By the type invariants we have a reference, so the page is alive.
        unsafe { shim::mach_shim_get_page(self.first.as_ptr()) };
        // INVARIANT: The reference is that of the new value.
        Self {
            first: self.first,
            order: self.order,
        }
    }

    /// Where the bytes are.
    pub(super) fn address(&self) -> *mut u8 {
        // SAFETY: The pages are in the linear mapping.
        unsafe { shim::mach_shim_page_address(self.first.as_ptr()) }.cast()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the reference is ours, and we do not use it any more.
        unsafe { shim::mach_shim_put_page(self.first.as_ptr()) };
    }
}

/// Allocates two to the power of `order` pages in a row.
fn alloc_pages(flags: bindings::gfp_t, order: u32) -> Option<NonNull<bindings::page>> {
    // SAFETY: May be called where sleeping is allowed.
    NonNull::new(unsafe { bindings::alloc_pages(flags, order) })
}
