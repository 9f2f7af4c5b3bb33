// SPDX-License-Identifier: GPL-2.0

//! What a task makes the kernel keep: messages that wait, with what they carry, and memberships in
//! port sets.
//!
//! Names are limited by their number and limit most else. What a task can have any amount of with
//! a few names is counted here: a message that is queued counts for its sender until it is
//! received or dropped, one of the kernel's for whoever received at its port last. A message that
//! finds its receiver waiting is not queued, and counts nothing.
//!
//! Locks: none. Counting does not sleep and may be done under any lock; what was counted is given
//! back by dropping a [`Charge`], which may free memory.

use crate::{
    core::ObjectCounter,
    linux::cpu, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
};

/// The bytes that all tasks have the kernel keep.
pub(super) static BYTES: ObjectCounter = ObjectCounter::new("kept_bytes");

/// The bytes that one task has the kernel keep.
pub(super) struct Account {
    used: Atomic<u64>,
    limit: u64,
}

/// A part of an account that is used as long as the value exists.
pub(super) struct Charge {
    account: Arc<Account>,
    bytes: u64,
}

/// The limit that `mebibytes`, a parameter of the module, stands for: 0 is a third of the memory.
pub(super) fn limit(mebibytes: u32) -> u64 {
    match mebibytes {
        0 => cpu::memory_size() / 3,
        some => u64::from(some) << 20,
    }
}

impl Account {
    /// Makes an unused account of `limit` bytes. Fails with `ENOMEM`.
    pub(super) fn new(limit: u64) -> Result<Arc<Self>> {
        let account = Self {
            used: Atomic::new(0),
            limit,
        };
        Ok(Arc::new(account, GFP_KERNEL_ACCOUNT)?)
    }

    /// Uses `bytes` of the account; `None` if it has not so many left.
    pub(super) fn charge(this: &Arc<Self>, bytes: usize) -> Option<Charge> {
        // CAST: `usize` has 64 bits at most.
        let bytes = bytes as u64;
        let before = this.used.fetch_add(bytes, Relaxed);
        let charge = Charge {
            account: this.clone(),
            bytes,
        };
        // CAST: No object has more bytes than `isize` can tell.
        BYTES.add(bytes as i64);
        // One that is refused gives back what it took.
        (before.saturating_add(bytes) <= this.limit).then_some(charge)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.used.fetch_sub(self.bytes, Relaxed);
        // CAST: As above.
        BYTES.add(-(self.bytes as i64));
    }
}
