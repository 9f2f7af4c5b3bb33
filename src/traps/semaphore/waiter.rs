// SPDX-License-Identifier: GPL-2.0

//! A thread that waits for a semaphore.
//!
//! Every thread has one waiter, made with the thread, so that waiting allocates nothing. Whoever
//! takes a waiter out of a semaphore's queue says how its wait ended, and nobody else does: a wait
//! has one outcome, and a signal that has chosen a thread is never lost, whatever timeouts and
//! signals of Linux do meanwhile. The thread itself takes its waiter out when it gives up; if it
//! is too late for that, it stays for the outcome.
//!
//! Locks: none. The queue is protected by the semaphore's lock.

use crate::{
    core::{
        KernError,
        KernResult,
        ThreadState, //
    },
    linux::{
        process,
        queue::Linked,
        thread::{
            self,
            ThreadRef, //
        },
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
            ordering::{Acquire, Relaxed, Release},
            Atomic, //
        },
        Arc, //
    },
};

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Outcome {
    /// The semaphore was signalled for this thread.
    Signalled = 1,
    /// The semaphore has ended.
    Terminated = 2,
}

/// The outcome while there is none.
const PENDING: u32 = 0;

/// A thread's place in the queue of a semaphore.
pub(super) struct Waiter {
    thread: ThreadRef,
    outcome: Atomic<u32>,
    priority: Atomic<i32>,
}

impl Waiter {
    /// Begins a wait. To be called by the waiter's own thread, before it is queued.
    #[inline]
    pub(super) fn begin(&self) {
        self.outcome.store(PENDING, Relaxed);
    }

    /// As [`begin`](Self::begin), where priorities matter.
    pub(super) fn begin_with_priority(&self) {
        self.priority.store(process::current_priority(), Relaxed);
        self.begin();
    }

    /// The priority that the thread had when its wait began; lower numbers come first.
    pub(super) fn priority(&self) -> i32 {
        self.priority.load(Relaxed)
    }

    /// Ends the wait, whose waiter the caller has taken out of its queue.
    #[inline]
    pub(super) fn end(&self, outcome: Outcome) {
        self.outcome.store(outcome as u32, Release);
        self.thread.wake();
    }

    fn has_outcome(&self) -> bool {
        self.outcome.load(Relaxed) != PENDING
    }

    /// Sleeps until the wait has an outcome, the deadline passes, or a signal comes. In the latter
    /// two cases the waiter may still be in its queue.
    #[inline]
    pub(super) fn sleep(&self, deadline: Option<Deadline>) -> Woken {
        thread::sleep(deadline, || self.has_outcome())
    }

    /// The result of the wait, once the waiter is out of its queue.
    #[inline]
    pub(super) fn result(&self) -> KernResult {
        if !self.has_outcome() {
            // Whoever took the waiter out is about to say.
            thread::sleep_until(|| self.has_outcome());
        }
        if self.outcome.load(Acquire) == Outcome::Signalled as u32 {
            Ok(())
        } else {
            Err(KernError::TERMINATED)
        }
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
            thread: ThreadRef::current(),
            outcome: Atomic::new(PENDING),
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
