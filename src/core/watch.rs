// SPDX-License-Identifier: GPL-2.0

//! Who wants to know of the life of a process: it forked, was replaced by another image, exited,
//! was reaped.
//!
//! Serves subsystems that tell their clients (ABI lifecycle §9): they subscribe with
//! [`Mach::watch_process`], for any process, with or without a task. The events are Linux's own:
//! a fork is told when it happens, not at the child's first trap; a replacement when the new image
//! is in place, whatever its format; an exit however it comes about.
//!
//! Reaping is seen late, when the kernel frees the memory of the dead process, and told by a
//! kernel thread.
//!
//! Locks: `insert` (mutex, after `Mach::birth`), then the lock of `living`; `Watched::watchers` is held
//! while watchers are told, so what they take comes after it. `exited` and `Watched::next` are taken
//! together, in this order. All but the first are taken in probes.

use super::{
    object::Live,
    process_table::{
        OfProcess,
        ProcessTable, //
    },
    Mach,
    ObjectCounter, //
};
use crate::linux::{
    deferred::Job,
    process::ProcessId, //
};
use kernel::{
    new_mutex, new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc,
        Mutex,
        SpinLock, //
    },
};

pub(super) static WATCHES: ObjectCounter = ObjectCounter::new("process_watches");

/// What has happened to a process.
#[derive(Clone, Copy)]
pub(crate) enum ProcessEvent<'a> {
    /// It has forked this process, which has not run yet.
    Forked(&'a ProcessId),
    /// It runs another image now.
    Replaced,
    /// It has exited, with this status as wait(2) tells it.
    Exited(u32),
    /// Its parent has taken note, and its number is free. The last event.
    Reaped,
}

/// Who wants to know.
pub(crate) trait ProcessWatcher: Send + Sync + 'static {
    /// `process` is no longer what it was.
    ///
    /// Called with a spinlock held, mostly in the context of the process: it must not sleep, and
    /// must not start or end a watch. Events of one process come one after the other and in order.
    fn notify(&self, process: &ProcessId, event: ProcessEvent<'_>);
}

/// A subscription. Dropping it ends it: once it is dropped, no call is going on.
pub(crate) struct Watch {
    watched: Arc<Watched>,
    watcher: Arc<dyn ProcessWatcher>,
    _live: Live,
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Dropped without the lock, as it may be the last reference.
        let _watcher = self.watched.remove(&self.watcher);
    }
}

/// A process that somebody watches.
#[pin_data]
pub(super) struct Watched {
    process: ProcessId,
    #[pin]
    watchers: SpinLock<Watchers>,
    /// The next one in `Watches::exited`.
    #[pin]
    next: SpinLock<Option<Arc<Watched>>>,
}

/// Who watches a process: mostly one.
struct Watchers {
    first: Option<Arc<dyn ProcessWatcher>>,
    others: KVec<Arc<dyn ProcessWatcher>>,
}

impl Watchers {
    fn iter(&self) -> impl Iterator<Item = &Arc<dyn ProcessWatcher>> {
        Iterator::chain(self.first.iter(), &self.others)
    }
}

impl OfProcess for Watched {
    fn process(&self) -> &ProcessId {
        &self.process
    }
}

fn is_same(a: &Arc<dyn ProcessWatcher>, b: &Arc<dyn ProcessWatcher>) -> bool {
    core::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b))
}

impl Watched {
    fn new(process: &ProcessId) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                process: process.clone(),
                watchers <- new_spinlock!(
                    Watchers { first: None, others: KVec::new() },
                    "Watched::watchers"
                ),
                next <- new_spinlock!(None, "Watched::next"),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    fn is_empty(&self) -> bool {
        self.watchers.lock().iter().next().is_none()
    }

    fn tell(&self, event: ProcessEvent<'_>) {
        for watcher in self.watchers.lock().iter() {
            watcher.notify(&self.process, event);
        }
    }

    /// Adds a watcher, unless it is one already. Fails with `ENOMEM`.
    fn add(&self, watcher: Arc<dyn ProcessWatcher>) -> Result {
        let mut watchers = self.watchers.lock();
        if watchers.iter().any(|other| is_same(other, &watcher)) {
            drop(watchers);
            return Ok(());
        }
        if watchers.first.is_none() {
            watchers.first = Some(watcher);
            return Ok(());
        }
        Ok(watchers.others.push(watcher, GFP_ATOMIC)?)
    }

    fn remove(&self, watcher: &Arc<dyn ProcessWatcher>) -> Option<Arc<dyn ProcessWatcher>> {
        let mut watchers = self.watchers.lock();
        let first = watchers.first.take_if(|first| is_same(first, watcher));
        if first.is_some() {
            return first;
        }
        let others = &mut watchers.others;
        let position = others.iter().position(|other| is_same(other, watcher))?;
        others.remove(position).ok()
    }
}

