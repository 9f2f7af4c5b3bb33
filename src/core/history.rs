// SPDX-License-Identifier: GPL-2.0

//! The last events in the lives of processes that have or had a task, for people to read
//! (debugfs, `mach/processes`).
//!
//! Locks: `History::ring` (spinlock), a leaf; taken in probes.

use super::watch::{
    ProcessEvent,
    ProcessWatcher, //
};
use crate::linux::{
    debugfs::Report,
    process::ProcessId, //
};
use kernel::{
    new_spinlock,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::SpinLock, //
};

/// How many events are remembered.
const LENGTH: usize = 512;

/// An event: processes by number, as they were called then.
#[derive(Clone, Copy)]
struct Record {
    process: u32,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Forked { child: u32 },
    Replaced,
    Exited { status: u32 },
    Reaped,
}

/// The events, the oldest of which makes room for the next.
struct Ring {
    records: KVec<Option<Record>>,
    /// Where the next one goes.
    next: usize,
}

/// Watches processes and remembers.
#[pin_data]
pub(super) struct History {
    #[pin]
    ring: SpinLock<Ring>,
}

impl History {
    /// Makes an empty one. Fails with `ENOMEM`.
    pub(super) fn new() -> Result<impl PinInit<Self>> {
        // Not an array, which is too large for the stack on its way to its place.
        let records = KVec::from_elem(None, LENGTH, GFP_KERNEL)?;
        Ok(pin_init!(Self {
            ring <- new_spinlock!(Ring { records, next: 0 }, "History::ring"),
        }))
    }
}

impl ProcessWatcher for History {
    fn notify(&self, process: &ProcessId, event: ProcessEvent<'_>) {
        let record = Record {
            process: process.global_nr(),
            what: match event {
                ProcessEvent::Forked(child) => What::Forked {
                    child: child.global_nr(),
                },
                ProcessEvent::Replaced => What::Replaced,
                ProcessEvent::Exited(status) => What::Exited { status },
                ProcessEvent::Reaped => What::Reaped,
            },
        };
        let mut ring = self.ring.lock();
        let next = ring.next % LENGTH;
        if let Some(slot) = ring.records.get_mut(next) {
            *slot = Some(record);
        }
        ring.next = next.wrapping_add(1);
    }
}

impl Report for History {
    fn print(&self, to: &SeqFile) {
        for offset in 0..LENGTH {
            // Not all at once: printing takes its time.
            let record = {
                let ring = self.ring.lock();
                let position = ring.next.wrapping_add(offset) % LENGTH;
                ring.records.get(position).copied().flatten()
            };
            let Some(Record { process, what }) = record else {
                continue;
            };
            match what {
                What::Forked { child } => seq_print!(to, "{} forked {}\n", process, child),
                What::Replaced => seq_print!(to, "{} replaced\n", process),
                What::Exited { status } => seq_print!(to, "{} exited {:#x}\n", process, status),
                What::Reaped => seq_print!(to, "{} reaped\n", process),
            }
        }
    }
}
