// SPDX-License-Identifier: GPL-2.0

//! Watching a file that a descriptor refers to, without keeping it open.
//!
//! Serves kqueues, whose interest in a descriptor ends when that is closed. A reference to the file
//! would keep it open: the other end of a pipe or socket would not see it closed. But who waits in a
//! queue of a file has to leave it before the file is released. Epoll has a hook for that in the
//! kernel; modules have these:
//!
//! * The release of most files is an event of fsnotify, which comes before the file's own release
//!   begins: pipes, sockets, FIFOs, terminals, devices, files and directories. Of these no reference
//!   is held. At the event the watch leaves the file's queues, and the thread that releases the file
//!   goes on after that.
//! * Files of anonymous inodes (eventfd, timerfd, epoll, kqueue) and `/dev/ptmx` have no events.
//!   They are held, and looked at every second ([`held_files`](super::held_files)): the reference is
//!   given up when the descriptor does not refer to the file any more. Hardly any of them has another
//!   end that waits.
//!
//! That a descriptor was closed while others still refer to its file, the kernel tells nobody. It is
//! for the watch's owner to compare when he has something to report, and to drop the watch.
//!
//! Locks: those of [`held_files`](super::held_files), then `Inner::hold` (spinlock), then those of
//! wait queues, with interrupts off, then those of the watcher. Files and watchers are dropped without.
//!
//! C headers: [`include/linux/fsnotify.h`](srctree/include/linux/fsnotify.h),
//! [`include/linux/file.h`](srctree/include/linux/file.h)

pub(crate) use super::held_files::Descriptor;

use super::{
    held_files::{
        refers_to,
        HeldFiles,
        Holder, //
    },
    inode_events::{
        self,
        kind,
        InodeEvent,
        InodeEvents,
        InodeFacts,
        InodeMark,
        InodeWatcher, //
    },
    poll::{
        Places,
        PollWatcher, //
    },
    process::ProcessId,
    roster::{
        Member,
        Seat, //
    },
};
use core::{
    mem,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    fs::File,
    new_spinlock,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        SpinLock, //
    },
};

/// Who wants to know of a file.
pub(crate) trait FileWatcher: PollWatcher {
    /// Something has happened to the file's inode, of the kinds that were asked for. Called with a
    /// spinlock held, interrupts on: must not sleep.
    fn changed(&self, _event: &InodeEvent, _facts: InodeFacts) {}

    /// The file is gone, or the descriptor refers to another one. That was the last call. Called as
    /// [`changed`](Self::changed) is.
    fn released(&self);
}

/// What is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Interest {
    /// Events of [`poll::event`]; 0 to ask for none.
    pub(crate) poll: u32,
    /// Events of [`kind`]; 0 to ask for none.
    pub(crate) inode: u32,
}

/// Makes watches.
#[pin_data]
pub(crate) struct FileWatches {
    events: InodeEvents,
    #[pin]
    held: HeldFiles,
}

