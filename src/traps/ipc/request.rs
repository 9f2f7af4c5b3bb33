// SPDX-License-Identifier: GPL-2.0

//! Requests to kernel objects: from the bytes and rights of a message to the typed parameters of a
//! routine.
//!
//! The layout is that of MIG: header; if the request has rights a body with their descriptors; if
//! it has other parameters the NDR record and those in order, aligned to four bytes, without
//! padding. What is not exactly that is refused before the routine is called.
//!
//! Rights that are not taken out are dropped with the message.

use super::{
    carried::Item,
    kobject::{
        KernelObject,
        KernelPort, //
    },
    message::Message,
    ool::Region,
    reply::SendRights,
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
        msg::{
            Disposition,
            OolDescriptor64,
            PortDescriptor,
            COMPLEX_MIN_SIZE,
            HEADER_SIZE, //
        },
        notify::NdrRecord,
        PortName,
        UserAddr, //
    },
    core::{
        KernError,
        KernResult, //
    },
};
use core::mem::size_of;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use zerocopy::FromBytes;

/// Where a parameter stands in a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Among the descriptors: a right.
    Descriptor,
    /// Among the descriptors: out-of-line memory, or an array of rights there.
    Memory,
    /// After the NDR record.
    Inline,
}

/// A type that a routine may take as a parameter.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something a routine can take",
    note = "use a number, a `PortName`, `Option<SendRight>`, `Right` or `Words<_>`"
)]
pub(crate) trait Param: Sized {
    /// Where it stands.
    const SHAPE: Shape;

    /// Takes the next parameter of its shape.
    fn take(request: &mut Request<'_>) -> RoutineResult<Self>;
}

/// A request while it is decoded.
pub(crate) struct Request<'a> {
    message: &'a mut Message,
    /// The number of descriptors that have been taken.
    descriptors: usize,
    /// Where the next inline parameter stands.
    offset: usize,
}

impl<'a> Request<'a> {
    /// The request that `message` makes.
    pub(super) fn new(message: &'a mut Message) -> Self {
        Self {
            message,
            descriptors: 0,
            offset: HEADER_SIZE,
        }
    }

    /// The message id: which routine is called.
    pub(super) fn id(&self) -> i32 {
        self.message.id
    }

    /// Begins to decode a request that has parameters of these shapes.
    pub(crate) fn begin(&mut self, shapes: &[Shape]) -> RoutineResult {
        let wanted = |shape| shapes.iter().filter(|other| **other == shape).count();
        let (rights, memory) = (wanted(Shape::Descriptor), wanted(Shape::Memory));
        let descriptors = rights.saturating_add(memory);
        if self.message.complex != (descriptors > 0) || self.message.carried.len() != descriptors {
            return Err(Refusal::BAD_ARGUMENTS);
        }
        if descriptors > 0 {
            self.offset = COMPLEX_MIN_SIZE
                .saturating_add(rights.saturating_mul(size_of::<PortDescriptor>()))
                .saturating_add(memory.saturating_mul(size_of::<OolDescriptor64>()));
        }
        if wanted(Shape::Inline) > 0 {
            self.inline::<NdrRecord>()?;
        }
        Ok(())
    }

    /// Checks that nothing is left.
    pub(crate) fn end(&self) -> RoutineResult {
        if self.message.bytes().len() != self.offset {
            return Err(Refusal::BAD_ARGUMENTS);
        }
        Ok(())
    }

    fn inline<T: FromBytes>(&mut self) -> RoutineResult<T> {
        let value = self.message.read_at(self.offset);
        self.offset = self.offset.saturating_add(size_of::<T>());
        value.ok_or(Refusal::BAD_ARGUMENTS)
    }

    /// What the next descriptor stands for.
    fn item(&mut self) -> RoutineResult<&mut Item> {
        let carried = self
            .message
            .carried
            .get_mut(self.descriptors)
            .ok_or(Refusal::BAD_ARGUMENTS)?;
        self.descriptors = self.descriptors.saturating_add(1);
        Ok(&mut carried.item)
    }

