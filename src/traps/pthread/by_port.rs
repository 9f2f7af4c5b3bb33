// SPDX-License-Identifier: GPL-2.0

//! Traps on a thread that the caller has a send right to (ABI traps §3).
//!
//! The right is all the permission that is needed: who has it controls the thread.

use crate::{
    abi::{
        args::PthreadKillArgs,
        nr,
        PortName, //
    },
    core::{
        Context,
        Thread,
        TrapDescriptor, //
    },
    traps::ipc::{
        self,
        ThreadPort, //
    },
};
use core::cmp::Ordering;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] =
    traps![pthread_kill, pthread_markcancel, tid_for_thread];

/// The living thread that `name` is a right to.
fn thread(context: &Context<'_>, name: PortName) -> Option<Arc<Thread>> {
    let object = ipc::object_named(context, name).ok()?;
    let port = object.as_any().downcast_ref::<ThreadPort>()?;
    port.thread(context.mach()).ok()
}

/// Sends a signal, of Linux's numbers, to a thread; 0 only asks whether it is there.
///
/// `ESRCH` for what is not a living thread, then `EINVAL` for what is not a signal.
#[trap(nr::PTHREAD_KILL)]
fn pthread_kill(context: &Context<'_>, args: PthreadKillArgs) -> Result {
    let thread = thread(context, args.thread_port).ok_or(ESRCH)?;
    match args.sig.cmp(&0) {
        Ordering::Less => Err(EINVAL),
        Ordering::Equal => thread.linux().nr_in_current_ns().map(|_| ()).ok_or(ESRCH),
        Ordering::Greater => thread.linux().send_signal(args.sig),
    }
}

/// Asks a thread to cancel itself at its next cancellation point, unless it does not want to be
/// cancelled. `ESRCH` for what is not a living thread.
#[trap(nr::PTHREAD_MARKCANCEL)]
fn pthread_markcancel(context: &Context<'_>, name: PortName) -> Result {
    thread(context, name).ok_or(ESRCH)?.cancel();
    Ok(())
}

/// The number of a thread as the caller sees it; -1 for what is not a living thread.
#[trap(nr::TID_FOR_THREAD)]
fn tid_for_thread(context: &Context<'_>, name: PortName) -> Result<u32> {
    // The number of this errno is 1.
    let thread = thread(context, name).ok_or(EPERM)?;
    thread.linux().nr_in_current_ns().ok_or(EPERM)
}
