// SPDX-License-Identifier: GPL-2.0

//! How a name table grows: by chunks, which are allocated before the table is locked.
//!
//! Locks: the table is protected by `Space::table`. Nothing is allocated or freed under it.

use super::{
    entry::{
        Entry,
        Object,
        GENERATION_BITS,
        NONE, //
    },
    table::{
        index_of,
        Table, //
    },
};
use crate::abi::PortName;
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// Entries are allocated this many at a time; with the rest of the entry that is 2 KiB.
pub(super) const CHUNK: usize = 64;

/// The last one of a chunk.
const LAST: usize = CHUNK - 1;

/// The number of entries that a space can have at most. Keeps names below 2^31, so that a name
/// returned by a trap is never taken for an errno.
pub(super) const MAX_ENTRIES: usize = 1 << 20;

/// A chunk of entries.
pub(super) type Entries = [Entry; CHUNK];
/// As many buckets of the hash table of send rights.
pub(super) type Buckets = [u32; CHUNK];

/// The chunks of a table.
struct Chunks {
    entries: KVec<KBox<Entries>>,
    buckets: KVec<KBox<Buckets>>,
}

/// Memory for one more chunk, allocated before the table is locked.
pub(super) struct Growth {
    /// The first entry, if the table does not grow in between. The entries are free ones, linked
    /// as such among each other, entry 0 apart.
    first: usize,
    entries: KBox<Entries>,
    buckets: KBox<Buckets>,
    /// Replaces the lists of chunks when they are full.
    lists: Option<Chunks>,
}

impl Growth {
    /// Allocates what a table of `chunks` chunks needs to get one more, whose names start in the
    /// given generation.
    pub(super) fn new(chunks: usize, generation: u8) -> Result<Self, AllocError> {
        let first = chunks.saturating_mul(CHUNK);
        // CAST: there are fewer than 2^23 entries.
        let index = |offset: usize| first.wrapping_add(offset) as u32;
        // What the first and the last are linked to is seen when they are added.
        let entry = |offset: usize| Entry {
            object: Object::Free {
                previous: index(offset).wrapping_sub(1),
                next: index(offset).wrapping_add(1),
            },
            request: None,
            next_in_bucket: NONE,
            urefs: 0,
            generation: generation | GENERATION_BITS,
        };
        let entries = KBox::init(pin_init::init_array_from_fn(entry), GFP_KERNEL_ACCOUNT);
        let lists = if chunks == 0 || chunks.is_power_of_two() {
            let capacity = chunks.saturating_mul(2).max(1);
            Some(Chunks {
                entries: KVec::with_capacity(capacity, GFP_KERNEL_ACCOUNT)?,
                buckets: KVec::with_capacity(capacity, GFP_KERNEL_ACCOUNT)?,
            })
        } else {
            None
        };
        Ok(Self {
            first,
            entries: entries.map_err(|_: Error| AllocError)?,
            buckets: KBox::new([NONE; CHUNK], GFP_KERNEL_ACCOUNT)?,
            lists,
        })
    }
}

/// How large a table is, in entries.
pub(super) struct Size {
    pub(super) entries: usize,
    /// The same after the table has grown.
    pub(super) next: usize,
    pub(super) used: usize,
}

impl Table {
    /// The number of chunks, for [`Growth::new`]; `None` when there must not be more.
    pub(super) fn chunks(&self) -> Option<usize> {
        (self.capacity() < self.limit).then_some(self.entries.len())
    }

    /// The number of entries there are, in use or not.
    pub(super) fn capacity(&self) -> usize {
        self.entries.len().saturating_mul(CHUNK)
    }

    /// How large the table is.
    pub(super) fn size(&self) -> Size {
        Size {
            entries: self.capacity(),
            next: self.capacity().saturating_add(CHUNK).min(MAX_ENTRIES),
            used: self.used,
        }
    }

    /// Whether `count` more names can be made.
    #[inline]
    pub(super) fn has_room(&self, count: usize) -> bool {
        // Entry 0 is neither free nor used.
        let used = self.used.saturating_add(count);
        count == 0 || (used < self.capacity() && used <= self.limit)
    }

    /// Whether an entry for the fixed `name` may be made: not if the table would be mostly empty
    /// (XNU osfmk/ipc/ipc_entry.c, `ipc_entry_alloc_name`: 7/8).
    pub(super) fn may_reach(&self, name: PortName) -> bool {
        // CAST: `u32` to `usize` loses nothing.
        let index = index_of(name) as usize;
        index < self.limit && index / 8 <= self.used.saturating_add(2 * CHUNK)
    }

    /// Whether the table has an entry for the index of `name`, in use or not.
    pub(super) fn reaches(&self, name: PortName) -> bool {
        // CAST: As above.
        (index_of(name) as usize) < self.capacity()
    }

    /// Adds a chunk of entries.
    pub(super) fn grow(&mut self, growth: Growth) {
        let mut growth = growth;
        if self.entries.len() == self.entries.capacity() {
            let Some(mut lists) = growth.lists.take() else {
                // Another thread grew the table meanwhile.
                return;
            };
            if lists.entries.capacity() <= self.entries.len() {
                return;
            }
            // The new lists have room, so pushing does not allocate.
            for chunk in self.entries.drain_all() {
                let _ = lists.entries.push(chunk, GFP_ATOMIC);
            }
            for chunk in self.buckets.drain_all() {
                let _ = lists.buckets.push(chunk, GFP_ATOMIC);
            }
            self.entries = lists.entries;
            self.buckets = lists.buckets;
        }
        let first = self.capacity();
        let _ = self.entries.push(growth.entries, GFP_ATOMIC);
        let _ = self.buckets.push(growth.buckets, GFP_ATOMIC);
        let last = first.saturating_add(LAST);
        if first == growth.first {
            // CAST: there are fewer than 2^23 entries.
            self.push_free_list(first.max(1) as u32, last as u32);
        } else {
            for index in (first..=last).rev() {
                // CAST: As above.
                self.push_free(index as u32);
            }
        }
        // There is nothing to split in a table that was empty.
        if first != 0 {
            for bucket in first..=last {
                self.split_bucket(bucket);
            }
        }
    }
}

const _: () = assert!((MAX_ENTRIES << 8) < (1 << 31));
const _: () = assert!(core::mem::size_of::<Entries>() == 2048);
