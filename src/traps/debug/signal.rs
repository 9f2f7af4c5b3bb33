// SPDX-License-Identifier: GPL-2.0

//! Signals on their way through the kernel, and threads that their own client stops (ABI traps
//! §11).
//!
//! The client catches Linux's signals, and asks with the registers that were interrupted what to do
//! about each. A fault becomes an exception; another signal does when the task is being debugged.
//!
//! Locks: none.

use super::{
    exception::{
        kind,
        Exception,
        Outcome, //
    },
    THREAD, //
};
use crate::{
    abi::{
        args::{
            LastTriggeredWatchpointArgs,
            SigprocessArgs,
            ThreadStatePtrs,
            ThreadSuspendedArgs, //
        },
        nr,
        UserAddr, //
    },
    core::{
        user,
        Context,
        HandedState,
        InOut,
        Out,
        Task,
        Thread,
        TrapDescriptor,
        GENERAL_WORDS, //
    },
    linux::current,
};
use kernel::{
    prelude::*,
    sync::atomic::ordering::Relaxed, //
};
use mach_macros::{
    trap,
    traps, //
};
use zerocopy::IntoBytes;

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] =
    traps![sigprocess, thread_suspended, last_triggered_watchpoint,];

/// Words of the general registers of `task`'s threads.
fn general_words(task: &Task) -> usize {
    const NARROW: usize = 16;
    match task.is_32bit() {
        true => NARROW,
        false => GENERAL_WORDS,
    }
}

/// Reads the registers that the client hands in.
fn read_state(task: &Task, from: ThreadStatePtrs) -> Result<KBox<HandedState>> {
    let mut state = KBox::new(HandedState::new(), GFP_KERNEL_ACCOUNT)?;
    let general = state.general.get_mut(..general_words(task)).ok_or(EINVAL)?;
    user::read_bytes(from.tstate, general.as_mut_bytes())?;
    user::read_bytes(from.fstate, state.float.as_mut_bytes())?;
    Ok(state)
}

/// Gives the registers back.
fn write_state(task: &Task, state: &HandedState, to: ThreadStatePtrs) -> Result {
    let general = state.general.get(..general_words(task)).ok_or(EINVAL)?;
    user::write_bytes(to.tstate, general.as_bytes())?;
    user::write_bytes(to.fstate, state.float.as_bytes())?;
    Ok(())
}

/// Does `work` while the registers at `pointers` are those of the calling thread, and gives them
/// back.
fn with_state<R>(
    context: &Context<'_>,
    pointers: ThreadStatePtrs,
    work: impl FnOnce() -> R,
) -> Result<R> {
    let state = read_state(context.task(), pointers)?;
    let (result, state) = context.thread().handed.during(state, work);
    write_state(context.task(), &*state.ok_or(EIO)?, pointers)?;
    Ok(result)
}

/// Asks what to do about a signal that the client has caught. The answer is the BSD signal to
/// deliver, or 0, in `signum`.
///
/// Waits while somebody who is told of an exception makes up their mind, and then as long as the
/// thread is suspended. `EFAULT`, `ENOMEM`; `EINTR` when the thread has been killed.
#[trap(nr::SIGPROCESS)]
fn sigprocess(context: &Context<'_>, args: InOut<SigprocessArgs>) -> Result {
    let own = THREAD.for_thread(context.thread())?;
    let signal = Signal::new(args.value.signum, &args.value.siginfo);
    let outcome = with_state(context, args.value.state, || {
        signal.post(context.task());
        own.pending_signal.store(0, Relaxed);
        let outcome = signal.process(context);
        match outcome {
            Processed::Deliver(signal) => own.pending_signal.store(signal, Relaxed),
            // Whoever was told may have set one.
            Processed::Drop | Processed::Killed => (),
        }
        context.task().sleep_while_suspended(context.thread());
        outcome
    })?;
    if outcome == Processed::Killed {
        return Err(EINTR);
    }
    // The first member, for clients of either width.
    user::write(args.address(), &own.pending_signal.load(Relaxed))?;
    Ok(())
}

/// The client stops here, with the registers of its program, as long as the thread is suspended.
/// `EFAULT`, `ENOMEM`.
#[trap(nr::THREAD_SUSPENDED)]
fn thread_suspended(context: &Context<'_>, args: ThreadSuspendedArgs) -> Result {
    with_state(context, args.state, || {
        context.task().sleep_while_suspended(context.thread());
    })
}

/// Tells the hardware breakpoint that the calling thread has run into last: its address, and for
/// what it is: 0 to be executed, 1 to be written, 3 to be read or written. Zeroes if there was none.
#[trap(nr::LAST_TRIGGERED_WATCHPOINT)]
fn last_triggered_watchpoint(
    context: &Context<'_>,
    out: Out<LastTriggeredWatchpointArgs>,
) -> Result {
    let (address, flags) = last_hit(context.thread());
    out.write(&LastTriggeredWatchpointArgs {
        address: UserAddr(address),
        flags,
    })?;
    Ok(())
}

fn last_hit(thread: &Thread) -> (u64, u32) {
    thread
        .debug_registers()
        .map_or((0, 0), |registers| registers.hits.last())
}

/// What is to become of a signal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Processed {
    /// The program gets this one, a BSD signal.
    Deliver(i32),
    /// The program does not get it.
    Drop,
    /// The thread has been killed.
    Killed,
}

/// BSD's numbers of signals.
mod bsd {
    pub(super) const SIGILL: i32 = 4;
    pub(super) const SIGTRAP: i32 = 5;
    pub(super) const SIGFPE: i32 = 8;
    pub(super) const SIGBUS: i32 = 10;
    pub(super) const SIGSEGV: i32 = 11;
}