impl FileWatches {
    /// Fails with `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let events = InodeEvents::new()?;
        Arc::try_pin_init(
            try_pin_init!(Self {
                events,
                held <- HeldFiles::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// What makes marks on inodes.
    pub(crate) fn inode_events(&self) -> &InodeEvents {
        &self.events
    }
}

/// How a watch has its file.
enum Hold {
    /// Not at all: we are told before it is gone.
    Told,
    /// By a reference, for this descriptor of this process.
    Reference {
        _file: ARef<File>,
        process: ProcessId,
        descriptor: Descriptor,
    },
    /// No more.
    Released,
}

impl Hold {
    fn of(file: &File, descriptor: Descriptor) -> Self {
        Self::Reference {
            _file: ARef::from(file),
            process: ProcessId::current(),
            descriptor,
        }
    }
}

/// What a watch shares with those who tell it.
///
/// # Invariants
///
/// Unless `hold` is `Released`, `file` is a file whose release has not gone past its event, and
/// `places` have not been given up.
#[pin_data]
struct Inner<W: FileWatcher> {
    file: NonNull<bindings::file>,
    seat: Seat,
    #[pin]
    hold: SpinLock<Hold>,
    #[pin]
    places: Places<W>,
}

// SAFETY: The file is used as its own rules allow, or only its address.
unsafe impl<W: FileWatcher> Send for Inner<W> {}

// SAFETY: As above.
unsafe impl<W: FileWatcher> Sync for Inner<W> {}

impl<W: FileWatcher> Inner<W> {
    /// Ends the watch; tells the watcher so if `tell`. Afterwards the watcher is told nothing.
    fn end(&self, tell: bool) {
        let mut hold = self.hold.lock();
        // Under the lock: whoever comes next may rely on it that the queues have been left.
        // SAFETY: The functions of the places are called with the lock held, but for `take`, which
        // is over when a watch can be ended.
        let watcher = unsafe { self.places.leave() };
        // INVARIANT: It is the end.
        let was = mem::replace(&mut *hold, Hold::Released);
        if let (true, Some(watcher)) = (tell, &watcher) {
            watcher.released();
        }
        drop(hold);
        drop((was, watcher));
    }
}

impl<W: FileWatcher> InodeWatcher for Inner<W> {
    fn notify(&self, event: &InodeEvent) {
        if event.is_release_of(self.file.as_ptr()) {
            self.end(true);
            return;
        }
        let hold = self.hold.lock();
        // SAFETY: The lock is held as long as the watcher is used.
        if let (Hold::Told, Some(watcher)) = (&*hold, unsafe { self.places.watcher() }) {
            // SAFETY: By the invariants, as long as the lock is held.
            watcher.changed(event, unsafe { InodeFacts::of_raw(self.file.as_ptr()) });
        }
    }
}

impl<W: FileWatcher> Member for Inner<W> {
    fn seat(&self) -> &Seat {
        &self.seat
    }
}

impl<W: FileWatcher> Holder for Inner<W> {
    fn look(&self) {
        let hold = self.hold.lock();
        let Hold::Reference {
            process,
            descriptor,
            ..
        } = &*hold
        else {
            return;
        };
        let (process, descriptor) = (process.clone(), *descriptor);
        drop(hold);
        if !refers_to(&process, descriptor, self.file) {
            self.end(true);
        }
    }
}

/// A watch of a file. Dropping it ends it: the watcher is not told any more then, and no call is
/// going on. May sleep.
pub(crate) struct FileWatch<W: FileWatcher> {
    inner: Arc<Inner<W>>,
    mark: Option<InodeMark>,
    /// Set when the file is held.
    held_by: Option<Arc<FileWatches>>,
}

impl<W: FileWatcher> FileWatch<W> {
    /// Watches `file`, to which `descriptor` of the current process refers. The watcher may be told
    /// before this returns. Tells the poll events that there are, if such are asked for.
    ///
    /// Events of the inode that cannot be had are done without if poll events are asked for as well.
    /// Fails with `ENOMEM`, or with `EINVAL` if there is nothing else.
    pub(crate) fn new(
        watches: &Arc<FileWatches>,
        file: &File,
        descriptor: Descriptor,
        interest: Interest,
        watcher: W,
    ) -> Result<(Self, u32)> {
        let raw = NonNull::new(file.as_ptr()).ok_or(EBADF)?;
        let tells_release = inode_events::tells_release(file);
        let hold = match tells_release {
            true => Hold::Told,
            false => Hold::of(file, descriptor),
        };
        // INVARIANT: The caller has a reference to the file. When it is gone either the mark tells
        // `Inner::notify` of the release, before that begins, or `Hold::Reference` is there; `end`
        // follows from both.
        let inner = Arc::pin_init(
            pin_init!(Inner {
                file: raw,
                seat: Seat::new(),
                hold <- new_spinlock!(hold, "FileWatch::hold"),
                places <- Places::new(watcher),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        let mut watch = Self {
            inner,
            mark: None,
            held_by: None,
        };
        let events = match interest.poll {
            0 => 0,
            // SAFETY: Nobody else knows of the watch yet. By the invariants, and as dropping it
            // ends it, `Inner::end` leaves the queues in time.
            events => unsafe { watch.places().take(file, events) }?,
        };
        if tells_release && watch.mark(watches, file, interest)? {
            return Ok((watch, events));
        }
        if interest.poll == 0 {
            return Err(EINVAL);
        }
        if tells_release {
            *watch.inner.hold.lock() = Hold::of(file, descriptor);
        }
        watches.held.add(watch.inner.clone())?;
        watch.held_by = Some(watches.clone());
        Ok((watch, events))
    }

    fn places(&self) -> Pin<&Places<W>> {
        // SAFETY: What an `Arc` refers to that was made by `pin_init` does not move.
        unsafe { Pin::new_unchecked(&self.inner.places) }
    }

    /// Has the watch told of the file's release, and what else is asked for. False if the file
    /// system does not take part.
    fn mark(&mut self, watches: &FileWatches, file: &File, interest: Interest) -> Result<bool> {
        let mask = kind::CLOSE | interest.inode;
        match watches.events.mark(file, mask, self.inner.clone()) {
            Ok(mark) => self.mark = Some(mark),
            Err(error) if error == EINVAL => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

impl<W: FileWatcher> Drop for FileWatch<W> {
    fn drop(&mut self) {
        self.inner.end(false);
        if let Some(watches) = self.held_by.take() {
            watches.held.remove(&*self.inner);
        }
        // The mark goes after that, as a field.
    }
}
