// SPDX-License-Identifier: GPL-2.0

//! Files that are held while they are watched, because nothing tells of their release: they are looked
//! at every second, and given up when their descriptor does not refer to them any more.
//!
//! Serves [`super::file_watch`], which tells which files these are.
//!
//! Locks: `HeldFiles::list` (mutex), a leaf.
//!
//! C header: [`include/linux/file.h`](srctree/include/linux/file.h)

use super::{
    alarm::{
        Alarm,
        Alarmed, //
    },
    deferred::{
        Deferred,
        Job, //
    },
    peek::Peek,
    process::ProcessId,
    process_threads::find_in_threads,
    roster::{
        Member,
        Roster, //
    },
    wait::Deadline, //
};
use core::ptr::NonNull;
use kernel::{
    bindings, new_mutex,
    prelude::*,
    sync::{
        atomic::Atomic,
        Arc,
        Mutex, //
    },
};

/// How often files that are held are looked at, in nanoseconds.
const LOOK_NS: u64 = 1_000_000_000;

/// A descriptor of the current process.
#[derive(Clone, Copy)]
pub(crate) struct Descriptor(u32);

impl Descriptor {
    /// The descriptor whose number is `ident`. `EBADF`.
    pub(crate) fn of_ident(ident: u64) -> Result<Self> {
        Ok(Self(u32::try_from(ident).map_err(|_| EBADF)?))
    }
}

/// A watch that holds its file.
pub(super) trait Holder: Member + Send + Sync {
    /// Gives the file up if the descriptor does not refer to it any more. May sleep.
    fn look(&self);
}

/// All watches that hold their files.
#[pin_data]
pub(super) struct HeldFiles {
    #[pin]
    alarm: Alarm<Deferred<Held>>,
}

impl HeldFiles {
    /// None yet. Fails with `ENOMEM`.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            alarm <- Alarm::new(Self::none()?),
        })
    }

    fn none() -> Result<Arc<Deferred<Held>>> {
        let held = pin_init!(Held {
            count: Atomic::new(0),
            list <- new_mutex!(Roster::new(), "HeldFiles::list"),
        });
        Deferred::new(held, GFP_KERNEL)
    }

    /// Adds a watch. Fails with `ENOMEM`.
    pub(super) fn add(&self, watch: Arc<dyn Holder>) -> Result {
        let held = self.alarm.job();
        let list = Roster::add(&held.list, watch)?;
        held.count.poke(list.len());
        if list.len() == 1 {
            // It may have one expiry to come since the list became empty.
            self.alarm.cancel();
            self.alarm.set(Deadline::after(LOOK_NS));
        }
        Ok(())
    }

    /// Takes a watch out, if it is there.
    pub(super) fn remove(&self, watch: &(dyn Holder + 'static)) {
        let held = self.alarm.job();
        let mut list = held.list.lock();
        let removed = list.remove(watch);
        held.count.poke(list.len());
        drop(list);
        drop(removed);
    }
}

/// What is looked at every second.
#[pin_data]
struct Held {
    /// How many, to be asked without the lock.
    count: Atomic<usize>,
    #[pin]
    list: Mutex<Roster<dyn Holder>>,
}

impl Job for Held {
    fn run(&self) {
        Roster::for_each(&self.list, |watch| watch.look());
    }
}

impl Alarmed for Held {
    fn note_expiry(&self) -> Option<u64> {
        (self.count.peek() != 0).then_some(LOOK_NS)
    }
}

/// Whether the descriptor of the process refers to the file at `file`.
pub(super) fn refers_to(
    process: &ProcessId,
    descriptor: Descriptor,
    file: NonNull<bindings::file>,
) -> bool {
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
