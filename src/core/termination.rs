// SPDX-License-Identifier: GPL-2.0

//! Ending a single thread.
//!
//! Linux ends processes from outside, and a thread only by a system call of its own. So that is what
//! the thread is made to do: on its way to its program it gets the registers with which the
//! instruction that it makes its traps by is exit(2), and its signals are blocked, so that nothing
//! of the program runs before. All that happens when a thread ends by itself happens then.
//!
//! Source of the behaviour: XNU osfmk/kern/thread_act.c.
//!
//! Locks: none.

use super::{
    object::Live,
    stop::STOPS,
    KernError,
    KernResult,
    Task,
    Thread, //
};
use crate::linux::{
    current,
    deferred::{
        Deferred,
        Job, //
    },
    forced_exit::{
        leave_by_exit,
        Leaving, //
    },
    registers::trap_instruction,
    task_work::{
        interrupt,
        TaskWork,
        TaskWorkItem, //
    },
    wait::Woken,
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::{Full, Relaxed},
            Atomic, //
        },
        Arc, //
    },
};

/// What has become of a [`Termination`].
mod progress {
    pub(super) const NONE: u32 = 0;
    pub(super) const LEAVES: u32 = 1;
    pub(super) const FAILED: u32 = 2;
}

/// Has a thread end.
struct Termination {
    work: TaskWork,
    task: Arc<Task>,
    thread: Arc<Thread>,
    progress: Atomic<u32>,
    _live: Live,
}

impl Task {
    /// Notes how the current thread, one of the task's, makes its traps.
    pub(crate) fn note_trap_instruction(&self) {
        if let Some(address) = trap_instruction() {
            self.trap_instruction.store(address, Relaxed);
        }
    }
}

/// Ends `thread`, one of `task`'s, even if it is suspended. Returns when it runs its program no
/// more; if it is the current one, it ends on its way there.
///
/// `KERN_TERMINATED` if it has ended, `KERN_FAILURE` if its program has nothing that could make a
/// system call where it did before, `KERN_ABORTED` when a signal of the caller comes first; the
/// thread ends all the same then. `KERN_RESOURCE_SHORTAGE`.
pub(crate) fn terminate(task: &Arc<Task>, thread: &Arc<Thread>) -> KernResult {
    let termination = Arc::new(
        Termination {
            work: TaskWork::new(),
            task: task.clone(),
            thread: thread.clone(),
            progress: Atomic::new(progress::NONE),
            _live: Live::new(&STOPS),
        },
        GFP_KERNEL_ACCOUNT,
    )?;
    thread.terminating.xchg(true, Full);
    if interrupt(thread.linux(), termination.clone()).is_err() {
        return Err(KernError::TERMINATED);
    }
    // It may be parked, or wait for somebody to deal with an exception.
    task.suspension.parked.wake_all();
    thread.linux().wake();
    if thread.linux().is_current() {
        return Ok(());
    }
    let is_over = || {
        termination.progress.load(Relaxed) != progress::NONE
            || thread.has_ended()
            || thread.linux().is_exiting()
    };
    if task.suspension.arrivals.wait(None, is_over) == Woken::Interrupted {
        return Err(KernError::ABORTED);
    }
    match termination.progress.load(Relaxed) {
        progress::FAILED => Err(KernError::FAILURE),
        _ => Ok(()),
    }
}

impl Termination {
    fn finish(&self, progress: u32) {
        self.progress.store(progress, Relaxed);
        self.task.suspension.arrivals.wake_all();
    }

    /// The thread goes on, and is suspended if it was.
    fn give_up(&self) {
        self.thread.terminating.xchg(false, Full);
        // Without memory it is found when it is suspended again.
        let _ = self.task.suspension.stop(self.thread.linux());
        self.finish(progress::FAILED);
    }
}

impl TaskWorkItem for Termination {
    fn task_work(&self) -> &TaskWork {
        &self.work
    }

    fn run(self: Arc<Self>) {
        // One that has loaded another image is the thread of another task.
        if current::is_exiting() || self.thread.has_ended() {
            return self.finish(progress::LEAVES);
        }
        let known = self.task.trap_instruction.load(Relaxed);
        match leave_by_exit((known != 0).then_some(known)) {
            Leaving::Yes => self.finish(progress::LEAVES),
            Leaving::NotYet => {
                // Now it would be run again at once. Without memory the thread stays.
                let again = Deferred::new(Again(self.clone()), GFP_KERNEL_ACCOUNT);
                match again {
                    Ok(again) => again.run_soon(),
                    Err(_) => self.give_up(),
                }
            }
            Leaving::No => self.give_up(),
        }
    }
}

struct Again(Arc<Termination>);

impl Job for Again {
    fn run(&self) {
        if interrupt(self.0.thread.linux(), self.0.clone()).is_err() {
            self.0.finish(progress::LEAVES);
        }
    }
}
