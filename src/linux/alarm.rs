// SPDX-License-Identifier: GPL-2.0

//! Alarms: work that is done at a given moment.
//!
//! Serves timers of tasks, and clean-up that is due after a long time. The kernel crate's timers are
//! not used: their absolute times cannot be made from a number of nanoseconds, and a handle of
//! theirs cancels a timer that was set anew.
//!
//! Locks: none. An alarm is set and cancelled by one thread at a time, which its owner sees to.
//! Its function runs in an interrupt; mostly it notes the expiry there and leaves the rest to a thread.
//!
//! Unloading is safe because dropping an alarm waits for its function, and what has been left to a
//! thread holds a reference on the module ([`super::deferred`]).
//!
//! C header: [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h)

use super::{
    deferred::{
        Deferred,
        Job, //
    },
    wait::Deadline,
};
use kernel::{
    bindings,
    container_of,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// What is told at once when an alarm goes off.
pub(crate) trait Rings: Send + Sync + 'static {
    /// The alarm has gone off. Returns after how many nanoseconds, at least, it is to go off again;
    /// `None` if it is no longer set. Called in an interrupt: locks that it takes must be such as
    /// are taken with interrupts off, and nothing may be dropped for the last time.
    fn ring(this: &Arc<Self>) -> Option<u64>;
}

/// What is to be done when an alarm goes off, by a thread.
pub(crate) trait Alarmed: Job {
    /// The alarm has gone off; [`Job::run`] follows, perhaps once for several times. Returns after
    /// how many nanoseconds, at least, the alarm is to go off again; `None` if it is no longer set.
    /// Called in an interrupt: must take no lock and drop nothing.
    fn note_expiry(&self) -> Option<u64>;
}

impl<J: Alarmed> Rings for Deferred<J> {
    fn ring(this: &Arc<Self>) -> Option<u64> {
        let again = this.note_expiry();
        this.run_soon();
        again
    }
}

/// An alarm.
///
/// # Invariants
///
/// `timer` was initialised with [`Alarm::expired`] as its function, and is the `timer` of this very
/// alarm.
#[pin_data(PinnedDrop)]
pub(crate) struct Alarm<J: Rings> {
    #[pin]
    timer: Opaque<bindings::hrtimer>,
    job: Arc<J>,
}

// SAFETY: An `hrtimer` may be used from any thread.
unsafe impl<J: Rings> Send for Alarm<J> {}

// SAFETY: An `hrtimer` is protected by the lock of its CPU's base.
unsafe impl<J: Rings> Sync for Alarm<J> {}

impl<J: Rings> Alarm<J> {
    /// Makes an alarm that is not set. Its deadlines are times of the monotonic clock.
    pub(crate) fn new(job: Arc<J>) -> impl PinInit<Self> {
        Self::on_clock(bindings::CLOCK_MONOTONIC, job)
    }

    /// The same, with deadlines that are times since the machine was started, those asleep
    /// included. It does not wake the machine.
    pub(crate) fn since_boot(job: Arc<J>) -> impl PinInit<Self> {
        Self::on_clock(bindings::CLOCK_BOOTTIME, job)
    }

    fn on_clock(clock: u32, job: Arc<J>) -> impl PinInit<Self> {
        // INVARIANT: As it says.
        pin_init!(Self {
            // SAFETY: The slot is valid for the call, and stays where it is.
            timer <- Opaque::ffi_init(move |slot| unsafe {
                // CAST: The clock's number is small.
                bindings::hrtimer_setup(
                    slot,
                    Some(Self::expired),
                    clock as i32,
                    bindings::hrtimer_mode_HRTIMER_MODE_ABS,
                )
            }),
            job,
        })
    }

    /// What is to be done.
    pub(crate) fn job(&self) -> &Arc<J> {
        &self.job
    }

    /// Sets the alarm, which is not set. It goes off at `deadline` or soon after, at once if that
    /// has passed.
    pub(crate) fn set(&self, deadline: Deadline) {
        self.set_within(deadline, 0);
    }

    /// The same, up to `leeway` nanoseconds late if that saves waking the processor.
    pub(crate) fn set_within(&self, deadline: Deadline, leeway: u64) {
        // SAFETY: By the type invariants the timer is initialised, and it lives until it has
        // expired or been cancelled, at the latest by `drop`.
        unsafe {
            bindings::hrtimer_start_range_ns(
                self.timer.get(),
                deadline.ktime(),
                leeway,
                bindings::hrtimer_mode_HRTIMER_MODE_ABS,
            )
        };
    }

    /// Makes sure that the alarm is not set. True if it was, and so has not gone off; otherwise,
    /// if it ever was set, its expiry has been noted when this returns. May sleep.
    pub(crate) fn cancel(&self) -> bool {
        // SAFETY: By the type invariants the timer is initialised.
        unsafe { bindings::hrtimer_cancel(self.timer.get()) != 0 }
    }

    /// # Safety
    ///
    /// Called by the kernel for the `timer` of an alarm that is there at least until it returns.
    unsafe extern "C" fn expired(timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
        // CAST: `Opaque` is a transparent wrapper.
        let timer = timer.cast::<Opaque<bindings::hrtimer>>();
        // SAFETY: By the caller's promise.
        let alarm = unsafe { &*container_of!(timer, Self, timer) };
        let Some(nanoseconds) = J::ring(&alarm.job) else {
            return bindings::hrtimer_restart::HRTIMER_NORESTART;
        };
        let interval = bindings::ktime_t::try_from(nanoseconds).unwrap_or(bindings::ktime_t::MAX);
        // SAFETY: The timer is the one whose function this is, so it may be moved on here.
        unsafe {
            let now = bindings::hrtimer_cb_get_time(alarm.timer.get());
            bindings::hrtimer_forward(alarm.timer.get(), now, interval);
        }
        bindings::hrtimer_restart::HRTIMER_RESTART
    }
}

#[pinned_drop]
impl<J: Rings> PinnedDrop for Alarm<J> {
    fn drop(self: Pin<&mut Self>) {
        self.cancel();
    }
}
