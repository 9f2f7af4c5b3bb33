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
//! What becomes of the areas is in [`super::private_area`].
//!
//! Locks: `PrivateMapper::file` (mutex), outside of the mmap lock.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    bindings,
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
};

use super::{
    bindings as shim,
    chardev::FileOperations,
    files::anon_file,
    mapping::{
        map_file,
        unmap, //
    },
    private_area::Area,
    shared_pages::SharedPages, //
};

/// What is about to be mapped of a file, and who is about to.
///
/// # Invariants
///
/// While `by` is a thread, that thread is in [`PrivateMapper::map`], and `pages` points to the
/// reference that it borrows there.
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
    fn of_current(&self) -> Option<Arc<SharedPages<L>>> {
        if !ptr::eq(self.by.load(Relaxed), Task::current_raw()) {
            return None;
        }
        // SAFETY: By the type invariants this thread is in `PrivateMapper::map`, which has called,
        // by way of the kernel, what calls us; so the reference is borrowed until after our return.
        let pages = unsafe {
            self.pages
                .load(Relaxed)
                .cast::<Arc<SharedPages<L>>>()
                .as_ref()
        };
        pages.cloned()
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
        Area::set_up(vma, pages);
        Ok(())
    }

    fn release(_offer: Arc<Offer<L>>) {}
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
        // SAFETY: The file is alive.
        let address = unsafe {
            map_file(
                file.as_ptr(),
                0,
                pages.mapped_len(),
                shim::PROT_READ | shim::PROT_WRITE,
                shim::MAP_PRIVATE,
                0,
            )
        };
        // INVARIANT: Nobody offers anything.
        offer.by.store(ptr::null_mut(), Relaxed);
        address
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
        let _ = unmap(start, length);
    }
}
