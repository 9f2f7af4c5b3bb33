// SPDX-License-Identifier: GPL-2.0

//! The memory of tasks: of others, if the caller may control them, and one's own (ABI mig §3.4,
//! traps §4).
//!
//! Locks: none here; the mmap lock of the address space, see `linux::remote_memory`.

mod routines;
mod traps;

use super::ipc::{
    RoutineDescriptor,
    RoutineSet, //
};
use crate::core::{
    Subsystem,
    TrapDescriptor, //
};

/// The traps of this subsystem.
pub(crate) const TRAPS: [&[TrapDescriptor]; 1] = [traps::TRAPS];

const ROUTINE_LISTS: [&[RoutineDescriptor]; 1] = [routines::ROUTINES];

/// The routines of this subsystem.
pub(crate) const ROUTINES: RoutineSet = RoutineSet::new("vm", &ROUTINE_LISTS);

/// The subsystem.
pub(crate) struct Vm;

impl Subsystem for Vm {
    fn name(&self) -> &'static str {
        "vm"
    }

    fn traps(&self) -> &'static [&'static [TrapDescriptor]] {
        &TRAPS
    }
}
