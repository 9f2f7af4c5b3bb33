// SPDX-License-Identifier: GPL-2.0

//! Pages of memory that are filled once.
//!
//! Serves the commpage.

use kernel::{
    mm::virt::VmaNew,
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*, //
};

/// Allocates a page with these contents.
pub(crate) fn filled_page(contents: &[u8; PAGE_SIZE]) -> Result<Page> {
    let page = Page::alloc_page(GFP_KERNEL)?;
    // SAFETY: The contents are readable, and nobody else knows the page.
    unsafe { page.write_raw(contents.as_ptr(), 0, PAGE_SIZE)? };
    Ok(page)
}

/// Where in its file a mapping starts, in pages.
pub(crate) fn file_offset(vma: &VmaNew) -> usize {
    // SAFETY: The area is valid and being set up, so nobody changes it.
    unsafe { (*vma.as_ptr()).vm_pgoff }
}
