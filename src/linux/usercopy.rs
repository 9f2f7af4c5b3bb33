// SPDX-License-Identifier: GPL-2.0

//! Copies from and to user memory.
//!
//! Serves `core::user`. The kernel crate's `UserSlice` goes through `copy_from_user`, which asks
//! the slab allocator about the kernel side of each copy whose size is not a constant
//! (`CONFIG_HARDENED_USERCOPY`). That check finds lengths that do not belong to the buffer; here a
//! slice says what its length is. It is a tenth of the instructions of a message, so it is left
//! out.
//!
//! Locks: none may be held; these functions can sleep and fault.
//!
//! C header: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use core::ptr;
use kernel::{
    bindings,
    error::to_result,
    prelude::*, //
};

use super::bindings as shim;

/// The longest copy that the kernel's own functions make.
const LONGEST: usize = i32::MAX as usize;

/// Fills `bytes` from user memory at `address`. `EFAULT` if that cannot be read, with some of
/// `bytes` overwritten.
#[inline]
pub(crate) fn copy_from_user(bytes: &mut [u8], address: usize) -> Result {
    if bytes.len() > LONGEST {
        return Err(EFAULT);
    }
    // SAFETY: The destination is valid for writing `len` bytes. The source may be any address: the
    // function checks that it is one of user space.
    let left = unsafe {
        bindings::_copy_from_user(
            bytes.as_mut_ptr().cast(),
            ptr::without_provenance(address),
            bytes.len(),
        )
    };
    if left == 0 {
        Ok(())
    } else {
        Err(EFAULT)
    }
}

/// Fills `bytes` from user memory, as [`copy_from_user`]; a few words by a load each.
#[inline(always)] // The length is a constant in all calls.
pub(crate) fn read_value(bytes: &mut [u8], address: usize) -> Result {
    match bytes.len() {
        4 => {
            let mut word = 0;
            // SAFETY: The word may be written; any address may be read from.
            to_result(unsafe { shim::mach_shim_get_user_u32(&mut word, address) })?;
            bytes.copy_from_slice(&word.to_ne_bytes());
            Ok(())
        }
        8 => {
            let mut word = 0;
            // SAFETY: As above.
            to_result(unsafe { shim::mach_shim_get_user_u64(&mut word, address) })?;
            bytes.copy_from_slice(&word.to_ne_bytes());
            Ok(())
        }
        length @ 12..=64 if length % 4 == 0 => {
            let to = bytes.as_mut_ptr().cast();
            // CAST: A small number.
            // SAFETY: There is room for so many bytes; any address may be read from.
            to_result(unsafe { shim::mach_shim_get_user_words(to, address, length as u32) })
        }
        _ => copy_from_user(bytes, address),
    }
}

/// Writes `bytes` to user memory, as [`copy_to_user`]; a few words by a store each.
#[inline(always)] // The length is a constant in all calls.
pub(crate) fn write_value(address: usize, bytes: &[u8]) -> Result {
    match bytes.len() {
        length @ (16 | 24 | 32 | 40 | 48) => {
            // CAST: At most 6.
            let words = (length / size_of::<u64>()) as u32;
            let from = bytes.as_ptr().cast();
            // SAFETY: There are so many words; any address may be written to.
            to_result(unsafe { shim::mach_shim_put_user_words(address, from, words) })
        }
        _ => copy_to_user(address, bytes),
    }
}

/// Writes `bytes` to user memory at `address`. `EFAULT` if that cannot be written, or only in
/// part.
#[inline]
pub(crate) fn copy_to_user(address: usize, bytes: &[u8]) -> Result {
    if bytes.len() > LONGEST {
        return Err(EFAULT);
    }
    // SAFETY: The source is valid for reading `len` bytes. The destination may be any address: the
    // function checks that it is one of user space.
    let left = unsafe {
        bindings::_copy_to_user(
            ptr::without_provenance_mut(address),
            bytes.as_ptr().cast(),
            bytes.len(),
        )
    };
    if left == 0 {
        Ok(())
    } else {
        Err(EFAULT)
    }
}
