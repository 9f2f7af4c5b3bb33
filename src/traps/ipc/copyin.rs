// SPDX-License-Identifier: GPL-2.0

//! Taking a message in: bytes from user memory, rights from the sender's space.
//!
//! The checks and their order are the contract (ABI traps §6.3; XNU osfmk/ipc/ipc_kmsg.c). The
//! header's two rights are taken in one step or not at all.
//!
//! Locks: `Space::table`, for one right or header at a time. User memory is read with none.

use super::{
    entry::Object,
    error::*,
    kobject::kind,
    message::{
        HeaderRight,
        Message, //
    },
    receive::Source,
    right::{
        received_as,
        Right,
        SendOnceRight,
        SendRight, //
    },
    set::PortSet,
    space::Space,
    table::Table, //
};
use crate::{
    abi::{
        msg::{
            option,
            Disposition,
            MachMsgHeader,
            COMPLEX_MIN_SIZE,
            HEADER_SIZE,
            MSG_ALIGN,
            SEND_SIZE_MAX, //
        },
        PortName,
        UserAddr, //
    },
    core::{
        user,
        KernError,
        KernResult, //
    },
    linux::fifo::Node,
};
use kernel::prelude::*;

/// Checks the size of a message before anything is read.
pub(super) fn check_size(size: u32) -> KernResult<usize> {
    // CAST: `u32` to `usize` loses nothing.
    let size = size as usize;
    if size < HEADER_SIZE || size % MSG_ALIGN != 0 {
        return Err(SEND_MSG_TOO_SMALL);
    }
    if size > SEND_SIZE_MAX {
        return Err(SEND_TOO_LARGE);
    }
    Ok(size)
}

/// Fills `message`, which has room for it, from user memory. Returns the header.
pub(super) fn read(message: &mut Message, address: UserAddr) -> KernResult<MachMsgHeader> {
    let length = message.bytes().len();
    if user::read_bytes(address, message.bytes_mut()).is_err() {
        // Which part was bad decides which error comes first.
        let header: MachMsgHeader = user::read(address).map_err(|_| SEND_INVALID_DATA)?;
        check_complex(&header, length)?;
        return Err(SEND_INVALID_DATA);
    }
    let header = message.header().ok_or(SEND_MSG_TOO_SMALL)?;
    check_complex(&header, length)?;
    message.complex = header.bits.is_complex();
    message.id = header.id;
    Ok(header)
}

fn check_complex(header: &MachMsgHeader, length: usize) -> KernResult {
    if header.bits.is_complex() && length < COMPLEX_MIN_SIZE {
        return Err(SEND_MSG_TOO_SMALL);
    }
    Ok(())
}

