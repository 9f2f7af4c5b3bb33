// SPDX-License-Identifier: GPL-2.0

//! Private memory of a process, shown in other places as well.
//!
//! Serves `vm_remap` and memory entries. Memory of a process that no file is behind cannot be given
//! one without other threads noticing; but its pages can be pinned where they are, and a file of the
//! module's own can show them. Writes through any place are seen in all.
//!
//! What that is worth to the process whose memory it is:
//!
//! - A page that is pinned for writing is the process's own, and stays in its page table: it is not
//!   swapped, moved or merged. When the process forks, the child gets the copy and the parent keeps
//!   the page (`mm/memory.c`, `copy_present_ptes`).
//! - A child gets a copy of what the file shows as well, made when the area is copied ([`Area`]). It
//!   has nothing in common with its parent then, not even through descriptors, as there are none.
//!   Without memory for that its area is empty (`SIGBUS`).
//! - Pages that the process unmaps or throws away (`MADV_DONTNEED`) stay in the other places alone.
//!
//! Pinned pages count against `RLIMIT_MEMLOCK`, beside those of other drivers (`mm->pinned_vm`).
//!
//! Which file that is, and what areas show, is in [`super::pinned_map`].
//!
//! Locks: the mmap lock for reading while pages are pinned. May sleep.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::{
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    bindings,
    mm::{
        Mm,
        MmWithUser, //
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};

use super::{
    bindings as shim,
    current,
    page_block::Pages, //
};

/// What is kept as long as the pinned memory is there: a count of it.
pub(crate) type Label = Arc<dyn Send + Sync>;

/// So many pages are pinned in one go, with the mmap lock held, and their list on the stack.
const BATCH: usize = 64;

/// The room that pinned pages take up in the account of an address space.
///
/// # Invariants
///
/// `pages` have been added to the account of `mm`.
struct Charge {
    mm: ARef<Mm>,
    pages: usize,
}

impl Charge {
    /// Adds `pages` to the account. `ENOMEM` if that is more than the caller may lock.
    fn new(mm: &MmWithUser, pages: usize) -> Result<Self> {
        let mm: ARef<Mm> = ARef::from(mm.deref());
        let limit = current::locked_pages_limit();
        // INVARIANT: As the type says; dropping the value takes them off.
        // SAFETY: The address space is valid.
        let total = unsafe { shim::mach_shim_add_pinned(mm.as_raw(), pages as isize) };
        let charge = Self { mm, pages };
        if usize::try_from(total).is_ok_and(|total| total <= limit) {
            return Ok(charge);
        }
        Err(ENOMEM)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        // CAST: There are not so many pages.
        // SAFETY: The address space is valid, and by the type invariants the pages are in the
        // account.
        unsafe { shim::mach_shim_add_pinned(self.mm.as_raw(), -(self.pages as isize)) };
    }
}

/// Pinned pages.
///
/// # Invariants
///
/// Each is pinned for writing and for long, once, by this value.
pub(super) struct Pinned {
    pages: KVVec<*mut bindings::page>,
    _charge: Charge,
    _label: Label,
}

// SAFETY: A page belongs to no thread.
unsafe impl Send for Pinned {}

// SAFETY: As above; the list is constant.
unsafe impl Sync for Pinned {}

