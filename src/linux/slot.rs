// SPDX-License-Identifier: GPL-2.0

//! A place for one owning pointer that several threads may fill and empty without a lock.
//!
//! Serves the hand-over of a message or a turn to a waiting thread, and the one-element caches of
//! threads.
//!
//! Locks: none.

use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    prelude::*,
    sync::atomic::Atomic,
    types::ForeignOwnable, //
};

use super::peek::{
    exchange,
    Peek, //
};

/// Holds a `P`, which is a pointer that owns what it points to, or nothing.
///
/// # Invariants
///
/// The pointer is null or came from `P::into_foreign` and is owned by the slot.
pub(crate) struct Slot<P: ForeignOwnable> {
    value: Atomic<*mut c_void>,
    _owns: PhantomData<P>,
}

// SAFETY: The slot passes what it holds between threads and never shares it.
unsafe impl<P: ForeignOwnable + Send> Send for Slot<P> {}

// SAFETY: As above.
unsafe impl<P: ForeignOwnable + Send> Sync for Slot<P> {}

impl<P: ForeignOwnable> Slot<P> {
    /// Makes an empty slot.
    pub(crate) const fn new() -> Self {
        Self {
            value: Atomic::new(ptr::null_mut()),
            _owns: PhantomData,
        }
    }

    /// Puts `value` in and returns what was there.
    #[inline]
    pub(crate) fn replace(&self, value: Option<P>) -> Option<P> {
        let new = value.map_or(ptr::null_mut(), P::into_foreign);
        // INVARIANT: `new` is null or came from `P::into_foreign`.
        let old = exchange(&self.value, new);
        // SAFETY: By the type invariants `old` is null or came from `P::into_foreign`, and the
        // exchange made it ours alone.
        unsafe { P::try_from_foreign(old) }
    }

    /// Takes out what is there.
    #[inline]
    pub(crate) fn take(&self) -> Option<P> {
        if self.value.peek().is_null() {
            return None;
        }
        self.replace(None)
    }
}

impl<P: ForeignOwnable> Drop for Slot<P> {
    fn drop(&mut self) {
        drop(self.replace(None));
    }
}
