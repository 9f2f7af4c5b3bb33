// SPDX-License-Identifier: GPL-2.0

//! What each filter of kqueues can be asked for and tells, in `fflags` (XNU bsd/sys/event.h).
//!
//! Numbers only, no locks.

/// `NOTE_*` of user events.
pub mod user {
    /// Trigger the event.
    pub const TRIGGER: u32 = 0x0100_0000;
    /// The flags that are the client's.
    pub const FLAGS_MASK: u32 = 0x00ff_ffff;
    /// What to do with them.
    pub const CONTROL_MASK: u32 = 0xc000_0000;
    /// And them to those that are there.
    pub const AND: u32 = 0x4000_0000;
    /// Or them.
    pub const OR: u32 = 0x8000_0000;
    /// Replace those that are there.
    pub const COPY: u32 = 0xc000_0000;
}

/// `NOTE_*` of timers.
pub mod timer {
    /// The time is in seconds.
    pub const SECONDS: u32 = 0x1;
    /// In microseconds.
    pub const USECONDS: u32 = 0x2;
    /// In nanoseconds.
    pub const NSECONDS: u32 = 0x4;
    /// The time is a moment.
    pub const ABSOLUTE: u32 = 0x8;
    /// The event may come late by as much as the second word of more data says.
    pub const LEEWAY: u32 = 0x10;
    /// The time goes on while the machine sleeps.
    pub const MACH_CONTINUOUS_TIME: u32 = 0x80;
    /// The time is in units of `mach_absolute_time`.
    pub const MACHTIME: u32 = 0x100;
}

/// `NOTE_*` of descriptors.
pub mod descriptor {
    /// Report it only when there is as much as the data says.
    pub const LOWAT: u32 = 0x1;
    /// There is data out of band.
    pub const OOB: u32 = 0x2;
}

/// `NOTE_*` of files and directories.
pub mod vnode {
    /// It was removed.
    pub const DELETE: u32 = 0x1;
    /// Its content was changed.
    pub const WRITE: u32 = 0x2;
    /// It has become larger.
    pub const EXTEND: u32 = 0x4;
    /// What is known of it was changed.
    pub const ATTRIB: u32 = 0x8;
    /// The number of its names was changed.
    pub const LINK: u32 = 0x10;
    /// It was renamed.
    pub const RENAME: u32 = 0x20;
    /// It cannot be used any more.
    pub const REVOKE: u32 = 0x40;
}

/// `NOTE_*` of processes.
pub mod process {
    /// It has exited.
    pub const EXIT: u32 = 0x8000_0000;
    /// It has forked.
    pub const FORK: u32 = 0x4000_0000;
    /// It runs another image.
    pub const EXEC: u32 = 0x2000_0000;
    /// Tell how it exited, in the data.
    pub const EXITSTATUS: u32 = 0x0400_0000;
    /// Follow its children.
    pub const TRACK: u32 = 0x1;
    /// It is a child that is followed.
    pub const CHILD: u32 = 0x4;
    /// The bits of the status that are told.
    pub const DATA_MASK: u32 = 0x000f_ffff;
}
