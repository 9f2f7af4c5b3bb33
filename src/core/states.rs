// SPDX-License-Identifier: GPL-2.0

//! The states that subsystems keep for one task or thread, by the position of the subsystem.
//!
//! Most are made with the task or thread; those of subsystems that few programs use are made when
//! they are first asked for, see [`Subsystem::makes_states_late`](super::Subsystem).
//!
//! Locks: none. A state that is there stays.

use crate::linux::held::Held;
use core::any::Any;
use kernel::{
    prelude::*,
    sync::{
        Arc,
        SetOnce, //
    },
};

/// States, each of which is a `D`.
pub(super) struct States<D: ?Sized>(KVec<SetOnce<Held<D>>>);

impl<D: ?Sized> States<D> {
    /// Makes place for the states of `count` subsystems. Fails with `ENOMEM`.
    pub(super) fn new(count: usize) -> Result<Self> {
        let mut states = KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..count {
            states.push(SetOnce::new(), GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self(states))
    }

    /// Puts `state` where it belongs, unless one is there.
    pub(super) fn put(&self, position: usize, state: Arc<D>, concrete: fn(&D) -> &dyn Any) {
        if let Some(place) = self.0.get(position) {
            place.populate(Held::new(state, concrete));
        }
    }

    /// The state at `position`, if it is a `T`.
    #[inline]
    pub(super) fn get<T: 'static>(&self, position: usize) -> Option<&T> {
        self.0.get(position)?.as_ref()?.get()
    }

    /// The state at `position`.
    pub(super) fn object(&self, position: usize) -> Option<&D> {
        self.0.get(position)?.as_ref().map(Held::object)
    }

    /// All that are there, the last subsystem's first.
    pub(super) fn last_first(&self) -> impl Iterator<Item = &D> + '_ {
        let held = self.0.iter().rev().filter_map(SetOnce::as_ref);
        held.map(Held::object)
    }
}
