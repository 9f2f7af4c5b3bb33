// SPDX-License-Identifier: GPL-2.0

//! Mapping pages into the current process as private memory.
//!
//! Serves the out-of-line memory of messages. The pages come into the page table when one of their
//! block is first touched, read-only; the first write to one gives the process a copy of that page
//! alone, as for any private memory. From then on the area is what anonymous memory is, some pages
//! of which happen to be filled: fork, `mprotect`, `mremap`, `munmap` of a part and the rest do
//! what they do to anonymous memory, and so does `madvise`, but that `MADV_FREE` is refused, and
//! that thrown away pages that were never touched, or that a forked child has too, come back as
//! they arrived.
//!
//! There is no way for a module to map anonymous memory that is filled, but a file may fill what is
//! mapped of it. So each [`PrivateMapper`] has an anonymous file that no descriptor stands for.
//!
//! Locks: `PrivateMapper::file` (mutex), outside of the mmap lock. A fault takes that of the pages.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    bindings,
    error::to_result,
    fs::File,
    mm::virt::VmaNew,
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc,
        ArcBorrow,
        Mutex, //
    },
    task::Task,
    types::ForeignOwnable,
};

use super::{
    bindings as shim,
    chardev::FileOperations,
    files::anon_file,
    page_block::{
        Pages,
        BLOCK_PAGES, //
    },
    shared_pages::SharedPages, //
};

/// What is about to be mapped of a file, and who is about to.
///
/// # Invariants
///
/// While `by` is a thread, that thread is in [`PrivateMapper::map`], and `pages` is what it
/// borrows there, as from `Arc::as_ptr`.
struct Offer<L> {
    by: Atomic<*mut bindings::task_struct>,
    pages: Atomic<*mut c_void>,
    _pages: PhantomData<Arc<SharedPages<L>>>,
}

impl<L> Offer<L> {
    fn new() -> Self {
        // INVARIANT: Nobody offers anything.
        Self {
            by: Atomic::new(ptr::null_mut()),
            pages: Atomic::new(ptr::null_mut()),
            _pages: PhantomData,
        }
    }

    /// What the current thread offers.
    fn of_current(&self) -> Option<&Arc<SharedPages<L>>> {
        if !ptr::eq(self.by.load(Relaxed), Task::current_raw()) {
            return None;
        }
        // SAFETY: By the type invariants this thread is in `PrivateMapper::map`, which has called,
        // by way of the kernel, what calls us; so the reference is borrowed until after our return.
        unsafe {
            self.pages
                .load(Relaxed)
                .cast::<Arc<SharedPages<L>>>()
                .as_ref()
        }
    }
}

/// The file whose mappings are filled.
struct Filled<L>(PhantomData<fn() -> L>);

impl<L: Send + Sync + 'static> FileOperations for Filled<L> {
    type Context = ();
    type Private = Arc<Offer<L>>;

    /// No device has these operations.
    fn open(_context: ArcBorrow<'_, ()>) -> Result<Arc<Offer<L>>> {
        Err(ENXIO)
    }

    fn ioctl(_offer: ArcBorrow<'_, Offer<L>>, _file: &File, _number: u32, _arg: usize) -> i64 {
        i64::from(ENOTTY.to_errno())
    }

    fn compat_ioctl(offer: ArcBorrow<'_, Offer<L>>, file: &File, number: u32, arg: usize) -> i64 {
        Self::ioctl(offer, file, number, arg)
    }

    /// Sets a new mapping up. Fails with `EINVAL` for anybody but [`PrivateMapper::map`].
    fn mmap(offer: ArcBorrow<'_, Offer<L>>, _file: &File, vma: &VmaNew) -> Result {
        let pages = offer.of_current().ok_or(EINVAL)?;
        if vma.end().wrapping_sub(vma.start()) != pages.mapped_len() {
            return Err(EINVAL);
        }
        vma.set_mixedmap();
        // INVARIANT: The area gets a reference of its own.
        // SAFETY: The area is being set up, so nobody else uses it. A task may make of it what it
        // likes, also code: that the file system of the file has none does not matter.
        unsafe {
            pages.shown_in((*vma.as_ptr()).vm_mm.addr());
            (*vma.as_ptr()).vm_private_data = pages.clone().into_foreign();
            (*vma.as_ptr()).vm_ops = Area::<L>::OPERATIONS;
            shim::mach_shim_vm_flags_set(vma.as_ptr(), bindings::VM_MAYEXEC as c_ulong);
        }
        Ok(())
    }

    fn release(_offer: Arc<Offer<L>>) {}
}

