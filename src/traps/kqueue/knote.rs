// SPDX-License-Identifier: GPL-2.0

//! The knote: that a kqueue is to report an event.
//!
//! What its filter works on is used in turns (`crate::linux::turn`): while a thread adds, changes,
//! processes or drops a knote no other one does, and no lock is held. Whoever gives a turn back
//! does so by way of the kqueue, which then looks whether the knote has become active meanwhile.
//!
//! Locks: the status is changed with `Kqueue::ready` held, and may be looked at without.

use super::{
    filter::Source,
    object::{
        Kqueue,
        KqueueBorrow,
        KqueueRef, //
    },
};
use crate::{
    abi::kevent::{
        ev,
        Kevent, //
    },
    core::{
        Live,
        ObjectCounter, //
    },
    linux::{
        peek::Peek,
        queue::Linked,
        turn::{
            HasTurns,
            Turn,
            Turns, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
};

pub(super) static KNOTES: ObjectCounter = ObjectCounter::new("knotes");

/// A reference to a knote.
pub(super) type KnoteRef = Arc<Linked<Knote>>;

/// The right to work on a knote.
pub(super) type KnoteTurn = Turn<Linked<Knote>>;

/// Bits of a knote's status.
pub(super) mod status {
    /// Something has happened that was not reported yet.
    pub(crate) const ACTIVE: u32 = 0x1;
    /// It is not to be reported for now.
    pub(crate) const DISABLED: u32 = 0x2;
    /// The knote is on its way out.
    pub(crate) const DROPPED: u32 = 0x4;
    /// What it is about is gone, which is to be told with `EV_VANISHED`.
    pub(crate) const VANISHED: u32 = 0x8;
    /// What it is about is gone, which is to be told with `EV_EOF`.
    pub(crate) const ENDED: u32 = 0x10;
    /// It is to be dropped once that has been reported.
    pub(crate) const DELETION_DUE: u32 = 0x20;
    /// Somebody waits for the turn.
    pub(crate) const AWAITED: u32 = 0x40;
}

/// What tells one knote of a kqueue from another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) ident: u64,
    pub(super) filter: i16,
    /// With `EV_UDATA_SPECIFIC`, for which there is one knote for each `udata`.
    is_udata_specific: bool,
    /// 0 without that.
    udata: u64,
}

impl Key {
    /// The key of the knote that a change is about.
    #[inline]
    pub(super) fn of(change: &Kevent) -> Self {
        let is_udata_specific = change.flags & ev::UDATA_SPECIFIC != 0;
        Self {
            ident: change.ident,
            filter: change.filter,
            is_udata_specific,
            udata: if is_udata_specific { change.udata } else { 0 },
        }
    }
}

/// What a client has asked for.
#[derive(Clone, Copy, Default)]
pub(super) struct State {
    /// `EV_*` bits, as events are to show them.
    pub(super) flags: u16,
    pub(super) fflags: u32,
    pub(super) data: i64,
    pub(super) udata: u64,
    pub(super) qos: i32,
    pub(super) ext: [u64; 4],
}

/// What only the one whose turn it is looks at.
pub(super) struct Contents {
    pub(super) state: State,
    /// The registration with what the event is about; none yet, or none any more.
    pub(super) source: Option<Source>,
    /// Whether the knote has left its kqueue.
    pub(super) dropped: bool,
}

/// An address at which there is no file.
const RELEASED: usize = usize::MAX;

/// What a new knote is about.
#[derive(Default)]
pub(super) struct Subject {
    /// The address of the file, or 0.
    pub(super) file: usize,
    /// As [`Knote::nested`].
    pub(super) kqueue: Option<KqueueRef>,
    /// As [`Knote::reports_vanishing`].
    pub(super) reports_vanishing: bool,
}

/// A knote.
pub(super) struct Knote {
    pub(super) kqueue: KqueueRef,
    pub(super) key: Key,
    /// The address of the file that the identity's descriptor referred to, as long as that has not
    /// been released; then [`RELEASED`]. 0 for other filters.
    file: Atomic<usize>,
    /// The kqueue that it is about, if it is about one.
    pub(super) nested: Option<KqueueRef>,
    /// Whether the end of what it is about is to be told with `EV_VANISHED`.
    pub(super) reports_vanishing: bool,
    status: Atomic<u32>,
    /// In which round of its kqueue it was last reported. Protected by `Kqueue::ready`.
    pub(super) reported: Atomic<u64>,
    turns: Turns<Contents>,
    _live: Live,
}

// With what counts its references it has 256 bytes, for which the kernel has a size of memory.
const _: () = assert!(size_of::<Linked<Knote>>() <= 248);

impl Knote {
    /// Makes a knote that is about `subject` and is as `change` asks; nobody has its turn. Fails with
    /// `ENOMEM`.
    pub(super) fn new(
        kqueue: KqueueBorrow<'_>,
        key: &Key,
        subject: Subject,
        change: &Kevent,
    ) -> Result<KnoteRef> {
        let status = match change.flags & ev::DISABLE {
            0 => 0,
            _ => status::DISABLED,
        };
        let is_child = subject.kqueue.is_some();
        let knote = Arc::pin_init(
            Linked::new(init!(Self {
                kqueue: kqueue.into(),
                key: *key,
                file: Atomic::new(subject.file),
                nested: subject.kqueue,
                reports_vanishing: subject.reports_vanishing,
                status: Atomic::new(status),
                reported: Atomic::new(0),
                turns: Turns::new(Contents {
                    state: State {
                        flags: change.flags,
                        fflags: change.fflags,
                        data: change.data,
                        udata: change.udata,
                        qos: change.qos,
                        ext: change.ext,
                    },
                    source: None,
                    dropped: false,
                }),
                _live: Live::new(&KNOTES),
            })),
            GFP_KERNEL_ACCOUNT,
        )?;
        if is_child {
            kqueue.children.add(1, Relaxed);
        }
        Ok(knote)
    }

    /// As the field.
    #[inline]
    pub(super) fn file(&self) -> usize {
        self.file.peek()
    }

    /// Takes the knote's turn, or gives the reference back if somebody has it.
    #[inline]
    pub(super) fn try_take(knote: KnoteRef) -> Result<KnoteTurn, KnoteRef> {
        Turn::try_take(knote)
    }

    #[inline]
    pub(super) fn turn_is_taken(&self) -> bool {
        self.turns.is_taken()
    }

    #[inline]
    pub(super) fn status(&self) -> u32 {
        self.status.peek()
    }

    /// Changes the status. `Kqueue::ready` is held.
    #[inline]
    pub(super) fn set_status(&self, status: u32) {
        self.status.store(status, Relaxed);
    }

    /// Whether it is to stand in the queue of its kqueue.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.status() & (status::ACTIVE | status::DISABLED | status::DROPPED) == status::ACTIVE
    }
}

