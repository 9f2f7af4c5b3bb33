// SPDX-License-Identifier: GPL-2.0

//! Files to execute: opening and reading them.
//!
//! Serves the loader. Everything here may sleep.
//!
//! Locks: none.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use core::ops::Deref;
use kernel::{
    bindings,
    error::from_err_ptr,
    fs::File,
    prelude::*,
    sync::aref::ARef, //
};

use super::bindings as shim;

/// A file that was opened to be executed: nobody can write to it until this is dropped.
///
/// # Invariants
///
/// One denial of write access on the file belongs to this value.
pub(crate) struct ExecFile(ARef<File>);

impl ExecFile {
    /// Opens `path` as execve would: with permission to execute it, on a file system that allows
    /// that, and as long as nobody has it open for writing.
    pub(crate) fn open(path: &CStr) -> Result<Self> {
        // SAFETY: The path is terminated.
        let file = from_err_ptr(unsafe { bindings::open_exec(path.as_char_ptr()) })?;
        let file = core::ptr::NonNull::new(file).ok_or(ENOENT)?;
        // INVARIANT: `open_exec` denies write access on behalf of its caller.
        // SAFETY: `open_exec` returns a valid file with a reference for its caller, and nobody else
        // knows it, let alone its position.
        Ok(Self(unsafe { ARef::from_raw(file.cast::<File>()) }))
    }
}

impl Deref for ExecFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for ExecFile {
    fn drop(&mut self) {
        // SAFETY: The file is valid, and by the type invariants the denial is ours to take back.
        unsafe { shim::mach_shim_exe_file_allow_write_access(self.0.as_ptr()) };
    }
}

/// Bytes of a file.
pub(crate) fn size(file: &File) -> u64 {
    // SAFETY: The file is valid.
    let size = unsafe { shim::mach_shim_file_size(file.as_ptr()) };
    u64::try_from(size).unwrap_or(0)
}

/// Whether a file can be mapped at all.
pub(crate) fn can_be_mapped(file: &File) -> bool {
    // SAFETY: The file is valid.
    unsafe { shim::mach_shim_can_mmap_file(file.as_ptr()) }
}

/// What tells a file from all others: the number of its file system, and that of the file there.
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// Which file it is.
pub(crate) fn identity(file: &File) -> Identity {
    // SAFETY: The file is valid.
    unsafe {
        Identity {
            device: shim::mach_shim_file_device(file.as_ptr()).into(),
            // CAST: `unsigned long` has 64 bits.
            inode: shim::mach_shim_file_inode(file.as_ptr()) as u64,
        }
    }
}

/// Reads bytes of a file from `offset` on, as many as `buffer` takes or as there are. Returns how
/// many.
pub(crate) fn read(file: &File, offset: u64, buffer: &mut [u8]) -> Result<usize> {
    let mut done: usize = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        // CAST: `usize` has 64 bits.
        let position = offset.checked_add(done as u64).ok_or(EOVERFLOW)?;
        let mut position = bindings::loff_t::try_from(position)?;
        // SAFETY: The file is valid, and `rest` may be written to.
        let read = unsafe {
            bindings::kernel_read(
                file.as_ptr(),
                rest.as_mut_ptr().cast(),
                rest.len(),
                &mut position,
            )
        };
        match usize::try_from(read) {
            Ok(0) => break,
            Ok(read) => done = done.saturating_add(read),
            // CAST: An errno is small.
            Err(_) => return Err(Error::from_errno(read as c_int)),
        }
    }
    Ok(done)
}