impl Pinned {
    /// Pins `count` pages of `mm` from `start` on. `EFAULT` if not all of them can be written,
    /// `ENOMEM` if they are more than the caller may lock, `EINTR` when the caller is killed.
    pub(super) fn new(mm: &MmWithUser, start: usize, count: usize, label: Label) -> Result<Self> {
        let mut pinned = Self {
            _charge: Charge::new(mm, count)?,
            pages: KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT | __GFP_NOWARN)?,
            _label: label,
        };
        while pinned.pages.len() < count {
            let done = pinned.pages.len();
            let wanted = BATCH.min(count.saturating_sub(done));
            let mut batch = [ptr::null_mut(); BATCH];
            let guard = mm.mmap_read_lock();
            // CAST: Small numbers.
            // SAFETY: The lock is held, and stays held without a place to tell that it was not.
            // There is room for so many pages.
            let got = unsafe {
                bindings::pin_user_pages_remote(
                    mm.as_raw(),
                    start.saturating_add(done.saturating_mul(PAGE_SIZE)),
                    wanted,
                    bindings::FOLL_WRITE | bindings::FOLL_LONGTERM,
                    batch.as_mut_ptr(),
                    ptr::null_mut(),
                )
            };
            drop(guard);
            let got = usize::try_from(got).unwrap_or(0);
            // INVARIANT: They have just been pinned; the capacity was reserved.
            pinned
                .pages
                .extend_from_slice(batch.get(..got).unwrap_or_default(), GFP_KERNEL_ACCOUNT)?;
            if !current::yields() {
                return Err(EINTR);
            }
            if got < wanted {
                return Err(EFAULT);
            }
        }
        Ok(pinned)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. They may have been written, by way of a page table that
        // does not tell the page.
        unsafe {
            bindings::unpin_user_pages_dirty_lock(self.pages.as_mut_ptr(), self.pages.len(), true)
        };
    }
}

/// Pages that an area shows.
pub(super) enum Frames {
    /// Those of a process.
    Pinned(Pinned),
    /// Copies of those, from page number `first` of the file on.
    Copied { first: usize, pages: KVVec<Pages> },
}

impl Frames {
    /// The page with number `number` in the file.
    pub(super) fn page(&self, number: usize) -> Option<NonNull<bindings::page>> {
        match self {
            Self::Pinned(pinned) => NonNull::new(*pinned.pages.get(number)?),
            Self::Copied { first, pages } => pages.get(number.checked_sub(*first)?)?.page(0),
        }
    }

    /// Fills `bytes` from `offset` in the file on. `None` if not all of them are there.
    pub(super) fn read(&self, offset: usize, bytes: &mut [u8]) -> Option<()> {
        let mut offset = offset;
        let mut left = bytes;
        while !left.is_empty() {
            let within = offset % PAGE_SIZE;
            let page = self.page(offset / PAGE_SIZE)?;
            let (now, later) = left.split_at_mut(left.len().min(PAGE_SIZE - within));
            // SAFETY: The page is kept by `self`. There are so many bytes in it, which processes may
            // be writing to, so that any mixture of old and new may be read.
            unsafe {
                let from = bytes_of(page).add(within);
                from.copy_to_nonoverlapping(now.as_mut_ptr(), now.len());
            }
            offset = offset.saturating_add(now.len());
            left = later;
        }
        Some(())
    }

    /// Copies of `count` pages from page number `first` on; none at all without memory.
    pub(super) fn copies(&self, first: usize, count: usize) -> Self {
        let copy = || -> Option<KVVec<Pages>> {
            let mut pages = KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT | __GFP_NOWARN).ok()?;
            for number in first..first.saturating_add(count) {
                let copy = Pages::zero().ok()?;
                let (from, to) = (self.page(number)?, copy.page(0)?);
                // SAFETY: Both are whole pages, kept by `self` and `copy`. Processes may be writing
                // to the first one, so that any mixture of old and new may be read; nobody else
                // knows the second one.
                unsafe { bytes_of(from).copy_to_nonoverlapping(bytes_of(to), PAGE_SIZE) };
                pages.push(copy, GFP_KERNEL_ACCOUNT).ok()?;
            }
            Some(pages)
        };
        Self::Copied {
            first,
            pages: copy().unwrap_or_default(),
        }
    }
}

/// Where the bytes of a page are.
///
/// # Safety
///
/// The page must be valid.
pub(super) unsafe fn bytes_of(page: NonNull<bindings::page>) -> *mut u8 {
    // SAFETY: By the caller's promise. Every page is in the kernel's own mapping on 64-bit machines.
    unsafe { shim::mach_shim_page_address(page.as_ptr()) }.cast()
}
