// SPDX-License-Identifier: GPL-2.0

//! Open files and descriptor tables of the current process.
//!
//! Serves the loader, which hands a process its file, and the first trap of a forked child, which
//! replaces the file it inherited by one of its own.
//!
//! Locks: [`FdSwap::commit`] takes `files->file_lock`, a leaf. Everything here may sleep otherwise.
//!
//! C headers: [`include/linux/file.h`](srctree/include/linux/file.h),
//! [`include/linux/fdtable.h`](srctree/include/linux/fdtable.h)

use core::ptr;
use kernel::{
    alloc::{
        AllocError,
        Flags, //
    },
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::{
        file::{
            flags::{
                O_CLOEXEC,
                O_RDWR, //
            },
            FileDescriptorReservation, //
        },
        File,
        LocalFile, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            atomic_store,
            ordering::Release, //
        },
        Arc,
        UniqueArc, //
    },
    types::{
        ForeignOwnable,
        NotThreadSafe, //
    },
};

use super::{
    bindings as shim,
    chardev::{
        Borrowed,
        FileOperations,
        FileTable, //
    },
    current, module,
    task_work::{
        self,
        TaskWork,
        TaskWorkItem, //
    },
};

/// A descriptor number of the current process, reserved and still empty: fill it with
/// `fd_install`, which cannot fail, or drop it to give the number back.
pub(crate) type ReservedFd = FileDescriptorReservation;

/// Makes an anonymous file with the operations of `T`, open for reading and writing. `name` is
/// what `/proc/<pid>/fd` shows.
///
/// Fails with `ENOMEM`, `ENFILE`, or `ENOENT` when the module is being unloaded; `private` is
/// dropped then, without a call of [`FileOperations::release`].
pub(crate) fn anon_file<T: FileOperations>(name: &CStr, private: T::Private) -> Result<ARef<File>> {
    let private = private.into_foreign();
    // CAST: The flag is a small positive number.
    let flags = O_RDWR as c_int;
    // SAFETY: The name, which is copied, and the operations are valid, and `private` is what the
    // operations expect.
    let file = unsafe {
        shim::anon_inode_getfile(
            name.as_char_ptr(),
            &FileTable::of::<T>().operations,
            private,
            flags,
        )
    };
    let file = from_err_ptr(file).inspect_err(|_| {
        // SAFETY: No file was made, so the pointer is still ours.
        drop(unsafe { T::Private::from_foreign(private) });
    })?;
    // SAFETY: On success `anon_inode_getfile` returns a valid pointer, with a reference that is
    // ours. Nobody else knows the file, let alone its position.
    Ok(unsafe { ARef::from_raw(ptr::NonNull::new_unchecked(file).cast::<File>()) })
}

/// The file behind descriptor `fd` of the current process, or `EBADF`.
pub(crate) fn file_of_fd(fd: u32) -> Result<ARef<File>> {
    let file = LocalFile::fget(fd)?;
    // SAFETY: Only reading, writing, seeking and listing system calls use `fdget_pos`, and the
    // module has no such file operation from which this could be called; its debugfs files only
    // print.
    Ok(unsafe { LocalFile::assume_no_fdget_pos(file) })
}

/// Puts `file` under a new descriptor of the current process, which is closed on exec, and returns
/// that. `EMFILE`, or what a security module says.
pub(crate) fn receive(file: &File) -> Result<u32> {
    // SAFETY: The file is alive; the descriptor gets a reference of its own.
    let fd = unsafe { bindings::receive_fd(file.as_ptr(), ptr::null_mut(), O_CLOEXEC) };
    // CAST: Descriptors are not negative.
    to_result(fd.min(0)).map(|()| fd as u32)
}

/// Whether `file` is one of this module's.
pub(crate) fn is_own(file: &File) -> bool {
    // SAFETY: The file is alive, and has valid operations from before anybody can see it.
    unsafe { (*(*file.as_ptr()).f_op).owner == module::this() }
}

/// The file behind a descriptor of the current process, for the length of a system call that does
/// not close it: without a reference of its own if no other thread can.
///
/// # Invariants
///
/// `word` came from `fdget` and stands for a file.
pub(crate) struct BorrowedFd {
    word: c_ulong,
    _not_send: NotThreadSafe,
}

impl BorrowedFd {
    /// The file behind descriptor `fd`, or `EBADF`.
    #[inline]
    pub(crate) fn get(fd: u32) -> Result<Self> {
        // SAFETY: Any number may be asked for. It is given back by the same thread, by `drop`.
        let word = unsafe { shim::mach_shim_fdget(fd) };
        match word {
            0 => Err(EBADF),
            // INVARIANT: What is not 0 stands for a file.
            word => Ok(Self {
                word,
                _not_send: NotThreadSafe,
            }),
        }
    }

