// SPDX-License-Identifier: GPL-2.0

//! Traps for debuggers and their targets (ABI traps §11). Of them, so far, who traces whom.

use crate::{
    abi::nr,
    core::{
        Context,
        Subsystem,
        TrapDescriptor, //
    },
};
use kernel::prelude::*;
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this subsystem.
pub(crate) const TRAPS: [&[TrapDescriptor]; 1] = [traps![get_tracer]];

/// The subsystem.
pub(crate) struct Debug;

impl Subsystem for Debug {
    fn name(&self) -> &'static str {
        "debug"
    }

    fn traps(&self) -> &'static [&'static [TrapDescriptor]] {
        &TRAPS
    }
}

/// Tells the process that traces a task: that of process `pid`, or the caller's for 0. The answer
/// is 0 if there is none, or none that the caller can see. `ESRCH` if the process has no task.
#[trap(nr::GET_TRACER)]
fn get_tracer(context: &Context<'_>, pid: i32) -> Result<u32> {
    let tracer = match pid {
        0 => context.task().tracer(),
        _ => context.mach().task_of_pid(pid).ok_or(ESRCH)?.tracer(),
    };
    Ok(tracer.map_or(0, |tracer| tracer.nr_in_current_ns()))
}
