// SPDX-License-Identifier: GPL-2.0

//! Finding objects by address.
//!
//! Each task has a [`Table`] of its own for what only it can use, by address. Objects in memory
//! that processes share are in one table of the module, by memory object and offset.
//!
//! An object is made by the first trap that needs it and goes with the last one that leaves
//! nothing in it; a read-write lock, whose history matters, stays for [`LINGER_NS`]. What tasks
//! leave in shared memory goes when nobody has that memory mapped any more. Serves
//! [`super::place`], which says when.
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
    sync::{
        lock::{
            spinlock::SpinLockBackend,
            Guard, //
        },
        SpinLock, //
    },
};

/// How long an idle read-write lock stays, in nanoseconds.
pub(super) const LINGER_NS: u64 = 10_000_000_000;

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

    /// What is to become of the object now that a trap has been at it.
    fn settle(&mut self) -> Fate {
        self.expires = None;
        if !self.object.is_idle() {
            Fate::Stays
        } else if self.object.lingers() {
            self.expires = Some(Deadline::after(LINGER_NS));
            Fate::Lingers
        } else {
            Fate::Goes
        }
    }

    /// Whether the object, at which nobody is, need not stay.
    fn is_over(&self, now: Deadline) -> bool {
        let has_expired = self.expires.is_some_and(|expires| expires <= now);
        has_expired
            || self
                .memory
                .as_ref()
                .is_some_and(|memory| !memory.is_mapped())
    }
}

/// What becomes of an object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Stays,
    /// It is idle, and to be looked for after [`LINGER_NS`].
    Lingers,
    Goes,
}

type Slots = RBTree<Key, Slot>;

type Node = RBTreeNode<Key, Slot>;

/// Looks at the next objects from `from` on, as many as `removed` has room for, and takes out those
/// that are over. Returns where to go on; `None` at the end.
fn sweep(slots: &mut Slots, from: Key, now: Deadline, removed: &mut [Option<Node>]) -> Option<Key> {
    let mut cursor = slots.cursor_lower_bound_mut(&from);
    for place in removed {
        let at = cursor?;
        let (&key, slot) = at.current();
        if !slot.is_over(now) {
            cursor = at.move_next();
            continue;
        }
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
    shards: [SpinLock<Slots>; SHARDS],
}

impl Table {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            shards <- pin_init::pin_init_array_from_fn(|_| new_spinlock!(
                RBTree::new(),
                "psynch::Table::shards"
            )),
        })
    }

    fn shard(&self, key: &Key) -> &SpinLock<Slots> {
        // In range, whatever the key.
        &self.shards[key.shard()]
    }

    /// Does `work` on the object at `key`, which becomes one of `kind` first; also tells what became
    /// of the object. `EBUSY` if it is in use as one of another kind, `ENOMEM`. Does not sleep once
    /// `work` has begun.
    pub(super) fn with<R>(
        &self,
        key: Key,
        kind: ObjectKind,
        memory: Option<&SharedMemory>,
        work: impl FnOnce(&mut Object, &mut Wakes) -> R,
    ) -> Result<(R, Fate)> {
        let mut reservation = None;
        // Locked in the loop, so that nothing but the lock is done twice.
        let mut slots = loop {
            let mut slots = self.shard(&key).lock();
            if slots.get(&key).is_some() {
                break slots;
            }
            if let Some(reservation) = reservation.take() {
                if let rbtree::Entry::Vacant(vacant) = slots.entry(key) {
                    vacant.insert(Slot::new(kind, memory.cloned()), reservation);
                }
                break slots;
            }
            drop(slots);
            reservation = Some(RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?);
        };
        slots.get_mut(&key).ok_or(ENOENT)?.become_kind(kind)?;
        Self::work_on(slots, key, work).ok_or(ENOENT)
    }

    /// As [`with`](Self::with), if there is an object. Does not sleep.
    pub(super) fn with_existing<R>(
        &self,
        key: Key,
        work: impl FnOnce(&mut Object, &mut Wakes) -> R,
    ) -> Option<(R, Fate)> {
        Self::work_on(self.shard(&key).lock(), key, work)
    }

    /// Does `work` on the object at `key`, if there is one, and lets go of the lock. Who is to be
    /// woken is, and what is over is dropped, after that.
    fn work_on<R>(
        mut slots: Guard<'_, Slots, SpinLockBackend>,
        key: Key,
        work: impl FnOnce(&mut Object, &mut Wakes) -> R,
    ) -> Option<(R, Fate)> {
        let mut wakes = Wakes::new();
        let slot = slots.get_mut(&key)?;
        let result = work(&mut slot.object, &mut wakes);
        let fate = slot.settle();
        let over = match fate {
            Fate::Goes => slots.remove_node(&key),
            _ => None,
        };
        drop(slots);
        wakes.flush();
        drop(over);
        Some((result, fate))
    }

    /// Forgets all objects.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            // Nobody has more than a few; nobody waits.
            let slots = core::mem::replace(&mut *shard.lock(), RBTree::new());
            drop(slots);
        }
    }

    /// Whether there is any object.
    pub(super) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().is_empty())
    }

    /// Forgets the objects that need not stay any more.
    pub(super) fn tidy(&self) {
        for shard in &self.shards {
            let mut from = Some(Key::MIN);
            while let Some(key) = from {
                let mut removed = [const { None }; BATCH];
                from = sweep(&mut shard.lock(), key, Deadline::after(0), &mut removed);
                drop(removed);
            }
        }
    }
}
