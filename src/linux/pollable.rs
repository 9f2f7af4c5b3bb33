// SPDX-License-Identifier: GPL-2.0

//! Anonymous files that can be polled and closed, and nothing else.
//!
//! Serves kqueues. The kernel crate offers no anonymous files, and its `PollCondVar` waits for an
//! RCU grace period each time that one is dropped; here whoever polls has the file open, and the
//! queue that it waits in lives as long as the file.
//!
//! Locks: all operations are called under none. Waking pollers takes the lock of the queue, and
//! within it those of whoever polls, which may be other queues: so it is to be done where no such
//! lock can be held, that is in a thread, never by somebody who is woken himself.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/linux/poll.h`](srctree/include/linux/poll.h)

use super::{
    bindings as shim,
    chardev::FileTable,
    current,
    wait::WaitQueue, //
};
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
    fs::File,
    prelude::*,
    sync::aref::ARef,
    types::ForeignOwnable, //
};

/// What an operation gets to see of the private data of its file.
type Borrowed<'a, T> = <<T as PollableFile>::Private as ForeignOwnable>::Borrowed<'a>;

/// What the files of a kind do.
///
/// Every open file pins this module until after [`release`](Self::release) has returned.
pub(crate) trait PollableFile: Sized + 'static {
    /// State of one file.
    type Private: ForeignOwnable + Send + Sync + 'static;

    /// Where those who poll wait, to be woken by [`WaitQueue::wake_pollers`].
    fn pollers<'a>(private: &'a Borrowed<'_, Self>) -> &'a WaitQueue;

    /// Whether there is something to be read. Who asks waits with the [pollers](Self::pollers) by
    /// now, if he wants to be told. May sleep.
    fn is_readable(private: Borrowed<'_, Self>) -> bool;

    /// A descriptor of the file has been closed.
    fn closed(private: Borrowed<'_, Self>);

    /// The last reference to the file is gone. May sleep. Runs in whatever process dropped it.
    fn release(private: Self::Private);
}

/// The functions that the kernel calls, with a file whose `private_data` came from
/// `T::Private::into_foreign` and is taken back by `release` alone, which is called last.
struct Callbacks<T>(PhantomData<T>);

impl<T: PollableFile> Callbacks<T> {
    const OPERATIONS: bindings::file_operations = bindings::file_operations {
        owner: kernel::module::this_module::<crate::LocalModule>().as_ptr(),
        poll: Some(Self::poll),
        flush: Some(Self::flush),
        release: Some(Self::release),
        ..pin_init::zeroed()
    };

    const TABLE: FileTable = {
        // SAFETY: They are the callbacks for `T`, and name this module.
        unsafe { FileTable::new::<T>(Self::OPERATIONS) }
    };

    fn table() -> &'static FileTable {
        &Self::TABLE
    }

    /// # Safety
    ///
    /// `file` must be an open file of `T`, and `table` what the kernel polls with.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table,
    ) -> bindings::__poll_t {
        // SAFETY: By the caller's promise.
        let private = unsafe { T::Private::borrow((*file).private_data) };
        let queue = T::pollers(&private);
        // SAFETY: By the caller's promise. The queue is part of what the private data keeps, which
        // could be borrowed until the file is released: so it lives as long as the file. Whoever
        // waits in it holds a reference to the file; by the contract of `poll` he leaves the queue
        // before he gives that up, as epoll does when the last of the others is gone.
        unsafe { bindings::poll_wait(file, queue.as_ptr(), table) };
        match T::is_readable(private) {
            true => bindings::POLLIN | bindings::POLLRDNORM,
            false => 0,
        }
    }

    /// # Safety
    ///
    /// `file` must be an open file of `T`.
    unsafe extern "C" fn flush(file: *mut bindings::file, _id: bindings::fl_owner_t) -> c_int {
        // SAFETY: By the caller's promise.
        T::closed(unsafe { T::Private::borrow((*file).private_data) });
        0
    }

    /// # Safety
    ///
    /// `file` must be a file of `T` that nobody else uses any more.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: By the caller's promise nothing borrows the private data, and this is the only
        // call of `release`.
        T::release(unsafe { T::Private::from_foreign((*file).private_data) });
        0
    }
}

