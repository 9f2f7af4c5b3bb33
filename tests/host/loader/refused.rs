// SPDX-License-Identifier: GPL-2.0

//! One case at least for each reason to refuse a file.

use crate::{
    image::*,
    macho::{Machine, Reject, Role, Wanted, Width, COMMANDS_MAX, COMMPAGE_ADDRESS, MAX_SEGMENTS},
};

const FIXED_END: u64 = Width::Bits64.fixed_end();
const SPAN_MAX: u64 = Width::Bits64.span_max();

/// A file that is to be refused.
struct Case {
    reject: Reject,
    what: &'static str,
    bytes: Vec<u8>,
    file_size: u64,
    role: Role,
}

fn program(reject: Reject, what: &'static str, image: Image) -> Case {
    Case {
        reject,
        what,
        bytes: image.bytes(),
        file_size: image.file_size,
        role: Role::Program,
    }
}

fn linker(reject: Reject, what: &'static str, image: Image) -> Case {
    Case {
        role: Role::Dylinker,
        ..program(reject, what, image)
    }
}

fn raw(reject: Reject, what: &'static str, bytes: Vec<u8>) -> Case {
    Case {
        reject,
        what,
        bytes,
        file_size: 0x3123,
        role: Role::Program,
    }
}

/// The usual program after a change of its fields.
fn changed(change: impl FnOnce(&mut Image)) -> Image {
    let mut image = Image::program();
    change(&mut image);
    image
}

/// The usual program with another __DATA.
fn data(change: impl FnOnce(&mut Seg)) -> Image {
    let mut seg = Seg::new("__DATA", (TEXT + 0x2000, 0x3000), (0x2000, 0x800), R | W);
    change(&mut seg);
    changed(|image| image.commands[2] = seg.bytes())
}

/// The usual program's thread command with word `n`, counted from the start, changed.
fn cut(mut bytes: Vec<u8>, len: usize) -> Vec<u8> {
    bytes.truncate(len);
    bytes
}

fn header_cases() -> Vec<Case> {
    use Reject::*;
    let good = Image::program().bytes();
    vec![
        raw(NotMachO, "nothing", vec![]),
        raw(NotMachO, "three bytes", cut(good.clone(), 3)),
        raw(NotMachO, "ELF", b"\x7fELF\x02\x01\x01\0".to_vec()),
        raw(NotMachO, "script", b"#!/bin/sh\n".to_vec()),
        program(NestedSlices, "fat", changed(|i| i.magic = 0xbeba_feca)),
        program(NestedSlices, "fat 64", changed(|i| i.magic = 0xbfba_feca)),
        program(
            WrongCpu,
            "x86-64 header of 32 bits",
            changed(|i| i.magic = 0xfeed_face),
        ),
        program(ByteSwapped, "swapped", changed(|i| i.magic = 0xcffa_edfe)),
        program(
            ByteSwapped,
            "32 swapped",
            changed(|i| i.magic = 0xcefa_edfe),
        ),
        program(WrongCpu, "i386", changed(|i| i.cputype = 7)),
        program(WrongCpu, "arm64", changed(|i| i.cputype = 0x0100_000c)),
        program(WrongFileType, "object", changed(|i| i.filetype = 1)),
        program(WrongFileType, "dylib", changed(|i| i.filetype = 6)),
        program(WrongFileType, "bundle", changed(|i| i.filetype = 8)),
        raw(HeaderTruncated, "magic only", cut(good.clone(), 4)),
        raw(HeaderTruncated, "31 bytes", cut(good.clone(), 31)),
        program(NoCommands, "ncmds 0", changed(|i| i.ncmds = Some(0))),
        program(
            NoCommands,
            "sizeofcmds 0",
            changed(|i| i.sizeofcmds = Some(0)),
        ),
        program(
            CommandsTooLarge,
            "one over the limit",
            changed(|i| i.sizeofcmds = Some(COMMANDS_MAX + 1)),
        ),
        program(
            CommandsTooLarge,
            "all ones",
            changed(|i| i.sizeofcmds = Some(u32::MAX)),
        ),
        raw(CommandsTruncated, "header only", cut(good.clone(), 32)),
        raw(
            CommandsTruncated,
            "one byte short",
            cut(good.clone(), good.len() - 1),
        ),
        program(NotAProgram, "dyld as program", Image::linker()),
        linker(NotADylinker, "program as dyld", Image::program()),
    ]
}