/// Takes the rights of the header out of the space.
///
/// With `MACH_SEND_NOTIFY` among the `options`, a request to be told when a message can be sent to
/// the destination is armed if one cannot be sent now.
///
/// Returns what `receives_from` denotes, if that is a name to receive from, and if it will when
/// the message has been sent as far as the message decides that: what the kernel does for one may
/// be to change names.
pub(super) fn header(
    space: &Space,
    header: &MachMsgHeader,
    message: &mut Message,
    options: u32,
    receives_from: Option<PortName>,
) -> KernResult<Option<Source>> {
    let bits = header.bits.masked();
    let to_send = |raw: u32| match Disposition::try_from(raw) {
        Ok(Disposition::MoveReceive) | Err(_) => Err(SEND_INVALID_HEADER),
        Ok(disposition) => Ok(disposition),
    };
    let remote = to_send(bits.remote())?;
    let local = match bits.local() {
        0 if header.local_port == PortName::NULL => None,
        raw => Some(to_send(raw)?),
    };
    if !header.remote_port.is_valid() {
        return Err(SEND_INVALID_DEST);
    }
    let reply = match local {
        Some(disposition) if header.local_port.is_valid() => Some((header.local_port, disposition)),
        _ => None,
    };
    let (destination, taken_reply, source) = space
        .with(|table| {
            let voucher = match bits.voucher() {
                0 => None,
                how => voucher_disposition(table, how, header.voucher_port)?,
            };
            if voucher.is_some() && reply.is_some_and(|(name, _)| name == header.voucher_port) {
                // One name cannot be both, as in XNU.
                table.refresh(header.remote_port);
                return Err(table
                    .check_copyin(header.remote_port, remote, false)
                    .map_or(SEND_INVALID_DEST, |()| SEND_INVALID_REPLY));
            }
            let (right, taken_reply) = take_header(table, header.remote_port, remote, reply)?;
            if options & option::MACH_SEND_NOTIFY != 0 && matches!(right, Right::Send(_)) {
                arm(table, header.remote_port);
            }
            if let Some(how) = voucher {
                // It may have been taken as another right of the header: then there is none.
                if let Ok(Right::Send(right)) = table.copyin(header.voucher_port, how) {
                    message.voucher = Some(right);
                }
            }
            let source = match receives_from {
                Some(name) if !right.port().is_some_and(|port| port.is_kernel()) => {
                    Source::of(table, name)
                }
                _ => None,
            };
            Ok((right, taken_reply, source))
        })
        .map_err(|error| match error {
            // The space is dead.
            KernError::INVALID_TASK => SEND_INVALID_DEST,
            error => error,
        })?;

    let destination = HeaderRight {
        right: destination,
        received_as: Some(received_as(remote)),
    };
    let reply = HeaderRight {
        right: match taken_reply {
            Some(right) => right,
            None if header.local_port == PortName::DEAD => Right::Dead,
            None => Right::Null,
        },
        received_as: local.map(received_as),
    };
    message.put_header(destination, reply);
    Ok(source)
}

/// How the voucher is to be taken, if there is one.
#[cold]
fn voucher_disposition(
    table: &Table,
    disposition: u32,
    name: PortName,
) -> KernResult<Option<Disposition>> {
    let disposition = Disposition::try_from(disposition).map_err(|_| SEND_INVALID_VOUCHER)?;
    if !matches!(disposition, Disposition::MoveSend | Disposition::CopySend) {
        return Err(SEND_INVALID_VOUCHER);
    }
    if name == PortName::NULL {
        return Ok(None);
    }
    let is_voucher = table.peek(name).is_some_and(|entry| match &entry.object {
        Object::Send(right) => right.port().kind() == kind::VOUCHER,
        _ => false,
    });
    is_voucher
        .then_some(Some(disposition))
        .ok_or(SEND_INVALID_VOUCHER)
}

/// Arms the request about `name` if the queue of its port is full.
fn arm(table: &mut Table, name: PortName) {
    let subject = table.subject(name);
    let Some(entry) = table.lookup(name) else {
        return;
    };
    if let (Some(id), Some(port)) = (entry.request, entry.object.port()) {
        port.with(|state| {
            if state.is_full() {
                state.requests.arm(id, subject);
            }
        });
    }
}

fn has_request(table: &Table, name: PortName) -> bool {
    table
        .peek(name)
        .is_some_and(|entry| entry.request.is_some())
}

type TakenHeader = (Right, Option<Right>);

/// Takes destination and reply right, both or none. The table is locked.
fn take_header(
    table: &mut Table,
    destination: PortName,
    remote: Disposition,
    reply: Option<(PortName, Disposition)>,
) -> KernResult<TakenHeader> {
    if let Some(taken) = take_usual(table, destination, remote, reply) {
        return Ok(taken);
    }
    // A dead destination is none; a reply port may be dead. A send-once right without a request is
    // taken as it is: if its port has died the message goes nowhere, and that is a success.
    if remote != Disposition::MoveSendOnce || has_request(table, destination) {
        table.refresh(destination);
    }
    table
        .check_copyin(destination, remote, false)
        .map_err(|_| SEND_INVALID_DEST)?;
    let Some((reply, local)) = reply else {
        return Ok((take_destination(table, destination, remote)?, None));
    };
    if reply != destination {
        table.refresh(reply);
    }
    table
        .check_copyin(reply, local, true)
        .map_err(|_| SEND_INVALID_REPLY)?;
    if reply == destination {
        both_fit(table, destination, remote, local)?;
    }

    // A right that moves away is taken last, so that one that is copied finds it.
    let moves = |disposition| {
        matches!(
            disposition,
            Disposition::MoveSend | Disposition::MoveSendOnce
        )
    };
    if moves(remote) && !moves(local) {
        let reply = table.copyin(reply, local).map_err(|_| SEND_INVALID_REPLY)?;
        Ok((take_destination(table, destination, remote)?, Some(reply)))
    } else {
        let right = take_destination(table, destination, remote)?;
        let reply = table.copyin(reply, local).map_err(|_| SEND_INVALID_REPLY)?;
        Ok((right, Some(reply)))
    }
}

