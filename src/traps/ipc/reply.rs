// SPDX-License-Identifier: GPL-2.0

//! Replies of kernel objects, while routines fill them.
//!
//! What a routine can return is in `results`; how a reply becomes a message in
//! [`super::reply_message`].
//!
//! Locks: none.

use super::{
    carried::Item,
    right::Right,
    routine::{
        Refusal,
        RoutineResult, //
    },
};
use crate::abi::msg::Disposition;
use core::mem::size_of;
use kernel::prelude::*;
use zerocopy::{
    Immutable,
    IntoBytes, //
};

/// What a request is answered with when it succeeds.
pub(crate) struct Reply {
    /// What its descriptors stand for.
    pub(super) items: KVec<Item>,
    /// What follows the NDR record, or the return code.
    pub(super) inline: KVec<u8>,
}

impl Reply {
    /// An empty one.
    pub(super) const fn new() -> Self {
        Self {
            items: KVec::new(),
            inline: KVec::new(),
        }
    }

    /// Adds what stands in the reply as it is in memory.
    pub(super) fn put_inline<T: IntoBytes + Immutable + ?Sized>(
        &mut self,
        value: &T,
    ) -> RoutineResult {
        self.inline
            .extend_from_slice(value.as_bytes(), GFP_KERNEL_ACCOUNT)?;
        Ok(())
    }

    /// Adds what is missing to whole words after `length` bytes.
    pub(super) fn pad(&mut self, length: usize) -> RoutineResult {
        let padding = length.wrapping_neg() % size_of::<u32>();
        self.put_inline([0u8; size_of::<u32>()].get(..padding).unwrap_or_default())
    }

    /// Adds a right, which the receiver gets as `disposition` says.
    pub(super) fn put_right(&mut self, right: Right, disposition: Disposition) -> RoutineResult {
        self.items
            .push(Item::Port(right, Some(disposition)), GFP_KERNEL_ACCOUNT)?;
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
tuple_results!(A a, B b, C c, D d, E e, F f);

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
