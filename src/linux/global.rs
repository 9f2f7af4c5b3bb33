// SPDX-License-Identifier: GPL-2.0

//! A counted object that entry points without any argument of ours can find while it is published.
//!
//! Serves the loader, whose kernel interface passes nothing that leads to the module's state.
//!
//! Locks: none. Taking an object back waits for readers (RCU), so it may sleep.

use core::ptr;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::{Acquire, Full},
            Atomic, //
        },
        rcu,
        Arc, //
    },
};

/// A place for one published object.
///
/// # Invariants
///
/// The pointer is null or came from `Arc::into_raw`; the reference it stands for is given up no
/// earlier than one RCU grace period after the pointer was taken out.
pub(crate) struct Global<T: Send + Sync + 'static> {
    object: Atomic<*const T>,
}

// SAFETY: The place hands out counted references.
unsafe impl<T: Send + Sync> Sync for Global<T> {}

impl<T: Send + Sync> Global<T> {
    /// Makes an empty place.
    pub(crate) const fn new() -> Self {
        Self {
            object: Atomic::new(ptr::null()),
        }
    }

    /// Publishes `object` until the guard is dropped. Fails with `EBUSY` when another one is.
    pub(crate) fn publish(&'static self, object: Arc<T>) -> Result<Published<T>> {
        let raw = Arc::into_raw(object);
        if self.object.cmpxchg(ptr::null(), raw, Full).is_err() {
            // SAFETY: The pointer was not stored, so the reference is still ours.
            drop(unsafe { Arc::from_raw(raw) });
            return Err(EBUSY);
        }
        Ok(Published(self))
    }

    /// The published object.
    pub(crate) fn get(&self) -> Option<Arc<T>> {
        let _rcu = rcu::read_lock();
        let raw = self.object.load(Acquire);
        if raw.is_null() {
            return None;
        }
        // SAFETY: By the type invariants the pointer came from `Arc::into_raw`, and the reference
        // it stands for lasts until the RCU section ends at least. `ManuallyDrop` leaves that
        // reference where it is.
        let published = core::mem::ManuallyDrop::new(unsafe { Arc::from_raw(raw) });
        Some((*published).clone())
    }
}

/// Keeps an object published.
pub(crate) struct Published<T: Send + Sync + 'static>(&'static Global<T>);

impl<T: Send + Sync> Drop for Published<T> {
    fn drop(&mut self) {
        let raw = self.0.object.xchg(ptr::null(), Full);
        rcu::synchronize_rcu();
        if !raw.is_null() {
            // SAFETY: By the type invariants; nobody can be cloning the reference any more.
            drop(unsafe { Arc::from_raw(raw) });
        }
    }
}
