// SPDX-License-Identifier: GPL-2.0

//! Threads: putting the current one to sleep, waking and signalling another.
//!
//! Serves waits in which one thread waits for one event that another thread brings about. Unlike
//! [`super::wait`] there is no queue with a lock: whoever ends the wait knows the thread. Also
//! serves what traps do to threads that they have the port of.
//!
//! Locks: none but those of the scheduler. Waking does not sleep.
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)

use super::{
    bindings as shim, current,
    wait::{
        schedule_until,
        Deadline,
        Woken, //
    },
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::aref::ARef,
    task::Task, //
};

/// A thread, which need not be alive any more.
#[derive(Clone)]
pub(crate) struct ThreadRef(ARef<Task>);

impl ThreadRef {
    /// The current thread.
    pub(crate) fn current() -> Self {
        Self(ARef::from(&**kernel::current!()))
    }

    /// The thread of `task`.
    pub(crate) fn of(task: &Task) -> Self {
        Self(ARef::from(task))
    }

    /// Whether this is the current thread.
    pub(crate) fn is_current(&self) -> bool {
        core::ptr::eq(self.as_ptr(), current::task())
    }

    /// Whether the thread has begun to exit.
    pub(crate) fn is_exiting(&self) -> bool {
        // SAFETY: The reference keeps the task. The flags change at any time, hence the volatile
        // access.
        let flags = unsafe { (&raw const (*self.as_ptr()).flags).read_volatile() };
        flags & bindings::PF_EXITING != 0
    }

    /// Whether both are the same thread.
    pub(crate) fn is(&self, other: &Self) -> bool {
        core::ptr::eq(self.as_ptr(), other.as_ptr())
    }

    /// The thread.
    pub(super) fn task(&self) -> &Task {
        &self.0
    }

    /// The kernel's structure.
    pub(super) fn as_ptr(&self) -> *mut bindings::task_struct {
        self.0.as_ptr()
    }

    /// Wakes the thread if it sleeps, whatever in. It tests what it sleeps for again.
    #[inline]
    pub(crate) fn wake(&self) {
        self.0.wake_up();
    }

    /// Wakes the thread if it sleeps, with the hint that the caller is about to sleep
    /// itself, so that the woken one had better run on the same CPU. Does not sleep.
    ///
    /// If the thread is done sleeping there and sleeps elsewhere, it is woken there for nothing,
    /// which every sleep in the kernel is prepared for.
    #[inline]
    pub(crate) fn wake_sync(&self) {
        // SAFETY: The reference keeps the thread's structure alive, if not the thread.
        unsafe { shim::mach_shim_wake_up_sync(self.0.as_ptr()) };
    }

    /// As [`wake`](Self::wake), but only out of a sleep that signals can end.
    pub(crate) fn wake_interruptible(&self) {
        let mut entry: bindings::wait_queue_entry = pin_init::zeroed();
        entry.private = self.0.as_ptr().cast();
        // SAFETY: The function uses nothing of the entry but `private`, a task that a reference is
        // held to.
        unsafe {
            bindings::default_wake_function(
                &mut entry,
                bindings::TASK_INTERRUPTIBLE,
                0,
                core::ptr::null_mut(),
            )
        };
    }

    /// The thread's number in the pid namespace of the current one; `None` if it has none there,
    /// or no number any more.
    pub(crate) fn nr_in_current_ns(&self) -> Option<u32> {
        // SAFETY: The task is valid; without a namespace the current one is meant.
        let number = unsafe {
            bindings::__task_pid_nr_ns(
                self.0.as_ptr(),
                bindings::pid_type_PIDTYPE_PID,
                core::ptr::null_mut(),
            )
        };
        u32::try_from(number).ok().filter(|number| *number != 0)
    }

    /// Sends `signal` to this very thread, as `tkill` of the current one does but without a check
    /// of permissions. `EINVAL` for a number that is no signal, `ESRCH` for a thread that is gone.
    pub(crate) fn send_signal(&self, signal: i32) -> Result {
        let mut info: bindings::kernel_siginfo = pin_init::zeroed();
        // SAFETY: These are the union's members for signals sent by processes, and the current
        // task's identity may be asked for at any time.
        unsafe {
            let common = &mut info.__bindgen_anon_1;
            common.si_signo = signal;
            common.si_code = bindings::SI_TKILL;
            common._sifields._kill._pid = shim::mach_shim_current_tgid_vnr();
            common._sifields._kill._uid = shim::mach_shim_current_uid_munged();
        }
        // SAFETY: The task is valid, and the information complete.
        to_result(unsafe { bindings::send_sig_info(signal, &mut info, self.0.as_ptr()) })
    }
}

/// Puts the current thread to sleep until `ready` holds, the deadline passes, or a signal is
/// pending.
///
/// Whoever makes `ready` true must do so before waking the thread by its [`ThreadRef`]. `ready` is
/// called with the thread already marked as sleeping: it must not sleep.
#[inline]
pub(crate) fn sleep(deadline: Option<Deadline>, mut ready: impl FnMut() -> bool) -> Woken {
    let outcome = loop {
        mark(bindings::TASK_INTERRUPTIBLE);
        if ready() {
            break Woken::Ready;
        }
        if current::has_signal() {
            break Woken::Interrupted;
        }
        if !schedule_until(deadline) {
            break if ready() {
                Woken::Ready
            } else {
                Woken::TimedOut
            };
        }
    };
    mark_running();
    outcome
}

/// As [`sleep`], but for an event that is certain to come, and soon: nothing else ends the sleep.
#[cold]
pub(crate) fn sleep_until(mut ready: impl FnMut() -> bool) {
    loop {
        mark(bindings::TASK_UNINTERRUPTIBLE);
        if ready() {
            break;
        }
        schedule_until(None);
    }
    mark_running();
}

/// Gets ready for [`ThreadRef::wake_sync`]. To be called once, when the module starts; without it
/// such wake-ups lack their hint.
pub(crate) fn init() {
    // SAFETY: Called before there is any other thread that could use the flags.
    unsafe { shim::mach_shim_find_sync_flags() };
}

/// Marks the current thread as sleeping. A full barrier follows.
#[inline]
fn mark(state: u32) {
    // SAFETY: A thread may mark itself; all callers test their condition after that and before
    // they call the scheduler.
    unsafe { shim::mach_shim_set_current_state(state) };
}

/// Marks the current thread as running again.
#[inline]
fn mark_running() {
    // SAFETY: A thread that runs may say so.
    unsafe { shim::mach_shim_set_current_state_running() };
}
