// SPDX-License-Identifier: GPL-2.0

//! A thread that waits at an object, or what is kept there for those who have not come yet.
//!
//! Every thread has one [`Waiter`], made with the thread, so that waiting allocates nothing. It
//! stands in a [`WaitList`](super::wait_list::WaitList) as long as nobody has let it go on.
//!
//! The state decides who ends a wait of a mutex or a read-write lock. Either a waker grants the
//! lock, or the waiter gives up because of a signal, and whoever is second learns it: the waiter
//! then has the lock, or the waker has nobody to give it to and records that, or takes the next
//! one. At a condition variable, where it makes no difference to whom a wake-up goes, the wait is
//! over when the waiter is taken out of the list.
//!
//! Locks: that of the object's table protects all of a waiter but its state. Threads are woken
//! after it is released, see [`Wakes`].

use super::word;
use crate::linux::{
    queue::Linked,
    wait::{
        new_wait_queue,
        Deadline,
        WaitQueue,
        Woken, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::{Acquire, Full, Relaxed, Release},
            Atomic, //
        },
        Arc, //
    },
};

/// States of a waiter.
mod state {
    /// Waits, or does not wait at all.
    pub(super) const WAITING: u32 = 0;
    /// Was let go on, with the word.
    pub(super) const DONE: u32 = 1;
    /// Gave up.
    pub(super) const GONE: u32 = 2;
}

/// What an entry of a list is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(super) enum Kind {
    /// A thread that waits.
    Thread,
    /// Wake-ups for threads that have not come yet.
    Prepost,
    /// A wake-up for all threads that come up to its sequence.
    Broadcast,
}

/// An entry of a [`WaitList`](super::wait_list::WaitList).
#[pin_data]
pub(super) struct Waiter {
    #[pin]
    sleepers: WaitQueue,
    state: Atomic<u32>,
    word: Atomic<u32>,
    /// The count at which this entry stands.
    seq: Atomic<u32>,
    kind: Atomic<u32>,
    /// How many wake-ups a [`Kind::Prepost`] has.
    wakeups: Atomic<u32>,
}

/// An entry as lists hold it.
pub(super) type Entry = Arc<Linked<Waiter>>;

impl Waiter {
    /// Makes an entry that is in no list. Fails with `ENOMEM`.
    pub(super) fn new() -> Result<Entry> {
        Arc::pin_init(
            Linked::new(pin_init!(Self {
                sleepers <- new_wait_queue!("psynch::Waiter::sleepers"),
                state: Atomic::new(state::WAITING),
                word: Atomic::new(0),
                seq: Atomic::new(0),
                kind: Atomic::new(Kind::Thread as u32),
                wakeups: Atomic::new(0),
            })),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Says what the entry is, before it enters a list.
    pub(super) fn begin(&self, kind: Kind, seq: u32) {
        self.state.store(state::WAITING, Relaxed);
        self.word.store(0, Relaxed);
        self.seq.store(word::count(seq), Relaxed);
        self.kind.store(kind as u32, Relaxed);
        self.wakeups
            .store(u32::from(kind == Kind::Prepost), Relaxed);
    }

    /// Where the entry stands.
    #[inline]
    pub(super) fn seq(&self) -> u32 {
        self.seq.load(Relaxed)
    }

    /// What the entry is.
    pub(super) fn kind(&self) -> Kind {
        match self.kind.load(Relaxed) {
            1 => Kind::Prepost,
            2 => Kind::Broadcast,
            _ => Kind::Thread,
        }
    }

    /// Adds a wake-up to a [`Kind::Prepost`].
    pub(super) fn add_wakeup(&self) {
        let wakeups = self.wakeups.load(Relaxed).saturating_add(1);
        self.wakeups.store(wakeups, Relaxed);
    }

    /// Takes a wake-up from a [`Kind::Prepost`]; returns whether it was the last.
    pub(super) fn take_wakeup(&self) -> bool {
        let wakeups = self.wakeups.load(Relaxed).saturating_sub(1);
        self.wakeups.store(wakeups, Relaxed);
        wakeups == 0
    }

    /// Gives the waiter, which has been taken out of its list, `word` to go on with; false if it
    /// has given up.
    fn grant(&self, word: u32) -> bool {
        self.word.store(word, Relaxed);
        self.state
            .cmpxchg(state::WAITING, state::DONE, Release)
            .is_ok()
    }

    /// Ends the wait, for lack of patience; false if it has ended with a word already.
    pub(super) fn give_up(&self) -> bool {
        self.state
            .cmpxchg(state::WAITING, state::GONE, Full)
            .is_ok()
    }

    /// The word, once the wait has ended with one.
    pub(super) fn word(&self) -> u32 {
        self.word.load(Relaxed)
    }

    /// Sleeps until there is a word, the deadline passes, a signal is pending or `is_called_off`
    /// holds; whoever makes that true must wake the thread.
    pub(super) fn sleep(
        &self,
        deadline: Option<Deadline>,
        mut is_called_off: impl FnMut() -> bool,
    ) -> Woken {
        let is_done = || self.state.load(Acquire) == state::DONE;
        match self
            .sleepers
            .wait(deadline, || is_done() || is_called_off())
        {
            Woken::Ready if !is_done() => Woken::Interrupted,
            woken => woken,
        }
    }
}

/// Those who are to be woken once the lock is released.
///
/// So that they find the lock free, and it is not held while they are woken; but when there are
/// many they are woken at once, since there is no room for them here.
pub(super) struct Wakes {
    waiting: [Option<Entry>; 8],
    used: usize,
}

impl Wakes {
    pub(super) fn new() -> Self {
        Self {
            waiting: [const { None }; 8],
            used: 0,
        }
    }

    fn push(&mut self, entry: Entry) {
        match self.waiting.get_mut(self.used) {
            Some(place) => {
                *place = Some(entry);
                self.used = self.used.saturating_add(1);
            }
            None => entry.sleepers.wake_all(),
        }
    }

    /// Lets the thread of `entry`, which has been taken out of its list, go on with `word`. False
    /// if it has given up.
    pub(super) fn grant(&mut self, entry: Entry, word: u32) -> bool {
        let granted = entry.grant(word);
        if granted {
            self.push(entry);
        }
        granted
    }

    /// Wakes them.
    pub(super) fn flush(&mut self) {
        for place in &mut self.waiting {
            let Some(entry) = place.take() else {
                break;
            };
            entry.sleepers.wake_all();
        }
        self.used = 0;
    }
}
