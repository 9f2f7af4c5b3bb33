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
    TaskDebug,
    TASK,
    THREAD, //
};
use crate::{
    core::{
        KernError,
        KernResult,
        Task, //
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
use kernel::sync::atomic::ordering::Relaxed;
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

/// Somebody for whose exceptions actions are set, if the caller may control it.
trait Excepting {
    /// Calls `f` with the actions, to look at them.
    fn look<R>(&self, call: &Call<'_>, f: impl FnOnce(&Actions) -> R) -> KernResult<R>;

    /// Calls `f` with the actions, to change them. Fails without memory.
    fn change<R>(&self, call: &Call<'_>, f: impl FnOnce(&Actions) -> R) -> KernResult<R>;

    /// What is done about the exceptions of `mask`.
    fn get(&self, call: &Call<'_>, mask: u32) -> KernResult<Listed> {
        let mask = Mask::new(mask)?;
        self.look(call, |actions| actions.list(mask))?
    }

    /// Has `port` told of the exceptions of `mask`.
    fn set(
        &self,
        call: &Call<'_>,
        port: Option<SendRight>,
        mask: u32,
        behavior: u32,
        flavor: i32,
    ) -> KernResult {
        let (mask, action) = (Mask::new(mask)?, NewAction::new(port, behavior, flavor)?);
        self.change(call, |actions| actions.set(mask, &action))
    }

    /// The same; tells what was done before.
    fn swap(
        &self,
        call: &Call<'_>,
        port: Option<SendRight>,
        mask: u32,
        behavior: u32,
        flavor: i32,
    ) -> KernResult<Listed> {
        let (mask, action) = (Mask::new(mask)?, NewAction::new(port, behavior, flavor)?);
        self.change(call, |actions| actions.swap(mask, &action))?
    }
}

impl Excepting for TaskPort {
    fn look<R>(&self, call: &Call<'_>, f: impl FnOnce(&Actions) -> R) -> KernResult<R> {
        let task = self.controlled(call.context())?;
        let state = TASK.of_task_or_default(&task).ok_or(KernError::FAILURE)?;
        Ok(f(&state.actions))
    }

    fn change<R>(&self, call: &Call<'_>, f: impl FnOnce(&Actions) -> R) -> KernResult<R> {
        let task = self.controlled(call.context())?;
        Ok(f(&own_of(&task)?.actions))
    }
}

impl Excepting for ThreadPort {
    fn look<R>(&self, call: &Call<'_>, f: impl FnOnce(&Actions) -> R) -> KernResult<R> {
        let (_, thread) = self.controlled(call.context())?;
        let state = THREAD.of_thread_or_default(&thread);
        Ok(f(&state.ok_or(KernError::FAILURE)?.actions))
    }

    fn change<R>(&self, call: &Call<'_>, f: impl FnOnce(&Actions) -> R) -> KernResult<R> {
        let (_, thread) = self.controlled(call.context())?;
        let state = THREAD.for_thread(&thread);
        Ok(f(&state.map_err(|_| KernError::RESOURCE_SHORTAGE)?.actions))
    }
}

/// The machine, as the caller sees it. Who may is decided as for the host's special ports.
impl Excepting for HostPort {
    fn look<R>(&self, call: &Call<'_>, f: impl FnOnce(&Actions) -> R) -> KernResult<R> {
        if !access::may_control_init() {
            return Err(KernError::NO_ACCESS);
        }
        let task = TASK.of_task_or_default(call.task());
        let host = &task.ok_or(KernError::FAILURE)?.host;
        host.actions.forget_dead();
        Ok(f(&host.actions))
    }

    fn change<R>(&self, call: &Call<'_>, f: impl FnOnce(&Actions) -> R) -> KernResult<R> {
        // They are not the task's own.
        self.look(call, f)
    }
}

/// The state of `task`, to change it. Fails without memory.
fn own_of(task: &Task) -> KernResult<&TaskDebug> {
    TASK.for_task(task)
        .map_err(|_| KernError::RESOURCE_SHORTAGE)
}

/// Tells who is told of exceptions of the machine's tasks that nobody else takes.
#[routine(414)]
fn host_get_exception_ports(call: &Call<'_>, host: &HostPort, mask: u32) -> KernResult<Listed> {
    host.get(call, mask)
}

/// Has exceptions of the machine's tasks told to a port.
#[routine(415)]
fn host_set_exception_ports(
    call: &Call<'_>,
    host: &HostPort,
    port: Option<SendRight>,
    mask: u32,
    behavior: u32,
    flavor: i32,
) -> KernResult {
    host.set(call, port, mask, behavior, flavor)
}

/// The same; tells who was told before.
#[routine(416)]
fn host_swap_exception_ports(
    call: &Call<'_>,
    host: &HostPort,
    port: Option<SendRight>,
    mask: u32,
    behavior: u32,
    flavor: i32,
) -> KernResult<Listed> {
    host.swap(call, port, mask, behavior, flavor)
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
    task.set(call, port, mask, behavior, flavor)
}

/// Tells who is told of exceptions of a task.
#[routine(3414)]
fn task_get_exception_ports(call: &Call<'_>, task: &TaskPort, mask: u32) -> KernResult<Listed> {
    task.get(call, mask)
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
    task.swap(call, port, mask, behavior, flavor)
}

/// Bits of what is done when a guard is violated (`TASK_EXC_GUARD_ALL`).
const GUARD_BITS: u32 = 0xff;

/// Tells what [`task_set_exc_guard_behavior`] has set.
#[routine(3452)]
fn task_get_exc_guard_behavior(call: &Call<'_>, task: &TaskPort) -> KernResult<u32> {
    let task = task.controlled(call.context())?;
    let state = TASK.of_task_or_default(&task).ok_or(KernError::FAILURE)?;
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
    own_of(&task)?.guard_behavior.store(behavior, Relaxed);
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
    thread.set(call, port, mask, behavior, flavor)
}

/// Tells who is told of exceptions of a thread.
#[routine(3614)]
fn thread_get_exception_ports(
    call: &Call<'_>,
    thread: &ThreadPort,
    mask: u32,
) -> KernResult<Listed> {
    thread.get(call, mask)
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
    thread.swap(call, port, mask, behavior, flavor)
}