impl HasTurns for Linked<Knote> {
    type Value = Contents;

    #[inline]
    fn turns(&self) -> &Turns<Contents> {
        &self.turns
    }
}

impl Drop for Knote {
    fn drop(&mut self) {
        if self.nested.is_some() {
            self.kqueue.children.add(u32::MAX, Relaxed);
        }
    }
}

/// What whoever watches for the event keeps, to say that it has come.
///
/// May be used in any context, with any lock held that comes before `Kqueue::ready`. To be dropped
/// where one may sleep.
#[derive(Clone)]
pub(super) struct Hook(KnoteRef);

impl Hook {
    pub(super) fn new(knote: &KnoteRef) -> Self {
        Self(knote.clone())
    }

    /// The event has come, or may have.
    #[inline]
    pub(super) fn activate(&self) {
        Kqueue::activate(&self.0, 0);
    }

    /// The file that the descriptor referred to is gone. That is told if it was asked for; the knote
    /// is stale otherwise, and is dropped when it is looked at.
    pub(super) fn file_released(&self) {
        self.0.file.store(RELEASED, Relaxed);
        if self.0.reports_vanishing {
            self.vanish();
        }
    }

    /// What the event is about is gone: that is the last event.
    pub(super) fn vanish(&self) {
        Kqueue::activate(
            &self.0,
            match self.0.reports_vanishing {
                true => status::VANISHED,
                false => status::ENDED,
            },
        );
    }
}
