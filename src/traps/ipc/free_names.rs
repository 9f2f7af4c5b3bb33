// SPDX-License-Identifier: GPL-2.0

//! The entries of a name table that are free: a list through the entries themselves.
//!
//! It is linked both ways, since a program may ask for a name of its choice.
//!
//! Locks: the table is protected by `Space::table`. Nothing here allocates.

use super::{
    entry::{
        Entry,
        Object,
        NONE, //
    },
    table::Table, //
};

impl Table {
    /// Adds entry `index` to the free ones.
    pub(super) fn push_free(&mut self, index: u32) {
        let next = self.free;
        self.set_previous(next, index);
        if let Some(entry) = self.entry(index) {
            entry.object = Object::Free {
                previous: NONE,
                next,
            };
        }
        self.free = index;
    }

    /// Adds the entries from `first` to `last`, which are linked among each other, to the free
    /// ones.
    pub(super) fn push_free_list(&mut self, first: u32, last: u32) {
        let next = self.free;
        self.set_previous(next, last);
        self.set_previous(first, NONE);
        if let Some(Entry {
            object: Object::Free { next: n, .. },
            ..
        }) = self.entry(last)
        {
            *n = next;
        }
        self.free = first;
    }

    /// Notes what stands before entry `index` in the list of free ones, if that is one.
    #[inline]
    pub(super) fn set_previous(&mut self, index: u32, before: u32) {
        if let Some(Entry {
            object: Object::Free { previous, .. },
            ..
        }) = self.entry(index)
        {
            *previous = before;
        }
    }

    /// Takes entry `index`, which stands between these two, out of the list of free ones. What
    /// stands before the first one is not kept.
    #[inline]
    pub(super) fn unlink_free(&mut self, index: u32, previous: u32, next: u32) {
        if self.free == index {
            self.free = next;
            return;
        }
        self.set_previous(next, previous);
        if let Some(Entry {
            object: Object::Free { next: n, .. },
            ..
        }) = self.entry(previous)
        {
            *n = next;
        }
    }
}
