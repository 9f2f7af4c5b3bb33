// SPDX-License-Identifier: GPL-2.0

//! Changes: knotes are added and changed as a client asks.
//!
//! Source of the behaviour: XNU bsd/kern/kern_event.c, `kevent_register`; ABI traps §10.3.
//!
//! Locks: those of [`super`], none of them for the length of a change: it has the knote's turn.

use super::{
    call::Call,
    errno::Errno,
    file,
    filter::{
        self,
        Activity,
        Adding,
        Source, //
    },
    knote::{
        status,
        Hook,
        Key,
        Knote,
        KnoteRef,
        KnoteTurn,
        Subject, //
    },
    object::KqueueBorrow,
    removal,
    table::{
        self,
        Absent,
        Refused, //
    },
    turns::{
        NoTurn,
        Outcome, //
    },
};
use crate::{
    abi::kevent::{
        ev,
        Kevent, //
    },
    linux::files::BorrowedFd,
};
use kernel::prelude::*;

/// A knote that has been changed. Its turn is given back when this is dropped, unless somebody does
/// so before.
pub(super) struct Changed<'a> {
    kqueue: KqueueBorrow<'a>,
    turn: Option<(KnoteTurn, Outcome)>,
}

impl Changed<'_> {
    /// The turn, which is to be given back with this outcome.
    #[inline]
    pub(super) fn take(mut self) -> Option<(KnoteTurn, Outcome)> {
        self.turn.take()
    }
}

impl Drop for Changed<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some((turn, outcome)) = self.turn.take() {
            drop(self.kqueue.give_back(turn, outcome));
        }
    }
}

/// Makes one change. The flags of `change` become what a report of it shows.
#[inline]
pub(super) fn apply<'a>(
    kqueue: KqueueBorrow<'a>,
    call: &mut Call<'_>,
    change: &mut Kevent,
) -> Result<Option<Changed<'a>>, Errno> {
    const VANISHING: u16 = ev::ADD | ev::DISPATCH2;

    change.flags &= !ev::SYSFLAGS;
    if !filter::exists(change.filter) {
        return Err(Errno::EINVAL);
    }
    if change.flags & ev::VANISHED != 0 && change.flags & VANISHING != VANISHING {
        return Err(Errno::EINVAL);
    }
    // To delete and to disable overrule.
    if change.flags & ev::DELETE != 0 {
        change.flags &= !ev::ADD;
    }
    if change.flags & ev::DISABLE != 0 {
        change.flags &= !ev::ENABLE;
    }
    let key = Key::of(change);
    loop {
        let found = kqueue.table.lock().find(&key);
        let knote = match found {
            Ok(knote) => knote,
            Err(_) if change.flags & ev::ADD == 0 => return Err(Errno::ENOENT),
            Err(absent) => match add(kqueue, call, change, &key, absent) {
                // Another thread was faster.
                Err(None) => continue,
                Err(Some(error)) => return Err(error),
                Ok(()) => return Ok(None),
            },
        };
        let turn = match kqueue.take_turn(knote) {
            Ok(turn) => turn,
            Err(NoTurn::Dropped) => continue,
            Err(NoTurn::Killed) => return Err(Errno::EINTR),
        };
        let Ok(watched) = watched(turn.owner()) else {
            kqueue.drop_knote(turn);
            continue;
        };
        return match change.flags & ev::DELETE {
            0 => touch(kqueue, call, change, turn, watched).map(Some),
            _ => removal::delete(kqueue, change, turn).map(|()| None),
        };
    }
}

/// That a knote is on a descriptor that refers to another file now, or to none: it was closed, which
/// would have dropped the knote on macOS.
pub(super) struct Stale;

/// The descriptor that the knote is on, if it is on one that has not told of its end.
#[inline]
pub(super) fn watched(knote: &Knote) -> Result<Option<BorrowedFd>, Stale> {
    let file = knote.file();
    if file == 0 || knote.status() & status::VANISHED != 0 {
        return Ok(None);
    }
    // CAST: It was the number of a descriptor.
    match BorrowedFd::get(knote.key.ident as u32) {
        Ok(fd) if fd.file().as_ptr().addr() == file => Ok(Some(fd)),
        _ => Err(Stale),
    }
}

/// The descriptor that is to be watched. `EBADF`.
fn descriptor(ident: u64) -> Result<BorrowedFd, Errno> {
    let fd = u32::try_from(ident).map_err(|_| Errno::EBADF)?;
    Ok(BorrowedFd::get(fd)?)
}

