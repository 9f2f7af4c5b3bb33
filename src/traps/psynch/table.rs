// SPDX-License-Identifier: GPL-2.0

//! Finding objects by address.
//!
//! Each task has a [`Table`] of its own for what only it can use, by address. Objects in memory
//! that processes share are in one table of the module, by memory object and offset.
//!
//! An object is made by the first trap that needs it and goes with the last one that leaves
//! nothing in it; a read-write lock, whose history matters, stays for [`LINGER_NS`] and is then
//! removed by one of the traps that make objects. What tasks leave in shared memory goes when
//! nobody has that memory mapped any more.
//!
//! Locks: one spinlock for each shard, a leaf but for the wait queues. All work on an object is
//! done under it, so that nobody needs a reference to an object: a thread that sleeps is in a list
//! of its object, and looks it up again. No allocation and no user memory under it.

use super::{
    object::{
        Object,
        ObjectKind, //
    },
    waiter::Wakes,
    OBJECTS,
};
use crate::{
    core::Live,
    linux::{
        later::Chore,
        shared_memory::SharedMemory,
        wait::Deadline, //
    },
};
use kernel::{
    new_spinlock,
    prelude::*,
    rbtree::{
        self,
        RBTree,
        RBTreeNode,
        RBTreeNodeReservation, //
    },
    sync::SpinLock,
};

/// How long an idle read-write lock stays, in nanoseconds.
const LINGER_NS: u64 = 10_000_000_000;

/// How many objects are looked at when one is made, to find idle ones.
const SWEEP: usize = 2;

/// How many objects are looked at before others get at the shard.
const BATCH: usize = 32;

const SHARDS: usize = 16;

/// Where an object is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// The memory object; 0 in the table of a task.
    memory: usize,
    /// The offset in it, or the address.
    offset: u64,
}

impl Key {
    /// The address of a task's own memory.
    pub(super) fn private(address: u64) -> Self {
        Self {
            memory: 0,
            offset: address,
        }
    }

    /// Memory that may be shared.
    pub(super) fn shared(memory: &SharedMemory, offset: u64) -> Self {
        Self {
            memory: memory.id(),
            offset,
        }
    }

    const MIN: Self = Self {
        memory: 0,
        offset: 0,
    };

    /// A number below [`SHARDS`]. Objects are often aligned, and often at the same place of
    /// different pages.
    fn shard(&self) -> usize {
        // CAST: `usize` has 64 bits on every machine that the module builds for.
        let mixed = (self.offset ^ self.memory as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // CAST: Few bits are left.
        (mixed >> 32) as usize % SHARDS
    }
}

/// An object and what its place in the table needs.
struct Slot {
    object: Object,
    /// Keeps the identity of the memory that the object is in, if that may be shared.
    memory: Option<SharedMemory>,
    /// When an idle object that lingers may go.
    expires: Option<Deadline>,
    _live: Live,
}

impl Slot {
    fn new(kind: ObjectKind, memory: Option<SharedMemory>) -> Self {
        Self {
            object: Object::new(kind),
            memory,
            expires: None,
            _live: Live::new(&OBJECTS),
        }
    }

    /// Makes an object of another kind out of an idle one. `EBUSY` if it is not idle.
    fn become_kind(&mut self, kind: ObjectKind) -> Result {
        if !self.object.is(kind) {
            if !self.object.is_idle() {
                return Err(EBUSY);
            }
            self.object = Object::new(kind);
        }
        Ok(())
    }

