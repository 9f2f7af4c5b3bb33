// SPDX-License-Identifier: GPL-2.0

//! The filters of descriptors that can be read, written, or have something exceptional (ABI traps
//! §10.4).
//!
//! What there is to report is looked at when it is reported, by Linux's own poll; so an event that
//! was true for a moment only is not reported. Stored files can always be read and written; with
//! `EV_CLEAR`, again when the content has changed.
//!
//! Source of the behaviour: XNU bsd/kern/uipc_socket.c, `filt_so*`; bsd/kern/sys_pipe.c,
//! `filt_pipe*`; bsd/vfs/vfs_vnops.c, `filt_vnode*`. Locks: none; watchers are told under those of
//! wait queues.

use super::{
    errno::Errno,
    file,
    filter::{
        Activity,
        Adding,
        Asked,
        Filter, //
    },
    knote::{
        Hook,
        State, //
    },
    task::TaskKqueues,
};
use crate::{
    abi::{
        kevent::{
            descriptor,
            ev,
            filter,
            Kevent, //
        },
        UserAddr, //
    },
    linux::{
        file_watch::{
            Descriptor,
            FileWatch,
            FileWatcher,
            Interest, //
        },
        fill::{
            self,
            FileKind, //
        },
        inode_events::{
            kind,
            InodeEvent,
            InodeFacts, //
        },
        poll::{
            self,
            event,
            PollWatcher, //
        },
    },
};
use kernel::{
    fs::File,
    prelude::*, //
};

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Read,
    Write,
    Except,
}

impl Direction {
    /// The poll events that matter; hanging up and errors always do.
    fn interest(self) -> u32 {
        match self {
            Self::Read => event::IN | event::READ_HANG_UP | event::URGENT,
            Self::Write => event::OUT,
            Self::Except => event::READ_HANG_UP | event::URGENT,
        }
    }

    /// Those after which there will be no more.
    fn end(self) -> u32 {
        match self {
            Self::Read | Self::Except => event::HANG_UP | event::READ_HANG_UP | event::ERROR,
            Self::Write => event::HANG_UP | event::ERROR,
        }
    }
}

/// Who is told that the state of the file may have changed.
struct Knock(Hook);

impl PollWatcher for Knock {
    fn woken(&self) {
        self.0.activate();
    }
}

impl FileWatcher for Knock {
    fn changed(&self, _event: &InodeEvent, _facts: InodeFacts) {
        self.0.activate();
    }

    fn released(&self) {
        self.0.file_released();
    }
}

/// A knote on a descriptor.
pub(super) struct Ready {
    _watch: FileWatch<Knock>,
    direction: Direction,
    kind: FileKind,
}

impl Filter for Ready {
    fn attach(adding: Adding<'_>, state: &mut State) -> Result<(Self, Activity), Errno> {
        let direction = match adding.change.filter {
            filter::READ => Direction::Read,
            filter::WRITE => Direction::Write,
            _ => Direction::Except,
        };
        let file = adding.file.ok_or(Errno::EBADF)?;
        let kind = FileKind::of(file);
        let interest = Interest {
            poll: direction.interest(),
            inode: match (kind, direction) {
                (FileKind::Stored, Direction::Read) => kind::MODIFY,
                _ => 0,
            },
        };
        let watches = TaskKqueues::file_watches(adding.context)?;
        let descriptor = Descriptor::of_ident(adding.change.ident)?;
        let knock = Knock(adding.hook);
        let (watch, events) = FileWatch::new(watches, file, descriptor, interest, knock)?;
        let ready = Self {
            _watch: watch,
            direction,
            kind,
        };
        let activity = ready.look(file, events, state, None);
        Ok((ready, activity))
    }

    fn touch(&mut self, change: &Kevent, asked: Asked<'_>) -> Result<Activity, Errno> {
        let Asked { state, file, .. } = asked;
        state.fflags = change.fflags;
        state.data = change.data;
        // The new low-water mark may be reached.
        Ok(match file {
            Some(file) => self.look(file, poll::events(file), state, None),
            None => Activity::Quiet,
        })
    }

    fn process(&mut self, event: &mut Kevent, asked: Asked<'_>) -> Activity {
        match asked.file {
            Some(file) => {
                let event = Some((event, asked.slot));
                self.look(file, poll::events(file), asked.state, event)
            }
            None => Activity::Quiet,
        }
    }
}

impl Ready {
    /// Whether there is something to report when these are the poll events; completes the event,
    /// which is going to be written to an address.
    fn look(
        &self,
        file: &File,
        events: u32,
        state: &State,
        event: Option<(&mut Kevent, UserAddr)>,
    ) -> Activity {
        let is_end = events & self.direction.end() != 0;
        let is_urgent = self.direction != Direction::Write && events & event::URGENT != 0;
        let is_ready = match self.direction {
            Direction::Read => events & event::IN != 0,
            Direction::Write => events & event::OUT != 0,
            Direction::Except => false,
        };
        if !is_end && !is_urgent && !is_ready {
            return Activity::Quiet;
        }
        let data = match self.direction {
            Direction::Write => fill::writable(file, self.kind),
            _ => match file::queued(file) {
                // CAST: Knotes are counted.
                Some(knotes) => knotes as i64,
                None => match (self.kind, &event) {
                    (FileKind::Device, Some((_, slot))) => fill::ask_readable(file, slot.0),
                    _ => fill::readable(file, self.kind),
                },
            },
        };
        let has_mark = state.fflags & descriptor::LOWAT != 0
            && matches!(self.kind, FileKind::Pipe | FileKind::Socket);
        if !is_end && !is_urgent && has_mark && data < state.data {
            return Activity::Quiet;
        }
        if let Some((event, _)) = event {
            event.data = data;
            if is_urgent {
                event.flags |= ev::FLAG1;
                event.fflags |= descriptor::OOB;
            }
            if is_end {
                event.flags |= ev::EOF;
                event.fflags = Errno::of_network(fill::pending_error(file, self.kind));
            }
        }
        Activity::Active
    }
}