/// All watched processes.
#[pin_data(PinnedDrop)]
pub(super) struct Watches {
    /// Those that have not exited.
    #[pin]
    living: ProcessTable<Watched>,
    /// Held while a process gets into `living`.
    #[pin]
    insert: Mutex<()>,
    /// The first of those that have exited and not been reaped, as far as is known.
    #[pin]
    exited: SpinLock<Option<Arc<Watched>>>,
    /// How many these are, to be asked without the lock.
    exited_count: Atomic<usize>,
}

impl Watches {
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            living <- ProcessTable::new(),
            insert <- new_mutex!((), "Watches::insert"),
            exited <- new_spinlock!(None, "Watches::exited"),
            exited_count: Atomic::new(0),
        }? Error)
    }

    /// The entry of `process`, made if there is none. `insert` is held.
    fn find_or_add(&self, process: &ProcessId) -> Result<Arc<Watched>> {
        if let Some(watched) = self.living.get(process) {
            return Ok(watched);
        }
        let watched = Watched::new(process)?;
        let previous = self.living.insert(watched.clone(), GFP_KERNEL)?;
        // A process leaves the table before its number can be used again.
        debug_assert!(previous.is_none());
        Ok(watched)
    }

    /// Tells `watcher` of `process` until that is reaped. `ESRCH` if it has exited.
    pub(super) fn keep(
        &self,
        process: &ProcessId,
        watcher: Arc<dyn ProcessWatcher>,
    ) -> Result<Arc<Watched>> {
        let _insert = self.insert.lock();
        let watched = self.find_or_add(process)?;
        watched.add(watcher.clone())?;
        // A process that exits meanwhile may have been looked for before it was in the table. If
        // so, there is nobody else in the entry, who came when the process was alive.
        let lost = || {
            self.living
                .get(process)
                .is_some_and(|w| Arc::ptr_eq(&w, &watched))
        };
        if process.is_dead() && lost() {
            let _watcher = watched.remove(&watcher);
            if watched.is_empty() {
                let _watched = self.living.remove(process);
            }
            return Err(ESRCH);
        }
        Ok(watched)
    }

    /// Tells of an event of the current process. Does not sleep.
    pub(super) fn tell(&self, event: ProcessEvent<'_>) {
        if let Some(watched) = self.living.get(&ProcessId::current()) {
            watched.tell(event);
        }
    }

    /// Tells that the current process exits. Does not sleep.
    pub(super) fn tell_exit(&self, status: u32) {
        let Some(watched) = self.living.remove(&ProcessId::current()) else {
            return;
        };
        watched.tell(ProcessEvent::Exited(status));
        let mut exited = self.exited.lock();
        *watched.next.lock() = exited.take();
        *exited = Some(watched);
        self.exited_count.add(1, Relaxed);
    }

    /// Whether a process that has exited is still to be reaped. May be called in any context.
    pub(super) fn has_exited(&self) -> bool {
        self.exited_count.load(Relaxed) != 0
    }

    /// Takes the first one off the list that starts with `first`.
    fn pop(first: &mut Option<Arc<Watched>>) -> Option<Arc<Watched>> {
        let watched = first.take()?;
        *first = watched.next.lock().take();
        Some(watched)
    }
}

/// Looks which of the dead have been reaped.
impl Job for Watches {
    fn run(&self) {
        let mut list = self.exited.lock().take();
        while let Some(watched) = Self::pop(&mut list) {
            if watched.process.is_reaped() {
                watched.tell(ProcessEvent::Reaped);
                self.exited_count.add(usize::MAX, Relaxed);
            } else {
                let mut exited = self.exited.lock();
                *watched.next.lock() = exited.take();
                *exited = Some(watched);
            }
        }
    }
}

#[pinned_drop]
impl PinnedDrop for Watches {
    fn drop(self: Pin<&mut Self>) {
        // One after the other: dropping the first of a long list would drop all the others within.
        let mut list = self.exited.lock().take();
        while let Some(watched) = Self::pop(&mut list) {
            drop(watched);
        }
    }
}

impl Mach {
    /// Tells `watcher` what happens to `process` from now on, until the result is dropped. Events
    /// come at any moment, even before this returns. Fails with `ENOMEM`, or with `ESRCH` for a
    /// process that has exited. May sleep.
    pub(crate) fn watch_process(
        &self,
        process: &ProcessId,
        watcher: Arc<dyn ProcessWatcher>,
    ) -> Result<Watch> {
        let watched = self.watches.keep(process, watcher.clone())?;
        Ok(Watch {
            watched,
            watcher,
            _live: Live::new(&WATCHES),
        })
    }
}
