// SPDX-License-Identifier: GPL-2.0

//! A thread: a Linux thread that has made a trap.
//!
//! Lives from its first trap until it announces its end or just ends, whichever is first.
//!
//! Locks: `Thread::last_child` (spinlock), a leaf. Those of `parking`, `handed` and `debug` stand there.

use super::{
    debug_registers::DebugRegisters,
    handed::Handed,
    object::Live,
    states::States,
    suspend_count::SuspendCount,
    tasks::Unborn,
    Event,
    Mach,
    Making,
    ObjectCounter,
    Task,
    ThreadState, //
};
use crate::linux::{
    current,
    once::Once,
    stopped_registers::Parking,
    task_work::{
        TaskWork,
        TaskWorkItem, //
    },
    thread::ThreadRef,
};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            ordering::{Full, Relaxed},
            Atomic, //
        },
        barrier,
        Arc,
        SpinLock, //
    },
};

pub(super) static THREADS: ObjectCounter = ObjectCounter::new("threads");

/// Bits of [`Thread::cancellation`].
mod cancellation {
    /// The thread does not want to be cancelled.
    pub(super) const DISABLED: u32 = 1;
    /// Somebody wants the thread to be cancelled.
    pub(super) const PENDING: u32 = 2;
}

/// A thread of a [`Task`].
#[pin_data]
pub(crate) struct Thread {
    mach: Arc<Mach>,
    tid: u32,
    linux: ThreadRef,
    states: States<dyn ThreadState>,
    ended: Atomic<bool>,
    /// What `set_thread_handles` said; reported by thread information calls.
    pub(crate) pthread_handle: Atomic<u64>,
    /// The same of its dispatch queue.
    pub(crate) dispatch_queue: Atomic<u64>,
    /// Whether the thread may be cancelled, and whether it is to be.
    cancellation: Atomic<u32>,
    /// How often the thread is suspended.
    pub(super) suspensions: SuspendCount,
    /// Whether somebody ends it.
    pub(super) terminating: Atomic<bool>,
    /// How often somebody keeps it from its program for a moment.
    pub(super) holds: SuspendCount,
    /// Where its registers are while it is parked.
    #[pin]
    pub(super) parking: Parking,
    /// The registers that its client has handed in.
    #[pin]
    pub(crate) handed: Handed,
    /// Made when somebody sets them.
    pub(super) debug: Once<DebugRegisters>,
    /// The child that this thread forked last and did not wait for yet.
    #[pin]
    last_child: SpinLock<Option<Arc<Unborn>>>,
    work: TaskWork,
    _live: Live,
}

impl Thread {
    /// Makes the thread object for the current thread of `task`. Fails with `ENOMEM`.
    pub(super) fn new(task: &Task) -> Result<Arc<Self>> {
        let mach = task.mach_arc();
        let mut states = States::new();
        for (position, (subsystem, making)) in mach.stateful().iter().enumerate() {
            if *making == Making::AtBirth {
                states.set(position, subsystem.new_thread()?, ThreadState::as_any);
            }
        }
        let thread = Arc::pin_init(
            pin_init!(Self {
                mach: mach.clone(),
                tid: current::tid(),
                linux: ThreadRef::current(),
                states,
                ended: Atomic::new(false),
                pthread_handle: Atomic::new(0),
                dispatch_queue: Atomic::new(0),
                cancellation: Atomic::new(0),
                suspensions: SuspendCount::new(),
                terminating: Atomic::new(false),
                holds: SuspendCount::new(),
                parking <- Parking::new(),
                handed <- Handed::new(),
                debug: Once::new(),
                last_child <- new_spinlock!(None, "Thread::last_child"),
                work: TaskWork::new(),
                _live: Live::new(&THREADS),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        mach.count(Event::ThreadStarted);
        Ok(thread)
    }

    /// The module's state.
    pub(super) fn mach(&self) -> &Mach {
        &self.mach
    }

    /// The Linux thread id in the initial pid namespace.
    pub(crate) fn tid(&self) -> u32 {
        self.tid
    }

    /// The Linux thread, which may have exited.
    pub(crate) fn linux(&self) -> &ThreadRef {
        &self.linux
    }

    /// Asks the thread to cancel itself, and ends a wait that is a cancellation point, which is
    /// one that asks [`is_cancelled`](Self::is_cancelled). Others go on. Does nothing to a thread
    /// that does not want to be cancelled.
    pub(crate) fn cancel(&self) {
        loop {
            let old = self.cancellation.load(Relaxed);
            if old & cancellation::DISABLED != 0 {
                return;
            }
            let new = old | cancellation::PENDING;
            if self.cancellation.cmpxchg(old, new, Full).is_ok() {
                return self.linux.wake_interruptible();
            }
        }
    }

    /// Whether somebody has asked the thread to cancel itself, and it does not mind.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancellation.load(Relaxed) == cancellation::PENDING
    }

    /// Says whether the thread, the current one, wants to be cancelled.
    pub(crate) fn set_cancellable(&self, cancellable: bool) {
        loop {
            let old = self.cancellation.load(Relaxed);
            let new = if cancellable {
                old & !cancellation::DISABLED
            } else {
                old | cancellation::DISABLED
            };
            if self.cancellation.cmpxchg(old, new, Full).is_ok() {
                return;
            }
        }
    }

    /// The state at `position`, see [`super::StateKey`].
    #[inline]
    pub(super) fn state<T: 'static>(&self, position: usize) -> Option<&T> {
        self.states.get(position)
    }

    /// Makes the state at `position`, unless it is there. May sleep.
    #[cold]
    pub(super) fn make_state(&self, position: usize) -> Result {
        let (subsystem, _) = self.mach.stateful().get(position).ok_or(ENXIO)?;
        if let Some(state) = subsystem.new_thread()? {
            self.states.put(position, state, ThreadState::as_any)?;
        }
        // Either `end` finds the state, or we see that it has been there.
        barrier::smp_mb(Full);
        if self.has_ended() {
            if let Some(state) = self.states.object(position) {
                state.thread_ended();
            }
        }
        Ok(())
    }

    /// Remembers the child that the thread just forked. Does not sleep.
    pub(super) fn forked(&self, child: Arc<Unborn>) {
        let previous = self.last_child.lock().replace(child);
        // The previous child inherits from the task of this very thread, which is alive: this is
        // not the last reference to that task.
        drop(previous);
    }

    /// The child that the thread forked last, once.
    pub(crate) fn take_last_child(&self) -> Option<Arc<Unborn>> {
        self.last_child.lock().take()
    }

    /// Ends the thread: its ports die. May sleep. Later calls do nothing.
    pub(super) fn end(&self) {
        if self.ended.xchg(true, Full) {
            return;
        }
        for state in self.states.last_first() {
            state.thread_ended();
        }
        drop(self.take_last_child());
        if let Some(registers) = self.debug_registers() {
            registers.end();
        }
        self.mach.count(Event::ThreadEnded);
    }

    /// Whether somebody ends the thread: it goes back to its program no more.
    pub(crate) fn is_terminating(&self) -> bool {
        self.terminating.load(Relaxed)
    }

    /// Whether the thread has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }
}

/// The thread is on its way out of the kernel for good.
impl TaskWorkItem for Thread {
    fn task_work(&self) -> &TaskWork {
        &self.work
    }

    fn run(self: Arc<Self>) {
        self.end();
    }
}
