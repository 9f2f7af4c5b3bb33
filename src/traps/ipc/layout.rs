// SPDX-License-Identifier: GPL-2.0

//! The two layouts of descriptors: addresses have eight bytes for a 64-bit task and four for a
//! 32-bit one.
//!
//! A message that waits has the wide layout, whoever sent it and will receive it. What a 32-bit
//! task sends is widened when it has been checked, and what it receives is narrowed when
//! everything has its name or address. Nothing between the two knows of 32-bit tasks, kernel
//! objects included.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_kmsg.c, `ipc_kmsg_copyin_body` and
//! `ipc_kmsg_copyout_size`; ABI traps §6.2, §6.5. No locks.

use super::{carried::Item, error::*, message::Message};
use crate::{
    abi::{
        msg::{
            DescriptorHead,
            DescriptorType,
            GuardedPortDescriptor32,
            GuardedPortDescriptor64,
            OolDescriptor32,
            OolDescriptor64,
            OolPortsDescriptor32,
            OolPortsDescriptor64,
            PortDescriptor,
            COMPLEX_MIN_SIZE, //
        },
        UserAddr, //
    },
    core::{
        KernResult,
        Task, //
    },
};
use core::mem::{
    self,
    size_of, //
};

/// Bytes of each descriptor in the narrow layout.
const NARROW: usize = size_of::<PortDescriptor>();

/// So many bytes more has a descriptor with an address in the wide layout.
const GROWTH: usize = size_of::<OolDescriptor64>() - NARROW;

/// How descriptors are laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// For 64-bit tasks, and in the kernel.
    Wide,
    /// For 32-bit tasks.
    Narrow,
}

impl Layout {
    /// That of `task`.
    #[inline]
    pub(super) fn of(task: &Task) -> Self {
        if task.is_32bit() {
            Self::Narrow
        } else {
            Self::Wide
        }
    }

    /// Whether a descriptor has room for `address`.
    pub(super) fn can_hold(self, address: UserAddr) -> bool {
        self == Self::Wide || u32::try_from(address.0).is_ok()
    }
}

/// How many bytes a message has.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// In the wide layout.
    pub(super) wide: u32,
    /// So many of its descriptors have an address.
    pub(super) addresses: u32,
}

impl Sizes {
    /// The number of bytes in `layout`.
    #[inline]
    pub(super) fn in_layout(self, layout: Layout) -> u32 {
        match layout {
            Layout::Wide => self.wide,
            // CAST: a small constant.
            Layout::Narrow => self
                .wide
                .saturating_sub(self.addresses.saturating_mul(GROWTH as u32)),
        }
    }
}

/// A descriptor, whatever its layout in the message was.
pub(super) enum Descriptor {
    Port(PortDescriptor),
    Ool(OolDescriptor64),
    OolPorts(OolPortsDescriptor64),
    GuardedPort(GuardedPortDescriptor64),
}

impl Descriptor {
    /// Reads the descriptor at `offset`. `MACH_SEND_MSG_TOO_SMALL` when it ends outside of the
    /// message, `MACH_SEND_INVALID_TYPE` when it is of no kind.
    pub(super) fn read(message: &Message, offset: usize, layout: Layout) -> KernResult<Self> {
        let head: DescriptorHead = message.read_at(offset).ok_or(SEND_MSG_TOO_SMALL)?;
        let kind = DescriptorType::try_from(head.kind).map_err(|_| SEND_INVALID_TYPE)?;
        let wide = layout == Layout::Wide;
        match kind {
            DescriptorType::Port => message.read_at(offset).map(Self::Port),
            DescriptorType::Ool | DescriptorType::OolVolatile => if wide {
                message.read_at(offset)
            } else {
                message.read_at(offset).map(widen_ool)
            }
            .map(Self::Ool),
            DescriptorType::OolPorts => if wide {
                message.read_at(offset)
            } else {
                message.read_at(offset).map(widen_ports)
            }
            .map(Self::OolPorts),
            DescriptorType::GuardedPort => if wide {
                message.read_at(offset)
            } else {
                message.read_at(offset).map(widen_guarded)
            }
            .map(Self::GuardedPort),
        }
        .ok_or(SEND_MSG_TOO_SMALL)
    }

    /// Bytes of it in `layout`.
    pub(super) fn size(&self, layout: Layout) -> usize {
        match self {
            Self::Port(_) => size_of::<PortDescriptor>(),
            _ if layout == Layout::Narrow => NARROW,
            Self::Ool(_) => size_of::<OolDescriptor64>(),
            Self::OolPorts(_) => size_of::<OolPortsDescriptor64>(),
            Self::GuardedPort(_) => size_of::<GuardedPortDescriptor64>(),
        }
    }

    fn write_wide(&self, message: &mut Message, offset: usize) {
        match self {
            Self::Port(port) => message.write_at(offset, port),
            Self::Ool(memory) => message.write_at(offset, memory),
            Self::OolPorts(ports) => message.write_at(offset, ports),
            Self::GuardedPort(port) => message.write_at(offset, port),
        }
    }

