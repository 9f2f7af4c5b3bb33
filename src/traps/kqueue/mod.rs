// SPDX-License-Identifier: GPL-2.0

//! kqueue: one place to wait for events of many kinds (ABI traps §10; XNU bsd/kern/kern_event.c).
//!
//! | file | what |
//! |---|---|
//! | `traps`, `call` | the traps; what a call asks for, in its dialect |
//! | `change`, `removal` | knotes are added and changed; they are dropped |
//! | `collect`, `scan` | events are fetched; the active knotes are gone through for that |
//! | `object`, `table` | the kqueue, and which knotes it has |
//! | `active`, `waiter` | which knotes are active, and who waits for one |
//! | `knote`, `turns` | the knote, and the hook by which it becomes active; who works on it |
//! | `file`, `nested`, `task` | the kqueue as a file, in another kqueue, and of its task |
//! | `filter` | what a filter is |
//! | `descriptor`, `vnode`, `process`, `signal`, `timer`, `machport`, `user` | the filters |
//! | `errno` | the errnos of XNU |
//!
//! # Locks
//!
//! From the outside in:
//!
//! 1. A knote's turn, which is no lock: a thread that has it may sleep and takes no other turn.
//! 2. `Siblings::nesting` (mutex): a kqueue gets into another.
//! 3. `Kqueue::table` (mutex): one kqueue at a time.
//! 4. The locks of what events are about, under which knotes become active.
//! 5. `Kqueue::ready` (spinlock, interrupts off): one kqueue at a time. What wakes a thread under
//!    it takes the locks of the scheduler.
//!
//! `Siblings::kqueues` (mutex) is a leaf. Under none of them is user memory touched, or a knote, a
//! file or a kqueue dropped for the last time.

mod active;
mod call;
mod change;
mod collect;
mod descriptor;
mod errno;
mod file;
mod filter;
mod knote;
mod machport;
mod nested;
mod object;
mod process;
mod removal;
mod scan;
mod signal;
mod table;
mod task;
mod timer;
mod traps;
mod turns;
mod user;
mod vnode;
mod waiter;

use self::task::{
    TaskKqueues,
    ThreadKqueues, //
};
use crate::{
    core::{
        Birth,
        Making,
        Manifest,
        StateKey,
        StateKeys,
        Subsystem,
        Task,
        TaskState,
        ThreadState, //
    },
    linux::file_watch::FileWatches,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The kqueues of a task.
static TASK: StateKey<TaskKqueues> = StateKey::new();

/// What a thread waits by.
static THREAD: StateKey<ThreadKqueues> = StateKey::new();

/// What this subsystem brings along.
pub(crate) static MANIFEST: Manifest = Manifest {
    traps: &[traps::TRAPS],
    objects: &[&object::KQUEUES, &knote::KNOTES],
    states: StateKeys::new(Making::WhenAsked, &[&TASK, &THREAD]),
    ..Manifest::new("kqueue")
};

/// The subsystem.
pub(crate) struct Kqueues {
    watches: Arc<FileWatches>,
}

impl Kqueues {
    /// Makes what all tasks share. Fails with `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let watches = FileWatches::new()?;
        Ok(Self { watches })
    }
}

impl Subsystem for Kqueues {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn new_task(&self, _birth: &Birth<'_>) -> Result<Option<Arc<dyn TaskState>>> {
        Ok(Some(TaskKqueues::new(self.watches.clone())?))
    }

    fn new_thread(&self) -> Result<Option<Arc<dyn ThreadState>>> {
        Ok(Some(ThreadKqueues::new()?))
    }

    fn signal_posted(&self, task: &Task, signal: u32) {
        TaskKqueues::post_signal(task, signal);
    }

    fn inherited_from(&self, parent: &Task) {
        file::close_inherited(parent);
    }
}
