// SPDX-License-Identifier: GPL-2.0

//! Traps for the pthread library (ABI traps §3).

use crate::{
    abi::{
        args::SetThreadHandlesArgs,
        nr, //
    },
    core::{
        Context,
        Subsystem,
        TrapDescriptor, //
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

/// The traps of this subsystem.
pub(crate) const TRAPS: [&[TrapDescriptor]; 1] = [traps![set_thread_handles, pthread_canceled]];

/// The subsystem.
pub(crate) struct Pthread;

impl Subsystem for Pthread {
    fn name(&self) -> &'static str {
        "pthread"
    }

    fn traps(&self) -> &'static [&'static [TrapDescriptor]] {
        &TRAPS
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

/// Bits of [`Thread::cancellation`](crate::core::Thread::cancellation).
mod cancellation {
    /// The thread does not want to be cancelled.
    pub(super) const DISABLED: u32 = 1;
    /// Somebody wants the thread to be cancelled.
    pub(super) const PENDING: u32 = 2;
}

/// Tests (0), enables (1) or disables (2) the cancellation of the calling thread. `EINVAL` when a
/// test finds that there is nothing to cancel, and for other actions.
#[trap(nr::PTHREAD_CANCELED)]
fn pthread_canceled(context: &Context<'_>, action: i32) -> Result {
    // Only the thread itself changes the first bit, and nobody sets the second one yet, so load
    // and store need not be one step.
    let state = &context.thread().cancellation;
    let bits = state.load(Relaxed);
    match action {
        action::TEST if bits == cancellation::PENDING => Ok(()),
        action::ENABLE => {
            state.store(bits & !cancellation::DISABLED, Relaxed);
            Ok(())
        }
        action::DISABLE => {
            state.store(bits | cancellation::DISABLED, Relaxed);
            Ok(())
        }
        _ => Err(EINVAL),
    }
}
