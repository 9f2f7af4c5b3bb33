// SPDX-License-Identifier: GPL-2.0

//! The semaphores that a task owns, so that they end with it.
//!
//! Locks: `Owner::owned`, a leaf.

use super::object::{
    Policy,
    Semaphore,
    SemaphorePort, //
};
use crate::{
    core::{
        KernError,
        KernResult,
        TaskState, //
    },
    linux::queue::{
        Linked,
        Queue, //
    },
    traps::ipc::{
        self,
        SendRight, //
    },
};
use core::any::Any;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};

/// A task as the owner of semaphores.
#[pin_data]
pub(super) struct Owner {
    /// `None` when the task has ended.
    #[pin]
    owned: SpinLock<Option<Queue<Semaphore>>>,
}

impl Owner {
    /// Makes a semaphore with a count of `value`, and a send right to it.
    ///
    /// `KERN_RESOURCE_SHORTAGE`; `KERN_INVALID_TASK` when the task has ended.
    pub(super) fn create(this: &Arc<Self>, policy: Policy, value: u32) -> KernResult<SendRight> {
        let no_memory = |_| KernError::RESOURCE_SHORTAGE;
        let semaphore = Semaphore::new(this.clone(), policy, value).map_err(no_memory)?;
        let port = SemaphorePort::new(semaphore.clone());
        // From here on dropping the right, or the port, undoes everything.
        let right = ipc::offer_by_right(Arc::new(port, GFP_KERNEL_ACCOUNT)?).map_err(no_memory)?;
        let entered = match &mut *this.owned.lock() {
            Some(owned) => owned.push_back(semaphore).is_ok(),
            None => false,
        };
        entered.then_some(right).ok_or(KernError::INVALID_TASK)
    }

    /// Forgets `semaphore`, if it is there.
    pub(super) fn forget(&self, semaphore: &Linked<Semaphore>) {
        let forgotten = match &mut *self.owned.lock() {
            Some(owned) => owned.remove(semaphore),
            None => None,
        };
        drop(forgotten);
    }

    fn end(&self) {
        let owned = self.owned.lock().take();
        let Some(mut owned) = owned else {
            return;
        };
        while let Some(semaphore) = owned.pop_front() {
            semaphore.end();
        }
    }
}

/// What this subsystem keeps for each task.
pub(super) struct TaskSemaphores {
    pub(super) owner: Arc<Owner>,
}

impl TaskSemaphores {
    /// Makes the state of a task that owns no semaphore. Fails with `ENOMEM`.
    pub(super) fn new() -> Result<Self> {
        let owner = pin_init!(Owner {
            owned <- new_spinlock!(Some(Queue::new()), "Owner::owned"),
        });
        Ok(Self {
            owner: Arc::pin_init(owner, GFP_KERNEL_ACCOUNT)?,
        })
    }
}

impl TaskState for TaskSemaphores {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn task_ended(&self) {
        self.owner.end();
    }
}
