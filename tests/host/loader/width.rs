// SPDX-License-Identifier: GPL-2.0

//! Images of 32 bits: what differs from those of 64.

use crate::{
    image::*,
    macho::{Reject, Role, Width},
};

/// A fixed program of one segment at `vmaddr`.
fn at(vmaddr: u64) -> Image {
    Image::program32()
        .with(vec![
            Seg::new("__TEXT", (vmaddr, 0x2000), (0, 0x2000), R | X).bytes32(),
            thread32((vmaddr as u32).wrapping_add(0x1000)),
        ])
        .fixed()
}

fn result(image: &Image) -> Result<Option<String>, Reject> {
    parse(&image.bytes(), image.file_size, Role::Program, |plan| {
        assert_eq!(plan.width(), Width::Bits32)
    })
}

#[test]
fn a_narrow_program_is_planned_as_it_says() {
    let image = Image::program32();
    parse(&image.bytes(), image.file_size, Role::Program, |plan| {
        assert_eq!(plan.width(), Width::Bits32);
        assert_eq!(plan.entry_address(), Some(TEXT32 + 0x1000));
        assert_eq!(plan.header(), TEXT32);
        assert_eq!((plan.span().start, plan.span().size), (TEXT32, 0x5000));
        assert_eq!(plan.page_zero().unwrap().vmsize, 0x1000);
        assert_eq!(plan.segments()[2].zero_pages(), 0x2000);
        assert!(!plan.is_low());
    })
    .unwrap();
}

#[test]
fn a_narrow_linker_tells_its_image_info() {
    let image = Image::linker32();
    parse(&image.bytes(), image.file_size, Role::Dylinker, |plan| {
        let info = plan.all_image_info().unwrap();
        assert_eq!((info.start, info.size), (0x2040, 0x170));
    })
    .unwrap();
}

#[test]
fn old_programs_lie_low() {
    let image = at(0x1000);
    parse(&image.bytes(), image.file_size, Role::Program, |plan| {
        assert!(plan.is_low());
    })
    .unwrap();
    assert_eq!(result(&at(0)), Err(Reject::AddressTooLow));
}

#[test]
fn stack_and_commpage_are_kept_free() {
    assert_eq!(result(&at(0xf7ff_0000 - 0x2000)), Ok(None));
    assert_eq!(
        result(&at(0xf7ff_0000 - 0x1000)),
        Err(Reject::AddressTooHigh)
    );
    assert_eq!(result(&at(0xffff_f000)), Err(Reject::AddressTooHigh));
}

#[test]
fn a_narrow_thread_has_its_own_state() {
    let mut image = Image::program32();
    image.commands[3] = thread32(TEXT32 as u32 + 0x1000)[..76].to_vec();
    image.commands[3][4] = 76;
    assert_eq!(result(&image), Err(Reject::BadThreadState));
}

#[test]
fn sections_of_a_narrow_segment_are_counted() {
    let mut image = Image::program32();
    let mut data = Seg::new("__DATA", (TEXT32 + 0x2000, 0x3000), (0x2000, 0x800), R | W).section(
        "__data",
        TEXT32 + 0x2000,
        8,
    );
    data.nsects = 2;
    image.commands[2] = data.bytes32();
    assert_eq!(result(&image), Err(Reject::SectionsOverrun));
    data.nsects = 1;
    image.commands[2] = data.bytes32();
    assert_eq!(result(&image), Ok(None));
}

#[test]
fn a_narrow_header_is_shorter() {
    let bytes = Image::program32().bytes();
    assert_eq!(
        parse(&bytes[..27], 0x3123, Role::Program, |_| ()),
        Err(Reject::HeaderTruncated)
    );
    assert_eq!(
        parse(&bytes[..28], 0x3123, Role::Program, |_| ()),
        Err(Reject::CommandsTruncated)
    );
}
