// SPDX-License-Identifier: GPL-2.0

//! What the machine answers by its ports: the host, and the clocks (ABI mig §3.5).
//!
//! | file | what |
//! |---|---|
//! | `info` | facts about the machine |
//! | `statistics` | load, memory and processor time |
//! | `clock` | the clocks |
//!
//! Locks: none.

mod clock;
mod info;
mod statistics;

use self::clock::Clocks;
use super::ipc::{
    RoutineDescriptor,
    RoutineSet, //
};
use crate::core::{
    Birth,
    StateKey,
    Subsystem,
    TaskState,
    TrapDescriptor, //
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::Arc, //
};

const ROUTINE_LISTS: [&[RoutineDescriptor]; 3] =
    [info::ROUTINES, statistics::ROUTINES, clock::ROUTINES];

/// The routines of this subsystem.
pub(crate) const ROUTINES: RoutineSet = RoutineSet::new("host", &ROUTINE_LISTS);

/// The machine as each task sees it.
static MACHINE: StateKey<Machine> = StateKey::new();

/// What all tasks share.
struct Machine {
    clocks: Clocks,
}

impl TaskState for Machine {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The subsystem.
pub(crate) struct HostSubsystem {
    machine: Arc<Machine>,
}

impl HostSubsystem {
    /// Makes the machine's objects. Fails with `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let clocks = Clocks::new()?;
        Ok(Self {
            machine: Arc::new(Machine { clocks }, GFP_KERNEL)?,
        })
    }
}

impl Subsystem for HostSubsystem {
    fn name(&self) -> &'static str {
        "host"
    }

    fn traps(&self) -> &'static [&'static [TrapDescriptor]] {
        &[]
    }

    fn bind(&self, position: usize) {
        MACHINE.bind(position);
    }

    fn new_task(&self, _birth: &Birth<'_>) -> Result<Option<Arc<dyn TaskState>>> {
        Ok(Some(self.machine.clone()))
    }

    fn shutdown(&self) {
        self.machine.clocks.end();
    }
}
