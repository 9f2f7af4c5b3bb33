// SPDX-License-Identifier: GPL-2.0

//! The traps on read-write locks (ABI traps §9.5).
//!
//! Locks: the table's, inside [`Place::with`](super::place::Place::with).

use super::{
    object::{
        Object,
        ObjectKind, //
    },
    record::Grant,
    rwlock::{
        Begun,
        Words, //
    },
    TaskPsynch,
    ThreadPsynch, //
};
use crate::{
    abi::{
        args::{
            PsynchRwRdlockArgs,
            PsynchRwUnlockArgs,
            PsynchRwWrlockArgs, //
        },
        nr,
        UserAddr, //
    },
    core::{
        BsdError,
        BsdResult,
        Context,
        Interrupted,
        RetVal,
        TrapDescriptor, //
    },
    linux::wait::Woken,
};
use kernel::prelude::*;
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] =
    traps![psynch_rw_rdlock, psynch_rw_wrlock, psynch_rw_unlock];

/// A wait that a signal has interrupted: the lock and the words of the trap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct InterruptedWait(u64, Words);

/// Waits until the caller is granted the lock at `address`.
fn lock(
    context: &Context<'_>,
    address: UserAddr,
    flags: i32,
    words: Words,
    grant: Grant,
) -> BsdResult {
    let own = ThreadPsynch::of(context)?;
    let entry = &own.waiter;
    let wait = InterruptedWait(address.0, words);
    let again = own.interrupted.lock().take() == Some(wait);
    // CAST: A word of flags.
    let place = TaskPsynch::of(context)?.place(address, flags as u32);
    let begun = place.with(ObjectKind::RwLock, |object, wakes| match object {
        Object::RwLock(lock) => lock.begin(grant, words, again, entry, wakes),
        _ => Err(EBUSY),
    })??;
    if let Begun::Over(word) = begun {
        return Ok(RetVal(word));
    }
    let woken = entry.sleep(None, || false);
    if woken != Woken::Ready && entry.give_up() {
        place.with_existing(|object, _| {
            if let Object::RwLock(lock) = object {
                lock.stop_waiting(entry);
            }
        });
        *own.interrupted.lock() = Some(wait);
        return Err(BsdError::from(Interrupted));
    }
    Ok(RetVal(entry.word()))
}

/// Waits until the caller may read.
#[trap(nr::PSYNCH_RW_RDLOCK)]
fn psynch_rw_rdlock(context: &Context<'_>, args: PsynchRwRdlockArgs) -> BsdResult {
    let words = Words::new(args.lgenval, args.ugenval, args.rw_wc);
    lock(context, args.rwlock, args.flags, words, Grant::Read)
}

/// Waits until the caller may write.
#[trap(nr::PSYNCH_RW_WRLOCK)]
fn psynch_rw_wrlock(context: &Context<'_>, args: PsynchRwWrlockArgs) -> BsdResult {
    let words = Words::new(args.lgenval, args.ugenval, args.rw_wc);
    lock(context, args.rwlock, args.flags, words, Grant::Write)
}

/// Lets the next threads have the lock.
#[trap(nr::PSYNCH_RW_UNLOCK)]
fn psynch_rw_unlock(context: &Context<'_>, args: PsynchRwUnlockArgs) -> BsdResult {
    let words = Words::new(args.lgenval, args.ugenval, args.rw_wc);
    // CAST: A word of flags.
    let place = TaskPsynch::of(context)?.place(args.rwlock, args.flags as u32);
    let word = place.with(ObjectKind::RwLock, |object, wakes| match object {
        Object::RwLock(lock) => Ok(lock.unlock(words, wakes)),
        _ => Err(EBUSY),
    })??;
    Ok(RetVal(word))
}
