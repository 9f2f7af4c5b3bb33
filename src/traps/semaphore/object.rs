// SPDX-License-Identifier: GPL-2.0

//! The semaphore: a count of signals that nobody has waited for yet, or a queue of threads that
//! wait for one; never both.
//!
//! Locks: `Semaphore::state`, a leaf. Threads are woken, and references dropped, after it is
//! released.

use super::{
    owner::Owner,
    waiter::{
        Outcome,
        Waiter, //
    },
};
use crate::{
    core::{
        KernError,
        KernResult,
        Live,
        ObjectCounter, //
    },
    linux::{
        current,
        queue::{
            Linked,
            Queue, //
        },
        wait::{
            Deadline,
            Woken, //
        },
    },
    traps::ipc::{
        kind,
        KernelObject, //
    },
};
use core::any::Any;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};

pub(super) static SEMAPHORES: ObjectCounter = ObjectCounter::new("semaphores");

/// The largest count: it is a positive `int`.
pub(super) const COUNT_MAX: u32 = i32::MAX as u32;

/// Which of several waiting threads is signalled first (XNU osfmk/mach/sync_policy.h).
#[derive(Clone, Copy)]
pub(super) struct Policy {
    /// The one with the highest priority, as it was when its wait began.
    by_priority: bool,
    /// Else, or among those of the same priority, the last one to come instead of the first.
    reversed: bool,
}

impl Policy {
    const FIXED_PRIORITY: i32 = 1;
    const REVERSED: i32 = 2;
    /// The largest number that is taken; bits above the two have no meaning here.
    const MAX: i32 = 7;

    /// The policy with a number of the interface.
    pub(super) fn from_number(number: i32) -> Option<Self> {
        (number <= Self::MAX).then_some(Self {
            by_priority: number & Self::FIXED_PRIORITY != 0,
            reversed: number & Self::REVERSED != 0,
        })
    }

    /// Whether `new` is to be signalled before `other`, who came before it.
    fn goes_before(self, new: &Waiter, other: &Waiter) -> bool {
        let (new, other) = (new.priority(), other.priority());
        match self.by_priority {
            true if new != other => new < other,
            _ => self.reversed,
        }
    }
}

/// How long a wait may last.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    /// Not at all.
    Poll,
    /// Until then, or for ever.
    Until(Option<Deadline>),
}

struct State {
    count: u32,
    waiters: Queue<Waiter>,
    /// The task that the semaphore belongs to; `None` once it has ended.
    owner: Option<Arc<Owner>>,
}

/// A semaphore.
#[pin_data]
pub(super) struct Semaphore {
    policy: Policy,
    #[pin]
    state: SpinLock<State>,
    _live: Live,
}

/// What came of the attempt to take a signal.
pub(super) enum Attempt<'a> {
    /// There was one, or never will be.
    Done(KernResult),
    /// There was none, and `waiter` gave none to be queued.
    NoWaiter,
    /// The waiter is in the queue.
    Queued(&'a Arc<Linked<Waiter>>),
}

impl Semaphore {
    /// Makes a semaphore that `owner` does not know of yet. Fails with `ENOMEM`.
    pub(super) fn new(owner: Arc<Owner>, policy: Policy, count: u32) -> Result<Arc<Linked<Self>>> {
        let semaphore = pin_init!(Self {
            policy,
            state <- new_spinlock!(
                State {
                    count,
                    waiters: Queue::new(),
                    owner: Some(owner),
                },
                "Semaphore::state"
            ),
            _live: Live::new(&SEMAPHORES),
        });
        Arc::pin_init(Linked::new(semaphore), GFP_KERNEL_ACCOUNT)
    }

    /// Signals one waiting thread, or the next one to come.
    ///
    /// `KERN_TERMINATED` when the semaphore has ended; `KERN_FAILURE`, and no change, when the
    /// count is at its maximum.
    #[inline]
    pub(super) fn signal(&self) -> KernResult {
        let signalled = self.take_signalled()?;
        if let Some(waiter) = signalled {
            waiter.end(Outcome::Signalled);
        }
        Ok(())
    }

    /// As [`signal`](Self::signal), but that the thread is left to the caller to be told.
    #[inline]
    pub(super) fn take_signalled(&self) -> KernResult<Option<Arc<Linked<Waiter>>>> {
        let mut state = self.state.lock();
        if let Some(waiter) = state.waiters.pop_front() {
            return Ok(Some(waiter));
        }
        if state.owner.is_none() {
            return Err(KernError::TERMINATED);
        }
        if state.count >= COUNT_MAX {
            return Err(KernError::FAILURE);
        }
        state.count = state.count.wrapping_add(1);
        Ok(None)
    }

    /// Signals all waiting threads; if there is none, signals that nobody waited for are forgotten.
    pub(super) fn signal_all(&self) -> KernResult {
        let waiters = {
            let mut state = self.state.lock();
            if state.owner.is_none() {
                return Err(KernError::TERMINATED);
            }
            state.count = 0;
            state.waiters.take()
        };
        end_all(waiters, Outcome::SignalledAll);
        Ok(())
    }

