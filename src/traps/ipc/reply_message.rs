// SPDX-License-Identifier: GPL-2.0

//! Replies of kernel objects: from what a routine has returned to a message.
//!
//! The layout is that of MIG. A reply without rights has header, NDR record, return code and the
//! results; a refusal ends with the code. One with rights, which is always a success, has header,
//! body, descriptors and, if there are other results, the NDR record and those.

use super::{
    carried::{
        Carried,
        Item, //
    },
    message::{
        HeaderRight,
        Message, //
    },
    reply::Reply,
    routine::RoutineResult, //
};
use crate::{
    abi::{
        kern,
        msg::{
            CopyOption,
            DescriptorType,
            MachMsgBody,
            MachMsgHeader,
            MsgBits,
            OolDescriptor64,
            OolPortsDescriptor64,
            PortDescriptor,
            COMPLEX_MIN_SIZE,
            HEADER_SIZE, //
        },
        notify::NdrRecord,
        PortName,
        UserAddr, //
    },
    linux::fifo::Node,
};
use core::mem::size_of;
use kernel::{
    alloc::AllocError,
    prelude::*, //
};
use zerocopy::{
    Immutable,
    IntoBytes, //
};

/// The message with id `id` that tells `destination` of `outcome`. Fails without memory; the
/// rights in the reply are dropped then.
pub(super) fn message(
    id: i32,
    destination: &HeaderRight,
    outcome: RoutineResult<Reply>,
) -> Result<KBox<Node<Message>>, AllocError> {
    let (reply, code) = match outcome {
        Ok(reply) => (reply, kern::KERN_SUCCESS),
        Err(refusal) => (Reply::new(), refusal.code()),
    };
    let complex = !reply.items.is_empty();
    let bits = MsgBits::new(destination.received_as, None, None);
    let mut message = Writer::new(size_of_reply(&reply))?;
    message.put(&MachMsgHeader {
        bits: if complex { bits.complex() } else { bits },
        size: message.message.size(),
        remote_port: PortName::NULL,
        local_port: PortName::NULL,
        voucher_port: PortName::NULL,
        id,
    });
    if complex {
        message.put_items(reply.items)?;
    }
    if !complex || !reply.inline.is_empty() {
        message.put(&NdrRecord::NATIVE);
    }
    if !complex {
        message.put(&code);
    }
    message.put(reply.inline.as_slice());
    message.message.id = id;
    message.message.complex = complex;
    Ok(message.message)
}

/// Bytes of a reply.
fn size_of_reply(reply: &Reply) -> usize {
    let mut size = if reply.items.is_empty() {
        HEADER_SIZE + size_of::<NdrRecord>() + size_of::<i32>()
    } else if reply.inline.is_empty() {
        COMPLEX_MIN_SIZE
    } else {
        COMPLEX_MIN_SIZE + size_of::<NdrRecord>()
    };
    for item in &reply.items {
        size = size.saturating_add(descriptor_size(item));
    }
    size.saturating_add(reply.inline.len())
}

/// Bytes of a descriptor.
pub(super) fn descriptor_size(item: &Item) -> usize {
    match item {
        Item::Port(..) => size_of::<PortDescriptor>(),
        Item::Ports(_) => size_of::<OolPortsDescriptor64>(),
        _ => size_of::<OolDescriptor64>(),
    }
}

/// A message that is being written.
pub(super) struct Writer {
    pub(super) message: KBox<Node<Message>>,
    offset: usize,
}

impl Writer {
    /// Begins one of `size` bytes.
    pub(super) fn new(size: usize) -> Result<Self, AllocError> {
        Ok(Self {
            message: Message::new(size)?,
            offset: 0,
        })
    }

    /// Appends a value.
    pub(super) fn put<T: IntoBytes + Immutable + ?Sized>(&mut self, value: &T) {
        let bytes = value.as_bytes();
        let end = self.offset.saturating_add(bytes.len());
        // The message was made as large as the reply is.
        if let Some(room) = self.message.bytes_mut().get_mut(self.offset..end) {
            room.copy_from_slice(bytes);
        }
        self.offset = end;
    }

    /// Appends the body, with the descriptors of `items`.
    pub(super) fn put_items(&mut self, items: KVec<Item>) -> Result<(), AllocError> {
        self.message
            .carried
            .reserve(items.len(), GFP_KERNEL_ACCOUNT)?;
        // CAST: a reply has a few descriptors.
        self.put(&MachMsgBody {
            descriptor_count: items.len() as u32,
        });
        for item in items {
            let offset = self.offset;
            let end = offset.saturating_add(descriptor_size(&item));
            // The rest is written when the memory has an address, and the right a name.
            match &item {
                Item::Memory(_) => self.put(&OolDescriptor64 {
                    address: UserAddr::NULL,
                    deallocate: 0,
                    // CAST: these are small numbers.
                    copy: CopyOption::Virtual.raw() as u8,
                    _pad: [0],
                    kind: DescriptorType::Ool.raw() as u8,
                    size: 0,
                }),
                Item::Ports(array) => self.put(&OolPortsDescriptor64 {
                    address: UserAddr::NULL,
                    deallocate: 0,
                    // CAST: As above.
                    copy: CopyOption::Virtual.raw() as u8,
                    disposition: 0,
                    kind: DescriptorType::OolPorts.raw() as u8,
                    count: array.rights.len() as u32,
                }),
                _ => (),
            }
            self.offset = end;
            let carried = Carried { offset, item };
            self.message.carry(carried)?;
        }
        Ok(())
    }
}
