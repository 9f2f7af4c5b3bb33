// SPDX-License-Identifier: GPL-2.0

//! Which knotes of a kqueue are active, and who waits for one.
//!
//! A knote that becomes active is given to a thread that waits, with its turn. If none does it gets
//! into a queue, from which threads fetch. One that becomes active while somebody has its turn is
//! queued when that is given back. Nobody sleeps while there is a knote in the queue, and for each
//! that gets there one thread is woken.
//!
//! Source of the behaviour: XNU bsd/kern/kern_event.c, `knote_activate` and `knote_enqueue`.
//!
//! Locks: all of it is protected by `Kqueue::ready`; threads are woken without.

use super::{
    knote::{
        status,
        Knote,
        KnoteRef, //
    },
    object::{
        Kqueue,
        KqueueRef, //
    },
    waiter::{
        Told,
        Waiter,
        WaiterRef, //
    },
};
use crate::linux::{
    peek::Peek,
    queue::{
        Linked,
        Queue, //
    },
};
use kernel::sync::{
    atomic::ordering::{
        Full,
        Relaxed, //
    },
    barrier, //
};

/// What is to be reported, and to whom.
pub(super) struct Ready {
    /// The active knotes.
    pub(super) queue: Queue<Knote>,
    pub(super) waiters: Queue<Waiter>,
    /// Whether somebody has polled the kqueue since its pollers were woken last.
    pub(super) is_polled: bool,
    /// The number of the last scan.
    pub(super) round: u64,
    pub(super) is_closed: bool,
}

/// Whom to wake once `Kqueue::ready` is released.
#[must_use]
pub(super) struct Wakes {
    pub(super) waiter: Option<WaiterRef>,
    pollers: bool,
}

impl Wakes {
    pub(super) const NOBODY: Self = Self {
        waiter: None,
        pollers: false,
    };

    /// Wakes them. `kqueue` is the one whose they are. May be called in any context.
    #[inline]
    pub(super) fn wake(self, kqueue: &KqueueRef) {
        if let Some(waiter) = self.waiter {
            waiter.wake();
        }
        if self.pollers {
            // Not here: this may be running under the lock of a queue of what is polled, as a
            // kqueue may itself be what another one, or an epoll, waits for.
            kqueue.run_soon();
        }
    }
}

impl Ready {
    pub(super) fn new() -> Self {
        Self {
            queue: Queue::new(),
            waiters: Queue::new(),
            is_polled: false,
            round: 0,
            is_closed: false,
        }
    }

    /// Takes out who waits longest and tells him why; the caller wakes him.
    pub(super) fn next_waiter(&mut self, told: Told) -> Option<WaiterRef> {
        let waiter = self.waiters.pop_front()?;
        waiter.tell(told);
        Some(waiter)
    }

    /// Gives a knote that is due to who waits longest, or puts it into the queue.
    #[inline]
    pub(super) fn enqueue(&mut self, knote: &KnoteRef) -> Wakes {
        if self.queue.contains(knote) {
            return Wakes::NOBODY;
        }
        if !self.waiters.is_empty() {
            // Somebody may have the turn by now, who queues the knote when he gives it back.
            let Ok(turn) = Knote::try_take(knote.clone()) else {
                return Wakes::NOBODY;
            };
            let status = knote.status();
            knote.set_status(status & !status::ACTIVE);
            return Wakes {
                waiter: self.waiters.pop_front().inspect(|waiter| {
                    waiter.give(turn, status);
                    waiter.tell(Told::Event);
                }),
                pollers: false,
            };
        }
        // It is in no queue, so this does not fail.
        let _ = self.queue.push_back(knote.clone());
        knote.kqueue.count_queued(1);
        Wakes {
            waiter: None,
            pollers: core::mem::take(&mut self.is_polled),
        }
    }

    /// Takes a knote out of the queue. The reference is not the last one: whoever calls this has
    /// another.
    #[inline]
    pub(super) fn dequeue(&mut self, knote: &KnoteRef) {
        if self.queue.remove(knote).is_some() {
            knote.kqueue.count_queued(usize::MAX);
        }
    }
}

impl Kqueue {
    /// There are so many more in the queue. `ready` is held.
    #[inline]
    pub(super) fn count_queued(&self, more: usize) {
        self.queued
            .store(self.queued.peek().wrapping_add(more), Relaxed);
    }

    /// Whether nobody has the turn of a knote whose status was changed just now. Somebody who has it
    /// sees the change when he gives the turn back.
    #[inline]
    pub(super) fn is_free(knote: &Knote) -> bool {
        // Pairs with the barrier of `give_back`: he sees the status, or we that he has done it.
        barrier::smp_mb(Full);
        !knote.turn_is_taken()
    }

    /// A knote has become active, with these bits more in its status. May be called in any
    /// context.
    #[inline]
    pub(super) fn activate(knote: &KnoteRef, bits: u32) {
        let kqueue = &knote.kqueue;
        let wakes = {
            let mut ready = kqueue.ready.lock();
            knote.set_status(knote.status() | status::ACTIVE | bits);
            match knote.is_due() && Self::is_free(knote) {
                true => ready.enqueue(knote),
                false => Wakes::NOBODY,
            }
        };
        wakes.wake(kqueue);
    }

    /// Takes `waiter` out of the queue of those who wait; false if it has been taken out.
    pub(super) fn stop_waiting(&self, waiter: &Linked<Waiter>) -> bool {
        self.ready.lock().waiters.remove(waiter).is_some()
    }

    /// Has all threads that wait look whether their descriptor is still there.
    pub(super) fn descriptor_closed(&self) {
        self.tell_all(Told::DescriptorClosed);
    }

    /// Wakes all threads that wait.
    pub(super) fn tell_all(&self, told: Told) {
        let mut waiters = self.ready.lock().waiters.take();
        // Those who give up meanwhile find themselves taken out.
        while let Some(waiter) = waiters.pop_front() {
            waiter.tell(told);
            waiter.wake();
        }
    }
}
