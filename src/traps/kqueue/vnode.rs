// SPDX-License-Identifier: GPL-2.0

//! The filter of what happens to a file or directory (ABI traps §10.4), told by Linux's fsnotify.
//!
//! | note | when |
//! |---|---|
//! | `NOTE_DELETE` | the last name is gone |
//! | `NOTE_WRITE` | the content has changed; of a directory, its names |
//! | `NOTE_EXTEND` | it has become larger |
//! | `NOTE_ATTRIB` | mode, owner, times or extended attributes have changed |
//! | `NOTE_LINK` | the number of names has changed; of a directory, a subdirectory came or went |
//! | `NOTE_RENAME` | it has another name |
//! | `NOTE_REVOKE` | its file system has ended, which an open file keeps from coming about |
//!
//! `NOTE_FUNLOCK` never comes: the kernel tells nobody of locks. That a directory was removed is an
//! event of the directory that it was in only; so that one is watched as well.
//!
//! Source of the behaviour: XNU bsd/vfs/vfs_vnops.c, `filt_vnode*`; bsd/vfs/kpi_vfs.c for which
//! operation gives which notes. Locks: none; watchers are told under those of `linux::file_watch`.

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
    task::TaskKqueues, //
};
use crate::{
    abi::kevent::{
        ev,
        vnode as note,
        Kevent, //
    },
    core::Context,
    linux::{
        file_watch::{
            Descriptor,
            FileWatch,
            FileWatcher,
            Interest, //
        },
        inode_events::{
            kind,
            InodeEvent,
            InodeFacts, //
        },
        parent_watch::{
            ParentWatch,
            ParentWatcher, //
        },
        peek::Peek,
        poll::PollWatcher, //
    },
};
use kernel::{
    fs::File,
    prelude::*,
    sync::{
        atomic::{
            ordering::{Full, Relaxed},
            Atomic, //
        },
        Arc, //
    },
};

/// All that may happen.
const ALL: u32 = kind::MODIFY
    | kind::ATTRIB
    | kind::CREATE
    | kind::DELETE
    | kind::MOVED_FROM
    | kind::MOVED_TO
    | kind::DELETE_SELF
    | kind::MOVE_SELF
    | kind::UNMOUNT;

/// What has happened, and is to be reported.
struct Changes {
    hook: Hook,
    /// The notes that the client wants.
    wanted: Atomic<u32>,
    /// Those that have come since they were last reported.
    seen: Atomic<u32>,
    size: Atomic<i64>,
    links: Atomic<u32>,
    /// Whether it has been moved, and may be in another directory.
    moved: Atomic<bool>,
}

impl Changes {
    fn note(&self, notes: u32) {
        let wanted = notes & self.wanted.peek();
        if wanted != 0 {
            let mut seen = self.seen.load(Relaxed);
            while let Err(other) = self.seen.cmpxchg(seen, seen | wanted, Full) {
                seen = other;
            }
            self.hook.activate();
        }
    }

    /// The notes that stand for an event, after which the file is as `facts` say.
    fn notes_of(&self, event: &InodeEvent, facts: InodeFacts) -> u32 {
        const NAMES: u32 = kind::CREATE | kind::DELETE | kind::MOVED_FROM | kind::MOVED_TO;

        let mask = event.mask();
        let links = self.links.xchg(facts.links, Relaxed);
        let has_relinked = links != facts.links;
        let mut notes = 0;
        if mask & kind::MODIFY != 0 {
            notes |= note::WRITE;
            if self.size.xchg(facts.size, Relaxed) < facts.size {
                notes |= note::EXTEND;
            }
        }
        if mask & kind::ATTRIB != 0 {
            notes |= match has_relinked {
                true => note::LINK,
                false => note::ATTRIB,
            };
            if has_relinked && facts.links == 0 {
                notes |= note::DELETE;
            }
        }
        if mask & NAMES != 0 {
            notes |= note::WRITE;
            let is_made_or_gone = mask & (kind::CREATE | kind::DELETE) != 0;
            if mask & kind::IS_DIR != 0 && (is_made_or_gone || has_relinked) {
                notes |= note::LINK;
            }
        }
        if mask & kind::DELETE_SELF != 0 {
            notes |= note::DELETE;
        }
        if mask & kind::MOVE_SELF != 0 {
            notes |= note::RENAME;
        }
        if mask & kind::UNMOUNT != 0 {
            notes |= note::REVOKE;
        }
        notes
    }
}

