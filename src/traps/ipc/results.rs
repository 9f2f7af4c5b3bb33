// SPDX-License-Identifier: GPL-2.0

//! What a routine can return as a result: numbers, rights, memory, arrays, strings.
//!
//! Locks: none.

use super::{
    carried::{
        Item,
        PortArray, //
    },
    param::{
        AnyRight,
        Bytes,
        Memory,
        Scalar,
        WideWords,
        Words, //
    },
    reply::{
        Reply,
        Results, //
    },
    right::{
        Right,
        SendOnceRight,
        SendRight, //
    },
    routine::{
        Call,
        RoutineResult, //
    },
};
use crate::{
    abi::msg::Disposition,
    core::{
        KernError,
        KernResult, //
    },
};
use core::mem::size_of;
use kernel::prelude::*;
use zerocopy::{
    Immutable,
    IntoBytes, //
};

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

impl Results for OutOfLine {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        reply.put_inline(&self.count)?;
        self.memory.put(reply)
    }
}

impl Results for SendRights {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        // CAST: an array has not more rights than there are objects of a kind.
        reply.put_inline(&(self.0.len() as u32))?;
        let array = PortArray {
            rights: self.0,
            received_as: Some(Disposition::MoveSend),
            names: None,
        };
        reply.items.push(Item::Ports(array), GFP_KERNEL_ACCOUNT)?;
        Ok(())
    }
}

impl Results for SendOnceRight {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        reply.put_right(Right::SendOnce(self), Disposition::MoveSendOnce)
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

    /// The words of `value`, if there is room for all of them; `KERN_INVALID_ARGUMENT` if not.
    pub(crate) fn of_if_room<T: IntoBytes + Immutable>(
        value: &T,
        room: u32,
    ) -> RoutineResult<Self> {
        // CAST: `u32` to `usize` loses nothing.
        if (room as usize) < size_of::<T>() / size_of::<u32>() {
            return Err(KernError::INVALID_ARGUMENT.into());
        }
        Self::of(value)
    }

    /// The same, but not more than the first `count`.
    pub(crate) fn first(mut self, count: usize) -> Self {
        self.0.truncate(count);
        self
    }
}

/// An array of things that goes out of line; the number of them stands among the other results.
pub(crate) struct OutOfLine {
    memory: Memory,
    count: u32,
}

impl OutOfLine {
    /// The elements of `array`. Fails without memory.
    pub(crate) fn of<T: IntoBytes + Immutable>(array: &[T]) -> KernResult<Self> {
        Ok(Self {
            memory: Memory::of(array.as_bytes())?,
            count: u32::try_from(array.len()).map_err(|_| KernError::RESOURCE_SHORTAGE)?,
        })
    }
}

/// An array of send rights that goes out of line; the number of them stands among the other
/// results.
pub(crate) struct SendRights(pub(super) KVVec<Right>);

impl SendRights {
    /// The number of rights.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The rights; `None` for null and dead ones.
    pub(crate) fn into_rights(self) -> impl Iterator<Item = Option<SendRight>> {
        self.0.into_iter().map(|right| match right {
            Right::Send(right) => Some(right),
            _ => None,
        })
    }

    /// No rights.
    pub(crate) const fn new() -> Self {
        Self(KVVec::new())
    }

    /// Adds a right; `None` is a null one. Fails without memory, and drops the right then.
    pub(crate) fn push(&mut self, right: Option<SendRight>) -> KernResult {
        let right = right.map_or(Right::Null, Right::Send);
        Ok(self.0.push(right, GFP_KERNEL_ACCOUNT)?)
    }
}

/// Send rights in `COUNT` descriptors, of which those that are left over are null.
pub(crate) struct PortList<const COUNT: usize>(KVec<Option<SendRight>>);

impl<const COUNT: usize> PortList<COUNT> {
    /// A list with room for `room` rights. Fails without memory.
    pub(crate) fn new(room: usize) -> KernResult<Self> {
        Ok(Self(KVec::with_capacity(
            room.min(COUNT),
            GFP_KERNEL_ACCOUNT,
        )?))
    }

    /// Adds a right; one that there is no room for is dropped. Does not allocate.
    pub(crate) fn put(&mut self, right: Option<SendRight>) {
        drop(self.0.push_within_capacity(right));
    }
}

impl<const COUNT: usize> Results for PortList<COUNT> {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        let rest = COUNT.saturating_sub(self.0.len());
        for right in self.0 {
            right.put(reply)?;
        }
        for _ in 0..rest {
            None::<SendRight>.put(reply)?;
        }
        Ok(())
    }
}

/// Words whose number the caller knows from another array.
pub(crate) struct WordList(pub(crate) KVec<u32>);

impl Results for WordList {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        reply.put_inline(self.0.as_slice())
    }
}

impl<const COUNT: usize> Results for WideWords<COUNT> {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        reply.put_inline(self.0.as_slice())
    }
}

impl<const MAX: usize> Results for Bytes<MAX> {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        // CAST: at most a few thousand.
        reply.put_inline(&(self.0.len() as u32))?;
        reply.put_inline(self.0.as_slice())?;
        reply.pad(self.0.len())
    }
}

/// A `vm_size_t`, which is as wide as an address of the caller.
pub(crate) struct VmSize {
    value: u32,
    is_wide: bool,
}

impl VmSize {
    /// `value` for the task that makes `call`.
    pub(crate) fn for_caller(call: &Call<'_>, value: u32) -> Self {
        Self {
            value,
            is_wide: !call.task().is_32bit(),
        }
    }
}

impl Results for VmSize {
    fn put(self, reply: &mut Reply) -> RoutineResult {
        match self.is_wide {
            true => reply.put_inline(&u64::from(self.value)),
            false => reply.put_inline(&self.value),
        }
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
        reply.put_inline(&0u32)?;
        // CAST: at most `MAX`.
        reply.put_inline(&(bytes.len() as u32))?;
        reply.put_inline(bytes)?;
        reply.pad(bytes.len())
    }
}
