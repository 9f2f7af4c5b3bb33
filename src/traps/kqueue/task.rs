// SPDX-License-Identifier: GPL-2.0

//! The kqueues of a task, and what a thread waits by.
//!
//! A task that never makes a kqueue has no state here. Kqueues go with their task, even if their
//! files are held elsewhere.
//!
//! Locks: `Siblings::kqueues` (mutex), a leaf; `Siblings::nesting` (mutex).

use super::{
    object::{
        Kqueue,
        KqueueRef, //
    },
    signal::Signals,
    waiter::{
        Waiter,
        WaiterRef, //
    },
    TASK,
    THREAD, //
};
use crate::{
    core::{
        Context,
        Task,
        TaskState,
        ThreadState, //
    },
    linux::{
        deferred::Deferred,
        file_watch::FileWatches,
        roster::{
            Member,
            Roster,
            Seat, //
        },
    },
};
use core::any::Any;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// The kqueues of a task, which know each other.
#[pin_data]
pub(super) struct Siblings {
    #[pin]
    kqueues: Mutex<Roster<Deferred<Kqueue>>>,
    /// Held while one gets into another: how often that has been.
    #[pin]
    pub(super) nesting: Mutex<u64>,
}

impl Siblings {
    /// Adds a kqueue. Fails with `ENOMEM`.
    pub(super) fn add(&self, kqueue: &KqueueRef) -> Result {
        Roster::add(&self.kqueues, kqueue.clone()).map(drop)
    }

    /// Takes a kqueue out, if it still is there.
    pub(super) fn remove(&self, kqueue: &KqueueRef) {
        let removed = self.kqueues.lock().remove(kqueue);
        drop(removed);
    }

    /// Whether there is none at this moment.
    pub(super) fn is_empty(&self) -> bool {
        self.kqueues.lock().len() == 0
    }

    /// Calls `visit` for each that is there all the time, with no lock held.
    pub(super) fn for_each(&self, visit: impl FnMut(&Deferred<Kqueue>)) {
        Roster::for_each(&self.kqueues, visit);
    }
}

impl Member for Deferred<Kqueue> {
    fn seat(&self) -> &Seat {
        &self.seat
    }
}

/// A task as the kqueues see it.
pub(super) struct TaskKqueues {
    siblings: Arc<Siblings>,
    /// The knotes that wait for signals.
    signals: Arc<Signals>,
    /// What makes watches of files.
    watches: Arc<FileWatches>,
}

impl TaskKqueues {
    pub(super) fn new(watches: Arc<FileWatches>) -> Result<Arc<Self>> {
        let signals = Arc::pin_init(Signals::new(), GFP_KERNEL_ACCOUNT)?;
        let siblings = Arc::pin_init(
            pin_init!(Siblings {
                kqueues <- new_mutex!(Roster::new(), "Siblings::kqueues"),
                nesting <- new_mutex!(0, "Siblings::nesting"),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        let task = Self {
            siblings,
            signals,
            watches,
        };
        Ok(Arc::new(task, GFP_KERNEL_ACCOUNT)?)
    }

    /// The kqueues of the calling task. Fails with `ENOMEM`.
    pub(super) fn of<'a>(context: &Context<'a>) -> Result<&'a Arc<Siblings>> {
        Ok(&TASK.for_task(context.task())?.siblings)
    }

    /// The signals that the calling task waits for. Fails with `ENOMEM`.
    pub(super) fn signals<'a>(context: &Context<'a>) -> Result<&'a Arc<Signals>> {
        Ok(&TASK.for_task(context.task())?.signals)
    }

    /// A signal was sent to a task.
    pub(super) fn post_signal(task: &Task, signal: u32) {
        if let Some(kqueues) = TASK.of_task(task) {
            kqueues.signals.post(signal);
        }
    }

    /// What makes watches of files. Fails with `ENOMEM`.
    pub(super) fn file_watches<'a>(context: &Context<'a>) -> Result<&'a Arc<FileWatches>> {
        Ok(&TASK.for_task(context.task())?.watches)
    }

    /// The kqueues of a task that has had one.
    #[inline]
    pub(super) fn of_task(task: &Task) -> Option<&Arc<Siblings>> {
        Some(&TASK.of_task(task)?.siblings)
    }
}

impl TaskState for TaskKqueues {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn task_ended(&self) {
        loop {
            let kqueue = self.siblings.kqueues.lock().pop();
            let Some(kqueue) = kqueue else {
                return;
            };
            kqueue.close();
        }
    }
}

/// A thread as the kqueues see it.
pub(super) struct ThreadKqueues {
    waiter: WaiterRef,
}

impl ThreadKqueues {
    pub(super) fn new() -> Result<Arc<Self>> {
        let waiter = Waiter::new()?;
        Ok(Arc::new(Self { waiter }, GFP_KERNEL_ACCOUNT)?)
    }

    /// What the calling thread waits by. Fails with `ENOMEM`.
    pub(super) fn waiter<'a>(context: &Context<'a>) -> Result<&'a WaiterRef> {
        Ok(&THREAD.for_thread(context.thread())?.waiter)
    }
}

impl ThreadState for ThreadKqueues {
    fn as_any(&self) -> &dyn Any {
        self
    }
}
