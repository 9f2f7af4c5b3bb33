// SPDX-License-Identifier: GPL-2.0

//! Port names, rights, and what a task may ask and set about a port.
//!
//! Values: XNU osfmk/mach/port.h; ABI traps §1.4, §5.1, §5.3 and §5.5. No locks.

use super::user::{
    user_enum,
    UnknownValue, //
};

use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

/// A name in some task's name space, as user space gives or gets it.
///
/// To a client it is opaque. It says nothing about the existence of a right.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
)]
#[repr(transparent)]
pub struct PortName(pub u32);

impl PortName {
    /// No port (`MACH_PORT_NULL`).
    pub const NULL: Self = MACH_PORT_NULL;
    /// Where a port has been (`MACH_PORT_DEAD`).
    pub const DEAD: Self = MACH_PORT_DEAD;

    /// Whether the name can denote a right, i.e. is neither [`Self::NULL`] nor [`Self::DEAD`].
    pub const fn is_valid(self) -> bool {
        self.0 != MACH_PORT_NULL.0 && self.0 != MACH_PORT_DEAD.0
    }
}

/// The name that means no port.
pub const MACH_PORT_NULL: PortName = PortName(0);
/// The name that a right to a dead port is received as.
pub const MACH_PORT_DEAD: PortName = PortName(u32::MAX);

user_enum! {
    /// A kind of right (`mach_port_right_t`).
    pub enum Right {
        /// May send any number of messages.
        Send = 0,
        /// May receive; there is one for each port.
        Receive = 1,
        /// May send one message.
        SendOnce = 2,
        /// A set of receive rights.
        PortSet = 3,
        /// What a send right became when its port died.
        DeadName = 4,
        /// A labelled handle: a valid number, but nobody has such a right.
        LabelH = 5,
    }
}

impl Right {
    /// The bit that stands for the right in the type of a name.
    pub const fn type_bit(self) -> u32 {
        1 << (self.raw() + 16)
    }
}

/// Type bit: the name has a send right.
pub const MACH_PORT_TYPE_SEND: u32 = Right::Send.type_bit();
/// Type bit: the name has the receive right.
pub const MACH_PORT_TYPE_RECEIVE: u32 = Right::Receive.type_bit();
/// Type bit: the name is a send-once right.
pub const MACH_PORT_TYPE_SEND_ONCE: u32 = Right::SendOnce.type_bit();
/// Type bit: the name is a port set.
pub const MACH_PORT_TYPE_PORT_SET: u32 = Right::PortSet.type_bit();
/// Type bit: the name is a dead name.
pub const MACH_PORT_TYPE_DEAD_NAME: u32 = Right::DeadName.type_bit();
/// Type bit: a dead-name notification has been asked for.
pub const MACH_PORT_TYPE_DNREQUEST: u32 = 0x8000_0000;

/// The highest count of user references; a count that reaches it stays there.
pub const MACH_PORT_UREFS_MAX: u32 = 65535;

/// Queue limit of a new port, in messages.
pub const MACH_PORT_QLIMIT_BASIC: u32 = 5;
/// The same, under the name that callers use.
pub const MACH_PORT_QLIMIT_DEFAULT: u32 = MACH_PORT_QLIMIT_BASIC;
/// The highest queue limit that a task may set.
pub const MACH_PORT_QLIMIT_LARGE: u32 = 1024;
/// The same, under the name that callers use.
pub const MACH_PORT_QLIMIT_MAX: u32 = MACH_PORT_QLIMIT_LARGE;
/// How many messages a queue can hold in whatever way they are sent.
pub const MACH_PORT_QLIMIT_KERNEL: u32 = 65534;

/// Flags of [`PortOptions`]; unknown bits are ignored.
pub mod options {
    /// The context word is also the port's guard.
    pub const MPO_CONTEXT_AS_GUARD: u32 = 0x01;
    /// The queue limit is given.
    pub const MPO_QLIMIT: u32 = 0x02;
    /// The port's importance belongs to a temporary owner: without effect.
    pub const MPO_TEMPOWNER: u32 = 0x04;
    /// The receiver takes importance: without effect.
    pub const MPO_IMPORTANCE_RECEIVER: u32 = 0x08;
    /// Also make a send right under the same name.
    pub const MPO_INSERT_SEND_RIGHT: u32 = 0x10;
    /// The guard also protects against moving the right.
    pub const MPO_STRICT: u32 = 0x20;
    /// The receiver takes importance from adaptive daemons: without effect.
    pub const MPO_DENAP_RECEIVER: u32 = 0x40;
    /// The receive right cannot be sent away; only with a guard.
    pub const MPO_IMMOVABLE_RECEIVE: u32 = 0x80;
}

