// SPDX-License-Identifier: GPL-2.0

//! The filter of events that the client triggers itself (ABI traps §10.4).
//!
//! Source of the behaviour: XNU bsd/kern/kern_event.c, `filt_user*`. Locks: none.

use super::{
    errno::Errno,
    filter::{
        Activity,
        Adding,
        Asked,
        Filter, //
    },
    knote::State, //
};
use crate::abi::kevent::{
    ev,
    user,
    Kevent, //
};

/// An event of the client's own.
pub(super) struct User {
    is_triggered: bool,
}

impl Filter for User {
    fn attach(adding: Adding<'_>, _state: &mut State) -> Result<(Self, Activity), Errno> {
        let is_triggered = adding.change.fflags & user::TRIGGER != 0;
        Ok((Self { is_triggered }, Activity::of(is_triggered)))
    }

    #[inline]
    fn touch(&mut self, change: &Kevent, asked: Asked<'_>) -> Result<Activity, Errno> {
        let state = asked.state;
        let flags = change.fflags & user::FLAGS_MASK;
        match change.fflags & user::CONTROL_MASK {
            user::AND => state.fflags &= flags,
            user::OR => state.fflags |= flags,
            user::COPY => state.fflags = flags,
            _ => (),
        }
        state.data = change.data;
        self.is_triggered |= change.fflags & user::TRIGGER != 0;
        Ok(Activity::of(self.is_triggered))
    }

    #[inline]
    fn process(&mut self, event: &mut Kevent, asked: Asked<'_>) -> Activity {
        let state = asked.state;
        let activity = Activity::of(self.is_triggered);
        event.fflags = state.fflags;
        event.data = state.data;
        if state.flags & ev::CLEAR != 0 {
            self.is_triggered = false;
        }
        activity
    }
}
