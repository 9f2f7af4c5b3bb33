// SPDX-License-Identifier: GPL-2.0

//! Watching the directory that a directory is in: its removal is an event of that one only.
//!
//! Serves kqueues, beside [`super::file_watch`].
//!
//! Locks: `ParentInner::watcher` (spinlock), then those of the watcher.
//!
//! C header: [`include/linux/fsnotify_backend.h`](srctree/include/linux/fsnotify_backend.h)

use super::{
    bindings as shim,
    file_watch::FileWatches,
    inode_events::{
        kind,
        InodeEvent,
        InodeMark,
        InodeWatcher, //
    },
};
use core::ptr;
use kernel::{
    bindings,
    fs::File,
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};

/// Who wants to know that a directory was removed.
pub(crate) trait ParentWatcher: Send + Sync + 'static {
    /// It was. Called with a spinlock held, interrupts on: must not sleep.
    fn removed(&self);
}

/// A watch of the directory that a directory is in. Dropping it ends it; may sleep.
pub(crate) struct ParentWatch<W: ParentWatcher> {
    inner: Arc<ParentInner<W>>,
    _mark: InodeMark,
}

/// What it shares with who tells it.
#[pin_data]
struct ParentInner<W> {
    /// The inode that may be removed; only its address matters.
    inode: usize,
    #[pin]
    watcher: SpinLock<Option<Arc<W>>>,
}

impl<W: ParentWatcher> InodeWatcher for ParentInner<W> {
    fn notify(&self, event: &InodeEvent) {
        if event.is_about(ptr::without_provenance(self.inode)) {
            if let Some(watcher) = &*self.watcher.lock() {
                watcher.removed();
            }
        }
    }
}

impl<W: ParentWatcher> ParentWatch<W> {
    /// Watches the directory in which that of `file` is now; `None` if it is none, or that cannot be
    /// watched. To be dropped before `file` is. Fails with `ENOMEM`.
    pub(crate) fn new(
        watches: &Arc<FileWatches>,
        file: &File,
        watcher: &Arc<W>,
    ) -> Result<Option<Self>> {
        let raw = file.as_ptr();
        // SAFETY: An open file has a path and an inode, which it keeps.
        let (dentry, inode) =
            unsafe { ((*raw).__bindgen_anon_1.f_path.dentry, (*raw).f_inode.addr()) };
        // SAFETY: As above.
        if !unsafe { shim::mach_shim_is_dir(dentry) } {
            return Ok(None);
        }
        let told = Some(watcher.clone());
        let inner = Arc::pin_init(
            pin_init!(ParentInner {
                inode,
                watcher <- new_spinlock!(told, "ParentWatch::watcher"),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        // SAFETY: The reference to the parent is ours and keeps its inode while the mark is made.
        let mark = unsafe {
            let parent = bindings::dget_parent(dentry);
            let parent_inode = (*parent).d_inode;
            let mark = watches
                .inode_events()
                .mark_inode(parent_inode, kind::DELETE, inner.clone());
            bindings::dput(parent);
            mark
        };
        match mark {
            Ok(mark) => Ok(Some(Self { inner, _mark: mark })),
            Err(error) if error == EINVAL => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl<W: ParentWatcher> Drop for ParentWatch<W> {
    fn drop(&mut self) {
        let watcher = self.inner.watcher.lock().take();
        drop(watcher);
    }
}
