// SPDX-License-Identifier: GPL-2.0

//! Filters of kqueues, and the flags that events of all filters and calls have (XNU bsd/sys/event.h).
//!
//! Numbers only, no locks.

/// `EV_*`: flags of changes and events.
pub mod ev {
    /// Add the event, or change it.
    pub const ADD: u16 = 0x1;
    /// Remove it.
    pub const DELETE: u16 = 0x2;
    /// Report it from now on.
    pub const ENABLE: u16 = 0x4;
    /// Do not report it for now.
    pub const DISABLE: u16 = 0x8;
    /// Remove it once it is reported.
    pub const ONESHOT: u16 = 0x10;
    /// Report what is new since it was last reported.
    pub const CLEAR: u16 = 0x20;
    /// Report how the change went, even if it went well.
    pub const RECEIPT: u16 = 0x40;
    /// Disable it once it is reported.
    pub const DISPATCH: u16 = 0x80;
    /// Changes are to find it by `udata` as well.
    pub const UDATA_SPECIFIC: u16 = 0x100;
    /// Both, with which a deletion can be put off.
    pub const DISPATCH2: u16 = DISPATCH | UDATA_SPECIFIC;
    /// Report it when what the event is about is gone.
    pub const VANISHED: u16 = 0x200;
    /// A flag of the filter.
    pub const FLAG0: u16 = 0x1000;
    /// Another; of descriptors: data out of band.
    pub const FLAG1: u16 = 0x2000;
    /// The change went wrong: the data is an errno; or well: 0.
    pub const ERROR: u16 = 0x4000;
    /// There will be no more.
    pub const EOF: u16 = 0x8000;
    /// Those that only the kernel sets.
    pub const SYSFLAGS: u16 = 0xf000;
}

/// `EVFILT_*`: the filters.
pub mod filter {
    /// A descriptor can be read.
    pub const READ: i16 = -1;
    /// A descriptor can be written.
    pub const WRITE: i16 = -2;
    /// Asynchronous input and output.
    pub const AIO: i16 = -3;
    /// Something happened to a file.
    pub const VNODE: i16 = -4;
    /// Something happened to a process.
    pub const PROC: i16 = -5;
    /// A signal was sent.
    pub const SIGNAL: i16 = -6;
    /// A time has come.
    pub const TIMER: i16 = -7;
    /// A port has a message.
    pub const MACHPORT: i16 = -8;
    /// Something happened to a file system.
    pub const FS: i16 = -9;
    /// The client says so itself.
    pub const USER: i16 = -10;
    /// Memory is short.
    pub const VM: i16 = -12;
    /// Something happened to a socket.
    pub const SOCK: i16 = -13;
    /// Memory is short.
    pub const MEMORYSTATUS: i16 = -14;
    /// A descriptor has something exceptional.
    pub const EXCEPT: i16 = -15;
    /// Work loops.
    pub const WORKLOOP: i16 = -17;
    /// Filters are the numbers from here to -1.
    pub const LAST: i16 = -17;
}

/// `KEVENT_FLAG_*`: flags of calls.
pub mod call {
    /// Do not wait.
    pub const IMMEDIATE: u32 = 0x1;
    /// Report nothing but how changes went.
    pub const ERROR_EVENTS: u32 = 0x2;
    /// Fill the area for received data from its end.
    pub const STACK_DATA: u32 = 0x8;
    /// Use the kqueue of the process's work queue.
    pub const WORKQ: u32 = 0x20;
    /// Use a work loop.
    pub const WORKLOOP: u32 = 0x400;
    /// The work loop must exist.
    pub const DYNAMIC_KQ_MUST_EXIST: u32 = 0x2_0000;
    /// The work loop must not exist.
    pub const DYNAMIC_KQ_MUST_NOT_EXIST: u32 = 0x4_0000;
    /// Those that are for work loops only.
    pub const ID_USER: u32 = WORKLOOP | DYNAMIC_KQ_MUST_EXIST | DYNAMIC_KQ_MUST_NOT_EXIST;
}
