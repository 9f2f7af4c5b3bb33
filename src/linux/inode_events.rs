// SPDX-License-Identifier: GPL-2.0

//! What happens to an inode: it is written, changed, linked, renamed, and files of it are released.
//!
//! Serves [`super::file_watch`]. The kernel crate does not wrap fsnotify.
//!
//! A mark does not keep its inode: whoever has one has a file of the inode, or must expect that
//! nothing more comes. The kernel keeps a mark that was dropped for some time, until nobody can be
//! looking at it, and with it the watcher; [`InodeEvents`] waits for that, so that no code of the
//! module runs after it is gone.
//!
//! Locks: the mutex of the group, inside, when a mark is made or dropped. Watchers are told by the
//! thread that did it, with the locks that this thread holds of file systems.
//!
//! C header: [`include/linux/fsnotify_backend.h`](srctree/include/linux/fsnotify_backend.h)

use super::bindings as shim;
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::File,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// Kinds of events, as bits.
pub(crate) mod kind {
    use super::shim;

    /// The content was changed, or its size.
    pub(crate) const MODIFY: u32 = shim::FS_MODIFY;
    /// What is known of the inode was changed, the number of its links included.
    pub(crate) const ATTRIB: u32 = shim::FS_ATTRIB;
    /// A file of it that was open was released.
    pub(crate) const CLOSE: u32 = shim::FS_CLOSE_WRITE | shim::FS_CLOSE_NOWRITE;
    /// A name in the directory has appeared.
    pub(crate) const CREATE: u32 = shim::FS_CREATE;
    /// A name in the directory is gone.
    pub(crate) const DELETE: u32 = shim::FS_DELETE;
    /// A name has been moved out of the directory.
    pub(crate) const MOVED_FROM: u32 = shim::FS_MOVED_FROM;
    /// A name has been moved into the directory.
    pub(crate) const MOVED_TO: u32 = shim::FS_MOVED_TO;
    /// The inode itself is gone.
    pub(crate) const DELETE_SELF: u32 = shim::FS_DELETE_SELF;
    /// The inode itself has another name.
    pub(crate) const MOVE_SELF: u32 = shim::FS_MOVE_SELF;
    /// The file system is no longer mounted.
    pub(crate) const UNMOUNT: u32 = shim::FS_UNMOUNT;
    /// What it happened to is a directory.
    pub(crate) const IS_DIR: u32 = shim::FS_ISDIR;
}

/// Who wants to know.
pub(crate) trait InodeWatcher: Send + Sync + 'static {
    /// Something has happened. Called in a thread that may sleep, at any moment until the mark has
    /// been dropped and for a while after that; must not make or drop marks.
    fn notify(&self, event: &InodeEvent);
}

/// What has happened.
pub(crate) struct InodeEvent {
    mask: u32,
    data: *const c_void,
    data_type: c_int,
}

impl InodeEvent {
    /// The bits of [`kind`].
    pub(crate) fn mask(&self) -> u32 {
        self.mask
    }

    /// Whether the file at `file` is being released, which need not exist.
    pub(super) fn is_release_of(&self, file: *mut bindings::file) -> bool {
        // The kernel passes the address of the file's path when the last reference is gone.
        self.mask & kind::CLOSE != 0
            // CAST: Other things have other numbers, small ones.
            && self.data_type == shim::fsnotify_data_type_FSNOTIFY_EVENT_PATH as c_int
            && ptr::addr_eq(self.data, file.wrapping_byte_add(core::mem::offset_of!(
                bindings::file,
                __bindgen_anon_1
            )))
    }

    /// Whether it is about the inode at `inode`, as far as the event tells.
    pub(super) fn is_about(&self, inode: *const bindings::inode) -> bool {
        // CAST: As above.
        self.data_type == shim::fsnotify_data_type_FSNOTIFY_EVENT_INODE as c_int
            && ptr::addr_eq(self.data, inode)
    }
}

/// What events change of an inode.
#[derive(Clone, Copy)]
pub(crate) struct InodeFacts {
    /// Its size in bytes.
    pub(crate) size: i64,
    /// How many names it has.
    pub(crate) links: u32,
}

impl InodeFacts {
    /// Those of the inode of `file`, if files of its kind have names: not pipes and sockets.
    pub(crate) fn of_named(file: &File) -> Option<Self> {
        // SAFETY: The file is valid.
        unsafe {
            shim::mach_shim_file_can_have_name(file.as_ptr()).then(|| Self::of_raw(file.as_ptr()))
        }
    }

    /// # Safety
    ///
    /// `file` must be valid.
    pub(super) unsafe fn of_raw(file: *mut bindings::file) -> Self {
        // SAFETY: By the caller's promise.
        unsafe {
            Self {
                size: shim::mach_shim_file_size(file),
                links: shim::mach_shim_file_links(file),
            }
        }
    }
}

/// Whether releasing `file` is an event.
pub(super) fn tells_release(file: &File) -> bool {
    // SAFETY: The file is valid.
    unsafe { shim::mach_shim_file_notifies(file.as_ptr()) }
}

/// Makes marks.
///
/// # Invariants
///
/// Points to a group with the operations `OPERATIONS`, of which this owns a reference.
pub(crate) struct InodeEvents(NonNull<shim::fsnotify_group>);

// SAFETY: A group belongs to no thread.
unsafe impl Send for InodeEvents {}

