// SPDX-License-Identifier: GPL-2.0

//! Puts an image into the address space of the new program.

use super::macho::{
    ImagePlan,
    Range,
    Segment, //
};
use crate::linux::{
    new_image::{
        NewImage,
        UserRange, //
    },
    program_map::{
        Place,
        Sharing,
        PROT_NONE, //
    },
};
use kernel::{
    fs::File,
    prelude::*, //
};

/// By how much an image lies above where its file says, modulo 2^64.
#[derive(Clone, Copy)]
pub(super) struct Slide(u64);

impl Slide {
    /// Where an address of the file is.
    pub(super) fn apply(self, address: u64) -> usize {
        // CAST: `usize` has 64 bits.
        address.wrapping_add(self.0) as usize
    }

    /// Where a range of the file is.
    pub(super) fn apply_range(self, range: Range) -> UserRange {
        let start = self.apply(range.start);
        UserRange {
            start,
            // CAST: As above.
            end: start.saturating_add(range.size as usize),
        }
    }
}

/// Maps `file` as `plan`, which was made from it, says.
///
/// An image that can be anywhere gets a place of the kernel's choice, which is random if anything
/// is; the gaps between its segments stay reserved. Any other image must find its addresses free:
/// `EEXIST` if they are not.
pub(super) fn map_image(image: &mut NewImage<'_>, file: &File, plan: &ImagePlan) -> Result<Slide> {
    // First, lest anything else be placed there.
    if let Some(zero) = plan.page_zero() {
        // CAST: `usize` has 64 bits, here and below.
        image.reserve_page_zero(zero.vmsize as usize)?;
    }

    let slide = if plan.is_slidable() {
        let Range { start, size } = plan.span();
        let base = image.map(
            None,
            Place::Anywhere,
            size as usize,
            PROT_NONE,
            Sharing::Private,
        )?;
        Slide((base as u64).wrapping_sub(start))
    } else {
        Slide(0)
    };

    for segment in plan.segments().iter().filter(|s| !s.is_page_zero()) {
        map_segment(image, file, plan, segment, slide)?;
    }
    Ok(slide)
}

/// Maps the bytes that come from the file, then those that are zero.
///
/// The protection is the initial one. (Darling's own module takes the maximum for executable
/// segments, which makes the text of old programs writable.)
fn map_segment(
    image: &mut NewImage<'_>,
    file: &File,
    plan: &ImagePlan,
    segment: &Segment,
    slide: Slide,
) -> Result {
    let place = if plan.is_slidable() {
        Place::Over
    } else {
        Place::Free
    };
    let prot = segment.initprot.bits();
    let start = slide.apply(segment.vmaddr);

    let from_file = segment.file_pages() as usize;
    if from_file != 0 {
        image.map(
            // OVERFLOW: The sum is at most the size of the file.
            Some((file, plan.slice().offset.saturating_add(segment.fileoff))),
            place(start),
            from_file,
            prot,
            Sharing::Private,
        )?;
        if let Some(stale) = segment.stale_tail(plan.slice().to_end) {
            let stale = stale as usize;
            let end = start.saturating_add(from_file);
            image.zero(end.saturating_sub(stale), stale)?;
        }
    }

    let zeroes = segment.zero_pages() as usize;
    if zeroes != 0 {
        let start = start.saturating_add(from_file);
        image.map(None, place(start), zeroes, prot, Sharing::Private)?;
    }
    Ok(())
}
