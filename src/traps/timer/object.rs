// SPDX-License-Identifier: GPL-2.0

//! The timer: an alarm, and the messages that tell of it.
//!
//! For every time that the alarm is set there is a message, made when it was: so no expiry is lost
//! for want of memory, and the memory is charged to whoever sets timers.
//!
//! A timer is attached to its port, to which it holds a send right, and goes with it.
//!
//! Locks: `Timer::setting`, then `Expiry::messages`.

use crate::{
    core::{
        KernError,
        KernResult,
        Live,
        ObjectCounter, //
    },
    linux::{
        alarm::{
            Alarm,
            Alarmed, //
        },
        deferred::{
            Deferred,
            Job, //
        },
        wait::Deadline,
    },
    traps::ipc::{
        PreparedMessage,
        PreparedMessages,
        SendRight, //
    },
};
use kernel::{
    new_mutex, new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            ordering::{Full, Relaxed},
            Atomic, //
        },
        Arc,
        Mutex,
        SpinLock, //
    },
};

pub(super) static TIMERS: ObjectCounter = ObjectCounter::new("timers");

/// Bytes of the message that tells of an expiry: a header and zeroes.
const MESSAGE_SIZE: u32 = 48;

/// What is done when a timer expires. It may be done a little after the timer itself is gone.
#[pin_data]
struct Expiry {
    port: SendRight,
    /// How often the alarm has gone off without a message so far.
    untold: Atomic<u32>,
    /// One for each expiry that is untold, one if the alarm is set, and the spare ones.
    #[pin]
    messages: SpinLock<PreparedMessages>,
    _live: Live,
}

impl Expiry {
    fn send_one(&self) {
        let message = self.messages.lock().take();
        if let Some(message) = message {
            message.send(&self.port);
        }
    }
}

impl Job for Expiry {
    fn run(&self) {
        for _ in 0..self.untold.xchg(0, Full) {
            self.send_one();
        }
    }
}

impl Alarmed for Expiry {
    fn note_expiry(&self) -> Option<u64> {
        self.untold.add(1, Relaxed);
        None
    }
}

/// How a timer is set.
struct Setting {
    /// What the alarm was last set to, in nanoseconds.
    deadline: u64,
    /// How many messages there are from times that were cancelled or replaced: at most two.
    spare: u32,
}

impl Setting {
    /// Makes sure that the alarm is not set. True if it was: what was to come leaves its message.
    fn stop(&mut self, alarm: &Alarm<Deferred<Expiry>>) -> bool {
        let was_set = alarm.cancel();
        if was_set {
            self.spare = self.spare.wrapping_add(1);
        }
        was_set
    }
}

/// A timer.
#[pin_data]
pub(super) struct Timer {
    #[pin]
    alarm: Alarm<Deferred<Expiry>>,
    #[pin]
    setting: Mutex<Setting>,
}

impl Timer {
    /// Makes a timer that tells the port of `port`. Fails with `ENOMEM`.
    pub(super) fn new(port: SendRight) -> Result<Arc<Self>> {
        let expiry = pin_init!(Expiry {
            port,
            untold: Atomic::new(0),
            messages <- new_spinlock!(PreparedMessages::new(), "Expiry::messages"),
            _live: Live::new(&TIMERS),
        });
        let expiry = Deferred::new(expiry, GFP_KERNEL_ACCOUNT)?;
        Arc::pin_init(
            pin_init!(Self {
                alarm <- Alarm::new(expiry),
                setting <- new_mutex!(
                    Setting {
                        deadline: 0,
                        spare: 0,
                    },
                    "Timer::setting"
                ),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Sets the timer to expire when the clock shows `deadline` nanoseconds, instead of what it was
    /// set to. `KERN_RESOURCE_SHORTAGE`, with no change.
    pub(super) fn arm(&self, deadline: u64) -> KernResult {
        let expiry = self.alarm.job();
        {
            let mut setting = self.setting.lock();
            if setting.spare > 0 {
                setting.spare = setting.spare.wrapping_sub(1);
            } else {
                let message = PreparedMessage::new(MESSAGE_SIZE);
                let message = message.map_err(|_| KernError::RESOURCE_SHORTAGE)?;
                expiry.messages.lock().put(message);
            }
            setting.stop(&self.alarm);
            let moment = Deadline::at(deadline);
            if !moment.has_passed() {
                setting.deadline = deadline;
                self.alarm.set(moment);
                return Ok(());
            }
        }
        expiry.send_one();
        Ok(())
    }

    /// Sees to it that the timer does not expire any more, and tells what it was set to; 0 if it
    /// was not set, or has expired.
    pub(super) fn cancel(&self) -> u64 {
        let mut setting = self.setting.lock();
        match setting.stop(&self.alarm) {
            true => setting.deadline,
            false => 0,
        }
    }
}
