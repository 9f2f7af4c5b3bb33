// SPDX-License-Identifier: GPL-2.0

//! What the ports of a task stand for: control over it, and its name (XNU osfmk/kern/ipc_tt.c).
//!
//! A port keeps no task. It knows a process and which of its tasks is meant, so it outlives the task
//! and never stands for another one.
//!
//! Locks: none.

use super::{
    kobject::{
        kind,
        KernelObject, //
    },
    right::SendRight,
    SPACE, //
};
use crate::{
    core::{
        Context,
        KernError,
        KernResult,
        Mach,
        Task, //
    },
    linux::{
        access,
        process::ProcessId, //
    },
};
use core::{
    any::Any,
    ptr, //
};
use kernel::{
    mm::MmWithUser,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
};

/// What a task port stands for: control over a task.
#[derive(Clone)]
pub(crate) struct TaskPort {
    /// What it can be asked for as well: what anybody may know who can name the task.
    name: TaskNamePort,
}

impl KernelObject for TaskPort {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::TASK
    }

    fn lesser(&self) -> Option<&dyn Any> {
        Some(&self.name)
    }
}

impl TaskPort {
    /// Makes the object for a new task of the current process.
    pub(super) fn new() -> Self {
        Self {
            name: TaskNamePort {
                process: ProcessId::current(),
                // INVARIANT: 64 bits do not wrap, so no two tasks have the same identity.
                id: LAST_ID.fetch_add(1, Relaxed),
            },
        }
    }

    /// The task, while it lives. `KERN_INVALID_TASK` when it has ended.
    pub(crate) fn task(&self, mach: &Mach) -> KernResult<Arc<Task>> {
        self.name.task(mach)
    }

    /// The task, if `caller` may control it: it is the caller itself, or one that it might trace.
    /// `KERN_NO_ACCESS` if not, `KERN_INVALID_TASK` when the task has ended.
    ///
    /// Who has a task's port has it from the task itself or from somebody who was allowed to get
    /// it. That is no reason to let it control what the caller has no business with: this is
    /// checked at each use.
    pub(crate) fn controlled(&self, caller: &Context<'_>) -> KernResult<Arc<Task>> {
        let task = self.task(caller.mach())?;
        if !ptr::eq(&*task, caller.task()) {
            self.mm_of(&task)?;
        }
        Ok(task)
    }

    /// The address space of the task, if `caller` may control it. Errors as
    /// [`controlled`](Self::controlled).
    pub(crate) fn controlled_mm(&self, caller: &Context<'_>) -> KernResult<ARef<MmWithUser>> {
        self.mm_of(&*self.task(caller.mach())?)
    }

    fn mm_of(&self, task: &Task) -> KernResult<ARef<MmWithUser>> {
        let mm = access::controlled_mm(self.name.process()).map_err(|error| match error {
            EPERM => KernError::NO_ACCESS,
            EINTR => KernError::ABORTED,
            _ => KernError::INVALID_TASK,
        })?;
        // The process may have got another image while it was looked up: it is not this task then.
        task.is_for_mm(&mm)
            .then_some(mm)
            .ok_or(KernError::INVALID_TASK)
    }

    /// What the port of `task` stands for.
    pub(crate) fn of(task: &Task) -> Option<&Self> {
        Some(&SPACE.of_task(task)?.special.object)
    }

    /// What names the task, and tells it from others.
    pub(crate) fn name(&self) -> &TaskNamePort {
        &self.name
    }
}

/// The last identity of a task that was given out.
static LAST_ID: Atomic<u64> = Atomic::new(0);

/// What a task's name port stands for: a task that can be told from others, and asked for what is
/// public, but not controlled.
#[derive(Clone)]
pub(crate) struct TaskNamePort {
    process: ProcessId,
    /// Tells the task from others of the same process.
    id: u64,
}

impl KernelObject for TaskNamePort {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::TASK_NAME
    }
}

impl PartialEq for TaskNamePort {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl TaskNamePort {
    /// The process that the task is or was for. It may have another task by now.
    pub(crate) fn process(&self) -> &ProcessId {
        &self.process
    }

    /// The task, while it lives. `KERN_INVALID_TASK` when it has ended, be it that its process has
    /// loaded another image: that has a task, and a port, of its own.
    pub(crate) fn task(&self, mach: &Mach) -> KernResult<Arc<Task>> {
        mach.task_of(&self.process)
            .filter(|task| TaskPort::of(task).is_some_and(|object| object.name.id == self.id))
            .ok_or(KernError::INVALID_TASK)
    }
}

/// The port by which `task` is controlled.
pub(crate) fn control_right(task: &Task) -> Option<SendRight> {
    SPACE.of_task(task)?.special.task_right()
}

/// The port by which `task` is named.
pub(crate) fn name_right(task: &Task) -> Option<SendRight> {
    SPACE.of_task(task)?.special.name_right()
}
