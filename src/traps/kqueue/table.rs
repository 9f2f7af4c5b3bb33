// SPDX-License-Identifier: GPL-2.0

//! The knotes of a kqueue, found by filter and identity: a hash table with open addressing.
//!
//! Knotes that differ in their `udata` only follow one another, so that all those on a descriptor
//! are found by its number.
//!
//! Locks: protected by `Kqueue::table`. Nothing is allocated here; a larger array is brought.

use super::knote::{
    status,
    Key,
    Knote,
    KnoteRef, //
};
use kernel::prelude::*;

/// How many knotes a kqueue can have.
const MAX_KNOTES: usize = 1 << 20;
const FIRST_CAPACITY: usize = 16;

/// An array for a table.
pub(super) type Slots = KVVec<Option<KnoteRef>>;

/// See [`self`].
pub(super) struct Table {
    /// A power of two of them, or none.
    slots: Slots,
    count: usize,
    /// How often a knote has been put in.
    puts: u64,
    /// Whether no more knotes are taken.
    closed: bool,
}

/// That a knote was looked for and is not there, for as long as no other is put in.
#[derive(Clone, Copy)]
pub(super) struct Absent(u64);

/// Why a knote was not put in.
pub(super) enum Refused {
    /// There is one with the same key.
    Exists,
    /// The table needs an array of this capacity first, see [`Table::grow`].
    NoRoom(usize),
    /// There are too many.
    Full,
    /// The kqueue is closed.
    Closed,
}

/// Makes an array. Fails with `ENOMEM`.
pub(super) fn slots(capacity: usize) -> Result<Slots> {
    let mut slots = KVVec::with_capacity(capacity, GFP_KERNEL_ACCOUNT)?;
    for _ in 0..capacity {
        // There is room, so this does not allocate.
        slots.push(None, GFP_KERNEL_ACCOUNT)?;
    }
    Ok(slots)
}

fn hash(ident: u64, filter: i16) -> usize {
    // CAST: The filter is spread over the upper bits.
    let mixed = (ident ^ ((filter as u64) << 48)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // CAST: The upper half, which depends on all bits.
    (mixed >> 32) as usize
}

impl Table {
    pub(super) const fn new() -> Self {
        Self {
            slots: KVVec::new(),
            count: 0,
            puts: 0,
            closed: false,
        }
    }

    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    fn at(&self, position: usize) -> Option<&KnoteRef> {
        self.slots.get(position & self.mask())?.as_ref()
    }

    /// The first position at which `is_wanted` holds of those that can have `ident` and `filter`.
    #[inline]
    fn position(
        &self,
        ident: u64,
        filter: i16,
        is_wanted: impl Fn(&KnoteRef) -> bool,
    ) -> Option<usize> {
        let mut position = hash(ident, filter);
        // There is an empty slot, at which this ends.
        while let Some(knote) = self.at(position) {
            if knote.key.ident == ident && knote.key.filter == filter && is_wanted(knote) {
                return Some(position);
            }
            position = position.wrapping_add(1);
        }
        None
    }

    /// The knote with this key.
    #[inline]
    pub(super) fn find(&self, key: &Key) -> Result<KnoteRef, Absent> {
        self.position(key.ident, key.filter, |knote| knote.key == *key)
            .and_then(|position| self.at(position).cloned())
            .ok_or(Absent(self.puts))
    }

    /// One of the knotes with this identity and filter whose end has not come.
    pub(super) fn find_watching(&self, ident: u64, filter: i16) -> Option<KnoteRef> {
        let watches = |knote: &KnoteRef| knote.status() & status::VANISHED == 0;
        self.at(self.position(ident, filter, watches)?).cloned()
    }

    /// Puts a knote in, which was `absent` when it was looked for.
    pub(super) fn insert(&mut self, knote: &KnoteRef, absent: Absent) -> Result<(), Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        if self.puts != absent.0 && self.find(&knote.key).is_ok() {
            return Err(Refused::Exists);
        }
        if self.count >= MAX_KNOTES {
            return Err(Refused::Full);
        }
        let capacity = self.slots.len();
        // At most half are in use: a look for what is not there ends soon.
        if self.count >= capacity / 2 {
            return Err(match capacity {
                0 => Refused::NoRoom(FIRST_CAPACITY),
                _ => Refused::NoRoom(capacity.saturating_mul(2)),
            });
        }
        self.put(knote.clone());
        self.count = self.count.wrapping_add(1);
        self.puts = self.puts.wrapping_add(1);
        Ok(())
    }

    /// Puts a knote where it belongs. There is room.
    fn put(&mut self, knote: KnoteRef) {
        let mut position = hash(knote.key.ident, knote.key.filter);
        while self.at(position).is_some() {
            position = position.wrapping_add(1);
        }
        let mask = self.mask();
        if let Some(slot) = self.slots.get_mut(position & mask) {
            *slot = Some(knote);
        }
    }

    /// Goes on in `larger`, if that is larger. What is given back is for the caller to drop.
    pub(super) fn grow(&mut self, larger: Slots) -> Slots {
        if larger.len() <= self.slots.len() || self.closed {
            return larger;
        }
        let mut old = core::mem::replace(&mut self.slots, larger);
        for slot in old.iter_mut() {
            if let Some(knote) = slot.take() {
                self.put(knote);
            }
        }
        old
    }

    /// Takes a knote out.
    pub(super) fn remove(&mut self, knote: &Knote) -> Option<KnoteRef> {
        let Key { ident, filter, .. } = knote.key;
        let position = self.position(ident, filter, |other| core::ptr::eq(&***other, knote))?;
        let mask = self.mask();
        let removed = self.slots.get_mut(position & mask)?.take();
        self.count = self.count.saturating_sub(1);
        self.close_gap(position & mask);
        removed
    }

    /// Moves knotes back that would not be found any more, because a slot before them is empty.
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.mask();
        let mut position = gap;
        loop {
            position = position.wrapping_add(1) & mask;
            let Some(knote) = self.at(position) else {
                return;
            };
            let home = hash(knote.key.ident, knote.key.filter) & mask;
            // How far it is from where it belongs, and from the gap.
            if position.wrapping_sub(home) & mask < position.wrapping_sub(gap) & mask {
                continue;
            }
            let moved = self.slots.get_mut(position).and_then(Option::take);
            if let Some(slot) = self.slots.get_mut(gap) {
                *slot = moved;
            }
            gap = position;
        }
    }

    /// Takes no more knotes, and gives those away that are there.
    pub(super) fn close(&mut self) -> Slots {
        self.closed = true;
        self.count = 0;
        core::mem::replace(&mut self.slots, KVVec::new())
    }

    /// All knotes.
    pub(super) fn iter(&self) -> impl Iterator<Item = &KnoteRef> {
        self.slots.iter().flatten()
    }
}
