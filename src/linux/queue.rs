// SPDX-License-Identifier: GPL-2.0

//! A first-in first-out queue of counted items from which any item can leave in constant time.
//!
//! Serves wait queues of ports and sets and the ready lists of sets. The `kernel` crate's `List`
//! offers removal from the middle only as an unsafe function, because the caller must know in
//! which list the item is; here each item remembers that itself.
//!
//! Locks: none of its own. All operations need `&mut Queue`, so the owner's lock protects it.

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::Deref,
    ptr, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
};

use super::peek::{
    change,
    Peek, //
};

struct Links<T> {
    prev: *const Linked<T>,
    next: *const Linked<T>,
}

/// An item that can stand in at most one [`Queue`] at a time.
///
/// # Invariants
///
/// `home` is 0 while the item is in no queue, and otherwise the `id` of the queue that holds one
/// reference to the item and alone accesses `links`.
#[pin_data]
pub(crate) struct Linked<T> {
    home: Atomic<u64>,
    links: UnsafeCell<Links<T>>,
    #[pin]
    value: T,
}

// SAFETY: `links` is accessed only by the one queue that holds the item, through `&mut Queue`.
unsafe impl<T: Send + Sync> Send for Linked<T> {}

// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for Linked<T> {}

impl<T> Linked<T> {
    /// Makes an item that is in no queue.
    pub(crate) fn new(value: impl PinInit<T>) -> impl PinInit<Self> {
        pin_init!(Self {
            home: Atomic::new(0),
            links: UnsafeCell::new(Links {
                prev: ptr::null(),
                next: ptr::null(),
            }),
            value <- value,
        })
    }
}

impl<T> Deref for Linked<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A queue of [`Linked`] items.
///
/// # Invariants
///
/// `head`, `tail` and the `links` of the items between them form a doubly linked list of items
/// whose `home` is `id`; each came from `Arc::into_raw`. No other queue has the same `id`.
pub(crate) struct Queue<T> {
    id: u64,
    head: *const Linked<T>,
    tail: *const Linked<T>,
}

// SAFETY: The queue holds counted references to its items.
unsafe impl<T: Send + Sync> Send for Queue<T> {}

// SAFETY: A shared queue gives out nothing that is not `Sync`.
unsafe impl<T: Send + Sync> Sync for Queue<T> {}

/// The last identity handed out. 64 bits do not wrap.
static LAST_ID: Atomic<u64> = Atomic::new(0);

impl<T> Queue<T> {
    /// Makes an empty queue.
    pub(crate) fn new() -> Self {
        // INVARIANT: The counter never gives the same number twice, and never 0.
        Self {
            id: LAST_ID.fetch_add(1, Relaxed).wrapping_add(1),
            head: ptr::null(),
            tail: ptr::null(),
        }
    }

    /// Whether there is no item.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// Appends `item`, or gives it back when it already is in a queue.
    #[inline]
    pub(crate) fn push_back(&mut self, item: Arc<Linked<T>>) -> Result<(), Arc<Linked<T>>> {
        if !change(&item.home, 0, self.id) {
            return Err(item);
        }
        let tail = self.tail;
        let item = Arc::into_raw(item);
        // SAFETY: The exchange above made this queue the item's home, so its links are ours; the
        // reference that `item` came from keeps it alive.
        unsafe {
            *(*item).links.get() = Links {
                prev: tail,
                next: ptr::null(),
            };
        }
        if tail.is_null() {
            self.head = item;
        } else {
            // SAFETY: By the type invariants `tail` is an item of this queue.
            unsafe { (*(*tail).links.get()).next = item };
        }
        // INVARIANT: The item ends the list, and its `home` is `id`.
        self.tail = item;
        Ok(())
    }

    /// Inserts `item` behind the last one for which `stays_ahead` holds, or at the front; or gives
    /// it back when it already is in a queue. Looks from the back, so it takes constant time for
    /// items that arrive in order.
    pub(crate) fn insert_behind(
        &mut self,
        item: Arc<Linked<T>>,
        mut stays_ahead: impl FnMut(&T) -> bool,
    ) -> Result<(), Arc<Linked<T>>> {
        let mut prev = self.tail;
        // SAFETY: By the type invariants `prev` is null or an item of this queue, and its links
        // are ours.
        while let Some(other) = unsafe { prev.as_ref() } {
            if stays_ahead(&other.value) {
                break;
            }
            // SAFETY: As above.
            prev = unsafe { (*other.links.get()).prev };
        }
        if !change(&item.home, 0, self.id) {
            return Err(item);
        }
        let item = Arc::into_raw(item);
        // SAFETY: `prev` is null or an item of this queue, as is what follows it; the exchange
        // above made the item's links ours, and the reference that it came from keeps it alive.
        unsafe {
            let next = if prev.is_null() {
                self.head
            } else {
                (*(*prev).links.get()).next
            };
            *(*item).links.get() = Links { prev, next };
            // INVARIANT: The item stands between its two neighbours, and its `home` is `id`.
            if prev.is_null() {
                self.head = item;
            } else {
                (*(*prev).links.get()).next = item;
            }
            if next.is_null() {
                self.tail = item;
            } else {
                (*(*next).links.get()).prev = item;
            }
        }
        Ok(())
    }

