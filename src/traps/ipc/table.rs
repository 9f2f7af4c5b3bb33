// SPDX-License-Identifier: GPL-2.0

//! The name table of a space.
//!
//! A name is the index of an entry and the entry's generation, so look-up is two array accesses
//! whatever the number of names. The way back, from a port to the name of its send right, is a
//! hash table that grows a bucket with each entry (linear hashing): neither growth nor look-up
//! ever touches more than a bounded number of entries at once, so the table can live under a
//! spinlock.
//!
//! Source of the name format: XNU osfmk/ipc/ipc_entry.h, port.h; ABI traps §5.1.
//!
//! Locks: the table is protected by `Space::table`. Nothing here allocates; rights that leave the
//! table are given out and dropped by the caller after it has unlocked.

use super::{
    notify,
    port::{
        Port,
        SpaceId, //
    },
    requests::{
        RequestId,
        Subject, //
    },
    right::{
        NamedReceive,
        SendOnceRight,
        SendRight,
        SetRight, //
    },
};
use crate::abi::{
    port::MACH_PORT_UREFS_MAX,
    PortName, //
};
use kernel::{
    alloc::AllocError,
    prelude::*,
    sync::Arc, //
};

/// Entries are allocated this many at a time; with the rest of the entry that is 2 KiB.
const CHUNK: usize = 64;

/// The number of entries that a space can have at most. Keeps names below 2^31, so that a name
/// returned by a trap is never taken for an errno.
const MAX_ENTRIES: usize = 1 << 20;

/// "No entry" where an index stands. Entry 0 is never used.
const NONE: u32 = 0;

/// The two low bits of a generation, which are always set, as in XNU.
const GENERATION_BITS: u8 = 0x03;

/// What a name denotes.
pub(super) enum Object {
    /// Nothing: the entry is in the list of free ones.
    Free {
        previous: u32,
        next: u32,
    },
    /// A send right, with user references.
    Send(SendRight),
    /// A receive right, perhaps with a send right, which then has user references.
    Receive(NamedReceive),
    SendOnce(SendOnceRight),
    Set(SetRight),
    /// What a send right became when its port died, with user references.
    Dead,
}

impl Object {
    /// The port, where there is one.
    pub(super) fn port(&self) -> Option<&Arc<Port>> {
        match self {
            Self::Send(right) => Some(right.port()),
            Self::Receive(rights) => Some(rights.port()),
            Self::SendOnce(right) => right.port(),
            Self::Free { .. } | Self::Set(_) | Self::Dead => None,
        }
    }
}

