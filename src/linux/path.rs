// SPDX-License-Identifier: GPL-2.0

//! Paths: what names lead to, and what the names of things are.
//!
//! Serves virtual roots ([`crate::core::Vchroot`]), the traps about paths, and the loader. Names
//! are looked up with the rights of the current thread, and are what they are for its process: from
//! its own root directory (chroot(2)), in the mount namespace of wherever a look-up starts.
//!
//! Locks: none may be held; everything here may sleep, dropping a [`Path`] included.
//!
//! C headers: [`include/linux/path.h`](srctree/include/linux/path.h),
//! [`include/linux/namei.h`](srctree/include/linux/namei.h)

use core::ptr;
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::File,
    prelude::*,
    sync::atomic::{
        atomic_load,
        ordering::Relaxed, //
    },
};

use super::{
    bindings as shim,
    current,
    zeroed::zeroed, //
};

/// The longest path, with its terminator: `PATH_MAX`.
pub(crate) const PATH_MAX: usize = bindings::PATH_MAX as usize;

/// The most words of a file handle: what is left in the structure of the interface.
pub(crate) const HANDLE_WORDS: usize = 18;

/// Whether the names of an entry and of its directories are known, up to the root of the file
/// system.
///
/// # Safety
///
/// `dentry` must be valid.
unsafe extern "C" fn is_connected(_: *mut c_void, dentry: *mut bindings::dentry) -> c_int {
    // SAFETY: The caller's promise; the flags change at any time, hence the atomic access.
    let flags = unsafe { atomic_load(ptr::addr_of_mut!((*dentry).d_flags), Relaxed) };
    c_int::from(flags & bindings::dentry_flags_DCACHE_DISCONNECTED == 0)
}

/// A place in the file system: what a name led to, whatever has been done to the name since.
///
/// Its mount cannot be unmounted while this exists, but lazily.
///
/// # Invariants
///
/// One reference on the entry and one on its mount belong to this value.
pub(crate) struct Path(bindings::path);

// SAFETY: Entries and mounts belong to no thread; their reference counts are atomic.
unsafe impl Send for Path {}

// SAFETY: As above. What this lends out does its own locking.
unsafe impl Sync for Path {}

/// What becomes of a symbolic link at the end of a name.
#[derive(Clone, Copy)]
pub(crate) enum LastLink {
    /// It is followed.
    Follow,
    /// It is what is looked for.
    Keep,
}

impl LastLink {
    fn flags(self) -> c_uint {
        match self {
            Self::Follow => shim::MACH_LOOKUP_FOLLOW,
            Self::Keep => 0,
        }
    }
}

impl Path {
    /// Where `file` was opened.
    pub(crate) fn of_file(file: &File) -> Self {
        // SAFETY: The file is valid, and has references to both while it is.
        unsafe { Self::of_raw_file(file.as_ptr()) }
    }

    /// Where descriptor `fd` of the current process was opened, if only to name it (`O_PATH`).
    /// `EBADF` if there is none.
    pub(crate) fn of_fd(fd: i32) -> Result<Self> {
        let fd = u32::try_from(fd).map_err(|_| EBADF)?;
        // SAFETY: Any number may be looked up.
        let file = unsafe { bindings::fget_raw(fd) };
        if file.is_null() {
            return Err(EBADF);
        }
        // SAFETY: `fget_raw` counts a reference for its caller, which is given back in the end.
        unsafe {
            let path = Self::of_raw_file(file);
            bindings::fput(file);
            Ok(path)
        }
    }

    /// # Safety
    ///
    /// `file` must be valid.
    unsafe fn of_raw_file(file: *mut bindings::file) -> Self {
        // SAFETY: By the caller's promise; the path of a file does not change.
        let path = unsafe { (*file).__bindgen_anon_1.f_path };
        // INVARIANT: The references that are counted here are the value's.
        // SAFETY: A file has references to both.
        unsafe { bindings::path_get(&path) };
        Self(path)
    }

    /// What the file handle `kind` and `handle`, as `name_to_handle_at(2)` gives them, is of, in the
    /// file system that this is in.
    ///
    /// Who may not search all directories gets what it can walk to, and `EPERM` for the rest, be it
    /// there or not. `ESTALE` for a handle of nothing, `EINVAL` for what is none.
    pub(crate) fn of_handle(&self, kind: i32, handle: &[u32]) -> Result<Self> {
        /// What user space may say about a handle besides its kind: that it can be connected, and
        /// that it is of a directory.
        const REMARKS: i32 = 0x3_0000;

        if kind < 0 || kind & !(REMARKS | 0xffff) != 0 || handle.len() > HANDLE_WORDS {
            return Err(EINVAL);
        }
        // Nobody is to learn more than a look-up would tell.
        let sees_all = current::may_search_all();
        let found = self.decode(kind & 0xffff, handle);
        if sees_all {
            return found;
        }
        let found = found.map_err(|_| EPERM)?;
        let mut name = found.name()?;
        name.push(0, GFP_KERNEL_ACCOUNT)?;
        let name = CStr::from_bytes_with_nul(&name).map_err(|_| EPERM)?;
        let walked = Self::look_up(name, LastLink::Keep).map_err(|_| EPERM)?;
        let (one, other) = (&found.0, &walked.0);
        (one.dentry == other.dentry && one.mnt == other.mnt)
            .then_some(walked)
            .ok_or(EPERM)
    }

