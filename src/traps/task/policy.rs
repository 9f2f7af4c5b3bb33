// SPDX-License-Identifier: GPL-2.0

//! Scheduling policies, which have no counterpart in Linux (ABI mig §3.2, §3.3).
//!
//! Setting one is accepted without effect: libpthread and launchd rely on that (ABI mig §4).

use crate::{
    core::KernResult,
    traps::ipc::{
        Call,
        RoutineDescriptor,
        TaskPort,
        ThreadPort,
        Words, //
    },
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![task_policy_set, thread_policy_set];

/// Words that a policy may have.
const MAX: usize = 16;

/// Accepts a policy for a task that the caller may control.
#[routine(3420)]
fn task_policy_set(
    call: &Call<'_>,
    task: &TaskPort,
    _flavor: u32,
    _policy: Words<MAX>,
) -> KernResult {
    task.controlled(call.context()).map(drop)
}

/// Accepts a policy for a thread that the caller may control.
#[routine(3617)]
fn thread_policy_set(
    _call: &Call<'_>,
    thread: &ThreadPort,
    _flavor: u32,
    _policy: Words<MAX>,
) -> KernResult {
    thread.check_control()
}
