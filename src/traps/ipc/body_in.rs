// SPDX-License-Identifier: GPL-2.0

//! Taking in what the body of a message carries: rights and memory of the sender.
//!
//! First all descriptors are checked, then what they stand for is taken, one after the other, then
//! memory that the sender gives up is unmapped. What was taken before something fails belongs to
//! the message and goes with it.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_kmsg.c, `ipc_kmsg_copyin_body`; ABI traps §6.3. XNU
//! unmaps memory as it goes, so that a failure leaves a part of it unmapped; here it is all or
//! nothing.
//!
//! Locks: `Space::table`, for one right at a time. User memory is touched with none.

use super::{
    carried::{
        Carried,
        Item,
        PortArray, //
    },
    error::*,
    guarded,
    layout::{
        self,
        Descriptor,
        Layout, //
    },
    message::Message,
    ool::{
        self,
        Region, //
    },
    right::{
        received_as,
        Right, //
    },
    space::Space,
    transit, //
};
use crate::{
    abi::{
        msg::{
            CopyOption,
            Disposition,
            MachMsgBody,
            OolPortsDescriptor64,
            COMPLEX_MIN_SIZE,
            HEADER_SIZE,
            MACH_MSG_GUARD_FLAGS_MASK, //
        },
        PortName, //
    },
    core::{
        user,
        KernError,
        KernResult, //
    },
};
use core::mem::size_of;
use kernel::prelude::*;
use zerocopy::IntoBytes;

/// Most bytes that the physical copies of a message may have (XNU `ipc_kmsg_max_vm_space`).
const PHYSICAL_MAX: u64 = 7 << 20;

/// Most rights in one array, as many as XNU has room for.
const ARRAY_MAX: u32 = 917_504;

/// So many rights are too many for the body of a message.
const RIGHTS_LIMIT: u32 = 16383;

/// Calls `f` with each descriptor and its offset.
fn for_each(
    message: &mut Message,
    count: u32,
    layout: Layout,
    mut f: impl FnMut(&mut Message, usize, &Descriptor) -> KernResult,
) -> KernResult {
    let mut offset = COMPLEX_MIN_SIZE;
    for _ in 0..count {
        let descriptor = Descriptor::read(message, offset, layout)?;
        f(message, offset, &descriptor)?;
        offset = offset.saturating_add(descriptor.size(layout));
    }
    Ok(())
}

/// Takes what the body carries, whose descriptors are in `layout`. On failure that which was taken
/// is dropped with the message, as are the rights of the header.
pub(super) fn body(space: &Space, message: &mut Message, layout: Layout) -> KernResult {
    let body: MachMsgBody = message.read_at(HEADER_SIZE).ok_or(SEND_MSG_TOO_SMALL)?;
    let count = body.descriptor_count;
    if count == 1 {
        // What most complex messages carry, and nothing to be checked before it is taken.
        let first = Descriptor::read(message, COMPLEX_MIN_SIZE, layout)?;
        if matches!(first, Descriptor::Port(_)) {
            return carry(space, message, COMPLEX_MIN_SIZE, &first);
        }
    }
    let checked = check(message, count, layout)?;
    // CAST: `u32` to `usize` loses nothing.
    if layout == Layout::Narrow {
        layout::widen(message, count as usize, checked.addresses)?;
    }

    // All of them are in the message, so there are not too many.
    message
        .carried
        .reserve(count as usize, GFP_KERNEL_ACCOUNT | __GFP_NOWARN)
        .map_err(|_| SEND_NO_BUFFER)?;
    for_each(
        message,
        count,
        Layout::Wide,
        |message, offset, descriptor| carry(space, message, offset, descriptor),
    )?;
    if checked.gives_up {
        for_each(message, count, Layout::Wide, |_, _, descriptor| {
            give_up(descriptor);
            Ok(())
        })?;
    }
    Ok(())
}

/// What is to be known of the descriptors of a message.
struct Checked {
    /// Whether the sender gives up memory.
    gives_up: bool,
    /// So many have an address.
    addresses: usize,
}

/// Checks all descriptors.
fn check(message: &mut Message, count: u32, layout: Layout) -> KernResult<Checked> {
    let mut gives_up = false;
    let mut addresses: usize = 0;
    let mut physical: u64 = 0;
    let mut rights: u32 = 0;
    for_each(message, count, layout, |_, _, descriptor| {
        if !matches!(descriptor, Descriptor::Port(_)) {
            addresses = addresses.saturating_add(1);
        }
        match descriptor {
            Descriptor::Port(_) => rights = rights.saturating_add(1),
            Descriptor::GuardedPort(port) => {
                rights = rights.saturating_add(1);
                let moves = Disposition::try_from(port.disposition) == Ok(Disposition::MoveReceive);
                if !moves || port.flags & !MACH_MSG_GUARD_FLAGS_MASK != 0 {
                    return Err(SEND_INVALID_TYPE);
                }
            }
            Descriptor::OolPorts(ports) => {
                if ports.count > ARRAY_MAX {
                    return Err(SEND_TOO_LARGE);
                }
                rights = rights.saturating_add(ports.count);
                CopyOption::try_from(ports.copy).map_err(|_| SEND_INVALID_TYPE)?;
                gives_up |= ports.deallocate != 0;
            }
            Descriptor::Ool(memory) => {
                let copy = CopyOption::try_from(memory.copy).map_err(|_| SEND_INVALID_TYPE)?;
                gives_up |= memory.deallocate != 0;
                if matches!(copy, CopyOption::Physical) && memory.deallocate == 0 {
                    physical = physical.saturating_add(memory.size.into());
                }
                if physical > PHYSICAL_MAX {
                    return Err(VM_KERNEL);
                }
            }
        }
        Ok(())
    })?;
    if rights >= RIGHTS_LIMIT {
        return Err(SEND_TOO_LARGE);
    }
    Ok(Checked {
        gives_up,
        addresses,
    })
}

