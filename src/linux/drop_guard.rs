// SPDX-License-Identifier: GPL-2.0

//! A value that somebody sees to when it is dropped, unless it is taken out before.
//!
//! Serves rights, which cannot get lost and are as small as what they hold. The `kernel` crate's
//! `ScopeGuard` keeps a function beside the value, three times its size.
//!
//! Locks: none.

use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{
        Deref,
        DerefMut, //
    },
};

/// Who sees to a value that is dropped.
pub(crate) trait DropHandler<T> {
    /// `value` is dropped.
    fn dropped(value: T);
}

/// A value that goes to `H` when it is dropped.
///
/// # Invariants
///
/// The value is there until this is dropped.
pub(crate) struct DropGuard<T, H: DropHandler<T>> {
    value: ManuallyDrop<T>,
    _handler: PhantomData<fn() -> H>,
}

impl<T, H: DropHandler<T>> DropGuard<T, H> {
    /// Guards `value`.
    #[inline]
    pub(crate) fn new(value: T) -> Self {
        // INVARIANT: It is there.
        Self {
            value: ManuallyDrop::new(value),
            _handler: PhantomData,
        }
    }

    /// The value, which `H` does not get any more.
    #[inline]
    pub(crate) fn dismiss(self) -> T {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: By the type invariants the value is there. Nobody uses it after this: the guard
        // has been moved to where it is not dropped.
        unsafe { ManuallyDrop::take(&mut this.value) }
    }
}

impl<T, H: DropHandler<T>> Deref for DropGuard<T, H> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T, H: DropHandler<T>> DerefMut for DropGuard<T, H> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T, H: DropHandler<T>> Drop for DropGuard<T, H> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants the value is there, and after `drop` nobody uses it.
        H::dropped(unsafe { ManuallyDrop::take(&mut self.value) });
    }
}
