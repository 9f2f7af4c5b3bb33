// SPDX-License-Identifier: GPL-2.0

//! Areas of user memory that show the pages of a list, until the process writes to them.
//!
//! Serves [`super::private_map`], which makes them.
//!
//! Locks: none of ours. The kernel calls with the mmap lock held, or that of the area. A fault takes
//! the lock of the pages.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::to_result,
    mm::virt::VmaNew,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
    types::ForeignOwnable,
};

use super::{
    bindings as shim,
    page_block::{
        Pages,
        BLOCK_PAGES, //
    },
    shared_pages::SharedPages, //
};

/// The operations of areas.
///
/// # Invariants
///
/// The private data of an area with these operations is from `into_foreign` of an
/// `Arc<SharedPages<L>>`, which is the area's own: set by [`Area::set_up`], again for each copy
/// of the area by `open`, and taken back by `close`.
pub(super) struct Area<L>(PhantomData<fn() -> L>);

impl<L: Send + Sync + 'static> Area<L> {
    const OPERATIONS: &'static bindings::vm_operations_struct = &bindings::vm_operations_struct {
        open: Some(Self::open),
        close: Some(Self::close),
        fault: Some(Self::fault),
        ..pin_init::zeroed()
    };

    /// Makes an area of `pages` of what is being mapped.
    pub(super) fn set_up(vma: &VmaNew, pages: Arc<SharedPages<L>>) {
        vma.set_mixedmap();
        // INVARIANT: The area gets the reference.
        // SAFETY: The area is being set up, so nobody else uses it. A task may make of it what it
        // likes, also code: that the file system of the file has none does not matter.
        unsafe {
            pages.shown_in((*vma.as_ptr()).vm_mm.addr());
            (*vma.as_ptr()).vm_private_data = pages.into_foreign();
            (*vma.as_ptr()).vm_ops = Self::OPERATIONS;
            shim::mach_shim_vm_flags_set(vma.as_ptr(), bindings::VM_MAYEXEC as c_ulong);
        }
    }

    /// # Safety
    ///
    /// `vma` must be an area with these operations, which stays for `'a`.
    unsafe fn pages<'a>(vma: *mut bindings::vm_area_struct) -> ArcBorrow<'a, SharedPages<L>> {
        // SAFETY: By the type invariants and the caller's promise.
        unsafe { Arc::borrow((*vma).vm_private_data) }
    }

    /// The area is a copy of another one, of a part of it, or of one in another process.
    ///
    /// # Safety
    ///
    /// Called by the kernel, for an area with these operations.
    unsafe extern "C" fn open(vma: *mut bindings::vm_area_struct) {
        // SAFETY: The area that this is a copy of has its reference still, and the copy is not
        // used by anybody else yet.
        unsafe {
            let pages = Self::pages(vma);
            pages.shown_in((*vma).vm_mm.addr());
            // INVARIANT: Now the copy has a reference too.
            (*vma).vm_private_data = Arc::from(pages).into_foreign();
        }
    }

    /// # Safety
    ///
    /// Called by the kernel, once for an area with these operations.
    unsafe extern "C" fn close(vma: *mut bindings::vm_area_struct) {
        // SAFETY: Nobody uses the area any more; the reference is the area's.
        drop(unsafe { Arc::<SharedPages<L>>::from_foreign((*vma).vm_private_data) });
    }

    /// A page is missing: maps those of its block.
    ///
    /// # Safety
    ///
    /// Called by the kernel for an area with these operations, which is locked.
    unsafe extern "C" fn fault(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
        // SAFETY: The kernel describes the fault in a structure that is valid meanwhile.
        let at = unsafe { (*fault).__bindgen_anon_1 };
        // SAFETY: The area stays as it is during a fault.
        let (pages, area) = unsafe { (Self::pages(at.vma), Shown::of(at.vma)) };
        match show(&pages, &area, at.pgoff) {
            Ok(()) => bindings::vm_fault_reason_VM_FAULT_NOPAGE,
            Err(error) if error == ENOMEM => bindings::vm_fault_reason_VM_FAULT_OOM,
            Err(_) => bindings::vm_fault_reason_VM_FAULT_SIGBUS,
        }
    }
}

/// What an area shows, in page numbers of the list.
///
/// # Invariants
///
/// `vma` is an area with the operations of [`Area`], so one that pages may be inserted in, and
/// locked as long as this exists.
struct Shown {
    vma: *mut bindings::vm_area_struct,
    address: usize,
    first: usize,
    end: usize,
}

impl Shown {
    /// # Safety
    ///
    /// `vma` must be an area with the operations of [`Area`], locked while the value exists.
    unsafe fn of(vma: *mut bindings::vm_area_struct) -> Self {
        // INVARIANT: By the caller's promise.
        // SAFETY: As above.
        let (range, first) = unsafe { ((*vma).__bindgen_anon_1.__bindgen_anon_1, (*vma).vm_pgoff) };
        let count = range.vm_end.saturating_sub(range.vm_start) / PAGE_SIZE;
        Self {
            vma,
            address: range.vm_start,
            first,
            end: first.saturating_add(count),
        }
    }

    /// Maps pages from page number `at` on, all of which the area shows. `EBUSY` if one is there.
    ///
    /// # Safety
    ///
    /// The pages must be alive.
    unsafe fn insert(&self, at: usize, pages: &[NonNull<bindings::page>]) -> Result {
        let mut count: c_ulong = pages.len();
        let offset = at.saturating_sub(self.first).saturating_mul(PAGE_SIZE);
        // SAFETY: By the type invariants; `vm_insert_pages` checks that the range is in the area,
        // and takes references of its own to the pages, which are alive by the caller's promise.
        // The array is only read.
        to_result(unsafe {
            bindings::vm_insert_pages(
                self.vma,
                self.address.saturating_add(offset),
                pages.as_ptr().cast_mut().cast(),
                &mut count,
            )
        })
    }

    /// Maps one page, unless there is one.
    fn insert_one(&self, at: usize, pages: &Pages, index: usize) -> Result {
        let page = pages.page(index).ok_or(EFAULT)?;
        // SAFETY: `pages` keeps the page.
        match unsafe { self.insert(at, &[page]) } {
            // Somebody else was faster.
            Err(error) if error == EBUSY => Ok(()),
            result => result,
        }
    }
}

/// Sees to it that page number `at` is mapped, and, if that is so of none of them, the others of
/// its block. Those that are not in the list are zero: they were thrown away, or the area has grown.
fn show<L>(pages: &SharedPages<L>, area: &Shown, at: usize) -> Result {
    let Some((block, start)) = pages.block(at) else {
        return area.insert_one(at, &Pages::zero()?, 0);
    };
    let mut list = [NonNull::dangling(); BLOCK_PAGES];
    let mut count = 0;
    let from = start.max(area.first);
    let end = start.saturating_add(block.count()).min(area.end);
    for (slot, number) in list.iter_mut().zip(from..end) {
        *slot = block.page(number.saturating_sub(start)).ok_or(EFAULT)?;
        count += 1;
    }
    // SAFETY: `block` keeps so many of them.
    match unsafe { area.insert(from, list.get(..count).unwrap_or_default()) } {
        Ok(()) => {
            if count == block.count() {
                pages.hand_over(start);
            }
            Ok(())
        }
        Err(_) => area.insert_one(at, &block, at.saturating_sub(start)),
    }
}