    /// Takes a signal if there is one, else queues the waiter that `waiter` gives, the current
    /// thread's, or fails with `KERN_OPERATION_TIMED_OUT` if there is to be no wait.
    #[inline]
    pub(super) fn try_wait<'a>(
        &self,
        waiter: impl FnOnce() -> Option<&'a Arc<Linked<Waiter>>>,
        patience: Patience,
    ) -> Attempt<'a> {
        let mut state = self.state.lock();
        if state.owner.is_none() {
            return Attempt::Done(Err(KernError::TERMINATED));
        }
        if state.count > 0 {
            state.count = state.count.wrapping_sub(1);
            return Attempt::Done(Ok(()));
        }
        if let Patience::Poll = patience {
            return Attempt::Done(Err(KernError::OPERATION_TIMED_OUT));
        }
        let Some(waiter) = waiter() else {
            return Attempt::NoWaiter;
        };
        let queued = if self.policy.by_priority || self.policy.reversed {
            waiter.begin_with_priority();
            let stays_ahead = |other: &Waiter| !self.policy.goes_before(waiter, other);
            state.waiters.insert_behind(waiter.clone(), stays_ahead)
        } else {
            waiter.begin();
            state.waiters.push_back(waiter.clone())
        };
        match queued {
            Ok(()) => Attempt::Queued(waiter),
            // A thread waits in one place at a time, so this is not reached; nor would it hang.
            Err(_) => Attempt::Done(Err(KernError::FAILURE)),
        }
    }

    /// Waits for the outcome of a wait whose `waiter` was queued.
    ///
    /// `KERN_ABORTED` when a signal of Linux came first, `KERN_OPERATION_TIMED_OUT` when the
    /// deadline did; in both cases nothing was taken from the semaphore.
    #[inline]
    pub(super) fn finish_wait(&self, waiter: &Linked<Waiter>, patience: Patience) -> KernResult {
        let deadline = match patience {
            Patience::Poll => None,
            Patience::Until(deadline) => deadline,
        };
        let error = match waiter.sleep(deadline) {
            Woken::Ready => return self.result(waiter),
            Woken::TimedOut => KernError::OPERATION_TIMED_OUT,
            Woken::Interrupted => KernError::ABORTED,
        };
        self.give_up(waiter, error)
    }

    /// Ends the wait of a queued `waiter` with `error`, unless it has an outcome.
    pub(super) fn give_up(&self, waiter: &Linked<Waiter>, error: KernError) -> KernResult {
        let removed = self.state.lock().waiters.remove(waiter);
        match removed {
            Some(_) => Err(error),
            None => self.result(waiter),
        }
    }

    /// The result of a wait whose `waiter` is out of the queue.
    ///
    /// A signal for a thread that has been killed is for another one. Who kills a thread and then
    /// signals need not wait until it is dead.
    fn result(&self, waiter: &Linked<Waiter>) -> KernResult {
        match waiter.outcome() {
            Outcome::Signalled if current::is_killed() => self.signal(),
            Outcome::Signalled | Outcome::SignalledAll => Ok(()),
            Outcome::Terminated => Err(KernError::TERMINATED),
        }
    }

    /// Whether the semaphore has not ended and belongs to `owner`.
    pub(super) fn is_owned_by(&self, owner: &Arc<Owner>) -> bool {
        matches!(&self.state.lock().owner, Some(own) if Arc::ptr_eq(own, owner))
    }

    /// Ends the semaphore: all who wait are told. Returns the former owner, once.
    pub(super) fn end(&self) -> Option<Arc<Owner>> {
        let (owner, waiters) = {
            let mut state = self.state.lock();
            (state.owner.take(), state.waiters.take())
        };
        end_all(waiters, Outcome::Terminated);
        owner
    }

    /// Ends the semaphore and has its owner forget it. `KERN_INVALID_ARGUMENT` when it has ended
    /// or belongs to another than `owner`.
    pub(super) fn destroy(this: &Arc<Linked<Self>>, owner: &Arc<Owner>) -> KernResult {
        if !this.is_owned_by(owner) {
            return Err(KernError::INVALID_ARGUMENT);
        }
        // The owner does not change, so the one that is told is the one that was asked for.
        match this.end() {
            Some(owner) => {
                owner.forget(this);
                Ok(())
            }
            None => Err(KernError::INVALID_ARGUMENT),
        }
    }
}

fn end_all(mut waiters: Queue<Waiter>, outcome: Outcome) {
    while let Some(waiter) = waiters.pop_front() {
        waiter.end(outcome);
    }
}

/// What the port of a semaphore stands for.
///
/// It is let go when there is no right to the semaphore any more and nobody waits for it: a thread
/// that waits keeps it. The semaphore goes with it.
pub(super) struct SemaphorePort(Arc<Linked<Semaphore>>);

impl SemaphorePort {
    /// Makes the object for the port of `semaphore`.
    pub(super) fn new(semaphore: Arc<Linked<Semaphore>>) -> Self {
        Self(semaphore)
    }

    /// The semaphore.
    #[inline]
    pub(super) fn get(&self) -> &Semaphore {
        &self.0
    }

    /// The semaphore that `object` stands for.
    #[inline]
    pub(super) fn semaphore(object: &dyn KernelObject) -> Option<&Arc<Linked<Semaphore>>> {
        object
            .as_any()
            .downcast_ref()
            .map(|Self(semaphore)| semaphore)
    }
}

impl KernelObject for SemaphorePort {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::SEMAPHORE
    }
}

impl Drop for SemaphorePort {
    fn drop(&mut self) {
        if let Some(owner) = self.0.end() {
            owner.forget(&self.0);
        }
    }
}
