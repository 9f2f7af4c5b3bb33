// SPDX-License-Identifier: GPL-2.0

//! The registers of a program as its own signal handler has them.
//!
//! A client catches Linux's signals, and hands the registers that a signal has interrupted to the
//! kernel, which gives them back changed. While they are here they are the registers of the thread,
//! for all who ask (ABI traps §11.1); those that it really has are of its handler.
//!
//! Locks: `Handed::state` (spinlock), a leaf.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
};

/// Words of the general registers in the wide layout; the narrow one has fewer.
pub(crate) const GENERAL_WORDS: usize = 42;
/// Words of the floating point registers.
pub(crate) const FLOAT_WORDS: usize = 131;

/// Registers in the layout of the interface (XNU osfmk/mach/i386/_structs.h).
#[derive(Clone, Copy)]
pub(crate) struct HandedState {
    /// `x86_thread_state64`, or `x86_thread_state32` and zeroes.
    pub(crate) general: [u32; GENERAL_WORDS],
    /// `x86_float_state64` or `x86_float_state32`, which are equally long.
    pub(crate) float: [u32; FLOAT_WORDS],
}

impl HandedState {
    /// Zeroes, to be filled.
    pub(crate) fn new() -> Self {
        Self {
            general: [0; GENERAL_WORDS],
            float: [0; FLOAT_WORDS],
        }
    }
}

/// A thread's place for what its client has handed in.
#[pin_data]
pub(crate) struct Handed {
    #[pin]
    state: SpinLock<Option<KBox<HandedState>>>,
}

impl Handed {
    /// Makes an empty place.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            state <- new_spinlock!(None, "Handed::state"),
        })
    }

    /// Calls `work` while `state` is the state of the thread, the current one. Returns what `work`
    /// does, and the state as others have left it.
    pub(crate) fn during<R>(
        &self,
        state: KBox<HandedState>,
        work: impl FnOnce() -> R,
    ) -> (R, Option<KBox<HandedState>>) {
        let previous = self.state.lock().replace(state);
        // There was none: a thread is in one trap at a time.
        drop(previous);
        let result = work();
        let state = self.state.lock().take();
        (result, state)
    }

    /// What `look` says of the state, if there is one. `look` must not sleep.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&mut HandedState) -> R) -> Option<R> {
        let mut state = self.state.lock();
        Some(look(Option::as_mut(&mut *state)?))
    }

    /// Whether there is a state.
    pub(crate) fn is_there(&self) -> bool {
        self.state.lock().is_some()
    }
}
