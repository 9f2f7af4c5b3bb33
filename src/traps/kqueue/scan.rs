// SPDX-License-Identifier: GPL-2.0

//! A look through the active knotes of a kqueue: one after the other is taken out of the queue, with
//! its turn.
//!
//! A knote that stays active gets to the end of the queue when it has been reported. So that a look
//! ends, it has a number, and knotes note in which one they were reported.
//!
//! Source of the behaviour: XNU bsd/kern/kern_event.c, `kqueue_process`.
//!
//! Locks: `Kqueue::ready`.

use super::{
    active::Ready,
    knote::{
        status,
        Knote,
        KnoteTurn, //
    },
    object::Kqueue,
    turns::Outcome,
    waiter::{
        Told,
        WaiterRef, //
    },
};
use crate::linux::peek::Peek;

/// A look through the active knotes, of which it reports each once.
#[derive(Default)]
pub(super) struct Scan {
    round: u64,
    /// How many have been reported.
    pub(super) found: u32,
}

impl Scan {
    pub(super) fn round(&self) -> u64 {
        self.round
    }
}

/// What a scan comes upon.
pub(super) enum Next {
    /// An active knote, which is not any more, and the status that it had.
    Knote(KnoteTurn, u32),
    /// Nothing that it has not reported.
    Nothing,
    /// The kqueue is closed.
    Closed,
}

impl Ready {
    /// Gives a scan that has just begun its number.
    #[inline]
    fn begin(&mut self, scan: &mut Scan) {
        if scan.round == 0 {
            self.round = self.round.wrapping_add(1);
            scan.round = self.round;
        }
    }
}

impl Kqueue {
    /// Gives the turn of a knote back that was changed just now, and takes the next active one: that
    /// may be the very same. There is room for `room` events.
    #[inline]
    pub(super) fn next_after(
        &self,
        scan: &mut Scan,
        room: u32,
        (turn, outcome): (KnoteTurn, Outcome),
    ) -> Next {
        // If it was quiet and is active now, and alone, then it is what the scan is after.
        if room == 1
            && outcome == Outcome::ACTIVE
            && turn.owner().status() == 0
            && self.queued() == 0
        {
            return Next::Knote(turn, status::ACTIVE);
        }
        {
            let mut ready = self.ready.lock();
            if ready.queue.is_empty() && !ready.is_closed {
                let knote = turn.owner();
                let status = knote.status() & !outcome.clear | outcome.set;
                knote.set_status(status);
                if knote.is_due() {
                    ready.begin(scan);
                    knote.set_status(status & !status::ACTIVE);
                    return Next::Knote(turn, status);
                }
            }
        }
        drop(self.give_back(turn, outcome));
        self.next(scan, None)
    }

    /// Takes the next active knote. If there is none and `waiter` is given, puts that in the
    /// queue of those who wait.
    #[inline]
    pub(super) fn next(&self, scan: &mut Scan, waiter: Option<&WaiterRef>) -> Next {
        let mut ready = self.ready.lock();
        if ready.is_closed {
            return Next::Closed;
        }
        ready.begin(scan);
        loop {
            let has_come_round = |knote: &Knote| knote.reported.peek() >= scan.round;
            if scan.found != 0 && ready.queue.front().is_some_and(has_come_round) {
                let next = ready.next_waiter(Told::Event);
                drop(ready);
                if let Some(waiter) = next {
                    waiter.wake();
                }
                return Next::Nothing;
            }
            let Some(knote) = ready.queue.pop_front() else {
                if let Some(waiter) = waiter {
                    // A thread waits in one place at a time, so this does not fail.
                    let _ = ready.waiters.push_back(waiter.clone());
                }
                return Next::Nothing;
            };
            self.count_queued(usize::MAX);
            // Who has the turn of one queues it again; the reference is not the last, as knotes
            // leave the queue before they leave the table.
            if let Ok(turn) = Knote::try_take(knote) {
                let status = turn.owner().status();
                turn.owner().set_status(status & !status::ACTIVE);
                return Next::Knote(turn, status);
            }
        }
    }
}
