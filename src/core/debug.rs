// SPDX-License-Identifier: GPL-2.0

//! What the module tells of itself in debugfs, under `mach/`.
//!
//! - `traps`: number, name, subsystem (or `-`), calls, errors; a line for each trap number.
//! - `events`: name and count; a line for each kind of event.
//! - `processes`: the last events in the lives of processes with a task, oldest first.
//! - `objects`: name and number alive; a line for each kind of object.
//! - what subsystems add, see [`Subsystem::reports`](super::Subsystem::reports).
//!
//! Locks: none. Numbers of one file are of different moments.

use super::{
    Event,
    Mach, //
};
use crate::linux::debugfs::{
    Directory,
    Report, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::Arc, //
};

struct Traps(Arc<Mach>);

impl Report for Traps {
    fn print(&self, to: &SeqFile) {
        for trap in self.0.registry.report() {
            seq_print!(
                to,
                "{:#x} {} {} {} {}\n",
                trap.number,
                trap.name,
                trap.subsystem.unwrap_or("-"),
                trap.calls,
                trap.errors
            );
        }
    }
}

struct Events(Arc<Mach>);

impl Report for Events {
    fn print(&self, to: &SeqFile) {
        for &(event, name) in Event::ALL {
            seq_print!(to, "{} {}\n", name, self.0.total(event));
        }
    }
}

struct Objects(Arc<Mach>);

impl Report for Objects {
    fn print(&self, to: &SeqFile) {
        for object in self.0.objects() {
            seq_print!(to, "{} {}\n", object.name(), object.live());
        }
    }
}

/// The files, while the module is loaded.
pub(crate) struct DebugFiles(#[allow(dead_code)] Directory);

impl DebugFiles {
    /// Makes the files. Fails with `ENOMEM`.
    pub(crate) fn new(mach: &Arc<Mach>) -> Result<Self> {
        let mut directory = Directory::new(c"mach");
        directory.add(c"traps", Arc::new(Traps(mach.clone()), GFP_KERNEL)?)?;
        directory.add(c"events", Arc::new(Events(mach.clone()), GFP_KERNEL)?)?;
        directory.add(c"objects", Arc::new(Objects(mach.clone()), GFP_KERNEL)?)?;
        for subsystem in mach.subsystems() {
            for (name, report) in subsystem.reports()? {
                directory.add(name, report)?;
            }
        }
        directory.add(c"processes", mach.history.clone())?;
        Ok(Self(directory))
    }
}
