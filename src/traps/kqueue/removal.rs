// SPDX-License-Identifier: GPL-2.0

//! Knotes leave their kqueue: a client deletes them, what they are about is gone, or the kqueue is
//! closed.
//!
//! Source of the behaviour: XNU bsd/kern/kern_event.c, `knote_drop`, `knote_vanish`,
//! `kqueue_dealloc`; ABI traps §10.3 and §10.5.
//!
//! Locks: those of [`super`], one at a time; knotes are dropped without.

use super::{
    errno::Errno,
    filter,
    knote::{
        status,
        Knote,
        KnoteTurn, //
    },
    object::{
        Kqueue,
        KqueueBorrow, //
    },
    turns::{
        NoTurn,
        Outcome, //
    },
    waiter::Told, //
};
use crate::abi::kevent::{
    ev,
    Kevent, //
};
use kernel::sync::atomic::ordering::Relaxed;

/// Drops a knote; one that is disabled until it is acknowledged only after that.
pub(super) fn delete(
    kqueue: KqueueBorrow<'_>,
    change: &Kevent,
    turn: KnoteTurn,
) -> Result<(), Errno> {
    let is_disabled = turn.owner().status() & status::DISABLED != 0;
    let can_wait = turn.state.flags & ev::DISPATCH2 == ev::DISPATCH2;
    if change.flags & ev::ENABLE == 0 && can_wait && is_disabled {
        let put_off = Outcome {
            set: status::DELETION_DUE,
            ..Outcome::NOTHING
        };
        drop(kqueue.give_back(turn, put_off));
        return Err(Errno::EINPROGRESS);
    }
    kqueue.drop_knote(turn);
    Ok(())
}

/// Drops all knotes on a descriptor, which is about to be closed; those that are to tell of that do.
pub(super) fn descriptor_closing(kqueue: &Kqueue, fd: u32) {
    for filter in filter::OF_DESCRIPTORS {
        loop {
            let found = kqueue.table.lock().find_watching(fd.into(), filter);
            let Some(knote) = found else {
                break;
            };
            match kqueue.take_turn(knote) {
                Ok(turn) => end_watching(kqueue, turn),
                Err(NoTurn::Dropped) => (),
                // It was a hint, and the process is going.
                Err(NoTurn::Killed) => return,
            }
        }
    }
}

/// What the knote is about is gone.
fn end_watching(kqueue: &Kqueue, mut turn: KnoteTurn) {
    if !turn.owner().reports_vanishing {
        kqueue.drop_knote(turn);
        return;
    }
    turn.source = None;
    let vanished = Outcome {
        set: status::VANISHED | status::ACTIVE,
        ..Outcome::NOTHING
    };
    drop(kqueue.give_back(turn, vanished));
}

impl Kqueue {
    /// Takes a knote out of the kqueue for good. May sleep.
    pub(super) fn drop_knote(&self, mut turn: KnoteTurn) {
        {
            let mut ready = self.ready.lock();
            let knote = turn.owner();
            knote.set_status(knote.status() | status::DROPPED);
            ready.dequeue(knote);
        }
        turn.dropped = true;
        // From here on nobody activates it.
        turn.source = None;
        let removed = self.table.lock().remove(turn.owner());
        drop(removed);
        drop(self.give_back(turn, Outcome::NOTHING));
    }

    /// Closes the kqueue: its knotes are dropped, and nobody waits any more. May sleep; later
    /// calls do nothing.
    pub(super) fn close(&self) {
        self.owner.store(0, Relaxed);
        self.ready.lock().is_closed = true;
        self.tell_all(Told::Closed);
        let mut slots = self.table.lock().close();
        for slot in slots.iter_mut() {
            let Some(knote) = slot.take() else {
                continue;
            };
            let turn = match Knote::try_take(knote) {
                Ok(turn) => Ok(turn),
                Err(knote) => self.wait_for_turn(knote, true),
            };
            match turn {
                Ok(turn) if turn.dropped => drop(self.give_back(turn, Outcome::NOTHING)),
                Ok(turn) => self.drop_knote(turn),
                Err(_) => (),
            }
        }
    }
}
