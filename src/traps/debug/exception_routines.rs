// SPDX-License-Identifier: GPL-2.0

//! Exception ports of tasks, threads and the machine by message (ABI mig §3.2, §3.3, §3.5; XNU
//! osfmk/kern/ipc_tt.c, ipc_host.c).
//!
//! All of them answer `KERN_INVALID_ARGUMENT` for a mask, a behavior or a kind of state that there
//! is not, and `KERN_NO_ACCESS` to who may not control what is asked.

use super::{
    actions::{
        Actions,
        Listed,
        Mask,
        NewAction, //
    },
    TASK,
    THREAD, //
};
use crate::{
    core::{
        KernError,
        KernResult, //
    },
    linux::access,
    traps::ipc::{
        Call,
        HostPort,
        RoutineDescriptor,
        SendRight,
        TaskPort,
        ThreadPort, //
    },
};
use kernel::sync::{
    atomic::ordering::Relaxed,
    Arc, //
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    host_get_exception_ports,
    host_set_exception_ports,
    host_swap_exception_ports,
    task_set_exception_ports,
    task_get_exception_ports,
    task_swap_exception_ports,
    task_get_exc_guard_behavior,
    task_set_exc_guard_behavior,
    thread_set_exception_ports,
    thread_get_exception_ports,
    thread_swap_exception_ports,
];

/// Calls `f` with what the task does about exceptions.
fn of_task<R>(
    call: &Call<'_>,
    port: &TaskPort,
    f: impl FnOnce(&Actions) -> KernResult<R>,
) -> KernResult<R> {
    let task = port.controlled(call.context())?;
    f(&TASK.of_task(&task).ok_or(KernError::FAILURE)?.actions)
}

/// Calls `f` with what the thread does about exceptions.
fn of_thread<R>(
    call: &Call<'_>,
    port: &ThreadPort,
    f: impl FnOnce(&Actions) -> KernResult<R>,
) -> KernResult<R> {
    let (_, thread) = port.controlled(call.context())?;
    f(&THREAD.of_thread(&thread).ok_or(KernError::FAILURE)?.actions)
}

/// What the machine, as the caller sees it, does about exceptions, if the caller may know and
/// change that: as for the host's special ports.
fn of_host(call: &Call<'_>) -> KernResult<Arc<Actions>> {
    if !access::may_control_init() {
        return Err(KernError::NO_ACCESS);
    }
    let task = TASK.of_task(call.task()).ok_or(KernError::FAILURE)?;
    task.host.actions.forget_dead();
    Ok(task.host.actions.clone())
}

/// Tells who is told of exceptions of the machine's tasks that nobody else takes.
#[routine(414)]
fn host_get_exception_ports(call: &Call<'_>, _host: &HostPort, mask: u32) -> KernResult<Listed> {
    let mask = Mask::new(mask)?;
    of_host(call)?.list(mask)
}

/// Has exceptions of the machine's tasks told to a port.
#[routine(415)]
fn host_set_exception_ports(
    call: &Call<'_>,
    _host: &HostPort,
    port: Option<SendRight>,
    mask: u32,
    behavior: u32,
    flavor: i32,
) -> KernResult {
    let (mask, action) = (Mask::new(mask)?, NewAction::new(port, behavior, flavor)?);
    of_host(call)?.set(mask, &action);
    Ok(())
}

/// The same; tells who was told before.
#[routine(416)]
fn host_swap_exception_ports(
    call: &Call<'_>,
    _host: &HostPort,
    port: Option<SendRight>,
    mask: u32,
    behavior: u32,
    flavor: i32,
) -> KernResult<Listed> {
    let (mask, action) = (Mask::new(mask)?, NewAction::new(port, behavior, flavor)?);
    of_host(call)?.swap(mask, &action)
}

/// Has exceptions of a task told to a port; tasks that are made by it inherit that.
#[routine(3413)]
fn task_set_exception_ports(
    call: &Call<'_>,
    task: &TaskPort,
    port: Option<SendRight>,
    mask: u32,
    behavior: u32,
    flavor: i32,
) -> KernResult {
    let (mask, action) = (Mask::new(mask)?, NewAction::new(port, behavior, flavor)?);
    of_task(call, task, |actions| {
        actions.set(mask, &action);
        Ok(())
    })
}

/// Tells who is told of exceptions of a task.
#[routine(3414)]
fn task_get_exception_ports(call: &Call<'_>, task: &TaskPort, mask: u32) -> KernResult<Listed> {
    let mask = Mask::new(mask)?;
    of_task(call, task, |actions| actions.list(mask))
}

/// Has exceptions of a task told to a port, and tells who was told before.
#[routine(3415)]
fn task_swap_exception_ports(
    call: &Call<'_>,
    task: &TaskPort,
    port: Option<SendRight>,
    mask: u32,
    behavior: u32,
    flavor: i32,
) -> KernResult<Listed> {
    let (mask, action) = (Mask::new(mask)?, NewAction::new(port, behavior, flavor)?);
    of_task(call, task, |actions| actions.swap(mask, &action))
}

/// Bits of what is done when a guard is violated (`TASK_EXC_GUARD_ALL`).
const GUARD_BITS: u32 = 0xff;

/// Tells what [`task_set_exc_guard_behavior`] has set.
#[routine(3452)]
fn task_get_exc_guard_behavior(call: &Call<'_>, task: &TaskPort) -> KernResult<u32> {
    let task = task.controlled(call.context())?;
    let state = TASK.of_task(&task).ok_or(KernError::FAILURE)?;
    Ok(state.guard_behavior.load(Relaxed))
}

/// Sets what is done when a guard of the task is violated. It is kept and inherited; nothing is
/// done about guards yet. `KERN_INVALID_VALUE` for other bits.
#[routine(3453)]
fn task_set_exc_guard_behavior(call: &Call<'_>, task: &TaskPort, behavior: u32) -> KernResult {
    if behavior & !GUARD_BITS != 0 {
        return Err(KernError::INVALID_VALUE);
    }
    let task = task.controlled(call.context())?;
    let state = TASK.of_task(&task).ok_or(KernError::FAILURE)?;
    state.guard_behavior.store(behavior, Relaxed);
    Ok(())
}

/// Has exceptions of a thread told to a port.
#[routine(3613)]
fn thread_set_exception_ports(
    call: &Call<'_>,
    thread: &ThreadPort,
    port: Option<SendRight>,
    mask: u32,
    behavior: u32,
    flavor: i32,
) -> KernResult {
    let (mask, action) = (Mask::new(mask)?, NewAction::new(port, behavior, flavor)?);
    of_thread(call, thread, |actions| {
        actions.set(mask, &action);
        Ok(())
    })
}

/// Tells who is told of exceptions of a thread.
#[routine(3614)]
fn thread_get_exception_ports(
    call: &Call<'_>,
    thread: &ThreadPort,
    mask: u32,
) -> KernResult<Listed> {
    let mask = Mask::new(mask)?;
    of_thread(call, thread, |actions| actions.list(mask))
}

/// Has exceptions of a thread told to a port, and tells who was told before.
#[routine(3615)]
fn thread_swap_exception_ports(
    call: &Call<'_>,
    thread: &ThreadPort,
    port: Option<SendRight>,
    mask: u32,
    behavior: u32,
    flavor: i32,
) -> KernResult<Listed> {
    let (mask, action) = (Mask::new(mask)?, NewAction::new(port, behavior, flavor)?);
    of_thread(call, thread, |actions| actions.swap(mask, &action))
}
