// SPDX-License-Identifier: GPL-2.0

//! A task: a process that uses Mach.
//!
//! Bound to the process, not to a descriptor: it ends when the process exits or loads another
//! image, whoever holds descriptors for it then. A task that has ended stays readable while
//! something refers to it, so that children that have not made their first trap can inherit.
//!
//! Locks: `Task::tracer`, `Task::vchroot` and `Task::dyld_info` (spinlocks) are leaves, taken in
//! `task_facts`.

use super::{
    object::Live,
    states::States,
    suspension::Suspension,
    task_facts::{
        ClaimedIds,
        DyldInfo, //
    },
    tasks::EarlyChild,
    Birth,
    Event,
    Mach,
    Making,
    ObjectCounter,
    TaskState,
    Thread,
    Vchroot, //
};
use crate::linux::{
    current,
    module::{
        module_ref,
        ModuleRef, //
    },
    peek::Peek,
    process::{
        current_pid_namespace,
        ProcessId, //
    },
    task_work::{
        TaskWork,
        TaskWorkItem, //
    },
    thread_table::ThreadTable,
};
use kernel::{
    mm::MmWithUser,
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            ordering::{Full, Relaxed},
            Atomic, //
        },
        barrier,
        Arc,
        SpinLock, //
    },
};

pub(super) static TASKS: ObjectCounter = ObjectCounter::new("tasks");

/// A task.
#[pin_data]
pub(crate) struct Task {
    mach: Arc<Mach>,
    process: ProcessId,
    /// The process id as the process itself saw it when the task was made.
    pid: u32,
    /// The address space that the task was made for, to tell one image from the next.
    image: Atomic<usize>,
    ended: Atomic<bool>,
    is_32bit: Atomic<bool>,
    #[pin]
    pub(super) dyld_info: SpinLock<DyldInfo>,
    #[pin]
    pub(super) threads: ThreadTable<Thread>,
    #[pin]
    pub(super) early_child: EarlyChild,
    states: States<dyn TaskState>,
    pub(super) uid: Atomic<u32>,
    pub(super) gid: Atomic<u32>,
    /// Whether the task is to suspend itself at start-up.
    pub(crate) starts_suspended: Atomic<bool>,
    #[pin]
    pub(super) tracer: SpinLock<Option<ProcessId>>,
    #[pin]
    pub(super) vchroot: SpinLock<Option<Arc<Vchroot>>>,
    #[pin]
    pub(super) suspension: Suspension,
    /// An instruction of the program that makes a trap; 0 if none is known.
    pub(super) trap_instruction: Atomic<u64>,
    work: TaskWork,
    _live: Live,
    /// Dropped last: until here the task runs code of the module.
    _module: ModuleRef,
}

