// SPDX-License-Identifier: GPL-2.0

//! From the bytes of a Mach-O file to what has to be mapped where.
//!
//! Serves the loader, and the host tests, which compile this folder as it is: nothing here knows
//! the kernel, allocates, panics or has `unsafe`. A file is an allegation. [`probe`] looks at its
//! first bytes and says how much more has to be read, after [`find_slice`] has found which part of
//! the file is the image; [`ImagePlan::parse`] checks every count,
//! size, offset and address of header and load commands, and what comes out of it can be mapped
//! without looking back at the file. Anything else is a [`Reject`], which names the reason.
//!
//! Kept apart from mapping so that all of it happens before an exec's point of no return.
//!
//! Sources: ABI loader §1, §4 and §5, XNU bsd/kern/mach_loader.c (what is refused), and
//! EXTERNAL_HEADERS/mach-o/loader.h (the layouts).

mod commands;
mod format;
mod header;
mod parse;
mod plan;
mod reject;
mod segment;
mod slice;
mod width;

pub(crate) use self::{
    header::{
        is_mach_o,
        is_universal,
        probe,
        Role, //
    },
    plan::{
        ImagePlan,
        Range, //
    },
    reject::Reject,
    segment::Segment,
    slice::{
        find_slice,
        Machine,
        Preferences,
        Slice,
        Wanted,
        PREFERENCES_VARIABLE,
        SLICES_MAX, //
    },
    width::Width,
};

#[cfg(test)]
pub(crate) use self::{
    plan::MAX_SEGMENTS,
    segment::Prot, //
};

/// Bytes of a page, of the file as of memory.
pub(crate) const PAGE_SIZE: u64 = 4096;

/// Where the commpage of a 64-bit task lies, and so the end of what a program may use (ABI loader
/// §8; XNU `_COMM_PAGE64_BASE_ADDRESS`, which is also its `MACH_VM_MAX_ADDRESS`).
pub(crate) const COMMPAGE_ADDRESS: u64 = 0x7fff_ffe0_0000;

/// The same for a 32-bit task (XNU `_COMM_PAGE32_BASE_ADDRESS`).
pub(crate) const COMMPAGE32_ADDRESS: u64 = 0xffff_0000;

/// Most bytes of load commands.
///
/// XNU knows no limit but the size of the file. Large real programs have some ten KiB, and this is
/// memory of the kernel that a file asks for.
pub(crate) const COMMANDS_MAX: u32 = 1 << 20;

/// Rounds up to whole pages; `None` when that does not fit into 64 bits.
pub(crate) const fn page_align(bytes: u64) -> Option<u64> {
    match bytes.checked_add(PAGE_SIZE - 1) {
        Some(sum) => Some(sum & !(PAGE_SIZE - 1)),
        None => None,
    }
}

/// Whether `value` is a whole number of pages.
pub(crate) const fn is_page_aligned(value: u64) -> bool {
    value & (PAGE_SIZE - 1) == 0
}