    fn decode(&self, kind: i32, handle: &[u32]) -> Result<Self> {
        let mut words = [0; HANDLE_WORDS];
        for (place, word) in words.iter_mut().zip(handle) {
            *place = *word;
        }
        let mnt = self.0.mnt;
        // CAST: The length was checked.
        // SAFETY: The mount is valid by the type invariants. The file system reads so many words,
        // and may look at all of the structure, which has fewer than there are.
        let dentry = unsafe {
            shim::exportfs_decode_fh(
                mnt,
                words.as_mut_ptr().cast(),
                handle.len() as c_int,
                kind,
                Some(is_connected),
                ptr::null_mut(),
            )
        };
        let dentry = from_err_ptr(dentry)?;
        // INVARIANT: The function counts a reference on the entry for its caller; that on the mount
        // is counted here.
        // SAFETY: The mount is valid.
        unsafe { bindings::mntget(mnt) };
        Ok(Self(bindings::path { mnt, dentry }))
    }

    /// The current process's working directory.
    pub(crate) fn current_directory() -> Result<Self> {
        // INVARIANT: The function counts both references for its caller.
        // SAFETY: The thread has a working directory, as `filled` says.
        Self::filled(|path| unsafe {
            shim::mach_shim_current_dir(path);
            0
        })
    }

    /// What the absolute path `name` leads to.
    pub(crate) fn look_up(name: &CStr, last: LastLink) -> Result<Self> {
        // INVARIANT: On success the function counts both references for its caller.
        // SAFETY: The name is terminated.
        Self::filled(|path| unsafe { shim::kern_path(name.as_char_ptr(), last.flags(), path) })
    }

    /// What `name` leads to if this is the root directory: absolute names and links start here,
    /// and the parent directory of this one is itself.
    pub(crate) fn look_up_below(&self, name: &CStr, last: LastLink) -> Result<Self> {
        let bindings::path { dentry, mnt, .. } = self.0;
        // INVARIANT: As in `look_up`.
        // SAFETY: Entry and mount are valid by the type invariants, and the name is terminated.
        Self::filled(|path| unsafe {
            shim::vfs_path_lookup(dentry, mnt, name.as_char_ptr(), last.flags(), path)
        })
    }

    /// What the path in user memory at `name` leads to, from directory `fd` or the current one
    /// (`AT_FDCWD`); an empty path leads to what `fd` is. Links at its end are followed.
    pub(crate) fn look_up_user(fd: i32, name: usize) -> Result<Self> {
        let flags = shim::MACH_LOOKUP_FOLLOW | shim::MACH_LOOKUP_EMPTY;
        // INVARIANT: As in `look_up`.
        // SAFETY: Both are checked.
        Self::filled(|path| unsafe {
            shim::user_path_at(fd, core::ptr::without_provenance(name), flags, path)
        })
    }

    /// Has `fill`, which is called with a root and a working directory to start from, fill in a path,
    /// for which it returns 0 or an errno. `ENOENT` late in a thread's exit.
    fn filled(fill: impl FnOnce(*mut bindings::path) -> c_int) -> Result<Self> {
        if !current::has_root() {
            return Err(ENOENT);
        }
        let mut path = bindings::path::default();
        to_result(fill(&mut path))?;
        Ok(Self(path))
    }

    /// Whether this is a directory.
    pub(crate) fn is_directory(&self) -> bool {
        // SAFETY: The entry is valid by the type invariants.
        unsafe { shim::mach_shim_is_dir(self.0.dentry) }
    }

    /// The absolute path: from the root directory of the current process if it can be reached from
    /// there. Things that have no place in any file system have names without a slash in front.
    ///
    /// Fails with `ENAMETOOLONG`, `ENOMEM`, or with what the file system says.
    pub(crate) fn name(&self) -> Result<KVec<u8>> {
        /// Most paths are shorter.
        const USUAL: usize = 256;

        match self.name_in(USUAL) {
            Err(ENAMETOOLONG) => self.name_in(PATH_MAX),
            name => name,
        }
    }

    /// The same, through a buffer of `room` bytes, which is small.
    fn name_in(&self, room: usize) -> Result<KVec<u8>> {
        if !current::has_root() {
            return Err(ENOENT);
        }
        let mut buffer: KVec<u8> = zeroed(room, GFP_KERNEL_ACCOUNT)?;
        // CAST: As the caller promises.
        let len = room as c_int;
        // SAFETY: The path is valid, the buffer has that many bytes, and the thread has a root.
        let name = unsafe { bindings::d_path(&self.0, buffer.as_mut_ptr().cast(), len) };
        let name = from_err_ptr(name)?;
        // SAFETY: On success the name is a terminated string inside of the buffer.
        let len = unsafe { CStr::from_char_ptr(name) }.to_bytes().len();
        let start = name.addr().wrapping_sub(buffer.as_ptr().addr());
        // In bounds, as the name is.
        buffer.copy_within(start..start.saturating_add(len), 0);
        buffer.truncate(len);
        Ok(buffer)
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the references are ours to give back.
        unsafe { bindings::path_put(&self.0) };
    }
}
