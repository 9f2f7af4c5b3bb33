// SPDX-License-Identifier: GPL-2.0

//! Giving a message out: rights into the space of whoever gets it, bytes to user memory.
//!
//! Source: XNU osfmk/ipc/ipc_kmsg.c; ABI traps §6.4 (giving back), §6.5.
//!
//! Locks: `Space::table`, for one right at a time. User memory is written with none.

use super::{
    body_out,
    error::*,
    guarded::Guarded,
    layout::Layout,
    message::{
        HeaderRight,
        Message, //
    },
    right::{
        Right,
        SendRight, //
    },
    space::Space,
    withdraw, //
};
use crate::{
    abi::{
        msg::{
            option,
            requested_trailer_size,
            Disposition,
            MachMsgAuditTrailer,
            MachMsgContextTrailer,
            MachMsgHeader,
            MachMsgMacTrailer,
            MachMsgSecurityTrailer,
            MachMsgSeqnoTrailer,
            MachMsgTrailer,
            MsgBits,
            HEADER_SIZE,
            MACH_MSG_IPC_SPACE, //
        },
        PortName,
        UserAddr, //
    },
    core::{
        user,
        KernResult, //
    },
};
use core::mem;
use zerocopy::IntoBytes;

/// The bytes of the trailer that `options` ask for.
#[inline]
pub(super) fn trailer_size(options: u32) -> u32 {
    // CAST: at most 68.
    requested_trailer_size(options) as u32
}

/// The trailer of `message`, the first `size` bytes of which are given out.
#[inline]
pub(super) fn trailer(message: &Message, size: u32) -> MachMsgMacTrailer {
    MachMsgMacTrailer {
        base: MachMsgContextTrailer {
            base: MachMsgAuditTrailer {
                base: MachMsgSecurityTrailer {
                    base: MachMsgSeqnoTrailer {
                        base: MachMsgTrailer { kind: 0, size },
                        seqno: message.arrival.seqno,
                    },
                    sender: message.sender.security,
                },
                audit: message.sender.audit(),
            },
            context: message.arrival.context,
        },
        access_vector: 0,
        label: 0,
    }
}

/// Gives a received message to the owner of `space` at `address`, with the trailer that `options`
/// ask for. The buffer has room for both.
///
/// The message's destination right is used up by this. If the buffer cannot be written the message
/// is lost, and its rights are released: they leave the space again, whose owner was not told of
/// them.
#[inline]
pub(super) fn receive(
    space: &Space,
    message: &mut Message,
    address: UserAddr,
    options: u32,
    layout: Layout,
) -> KernResult {
    let destination = mem::replace(&mut message.destination, HeaderRight::NONE);
    let reply = mem::replace(&mut message.reply, HeaderRight::NONE);
    // A message that was handed over has left the right with its sender.
    let local_port = match destination.right.port() {
        Some(port) if !port.is_alive() => PortName::DEAD,
        _ => message.arrival.name,
    };
    let local = destination.received_as;
    destination.right.consume();

    let remote = reply.received_as;
    let Ok(remote_port) = space.insert_right(reply.right) else {
        drop(message.carried.drain_all());
        drop(message.voucher.take());
        minimal(message, address, u32::MAX, options, layout)?;
        return Err(RCV_HEADER_ERROR.with_bits(MACH_MSG_IPC_SPACE));
    };
    let (voucher_port, voucher) = match message.voucher.take() {
        Some(right) if options & option::MACH_RCV_VOUCHER != 0 => enter_voucher(space, right),
        _ => (PortName::NULL, None),
    };
    let missing = if message.carried.is_empty() {
        0
    } else {
        let guarded = match options & option::MACH_RCV_GUARDED_DESC {
            0 => Guarded::Dropped,
            _ => Guarded::Entered(address),
        };
        body_out::body(space, message, guarded, layout)
    };
    let bits = MsgBits::new(remote, local, voucher);
    set_header(message, bits, [remote_port, local_port, voucher_port]);

    if write_with_trailer(message, address, options).is_err() {
        withdraw::right(space, remote_port, remote);
        withdraw::right(space, voucher_port, voucher);
        withdraw::body(space, message, layout);
        body_out::forget_body(message);
        return Err(RCV_INVALID_DATA);
    }
    if !message.carried.is_empty() {
        body_out::forget_body(message);
    }
    match missing {
        0 => Ok(()),
        bits => Err(RCV_BODY_ERROR.with_bits(bits)),
    }
}

/// Writes the header: `bits` say as what the rights under the names of the remote port, the local
/// port and the voucher are received.
#[inline]
fn set_header(message: &mut Message, bits: MsgBits, names: [PortName; 3]) {
    let [remote_port, local_port, voucher_port] = names;
    let header = MachMsgHeader {
        bits: if message.complex {
            bits.complex()
        } else {
            bits
        },
        size: message.size(),
        remote_port,
        local_port,
        voucher_port,
        id: message.id,
    };
    message.set_header(&header);
}

/// Enters a voucher into the space: its name, and as what it is received. Where there is no room for
/// it there is none.
fn enter_voucher(space: &Space, right: SendRight) -> (PortName, Option<Disposition>) {
    match space.insert_right(Right::Send(right)) {
        Ok(name) => (name, Some(Disposition::MoveSend)),
        Err(_) => (PortName::NULL, None),
    }
}

