// SPDX-License-Identifier: GPL-2.0

//! The kqueue.
//!
//! What it does is in files of their own: [`active`](super::active) (which knotes are active, who
//! waits), [`turns`](super::turns) (who works on a knote), [`scan`](super::scan) (the active ones are
//! taken), [`change`](super::change) and [`removal`](super::removal).
//!
//! Source of the behaviour: XNU bsd/kern/kern_event.c; ABI traps §10.
//!
//! Locks: `Kqueue::table` (mutex), then `Kqueue::ready`, see [`super`].

use super::{
    active::Ready,
    table::Table,
    task::Siblings, //
};
use crate::{
    core::{
        Live,
        ObjectCounter,
        Task, //
    },
    linux::{
        deferred::{
            Deferred,
            Job, //
        },
        peek::Peek,
        roster::Seat,
        wait::{
            new_wait_queue,
            WaitQueue, //
        },
    },
};
use kernel::{
    new_mutex, new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc,
        ArcBorrow,
        Mutex,
        SpinLockIrq, //
    },
};

pub(super) static KQUEUES: ObjectCounter = ObjectCounter::new("kqueues");

/// A reference to a kqueue, which can leave waking its pollers to another thread.
pub(super) type KqueueRef = Arc<Deferred<Kqueue>>;

/// A reference that somebody else counts.
pub(super) type KqueueBorrow<'a> = ArcBorrow<'a, Deferred<Kqueue>>;

/// A kqueue.
#[pin_data]
pub(super) struct Kqueue {
    /// The address of the task that it belongs to; 0 once it is closed.
    pub(super) owner: Atomic<usize>,
    /// The kqueues of that task.
    pub(super) siblings: Arc<Siblings>,
    /// Its seat among these.
    pub(super) seat: Seat,
    /// In what form events are given and taken; 0 until it is first used.
    dialect: Atomic<u32>,
    /// How many knotes are on other kqueues.
    pub(super) children: Atomic<u32>,
    /// The last look for circles that came by here. Protected by `Siblings::nesting`.
    pub(super) mark: Atomic<u64>,
    #[pin]
    pub(super) table: Mutex<Table>,
    #[pin]
    pub(super) ready: SpinLockIrq<Ready>,
    /// How many knotes are in the queue there. Changed with the lock held.
    pub(super) queued: Atomic<usize>,
    /// Those who wait for the turn of a knote.
    #[pin]
    pub(super) turns: WaitQueue,
    #[pin]
    pollers: WaitQueue,
    _live: Live,
}

impl Kqueue {
    /// Makes a kqueue of `task`, which has these others. Fails with `ENOMEM`.
    pub(super) fn new(task: &Task, siblings: &Arc<Siblings>) -> Result<KqueueRef> {
        let kqueue = pin_init!(Self {
            owner: Atomic::new(core::ptr::from_ref(task).addr()),
            siblings: siblings.clone(),
            seat: Seat::new(),
            dialect: Atomic::new(0),
            children: Atomic::new(0),
            mark: Atomic::new(0),
            table <- new_mutex!(Table::new(), "Kqueue::table"),
            ready <- new_spinlock_irq!(Ready::new(), "Kqueue::ready"),
            queued: Atomic::new(0),
            turns <- new_wait_queue!("Kqueue::turns"),
            pollers <- new_wait_queue!("Kqueue::pollers"),
            _live: Live::new(&KQUEUES),
        });
        Deferred::new(kqueue, GFP_KERNEL_ACCOUNT)
    }

    /// Whether it belongs to `task`, and is not closed.
    #[inline]
    pub(super) fn is_of(&self, task: &Task) -> bool {
        // A task outlives its kqueues' use: they are closed when it ends.
        self.owner.peek() == core::ptr::from_ref(task).addr()
    }

    /// Notes in what form events are given and taken, if that is not known yet; tells what form
    /// that is.
    #[inline]
    pub(super) fn dialect(&self, wanted: u32) -> u32 {
        match self.dialect.peek() {
            0 => match self.dialect.cmpxchg(0, wanted, Relaxed) {
                Ok(_) => wanted,
                Err(other) => other,
            },
            dialect => dialect,
        }
    }

    /// How many knotes are active.
    #[inline]
    pub(super) fn queued(&self) -> usize {
        self.queued.peek()
    }

    /// Where those who poll wait.
    pub(super) fn pollers(&self) -> &WaitQueue {
        &self.pollers
    }

    /// Tells whether there is an event, and has the pollers told of the next one.
    pub(super) fn poll(&self) -> bool {
        let mut ready = self.ready.lock();
        ready.is_polled = true;
        !ready.queue.is_empty()
    }
}

/// Wakes those who poll.
impl Job for Kqueue {
    fn run(&self) {
        self.pollers.wake_pollers();
    }
}
