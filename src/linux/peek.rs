// SPDX-License-Identifier: GPL-2.0

//! Operations of atomics without a call.
//!
//! Serves the path of traps. Each operation of the kernel crate's atomics is a call of a C helper,
//! also those that are one instruction; a trap makes some forty.
//!
//! Locks: none.

use core::sync::atomic::{
    compiler_fence,
    AtomicI64,
    AtomicPtr,
    AtomicU32,
    AtomicU64,
    Ordering, //
};
use kernel::sync::atomic::{
    Atomic,
    AtomicType, //
};

// Loads of this processor are acquire loads and its stores release stores, as far as the compiler
// does not move them; its locked instructions are full barriers, and those of the kernel's atomics.
const _: () = assert!(cfg!(target_arch = "x86_64"));

/// Loads and stores as they are compiled in C.
pub(crate) trait Peek {
    /// What is loaded and stored.
    type Value;

    /// As `load(Relaxed)`: `READ_ONCE`.
    fn peek(&self) -> Self::Value;

    /// As `load(Acquire)`: `smp_load_acquire`.
    fn peek_acquire(&self) -> Self::Value;

    /// As `store(Relaxed)`: `WRITE_ONCE`.
    fn poke(&self, value: Self::Value);

    /// As `store(Release)`: `smp_store_release`.
    fn poke_release(&self, value: Self::Value);
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
    #[inline(always)]
    fn poke(&self, value: T) {
        // SAFETY: The pointer is valid and aligned. A volatile store of a machine word is an atomic
        // one by the kernel's memory model.
        unsafe { self.as_ptr().write_volatile(value) }
    }

    #[inline(always)]
    fn poke_release(&self, value: T) {
        compiler_fence(Ordering::Release);
        self.poke(value);
    }
}

/// Counts one more, as `add(1, Relaxed)` does.
#[inline(always)]
pub(crate) fn count_one(counter: &Atomic<u64>) {
    // SAFETY: The pointer is valid and aligned as long as `counter`, and everybody uses what is
    // there atomically.
    unsafe { AtomicU64::from_ptr(counter.as_ptr()) }.fetch_add(1, Ordering::Relaxed);
}

/// Adds `number`, as `add(number, Relaxed)` does: one locked instruction.
#[inline(always)]
pub(crate) fn add_to(sum: &Atomic<i64>, number: i64) {
    // SAFETY: As in `count_one`.
    unsafe { AtomicI64::from_ptr(sum.as_ptr()) }.fetch_add(number, Ordering::Relaxed);
}

/// One more, as `add(1, Relaxed)`.
#[inline(always)]
pub(crate) fn add_one(count: &Atomic<u32>) {
    // SAFETY: As above.
    unsafe { AtomicU32::from_ptr(count.as_ptr()) }.fetch_add(1, Ordering::SeqCst);
}

/// One less, as `fetch_sub(1, Full)`: tells how many there were.
#[inline(always)]
pub(crate) fn take_one(count: &Atomic<u32>) -> u32 {
    // SAFETY: As above.
    unsafe { AtomicU32::from_ptr(count.as_ptr()) }.fetch_sub(1, Ordering::SeqCst)
}

/// Stores `new` if `old` is there, as `cmpxchg(old, new, Full)`: tells whether it was.
#[inline(always)]
pub(crate) fn change(place: &Atomic<u64>, old: u64, new: u64) -> bool {
    // SAFETY: As above.
    let place = unsafe { AtomicU64::from_ptr(place.as_ptr()) };
    place
        .compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst)
        .is_ok()
}

/// Stores `new`, as `xchg(new, Full)`: tells what was there.
#[inline(always)]
pub(crate) fn exchange<T>(place: &Atomic<*mut T>, new: *mut T) -> *mut T {
    // SAFETY: As above.
    unsafe { AtomicPtr::from_ptr(place.as_ptr()) }.swap(new, Ordering::SeqCst)
}
