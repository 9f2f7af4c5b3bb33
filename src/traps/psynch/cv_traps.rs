// SPDX-License-Identifier: GPL-2.0

//! The traps on condition variables (ABI traps §9.4).
//!
//! Locks: the table's, inside [`Place::with`].

use super::{
    cv::{
        Begun,
        CondVar,
        Left,
        SIGNALLED, //
    },
    mutex::{
        self,
        Policy, //
    },
    object::{
        Object,
        ObjectKind, //
    },
    place::Place,
    waiter::{
        Entry,
        Waiter, //
    },
    word::{
        self,
        flag,
        s,
        Pair, //
    },
    TaskPsynch,
    ThreadPsynch, //
};
use crate::{
    abi::{
        args::{
            PsynchCvbroadArgs,
            PsynchCvclrprepostArgs,
            PsynchCvsignalArgs,
            PsynchCvwaitArgs, //
        },
        nr,
        PortName, //
    },
    core::{
        BsdError,
        BsdResult,
        Context,
        RetVal,
        TrapDescriptor, //
    },
    linux::{
        current,
        queue::Linked,
        wait::{
            Deadline,
            Woken, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] = traps![
    psynch_cvwait,
    psynch_cvsignal,
    psynch_cvbroad,
    psynch_cvclrprepost,
];

/// In an errno: the kernel has nothing left.
const ERROR_CLEARED: i32 = 0x100;

/// In an errno: the kernel has only wake-ups for those who are to come.
const ERROR_PREPOST: i32 = 0x200;

/// How many threads a broadcast may be for.
const MAX_THREADS: u32 = 1024;

/// Bits of the nanoseconds of a timeout.
const NSEC_MASK: u32 = 0x3fff_ffff;

const NSEC_PER_SEC: i64 = 1_000_000_000;

/// The words of a condition variable.
#[derive(Clone, Copy)]
struct Words {
    l: u32,
    u: u32,
    s: u32,
}

impl Words {
    fn of(cvlsgen: u64, u: u32) -> Self {
        let Pair { upper: s, lower: l } = Pair::unpack(cvlsgen);
        Self { l, u, s }
    }

    fn kind(self) -> ObjectKind {
        ObjectKind::CondVar(self.l, self.u, self.s)
    }

    /// The first count that a signal is for.
    fn from(self) -> u32 {
        word::count(self.u).wrapping_add(word::INC)
    }

    /// The last one.
    fn upto(self) -> u32 {
        word::count(self.l)
    }

    /// Whether more have gone than have come.
    fn is_overdrawn(self) -> bool {
        word::higher(word::count(self.s), self.upto())
    }
}

/// Does `work` on the condition variable at `place` after it has been told of `words`.
fn with<R>(
    place: &Place<'_>,
    words: Words,
    work: impl FnOnce(&mut CondVar, &mut super::waiter::Wakes) -> Result<R>,
) -> Result<R> {
    place.with(words.kind(), |object, wakes| match object {
        Object::CondVar(cv) => {
            cv.merge(words.l, words.u, words.s);
            work(cv, wakes)
        }
        _ => Err(EBUSY),
    })?
}

/// The end of a wait of `sec` seconds and `nsec` nanoseconds; none if both are 0.
fn deadline(sec: i64, nsec: u32) -> Option<Deadline> {
    let nsec = i64::from(nsec & NSEC_MASK);
    if sec == 0 && nsec == 0 {
        return None;
    }
    let total = sec.saturating_mul(NSEC_PER_SEC).saturating_add(nsec);
    // What lies in the past is over at once.
    Some(Deadline::after(u64::try_from(total).unwrap_or(0)))
}

/// Drops a mutex and waits to be signalled.
#[trap(nr::PSYNCH_CVWAIT)]
fn psynch_cvwait(context: &Context<'_>, args: PsynchCvwaitArgs) -> BsdResult {
    let task = TaskPsynch::of(context)?;
    let own = ThreadPsynch::of(context)?;
    let flags = args.flags;
    if context.thread().is_cancelled() {
        return Err(EINTR.into());
    }
    let words = Words::of(args.cvlsgen, args.cvugen);
    let seq = words.upto();
    if !word::lower(word::count(words.s), seq) {
        return Err(EINVAL.into());
    }
    let place = task.place(args.cv, flags);
    place.check(words.kind())?;
    let mutex = args.mutex;
    if mutex.0 != 0 {
        let Pair { upper: u, lower: l } = Pair::unpack(args.mugen);
        // What becomes of the mutex does not concern the caller, who has given it up.
        mutex::drop_at(&task.place(mutex, flags), l, u, Policy::of(flags))?;
    }
    let deadline = deadline(args.sec, args.nsec);

    let entry = &own.waiter;
    let mut spare = None;
    let begun = with(&place, words, |cv, wakes| {
        cv.wait(seq, entry, &mut spare, wakes)
    })?;
    drop(spare);
    let word = match begun {
        Begun::Over(word) => word,
        Begun::Queued => sleep(context, &place, entry, deadline)?,
    };
    if word & s::CV_CLEARED == 0 && current::is_killed() {
        place.with_existing(|object, wakes| {
            if let Object::CondVar(cv) = object {
                cv.pass_on(wakes);
            }
        });
    }
    Ok(RetVal(word))
}

/// Waits for the word of a thread that is in the list of the condition variable at `place`.
fn sleep(
    context: &Context<'_>,
    place: &Place<'_>,
    entry: &Entry,
    deadline: Option<Deadline>,
) -> BsdResult<u32> {
    let thread = context.thread();
    let errno = match entry.sleep(deadline, || thread.is_cancelled()) {
        Woken::Ready => return Ok(entry.word() & !SIGNALLED),
        Woken::TimedOut => ETIMEDOUT,
        Woken::Interrupted => EINTR,
    };
    let left = place.with_existing(|object, wakes| match object {
        Object::CondVar(cv) => cv.stop_waiting(entry, wakes),
        _ => Left::Signalled,
    });
    let bits = match left {
        None | Some(Left::Signalled) => {
            return Ok(match entry.word() {
                SIGNALLED => SIGNALLED,
                word => word & !SIGNALLED,
            });
        }
        Some(Left::Waiters) => 0,
        Some(Left::Nothing) => ERROR_CLEARED,
        Some(Left::Preposts) => ERROR_PREPOST,
    };
    Err(BsdError::with_bits(errno, bits))
}

/// Wakes one thread, or a certain one.
#[trap(nr::PSYNCH_CVSIGNAL)]
fn psynch_cvsignal(context: &Context<'_>, args: PsynchCvsignalArgs) -> BsdResult {
    let task = TaskPsynch::of(context)?;
    let own = ThreadPsynch::of(context)?;
    let words = Words::of(args.cvlsgen, args.cvugen);
    let (from, upto) = (words.from(), words.upto());
    let port = args.thread_port;
    let named = port != PortName::NULL;
    if (!named && word::higher(from, upto)) || words.is_overdrawn() {
        return Err(EINVAL.into());
    }
    let target: Option<Arc<Linked<Waiter>>> = if named {
        Some(super::waiter_of(context, port)?)
    } else {
        None
    };
    let place = task.place(args.cv, args.flags);
    let mut spare = Some(own.take_spare()?);
    let bits = with(&place, words, |cv, wakes| {
        Ok(cv.signal(from, upto, target.as_deref(), &mut spare, wakes))
    });
    own.keep_spare(spare);
    Ok(RetVal(bits?))
}

/// Wakes all threads.
#[trap(nr::PSYNCH_CVBROAD)]
fn psynch_cvbroad(context: &Context<'_>, args: PsynchCvbroadArgs) -> BsdResult {
    let task = TaskPsynch::of(context)?;
    let own = ThreadPsynch::of(context)?;
    let Pair {
        upper: u,
        lower: diff,
    } = Pair::unpack(args.cvudgen);
    let words = Words::of(args.cvlsgen, u);
    if word::higher(words.from(), words.upto()) || words.is_overdrawn() {
        return Err(EINVAL.into());
    }
    if diff >> 8 > MAX_THREADS {
        return Err(EBUSY.into());
    }
    let place = task.place(args.cv, args.flags);
    let mut spare = Some(own.take_spare()?);
    let bits = with(&place, words, |cv, wakes| {
        Ok(cv.broadcast(words.upto(), &mut spare, wakes))
    });
    own.keep_spare(spare);
    Ok(RetVal(bits?))
}

/// Removes wake-ups that nobody is to come for any more.
#[trap(nr::PSYNCH_CVCLRPREPOST)]
fn psynch_cvclrprepost(context: &Context<'_>, args: PsynchCvclrprepostArgs) -> BsdResult {
    let flags = args.flags;
    let of_mutex = flags & flag::MUTEX != 0;
    let kind = if of_mutex {
        ObjectKind::Mutex
    } else {
        ObjectKind::CondVar(args.cvgen, args.cvugen, args.cvsgen)
    };
    let place = TaskPsynch::of(context)?.place(args.cv, flags);
    place.check(kind)?;
    let (l, limit) = (args.cvgen, word::count(args.prepocnt));
    place.with_existing(|object, wakes| match object {
        Object::Mutex(mutex) if of_mutex && flags & flag::FIRST_FIT != 0 => mutex.clear_prepost(l),
        Object::CondVar(cv) if !of_mutex => cv.release(Some(limit), wakes),
        _ => (),
    });
    Ok(RetVal(0))
}
