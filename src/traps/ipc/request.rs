// SPDX-License-Identifier: GPL-2.0

//! Requests to kernel objects: from the bytes and rights of a message to the typed parameters of a
//! routine.
//!
//! The layout is that of MIG: header; if the request has rights a body with their descriptors; if
//! it has other parameters the NDR record and those in order, aligned to four bytes, without
//! padding. What is not exactly that is refused before the routine is called.
//!
//! Rights that are not taken out are dropped with the message. The types that a parameter can have
//! are in `param`.
//!
//! Locks: none.

use super::{
    carried::Item,
    message::Message,
    right::Right,
    routine::{
        Refusal,
        RoutineResult, //
    },
};
use crate::abi::{
    msg::{
        Disposition,
        OolDescriptor64,
        PortDescriptor,
        COMPLEX_MIN_SIZE,
        HEADER_SIZE, //
    },
    notify::NdrRecord, //
};
use core::mem::size_of;
use kernel::prelude::*;
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

    /// The next value of those after the NDR record.
    pub(super) fn inline<T: FromBytes>(&mut self) -> RoutineResult<T> {
        let value = self.message.read_at(self.offset);
        self.offset = self.offset.saturating_add(size_of::<T>());
        value.ok_or(Refusal::BAD_ARGUMENTS)
    }

    /// The next `count` values.
    pub(super) fn values<T: FromBytes>(&mut self, count: usize) -> RoutineResult<KVec<T>> {
        let mut values = KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..count {
            values.push(self.inline()?, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(values)
    }

    /// The number of elements that stands before an array of at most `max`.
    pub(super) fn count(&mut self, max: usize) -> RoutineResult<usize> {
        // CAST: `u32` to `usize` loses nothing.
        let count = self.inline::<u32>()? as usize;
        if count > max {
            return Err(Refusal::BAD_ARGUMENTS);
        }
        Ok(count)
    }

    /// What the next descriptor stands for.
    pub(super) fn item(&mut self) -> RoutineResult<&mut Item> {
        let carried = self
            .message
            .carried
            .get_mut(self.descriptors)
            .ok_or(Refusal::BAD_ARGUMENTS)?;
        self.descriptors = self.descriptors.saturating_add(1);
        Ok(&mut carried.item)
    }

    /// The next right, and what its receiver would hold. A null or dead right of which nothing was
    /// said is a type error.
    pub(super) fn right(&mut self) -> RoutineResult<(Right, Disposition)> {
        match self.item()? {
            Item::Port(right, received_as) => {
                let received_as = received_as.ok_or(Refusal::TYPE_ERROR)?;
                Ok((core::mem::replace(right, Right::Null), received_as))
            }
            Item::GuardedPort(..) | Item::Memory(_) | Item::Ports(_) => Err(Refusal::TYPE_ERROR),
        }
    }
}
