// SPDX-License-Identifier: GPL-2.0

//! Guarded descriptors: receive rights that travel with what guards them.
//!
//! Serves the two ways of a body.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_kmsg.c; ABI traps §5.10, §6.5.
//!
//! Locks: `Space::table` and, within it or alone, `Port::state`.

use super::{
    body_out::{
        enter,
        write_port, //
    },
    carried::Item,
    entry::Object,
    error::*,
    layout::move_bytes,
    message::Message,
    port::{
        Guard,
        Port,
        PortState,
        Receiver, //
    },
    right::Right,
    set::PortSet,
    space::Space,
    withdraw, //
};
use crate::{
    abi::{
        msg::{
            DescriptorType,
            Disposition,
            GuardedPortDescriptor64,
            PortDescriptor,
            MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE,
            MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND, //
        },
        PortName,
        UserAddr, //
    },
    core::{
        KernError,
        KernResult, //
    },
};
use core::mem::{
    self,
    size_of, //
};

/// What becomes of guarded descriptors.
#[derive(Clone, Copy)]
pub(super) enum Guarded {
    /// The right is dropped, and a null right takes its place.
    Dropped,
    /// The right is entered; if its sender wants it immovable, with this address as its guard.
    Entered(UserAddr),
    /// The right goes back to its sender, free of guards, to be sent again.
    Returned,
}

/// Takes a receive right whose guard is `context`, or which has none, as `flags` say.
/// `MACH_SEND_INVALID_RIGHT` if that is not so (ABI traps §5.10).
pub(super) fn take(space: &Space, name: PortName, context: u64, flags: u16) -> KernResult<Right> {
    let unguarded = flags & MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND != 0;
    let right = space
        .with(|table| {
            let entry = table.lookup(name).ok_or(KernError::INVALID_NAME)?;
            let Object::Receive(rights) = &entry.object else {
                return Err(KernError::INVALID_RIGHT);
            };
            // Guards change with the table locked.
            let matches = rights.port().with(|state| match state.guard {
                Some(_) => state.context == context,
                None => unguarded && context == 0,
            });
            if !matches {
                return Err(KernError::INVALID_RIGHT);
            }
            table.copyin(name, Disposition::MoveReceive)
        })
        .map_err(|_| SEND_INVALID_RIGHT)?;
    PortSet::leave(&right);
    Ok(right)
}

/// Enters a receive right, and guards it if its sender says so.
pub(super) fn port(
    space: &Space,
    message: &mut Message,
    offset: usize,
    right: Right,
    flags: u16,
    guarded: Guarded,
) -> i32 {
    let port = match guarded {
        Guarded::Entered(_) if flags & MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE != 0 => {
            right.port().cloned()
        }
        _ => None,
    };
    let (name, missing) = enter(space, right);
    let mut descriptor = GuardedPortDescriptor64 {
        context: 0,
        flags,
        // CAST: dispositions and types are small numbers.
        disposition: Disposition::MoveReceive.raw() as u8,
        kind: DescriptorType::GuardedPort.raw() as u8,
        name,
    };
    match guarded {
        Guarded::Entered(UserAddr(context)) => {
            if let Some(port) = port {
                descriptor.context = context;
                with_received(space, &port, |state| {
                    state.context = context;
                    state.guard = Some(Guard::Plain);
                    state.immovable = true;
                });
            }
        }
        // It has no guard any more.
        _ => descriptor.flags |= MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND,
    }
    message.write_at(offset, &descriptor);
    missing
}

/// Calls `f` with the state of `port`, unless its receive right has left `space` meanwhile.
fn with_received(space: &Space, port: &Port, f: impl FnOnce(&mut PortState)) {
    port.with(|state| {
        if matches!(state.receiver, Receiver::Space(id, _) if id == space.id) {
            f(state);
        }
    });
}

/// Turns guarded descriptors into plain ones without a right, which are shorter: what follows moves
/// up, and the message becomes as much shorter.
#[cold]
pub(super) fn shrink(message: &mut Message) {
    const LONG: usize = size_of::<GuardedPortDescriptor64>();
    const SHORT: usize = size_of::<PortDescriptor>();

    // Everything before `from` has been moved to before `to`.
    let (mut from, mut to) = (0usize, 0usize);
    let mut carried = mem::take(&mut message.carried);
    for carried in &mut carried {
        let offset = carried.offset;
        carried.offset = offset.saturating_sub(from.saturating_sub(to));
        if !matches!(carried.item, Item::GuardedPort(..)) {
            continue;
        }
        let received_as = Some(Disposition::MoveReceive);
        write_port(message, offset, PortName::NULL, received_as);
        carried.item = Item::Port(Right::Null, received_as);
        to = move_bytes(message, from, offset.saturating_add(SHORT), to);
        from = offset.saturating_add(LONG);
    }
    message.put_carried(carried);
    if from != to {
        let end = message.bytes().len();
        let end = move_bytes(message, from, end, to);
        message.truncate(end);
    }
}

/// Takes back a receive right that may be guarded.
pub(super) fn withdraw(space: &Space, name: PortName) {
    let port = space.with(
        |table| match table.lookup(name).map(|entry| &entry.object) {
            Some(Object::Receive(rights)) => Ok(rights.port().clone()),
            _ => Err(KernError::INVALID_NAME),
        },
    );
    if let Ok(port) = port {
        with_received(space, &port, |state| {
            state.guard = None;
            state.immovable = false;
        });
    }
    withdraw::right(space, name, Some(Disposition::MoveReceive));
}
