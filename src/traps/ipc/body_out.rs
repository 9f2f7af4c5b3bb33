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
    copyout::withdraw,
    entry::Object, //
    layout::{
        self,
        move_bytes,
        Descriptor,
        Layout, //
    },
    message::{
        Item,
        Message,
        PortArray, //
    },
    ool::Region,
    port::{
        Guard,
        Port,
        PortState,
        Receiver, //
    },
    right::Right,
    space::Space,
};
use crate::{
    abi::{
        msg::{
            CopyOption,
            DescriptorType,
            Disposition,
            GuardedPortDescriptor64,
            OolDescriptor64,
            OolPortsDescriptor64,
            PortDescriptor,
            MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE,
            MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND,
            MACH_MSG_IPC_SPACE,
            MACH_MSG_VM_KERNEL,
            MACH_MSG_VM_SPACE, //
        },
        PortName,
        UserAddr, //
    },
    core::KernError,
};
use core::mem::{
    self,
    size_of, //
};
use zerocopy::IntoBytes;

/// So many names are written at once.
const NAMES_AT_ONCE: usize = 64;

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

/// Gives out what the body carries, and writes names and addresses into the descriptors, which are
/// in `layout` then. Returns the bits that tell what was missing, or 0.
///
/// The items stay in the message, without their rights, for [`withdraw_body`], until
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
                    _ => guarded_port(space, message, offset, right, *flags, guarded),
                }
            }
            Item::Memory(region) => memory(space, message, offset, region.as_ref(), layout),
            Item::Ports(array) => ports(space, message, offset, array, layout),
        };
    }
    message.put_carried(carried);
    if shrinks {
        shrink_guarded(message);
    }
    if layout == Layout::Narrow {
        layout::narrow(message);
    }
    missing
}

/// The name of a right that has been entered, and the bits that tell if it could not be.
fn enter(space: &Space, right: Right) -> (PortName, i32) {
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
    received_as: Disposition,
) -> i32 {
    let (name, missing) = enter(space, right);
    write_port(message, offset, name, received_as);
    missing
}

fn write_port(message: &mut Message, offset: usize, name: PortName, received_as: Disposition) {
    let descriptor = PortDescriptor {
        name,
        _pad: [0; 6],
        // CAST: dispositions and types are small numbers.
        disposition: received_as.raw() as u8,
        kind: DescriptorType::Port.raw() as u8,
    };
    message.write_at(offset, &descriptor);
}

/// Enters a receive right, and guards it if its sender says so.
fn guarded_port(
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
    descriptor.deallocate = gives_up(descriptor.copy);
    // CAST: dispositions are small numbers.
    descriptor.disposition = array.received_as.map_or(0, |kind| kind.raw() as u8);
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

/// Turns guarded descriptors into plain ones without a right, which are shorter: what follows moves
/// up, and the message becomes as much shorter.
#[cold]
fn shrink_guarded(message: &mut Message) {
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
        write_port(message, offset, PortName::NULL, Disposition::MoveReceive);
        carried.item = Item::Port(Right::Null, Disposition::MoveReceive);
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

/// Takes back what [`body`] gave out in `layout`: its owner was not told of it.
#[cold]
pub(super) fn withdraw_body(space: &Space, message: &Message, layout: Layout) {
    for carried in &message.carried {
        let Ok(descriptor) = Descriptor::read(message, carried.offset, layout) else {
            continue;
        };
        match (&carried.item, descriptor) {
            (Item::Port(_, received_as), Descriptor::Port(port)) => {
                withdraw(space, port.name, Some(*received_as));
            }
            (Item::GuardedPort(..), Descriptor::GuardedPort(port)) => {
                withdraw_guarded(space, port.name);
            }
            (Item::Memory(region), Descriptor::Ool(memory)) => {
                unmap(region.as_ref(), memory.address);
            }
            (Item::Ports(array), Descriptor::OolPorts(ports)) => {
                withdraw_names(space, array);
                unmap(array.names.as_ref(), ports.address);
            }
            _ => (),
        }
    }
}

/// Takes back a receive right that may be guarded.
fn withdraw_guarded(space: &Space, name: PortName) {
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
    withdraw(space, name, Some(Disposition::MoveReceive));
}

fn withdraw_names(space: &Space, array: &PortArray) {
    let Some(region) = &array.names else {
        return;
    };
    // CAST: `u32` to `usize` loses nothing.
    for offset in (0..region.size() as usize).step_by(size_of::<PortName>()) {
        let mut name = PortName::NULL;
        region.read(offset, name.as_mut_bytes());
        withdraw(space, name, array.received_as);
    }
}

fn unmap(region: Option<&Region>, address: UserAddr) {
    if let Some(region) = region {
        if !address.is_null() {
            region.unmap(address);
        }
    }
}

/// Lets go of what is left of a body that was given out. Pages that are mapped stay.
pub(super) fn forget_body(message: &mut Message) {
    message.carried.clear();
}