    /// The next right, and what its receiver would hold.
    fn right(&mut self) -> RoutineResult<(Right, Disposition)> {
        match self.item()? {
            Item::Port(right, received_as) => {
                Ok((core::mem::replace(right, Right::Null), *received_as))
            }
            Item::GuardedPort(..) | Item::Memory(_) | Item::Ports(_) => Err(Refusal::TYPE_ERROR),
        }
    }
}

/// A value that stands in a message as it is in memory.
pub(crate) trait Scalar: FromBytes {}

impl Scalar for i32 {}
impl Scalar for u32 {}
impl Scalar for u64 {}
impl Scalar for PortName {}
impl Scalar for UserAddr {}
/// A structure of words.
impl<const COUNT: usize> Scalar for [u32; COUNT] {}

impl<T: Scalar> Param for T {
    const SHAPE: Shape = Shape::Inline;

    fn take(request: &mut Request<'_>) -> RoutineResult<Self> {
        request.inline()
    }
}

/// A right of whatever kind was sent, with what its receiver would hold.
pub(crate) struct AnyRight {
    /// The right.
    pub(crate) right: Right,
    /// The kind of right that was sent; `right` may be null or dead instead.
    pub(crate) received_as: Disposition,
}

impl AnyRight {
    /// A send or send-once right to a living port; `KERN_INVALID_CAPABILITY` for anything else.
    pub(crate) fn for_sending(self) -> KernResult<Self> {
        match &self.right {
            Right::Send(right) if right.port().is_alive() => Ok(self),
            Right::SendOnce(right) if right.port().is_alive() => Ok(self),
            _ => Err(KernError::INVALID_CAPABILITY),
        }
    }

    /// The object of the kernel that this is a send right for the port of.
    pub(crate) fn object(&self) -> Option<Arc<dyn KernelObject>> {
        match &self.right {
            Right::Send(right) => right.port().kernel_object(),
            _ => None,
        }
    }

    /// Whether there is no right.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.right, Right::Null)
    }

    /// Whether this is a send right to `port`.
    pub(crate) fn is_for(&self, port: &KernelPort) -> bool {
        matches!(&self.right, Right::Send(right) if port.is(right.port()))
    }

    /// Whether the right is still good for sending.
    pub(crate) fn is_alive(&self) -> bool {
        self.right.port().is_some_and(|port| port.is_alive())
    }
}

impl Param for AnyRight {
    const SHAPE: Shape = Shape::Descriptor;

    fn take(request: &mut Request<'_>) -> RoutineResult<Self> {
        let (right, received_as) = request.right()?;
        Ok(Self { right, received_as })
    }
}

/// A send right; `None` for null and dead ones. Another right is a type error.
impl Param for Option<SendRight> {
    const SHAPE: Shape = Shape::Descriptor;

    fn take(request: &mut Request<'_>) -> RoutineResult<Self> {
        let (right, received_as) = request.right()?;
        match right {
            _ if received_as != Disposition::MoveSend => Err(Refusal::TYPE_ERROR),
            Right::Send(right) => Ok(Some(right)),
            _ => Ok(None),
        }
    }
}

/// Out-of-line memory, which may have no bytes.
pub(crate) struct Memory(pub(super) Option<Region>);

impl Memory {
    /// Makes `length` zeroes to be filled. `KERN_RESOURCE_SHORTAGE` without memory.
    pub(crate) fn zeroed(length: usize) -> KernResult<Self> {
        if length == 0 {
            return Ok(Self(None));
        }
        let region = Region::zeroed(length).map_err(|_| KernError::RESOURCE_SHORTAGE)?;
        Ok(Self(Some(region)))
    }

    /// A copy of `bytes`. `KERN_RESOURCE_SHORTAGE` without memory.
    pub(crate) fn of(bytes: &[u8]) -> KernResult<Self> {
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        let region = Region::from_bytes(bytes).map_err(|_| KernError::RESOURCE_SHORTAGE)?;
        Ok(Self(Some(region)))
    }

    /// The number of bytes.
    pub(crate) fn size(&self) -> u32 {
        self.0.as_ref().map_or(0, Region::size)
    }

