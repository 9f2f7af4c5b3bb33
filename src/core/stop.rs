// SPDX-License-Identifier: GPL-2.0

//! Task work that has a thread park, or leave a wait in the kernel.
//!
//! Serves `suspension`.
//!
//! Locks: none.

use super::{
    mach,
    KernResult,
    Live,
    ObjectCounter,
    Thread, //
};
use crate::linux::{
    current,
    deferred::{
        Deferred,
        Job, //
    },
    process::ProcessId,
    task_work::{
        interrupt,
        run_in,
        TaskWork,
        TaskWorkItem, //
    },
    thread::ThreadRef,
};
use kernel::{
    alloc::Flags,
    prelude::*,
    sync::Arc, //
};

pub(super) static STOPS: ObjectCounter = ObjectCounter::new("stops");

/// Has a thread park on its way to user space.
pub(super) struct Stop {
    work: TaskWork,
    thread: ThreadRef,
    _live: Live,
}

impl Stop {
    /// Makes what is queued for `thread`. Fails with `ENOMEM`.
    pub(super) fn new(thread: ThreadRef, flags: Flags) -> Result<Arc<Self>> {
        let stop = Self {
            work: TaskWork::new(),
            thread,
            _live: Live::new(&STOPS),
        };
        Ok(Arc::new(stop, flags)?)
    }

    /// Whether it is for `thread`.
    pub(super) fn is_for(&self, thread: &ThreadRef) -> bool {
        self.thread.is(thread)
    }

    /// Whether it is queued.
    pub(super) fn is_queued(&self) -> bool {
        self.work.is_queued()
    }

    /// Queues it, unless it is queued, or the thread is exiting. Does not sleep.
    pub(super) fn queue(self: &Arc<Self>) {
        let _ = run_in(&self.thread, self.clone());
    }

    /// Queues it when the current work of the thread is over: before, it would be run again at
    /// once. Fails without memory.
    pub(super) fn queue_again_soon(self: &Arc<Self>) -> Result {
        Deferred::new(QueueAgain(self.clone()), GFP_KERNEL_ACCOUNT)?.run_soon();
        Ok(())
    }
}

impl TaskWorkItem for Stop {
    fn task_work(&self) -> &TaskWork {
        &self.work
    }

    fn run(self: Arc<Self>) {
        if current::is_exiting() {
            return;
        }
        // A process that has loaded another image has a task that nobody has suspended.
        let task = mach().and_then(|mach| mach.task_of(&ProcessId::current()));
        if let Some(task) = task {
            task.park(&self);
        }
    }
}

struct QueueAgain(Arc<Stop>);

impl Job for QueueAgain {
    fn run(&self) {
        self.0.queue();
    }
}

impl Thread {
    /// Ends a wait of the thread in the kernel, if signals can end it. Fails without memory.
    pub(crate) fn abort(&self) -> KernResult {
        let nudge = Nudge {
            work: TaskWork::new(),
            _live: Live::new(&STOPS),
        };
        let nudge = Arc::new(nudge, GFP_KERNEL_ACCOUNT)?;
        // One that is exiting waits for nothing that could be ended.
        let _ = interrupt(self.linux(), nudge);
        Ok(())
    }
}

/// Nothing to do: what matters is that the thread is interrupted for it.
struct Nudge {
    work: TaskWork,
    _live: Live,
}

impl TaskWorkItem for Nudge {
    fn task_work(&self) -> &TaskWork {
        &self.work
    }

    fn run(self: Arc<Self>) {}
}
