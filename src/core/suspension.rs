// SPDX-License-Identifier: GPL-2.0

//! Suspended tasks and threads.
//!
//! A task and each of its threads have a count of suspensions. As long as one of both is not zero
//! the thread runs nothing of its program; what it does in the kernel, as waiting for a message,
//! goes on. Once a suspending call is over the thread has left its program.
//!
//! Each thread that is to stop has a [`Stop`] among its task work: there it parks (see
//! [`park`](mod@park)). Whether it has to is asked of the counts alone, so a `Stop` that comes too
//! late does nothing, and one that is there already serves for the next suspension as well. Threads
//! of the process that have never made a trap are stopped with the task like the others, and those
//! that are made while it is suspended before they run.
//!
//! Source of the behaviour: XNU osfmk/kern/task.c and thread_act.c; ABI mig §3.2, §3.3.
//!
//! Locks: `Suspension::stops` (mutex). Nothing else is taken under it.

use super::{
    stop::Stop,
    suspend_count::SuspendCount,
    KernError,
    KernResult,
    Task,
    Thread, //
};
use crate::linux::{
    park::{
        self,
        Unparked, //
    },
    thread::ThreadRef,
    wait::{
        new_wait_queue,
        Deadline,
        WaitQueue,
        Woken, //
    },
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            ordering::{Full, Relaxed},
            Atomic, //
        },
        Arc,
        Mutex, //
    },
};

/// What a task keeps for stopping its threads.
#[pin_data]
pub(super) struct Suspension {
    count: SuspendCount,
    /// Whether a thread may run that was made while the task was suspended.
    missed: Atomic<bool>,
    /// Where its threads park.
    #[pin]
    pub(super) parked: WaitQueue,
    /// Where others wait for a thread to park.
    #[pin]
    pub(super) arrivals: WaitQueue,
    /// Of threads that have been stopped; those that are not queued any more are left over.
    #[pin]
    stops: Mutex<KVec<Arc<Stop>>>,
}

impl Suspension {
    /// Makes that of a task that is not suspended.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            count: SuspendCount::new(),
            missed: Atomic::new(false),
            parked <- new_wait_queue!("Suspension::parked"),
            arrivals <- new_wait_queue!("Suspension::arrivals"),
            stops <- new_mutex!(KVec::new(), "Suspension::stops"),
        })
    }

    /// A thread of the current process has just been made, and has not run. Does not sleep.
    pub(super) fn thread_created(&self, child: ThreadRef) {
        if !self.count.is_raised() {
            // Who suspends the task after this finds the thread.
            return;
        }
        match Stop::new(child, GFP_ATOMIC) {
            Ok(stop) => stop.queue(),
            // Its maker parks soon, and looks for it then.
            Err(_) => self.missed.store(true, Relaxed),
        }
    }

    /// What is queued for `thread`, made if need be.
    pub(super) fn stop(&self, thread: &ThreadRef) -> Result {
        let stop = {
            let mut stops = self.stops.lock();
            stops.retain(|stop| stop.is_queued());
            let queued = stops.iter().find(|stop| stop.is_for(thread));
            match queued {
                Some(stop) => stop.clone(),
                None => {
                    let stop = Stop::new(thread.clone(), GFP_KERNEL_ACCOUNT)?;
                    stops.push(stop.clone(), GFP_KERNEL_ACCOUNT)?;
                    stop
                }
            }
        };
        stop.queue();
        Ok(())
    }
}

impl Task {
    /// How often the task is suspended.
    pub(crate) fn suspend_count(&self) -> u32 {
        self.suspension.count.get()
    }

    /// Suspends the task once more. When this returns no other thread of it runs its program; the
    /// current one, if it is of the task, stops on its way back.
    ///
    /// `KERN_RESOURCE_SHORTAGE` without memory, with no effect then. May sleep.
    pub(crate) fn suspend(&self) -> KernResult {
        self.suspension.count.raise()?;
        self.stop_all().map_err(|_| {
            // It was raised above.
            let _ = self.resume();
            KernError::RESOURCE_SHORTAGE
        })
    }

    /// Takes back one suspension. `KERN_FAILURE` if there is none.
    pub(crate) fn resume(&self) -> KernResult {
        if self.suspension.count.lower()? {
            self.suspension.parked.wake_all();
        }
        Ok(())
    }

