// SPDX-License-Identifier: GPL-2.0

//! What is noted of a task, by itself or by others, and means nothing to the core: which identity it
//! claims, who traces it, which root directory it pretends to have, where its dynamic linker keeps
//! its list of images.
//!
//! Locks: `Task::tracer`, `Task::vchroot` and `Task::dyld_info` (spinlocks), leaves.

use super::{
    Task,
    Vchroot, //
};
use crate::linux::{
    peek::Peek,
    process::ProcessId, //
};
use kernel::sync::{
    atomic::ordering::Relaxed,
    Arc, //
};

/// The identity that a task claims, apart from its Linux credentials.
#[derive(Clone, Copy)]
pub(crate) struct ClaimedIds {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Where a dynamic linker keeps its list of images, for debuggers (`TASK_DYLD_INFO`); all zero
/// when that is not known.
#[derive(Clone, Copy, Default)]
pub(crate) struct DyldInfo {
    /// Address of the list.
    pub(crate) address: u64,
    /// Bytes of it.
    pub(crate) size: u64,
}

impl Task {
    /// Where the task's dynamic linker keeps its list of images.
    pub(crate) fn dyld_info(&self) -> DyldInfo {
        *self.dyld_info.lock()
    }

    /// Notes where the task's dynamic linker keeps its list of images.
    pub(crate) fn set_dyld_info(&self, info: DyldInfo) {
        *self.dyld_info.lock() = info;
    }

    /// The identity that the task claims.
    #[inline]
    pub(crate) fn claimed_ids(&self) -> ClaimedIds {
        ClaimedIds {
            uid: self.uid.peek(),
            gid: self.gid.peek(),
        }
    }

    /// Changes the identity that the task claims; `u32::MAX` leaves a part as it is.
    pub(crate) fn claim_ids(&self, ids: ClaimedIds) {
        if ids.uid != u32::MAX {
            self.uid.store(ids.uid, Relaxed);
        }
        if ids.gid != u32::MAX {
            self.gid.store(ids.gid, Relaxed);
        }
    }

    /// Sets the process that traces this one, or none. False if another one does already.
    pub(crate) fn set_tracer(&self, tracer: Option<ProcessId>) -> bool {
        let mut place = self.tracer.lock();
        if tracer.is_some() && place.is_some() {
            return false;
        }
        let previous = core::mem::replace(&mut *place, tracer);
        drop(place);
        drop(previous);
        true
    }

    /// The process that traces this one, as Mach debuggers do.
    pub(crate) fn tracer(&self) -> Option<ProcessId> {
        self.tracer.lock().clone()
    }

    /// Sets the root directory that the task pretends to have.
    pub(crate) fn set_vchroot(&self, root: Arc<Vchroot>) {
        let previous = self.vchroot.lock().replace(root);
        // Without the lock: it may be the last reference.
        drop(previous);
    }

    /// The root directory that the task pretends to have.
    pub(crate) fn vchroot(&self) -> Option<Arc<Vchroot>> {
        self.vchroot.lock().clone()
    }
}
