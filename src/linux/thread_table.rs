// SPDX-License-Identifier: GPL-2.0

//! The threads of one task by Linux thread id, with a look-up of the current one that takes no
//! lock and no reference.
//!
//! Every trap makes that look-up, so most threads have a slot in which they are found with two
//! loads; only the others, of tasks with many threads, are in the array.
//!
//! Locks: the array's own spinlock, a leaf. It is taken under the lock of the array that leads to
//! the task, so it is of a class of its own.

use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    bindings,
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
    types::{ForeignOwnable, Opaque}, //
};

use super::{
    bindings as shim, current,
    peek::Peek,
    task_work::{
        run_in_current,
        TaskWorkItem, //
    },
};

/// Slots of a table.
const SLOTS: usize = 8;

/// Where one thread is found at once.
///
/// # Invariants
///
/// `tid` becomes the id of a thread, and 0 again, only by that thread and with the lock of the
/// array held; `entry` is the thread's, and not null, as long as it is.
struct Slot {
    tid: Atomic<u32>,
    entry: Atomic<*mut c_void>,
}

/// Threads by id.
///
/// # Invariants
///
/// Every entry, in a slot or in the array, came from `Arc::into_foreign`; none is in both. An entry
/// leaves the table only through [`ThreadTable::retire_current`], called by the thread with that id,
/// or when the table itself is dropped; and an id is entered only by its own thread. So an entry that a thread finds under its
/// own id stays where it is until that thread removes it. The reference that leaves the table then
/// is given up by task work, so no earlier than the system call is over in which it left.
#[pin_data(PinnedDrop)]
pub(crate) struct ThreadTable<T: TaskWorkItem> {
    slots: [Slot; SLOTS],
    #[pin]
    array: Opaque<bindings::xarray>,
    _owns: PhantomData<Arc<T>>,
}

// SAFETY: The table holds counted references to its entries.
unsafe impl<T: TaskWorkItem> Send for ThreadTable<T> {}

// SAFETY: The array has its own lock.
unsafe impl<T: TaskWorkItem> Sync for ThreadTable<T> {}

