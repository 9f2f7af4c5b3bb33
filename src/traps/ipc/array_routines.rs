// SPDX-License-Identifier: GPL-2.0

//! Routines that take or return more than fits into a few words: lists of names, a message that
//! waits, the options of a new port (ABI mig §3.1; XNU osfmk/ipc/mach_port.c and mach_debug.c).
//!
//! Locks: `Space::table` for a piece of the table at a time, so a list tells of what was there all
//! the time and perhaps of what came or went. `Port::state` to look at a message, `PortSet::state`
//! to copy the list of members.

use super::{
    attributes,
    copyout,
    entry::Object,
    growth::CHUNK,
    names_traps::{
        set_of,
        type_bits, //
    },
    param::{
        Bytes,
        Memory, //
    },
    port_routines::{
        check_receive_name,
        in_space, //
    },
    results::OutOfLine,
    routine::{
        Call,
        Refusal,
        RoutineDescriptor,
        RoutineResult, //
    },
    space::Space,
    table::Table, //
    task_port::TaskPort,
};
use crate::{
    abi::{
        msg::{
            option,
            MachMsgMacTrailer,
            MACH_RCV_TRAILER_AUDIT, //
        },
        port::{
            PortOptions,
            MACH_PORT_TYPE_DEAD_NAME,
            MACH_PORT_TYPE_DNREQUEST, //
        },
        PortName, //
    },
    core::{
        KernError,
        KernResult, //
    },
};
use core::mem::size_of;
use kernel::prelude::*;
use mach_macros::{
    routine,
    routines, //
};
use zerocopy::{
    FromZeros,
    IntoBytes, //
};
use zerocopy_derive::{
    Immutable,
    IntoBytes, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    mach_port_names,
    mach_port_peek,
    mach_port_get_set_status,
    mach_port_space_info,
    mach_port_construct,
];

/// What an entry of a table is.
struct Listed {
    name: PortName,
    /// Bits of the rights, and whether a request is open; 0 for an entry that is not in use.
    rights: u32,
    urefs: u32,
}

impl Listed {
    fn of(table: &mut Table, index: u32) -> Option<Self> {
        let entry = table.entry(index)?;
        let name = PortName((index << 8) | u32::from(entry.generation));
        let mut urefs = u32::from(entry.urefs);
        let mut rights = type_bits(&entry.object);
        let died = match &entry.object {
            Object::Send(right) => !right.port().is_alive(),
            Object::SendOnce(right) => !right.port().is_alive(),
            _ => false,
        };
        let request = rights != 0 && table.has_open_request(name);
        match (died, request) {
            // It becomes a dead name as soon as somebody uses it, with a reference more for the
            // notification.
            (true, request) => {
                rights = MACH_PORT_TYPE_DEAD_NAME;
                urefs = urefs.saturating_add(request.into());
            }
            (false, true) => rights |= MACH_PORT_TYPE_DNREQUEST,
            (false, false) => (),
        }
        Some(Self {
            name,
            rights,
            urefs,
        })
    }
}

/// What `take` makes of the entries of a space, in the order of the table.
fn list<T>(space: &Space, take: impl Fn(Listed) -> Option<T>) -> KernResult<KVVec<T>> {
    let mut all = KVVec::new();
    let mut first = 0usize;
    loop {
        let end = first.saturating_add(CHUNK);
        all.reserve(CHUNK, GFP_KERNEL_ACCOUNT)?;
        let more = space.with(|table| {
            for index in first..end.min(table.capacity()) {
                // CAST: there are fewer than 2^23 entries.
                if let Some(taken) = Listed::of(table, index as u32).and_then(&take) {
                    // There is room, so this does not allocate.
                    let _ = all.push(taken, GFP_ATOMIC);
                }
            }
            Ok(end < table.capacity())
        })?;
        if !more {
            return Ok(all);
        }
        first = end;
    }
}

/// Lists the names of a task and what they denote.
#[routine(3200)]
fn mach_port_names(call: &Call<'_>, task: &TaskPort) -> KernResult<(OutOfLine, OutOfLine)> {
    let listed = in_space(call, task, |space| {
        list(space, |entry| {
            (entry.rights != 0).then_some([entry.name.0, entry.rights])
        })
    })?;
    let column = |of: fn(&[u32; 2]) -> u32| -> KernResult<OutOfLine> {
        let mut column = KVVec::with_capacity(listed.len(), GFP_KERNEL_ACCOUNT)?;
        for row in &listed {
            column.push(of(row), GFP_KERNEL_ACCOUNT)?;
        }
        OutOfLine::of(&column)
    };
    Ok((column(|[name, _]| *name)?, column(|[_, rights]| *rights)?))
}