/// Writes the message and the trailer that `options` ask for.
#[inline]
fn write_with_trailer(
    message: &mut Message,
    address: UserAddr,
    options: u32,
) -> Result<(), user::Fault> {
    let size = trailer_size(options);
    // CAST: at most 68.
    let bytes = if size as usize == mem::size_of::<MachMsgTrailer>() {
        message.with_trailer(MachMsgTrailer { kind: 0, size }.as_bytes())
    } else {
        let trailer = trailer(message, size);
        message.with_trailer(trailer.as_bytes().get(..size as usize).unwrap_or_default())
    };
    user::write_bytes(address, bytes)
}

/// Writes the header that stands for a message that does not reach its receiver, and a trailer if
/// there is `room` for both.
fn minimal(
    message: &Message,
    address: UserAddr,
    room: u32,
    options: u32,
    layout: Layout,
) -> KernResult {
    let size = trailer_size(options);
    let header = MachMsgHeader {
        bits: MsgBits(0),
        size: message.sizes().in_layout(layout),
        remote_port: PortName::NULL,
        local_port: PortName::NULL,
        voucher_port: PortName::NULL,
        id: message.id,
    };
    let mut bytes = [0u8; HEADER_SIZE + mem::size_of::<MachMsgMacTrailer>()];
    let trailer = trailer(message, size);
    let (head, tail) = bytes.split_at_mut(HEADER_SIZE);
    head.copy_from_slice(header.as_bytes());
    tail.copy_from_slice(trailer.as_bytes());

    // CAST: small constants and a size of at most 68; `u32` to `usize` loses nothing.
    let room = room as usize;
    let length = match HEADER_SIZE + size as usize {
        both if both <= room => both,
        _ if HEADER_SIZE <= room => HEADER_SIZE,
        _ => return Ok(()),
    };
    let bytes = bytes.get(..length).unwrap_or_default();
    user::write_bytes(address, bytes).map_err(|_| RCV_INVALID_DATA)
}

/// Gives up a message that is too large for its receiver, who gets a header that says so.
pub(super) fn too_large(
    message: &mut Message,
    address: UserAddr,
    room: u32,
    options: u32,
    layout: Layout,
) -> KernResult {
    let destination = mem::replace(&mut message.destination, HeaderRight::NONE);
    destination.right.consume();
    drop(mem::replace(&mut message.reply, HeaderRight::NONE));
    drop(message.voucher.take());
    drop(message.carried.drain_all());
    minimal(message, address, room, options, layout)?;
    Err(RCV_TOO_LARGE)
}

/// Says how large the message is that stays queued because it does not fit.
pub(super) fn too_large_kept(
    large: super::waiter::TooLarge,
    address: UserAddr,
    room: u32,
    options: u32,
) -> KernResult {
    /// Enough for the size and, after the remote port, the local port.
    const ROOM: u32 = 16;
    const SIZE_AT: u64 = mem::offset_of!(MachMsgHeader, size) as u64;
    const LOCAL_AT: u64 = mem::offset_of!(MachMsgHeader, local_port) as u64;

    if room >= ROOM {
        let write = |offset, value: u32| {
            let address = address.checked_add(offset).ok_or(user::Fault)?;
            user::write(address, &value)
        };
        let mut written = write(SIZE_AT, large.size);
        if options & option::MACH_RCV_LARGE_IDENTITY != 0 {
            written = written.and(write(LOCAL_AT, large.port.0));
        }
        if written.is_err() {
            return Err(RCV_INVALID_DATA);
        }
    }
    Err(RCV_TOO_LARGE)
}

/// Gives a message that could not be sent back to its sender, in place: all rights return to the
/// space, perhaps under other names, and the dispositions say how to send them again.
///
/// Returns bits for the error code if something could not be given back. If the message cannot be
/// written it is lost, and its rights are released, as in [`receive`]; in XNU they stay in the
/// space, whose owner does not learn under which names.
pub(super) fn give_back(
    space: &Space,
    message: &mut Message,
    address: UserAddr,
    layout: Layout,
) -> i32 {
    let destination = mem::replace(&mut message.destination, HeaderRight::NONE);
    let reply = mem::replace(&mut message.reply, HeaderRight::NONE);
    let mut missing = 0;
    let mut enter = |right: Right| {
        space.insert_right(right).unwrap_or_else(|_| {
            missing = MACH_MSG_IPC_SPACE;
            PortName::NULL
        })
    };
    let remote_port = enter(destination.right);
    let local_port = enter(reply.right);
    let (voucher_port, voucher) = message
        .voucher
        .take()
        .map_or((PortName::NULL, None), |right| enter_voucher(space, right));
    let bits = MsgBits::new(destination.received_as, reply.received_as, voucher);
    missing |= body_out::body(space, message, Guarded::Returned, layout);
    set_header(message, bits, [remote_port, local_port, voucher_port]);
    if user::write_bytes(address, message.bytes()).is_err() {
        withdraw::right(space, remote_port, destination.received_as);
        withdraw::right(space, local_port, reply.received_as);
        withdraw::right(space, voucher_port, voucher);
        withdraw::body(space, message, layout);
    }
    body_out::forget_body(message);
    missing
}