fn command_cases() -> Vec<Case> {
    use Reject::*;
    let len = Image::program().commands.concat().len() as u32;
    vec![
        program(
            CommandTooShort,
            "cmdsize 0",
            Image::program().and(words(&[0x99, 0])),
        ),
        program(
            CommandTooShort,
            "cmdsize 4",
            Image::program().and(words(&[0x99, 4])),
        ),
        program(
            CommandTooShort,
            "segment of 64 bytes",
            Image::program().and(command(0x19, &[0; 56])),
        ),
        program(
            CommandTooShort,
            "LC_MAIN of 16 bytes",
            Image::program().and(command(0x8000_0028, &[0; 8])),
        ),
        program(
            CommandTooShort,
            "LC_LOAD_DYLINKER of 8 bytes",
            Image::program().and(command(0xe, &[])),
        ),
        program(
            CommandMisaligned,
            "cmdsize 10",
            Image::program().and(words(&[0x99, 10, 0])),
        ),
        program(
            CommandMisaligned,
            "cmdsize 9, last",
            Image::program().and(words(&[0x99, 9])),
        ),
        program(
            CommandOverrun,
            "four bytes too long",
            Image::program().and(words(&[0x99, 12])),
        ),
        program(
            CommandOverrun,
            "nearly 4 GiB",
            Image::program().and(words(&[0x99, 0xffff_fffc])),
        ),
        program(
            TooFewCommands,
            "ncmds 6 of 5",
            changed(|i| i.ncmds = Some(6)),
        ),
        program(
            TooFewCommands,
            "ncmds all ones",
            changed(|i| i.ncmds = Some(u32::MAX)),
        ),
        program(
            TooFewCommands,
            "half a command",
            changed(|i| {
                i.ncmds = Some(6);
                i.sizeofcmds = Some(len + 4);
                i.commands.push(words(&[0x99]));
            }),
        ),
    ]
}

fn segment_cases() -> Vec<Case> {
    use Reject::*;
    let mut many = Image::program();
    for n in 4..=MAX_SEGMENTS as u64 {
        let address = TEXT + 0x10_0000 + n * 0x1000;
        many = many.and(Seg::new("__MORE", (address, 0x1000), (0, 0), R).bytes());
    }
    vec![
        program(
            WrongWidthSegment,
            "LC_SEGMENT",
            Image::program().and(command(0x1, &[0; 48])),
        ),
        program(
            WrongWidthSegment,
            "LC_SEGMENT_64",
            Image::program32().and(command(0x19, &[0; 64])),
        ),
        program(TooManySegments, "one more than fit", many),
        program(
            SectionsOverrun,
            "one section, no room",
            data(|s| s.nsects = 1),
        ),
        program(
            SectionsOverrun,
            "sections times size overflows 32 bits",
            data(|s| s.nsects = 0x0333_3334),
        ),
        program(SectionsOverrun, "all ones", data(|s| s.nsects = u32::MAX)),
        program(
            SectionsOverrun,
            "two of one",
            data(|s| {
                *s = s.clone().section("__data", TEXT + 0x2000, 8);
                s.nsects = 2;
            }),
        ),
        program(
            AddressOverflow,
            "end wraps",
            data(|s| (s.vmaddr, s.vmsize) = (u64::MAX - 0xfff, 0x1001)),
        ),
        program(
            AddressOverflow,
            "rounding wraps",
            data(|s| s.vmsize = u64::MAX),
        ),
        program(
            FileRangeOverflow,
            "end in the file wraps",
            data(|s| s.fileoff = u64::MAX - 0x7ff),
        ),
        program(BeyondFile, "offset beyond", data(|s| s.fileoff = 0x1_0000)),
        program(BeyondFile, "one byte", data(|s| s.filesize = 0x1124)),
        program(
            BeyondFile,
            "file cut",
            changed(|image| image.file_size = 0x3122),
        ),
        program(FileLargerThanMemory, "one byte", data(|s| s.vmsize = 0x7ff)),
        program(FileLargerThanMemory, "no memory", data(|s| s.vmsize = 0)),
        program(AddressMisaligned, "one byte", data(|s| s.vmaddr += 1)),
        program(
            AddressMisaligned,
            "half a page",
            data(|s| s.vmaddr += 0x800),
        ),
        program(OffsetMisaligned, "one byte", data(|s| s.fileoff += 1)),
        program(BadProtection, "initial", data(|s| s.initprot = 8)),
        program(BadProtection, "maximum", data(|s| s.maxprot = 0x107)),
        program(BadProtection, "all ones", data(|s| s.maxprot = u32::MAX)),
        program(ProtectionAboveMax, "write", data(|s| s.maxprot = R)),
        program(ProtectionAboveMax, "execute", data(|s| s.initprot = R | X)),
        program(SegmentsOverlap, "one page", data(|s| s.vmaddr -= 0x1000)),
        program(SegmentsOverlap, "around", data(|s| s.vmsize = 0x1_0000)),
        program(
            SegmentsOverlap,
            "inside __PAGEZERO",
            data(|s| s.vmaddr = 0x1_0000),
        ),
        program(
            SegmentsOverlap,
            "second __PAGEZERO",
            Image::program().and(Seg::new("__PAGEZERO", (0, 0x1000), (0, 0), 0).bytes()),
        ),
    ]
}

