// SPDX-License-Identifier: GPL-2.0

//! Events are fetched: active knotes are processed, one after the other, until there is no room or
//! nothing left; if there was nothing, the thread waits.
//!
//! Source of the behaviour: XNU bsd/kern/kern_event.c, `kqueue_scan` and `knote_process`; ABI traps
//! §10.3. An event that cannot be written is lost, as there; those before it as well.
//!
//! Locks: those of [`super`]; none while a filter or user memory is asked.

use super::{
    call::{
        self,
        Call,
        Dialect,
        Patience, //
    },
    change::{
        watched,
        Changed, //
    },
    errno::Errno,
    filter::Activity,
    knote::{
        status,
        KnoteTurn, //
    },
    object::KqueueBorrow,
    scan::{
        Next,
        Scan, //
    },
    task::ThreadKqueues,
    turns::Outcome,
    waiter::{
        Told,
        WaiterRef, //
    },
};
use crate::{
    abi::{
        kevent::{
            ev,
            Kevent, //
        },
        UserAddr, //
    },
    linux::{
        files::BorrowedFd,
        pollable,
        wait::{
            Deadline,
            Woken, //
        },
    },
};
use kernel::prelude::*;

/// By which descriptor a kqueue is used.
pub(super) struct Handle<'a> {
    pub(super) kqueue: KqueueBorrow<'a>,
    pub(super) number: u32,
    pub(super) fd: &'a BorrowedFd,
}

/// Writes up to `room` events to `list`, and tells how many. Begins with the knote
/// that was changed last. 0 if none came in time; `EINTR` if a
/// signal came first, `EBADF` if the kqueue, or its descriptor, was closed.
#[inline]
pub(super) fn collect<D: Dialect>(
    handle: &Handle<'_>,
    call: &mut Call<'_>,
    mut list: UserAddr,
    room: u32,
    patience: Patience,
    changed: Option<Changed<'_>>,
) -> Result<u32, Errno> {
    let kqueue = handle.kqueue;
    let mut scan = Scan::default();
    let mut waiter = None;
    let mut event = Kevent::default();
    let mut next = match changed.and_then(Changed::take) {
        Some(changed) => kqueue.next_after(&mut scan, room, changed),
        // Who has to wait looks again.
        None if kqueue.queued() == 0 => Next::Nothing,
        None => kqueue.next(&mut scan, None),
    };
    loop {
        match next {
            Next::Knote(turn, status) => {
                let is_last = scan.found.wrapping_add(1) == room;
                call.slot = list;
                let round = scan.round();
                if report(kqueue, call, turn, status, round, is_last, &mut event) {
                    call::write::<D>(&mut list, &event)?;
                    scan.found = scan.found.wrapping_add(1);
                    if is_last {
                        break;
                    }
                }
                waiter = None;
            }
            Next::Nothing => match (patience, waiter) {
                _ if scan.found != 0 => break,
                (Patience::Poll, _) => break,
                (Patience::Until(_), None) => {
                    let own = ThreadKqueues::waiter(call.context())?;
                    own.begin();
                    waiter = Some(own);
                }
                (Patience::Until(deadline), Some(queued)) => {
                    if !wait(handle, queued, deadline)? {
                        break;
                    }
                    waiter = None;
                    if let Some((turn, status)) = queued.take() {
                        next = Next::Knote(turn, status);
                        continue;
                    }
                }
            },
            Next::Closed => return Err(Errno::EBADF),
        }
        next = kqueue.next(&mut scan, waiter);
    }
    Ok(scan.found)
}

/// Waits until the thread is told of an event; false if the deadline passes first. `waiter` is in
/// the queue of the kqueue.
#[inline]
fn wait(
    handle: &Handle<'_>,
    waiter: &WaiterRef,
    deadline: Option<Deadline>,
) -> Result<bool, Errno> {
    // Whoever closes the descriptor after this look finds the waiter.
    if handle.fd.is_shared()
        && !pollable::fd_is(handle.number, handle.fd.file().as_ptr().addr())
        && handle.kqueue.stop_waiting(waiter)
    {
        return Err(Errno::EBADF);
    }
    let woken = waiter.sleep(deadline);
    if woken != Woken::Ready && handle.kqueue.stop_waiting(waiter) {
        return match woken {
            Woken::Interrupted => Err(Errno::EINTR),
            _ => Ok(false),
        };
    }
    match waiter.told() {
        // If it was another descriptor, the thread waits again.
        Told::Event | Told::DescriptorClosed => Ok(true),
        Told::Closed => Err(Errno::EBADF),
    }
}

/// Has the filter of a knote, whose status was `status`, say what there is to report, and gives the
/// turn back. False if there is nothing.
#[inline]
fn report(
    kqueue: KqueueBorrow<'_>,
    call: &mut Call<'_>,
    mut turn: KnoteTurn,
    status: u32,
    round: u64,
    is_last: bool,
    event: &mut Kevent,
) -> bool {
    let mut status = status;
    let mut set = 0;
    let watched = match watched(turn.owner()) {
        Ok(watched) => watched,
        Err(_) if turn.owner().reports_vanishing => {
            // Its descriptor was closed, as is found only now.
            set = status::VANISHED;
            status |= set;
            None
        }
        Err(_) => {
            kqueue.drop_knote(turn);
            return false;
        }
    };
    let (knote, contents) = turn.parts();
    let state = &mut contents.state;
    *event = Kevent {
        ident: knote.key.ident,
        filter: knote.key.filter,
        flags: state.flags,
        qos: state.qos,
        udata: state.udata,
        ext: state.ext,
        ..Kevent::default()
    };
    let is_over = status & (status::VANISHED | status::ENDED | status::DELETION_DUE) != 0;
    if is_over {
        event.flags = match status {
            _ if status & status::DELETION_DUE != 0 => ev::DISPATCH2 | ev::ONESHOT | ev::DELETE,
            _ if status & status::VANISHED != 0 => ev::DISPATCH2 | ev::ONESHOT | ev::VANISHED,
            _ => event.flags | ev::EOF | ev::ONESHOT,
        };
        if status & status::ENDED == 0 {
            event.ext = [0; 4];
        }
    } else {
        let activity = match &mut contents.source {
            Some(source) => {
                let file = watched.as_ref().map(BorrowedFd::file);
                source.process(event, call.asked(state, file))
            }
            None => Activity::Quiet,
        };
        if activity == Activity::Quiet {
            drop(kqueue.give_back(turn, Outcome::NOTHING));
            return false;
        }
    }

    let flags = state.flags;
    let is_dispatch2 = flags & ev::DISPATCH2 == ev::DISPATCH2;
    set |= if event.flags & ev::ONESHOT != 0 {
        if !is_dispatch2 || status & status::DELETION_DUE != 0 {
            kqueue.drop_knote(turn);
            return true;
        }
        // It is dropped when the client has acknowledged the event.
        status::DELETION_DUE | status::DISABLED
    } else if flags & ev::DISPATCH != 0 {
        status::DISABLED
    } else if flags & ev::CLEAR == 0 {
        // There may be more.
        status::ACTIVE
    } else {
        0
    };
    let outcome = Outcome {
        set,
        clear: 0,
        reported: Some(round),
        is_last,
    };
    drop(kqueue.give_back(turn, outcome));
    true
}
