// SPDX-License-Identifier: GPL-2.0

//! Bytes kept in whole pages, so that they can be mapped into processes without another copy.
//!
//! Serves the out-of-line memory of messages. A [`PageList`] is filled by its maker alone; as
//! [`SharedPages`] it is then used by the message and by the areas that show it (`private_map`).
//!
//! Locks: `SharedPages::list` (spinlock), a leaf. Nothing is allocated or freed under it.
//!
//! C headers: [`include/linux/gfp.h`](srctree/include/linux/gfp.h),
//! [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::{
    mem::MaybeUninit,
    ops::Range,
    ptr::NonNull, //
};
use kernel::{
    alloc::AllocError,
    bindings, new_spinlock,
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
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

use super::{
    bindings as shim,
    current, //
};

/// A block has two to this power of pages at most. Larger ones cost less for each page; what is
/// left of a block after all but a part was unmapped or overwritten is wasted.
const BLOCK_ORDER: u32 = 5;

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

// SAFETY: Shared pages are only read and mapped.
unsafe impl Sync for Pages {}

impl Pages {
    /// Allocates `wanted` pages, or as many as there are in a row, or one.
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
    fn share(&self) -> Self {
        // SAFETY: By the type invariants we have a reference, so the page is alive.
        unsafe { shim::mach_shim_get_page(self.first.as_ptr()) };
        // INVARIANT: The reference is that of the new value.
        Self {
            first: self.first,
            order: self.order,
        }
    }

    /// Where the bytes are.
    fn address(&self) -> *mut u8 {
        // SAFETY: The pages are in the linear mapping.
        unsafe { shim::mach_shim_page_address(self.first.as_ptr()) }.cast()
    }

    /// The bytes, which nobody else knows yet.
    fn new_bytes(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: The linear mapping has the pages one after the other. The caller has just
        // allocated them, so nobody else uses them; they stay as long as `self`.
        unsafe { core::slice::from_raw_parts_mut(self.address().cast(), self.count() * PAGE_SIZE) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the reference is ours, and we do not use it any more.
        unsafe { shim::mach_shim_put_page(self.first.as_ptr()) };
    }
}

/// A block of a list.
struct Block {
    /// The number of its first page in the list.
    start: usize,
    count: usize,
    /// `None` once they belong to who has them mapped.
    pages: Option<Pages>,
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
            let mut pages = Pages::new(left.div_ceil(PAGE_SIZE))?;
            let bytes = pages.new_bytes();
            let (used, rest) = bytes.split_at_mut(left.min(bytes.len()));
            fill(used)?;
            rest.fill(MaybeUninit::new(0));
            left = left.saturating_sub(used.len());
            let count = pages.count();
            let block = Block {
                start,
                count,
                pages: Some(pages),
            };
            // INVARIANT: The block begins where the one before it ends.
            list.blocks.push(block, GFP_KERNEL_ACCOUNT)?;
            start = start.saturating_add(count);
            if left > 0 && is_killed() {
                return Err(TakeError::Killed);
            }
        }
        Ok(list)
    }

    /// The block with page number `page`.
    fn block(&mut self, page: usize) -> Option<&mut Block> {
        let after = self.blocks.partition_point(|block| block.start <= page);
        self.blocks
            .get_mut(after.checked_sub(1)?)
            .filter(|block| page.saturating_sub(block.start) < block.count)
    }

    /// Calls `each` with where the bytes from `offset` on are, part by part, until `wanted` bytes
    /// or all there are have been told.
    fn for_parts(&mut self, offset: usize, wanted: usize, mut each: impl FnMut(*mut u8, usize)) {
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
        let length = list.length;
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

/// Allocates two to the power of `order` pages in a row.
fn alloc_pages(flags: bindings::gfp_t, order: u32) -> Option<NonNull<bindings::page>> {
    // SAFETY: May be called where sleeping is allowed.
    NonNull::new(unsafe { bindings::alloc_pages(flags, order) })
}

/// Whether the current thread has been killed. Lets others run if it is their turn.
pub(super) fn is_killed() -> bool {
    // SAFETY: Concerns the current thread, which may sleep.
    unsafe { shim::mach_shim_cond_resched() };
    current::is_killed()
}