/// Linux's numbers of signals.
mod linux {
    pub(super) const SIGILL: i32 = 4;
    pub(super) const SIGTRAP: i32 = 5;
    pub(super) const SIGBUS: i32 = 7;
    pub(super) const SIGFPE: i32 = 8;
    pub(super) const SIGSEGV: i32 = 11;
}

/// Where a signal comes from, as Linux has it.
mod si_code {
    /// A process, by kill(2).
    pub(super) const USER: i32 = 0;
    /// The kernel, for a reason of its own.
    pub(super) const KERNEL: i32 = 0x80;
    /// A hardware breakpoint, of `SIGTRAP`.
    pub(super) const HARDWARE_BREAKPOINT: i32 = 4;
}

/// Codes of exceptions (XNU osfmk/mach/exception_types.h, osfmk/mach/i386/exception.h).
mod code {
    pub(super) const KERN_INVALID_ADDRESS: i64 = 1;
    pub(super) const ALIGNMENT_FAULT: i64 = 17;
    pub(super) const INVALID_OPERATION: i64 = 1;
    pub(super) const SINGLE_STEP: i64 = 1;
    pub(super) const BREAKPOINT: i64 = 2;
    pub(super) const SOFT_SIGNAL: i64 = 0x10003;
}

/// A signal that the client has caught.
struct Signal {
    /// What the client calls it.
    bsd: i32,
    /// Linux's number.
    number: i32,
    code: i32,
    /// Where a fault was; of other signals, in the lower half, who has sent it.
    address: u64,
}

impl Signal {
    /// The signal that the client calls `bsd`; `info` is a `siginfo_t` of the caller's width.
    fn new(bsd: i32, info: &[u8; 128]) -> Self {
        const CODE: usize = 8;
        const NARROW_ADDRESS: usize = 12;
        const WIDE_ADDRESS: usize = 16;

        let word = |offset: usize| -> u32 {
            let bytes = info.get(offset..).and_then(<[u8]>::first_chunk);
            bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
        };
        let address = match current::is_compat_call() {
            true => u64::from(word(NARROW_ADDRESS)),
            false => {
                let high = u64::from(word(WIDE_ADDRESS + 4));
                high << 32 | u64::from(word(WIDE_ADDRESS))
            }
        };
        // CAST: the words are signed numbers.
        Self {
            bsd,
            number: word(0) as i32,
            code: word(CODE) as i32,
            address,
        }
    }

    /// The exception that a fault is; nothing for a signal that somebody has sent.
    fn exception(&self, context: &Context<'_>) -> Option<Exception> {
        if self.code == si_code::USER {
            return None;
        }
        // CAST: codes are bits.
        let (kind, codes) = match self.number {
            linux::SIGSEGV => (
                kind::BAD_ACCESS,
                [code::KERN_INVALID_ADDRESS, self.address as i64],
            ),
            linux::SIGBUS => (kind::BAD_ACCESS, [code::ALIGNMENT_FAULT, 0]),
            linux::SIGILL => (kind::BAD_INSTRUCTION, [code::INVALID_OPERATION, 0]),
            linux::SIGFPE => (kind::ARITHMETIC, [self.code.into(), 0]),
            linux::SIGTRAP => (kind::BREAKPOINT, self.trap_codes(context)),
            _ => return None,
        };
        Some(Exception { kind, codes })
    }

    fn trap_codes(&self, context: &Context<'_>) -> [i64; 2] {
        match self.code {
            si_code::KERNEL => [code::BREAKPOINT, 0],
            si_code::HARDWARE_BREAKPOINT => {
                let (address, _) = last_hit(context.thread());
                // CAST: codes are bits.
                [code::SINGLE_STEP, address as i64]
            }
            _ => [code::SINGLE_STEP, 0],
        }
    }

    /// Lets those know who wait for signals of `task`, unless it has sent this one itself.
    fn post(&self, task: &Task) {
        // CAST: the sender, where there is one, is in the lower half.
        if self.code > si_code::USER || self.address as u32 != task.pid() {
            // CAST: what is no signal is none of those that are waited for.
            task.post_signal(self.bsd as u32);
        }
    }

    /// Finds out what to do about the signal.
    fn process(&self, context: &Context<'_>) -> Processed {
        if let Some(exception) = self.exception(context) {
            return match exception.raise(context) {
                Outcome::Handled => Processed::Drop,
                Outcome::Unhandled => Processed::Deliver(signal_of(&exception)),
                Outcome::Killed => Processed::Killed,
            };
        }
        if !super::turns_signals_into_exceptions(context.task()) {
            return Processed::Deliver(self.bsd);
        }
        let exception = Exception {
            kind: kind::SOFTWARE,
            codes: [code::SOFT_SIGNAL, self.bsd.into()],
        };
        match exception.raise_to_task(context) {
            Outcome::Killed => Processed::Killed,
            Outcome::Handled | Outcome::Unhandled => Processed::Drop,
        }
    }
}

/// The BSD signal that an exception is which nobody has dealt with (XNU bsd/uxkern/ux_exception.c).
fn signal_of(exception: &Exception) -> i32 {
    let [code, _] = exception.codes;
    match exception.kind {
        kind::BAD_ACCESS if code == code::KERN_INVALID_ADDRESS => bsd::SIGSEGV,
        kind::BAD_ACCESS => bsd::SIGBUS,
        kind::BAD_INSTRUCTION => bsd::SIGILL,
        kind::ARITHMETIC => bsd::SIGFPE,
        _ => bsd::SIGTRAP,
    }
}
