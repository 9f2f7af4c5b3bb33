// SPDX-License-Identifier: GPL-2.0

//! Vectors of zeroes, made by the allocator: filling one by itself goes element for element.
//!
//! Locks: none. Allocating may sleep.

use kernel::{
    alloc::{
        AllocError,
        Allocator,
        Flags,
        Vec, //
    },
    prelude::*, //
};

/// A vector of `length` zeroes. Fails without memory.
pub(crate) fn zeroed<A: Allocator>(length: usize, flags: Flags) -> Result<Vec<u8, A>, AllocError> {
    let mut bytes = Vec::with_capacity(length, flags | __GFP_ZERO)?;
    // SAFETY: There is room for as many. The memory has just been allocated, and with this flag
    // all of it is zero.
    unsafe { bytes.inc_len(length) };
    Ok(bytes)
}
