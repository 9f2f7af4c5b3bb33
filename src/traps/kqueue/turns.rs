// SPDX-License-Identifier: GPL-2.0

//! Whose turn it is to work on a knote, and what becomes of the knote when the turn is given back.
//!
//! A knote that is active then gets to the end of the queue: so each gets its chance, however many are
//! active.
//!
//! Locks: `Kqueue::ready`, not held by a thread that has a turn, or waits for one.

use super::{
    active::{
        Ready,
        Wakes, //
    },
    knote::{
        status,
        Knote,
        KnoteRef,
        KnoteTurn, //
    },
    object::Kqueue,
    waiter::Told, //
};
use crate::linux::peek::Peek;
use kernel::{
    prelude::*,
    sync::{
        atomic::ordering::Full,
        barrier,
        SpinLockIrqGuard, //
    },
};

/// What becomes of a knote when its turn is given back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Bits of the status to be set.
    pub(super) set: u32,
    /// Bits to be cleared.
    pub(super) clear: u32,
    /// The round in which it was reported.
    pub(super) reported: Option<u64>,
    /// Whether the thread looks for no more events now, so that another one is to be woken if
    /// there are some.
    pub(super) is_last: bool,
}

impl Outcome {
    /// It is active.
    pub(super) const ACTIVE: Self = Self {
        set: status::ACTIVE,
        ..Self::NOTHING
    };

    /// All stays as it is.
    pub(super) const NOTHING: Self = Self {
        set: 0,
        clear: 0,
        reported: None,
        is_last: false,
    };
}

/// Why there is no turn to be had.
pub(super) enum NoTurn {
    /// The knote has left its kqueue.
    Dropped,
    /// The thread was killed.
    Killed,
}

impl Kqueue {
    /// Waits for the turn of a knote.
    #[inline]
    pub(super) fn take_turn(&self, knote: KnoteRef) -> Result<KnoteTurn, NoTurn> {
        let turn = match Knote::try_take(knote) {
            Ok(turn) => turn,
            Err(knote) => self.wait_for_turn(knote, false)?,
        };
        match turn.dropped {
            false => Ok(turn),
            true => {
                drop(self.give_back(turn, Outcome::NOTHING));
                Err(NoTurn::Dropped)
            }
        }
    }

    /// As [`take_turn`](Self::take_turn), for a knote whose turn somebody has; it may be dropped.
    #[cold]
    pub(super) fn wait_for_turn(
        &self,
        mut knote: KnoteRef,
        ignores_signals: bool,
    ) -> Result<KnoteTurn, NoTurn> {
        loop {
            // Each time that somebody has it again, he has to be told again to wake us.
            let is_free = || {
                let _ready = self.ready.lock();
                if !knote.turn_is_taken() {
                    return true;
                }
                knote.set_status(knote.status() | status::AWAITED);
                Self::is_free(&knote)
            };
            if ignores_signals {
                self.turns.wait_uninterruptible(is_free);
            } else if !self.turns.wait_killable(is_free) {
                return Err(NoTurn::Killed);
            }
            match Knote::try_take(knote) {
                Ok(turn) => return Ok(turn),
                Err(other) => knote = other,
            }
        }
    }

    /// Gives a turn back. If the knote is active, it gets to the end of the queue.
    #[inline]
    pub(super) fn give_back(&self, turn: KnoteTurn, outcome: Outcome) -> KnoteRef {
        if let Some(round) = outcome.reported {
            // It is in no queue as long as its turn is taken.
            turn.owner().reported.poke(round);
        }
        let changes_nothing = outcome.set | outcome.clear == 0;
        if changes_nothing && (!outcome.is_last || self.queued() == 0) {
            let knote = turn.release();
            // Pairs with that of `is_free`.
            barrier::smp_mb(Full);
            if knote.status() & (status::ACTIVE | status::AWAITED) != 0 {
                self.settle(&knote, Outcome::NOTHING, self.ready.lock());
            }
            return knote;
        }
        let ready = self.ready.lock();
        let knote = turn.release();
        self.settle(&knote, outcome, ready);
        knote
    }

    /// Does what is left to do for a knote whose turn was given back.
    fn settle(&self, knote: &KnoteRef, outcome: Outcome, mut ready: SpinLockIrqGuard<'_, Ready>) {
        let before = knote.status();
        let after = before & !(outcome.clear | status::AWAITED) | outcome.set;
        knote.set_status(after);
        let mut wakes = Wakes::NOBODY;
        if !knote.is_due() {
            if after & status::ACTIVE != 0 {
                ready.dequeue(knote);
            }
        } else if Self::is_free(knote) {
            wakes = ready.enqueue(knote);
        }
        if outcome.is_last && wakes.waiter.is_none() && !ready.queue.is_empty() {
            wakes.waiter = ready.next_waiter(Told::Event);
        }
        drop(ready);
        if before & status::AWAITED != 0 {
            self.turns.wake_all();
        }
        wakes.wake(&knote.kqueue);
    }
}
