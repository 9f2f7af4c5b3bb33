// SPDX-License-Identifier: GPL-2.0

//! A thread that waits to receive a message, or for room to send one.
//!
//! Every thread has one waiter, made with the thread, so that waiting allocates nothing. While it
//! stands in a queue, whoever holds that queue's lock may take it out, say how the wait ended and
//! wake the thread; see [`awaited`](crate::linux::awaited). So a message that was handed over is
//! never lost.
//!
//! Locks: none of its own. The queue that a waiter stands in is that of a port or a set, whose lock
//! protects it.

use super::{
    layout::{
        Layout,
        Sizes, //
    },
    message::Message, //
};
use crate::{
    abi::PortName,
    linux::{
        awaited::{
            outcomes,
            Awaited, //
        },
        fifo::Node,
        peek::Peek,
        queue::Linked,
        slot::Slot,
        wait::{
            Deadline,
            Woken, //
        },
    },
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

outcomes! {
    /// How a wait ended.
    pub(super) enum Outcome {
        /// A message was handed over; it is in [`Waiter::take_message`].
        Delivered,
        /// The next message is larger than the receiver has room for, and stays queued.
        TooLarge,
        /// The port or set is gone, or the right has moved.
        Changed,
        /// There may be room in the queue, or a message in the set, where there was none; or the port
        /// is dead.
        TryAgain,
    }
}

/// A thread's place in wait queues.
pub(super) struct Waiter {
    awaited: Awaited<Outcome>,
    message: Slot<KBox<Node<Message>>>,
    /// What the receiver has room for, see [`Room::pack`].
    room: Atomic<u64>,
    large_size: Atomic<u32>,
    large_port: Atomic<u32>,
}

/// A message that is too large for its receiver.
#[derive(Clone, Copy)]
pub(super) struct TooLarge {
    /// Bytes of the message as the receiver sees it, without a trailer.
    pub(super) size: u32,
    /// The name of the port that has it.
    pub(super) port: PortName,
}

/// A message that is there to be received.
#[derive(Clone, Copy)]
pub(super) struct Offer {
    pub(super) sizes: Sizes,
    /// The name of the port that has it.
    pub(super) port: PortName,
}

/// What a receiver has room for.
#[derive(Clone, Copy)]
pub(super) struct Room {
    /// Bytes for the message, without the trailer.
    pub(super) bytes: u32,
    /// Whether a larger message is to stay queued (`MACH_RCV_LARGE`).
    pub(super) keeps_large: bool,
    /// How the receiver's descriptors are laid out.
    pub(super) layout: Layout,
}

impl Room {
    /// All in one word: the bytes below bit 32, which says whether a larger message is kept; bit 33
    /// is set for the narrow layout.
    #[inline]
    fn pack(self) -> u64 {
        let narrow = self.layout == Layout::Narrow;
        u64::from(self.bytes) | u64::from(self.keeps_large) << 32 | u64::from(narrow) << 33
    }

    #[inline]
    fn unpack(word: u64) -> Self {
        Self {
            // CAST: The upper half is something else.
            bytes: word as u32,
            keeps_large: word & 1 << 32 != 0,
            layout: match word & 1 << 33 {
                0 => Layout::Wide,
                _ => Layout::Narrow,
            },
        }
    }

    /// Whether a message must stay where it is; its size as the receiver sees it is given then.
    #[inline]
    pub(super) fn refuses(self, sizes: Sizes) -> Option<u32> {
        if !self.keeps_large {
            return None;
        }
        let size = sizes.in_layout(self.layout);
        (size > self.bytes).then_some(size)
    }
}

impl Waiter {
    /// Makes the waiter of the current thread. Fails with `ENOMEM`.
    pub(super) fn new() -> Result<Arc<Linked<Self>>> {
        Arc::pin_init(
            Linked::new(Self {
                awaited: Awaited::new(),
                message: Slot::new(),
                room: Atomic::new(0),
                large_size: Atomic::new(0),
                large_port: Atomic::new(0),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Begins a wait for a message. To be called by the waiter's own thread, before it queues it.
    #[inline]
    pub(super) fn begin_receive(&self, room: Room) {
        self.room.poke(room.pack());
        self.awaited.begin();
    }

    /// Begins a wait for room in a queue.
    pub(super) fn begin_send(&self) {
        self.awaited.begin();
    }

    /// What the waiting receiver has room for.
    #[inline]
    pub(super) fn room(&self) -> Room {
        Room::unpack(self.room.peek())
    }

    /// Ends the wait with `message`. The caller has taken the waiter out of its queue, and wakes
    /// it afterwards.
    #[inline]
    pub(super) fn deliver(&self, message: KBox<Node<Message>>) {
        // The slot is empty: a wait has one outcome, and its thread empties the slot after it.
        drop(self.message.replace(Some(message)));
        self.awaited.set(Outcome::Delivered);
    }

    /// Ends the wait because of a message that is too large, and wakes the thread.
    pub(super) fn refuse(&self, message: TooLarge) {
        self.large_size.store(message.size, Relaxed);
        self.large_port.store(message.port.0, Relaxed);
        self.end(Outcome::TooLarge);
    }

    /// Ends the wait, whose waiter the caller has taken out of its queue, and wakes the thread.
    pub(super) fn end(&self, outcome: Outcome) {
        self.awaited.set(outcome);
        self.wake();
    }

    /// Wakes the thread after [`deliver`](Self::deliver). No lock need be held.
    #[inline]
    pub(super) fn wake(&self) {
        self.awaited.wake_sync();
    }

    /// Sleeps until the wait has an outcome, the deadline passes, or a signal comes. In the latter
    /// two cases the waiter may still be in its queue.
    #[inline]
    pub(super) fn sleep(&self, deadline: Option<Deadline>) -> Woken {
        self.awaited.sleep(deadline)
    }

    /// The outcome, once the waiter is out of its queue.
    pub(super) fn outcome(&self) -> Outcome {
        self.awaited.outcome()
    }

    /// The message that was handed over.
    #[inline]
    pub(super) fn take_message(&self) -> Option<KBox<Node<Message>>> {
        self.message.take()
    }

    /// What [`Outcome::TooLarge`] was about.
    pub(super) fn too_large(&self) -> TooLarge {
        TooLarge {
            size: self.large_size.load(Relaxed),
            port: PortName(self.large_port.load(Relaxed)),
        }
    }
}
