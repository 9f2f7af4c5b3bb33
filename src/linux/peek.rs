// SPDX-License-Identifier: GPL-2.0

//! Loads of atomics, and counting, without a call.
//!
//! Serves the path of traps. Each operation of the kernel crate's atomics is a call of a C helper,
//! also those that are one instruction; a trap makes some twenty.
//!
//! Locks: none.

use core::sync::atomic::{
    compiler_fence,
    AtomicI64,
    AtomicU64,
    Ordering, //
};
use kernel::sync::atomic::{
    Atomic,
    AtomicType, //
};

// Loads of this processor are acquire loads, as far as the compiler does not move them.
const _: () = assert!(cfg!(target_arch = "x86_64"));

/// Loads as they are compiled in C.
pub(crate) trait Peek {
    /// What is loaded.
    type Value;

    /// As `load(Relaxed)`: `READ_ONCE`.
    fn peek(&self) -> Self::Value;

    /// As `load(Acquire)`: `smp_load_acquire`.
    fn peek_acquire(&self) -> Self::Value;
}

impl<T: AtomicType> Peek for Atomic<T> {
    type Value = T;

    #[inline(always)]
    fn peek(&self) -> T {
        // SAFETY: The pointer is valid and aligned, and what is there is a `T`. A volatile load of
        // a machine word is an atomic one by the kernel's memory model.
        unsafe { self.as_ptr().read_volatile() }
    }

    #[inline(always)]
    fn peek_acquire(&self) -> T {
        let value = self.peek();
        compiler_fence(Ordering::Acquire);
        value
    }
}

/// Counts one more, as `add(1, Relaxed)` does: one locked instruction.
#[inline(always)]
pub(crate) fn count_one(counter: &Atomic<u64>) {
    // SAFETY: The pointer is valid and aligned as long as `counter`, and everybody uses what is
    // there atomically; the locked instruction of this processor is that of the kernel's atomics.
    unsafe { AtomicU64::from_ptr(counter.as_ptr()) }.fetch_add(1, Ordering::Relaxed);
}

/// Adds `number`, as `add(number, Relaxed)` does: one locked instruction.
#[inline(always)]
pub(crate) fn add_to(sum: &Atomic<i64>, number: i64) {
    // SAFETY: As in `count_one`.
    unsafe { AtomicI64::from_ptr(sum.as_ptr()) }.fetch_add(number, Ordering::Relaxed);
}
