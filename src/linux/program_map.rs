// SPDX-License-Identifier: GPL-2.0

//! Mappings into the address space of the current process, as mmap(2) makes them.
//!
//! Serves the making of images ([`super::new_image`]), and the page that all programs share with
//! the kernel.
//!
//! Locks: the mmap lock, inside. May sleep.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::ptr;
use kernel::{
    fs::File,
    page::PAGE_SIZE,
    prelude::*, //
};

use super::{
    bindings as shim,
    mapping::map_file, //
};

pub(crate) use super::bindings::{
    PROT_NONE,
    PROT_READ, //
};

/// Where a mapping is to be.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// Wherever there is room.
    Anywhere,
    /// Here, where nothing is yet; `EEXIST` if something is.
    Free(usize),
    /// Here, in place of what is there.
    Over(usize),
}

/// Who else sees what is written to a mapping.
#[derive(Clone, Copy)]
pub(crate) enum Sharing {
    /// Nobody.
    Private,
    /// All who map the file.
    Shared,
}

/// Maps `len` bytes of `file` from `offset` on, or, without a file, zeroes. Returns where. No address
/// that is passed in can hurt the kernel.
pub(super) fn map(
    file: Option<(&File, u64)>,
    place: Place,
    len: usize,
    prot: u32,
    sharing: Sharing,
) -> Result<usize> {
    let (address, fixed) = match place {
        Place::Anywhere => (0, 0),
        Place::Free(address) => (address, shim::MAP_FIXED_NOREPLACE),
        Place::Over(address) => (address, shim::MAP_FIXED),
    };
    let sharing = match sharing {
        Sharing::Private => shim::MAP_PRIVATE,
        Sharing::Shared => shim::MAP_SHARED,
    };
    let (file, offset) = file.map_or((ptr::null_mut(), 0), |(f, offset)| (f.as_ptr(), offset));

    // CAST: `u64` to `usize` loses nothing on 64-bit machines.
    // SAFETY: The file, if any, is valid.
    unsafe { map_file(file, address, len, prot, fixed | sharing, offset as usize) }
}

/// Maps the first page of `file` at `address` for reading, into the running program of the current
/// process. Fails with `EEXIST` if something is mapped there.
pub(crate) fn map_shared_page(file: &File, address: usize) -> Result {
    map(
        Some((file, 0)),
        Place::Free(address),
        PAGE_SIZE,
        PROT_READ,
        Sharing::Shared,
    )?;
    Ok(())
}
