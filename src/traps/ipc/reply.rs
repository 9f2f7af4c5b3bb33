// SPDX-License-Identifier: GPL-2.0

//! Replies of kernel objects: from what a routine returns to a message.
//!
//! The layout is that of MIG. A reply without rights has header, NDR record, return code and the
//! results; a refusal ends with the code. One with rights, which is always a success, has header,
//! body, descriptors and, if there are other results, the NDR record and those.

use super::{
    message::{
        Carried,
        HeaderRight,
        Item,
        Message, //
    },
    request::{
        AnyRight,
        Memory,
        Scalar,
        Words, //
    },
    right::{
        Right,
        SendRight, //
    },
    routine::{
        Refusal,
        RoutineResult, //
    },
};
use crate::{
    abi::{
        kern,
        msg::{
            CopyOption,
            DescriptorType,
            Disposition,
            MachMsgBody,
            MachMsgHeader,
            MsgBits,
            OolDescriptor64,
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

/// What a request is answered with when it succeeds.
pub(crate) struct Reply {
    items: KVec<Item>,
    inline: KVec<u8>,
}

impl Reply {
    const fn new() -> Self {
        Self {
            items: KVec::new(),
            inline: KVec::new(),
        }
    }

    fn put_inline<T: IntoBytes + Immutable + ?Sized>(&mut self, value: &T) -> RoutineResult {
        self.inline
            .extend_from_slice(value.as_bytes(), GFP_KERNEL_ACCOUNT)?;
        Ok(())
    }

    fn put_right(&mut self, right: Right, disposition: Disposition) -> RoutineResult {
        self.items
            .push(Item::Port(right, disposition), GFP_KERNEL_ACCOUNT)?;
        Ok(())
    }
}

/// A type that a routine may have as one of its results, or as all of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something a reply can hold",
    note = "use `()`, a number, a `PortName`, `Option<SendRight>`, `Words<_>` or a tuple of those"
)]
pub(crate) trait Results {
    /// Adds the results to `reply`. On failure the rights are dropped.
    fn put(self, reply: &mut Reply) -> RoutineResult;
}

impl Results for () {
    fn put(self, _reply: &mut Reply) -> RoutineResult {
        Ok(())
    }
}

impl<T: Scalar + IntoBytes + Immutable> Results for T {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        reply.put_inline(&self)
    }
}

/// A send right, or none.
impl Results for Option<SendRight> {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        let right = self.map_or(Right::Null, Right::Send);
        reply.put_right(right, Disposition::MoveSend)
    }
}

impl Results for AnyRight {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        reply.put_right(self.right, self.received_as)
    }
}

impl Results for Memory {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        reply.items.push(Item::Memory(self.0), GFP_KERNEL_ACCOUNT)?;
        Ok(())
    }
}

impl Results for SendRight {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        reply.put_right(Right::Send(self), Disposition::MoveSend)
    }
}

impl<const MAX: usize> Results for Words<MAX> {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        // CAST: arrays in messages have a few dozen words.
        reply.put_inline(&(self.0.len() as u32))?;
        reply.put_inline(self.0.as_slice())
    }
}

impl<const MAX: usize> Words<MAX> {
    /// The words of `value`.
    pub(crate) fn of<T: IntoBytes + Immutable>(value: &T) -> RoutineResult<Self> {
        let words = value.as_bytes().chunks_exact(size_of::<u32>());
        let mut copy = KVec::with_capacity(words.len(), GFP_KERNEL_ACCOUNT)?;
        for word in words {
            let word = <[u8; 4]>::try_from(word).unwrap_or_default();
            copy.push(u32::from_ne_bytes(word), GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self(copy))
    }

    /// The same, but not more than the first `count`.
    pub(crate) fn first(mut self, count: usize) -> Self {
        self.0.truncate(count);
        self
    }
}

/// A string in a place of `MAX` bytes, of which only those in use are sent.
pub(crate) struct Text<const MAX: usize>(pub(crate) &'static CStr);

/// Two words, the second of which is the length with the final zero; then as many bytes, rounded
/// up to words.
impl<const MAX: usize> Results for Text<MAX> {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        let bytes = self.0.to_bytes_with_nul();
        let bytes = bytes.get(..MAX).unwrap_or(bytes);
        let padding = bytes.len().wrapping_neg() % size_of::<u32>();
        reply.put_inline(&0u32)?;
        // CAST: at most `MAX`.
        reply.put_inline(&(bytes.len() as u32))?;
        reply.put_inline(bytes)?;
        reply.put_inline([0u8; size_of::<u32>()].get(..padding).unwrap_or_default())
    }
}

macro_rules! tuple_results {
    ($($type:ident $value:ident),+) => {
        impl<$($type: Results),+> Results for ($($type,)+) {
            fn put(self, reply: &mut Reply) -> RoutineResult {
                let ($($value,)+) = self;
                $($value.put(reply)?;)+
                Ok(())
            }
        }
    };
}

tuple_results!(A a, B b);
tuple_results!(A a, B b, C c);
tuple_results!(A a, B b, C c, D d);
tuple_results!(A a, B b, C c, D d, E e);

/// A type that a routine may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something a routine can return",
    note = "use `RoutineResult<_>` or `KernResult<_>` of what the reply holds"
)]
pub(crate) trait RoutineReturn {
    /// The reply, or the refusal.
    fn into_reply(self) -> RoutineResult<Reply>;
}

impl<R: Results, E: Into<Refusal>> RoutineReturn for Result<R, E> {
    fn into_reply(self) -> RoutineResult<Reply> {
        let results = self.map_err(Into::into)?;
        let mut reply = Reply::new();
        results.put(&mut reply)?;
        Ok(reply)
    }
}

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
    let mut message = Writer::new(&reply)?;
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

fn descriptor_size(item: &Item) -> usize {
    match item {
        Item::Port(..) => size_of::<PortDescriptor>(),
        _ => size_of::<OolDescriptor64>(),
    }
}

/// A message that is being written.
struct Writer {
    message: KBox<Node<Message>>,
    offset: usize,
}

impl Writer {
    fn new(reply: &Reply) -> Result<Self, AllocError> {
        Ok(Self {
            message: Message::new(size_of_reply(reply))?,
            offset: 0,
        })
    }

    fn put<T: IntoBytes + Immutable + ?Sized>(&mut self, value: &T) {
        let bytes = value.as_bytes();
        let end = self.offset.saturating_add(bytes.len());
        // The message was made as large as the reply is.
        if let Some(room) = self.message.bytes_mut().get_mut(self.offset..end) {
            room.copy_from_slice(bytes);
        }
        self.offset = end;
    }

    fn put_items(&mut self, items: KVec<Item>) -> Result<(), AllocError> {
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
            if let Item::Memory(_) = &item {
                // The rest is written when the memory has an address.
                self.put(&OolDescriptor64 {
                    address: UserAddr::NULL,
                    deallocate: 0,
                    // CAST: these are small numbers.
                    copy: CopyOption::Virtual.raw() as u8,
                    _pad: [0],
                    kind: DescriptorType::Ool.raw() as u8,
                    size: 0,
                });
            }
            // That of a right is written when the right has a name.
            self.offset = end;
            let carried = Carried { offset, item };
            self.message.carried.push(carried, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(())
    }
}
