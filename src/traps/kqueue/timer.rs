// SPDX-License-Identifier: GPL-2.0

//! The filter of timers (ABI traps §10.4).
//!
//! A timer that repeats is set again when its event is fetched, which tells how often it would have
//! gone off. So a timer that nobody looks at costs one interrupt.
//!
//! Source of the behaviour: XNU bsd/kern/kern_event.c, `filt_timer*`. Locks: `Kqueue::ready`, in an
//! interrupt.

use super::{
    errno::Errno,
    filter::{
        Activity,
        Adding,
        Asked,
        Filter, //
    },
    knote::{
        Hook,
        State, //
    },
};
use crate::{
    abi::kevent::{
        ev,
        timer as note,
        Kevent, //
    },
    linux::{
        alarm::{
            Alarm,
            Rings, //
        },
        machine,
        peek::Peek,
        wait::Deadline, //
    },
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

/// The clock that a timer goes by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// `mach_absolute_time`, which stands still while the machine sleeps.
    Absolute,
    /// `mach_continuous_time`, which does not.
    Continuous,
}

impl Clock {
    fn now(self) -> u64 {
        match self {
            Self::Absolute => machine::monotonic_time(),
            Self::Continuous => machine::boot_time(),
        }
    }
}

/// When a timer is to go off.
#[derive(Clone, Copy)]
struct Setting {
    clock: Clock,
    /// In nanoseconds of the clock; 0 is at once.
    deadline: u64,
    /// Nanoseconds from one time to the next; 0 is once only.
    interval: u64,
    /// How much later it may be.
    leeway: u64,
}

impl Setting {
    /// What a client asks for. `EINVAL` for more than one unit, `ERANGE`.
    fn new(change: &Kevent) -> Result<Self, Errno> {
        const UNITS: u32 = note::SECONDS | note::USECONDS | note::NSECONDS | note::MACHTIME;
        const NS_PER_MS: u64 = 1_000_000;

        let fflags = change.fflags;
        let has = |bit| fflags & bit != 0;
        // The time of `mach_absolute_time` is in nanoseconds.
        let unit = match fflags & UNITS {
            note::SECONDS => NS_PER_MS * 1000,
            note::USECONDS => 1000,
            note::NSECONDS | note::MACHTIME => 1,
            0 => NS_PER_MS,
            _ => return Err(Errno::EINVAL),
        };
        // CAST: What is below zero is a very long time, but for intervals, see below.
        let in_ns = |time: u64| time.checked_mul(unit).ok_or(Errno::ERANGE);
        let [_, leeway, ..] = change.ext;
        let leeway = match has(note::LEEWAY) {
            true => in_ns(leeway)?,
            false => 0,
        };
        let clock = match has(note::MACH_CONTINUOUS_TIME) {
            true => Clock::Continuous,
            false => Clock::Absolute,
        };
        let (deadline, interval) = match (has(note::ABSOLUTE), u64::try_from(change.data)) {
            (true, _) if has(note::MACHTIME) => (change.data as u64, 0),
            (true, _) => {
                // Converted once: it does not follow when the wall clock is set.
                let left = in_ns(change.data as u64)?.saturating_sub(machine::real_time());
                match left {
                    0 => (0, 0),
                    left => (clock.now().saturating_add(left), 0),
                }
            }
            (false, Ok(interval)) => {
                let interval = in_ns(interval)?;
                (clock.now().saturating_add(interval), interval)
            }
            (false, Err(_)) => (0, 0),
        };
        Ok(Self {
            clock,
            deadline,
            interval,
            leeway,
        })
    }

    fn has_come(&self) -> bool {
        self.deadline <= self.clock.now()
    }
}

/// What is told when the alarm goes off.
struct Expiry {
    has_come: Atomic<bool>,
    hook: Hook,
}

impl Rings for Expiry {
    fn ring(this: &Arc<Self>) -> Option<u64> {
        this.has_come.store(true, Relaxed);
        this.hook.activate();
        None
    }
}

/// A timer.
pub(super) struct Timer {
    setting: Setting,
    alarm: Pin<KBox<Alarm<Expiry>>>,
}

impl Timer {
    fn alarm(expiry: Arc<Expiry>, clock: Clock) -> Result<Pin<KBox<Alarm<Expiry>>>, Errno> {
        let alarm = match clock {
            Clock::Absolute => KBox::pin_init(Alarm::new(expiry), GFP_KERNEL_ACCOUNT),
            Clock::Continuous => KBox::pin_init(Alarm::since_boot(expiry), GFP_KERNEL_ACCOUNT),
        };
        Ok(alarm?)
    }

    /// Sets the alarm, which is not set, unless the time has come: it is active then.
    fn set(&self) -> Activity {
        let has_come = self.setting.has_come();
        self.alarm.job().has_come.store(has_come, Relaxed);
        if !has_come {
            let deadline = Deadline::at(self.setting.deadline);
            self.alarm.set_within(deadline, self.setting.leeway);
        }
        Activity::of(has_come)
    }
}

impl Filter for Timer {
    fn attach(adding: Adding<'_>, state: &mut State) -> Result<(Self, Activity), Errno> {
        let setting = Setting::new(adding.change)?;
        let expiry = Expiry {
            has_come: Atomic::new(false),
            hook: adding.hook,
        };
        let expiry = Arc::new(expiry, GFP_KERNEL_ACCOUNT)?;
        let timer = Self {
            setting,
            alarm: Self::alarm(expiry, setting.clock)?,
        };
        state.flags |= ev::CLEAR;
        if state.fflags & note::ABSOLUTE != 0 {
            state.flags |= ev::ONESHOT;
        }
        let activity = timer.set();
        Ok((timer, activity))
    }

    fn touch(&mut self, change: &Kevent, asked: Asked<'_>) -> Result<Activity, Errno> {
        let state = asked.state;
        if (state.fflags ^ change.fflags) & note::ABSOLUTE != 0 {
            return Err(Errno::EINVAL);
        }
        let setting = Setting::new(change)?;
        let other_clock = match setting.clock == self.setting.clock {
            true => None,
            false => Some(Self::alarm(self.alarm.job().clone(), setting.clock)?),
        };
        // From here on the old time is not told any more.
        self.alarm.cancel();
        if let Some(alarm) = other_clock {
            self.alarm = alarm;
        }
        self.setting = setting;
        state.fflags = change.fflags;
        Ok(self.set())
    }

    fn process(&mut self, event: &mut Kevent, asked: Asked<'_>) -> Activity {
        let state = asked.state;
        let [_, _, third, fourth] = state.ext;
        if !self.alarm.job().has_come.peek() || !self.alarm.job().has_come.xchg(false, Full) {
            // It has been set to another time since.
            return Activity::Quiet;
        }
        event.data = 1;
        event.ext = [0, self.setting.leeway, third, fourth];
        let interval = self.setting.interval;
        let late = self
            .setting
            .clock
            .now()
            .saturating_sub(self.setting.deadline);
        if let Some(missed) = late.checked_div(interval) {
            let times = missed.saturating_add(1);
            event.data = i64::try_from(times).unwrap_or(i64::MAX);
            if state.flags & ev::ONESHOT == 0 {
                let elapsed = times.saturating_mul(interval);
                self.setting.deadline = self.setting.deadline.saturating_add(elapsed);
                // If that has come already, it goes off at once.
                let deadline = Deadline::at(self.setting.deadline);
                self.alarm.set_within(deadline, self.setting.leeway);
            }
        }
        Activity::Active
    }
}
