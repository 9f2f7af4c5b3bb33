// SPDX-License-Identifier: GPL-2.0

//! A place for one owned box that several threads may fill and empty without a lock.
//!
//! Serves the hand-over of a message to a waiting thread and the one-element caches of threads.
//!
//! Locks: none.

use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    prelude::*,
    sync::atomic::Atomic, //
};

use super::peek::{
    exchange,
    Peek, //
};

/// Holds a `KBox<T>` or nothing.
///
/// # Invariants
///
/// The pointer is null or came from `KBox::into_raw` and is owned by the slot.
pub(crate) struct Slot<T> {
    value: Atomic<*mut T>,
    _owns: PhantomData<KBox<T>>,
}

// SAFETY: The slot passes boxes between threads and never shares their contents.
unsafe impl<T: Send> Send for Slot<T> {}

// SAFETY: As above.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// Makes an empty slot.
    pub(crate) const fn new() -> Self {
        Self {
            value: Atomic::new(ptr::null_mut()),
            _owns: PhantomData,
        }
    }

    /// Puts `value` in and returns what was there.
    #[inline]
    pub(crate) fn replace(&self, value: Option<KBox<T>>) -> Option<KBox<T>> {
        let new = value.map_or(ptr::null_mut(), KBox::into_raw);
        // INVARIANT: `new` is null or came from `KBox::into_raw`.
        let old = exchange(&self.value, new);
        if old.is_null() {
            return None;
        }
        // SAFETY: By the type invariants `old` came from `KBox::into_raw`, and the exchange made
        // it ours alone.
        Some(unsafe { KBox::from_raw(old) })
    }

    /// Takes out what is there.
    #[inline]
    pub(crate) fn take(&self) -> Option<KBox<T>> {
        if self.value.peek().is_null() {
            return None;
        }
        self.replace(None)
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.replace(None));
    }
}
