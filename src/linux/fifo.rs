// SPDX-License-Identifier: GPL-2.0

//! A first-in first-out queue of owned boxes, linked through the boxes themselves.
//!
//! Serves message queues: an item keeps one allocation for its whole life, is owned by exactly one
//! place at a time, and joining or leaving a queue neither allocates nor touches a reference
//! count. The `kernel` crate's `List` holds counted references only, which is why this exists.
//!
//! Locks: none of its own. All operations need `&mut Fifo`, so the owner's lock protects it.

use core::{
    ops::{Deref, DerefMut},
    ptr::NonNull, //
};
use kernel::{
    alloc::{AllocError, Flags},
    prelude::*, //
};

/// An item that can stand in a [`Fifo`].
pub(crate) struct Node<T> {
    next: Option<NonNull<Node<T>>>,
    value: T,
}

// SAFETY: `next` is only ever followed by the `Fifo` that owns the node; a node that travels on
// its own is just its value.
unsafe impl<T: Send> Send for Node<T> {}

// SAFETY: A shared `Node` gives out nothing but `&T`.
unsafe impl<T: Sync> Sync for Node<T> {}

impl<T> Node<T> {
    /// Allocates a node around `value`.
    pub(crate) fn new(value: T, flags: Flags) -> Result<KBox<Self>, AllocError> {
        KBox::new(Self { next: None, value }, flags)
    }
}

impl<T> Deref for Node<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Node<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// A queue of [`Node`]s.
///
/// # Invariants
///
/// Starting at `head` and following `next` one visits `len` distinct nodes, each of which came
/// from `KBox::into_raw` and is owned by this queue; the last one is `tail` and has no `next`.
/// `tail` is meaningless while `head` is `None`.
pub(crate) struct Fifo<T> {
    head: Option<NonNull<Node<T>>>,
    tail: NonNull<Node<T>>,
    len: u32,
}

// SAFETY: The queue owns its nodes, so sending it sends them.
unsafe impl<T: Send> Send for Fifo<T> {}

// SAFETY: A shared queue gives out nothing but `&T`.
unsafe impl<T: Sync> Sync for Fifo<T> {}

impl<T> Fifo<T> {
    /// Makes an empty queue.
    pub(crate) const fn new() -> Self {
        // INVARIANT: `head` is `None`, so there is nothing to visit and `len` is 0.
        Self {
            head: None,
            tail: NonNull::dangling(),
            len: 0,
        }
    }

    /// The number of items.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Appends `item`.
    #[inline]
    pub(crate) fn push_back(&mut self, mut item: KBox<Node<T>>) {
        item.next = None;
        // SAFETY: `KBox::into_raw` never returns null.
        let item = unsafe { NonNull::new_unchecked(KBox::into_raw(item)) };

        match self.head {
            None => self.head = Some(item),
            // SAFETY: As `head` is some, `tail` is a node that this queue owns, and `&mut self`
            // makes the access exclusive.
            Some(_) => unsafe { (*self.tail.as_ptr()).next = Some(item) },
        }
        // INVARIANT: The new node is the last one and ends the chain.
        self.tail = item;
        self.len = self.len.wrapping_add(1);
    }

    /// Removes the oldest item.
    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<KBox<Node<T>>> {
        let head = self.head?;
        // SAFETY: By the type invariants `head` came from `KBox::into_raw` and is owned by this
        // queue, which gives it up here.
        let mut item = unsafe { KBox::from_raw(head.as_ptr()) };
        // INVARIANT: The chain now starts one node later.
        self.head = item.next.take();
        self.len = self.len.wrapping_sub(1);
        Some(item)
    }

    /// The oldest item.
    #[inline]
    pub(crate) fn front(&self) -> Option<&T> {
        // SAFETY: By the type invariants `head` is a node owned by this queue, borrowed as long
        // as the queue is.
        self.head.map(|head| unsafe { &head.as_ref().value })
    }

    /// The item that so many others stand before.
    pub(crate) fn get(&self, position: u32) -> Option<&T> {
        let mut node = self.head?;
        for _ in 0..position {
            // SAFETY: By the type invariants every node on the way is owned by this queue, which
            // is borrowed.
            node = unsafe { node.as_ref() }.next?;
        }
        // SAFETY: As above; the item is borrowed as long as the queue is.
        Some(unsafe { &node.as_ref().value })
    }

    /// Moves all items out.
    pub(crate) fn take(&mut self) -> Self {
        core::mem::replace(self, Self::new())
    }
}

impl<T> Drop for Fifo<T> {
    fn drop(&mut self) {
        while self.pop_front().is_some() {}
    }
}
