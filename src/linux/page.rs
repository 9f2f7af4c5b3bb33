// SPDX-License-Identifier: GPL-2.0

//! Pages of memory that are filled once.
//!
//! Serves the commpage.
//!
//! Locks: none.

use kernel::{
    mm::virt::VmaNew,
    page::Page,
    prelude::*, //
};

/// Allocates a page that begins with these contents, and is zero otherwise. Fails with `ENOMEM`, and
/// with `EINVAL` if they are more than a page.
pub(crate) fn filled_page(contents: &[u8]) -> Result<Page> {
    let page = Page::alloc_page(GFP_KERNEL | __GFP_ZERO)?;
    // SAFETY: The contents are readable, and nobody else knows the page.
    unsafe { page.write_raw(contents.as_ptr(), 0, contents.len())? };
    Ok(page)
}

/// Where in its file a mapping starts, in pages.
pub(crate) fn file_offset(vma: &VmaNew) -> usize {
    // SAFETY: The area is valid and being set up, so nobody changes it.
    unsafe { (*vma.as_ptr()).vm_pgoff }
}
