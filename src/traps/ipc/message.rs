// SPDX-License-Identifier: GPL-2.0

//! A message between being copied in and being copied out.
//!
//! The bytes are kept as the receiver will see them, header first, so that each copy is one access
//! to user memory. Rights are kept beside them: names in the bytes mean nothing until they are
//! rewritten for whoever gets the message.

use super::{
    account::Charge,
    buffer::Buffer,
    carried::{
        Carried,
        Item, //
    },
    layout::Sizes,
    right::{
        Right,
        SendOnceRight,
        SendRight, //
    },
    sender::Sender,
};
use crate::{
    abi::{
        msg::{
            Disposition,
            MachMsgHeader, //
        },
        PortName, //
    },
    core::{
        Live,
        ObjectCounter, //
    },
    linux::fifo::Node,
};
use core::mem;
use kernel::{
    alloc::AllocError,
    prelude::*, //
};
use zerocopy::{
    FromBytes,
    IntoBytes, //
};

pub(super) static MESSAGES: ObjectCounter = ObjectCounter::new("messages");

/// A right in the header of a message, and as what its receiver gets it.
pub(super) struct HeaderRight {
    pub(super) right: Right,
    pub(super) received_as: Option<Disposition>,
}

impl HeaderRight {
    /// No right.
    pub(super) const NONE: Self = Self {
        right: Right::Null,
        received_as: None,
    };

    /// A send right.
    pub(super) fn send(right: SendRight) -> Self {
        Self {
            right: Right::Send(right),
            received_as: Some(Disposition::MoveSend),
        }
    }

    /// A send-once right.
    pub(super) fn send_once(right: SendOnceRight) -> Self {
        Self {
            right: Right::SendOnce(right),
            received_as: Some(Disposition::MoveSendOnce),
        }
    }
}

/// What the port adds when it gives the message up.
#[derive(Clone, Copy, Default)]
pub(super) struct Arrival {
    /// The name of the receive right in its space.
    pub(super) name: PortName,
    pub(super) seqno: u32,
    pub(super) context: u64,
}

/// A message.
pub(super) struct Message {
    pub(super) destination: HeaderRight,
    pub(super) reply: HeaderRight,
    /// What the sender says about the work that the message asks for.
    pub(super) voucher: Option<SendRight>,
    /// What the body carries, in the order of its descriptors.
    pub(super) carried: KVVec<Carried>,
    /// So many of `carried` have an address in their descriptors.
    addresses: u32,
    /// Bytes of arrays that are carried.
    arrays: usize,
    /// What is counted for a message that waits in a queue.
    pub(super) charge: Option<Charge>,
    /// So many of `carried` have no receive right any more.
    searched: usize,
    /// So many rights of the array at that place have been taken or dropped.
    within: usize,
    pub(super) id: i32,
    pub(super) complex: bool,
    /// Carries the receive right that it would have to be received with: it goes nowhere.
    pub(super) circular: bool,
    pub(super) sender: Sender,
    pub(super) arrival: Arrival,
    buffer: Buffer,
    _live: Live,
}

