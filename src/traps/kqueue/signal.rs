// SPDX-License-Identifier: GPL-2.0

//! The filter of signals that other processes send to the task (ABI traps §10.4).
//!
//! What comes is what the client's handlers hand to the kernel (`sigprocess`): signals that Linux
//! ignores or blocks do not. Numbers are those of BSD.
//!
//! Source of the behaviour: XNU bsd/kern/kern_sig.c, `filt_sig*`. Locks: `Signals::knotes`
//! (spinlock), before `Kqueue::ready`.

use super::{
    errno::Errno,
    filter::{
        Activity,
        Adding,
        Asked,
        Filter, //
    },
    knote::{
        Hook,
        State, //
    },
    task::TaskKqueues, //
};
use crate::abi::kevent::{
    ev,
    Kevent, //
};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            ordering::{Full, Relaxed},
            Atomic, //
        },
        Arc,
        SpinLock, //
    },
};

/// A signal that is waited for.
struct Awaited {
    signal: u64,
    hook: Hook,
    /// How often it has come since it was last reported.
    count: Atomic<u64>,
}

/// The knotes of a task that wait for signals.
#[pin_data]
pub(super) struct Signals {
    #[pin]
    knotes: SpinLock<KVec<Arc<Awaited>>>,
}

impl Signals {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            knotes <- new_spinlock!(KVec::new(), "Signals::knotes"),
        })
    }

    /// A signal has come.
    pub(super) fn post(&self, signal: u32) {
        for knote in self.knotes.lock().iter() {
            if knote.signal == u64::from(signal) {
                knote.count.add(1, Relaxed);
                knote.hook.activate();
            }
        }
    }

    fn add(&self, awaited: Arc<Awaited>) -> Result {
        let mut larger = KVec::new();
        loop {
            let mut knotes = self.knotes.lock();
            if knotes.len() < knotes.capacity() {
                // There is room, so this does not allocate.
                return Ok(knotes.push(awaited, GFP_ATOMIC)?);
            }
            if larger.capacity() > knotes.len() {
                for knote in knotes.drain_all() {
                    // As above.
                    larger.push(knote, GFP_ATOMIC)?;
                }
                core::mem::swap(&mut *knotes, &mut larger);
                continue;
            }
            let wanted = knotes.len().saturating_mul(2).max(4);
            drop(knotes);
            larger = KVec::with_capacity(wanted, GFP_KERNEL_ACCOUNT)?;
        }
    }

    fn remove(&self, awaited: &Arc<Awaited>) {
        let mut knotes = self.knotes.lock();
        let found = knotes.iter().position(|other| Arc::ptr_eq(other, awaited));
        let removed = found.and_then(|position| knotes.remove(position).ok());
        drop(knotes);
        drop(removed);
    }
}

/// A knote on a signal.
pub(super) struct Signal {
    signals: Arc<Signals>,
    awaited: Arc<Awaited>,
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.signals.remove(&self.awaited);
    }
}

impl Filter for Signal {
    fn attach(adding: Adding<'_>, state: &mut State) -> Result<(Self, Activity), Errno> {
        state.flags |= ev::CLEAR;
        let signals = TaskKqueues::signals(adding.context)?.clone();
        let awaited = Arc::new(
            Awaited {
                signal: adding.change.ident,
                hook: adding.hook,
                count: Atomic::new(0),
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        signals.add(awaited.clone())?;
        Ok((Self { signals, awaited }, Activity::Quiet))
    }

    fn process(&mut self, event: &mut Kevent, _asked: Asked<'_>) -> Activity {
        let count = self.awaited.count.xchg(0, Full);
        event.data = i64::try_from(count).unwrap_or(i64::MAX);
        Activity::of(count != 0)
    }
}