/// What a port is constructed with (`mach_port_options_t`).
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct PortOptions {
    /// Bits of [`options`].
    pub flags: u32,
    /// The limits.
    pub limits: PortLimits,
    /// Ignored.
    pub reserved: [u64; 2],
}

/// Which attributes of a port are meant (`mach_port_flavor_t`).
pub mod flavor {
    /// [`PortLimits`](super::PortLimits).
    pub const MACH_PORT_LIMITS_INFO: i32 = 1;
    /// [`PortStatus`](super::PortStatus).
    pub const MACH_PORT_RECEIVE_STATUS: i32 = 2;
    /// Size of the table of dead-name requests, one word.
    pub const MACH_PORT_DNREQUESTS_SIZE: i32 = 3;
    /// Make the port's importance follow a temporary owner; cannot be read.
    pub const MACH_PORT_TEMPOWNER: i32 = 4;
    /// Make the receiver take importance; cannot be read.
    pub const MACH_PORT_IMPORTANCE_RECEIVER: i32 = 5;
    /// The same for adaptive daemons; cannot be read.
    pub const MACH_PORT_DENAP_RECEIVER: i32 = 6;
    /// [`PortInfoExt`](super::PortInfoExt).
    pub const MACH_PORT_INFO_EXT: i32 = 7;
}

/// Limits of a port (`mach_port_limits_t`), one word.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct PortLimits {
    /// Queue limit in messages; 0 is allowed.
    pub qlimit: u32,
}

/// State of a receive right (`mach_port_status_t`), ten words.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct PortStatus {
    /// 1 if the port is in a set, else 0; not a name.
    pub pset: u32,
    /// Sequence number of the next message.
    pub seqno: u32,
    /// Make-send count.
    pub mscount: u32,
    /// Queue limit in messages.
    pub qlimit: u32,
    /// Messages in the queue.
    pub msgcount: u32,
    /// Number of send-once rights.
    pub sorights: u32,
    /// 1 if there are send rights, else 0.
    pub srights: u32,
    /// 1 if a port-destroyed notification is asked for, else 0.
    pub pdrequest: u32,
    /// 1 if a no-senders notification is asked for, else 0.
    pub nsrequest: u32,
    /// Bits of [`status_flags`].
    pub flags: u32,
}

/// Flags of [`PortStatus`], as in ABI traps §5.5.
///
/// XNU's own header has half these values; they are kept in one place so that they can be turned
/// over together.
pub mod status_flags {
    /// The port has a guard.
    pub const MACH_PORT_STATUS_FLAG_GUARDED: u32 = 0x04;
    /// The guard is strict.
    pub const MACH_PORT_STATUS_FLAG_STRICT_GUARD: u32 = 0x08;
}

/// State of a receive right and its importance (`mach_port_info_ext_t`), 17 words.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct PortInfoExt {
    /// The state.
    pub status: PortStatus,
    /// Number of importance boosts: always 0.
    pub boost_cnt: u32,
    /// Zero.
    pub reserved: [u32; 6],
}

const _: () = {
    assert!(::core::mem::size_of::<PortName>() == 4);
    assert!(::core::mem::size_of::<PortOptions>() == 24);
    assert!(::core::mem::offset_of!(PortOptions, limits) == 4);
    assert!(::core::mem::offset_of!(PortOptions, reserved) == 8);
    assert!(::core::mem::size_of::<PortLimits>() == 4);
    assert!(::core::mem::size_of::<PortStatus>() == 40);
    assert!(::core::mem::size_of::<PortInfoExt>() == 68);
    assert!(MACH_PORT_TYPE_SEND == 0x0001_0000);
    assert!(MACH_PORT_TYPE_DEAD_NAME == 0x0010_0000);
};