    /// Whether the object can go now.
    fn settle(&mut self) -> bool {
        self.expires = None;
        if !self.object.is_idle() {
            return false;
        }
        if self.object.lingers() {
            self.expires = Some(Deadline::after(LINGER_NS));
            return false;
        }
        true
    }
}

type Node = RBTreeNode<Key, Slot>;

/// A part of a table.
struct Shard {
    slots: RBTree<Key, Slot>,
    /// Where to look next for idle objects.
    hand: Key,
}

/// Looks at the next `count` objects from `from` on and takes out those that `is_over` says, as far
/// as `removed` has room. Returns where to go on; `None` at the end.
fn sweep(
    slots: &mut RBTree<Key, Slot>,
    from: Key,
    count: usize,
    mut is_over: impl FnMut(&Slot) -> bool,
    removed: &mut [Option<Node>],
) -> Option<Key> {
    let mut places = removed.iter_mut();
    let mut cursor = slots.cursor_lower_bound_mut(&from);
    for _ in 0..count {
        let at = cursor?;
        let (&key, slot) = at.current();
        if !is_over(slot) {
            cursor = at.move_next();
            continue;
        }
        let Some(place) = places.next() else {
            return Some(key);
        };
        let (next, node) = at.remove_current();
        *place = Some(node);
        // When there is no next one the cursor steps back.
        cursor = next.filter(|next| *next.current().0 > key);
    }
    cursor.map(|at| *at.current().0)
}

/// Objects by key.
#[pin_data]
pub(super) struct Table {
    #[pin]
    shards: [SpinLock<Shard>; SHARDS],
}

impl Table {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            shards <- pin_init::pin_init_array_from_fn(|_| new_spinlock!(
                Shard {
                    slots: RBTree::new(),
                    hand: Key::MIN,
                },
                "psynch::Table::shards"
            )),
        })
    }

    fn shard(&self, key: &Key) -> &SpinLock<Shard> {
        // In range, whatever the key.
        &self.shards[key.shard()]
    }

    /// Does `work` on the object at `key`, which becomes one of `kind` first. `EBUSY` if it is in
    /// use as one of another kind, `ENOMEM`. Does not sleep once `work` has begun.
    fn with<R>(
        &self,
        key: Key,
        kind: ObjectKind,
        memory: Option<&SharedMemory>,
        work: impl FnOnce(&mut Object, &mut Wakes) -> R,
    ) -> Result<R> {
        let mut wakes = Wakes::new();
        let mut swept = [const { None }; SWEEP];
        let mut reservation = None;
        // Locked in the loop, so that nothing but the lock is done twice.
        let mut shard = loop {
            let mut shard = self.shard(&key).lock();
            if shard.slots.get(&key).is_some() {
                break shard;
            }
            if let Some(reservation) = reservation.take() {
                let now = Deadline::after(0);
                let is_over = |slot: &Slot| slot.expires.is_some_and(|expires| expires < now);
                let hand = shard.hand;
                shard.hand =
                    sweep(&mut shard.slots, hand, SWEEP, is_over, &mut swept).unwrap_or(Key::MIN);
                if let rbtree::Entry::Vacant(vacant) = shard.slots.entry(key) {
                    vacant.insert(Slot::new(kind, memory.cloned()), reservation);
                }
                break shard;
            }
            drop(shard);
            reservation = Some(RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?);
        };
        let slot = shard.slots.get_mut(&key).ok_or(ENOENT)?;
        slot.become_kind(kind)?;
        let result = work(&mut slot.object, &mut wakes);
        let over = if slot.settle() {
            shard.slots.remove_node(&key)
        } else {
            None
        };
        drop(shard);
        wakes.flush();
        drop(over);
        Ok(result)
    }

    /// Does `work` on the object at `key`, if there is one. Does not sleep.
    fn with_existing<R>(
        &self,
        key: Key,
        work: impl FnOnce(&mut Object, &mut Wakes) -> R,
    ) -> Option<R> {
        let mut wakes = Wakes::new();
        let mut shard = self.shard(&key).lock();
        let slot = shard.slots.get_mut(&key)?;
        let result = work(&mut slot.object, &mut wakes);
        let over = if slot.settle() {
            shard.slots.remove_node(&key)
        } else {
            None
        };
        drop(shard);
        wakes.flush();
        drop(over);
        Some(result)
    }

    /// Forgets all objects.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            // Nobody has more than a few; nobody waits.
            let slots = core::mem::replace(&mut shard.lock().slots, RBTree::new());
            drop(slots);
        }
    }

    /// Whether there is any object.
    pub(super) fn is_empty(&self) -> bool {
        self.shards
            .iter()
            .all(|shard| shard.lock().slots.is_empty())
    }

    /// Forgets objects in memory that nobody has mapped.
    fn forget_unmapped(&self) {
        let is_over = |slot: &Slot| {
            slot.memory
                .as_ref()
                .is_some_and(|memory| !memory.is_mapped())
        };
        for shard in &self.shards {
            let mut from = Some(Key::MIN);
            while let Some(key) = from {
                let mut removed = [const { None }; BATCH];
                from = sweep(&mut shard.lock().slots, key, BATCH, is_over, &mut removed);
                drop(removed);
            }
        }
    }
}

/// Objects that tasks leave in shared memory are looked after when a task has ended.
impl Chore for Table {
    fn run(&self) {
        self.forget_unmapped();
    }
}

/// An object's table and key.
pub(super) struct Place<'a> {
    table: &'a Table,
    key: Key,
    memory: Option<SharedMemory>,
}

impl<'a> Place<'a> {
    pub(super) fn new(table: &'a Table, key: Key, memory: Option<SharedMemory>) -> Self {
        Self { table, key, memory }
    }

    /// See [`Table::with`].
    pub(super) fn with<R>(
        &self,
        kind: ObjectKind,
        work: impl FnOnce(&mut Object, &mut Wakes) -> R,
    ) -> Result<R> {
        self.table.with(self.key, kind, self.memory.as_ref(), work)
    }

    /// See [`Table::with_existing`].
    pub(super) fn with_existing<R>(
        &self,
        work: impl FnOnce(&mut Object, &mut Wakes) -> R,
    ) -> Option<R> {
        self.table.with_existing(self.key, work)
    }

    /// `EBUSY` if there is an object that could not become one of `kind`.
    pub(super) fn check(&self, kind: ObjectKind) -> Result {
        self.with_existing(|object, _| object.is(kind) || object.is_idle())
            .map_or(Ok(()), |fits| if fits { Ok(()) } else { Err(EBUSY) })
    }
}
