// SPDX-License-Identifier: GPL-2.0

//! The kqueue: its knotes, which of them are active, and who waits for one.
//!
//! A knote that becomes active is given to a thread that waits, with its turn. If none does it gets
//! into a queue, of which a thread takes the first one and its turn, asks the filter what
//! there is to report, and gives the turn back, by which a knote that stays active gets to the end
//! of the queue: so each gets its chance, however many are active. A knote that becomes active
//! while somebody has its turn is queued when that is given back. Nobody sleeps while there is a
//! knote in the queue, and for each that gets there one thread is woken.
//!
//! Source of the behaviour: XNU bsd/kern/kern_event.c; ABI traps §10.
//!
//! Locks: `Kqueue::table` (mutex), then `Kqueue::ready`, see [`super`].

use super::{
    knote::{
        status,
        Knote,
        KnoteRef,
        KnoteTurn, //
    },
    table::Table,
    task::Siblings,
    waiter::{
        Told,
        Waiter,
        WaiterRef, //
    },
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
        queue::{
            Linked,
            Queue, //
        },
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
            ordering::{Full, Relaxed},
            Atomic, //
        },
        barrier,
        Arc,
        ArcBorrow,
        Mutex,
        SpinLockIrq,
        SpinLockIrqGuard, //
    },
};

pub(super) static KQUEUES: ObjectCounter = ObjectCounter::new("kqueues");

/// A reference to a kqueue, which can leave waking its pollers to another thread.
pub(super) type KqueueRef = Arc<Deferred<Kqueue>>;

/// A reference that somebody else counts.
pub(super) type KqueueBorrow<'a> = ArcBorrow<'a, Deferred<Kqueue>>;

/// What is to be reported, and to whom.
struct Ready {
    /// The active knotes.
    queue: Queue<Knote>,
    waiters: Queue<Waiter>,
    /// Whether somebody has polled the kqueue since its pollers were woken last.
    is_polled: bool,
    /// The number of the last scan.
    round: u64,
    is_closed: bool,
}

/// A kqueue.
#[pin_data]
pub(super) struct Kqueue {
    /// The address of the task that it belongs to; 0 once it is closed.
    owner: Atomic<usize>,
    /// The kqueues of that task.
    pub(super) siblings: Arc<Siblings>,
    /// Its place among these. Protected by `Siblings::kqueues`.
    pub(super) position: Atomic<usize>,
    /// In what form events are given and taken; 0 until it is first used.
    dialect: Atomic<u32>,
    /// How many knotes are on other kqueues.
    pub(super) children: Atomic<u32>,
    /// The last look for circles that came by here. Protected by `Siblings::nesting`.
    pub(super) mark: Atomic<u64>,
    #[pin]
    pub(super) table: Mutex<Table>,
    #[pin]
    ready: SpinLockIrq<Ready>,
    /// How many knotes are in the queue there. Changed with the lock held.
    queued: Atomic<usize>,
    /// Those who wait for the turn of a knote.
    #[pin]
    turns: WaitQueue,
    #[pin]
    pollers: WaitQueue,
    _live: Live,
}

/// Whom to wake once `Kqueue::ready` is released.
#[must_use]
struct Wakes {
    waiter: Option<WaiterRef>,
    pollers: bool,
}

impl Wakes {
    const NOBODY: Self = Self {
        waiter: None,
        pollers: false,
    };

    /// Wakes them. `kqueue` is the one whose they are. May be called in any context.
    #[inline]
    fn wake(self, kqueue: &KqueueRef) {
        if let Some(waiter) = self.waiter {
            waiter.wake();
        }
        if self.pollers {
            // Not here: this may be running under the lock of a queue of what is polled, as a
            // kqueue may itself be what another one, or an epoll, waits for.
            kqueue.run_soon();
        }
    }
}

impl Ready {
    fn next_waiter(&mut self, told: Told) -> Option<WaiterRef> {
        let waiter = self.waiters.pop_front()?;
        waiter.tell(told);
        Some(waiter)
    }

    /// Gives a scan that has just begun its number.
    #[inline]
    fn begin(&mut self, scan: &mut Scan) {
        if scan.round == 0 {
            self.round = self.round.wrapping_add(1);
            scan.round = self.round;
        }
    }