/// Who is told of them.
struct Noter(Arc<Changes>);

impl PollWatcher for Noter {
    fn woken(&self) {}
}

impl FileWatcher for Noter {
    fn changed(&self, event: &InodeEvent, facts: InodeFacts) {
        let changes = &self.0;
        changes.note(changes.notes_of(event, facts));
        if event.mask() & kind::MOVE_SELF != 0 {
            changes.moved.store(true, Relaxed);
            // To look for its directory.
            changes.hook.activate();
        }
    }

    fn released(&self) {
        self.0.hook.file_released();
    }
}

/// A directory was removed.
impl ParentWatcher for Changes {
    fn removed(&self) {
        self.note(note::DELETE | note::LINK);
    }
}

/// A knote on a file or directory.
pub(super) struct Vnode {
    /// Of a directory.
    parent: Option<ParentWatch<Changes>>,
    _watch: FileWatch<Noter>,
    changes: Arc<Changes>,
}

impl Filter for Vnode {
    fn attach(adding: Adding<'_>, state: &mut State) -> Result<(Self, Activity), Errno> {
        let file = adding.file.ok_or(Errno::EBADF)?;
        let facts = InodeFacts::of_named(file).ok_or(Errno::EINVAL)?;
        let changes = Arc::new(
            Changes {
                hook: adding.hook,
                wanted: Atomic::new(state.fflags),
                seen: Atomic::new(0),
                size: Atomic::new(facts.size),
                links: Atomic::new(facts.links),
                moved: Atomic::new(false),
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        let watches = TaskKqueues::file_watches(adding.context)?;
        let descriptor = Descriptor::of_ident(adding.change.ident)?;
        let interest = Interest {
            poll: 0,
            inode: ALL,
        };
        let noter = Noter(changes.clone());
        let (watch, _) = FileWatch::new(watches, file, descriptor, interest, noter)?;
        let parent = ParentWatch::new(watches, file, &changes)?;
        let vnode = Self {
            parent,
            _watch: watch,
            changes,
        };
        Ok((vnode, Activity::Quiet))
    }

    fn touch(&mut self, change: &Kevent, asked: Asked<'_>) -> Result<Activity, Errno> {
        let state = asked.state;
        state.fflags = change.fflags;
        state.data = change.data;
        self.changes.wanted.store(change.fflags, Relaxed);
        Ok(Activity::of(self.changes.seen.peek() & change.fflags != 0))
    }

    fn process(&mut self, event: &mut Kevent, asked: Asked<'_>) -> Activity {
        if let (true, Some(file)) = (self.changes.moved.xchg(false, Full), asked.file) {
            self.follow(file, asked.context);
        }
        let seen = match asked.state.flags & ev::CLEAR {
            0 => self.changes.seen.load(Relaxed),
            _ => self.changes.seen.xchg(0, Full),
        };
        event.fflags = seen & asked.state.fflags;
        if event.fflags & note::REVOKE != 0 {
            event.flags |= ev::EOF | ev::ONESHOT;
        }
        Activity::of(event.fflags != 0)
    }
}

impl Vnode {
    /// Watches the directory in which it is now. Should there be no memory for that, its removal
    /// is not told; the event that has come is more important.
    fn follow(&mut self, file: &File, context: &Context<'_>) {
        let parent = TaskKqueues::file_watches(context)
            .and_then(|watches| ParentWatch::new(watches, file, &self.changes));
        if let Ok(parent) = parent {
            self.parent = parent;
        }
    }
}
