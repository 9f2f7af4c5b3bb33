// SPDX-License-Identifier: GPL-2.0

//! What a trap is, and what it is given.
//!
//! Locks: none.

use super::{
    Mach,
    Outcome,
    Task,
    Thread, //
};
use crate::abi::nr;

/// A trap as its subsystem declares it: the number and the function. Made by `#[trap(nr)]`.
#[derive(Clone, Copy)]
pub(crate) struct TrapDescriptor {
    number: u32,
    run: fn(&Context<'_>, usize) -> Outcome,
}

impl TrapDescriptor {
    /// Declares that `run` answers `number`; evaluated at compile time, where a number outside the
    /// range fails the build.
    pub(crate) const fn new(number: u32, run: fn(&Context<'_>, usize) -> Outcome) -> Self {
        assert!(
            number >= nr::FIRST && number - nr::FIRST < nr::COUNT as u32,
            "not a trap number"
        );
        Self { number, run }
    }

    /// The trap number.
    pub(crate) const fn number(&self) -> u32 {
        self.number
    }

    /// The function, with its argument still undecoded.
    pub(crate) const fn run(&self) -> fn(&Context<'_>, usize) -> Outcome {
        self.run
    }
}

/// Who makes a trap: the current task and thread.
pub(crate) struct Context<'a> {
    task: &'a Task,
    thread: &'a Thread,
}

impl<'a> Context<'a> {
    /// The trap of `thread`, the current one, in `task`.
    pub(super) fn new(task: &'a Task, thread: &'a Thread) -> Self {
        Self { task, thread }
    }

    /// The calling task.
    #[inline]
    pub(crate) fn task(&self) -> &'a Task {
        self.task
    }

    /// The calling thread.
    #[inline]
    pub(crate) fn thread(&self) -> &'a Thread {
        self.thread
    }

    /// The module's state.
    #[inline]
    pub(crate) fn mach(&self) -> &Mach {
        self.task.mach()
    }
}
