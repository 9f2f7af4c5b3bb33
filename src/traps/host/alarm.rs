// SPDX-License-Identifier: GPL-2.0

//! Alarms of the system clock, and requests to be told when the wall clock is set (ABI mig §3.5,
//! 1002 and 217; XNU osfmk/kern/clock_oldops.c, osfmk/kern/host_notify.c).
//!
//! Both belong to the task that asked: when it ends, alarms that have not gone off are dropped, and
//! with them the rights that they were to be told by.
//!
//! Locks: `Pending::alarms` and `Pending::requests` (mutexes), then `Ring::message` (spinlock).
//! Rights are dropped with none of them held.

use super::{
    clock::{
        Clock,
        NSEC_PER_SEC, //
    },
    TaskHost,
    HOST, //
};
use crate::{
    abi::kern,
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
        machine,
        wait::Deadline,
    },
    traps::ipc::{
        AnyRight,
        Call,
        HostPort,
        PreparedMessage,
        RoutineDescriptor, //
    },
};
use kernel::{
    new_mutex, new_spinlock,
    prelude::*,
    sync::{
        Mutex,
        SpinLock, //
    },
};
use mach_macros::{
    routine,
    routines, //
};
use zerocopy_derive::{
    Immutable,
    IntoBytes, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![clock_alarm, host_request_notification];

pub(super) static ALARMS: ObjectCounter = ObjectCounter::new("clock_alarms");

/// Message id of what tells of an alarm (XNU osfmk/mach/clock_reply.defs).
const CLOCK_ALARM_REPLY: i32 = 3_125_107;

/// What it holds: result, type of the alarm, and the time that it was set to.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct AlarmReply {
    code: i32,
    kind: i32,
    seconds: u32,
    nanoseconds: u32,
}

/// An alarm rings once.
#[pin_data]
struct Ring {
    /// What is sent, and where; none when that has been done.
    #[pin]
    message: SpinLock<Option<(PreparedMessage, AnyRight)>>,
    _live: Live,
}

impl Ring {
    fn has_rung(&self) -> bool {
        self.message.lock().is_none()
    }
}

impl Job for Ring {
    fn run(&self) {
        let message = self.message.lock().take();
        if let Some((message, to)) = message {
            message.send_with(to);
        }
    }
}

impl Alarmed for Ring {
    fn note_expiry(&self) -> Option<u64> {
        None
    }
}

type RingAlarm = Pin<KBox<Alarm<Deferred<Ring>>>>;

/// What a task waits for.
#[pin_data]
pub(super) struct Pending {
    #[pin]
    alarms: Mutex<KVec<RingAlarm>>,
    #[pin]
    requests: Mutex<KVec<AnyRight>>,
}

impl Pending {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            alarms <- new_mutex!(KVec::new(), "Pending::alarms"),
            requests <- new_mutex!(KVec::new(), "Pending::requests"),
        })
    }

    /// Drops everything.
    pub(super) fn clear(&self) {
        let alarms = core::mem::take(&mut *self.alarms.lock());
        drop(alarms);
        let requests = core::mem::take(&mut *self.requests.lock());
        drop(requests);
    }

    /// Keeps `alarm`, and lets go of one that has rung.
    fn keep_alarm(&self, alarm: RingAlarm) -> KernResult {
        let mut alarms = self.alarms.lock();
        let rung = alarms.iter().position(|alarm| alarm.job().has_rung());
        match rung.and_then(|index| alarms.get_mut(index)) {
            Some(place) => {
                let old = core::mem::replace(place, alarm);
                drop(alarms);
                drop(old);
                Ok(())
            }
            None => Ok(alarms.push(alarm, GFP_KERNEL_ACCOUNT)?),
        }
    }

    /// Keeps `right`, and lets go of one whose port has died.
    fn keep_request(&self, right: AnyRight) -> KernResult {
        let mut requests = self.requests.lock();
        let dead = requests.iter().position(|right| !right.is_alive());
        match dead.and_then(|index| requests.get_mut(index)) {
            Some(place) => {
                let old = core::mem::replace(place, right);
                drop(requests);
                drop(old);
                Ok(())
            }
            None => Ok(requests.push(right, GFP_KERNEL_ACCOUNT)?),
        }
    }
}

