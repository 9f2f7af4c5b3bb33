// SPDX-License-Identifier: GPL-2.0

//! The name table of a space.
//!
//! A name is the index of an entry and the entry's generation, so look-up is two array accesses
//! whatever the number of names. The way back, from a port to the name of its send right, stands in
//! [`super::send_names`], how a table grows in [`super::growth`].
//!
//! Source of the name format: XNU osfmk/ipc/ipc_entry.h, port.h; ABI traps §5.1.
//!
//! Locks: the table is protected by `Space::table`. Nothing here allocates; rights that leave the
//! table are given out and dropped by the caller after it has unlocked.

use super::{
    entry::{
        Deleted,
        Entry,
        Garbage,
        GarbageBag,
        Object,
        GENERATION_BITS,
        NONE, //
    },
    growth::{
        Buckets,
        Entries,
        CHUNK,
        MAX_ENTRIES, //
    },
    port::{
        Port,
        SpaceId, //
    },
    requests::Subject,
    right::SendOnceRight,
    send_names::key, //
};
use crate::{
    abi::PortName,
    core::ObjectCounter, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A name table.
pub(super) struct Table {
    space: SpaceId,
    /// How many names there may be.
    pub(super) limit: usize,
    garbage: GarbageBag,
    has_garbage: bool,
    pub(super) entries: KVec<KBox<Entries>>,
    pub(super) buckets: KVec<KBox<Buckets>>,
    /// The first free entry, or [`NONE`].
    pub(super) free: u32,
    /// The number of entries in use.
    pub(super) used: usize,
}

/// Names in use, in all tables.
pub(super) static RIGHTS: ObjectCounter = ObjectCounter::new("rights");

impl Drop for Table {
    fn drop(&mut self) {
        // CAST: The number is below `MAX_ENTRIES`.
        RIGHTS.add(-(self.used as i64));
    }
}

/// The index of the entry that `name` denotes.
pub(super) fn index_of(name: PortName) -> u32 {
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

    /// Entry `index`, in use or not.
    #[inline]
    pub(super) fn entry(&mut self, index: u32) -> Option<&mut Entry> {
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

    /// The name of the receive right for `port`, and its entry, if the space has it.
    #[inline]
    pub(super) fn receive_entry(&mut self, port: &Arc<Port>) -> Option<(PortName, &mut Entry)> {
        let name = port.entered_as(self.space)?;
        let entry = self.lookup(name)?;
        let is_it =
            matches!(&entry.object, Object::Receive(rights) if Arc::ptr_eq(rights.port(), port));
        is_it.then_some((name, entry))
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
        self.unlink_free(index, previous, next);
        self.used = self.used.saturating_add(1);
        RIGHTS.add(1);
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
        RIGHTS.add(-1);
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
}