    /// Gives a knote that is due to who waits longest, or puts it into the queue.
    #[inline]
    fn enqueue(&mut self, knote: &KnoteRef) -> Wakes {
        if self.queue.contains(knote) {
            return Wakes::NOBODY;
        }
        if !self.waiters.is_empty() {
            // Somebody may have the turn by now, who queues the knote when he gives it back.
            let Ok(turn) = Knote::try_take(knote.clone()) else {
                return Wakes::NOBODY;
            };
            let status = knote.status();
            knote.set_status(status & !status::ACTIVE);
            return Wakes {
                waiter: self.waiters.pop_front().inspect(|waiter| {
                    waiter.give(turn, status);
                    waiter.tell(Told::Event);
                }),
                pollers: false,
            };
        }
        // It is in no queue, so this does not fail.
        let _ = self.queue.push_back(knote.clone());
        knote.kqueue.count_queued(1);
        Wakes {
            waiter: None,
            pollers: core::mem::take(&mut self.is_polled),
        }
    }

    /// Takes a knote out of the queue. The reference is not the last one: whoever calls this has
    /// another.
    #[inline]
    fn dequeue(&mut self, knote: &KnoteRef) {
        if self.queue.remove(knote).is_some() {
            knote.kqueue.count_queued(usize::MAX);
        }
    }
}

/// A look through the active knotes, of which it reports each once.
#[derive(Default)]
pub(super) struct Scan {
    round: u64,
    /// How many have been reported.
    pub(super) found: u32,
}

/// What a scan comes upon.
pub(super) enum Next {
    /// An active knote, which is not any more, and the status that it had.
    Knote(KnoteTurn, u32),
    /// Nothing that it has not reported.
    Nothing,
    /// The kqueue is closed.
    Closed,
}

/// What becomes of a knote when its turn is given back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Bits of the status to be set.
    pub(super) set: u32,
    /// Bits to be cleared.
    pub(super) clear: u32,
    /// The round in which it was reported.
    pub(super) reported: Option<u64>,
    /// Whether the thread looks for no more events now, so that another one is to be woken if
    /// there are some.
    pub(super) is_last: bool,
}

impl Outcome {
    /// It is active.
    pub(super) const ACTIVE: Self = Self {
        set: status::ACTIVE,
        ..Self::NOTHING
    };

    /// All stays as it is.
    pub(super) const NOTHING: Self = Self {
        set: 0,
        clear: 0,
        reported: None,
        is_last: false,
    };
}

/// Why there is no turn to be had.
pub(super) enum NoTurn {
    /// The knote has left its kqueue.
    Dropped,
    /// The thread was killed.
    Killed,
}

impl Scan {
    pub(super) fn round(&self) -> u64 {
        self.round
    }
}

