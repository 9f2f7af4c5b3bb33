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
//!   They are held, and looked at every second: the reference is given up when the descriptor
//!   does not refer to the file any more. Hardly any of them has another end that waits.
//!
//! That a descriptor was closed while others still refer to its file, the kernel tells nobody. It is
//! for the watch's owner to compare when he has something to report, and to drop the watch.
//!
//! Locks: `FileWatches::held` (mutex), then `Inner::state` (spinlock), then those of wait queues,
//! with interrupts off, then those of the watcher. Files, watchers and places are dropped without.
//!
//! C headers: [`include/linux/fsnotify.h`](srctree/include/linux/fsnotify.h),
//! [`include/linux/file.h`](srctree/include/linux/file.h)

use super::{
    alarm::{
        Alarm,
        Alarmed, //
    },
    deferred::{
        Deferred,
        Job, //
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
    peek::Peek,
    poll::{
        self,
        Places,
        PollWatcher, //
    },
    process::ProcessId,
    process_threads::find_in_threads,
    wait::Deadline, //
};
use core::{
    mem,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    bindings,
    fs::File,
    new_mutex, new_spinlock,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc,
        Mutex,
        SpinLock, //
    },
};

/// How often files that are held are looked at, in nanoseconds.
const LOOK_NS: u64 = 1_000_000_000;

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

/// A descriptor of the current process.
#[derive(Clone, Copy)]
pub(crate) struct Descriptor(u32);

impl Descriptor {
    /// The descriptor whose number is `ident`. `EBADF`.
    pub(crate) fn of_ident(ident: u64) -> Result<Self> {
        Ok(Self(u32::try_from(ident).map_err(|_| EBADF)?))
    }
}

/// Makes watches.
#[pin_data]
pub(crate) struct FileWatches {
    events: InodeEvents,
    #[pin]
    alarm: Alarm<Deferred<Held>>,
}

impl FileWatches {
    /// Fails with `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let events = InodeEvents::new()?;
        let held = pin_init!(Held {
            count: Atomic::new(0),
            list <- new_mutex!(KVec::new(), "FileWatches::held"),
        });
        let held = Deferred::new(held, GFP_KERNEL)?;
        Arc::pin_init(
            pin_init!(Self {
                events,
                alarm <- Alarm::new(held),
            }),
            GFP_KERNEL,
        )
    }

    /// What makes marks on inodes.
    pub(crate) fn inode_events(&self) -> &InodeEvents {
        &self.events
    }

    fn hold(&self, watch: Arc<dyn Holder>) -> Result {
        let held = self.alarm.job();
        let mut list = held.list.lock();
        list.push(watch, GFP_KERNEL_ACCOUNT)?;
        let count = held.count.load(Relaxed);
        held.count.store(count.wrapping_add(1), Relaxed);
        if count == 0 {
            // It may have one expiry to come since the list became empty.
            self.alarm.cancel();
            self.alarm.set(Deadline::after(LOOK_NS));
        }
        Ok(())
    }

    fn let_go(&self, watch: *const ()) {
        let held = self.alarm.job();
        let mut list = held.list.lock();
        let found = list
            .iter()
            .position(|other| ptr::addr_eq(Arc::as_ptr(other), watch));
        let removed = found.and_then(|position| list.remove(position).ok());
        held.count.store(list.len(), Relaxed);
        drop(list);
        drop(removed);
    }
}

/// The watches that hold their files.
#[pin_data]
struct Held {
    /// How many, to be asked without the lock.
    count: Atomic<usize>,
    #[pin]
    list: Mutex<KVec<Arc<dyn Holder>>>,
}

/// A watch that holds its file.
trait Holder: Send + Sync {
    /// Gives the file up if the descriptor does not refer to it any more. May sleep.
    fn look(&self);
}

impl Job for Held {
    fn run(&self) {
        for watch in self.list.lock().iter() {
            watch.look();
        }
    }
}

impl Alarmed for Held {
    fn note_expiry(&self) -> Option<u64> {
        (self.count.peek() != 0).then_some(LOOK_NS)
    }
}

/// How a watch has its file.
enum Hold {
    /// Not at all: we are told before it is gone.
    Told,
    /// By a reference, for this descriptor of this process.
    Reference(ARef<File>, ProcessId, Descriptor),
    /// No more.
    Released,
}

struct State<W: PollWatcher> {
    hold: Hold,
    places: Places<W>,
    watcher: Option<Arc<W>>,
}

/// What a watch shares with those who tell it.
///
/// # Invariants
///
/// Unless `State::hold` is `Released`, `file` is a file whose release has not gone past its event.
#[pin_data]
struct Inner<W: PollWatcher> {
    file: NonNull<bindings::file>,
    #[pin]
    state: SpinLock<State<W>>,
}

// SAFETY: The file is used as its own rules allow, or only its address.
unsafe impl<W: FileWatcher> Send for Inner<W> {}

// SAFETY: As above.
unsafe impl<W: FileWatcher> Sync for Inner<W> {}

impl<W: FileWatcher> Inner<W> {
    /// Ends the watch; tells the watcher so if `tell`. Afterwards the watcher is told nothing.
    fn end(&self, tell: bool) {
        let mut state = self.state.lock();
        // Under the lock: whoever comes next may rely on it that the queues have been left.
        state.places.leave();
        let hold = mem::replace(&mut state.hold, Hold::Released);
        let places = mem::replace(&mut state.places, Places::none());
        let watcher = state.watcher.take();
        if let (true, Some(watcher)) = (tell, &watcher) {
            watcher.released();
        }
        drop(state);
        drop((hold, places, watcher));
    }
}

