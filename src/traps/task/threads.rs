// SPDX-License-Identifier: GPL-2.0

//! The threads of a task, and its end (ABI mig §3.2).

use crate::{
    core::{
        terminate,
        KernError,
        KernResult, //
    },
    traps::ipc::{
        thread_right,
        Call,
        RoutineDescriptor,
        RoutineResult,
        SendRights,
        TaskPort,
        ThreadPort, //
    },
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] =
    routines![task_terminate, task_threads, thread_terminate,];

/// Kills the process of a task.
#[routine(3401)]
fn task_terminate(call: &Call<'_>, task: &TaskPort) -> KernResult {
    const SIGKILL: i32 = 9;

    let task = task.controlled(call.context())?;
    let sent = task.process().send_signal(SIGKILL);
    sent.map_err(|_| KernError::INVALID_TASK)
}

/// Gives out the ports of a task's threads: of those that have made a trap and not ended.
#[routine(3402)]
fn task_threads(call: &Call<'_>, task: &TaskPort) -> RoutineResult<SendRights> {
    let task = task.controlled(call.context())?;
    let mut rights = SendRights::new();
    let mut result = Ok(());
    task.for_each_thread(|thread| {
        if result.is_ok() && !thread.has_ended() {
            result = rights.push(thread_right(thread));
        }
    });
    result?;
    Ok(rights)
}

/// Ends a thread, even if it is suspended. If it is the caller itself, nothing of its program runs
/// any more, and nobody sees the reply.
///
/// `KERN_NO_ACCESS`, `KERN_TERMINATED`, `KERN_FAILURE` for a thread that has nothing to make a
/// system call with any more, `KERN_ABORTED` when a signal comes before the thread has stopped.
#[routine(3600)]
fn thread_terminate(call: &Call<'_>, port: &ThreadPort) -> KernResult {
    let (task, thread) = port.controlled(call.context())?;
    terminate(&task, &thread)
}
