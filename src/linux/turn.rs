// SPDX-License-Identifier: GPL-2.0

//! A value that one thread at a time uses, for as long as it likes.
//!
//! Serves objects that are worked on while their owner sleeps or touches user memory, so that no
//! lock can be held. Whether, and how, one waits for a turn is left to whoever uses this.
//!
//! Locks: none.

use super::{
    peek::{
        change,
        Peek, //
    },
    slot::Slot,
};
use core::{
    cell::UnsafeCell,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut}, //
};
use kernel::sync::{
    atomic::Atomic,
    Arc, //
};

/// A value that is used in turns.
///
/// # Invariants
///
/// `taken` is 1 exactly while there is one [`Turn`], which alone accesses `value`.
pub(crate) struct Turns<T> {
    taken: Atomic<u64>,
    value: UnsafeCell<T>,
}

// SAFETY: The value goes from thread to thread, and only one has it at a time.
unsafe impl<T: Send> Send for Turns<T> {}

// SAFETY: As above.
unsafe impl<T: Send> Sync for Turns<T> {}

impl<T> Turns<T> {
    /// Makes a value whose turn nobody has.
    pub(crate) const fn new(value: T) -> Self {
        Self {
            taken: Atomic::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Whether somebody has the turn at this moment.
    #[inline]
    pub(crate) fn is_taken(&self) -> bool {
        self.taken.peek() != 0
    }
}

/// What has a value that is used in turns.
pub(crate) trait HasTurns {
    /// The value.
    type Value: Send;

    /// The value with its turns: always the same.
    fn turns(&self) -> &Turns<Self::Value>;
}

/// The right to use a value, which is part of `owner`. Given back when it is dropped.
///
/// # Invariants
///
/// `taken` of the owner's turns is 1 because of this value.
pub(crate) struct Turn<O: HasTurns> {
    owner: Arc<O>,
}

impl<O: HasTurns> Turn<O> {
    /// Takes the turn of the value that `owner` has, or gives `owner` back if somebody has it.
    #[inline]
    pub(crate) fn try_take(owner: Arc<O>) -> Result<Self, Arc<O>> {
        match change(&owner.turns().taken, 0, 1) {
            // INVARIANT: The exchange was ours.
            true => Ok(Self { owner }),
            false => Err(owner),
        }
    }

    /// Whose value it is.
    #[inline]
    pub(crate) fn owner(&self) -> &Arc<O> {
        &self.owner
    }

    /// Whose value it is, and the value.
    #[inline]
    pub(crate) fn parts(&mut self) -> (&Arc<O>, &mut O::Value) {
        // SAFETY: By the type invariants the value is there and accessed through `self` alone,
        // which is borrowed for changing. It is in an `UnsafeCell`, so that the owner can be
        // looked at meanwhile.
        (&self.owner, unsafe { &mut *self.owner.turns().value.get() })
    }

    /// Gives the turn back. The reference is for the caller to drop, where that can be done.
    #[inline]
    pub(crate) fn release(self) -> Arc<O> {
        let owner = self.into_owner();
        // INVARIANT: The value is gone. Who takes the turn next sees what was done with it.
        owner.turns().taken.poke_release(0);
        owner
    }

    /// The reference without the right, which stays taken.
    #[inline]
    fn into_owner(self) -> Arc<O> {
        let this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, so the reference is read out once.
        unsafe { (&raw const this.owner).read() }
    }
}

impl<O: HasTurns> Deref for Turn<O> {
    type Target = O::Value;

    #[inline]
    fn deref(&self) -> &O::Value {
        // SAFETY: By the type invariants the value is there and accessed through `self` alone.
        unsafe { &*self.owner.turns().value.get() }
    }
}

impl<O: HasTurns> DerefMut for Turn<O> {
    #[inline]
    fn deref_mut(&mut self) -> &mut O::Value {
        // SAFETY: As above; `self` is borrowed for changing.
        unsafe { &mut *self.owner.turns().value.get() }
    }
}

impl<O: HasTurns> Drop for Turn<O> {
    #[inline]
    fn drop(&mut self) {
        // INVARIANT: This value is gone. Who takes the turn next sees what was done with it.
        self.owner.turns().taken.poke_release(0);
    }
}

/// A place by which one thread gives its turn to another.
///
/// # Invariants
///
/// What the slot holds is the owner of a turn that belongs to this.
pub(crate) struct TurnSlot<O: HasTurns + 'static>(Slot<Arc<O>>);

impl<O: HasTurns + 'static> TurnSlot<O> {
    /// Makes an empty place.
    pub(crate) const fn new() -> Self {
        Self(Slot::new())
    }

    /// Puts a turn in, and takes out what was there.
    #[inline]
    pub(crate) fn replace(&self, turn: Option<Turn<O>>) -> Option<Turn<O>> {
        // INVARIANT: The turn belongs to this now.
        let old = self.0.replace(turn.map(Turn::into_owner));
        // INVARIANT: The turn that belonged to the place is this one.
        old.map(|owner| Turn { owner })
    }

    /// Takes out what is there.
    #[inline]
    pub(crate) fn take(&self) -> Option<Turn<O>> {
        // INVARIANT: As above.
        self.0.take().map(|owner| Turn { owner })
    }
}

impl<O: HasTurns + 'static> Drop for TurnSlot<O> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
