// SPDX-License-Identifier: GPL-2.0

//! The poll state of any file, and being told when it may have changed.
//!
//! Serves [`super::file_watch`]. The kernel crate has the other side only: files that are polled.
//!
//! Locks: a watcher is told with the lock of the wait queue held and interrupts off.
//!
//! C headers: [`include/linux/poll.h`](srctree/include/linux/poll.h),
//! [`include/linux/wait.h`](srctree/include/linux/wait.h)

use super::bindings as shim;
use core::ptr;
use kernel::{
    bindings,
    container_of,
    fs::File,
    prelude::*,
    sync::{
        atomic::{
            ordering::{Acquire, Release},
            Atomic, //
        },
        rcu,
        Arc, //
    },
    types::Opaque, //
};

/// Poll events, as bits.
pub(crate) mod event {
    use kernel::bindings;

    /// There is something to be read.
    pub(crate) const IN: u32 = bindings::POLLIN | bindings::POLLRDNORM;
    /// There is room to write.
    pub(crate) const OUT: u32 = bindings::POLLOUT | bindings::POLLWRNORM;
    /// There is something urgent.
    pub(crate) const URGENT: u32 = bindings::POLLPRI | bindings::POLLRDBAND;
    /// Nobody is left at the other end.
    pub(crate) const HANG_UP: u32 = bindings::POLLHUP;
    /// Nobody at the other end will write any more.
    pub(crate) const READ_HANG_UP: u32 = bindings::POLLRDHUP;
    /// Something is wrong.
    pub(crate) const ERROR: u32 = bindings::POLLERR;
}

/// That each change is of interest, also when there is something to be read already (`EPOLLET`):
/// pipes tell of that when somebody asks for it.
const EACH_CHANGE: u32 = 1 << 31;

/// That a queue goes away while somebody waits in it (`POLLFREE`).
const QUEUE_GONE: usize = 0x4000;

/// Who wants to know.
pub(crate) trait PollWatcher: Send + Sync + 'static {
    /// The state of the file may have changed. Called in any context, even in an interrupt: must
    /// not sleep, nor drop anything, and take only locks for which this is allowed.
    fn woken(&self);
}

/// The events of `file` now. Files that cannot be polled can be read and written. May sleep.
pub(crate) fn events(file: &File) -> u32 {
    // SAFETY: The file is valid; without a table nobody is registered.
    unsafe { shim::mach_shim_vfs_poll(file.as_ptr(), ptr::null_mut()) }
}

/// A place in a wait queue of a file.
///
/// # Invariants
///
/// `head` is the queue that `entry` is in, or null when it is in none.
#[repr(C)]
struct Place<W> {
    entry: Opaque<bindings::wait_queue_entry>,
    head: Atomic<*mut bindings::wait_queue_head>,
    watcher: Arc<W>,
    /// What the watcher wants to know of.
    interest: u32,
}

// SAFETY: The pointer is followed only as the queue's own rules allow.
unsafe impl<W: Send + Sync> Send for Place<W> {}

/// Places in all wait queues that matter for the poll state of a file.
pub(super) struct Places<W: PollWatcher>(KVec<KBox<Place<W>>>);

impl<W: PollWatcher> Places<W> {
    /// No places.
    pub(super) const fn none() -> Self {
        Self(KVec::new())
    }

    /// Has `watcher` told whenever one of the events in `interest` may have come, or an error. May
    /// sleep. Fails with `ENOMEM`.
    ///
    /// # Safety
    ///
    /// [`leave`](Self::leave) must be called before the release of the file begins to take its
    /// queues down.
    pub(super) unsafe fn take(file: &File, interest: u32, watcher: &Arc<W>) -> Result<Self> {
        let mut registration = Registration {
            table: bindings::poll_table_struct {
                _qproc: Some(Registration::<W>::register),
                _key: interest | event::ERROR | event::HANG_UP | EACH_CHANGE,
            },
            watcher: watcher.clone(),
            places: Self::none(),
            failed: false,
        };
        // SAFETY: The file is valid, and the table part of what its function expects.
        unsafe { shim::mach_shim_vfs_poll(file.as_ptr(), &raw mut registration.table) };
        let Registration {
            mut places, failed, ..
        } = registration;
        if failed {
            places.leave();
            return Err(ENOMEM);
        }
        Ok(places)
    }

