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
    Manifest,
    Subsystem, //
};

/// What this subsystem brings along.
pub(crate) static MANIFEST: Manifest = Manifest {
    traps: &[traps::TRAPS],
    objects: &[&TIMERS],
    ..Manifest::new("timer")
};

/// The subsystem.
pub(crate) struct Timers;

impl Subsystem for Timers {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }
}