    /// Stops all threads of the process.
    fn stop_all(&self) -> Result {
        let threads = park::threads_of(self.process())?;
        for thread in &threads {
            self.suspension.stop(thread)?;
        }
        for thread in &threads {
            park::leave_user_space(thread);
        }
        Ok(())
    }

    /// Suspends `thread`, one of the task's, once more. As [`suspend`](Self::suspend).
    pub(crate) fn suspend_thread(&self, thread: &Thread) -> KernResult {
        thread.suspensions.raise()?;
        if self.suspension.stop(thread.linux()).is_err() {
            // It was raised above.
            let _ = self.resume_thread(thread);
            return Err(KernError::RESOURCE_SHORTAGE);
        }
        park::leave_user_space(thread.linux());
        Ok(())
    }

    /// Takes back one suspension of `thread`, one of the task's. `KERN_FAILURE` if there is none.
    pub(crate) fn resume_thread(&self, thread: &Thread) -> KernResult {
        if thread.suspensions.lower()? {
            self.suspension.parked.wake_all();
        }
        Ok(())
    }

    /// Keeps `thread` from its program until `look` finds what it wants.
    ///
    /// `KERN_ABORTED` when a signal comes first, `KERN_TERMINATED`, `KERN_RESOURCE_SHORTAGE`.
    pub(super) fn with_stopped<R>(
        &self,
        thread: &Thread,
        mut look: impl FnMut() -> Option<R>,
    ) -> KernResult<R> {
        /// A thread that goes to sleep tells nobody.
        const PATIENCE_NS: u64 = 1_000_000;

        thread.holds.raise()?;
        let result = self.suspension.stop(thread.linux());
        park::leave_user_space(thread.linux());
        let result = match result {
            Err(_) => Err(KernError::RESOURCE_SHORTAGE),
            Ok(()) => loop {
                if let Some(found) = look() {
                    break Ok(found);
                }
                if thread.has_ended() || thread.linux().is_exiting() {
                    break Err(KernError::TERMINATED);
                }
                let deadline = Some(Deadline::after(PATIENCE_NS));
                let arrived = || thread.parking.is_taken();
                if self.suspension.arrivals.wait(deadline, arrived) == Woken::Interrupted {
                    break Err(KernError::ABORTED);
                }
            },
        };
        if thread.holds.lower() == Ok(true) {
            self.suspension.parked.wake_all();
        }
        result
    }

    /// Sleeps as long as `thread`, the current one and one of the task's, is suspended: for one that
    /// has handed its registers in. Returns before that when the thread has been killed, or has a
    /// signal that the kernel must act upon; it parks on its way to its program then.
    pub(crate) fn sleep_while_suspended(&self, thread: &Thread) {
        let _ = park::park(&self.suspension.parked, || {
            !thread.is_terminating() && (self.suspend_count() != 0 || thread.suspend_count() != 0)
        });
    }

    /// Whether the current thread, one of the task's, is to stop.
    fn stops_current(&self) -> bool {
        match self.threads.current() {
            Some(thread) if thread.is_terminating() => false,
            Some(thread) if thread.suspend_count() != 0 || thread.holds.get() != 0 => true,
            _ => self.suspend_count() != 0,
        }
    }

    /// Parks the current thread, one of the task's, as long as it is to stop.
    pub(super) fn park(&self, stop: &Arc<Stop>) {
        if self.suspension.missed.xchg(false, Full) && self.suspend_count() != 0 {
            // Without memory the next one that parks tries again.
            if self.stop_all().is_err() {
                self.suspension.missed.store(true, Relaxed);
            }
        }
        loop {
            let park = || {
                self.suspension.arrivals.wake_all();
                park::park(&self.suspension.parked, || self.stops_current())
            };
            let outcome = match self.threads.current() {
                Some(thread) => thread.parking.during(park),
                None => park(),
            };
            match outcome {
                Unparked::Free => return,
                // Parking again is not left to chance: without memory the signal waits.
                Unparked::Signal if stop.queue_again_soon().is_ok() => return,
                Unparked::Signal => park::pause(),
            }
        }
    }

    /// The task has ended.
    pub(super) fn forget_stops(&self) {
        let stops = core::mem::replace(&mut *self.suspension.stops.lock(), KVec::new());
        drop(stops);
    }
}

impl Thread {
    /// How often the thread is suspended, apart from its task.
    pub(crate) fn suspend_count(&self) -> u32 {
        self.suspensions.get()
    }
}
