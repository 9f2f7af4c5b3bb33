// SPDX-License-Identifier: GPL-2.0

//! How a subsystem joins: its traps, and the state it keeps for each task and thread.
//!
//! The core creates that state with the task or thread, tells it of the end, and hands it out by
//! type; what is in it is the subsystem's own business.
//!
//! Locks: none here; each function says which are held when it is called.

use super::{
    Context,
    ObjectCounter,
    Task,
    Thread,
    TrapDescriptor, //
};
use crate::linux::{
    debugfs::Report,
    peek::Peek,
    process::PidNamespaceKey, //
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
#[derive(Default)]
pub(crate) struct Birth<'a> {
    /// The task to inherit from: the parent after fork, the predecessor after exec. None when a
    /// state is made late.
    pub(crate) parent: Option<&'a Task>,
    /// The pid namespace of its process, if that is a machine of its own.
    pub(crate) namespace: Option<PidNamespaceKey>,
}

/// When a subsystem makes its states. Those that are made late cost nothing where nobody asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Making {
    /// With each task and thread.
    AtBirth,
    /// When they are first asked for. They inherit nothing.
    WhenAsked,
    /// When they are first to be changed. Until then all tasks have one in common, made once with
    /// a birth of which nothing is known, and so have all threads. Where more is known there is a
    /// state at birth: for a child of a task with a state of its own, and in a pid namespace that
    /// is a machine of its own.
    WhenChanged,
}

/// The states that a subsystem keeps.
pub(crate) struct StateKeys {
    making: Making,
    keys: &'static [&'static dyn Bind],
}

impl StateKeys {
    /// Those that `keys` find.
    pub(crate) const fn new(making: Making, keys: &'static [&'static dyn Bind]) -> Self {
        Self { making, keys }
    }

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// When they are made.
    #[inline]
    pub(super) fn making(&self) -> Making {
        self.making
    }

    /// Tells all keys the position of the subsystem.
    pub(super) fn bind(&self, position: usize) {
        for key in self.keys {
            key.bind(position);
        }
    }
}

/// What a subsystem brings along: all that is known of it when the module is built.
pub(crate) struct Manifest {
    /// The folder's name under `src/traps`.
    pub(crate) name: &'static str,
    /// The traps it answers, file by file.
    pub(crate) traps: &'static [&'static [TrapDescriptor]],
    /// The kinds of objects it counts.
    pub(crate) objects: &'static [&'static ObjectCounter],
    /// The states it keeps for tasks and threads.
    pub(crate) states: StateKeys,
}

impl Manifest {
    /// That of a subsystem of which nothing but its name is known, as the rest of a fuller one.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            traps: &[],
            objects: &[],
            states: StateKeys::new(Making::WhenAsked, &[]),
        }
    }
}

/// A part of the module that answers traps.
pub(crate) trait Subsystem: Send + Sync + 'static {
    /// What it brings along.
    fn manifest(&self) -> &'static Manifest;

    /// What it tells of itself in debugfs, as files under `mach/`. Fails with `ENOMEM`.
    fn reports(&self) -> Result<KVec<(&'static CStr, Arc<dyn Report>)>> {
        Ok(KVec::new())
    }

    /// Makes the state for a task. May sleep; `Mach::birth` may be held.
    fn new_task(&self, _birth: &Birth<'_>) -> Result<Option<Arc<dyn TaskState>>> {
        Ok(None)
    }

    /// The current process has got a task, and has what it inherited from that of `parent`: what it
    /// must not have of that is to be taken away. Called with `Mach::birth` held. May sleep.
    fn inherited_from(&self, _parent: &Task) {}

    /// Makes the state for a thread, which need not be the current one if states are made late. May
    /// sleep.
    fn new_thread(&self) -> Result<Option<Arc<dyn ThreadState>>> {
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
    /// refers to the task, so that children that have not trapped yet can still inherit. The state
    /// that tasks have in common is told of the end of each.
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

/// What [`StateKeys`] does with a key.
pub(crate) trait Bind: Sync {
    /// Sets the position of the state among those of a task or thread.
    fn bind(&self, position: usize);
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

    /// The position of the state.
    #[inline]
    pub(super) fn position(&self) -> usize {
        self.position.peek()
    }

    /// The state of `task`, if it has one of its own.
    #[inline]
    pub(crate) fn of_task<'a>(&self, task: &'a Task) -> Option<&'a T> {
        task.state(self.position())
    }

    /// What to look at for `task`, but not to change: its state, or the one in common.
    pub(crate) fn of_task_or_default<'a>(&self, task: &'a Task) -> Option<&'a T> {
        let common = || task.mach().common_task_states().get(self.position());
        self.of_task(task).or_else(common)
    }

    /// The state of `task`, made if it has none of its own yet. May sleep. Fails with `ENOMEM`.
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

    /// The state of `thread`, if it has one of its own.
    #[inline]
    pub(crate) fn of_thread<'a>(&self, thread: &'a Thread) -> Option<&'a T> {
        thread.state(self.position())
    }

    /// What to look at for `thread`, but not to change: its state, or the one in common.
    pub(crate) fn of_thread_or_default<'a>(&self, thread: &'a Thread) -> Option<&'a T> {
        let common = || thread.mach().common_thread_states().get(self.position());
        self.of_thread(thread).or_else(common)
    }

    /// The state of `thread`, made if it has none of its own yet. May sleep. Fails with `ENOMEM`.
    #[inline]
    pub(crate) fn for_thread<'a>(&self, thread: &'a Thread) -> Result<&'a T> {
        match self.of_thread(thread) {
            Some(state) => Ok(state),
            None => {
                thread.make_state(self.position())?;
                self.of_thread(thread).ok_or(ENXIO)
            }
        }
    }
}

impl<T: 'static> Bind for StateKey<T> {
    fn bind(&self, position: usize) {
        self.position.store(position, Relaxed);
    }
}
