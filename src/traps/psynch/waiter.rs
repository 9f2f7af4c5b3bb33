// SPDX-License-Identifier: GPL-2.0

//! Who waits at an object, in order, and what is kept there for those who have not come yet.
//!
//! Every thread has one [`Waiter`], made with the thread, so that waiting allocates nothing. It
//! stands in a list as long as nobody has let it go on; the lock of the object's table protects
//! the list and all of the waiter but its state.
//!
//! The state decides who ends a wait of a mutex or a read-write lock. Either a waker grants the
//! lock, or the waiter gives up because of a signal, and whoever is second learns it: the waiter
//! then has the lock, or the waker has nobody to give it to and records that, or takes the next
//! one. At a condition variable, where it makes no difference to whom a wake-up goes, the wait is
//! over when the waiter is taken out of the list.

use super::word;
use crate::linux::{
    queue::{
        Iter,
        Linked,
        Queue, //
    },
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

/// An entry of a [`WaitList`].
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

/// Entries, in the order of their sequences unless they were just appended.
pub(super) struct WaitList {
    queue: Queue<Waiter>,
    len: u32,
    /// The highest sequence in the list; meaningless while it is empty.
    high: u32,
}

impl WaitList {
    pub(super) fn new() -> Self {
        Self {
            queue: Queue::new(),
            len: 0,
            high: 0,
        }
    }

    /// The number of entries.
    #[inline]
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The sequence of the first entry.
    pub(super) fn first_seq(&self) -> Option<u32> {
        self.queue.front().map(Waiter::seq)
    }

    /// The highest sequence in the list.
    pub(super) fn high(&self) -> Option<u32> {
        (self.len != 0).then_some(self.high)
    }

    pub(super) fn iter(&self) -> Iter<'_, Waiter> {
        self.queue.iter()
    }

    fn added(&mut self, seq: u32) {
        if self.len == 0 || word::higher(seq, self.high) {
            self.high = seq;
        }
        self.len = self.len.wrapping_add(1);
    }

    fn removed(&mut self, seq: u32) {
        self.len = self.len.wrapping_sub(1);
        if seq != self.high {
            return;
        }
        // It was the last one, if the list is sorted.
        let mut entries = self.queue.iter().map(Waiter::seq);
        let first = entries.next().unwrap_or(0);
        self.high = entries.fold(
            first,
            |high, seq| {
                if word::higher(seq, high) {
                    seq
                } else {
                    high
                }
            },
        );
    }

    /// Appends `entry`. `EBUSY` if it is in a list.
    pub(super) fn push_back(&mut self, entry: Entry) -> Result {
        let seq = entry.seq();
        self.queue.push_back(entry).map_err(|_| EBUSY)?;
        self.added(seq);
        Ok(())
    }

    /// Inserts `entry` by its sequence, behind equal ones. `EBUSY` if it is in a list.
    pub(super) fn insert(&mut self, entry: Entry) -> Result {
        let seq = entry.seq();
        self.queue
            .insert_behind(entry, |other| word::lower_or_equal(other.seq(), seq))
            .map_err(|_| EBUSY)?;
        self.added(seq);
        Ok(())
    }

    /// As [`insert`](Self::insert), but `EBUSY` as well if its sequence is taken.
    pub(super) fn insert_unique(&mut self, entry: Entry) -> Result {
        let seq = entry.seq();
        let mut taken = false;
        // The first that is asked about and stays ahead is the neighbour.
        let inserted = self.queue.insert_behind(entry.clone(), |other| {
            taken = other.seq() == seq;
            word::lower_or_equal(other.seq(), seq)
        });
        inserted.map_err(|_| EBUSY)?;
        self.added(seq);
        if taken {
            self.remove(&entry);
            return Err(EBUSY);
        }
        Ok(())
    }

    pub(super) fn pop_front(&mut self) -> Option<Entry> {
        let entry = self.queue.pop_front()?;
        self.removed(entry.seq());
        Some(entry)
    }

    /// Takes out the first entry if its sequence is not higher than `limit`.
    pub(super) fn pop_up_to(&mut self, limit: u32) -> Option<Entry> {
        if word::higher(self.first_seq()?, limit) {
            return None;
        }
        self.pop_front()
    }

    /// Whether `entry` is here.
    pub(super) fn contains(&self, entry: &Linked<Waiter>) -> bool {
        self.queue.contains(entry)
    }

    /// Takes out `entry`; `None` if it is not here.
    pub(super) fn remove(&mut self, entry: &Linked<Waiter>) -> Option<Entry> {
        let entry = self.queue.remove(entry)?;
        self.removed(entry.seq());
        Some(entry)
    }

    /// Takes out the first entry for which `is_wanted` holds.
    pub(super) fn take_first(&mut self, is_wanted: impl FnMut(&Waiter) -> bool) -> Option<Entry> {
        let entry = self.queue.take_first(is_wanted)?;
        self.removed(entry.seq());
        Some(entry)
    }

    /// How many entries have sequences not higher than `limit`.
    pub(super) fn count_up_to(&self, limit: u32) -> u32 {
        match self.queue.back() {
            Some(last) if !word::higher(last.seq(), limit) => self.len,
            _ => self
                .iter()
                .take_while(|entry| !word::higher(entry.seq(), limit))
                .fold(0, |count, _| count.wrapping_add(1)),
        }
    }
}