impl Message {
    /// Makes an empty message that has room for `length` bytes, at least [`HEADER_SIZE`], without
    /// saying yet what they are. The memory is charged to the caller.
    pub(super) fn new(length: usize) -> Result<KBox<Node<Self>>, AllocError> {
        let mut message = Node::new(
            Self {
                destination: HeaderRight::NONE,
                reply: HeaderRight::NONE,
                voucher: None,
                carried: KVVec::new(),
                addresses: 0,
                arrays: 0,
                charge: None,
                searched: 0,
                within: 0,
                id: 0,
                complex: false,
                circular: false,
                sender: Sender::KERNEL,
                arrival: Arrival::default(),
                buffer: Buffer::new(),
                _live: Live::new(&MESSAGES),
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        message.reset(length)?;
        Ok(message)
    }

    /// Makes room for `length` bytes in a message whose rights are gone. Who sent it is to be said
    /// anew.
    #[inline]
    pub(super) fn reset(&mut self, length: usize) -> Result<(), AllocError> {
        // A message that waited in a thread's cache has no rights.
        for place in [&mut self.destination, &mut self.reply] {
            if !matches!(place.right, Right::Null) {
                *place = HeaderRight::NONE;
            }
        }
        if self.voucher.is_some() {
            self.voucher = None;
        }
        // One without this memory has never carried anything.
        if self.carried.capacity() != 0 {
            self.carried.clear();
            self.addresses = 0;
            self.arrays = 0;
            self.searched = 0;
            self.within = 0;
        }
        self.complex = false;
        self.circular = false;
        self.buffer.reset(length)
    }

    /// Puts in the rights of the header of a message that has none.
    #[inline]
    pub(super) fn put_header(&mut self, destination: HeaderRight, reply: HeaderRight) {
        for (place, right) in [
            (&mut self.destination, destination),
            (&mut self.reply, reply),
        ] {
            let previous = mem::replace(place, right);
            if matches!(previous.right, Right::Null) {
                // No call to find out that there is nothing to drop.
                mem::forget(previous);
            }
        }
    }

    /// Whether the message may wait in a thread's cache for its next use.
    pub(super) fn is_small(&self) -> bool {
        self.buffer.is_inline()
    }

    /// Makes the message `growth` bytes longer, without saying what they are. The memory is charged
    /// to the caller.
    pub(super) fn extend(&mut self, growth: usize) -> Result<(), AllocError> {
        self.buffer.extend(growth)
    }

    /// Adds something that the body carries.
    pub(super) fn carry(&mut self, carried: Carried) -> Result<(), AllocError> {
        let address = u32::from(carried.item.has_address());
        let array = match &carried.item {
            Item::Ports(array) => array.rights.len().saturating_mul(mem::size_of::<Right>()),
            _ => 0,
        };
        self.carried.push(carried, GFP_KERNEL_ACCOUNT)?;
        self.addresses = self.addresses.saturating_add(address);
        self.arrays = self.arrays.saturating_add(array);
        Ok(())
    }

    /// Bytes of memory that the message has. Those of its regions are counted with these.
    pub(super) fn footprint(&self) -> usize {
        let heap = if self.is_small() {
            0
        } else {
            self.buffer.length()
        };
        let carried = self.carried.len().saturating_mul(mem::size_of::<Carried>());
        mem::size_of::<Node<Self>>()
            .saturating_add(heap)
            .saturating_add(carried)
            .saturating_add(self.arrays)
    }

    /// The number of bytes, without trailer, in the layout of either kind of task.
    #[inline]
    pub(super) fn sizes(&self) -> Sizes {
        Sizes {
            wide: self.size(),
            addresses: self.addresses,
        }
    }

    /// The number of bytes, without trailer. No message is longer than 64 MiB.
    pub(super) fn size(&self) -> u32 {
        u32::try_from(self.buffer.length()).unwrap_or(u32::MAX)
    }

    /// The bytes.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.bytes()
    }

    /// The bytes, to be written.
    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer.bytes_mut()
    }

    /// Reads a value at `offset`.
    pub(super) fn read_at<T: FromBytes>(&self, offset: usize) -> Option<T> {
        let bytes = self.bytes().get(offset..)?;
        Some(T::read_from_prefix(bytes).ok()?.0)
    }

    /// Writes a value at `offset`; one that does not fit is not written.
    pub(super) fn write_at<T: IntoBytes + zerocopy::Immutable>(
        &mut self,
        offset: usize,
        value: &T,
    ) {
        if let Some(bytes) = self.bytes_mut().get_mut(offset..) {
            // All offsets were checked when the message was taken in.
            let _ = value.write_to_prefix(bytes);
        }
    }

    /// Cuts the message to `length` bytes.
    pub(super) fn truncate(&mut self, length: usize) {
        self.buffer.truncate(length);
    }

    /// The header as it stands in the bytes.
    pub(super) fn header(&self) -> Option<MachMsgHeader> {
        self.read_at(0)
    }

    /// Replaces the header.
    pub(super) fn set_header(&mut self, header: &MachMsgHeader) {
        self.write_at(0, header);
    }

    /// The bytes with `trailer` behind them.
    #[inline(always)] // As in the buffer.
    pub(super) fn with_trailer(&mut self, trailer: &[u8]) -> &[u8] {
        self.buffer.with_trailer(trailer)
    }

    /// Puts back what was taken out of `carried`, which is empty.
    #[inline]
    pub(super) fn put_carried(&mut self, carried: KVVec<Carried>) {
        // An empty vector without memory, whose dropping would ask the allocator nevertheless.
        mem::forget(mem::replace(&mut self.carried, carried));
    }

    /// Takes the next receive right out of the message, if there is one; what comes before it is
    /// dropped, the rights of the header first. Serves the destruction of ports, which must not
    /// recurse.
    pub(super) fn take_receive_right(&mut self) -> Option<Right> {
        drop(mem::replace(&mut self.destination, HeaderRight::NONE));
        drop(mem::replace(&mut self.reply, HeaderRight::NONE));
        drop(self.voucher.take());
        while let Some(carried) = self.carried.get_mut(self.searched) {
            let right = carried.item.take_receive_right(&mut self.within);
            if right.is_some() {
                return right;
            }
            self.within = 0;
            self.searched = self.searched.saturating_add(1);
        }
        None
    }
}

const _: () = assert!(mem::size_of::<Node<Message>>() <= 640);
