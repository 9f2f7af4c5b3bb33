// SPDX-License-Identifier: GPL-2.0

//! Giving out what the body of a message carries: rights into a space, memory into a task.
//!
//! What cannot be given out is dropped, and its descriptor says so; the rest of the message is
//! delivered, with bits in the result that tell what was missing.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_kmsg.c, `ipc_kmsg_copyout_body`; ABI traps §6.5.
//!
//! Locks: `Space::table`, for one right at a time. User memory is touched with none.

use super::{
    copyout::withdraw,
    message::{
        Item,
        Message, //
    },
    ool::Region,
    right::Right,
    space::Space, //
};
use crate::abi::{
    msg::{
        CopyOption,
        DescriptorType,
        Disposition,
        OolDescriptor64,
        PortDescriptor,
        MACH_MSG_IPC_SPACE,
        MACH_MSG_VM_SPACE, //
    },
    PortName,
    UserAddr, //
};
use core::mem;

/// Gives out what the body carries, and writes names and addresses into the descriptors. Returns
/// the bits that tell what was missing, or 0.
///
/// The items stay in the message, without their rights, for [`withdraw_body`], until
/// [`forget_body`].
pub(super) fn body(space: &Space, message: &mut Message) -> i32 {
    let mut missing = 0;
    let mut carried = mem::take(&mut message.carried);
    for carried in &mut carried {
        missing |= match &mut carried.item {
            Item::Port(right, received_as) => {
                let right = mem::replace(right, Right::Null);
                port(space, message, carried.offset, right, *received_as)
            }
            Item::Memory(region) => memory(space, message, carried.offset, region.as_ref()),
        };
    }
    message.carried = carried;
    missing
}

/// Enters a right.
fn port(
    space: &Space,
    message: &mut Message,
    offset: usize,
    right: Right,
    received_as: Disposition,
) -> i32 {
    let entered = space.insert_right(right);
    let descriptor = PortDescriptor {
        name: entered.unwrap_or(PortName::NULL),
        _pad: [0; 6],
        // CAST: dispositions and types are small numbers.
        disposition: received_as.raw() as u8,
        kind: DescriptorType::Port.raw() as u8,
    };
    message.write_at(offset, &descriptor);
    entered.map_or(MACH_MSG_IPC_SPACE, |_| 0)
}

/// Maps memory.
fn memory(space: &Space, message: &mut Message, offset: usize, region: Option<&Region>) -> i32 {
    let Some(mut descriptor) = message.read_at::<OolDescriptor64>(offset) else {
        return 0;
    };
    let mut missing = 0;
    descriptor.address = UserAddr::NULL;
    descriptor.size = 0;
    descriptor.deallocate = gives_up(descriptor.copy);
    if let Some(region) = region {
        match region.map(&space.mapper) {
            Ok(address) => {
                descriptor.address = address;
                descriptor.size = region.size();
            }
            Err(_) => missing = MACH_MSG_VM_SPACE,
        }
    }
    message.write_at(offset, &descriptor);
    missing
}

/// The deallocate flag of memory that has arrived: a virtual copy is meant to be passed on (XNU).
fn gives_up(copy: u8) -> u8 {
    // CAST: copy options are small numbers.
    u8::from(copy == CopyOption::Virtual.raw() as u8)
}

/// Takes back what [`body`] gave out: its owner was not told of it.
#[cold]
pub(super) fn withdraw_body(space: &Space, message: &Message) {
    for carried in &message.carried {
        let offset = carried.offset;
        match &carried.item {
            Item::Port(_, received_as) => {
                if let Some(descriptor) = message.read_at::<PortDescriptor>(offset) {
                    withdraw(space, descriptor.name, Some(*received_as));
                }
            }
            Item::Memory(region) => {
                let descriptor = message.read_at::<OolDescriptor64>(offset);
                if let (Some(descriptor), Some(region)) = (descriptor, region) {
                    if !descriptor.address.is_null() {
                        region.unmap(descriptor.address);
                    }
                }
            }
        }
    }
}

/// Lets go of what is left of a body that was given out. Pages that are mapped stay.
pub(super) fn forget_body(message: &mut Message) {
    message.carried.clear();
}
