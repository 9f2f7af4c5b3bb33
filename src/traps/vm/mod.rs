// SPDX-License-Identifier: GPL-2.0

//! The memory of tasks: of others, if the caller may control them, and one's own (ABI mig §3.4,
//! traps §4).
//!
//! | file | what |
//! |---|---|
//! | `traps` | mapping zeroes, unmapping |
//! | `map` | mapping what there is already |
//! | `entry` | memory as an object with a port |
//! | `transfer` | reading, writing and copying |
//! | `regions` | what is mapped where |
//! | `hints` | how memory is to be treated |
//! | `refused` | what there is not |
//! | `target` | the way into another task |
//!
//! Locks: none here; the mmap lock of the address space, see `linux::remote_memory` and
//! `linux::mapping`.

mod entry;
mod hints;
mod map;
mod refused;
mod regions;
mod target;
mod transfer;
mod traps;

use super::ipc::RoutineSet;
use crate::core::{
    Manifest,
    Subsystem, //
};

/// The routines of this subsystem.
pub(crate) const ROUTINES: RoutineSet = RoutineSet::new(
    "vm",
    &[
        traps::ROUTINES,
        map::ROUTINES,
        entry::ROUTINES,
        transfer::ROUTINES,
        regions::ROUTINES,
        hints::ROUTINES,
        refused::ROUTINES,
    ],
);

/// What this subsystem brings along.
pub(crate) static MANIFEST: Manifest = Manifest {
    traps: &[traps::TRAPS],
    objects: &[&entry::ENTRIES, &map::PINNED],
    ..Manifest::new("vm")
};

/// The subsystem.
pub(crate) struct Vm;

impl Subsystem for Vm {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }
}
