// SPDX-License-Identifier: GPL-2.0

//! What one thread waits for and another brings about: the outcome of a wait.
//!
//! Serves waiters that stand in a queue which belongs to whoever uses this. Whoever takes a waiter
//! out of its queue says how its wait ended, and nobody else does: so a wait has one outcome, and
//! what was given to a thread is never lost, whatever timeouts and signals do meanwhile. The thread
//! takes its waiter out itself when it gives up; if it is too late for that, it stays for the
//! outcome.
//!
//! Locks: none but those of the scheduler.

use super::{
    peek::Peek,
    thread::{
        self,
        ThreadRef, //
    },
    wait::{
        Deadline,
        Woken, //
    },
};
use core::marker::PhantomData;
use kernel::sync::atomic::Atomic;

/// The word while there is no outcome.
const PENDING: u32 = 0;

/// How a wait can end. Declared with [`outcomes`].
pub(crate) trait Outcome: Copy {
    /// The outcome as a word other than 0.
    fn word(self) -> u32;

    /// The outcome of a word that [`word`](Self::word) has made.
    fn of(word: u32) -> Self;
}

/// Declares an enum of the ways in which waits end, as an [`Outcome`].
macro_rules! outcomes {
    (
        $(#[$about:meta])*
        $visibility:vis enum $name:ident {
            $(#[$about_first:meta])*
            $first:ident,
            $(
                $(#[$about_other:meta])*
                $other:ident,
            )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        $visibility enum $name {
            $(#[$about_first])*
            $first = 1,
            $(
                $(#[$about_other])*
                $other,
            )*
        }

        impl $crate::linux::awaited::Outcome for $name {
            #[inline]
            fn word(self) -> u32 {
                self as u32
            }

            #[inline]
            fn of(word: u32) -> Self {
                $(
                    if word == Self::$other as u32 {
                        return Self::$other;
                    }
                )*
                Self::$first
            }
        }
    };
}
pub(crate) use outcomes;

/// A wait of one thread.
pub(crate) struct Awaited<T> {
    thread: ThreadRef,
    word: Atomic<u32>,
    _outcome: PhantomData<fn() -> T>,
}

impl<T: Outcome> Awaited<T> {
    /// Makes what the current thread waits by.
    pub(crate) fn new() -> Self {
        Self {
            thread: ThreadRef::current(),
            word: Atomic::new(PENDING),
            _outcome: PhantomData,
        }
    }

    /// Begins a wait. To be called by the thread itself, before its waiter is queued.
    #[inline]
    pub(crate) fn begin(&self) {
        self.word.poke(PENDING);
    }

    /// Says how the wait ended. The caller has taken the waiter out of its queue, and wakes the
    /// thread afterwards. What was written before is seen by whoever has read the outcome.
    #[inline]
    pub(crate) fn set(&self, outcome: T) {
        self.word.poke_release(outcome.word());
    }

    /// Wakes the thread, after [`set`](Self::set).
    #[inline]
    pub(crate) fn wake(&self) {
        self.thread.wake();
    }

    /// The same by a thread that is about to sleep itself, see [`ThreadRef::wake_sync`].
    #[inline]
    pub(crate) fn wake_sync(&self) {
        self.thread.wake_sync();
    }

    #[inline]
    fn is_over(&self) -> bool {
        self.word.peek() != PENDING
    }

    /// Sleeps until the wait has an outcome, the deadline passes, or a signal comes. In the latter
    /// two cases the waiter may still be in its queue.
    #[inline]
    pub(crate) fn sleep(&self, deadline: Option<Deadline>) -> Woken {
        thread::sleep(deadline, || self.is_over())
    }

    /// The outcome, once the waiter is out of its queue. Whoever took it out is about to say.
    #[inline]
    pub(crate) fn outcome(&self) -> T {
        if !self.is_over() {
            thread::sleep_until(|| self.is_over());
        }
        T::of(self.word.peek_acquire())
    }
}
