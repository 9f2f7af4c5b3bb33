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
    error::*,
    message::{
        Carried,
        Item,
        Message, //
    },
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
            DescriptorHead,
            DescriptorType,
            Disposition,
            MachMsgBody,
            OolDescriptor64,
            PortDescriptor,
            COMPLEX_MIN_SIZE,
            HEADER_SIZE, //
        },
        PortName,
    },
    core::KernResult,
};
use core::mem::size_of;
use kernel::prelude::*;

/// Most bytes that the physical copies of a message may have (XNU `ipc_kmsg_max_vm_space`).
const PHYSICAL_MAX: u64 = 7 << 20;

/// So many rights are too many for the body of a message.
const RIGHTS_LIMIT: u32 = 16383;

/// A descriptor as it stands in the message.
enum Descriptor {
    Port(PortDescriptor),
    Ool(OolDescriptor64),
}

impl Descriptor {
    /// Reads the descriptor at `offset`. `MACH_SEND_MSG_TOO_SMALL` when it ends outside of the
    /// message, `MACH_SEND_INVALID_TYPE` when it is of no kind.
    fn read(message: &Message, offset: usize) -> KernResult<Self> {
        let head: DescriptorHead = message.read_at(offset).ok_or(SEND_MSG_TOO_SMALL)?;
        let kind = DescriptorType::try_from(head.kind).map_err(|_| SEND_INVALID_TYPE)?;
        match kind {
            DescriptorType::Port => message.read_at(offset).map(Self::Port),
            DescriptorType::Ool | DescriptorType::OolVolatile => {
                message.read_at(offset).map(Self::Ool)
            }
            // Not built yet.
            DescriptorType::OolPorts | DescriptorType::GuardedPort => {
                return Err(SEND_INVALID_TYPE)
            }
        }
        .ok_or(SEND_MSG_TOO_SMALL)
    }

    /// The offset of the next one, for the one at `offset`.
    fn next(&self, offset: usize) -> usize {
        offset.saturating_add(match self {
            Self::Port(_) => size_of::<PortDescriptor>(),
            Self::Ool(_) => size_of::<OolDescriptor64>(),
        })
    }
}

/// Calls `f` with each descriptor and its offset.
fn for_each(
    message: &mut Message,
    count: u32,
    mut f: impl FnMut(&mut Message, usize, &Descriptor) -> KernResult,
) -> KernResult {
    let mut offset = COMPLEX_MIN_SIZE;
    for _ in 0..count {
        let descriptor = Descriptor::read(message, offset)?;
        f(message, offset, &descriptor)?;
        offset = descriptor.next(offset);
    }
    Ok(())
}

/// Takes what the body carries. On failure that which was taken is dropped with the message, as
/// are the rights of the header.
pub(super) fn body(space: &Space, message: &mut Message) -> KernResult {
    let body: MachMsgBody = message.read_at(HEADER_SIZE).ok_or(SEND_MSG_TOO_SMALL)?;
    let count = body.descriptor_count;
    let gives_up = check(message, count)?;

    // All of them are in the message, so there are not too many.
    // CAST: `u32` to `usize` loses nothing.
    message
        .carried
        .reserve(count as usize, GFP_KERNEL_ACCOUNT | __GFP_NOWARN)
        .map_err(|_| SEND_NO_BUFFER)?;
    for_each(message, count, |message, offset, descriptor| {
        let item = take(space, message, descriptor)?;
        let carried = Carried { offset, item };
        message
            .carried
            .push(carried, GFP_KERNEL_ACCOUNT)
            .map_err(|_| SEND_NO_BUFFER)
    })?;
    if gives_up {
        for_each(message, count, |_, _, descriptor| {
            give_up(descriptor);
            Ok(())
        })?;
    }
    Ok(())
}

/// Checks all descriptors. Returns whether the sender gives up memory.
fn check(message: &mut Message, count: u32) -> KernResult<bool> {
    let mut gives_up = false;
    let mut physical: u64 = 0;
    let mut rights: u32 = 0;
    for_each(message, count, |_, _, descriptor| {
        match descriptor {
            Descriptor::Port(_) => rights = rights.saturating_add(1),
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
    Ok(gives_up)
}

/// Takes what a descriptor stands for.
fn take(space: &Space, message: &mut Message, descriptor: &Descriptor) -> KernResult<Item> {
    match descriptor {
        Descriptor::Port(port) => {
            let disposition =
                Disposition::try_from(port.disposition).map_err(|_| SEND_INVALID_RIGHT)?;
            let right = take_right(space, message, port.name, disposition)?;
            Ok(Item::Port(right, received_as(disposition)))
        }
        Descriptor::Ool(memory) => {
            let region = match memory.size {
                0 => None,
                size => Some(Region::from_user(memory.address, size)?),
            };
            Ok(Item::Memory(region))
        }
    }
}

/// Takes a right of the body. `MACH_SEND_INVALID_RIGHT` when the sender does not have it.
fn take_right(
    space: &Space,
    message: &mut Message,
    name: PortName,
    disposition: Disposition,
) -> KernResult<Right> {
    let right = match name {
        PortName::NULL => Right::Null,
        PortName::DEAD => Right::Dead,
        name => space
            .copyin(name, disposition)
            .map_err(|_| SEND_INVALID_RIGHT)?,
    };
    let destination = message.destination.right.port();
    if let (Right::Receive(right), Some(destination)) = (&right, destination) {
        message.circular |= !transit::begin(right.port(), destination);
    }
    Ok(right)
}

/// Unmaps memory that the sender has given up.
fn give_up(descriptor: &Descriptor) {
    match descriptor {
        Descriptor::Ool(memory) if memory.deallocate != 0 => {
            // CAST: `u32` to `usize` loses nothing.
            ool::deallocate(memory.address, memory.size as usize);
        }
        _ => (),
    }
}
