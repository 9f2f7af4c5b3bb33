// SPDX-License-Identifier: GPL-2.0

//! How often a task or thread is suspended.
//!
//! Locks: none.

use super::{
    KernError,
    KernResult, //
};
use kernel::sync::atomic::{
    ordering::{Full, Relaxed},
    Atomic, //
};

/// A number of suspensions.
pub(super) struct SuspendCount(Atomic<u32>);

impl SuspendCount {
    /// None.
    pub(super) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// How many there are.
    pub(super) fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// Whether there are any; ordered after everything that the caller has done.
    pub(super) fn is_raised(&self) -> bool {
        self.0.fetch_add(0, Full) != 0
    }

    /// One more. `KERN_FAILURE` if there can be no more.
    pub(super) fn raise(&self) -> KernResult {
        self.change(|count| count.checked_add(1)).map(drop)
    }

    /// One less; whether it was the last. `KERN_FAILURE` if there is none.
    pub(super) fn lower(&self) -> KernResult<bool> {
        self.change(|count| count.checked_sub(1))
            .map(|count| count == 0)
    }

    fn change(&self, next: impl Fn(u32) -> Option<u32>) -> KernResult<u32> {
        let mut old = self.get();
        loop {
            let new = next(old).ok_or(KernError::FAILURE)?;
            match self.0.cmpxchg(old, new, Full) {
                Ok(_) => return Ok(new),
                Err(now) => old = now,
            }
        }
    }
}