impl<T: TaskWorkItem> ThreadTable<T> {
    /// Makes an empty table.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            slots: [const {
                Slot {
                    tid: Atomic::new(0),
                    entry: Atomic::new(ptr::null_mut()),
                }
            }; SLOTS],
            // SAFETY: The slot is valid for the call; name and key live for ever.
            array <- Opaque::ffi_init(|slot| unsafe {
                shim::mach_shim_xa_init(
                    slot,
                    c"ThreadTable".as_char_ptr(),
                    static_lock_class!().as_ptr(),
                )
            }),
            _owns: PhantomData,
        })
    }

    /// The slot that the thread with this id may have.
    #[inline]
    fn slot(&self, tid: u32) -> &Slot {
        // CAST: `u32` to `usize` loses nothing. The index is in bounds, which the compiler sees.
        &self.slots[tid as usize % SLOTS]
    }

    /// The entry of the current thread, which stays valid until the system call is over.
    #[inline]
    pub(crate) fn current(&self) -> Option<&T> {
        let tid = current::tid();
        let slot = self.slot(tid);
        let entry = if slot.tid.peek() == tid {
            slot.entry.peek()
        } else {
            self.in_array(tid)
        };
        if entry.is_null() {
            return None;
        }
        // SAFETY: By the type invariants the entry came from `Arc::into_foreign`; standing under
        // the caller's own id it can be removed by nobody else, and when the caller removes it,
        // the reference lasts until the thread returns to user space or exits: until everything
        // that could have this borrow, on the stack of its system call, is gone. The borrow of the
        // table excludes that the table is dropped.
        let thread: &T = unsafe { &*ptr::from_ref(&*Arc::<T>::borrow(entry)) };
        Some(thread)
    }

    /// What the array has for the current thread, whose id this is.
    #[cold]
    fn in_array(&self, tid: u32) -> *mut c_void {
        // SAFETY: The array is initialised; `xa_load` has its own RCU section.
        unsafe { bindings::xa_load(self.array.get(), tid as usize) }
    }

    /// Enters `thread` for the current thread, which has no entry. Fails with `ENOMEM`. May sleep.
    pub(crate) fn insert_current(&self, thread: Arc<T>) -> Result {
        let tid = current::tid();
        let index = tid as usize;
        let raw = thread.into_foreign();
        let slot = self.slot(tid);
        // INVARIANT: A slot that is nobody's becomes this thread's with the lock held.
        let is_in_slot = self.locked(|| {
            let is_free = slot.tid.load(Relaxed) == 0;
            if is_free {
                slot.entry.store(raw, Relaxed);
                slot.tid.store(tid, Relaxed);
            }
            is_free
        });
        if is_in_slot {
            return Ok(());
        }
        // SAFETY: The array is initialised, and `raw` is aligned to at least four bytes.
        let old = unsafe {
            bindings::xa_store(self.array.get(), index, raw, bindings::GFP_KERNEL_ACCOUNT)
        };
        // SAFETY: `old` is what `xa_store` returned.
        let errno = unsafe { bindings::xa_err(old) };
        if errno != 0 {
            // SAFETY: The array did not take the pointer, so it is still ours.
            drop(unsafe { Arc::<T>::from_foreign(raw) });
            return Err(Error::from_errno(errno));
        }
        // SAFETY: By the type invariants `old` is null or came from `Arc::into_foreign`, and it is
        // in the table no more.
        Self::give_up(unsafe { Arc::try_from_foreign(old) });
        Ok(())
    }

    /// Calls `f` with the lock held.
    fn locked<R>(&self, f: impl FnOnce() -> R) -> R {
        let array = self.array.get();
        // SAFETY: The array is initialised.
        unsafe { bindings::xa_lock(array) };
        let result = f();
        // SAFETY: The lock was taken above.
        unsafe { bindings::xa_unlock(array) };
        result
    }

    /// Lets go of what left the table when the system call is over, by running its task work.
    fn give_up(thread: Option<Arc<T>>) {
        if let Some(Err(thread)) = thread.map(run_in_current) {
            // A thread that comes here still runs task work, and the module is pinned by the task
            // whose thread this is. Should that fail all the same, leaking is what is left.
            pr_err!("task work refused; an ended thread stays in memory\n");
            core::mem::forget(thread);
        }
    }

    /// The entry of the thread with this id.
    pub(crate) fn get(&self, tid: u32) -> Option<Arc<T>> {
        // CAST: `u32` to `usize` loses nothing.
        let wanted = tid as usize;
        let mut index = wanted;
        self.at_or_after(&mut index).filter(|_| index == wanted)
    }

    /// Calls `visit` for every thread. May sleep.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&T)) {
        let mut index = 0;
        while let Some(thread) = self.at_or_after(&mut index) {
            visit(&thread);
            let Some(next) = index.checked_add(1) else {
                break;
            };
            index = next;
        }
    }

    /// The first entry at `index` or after it; sets `index` to where it is.
    fn at_or_after(&self, index: &mut usize) -> Option<Arc<T>> {
        let array = self.array.get();
        let first = *index;
        self.locked(|| {
            *index = first;
            // SAFETY: The array is initialised.
            let in_array =
                unsafe { bindings::xa_find(array, index, usize::MAX, bindings::XA_PRESENT) };
            let mut found = (!in_array.is_null()).then_some((*index, in_array));
            for slot in &self.slots {
                // CAST: `u32` to `usize` loses nothing.
                let tid = slot.tid.load(Relaxed) as usize;
                let is_next = found.is_none_or(|(other, _)| tid < other);
                if tid != 0 && tid >= first && is_next {
                    found = Some((tid, slot.entry.load(Relaxed)));
                }
            }
            let (tid, entry) = found?;
            *index = tid;
            // SAFETY: Entries leave the table only with the lock held, so this one is good for
            // cloning until it is released.
            Some(unsafe { Arc::<T>::borrow(entry) }.into())
        })
    }

    /// Takes out the entry of the current thread, if there is one, and leaves it to the thread's
    /// task work. Does not sleep.
    pub(crate) fn retire_current(&self) {
        let tid = current::tid();
        let slot = self.slot(tid);
        let entry = if slot.tid.load(Relaxed) == tid {
            // INVARIANT: The slot is nobody's from here on.
            self.locked(|| {
                slot.tid.store(0, Relaxed);
                slot.entry.xchg(ptr::null_mut(), Relaxed)
            })
        } else {
            // SAFETY: The array is initialised.
            unsafe { bindings::xa_erase(self.array.get(), tid as usize) }
        };
        // SAFETY: By the type invariants the entry is null or came from `Arc::into_foreign`, and
        // it is in the table no more.
        Self::give_up(unsafe { Arc::try_from_foreign(entry) });
    }
}

#[pinned_drop]
impl<T: TaskWorkItem> PinnedDrop for ThreadTable<T> {
    fn drop(self: Pin<&mut Self>) {
        for slot in &self.slots {
            let entry = slot.entry.load(Relaxed);
            // SAFETY: As in `retire_current`; nobody else can reach the table any more.
            drop(unsafe { Arc::<T>::try_from_foreign(entry) });
        }
        let mut index = 0;
        loop {
            // SAFETY: The array is initialised, and nobody else can reach it any more.
            let entry = unsafe {
                bindings::xa_find(
                    self.array.get(),
                    &mut index,
                    usize::MAX,
                    bindings::XA_PRESENT,
                )
            };
            if entry.is_null() {
                break;
            }
            // SAFETY: As in `retire_current`.
            drop(unsafe {
                Arc::<T>::try_from_foreign(bindings::xa_erase(self.array.get(), index))
            });
        }
        // SAFETY: As above; frees what the array itself allocated.
        unsafe { bindings::xa_destroy(self.array.get()) };
    }
}