fn placement_cases() -> Vec<Case> {
    use Reject::*;
    let text = Seg::new("__TEXT", (TEXT, 0x2000), (0, 0x2000), R | X).bytes();
    let at = |vmaddr| {
        Image::program().with(vec![
            Seg::new("__TEXT", (vmaddr, 0x2000), (0, 0x2000), R | X).bytes(),
            thread(vmaddr + 0x1000),
        ])
    };
    vec![
        program(AddressTooLow, "file at 0", at(0).fixed()),
        program(AddressTooLow, "below 64 KiB", at(0xf000).fixed()),
        program(AddressTooHigh, "stack", at(FIXED_END - 0x1000).fixed()),
        program(
            AddressTooHigh,
            "commpage, fixed",
            at(COMMPAGE_ADDRESS).fixed(),
        ),
        program(AddressTooHigh, "commpage", at(COMMPAGE_ADDRESS - 0x1000)),
        program(AddressTooHigh, "kernel", at(0xffff_ffff_8000_0000)),
        program(
            SpanTooLarge,
            "two segments far apart",
            changed(|i| {
                i.commands[3] = Seg::new("__FAR", (TEXT + SPAN_MAX, 0x1000), (0, 0), R).bytes()
            }),
        ),
        program(
            PageZeroTooLarge,
            "all of user space",
            Image::program().with(vec![
                Seg::new("__PAGEZERO", (0, SPAN_MAX + 0x1000), (0, 0), 0).bytes(),
                Seg::new("__TEXT", (SPAN_MAX + 0x1000, 0x2000), (0, 0x2000), R | X).bytes(),
                thread(SPAN_MAX + 0x2000),
            ]),
        ),
        linker(
            PageZeroInDylinker,
            "dyld with __PAGEZERO",
            Image {
                filetype: 7,
                ..Image::program()
            },
        ),
        program(
            NoSegments,
            "thread only",
            Image::program().with(vec![thread(TEXT)]),
        ),
        program(
            NoSegments,
            "__PAGEZERO only",
            Image::program().with(vec![
                Seg::new("__PAGEZERO", (0, TEXT), (0, 0), 0).bytes(),
                thread(0x1000),
            ]),
        ),
        program(
            HeaderNotMapped,
            "text from the second page on",
            Image::program().with(vec![
                Seg::new("__TEXT", (TEXT, 0x1000), (0x1000, 0x1000), R | X).bytes(),
                thread(TEXT),
            ]),
        ),
        program(
            HeaderNotMapped,
            "only the start of the commands",
            Image::program().with(vec![
                Seg::new("__TEXT", (TEXT, 0x1000), (0, 0x40), R | X).bytes(),
                thread(TEXT),
            ]),
        ),
        linker(
            ImageInfoOutside,
            "after the segment",
            Image::linker().with(vec![
                text.clone(),
                Seg::new("__DATA", (TEXT + 0x2000, 0x1000), (0, 0), R | W)
                    .section("__all_image_info", TEXT + 0x2ff8, 0x10)
                    .bytes(),
                thread(TEXT),
            ]),
        ),
        linker(
            ImageInfoOutside,
            "size wraps",
            Image::linker().with(vec![
                text,
                Seg::new("__DATA", (TEXT + 0x2000, 0x1000), (0, 0), R | W)
                    .section("__all_image_info", TEXT + 0x2000, u64::MAX - TEXT)
                    .bytes(),
                thread(TEXT),
            ]),
        ),
    ]
}