/// Tells of a message that waits at a port, which stays there: the first, or the one that will have
/// the given sequence number. `KERN_FAILURE` if there is none, `KERN_INVALID_VALUE` for a trailer
/// that tells more than the sender or does not fit.
#[routine(3209)]
fn mach_port_peek(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
    trailer_type: u32,
    seqno: u32,
    room: u32,
) -> RoutineResult<(u32, u32, i32, Bytes<68>)> {
    check_receive_name(name)?;
    let size = copyout::trailer_size(trailer_type);
    if option::trailer_elements(trailer_type) > MACH_RCV_TRAILER_AUDIT || size > room {
        return Err(KernError::INVALID_VALUE.into());
    }
    let (seqno, bytes, id, trailer) = in_space(call, task, |space| {
        let port = space.with(|table| table.receive_port(name))?;
        port.with(|state| {
            let before = match seqno {
                0 => 0,
                seqno => seqno.wrapping_sub(state.seqno),
            };
            let message = state.messages.get(before).ok_or(KernError::FAILURE)?;
            let seqno = state.seqno.wrapping_add(before);
            let mut trailer: MachMsgMacTrailer = copyout::trailer(message, size);
            // The port counts the message when it is received.
            trailer.base.base.base.base.seqno = seqno;
            Ok((seqno, message.size(), message.id, trailer))
        })
    })?;
    let mut info = KVec::new();
    // CAST: `u32` to `usize` loses nothing.
    let part = trailer.as_bytes().get(..size as usize).unwrap_or_default();
    info.extend_from_slice(part, GFP_KERNEL_ACCOUNT)?;
    Ok((seqno, bytes, id, Bytes(info)))
}

/// Lists the members of a port set.
#[routine(3211)]
fn mach_port_get_set_status(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
) -> KernResult<OutOfLine> {
    in_space(call, task, |space| {
        check_receive_name(name)?;
        let members = set_of(space, name)?.members()?;
        let mut names = KVVec::with_capacity(members.len(), GFP_KERNEL_ACCOUNT)?;
        for member in &members {
            if let Some(name) = member.port.name_in(space.id) {
                names.push(name, GFP_KERNEL_ACCOUNT)?;
            }
        }
        OutOfLine::of(&names)
    })
}

/// `ipc_info_name_t`
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct NameInfo {
    name: u32,
    collision: u32,
    rights: u32,
    urefs: u32,
    object: u32,
    next: u32,
    hash: u32,
}

/// Tells of a space and of every entry of its table. Addresses of objects and how the table is
/// linked are not told: 0. There is no tree of names.
#[routine(3223)]
fn mach_port_space_info(
    call: &Call<'_>,
    task: &TaskPort,
) -> KernResult<([u32; 6], OutOfLine, OutOfLine)> {
    const GENERATION_MASK: u32 = 0xff;

    in_space(call, task, |space| {
        let entries = list(space, |entry| {
            Some(NameInfo {
                name: entry.name.0,
                collision: 0,
                rights: entry.rights,
                urefs: entry.urefs,
                object: 0,
                next: 0,
                hash: 0,
            })
        })?;
        let next = space.with(|table| Ok(table.size().next))?;
        // CAST: a table has at most 2^20 entries.
        let info = [GENERATION_MASK, entries.len() as u32, next as u32, 0, 0, 0];
        Ok((info, OutOfLine::of(&entries)?, OutOfLine::of::<u32>(&[])?))
    })
}

/// Makes a port as its options say, see the trap of the same name.
#[routine(3231)]
fn mach_port_construct(
    call: &Call<'_>,
    task: &TaskPort,
    options: Memory,
    context: u64,
) -> RoutineResult<PortName> {
    let mut wanted = PortOptions::new_zeroed();
    // CAST: `u32` to `usize` loses nothing.
    if options.size() as usize != size_of::<PortOptions>() {
        return Err(Refusal::TYPE_ERROR);
    }
    options.read(0, wanted.as_mut_bytes());
    Ok(in_space(call, task, |space| {
        attributes::construct(space, &wanted, context)
    })?)
}

const _: () = assert!(size_of::<NameInfo>() == 28);
