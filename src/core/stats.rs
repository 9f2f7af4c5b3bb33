// SPDX-License-Identifier: GPL-2.0

//! Event counters that CPUs do not contend for.
//!
//! Each counter is split into shards by CPU; a reader adds them up. Shards are only a matter of
//! speed: a thread that moves between choosing a shard and counting still counts once, because
//! counting is atomic.
//!
//! Locks: none.

use crate::linux::{
    cpu,
    peek::count_one, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        ordering::Relaxed,
        Atomic, //
    },
};

/// Shards per counter; CPUs beyond share them.
const SHARDS: usize = 16;

/// One shard, on cache lines of its own.
#[repr(align(64))]
struct Shard<const N: usize>([Atomic<u64>; N]);

/// `N` counters.
pub(crate) struct Counters<const N: usize> {
    shards: KBox<[Shard<N>; SHARDS]>,
}

impl<const N: usize> Counters<N> {
    /// Makes counters that all stand at 0.
    pub(crate) fn new() -> Result<Self> {
        let shard = |_| Shard([const { Atomic::new(0) }; N]);
        let shards = KBox::init(pin_init::init_array_from_fn(shard), GFP_KERNEL)?;
        Ok(Self { shards })
    }

    /// Counts one event at `index`; an index past the end is not counted.
    #[inline]
    pub(crate) fn count(&self, index: usize) {
        // CAST: `u32` to `usize` loses nothing. The index is in bounds, which the compiler sees.
        let shard = &self.shards[cpu::current_hint() as usize % SHARDS];
        if let Some(counter) = shard.0.get(index) {
            count_one(counter);
        }
    }

    /// How many events were counted at `index`.
    pub(crate) fn total(&self, index: usize) -> u64 {
        self.shards
            .iter()
            .filter_map(|shard| shard.0.get(index))
            .fold(0, |sum, counter| sum.wrapping_add(counter.load(Relaxed)))
    }
}

macro_rules! events {
    ($($variant:ident $name:literal $doc:literal;)*) => {
        /// What happened, as told in debugfs (`mach/events`).
        #[derive(Clone, Copy)]
        pub(crate) enum Event { $(#[doc = $doc] $variant,)* }

        impl Event {
            /// All events, in the order in which they are told.
            pub(crate) const ALL: &'static [(Self, &'static str)] =
                &[$((Self::$variant, $name),)*];
        }
    };
}

events! {
    TaskCreated "tasks_created" "A process got its first task by opening the device.";
    TaskForked "tasks_forked" "A forked child got its task at its first trap.";
    TaskExeced "tasks_execed" "A Mach-O image was loaded and got its task.";
    TaskReplaced "tasks_replaced" "A task ended because its process loaded a Mach-O image.";
    TaskExited "tasks_exited" "A task ended with its process, or because that went on as another format.";
    ThreadStarted "threads_started" "A thread made its first trap.";
    ThreadEnded "threads_ended" "A thread ended, or announced its end.";
    MessageSent "messages_sent" "A message was queued or handed over.";
    MessageReceived "messages_received" "A message was copied out to a receiver.";
}

/// The number of kinds of events.
pub(crate) const EVENTS: usize = Event::ALL.len();