fn entry_cases() -> Vec<Case> {
    use Reject::*;
    let entry = |rip| changed(|i| i.commands[4] = thread(rip));
    let state = |bytes| changed(|i| i.commands[4] = bytes);
    let main_at = |offset| {
        let mut image = Image::dynamic();
        image.commands.pop();
        image.and(main(offset, 0))
    };
    let bare = |name: &[u8], offset: u32| {
        let mut body = words(&[offset]);
        body.extend(name);
        Image::program().and(command(0xe, &body))
    };
    vec![
        program(
            DuplicateEntry,
            "two threads",
            Image::program().and(thread(TEXT)),
        ),
        program(
            DuplicateEntry,
            "thread and LC_MAIN",
            Image::dynamic().and(thread(TEXT)),
        ),
        program(BadThreadState, "empty", state(command(0x5, &[]))),
        program(
            BadThreadState,
            "eight bytes short of a state",
            state(command(0x5, &thread(TEXT)[8..thread(TEXT).len() - 8])),
        ),
        program(NoEntry, "none", changed(|i| drop(i.commands.pop()))),
        program(
            NoEntry,
            "dynamic without",
            changed(|i| i.commands[4] = dylinker(b"/d\0")),
        ),
        program(EntryOutside, "at 0", entry(0)),
        program(EntryOutside, "in __PAGEZERO", entry(0x1000)),
        program(EntryOutside, "in data", entry(TEXT + 0x2000)),
        program(EntryOutside, "one after text", entry(TEXT + 0x2000)),
        program(EntryOutside, "kernel", entry(0xffff_ffff_8100_0000)),
        program(EntryOutside, "main in data", main_at(0x2000)),
        program(EntryOutside, "main beyond the file", main_at(u64::MAX)),
        program(
            MainWithoutDylinker,
            "static LC_MAIN",
            changed(|i| i.commands[4] = main(0x1000, 0)),
        ),
        linker(
            MainInDylinker,
            "dyld with LC_MAIN",
            Image::linker().and(main(0x1000, 0)),
        ),
        program(
            DuplicateDylinker,
            "two",
            Image::dynamic().and(dylinker(b"/usr/lib/dyld\0")),
        ),
        linker(
            NestedDylinker,
            "dyld with dyld",
            Image::linker().and(dylinker(b"/usr/lib/dyld\0")),
        ),
        program(
            DylinkerNameOutside,
            "in the header",
            bare(b"/dyld\0\0\0", 11),
        ),
        program(DylinkerNameOutside, "offset 0", bare(b"/dyld\0\0\0", 0)),
        program(DylinkerNameOutside, "one too far", bare(b"/dyld\0\0\0", 21)),
        program(
            DylinkerNameOutside,
            "all ones",
            bare(b"/dyld\0\0\0", u32::MAX),
        ),
        program(DylinkerNameUnterminated, "no NUL", bare(b"/usr/dyl", 12)),
        program(
            DylinkerNameUnterminated,
            "no byte",
            bare(b"/dyld\0\0\0", 20),
        ),
        program(DylinkerNameRelative, "relative", bare(b"dyld\0\0\0\0", 12)),
        program(DylinkerNameRelative, "empty", bare(b"\0\0\0\0", 12)),
    ]
}

