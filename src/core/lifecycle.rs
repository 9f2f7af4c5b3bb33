// SPDX-License-Identifier: GPL-2.0

//! How tasks begin and end: opening the device, fork, exec and exit.
//!
//! A process has at most one living task. Which process it belongs to is decided by the process's
//! own identity, never by who holds a descriptor:
//!
//! - A trap through a descriptor of another process acts for the caller. A forked child gets its
//!   task then, and the descriptor that it inherited is swapped for its own at every number.
//! - Exit and exec are seen through process events, before the parent can learn of the exit and
//!   before the new image runs.
//!
//! Source of the behaviour: ABI lifecycle §3 to §6.
//!
//! Locks: `Mach::birth` while a process gets its task. The event hooks must not sleep
//! and leave everything that may to task work.

use super::{
    commpage,
    tasks::Unborn,
    watch::ProcessEvent,
    Context,
    DyldInfo,
    Event,
    Mach,
    MachDevice,
    Task,
    Vchroot, //
};
use crate::linux::{
    current,
    events::ProcessObserver,
    files::{
        anon_file,
        FdSwap,
        ReservedFd, //
    },
    process::ProcessId,
    task_work::{
        run_in_current,
        TaskWorkItem, //
    },
    thread::ThreadRef,
};
use kernel::{
    fs::{
        file::flags::O_CLOEXEC,
        File, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};

/// The name of the anonymous files that stand for tasks, as `/proc/PID/fd` shows it.
const FILE_NAME: &CStr = c"[mach]";

impl Mach {
    /// The living task of the current process.
    fn current_task(&self) -> Option<Arc<Task>> {
        self.tasks.of(&ProcessId::current())
    }

    /// The living task of process `pid`, a number of the caller's pid namespace.
    pub(crate) fn task_of_pid(&self, pid: i32) -> Option<Arc<Task>> {
        let pid = u32::try_from(pid).ok()?;
        self.tasks.of(&ProcessId::from_current_ns(pid)?)
    }

    /// The living task of `process`.
    pub(crate) fn task_of(&self, process: &ProcessId) -> Option<Arc<Task>> {
        self.tasks.of(process)
    }

    /// Whether `process` has a living task, or is a child of one that has made no trap yet.
    pub(crate) fn knows(&self, process: &ProcessId) -> bool {
        self.tasks.look_at(process, |_| ()).is_some() || self.tasks.unborn(process).is_some()
    }

    /// The task that a new task of the current process inherits from: the one it was forked from,
    /// else its parent's, else that of the init process of its pid namespace.
    fn parent_of_current(&self) -> Option<Arc<Task>> {
        if let Some(record) = self.tasks.unborn(&ProcessId::current()) {
            return Some(record.parent().clone());
        }
        self.tasks
            .of(&ProcessId::real_parent_of_current())
            .or_else(|| self.tasks.of(&ProcessId::init_of_current_ns()?))
    }

    /// The current process is no longer an unborn child.
    fn settle_current(&self) {
        if let Some(record) = self.tasks.remove_unborn(&ProcessId::current()) {
            self.settle(&record);
        }
    }

    /// Makes and registers a task for the current process, which has none. `birth` is held.
    fn bear(self: &Arc<Self>, event: Event) -> Result<Arc<Task>> {
        let parent = self.parent_of_current();
        let task = Task::new(self, parent.as_deref())?;
        if let Some(record) = self.tasks.unborn(&ProcessId::current()) {
            // It has its parent's memory.
            task.set_dyld_info(record.parent().dyld_info());
        }
        self.tasks.insert(task.clone())?;
        self.remember(&task);
        self.settle_current();
        if let Some(parent) = parent {
            for subsystem in self.subsystems() {
                subsystem.inherited_from(&parent);
            }
        }
        self.count(event);
        Ok(task)
    }

    /// The task for a process that opens the device: its own, made if it has none.
    pub(super) fn open(self: &Arc<Self>) -> Result<Arc<Task>> {
        let _birth = self.birth.lock();
        match self.current_task() {
            Some(task) => Ok(task),
            None => self.bear(Event::TaskCreated),
        }
    }

    /// The task for a trap through `file`, a descriptor of another process.
    ///
    /// A process that has a task already, as one that was passed the descriptor or that shares its
    /// descriptor table, keeps it, and the table stays as it is. Otherwise the caller gets a task,
    /// and its own file in every slot of its table that holds `file`.
    #[cold]
    pub(super) fn adopt(self: &Arc<Self>, file: &File) -> Result<Arc<Task>> {
        let _birth = self.birth.lock();
        if let Some(task) = self.current_task() {
            return Ok(task);
        }
        // Whatever can fail comes first.
        let swap = FdSwap::prepare(GFP_KERNEL_ACCOUNT)?;
        let task = self.bear(Event::TaskForked)?;
        match anon_file::<MachDevice>(FILE_NAME, task.clone()) {
            Ok(own) => {
                commpage::map_for_child(&own);
                swap.commit(file, &own);
            }
            // The task stands; its descriptor will be swapped by nobody, and each trap finds it
            // by way of this function.
            Err(error) => pr_debug!("no file for a forked task: {}\n", error.to_errno()),
        }
        Ok(task)
    }

    /// Makes the task for the image that the current process is about to load. The task that it
    /// has, if any, is not touched before [`PreparedExec::commit`].
    pub(crate) fn prepare_exec(self: &Arc<Self>) -> Result<PreparedExec> {
        let predecessor = self.current_task().or_else(|| self.parent_of_current());
        let task = Task::new(self, predecessor.as_deref())?;
        let file = anon_file::<MachDevice>(FILE_NAME, task.clone())?;
        Ok(PreparedExec { task, file })
    }
}

/// A task that waits for its image to be loaded. Dropping it undoes its making.
pub(crate) struct PreparedExec {
    task: Arc<Task>,
    file: ARef<File>,
}

impl PreparedExec {
    /// The file that stands for the task.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The root directory that the task pretends to have, as its predecessor does.
    pub(crate) fn vchroot(&self) -> Option<Arc<Vchroot>> {
        self.task.vchroot()
    }

    /// Reserves the lowest free descriptor. To be called after the point of no return, when the
    /// descriptors of the old image are closed.
    pub(crate) fn reserve_fd(&self) -> Result<ReservedFd> {
        ReservedFd::get_unused_fd_flags(O_CLOEXEC)
    }

    /// Calls `tell` with each number, and its key, that the subsystems have for the new program. To
    /// be called after the point of no return: it makes the thread object of the only thread.
    pub(crate) fn tell_numbers(&self, mut tell: impl FnMut(&str, u32) -> Result) -> Result {
        let context = Context::new(&self.task, self.task.current_thread()?);
        for subsystem in self.task.mach().subsystems() {
            if let Some((key, number)) = subsystem.number_for_program(&context)? {
                tell(key, number)?;
            }
        }
        Ok(())
    }

    /// The image can do more than who loads it.
    pub(crate) fn gain_privileges(&self) {
        self.task.gain_privileges();
    }

    /// Notes where the image's dynamic linker will keep its list of images.
    pub(crate) fn set_dyld_info(&self, info: DyldInfo) {
        self.task.set_dyld_info(info);
    }

    /// The image is loaded: the task takes over from its predecessor, and the descriptor is
    /// installed. On failure the process has no usable task and must be killed.
    pub(crate) fn commit(self, fd: ReservedFd) -> Result {
        let mach = self.task.mach_arc().clone();
        self.task.bind_to_current_image();
        let predecessor = {
            let _birth = mach.birth.lock();
            let predecessor = mach.tasks.insert(self.task.clone())?;
            mach.remember(&self.task);
            mach.settle_current();
            predecessor
        };
        fd.fd_install(self.file);
        mach.count(Event::TaskExeced);
        if let Some(predecessor) = predecessor {
            predecessor.end(Event::TaskReplaced);
        }
        Ok(())
    }
}

/// Leaves `item` to the current thread's task work.
///
/// A thread that comes here still runs task work, and the module is pinned by the very tasks that
/// the work is about, so queueing does not fail. Should it do so all the same, leaking the item is
/// what is left: dropping it may sleep.
fn later<T: TaskWorkItem>(item: Arc<T>) {
    if let Err(item) = run_in_current(item) {
        pr_err!("task work refused; an ended task stays in memory\n");
        core::mem::forget(item);
    }
}

/// Process events. None may sleep.
impl ProcessObserver for Mach {
    fn forked(&self, _parent: &kernel::task::Task, child: &kernel::task::Task) {
        let Some(child) = ProcessId::of(child) else {
            return;
        };
        self.watches.tell(ProcessEvent::Forked(&child));
        let current = ProcessId::current();
        let own = self.tasks.of(&current);
        let parent = match &own {
            Some(task) => task.clone(),
            None => match self.tasks.unborn(&current) {
                Some(record) => record.parent().clone(),
                None => return,
            },
        };
        // Without memory the child still inherits, from whichever task its parent has when it
        // makes its first trap, and nobody waits for it.
        let Ok(record) = Unborn::new(child, parent, GFP_ATOMIC) else {
            return;
        };
        if self.tasks.insert_unborn(record.clone()).is_err() {
            return;
        }
        if let Some(task) = own {
            match task.threads.current() {
                Some(thread) => thread.forked(record),
                None => task.early_child.set(record),
            }
        }
    }

    fn thread_created(&self, _parent: &kernel::task::Task, child: &kernel::task::Task) {
        self.tasks.look_at(&ProcessId::current(), |task| {
            task.suspension.thread_created(ThreadRef::of(child));
        });
    }

    fn execed(&self) {
        self.watches.tell(ProcessEvent::Replaced);
        if let Some(task) = self.current_task() {
            // Our own loader registers the task of the new image before it gets here.
            if !task.is_for_current_image() {
                if let Some(task) = self.tasks.remove_of(task.process()) {
                    later(task);
                }
            }
        }
        self.bury_unborn();
    }

    fn exiting(&self, last_thread: bool) {
        let current = ProcessId::current();
        // Looked at under the lock and not counted: another thread of the process may be the last
        // one meanwhile and end the task, and letting go of it must not be left to this one.
        self.tasks.look_at(&current, |task| {
            task.threads.retire_current();
            drop(task.early_child.take());
        });
        if last_thread {
            self.watches.tell_exit(current::exit_status());
            if let Some(task) = self.tasks.remove_of(&current) {
                later(task);
            }
            self.bury_unborn();
        }
    }

    fn freed(&self) {
        if self.watches.has_exited() {
            self.watches.run_soon();
        }
    }
}

impl Mach {
    /// Has the history tell of the process of `task`, which gets along without.
    fn remember(&self, task: &Task) {
        if let Err(error) = self.watches.keep(task.process(), self.history.clone()) {
            pr_debug!("a process goes unrecorded: {}\n", error.to_errno());
        }
    }

    /// The current process will not make a first trap on what it inherited. Does not sleep.
    fn bury_unborn(&self) {
        if let Some(record) = self.tasks.remove_unborn(&ProcessId::current()) {
            self.settle(&record);
            // The parent's task may go with the record, which takes a context that can sleep.
            later(record);
        }
    }
}