/// Takes the rights of the header of a usual request, to a send right with a send-once right for
/// the reply, of a usual reply, or of a message to oneself, with one look-up each. `None`, with
/// nothing taken, for all other headers and whenever there is anything special about a name.
#[inline]
fn take_usual(
    table: &mut Table,
    destination: PortName,
    remote: Disposition,
    reply: Option<(PortName, Disposition)>,
) -> Option<TakenHeader> {
    let entry = table.peek(destination)?;
    match (&entry.object, remote, reply) {
        (Object::Send(right), Disposition::CopySend, reply) if right.port().is_alive() => {
            let reply = match reply {
                None => None,
                Some((name, Disposition::MakeSendOnce)) => match &table.peek(name)?.object {
                    Object::Receive(rights) => {
                        Some(Right::SendOnce(SendOnceRight::make(rights.port())))
                    }
                    _ => return None,
                },
                Some(_) => return None,
            };
            Some((Right::Send(right.copy()), reply))
        }
        (Object::Receive(rights), Disposition::MakeSend, None) => {
            Some((Right::Send(SendRight::make(rights.port())), None))
        }
        (Object::SendOnce(_), Disposition::MoveSendOnce, None) if entry.request.is_none() => {
            match table.remove(destination) {
                Some(Object::SendOnce(right)) => Some((Right::SendOnce(right), None)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether one name, which has each right alone, has them for both ends of a message.
/// `MACH_SEND_INVALID_REPLY` if it is one send-once right (ABI traps §6.3), `MACH_SEND_INVALID_DEST`
/// if it is one send right (XNU).
fn both_fit(table: &Table, name: PortName, remote: Disposition, local: Disposition) -> KernResult {
    match (remote, local) {
        (Disposition::MoveSendOnce, Disposition::MoveSendOnce) => Err(SEND_INVALID_REPLY),
        (Disposition::MoveSend, Disposition::MoveSend)
            if table.peek(name).is_some_and(|entry| entry.urefs < 2) =>
        {
            Err(SEND_INVALID_DEST)
        }
        _ => Ok(()),
    }
}

fn take_destination(
    table: &mut Table,
    name: PortName,
    disposition: Disposition,
) -> KernResult<Right> {
    if disposition == Disposition::MoveSendOnce {
        return match table.remove(name) {
            Some(Object::SendOnce(right)) => Ok(Right::SendOnce(right)),
            // `check_copyin` has seen a send-once right there, and the table is locked.
            _ => Err(SEND_INVALID_DEST),
        };
    }
    table
        .copyin(name, disposition)
        .map_err(|_| SEND_INVALID_DEST)
}

impl PortSet {
    /// What is left to do for a receive right that was taken out of its space: the port leaves all
    /// sets.
    pub(super) fn leave(right: &Right) {
        if let Right::Receive(right) = right {
            Self::remove_from_all(right.port());
        }
    }
}

/// Makes a message of `size` bytes, out of `cached` if that will do.
pub(super) fn buffer(
    cached: Option<KBox<Node<Message>>>,
    size: usize,
) -> KernResult<KBox<Node<Message>>> {
    match cached {
        Some(mut message) => {
            message.reset(size).map_err(|_| SEND_NO_BUFFER)?;
            Ok(message)
        }
        None => Message::new(size).map_err(|_| SEND_NO_BUFFER),
    }
}
