// SPDX-License-Identifier: GPL-2.0

//! A value that one thread at a time uses, for as long as it likes.
//!
//! Serves objects that are worked on while their owner sleeps or touches user memory, so that no
//! lock can be held. Whether, and how, one waits for a turn is left to whoever uses this.
//!
//! Locks: none.

use super::peek::Peek;
use core::{
    cell::UnsafeCell,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::{Acquire, Release},
            Atomic, //
        },
        Arc, //
    },
};

/// A value that is used in turns.
///
/// # Invariants
///
/// `taken` is 1 exactly while there is one [`Turn`], which alone accesses `value`.
pub(crate) struct Turns<T> {
    taken: Atomic<u32>,
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

/// The right to use a value, which is part of `owner`. Given back when it is dropped.
///
/// # Invariants
///
/// `turns` is borrowed from `*owner`, and its `taken` is 1 because of this value.
pub(crate) struct Turn<O, T> {
    owner: Arc<O>,
    turns: NonNull<Turns<T>>,
}

// SAFETY: Whoever has the turn has the value.
unsafe impl<O: Send + Sync, T: Send> Send for Turn<O, T> {}

impl<O, T> Turn<O, T> {
    /// Takes the turn of the value that `find` finds in `owner`, or gives `owner` back if somebody
    /// has it.
    #[inline]
    pub(crate) fn try_take(owner: Arc<O>, find: fn(&O) -> &Turns<T>) -> Result<Self, Arc<O>> {
        let turns = find(&owner);
        if turns.taken.cmpxchg(0, 1, Acquire).is_err() {
            return Err(owner);
        }
        // INVARIANT: The exchange was ours. The borrow lasts as long as that of `*owner`, which
        // does not move and which the reference keeps alive; nobody can have it for changing, as
        // an `Arc` only lends it out shared.
        Ok(Self {
            turns: NonNull::from(turns),
            owner,
        })
    }

    /// Whose value it is.
    #[inline]
    pub(crate) fn owner(&self) -> &Arc<O> {
        &self.owner
    }

    /// Whose value it is, and the value.
    #[inline]
    pub(crate) fn parts(&mut self) -> (&Arc<O>, &mut T) {
        // SAFETY: By the type invariants the value is there and accessed through `self` alone,
        // which is borrowed for changing. It is in an `UnsafeCell`, so that the owner can be
        // looked at meanwhile.
        (&self.owner, unsafe {
            &mut *self.turns.as_ref().value.get()
        })
    }

    /// Gives the turn back. The reference is for the caller to drop, where that can be done.
    #[inline]
    pub(crate) fn release(self) -> Arc<O> {
        let this = ManuallyDrop::new(self);
        // INVARIANT: As in `drop`, which does not follow.
        // SAFETY: By the type invariants the owner keeps the turns alive. `this` is not dropped,
        // so the reference is read out once.
        unsafe {
            this.turns.as_ref().taken.store(0, Release);
            (&raw const this.owner).read()
        }
    }
}

impl<O, T> Deref for Turn<O, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariants the value is there and accessed through `self` alone.
        unsafe { &*self.turns.as_ref().value.get() }
    }
}

impl<O, T> DerefMut for Turn<O, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: As above; `self` is borrowed for changing.
        unsafe { &mut *self.turns.as_ref().value.get() }
    }
}

impl<O, T> Drop for Turn<O, T> {
    #[inline]
    fn drop(&mut self) {
        // INVARIANT: This value is gone. Who takes the turn next sees what was done with it.
        // SAFETY: By the type invariants the owner keeps the turns alive.
        unsafe { self.turns.as_ref() }.taken.store(0, Release);
    }
}
