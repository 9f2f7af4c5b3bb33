// SPDX-License-Identifier: GPL-2.0

//! Read-only text files in debugfs.
//!
//! Serves the statistics that show what the module is doing. The kernel crate's own debugfs files
//! do not name a module as their owner: one that is held open while the module is unloaded makes
//! its later `close` run code that is gone. These do, so such a file pins the module.
//!
//! Locks: removing a directory waits for reports in progress, so it must not hold a lock that
//! they take.
//!
//! C headers: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h),
//! [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)

use core::ptr;
use kernel::{
    bindings,
    prelude::*,
    seq_file::SeqFile,
    sync::Arc, //
};

/// What can be shown as a file.
pub(crate) trait Report: Send + Sync + 'static {
    /// Prints the contents, with `seq_print!`. May sleep. It is called again with a larger buffer
    /// when the text turns out not to fit.
    fn print(&self, to: &SeqFile);
}

type Source = KBox<Arc<dyn Report>>;

/// A directory at the root of debugfs, with the files in it. Dropping it removes them.
///
/// Nothing fails if debugfs is not available: there is just nothing to see.
///
/// # Invariants
///
/// `dentry` is null, an error pointer, or a directory that this value owns. The data of each file in
/// it is a pointer to one of the `sources`.
pub(crate) struct Directory {
    dentry: *mut bindings::dentry,
    // Dropped after the files are removed.
    sources: KVec<Source>,
}

// SAFETY: debugfs has locks of its own, and sources can be sent and shared.
unsafe impl Send for Directory {}

// SAFETY: As above.
unsafe impl Sync for Directory {}

impl Directory {
    /// Makes `<debugfs>/<name>/`.
    pub(crate) fn new(name: &CStr) -> Self {
        // INVARIANT: The directory, if it was made, is the value's, and empty.
        Self {
            // SAFETY: The name is valid, and no parent means the root.
            dentry: unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), ptr::null_mut()) },
            sources: KVec::new(),
        }
    }

    /// Adds a file that root may read. Fails with `ENOMEM` only.
    pub(crate) fn add(&mut self, name: &CStr, source: Arc<dyn Report>) -> Result {
        const MODE: bindings::umode_t = 0o400;

        let source = KBox::new(source, GFP_KERNEL)?;
        let data = ptr::from_ref(&*source).cast_mut().cast::<c_void>();
        self.sources.push(source, GFP_KERNEL)?;
        // INVARIANT: The data is a pointer to a source.
        // SAFETY: The name is valid; so is the parent, or it is an error, which is accepted.
        // `data` is what `open` expects; the box stays where it is until the file is removed.
        unsafe {
            bindings::debugfs_create_file_full(
                name.as_char_ptr(),
                MODE,
                self.dentry,
                data,
                ptr::null(),
                &OPERATIONS.0,
            )
        };
        Ok(())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. Null and errors are ignored. This waits until
        // nobody is printing; after that the sources can go.
        unsafe { bindings::debugfs_remove(self.dentry) };
    }
}

struct Operations(bindings::file_operations);

// SAFETY: The table is never changed.
unsafe impl Sync for Operations {}

/// debugfs calls these from a table of its own, which is the one that its files have.
static OPERATIONS: Operations = Operations(bindings::file_operations {
    owner: kernel::module::this_module::<crate::LocalModule>().as_ptr(),
    open: Some(open),
    read: Some(bindings::seq_read),
    llseek: Some(bindings::seq_lseek),
    release: Some(bindings::single_release),
    ..pin_init::zeroed()
});

/// # Safety
///
/// Called by debugfs for a file that [`Directory::add`] made.
unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: The inode is valid, and its private data is what `add` passed.
    unsafe { bindings::single_open(file, Some(show), (*inode).i_private) }
}

/// # Safety
///
/// Called by `seq_read` for a file opened by [`open`].
unsafe extern "C" fn show(seq: *mut bindings::seq_file, _: *mut c_void) -> c_int {
    // SAFETY: `single_open` stored the pointer, which is to an `Arc<dyn Report>`. debugfs lets
    // nobody read a file that is removed, and removal waits for readers, so it is still there.
    // The `seq_file` is locked by its reader.
    let (source, seq) = unsafe {
        (
            &*(*seq).private.cast::<Arc<dyn Report>>(),
            SeqFile::from_raw(seq),
        )
    };
    source.print(seq);
    0
}
