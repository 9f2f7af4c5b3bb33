// SPDX-License-Identifier: GPL-2.0

//! Where traps find the objects they work on, and how objects that nobody needs any more go by
//! themselves.
//!
//! A [`TendedTable`] has an alarm, which is set while there may be idle objects that stay for a
//! while only. It holds no reference on the module: it goes with the table.
//!
//! Locks: none but the table's.

use super::{
    object::{
        Object,
        ObjectKind, //
    },
    table::{
        Fate,
        Key,
        Table,
        LINGER_NS, //
    },
    waiter::Wakes,
};
use crate::linux::{
    alarm::{
        Alarm,
        Alarmed, //
    },
    deferred::{
        Deferred,
        Job, //
    },
    shared_memory::SharedMemory,
    wait::Deadline, //
};
use kernel::{
    alloc::Flags,
    prelude::*,
    sync::atomic::{
        ordering::{Full, Relaxed},
        Atomic, //
    },
};

/// How often idle objects are looked at, in nanoseconds: for their time to be up, or for their
/// memory to be gone, which nobody tells.
const ROUND_NS: u64 = 1_000_000_000;

/// After so many rounds what was idle before the first of them is over.
const ROUNDS: u32 = (LINGER_NS / ROUND_NS) as u32 + 1;

/// A table, and whether its alarm has to go off.
#[pin_data]
struct Tended {
    #[pin]
    table: Table,
    /// So many times the alarm has to go off yet, until what is idle now is over.
    rounds: Atomic<u32>,
    /// Whether the alarm is set. Who makes it true sets it, and nobody else.
    alarm_set: Atomic<bool>,
}

impl Job for Tended {
    fn run(&self) {
        self.table.tidy();
    }
}

impl Alarmed for Tended {
    fn note_expiry(&self) -> Option<u64> {
        let left = self.rounds.load(Relaxed);
        if left == 0 {
            self.alarm_set.xchg(false, Full);
            // Who has just begun to count anew may have found the alarm still set.
            if self.rounds.load(Relaxed) == 0 || self.alarm_set.xchg(true, Full) {
                return None;
            }
        } else {
            // Fails if somebody begins anew at this moment, which is as well.
            let _ = self.rounds.cmpxchg(left, left.saturating_sub(1), Full);
        }
        Some(ROUND_NS)
    }
}

/// A table whose idle objects go some time after the last trap was at them.
#[pin_data]
pub(super) struct TendedTable {
    #[pin]
    alarm: Alarm<Deferred<Tended>>,
}

impl TendedTable {
    /// Makes one, with memory as `flags` say. Fails with `ENOMEM`.
    pub(super) fn new(flags: Flags) -> Result<impl PinInit<Self>> {
        let tended = pin_init!(Tended {
            table <- Table::new(),
            rounds: Atomic::new(0),
            alarm_set: Atomic::new(false),
        });
        let job = Deferred::new(tended, flags)?;
        Ok(pin_init!(Self {
            alarm <- Alarm::new(job),
        }))
    }

    fn table(&self) -> &Table {
        &self.alarm.job().table
    }

    /// Forgets all objects.
    pub(super) fn clear(&self) {
        self.table().clear();
    }

    /// Has those objects forgotten, in about `milliseconds`, that are in memory that nobody has
    /// mapped then.
    pub(super) fn tidy_in(&self, milliseconds: u32) {
        if !self.table().is_empty() {
            self.alarm.job().run_in(milliseconds);
        }
    }

    /// Sees to it that an object that has become idle goes in time.
    fn note(&self, fate: Fate) {
        if fate != Fate::Lingers {
            return;
        }
        let tended = self.alarm.job();
        // Either the alarm's function sees this, or its `alarm_set` is seen here.
        tended.rounds.xchg(ROUNDS, Full);
        if !tended.alarm_set.load(Relaxed) && !tended.alarm_set.xchg(true, Full) {
            self.alarm.set(Deadline::after(ROUND_NS));
        }
    }
}

/// An object's table and key.
pub(super) struct Place<'a> {
    table: &'a TendedTable,
    key: Key,
    memory: Option<SharedMemory>,
}

impl<'a> Place<'a> {
    pub(super) fn new(table: &'a TendedTable, key: Key, memory: Option<SharedMemory>) -> Self {
        Self { table, key, memory }
    }

    /// Does `work` on the object, which becomes one of `kind` first. `EBUSY` if it is in use as one
    /// of another kind, `ENOMEM`. Does not sleep once `work` has begun.
    pub(super) fn with<R>(
        &self,
        kind: ObjectKind,
        work: impl FnOnce(&mut Object, &mut Wakes) -> R,
    ) -> Result<R> {
        let table = self.table.table();
        let (result, fate) = table.with(self.key, kind, self.memory.as_ref(), work)?;
        self.table.note(fate);
        Ok(result)
    }

    /// Does `work` on the object, if there is one. Does not sleep.
    pub(super) fn with_existing<R>(
        &self,
        work: impl FnOnce(&mut Object, &mut Wakes) -> R,
    ) -> Option<R> {
        let (result, fate) = self.table.table().with_existing(self.key, work)?;
        self.table.note(fate);
        Some(result)
    }

    /// `EBUSY` if there is an object that could not become one of `kind`.
    pub(super) fn check(&self, kind: ObjectKind) -> Result {
        self.with_existing(|object, _| object.is(kind) || object.is_idle())
            .map_or(Ok(()), |fits| if fits { Ok(()) } else { Err(EBUSY) })
    }
}
