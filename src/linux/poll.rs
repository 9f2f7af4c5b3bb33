// SPDX-License-Identifier: GPL-2.0

//! The poll state of any file, and being told when it may have changed.
//!
//! Serves [`super::file_watch`]. The kernel crate has the other side only: files that are polled.
//!
//! Locks: a watcher is told with the lock of the wait queue held and interrupts off.
//!
//! C headers: [`include/linux/poll.h`](srctree/include/linux/poll.h),
//! [`include/linux/wait.h`](srctree/include/linux/wait.h)

use super::{
    bindings as shim,
    peek::Peek, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomPinned,
    ptr, //
};
use kernel::{
    bindings,
    container_of,
    fs::File,
    prelude::*,
    sync::{
        atomic::{
            ordering::Release,
            Atomic, //
        },
        rcu, //
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

/// A place in a wait queue of a file. The entry's private data is the watcher.
///
/// # Invariants
///
/// `head` is the queue that `entry` is in, or null when it is in none.
#[repr(C)]
struct Place {
    entry: Opaque<bindings::wait_queue_entry>,
    head: Atomic<*mut bindings::wait_queue_head>,
    /// What the watcher wants to know of.
    interest: Atomic<u32>,
}

impl Place {
    fn new() -> Self {
        // INVARIANT: It is in no queue.
        Self {
            entry: Opaque::zeroed(),
            head: Atomic::new(ptr::null_mut()),
            interest: Atomic::new(0),
        }
    }

    /// Gets into the queue `head`.
    ///
    /// # Safety
    ///
    /// The place must be in no queue, and nobody else take or leave it at this moment. It must
    /// stay where it is, and `watcher` valid, until it has left the queue. The queue is one of a
    /// file's, and there until then.
    unsafe fn take<W: PollWatcher>(
        &self,
        head: *mut bindings::wait_queue_head,
        interest: u32,
        watcher: *const Option<W>,
    ) {
        self.interest.poke(interest);
        // INVARIANT: The entry is in this queue.
        self.head.poke(head);
        let entry = self.entry.get();
        // SAFETY: By the caller's promise the entry is ours, and the queue valid.
        unsafe {
            (*entry).private = watcher.cast_mut().cast();
            (*entry).func = Some(woken::<W>);
            bindings::add_wait_queue(head, entry);
        }
    }

    /// Leaves the queue, if it is in one.
    fn leave(&self) {
        if self.head.peek_acquire().is_null() {
            return;
        }
        // A queue that goes away tells us so under its lock, and its memory stays for an RCU
        // grace period.
        let _rcu = rcu::read_lock();
        let head = self.head.peek_acquire();
        if !head.is_null() {
            // SAFETY: By the type invariants the entry is in this queue, or has just been taken
            // out of it, which does no harm. RCU keeps the queue.
            unsafe { bindings::remove_wait_queue(head, self.entry.get()) };
            self.head.poke_release(ptr::null_mut());
        }
    }
}

/// Another place: few files have more than one queue.
struct Further {
    place: Place,
    next: Option<KBox<Self>>,
}

impl Further {
    fn new() -> Self {
        Self {
            place: Place::new(),
            next: None,
        }
    }
}

/// A watcher, and its places in all wait queues that matter for the poll state of a file.
///
/// # Invariants
///
/// While a place is in a queue, `watcher` is there.
#[pin_data]
pub(super) struct Places<W: PollWatcher> {
    watcher: UnsafeCell<Option<W>>,
    first: Place,
    further: UnsafeCell<Option<KBox<Further>>>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The pointers in places are followed only as the rules of queues allow.
unsafe impl<W: PollWatcher> Send for Places<W> {}

// SAFETY: What is in cells is changed by unsafe functions only, whose callers see to it that nobody
// looks meanwhile.
unsafe impl<W: PollWatcher> Sync for Places<W> {}

impl<W: PollWatcher> Places<W> {
    /// No places, for `watcher`.
    pub(super) fn new(watcher: W) -> impl PinInit<Self> {
        // INVARIANT: No place is in a queue.
        pin_init!(Self {
            watcher: UnsafeCell::new(Some(watcher)),
            first: Place::new(),
            further: UnsafeCell::new(None),
            _pin: PhantomPinned,
        })
    }

    /// Has the watcher told whenever one of the events in `interest` may have come, or an error, and
    /// returns the events there are now. May sleep. Fails with `ENOMEM`; some places may be taken
    /// then.
    ///
    /// # Safety
    ///
    /// To be called once, before any other function. [`leave`](Self::leave) must be called before
    /// the release of the file begins to take its queues down, and before this is dropped.
    pub(super) unsafe fn take(self: Pin<&Self>, file: &File, interest: u32) -> Result<u32> {
        let mut registration = Registration {
            table: bindings::poll_table_struct {
                _qproc: Some(Registration::<W>::register),
                _key: interest | event::ERROR | event::HANG_UP | EACH_CHANGE,
            },
            places: self.get_ref(),
            first_is_taken: false,
            failed: false,
        };
        // SAFETY: The file is valid, and the table part of what its function expects. By the
        // caller's promise nobody else uses the places, and they leave in time.
        let events =
            unsafe { shim::mach_shim_vfs_poll(file.as_ptr(), &raw mut registration.table) };
        match registration.failed {
            true => Err(ENOMEM),
            false => Ok(events),
        }
    }

    /// Gives up all places: the watcher is not told any more, and no call is going on. Does not
    /// sleep. The watcher, which later calls do not give again, is to be dropped where one may.
    ///
    /// # Safety
    ///
    /// No other function may be called meanwhile.
    pub(super) unsafe fn leave(&self) -> Option<W> {
        self.first.leave();
        // SAFETY: Changed by `take` only, which by the caller's promise does not run.
        let mut further = unsafe { &*self.further.get() };
        while let Some(at) = further {
            at.place.leave();
            further = &at.next;
        }
        // INVARIANT: No place is in a queue any more.
        // SAFETY: Nobody who wakes has it any more, and by the caller's promise nobody else.
        unsafe { (*self.watcher.get()).take() }
    }

    /// The watcher, unless the places have been given up.
    ///
    /// # Safety
    ///
    /// [`leave`](Self::leave) must not be called as long as it is used.
    pub(super) unsafe fn watcher(&self) -> Option<&W> {
        // SAFETY: Changed by `leave` only.
        unsafe { (*self.watcher.get()).as_ref() }
    }
}

/// What `poll` of a file is called with.
#[repr(C)]
struct Registration<'a, W: PollWatcher> {
    /// First, for the kernel passes its address.
    table: bindings::poll_table_struct,
    places: &'a Places<W>,
    first_is_taken: bool,
    failed: bool,
}

impl<W: PollWatcher> Registration<'_, W> {
    /// A place that is in no queue.
    fn place(&mut self) -> Result<&Place> {
        if !self.first_is_taken {
            self.first_is_taken = true;
            return Ok(&self.places.first);
        }
        // SAFETY: Only `take` changes it, on behalf of which this is.
        let further = unsafe { &mut *self.places.further.get() };
        let mut added = KBox::new(Further::new(), GFP_KERNEL_ACCOUNT)?;
        added.next = further.take();
        Ok(&further.insert(added).place)
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
        let interest = registration.table._key;
        let watcher = registration.places.watcher.get();
        match registration.place() {
            // SAFETY: The place is in no queue. It is pinned, as `take` says, or in a box; whoever
            // called that has it leave the queue, before the watcher goes and in time.
            Ok(place) => unsafe { place.take::<W>(head, interest, watcher) },
            Err(_) => registration.failed = true,
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
    let place = unsafe { &*container_of!(entry, Place, entry) };
    let events = key.addr();
    // CAST: Events are the low bits; no key means that nothing is known.
    if events == 0 || events as u32 & place.interest.peek() != 0 {
        // SAFETY: By the invariants of `Places` the watcher is there.
        if let Some(watcher) = unsafe { &*(*place.entry.get()).private.cast::<Option<W>>() } {
            watcher.woken();
        }
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
