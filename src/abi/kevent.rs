// SPDX-License-Identifier: GPL-2.0

//! Events of kqueues as user space sees them, in four dialects (ABI traps §10.2).
//!
//! Pure layout and numbers (XNU bsd/sys/event.h), no locks. The fields that a dialect lacks are
//! zero in the others.

use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

/// `struct kevent` of a 64-bit program.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct KeventWide {
    /// What the event is about, as its filter says.
    pub ident: u64,
    /// The filter.
    pub filter: i16,
    /// `EV_*` bits.
    pub flags: u16,
    /// Bits of the filter.
    pub fflags: u32,
    /// Data of the filter.
    pub data: i64,
    /// The client's own.
    pub udata: u64,
}

/// `struct kevent` of a 32-bit program.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct KeventNarrow {
    /// As in [`KeventWide`].
    pub ident: u32,
    /// The filter.
    pub filter: i16,
    /// `EV_*` bits.
    pub flags: u16,
    /// Bits of the filter.
    pub fflags: u32,
    /// Data of the filter.
    pub data: i32,
    /// The client's own.
    pub udata: u32,
}

/// `struct kevent64_s`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct Kevent64 {
    /// As in [`KeventWide`].
    pub ident: u64,
    /// The filter.
    pub filter: i16,
    /// `EV_*` bits.
    pub flags: u16,
    /// Bits of the filter.
    pub fflags: u32,
    /// Data of the filter.
    pub data: i64,
    /// The client's own.
    pub udata: u64,
    /// More data of the filter.
    pub ext: [u64; 2],
}

/// `struct kevent_qos_s`, which has all that the others have: it is the form in which the module
/// works with events.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct Kevent {
    /// As in [`KeventWide`].
    pub ident: u64,
    /// The filter.
    pub filter: i16,
    /// `EV_*` bits.
    pub flags: u16,
    /// Quality of service.
    pub qos: i32,
    /// The client's own.
    pub udata: u64,
    /// Bits of the filter.
    pub fflags: u32,
    /// More bits of the filter.
    pub xflags: u32,
    /// Data of the filter.
    pub data: i64,
    /// More data of the filter.
    pub ext: [u64; 4],
}

const _: () = assert!(size_of::<KeventWide>() == 32);
const _: () = assert!(size_of::<KeventNarrow>() == 20);
const _: () = assert!(size_of::<Kevent64>() == 48);
const _: () = assert!(size_of::<Kevent>() == 72);

impl From<KeventWide> for Kevent {
    #[inline]
    fn from(event: KeventWide) -> Self {
        Self {
            ident: event.ident,
            filter: event.filter,
            flags: event.flags,
            udata: event.udata,
            fflags: event.fflags,
            data: event.data,
            ..Self::default()
        }
    }
}

impl From<KeventNarrow> for Kevent {
    fn from(event: KeventNarrow) -> Self {
        Self {
            ident: event.ident.into(),
            filter: event.filter,
            flags: event.flags,
            udata: event.udata.into(),
            fflags: event.fflags,
            data: event.data.into(),
            ..Self::default()
        }
    }
}

impl From<Kevent64> for Kevent {
    #[inline]
    fn from(event: Kevent64) -> Self {
        let [first, second] = event.ext;
        Self {
            ident: event.ident,
            filter: event.filter,
            flags: event.flags,
            udata: event.udata,
            fflags: event.fflags,
            data: event.data,
            ext: [first, second, 0, 0],
            ..Self::default()
        }
    }
}

impl From<&Kevent> for Kevent {
    #[inline]
    fn from(event: &Kevent) -> Self {
        *event
    }
}

impl From<&Kevent> for KeventWide {
    #[inline]
    fn from(event: &Kevent) -> Self {
        Self {
            ident: event.ident,
            filter: event.filter,
            flags: event.flags,
            fflags: event.fflags,
            data: event.data,
            udata: event.udata,
        }
    }
}

impl From<&Kevent> for KeventNarrow {
    fn from(event: &Kevent) -> Self {
        // CAST: What came from a 32-bit program fits; what did not loses its upper half, as in XNU.
        Self {
            ident: event.ident as u32,
            filter: event.filter,
            flags: event.flags,
            fflags: event.fflags,
            data: event.data as i32,
            udata: event.udata as u32,
        }
    }
}

impl From<&Kevent> for Kevent64 {
    #[inline]
    fn from(event: &Kevent) -> Self {
        let [first, second, ..] = event.ext;
        Self {
            ident: event.ident,
            filter: event.filter,
            flags: event.flags,
            fflags: event.fflags,
            data: event.data,
            udata: event.udata,
            ext: [first, second],
        }
    }
}

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