    /// The file.
    #[inline]
    pub(crate) fn file(&self) -> &File {
        /// Flags in the lower bits of the word.
        const FLAGS: c_ulong = 3;

        // CAST: It is an address with flags.
        let file = (self.word & !FLAGS) as *const bindings::file;
        // SAFETY: By the type invariants it is a file. It is there until `drop`: there is a
        // reference, or no other thread uses the table. Should this thread close the descriptor
        // meanwhile ([`FdSwap::commit`], `pollable::close_all`), the kernel puts the release off
        // until the system call is over. No `fdget_pos` is going on, as in `file_of_fd`.
        unsafe { File::from_raw_file(file) }
    }

    /// Whether other threads use the descriptor table, and may close the descriptor before this is
    /// dropped.
    #[inline]
    pub(crate) fn is_shared(&self) -> bool {
        // CAST: It is 1.
        const FPUT: c_ulong = bindings::FDPUT_FPUT as c_ulong;

        self.word & FPUT != 0
    }
}

impl Drop for BorrowedFd {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants; it is given back once.
        unsafe { shim::mach_shim_fdput(self.word) };
    }
}

/// The private data of `file`, if it is a file of `T`.
#[inline]
pub(crate) fn private_of<T: FileOperations>(file: &File) -> Option<Borrowed<'_, T>> {
    let raw = file.as_ptr();
    // SAFETY: The file is alive, and its `f_op` does not change once it can be seen.
    if !unsafe { FileTable::serves::<T>((*raw).f_op) } {
        return None;
    }
    // SAFETY: It is a file of `T`. The private data was set before the file could be seen by
    // anybody else, and stays until the last reference is gone; `file` borrows one.
    Some(unsafe { T::Private::borrow((*raw).private_data) })
}

/// Replaces one file by another wherever the current descriptor table holds it.
///
/// Everything that can fail is done by [`prepare`](Self::prepare).
pub(crate) struct FdSwap {
    hold: UniqueArc<HeldFile>,
}

/// A reference to a file that is kept until the current thread leaves the kernel.
struct HeldFile {
    file: Option<ARef<File>>,
    work: TaskWork,
}

impl TaskWorkItem for HeldFile {
    fn task_work(&self) -> &TaskWork {
        &self.work
    }

    fn run(self: Arc<Self>) {
        // Dropping the item drops the reference.
    }
}

impl FdSwap {
    /// Allocates what a swap needs.
    pub(crate) fn prepare(flags: Flags) -> Result<Self, AllocError> {
        let hold = UniqueArc::new(
            HeldFile {
                file: None,
                work: TaskWork::new(),
            },
            flags,
        )?;
        Ok(Self { hold })
    }

    /// Makes every descriptor of the current process that refers to `old` refer to `new`, and
    /// returns how many that were.
    ///
    /// Numbers and close-on-exec flags stay. Other users of the same table see either file at any
    /// moment, never a closed descriptor. `old` is closed once for each descriptor, as `dup2`
    /// does, so its `flush` is called; its release may happen at any time after.
    ///
    /// A system call of this thread that looked up one of the descriptors may be using `old`
    /// without a reference of its own (`fdget`, when the table is not shared). So `old` is held
    /// until the thread returns to user space. With a shared table every user has its reference.
    pub(crate) fn commit(mut self, old: &File, new: &File) -> usize {
        self.hold.file = Some(ARef::from(old));
        // This fails only for a thread so late in its exit that it has no descriptors any more
        // and is in no system call that could be using one; the reference is dropped at once then.
        let _ = task_work::run_in_current(Arc::from(self.hold));

        let files = current::files();
        if files.is_null() {
            return 0;
        }
        // SAFETY: `files` is the table of the current process.
        let swapped = unsafe { swap_slots(files, old, new) };
        for _ in 0..swapped {
            // SAFETY: `swap_slots` passed on to us one reference for each slot; the table is the
            // one they were closed in. The result is that of `flush`, and nobody asked for it.
            unsafe { bindings::filp_close(old.as_ptr(), files.cast()) };
        }
        swapped
    }
}

/// Puts `new` into each slot of `files` that holds `old`, with a reference of its own; the
/// references that the slots had to `old` go to the caller. Returns how many.
///
/// # Safety
///
/// `files` must be the descriptor table of the current process.
unsafe fn swap_slots(files: *mut bindings::files_struct, old: &File, new: &File) -> usize {
    let mut swapped = 0;
    // SAFETY: The table is alive, as the current process uses it. Under its lock its array stays
    // in place with `max_fds` entries, and nobody else changes a slot, except that an empty one
    // may be filled; so a slot that holds `old` keeps it, and the reference with it, until
    // we store the other pointer. Readers without the lock look a file up under RCU: the release
    // store makes what they find initialised, and, finding the slot changed after they took a
    // reference to `old`, they look again.
    unsafe {
        let lock = ptr::addr_of_mut!((*files).file_lock);
        bindings::spin_lock(lock);
        let table = (*files).fdt;
        for number in 0..(*table).max_fds as usize {
            let slot = (*table).fd.add(number);
            if *slot == old.as_ptr() {
                atomic_store(slot, bindings::get_file(new.as_ptr()), Release);
                swapped += 1;
            }
        }
        bindings::spin_unlock(lock);
    }
    swapped
}
