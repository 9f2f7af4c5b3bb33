// SPDX-License-Identifier: GPL-2.0

//! Counted objects of many types in one list, found by type without asking the object.
//!
//! Serves the states that subsystems keep for each task and thread: every trap finds one or two.
//! `dyn Any` answers by way of two indirect calls, which cost more than what is then done with
//! the state; here the answer is asked for once, when the object is put in.
//!
//! Locks: none.

use core::{
    any::{Any, TypeId},
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// An object, as a `D` and as what it is.
///
/// # Invariants
///
/// `concrete` points to a value of the type that `id` identifies, which is borrowed from `*object`
/// for as long as the object is held.
pub(crate) struct Held<D: ?Sized> {
    object: Arc<D>,
    concrete: NonNull<c_void>,
    id: TypeId,
}

// SAFETY: The pointer stands for a borrow of `object`, which any thread that has it can ask for.
unsafe impl<D: ?Sized + Send + Sync> Send for Held<D> {}

// SAFETY: As above.
unsafe impl<D: ?Sized + Send + Sync> Sync for Held<D> {}

impl<D: ?Sized> Held<D> {
    /// Holds `object`, which `concrete` lends out as what it is.
    pub(crate) fn new(object: Arc<D>, concrete: fn(&D) -> &dyn Any) -> Self {
        let any = concrete(&object);
        let id = any.type_id();
        let concrete = NonNull::from(any).cast();
        // INVARIANT: A `dyn Any` is a value of the type whose id it tells. The borrow lasts as
        // long as that of `*object`, which does not move and which `object` keeps alive; nobody
        // can have it for changing, as an `Arc` only lends it out shared.
        Self {
            object,
            concrete,
            id,
        }
    }

    /// The object as what it is, if that is a `T`.
    #[inline]
    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        if self.id != TypeId::of::<T>() {
            return None;
        }
        // SAFETY: By the type invariants the pointer is to a `T` that is borrowed for longer than
        // `self` is.
        Some(unsafe { self.concrete.cast::<T>().as_ref() })
    }

    /// The object as a `D`.
    #[inline]
    pub(crate) fn object(&self) -> &D {
        &self.object
    }

    /// Another reference to the object.
    #[inline]
    pub(crate) fn share(&self) -> Arc<D> {
        self.object.clone()
    }
}
