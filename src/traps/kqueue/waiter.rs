// SPDX-License-Identifier: GPL-2.0

//! A thread that waits for an event of a kqueue.
//!
//! Every thread has one waiter, made when it first waits. Whoever takes it out of the queue of its
//! kqueue says why and wakes the thread, see [`awaited`](crate::linux::awaited).
//!
//! Locks: none; the queue that it stands in is protected by `Kqueue::ready`.

use crate::linux::{
    awaited::{
        outcomes,
        Awaited, //
    },
    queue::Linked,
    wait::{
        Deadline,
        Woken, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

outcomes! {
    /// Why a thread was woken.
    pub(super) enum Told {
        /// There is an event, or was.
        Event,
        /// A descriptor of the kqueue was closed.
        DescriptorClosed,
        /// The kqueue is closed.
        Closed,
    }
}

/// A thread's place in the queue of a kqueue.
pub(super) struct Waiter(Awaited<Told>);

/// A reference to a waiter.
pub(super) type WaiterRef = Arc<Linked<Waiter>>;

impl Waiter {
    /// Makes the waiter of the current thread. Fails with `ENOMEM`.
    pub(super) fn new() -> Result<WaiterRef> {
        Arc::pin_init(Linked::new(Self(Awaited::new())), GFP_KERNEL_ACCOUNT)
    }

    /// Begins a wait. To be called by the waiter's own thread, before it is queued.
    #[inline]
    pub(super) fn begin(&self) {
        self.0.begin();
    }

    /// Says why the thread is woken, which the caller does next; it has taken the waiter out of
    /// its queue.
    #[inline]
    pub(super) fn tell(&self, told: Told) {
        self.0.set(told);
    }

    /// Wakes the thread after [`tell`](Self::tell).
    #[inline]
    pub(super) fn wake(&self) {
        self.0.wake();
    }

    /// Sleeps until the thread is told something, the deadline passes, or a signal comes. In the
    /// latter two cases the waiter may still be in its queue.
    #[inline]
    pub(super) fn sleep(&self, deadline: Option<Deadline>) -> Woken {
        self.0.sleep(deadline)
    }

    /// What the thread was told, once the waiter is out of its queue.
    #[inline]
    pub(super) fn told(&self) -> Told {
        self.0.outcome()
    }
}
