// SPDX-License-Identifier: GPL-2.0

//! What the port of a thread stands for: control over it (XNU osfmk/kern/ipc_tt.c).
//!
//! Locks: none.

use super::{
    kobject::{
        kind,
        KernelObject, //
    },
    right::SendRight,
    THREAD, //
};
use crate::{
    core::{
        Context,
        KernError,
        KernResult,
        Mach,
        Task,
        Thread, //
    },
    linux::{
        access,
        process::ProcessId, //
    },
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What a thread port stands for: control over a thread.
pub(crate) struct ThreadPort {
    process: ProcessId,
    tid: u32,
}

impl KernelObject for ThreadPort {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::THREAD
    }
}

impl ThreadPort {
    /// Makes the object for a thread of `process`.
    pub(super) fn new(process: ProcessId, tid: u32) -> Self {
        Self { process, tid }
    }

    /// The process that the thread is or was in.
    pub(crate) fn process(&self) -> &ProcessId {
        &self.process
    }

    /// The thread, while it lives. `KERN_TERMINATED` when it has ended.
    pub(crate) fn thread(&self, mach: &Mach) -> KernResult<Arc<Thread>> {
        mach.task_of(&self.process)
            .and_then(|task| task.thread(self.tid))
            .filter(|thread| {
                // Another one may have got the number since.
                let ipc = THREAD.of_thread(thread);
                ipc.is_some_and(|ipc| ipc.port.stands_for(self))
            })
            .ok_or(KernError::TERMINATED)
    }

    /// The thread and its task, if `caller` may control it. Errors as
    /// [`check_control`](Self::check_control) and [`thread`](Self::thread).
    pub(crate) fn controlled(&self, caller: &Context<'_>) -> KernResult<(Arc<Task>, Arc<Thread>)> {
        self.check_control()?;
        let task = caller
            .mach()
            .task_of(&self.process)
            .ok_or(KernError::TERMINATED)?;
        Ok((task, self.thread(caller.mach())?))
    }

    /// Whether `caller` may control the thread: it is of the same process, or of one that the
    /// caller might trace. `KERN_NO_ACCESS` if not, `KERN_TERMINATED` when the process is gone.
    pub(crate) fn check_control(&self) -> KernResult {
        if self.process.is_current() {
            return Ok(());
        }
        access::controlled_mm(&self.process)
            .map(drop)
            .map_err(|error| match error {
                EPERM => KernError::NO_ACCESS,
                EINTR => KernError::ABORTED,
                _ => KernError::TERMINATED,
            })
    }

    /// The thread's number in the first pid namespace.
    pub(crate) fn tid(&self) -> u32 {
        self.tid
    }
}

/// The port by which `thread` is controlled.
pub(crate) fn thread_right(thread: &Thread) -> Option<SendRight> {
    THREAD.of_thread(thread)?.send_right()
}
