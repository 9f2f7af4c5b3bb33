// SPDX-License-Identifier: GPL-2.0

//! Timers: ports at which a message arrives at a given moment (ABI traps §8; XNU
//! osfmk/kern/mk_timer.c).
//!
//! | file | what |
//! |---|---|
//! | `object` | the timer |
//! | `traps` | the traps |
//!
//! # Locks
//!
//! 1. `Timer::setting` (mutex): one thread at a time sets or cancels a timer.
//! 2. `Expiry::messages` (spinlock), a leaf.
//!
//! Messages are sent with neither of the two.

mod object;
mod traps;

use self::object::TIMERS;
use crate::core::{
    ObjectCounter,
    Subsystem,
    TrapDescriptor, //
};

/// The traps of this subsystem.
pub(crate) const TRAPS: [&[TrapDescriptor]; 1] = [traps::TRAPS];

/// The subsystem.
pub(crate) struct Timers;

impl Subsystem for Timers {
    fn name(&self) -> &'static str {
        "timer"
    }

    fn traps(&self) -> &'static [&'static [TrapDescriptor]] {
        &TRAPS
    }

    fn objects(&self) -> &'static [&'static ObjectCounter] {
        static OBJECTS: [&ObjectCounter; 1] = [&TIMERS];
        &OBJECTS
    }
}
