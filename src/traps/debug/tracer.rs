// SPDX-License-Identifier: GPL-2.0

//! Traps by which a client imitates ptrace(2) of BSD (ABI traps §3, §11.3).
//!
//! Numbers of processes and threads are those of the caller's pid namespace. Whatever acts on
//! another task wants what Linux's ptrace would want.
//!
//! Locks: none.

use super::{
    TASK,
    THREAD, //
};
use crate::{
    abi::{
        args::{
            PtraceSigexcArgs,
            PtraceThupdateArgs,
            SetTracerArgs, //
        },
        nr, //
    },
    core::{
        Context,
        KernError,
        KernResult,
        TrapDescriptor, //
    },
    linux::process::ProcessId,
    traps::{
        ipc::TaskPort,
        task, //
    },
};
use kernel::{
    prelude::*,
    sync::atomic::ordering::Relaxed, //
};
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] =
    traps![get_tracer, set_tracer, ptrace_sigexc, ptrace_thupdate];

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

/// Has signals of the task of process `pid` told as exceptions, or not any more, and takes back one
/// suspension of it, if there is one.
///
/// `KERN_FAILURE` if the process has no task, or one that the caller may not control.
#[trap(nr::PTRACE_SIGEXC)]
fn ptrace_sigexc(context: &Context<'_>, args: PtraceSigexcArgs) -> KernResult {
    let target = context.mach().task_of_pid(args.pid);
    let target = target.ok_or(KernError::FAILURE)?;
    TaskPort::of(&target)
        .ok_or(KernError::FAILURE)?
        .controlled(context)
        .map_err(|_| KernError::FAILURE)?;
    let own = TASK.for_task(&target);
    let own = own.map_err(|_| KernError::RESOURCE_SHORTAGE)?;
    own.signals_are_exceptions.store(args.sigexc != 0, Relaxed);
    // That it is not suspended is fine.
    let _ = task::resume(context, &target);
    Ok(())
}

/// Says what BSD signal thread `tid` gets in place of the one that it has told of as an exception;
/// 0 is none. Has no effect on a thread that has told of none.
///
/// `ESRCH` if there is no such thread of a task, `EPERM` if the caller may not control it, `EINVAL`
/// for a number that is no signal.
#[trap(nr::PTRACE_THUPDATE)]
fn ptrace_thupdate(context: &Context<'_>, args: PtraceThupdateArgs) -> Result {
    const SIGNALS: i32 = 32;

    let tid = u32::try_from(args.tid).map_err(|_| ESRCH)?;
    let (process, tid) = ProcessId::of_thread_in_current_ns(tid).ok_or(ESRCH)?;
    let target = context.mach().task_of(&process).ok_or(ESRCH)?;
    TaskPort::of(&target)
        .ok_or(ESRCH)?
        .controlled(context)
        .map_err(|_| EPERM)?;
    if !(0..SIGNALS).contains(&{ args.signum }) {
        return Err(EINVAL);
    }
    let thread = target.thread(tid).ok_or(ESRCH)?;
    if let Some(own) = THREAD.of_thread(&thread) {
        own.pending_signal.store(args.signum, Relaxed);
    }
    Ok(())
}
