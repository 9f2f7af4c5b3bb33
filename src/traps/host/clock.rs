// SPDX-License-Identifier: GPL-2.0

//! The clocks of the machine (ABI mig §3.5; XNU osfmk/kern/clock_oldops.c).

use super::HOST;
use crate::{
    core::{
        KernError,
        KernResult, //
    },
    linux::machine,
    traps::ipc::{
        kind,
        Call,
        HostPort,
        KernelObject,
        KernelPort,
        RoutineDescriptor,
        RoutineResult,
        SendRight,
        Words, //
    },
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    host_get_clock_service,
    host_get_clock_control,
    clock_get_time,
    clock_get_attributes,
];

/// Numbers of clocks.
mod which {
    pub(super) const SYSTEM: i32 = 0;
    pub(super) const CALENDAR: i32 = 1;
}

pub(super) const NSEC_PER_SEC: u64 = 1_000_000_000;

/// A clock.
#[derive(Clone, Copy)]
pub(super) enum Clock {
    /// Time since the machine was started, sleep included.
    System,
    /// The time of day.
    Calendar,
}

impl KernelObject for Clock {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::CLOCK
    }
}

impl Clock {
    /// Nanoseconds.
    fn now(self) -> u64 {
        match self {
            Self::System => machine::boot_time(),
            Self::Calendar => machine::real_time(),
        }
    }
}

/// What the control port of a clock stands for: a clock that cannot be set.
pub(super) struct ClockControl;

impl KernelObject for ClockControl {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::CLOCK_CONTROL
    }
}

/// The ports of all clocks.
pub(super) struct Clocks {
    system: KernelPort,
    calendar: KernelPort,
    controls: [KernelPort; 2],
}

impl Clocks {
    pub(super) fn new() -> Result<Self> {
        let port = |clock: Clock| KernelPort::permanent(Arc::new(clock, GFP_KERNEL)?);
        Ok(Self {
            system: port(Clock::System)?,
            calendar: port(Clock::Calendar)?,
            controls: [
                KernelPort::permanent(Arc::new(ClockControl, GFP_KERNEL)?)?,
                KernelPort::permanent(Arc::new(ClockControl, GFP_KERNEL)?)?,
            ],
        })
    }

    pub(super) fn end(&self) {
        self.system.end();
        self.calendar.end();
        for port in &self.controls {
            port.end();
        }
    }
}

/// Gives out the port of a clock.
#[routine(206)]
fn host_get_clock_service(call: &Call<'_>, _host: &HostPort, clock: i32) -> KernResult<SendRight> {
    let clocks = &HOST
        .of_task_or_default(call.task())
        .ok_or(KernError::FAILURE)?
        .machine
        .clocks;
    match clock {
        which::SYSTEM => Ok(clocks.system.send_right()),
        which::CALENDAR => Ok(clocks.calendar.send_right()),
        _ => Err(KernError::INVALID_ARGUMENT),
    }
}

/// Gives out the port by which a clock could be set.
#[routine(408)]
fn host_get_clock_control(call: &Call<'_>, _host: &HostPort, clock: i32) -> KernResult<SendRight> {
    let clocks = &HOST
        .of_task_or_default(call.task())
        .ok_or(KernError::FAILURE)?
        .machine
        .clocks;
    let [system, calendar] = &clocks.controls;
    match clock {
        which::SYSTEM => Ok(system.send_right()),
        which::CALENDAR => Ok(calendar.send_right()),
        _ => Err(KernError::INVALID_ARGUMENT),
    }
}

/// Tells the time: seconds, and nanoseconds of the second.
#[routine(1000)]
fn clock_get_time(_call: &Call<'_>, clock: &Clock) -> KernResult<(u32, u32)> {
    let now = clock.now();
    // CAST: the seconds have 32 bits in this interface; the rest is below 2^30.
    Ok(((now / NSEC_PER_SEC) as u32, (now % NSEC_PER_SEC) as u32))
}

/// Tells the resolution of a clock, in nanoseconds, as one word (XNU osfmk/mach/clock_types.h).
/// `KERN_FAILURE` without room for it, `KERN_INVALID_VALUE` for what is no attribute.
#[routine(1001)]
fn clock_get_attributes(
    _call: &Call<'_>,
    _clock: &Clock,
    flavor: i32,
    room: u32,
) -> RoutineResult<Words<1>> {
    /// Of reading it; of alarms now, at best and at worst.
    const FLAVORS: [i32; 4] = [1, 3, 4, 5];

    if room < 1 {
        return Err(KernError::FAILURE.into());
    }
    if !FLAVORS.contains(&flavor) {
        return Err(KernError::INVALID_VALUE.into());
    }
    Words::of(&1u32)
}
