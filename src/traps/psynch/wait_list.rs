// SPDX-License-Identifier: GPL-2.0

//! Who waits at an object, in order.
//!
//! Locks: that of the object's table protects the list.

use super::{
    waiter::{
        Entry,
        Waiter, //
    },
    word, //
};
use crate::linux::queue::{
    Iter,
    Linked,
    Queue, //
};
use kernel::prelude::*;

/// Entries, in the order of their sequences unless they were just appended.
pub(super) struct WaitList {
    queue: Queue<Waiter>,
    len: u32,
    /// The highest sequence in the list; meaningless while it is empty.
    high: u32,
}

impl WaitList {
    /// An empty list.
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

    /// Whether nobody waits.
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

    /// All entries, from the first on.
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

    /// Takes out the first entry.
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
