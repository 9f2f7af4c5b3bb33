// SPDX-License-Identifier: GPL-2.0

//! The states of threads by message (ABI mig §3.3): see [`state`](super::state).
//!
//! Of a thread that makes a system call they are those with which it would make the call again, or
//! those after it. Segment registers are told and not changed, nor are flags that programs cannot
//! change themselves.

use super::state::{
    self,
    MAX, //
};
use crate::{
    core::{
        KernError,
        KernResult, //
    },
    traps::ipc::{
        Call,
        RoutineDescriptor,
        ThreadPort,
        Words, //
    },
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    act_get_state,
    act_set_state,
    thread_get_state,
    thread_set_state,
];

fn get(call: &Call<'_>, port: &ThreadPort, flavor: i32, room: u32) -> KernResult<Words<MAX>> {
    let (task, thread) = port.controlled(call.context())?;
    // CAST: `u32` to `usize` loses nothing.
    if (room as usize) < state::words(&task, flavor)? {
        return Err(KernError::INVALID_ARGUMENT);
    }
    state::get(&task, &thread, flavor).map(Words)
}

fn set(call: &Call<'_>, port: &ThreadPort, flavor: i32, words: &[u32]) -> KernResult {
    let (task, thread) = port.controlled(call.context())?;
    state::set(&task, &thread, flavor, words)
}

/// Tells a state of a thread.
///
/// `KERN_INVALID_ARGUMENT` for states that there are not and without room for all of it,
/// `KERN_NOT_SUPPORTED` for those that are not built, `KERN_NO_ACCESS`, `KERN_TERMINATED`,
/// `KERN_ABORTED` when a signal comes first.
#[routine(3603)]
fn thread_get_state(
    call: &Call<'_>,
    port: &ThreadPort,
    flavor: i32,
    room: u32,
) -> KernResult<Words<MAX>> {
    get(call, port, flavor, room)
}

/// The older name of [`thread_get_state`].
#[routine(3601)]
fn act_get_state(
    call: &Call<'_>,
    port: &ThreadPort,
    flavor: i32,
    room: u32,
) -> KernResult<Words<MAX>> {
    get(call, port, flavor, room)
}

/// Replaces a state of a thread; what it waits for in the kernel is ended. Errors as
/// [`thread_get_state`], and `KERN_INVALID_ARGUMENT` for an instruction pointer that programs
/// cannot have.
#[routine(3604)]
fn thread_set_state(
    call: &Call<'_>,
    port: &ThreadPort,
    flavor: i32,
    state: Words<MAX>,
) -> KernResult {
    set(call, port, flavor, state.0.as_slice())
}

/// The older name of [`thread_set_state`].
#[routine(3602)]
fn act_set_state(call: &Call<'_>, port: &ThreadPort, flavor: i32, state: Words<MAX>) -> KernResult {
    set(call, port, flavor, state.0.as_slice())
}
