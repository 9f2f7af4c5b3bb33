// SPDX-License-Identifier: GPL-2.0

//! What a filter is, and which there are.
//!
//! A filter has a file of its own, with a type that stands for a knote's registration with what the
//! event is about, and a variant of [`Source`]. Dropping the registration ends it.
//!
//! Locks: the functions of a filter run in the knote's turn and under no lock: they may sleep and
//! touch user memory, and no two of them run at the same time for one knote. Whoever tells of the
//! event does so by a [`Hook`], which takes `Kqueue::ready`: so the locks of what the event is about
//! come before that one.

use super::{
    call::Area,
    descriptor::Ready,
    errno::Errno,
    knote::{
        Hook,
        State, //
    },
    machport::MachPort,
    process::Process,
    signal::Signal,
    timer::Timer,
    user::User,
    vnode::Vnode, //
};
use crate::{
    abi::{
        kevent::{
            filter,
            Kevent, //
        },
        UserAddr, //
    },
    core::Context,
};
use kernel::fs::File;

/// Whether there is something to report.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    Quiet,
    Active,
}

impl Activity {
    /// `Active` if so.
    pub(super) fn of(is_active: bool) -> Self {
        match is_active {
            true => Self::Active,
            false => Self::Quiet,
        }
    }
}

/// A knote that is being added.
pub(super) struct Adding<'a> {
    pub(super) context: &'a Context<'a>,
    /// What the client asks for.
    pub(super) change: &'a Kevent,
    /// To be kept by whoever watches for the event.
    pub(super) hook: Hook,
    /// Of filters for descriptors: the file of the identity.
    pub(super) file: Option<&'a File>,
}

/// What a filter is asked with.
pub(super) struct Asked<'a> {
    /// What the client asked for before.
    pub(super) state: &'a mut State,
    pub(super) context: &'a Context<'a>,
    /// Of filters for descriptors: the file of the identity, unless that is gone.
    pub(super) file: Option<&'a File>,
    /// What is left of the call's area for messages.
    pub(super) area: &'a mut Area,
    /// Where the event that is looked for will be written. Until then the filter may use it.
    pub(super) slot: UserAddr,
}

/// A filter: a knote's registration with what the event is about. Dropping it ends it, and no hook
/// of it is used any more afterwards.
pub(super) trait Filter: Sized + Send {
    /// Registers a knote, whose state is what the client asks for. Tells whether the event has come
    /// already. On failure nothing is left.
    fn attach(adding: Adding<'_>, state: &mut State) -> Result<(Self, Activity), Errno>;

    /// Takes over what the client asks for now. On failure nothing is changed.
    fn touch(&mut self, change: &Kevent, asked: Asked<'_>) -> Result<Activity, Errno> {
        asked.state.fflags = change.fflags;
        asked.state.data = change.data;
        Ok(Activity::Quiet)
    }

    /// The event may be reported now: tells whether there still is one, and completes `event`,
    /// which has the knote's identity, flags, `udata` and more data already. With `EV_ONESHOT` in
    /// its flags it is the knote's last.
    fn process(&mut self, event: &mut Kevent, asked: Asked<'_>) -> Activity;
}

/// A registration of any filter.
pub(super) enum Source {
    User(User),
    Timer(Timer),
    MachPort(MachPort),
    Ready(Ready),
    Vnode(Vnode),
    Process(Process),
    Signal(Signal),
}

impl Source {
    /// As [`Filter::attach`]. `ENOTSUP` for filters that are not built, or that nobody has.
    pub(super) fn attach(adding: Adding<'_>, state: &mut State) -> Result<(Self, Activity), Errno> {
        fn of<F: Filter>(
            adding: Adding<'_>,
            state: &mut State,
            variant: fn(F) -> Source,
        ) -> Result<(Source, Activity), Errno> {
            F::attach(adding, state).map(|(source, activity)| (variant(source), activity))
        }
        match adding.change.filter {
            filter::USER => of(adding, state, Self::User),
            filter::TIMER => of(adding, state, Self::Timer),
            filter::MACHPORT => of(adding, state, Self::MachPort),
            filter::READ | filter::WRITE | filter::EXCEPT => of(adding, state, Self::Ready),
            filter::VNODE => of(adding, state, Self::Vnode),
            filter::PROC => of(adding, state, Self::Process),
            filter::SIGNAL => of(adding, state, Self::Signal),
            _ => Err(Errno::ENOTSUP),
        }
    }

    /// As [`Filter::touch`].
    #[inline]
    pub(super) fn touch(&mut self, change: &Kevent, asked: Asked<'_>) -> Result<Activity, Errno> {
        match self {
            Self::User(source) => source.touch(change, asked),
            Self::Timer(source) => source.touch(change, asked),
            Self::MachPort(source) => source.touch(change, asked),
            Self::Ready(source) => source.touch(change, asked),
            Self::Vnode(source) => source.touch(change, asked),
            Self::Process(source) => source.touch(change, asked),
            Self::Signal(source) => source.touch(change, asked),
        }
    }

    /// As [`Filter::process`].
    #[inline]
    pub(super) fn process(&mut self, event: &mut Kevent, asked: Asked<'_>) -> Activity {
        match self {
            Self::User(source) => source.process(event, asked),
            Self::Timer(source) => source.process(event, asked),
            Self::MachPort(source) => source.process(event, asked),
            Self::Ready(source) => source.process(event, asked),
            Self::Vnode(source) => source.process(event, asked),
            Self::Process(source) => source.process(event, asked),
            Self::Signal(source) => source.process(event, asked),
        }
    }
}

/// The filters whose identity is a descriptor.
pub(super) const OF_DESCRIPTORS: [i16; 4] =
    [filter::READ, filter::WRITE, filter::EXCEPT, filter::VNODE];

/// Whether the identity of a filter's events is a descriptor.
#[inline]
pub(super) fn takes_descriptor(filter: i16) -> bool {
    OF_DESCRIPTORS.contains(&filter)
}

/// Whether there is such a filter.
#[inline]
pub(super) fn exists(filter: i16) -> bool {
    (filter::LAST..0).contains(&filter)
}