impl Kqueue {
    /// Makes a kqueue of `task`, which has these others. Fails with `ENOMEM`.
    pub(super) fn new(task: &Task, siblings: &Arc<Siblings>) -> Result<KqueueRef> {
        let kqueue = pin_init!(Self {
            owner: Atomic::new(core::ptr::from_ref(task).addr()),
            siblings: siblings.clone(),
            position: Atomic::new(0),
            dialect: Atomic::new(0),
            children: Atomic::new(0),
            mark: Atomic::new(0),
            table <- new_mutex!(Table::new(), "Kqueue::table"),
            ready <- new_spinlock_irq!(
                Ready {
                    queue: Queue::new(),
                    waiters: Queue::new(),
                    is_polled: false,
                    round: 0,
                    is_closed: false,
                },
                "Kqueue::ready"
            ),
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

    /// There are so many more in the queue. `ready` is held.
    #[inline]
    fn count_queued(&self, more: usize) {
        self.queued
            .store(self.queued.peek().wrapping_add(more), Relaxed);
    }

    /// Whether nobody has the turn of a knote whose status was changed just now. Somebody who has it
    /// sees the change when he gives the turn back.
    #[inline]
    fn is_free(knote: &Knote) -> bool {
        // Pairs with the barrier of `give_back`: he sees the status, or we that he has done it.
        barrier::smp_mb(Full);
        !knote.turn_is_taken()
    }

    /// A knote has become active, with these bits more in its status. May be called in any
    /// context.
    #[inline]
    pub(super) fn activate(knote: &KnoteRef, bits: u32) {
        let kqueue = &knote.kqueue;
        let wakes = {
            let mut ready = kqueue.ready.lock();
            knote.set_status(knote.status() | status::ACTIVE | bits);
            match knote.is_due() && Self::is_free(knote) {
                true => ready.enqueue(knote),
                false => Wakes::NOBODY,
            }
        };
        wakes.wake(kqueue);
    }

    /// Waits for the turn of a knote.
    #[inline]
    pub(super) fn take_turn(&self, knote: KnoteRef) -> Result<KnoteTurn, NoTurn> {
        let turn = match Knote::try_take(knote) {
            Ok(turn) => turn,
            Err(knote) => self.wait_for_turn(knote, false)?,
        };
        match turn.dropped {
            false => Ok(turn),
            true => {
                drop(self.give_back(turn, Outcome::NOTHING));
                Err(NoTurn::Dropped)
            }
        }
    }

    #[cold]
    fn wait_for_turn(
        &self,
        mut knote: KnoteRef,
        ignores_signals: bool,
    ) -> Result<KnoteTurn, NoTurn> {
        loop {
            // Each time that somebody has it again, he has to be told again to wake us.
            let is_free = || {
                let _ready = self.ready.lock();
                if !knote.turn_is_taken() {
                    return true;
                }
                knote.set_status(knote.status() | status::AWAITED);
                Self::is_free(&knote)
            };
            if ignores_signals {
                self.turns.wait_uninterruptible(is_free);
            } else if !self.turns.wait_killable(is_free) {
                return Err(NoTurn::Killed);
            }
            match Knote::try_take(knote) {
                Ok(turn) => return Ok(turn),
                Err(other) => knote = other,
            }
        }
    }

    /// Gives a turn back. If the knote is active, it gets to the end of the queue.
    #[inline]
    pub(super) fn give_back(&self, turn: KnoteTurn, outcome: Outcome) -> KnoteRef {
        if let Some(round) = outcome.reported {
            // It is in no queue as long as its turn is taken.
            turn.owner().reported.poke(round);
        }
        let changes_nothing = outcome.set | outcome.clear == 0;
        if changes_nothing && (!outcome.is_last || self.queued() == 0) {
            let knote = turn.release();
            // Pairs with that of `is_free`.
            barrier::smp_mb(Full);
            if knote.status() & (status::ACTIVE | status::AWAITED) != 0 {
                self.settle(&knote, Outcome::NOTHING, self.ready.lock());
            }
            return knote;
        }
        let ready = self.ready.lock();
        let knote = turn.release();
        self.settle(&knote, outcome, ready);
        knote
    }

    /// Does what is left to do for a knote whose turn was given back.
    fn settle(&self, knote: &KnoteRef, outcome: Outcome, mut ready: SpinLockIrqGuard<'_, Ready>) {
        let before = knote.status();
        let after = before & !(outcome.clear | status::AWAITED) | outcome.set;
        knote.set_status(after);
        let mut wakes = Wakes::NOBODY;
        if !knote.is_due() {
            if after & status::ACTIVE != 0 {
                ready.dequeue(knote);
            }
        } else if Self::is_free(knote) {
            wakes = ready.enqueue(knote);
        }
        if outcome.is_last && wakes.waiter.is_none() && !ready.queue.is_empty() {
            wakes.waiter = ready.next_waiter(Told::Event);
        }
        drop(ready);
        if before & status::AWAITED != 0 {
            self.turns.wake_all();
        }
        wakes.wake(&knote.kqueue);
    }

    /// Gives the turn of a knote back that was changed just now, and takes the next active one: that
    /// may be the very same. There is room for `room` events.
    #[inline]
    pub(super) fn next_after(
        &self,
        scan: &mut Scan,
        room: u32,
        (turn, outcome): (KnoteTurn, Outcome),
    ) -> Next {
        // If it was quiet and is active now, and alone, then it is what the scan is after.
        if room == 1
            && outcome == Outcome::ACTIVE
            && turn.owner().status() == 0
            && self.queued() == 0
        {
            return Next::Knote(turn, status::ACTIVE);
        }
        {
            let mut ready = self.ready.lock();
            if ready.queue.is_empty() && !ready.is_closed {
                let knote = turn.owner();
                let status = knote.status() & !outcome.clear | outcome.set;
                knote.set_status(status);
                if knote.is_due() {
                    ready.begin(scan);
                    knote.set_status(status & !status::ACTIVE);
                    return Next::Knote(turn, status);
                }
            }
        }
        drop(self.give_back(turn, outcome));
        self.next(scan, None)
    }

    /// Takes the next active knote. If there is none and `waiter` is given, puts that in the
    /// queue of those who wait.
    #[inline]
    pub(super) fn next(&self, scan: &mut Scan, waiter: Option<&WaiterRef>) -> Next {
        let mut ready = self.ready.lock();
        if ready.is_closed {
            return Next::Closed;
        }
        ready.begin(scan);
        loop {
            let has_come_round = |knote: &Knote| knote.reported.peek() >= scan.round;
            if scan.found != 0 && ready.queue.front().is_some_and(has_come_round) {
                let next = ready.next_waiter(Told::Event);
                drop(ready);
                if let Some(waiter) = next {
                    waiter.wake();
                }
                return Next::Nothing;
            }
            let Some(knote) = ready.queue.pop_front() else {
                if let Some(waiter) = waiter {
                    // A thread waits in one place at a time, so this does not fail.
                    let _ = ready.waiters.push_back(waiter.clone());
                }
                return Next::Nothing;
            };
            self.count_queued(usize::MAX);
            // Who has the turn of one queues it again; the reference is not the last, as knotes
            // leave the queue before they leave the table.
            if let Ok(turn) = Knote::try_take(knote) {
                let status = turn.owner().status();
                turn.owner().set_status(status & !status::ACTIVE);
                return Next::Knote(turn, status);
            }
        }
    }

    /// Takes `waiter` out of the queue of those who wait; false if it has been taken out.
    pub(super) fn stop_waiting(&self, waiter: &Linked<Waiter>) -> bool {
        self.ready.lock().waiters.remove(waiter).is_some()
    }

    /// Takes a knote out of the kqueue for good. May sleep.
    pub(super) fn drop_knote(&self, mut turn: KnoteTurn) {
        {
            let mut ready = self.ready.lock();
            let knote = turn.owner();
            knote.set_status(knote.status() | status::DROPPED);
            ready.dequeue(knote);
        }
        turn.dropped = true;
        // From here on nobody activates it.
        turn.source = None;
        let removed = self.table.lock().remove(turn.owner());
        drop(removed);
        drop(self.give_back(turn, Outcome::NOTHING));
    }

    /// Has somebody who polls told of the next event, and tells whether there is one.
    pub(super) fn poll(&self, register: impl FnOnce(&WaitQueue)) -> bool {
        register(&self.pollers);
        let mut ready = self.ready.lock();
        ready.is_polled = true;
        !ready.queue.is_empty()
    }

    /// How many knotes are active.
    #[inline]
    pub(super) fn queued(&self) -> usize {
        self.queued.peek()
    }

    /// Has all threads that wait look whether their descriptor is still there.
    pub(super) fn descriptor_closed(&self) {
        self.tell_all(Told::DescriptorClosed);
    }

    fn tell_all(&self, told: Told) {
        let mut waiters = self.ready.lock().waiters.take();
        // Those who give up meanwhile find themselves taken out.
        while let Some(waiter) = waiters.pop_front() {
            waiter.tell(told);
            waiter.wake();
        }
    }

    /// Closes the kqueue: its knotes are dropped, and nobody waits any more. May sleep; later
    /// calls do nothing.
    pub(super) fn close(&self) {
        self.owner.store(0, Relaxed);
        self.ready.lock().is_closed = true;
        self.tell_all(Told::Closed);
        let mut slots = self.table.lock().close();
        for slot in slots.iter_mut() {
            let Some(knote) = slot.take() else {
                continue;
            };
            let turn = match Knote::try_take(knote) {
                Ok(turn) => Ok(turn),
                Err(knote) => self.wait_for_turn(knote, true),
            };
            match turn {
                Ok(turn) if turn.dropped => drop(self.give_back(turn, Outcome::NOTHING)),
                Ok(turn) => self.drop_knote(turn),
                Err(_) => (),
            }
        }
    }
}

/// Wakes those who poll.
impl Job for Kqueue {
    fn run(&self) {
        self.pollers.wake_pollers();
    }
}
