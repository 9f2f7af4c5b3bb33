// SPDX-License-Identifier: GPL-2.0

//! What the body of a message carries besides bytes: rights, arrays of rights, and memory.
//!
//! Serves `message`, which owns what is carried, and the two ways of a body, in and out. No locks.

use super::{
    ool::Region,
    right::Right, //
};
use crate::abi::msg::Disposition;
use core::mem;
use kernel::prelude::*;

/// What a descriptor in the body of a message stands for.
pub(super) struct Carried {
    /// Where the descriptor stands in the message.
    pub(super) offset: usize,
    pub(super) item: Item,
}

/// What is carried in the body of a message.
pub(super) enum Item {
    /// A right, and as what its receiver gets it: `None` for a null or dead one of which nothing was
    /// said.
    Port(Right, Option<Disposition>),
    /// A receive right that its receiver may get guarded: `MACH_MSG_GUARD_FLAGS_*` bits.
    GuardedPort(Right, u16),
    /// Out-of-line memory; `None` has no bytes.
    Memory(Option<Region>),
    /// An out-of-line array of rights.
    Ports(PortArray),
}

/// An array of rights of one kind.
pub(super) struct PortArray {
    pub(super) rights: KVVec<Right>,
    /// As what the receiver gets them; `None` if nothing was said and all are null or dead.
    pub(super) received_as: Option<Disposition>,
    /// The names of the rights, once they are in the receiver's space.
    pub(super) names: Option<Region>,
}

impl Carried {
    /// A right.
    pub(super) fn port(offset: usize, right: Right, received_as: Disposition) -> Self {
        Self {
            offset,
            item: Item::Port(right, Some(received_as)),
        }
    }
}

impl Item {
    /// Takes the next receive right out, if there is one, and drops what comes before it. `within`
    /// is how far an array has been gone through.
    pub(super) fn take_receive_right(&mut self, within: &mut usize) -> Option<Right> {
        match self {
            Self::Port(right, _) | Self::GuardedPort(right, _) => take_receive_right(right),
            Self::Memory(_) => None,
            Self::Ports(array) => loop {
                let right = array.rights.get_mut(*within)?;
                *within = within.saturating_add(1);
                if let Some(right) = take_receive_right(right) {
                    return Some(right);
                }
            },
        }
    }
}

/// Takes `right` away: it is given out if it is a receive right, else dropped.
fn take_receive_right(right: &mut Right) -> Option<Right> {
    match mem::replace(right, Right::Null) {
        right @ Right::Receive(_) => Some(right),
        other => {
            drop(other);
            None
        }
    }
}
