// SPDX-License-Identifier: GPL-2.0

//! The argument and environment strings of an exec that has not begun.
//!
//! Serves the loader: some variables of the environment are for it. The strings lie in the address
//! space to be, which nobody uses yet, one after the other, each with its terminator.
//!
//! Locks: takes the mmap lock of that address space. Everything here may sleep.

use core::ptr;
use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*, //
};

use super::zeroed::zeroed;

/// Finds the environment string that starts with `name` and a value, and copies that to `value`,
/// without terminator. Returns its bytes; `None` if there is no such string.
///
/// `start` is where the first of `argc` arguments is in `mm`, which `envc` strings follow. Fails
/// with `ENAMETOOLONG` when `value` is too small.
///
/// # Safety
///
/// `mm` must be valid.
pub(super) unsafe fn find_variable(
    mm: *mut bindings::mm_struct,
    start: usize,
    (argc, envc): (usize, usize),
    name: &[u8],
    value: &mut [u8],
) -> Result<Option<usize>> {
    let mut page: KVec<u8> = zeroed(PAGE_SIZE, GFP_KERNEL)?;
    let mut search = Search {
        arguments: argc,
        variables: envc,
        state: State::Name(0),
    };
    let mut address = start;
    while search.variables != 0 {
        // SAFETY: By the caller's promise.
        let bytes = unsafe { read_page(mm, address, &mut page)? };
        for &byte in bytes {
            if let Some(found) = search.step(byte, name, value)? {
                return Ok(Some(found));
            }
        }
        address = address.checked_add(bytes.len()).ok_or(EFAULT)?;
    }
    Ok(None)
}

/// A search, byte by byte.
struct Search {
    /// Strings to skip.
    arguments: usize,
    /// Strings left to look at, the current one included.
    variables: usize,
    state: State,
}

/// Where in a string a search is.
enum State {
    /// So many bytes are those of the name.
    Name(usize),
    /// In the value, after so many bytes.
    Value(usize),
    /// In another variable.
    Other,
}

impl Search {
    /// Looks at the next byte; tells the bytes of the value at its end.
    fn step(&mut self, byte: u8, name: &[u8], value: &mut [u8]) -> Result<Option<usize>> {
        if let Some(left) = self.arguments.checked_sub(1) {
            if byte == 0 {
                self.arguments = left;
            }
            return Ok(None);
        }
        if byte == 0 {
            if let State::Value(len) = self.state {
                return Ok(Some(len));
            }
            self.variables = self.variables.saturating_sub(1);
            self.state = State::Name(0);
            return Ok(None);
        }
        if self.variables == 0 {
            return Ok(None);
        }
        self.state = match self.state {
            State::Name(len) if name.get(len) == Some(&byte) => {
                let len = len.saturating_add(1);
                if len == name.len() {
                    State::Value(0)
                } else {
                    State::Name(len)
                }
            }
            State::Name(_) | State::Other => State::Other,
            State::Value(len) => {
                *value.get_mut(len).ok_or(ENAMETOOLONG)? = byte;
                State::Value(len.saturating_add(1))
            }
        };
        Ok(None)
    }
}

/// Reads from `address` to the end of its page, into `buffer`, which is a page long.
///
/// # Safety
///
/// `mm` must be valid.
unsafe fn read_page(
    mm: *mut bindings::mm_struct,
    address: usize,
    buffer: &mut [u8],
) -> Result<&[u8]> {
    let mut page: *mut bindings::page = ptr::null_mut();
    // SAFETY: By the caller's promise. The lock is held during the call, and `page` takes one
    // pointer.
    let pinned = unsafe {
        bindings::mmap_read_lock(mm);
        let pinned = bindings::pin_user_pages_remote(mm, address, 1, 0, &mut page, ptr::null_mut());
        bindings::mmap_read_unlock(mm);
        pinned
    };
    if pinned != 1 || page.is_null() {
        return Err(EFAULT);
    }
    let offset = address % PAGE_SIZE;
    let bytes = buffer
        .get_mut(..PAGE_SIZE.saturating_sub(offset))
        .unwrap_or_default();
    // SAFETY: The page is pinned and mapped for the copy, which stays within it.
    unsafe {
        let mapped = bindings::kmap_local_page(page);
        ptr::copy_nonoverlapping(
            mapped.cast::<u8>().add(offset),
            bytes.as_mut_ptr(),
            bytes.len(),
        );
        bindings::kunmap_local(mapped);
        bindings::unpin_user_page(page);
    }
    Ok(bytes)
}