/// What left a table and is dropped when that is unlocked again.
pub(super) enum Garbage {
    Object(#[allow(dead_code)] Object),
    Send(#[allow(dead_code)] SendRight),
    Deleted(#[allow(dead_code)] Deleted),
}

/// A name with an open request was deleted: dropping this tells whoever made the request.
pub(super) struct Deleted {
    notify: Option<SendOnceRight>,
    name: PortName,
}

impl Drop for Deleted {
    fn drop(&mut self) {
        if let Some(notify) = self.notify.take() {
            notify::port_deleted(notify, self.name);
        }
    }
}

/// As much as can leave a table under one lock: two rights of a header, each of which can be
/// refreshed and have a request.
type GarbageBag = [Option<Garbage>; 4];

/// An entry of the table.
pub(super) struct Entry {
    pub(super) object: Object,
    /// The request about the name, which its port has; it may have been fulfilled since.
    pub(super) request: Option<RequestId>,
    /// The next entry in the same bucket of the hash table. Used by send rights only.
    next_in_bucket: u32,
    /// User references of the send right or dead name, at most [`MACH_PORT_UREFS_MAX`]; a count
    /// that has got there stays.
    pub(super) urefs: u16,
    generation: u8,
}

type Entries = [Entry; CHUNK];
type Buckets = [u32; CHUNK];

/// The chunks of a table.
struct Chunks {
    entries: KVec<KBox<Entries>>,
    buckets: KVec<KBox<Buckets>>,
}

/// Memory for one more chunk, allocated before the table is locked.
pub(super) struct Growth {
    entries: KBox<Entries>,
    buckets: KBox<Buckets>,
    /// Replaces the lists of chunks when they are full.
    lists: Option<Chunks>,
}

impl Growth {
    /// Allocates what a table of `chunks` chunks needs to get one more, whose names start in the
    /// given generation.
    pub(super) fn new(chunks: usize, generation: u8) -> Result<Self, AllocError> {
        let entry = |_| Entry {
            object: Object::Free {
                previous: NONE,
                next: NONE,
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

/// A name table.
pub(super) struct Table {
    space: SpaceId,
    /// How many names there may be.
    limit: usize,
    garbage: GarbageBag,
    has_garbage: bool,
    entries: KVec<KBox<Entries>>,
    buckets: KVec<KBox<Buckets>>,
    /// The first free entry, or [`NONE`].
    free: u32,
    /// The number of entries in use.
    used: usize,
}

fn index_of(name: PortName) -> u32 {
    name.0 >> 8
}

impl Table {
    /// Makes an empty table for at most `limit` names.
    pub(super) fn new(space: SpaceId, limit: u32) -> Self {
        // CAST: `u32` to `usize` loses nothing.
        let limit = (limit as usize).clamp(CHUNK, MAX_ENTRIES);
        Self {
            space,
            limit,
            garbage: [const { None }; 4],
            has_garbage: false,
            entries: KVec::new(),
            buckets: KVec::new(),
            free: NONE,
            used: 0,
        }
    }

    /// Has `garbage` dropped when the table is unlocked.
    pub(super) fn discard(&mut self, garbage: Garbage) {
        self.has_garbage = true;
        match self.garbage.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(garbage),
            None => {
                // There is place for all that one operation can give. Losing a right is better
                // than dropping it under the lock.
                pr_err!("too much garbage in a name table\n");
                core::mem::forget(garbage);
            }
        }
    }

    /// Whether something is to be dropped when the table is unlocked.
    #[inline]
    pub(super) fn has_garbage(&self) -> bool {
        self.has_garbage
    }

    /// What is to be dropped, by whoever unlocks the table.
    #[inline]
    pub(super) fn take_garbage(&mut self) -> Option<GarbageBag> {
        if !self.has_garbage {
            return None;
        }
        self.has_garbage = false;
        Some(core::mem::take(&mut self.garbage))
    }

    /// What a request about `name` is made for.
    pub(super) fn subject(&self, name: PortName) -> Subject {
        Subject {
            space: self.space,
            name,
        }
    }

    /// The number of chunks, for [`Growth::new`]; `None` when there must not be more.
    pub(super) fn chunks(&self) -> Option<usize> {
        (self.capacity() < self.limit).then_some(self.entries.len())
    }

    fn capacity(&self) -> usize {
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
        for index in (first..self.capacity()).rev() {
            // CAST: there are fewer than 2^23 entries.
            let index = index as u32;
            if index != NONE {
                self.push_free(index);
            }
        }
        for bucket in first..self.capacity() {
            self.split_bucket(bucket);
        }
    }

    #[inline]
    fn entry(&mut self, index: u32) -> Option<&mut Entry> {
        // CAST: `u32` to `usize` loses nothing.
        let index = index as usize;
        self.entries.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    /// The entry that `name` denotes.
    #[inline]
    pub(super) fn lookup(&mut self, name: PortName) -> Option<&mut Entry> {
        let entry = self.entry(index_of(name))?;
        // The generation is the low byte of the name.
        let matches = u32::from(entry.generation) == name.0 & 0xff;
        (matches && !matches!(entry.object, Object::Free { .. })).then_some(entry)
    }

    /// The entry that `name` denotes, only to be looked at.
    #[inline]
    pub(super) fn peek(&self, name: PortName) -> Option<&Entry> {
        // CAST: `u32` to `usize` loses nothing.
        let index = index_of(name) as usize;
        let entry = self.entries.get(index / CHUNK)?.get(index % CHUNK)?;
        let matches = u32::from(entry.generation) == name.0 & 0xff;
        (matches && !matches!(entry.object, Object::Free { .. })).then_some(entry)
    }

    fn push_free(&mut self, index: u32) {
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

    /// Notes what stands before entry `index` in the list of free ones, if that is one.
    #[inline]
    fn set_previous(&mut self, index: u32, before: u32) {
        if let Some(Entry {
            object: Object::Free { previous, .. },
            ..
        }) = self.entry(index)
        {
            *previous = before;
        }
    }

    #[inline]
    fn unlink_free(&mut self, previous: u32, next: u32) {
        self.set_previous(next, previous);
        if previous == NONE {
            self.free = next;
        } else if let Some(Entry {
            object: Object::Free { next: n, .. },
            ..
        }) = self.entry(previous)
        {
            *n = next;
        }
    }

    /// Enters `object` under a new name; gives it back when no entry is free.
    #[inline]
    pub(super) fn insert(&mut self, object: Object, urefs: u16) -> Result<PortName, Object> {
        let index = self.free;
        self.insert_at(index, None, object, urefs)
    }

    /// Enters `object` under `name`, whose entry must exist and be free.
    pub(super) fn insert_as(
        &mut self,
        name: PortName,
        object: Object,
        urefs: u16,
    ) -> Result<PortName, Object> {
        // CAST: The generation is the low byte of the name.
        self.insert_at(index_of(name), Some(name.0 as u8), object, urefs)
    }

    #[inline]
    fn insert_at(
        &mut self,
        index: u32,
        generation: Option<u8>,
        object: Object,
        urefs: u16,
    ) -> Result<PortName, Object> {
        if index == NONE {
            return Err(object);
        }
        let Some(entry) = self.entry(index) else {
            return Err(object);
        };
        let Object::Free { previous, next } = entry.object else {
            return Err(object);
        };
        let send = match &object {
            Object::Send(right) => Some(key(right.port())),
            _ => None,
        };
        entry.object = object;
        entry.urefs = urefs;
        if let Some(generation) = generation {
            entry.generation = generation;
        }
        let name = PortName((index << 8) | u32::from(entry.generation));
        self.unlink_free(previous, next);
        self.used = self.used.saturating_add(1);
        if let Some(key) = send {
            self.hash_insert(key, index);
        }
        Ok(name)
    }

    /// Removes the entry that `name` denotes and gives out what it had. Whoever made a request
    /// about the name is told that it was deleted.
    #[inline]
    pub(super) fn remove(&mut self, name: PortName) -> Option<Object> {
        let index = index_of(name);
        let free = self.free;
        let mut entry = self.lookup(name)?;
        if entry.request.is_some() {
            self.delete_request(name);
            entry = self.lookup(name)?;
        }
        let object = core::mem::replace(
            &mut entry.object,
            Object::Free {
                previous: NONE,
                next: free,
            },
        );
        entry.generation = (entry.generation | GENERATION_BITS).wrapping_add(4);
        entry.urefs = 0;
        if let Object::Send(right) = &object {
            self.hash_remove(key(right.port()), index);
        }
        self.used = self.used.saturating_sub(1);
        self.free = index;
        self.set_previous(free, index);
        Some(object)
    }

    /// The name with a request is deleted: whoever made the request is told.
    #[cold]
    fn delete_request(&mut self, name: PortName) {
        let notify = self.cancel_request(name);
        if notify.is_some() {
            self.discard(Garbage::Deleted(Deleted { notify, name }));
        }
    }

    /// Takes back the request about `name`, if there is one that is open.
    pub(super) fn cancel_request(&mut self, name: PortName) -> Option<SendOnceRight> {
        let subject = self.subject(name);
        let entry = self.lookup(name)?;
        let id = entry.request.take()?;
        entry
            .object
            .port()?
            .with(|state| state.requests.cancel(id, subject))
    }

    /// Whether there is a request about `name` that has not been fulfilled.
    pub(super) fn has_open_request(&mut self, name: PortName) -> bool {
        let subject = self.subject(name);
        let Some(entry) = self.lookup(name) else {
            return false;
        };
        match (entry.request, entry.object.port()) {
            (Some(id), Some(port)) => port.with(|state| state.requests.is_open(id, subject)),
            _ => false,
        }
    }

    /// Replaces what `name` denotes, and gives out what it had.
    pub(super) fn replace(&mut self, name: PortName, object: Object) -> Option<Object> {
        let index = index_of(name);
        let new_key = match &object {
            Object::Send(right) => Some(key(right.port())),
            _ => None,
        };
        let old = core::mem::replace(&mut self.lookup(name)?.object, object);
        if let Object::Send(right) = &old {
            self.hash_remove(key(right.port()), index);
        }
        if let Some(key) = new_key {
            self.hash_insert(key, index);
        }
        Some(old)
    }

    /// Drops every object, one after the other, for the end of the space. The table must not be
    /// locked: it has been taken out of the space.
    pub(super) fn clear(mut self) {
        for entry in self.entries.iter_mut().flat_map(|chunk| chunk.iter_mut()) {
            entry.object = Object::Free {
                previous: NONE,
                next: NONE,
            };
        }
    }

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

    fn hash_insert(&mut self, key: usize, index: u32) {
        let Some(bucket) = self.bucket(key) else {
            return;
        };
        let next = core::mem::replace(bucket, index);
        if let Some(entry) = self.entry(index) {
            entry.next_in_bucket = next;
        }
    }

    fn hash_remove(&mut self, key: usize, index: u32) {
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
    fn split_bucket(&mut self, number: usize) {
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
fn key(port: &Arc<Port>) -> usize {
    Arc::as_ptr(port).addr()
}

fn is_send_for(entry: &Entry, wanted: usize) -> bool {
    matches!(&entry.object, Object::Send(right) if key(right.port()) == wanted)
}

impl Entry {
    /// One more user reference; a count at its maximum stays there.
    pub(super) fn add_uref(&mut self) {
        self.urefs = self.urefs.saturating_add(1);
    }

    /// Whether the count of user references has reached its maximum and stays there.
    pub(super) fn is_pegged(&self) -> bool {
        u32::from(self.urefs) == MACH_PORT_UREFS_MAX
    }
}

const _: () = assert!(MACH_PORT_UREFS_MAX == u16::MAX as u32);
const _: () = assert!((MAX_ENTRIES << 8) < (1 << 31));
const _: () = assert!(core::mem::size_of::<Entries>() == 2048);
