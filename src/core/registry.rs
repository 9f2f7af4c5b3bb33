// SPDX-License-Identifier: GPL-2.0

//! The registry of traps: which function answers which number.
//!
//! Filled once at module init and immutable from then on, so dispatch is an array look-up without
//! a lock. Counts calls and errors of each trap.
//!
//! Locks: none.

use super::{
    stats::Counters,
    trap::{
        Context,
        TrapDescriptor, //
    },
    Outcome,
    Subsystem, //
};
use crate::abi::nr;
use kernel::prelude::*;

/// A registered trap.
#[derive(Clone, Copy)]
struct Entry {
    run: fn(&Context<'_>, usize) -> Outcome,
    subsystem: &'static str,
}

/// What the registry tells of one trap number.
pub(crate) struct TrapReport {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    /// The subsystem that answers, or `None` for a trap that is not built.
    pub(crate) subsystem: Option<&'static str>,
    pub(crate) calls: u64,
    pub(crate) errors: u64,
}

/// All traps by number.
pub(crate) struct TrapRegistry {
    trace: bool,
    /// By position; on the heap from the beginning, as the kernel's stack is small.
    entries: KVec<Option<Entry>>,
    calls: Counters<{ nr::COUNT }>,
    errors: Counters<{ nr::COUNT }>,
}

/// The position of a trap number in the tables.
#[inline]
const fn index(number: u32) -> usize {
    // CAST: `u32` to `usize` loses nothing; numbers below the first wrap to large indices, which
    // no table has.
    number.wrapping_sub(nr::FIRST) as usize
}

impl TrapRegistry {
    /// Makes a registry without traps. With `trace` every trap is logged. Fails with `ENOMEM`.
    pub(crate) fn new(trace: bool) -> Result<Self> {
        Ok(Self {
            trace,
            entries: KVec::from_elem(None, nr::COUNT, GFP_KERNEL)?,
            calls: Counters::new()?,
            errors: Counters::new()?,
        })
    }

    /// Adds the traps of a subsystem. A number outside the range (`EINVAL`) or already taken
    /// (`EEXIST`) is logged and fails, and with it the module's init.
    pub(crate) fn register(&mut self, subsystem: &dyn Subsystem) -> Result {
        for trap in subsystem.manifest().traps.iter().copied().flatten() {
            let Some(entry) = self.entries.get_mut(index(trap.number())) else {
                pr_err!(
                    "{}: {:#x} is not a trap number\n",
                    subsystem.manifest().name,
                    trap.number()
                );
                return Err(EINVAL);
            };
            if let Some(other) = entry {
                pr_err!(
                    "{}: trap {:#x} is already answered by {}\n",
                    subsystem.manifest().name,
                    trap.number(),
                    other.subsystem
                );
                return Err(EEXIST);
            }
            *entry = Some(Entry {
                run: trap.run(),
                subsystem: subsystem.manifest().name,
            });
        }
        Ok(())
    }

    /// Runs trap `number`; one that nobody answers is `ENOSYS`.
    #[inline]
    pub(crate) fn dispatch(&self, context: &Context<'_>, number: u32, arg: usize) -> Outcome {
        let index = index(number);
        let Some(Some(entry)) = self.entries.get(index) else {
            self.errors.count(index);
            return Outcome::errno(ENOSYS);
        };
        self.calls.count(index);
        let outcome = (entry.run)(context, arg);
        if outcome.failed() {
            self.errors.count(index);
        }
        if self.trace {
            log(context, number, arg, outcome);
        }
        outcome
    }

    /// Tells of every trap number, in order.
    pub(crate) fn report(&self) -> impl Iterator<Item = TrapReport> + '_ {
        nr::TRAPS.iter().map(|trap| {
            let index = index(trap.number);
            TrapReport {
                number: trap.number,
                name: trap.name,
                subsystem: self
                    .entries
                    .get(index)
                    .copied()
                    .flatten()
                    .map(|entry| entry.subsystem),
                calls: self.calls.total(index),
                errors: self.errors.total(index),
            }
        })
    }
}

/// Logs a trap that has been made.
#[cold]
fn log(context: &Context<'_>, number: u32, arg: usize, outcome: Outcome) {
    let trap = nr::TRAPS.get(index(number));
    pr_info!(
        "trap {:#x} {} by {}/{}: {:#x} -> {:#x}\n",
        number,
        trap.map_or("?", |trap| trap.name),
        context.task().process().global_nr(),
        context.thread().tid(),
        arg,
        outcome.value()
    );
}

/// Fails the build when a number stands twice in the lists of all subsystems.
pub(crate) const fn assert_unique(subsystems: &[&[&[TrapDescriptor]]]) {
    let mut seen = [false; nr::COUNT];
    let mut subsystem = 0;
    while subsystem < subsystems.len() {
        let lists = subsystems[subsystem];
        let mut list = 0;
        while list < lists.len() {
            let mut trap = 0;
            while trap < lists[list].len() {
                let index = index(lists[list][trap].number());
                assert!(!seen[index], "a trap number is used twice");
                seen[index] = true;
                trap += 1;
            }
            list += 1;
        }
        subsystem += 1;
    }
}
