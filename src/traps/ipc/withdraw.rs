// SPDX-License-Identifier: GPL-2.0

//! Taking back what was given out of a message that its receiver could not be told of.
//!
//! Serves `copyout`, when the receiver's buffer cannot be written.
//!
//! Locks: `Space::table` and `Port::state`, for one right at a time.

use super::{
    carried::{
        Item,
        PortArray, //
    },
    guarded,
    layout::{
        Descriptor,
        Layout, //
    },
    message::Message,
    ool::Region,
    space::Space, //
};
use crate::abi::{
    msg::Disposition,
    port::Right as RightKind,
    PortName,
    UserAddr, //
};
use core::mem::size_of;
use zerocopy::IntoBytes;

/// Takes back what was entered in the space under `name` for a message that its owner never saw.
#[cold]
pub(super) fn right(space: &Space, name: PortName, received_as: Option<Disposition>) {
    // An error means that there is nothing to take back: no right, or a name that another thread
    // has guessed and dropped.
    let _ = space.with(|table| match received_as {
        Some(Disposition::MoveReceive) => table.mod_refs(name, RightKind::Receive, -1),
        _ => table.deallocate(name),
    });
}

/// Takes back what [`super::body_out::body`] gave out in `layout`: its owner was not told of it.
#[cold]
pub(super) fn body(space: &Space, message: &Message, layout: Layout) {
    for carried in &message.carried {
        let Ok(descriptor) = Descriptor::read(message, carried.offset, layout) else {
            continue;
        };
        match (&carried.item, descriptor) {
            (Item::Port(_, received_as), Descriptor::Port(port)) => {
                right(space, port.name, *received_as);
            }
            (Item::GuardedPort(..), Descriptor::GuardedPort(port)) => {
                guarded::withdraw(space, port.name);
            }
            (Item::Memory(region), Descriptor::Ool(memory)) => {
                unmap(region.as_ref(), memory.address);
            }
            (Item::Ports(array), Descriptor::OolPorts(ports)) => {
                names(space, array);
                unmap(array.names.as_ref(), ports.address);
            }
            _ => (),
        }
    }
}

fn names(space: &Space, array: &PortArray) {
    let Some(region) = &array.names else {
        return;
    };
    // CAST: `u32` to `usize` loses nothing.
    for offset in (0..region.size() as usize).step_by(size_of::<PortName>()) {
        let mut name = PortName::NULL;
        region.read(offset, name.as_mut_bytes());
        right(space, name, array.received_as);
    }
}

fn unmap(region: Option<&Region>, address: UserAddr) {
    if let Some(region) = region {
        if !address.is_null() {
            region.unmap(address);
        }
    }
}
