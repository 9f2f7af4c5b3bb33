// SPDX-License-Identifier: GPL-2.0

//! Mapping pages into the current process as private memory.
//!
//! Serves the out-of-line memory of messages. The pages are there at once, read-only; the first
//! write to one gives the process a copy of that page alone, as for any private memory. To the
//! kernel the area is anonymous memory some pages of which happen to be filled: fork, `mprotect`,
//! `mremap`, `munmap` of a part, `madvise` and the rest do what they do to anonymous memory.
//!
//! There is no way for a module to map anonymous memory that is filled, but a file may fill what is
//! mapped of it. So each [`PrivateMapper`] has an anonymous file that no descriptor stands for.
//!
//! Locks: `PrivateMapper::file` (mutex), outside of the mmap lock.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    error::to_result,
    fs::File,
    mm::virt::VmaNew,
    new_mutex,
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
    page_list::{
        is_killed,
        PageList, //
    },
};

/// So many pages are mapped before others may run.
const MAPPED_AT_ONCE: usize = 512;

/// What is about to be mapped of a file, and who is about to.
///
/// # Invariants
///
/// While `by` is a thread, that thread is in [`PrivateMapper::map`], and `pages` is the list that
/// it borrows there.
struct Offer {
    by: Atomic<*mut bindings::task_struct>,
    pages: Atomic<*const PageList>,
}

impl Offer {
    fn new() -> Self {
        // INVARIANT: Nobody offers anything.
        Self {
            by: Atomic::new(ptr::null_mut()),
            pages: Atomic::new(ptr::null()),
        }
    }

    /// What the current thread offers.
    fn of_current(&self) -> Option<&PageList> {
        if !ptr::eq(self.by.load(Relaxed), Task::current_raw()) {
            return None;
        }
        // SAFETY: By the type invariants this thread is in `PrivateMapper::map`, which has called,
        // by way of the kernel, what calls us; so the list is borrowed until after our return.
        unsafe { self.pages.load(Relaxed).as_ref() }
    }
}

/// The file whose mappings are filled.
struct Filled;

impl FileOperations for Filled {
    type Context = ();
    type Private = Arc<Offer>;

    /// No device has these operations.
    fn open(_context: ArcBorrow<'_, ()>) -> Result<Arc<Offer>> {
        Err(ENXIO)
    }

    fn ioctl(_offer: ArcBorrow<'_, Offer>, _file: &File, _command: u32, _argument: usize) -> i64 {
        i64::from(ENOTTY.to_errno())
    }

    fn compat_ioctl(offer: ArcBorrow<'_, Offer>, file: &File, command: u32, arg: usize) -> i64 {
        Self::ioctl(offer, file, command, arg)
    }

    /// Fills a new mapping. Fails with `EINVAL` for anybody but [`PrivateMapper::map`].
    fn mmap(offer: ArcBorrow<'_, Offer>, _file: &File, vma: &VmaNew) -> Result {
        let list = offer.of_current().ok_or(EINVAL)?;
        if vma.end().wrapping_sub(vma.start()) != list.mapped_len() {
            return Err(EINVAL);
        }
        vma.set_mixedmap();
        // SAFETY: The area is being set up, so nobody else uses it. Without operations it is
        // anonymous memory, of which a task may make what it likes, also code: that the file
        // system of the file has none does not matter.
        unsafe {
            (*vma.as_ptr()).vm_ops = ptr::null();
            shim::mach_shim_vm_flags_set(vma.as_ptr(), bindings::VM_MAYEXEC as c_ulong);
        }

        let mut address = vma.start();
        for part in list.as_pages().chunks(MAPPED_AT_ONCE) {
            insert(vma, address, part)?;
            address += part.len() * kernel::page::PAGE_SIZE;
            if is_killed() {
                return Err(EINTR);
            }
        }
        Ok(())
    }

    fn release(_offer: Arc<Offer>) {}
}

/// Puts `pages` into the area from `address` on; the area gets a reference to each. On failure the
/// caller of `mmap` takes out what is there.
fn insert(vma: &VmaNew, address: usize, pages: &[NonNull<bindings::page>]) -> Result {
    let mut count: c_ulong = pages.len();
    // SAFETY: The area is being set up with the mmap lock held, is made for inserted pages, and
    // `vm_insert_pages` checks that the range is in it. The pages are alive, and no compound
    // pages, by the invariants of `PageList`. The array is only read.
    to_result(unsafe {
        bindings::vm_insert_pages(
            vma.as_ptr(),
            address,
            pages.as_ptr().cast_mut().cast(),
            &mut count,
        )
    })
}

/// Maps pages as private memory, for the processes of one task, one at a time.
#[pin_data]
pub(crate) struct PrivateMapper {
    /// Made when it is first needed. The lock makes one thread at a time use it.
    #[pin]
    file: Mutex<Option<ARef<File>>>,
    offer: Arc<Offer>,
}

impl PrivateMapper {
    /// Makes a mapper. Fails with `ENOMEM`.
    pub(crate) fn new() -> Result<impl PinInit<Self>> {
        let offer = Arc::new(Offer::new(), GFP_KERNEL_ACCOUNT)?;
        Ok(pin_init!(Self {
            file <- new_mutex!(None, "PrivateMapper::file"),
            offer,
        }))
    }

    /// Maps `pages` for reading and writing into the current process, where there is room, and
    /// returns the address. The mapping has references of its own to the pages.
    ///
    /// Fails with `ENOMEM` without memory or address space, with `EINTR` when the process has been
    /// killed, with `ENFILE` when the machine has no more files.
    pub(crate) fn map(&self, pages: &PageList) -> Result<usize> {
        let mut guard = self.file.lock();
        let file = match &*guard {
            Some(file) => file,
            None => guard.insert(anon_file::<Filled>(c"[mach-ool]", self.offer.clone())?),
        };
        // INVARIANT: This thread is in `map`, and `pages` is borrowed.
        self.offer.pages.store(pages, Relaxed);
        self.offer.by.store(Task::current_raw(), Relaxed);
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
        self.offer.by.store(ptr::null_mut(), Relaxed);
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
    use kernel::page::{
        PAGE_MASK,
        PAGE_SIZE, //
    };

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