/// Adds a knote. The error is `None` if there is one by now.
fn add(
    kqueue: KqueueBorrow<'_>,
    call: &Call<'_>,
    change: &mut Kevent,
    key: &Key,
    absent: Absent,
) -> Result<(), Option<Errno>> {
    let fd = match filter::takes_descriptor(key.filter) {
        true => Some(descriptor(key.ident)?),
        false => None,
    };
    let watched = fd.as_ref().map(BorrowedFd::file);
    let nested = match watched {
        Some(watched) => file::nested(call.context(), &kqueue, watched, key.filter)?,
        None => None,
    };
    let reports_vanishing = change.flags & ev::VANISHED != 0;
    change.flags &= !ev::VANISHED;
    let subject = Subject {
        file: watched.map_or(0, |file| file.as_ptr().addr()),
        kqueue: nested.as_ref().map(|nested| nested.child.clone()),
        reports_vanishing,
    };
    let knote = Knote::new(kqueue, key, subject, change).map_err(Errno::from)?;
    // It is new, so nobody has the turn.
    let mut turn = Knote::try_take(knote).map_err(|_| None)?;
    if let Err(error) = insert(kqueue, turn.owner(), absent) {
        if error.is_none() && reports_vanishing {
            change.flags |= ev::VANISHED;
        }
        return Err(error);
    }
    drop(nested);

    let adding = Adding {
        context: call.context(),
        change,
        hook: Hook::new(turn.owner()),
        file: watched,
    };
    match Source::attach(adding, &mut turn.state) {
        Ok((source, activity)) => {
            turn.source = Some(source);
            drop(kqueue.give_back(turn, outcome(activity, 0)));
            Ok(())
        }
        Err(error) => {
            kqueue.drop_knote(turn);
            Err(Some(error))
        }
    }
}

/// Puts a knote in the table. The error is `None` if there is one like it.
fn insert(kqueue: KqueueBorrow<'_>, knote: &KnoteRef, absent: Absent) -> Result<(), Option<Errno>> {
    loop {
        let refused = kqueue.table.lock().insert(knote, absent);
        match refused {
            Ok(()) => return Ok(()),
            Err(Refused::Exists) => return Err(None),
            Err(Refused::Full) => return Err(Some(Errno::ENOMEM)),
            Err(Refused::Closed) => return Err(Some(Errno::EBADF)),
            Err(Refused::NoRoom(capacity)) => {
                let larger = table::slots(capacity).map_err(Errno::from)?;
                let old = kqueue.table.lock().grow(larger);
                drop(old);
            }
        }
    }
}

/// What is to be done with a knote that has been added or changed.
#[inline]
fn outcome(activity: Activity, flags: u16) -> Outcome {
    Outcome {
        set: match activity {
            Activity::Active => status::ACTIVE,
            Activity::Quiet => 0,
        } | match flags & ev::DISABLE {
            0 => 0,
            _ => status::DISABLED,
        },
        clear: match flags & ev::ENABLE {
            0 => 0,
            _ => status::DISABLED,
        },
        ..Outcome::NOTHING
    }
}

/// Changes a knote.
#[inline]
fn touch<'a>(
    kqueue: KqueueBorrow<'a>,
    call: &mut Call<'_>,
    change: &Kevent,
    mut turn: KnoteTurn,
    watched: Option<BorrowedFd>,
) -> Result<Changed<'a>, Errno> {
    let is_over = turn.owner().status() & (status::VANISHED | status::DELETION_DUE) != 0;
    let contents = &mut *turn;
    let file = watched.as_ref().map(BorrowedFd::file);
    let touched = match &mut contents.source {
        // It has its last event still to report.
        _ if is_over => Ok(Activity::of(change.flags & ev::ENABLE != 0)),
        Some(source) => source.touch(change, call.asked(&mut contents.state, file)),
        None => Ok(Activity::Quiet),
    };
    let activity = match touched {
        Ok(activity) => activity,
        Err(error) => {
            drop(kqueue.give_back(turn, Outcome::NOTHING));
            return Err(error);
        }
    };
    if contents.state.flags & ev::UDATA_SPECIFIC == 0 {
        contents.state.udata = change.udata;
    }
    Ok(Changed {
        kqueue,
        turn: Some((turn, outcome(activity, change.flags))),
    })
}