    /// Writes it as a 32-bit task reads it; of addresses and contexts the low half.
    fn write_narrow(&self, message: &mut Message, offset: usize) {
        match self {
            Self::Port(port) => message.write_at(offset, port),
            Self::Ool(memory) => message.write_at(
                offset,
                &OolDescriptor32 {
                    // CAST: what does not fit was not mapped, see `Layout::can_hold`.
                    address: { memory.address }.0 as u32,
                    size: memory.size,
                    deallocate: memory.deallocate,
                    copy: memory.copy,
                    _pad: memory._pad,
                    kind: memory.kind,
                },
            ),
            Self::OolPorts(ports) => message.write_at(
                offset,
                &OolPortsDescriptor32 {
                    // CAST: As above.
                    address: { ports.address }.0 as u32,
                    count: ports.count,
                    deallocate: ports.deallocate,
                    copy: ports.copy,
                    disposition: ports.disposition,
                    kind: ports.kind,
                },
            ),
            Self::GuardedPort(port) => message.write_at(
                offset,
                &GuardedPortDescriptor32 {
                    // CAST: the address of the receiver's buffer.
                    context: port.context as u32,
                    name: port.name,
                    flags: port.flags,
                    disposition: port.disposition,
                    kind: port.kind,
                },
            ),
        }
    }
}

fn widen_ool(narrow: OolDescriptor32) -> OolDescriptor64 {
    OolDescriptor64 {
        address: UserAddr(narrow.address.into()),
        deallocate: narrow.deallocate,
        copy: narrow.copy,
        _pad: narrow._pad,
        kind: narrow.kind,
        size: narrow.size,
    }
}

fn widen_ports(narrow: OolPortsDescriptor32) -> OolPortsDescriptor64 {
    OolPortsDescriptor64 {
        address: UserAddr(narrow.address.into()),
        deallocate: narrow.deallocate,
        copy: narrow.copy,
        disposition: narrow.disposition,
        kind: narrow.kind,
        count: narrow.count,
    }
}

fn widen_guarded(narrow: GuardedPortDescriptor32) -> GuardedPortDescriptor64 {
    GuardedPortDescriptor64 {
        context: narrow.context.into(),
        flags: narrow.flags,
        disposition: narrow.disposition,
        kind: narrow.kind,
        name: narrow.name,
    }
}

/// Widens the `count` descriptors of a message from a 32-bit task, which have been checked and
/// `addresses` of which have an address. `MACH_SEND_NO_BUFFER` without memory for it.
#[cold]
pub(super) fn widen(message: &mut Message, count: usize, addresses: usize) -> KernResult {
    let narrow_end = COMPLEX_MIN_SIZE.saturating_add(count.saturating_mul(NARROW));
    let growth = addresses.saturating_mul(GROWTH);
    let wide_end = narrow_end.saturating_add(growth);
    let length = message.bytes().len();
    message.extend(growth).map_err(|_| SEND_NO_BUFFER)?;
    move_bytes(message, narrow_end, length, wide_end);

    // From the last to the first: the wide form of a descriptor never begins before its narrow
    // one, so it overwrites only those that have been read.
    let mut to = wide_end;
    let mut from = narrow_end;
    for _ in 0..count {
        from = from.saturating_sub(NARROW);
        let descriptor = Descriptor::read(message, from, Layout::Narrow)?;
        to = to.saturating_sub(descriptor.size(Layout::Wide));
        descriptor.write_wide(message, to);
    }
    Ok(())
}

/// Narrows the descriptors of a message that is about to be written to a 32-bit task.
#[cold]
pub(super) fn narrow(message: &mut Message) {
    let mut carried = mem::take(&mut message.carried);
    let mut from = COMPLEX_MIN_SIZE;
    let mut to = COMPLEX_MIN_SIZE;
    for carried in &mut carried {
        // What the kernel has written can be read.
        if let Ok(descriptor) = Descriptor::read(message, carried.offset, Layout::Wide) {
            from = carried.offset.saturating_add(descriptor.size(Layout::Wide));
            descriptor.write_narrow(message, to);
        }
        carried.offset = to;
        to = to.saturating_add(NARROW);
    }
    message.put_carried(carried);
    let length = message.bytes().len();
    let end = move_bytes(message, from, length, to);
    message.truncate(end);
}

/// Moves the bytes from `from` until `end` to `to`. Returns where they end then.
pub(super) fn move_bytes(message: &mut Message, from: usize, end: usize, to: usize) -> usize {
    let moved = to.saturating_add(end.saturating_sub(from));
    let bytes = message.bytes_mut();
    if from <= end && end <= bytes.len() && moved <= bytes.len() && from != to {
        bytes.copy_within(from..end, to);
    }
    moved
}

impl Item {
    /// Whether its descriptor has an address, or the context of a guard.
    pub(super) fn has_address(&self) -> bool {
        !matches!(self, Self::Port(..))
    }
}

const _: () = assert!(size_of::<OolDescriptor32>() == NARROW);
const _: () = assert!(size_of::<OolPortsDescriptor32>() == NARROW);
const _: () = assert!(size_of::<GuardedPortDescriptor32>() == NARROW);
const _: () = assert!(size_of::<OolPortsDescriptor64>() == NARROW + GROWTH);
const _: () = assert!(size_of::<GuardedPortDescriptor64>() == NARROW + GROWTH);
