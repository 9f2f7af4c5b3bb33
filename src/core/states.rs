// SPDX-License-Identifier: GPL-2.0

//! The states that subsystems keep for one task or thread, by the position of the subsystem among
//! those that keep any.
//!
//! Some are made with the task or thread, others when they are first asked for, see
//! [`Making`](super::Making).
//!
//! Locks: none. A state that is there stays.

use crate::linux::{
    held::Held,
    once::Once, //
};
use core::any::Any;
use kernel::{
    alloc::AllocError,
    prelude::*,
    sync::Arc, //
};

/// How a state is asked what it is.
type Concrete<D> = fn(&D) -> &dyn Any;

/// How many subsystems can keep states.
pub(super) const PLACES: usize = 10;

/// States, each of which is a `D`.
pub(super) struct States<D: ?Sized>([State<D>; PLACES]);

enum State<D: ?Sized> {
    /// Made at the beginning.
    Early(Held<D>),
    /// Perhaps made since.
    Late(Once<Held<D>>),
}

impl<D: ?Sized> State<D> {
    #[inline]
    fn held(&self) -> Option<&Held<D>> {
        match self {
            Self::Early(held) => Some(held),
            Self::Late(place) => place.get(),
        }
    }
}

impl<D: ?Sized> States<D> {
    /// None yet.
    pub(super) const fn new() -> Self {
        Self([const { State::Late(Once::new()) }; PLACES])
    }

    /// Sets what the subsystem at `position` has from the beginning.
    pub(super) fn set(&mut self, position: usize, state: Option<Arc<D>>, concrete: Concrete<D>) {
        if let (Some(place), Some(state)) = (self.0.get_mut(position), state) {
            *place = State::Early(Held::new(state, concrete));
        }
    }

    /// Puts `state` where it belongs, unless one is there. Fails without memory.
    pub(super) fn put(
        &self,
        position: usize,
        state: Arc<D>,
        concrete: Concrete<D>,
    ) -> Result<(), AllocError> {
        let held = Arc::new(Held::new(state, concrete), GFP_KERNEL_ACCOUNT)?;
        if let Some(State::Late(place)) = self.0.get(position) {
            // One that is refused goes.
            let _ = place.put(held);
        }
        Ok(())
    }

    /// The state at `position`, if it is a `T`.
    #[inline]
    pub(super) fn get<T: 'static>(&self, position: usize) -> Option<&T> {
        self.0.get(position)?.held()?.get()
    }

    /// The state at `position`.
    pub(super) fn object(&self, position: usize) -> Option<&D> {
        self.0.get(position)?.held().map(Held::object)
    }

    /// All that are there, the last subsystem's first.
    pub(super) fn last_first(&self) -> impl Iterator<Item = &D> + '_ {
        let held = self.0.iter().rev().filter_map(State::held);
        held.map(Held::object)
    }

    /// The same; what is not there is taken from `others`.
    pub(super) fn last_first_or<'a>(
        &'a self,
        others: &'a Self,
    ) -> impl Iterator<Item = &'a D> + 'a {
        let pairs = self.0.iter().zip(&others.0).rev();
        let held = pairs.filter_map(|(own, other)| own.held().or(other.held()));
        held.map(Held::object)
    }
}