// SAFETY: A group has locks of its own.
unsafe impl Sync for InodeEvents {}

impl InodeEvents {
    /// Fails with `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: The operations are there as long as the module, and thus longer than the group:
        // `drop` gives the last reference up, as it waits until all marks are gone.
        let group = from_err_ptr(unsafe {
            shim::fsnotify_alloc_group(&OPERATIONS, shim::FSNOTIFY_GROUP_DUPS as c_int)
        })?;
        // INVARIANT: The reference is ours.
        NonNull::new(group).map(Self).ok_or(ENOMEM)
    }

    /// Tells `watcher` of events of the inode of `file`, as long as that is open: those of the
    /// kinds in `mask`. Fails with `ENOMEM`, or `EINVAL` where the file system does not allow it.
    pub(super) fn mark(
        &self,
        file: &File,
        mask: u32,
        watcher: Arc<dyn InodeWatcher>,
    ) -> Result<InodeMark> {
        // SAFETY: An open file has an inode, which does not change, and keeps it.
        unsafe { self.mark_inode((*file.as_ptr()).f_inode, mask, watcher) }
    }

    /// # Safety
    ///
    /// Somebody must hold a reference to `inode` until this returns.
    pub(super) unsafe fn mark_inode(
        &self,
        inode: *mut bindings::inode,
        mask: u32,
        watcher: Arc<dyn InodeWatcher>,
    ) -> Result<InodeMark> {
        let marked = KBox::new(
            Marked {
                mark: Opaque::uninit(),
                watcher,
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        let marked = KBox::into_raw(marked);
        // SAFETY: The mark is ours and stays where it is until `free_mark`. It is initialised, and
        // then given what is to be set before it is added. On failure its only reference is ours,
        // as after success one is.
        unsafe {
            let mark = Opaque::cast_into(&raw const (*marked).mark);
            shim::fsnotify_init_mark(mark, self.0.as_ptr());
            (*mark).mask = mask;
            (*mark).flags |= shim::FSNOTIFY_MARK_FLAG_NO_IREF;
            let kind = shim::fsnotify_obj_type_FSNOTIFY_OBJ_TYPE_INODE as c_uint;
            to_result(shim::fsnotify_add_mark(mark, inode.cast(), kind, 0))
                .inspect_err(|_| shim::fsnotify_put_mark(mark))?;
            // INVARIANT: As it says.
            Ok(InodeMark {
                mark: NonNull::new_unchecked(mark),
                group: self.0,
            })
        }
    }
}

impl Drop for InodeEvents {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. Every mark has been dropped, as its owner keeps this; so
        // nobody is told of anything any more when the first function returns.
        unsafe {
            shim::fsnotify_wait_marks_destroyed();
            shim::fsnotify_put_group(self.0.as_ptr());
        }
    }
}

/// A mark and its watcher. The kernel has the address of the mark, which comes first.
#[repr(C)]
struct Marked {
    mark: Opaque<shim::fsnotify_mark>,
    watcher: Arc<dyn InodeWatcher>,
}

/// The interest in an inode. Dropping it ends it; may sleep.
///
/// # Invariants
///
/// `mark` is that of a [`Marked`], and was added; one reference is ours. `group` is its group.
pub(super) struct InodeMark {
    mark: NonNull<shim::fsnotify_mark>,
    group: NonNull<shim::fsnotify_group>,
}

// SAFETY: A mark belongs to no thread, and watchers can be sent.
unsafe impl Send for InodeMark {}

// SAFETY: A mark has locks of its own.
unsafe impl Sync for InodeMark {}

impl Drop for InodeMark {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; the mark keeps its group. It may have been destroyed
        // before, with its inode.
        unsafe {
            shim::fsnotify_destroy_mark(self.mark.as_ptr(), self.group.as_ptr());
            shim::fsnotify_put_mark(self.mark.as_ptr());
        }
    }
}

static OPERATIONS: shim::fsnotify_ops = shim::fsnotify_ops {
    handle_event: Some(handle_event),
    free_mark: Some(free_mark),
    ..pin_init::zeroed()
};

/// # Safety
///
/// Called by the kernel for marks of the group, with SRCU keeping them.
unsafe extern "C" fn handle_event(
    _group: *mut shim::fsnotify_group,
    mask: u32,
    data: *const c_void,
    data_type: c_int,
    _dir: *mut bindings::inode,
    _name: *const bindings::qstr,
    _cookie: u32,
    marks: *mut shim::fsnotify_iter_info,
) -> c_int {
    // SAFETY: `marks` is valid for the call.
    let mark = unsafe { shim::mach_shim_fsnotify_inode_mark(marks) };
    if !mark.is_null() {
        // SAFETY: Marks of the group are the first fields of what `mark_inode` made, and exist
        // until `free_mark`, which comes after all those who may see them in an SRCU section.
        let marked = unsafe { &*mark.cast::<Marked>() };
        marked.watcher.notify(&InodeEvent {
            mask,
            data,
            data_type,
        });
    }
    0
}

/// # Safety
///
/// Called by the kernel for a mark of the group that nobody can see any more.
unsafe extern "C" fn free_mark(mark: *mut shim::fsnotify_mark) {
    // SAFETY: The mark is the first field of what `mark_inode` made, which is given back here.
    drop(unsafe { KBox::from_raw(mark.cast::<Marked>()) });
}
