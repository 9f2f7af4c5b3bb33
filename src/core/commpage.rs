// SPDX-License-Identifier: GPL-2.0

//! The commpage. Placeholder.

use kernel::{mm::virt::VmaNew, prelude::*};

pub(super) fn map(_vma: &VmaNew) -> Result {
    Err(ENODEV)
}
