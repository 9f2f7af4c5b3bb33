// SPDX-License-Identifier: GPL-2.0

//! Layout of messages as user space sees them, and the numbers around `mach_msg`.
//!
//! Message: header, then, if complex, body and descriptors, then data. A received message is
//! followed by a trailer. Values: XNU osfmk/mach/message.h; ABI traps §6. No locks.

mod code;
mod descriptor;
pub mod option;
mod trailer;

pub use self::{
    code::*,
    descriptor::*,
    trailer::*, //
};

use super::{
    port::{
        PortName,
        Right, //
    },
    user::{
        user_enum,
        UnknownValue, //
    },
};

use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

/// Head of every message (`mach_msg_header_t`), 24 bytes in user space.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct MachMsgHeader {
    /// How the three rights are carried, and whether descriptors follow.
    pub bits: MsgBits,
    /// Bytes of the message, this header included, a trailer not.
    pub size: u32,
    /// Destination; in a received message the reply right.
    pub remote_port: PortName,
    /// Reply right; in a received message the port it arrived at.
    pub local_port: PortName,
    /// Voucher.
    pub voucher_port: PortName,
    /// What the message is about; for the two ends to agree on.
    pub id: i32,
}

/// Start of the body of a complex message (`mach_msg_body_t`).
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct MachMsgBody {
    /// Number of descriptors that follow.
    pub descriptor_count: u32,
}

/// Size of the header in bytes; the smallest message.
pub const HEADER_SIZE: usize = ::core::mem::size_of::<MachMsgHeader>();
/// Size in bytes of header and body; the smallest complex message.
pub const COMPLEX_MIN_SIZE: usize = HEADER_SIZE + ::core::mem::size_of::<MachMsgBody>();
/// Size in bytes of the largest message that can be sent.
pub const SEND_SIZE_MAX: usize = 48 * 1024 * 1024 - TRAILER_SIZE_MAX;
/// Messages are multiples of this many bytes.
pub const MSG_ALIGN: usize = 4;

/// Bits of the remote disposition.
pub const MACH_MSGH_BITS_REMOTE_MASK: u32 = 0x0000_001f;
/// Bits of the local disposition.
pub const MACH_MSGH_BITS_LOCAL_MASK: u32 = 0x0000_1f00;
/// Bits of the voucher disposition.
pub const MACH_MSGH_BITS_VOUCHER_MASK: u32 = 0x001f_0000;
/// Bits of all three dispositions.
pub const MACH_MSGH_BITS_PORTS_MASK: u32 =
    MACH_MSGH_BITS_REMOTE_MASK | MACH_MSGH_BITS_LOCAL_MASK | MACH_MSGH_BITS_VOUCHER_MASK;
/// A body with descriptors follows the header.
pub const MACH_MSGH_BITS_COMPLEX: u32 = 0x8000_0000;
/// Bits that a sender may set; the others are dropped on entry.
pub const MACH_MSGH_BITS_USER: u32 = MACH_MSGH_BITS_COMPLEX | MACH_MSGH_BITS_PORTS_MASK;

/// The first word of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(transparent)]
pub struct MsgBits(pub u32);

impl MsgBits {
    /// Bits of a simple message whose rights are carried so; `None` means there is no right.
    pub const fn new(
        remote: Option<Disposition>,
        local: Option<Disposition>,
        voucher: Option<Disposition>,
    ) -> Self {
        Self(raw_or_zero(remote) | (raw_or_zero(local) << 8) | (raw_or_zero(voucher) << 16))
    }

    /// The same bits, for a message with descriptors.
    pub const fn complex(self) -> Self {
        Self(self.0 | MACH_MSGH_BITS_COMPLEX)
    }

    /// The bits that count when a task sends this word.
    pub const fn masked(self) -> Self {
        Self(self.0 & MACH_MSGH_BITS_USER)
    }

    /// Whether descriptors follow.
    pub const fn is_complex(self) -> bool {
        self.0 & MACH_MSGH_BITS_COMPLEX != 0
    }

    /// The remote disposition's number; 0 is none.
    pub const fn remote(self) -> u32 {
        self.0 & MACH_MSGH_BITS_REMOTE_MASK
    }

    /// The local disposition's number; 0 is none.
    pub const fn local(self) -> u32 {
        (self.0 & MACH_MSGH_BITS_LOCAL_MASK) >> 8
    }

    /// The voucher disposition's number; 0 is none.
    pub const fn voucher(self) -> u32 {
        (self.0 & MACH_MSGH_BITS_VOUCHER_MASK) >> 16
    }
}

const fn raw_or_zero(disposition: Option<Disposition>) -> u32 {
    match disposition {
        Some(disposition) => disposition.raw(),
        None => 0,
    }
}

user_enum! {
    /// How a right is taken out of the sender's name space (`mach_msg_type_name_t`).
    ///
    /// In a received message the `Move…` values name what the receiver now holds.
    pub enum Disposition {
        /// The receive right leaves the sender.
        MoveReceive = 16,
        /// One send reference leaves the sender.
        MoveSend = 17,
        /// The send-once right leaves the sender.
        MoveSendOnce = 18,
        /// The sender keeps its send right.
        CopySend = 19,
        /// A send right is made of a receive right.
        MakeSend = 20,
        /// A send-once right is made of a receive right.
        MakeSendOnce = 21,
    }
}

impl Disposition {
    /// The right that travels.
    pub const fn carries(self) -> Right {
        match self {
            Self::MoveReceive => Right::Receive,
            Self::MoveSend | Self::CopySend | Self::MakeSend => Right::Send,
            Self::MoveSendOnce | Self::MakeSendOnce => Right::SendOnce,
        }
    }
}

const _: () = {
    assert!(HEADER_SIZE == 24);
    assert!(COMPLEX_MIN_SIZE == 28);
    assert!(MACH_MSGH_BITS_USER == 0x801f_1f1f);
    assert!(::core::mem::offset_of!(MachMsgHeader, size) == 4);
    assert!(::core::mem::offset_of!(MachMsgHeader, remote_port) == 8);
    assert!(::core::mem::offset_of!(MachMsgHeader, local_port) == 12);
    assert!(::core::mem::offset_of!(MachMsgHeader, voucher_port) == 16);
    assert!(::core::mem::offset_of!(MachMsgHeader, id) == 20);
};
