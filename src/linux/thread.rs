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
    bindings as shim,
    wait::{
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
pub(crate) struct ThreadRef(ARef<Task>);

impl ThreadRef {
    /// The current thread.
    pub(crate) fn current() -> Self {
        Self(ARef::from(&**kernel::current!()))
    }

    /// Wakes the thread if it sleeps, whatever in. It tests what it sleeps for again.
    #[inline]
    pub(crate) fn wake(&self) {
        self.0.wake_up();
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
/// Whoever makes `ready` true must do so before calling [`ThreadRef::wake`]. `ready` is called with
/// the thread already marked as sleeping: it must not sleep.
#[inline]
pub(crate) fn sleep(deadline: Option<Deadline>, mut ready: impl FnMut() -> bool) -> Woken {
    let outcome = loop {
        mark(bindings::TASK_INTERRUPTIBLE);
        if ready() {
            break Woken::Ready;
        }
        if kernel::current!().signal_pending() {
            break Woken::Interrupted;
        }
        match deadline {
            // SAFETY: May be called wherever sleeping is allowed, which debug kernels check.
            None => unsafe { bindings::schedule() },
            Some(deadline) => {
                let mut expires = deadline.ktime();
                // SAFETY: `expires` is valid for the call; otherwise as above.
                let left = unsafe {
                    bindings::schedule_hrtimeout_range(
                        &mut expires,
                        0,
                        bindings::hrtimer_mode_HRTIMER_MODE_ABS,
                    )
                };
                if left == 0 {
                    break if ready() {
                        Woken::Ready
                    } else {
                        Woken::TimedOut
                    };
                }
            }
        }
    };
    mark(bindings::TASK_RUNNING);
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
        // SAFETY: As in `sleep`.
        unsafe { bindings::schedule() };
    }
    mark(bindings::TASK_RUNNING);
}

/// Marks the current thread as sleeping or running. A full barrier follows.
#[inline]
fn mark(state: u32) {
    // SAFETY: A thread may mark itself; all callers test their condition after that and before
    // they call the scheduler.
    unsafe { shim::mach_shim_set_current_state(state) };
}