fn cases() -> Vec<Case> {
    let mut all = header_cases();
    all.extend(command_cases());
    all.extend(segment_cases());
    all.extend(placement_cases());
    all.extend(entry_cases());
    all
}

/// Universal files that are refused.
fn slice_cases() -> Vec<(Reject, &'static str, Vec<u8>)> {
    use Reject::*;
    const X86_64: u32 = 0x0100_0007;
    let one = |offset, size| fat(&[(X86_64, 3, offset, size)]);
    let one64 = |offset, size| fat64(&[(X86_64, 3, offset, size)]);
    vec![
        (SlicesTruncated, "no count", one(0x1000, 1)[..4].to_vec()),
        (SlicesTruncated, "no list", one(0x1000, 1)[..8].to_vec()),
        (
            SlicesTruncated,
            "half a list",
            one(0x1000, 1)[..27].to_vec(),
        ),
        (
            SlicesTruncated,
            "class file",
            [0xcafe_babe_u32, 0x40, 7].map(u32::to_be_bytes).concat(),
        ),
        (
            SlicesTruncated,
            "all ones",
            [0xcafe_babe_u32, u32::MAX].map(u32::to_be_bytes).concat(),
        ),
        (
            SlicesTruncated,
            "more than a page",
            fat(&[(X86_64, 3, 0x1000, 1); 205])[..4096].to_vec(),
        ),
        (NoSlice, "empty", fat(&[])),
        (NoSlice, "arm64", fat(&[(0x0100_000c, 0, 0x1000, 1)])),
        (SliceOutside, "beyond", one(0x10_0000, 1)),
        (SliceOutside, "one byte", one(0xf_f000, 0x1001)),
        (SliceOutside, "end wraps", one64(u64::MAX - 0xfff, 0x1000)),
        (SliceOutside, "at the list", one(0, 0x1000)),
        (SliceMisaligned, "half a page", one(0x1800, 0x1000)),
        (SliceMisaligned, "one byte", one64(0x1001, 0x1000)),
    ]
}

#[test]
fn each_bad_list_of_slices_is_refused_for_its_reason() {
    for (reject, what, list) in slice_cases() {
        let result = choose(&list, "", Machine::Baseline);
        assert_eq!(result, Err(reject), "{reject:?}: {what}");
    }
}

#[test]
fn a_linker_of_the_other_width_is_refused() {
    for (image, width) in [
        (Image::linker(), Width::Bits32),
        (Image::linker32(), Width::Bits64),
    ] {
        let file = padded(image.bytes(), image.file_size);
        let result = load(&file, Wanted::Dylinker(width), |_| ());
        assert_eq!(result, Err(Reject::WrongWidthDylinker));
    }
}

#[test]
fn each_defect_is_refused_for_its_reason() {
    for case in cases() {
        assert_eq!(
            parse(&case.bytes, case.file_size, case.role, |_| ()),
            Err(case.reject),
            "{:?}: {}",
            case.reject,
            case.what
        );
    }
}

#[test]
fn each_reason_has_a_case() {
    let cases = cases();
    for reject in Reject::ALL {
        assert!(
            cases.iter().any(|case| case.reject == *reject)
                || slice_cases().iter().any(|case| case.0 == *reject)
                || *reject == Reject::WrongWidthDylinker,
            "no case for {reject:?}"
        );
    }
}

#[test]
fn reasons_are_told_apart() {
    let mut reasons: Vec<_> = Reject::ALL.iter().map(|reject| reject.reason()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    assert_eq!(reasons.len(), Reject::ALL.len());
}

#[test]
fn no_prefix_of_a_file_is_accepted() {
    for image in [Image::program(), Image::dynamic(), Image::program32()] {
        let bytes = image.bytes();
        for len in 0..bytes.len() {
            assert!(
                parse(&bytes[..len], image.file_size, Role::Program, |_| ()).is_err(),
                "{len} bytes of {}",
                bytes.len()
            );
        }
    }
}
