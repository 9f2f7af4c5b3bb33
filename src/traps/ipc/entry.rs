// SPDX-License-Identifier: GPL-2.0

//! An entry of a name table, and what a name can denote.
//!
//! Serves [`super::table`] and all who look names up.
//!
//! Locks: entries are protected by `Space::table`.

use super::{
    notify,
    port::Port,
    requests::RequestId,
    right::{
        NamedReceive,
        SendOnceRight,
        SendRight,
        SetRight, //
    },
};
use crate::abi::{
    port::MACH_PORT_UREFS_MAX,
    PortName, //
};
use kernel::sync::Arc;

/// "No entry" where an index stands. Entry 0 is never used.
pub(super) const NONE: u32 = 0;

/// The two low bits of a generation, which are always set, as in XNU.
pub(super) const GENERATION_BITS: u8 = 0x03;

/// What a name denotes.
pub(super) enum Object {
    /// Nothing: the entry is in the list of free ones.
    Free {
        previous: u32,
        next: u32,
    },
    /// A send right, with user references.
    Send(SendRight),
    /// A receive right, perhaps with a send right, which then has user references.
    Receive(NamedReceive),
    SendOnce(SendOnceRight),
    Set(SetRight),
    /// What a send right became when its port died, with user references.
    Dead,
}

impl Object {
    /// The port, where there is one.
    pub(super) fn port(&self) -> Option<&Arc<Port>> {
        match self {
            Self::Send(right) => Some(right.port()),
            Self::Receive(rights) => Some(rights.port()),
            Self::SendOnce(right) => Some(right.port()),
            Self::Free { .. } | Self::Set(_) | Self::Dead => None,
        }
    }
}

/// What left a table and is dropped when that is unlocked again.
pub(super) enum Garbage {
    Object(#[allow(dead_code)] Object),
    Send(#[allow(dead_code)] SendRight),
    Deleted(#[allow(dead_code)] Deleted),
}

/// A name with an open request was deleted: dropping this tells whoever made the request.
pub(super) struct Deleted {
    pub(super) notify: Option<SendOnceRight>,
    pub(super) name: PortName,
}

impl Drop for Deleted {
    fn drop(&mut self) {
        if let Some(notify) = self.notify.take() {
            notify::port_deleted(notify, self.name);
        }
    }
}

/// As much as can leave a table under one lock: two rights of a header, each of which can be
/// refreshed and have a request.
pub(super) type GarbageBag = [Option<Garbage>; 4];

/// An entry of the table.
pub(super) struct Entry {
    pub(super) object: Object,
    /// The request about the name, which its port has; it may have been fulfilled since.
    pub(super) request: Option<RequestId>,
    /// The next entry in the same bucket of the hash table. Used by send rights only.
    pub(super) next_in_bucket: u32,
    /// User references of the send right or dead name, at most [`MACH_PORT_UREFS_MAX`]; a count
    /// that has got there stays.
    pub(super) urefs: u16,
    pub(super) generation: u8,
}

impl Entry {
    /// One more user reference; a count at its maximum stays there.
    pub(super) fn add_uref(&mut self) {
        self.urefs = self.urefs.saturating_add(1);
    }

    /// Whether the count of user references has reached its maximum and stays there.
    pub(super) fn is_pegged(&self) -> bool {
        u32::from(self.urefs) == MACH_PORT_UREFS_MAX
    }
}

const _: () = assert!(MACH_PORT_UREFS_MAX == u16::MAX as u32);
