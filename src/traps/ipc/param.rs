// SPDX-License-Identifier: GPL-2.0

//! What a routine can take as a parameter: numbers, rights, memory, arrays.
//!
//! Locks: none.

use super::{
    carried::Item,
    kobject::{
        KernelObject,
        KernelPort, //
    },
    ool::Region,
    request::{
        Param,
        Request,
        Shape, //
    },
    results::SendRights,
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
        msg::Disposition,
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
        let count = request.count(MAX)?;
        request.values(count).map(Self)
    }
}

/// An array of at most `MAX` bytes, preceded by their number and filled up to whole words.
pub(crate) struct Bytes<const MAX: usize>(pub(crate) KVec<u8>);

impl<const MAX: usize> Param for Bytes<MAX> {
    const SHAPE: Shape = Shape::Inline;

    fn take(request: &mut Request<'_>) -> RoutineResult<Self> {
        let count = request.count(MAX)?;
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
        let count = request.count(MAX)?;
        request.values(count).map(Self)
    }
}

/// A structure of `COUNT` wide words, which is too large for the stack.
pub(crate) struct WideWords<const COUNT: usize>(pub(crate) KVec<u64>);

impl<const COUNT: usize> Param for WideWords<COUNT> {
    const SHAPE: Shape = Shape::Inline;

    fn take(request: &mut Request<'_>) -> RoutineResult<Self> {
        request.values(COUNT).map(Self)
    }
}
