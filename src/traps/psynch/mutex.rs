// SPDX-License-Identifier: GPL-2.0

//! Mutexes: `psynch_mutexwait` and `psynch_mutexdrop` (ABI traps §9.3).
//!
//! A thread that finds the mutex taken counts itself in L and waits here at that count; one that
//! releases it while others are counted counts itself in U and drops. With the fair policy a drop
//! is for exactly the next count; with first fit for whoever is here, who may find that another
//! thread was faster and come back.
//!
//! Preposts of first fit are counted, where Darling's own module keeps at most one: the library
//! takes a new count each time it waits and drops once for each, so two drops that come before
//! their waiters would leave the second of these asleep for good. XNU counts them as well
//! (libpthread kern/kern_synch.c, from 330.201 on). No client is worse off for it: who is woken by first fit
//! tries to take the mutex, and may find it taken.
//!
//! A first-fit waiter that is killed once it has been chosen passes that on: the mutex is free, and
//! nobody else would be told. With the fair policy it had the mutex, and dies as its owner.
//!
//! Locks: the table's, inside [`Place::with`].

use super::{
    object::{
        Object,
        ObjectKind, //
    },
    place::Place,
    record::{
        Grant,
        Missed,
        Prepost, //
    },
    wait_list::WaitList,
    waiter::{
        Entry,
        Kind,
        Wakes, //
    },
    word::{
        self,
        flag,
        l, //
    },
    TaskPsynch,
    ThreadPsynch, //
};
use crate::{
    abi::args::{
        PsynchMutexdropArgs,
        PsynchMutexwaitArgs, //
    },
    abi::nr,
    core::{
        BsdResult,
        Context,
        Interrupted,
        RetVal,
        TrapDescriptor, //
    },
    linux::{
        current,
        wait::Woken, //
    },
};
use kernel::prelude::*;
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] = traps![psynch_mutexwait, psynch_mutexdrop];

/// Which waiter a drop is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// The next count.
    Fair,
    /// Any.
    FirstFit,
}

impl Policy {
    pub(super) fn of(flags: u32) -> Self {
        if flags & flag::FIRST_FIT != 0 {
            Self::FirstFit
        } else {
            Self::Fair
        }
    }
}

/// What the kernel keeps of a mutex.
pub(super) struct Mutex {
    waiters: WaitList,
    prepost: Prepost,
    missed: Missed,
}

/// How a wait begins.
enum Begun {
    /// It is over at once.
    Over(u32),
    /// The thread is in the list and has to sleep.
    Queued,
}

/// What a thread whose lock is granted gets, when `high` is the highest count that waits.
fn grant_word(high: u32) -> u32 {
    high | l::EXCLUSIVE | l::KERNEL
}

impl Mutex {
    pub(super) fn new() -> Self {
        Self {
            waiters: WaitList::new(),
            prepost: Prepost::NONE,
            missed: Missed::NONE,
        }
    }

    /// Whether nothing would be lost with this.
    pub(super) fn is_idle(&self) -> bool {
        self.waiters.is_empty() && self.prepost.count == 0 && self.missed.is_none()
    }

    fn wait(&mut self, seq: u32, policy: Policy, entry: &Entry) -> Result<Begun> {
        if let Some(word) = self.missed.take(Grant::Write, seq) {
            return Ok(Begun::Over(word));
        }
        if self.prepost.count != 0 && (policy == Policy::FirstFit || self.prepost.seq == seq) {
            self.prepost.count = self.prepost.count.wrapping_sub(1);
            if self.prepost.count == 0 {
                self.prepost = Prepost::NONE;
            } else if policy == Policy::Fair {
                // More than one thread has dropped the mutex for this one.
                self.prepost.seq = self.prepost.seq.wrapping_add(word::INC);
                return Err(EINVAL);
            }
            return Ok(Begun::Over(grant_word(self.waiters.high().unwrap_or(seq))));
        }
        entry.begin(Kind::Thread, seq);
        match policy {
            Policy::Fair => self.waiters.insert_unique(entry.clone())?,
            Policy::FirstFit => self.waiters.push_back(entry.clone())?,
        }
        Ok(Begun::Queued)
    }

    fn stop_waiting(&mut self, entry: &Entry) {
        self.waiters.remove(entry);
    }

