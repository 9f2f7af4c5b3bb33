// SPDX-License-Identifier: GPL-2.0

//! The states that subsystems keep for one task or thread, by the position of the subsystem.
//!
//! Some are made with the task or thread, others when they are first asked for, see
//! [`Making`](super::Making).
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

/// How a state is asked what it is.
type Concrete<D> = fn(&D) -> &dyn Any;

/// States, each of which is a `D`.
pub(super) struct States<D: ?Sized>(KVec<State<D>>);

enum State<D: ?Sized> {
    /// Made at the beginning.
    Early(Held<D>),
    /// Perhaps made since.
    Late(SetOnce<Held<D>>),
}

impl<D: ?Sized> State<D> {
    #[inline]
    fn held(&self) -> Option<&Held<D>> {
        match self {
            Self::Early(held) => Some(held),
            Self::Late(held) => held.as_ref(),
        }
    }
}

impl<D: ?Sized> States<D> {
    /// Makes place for the states of `count` subsystems. Fails with `ENOMEM`.
    pub(super) fn with_capacity(count: usize) -> Result<Self> {
        Ok(Self(KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?))
    }

    /// Adds what the next subsystem has: a state, or the place for one. Fails with `ENOMEM`.
    pub(super) fn push(&mut self, state: Option<Arc<D>>, concrete: Concrete<D>) -> Result {
        let state = match state {
            Some(state) => State::Early(Held::new(state, concrete)),
            None => State::Late(SetOnce::new()),
        };
        Ok(self.0.push(state, GFP_KERNEL_ACCOUNT)?)
    }

    /// Puts `state` where it belongs, unless one is there.
    pub(super) fn put(&self, position: usize, state: Arc<D>, concrete: Concrete<D>) {
        if let Some(State::Late(place)) = self.0.get(position) {
            place.populate(Held::new(state, concrete));
        }
    }

    /// The state at `position`, if it is a `T`.
    #[inline]
    pub(super) fn get<T: 'static>(&self, position: usize) -> Option<&T> {
        self.0.get(position)?.held()?.get()
    }

    /// Whether there is a state at `position`.
    pub(super) fn has(&self, position: usize) -> bool {
        self.object(position).is_some()
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
