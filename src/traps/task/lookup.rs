// SPDX-License-Identifier: GPL-2.0

//! Traps that get from processes and threads to their ports, and back (ABI traps §3).
//!
//! Numbers of processes and threads are those of the caller's pid namespace.

use crate::{
    abi::{
        args::{
            PidForTaskArgs,
            TaskForPidArgs,
            TaskNameForPidArgs, //
        },
        nr, //
    },
    core::{
        user,
        Context,
        InOut,
        KernError,
        KernResult,
        Task,
        TrapDescriptor, //
    },
    linux::{
        process::ProcessId,
        usage, //
    },
    traps::ipc::{
        as_kind,
        control_right,
        give,
        name_right,
        object_named,
        take_back,
        TaskNamePort,
        TaskPort, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] = traps![
    task_for_pid,
    task_name_for_pid,
    pid_for_task,
    pid_get_state,
    task_64bit,
];

/// The task of process `pid`. `KERN_FAILURE` if there is none.
fn task_of(context: &Context<'_>, pid: i32) -> KernResult<Arc<Task>> {
    context.mach().task_of_pid(pid).ok_or(KernError::FAILURE)
}

/// Gives the caller control over the task of a process, if it might as well trace that.
/// `KERN_FAILURE` if there is no such task or the caller may not control it.
#[trap(nr::TASK_FOR_PID)]
fn task_for_pid(context: &Context<'_>, args: TaskForPidArgs) -> KernResult {
    let task = task_of(context, args.pid)?;
    TaskPort::of(&task)
        .ok_or(KernError::FAILURE)?
        .controlled(context)
        .map_err(|_| KernError::FAILURE)?;
    // Should the process have loaded another image meanwhile, this is a right to a dead port.
    let name = give(context, control_right(&task).ok_or(KernError::FAILURE)?)?;
    if !name.is_valid() {
        return Err(KernError::FAILURE);
    }
    user::write(args.task_port, &name).map_err(|_| {
        take_back(context, name);
        KernError::INVALID_ADDRESS
    })
}

/// Gives the caller a name for the task of a process, which is no secret. `KERN_FAILURE` if there
/// is none.
#[trap(nr::TASK_NAME_FOR_PID)]
fn task_name_for_pid(context: &Context<'_>, args: InOut<TaskNameForPidArgs>) -> KernResult {
    let mut args = args;
    let task = task_of(context, args.value.pid)?;
    let name = give(context, name_right(&task).ok_or(KernError::FAILURE)?)?;
    if !name.is_valid() {
        return Err(KernError::FAILURE);
    }
    args.value.name_out = name;
    args.write_back().map_err(|_| {
        take_back(context, name);
        KernError::INVALID_ADDRESS
    })
}

/// Tells the process of a task. `ESRCH` if the name is not that of a living one's port, or the
/// process has no number in the caller's pid namespace.
#[trap(nr::PID_FOR_TASK)]
fn pid_for_task(context: &Context<'_>, args: PidForTaskArgs) -> Result<u32> {
    // The answer is a Mach code in this trap, and yet the failure an errno.
    const KERN_INVALID_ADDRESS: u32 = 1;

    let object = object_named(context, args.task_port).map_err(|_| ESRCH)?;
    let name: &TaskNamePort = as_kind(&*object).ok_or(ESRCH)?;
    name.task(context.mach()).map_err(|_| ESRCH)?;
    // CAST: numbers of processes are positive.
    let pid = match name.process().nr_in_current_ns() {
        0 => return Err(ESRCH),
        number => number as i32,
    };
    match user::write(args.pid, &pid) {
        Ok(()) => Ok(0),
        Err(_) => Ok(KERN_INVALID_ADDRESS),
    }
}

/// The process `pid`.
fn process(pid: i32) -> Option<ProcessId> {
    ProcessId::from_current_ns(u32::try_from(pid).ok()?)
}

/// Tells what the first thread of a process is doing, as Linux's scheduler has it; 0 for one that
/// runs and for a process that does not exist.
#[trap(nr::PID_GET_STATE)]
fn pid_get_state(_context: &Context<'_>, pid: i32) -> Result<u32> {
    Ok(process(pid)
        .and_then(|process| usage::process_state(&process))
        .unwrap_or(0))
}

/// Tells whether a process, of whatever kind, has addresses beyond 4 GiB. `ESRCH` if there is no
/// such process.
#[trap(nr::TASK_64BIT)]
fn task_64bit(_context: &Context<'_>, pid: i32) -> Result<u32> {
    const GIB_4: u64 = 1 << 32;

    let process = process(pid).ok_or(ESRCH)?;
    let end = usage::mm_of(&process).map_or(0, |mm| usage::memory(&mm).end);
    Ok(u32::from(end > GIB_4))
}
