// SPDX-License-Identifier: GPL-2.0

//! Trailers: what the kernel adds to a received message about sender and port.
//!
//! Each kind begins with the one before it, so the largest can be filled and its beginning
//! written. The trailer stands after the message at a multiple of four bytes. Layout: XNU
//! osfmk/mach/message.h; ABI traps §6.2. No locks.

use super::option;

use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

/// Trailer elements: none besides type and size.
pub const MACH_RCV_TRAILER_NULL: u32 = 0;
/// Trailer elements: sequence number.
pub const MACH_RCV_TRAILER_SEQNO: u32 = 1;
/// Trailer elements: also the security token.
pub const MACH_RCV_TRAILER_SENDER: u32 = 2;
/// Trailer elements: also the audit token.
pub const MACH_RCV_TRAILER_AUDIT: u32 = 3;
/// Trailer elements: also the port's context.
pub const MACH_RCV_TRAILER_CTX: u32 = 4;
/// Trailer elements: also the access vector.
pub const MACH_RCV_TRAILER_AV: u32 = 7;
/// Trailer elements: also the labels.
pub const MACH_RCV_TRAILER_LABELS: u32 = 8;

/// The only type of trailer.
pub const MACH_MSG_TRAILER_FORMAT_0: u32 = 0;

/// The sender by user and group id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SecurityToken {
    /// User id, group id.
    pub val: [u32; 2],
}

impl SecurityToken {
    /// What messages of the kernel carry.
    pub const KERNEL: Self = Self { val: [0, 1] };
}

/// The sender in detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct AuditToken {
    /// Audit id, effective uid and gid, real uid and gid, pid, session, pid version.
    pub val: [u32; 8],
}

impl AuditToken {
    /// What messages of the kernel carry.
    pub const KERNEL: Self = Self { val: [0; 8] };
    /// Word of the effective user id.
    pub const EUID: usize = 1;
    /// Word of the effective group id.
    pub const EGID: usize = 2;
    /// Word of the pid, as the sender sees itself.
    pub const PID: usize = 5;
}

/// The least trailer (`mach_msg_trailer_t`).
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachMsgTrailer {
    /// [`MACH_MSG_TRAILER_FORMAT_0`].
    pub kind: u32,
    /// Bytes of the whole trailer.
    pub size: u32,
}

/// Trailer with the sequence number (`mach_msg_seqno_trailer_t`).
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachMsgSeqnoTrailer {
    /// Type and size.
    pub base: MachMsgTrailer,
    /// Number of the message among those received from the port.
    pub seqno: u32,
}

/// Trailer with the sender's ids (`mach_msg_security_trailer_t`).
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachMsgSecurityTrailer {
    /// The smaller trailer.
    pub base: MachMsgSeqnoTrailer,
    /// The sender.
    pub sender: SecurityToken,
}

/// Trailer with the sender in detail (`mach_msg_audit_trailer_t`).
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachMsgAuditTrailer {
    /// The smaller trailer.
    pub base: MachMsgSecurityTrailer,
    /// The sender.
    pub audit: AuditToken,
}

/// Trailer with the port's context word (`mach_msg_context_trailer_t`).
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachMsgContextTrailer {
    /// The smaller trailer.
    pub base: MachMsgAuditTrailer,
    /// Context word of the port it was received from.
    pub context: u64,
}

/// The largest trailer (`mach_msg_mac_trailer_t`).
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachMsgMacTrailer {
    /// The smaller trailer.
    pub base: MachMsgContextTrailer,
    /// Access vector: 0.
    pub access_vector: u32,
    /// Label of the sender: no name.
    pub label: u32,
}

/// Size in bytes of the least trailer.
pub const TRAILER_SIZE_MIN: usize = ::core::mem::size_of::<MachMsgTrailer>();
/// Size in bytes of the largest trailer.
pub const TRAILER_SIZE_MAX: usize = ::core::mem::size_of::<MachMsgMacTrailer>();

/// Size in bytes of the trailer that an option word asks for.
///
/// Elements without a meaning ask for the largest, as in XNU.
pub const fn requested_trailer_size(option: u32) -> usize {
    match option::trailer_elements(option) {
        MACH_RCV_TRAILER_NULL => TRAILER_SIZE_MIN,
        MACH_RCV_TRAILER_SEQNO => ::core::mem::size_of::<MachMsgSeqnoTrailer>(),
        MACH_RCV_TRAILER_SENDER => ::core::mem::size_of::<MachMsgSecurityTrailer>(),
        MACH_RCV_TRAILER_AUDIT => ::core::mem::size_of::<MachMsgAuditTrailer>(),
        MACH_RCV_TRAILER_CTX => ::core::mem::size_of::<MachMsgContextTrailer>(),
        _ => TRAILER_SIZE_MAX,
    }
}

const _: () = {
    assert!(::core::mem::size_of::<MachMsgTrailer>() == 8);
    assert!(::core::mem::size_of::<MachMsgSeqnoTrailer>() == 12);
    assert!(::core::mem::size_of::<MachMsgSecurityTrailer>() == 20);
    assert!(::core::mem::size_of::<MachMsgAuditTrailer>() == 52);
    assert!(::core::mem::size_of::<MachMsgContextTrailer>() == 60);
    assert!(::core::mem::size_of::<MachMsgMacTrailer>() == 68);
};
