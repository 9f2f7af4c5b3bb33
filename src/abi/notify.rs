// SPDX-License-Identifier: GPL-2.0

//! Messages that the kernel itself sends: notifications about ports, and expired timers.
//!
//! Layouts are without the trailer. Values: XNU osfmk/mach/notify.h and notify.defs; ABI traps
//! §5.2 and §8. No locks.

use super::{
    msg::{
        MachMsgBody,
        MachMsgHeader,
        PortDescriptor, //
    },
    port::PortName,
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

user_enum! {
    /// What a notification tells: its message id.
    pub enum Notification {
        /// A name with a dead-name request was deleted: [`PortNameNotification`].
        PortDeleted = 0x41,
        /// A full queue has room again: [`PortNameNotification`].
        SendPossible = 0x42,
        /// A receive right would have died and comes here: [`PortDestroyedNotification`].
        PortDestroyed = 0x45,
        /// The last send right is gone: [`NoSendersNotification`].
        NoSenders = 0x46,
        /// A send-once right died unused: [`SendOnceNotification`].
        SendOnce = 0x47,
        /// A port died and the name is a dead name now: [`PortNameNotification`].
        DeadName = 0x48,
    }
}

impl Notification {
    /// The notification as a message id.
    pub const fn id(self) -> i32 {
        // CAST: the ids are small.
        self.raw() as i32
    }
}

/// Data representation of a message's body (`NDR_record_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct NdrRecord(pub [u8; 8]);

impl NdrRecord {
    /// That of this machine: little-endian integers, ASCII, IEEE floats.
    pub const NATIVE: Self = Self([0, 0, 0, 0, 1, 0, 0, 0]);
}

/// Body of port-deleted, send-possible and dead-name notifications.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct PortNameNotification {
    /// The header.
    pub header: MachMsgHeader,
    /// [`NdrRecord::NATIVE`].
    pub ndr: NdrRecord,
    /// The name it is about, in the requester's name space.
    pub name: PortName,
}

/// Port-destroyed notification, which carries the receive right.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct PortDestroyedNotification {
    /// The header, complex.
    pub header: MachMsgHeader,
    /// One descriptor.
    pub body: MachMsgBody,
    /// The receive right.
    pub port: PortDescriptor,
}

/// No-senders notification.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct NoSendersNotification {
    /// The header.
    pub header: MachMsgHeader,
    /// [`NdrRecord::NATIVE`].
    pub ndr: NdrRecord,
    /// Make-send count of the port when it was sent.
    pub mscount: u32,
}

/// Send-once notification.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SendOnceNotification {
    /// The header.
    pub header: MachMsgHeader,
}

/// Message of an expired timer; its id is 0.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct TimerExpired {
    /// The header.
    pub header: MachMsgHeader,
    /// Zero.
    pub _pad: [u8; 24],
}

const _: () = {
    assert!(::core::mem::size_of::<PortNameNotification>() == 36);
    assert!(::core::mem::size_of::<PortDestroyedNotification>() == 40);
    assert!(::core::mem::size_of::<NoSendersNotification>() == 36);
    assert!(::core::mem::size_of::<SendOnceNotification>() == 24);
    assert!(::core::mem::size_of::<TimerExpired>() == 48);
};
