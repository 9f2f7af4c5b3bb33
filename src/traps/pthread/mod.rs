// SPDX-License-Identifier: GPL-2.0

//! Traps for the pthread library (ABI traps §3).

mod by_port;

use crate::{
    abi::{
        args::SetThreadHandlesArgs,
        nr, //
    },
    core::{
        Context,
        Manifest,
        Subsystem, //
    },
};
use kernel::{
    prelude::*,
    sync::atomic::ordering::Relaxed, //
};
use mach_macros::{
    trap,
    traps, //
};

/// What this subsystem brings along.
pub(crate) static MANIFEST: Manifest = Manifest {
    traps: &[traps![set_thread_handles, pthread_canceled], by_port::TRAPS],
    ..Manifest::new("pthread")
};

/// The subsystem.
pub(crate) struct Pthread;

impl Subsystem for Pthread {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }
}

/// Notes what the thread's library calls it, for those who ask about the thread.
#[trap(nr::SET_THREAD_HANDLES)]
fn set_thread_handles(context: &Context<'_>, args: SetThreadHandlesArgs) -> Result {
    let thread = context.thread();
    thread.pthread_handle.store(args.pthread_handle, Relaxed);
    thread
        .dispatch_queue
        .store({ args.dispatch_qaddr }.0, Relaxed);
    Ok(())
}

/// What `pthread_canceled` is asked.
mod action {
    /// Whether the thread is to be cancelled now.
    pub(super) const TEST: i32 = 0;
    pub(super) const ENABLE: i32 = 1;
    pub(super) const DISABLE: i32 = 2;
}

/// Tests (0), enables (1) or disables (2) the cancellation of the calling thread. `EINVAL` when a
/// test finds that there is nothing to cancel, and for other actions. Being tested does not end
/// the wish to cancel.
#[trap(nr::PTHREAD_CANCELED)]
fn pthread_canceled(context: &Context<'_>, action: i32) -> Result {
    let thread = context.thread();
    match action {
        action::TEST if thread.is_cancelled() => (),
        action::ENABLE => thread.set_cancellable(true),
        action::DISABLE => thread.set_cancellable(false),
        _ => return Err(EINVAL),
    }
    Ok(())
}
