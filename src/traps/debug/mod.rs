// SPDX-License-Identifier: GPL-2.0

//! Traps for debuggers and their targets (ABI traps §11). Of them, so far, who traces whom.

use crate::{
    abi::{
        args::SetTracerArgs,
        nr, //
    },
    core::{
        Context,
        Subsystem,
        TrapDescriptor, //
    },
    linux::process::ProcessId,
    traps::ipc::TaskPort,
};
use kernel::prelude::*;
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this subsystem.
pub(crate) const TRAPS: [&[TrapDescriptor]; 1] = [traps![get_tracer, set_tracer]];

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

/// Sets the process that traces a task: that of process `target`, or the caller's for 0. A tracer
/// of 0 or less clears it.
///
/// `ESRCH` if the target has no task or the tracer does not exist, `EPERM` if the target is traced
/// already or the caller may not control it.
#[trap(nr::SET_TRACER)]
fn set_tracer(context: &Context<'_>, args: SetTracerArgs) -> Result {
    let other = match args.target {
        0 => None,
        pid => Some(context.mach().task_of_pid(pid).ok_or(ESRCH)?),
    };
    let task = other.as_deref().unwrap_or(context.task());
    TaskPort::of(task)
        .ok_or(ESRCH)?
        .controlled(context)
        .map_err(|_| EPERM)?;
    let tracer = match u32::try_from(args.tracer) {
        Ok(0) | Err(_) => None,
        Ok(pid) => Some(ProcessId::from_current_ns(pid).ok_or(ESRCH)?),
    };
    if task.set_tracer(tracer) {
        Ok(())
    } else {
        Err(EPERM)
    }
}
