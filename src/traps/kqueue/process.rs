// SPDX-License-Identifier: GPL-2.0

//! The filter of what happens to a process (ABI traps §10.4): it forks, runs another image, exits.
//!
//! The processes are those that use Mach, and their children from the start. That one lives, forks and
//! ends is no secret; how it ended is told to those who might control it.
//!
//! Source of the behaviour: XNU bsd/kern/kern_event.c, `filt_proc*`. Locks: none; events are told
//! under those of `core::watch`.

use super::{
    errno::Errno,
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
};
use crate::{
    abi::kevent::{
        ev,
        process as note,
        Kevent, //
    },
    core::{
        ProcessEvent,
        ProcessWatcher,
        Watch, //
    },
    linux::{
        access,
        peek::Peek,
        process::ProcessId, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::{Full, Relaxed, Release},
            Atomic, //
        },
        Arc, //
    },
};

/// That the process is no more, among the notes: a bit that no client can ask for.
const ENDED: u32 = note::TRACK;

/// What has happened to the process.
struct Life {
    hook: Hook,
    /// The notes that the client wants.
    wanted: Atomic<u32>,
    /// Those that have come since they were last reported, and [`ENDED`].
    seen: Atomic<u32>,
    /// How it ended, as wait(2) tells it.
    status: Atomic<u32>,
}

impl Life {
    /// Something has happened that `note` tells, if it is wanted, and `mark` in any case.
    fn note(&self, note: u32, mark: u32) {
        let wanted = self.wanted.peek() & note;
        if wanted | mark == 0 {
            return;
        }
        let mut seen = self.seen.load(Relaxed);
        while let Err(other) = self.seen.cmpxchg(seen, seen | wanted | mark, Full) {
            seen = other;
        }
        if wanted != 0 {
            self.hook.activate();
        }
    }
}

impl ProcessWatcher for Life {
    fn notify(&self, _process: &ProcessId, event: ProcessEvent<'_>) {
        match event {
            ProcessEvent::Forked(_) => self.note(note::FORK, 0),
            ProcessEvent::Replaced => self.note(note::EXEC, 0),
            ProcessEvent::Exited(status) => {
                self.status.store(status, Release);
                self.note(note::EXIT, ENDED);
            }
            // That its parent has taken note has not been told for long on macOS either.
            ProcessEvent::Reaped => {}
        }
    }
}

/// A knote on a process.
pub(super) struct Process {
    process: ProcessId,
    _watch: Watch,
    life: Arc<Life>,
}

/// Whether what is asked for can be told of the process to the caller.
fn check(process: &ProcessId, notes: u32) -> Result<(), Errno> {
    const HOW_IT_ENDED: u32 = note::EXIT | note::EXITSTATUS;

    if notes & (note::TRACK | note::CHILD) != 0 {
        return Err(Errno::ENOTSUP);
    }
    if notes & HOW_IT_ENDED == HOW_IT_ENDED {
        access::controlled_mm(process).map_err(|error| match error {
            _ if error == EPERM => Errno::EACCES,
            _ => error.into(),
        })?;
    }
    Ok(())
}

impl Filter for Process {
    fn attach(adding: Adding<'_>, state: &mut State) -> Result<(Self, Activity), Errno> {
        let mach = adding.context.mach();
        let number = u32::try_from(adding.change.ident).map_err(|_| Errno::ESRCH)?;
        let process = ProcessId::from_current_ns(number)
            .filter(|process| mach.knows(process))
            .ok_or(Errno::ESRCH)?;
        check(&process, state.fflags)?;
        state.flags |= ev::CLEAR;
        let life = Arc::new(
            Life {
                hook: adding.hook,
                wanted: Atomic::new(state.fflags),
                seen: Atomic::new(0),
                status: Atomic::new(0),
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        let watch = mach.watch_process(&process, life.clone())?;
        let knote = Self {
            process,
            _watch: watch,
            life,
        };
        Ok((knote, Activity::Quiet))
    }

    fn touch(&mut self, change: &Kevent, asked: Asked<'_>) -> Result<Activity, Errno> {
        let state = asked.state;
        check(&self.process, change.fflags)?;
        state.fflags = change.fflags;
        state.data = change.data;
        self.life.wanted.store(change.fflags, Relaxed);
        Ok(Activity::of(self.life.seen.peek() & change.fflags != 0))
    }

    fn process(&mut self, event: &mut Kevent, asked: Asked<'_>) -> Activity {
        let state = asked.state;
        let seen = self.life.seen.xchg(0, Full);
        event.fflags = seen & state.fflags;
        if seen & ENDED != 0 {
            // Whatever is told now is the last, also if the end is not wanted.
            event.flags |= ev::EOF | ev::ONESHOT;
        }
        if event.fflags & note::EXIT != 0 && state.fflags & note::EXITSTATUS != 0 {
            event.fflags |= note::EXITSTATUS;
            event.data = (self.life.status.peek_acquire() & note::DATA_MASK).into();
        }
        Activity::of(event.fflags != 0)
    }
}