    /// Gives up all places: the watcher is not told any more, and no call is going on. Does not
    /// sleep. What is left is to be dropped where one may.
    pub(super) fn leave(&mut self) {
        for place in self.0.iter() {
            // A queue that goes away tells us so under its lock, and its memory stays for an RCU
            // grace period.
            let _rcu = rcu::read_lock();
            let head = place.head.load(Acquire);
            if !head.is_null() {
                // SAFETY: By the type invariants the entry is in this queue, or has just been
                // taken out of it, which does no harm. RCU keeps the queue.
                unsafe { bindings::remove_wait_queue(head, place.entry.get()) };
                place.head.store(ptr::null_mut(), Release);
            }
        }
    }
}

/// What `poll` of a file is called with.
#[repr(C)]
struct Registration<W: PollWatcher> {
    /// First, for the kernel passes its address.
    table: bindings::poll_table_struct,
    watcher: Arc<W>,
    places: Places<W>,
    failed: bool,
}

impl<W: PollWatcher> Registration<W> {
    fn add(&mut self, head: *mut bindings::wait_queue_head) -> Result {
        let place = KBox::new(
            Place {
                entry: Opaque::zeroed(),
                head: Atomic::new(head),
                watcher: self.watcher.clone(),
                interest: self.table._key,
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        let entry = place.entry.get();
        self.places.0.push(place, GFP_KERNEL_ACCOUNT)?;
        // INVARIANT: The entry is in this queue.
        // SAFETY: The entry is ours, zeroed, and stays in its box until it has left the queue. The
        // queue is one of the file's.
        unsafe {
            (*entry).func = Some(woken::<W>);
            bindings::add_wait_queue(head, entry);
        }
        Ok(())
    }

    /// # Safety
    ///
    /// Called by the `poll` of a file with a queue of the file's and the `table` of a
    /// registration, which nobody else uses.
    unsafe extern "C" fn register(
        _file: *mut bindings::file,
        head: *mut bindings::wait_queue_head,
        table: *mut bindings::poll_table_struct,
    ) {
        // SAFETY: By the caller's promise; the table comes first.
        let registration = unsafe { &mut *table.cast::<Self>() };
        if registration.add(head).is_err() {
            registration.failed = true;
        }
    }
}

/// # Safety
///
/// Called by whoever wakes the queue that the `entry` of a place is in, with its lock held.
unsafe extern "C" fn woken<W: PollWatcher>(
    entry: *mut bindings::wait_queue_entry,
    _mode: c_uint,
    _flags: c_int,
    key: *mut c_void,
) -> c_int {
    // CAST: `Opaque` is a transparent wrapper.
    let entry = entry.cast::<Opaque<bindings::wait_queue_entry>>();
    // SAFETY: The place stays until its entry has left the queue, for which the lock is needed.
    let place = unsafe { &*container_of!(entry, Place<W>, entry) };
    let events = key.addr();
    // CAST: Events are the low bits; no key means that nothing is known.
    if events == 0 || events as u32 & place.interest != 0 {
        place.watcher.woken();
    }
    if events & QUEUE_GONE != 0 {
        // SAFETY: The lock of the queue is held, so the entry may be taken out. From the store on
        // `leave` does not touch the queue.
        unsafe {
            let links = &raw mut (*place.entry.get()).entry;
            let (next, prev) = ((*links).next, (*links).prev);
            (*next).prev = prev;
            (*prev).next = next;
            (*links).next = links;
            (*links).prev = links;
        }
        place.head.store(ptr::null_mut(), Release);
    }
    0
}
