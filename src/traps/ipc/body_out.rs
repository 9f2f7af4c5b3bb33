// SPDX-License-Identifier: GPL-2.0

//! Giving out what the body of a message carries: rights into a space, memory into a task.
//!
//! What cannot be given out is dropped, and its descriptor says so; the rest of the message is
//! delivered, with bits in the result that tell what was missing.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_kmsg.c, `ipc_kmsg_copyout_body`; ABI traps §6.5.
//!
//! Locks: `Space::table` and `Port::state`, for one right at a time. User memory is touched with
//! none.

use super::{
    carried::{
        Item,
        PortArray, //
    },
    guarded::{
        self,
        Guarded, //
    },
    layout::{
        self,
        Layout, //
    },
    message::Message,
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
        OolPortsDescriptor64,
        PortDescriptor,
        MACH_MSG_IPC_SPACE,
        MACH_MSG_VM_KERNEL,
        MACH_MSG_VM_SPACE, //
    },
    PortName,
    UserAddr, //
};
use core::mem::{
    self,
    size_of, //
};
use zerocopy::IntoBytes;

/// So many names are written at once.
const NAMES_AT_ONCE: usize = 64;

/// Gives out what the body carries, and writes names and addresses into the descriptors, which are
/// in `layout` then. Returns the bits that tell what was missing, or 0.
///
/// The items stay in the message, without their rights, for [`withdraw::body`], until
/// [`forget_body`].
pub(super) fn body(space: &Space, message: &mut Message, guarded: Guarded, layout: Layout) -> i32 {
    let mut missing = 0;
    let mut shrinks = false;
    let mut carried = mem::take(&mut message.carried);
    for carried in &mut carried {
        let offset = carried.offset;
        missing |= match &mut carried.item {
            Item::Port(right, received_as) => {
                let right = mem::replace(right, Right::Null);
                port(space, message, offset, right, *received_as)
            }
            Item::GuardedPort(right, flags) => {
                let right = mem::replace(right, Right::Null);
                match guarded {
                    Guarded::Dropped => {
                        drop(right);
                        shrinks = true;
                        0
                    }
                    _ => guarded::port(space, message, offset, right, *flags, guarded),
                }
            }
            Item::Memory(region) => memory(space, message, offset, region.as_ref(), layout),
            Item::Ports(array) => ports(space, message, offset, array, layout),
        };
    }
    message.put_carried(carried);
    if shrinks {
        guarded::shrink(message);
    }
    if layout == Layout::Narrow {
        layout::narrow(message);
    }
    missing
}

/// The name of a right that has been entered, and the bits that tell if it could not be.
pub(super) fn enter(space: &Space, right: Right) -> (PortName, i32) {
    match space.insert_right(right) {
        Ok(name) => (name, 0),
        Err(_) => (PortName::NULL, MACH_MSG_IPC_SPACE),
    }
}

/// Enters a right.
fn port(
    space: &Space,
    message: &mut Message,
    offset: usize,
    right: Right,
    received_as: Option<Disposition>,
) -> i32 {
    let (name, missing) = enter(space, right);
    write_port(message, offset, name, received_as);
    missing
}

/// As a descriptor has it.
fn disposition_byte(received_as: Option<Disposition>) -> u8 {
    // CAST: dispositions are small numbers.
    received_as.map_or(0, |kind| kind.raw() as u8)
}

pub(super) fn write_port(
    message: &mut Message,
    offset: usize,
    name: PortName,
    received_as: Option<Disposition>,
) {
    let descriptor = PortDescriptor {
        name,
        _pad: [0; 6],
        disposition: disposition_byte(received_as),
        // CAST: types are small numbers.
        kind: DescriptorType::Port.raw() as u8,
    };
    message.write_at(offset, &descriptor);
}

