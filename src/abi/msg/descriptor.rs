// SPDX-License-Identifier: GPL-2.0

//! Descriptors: what the body of a complex message carries besides data.
//!
//! Those with an address come in two widths, 16 bytes for a 64-bit task and 12 for a 32-bit one.
//! In each of them the type stands at byte 11, so that twelve bytes tell how to read on. Layout:
//! XNU osfmk/mach/message.h; ABI traps §6.2. No locks.

use super::super::{
    port::PortName,
    user::{
        user_enum,
        UnknownValue,
        UserAddr, //
    },
};

use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

user_enum! {
    /// Kind of a descriptor (`mach_msg_descriptor_type_t`).
    pub enum DescriptorType {
        /// A right: [`PortDescriptor`].
        Port = 0,
        /// Out-of-line memory: [`OolDescriptor64`] or [`OolDescriptor32`].
        Ool = 1,
        /// An array of rights: [`OolPortsDescriptor64`] or [`OolPortsDescriptor32`].
        OolPorts = 2,
        /// Out-of-line memory that may change meanwhile; the same as `Ool`.
        OolVolatile = 3,
        /// A guarded receive right: [`GuardedPortDescriptor64`] or [`GuardedPortDescriptor32`].
        GuardedPort = 4,
    }
}

user_enum! {
    /// How out-of-line memory is taken (`mach_msg_copy_options_t`).
    pub enum CopyOption {
        /// Copy at once.
        Physical = 0,
        /// Copy as late as possible; in fact at once.
        Virtual = 1,
    }
}

/// Start of a descriptor of any kind, enough to tell which it is.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct DescriptorHead {
    /// Depends on the kind.
    pub _pad: [u8; 11],
    /// A [`DescriptorType`].
    pub kind: u8,
}

/// One right, the same for both widths.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PortDescriptor {
    /// The right's name.
    pub name: PortName,
    /// Not used.
    pub _pad: [u8; 6],
    /// A [`Disposition`](super::Disposition).
    pub disposition: u8,
    /// [`DescriptorType::Port`].
    pub kind: u8,
}

/// Out-of-line memory of a 64-bit task.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct OolDescriptor64 {
    /// Where it is.
    pub address: UserAddr,
    /// Not 0: the sender's memory is unmapped.
    pub deallocate: u8,
    /// A [`CopyOption`].
    pub copy: u8,
    /// Not used.
    pub _pad: [u8; 1],
    /// [`DescriptorType::Ool`] or [`DescriptorType::OolVolatile`].
    pub kind: u8,
    /// Bytes.
    pub size: u32,
}

/// Out-of-line memory of a 32-bit task.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct OolDescriptor32 {
    /// Where it is.
    pub address: u32,
    /// Bytes.
    pub size: u32,
    /// Not 0: the sender's memory is unmapped.
    pub deallocate: u8,
    /// A [`CopyOption`].
    pub copy: u8,
    /// Not used.
    pub _pad: [u8; 1],
    /// [`DescriptorType::Ool`] or [`DescriptorType::OolVolatile`].
    pub kind: u8,
}

/// An array of rights of a 64-bit task; each name has four bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct OolPortsDescriptor64 {
    /// Where the names are.
    pub address: UserAddr,
    /// Not 0: the sender's memory is unmapped.
    pub deallocate: u8,
    /// A [`CopyOption`].
    pub copy: u8,
    /// A [`Disposition`](super::Disposition), for all of them.
    pub disposition: u8,
    /// [`DescriptorType::OolPorts`].
    pub kind: u8,
    /// Number of names.
    pub count: u32,
}

/// An array of rights of a 32-bit task.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct OolPortsDescriptor32 {
    /// Where the names are.
    pub address: u32,
    /// Number of names.
    pub count: u32,
    /// Not 0: the sender's memory is unmapped.
    pub deallocate: u8,
    /// A [`CopyOption`].
    pub copy: u8,
    /// A [`Disposition`](super::Disposition), for all of them.
    pub disposition: u8,
    /// [`DescriptorType::OolPorts`].
    pub kind: u8,
}

/// A guarded receive right of a 64-bit task.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct GuardedPortDescriptor64 {
    /// The guard.
    pub context: u64,
    /// `MACH_MSG_GUARD_FLAGS_*` bits.
    pub flags: u16,
    /// A [`Disposition`](super::Disposition); only `MoveReceive` is accepted.
    pub disposition: u8,
    /// [`DescriptorType::GuardedPort`].
    pub kind: u8,
    /// The right's name.
    pub name: PortName,
}

/// A guarded receive right of a 32-bit task.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct GuardedPortDescriptor32 {
    /// The guard.
    pub context: u32,
    /// The right's name.
    pub name: PortName,
    /// `MACH_MSG_GUARD_FLAGS_*` bits.
    pub flags: u16,
    /// A [`Disposition`](super::Disposition); only `MoveReceive` is accepted.
    pub disposition: u8,
    /// [`DescriptorType::GuardedPort`].
    pub kind: u8,
}

/// The receiver cannot send the right on.
pub const MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE: u16 = 0x0001;
/// The right has no guard when it is sent.
pub const MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND: u16 = 0x0002;
/// The flags that exist.
pub const MACH_MSG_GUARD_FLAGS_MASK: u16 = 0x0003;

macro_rules! assert_kind_at_11 {
    ($($name:ident: $size:literal;)*) => {
        const _: () = {
            $(
                assert!(::core::mem::size_of::<$name>() == $size);
                assert!(::core::mem::offset_of!($name, kind) == 11);
            )*
        };
    };
}

assert_kind_at_11! {
    DescriptorHead: 12;
    PortDescriptor: 12;
    OolDescriptor64: 16;
    OolDescriptor32: 12;
    OolPortsDescriptor64: 16;
    OolPortsDescriptor32: 12;
    GuardedPortDescriptor64: 16;
    GuardedPortDescriptor32: 12;
}