    /// Lets the next thread have the mutex; returns the word for the one who drops it.
    pub(super) fn drop(&mut self, l: u32, u: u32, policy: Policy, wakes: &mut Wakes) -> u32 {
        match policy {
            Policy::Fair => {
                self.drop_fair(word::count(u).wrapping_add(word::INC), wakes);
                0
            }
            Policy::FirstFit => self.drop_first_fit(l, wakes),
        }
    }

    fn drop_first_fit(&mut self, l: u32, wakes: &mut Wakes) -> u32 {
        while let Some(high) = self.waiters.high() {
            let Some(entry) = self.waiters.pop_front() else {
                break;
            };
            if wakes.grant(entry, grant_word(high)) {
                return 0;
            }
        }
        let seq = word::count(l);
        if self.prepost.count == 0 || !word::lower(self.prepost.seq, seq) {
            self.prepost.seq = seq;
        }
        self.prepost.count = self.prepost.count.saturating_add(1);
        l | self::l::PREPOST
    }

    fn drop_fair(&mut self, next: u32, wakes: &mut Wakes) {
        while let (Some(first), Some(high)) = (self.waiters.first_seq(), self.waiters.high()) {
            if word::higher(first, next) {
                break;
            }
            let word = grant_word(high);
            if first == next {
                if let Some(entry) = self.waiters.pop_front() {
                    if !wakes.grant(entry, word) {
                        self.missed = Missed::record(Grant::Write, 1, next, word);
                    }
                }
                return;
            }
            // There are waiters whose turn is past. That of the next may be among the others.
            match self.waiters.take_first(|entry| entry.seq() == next) {
                Some(entry) => {
                    if wakes.grant(entry, word) {
                        return;
                    }
                }
                None => break,
            }
        }
        self.prepost.count = self.prepost.count.saturating_add(1);
        if self.prepost.count == 1 {
            self.prepost.seq = next;
        }
    }

    /// Forgets the preposts of first fit that are for counts up to `l`.
    pub(super) fn clear_prepost(&mut self, l: u32) {
        if self.prepost.count != 0 && word::lower_or_equal(self.prepost.seq, word::count(l)) {
            self.prepost.count = 0;
            self.prepost.seq = 0;
        }
    }
}

/// Has the mutex at `place` dropped.
pub(super) fn drop_at(place: &Place<'_>, l: u32, u: u32, policy: Policy) -> Result<u32> {
    place.with(ObjectKind::Mutex, |object, wakes| match object {
        Object::Mutex(mutex) => Ok(mutex.drop(l, u, policy, wakes)),
        _ => Err(EBUSY),
    })?
}

/// Waits until the mutex is the caller's.
#[trap(nr::PSYNCH_MUTEXWAIT)]
fn psynch_mutexwait(context: &Context<'_>, args: PsynchMutexwaitArgs) -> BsdResult {
    let task = TaskPsynch::of(context)?;
    let entry = &ThreadPsynch::of(context)?.waiter;
    let (flags, seq) = (args.flags, word::count(args.mgen));
    let policy = Policy::of(flags);
    let place = task.place(args.mutex, flags);

    let begun = place.with(ObjectKind::Mutex, |object, _| match object {
        Object::Mutex(mutex) => mutex.wait(seq, policy, entry),
        _ => Err(EBUSY),
    })??;
    let word = match begun {
        Begun::Over(word) => word,
        Begun::Queued => wait(&place, entry)?,
    };
    if policy == Policy::FirstFit && current::is_killed() {
        // There is nobody to hear of a failure.
        let _ = drop_at(&place, seq, 0, policy);
    }
    Ok(RetVal(word))
}

/// Waits for the word of a thread that is in the list of the mutex at `place`.
fn wait(place: &Place<'_>, entry: &Entry) -> Result<u32, Interrupted> {
    let woken = entry.sleep(None, || false);
    if woken != Woken::Ready && entry.give_up() {
        place.with_existing(|object, _| {
            if let Object::Mutex(mutex) = object {
                mutex.stop_waiting(entry);
            }
        });
        return Err(Interrupted);
    }
    Ok(entry.word())
}

/// Lets the next thread have the mutex.
#[trap(nr::PSYNCH_MUTEXDROP)]
fn psynch_mutexdrop(context: &Context<'_>, args: PsynchMutexdropArgs) -> BsdResult {
    let flags = args.flags;
    let place = TaskPsynch::of(context)?.place(args.mutex, flags);
    Ok(RetVal(drop_at(
        &place,
        args.mgen,
        args.ugen,
        Policy::of(flags),
    )?))
}
