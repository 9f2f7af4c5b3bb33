// SPDX-License-Identifier: GPL-2.0

//! The traps on timers (ABI traps §8).
//!
//! Errors of names, in this order: `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT` when the name has no
//! receive right, `KERN_INVALID_ARGUMENT` when the port is not that of a timer.

use super::object::Timer;
use crate::{
    abi::{
        args::{
            MkTimerArmArgs,
            MkTimerCancelArgs,
            MkTimerDestroyArgs, //
        },
        nr,
        PortName, //
    },
    core::{
        user,
        Context,
        KernError,
        KernResult,
        TrapDescriptor, //
    },
    traps::ipc::{
        self,
        kind,
        Attachment,
        UserPort, //
    },
};
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] = traps![
    mk_timer_create,
    mk_timer_arm,
    mk_timer_cancel,
    mk_timer_destroy,
];

/// A timer that a name was looked up for.
struct Named(Attachment);

impl Named {
    fn find(context: &Context<'_>, name: PortName) -> KernResult<Self> {
        ipc::attachment_named(context, name).map(Self)
    }

    fn timer(&self) -> KernResult<&Timer> {
        self.0.downcast_ref().ok_or(KernError::INVALID_ARGUMENT)
    }
}

fn create(context: &Context<'_>) -> KernResult<PortName> {
    let no_memory = |_| KernError::RESOURCE_SHORTAGE;
    let port = UserPort::new().map_err(no_memory)?;
    let timer = Timer::new(port.send_right()).map_err(no_memory)?;
    port.give(context, kind::TIMER, timer)
}

/// Makes a timer and gives the receive right of its port. Null when that fails.
#[trap(nr::MK_TIMER_CREATE)]
fn mk_timer_create(context: &Context<'_>) -> PortName {
    create(context).unwrap_or(PortName::NULL)
}

/// Sets a timer to a moment on the monotonic clock; one that has passed has it expire at once.
#[trap(nr::MK_TIMER_ARM)]
fn mk_timer_arm(context: &Context<'_>, args: MkTimerArmArgs) -> KernResult {
    Named::find(context, args.timer_port)?
        .timer()?
        .arm(args.expire_time)
}

/// Has a timer not expire, and tells the moment that it was set to, or 0. `KERN_FAILURE` when that
/// cannot be written; the timer is cancelled all the same.
#[trap(nr::MK_TIMER_CANCEL)]
fn mk_timer_cancel(context: &Context<'_>, args: MkTimerCancelArgs) -> KernResult {
    let deadline = Named::find(context, args.timer_port)?.timer()?.cancel();
    let result_time = args.result_time;
    if result_time.0 == 0 {
        return Ok(());
    }
    user::write(result_time, &deadline).map_err(|_| KernError::FAILURE)
}

/// Destroys a timer, and with it all rights under its name.
#[trap(nr::MK_TIMER_DESTROY)]
fn mk_timer_destroy(context: &Context<'_>, args: MkTimerDestroyArgs) -> KernResult {
    Named::find(context, args.timer_port)?.timer()?;
    ipc::destroy_name(context, args.timer_port)
}
