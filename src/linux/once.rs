// SPDX-License-Identifier: GPL-2.0

//! A place for one counted object that is put in at some time and then stays.
//!
//! Serves what is made when it is first asked for. Unlike the kernel crate's `SetOnce` it is never
//! seen half full: whoever is refused because of another finds that one. Looking is one load.
//!
//! Locks: none.

use super::peek::Peek;
use core::ptr;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::Full,
            Atomic, //
        },
        Arc, //
    },
};

/// Holds an `Arc<T>` or nothing yet.
///
/// # Invariants
///
/// The pointer is null, or came from `Arc::into_raw` and stands for a reference of the place's. It
/// changes once.
pub(crate) struct Once<T> {
    object: Atomic<*const T>,
}

// SAFETY: The place shares its object, and gives up its reference where it is dropped.
unsafe impl<T: Send + Sync> Send for Once<T> {}

// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Once<T> {
    /// Makes an empty place.
    pub(crate) const fn new() -> Self {
        // INVARIANT: The pointer is null.
        Self {
            object: Atomic::new(ptr::null()),
        }
    }

    /// What is there.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        let object = self.object.peek_acquire();
        // SAFETY: By the type invariants the pointer is null or to an object that is there as long
        // as the place is.
        unsafe { object.as_ref() }
    }

    /// Puts `object` in; gives it back if there is one.
    pub(crate) fn put(&self, object: Arc<T>) -> Result<(), Arc<T>> {
        let raw = Arc::into_raw(object);
        // INVARIANT: The place was empty, and takes over the reference.
        match self.object.cmpxchg(ptr::null(), raw, Full) {
            Ok(_) => Ok(()),
            // SAFETY: The pointer was not stored, so the reference is still ours.
            Err(_) => Err(unsafe { Arc::from_raw(raw) }),
        }
    }

    /// Another reference to what is there.
    pub(crate) fn share(&self) -> Option<Arc<T>> {
        let object = self.object.peek_acquire();
        if object.is_null() {
            return None;
        }
        // SAFETY: By the type invariants the pointer came from `Arc::into_raw`. `ManuallyDrop`
        // leaves the reference that it stands for to the place.
        let object = unsafe { core::mem::ManuallyDrop::new(Arc::from_raw(object)) };
        Some(Arc::clone(&object))
    }
}

impl<T> Drop for Once<T> {
    fn drop(&mut self) {
        let object = self.object.peek();
        if !object.is_null() {
            // SAFETY: By the type invariants. Nobody sees the place any more.
            drop(unsafe { Arc::from_raw(object) });
        }
    }
}
