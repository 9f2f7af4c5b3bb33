// SPDX-License-Identifier: GPL-2.0

//! Mach semaphores (ABI traps §7; XNU osfmk/kern/sync_sema.c).
//!
//! A semaphore belongs to a task, which made it or for which it was made, and is known to tasks by
//! send rights, which may go anywhere. It ends when its owner destroys it or ends; it is forgotten
//! when its last right is gone.
//!
//! | file | what |
//! |---|---|
//! | `object` | the semaphore: count and waiting threads |
//! | `owner` | the semaphores of a task |
//! | `waiter` | a thread that waits |
//! | `traps`, `routines` | what clients ask for |
//!
//! # Locks
//!
//! `Semaphore::state` and `Owner::owned` (spinlocks) are leaves: neither is held when the other is
//! taken. Apart from the look-up of the name, a signal or wait takes the semaphore's own lock and
//! no other.

mod object;
mod owner;
mod routines;
mod traps;
mod waiter;

use self::{
    object::SEMAPHORES,
    owner::TaskSemaphores,
    waiter::ThreadSemaphores, //
};
use crate::{
    core::{
        Birth,
        Making,
        Manifest,
        StateKey,
        StateKeys,
        Subsystem,
        TaskState,
        ThreadState, //
    },
    traps::ipc::RoutineSet,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The semaphores that a task owns.
static TASK: StateKey<TaskSemaphores> = StateKey::new();

/// A thread's place in the queues of semaphores.
static THREAD: StateKey<ThreadSemaphores> = StateKey::new();

/// The routines of this subsystem.
pub(crate) const ROUTINES: RoutineSet = RoutineSet::new("semaphore", &[routines::ROUTINES]);

/// What this subsystem brings along.
pub(crate) static MANIFEST: Manifest = Manifest {
    traps: &[traps::TRAPS],
    objects: &[&SEMAPHORES],
    states: StateKeys::new(Making::WhenAsked, &[&TASK, &THREAD]),
    ..Manifest::new("semaphore")
};

/// The subsystem.
pub(crate) struct Semaphores;

impl Subsystem for Semaphores {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn new_task(&self, _birth: &Birth<'_>) -> Result<Option<Arc<dyn TaskState>>> {
        let state = TaskSemaphores::new()?;
        Ok(Some(Arc::new(state, GFP_KERNEL_ACCOUNT)?))
    }

    fn new_thread(&self) -> Result<Option<Arc<dyn ThreadState>>> {
        let state = ThreadSemaphores::new()?;
        Ok(Some(Arc::new(state, GFP_KERNEL_ACCOUNT)?))
    }
}
