// SPDX-License-Identifier: GPL-2.0

//! Routines about the special ports of tasks and threads (ABI mig §3.2, 3409 and 3410, §3.3, 3610
//! and 3611; XNU osfmk/kern/ipc_tt.c).

use super::{
    right::SendRight,
    routine::{
        Call,
        RoutineDescriptor,
        RoutineResult, //
    },
    special::{
        Slot,
        SpecialPorts, //
    },
    task_port::TaskPort,
    thread_port::ThreadPort,
    SPACE,
    THREAD, //
};
use crate::core::{
    KernError,
    KernResult,
    Task, //
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    task_get_special_port,
    task_set_special_port,
    thread_get_special_port,
    thread_set_special_port,
];

/// Numbers of special ports (XNU osfmk/mach/task_special_ports.h).
mod which {
    pub(super) const KERNEL: i32 = 1;
    pub(super) const HOST: i32 = 2;
    pub(super) const NAME: i32 = 3;
    pub(super) const BOOTSTRAP: i32 = 4;
    pub(super) const SEATBELT: i32 = 7;
    pub(super) const ACCESS: i32 = 9;
    pub(super) const DEBUG_CONTROL: i32 = 10;
}

/// The slot that `which` means, if it is one that can be set.
fn slot(which: i32) -> KernResult<Slot> {
    match which {
        which::KERNEL => Ok(Slot::Kernel),
        which::BOOTSTRAP => Ok(Slot::Bootstrap),
        which::SEATBELT => Ok(Slot::Seatbelt),
        which::ACCESS => Ok(Slot::Access),
        which::DEBUG_CONTROL => Ok(Slot::DebugControl),
        _ => Err(KernError::INVALID_ARGUMENT),
    }
}

/// The special ports of `task`.
fn special_of(task: &Task) -> KernResult<&SpecialPorts> {
    let space = SPACE.of_task(task).ok_or(KernError::FAILURE)?;
    Ok(&space.special)
}

/// Gives out one of the special ports of a task; null if it is not set.
#[routine(3409)]
fn task_get_special_port(
    call: &Call<'_>,
    task: &TaskPort,
    which: i32,
) -> RoutineResult<Option<SendRight>> {
    let task = task.controlled(call.context())?;
    let special = special_of(&task)?;
    Ok(match which {
        which::HOST => Some(special.host().port.send_right()),
        which::NAME => special.name_right(),
        _ => match (slot(which)?, special.get(slot(which)?)) {
            (Slot::Kernel, None) => Some(SendRight::make(call.port())),
            (_, right) => right,
        },
    })
}

/// Sets one of the special ports of a task. `KERN_NO_ACCESS` for the host, and for those that can
/// be set only once.
#[routine(3410)]
fn task_set_special_port(
    call: &Call<'_>,
    task: &TaskPort,
    right: Option<SendRight>,
    which: i32,
) -> KernResult {
    let task = task.controlled(call.context())?;
    if which == which::HOST {
        return Err(KernError::NO_ACCESS);
    }
    special_of(&task)?.set(slot(which)?, right)
}

/// Gives out the special port of a thread, of which there is one: what it has as its own port.
#[routine(3610)]
fn thread_get_special_port(
    call: &Call<'_>,
    thread: &ThreadPort,
    which: i32,
) -> KernResult<Option<SendRight>> {
    let (_, thread) = thread.controlled(call.context())?;
    if which != which::KERNEL {
        return Err(KernError::INVALID_ARGUMENT);
    }
    let ipc = THREAD.of_thread(&thread).ok_or(KernError::FAILURE)?;
    Ok(Some(ipc.self_right().ok_or(KernError::RESOURCE_SHORTAGE)?))
}

/// Sets what a thread has as its own port.
#[routine(3611)]
fn thread_set_special_port(
    call: &Call<'_>,
    thread: &ThreadPort,
    right: Option<SendRight>,
    which: i32,
) -> KernResult {
    let (_, thread) = thread.controlled(call.context())?;
    if which != which::KERNEL {
        return Err(KernError::INVALID_ARGUMENT);
    }
    let ipc = THREAD.of_thread(&thread).ok_or(KernError::FAILURE)?;
    ipc.set_self_right(right);
    Ok(())
}
