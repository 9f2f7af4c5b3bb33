// SPDX-License-Identifier: GPL-2.0

//! Events of kqueues as user space sees them, in four dialects (ABI traps §10.2).
//!
//! Pure layout and numbers (XNU bsd/sys/event.h), no locks. The fields that a dialect lacks are
//! zero in the others. Their numbers are in [`flags`] and [`notes`].

mod flags;
mod notes;

pub use self::{
    flags::{
        call,
        ev,
        filter, //
    },
    notes::{
        descriptor,
        process,
        timer,
        user,
        vnode, //
    },
};

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