    /// Moves all items out.
    pub(crate) fn take(&mut self) -> Self {
        // INVARIANT: The identity goes with the items, whose `home` it is.
        core::mem::replace(self, Self::new())
    }

    /// Removes the oldest item.
    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<Arc<Linked<T>>> {
        if self.head.is_null() {
            return None;
        }
        // SAFETY: By the type invariants `head` is an item of this queue.
        Some(unsafe { self.unlink(self.head) })
    }

    /// The oldest item.
    #[inline]
    pub(crate) fn front(&self) -> Option<&T> {
        // SAFETY: By the type invariants `head` is null or an item that this queue keeps alive.
        unsafe { self.head.as_ref() }.map(|item| &item.value)
    }

    /// The item that was appended last.
    #[inline]
    pub(crate) fn back(&self) -> Option<&T> {
        // SAFETY: By the type invariants `tail` is null or an item that this queue keeps alive.
        unsafe { self.tail.as_ref() }.map(|item| &item.value)
    }

    /// The items from front to back.
    pub(crate) fn iter(&self) -> Iter<'_, T> {
        Iter {
            next: self.head,
            _queue: PhantomData,
        }
    }

    /// Removes the first item for which `is_wanted` holds.
    pub(crate) fn take_first(
        &mut self,
        mut is_wanted: impl FnMut(&T) -> bool,
    ) -> Option<Arc<Linked<T>>> {
        let mut item = self.head;
        // SAFETY: By the type invariants `item` is null or an item of this queue.
        while let Some(at) = unsafe { item.as_ref() } {
            if is_wanted(&at.value) {
                // SAFETY: As above.
                return Some(unsafe { self.unlink(item) });
            }
            // SAFETY: The links of an item of this queue are ours.
            item = unsafe { (*at.links.get()).next };
        }
        None
    }

    /// Whether `item` is in this queue.
    #[inline]
    pub(crate) fn contains(&self, item: &Linked<T>) -> bool {
        item.home.peek() == self.id
    }

    /// Removes `item`, or returns `None` when it is not in this queue.
    #[inline]
    pub(crate) fn remove(&mut self, item: &Linked<T>) -> Option<Arc<Linked<T>>> {
        // `home` becomes `id`, and ceases to be, only under `&mut self`; a concurrent change is
        // one between other values.
        if item.home.peek() != self.id {
            return None;
        }
        // SAFETY: The item's home is this queue, so by the type invariants it is one of ours.
        Some(unsafe { self.unlink(item) })
    }

    /// Takes `item` out of the list.
    ///
    /// # Safety
    ///
    /// `item` must be an item of this queue.
    #[inline]
    unsafe fn unlink(&mut self, item: *const Linked<T>) -> Arc<Linked<T>> {
        // SAFETY: By the caller's promise the item is alive and its links belong to this queue,
        // as do its neighbours'.
        unsafe {
            let links = (*item).links.get();
            let (prev, next) = ((*links).prev, (*links).next);
            if prev.is_null() {
                self.head = next;
            } else {
                (*(*prev).links.get()).next = next;
            }
            if next.is_null() {
                self.tail = prev;
            } else {
                (*(*next).links.get()).prev = prev;
            }
            // INVARIANT: Nothing links to the item any more; from here on another queue may
            // take it, which must see our accesses to its links as done.
            (*item).home.poke_release(0);
            // SAFETY: The pointer came from `Arc::into_raw` when the item was put in.
            Arc::from_raw(item)
        }
    }
}

/// See [`Queue::iter`].
///
/// # Invariants
///
/// `next` is null or an item of the queue, which is borrowed.
pub(crate) struct Iter<'a, T> {
    next: *const Linked<T>,
    _queue: PhantomData<&'a Queue<T>>,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    #[inline]
    fn next(&mut self) -> Option<&'a T> {
        // SAFETY: By the type invariants the item, if there is one, is kept alive by the queue,
        // which nobody can change while it is borrowed.
        let item = unsafe { self.next.as_ref() }?;
        // INVARIANT: What follows an item is null or an item of the same queue.
        // SAFETY: The queue's items' links are accessed through the queue, which is borrowed.
        self.next = unsafe { (*item.links.get()).next };
        Some(&item.value)
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        while self.pop_front().is_some() {}
    }
}
