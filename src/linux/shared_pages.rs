// SPDX-License-Identifier: GPL-2.0

//! A list of pages that a message and the areas which show it have in common.
//!
//! Serves the out-of-line memory of messages. Areas are made by `private_map`.
//!
//! Locks: `SharedPages::list` (spinlock), a leaf. Nothing is allocated or freed under it.

use super::{
    page_block::Pages,
    page_list::PageList, //
};
use core::ops::Range;
use kernel::{
    new_spinlock,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc,
        SpinLock, //
    },
};

/// The pages of a list, for a message and for all areas that show them.
///
/// As long as a message has them, or a forked child has got an area, they stay in the list.
/// Otherwise a block leaves it when all of its pages are mapped, and belongs to the page table
/// alone: what a process then overwrites or throws away is free again.
#[pin_data]
pub(crate) struct SharedPages<L> {
    #[pin]
    list: SpinLock<PageList>,
    length: usize,
    /// Whether a message has the pages.
    in_message: Atomic<bool>,
    /// Whether areas of more than one address space show them, or did.
    forked: Atomic<bool>,
    /// The address space that got the first area; only compared.
    space: Atomic<usize>,
    _label: L,
}

impl<L> SharedPages<L> {
    /// Shares `list`, which a message has. `label` lives as long. Fails with `ENOMEM`.
    pub(crate) fn new(list: PageList, label: L) -> Result<Arc<Self>> {
        let length = list.len();
        Arc::pin_init(
            pin_init!(Self {
                list <- new_spinlock!(list, "SharedPages::list"),
                length,
                in_message: Atomic::new(true),
                forked: Atomic::new(false),
                space: Atomic::new(0),
                _label: label,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The number of bytes in whole pages.
    pub(crate) fn mapped_len(&self) -> usize {
        // OVERFLOW: As many bytes have been allocated.
        self.length.next_multiple_of(PAGE_SIZE)
    }

    /// The message is gone.
    pub(crate) fn leave_message(&self) {
        self.in_message.store(false, Relaxed);
    }

    /// An area of the address space `space` shows the pages.
    pub(super) fn shown_in(&self, space: usize) {
        let first = self.space.load(Relaxed);
        if first == 0 {
            self.space.store(space, Relaxed);
        } else if first != space {
            self.forked.store(true, Relaxed);
        }
    }

    /// References to the block with page number `page`, and the number of its first page; `None`
    /// if the page is not in the list, or no longer.
    pub(super) fn block(&self, page: usize) -> Option<(Pages, usize)> {
        let mut list = self.list.lock();
        let block = list.block(page)?;
        Some((block.pages.as_ref()?.share(), block.start))
    }

    /// All pages of the block that begins with page number `start` have been mapped.
    ///
    /// The area that shows them is locked against being copied.
    pub(super) fn hand_over(&self, start: usize) {
        if self.in_message.load(Relaxed) || self.forked.load(Relaxed) {
            return;
        }
        let pages = self
            .list
            .lock()
            .block(start)
            .and_then(|block| block.pages.take());
        drop(pages);
    }

    /// Replaces the bytes from `offset` on. What does not fit is not written.
    ///
    /// Works also while the pages are mapped; a process that has written to one has its own copy.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        let mut left = bytes;
        self.list.lock().for_parts(offset, bytes.len(), |to, part| {
            let (now, later) = left.split_at(part.min(left.len()));
            // SAFETY: There is room for `part` bytes at `to`. Processes may be reading them
            // meanwhile, which get the old or the new ones; nobody in the kernel has a reference
            // to them, and writes are made under the lock.
            unsafe { to.copy_from_nonoverlapping(now.as_ptr(), now.len()) };
            left = later;
        });
    }

    /// Fills `bytes` from `offset` on. What is beyond the end stays as it is.
    pub(crate) fn read(&self, offset: usize, bytes: &mut [u8]) {
        let wanted = bytes.len();
        let mut done: Range<usize> = 0..0;
        self.list.lock().for_parts(offset, wanted, |from, part| {
            done = done.end..done.end.saturating_add(part);
            if let Some(now) = bytes.get_mut(done.clone()) {
                // SAFETY: There are `part` bytes at `from`, initialised by the invariants of the
                // list. Processes have them for reading only, and writes are made under the lock.
                unsafe { from.copy_to_nonoverlapping(now.as_mut_ptr(), now.len()) };
            }
        });
    }
}
