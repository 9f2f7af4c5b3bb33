// SPDX-License-Identifier: GPL-2.0

//! A thread that waits for a semaphore.
//!
//! Every thread has one waiter, made with the thread, so that waiting allocates nothing. Whoever
//! takes a waiter out of a semaphore's queue says how its wait ended, see
//! [`awaited`](crate::linux::awaited): so a signal that has chosen a thread is never lost.
//!
//! Locks: none. The queue is protected by the semaphore's lock.

use crate::{
    core::ThreadState,
    linux::{
        awaited::{
            outcomes,
            Awaited, //
        },
        current,
        queue::Linked,
        wait::{
            Deadline,
            Woken, //
        },
    },
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
};

outcomes! {
    /// How a wait ended.
    pub(super) enum Outcome {
        /// The semaphore was signalled for this thread.
        Signalled,
        /// It was signalled for all threads.
        SignalledAll,
        /// The semaphore has ended.
        Terminated,
    }
}

/// A thread's place in the queue of a semaphore.
pub(super) struct Waiter {
    awaited: Awaited<Outcome>,
    priority: Atomic<i32>,
}

impl Waiter {
    /// Begins a wait. To be called by the waiter's own thread, before it is queued.
    #[inline]
    pub(super) fn begin(&self) {
        self.awaited.begin();
    }

    /// As [`begin`](Self::begin), where priorities matter.
    pub(super) fn begin_with_priority(&self) {
        self.priority.store(current::priority(), Relaxed);
        self.begin();
    }

    /// The priority that the thread had when its wait began; lower numbers come first.
    pub(super) fn priority(&self) -> i32 {
        self.priority.load(Relaxed)
    }

    /// Ends the wait, whose waiter the caller has taken out of its queue.
    #[inline]
    pub(super) fn end(&self, outcome: Outcome) {
        self.awaited.set(outcome);
        self.awaited.wake();
    }

    /// Sleeps until the wait has an outcome, the deadline passes, or a signal comes. In the latter
    /// two cases the waiter may still be in its queue.
    #[inline]
    pub(super) fn sleep(&self, deadline: Option<Deadline>) -> Woken {
        self.awaited.sleep(deadline)
    }

    /// The outcome of the wait, once the waiter is out of its queue.
    #[inline]
    pub(super) fn outcome(&self) -> Outcome {
        self.awaited.outcome()
    }
}

/// What this subsystem keeps for each thread.
pub(super) struct ThreadSemaphores {
    pub(super) waiter: Arc<Linked<Waiter>>,
}

impl ThreadSemaphores {
    /// Makes the state of the current thread. Fails with `ENOMEM`.
    pub(super) fn new() -> Result<Self> {
        let waiter = Linked::new(Waiter {
            awaited: Awaited::new(),
            priority: Atomic::new(0),
        });
        Ok(Self {
            waiter: Arc::pin_init(waiter, GFP_KERNEL_ACCOUNT)?,
        })
    }
}

impl ThreadState for ThreadSemaphores {
    fn as_any(&self) -> &dyn Any {
        self
    }
}
