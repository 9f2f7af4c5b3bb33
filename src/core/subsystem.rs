// SPDX-License-Identifier: GPL-2.0

//! How a subsystem joins: its traps, and the state it keeps for each task and thread.
//!
//! The core creates that state with the task or thread, tells it of the end, and hands it out by
//! type; what is in it is the subsystem's own business.

use super::{
    Context,
    ObjectCounter,
    Task,
    TrapDescriptor, //
};
use crate::linux::{
    debugfs::Report,
    peek::Peek, //
};
use core::{
    any::Any,
    marker::PhantomData, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
};

/// What is known of a task when its subsystems make their state for it.
pub(crate) struct Birth<'a> {
    /// The task to inherit from: the parent after fork, the predecessor after exec.
    pub(crate) parent: Option<&'a Task>,
}

/// A part of the module that answers traps.
pub(crate) trait Subsystem: Send + Sync + 'static {
    /// The folder's name under `src/traps`.
    fn name(&self) -> &'static str;

    /// The traps it answers, file by file.
    fn traps(&self) -> &'static [&'static [TrapDescriptor]];

    /// The kinds of objects it counts.
    fn objects(&self) -> &'static [&'static ObjectCounter] {
        &[]
    }

    /// What it tells of itself in debugfs, as files under `mach/`. Fails with `ENOMEM`.
    fn reports(&self) -> Result<KVec<(&'static CStr, Arc<dyn Report>)>> {
        Ok(KVec::new())
    }

    /// Tells the position under which its states are kept; called once, at module init. A
    /// subsystem with state passes it on to its [`StateKey`]s.
    fn bind(&self, _position: usize) {}

    /// Whether the states of tasks and threads are made when they are first asked for, by
    /// [`StateKey::for_task`] and [`StateKey::for_thread`], and not with the task or thread. Saves
    /// those who never ask the cost; such a state cannot inherit.
    fn makes_states_late(&self) -> bool {
        false
    }

    /// Makes the state for a new task. May sleep; `Mach::birth` may be held.
    fn new_task(&self, _birth: &Birth<'_>) -> Result<Option<Arc<dyn TaskState>>> {
        Ok(None)
    }

    /// The current process has got a task, and has what it inherited from that of `parent`: what it
    /// must not have of that is to be taken away. Called with `Mach::birth` held. May sleep.
    fn inherited_from(&self, _parent: &Task) {}

    /// Makes the state for the current thread, which is one of `task`. May sleep.
    fn new_thread(&self, _task: &Task) -> Result<Option<Arc<dyn ThreadState>>> {
        Ok(None)
    }

    /// A number that a new program finds among the strings from its kernel, and its key: what
    /// belongs to `context`, the program's task and its first and only thread, or nothing. May
    /// sleep. Should the program not get to run after all, the task is dropped without an end.
    fn number_for_program(&self, _context: &Context<'_>) -> Result<Option<(&'static str, u32)>> {
        Ok(None)
    }

    /// `task` is given a signal that another process has sent, by its BSD number, see
    /// [`Task::post_signal`]. No lock is held; must not sleep for long.
    fn signal_posted(&self, _task: &Task, _signal: u32) {}

    /// The module is about to be unloaded; no task exists any more.
    fn shutdown(&self) {}
}

/// A subsystem's state for one task.
pub(crate) trait TaskState: Send + Sync + 'static {
    /// This state for [`StateKey::get`].
    fn as_any(&self) -> &dyn Any;

    /// The task ends. Called at least once, in process context, with no lock held; no thread of
    /// the task is in a trap, and none will make another. The state itself lives on while anything
    /// refers to the task, so that children that have not trapped yet can still inherit.
    fn task_ended(&self) {}

    /// The task, which has just been made for an image that is being loaded, can do more than who
    /// loads it could. What it has inherited must not give others power over it.
    fn gained_privileges(&self) {}
}

/// A subsystem's state for one thread.
pub(crate) trait ThreadState: Send + Sync + 'static {
    /// This state for [`StateKey::get`].
    fn as_any(&self) -> &dyn Any;

    /// The thread ends. Called at least once, in process context, with no lock held.
    fn thread_ended(&self) {}
}

/// Finds a subsystem's state of type `T` among those of a task or thread.
pub(crate) struct StateKey<T> {
    position: Atomic<usize>,
    _type: PhantomData<fn() -> T>,
}

impl<T: 'static> StateKey<T> {
    /// Makes a key that finds nothing until it is bound.
    pub(crate) const fn new() -> Self {
        Self {
            position: Atomic::new(usize::MAX),
            _type: PhantomData,
        }
    }

    /// Sets the position, see [`Subsystem::bind`].
    pub(crate) fn bind(&self, position: usize) {
        self.position.store(position, Relaxed);
    }

    /// The position of the state.
    #[inline]
    pub(super) fn position(&self) -> usize {
        self.position.peek()
    }

    /// The state in `task`.
    #[inline]
    pub(crate) fn of_task<'a>(&self, task: &'a Task) -> Option<&'a T> {
        task.state(self.position())
    }

    /// The state in `task`, made if it is not there yet. May sleep. Fails with `ENOMEM`.
    #[inline]
    pub(crate) fn for_task<'a>(&self, task: &'a Task) -> Result<&'a T> {
        match self.of_task(task) {
            Some(state) => Ok(state),
            None => {
                task.make_state(self.position())?;
                self.of_task(task).ok_or(ENXIO)
            }
        }
    }

    /// The state in the calling thread, made if it is not there yet. May sleep. Fails with
    /// `ENOMEM`.
    #[inline]
    pub(crate) fn for_thread<'a>(&self, context: &Context<'a>) -> Result<&'a T> {
        let thread = context.thread();
        match self.of_thread(thread) {
            Some(state) => Ok(state),
            None => {
                thread.make_state(context.task(), self.position())?;
                self.of_thread(thread).ok_or(ENXIO)
            }
        }
    }

    /// The state in `thread`.
    #[inline]
    pub(crate) fn of_thread<'a>(&self, thread: &'a super::Thread) -> Option<&'a T> {
        thread.state(self.position())
    }
}