/// What the caller has of the host, to keep something in. Fails without memory.
fn own_of<'a>(call: &Call<'a>) -> KernResult<&'a TaskHost> {
    HOST.for_task(call.task())
        .map_err(|_| KernError::RESOURCE_SHORTAGE)
}

/// A time as the interface has it, in nanoseconds; `None` if it is none.
fn nanoseconds([seconds, nanoseconds]: [u32; 2]) -> Option<u64> {
    let nanoseconds = u64::from(nanoseconds);
    (nanoseconds < NSEC_PER_SEC).then(|| {
        u64::from(seconds)
            .saturating_mul(NSEC_PER_SEC)
            .saturating_add(nanoseconds)
    })
}

/// Sends a message to `port` when the clock shows `time`, or, for an alarm of kind 1, when so much
/// time has passed. At once for a time that has passed and, with `KERN_INVALID_VALUE` in it, for
/// what is no time. `KERN_FAILURE` for the calendar clock, `KERN_INVALID_CAPABILITY` for what
/// cannot be sent to.
#[routine(1002)]
fn clock_alarm(
    call: &Call<'_>,
    clock: &Clock,
    port: AnyRight,
    kind: i32,
    time: [u32; 2],
) -> KernResult {
    const TIME_RELATIVE: i32 = 1;

    if !matches!(clock, Clock::System) {
        return Err(KernError::FAILURE);
    }
    let port = port.for_sending()?;
    let now = machine::boot_time();
    let wanted = match (kind, nanoseconds(time)) {
        (0, wanted) => wanted,
        (TIME_RELATIVE, Some(after)) => Some(now.saturating_add(after)),
        _ => None,
    };
    let message = |code, at: u64| {
        // CAST: the seconds have 32 bits in this interface; the rest is below 2^30.
        let reply = AlarmReply {
            code,
            kind,
            seconds: (at / NSEC_PER_SEC) as u32,
            nanoseconds: (at % NSEC_PER_SEC) as u32,
        };
        let message = PreparedMessage::with_body(CLOCK_ALARM_REPLY, &reply);
        message.map_err(|_| KernError::RESOURCE_SHORTAGE)
    };
    let at = match wanted {
        Some(at) if at > now => at,
        Some(_) => {
            message(kern::KERN_SUCCESS, now)?.send_with(port);
            return Ok(());
        }
        None => {
            message(kern::KERN_INVALID_VALUE, now)?.send_with(port);
            return Ok(());
        }
    };
    let host = own_of(call)?;
    let what = message(kern::KERN_SUCCESS, at)?;
    let no_memory = |_: Error| KernError::RESOURCE_SHORTAGE;
    let ring = pin_init!(Ring {
        message <- new_spinlock!(Some((what, port)), "Ring::message"),
        _live: Live::new(&ALARMS),
    });
    let ring = Deferred::new(ring, GFP_KERNEL_ACCOUNT).map_err(no_memory)?;
    let alarm = KBox::pin_init(Alarm::since_boot(ring), GFP_KERNEL_ACCOUNT).map_err(no_memory)?;
    Alarm::set(&alarm, Deadline::at(at));
    host.pending.keep_alarm(alarm)
}

/// Accepts a request to be told when the wall clock is set, and keeps the right: clients rely on
/// the success (ABI mig §4). They are not told, as a module does not learn of it.
#[routine(217)]
fn host_request_notification(
    call: &Call<'_>,
    _host: &HostPort,
    notify: AnyRight,
    kind: i32,
) -> KernResult {
    /// The wall clock was changed; it was changed by setting it.
    const KINDS: [i32; 2] = [0, 1];

    let notify = notify.for_sending()?;
    if !KINDS.contains(&kind) {
        return Err(KernError::INVALID_ARGUMENT);
    }
    own_of(call)?.pending.keep_request(notify)
}
