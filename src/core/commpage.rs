// SPDX-License-Identifier: GPL-2.0

//! The commpage: a page of facts about the machine, at the same address in every task.
//!
//! There is one page for each width of addresses, filled when the module is loaded. The loader maps it from the
//! file of a new task; a forked child maps it anew from its own, as the mapping is not inherited
//! (ABI lifecycle §4, loader §8).
//!
//! Locks: none; the page does not change.

mod image;

use self::image::{
    Capability,
    Facts,
    Width, //
};
use crate::linux::{
    cpu, current,
    exec::current_image_is_ours,
    global::{
        Global,
        Published, //
    },
    page::{
        file_offset,
        filled_page, //
    },
    program_map::map_shared_page,
};
use kernel::{
    bindings,
    fs::File,
    mm::virt::VmaNew,
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::Arc, //
};

/// The features that a program may find in the commpage, with what the kernel calls them.
const FEATURES: &[(u32, Capability)] = &[
    (bindings::X86_FEATURE_MMX, Capability::MMX),
    (bindings::X86_FEATURE_XMM, Capability::SSE),
    (bindings::X86_FEATURE_XMM2, Capability::SSE2),
    (bindings::X86_FEATURE_XMM3, Capability::SSE3),
    (bindings::X86_FEATURE_SSSE3, Capability::SUPPLEMENTAL_SSE3),
    (bindings::X86_FEATURE_LM, Capability::BITS64),
    (bindings::X86_FEATURE_XMM4_1, Capability::SSE4_1),
    (bindings::X86_FEATURE_XMM4_2, Capability::SSE4_2),
    (bindings::X86_FEATURE_AES, Capability::AES),
    (bindings::X86_FEATURE_AVX, Capability::AVX1_0),
    (bindings::X86_FEATURE_RDRAND, Capability::RDRAND),
    (bindings::X86_FEATURE_F16C, Capability::F16C),
    (bindings::X86_FEATURE_ERMS, Capability::ENFSTRG),
    (bindings::X86_FEATURE_FMA, Capability::FMA),
    (bindings::X86_FEATURE_AVX2, Capability::AVX2_0),
    (bindings::X86_FEATURE_BMI1, Capability::BMI1),
    (bindings::X86_FEATURE_BMI2, Capability::BMI2),
    (bindings::X86_FEATURE_RTM, Capability::RTM),
    (bindings::X86_FEATURE_HLE, Capability::HLE),
    (bindings::X86_FEATURE_ADX, Capability::ADX),
    (bindings::X86_FEATURE_RDSEED, Capability::RDSEED),
    (bindings::X86_FEATURE_SGX, Capability::SGX),
];

/// Where the commpage lies (ABI loader §8; XNU `_COMM_PAGE64_BASE_ADDRESS`).
pub(crate) const COMMPAGE_ADDRESS: usize = 0x7fff_ffe0_0000;

/// Where it lies in a 32-bit task (XNU `_COMM_PAGE32_BASE_ADDRESS`).
pub(crate) const COMMPAGE32_ADDRESS: usize = 0xffff_0000;

/// The pages, while the module is loaded.
static PAGES: Global<CommPages> = Global::new();

/// The filled commpages.
struct CommPages {
    for32: Page,
    for64: Page,
}

/// While it exists, tasks can map the commpage.
pub(crate) struct CommPageGuard(#[allow(dead_code)] Published<CommPages>);

impl CommPageGuard {
    /// Makes the pages. Fails with `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let capabilities = FEATURES
            .iter()
            .filter(|(feature, _)| cpu::has(*feature))
            .fold(Capability::NONE, |all, (_, capability)| {
                all.and(*capability)
            });
        let facts = Facts {
            capabilities,
            cache_line: cpu::cache_line_size(),
            cpus: cpu::online(),
            memory: cpu::memory_size(),
        };
        let pages = CommPages {
            for32: filled_page(&image::contents(&facts, Width::Bits32))?,
            for64: filled_page(&image::contents(&facts, Width::Bits64))?,
        };
        Ok(Self(PAGES.publish(Arc::new(pages, GFP_KERNEL)?)?))
    }
}

/// Maps the commpage into a forked child that runs a Mach-O program, from `file`, its own: the
/// mapping of its parent was not inherited.
///
/// A child that has put something else there keeps that, and one for which there is no memory goes
/// on without.
pub(super) fn map_for_child(file: &File) {
    if current_image_is_ours() {
        let address = if current::is_compat() {
            COMMPAGE32_ADDRESS
        } else {
            COMMPAGE_ADDRESS
        };
        let _ = map_shared_page(file, address);
    }
}

/// `mmap(2)` of the file of a task: the commpage, all of it, shared and never to be written.
///
/// Fails with `EINVAL` for anything else.
pub(super) fn map(vma: &VmaNew) -> Result {
    let pages = PAGES.get().ok_or(ENODEV)?;
    let page = if current::is_compat() {
        &pages.for32
    } else {
        &pages.for64
    };
    if file_offset(vma) != 0 || vma.end().wrapping_sub(vma.start()) != PAGE_SIZE {
        return Err(EINVAL);
    }
    vma.try_clear_maywrite()?;
    vma.set_dontcopy();
    vma.set_dontexpand();
    vma.set_mixedmap().vm_insert_page(vma.start(), page)
}
