// SPDX-License-Identifier: GPL-2.0

//! A thread that waits for an event of a kqueue.
//!
//! Every thread has one waiter, made when it first waits. Whoever takes it out of the queue of its
//! kqueue says why and wakes the thread, see [`awaited`](crate::linux::awaited).
//!
//! Locks: none; the queue that it stands in is protected by `Kqueue::ready`.

use super::knote::{
    Knote,
    KnoteTurn, //
};
use crate::linux::{
    awaited::{
        outcomes,
        Awaited, //
    },
    peek::Peek,
    queue::Linked,
    turn::TurnSlot,
    wait::{
        Deadline,
        Woken, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::Atomic,
        Arc, //
    },
};

outcomes! {
    /// Why a thread was woken.
    pub(super) enum Told {
        /// There is an event: that of a knote whose turn it is given, or one that may be fetched.
        Event,
        /// A descriptor of the kqueue was closed.
        DescriptorClosed,
        /// The kqueue is closed.
        Closed,
    }
}

/// A thread's place in the queue of a kqueue.
pub(super) struct Waiter {
    awaited: Awaited<Told>,
    /// The turn of the knote that it is given with [`Told::Event`].
    turn: TurnSlot<Linked<Knote>>,
    /// The status that the knote had.
    status: Atomic<u32>,
}

/// A reference to a waiter.
pub(super) type WaiterRef = Arc<Linked<Waiter>>;

impl Waiter {
    /// Makes the waiter of the current thread. Fails with `ENOMEM`.
    pub(super) fn new() -> Result<WaiterRef> {
        Arc::pin_init(
            Linked::new(Self {
                awaited: Awaited::new(),
                turn: TurnSlot::new(),
                status: Atomic::new(0),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Begins a wait. To be called by the waiter's own thread, before it is queued.
    #[inline]
    pub(super) fn begin(&self) {
        self.awaited.begin();
    }

    /// Says why the thread is woken, which the caller does next; it has taken the waiter out of
    /// its queue.
    #[inline]
    pub(super) fn tell(&self, told: Told) {
        self.awaited.set(told);
    }

    /// Gives it an active knote, whose status was `status`. To be called before
    /// [`tell`](Self::tell), by whoever does that.
    #[inline]
    pub(super) fn give(&self, turn: KnoteTurn, status: u32) {
        self.status.poke(status);
        // Nothing was there: a wait takes out what it was given.
        drop(self.turn.replace(Some(turn)));
    }

    /// The knote that the thread was given, and its status.
    #[inline]
    pub(super) fn take(&self) -> Option<(KnoteTurn, u32)> {
        Some((self.turn.take()?, self.status.peek()))
    }

    /// Wakes the thread after [`tell`](Self::tell).
    #[inline]
    pub(super) fn wake(&self) {
        self.awaited.wake();
    }

    /// Sleeps until the thread is told something, the deadline passes, or a signal comes. In the
    /// latter two cases the waiter may still be in its queue.
    #[inline]
    pub(super) fn sleep(&self, deadline: Option<Deadline>) -> Woken {
        self.awaited.sleep(deadline)
    }

    /// What the thread was told, once the waiter is out of its queue.
    #[inline]
    pub(super) fn told(&self) -> Told {
        self.awaited.outcome()
    }
}
