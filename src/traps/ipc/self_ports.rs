// SPDX-License-Identifier: GPL-2.0

//! Traps that give a task the ports of itself, its threads and the machine (ABI traps §2).
//!
//! Each call gives one more user reference of the same name.

use super::{
    right::SendRight,
    SPACE,
    THREAD, //
};
use crate::{
    abi::{
        nr,
        PortName, //
    },
    core::{
        Context,
        TrapDescriptor, //
    },
};
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] =
    traps![task_self_trap, thread_self_trap, host_self_trap];

/// Enters `right`, if there is one, in the caller's space.
fn enter(context: &Context<'_>, right: Option<SendRight>) -> PortName {
    SPACE
        .of_task(context.task())
        .zip(right)
        .and_then(|(space, right)| space.insert_send(right).ok())
        .unwrap_or(PortName::NULL)
}

/// A send right to the task's own port.
#[trap(nr::TASK_SELF)]
fn task_self_trap(context: &Context<'_>) -> PortName {
    let right = SPACE
        .of_task(context.task())
        .and_then(|space| space.special.self_right());
    enter(context, right)
}

/// A send right to the calling thread's port.
#[trap(nr::THREAD_SELF)]
fn thread_self_trap(context: &Context<'_>) -> PortName {
    // Every thread begins with this one.
    context.task().note_trap_instruction();
    thread_self(context)
}

/// As the trap.
pub(super) fn thread_self(context: &Context<'_>) -> PortName {
    let right = THREAD
        .of_thread(context.thread())
        .and_then(|thread| thread.self_right());
    enter(context, right)
}

/// A send right to the host's port.
#[trap(nr::HOST_SELF)]
fn host_self_trap(context: &Context<'_>) -> PortName {
    let right = SPACE
        .of_task(context.task())
        .map(|space| space.special.host().port.send_right());
    enter(context, right)
}