/// Maps memory.
fn memory(
    space: &Space,
    message: &mut Message,
    offset: usize,
    region: Option<&Region>,
    layout: Layout,
) -> i32 {
    let Some(mut descriptor) = message.read_at::<OolDescriptor64>(offset) else {
        return 0;
    };
    let mut missing = 0;
    descriptor.address = UserAddr::NULL;
    descriptor.size = 0;
    descriptor.deallocate = gives_up(descriptor.copy);
    if let Some(region) = region {
        match map(space, region, layout) {
            Ok(address) => {
                descriptor.address = address;
                descriptor.size = region.size();
            }
            Err(bits) => missing = bits,
        }
    }
    message.write_at(offset, &descriptor);
    missing
}

/// Maps a region where a descriptor can tell of it. Fails with the bits that say that it could not
/// be.
fn map(space: &Space, region: &Region, layout: Layout) -> Result<UserAddr, i32> {
    let address = region.map(&space.mapper).map_err(|_| MACH_MSG_VM_SPACE)?;
    if layout.can_hold(address) {
        return Ok(address);
    }
    // A 32-bit task that makes its traps as a 64-bit one.
    region.unmap(address);
    Err(MACH_MSG_VM_SPACE)
}

/// The deallocate flag of memory that has arrived: a virtual copy is meant to be passed on (XNU).
fn gives_up(copy: u8) -> u8 {
    // CAST: copy options are small numbers.
    u8::from(copy == CopyOption::Virtual.raw() as u8)
}

/// Maps an array and enters its rights. Without an array no right is entered; the descriptor still
/// tells how many there were, as in XNU.
fn ports(
    space: &Space,
    message: &mut Message,
    offset: usize,
    array: &mut PortArray,
    layout: Layout,
) -> i32 {
    let Some(mut descriptor) = message.read_at::<OolPortsDescriptor64>(offset) else {
        return 0;
    };
    // However it was sent, it has arrived in memory of its own, as in XNU.
    // CAST: copy options are small numbers.
    descriptor.copy = CopyOption::Virtual.raw() as u8;
    descriptor.deallocate = gives_up(descriptor.copy);
    descriptor.disposition = disposition_byte(array.received_as);
    let rights = mem::take(&mut array.rights);
    let (address, missing) = match map_names(space, rights.len(), array, layout) {
        Ok(UserAddr::NULL) => (UserAddr::NULL, 0),
        Ok(address) => (address, enter_all(space, rights, array)),
        Err(missing) => (UserAddr::NULL, missing),
    };
    descriptor.address = address;
    message.write_at(offset, &descriptor);
    missing
}

/// Makes and maps a region for `count` names, which the array then has. The address is null if
/// there are none. Fails with the bits that tell what was missing.
fn map_names(
    space: &Space,
    count: usize,
    array: &mut PortArray,
    layout: Layout,
) -> Result<UserAddr, i32> {
    if count == 0 {
        return Ok(UserAddr::NULL);
    }
    let length = count.saturating_mul(size_of::<PortName>());
    let region = Region::zeroed(length).map_err(|_| MACH_MSG_VM_KERNEL)?;
    let address = map(space, &region, layout)?;
    array.names = Some(region);
    Ok(address)
}

/// Enters `rights` and writes their names into the array's region.
fn enter_all(space: &Space, rights: impl IntoIterator<Item = Right>, array: &mut PortArray) -> i32 {
    let mut missing = 0;
    let mut offset = 0;
    let mut rights = rights.into_iter();
    loop {
        let mut names = [PortName::NULL; NAMES_AT_ONCE];
        let mut count = 0;
        for (name, right) in names.iter_mut().zip(rights.by_ref()) {
            let (entered, bits) = enter(space, right);
            *name = entered;
            missing |= bits;
            count += 1;
        }
        let bytes = names.get(..count).unwrap_or_default().as_bytes();
        if bytes.is_empty() {
            return missing;
        }
        if let Some(region) = &mut array.names {
            region.write(offset, bytes);
        }
        offset = offset.saturating_add(bytes.len());
    }
}

/// Lets go of what is left of a body that was given out. Pages that are mapped stay.
pub(super) fn forget_body(message: &mut Message) {
    message.carried.clear();
}
