// SPDX-License-Identifier: GPL-2.0

//! The way back from a port to the name of its send right: a hash table that is part of the name
//! table.
//!
//! It grows a bucket with each entry (linear hashing): neither growth nor look-up ever touches more
//! than a bounded number of entries at once, so it can live under a spinlock.
//!
//! Locks: the table is protected by `Space::table`. Nothing here allocates.

use super::{
    entry::{
        Entry,
        Object,
        NONE, //
    },
    growth::CHUNK,
    port::Port,
    table::Table, //
};
use crate::abi::PortName;
use kernel::sync::Arc;

impl Table {
    /// The name of the send right for `port`, if the space has it without the receive right.
    pub(super) fn send_name(&mut self, port: &Arc<Port>) -> Option<PortName> {
        let key = key(port);
        let mut index = *self.bucket(key)?;
        while index != NONE {
            let entry = self.entry(index)?;
            if is_send_for(entry, key) {
                return Some(PortName((index << 8) | u32::from(entry.generation)));
            }
            index = entry.next_in_bucket;
        }
        None
    }

    /// The number of the bucket for `key` in a table of `buckets` buckets.
    fn bucket_number(key: usize, buckets: usize) -> usize {
        // Fibonacci hashing; the upper bits are the good ones.
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let size = buckets.next_power_of_two();
        let number = hash & size.wrapping_sub(1);
        if number < buckets {
            number
        } else {
            number & (size / 2).wrapping_sub(1)
        }
    }

    fn bucket(&mut self, key: usize) -> Option<&mut u32> {
        let number = Self::bucket_number(key, self.capacity());
        self.bucket_at(number)
    }

    fn bucket_at(&mut self, number: usize) -> Option<&mut u32> {
        self.buckets
            .get_mut(number / CHUNK)?
            .get_mut(number % CHUNK)
    }

    /// Notes that entry `index` has the send right for the port `key`.
    pub(super) fn hash_insert(&mut self, key: usize, index: u32) {
        let Some(bucket) = self.bucket(key) else {
            return;
        };
        let next = core::mem::replace(bucket, index);
        if let Some(entry) = self.entry(index) {
            entry.next_in_bucket = next;
        }
    }

    /// Notes that entry `index` does not have the send right for the port `key` any more.
    pub(super) fn hash_remove(&mut self, key: usize, index: u32) {
        let Some(entry) = self.entry(index) else {
            return;
        };
        let after = core::mem::replace(&mut entry.next_in_bucket, NONE);
        let Some(bucket) = self.bucket(key) else {
            return;
        };
        if *bucket == index {
            *bucket = after;
            return;
        }
        let mut at = *bucket;
        while at != NONE {
            let Some(entry) = self.entry(at) else {
                return;
            };
            if entry.next_in_bucket == index {
                entry.next_in_bucket = after;
                return;
            }
            at = entry.next_in_bucket;
        }
    }

    /// Moves to the new bucket `number` those entries of its forerunner that now belong there. The
    /// table counts as having `number + 1` buckets from here on; as all buckets of a chunk are
    /// split before the table is used again, later ones are found empty until their turn.
    pub(super) fn split_bucket(&mut self, number: usize) {
        // A new bucket takes over from the one whose number lacks its highest bit.
        let Some(highest) = number.checked_ilog2() else {
            return;
        };
        let forerunner = number & !(1 << highest);
        let Some(bucket) = self.bucket_at(forerunner) else {
            return;
        };
        let mut index = core::mem::replace(bucket, NONE);
        while index != NONE {
            let Some(entry) = self.entry(index) else {
                return;
            };
            let next = entry.next_in_bucket;
            let Object::Send(right) = &entry.object else {
                return;
            };
            let home = Self::bucket_number(key(right.port()), number.saturating_add(1));
            if let Some(bucket) = self.bucket_at(home) {
                let following = core::mem::replace(bucket, index);
                if let Some(entry) = self.entry(index) {
                    entry.next_in_bucket = following;
                }
            }
            index = next;
        }
    }
}

/// Identifies a port in the hash table.
pub(super) fn key(port: &Arc<Port>) -> usize {
    Arc::as_ptr(port).addr()
}

fn is_send_for(entry: &Entry, wanted: usize) -> bool {
    matches!(&entry.object, Object::Send(right) if key(right.port()) == wanted)
}