    /// Replaces the bytes from `offset` on; what is beyond the end is not written.
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(region) = &mut self.0 {
            region.write(offset, bytes);
        }
    }

    /// Fills `bytes` from `offset` on; what is beyond the end stays.
    pub(crate) fn read(&self, offset: usize, bytes: &mut [u8]) {
        if let Some(region) = &self.0 {
            region.read(offset, bytes);
        }
    }
}

impl Param for Memory {
    const SHAPE: Shape = Shape::Memory;

    fn take(request: &mut Request<'_>) -> RoutineResult<Self> {
        match request.item()? {
            Item::Memory(region) => Ok(Self(region.take())),
            _ => Err(Refusal::TYPE_ERROR),
        }
    }
}

/// An array of send rights out of line; other rights are a type error. The number of them comes once
/// more among the other parameters.
impl Param for SendRights {
    const SHAPE: Shape = Shape::Memory;

    fn take(request: &mut Request<'_>) -> RoutineResult<Self> {
        match request.item()? {
            Item::Ports(array) if matches!(array.received_as, Some(Disposition::MoveSend)) => {
                Ok(Self(core::mem::replace(&mut array.rights, KVVec::new())))
            }
            _ => Err(Refusal::TYPE_ERROR),
        }
    }
}

/// An array of at most `MAX` words, preceded by their number.
pub(crate) struct Words<const MAX: usize>(pub(crate) KVec<u32>);

impl<const MAX: usize> Param for Words<MAX> {
    const SHAPE: Shape = Shape::Inline;

    fn take(request: &mut Request<'_>) -> RoutineResult<Self> {
        // CAST: `u32` to `usize` loses nothing.
        let count = request.inline::<u32>()? as usize;
        if count > MAX {
            return Err(Refusal::BAD_ARGUMENTS);
        }
        let mut words = KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..count {
            words.push(request.inline()?, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self(words))
    }
}

/// An array of at most `MAX` bytes, preceded by their number and filled up to whole words.
pub(crate) struct Bytes<const MAX: usize>(pub(crate) KVec<u8>);

impl<const MAX: usize> Param for Bytes<MAX> {
    const SHAPE: Shape = Shape::Inline;

    fn take(request: &mut Request<'_>) -> RoutineResult<Self> {
        // CAST: `u32` to `usize` loses nothing.
        let count = request.inline::<u32>()? as usize;
        if count > MAX {
            return Err(Refusal::BAD_ARGUMENTS);
        }
        let mut bytes = KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
        for start in (0..count).step_by(size_of::<u32>()) {
            let word: [u8; size_of::<u32>()] = request.inline()?;
            let used = count.saturating_sub(start).min(word.len());
            bytes.extend_from_slice(word.get(..used).unwrap_or_default(), GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self(bytes))
    }
}

/// An array of at most `MAX` structures of `WIDTH` words, preceded by their number.
pub(crate) struct Rows<const MAX: usize, const WIDTH: usize>(
    #[allow(dead_code)] pub(crate) KVec<[u32; WIDTH]>,
);

impl<const MAX: usize, const WIDTH: usize> Param for Rows<MAX, WIDTH> {
    const SHAPE: Shape = Shape::Inline;

    fn take(request: &mut Request<'_>) -> RoutineResult<Self> {
        // CAST: `u32` to `usize` loses nothing.
        let count = request.inline::<u32>()? as usize;
        if count > MAX {
            return Err(Refusal::BAD_ARGUMENTS);
        }
        let mut rows = KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..count {
            rows.push(request.inline()?, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self(rows))
    }
}

/// A structure of `COUNT` wide words, which is too large for the stack.
pub(crate) struct WideWords<const COUNT: usize>(pub(crate) KVec<u64>);

impl<const COUNT: usize> Param for WideWords<COUNT> {
    const SHAPE: Shape = Shape::Inline;

    fn take(request: &mut Request<'_>) -> RoutineResult<Self> {
        let mut words = KVec::with_capacity(COUNT, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..COUNT {
            words.push(request.inline()?, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self(words))
    }
}