/// Makes a file of `T`, open for reading. `name` is what `/proc/<pid>/fd` shows.
///
/// Fails with `ENOMEM`, `ENFILE`, or `ENOENT` when the module is being unloaded; `private` is
/// dropped then, without a call of [`PollableFile::release`].
pub(crate) fn new_file<T: PollableFile>(name: &CStr, private: T::Private) -> Result<ARef<File>> {
    let private = private.into_foreign();
    // SAFETY: The name, which is copied, and the operations are valid, and `private` is what the
    // operations expect.
    let file = unsafe {
        shim::anon_inode_getfile(
            name.as_char_ptr(),
            &Callbacks::<T>::table().operations,
            private,
            // CAST: The flag is 0.
            bindings::O_RDONLY as c_int,
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

/// The private data of `file`, if it is a file of `T`.
#[inline]
pub(crate) fn private_of<T: PollableFile>(file: &File) -> Option<Borrowed<'_, T>> {
    let raw = file.as_ptr();
    // SAFETY: The file is alive, and its `f_op` does not change once it can be seen.
    let operations = unsafe { (*raw).f_op };
    // The table may be there more than once.
    if !ptr::eq(operations, &Callbacks::<T>::table().operations)
        // SAFETY: As above.
        && !unsafe { FileTable::serves::<T>(operations) }
    {
        return None;
    }
    // SAFETY: It is a file of `T`. The private data was set before the file could be seen by
    // anybody else, and stays until the last reference is gone; `file` borrows one.
    Some(unsafe { T::Private::borrow((*raw).private_data) })
}

/// Closes the descriptors of the current process that refer to files of `T` for which `is_wanted`
/// holds, which must not sleep; unless the table is shared with another process, whose descriptors
/// they are as well. May sleep.
pub(crate) fn close_all<T: PollableFile>(is_wanted: impl Fn(Borrowed<'_, T>) -> bool) {
    let files = current::files();
    // SAFETY: The table is that of the current process, if it has one.
    if files.is_null() || unsafe { bindings::atomic_read(&raw const (*files).count) } != 1 {
        return;
    }
    let mut number = 0;
    loop {
        // SAFETY: The table is alive, as the current process uses it. Under its lock its array
        // stays in place with `max_fds` entries, and the file of a slot is alive. The slot that is
        // emptied leaves us its reference; its number stays taken until we give it back.
        let file = unsafe {
            let lock = &raw mut (*files).file_lock;
            bindings::spin_lock(lock);
            let table = (*files).fdt;
            let file = loop {
                if number >= (*table).max_fds {
                    break None;
                }
                let slot = (*table).fd.add(number as usize);
                let file = *slot;
                if !file.is_null()
                    && FileTable::serves::<T>((*file).f_op)
                    && is_wanted(T::Private::borrow((*file).private_data))
                {
                    slot.write_volatile(ptr::null_mut());
                    break Some(file);
                }
                number += 1;
            };
            bindings::spin_unlock(lock);
            file
        };
        let Some(file) = file else {
            return;
        };
        // SAFETY: The number is one that is taken and has no file, and the reference to the file
        // is ours.
        unsafe {
            bindings::put_unused_fd(number);
            bindings::filp_close(file, files.cast());
        }
    }
}

/// Whether descriptor `fd` of the current process refers to the file at `file`, which need not be
/// there any more.
#[inline]
pub(crate) fn fd_is(fd: u32, file: usize) -> bool {
    // SAFETY: The function compares addresses.
    unsafe { shim::mach_shim_fd_is(fd, ptr::without_provenance(file)) }
}
