// SPDX-License-Identifier: GPL-2.0

//! The threads of one task by Linux thread id, with a look-up of the current one that takes no
//! lock.
//!
//! Locks: the array's own spinlock, a leaf.

use core::marker::PhantomData;
use kernel::{
    bindings,
    prelude::*,
    sync::Arc,
    types::{ForeignOwnable, Opaque}, //
};

use super::process;

/// Threads by id.
///
/// # Invariants
///
/// Every entry came from `Arc::into_foreign`. An entry leaves the table only through
/// [`ThreadTable::remove_current`], called by the thread with that id, or when the table itself is
/// dropped; and an id is entered only by its own thread. So an entry that a thread finds under its
/// own id stays where it is until that thread removes it.
#[pin_data(PinnedDrop)]
pub(crate) struct ThreadTable<T: Send + Sync + 'static> {
    #[pin]
    array: Opaque<bindings::xarray>,
    _owns: PhantomData<Arc<T>>,
}

// SAFETY: The table holds counted references to its entries.
unsafe impl<T: Send + Sync> Send for ThreadTable<T> {}

// SAFETY: The array has its own lock.
unsafe impl<T: Send + Sync> Sync for ThreadTable<T> {}

impl<T: Send + Sync + 'static> ThreadTable<T> {
    /// Makes an empty table.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The slot is valid for the call.
            array <- Opaque::ffi_init(|slot| unsafe { bindings::xa_init_flags(slot, 0) }),
            _owns: PhantomData,
        })
    }

    /// The entry of the current thread.
    #[inline]
    pub(crate) fn current(&self) -> Option<Arc<T>> {
        let index = process::current_tid() as usize;
        // SAFETY: The array is initialised; `xa_load` has its own RCU section.
        let entry = unsafe { bindings::xa_load(self.array.get(), index) };
        if entry.is_null() {
            return None;
        }
        // SAFETY: By the type invariants the entry came from `Arc::into_foreign` and, standing
        // under the caller's own id, can be removed by nobody else before the clone is made.
        Some(unsafe { Arc::<T>::borrow(entry) }.into())
    }

    /// Enters `thread` under the id of the current thread, in place of any earlier entry, which is
    /// returned. Fails with `ENOMEM`. May sleep.
    pub(crate) fn insert_current(&self, thread: Arc<T>) -> Result<Option<Arc<T>>> {
        let index = process::current_tid() as usize;
        let raw = thread.into_foreign();
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
        Ok(unsafe { Arc::try_from_foreign(old) })
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
        // SAFETY: The array is initialised, and its lock is taken and released here. Entries leave
        // the array only with that lock held, so the one found is good for cloning until then.
        unsafe {
            bindings::xa_lock(array);
            let entry = bindings::xa_find(array, index, usize::MAX, bindings::XA_PRESENT);
            let thread = (!entry.is_null()).then(|| Arc::<T>::borrow(entry).into());
            bindings::xa_unlock(array);
            thread
        }
    }

    /// Takes out the entry of the current thread. Does not sleep.
    pub(crate) fn remove_current(&self) -> Option<Arc<T>> {
        let index = process::current_tid() as usize;
        // SAFETY: The array is initialised.
        let entry = unsafe { bindings::xa_erase(self.array.get(), index) };
        // SAFETY: By the type invariants the entry is null or came from `Arc::into_foreign`, and
        // it is in the table no more.
        unsafe { Arc::try_from_foreign(entry) }
    }
}

#[pinned_drop]
impl<T: Send + Sync + 'static> PinnedDrop for ThreadTable<T> {
    fn drop(self: Pin<&mut Self>) {
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
            // SAFETY: As in `remove_current`.
            drop(unsafe {
                Arc::<T>::try_from_foreign(bindings::xa_erase(self.array.get(), index))
            });
        }
        // SAFETY: As above; frees what the array itself allocated.
        unsafe { bindings::xa_destroy(self.array.get()) };
    }
}
