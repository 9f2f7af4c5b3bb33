// SPDX-License-Identifier: GPL-2.0

//! Look-up of tasks by process, and the children that have not made their first trap.
//!
//! Not on the path of a trap: a descriptor leads to its task directly.
//!
//! Locks: those of the two tables (`ProcessTable::buckets`), then `EarlyChild::child` (spinlock), a
//! leaf. They are taken in probes of process events, so nothing that could sleep is dropped under
//! them.

use super::{
    object::Live,
    process_table::{
        OfProcess,
        ProcessTable, //
    },
    ObjectCounter,
    Task, //
};
use crate::linux::{
    current,
    process::ProcessId,
    task_work::{
        TaskWork,
        TaskWorkItem, //
    },
};
use kernel::{
    alloc::Flags,
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            ordering::{Acquire, Release},
            Atomic, //
        },
        Arc,
        SpinLock, //
    },
};

pub(super) static UNBORN: ObjectCounter = ObjectCounter::new("unborn_tasks");

/// A forked child without a task of its own yet, from the fork until it makes its first trap,
/// loads another image, or exits.
#[pin_data]
pub(crate) struct Unborn {
    child: ProcessId,
    /// The task that the child inherits from, as it was at the fork.
    parent: Arc<Task>,
    /// Whether it has stopped being unborn.
    settled: Atomic<bool>,
    work: TaskWork,
    _live: Live,
}

impl Unborn {
    /// Makes the record of `child`, forked by a process that inherits or is `parent`.
    pub(super) fn new(child: ProcessId, parent: Arc<Task>, flags: Flags) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                child,
                parent,
                settled: Atomic::new(false),
                work: TaskWork::new(),
                _live: Live::new(&UNBORN),
            }),
            flags,
        )
    }

    /// The task to inherit from.
    pub(super) fn parent(&self) -> &Arc<Task> {
        &self.parent
    }

    /// Whether the child has made its first trap, loaded another image, or exited.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Acquire)
    }

    /// Notes that the child has done so. The caller wakes those who wait. Does not sleep.
    pub(super) fn settle(&self) {
        self.settled.store(true, Release);
    }
}

/// Only lets go of the parent's task, which a probe cannot do.
impl TaskWorkItem for Unborn {
    fn task_work(&self) -> &TaskWork {
        &self.work
    }

    fn run(self: Arc<Self>) {}
}

/// The child that a thread forked last before it made a trap itself, so before there was a
/// [`Thread`](super::Thread) to remember it: it can be waited for by the thread's first trap.
///
/// There is one for a task. Of several threads that fork without having trapped, the last one
/// finds its child.
#[pin_data]
pub(super) struct EarlyChild {
    /// And the number of the thread.
    #[pin]
    child: SpinLock<Option<(u32, Arc<Unborn>)>>,
}

impl EarlyChild {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            child <- new_spinlock!(None, "EarlyChild::child"),
        })
    }

    /// Remembers what the current thread, of this task, has forked. Does not sleep: the task stays
    /// whatever refers to it, so letting go of another of its children does not end it.
    pub(super) fn set(&self, child: Arc<Unborn>) {
        let previous = self.child.lock().replace((current::tid(), child));
        drop(previous);
    }

    /// What the current thread has forked, once.
    pub(super) fn take(&self) -> Option<Arc<Unborn>> {
        let mut child = self.child.lock();
        let (_, child) = child.take_if(|(tid, _)| *tid == current::tid())?;
        Some(child)
    }

    /// Forgets what it is, whoever forked it.
    pub(super) fn clear(&self) {
        let previous = self.child.lock().take();
        drop(previous);
    }
}

impl OfProcess for Unborn {
    fn process(&self) -> &ProcessId {
        &self.child
    }
}

impl OfProcess for Task {
    fn process(&self) -> &ProcessId {
        Task::process(self)
    }
}

/// The living tasks and the unborn ones.
#[pin_data]
pub(super) struct Tasks {
    #[pin]
    living: ProcessTable<Task>,
    #[pin]
    unborn: ProcessTable<Unborn>,
}

impl Tasks {
    /// Makes an empty registry. Fails with `ENOMEM`.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            living <- ProcessTable::new(),
            unborn <- ProcessTable::new(),
        }? Error)
    }

    /// The living task of `process`. Does not sleep.
    pub(super) fn of(&self, process: &ProcessId) -> Option<Arc<Task>> {
        self.living.get(process)
    }

    /// Registers `task`, in place of the one that its process had, which is returned. May sleep.
    pub(super) fn insert(&self, task: Arc<Task>) -> Result<Option<Arc<Task>>> {
        Ok(self.living.insert(task, GFP_KERNEL)?)
    }

    /// Calls `look` with the living task of `process`, with a lock held. Does not sleep.
    pub(super) fn look_at<R>(
        &self,
        process: &ProcessId,
        look: impl FnOnce(&Task) -> R,
    ) -> Option<R> {
        self.living.look_at(process, look)
    }

    /// Removes the living task of `process`. Does not sleep.
    pub(super) fn remove_of(&self, process: &ProcessId) -> Option<Arc<Task>> {
        self.living.remove(process)
    }

    /// The record of the unborn `process`. Does not sleep.
    pub(super) fn unborn(&self, process: &ProcessId) -> Option<Arc<Unborn>> {
        self.unborn.get(process)
    }

    /// Records an unborn child. Does not sleep; fails with `ENOMEM`.
    pub(super) fn insert_unborn(&self, record: Arc<Unborn>) -> Result {
        let previous = self.unborn.insert(record, GFP_ATOMIC)?;
        // A process leaves the table when it exits, before its number can be used again.
        debug_assert!(previous.is_none());
        Ok(())
    }

    /// Removes the record of the unborn `process`. Does not sleep.
    pub(super) fn remove_unborn(&self, process: &ProcessId) -> Option<Arc<Unborn>> {
        self.unborn.remove(process)
    }
}
