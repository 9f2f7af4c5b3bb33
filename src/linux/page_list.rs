// SPDX-License-Identifier: GPL-2.0

//! Bytes kept in whole pages, so that they can be mapped into processes without another copy.
//!
//! Serves the out-of-line memory of messages. A [`PageList`] is filled by its maker alone; a message
//! and the areas that show it share one as [`SharedPages`](super::shared_pages::SharedPages).
//!
//! Locks: none.

use super::{
    current,
    page_block::{
        Pages,
        BLOCK_ORDER,
        BLOCK_PAGES, //
    },
};
use core::mem::MaybeUninit;
use kernel::{
    alloc::AllocError,
    page::PAGE_SIZE,
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

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

/// A block of a list.
pub(super) struct Block {
    /// The number of its first page in the list.
    pub(super) start: usize,
    count: usize,
    /// `None` once they belong to who has them mapped.
    pub(super) pages: Option<Pages>,
}

/// A number of bytes in pages. What follows the last byte in its page is zero.
///
/// # Invariants
///
/// - The blocks are in order, without gaps, and together have as many pages as `length` bytes
///   need, once the list has been given out.
/// - All bytes of the pages are initialised then.
pub(crate) struct PageList {
    blocks: KVVec<Block>,
    length: usize,
}

impl PageList {
    /// An empty list, with room for the pages of `length` bytes.
    fn with_room(length: usize) -> Result<Self, AllocError> {
        let count = length.div_ceil(PAGE_SIZE).div_ceil(BLOCK_PAGES);
        // The last pages take several blocks that become smaller.
        let count = count.saturating_add(BLOCK_ORDER as usize);
        Ok(Self {
            blocks: KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT | __GFP_NOWARN)?,
            length,
        })
    }

    /// Copies `length` bytes at `address` of the current process, each of them once.
    ///
    /// A copy of any size can be interrupted by a fatal signal, and lets others run.
    pub(crate) fn from_user(address: usize, length: usize) -> Result<Self, TakeError> {
        let mut reader = UserSlice::new(UserPtr::from_addr(address), length).reader();
        Self::filled(length, |bytes| {
            reader.read_raw(bytes).map_err(|_| TakeError::Fault)
        })
    }

    /// Copies `bytes`.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, TakeError> {
        let mut left = bytes;
        Self::filled(bytes.len(), |to| {
            let (now, later) = left.split_at(to.len().min(left.len()));
            for (to, from) in to.iter_mut().zip(now) {
                to.write(*from);
            }
            left = later;
            Ok(())
        })
    }

    /// `length` zeroes.
    pub(crate) fn zeroed(length: usize) -> Result<Self, TakeError> {
        Self::filled(length, |bytes| {
            bytes.fill(MaybeUninit::new(0));
            Ok(())
        })
    }

    /// `length` bytes that `fill` initialises, part by part in order.
    fn filled(
        length: usize,
        mut fill: impl FnMut(&mut [MaybeUninit<u8>]) -> Result<(), TakeError>,
    ) -> Result<Self, TakeError> {
        let mut list = Self::with_room(length)?;
        let mut left = length;
        let mut start = 0;
        while left > 0 {
            let pages = Pages::filled(left.div_ceil(PAGE_SIZE), |bytes| {
                let (used, rest) = bytes.split_at_mut(left.min(bytes.len()));
                fill(used)?;
                rest.fill(MaybeUninit::new(0));
                left = left.saturating_sub(used.len());
                Ok::<_, TakeError>(())
            })?;
            let count = pages.count();
            let block = Block {
                start,
                count,
                pages: Some(pages),
            };
            // INVARIANT: The block begins where the one before it ends.
            list.blocks.push(block, GFP_KERNEL_ACCOUNT)?;
            start = start.saturating_add(count);
            if left > 0 && !current::yields() {
                return Err(TakeError::Killed);
            }
        }
        Ok(list)
    }

    /// The number of bytes.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The block with page number `page`.
    pub(super) fn block(&mut self, page: usize) -> Option<&mut Block> {
        let after = self.blocks.partition_point(|block| block.start <= page);
        self.blocks
            .get_mut(after.checked_sub(1)?)
            .filter(|block| page.saturating_sub(block.start) < block.count)
    }

    /// Calls `each` with where the bytes from `offset` on are, part by part, until `wanted` bytes
    /// or all there are have been told.
    pub(super) fn for_parts(
        &mut self,
        offset: usize,
        wanted: usize,
        mut each: impl FnMut(*mut u8, usize),
    ) {
        let end = offset.saturating_add(wanted);
        let mut offset = offset;
        while offset < end {
            let page = offset / PAGE_SIZE;
            let Some((pages, start)) = self
                .block(page)
                .and_then(|block| Some((block.pages.as_ref()?, block.start)))
            else {
                return;
            };
            let within = offset.saturating_sub(start.saturating_mul(PAGE_SIZE));
            let room = (pages.count() * PAGE_SIZE).saturating_sub(within);
            let part = end.saturating_sub(offset).min(room);
            // SAFETY: `within + part` is at most the size of the block, which is not empty there.
            each(unsafe { pages.address().add(within) }, part);
            offset = offset.saturating_add(part);
        }
    }
}