impl<W: FileWatcher> InodeWatcher for Inner<W> {
    fn notify(&self, event: &InodeEvent) {
        if event.is_release_of(self.file.as_ptr()) {
            self.end(true);
            return;
        }
        let state = self.state.lock();
        if let (Some(watcher), Hold::Told) = (&state.watcher, &state.hold) {
            // SAFETY: By the invariants, as long as the lock is held.
            watcher.changed(event, unsafe { InodeFacts::of_raw(self.file.as_ptr()) });
        }
    }
}

impl<W: FileWatcher> Holder for Inner<W> {
    fn look(&self) {
        let state = self.state.lock();
        let Hold::Reference(_, process, descriptor) = &state.hold else {
            return;
        };
        let (process, descriptor) = (process.clone(), *descriptor);
        drop(state);
        if !refers_to(&process, descriptor, self.file) {
            self.end(true);
        }
    }
}

/// Whether the descriptor of the process refers to the file at `file`.
fn refers_to(process: &ProcessId, descriptor: Descriptor, file: NonNull<bindings::file>) -> bool {
    find_in_threads(process, |thread| {
        let mut number = descriptor.0;
        // SAFETY: The thread is valid; the function takes the lock that keeps its table.
        let found = unsafe { bindings::fget_task_next(thread.as_ptr(), &raw mut number) };
        // A thread that ends has no table any more: then another one is asked.
        let found = NonNull::new(found)?;
        // SAFETY: The reference is ours.
        unsafe { bindings::fput(found.as_ptr()) };
        Some(number == descriptor.0 && found == file)
    })
    .unwrap_or(false)
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
    /// before this returns.
    ///
    /// Fails with `ENOMEM`, or with `EINVAL` if events of the inode are asked for and there are none.
    pub(crate) fn new(
        watches: &Arc<FileWatches>,
        file: &File,
        descriptor: Descriptor,
        interest: Interest,
        watcher: Arc<W>,
    ) -> Result<Self> {
        let raw = NonNull::new(file.as_ptr()).ok_or(EBADF)?;
        let told = Some(watcher.clone());
        let inner = Arc::pin_init(
            pin_init!(Inner {
                file: raw,
                state <- new_spinlock!(
                    State {
                        hold: Hold::Told,
                        places: Places::none(),
                        watcher: told,
                    },
                    "FileWatch::state"
                ),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        let mut watch = Self {
            inner,
            mark: None,
            held_by: None,
        };
        watch.mark(watches, file, descriptor, interest.inode)?;
        if interest.poll == 0 {
            return Ok(watch);
        }
        // SAFETY: The caller has a reference to the file. When it is gone either the mark tells
        // `Inner::notify` of the release, before that begins, or `Hold::Reference` is there. Both,
        // and dropping the watch, end in `Inner::end`, which leaves the queues.
        let mut places = unsafe { Places::take(file, interest.poll, &watcher) }?;
        let mut state = watch.inner.state.lock();
        if matches!(state.hold, Hold::Released) {
            // The descriptor was closed meanwhile, and that has been seen.
            drop(state);
            places.leave();
            return Err(EBADF);
        }
        state.places = places;
        drop(state);
        Ok(watch)
    }

    /// Sees to it that the watch ends before the file does.
    fn mark(
        &mut self,
        watches: &Arc<FileWatches>,
        file: &File,
        descriptor: Descriptor,
        inode: u32,
    ) -> Result {
        if inode_events::tells_release(file) {
            let mask = kind::CLOSE | inode;
            match watches.events.mark(file, mask, self.inner.clone()) {
                Ok(mark) => {
                    self.mark = Some(mark);
                    return Ok(());
                }
                // The file system does not take part.
                Err(error) if error == EINVAL => {}
                Err(error) => return Err(error),
            }
        }
        if inode != 0 {
            return Err(EINVAL);
        }
        let hold = Hold::Reference(ARef::from(file), ProcessId::current(), descriptor);
        self.inner.state.lock().hold = hold;
        watches.hold(self.inner.clone())?;
        self.held_by = Some(watches.clone());
        Ok(())
    }

    /// The file, unless it is gone.
    pub(crate) fn file(&self) -> Option<ARef<File>> {
        let state = self.inner.state.lock();
        match &state.hold {
            Hold::Reference(file, ..) => Some(file.clone()),
            Hold::Told => {
                let mut file = self.inner.file.as_ptr();
                // SAFETY: By the invariants the file is there as long as the lock is held. It may
                // have no reference left, and the function takes none then.
                let file = NonNull::new(unsafe { bindings::get_file_active(&raw mut file) })?;
                // SAFETY: The reference is ours. Nobody here uses the file's position.
                Some(unsafe { ARef::from_raw(file.cast::<File>()) })
            }
            Hold::Released => None,
        }
    }

    /// The events of the file now; see [`poll::events`].
    pub(crate) fn poll(file: &File) -> u32 {
        poll::events(file)
    }
}

impl<W: FileWatcher> Drop for FileWatch<W> {
    fn drop(&mut self) {
        self.inner.end(false);
        if let Some(watches) = self.held_by.take() {
            watches.let_go(Arc::as_ptr(&self.inner).cast());
        }
        // The mark goes after that, as a field.
    }
}
