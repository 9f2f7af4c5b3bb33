// SPDX-License-Identifier: GPL-2.0

//! Argument structures of port rights and messages (ABI traps §5 and §6).
//!
//! Pure layout, no locks; see [`super`].

use super::super::{
    port::PortName,
    user::UserAddr, //
};

use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

/// Argument of `mach_msg_overwrite`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachMsgOverwriteArgs {
    /// The message to send; rewritten when a send is given back.
    pub msg: UserAddr,
    /// What to do: `MACH_SEND_*` and `MACH_RCV_*` bits of [`option`](super::super::msg::option).
    pub option: u32,
    /// Bytes to send, header included.
    pub send_size: u32,
    /// Bytes of room for message and trailer.
    pub recv_size: u32,
    /// Receive right or port set to receive from.
    pub rcv_name: PortName,
    /// Milliseconds, for send and receive alike, when an option asks for it.
    pub timeout: u32,
    /// Priority override, or the destination of a special reply port.
    pub notify: u32,
    /// Where to receive; null means the buffer of `msg`.
    pub rcv_msg: UserAddr,
    /// Ignored.
    pub rcv_limit: u32,
}

/// Argument of `mach_port_insert_right`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachPortInsertRightArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// The name that the right gets.
    pub port_name: PortName,
    /// The right to insert, a name in the caller's space.
    pub right_name: PortName,
    /// How it is taken, see [`Disposition`](super::super::msg::Disposition).
    pub right_type: i32,
}

/// Argument of `mach_port_mod_refs`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachPortModRefsArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// The name acted upon.
    pub port_right_name: PortName,
    /// Which right, see [`Right`](super::super::port::Right).
    pub right_type: i32,
    /// Change of the number of user references.
    pub delta: i32,
}

/// Argument of `mach_port_allocate`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachPortAllocateArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// Which right, see [`Right`](super::super::port::Right).
    pub right_type: i32,
    /// Where the new name is written (a [`PortName`]).
    pub out_right_name: UserAddr,
}

/// Argument of `mach_port_deallocate`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachPortDeallocateArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// The name acted upon.
    pub port_right_name: PortName,
}

/// Argument of `mach_port_destroy`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachPortDestroyArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// The name acted upon.
    pub port_right_name: PortName,
}

/// Argument of `mach_port_move_member`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachPortMoveMemberArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// The name acted upon.
    pub port_right_name: PortName,
    /// Name of the port set.
    pub pset_right_name: PortName,
}

/// Argument of `mach_port_insert_member`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachPortInsertMemberArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// The name acted upon.
    pub port_right_name: PortName,
    /// Name of the port set.
    pub pset_right_name: PortName,
}

/// Argument of `mach_port_extract_member`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachPortExtractMemberArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// The name acted upon.
    pub port_right_name: PortName,
    /// Name of the port set.
    pub pset_right_name: PortName,
}

/// Argument of `mach_port_request_notification`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachPortRequestNotificationArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// The name acted upon.
    pub port_right_name: PortName,
    /// Which notification, see [`notify`](super::super::notify).
    pub message_id: i32,
    /// Make-send count, or "at once if already so", by notification.
    pub make_send_count: u32,
    /// Where the notification goes; null and dead names are rejected.
    pub notification_destination_port_name: PortName,
    /// How that right is taken: a send-once disposition.
    pub message_type: u32,
    /// Where the name of the replaced request is written.
    pub previous_destination_port_name_out: UserAddr,
}

/// Argument of `mach_port_get_attributes`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachPortGetAttributesArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// The name acted upon.
    pub port_right_name: PortName,
    /// Which attributes, see [`flavor`](super::super::port::flavor).
    pub flavor: i32,
    /// Where the attribute words are written.
    pub info_out: UserAddr,
    /// Number of words: the room, then what was written (`u32`).
    pub count_out: UserAddr,
}

/// Argument of `mach_port_type`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachPortTypeArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// The name acted upon.
    pub port_right_name: PortName,
    /// Where the type bits are written (`u32`).
    pub port_type_out: UserAddr,
}

/// Argument of `mach_port_construct`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachPortConstructArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// The options, a [`PortOptions`](super::super::port::PortOptions).
    pub options: UserAddr,
    /// Context word, and guard when the options say so.
    pub context: u64,
    /// Where the new name is written (a [`PortName`]).
    pub port_right_name_out: UserAddr,
}

/// Argument of `mach_port_destruct`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachPortDestructArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// The name acted upon.
    pub port_right_name: PortName,
    /// Change of the send references: a signed value in the low 32 bits.
    pub srdelta: u64,
    /// Guard value.
    pub guard: u64,
}

/// Argument of `mach_port_guard`.
///
/// The flag is the last byte: 17 bytes, without padding at the end.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed)]
pub struct MachPortGuardArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// The name acted upon.
    pub port_right_name: PortName,
    /// Guard value.
    pub guard: u64,
    /// Not 0: also moving the right needs the guard.
    pub strict: u8,
}

/// Argument of `mach_port_unguard`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachPortUnguardArgs {
    /// Task whose name space is meant; must be the caller's own.
    pub task_right_name: PortName,
    /// The name acted upon.
    pub port_right_name: PortName,
    /// Guard value.
    pub guard: u64,
}