impl Task {
    /// Makes a task for the current process, inheriting from `parent`. It is not registered yet.
    ///
    /// Fails with `ENOMEM`, with what a subsystem says, or with `ENODEV` while the module unloads.
    pub(super) fn new(mach: &Arc<Mach>, parent: Option<&Task>) -> Result<Arc<Self>> {
        let module = module_ref().ok_or(ENODEV)?;
        let process = ProcessId::current();
        let states = Self::states_at_birth(mach, parent)?;
        let ids = parent.map_or(ClaimedIds { uid: 0, gid: 0 }, Task::claimed_ids);
        let suspended = parent.is_some_and(|parent| parent.starts_suspended.load(Relaxed));
        let tracer = parent.and_then(Task::tracer);
        let vchroot = parent.and_then(Task::vchroot);

        Arc::pin_init(
            pin_init!(Self {
                mach: mach.clone(),
                pid: process.nr_in_current_ns(),
                process,
                image: Atomic::new(current::mm_key()),
                ended: Atomic::new(false),
                is_32bit: Atomic::new(current::is_compat()),
                dyld_info <- new_spinlock!(DyldInfo::default(), "Task::dyld_info"),
                threads <- ThreadTable::new(),
                early_child <- EarlyChild::new(),
                states,
                uid: Atomic::new(ids.uid),
                gid: Atomic::new(ids.gid),
                starts_suspended: Atomic::new(suspended),
                tracer <- new_spinlock!(tracer, "Task::tracer"),
                vchroot <- new_spinlock!(vchroot, "Task::vchroot"),
                suspension <- Suspension::new(),
                trap_instruction: Atomic::new(0),
                work: TaskWork::new(),
                _live: Live::new(&TASKS),
                _module: module,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// The states of a task for the current process, inheriting from `parent`.
    fn states_at_birth(mach: &Mach, parent: Option<&Task>) -> Result<States<dyn TaskState>> {
        let birth = Birth {
            parent,
            namespace: current_pid_namespace(),
        };
        let mut states = States::new();
        for (position, (subsystem, making)) in mach.stateful().iter().enumerate() {
            let inherited = || parent.and_then(|parent| parent.states.object(position));
            let is_made = match making {
                Making::AtBirth => true,
                Making::WhenAsked => false,
                Making::WhenChanged => birth.namespace.is_some() || inherited().is_some(),
            };
            if is_made {
                let state = subsystem.new_task(&birth)?;
                states.set(position, state, TaskState::as_any);
            }
        }
        Ok(states)
    }

    /// The module's state.
    #[inline]
    pub(crate) fn mach(&self) -> &Mach {
        &self.mach
    }

    /// The module's state, counted.
    pub(super) fn mach_arc(&self) -> &Arc<Mach> {
        &self.mach
    }

    /// The process that this is the task of.
    pub(crate) fn process(&self) -> &ProcessId {
        &self.process
    }

    /// The process id as the process itself sees it.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the task has ended.
    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.ended.peek_acquire()
    }

    /// Whether the current image of the current process, the task's own, is the one that the task
    /// was made for.
    pub(super) fn is_for_current_image(&self) -> bool {
        self.image.load(Relaxed) == current::mm_key()
    }

    /// Whether the task's program has addresses of 32 bits.
    #[inline]
    pub(crate) fn is_32bit(&self) -> bool {
        self.is_32bit.peek()
    }

    /// Whether `mm` is the address space that the task was made for.
    pub(crate) fn is_for_mm(&self, mm: &MmWithUser) -> bool {
        // Both exist, so equal addresses are one address space.
        self.image.load(Relaxed) == mm.as_raw().addr()
    }

    /// Binds the task to the image that the process has now.
    pub(super) fn bind_to_current_image(&self) {
        self.is_32bit.store(current::is_compat(), Relaxed);
        self.image.store(current::mm_key(), Relaxed);
    }

    /// The state at `position`, see [`super::StateKey`].
    #[inline]
    pub(super) fn state<T: 'static>(&self, position: usize) -> Option<&T> {
        self.states.get(position)
    }

    /// Makes the state at `position`, unless it is there. May sleep.
    #[cold]
    pub(super) fn make_state(&self, position: usize) -> Result {
        let (subsystem, _) = self.mach.stateful().get(position).ok_or(ENXIO)?;
        if let Some(state) = subsystem.new_task(&Birth::default())? {
            self.states.put(position, state, TaskState::as_any)?;
        }
        // Either `end` finds the state, or we see that it has been there.
        barrier::smp_mb(Full);
        if self.has_ended() {
            if let Some(state) = self.states.object(position) {
                state.task_ended();
            }
        }
        Ok(())
    }

    /// The task, which has not begun, will be able to do more than the one that it inherits from.
    pub(super) fn gain_privileges(&self) {
        for state in self.states.last_first() {
            state.gained_privileges();
        }
    }

    /// Lets those know who wait for signals of this task that one has come from another process:
    /// `signal` is a BSD number, and need not be a valid one. No lock may be held.
    pub(crate) fn post_signal(&self, signal: u32) {
        for subsystem in self.mach.subsystems() {
            subsystem.signal_posted(self, signal);
        }
    }

    /// The thread with this number in the first pid namespace.
    pub(crate) fn thread(&self, tid: u32) -> Option<Arc<Thread>> {
        self.threads.get(tid)
    }

    /// Calls `visit` for every thread that has made a trap and not ended. May sleep.
    pub(crate) fn for_each_thread(&self, visit: impl FnMut(&Thread)) {
        self.threads.for_each(visit);
    }

    /// The thread object of the current thread, made at its first trap.
    #[inline]
    pub(super) fn current_thread(&self) -> Result<&Thread> {
        match self.threads.current() {
            Some(thread) => Ok(thread),
            None => self.start_thread(),
        }
    }

    /// Makes and registers the thread object of the current thread.
    #[cold]
    fn start_thread(&self) -> Result<&Thread> {
        self.note_trap_instruction();
        self.threads.insert_current(Thread::new(self)?)?;
        let thread = self.threads.current().ok_or(ENOMEM)?;
        if let Some(child) = self.early_child.take() {
            thread.forked(child);
        }
        Ok(thread)
    }

    /// Ends the current thread as far as Mach is concerned. Its next trap starts a new one.
    pub(crate) fn end_current_thread(&self) {
        if let Some(thread) = self.threads.current() {
            thread.end();
        }
        self.threads.retire_current();
    }

    /// Ends the task: its ports die. May sleep; later calls do nothing.
    ///
    /// To be called when no thread of the task can make another trap.
    pub(super) fn end(&self, event: Event) {
        if self.ended.xchg(true, Full) {
            return;
        }
        self.threads.for_each(|thread| thread.end());
        self.forget_stops();
        self.early_child.clear();
        for state in self.states.last_first_or(self.mach.common_task_states()) {
            state.task_ended();
        }
        self.mach.count(event);
    }
}

/// The task's process is on its way out, or has loaded an image that another format handles.
impl TaskWorkItem for Task {
    fn task_work(&self) -> &TaskWork {
        &self.work
    }

    fn run(self: Arc<Self>) {
        // A process that goes on as something that is not ours has left Mach as well.
        self.end(Event::TaskExited);
    }
}
