// SPDX-License-Identifier: GPL-2.0

//! The traps on semaphores (ABI traps §7).
//!
//! Errors of names, in this order: `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT` when the name has no
//! send right, `KERN_INVALID_CAPABILITY` when it is not that of a semaphore. A semaphore that has
//! ended is `KERN_TERMINATED`.
//!
//! None of these waits is a cancellation point (ABI traps §1.3).

use super::{
    object::{
        Attempt,
        Patience,
        Semaphore,
        SemaphorePort, //
    },
    waiter::Outcome,
    THREAD,
};
use crate::{
    abi::{
        args::{
            SemaphoreSignalAllArgs,
            SemaphoreSignalArgs,
            SemaphoreTimedwaitArgs,
            SemaphoreTimedwaitSignalArgs,
            SemaphoreWaitArgs,
            SemaphoreWaitSignalArgs, //
        },
        nr,
        PortName, //
    },
    core::{
        Context,
        KernError,
        KernResult,
        TrapDescriptor, //
    },
    linux::wait::Deadline,
    traps::ipc::{
        self,
        KernelObject, //
    },
};
use kernel::sync::Arc;
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] = traps![
    semaphore_signal,
    semaphore_signal_all,
    semaphore_wait,
    semaphore_wait_signal,
    semaphore_timedwait,
    semaphore_timedwait_signal,
];

const NSEC_PER_SEC: u32 = 1_000_000_000;

/// A semaphore that a name was looked up for, and cannot go while this exists.
struct Named(Arc<dyn KernelObject>);

impl Named {
    #[inline]
    fn find(context: &Context<'_>, name: PortName) -> KernResult<Self> {
        ipc::object_named(context, name).map(Self)
    }

    #[inline]
    fn semaphore(&self) -> KernResult<&Semaphore> {
        match SemaphorePort::semaphore(&*self.0) {
            Some(semaphore) => Ok(semaphore),
            None => Err(KernError::INVALID_CAPABILITY),
        }
    }
}

/// Wakes one waiting thread, or counts one more.
#[trap(nr::SEMAPHORE_SIGNAL)]
fn semaphore_signal(context: &Context<'_>, args: SemaphoreSignalArgs) -> KernResult {
    let signalled = ipc::with_offered(context, args.signal, |port: &SemaphorePort, _| {
        port.get().take_signalled()
    })?;
    if let Some(waiter) = signalled {
        waiter.end(Outcome::Signalled);
    }
    Ok(())
}

/// Wakes all waiting threads, or sets the count to 0.
#[trap(nr::SEMAPHORE_SIGNAL_ALL)]
fn semaphore_signal_all(context: &Context<'_>, args: SemaphoreSignalAllArgs) -> KernResult {
    Named::find(context, args.signal)?.semaphore()?.signal_all()
}

/// Counts one less, or waits for a signal.
#[trap(nr::SEMAPHORE_WAIT)]
fn semaphore_wait(context: &Context<'_>, args: SemaphoreWaitArgs) -> KernResult {
    let patience = Patience::Until(None);
    let waiter = || Some(&THREAD.of_thread(context.thread())?.waiter);
    let attempt = ipc::with_offered(context, args.signal, |port: &SemaphorePort, held| {
        Ok(match port.get().try_wait(waiter, patience) {
            Attempt::Done(result) => Err(result),
            Attempt::Queued(waiter) => Ok(Some((waiter, held.share()))),
            Attempt::NoWaiter => Ok(None),
        })
    })?;
    match attempt {
        Err(result) => result,
        Ok(Some((waiter, object))) => Named(object).semaphore()?.finish_wait(waiter, patience),
        Ok(None) => {
            let named = Named::find(context, args.signal)?;
            wait(context, named.semaphore()?, None, patience)
        }
    }
}

/// Begins to wait for one semaphore, then signals another: nobody sees the signal before the wait.
#[trap(nr::SEMAPHORE_WAIT_SIGNAL)]
fn semaphore_wait_signal(context: &Context<'_>, args: SemaphoreWaitSignalArgs) -> KernResult {
    wait_signal(context, args.wait, args.signal, Patience::Until(None))
}

/// As `semaphore_wait`, for a limited time.
#[trap(nr::SEMAPHORE_TIMEDWAIT)]
fn semaphore_timedwait(context: &Context<'_>, args: SemaphoreTimedwaitArgs) -> KernResult {
    let patience = patience(args.sec, args.nsec)?;
    let named = Named::find(context, args.wait)?;
    wait(context, named.semaphore()?, None, patience)
}

/// As `semaphore_wait_signal`, for a limited time.
#[trap(nr::SEMAPHORE_TIMEDWAIT_SIGNAL)]
fn semaphore_timedwait_signal(
    context: &Context<'_>,
    args: SemaphoreTimedwaitSignalArgs,
) -> KernResult {
    let patience = patience(args.sec, args.nsec)?;
    wait_signal(context, args.wait, args.signal, patience)
}

/// The time limit of a call. `KERN_INVALID_VALUE` for a second of nanoseconds or more.
fn patience(sec: u32, nsec: u32) -> KernResult<Patience> {
    match (sec, nsec) {
        (_, NSEC_PER_SEC..) => Err(KernError::INVALID_VALUE),
        (0, 0) => Ok(Patience::Poll),
        // OVERFLOW: The product of two 32-bit numbers, the latter less than 2^30, fits.
        _ => Ok(Patience::Until(Some(Deadline::after(
            u64::from(sec)
                .wrapping_mul(NSEC_PER_SEC.into())
                .wrapping_add(nsec.into()),
        )))),
    }
}

fn wait_signal(
    context: &Context<'_>,
    wait_name: PortName,
    signal_name: PortName,
    patience: Patience,
) -> KernResult {
    let signal = Named::find(context, signal_name)?;
    let signal = signal.semaphore()?;
    let named = Named::find(context, wait_name)?;
    wait(context, named.semaphore()?, Some(signal), patience)
}

/// Waits for `semaphore`. If `signal` is given it is signalled once the wait has begun, or could
/// not: whoever is woken by it finds this thread in the queue.
#[inline]
fn wait(
    context: &Context<'_>,
    semaphore: &Semaphore,
    signal: Option<&Semaphore>,
    patience: Patience,
) -> KernResult {
    let waiter = || Some(&THREAD.of_thread(context.thread())?.waiter);
    let mut attempt = semaphore.try_wait(waiter, patience);
    if let Attempt::NoWaiter = attempt {
        // The thread's first wait.
        THREAD
            .for_thread(context.thread())
            .map_err(|_| KernError::RESOURCE_SHORTAGE)?;
        attempt = semaphore.try_wait(waiter, patience);
    }
    let signalled = signal.map_or(Ok(()), Semaphore::signal);
    match attempt {
        Attempt::Done(result) => result,
        Attempt::NoWaiter => Err(KernError::FAILURE),
        Attempt::Queued(waiter) => match signalled {
            Ok(()) => semaphore.finish_wait(waiter, patience),
            // Whoever was to be told cannot be, and would not answer.
            Err(error) => semaphore.give_up(waiter, error),
        },
    }
}
