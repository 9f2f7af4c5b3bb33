// SPDX-License-Identifier: GPL-2.0

//! Waiting for a condition, until a deadline or a signal.
//!
//! Serves every trap that blocks. The `kernel` crate's `CondVar` ties each wait to a lock that is
//! dropped and retaken; the waits here test a condition that the waker changes before waking, and
//! can have a deadline of nanosecond resolution.
//!
//! A wait without a queue is [`super::thread::sleep`].
//!
//! Locks: that of the wait queue, a leaf, taken by the kernel. `ready` is asked without it.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)

use super::current;
use kernel::{
    bindings,
    prelude::*,
    sync::LockClassKey,
    types::Opaque, //
};

/// A moment on `CLOCK_MONOTONIC`, in nanoseconds. It is what `mach_absolute_time` counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline(i64);

impl Deadline {
    /// The moment `nanoseconds` from now; durations past the clock's range mean its end.
    pub(crate) fn after(nanoseconds: u64) -> Self {
        // SAFETY: `ktime_get` has no preconditions.
        let now = unsafe { bindings::ktime_get() };
        let delta = i64::try_from(nanoseconds).unwrap_or(i64::MAX);
        Self(now.saturating_add(delta))
    }

    /// The moment at which the clock shows `nanoseconds`; what is past its range means its end.
    pub(crate) fn at(nanoseconds: u64) -> Self {
        Self(i64::try_from(nanoseconds).unwrap_or(i64::MAX))
    }

    /// Whether the moment has come.
    pub(crate) fn has_passed(self) -> bool {
        // SAFETY: `ktime_get` has no preconditions.
        self.0 <= unsafe { bindings::ktime_get() }
    }

    /// The moment as the kernel's `ktime_t`.
    pub(super) fn ktime(self) -> bindings::ktime_t {
        self.0
    }
}

/// Why a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Woken {
    /// The condition holds.
    Ready,
    /// The deadline passed first.
    TimedOut,
    /// A signal is pending. The condition may hold all the same: the caller decides which wins.
    Interrupted,
}

/// The threads that wait for a condition.
#[pin_data]
#[repr(transparent)]
pub(crate) struct WaitQueue {
    #[pin]
    head: Opaque<bindings::wait_queue_head>,
}

// SAFETY: A `wait_queue_head` may be used from any thread.
unsafe impl Send for WaitQueue {}

// SAFETY: A `wait_queue_head` has its own lock.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// Makes an empty queue; `name` and `key` are for lockdep.
    pub(crate) fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The slot is valid for the call; name and key live for ever.
            head <- Opaque::ffi_init(|slot| unsafe {
                bindings::__init_waitqueue_head(slot, name.as_char_ptr(), key.as_ptr())
            }),
        })
    }

    /// Sleeps until `ready` holds, the deadline passes, or a signal is pending.
    ///
    /// Whoever makes `ready` true must do so before calling one of the wake functions. `ready` is
    /// called with the thread already marked as sleeping: it must not sleep.
    pub(crate) fn wait(
        &self,
        deadline: Option<Deadline>,
        mut ready: impl FnMut() -> bool,
    ) -> Woken {
        let entry = Opaque::<bindings::wait_queue_entry>::uninit();
        // SAFETY: `entry` is valid for writing and stays in place until `finish_wait`.
        unsafe { bindings::init_wait(entry.get()) };

        let outcome = loop {
            // SAFETY: Both are valid; `finish_wait` below takes the entry off again.
            unsafe {
                bindings::prepare_to_wait(
                    self.head.get(),
                    entry.get(),
                    bindings::TASK_INTERRUPTIBLE as c_int,
                )
            };
            if ready() {
                break Woken::Ready;
            }
            if kernel::current!().signal_pending() {
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

        // SAFETY: The entry was queued on this head by `prepare_to_wait`.
        unsafe { bindings::finish_wait(self.head.get(), entry.get()) };
        outcome
    }

    /// The kernel's structure.
    pub(super) fn as_ptr(&self) -> *mut bindings::wait_queue_head {
        self.head.get()
    }

    /// Sleeps until `ready` holds, or the thread has been killed: false then. Other signals do not
    /// end the wait. `ready` as in [`wait`](Self::wait).
    pub(crate) fn wait_killable(&self, ready: impl FnMut() -> bool) -> bool {
        self.wait_in_state(bindings::TASK_KILLABLE, ready, current::is_killed)
    }

    /// Sleeps until `ready` holds, whatever signals come. `ready` as in [`wait`](Self::wait).
    pub(crate) fn wait_uninterruptible(&self, ready: impl FnMut() -> bool) {
        self.wait_in_state(bindings::TASK_UNINTERRUPTIBLE, ready, || false);
    }

    /// Sleeps until `ready` holds, or `gives_up`: false then.
    fn wait_in_state(
        &self,
        state: u32,
        mut ready: impl FnMut() -> bool,
        gives_up: impl Fn() -> bool,
    ) -> bool {
        let entry = Opaque::<bindings::wait_queue_entry>::uninit();
        // SAFETY: `entry` is valid for writing and stays in place until `finish_wait`.
        unsafe { bindings::init_wait(entry.get()) };
        let is_ready = loop {
            // SAFETY: Both are valid; `finish_wait` below takes the entry off again.
            // CAST: States are small bit masks.
            unsafe {
                bindings::prepare_to_wait(self.head.get(), entry.get(), state as c_int);
            }
            if ready() {
                break true;
            }
            if gives_up() {
                break false;
            }
            schedule_until(None);
        };
        // SAFETY: The entry was queued on this head by `prepare_to_wait`.
        unsafe { bindings::finish_wait(self.head.get(), entry.get()) };
        is_ready
    }

    /// Tells those who poll that there is something to be read; see [`super::pollable`] for where
    /// that may be done.
    pub(crate) fn wake_pollers(&self) {
        let ready = bindings::POLLIN | bindings::POLLRDNORM;
        // SAFETY: `head` is an initialised wait queue head. The key is a mask of events.
        unsafe {
            bindings::__wake_up(
                self.head.get(),
                bindings::TASK_NORMAL,
                1,
                // CAST: `u32` to `usize` loses nothing.
                core::ptr::without_provenance_mut(ready as usize),
            )
        };
    }

    /// Wakes all waiting threads. Does not sleep.
    pub(crate) fn wake_all(&self) {
        // SAFETY: `head` is an initialised wait queue head.
        unsafe {
            bindings::__wake_up(
                self.head.get(),
                bindings::TASK_NORMAL,
                0,
                core::ptr::null_mut(),
            )
        };
    }
}

/// Lets other threads run until somebody wakes this one, which is marked as sleeping. False if the
/// deadline passed.
#[inline]
pub(super) fn schedule_until(deadline: Option<Deadline>) -> bool {
    let Some(Deadline(mut expires)) = deadline else {
        // SAFETY: `schedule` may be called by a thread that holds no spinlock, which `might_sleep`
        // checking enforces on debug kernels.
        unsafe { bindings::schedule() };
        return true;
    };
    // SAFETY: `expires` is valid for the call, and this thread may sleep.
    let left = unsafe {
        bindings::schedule_hrtimeout_range(&mut expires, 0, bindings::hrtimer_mode_HRTIMER_MODE_ABS)
    };
    left != 0
}

/// Makes a [`WaitQueue`] whose lock has a class of its own.
macro_rules! new_wait_queue {
    ($name:literal) => {
        $crate::linux::wait::WaitQueue::new(::kernel::c_str!($name), ::kernel::static_lock_class!())
    };
}
pub(crate) use new_wait_queue;
