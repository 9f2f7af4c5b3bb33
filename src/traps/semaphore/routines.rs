// SPDX-License-Identifier: GPL-2.0

//! Making and destroying semaphores, by message to the port of the task that owns them (ABI mig
//! §3.2, 3418 and 3419; XNU osfmk/kern/sync_sema.c).

use super::{
    object::{
        Policy,
        Semaphore,
        SemaphorePort, //
    },
    owner::Owner,
    TASK, //
};
use crate::{
    core::{
        KernError,
        KernResult, //
    },
    traps::ipc::{
        Call,
        RoutineDescriptor,
        RoutineResult,
        SendRight,
        TaskPort, //
    },
};
use kernel::sync::Arc;
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![semaphore_create, semaphore_destroy];

/// The task as an owner of semaphores. `KERN_NO_ACCESS` if the caller may not control it,
/// `KERN_INVALID_TASK` when it has ended.
fn owner(call: &Call<'_>, task: &TaskPort) -> KernResult<Arc<Owner>> {
    let task = task.controlled(call.context())?;
    let state = TASK.for_task(&task);
    let state = state.map_err(|_| KernError::RESOURCE_SHORTAGE)?;
    Ok(state.owner.clone())
}

/// Makes a semaphore. `KERN_INVALID_ARGUMENT` for a negative count or an unknown policy.
#[routine(3418)]
fn semaphore_create(
    call: &Call<'_>,
    task: &TaskPort,
    policy: i32,
    value: i32,
) -> RoutineResult<SendRight> {
    let value = u32::try_from(value).map_err(|_| KernError::INVALID_ARGUMENT)?;
    let policy = Policy::from_number(policy).ok_or(KernError::INVALID_ARGUMENT)?;
    Ok(Owner::create(&owner(call, task)?, policy, value)?)
}

/// Ends a semaphore that the task owns; another, or none, is `KERN_INVALID_ARGUMENT`.
#[routine(3419)]
fn semaphore_destroy(call: &Call<'_>, task: &TaskPort, semaphore: Option<SendRight>) -> KernResult {
    let right = semaphore.ok_or(KernError::INVALID_ARGUMENT)?;
    let object = right.port().kernel_object();
    let object = object.ok_or(KernError::INVALID_ARGUMENT)?;
    let semaphore = SemaphorePort::semaphore(&*object).ok_or(KernError::INVALID_ARGUMENT)?;
    Semaphore::destroy(semaphore, &owner(call, task)?)
}
