// SPDX-License-Identifier: GPL-2.0

//! Random numbers.
//!
//! Serves the loader: addresses and secrets that cannot be guessed.
//!
//! Locks: none.
//!
//! C header: [`include/linux/random.h`](srctree/include/linux/random.h)

use kernel::bindings;

/// Any number, all equally likely.
pub(crate) fn random() -> u64 {
    // SAFETY: No preconditions.
    unsafe { bindings::get_random_u64() }
}

/// A number below `end`, or 0 when `end` is 0. All are equally likely as far as `end` is small
/// against 2^64.
pub(crate) fn random_below(end: u64) -> u64 {
    random().checked_rem(end).unwrap_or(0)
}
