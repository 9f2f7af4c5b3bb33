// SPDX-License-Identifier: GPL-2.0

//! Which slice of a universal file is loaded.

use crate::{
    image::*,
    macho::{find_slice, Machine, Preferences, Reject, Role, Wanted, Width},
};

const I386: u32 = 7;
const X86_64: u32 = 0x0100_0007;
const ARM64: u32 = 0x0100_000c;
const H: u32 = 8;

/// All that a program may come as, told apart by their offsets.
const ALL: [Arch; 4] = [
    (ARM64, 0, 0x1000, 0x1000),
    (I386, 3, 0x2000, 0x1000),
    (X86_64, 3, 0x3000, 0x1000),
    (X86_64, H, 0x4000, 0x1000),
];

fn chosen(archs: &[Arch], preferences: &str, machine: Machine) -> u64 {
    let offset = choose(&fat(archs), preferences, machine).unwrap().offset;
    let same = choose(&fat64(archs), preferences, machine).unwrap().offset;
    assert_eq!(offset, same);
    offset
}

#[test]
fn wide_slices_are_preferred_to_narrow_ones() {
    assert_eq!(chosen(&ALL[..3], "", Machine::Baseline), 0x3000);
    assert_eq!(chosen(&ALL[..2], "", Machine::Baseline), 0x2000);
}

#[test]
fn newer_code_is_preferred_where_it_runs() {
    assert_eq!(chosen(&ALL, "", Machine::Haswell), 0x4000);
    assert_eq!(chosen(&ALL, "", Machine::Baseline), 0x3000);
    // Alone it counts as any other.
    assert_eq!(chosen(&ALL[3..], "", Machine::Baseline), 0x4000);
}

#[test]
fn the_flags_of_a_subtype_do_not_matter() {
    let archs = [ALL[2], (X86_64, 0x8000_0000 | H, 0x4000, 0x1000)];
    assert_eq!(chosen(&archs, "", Machine::Haswell), 0x4000);
}

#[test]
fn the_first_preference_that_can_be_met_wins() {
    let chosen = |preferences| chosen(&ALL[..3], preferences, Machine::Baseline);
    assert_eq!(chosen("7,1000007,0,0"), 0x2000);
    assert_eq!(chosen("1000007,7,0,0"), 0x3000);
    assert_eq!(chosen("0,0,0,7"), 0x2000);
    assert_eq!(chosen("12,7,1000007,0"), 0x2000);
    assert_eq!(chosen("100000c,12,0,0"), 0x3000);
    assert_eq!(chosen("ffffffff,7,0,0"), 0x3000);
    assert_eq!(chosen("7"), 0x2000);
    assert_eq!(chosen("0x7"), 0x2000);
}

#[test]
fn preferences_that_make_no_sense_are_none() {
    for nonsense in [
        "",
        ",",
        "seven",
        "100000007",
        "-7",
        ",,,,7",
        "7 ",
        "\u{37}x",
    ] {
        assert_eq!(chosen(&ALL[..3], nonsense, Machine::Baseline), 0x3000);
    }
    assert_eq!(
        Preferences::parse(b"\xff\xfe,7"),
        Preferences::parse(b"0,7")
    );
}

#[test]
fn the_first_of_equal_slices_wins() {
    let archs = [ALL[2], (X86_64, 3, 0x5000, 0x1000)];
    assert_eq!(chosen(&archs, "", Machine::Haswell), 0x3000);
}

#[test]
fn a_linker_has_the_width_of_its_program() {
    let list = fat(&ALL);
    let find = |width| find_slice(&list, 1 << 20, Wanted::Dylinker(width), Machine::Haswell);
    assert_eq!(find(Width::Bits32).unwrap().offset, 0x2000);
    assert_eq!(find(Width::Bits64).unwrap().offset, 0x4000);
    let list = fat(&ALL[2..]);
    let narrow = find_slice(
        &list,
        1 << 20,
        Wanted::Dylinker(Width::Bits32),
        Machine::Haswell,
    );
    assert_eq!(narrow, Err(Reject::NoSlice));
}

#[test]
fn only_the_chosen_slice_is_looked_at() {
    let archs = [(I386, 3, 0x1234_5678, 1), ALL[2]];
    assert_eq!(chosen(&archs, "", Machine::Baseline), 0x3000);
}

#[test]
fn any_other_file_is_one_slice() {
    let wanted = Wanted::Program(Preferences::default());
    let slice = find_slice(b"#!/bin/sh", 9, wanted, Machine::Baseline).unwrap();
    assert_eq!((slice.offset, slice.size, slice.to_end), (0, 9, 9));
}

#[test]
fn a_slice_is_planned_like_a_file_of_its_own() {
    let image = Image::program();
    let mut file = padded(
        fat(&[(X86_64, 3, 0x2000, image.file_size)]),
        0x2000 + image.file_size,
    );
    file[0x2000..][..image.bytes().len()].copy_from_slice(&image.bytes());
    file.extend([0xff; 0x100]);
    load(&file, Wanted::Program(Preferences::default()), |plan| {
        assert_eq!(plan.slice().offset, 0x2000);
        assert_eq!(plan.segments()[2].fileoff, 0x2000);
        // The file goes on where the slice ends.
        assert_eq!(
            plan.segments()[3].stale_tail(plan.slice().to_end),
            Some(0x1000 - 0x123)
        );
    })
    .unwrap();

    // One byte less than the segments need.
    let short = fat(&[(X86_64, 3, 0x2000, image.file_size - 1)]);
    file[..short.len()].copy_from_slice(&short);
    let result = load(&file, Wanted::Program(Preferences::default()), |_| ());
    assert_eq!(result, Err(Reject::BeyondFile));
}
