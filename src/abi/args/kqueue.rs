// SPDX-License-Identifier: GPL-2.0

//! Argument structures of kqueues (ABI traps §10).
//!
//! Pure layout, no locks; see [`super`].

use super::super::user::UserAddr;

use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

/// Argument of `kevent`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct KeventArgs {
    /// The kqueue.
    pub fd: i32,
    /// Padding, ignored.
    pub _fd_padding: [u8; 4],
    /// Changes to apply.
    pub changelist: UserAddr,
    /// Number of changes.
    pub nchanges: i32,
    /// Padding, ignored.
    pub _nchanges_padding: [u8; 4],
    /// Where events are written.
    pub eventlist: UserAddr,
    /// Room there, in events.
    pub nevents: i32,
    /// Padding, ignored.
    pub _nevents_padding: [u8; 4],
    /// How long to wait, a `struct timespec`; null is for ever.
    pub timeout: UserAddr,
}

/// Argument of `kevent64`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct Kevent64Args {
    /// The kqueue.
    pub fd: i32,
    /// Padding, ignored.
    pub _fd_padding: [u8; 4],
    /// Changes to apply.
    pub changelist: UserAddr,
    /// Number of changes.
    pub nchanges: i32,
    /// Padding, ignored.
    pub _nchanges_padding: [u8; 4],
    /// Where events are written.
    pub eventlist: UserAddr,
    /// Room there, in events.
    pub nevents: i32,
    /// Padding, ignored.
    pub _nevents_padding: [u8; 4],
    /// `KEVENT_FLAG_*` bits.
    pub flags: u32,
    /// Padding, ignored.
    pub _flags_padding: [u8; 4],
    /// How long to wait, a `struct timespec`; null is for ever.
    pub timeout: UserAddr,
}

/// Argument of `kevent_qos`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct KeventQosArgs {
    /// The kqueue.
    pub fd: i32,
    /// Padding, ignored.
    pub _fd_padding: [u8; 4],
    /// Changes to apply.
    pub changelist: UserAddr,
    /// Number of changes.
    pub nchanges: i32,
    /// Padding, ignored.
    pub _nchanges_padding: [u8; 4],
    /// Where events are written.
    pub eventlist: UserAddr,
    /// Room there, in events.
    pub nevents: i32,
    /// Padding, ignored.
    pub _nevents_padding: [u8; 4],
    /// Area for messages received by an event.
    pub data_out: UserAddr,
    /// Bytes free in that area, read and written.
    pub data_available: UserAddr,
    /// `KEVENT_FLAG_*` bits.
    pub flags: u32,
    /// Padding, ignored.
    pub _flags_padding: [u8; 4],
}

/// Argument of `closing_descriptor`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct ClosingDescriptorArgs {
    /// Descriptor about to be closed.
    pub fd: i32,
}