/// The operations of areas.
///
/// # Invariants
///
/// The private data of an area with these operations is from `into_foreign` of an
/// `Arc<SharedPages<L>>`, which is the area's own: set by [`Filled::mmap`], again for each copy
/// of the area by `open`, and taken back by `close`.
struct Area<L>(PhantomData<fn() -> L>);

impl<L: Send + Sync + 'static> Area<L> {
    const OPERATIONS: &'static bindings::vm_operations_struct = &bindings::vm_operations_struct {
        open: Some(Self::open),
        close: Some(Self::close),
        fault: Some(Self::fault),
        ..pin_init::zeroed()
    };

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
/// `vma` is locked, and made for inserted pages.
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
        // SAFETY: By the caller's promise.
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
    fn insert(&self, at: usize, pages: &[NonNull<bindings::page>]) -> Result {
        let mut count: c_ulong = pages.len();
        let offset = at.saturating_sub(self.first).saturating_mul(PAGE_SIZE);
        // SAFETY: By the type invariants; `vm_insert_pages` checks that the range is in the area,
        // and takes references of its own to the pages, which are alive. The array is only read.
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
        match self.insert(at, &[page]) {
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
    match area.insert(from, list.get(..count).unwrap_or_default()) {
        Ok(()) => {
            if count == block.count() {
                pages.hand_over(start);
            }
            Ok(())
        }
        Err(_) => area.insert_one(at, &block, at.saturating_sub(start)),
    }
}

/// Maps pages as private memory, for the processes of one task, one at a time.
#[pin_data]
pub(crate) struct PrivateMapper<L: Send + Sync + 'static> {
    /// Made when it is first needed. The lock makes one thread at a time use it.
    #[pin]
    file: Mutex<Option<OfferingFile<L>>>,
}

/// A file, and what is offered to be mapped of it.
struct OfferingFile<L> {
    file: ARef<File>,
    offer: Arc<Offer<L>>,
}

impl<L: Send + Sync + 'static> OfferingFile<L> {
    fn new() -> Result<Self> {
        let offer = Arc::new(Offer::new(), GFP_KERNEL_ACCOUNT)?;
        let file = anon_file::<Filled<L>>(c"[mach-ool]", offer.clone())?;
        Ok(Self { file, offer })
    }
}

impl<L: Send + Sync + 'static> PrivateMapper<L> {
    /// Makes a mapper.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            file <- new_mutex!(None, "PrivateMapper::file"),
        })
    }

    /// Maps `pages` for reading and writing into the current process, where there is room, and
    /// returns the address. The mapping has a reference of its own to the pages.
    ///
    /// Fails with `ENOMEM` without memory or address space, with `EINTR` when the process has been
    /// killed, with `ENFILE` when the machine has no more files.
    pub(crate) fn map(&self, pages: &Arc<SharedPages<L>>) -> Result<usize> {
        let mut guard = self.file.lock();
        let OfferingFile { file, offer } = match &*guard {
            Some(file) => file,
            None => guard.insert(OfferingFile::new()?),
        };
        // INVARIANT: This thread is in `map`, and `pages` is borrowed.
        offer
            .pages
            .store(ptr::from_ref(pages).cast_mut().cast(), Relaxed);
        offer.by.store(Task::current_raw(), Relaxed);
        // CAST: The flags are small positive numbers.
        // SAFETY: The file is alive.
        let address = unsafe {
            bindings::vm_mmap(
                file.as_ptr(),
                0,
                pages.mapped_len(),
                (shim::PROT_READ | shim::PROT_WRITE) as c_ulong,
                shim::MAP_PRIVATE as c_ulong,
                0,
            )
        };
        // INVARIANT: Nobody offers anything.
        offer.by.store(ptr::null_mut(), Relaxed);
        // CAST: The kernel returns an address or, as the last page of them, a negative errno.
        match address as isize {
            error @ -4095..0 => Err(Error::from_errno(error as i32)),
            _ => Ok(address),
        }
    }
}

/// Unmaps all pages of the current process that the `length` bytes at `address` touch. What is not
/// mapped, or is no user memory, is left alone.
pub(crate) fn unmap_touched(address: usize, length: usize) {
    use kernel::page::PAGE_MASK;

    let Some(end) = address
        .checked_add(length)
        .and_then(|end| end.checked_add(PAGE_SIZE - 1))
    else {
        return;
    };
    let start = address & PAGE_MASK;
    let length = (end & PAGE_MASK) - start;
    if length > 0 {
        // Fails where there is nothing that could be unmapped, or without memory for splitting an
        // area; nobody could be told.
        // SAFETY: Unmapping memory of the current process concerns that process alone.
        let _ = unsafe { bindings::vm_munmap(start, length) };
    }
}