/// Puts what the descriptor at `offset` stands for into the message.
#[inline]
fn carry(
    space: &Space,
    message: &mut Message,
    offset: usize,
    descriptor: &Descriptor,
) -> KernResult {
    let item = take(space, message, descriptor)?;
    message
        .carry(Carried { offset, item })
        .map_err(|_| SEND_NO_BUFFER)
}

/// Takes what a descriptor stands for.
fn take(space: &Space, message: &mut Message, descriptor: &Descriptor) -> KernResult<Item> {
    match descriptor {
        Descriptor::Port(port) => {
            let disposition = Disposition::try_from(port.disposition).ok();
            let right = take_right(space, message, port.name, disposition)?;
            Ok(Item::Port(right, disposition.map(received_as)))
        }
        Descriptor::Ool(memory) => {
            let region = match memory.size {
                0 => None,
                size => Some(Region::from_user(memory.address, size, &space.account)?),
            };
            Ok(Item::Memory(region))
        }
        Descriptor::OolPorts(ports) => array(space, message, ports).map(Item::Ports),
        Descriptor::GuardedPort(port) => {
            let right = match port.name {
                PortName::NULL => Right::Null,
                PortName::DEAD => Right::Dead,
                name => guarded::take(space, name, port.context, port.flags)?,
            };
            begin_transit(message, &right);
            Ok(Item::GuardedPort(right, port.flags))
        }
    }
}

/// Takes an array of rights. On failure those taken are dropped.
fn array(
    space: &Space,
    message: &mut Message,
    descriptor: &OolPortsDescriptor64,
) -> KernResult<PortArray> {
    let disposition = Disposition::try_from(descriptor.disposition).ok();
    let mut array = PortArray {
        rights: KVVec::new(),
        received_as: disposition.map(received_as),
        names: None,
    };
    // CAST: `u32` to `usize` loses nothing.
    let count = descriptor.count as usize;
    if count == 0 {
        return Ok(array);
    }
    let no_memory = |_| SEND_NO_BUFFER;
    let mut names = KVVec::from_elem(PortName::NULL, count, GFP_KERNEL_ACCOUNT | __GFP_NOWARN)
        .map_err(no_memory)?;
    user::read_bytes(descriptor.address, names.as_mut_slice().as_mut_bytes())
        .map_err(|_| SEND_INVALID_MEMORY)?;
    array
        .rights
        .reserve(count, GFP_KERNEL_ACCOUNT | __GFP_NOWARN)
        .map_err(no_memory)?;
    for name in &names {
        let right = take_right(space, message, *name, disposition)?;
        array
            .rights
            .push(right, GFP_KERNEL_ACCOUNT)
            .map_err(no_memory)?;
    }
    Ok(array)
}

/// Takes a right of the body. `MACH_SEND_INVALID_RIGHT` when the sender does not have it. Of null and
/// dead rights it does not matter what the disposition is.
fn take_right(
    space: &Space,
    message: &mut Message,
    name: PortName,
    disposition: Option<Disposition>,
) -> KernResult<Right> {
    let right = match name {
        PortName::NULL => Right::Null,
        PortName::DEAD => Right::Dead,
        name => disposition
            .ok_or(KernError::INVALID_RIGHT)
            .and_then(|disposition| space.copyin(name, disposition))
            .map_err(|_| SEND_INVALID_RIGHT)?,
    };
    begin_transit(message, &right);
    Ok(right)
}

/// Notes that `right` is on its way to the destination of `message`, if it is a receive right.
fn begin_transit(message: &mut Message, right: &Right) {
    let destination = message.destination.right.port();
    if let (Right::Receive(right), Some(destination)) = (right, destination) {
        message.circular |= !transit::begin(right.port(), destination);
    }
}

/// Unmaps memory that the sender has given up.
fn give_up(descriptor: &Descriptor) {
    match descriptor {
        Descriptor::Ool(memory) if memory.deallocate != 0 => {
            // CAST: `u32` to `usize` loses nothing.
            ool::deallocate(memory.address, memory.size as usize);
        }
        Descriptor::OolPorts(ports) if ports.deallocate != 0 => {
            // CAST: As before.
            let length = (ports.count as usize).saturating_mul(size_of::<PortName>());
            ool::deallocate(ports.address, length);
        }
        _ => (),
    }
}
