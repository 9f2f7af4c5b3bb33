// SPDX-License-Identifier: GPL-2.0

//! What is accepted, and what is made of it.

use crate::{
    image::*,
    macho::{probe, Prot, Role, MAX_SEGMENTS},
};

#[test]
fn a_static_program_is_planned_as_it_says() {
    let image = Image::program();
    parse(&image.bytes(), image.file_size, Role::Program, |plan| {
        assert_eq!(plan.segments().len(), 4);
        assert!(plan.is_slidable());
        assert_eq!(plan.entry_address(), Some(TEXT + 0x1000));
        assert_eq!(plan.header(), TEXT);
        assert_eq!(plan.span().start, TEXT);
        assert_eq!(plan.span().size, 0x6000);
        assert_eq!(plan.page_zero().unwrap().vmsize, TEXT);
        assert_eq!((plan.code().start, plan.code().size), (TEXT, 0x2000));
        assert_eq!(
            (plan.data().start, plan.data().size),
            (TEXT + 0x2000, 0x3000)
        );
        assert_eq!(plan.stack_size(), 0);
        assert_eq!(plan.all_image_info(), None);

        let [zero, text, data, linkedit] = plan.segments() else {
            unreachable!()
        };
        assert_eq!((zero.file_pages(), zero.zero_pages()), (0, TEXT));
        assert_eq!((text.file_pages(), text.zero_pages()), (0x2000, 0));
        assert_eq!(text.stale_tail(image.file_size), None);
        assert_eq!((data.file_pages(), data.zero_pages()), (0x1000, 0x2000));
        assert_eq!(data.stale_tail(image.file_size), Some(0x800));
        assert_eq!(data.initprot.bits(), R | W);
        assert!(!data.initprot.contains(Prot::EXECUTE));
        assert_eq!((linkedit.file_pages(), linkedit.zero_pages()), (0x1000, 0));
        // The file ends with the segment.
        assert_eq!(linkedit.stale_tail(image.file_size), None);
    })
    .unwrap();
}

#[test]
fn a_fixed_program_is_not_slid() {
    let image = Image::program().fixed();
    parse(&image.bytes(), image.file_size, Role::Program, |plan| {
        assert!(!plan.is_slidable());
    })
    .unwrap();
}

#[test]
fn a_dynamic_program_names_its_linker_and_stack() {
    let mut image = Image::dynamic();
    image.commands.pop();
    image.commands.push(main(0x1ff0, 0x80_0000));
    let dylinker = parse(&image.bytes(), image.file_size, Role::Program, |plan| {
        assert_eq!(plan.entry_address(), None);
        assert_eq!(plan.stack_size(), 0x80_0000);
    });
    assert_eq!(dylinker.unwrap().unwrap(), "/usr/lib/dyld");
}

#[test]
fn an_old_dynamic_program_may_have_a_thread() {
    let image = Image::program().and(dylinker(b"/usr/lib/dyld\0"));
    let dylinker = parse(&image.bytes(), image.file_size, Role::Program, |plan| {
        assert_eq!(plan.entry_address(), Some(TEXT + 0x1000));
    });
    assert_eq!(dylinker.unwrap().unwrap(), "/usr/lib/dyld");
}

#[test]
fn a_linker_may_lie_at_zero_and_tells_its_image_info() {
    let image = Image::linker();
    parse(&image.bytes(), image.file_size, Role::Dylinker, |plan| {
        assert!(plan.is_slidable());
        assert_eq!(plan.header(), 0);
        assert_eq!(plan.span().start, 0);
        assert_eq!(plan.span().size, 0x5000);
        assert_eq!(plan.page_zero(), None);
        let info = plan.all_image_info().unwrap();
        assert_eq!((info.start, info.size), (0x2040, 0x170));
    })
    .unwrap();
}

#[test]
fn image_info_counts_only_in_data() {
    let mut image = Image::linker();
    image.commands[1] = Seg::new("__DATA_CONST", (0x2000, 0x3000), (0x2000, 0x800), R | W)
        .section("__all_image_info", 0x2040, 0x170)
        .bytes();
    parse(&image.bytes(), image.file_size, Role::Dylinker, |plan| {
        assert_eq!(plan.all_image_info(), None);
    })
    .unwrap();
}

#[test]
fn odd_sizes_in_memory_are_rounded_up() {
    let mut image = Image::program();
    image.commands[2] = Seg::new("__DATA", (TEXT + 0x2000, 0x2001), (0x2000, 0x800), R | W).bytes();
    parse(&image.bytes(), image.file_size, Role::Program, |plan| {
        assert_eq!(plan.segments()[2].vmsize, 0x3000);
    })
    .unwrap();
}

#[test]
fn empty_segments_are_not_mapped() {
    // Not even their address and offset are looked at, as in XNU.
    let image = Image::program().and(Seg::new("__EMPTY", (TEXT + 5, 0), (99, 0), R).bytes());
    parse(&image.bytes(), image.file_size, Role::Program, |plan| {
        assert_eq!(plan.segments().len(), 4);
    })
    .unwrap();
}

#[test]
fn as_many_segments_as_fit() {
    let mut image = Image::program();
    for n in 4..MAX_SEGMENTS as u64 {
        let address = TEXT + 0x10_0000 + n * 0x1000;
        image = image.and(Seg::new("__MORE", (address, 0x1000), (0, 0), R).bytes());
    }
    parse(&image.bytes(), image.file_size, Role::Program, |plan| {
        assert_eq!(plan.segments().len(), MAX_SEGMENTS);
    })
    .unwrap();
}

#[test]
fn unknown_commands_are_skipped() {
    let image = Image::program()
        .and(command(0x8000_0099, &[0xff; 16]))
        .and(command(0x1b, &[7; 16]));
    parse(&image.bytes(), image.file_size, Role::Program, |_| ()).unwrap();
}

#[test]
fn encryption_is_not_looked_for() {
    for cryptid in [0, 1] {
        let image = Image::program()
            .and(command(0x21, &words(&[0x1000, 0x1000, cryptid])))
            .and(command(0x2c, &words(&[0x1000, 0x1000, cryptid, 0])));
        parse(&image.bytes(), image.file_size, Role::Program, |_| ()).unwrap();
    }
}

#[test]
fn a_thread_starts_at_its_first_state_whatever_that_says_it_is() {
    let thread = thread(TEXT + 0x1000);
    let with = |at: usize, word: u32| {
        let mut bytes = thread.clone();
        bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        bytes
    };
    let float_state = [words(&[5, 131]), vec![0; 4 * 131]].concat();
    let states = [
        with(8, 1),
        with(8, 7),
        with(12, 41),
        with(12, u32::MAX),
        command(0x5, &[&thread[8..], &float_state].concat()),
    ];
    for state in states {
        let mut image = Image::program();
        image.commands[4] = state;
        parse(&image.bytes(), image.file_size, Role::Program, |plan| {
            assert_eq!(plan.entry_address(), Some(TEXT + 0x1000));
        })
        .unwrap();
    }
}

#[test]
fn commands_end_with_the_announced_number() {
    let mut image = Image::program().and(words(&[0xffff_ffff; 3]));
    image.ncmds = Some(5);
    parse(&image.bytes(), image.file_size, Role::Program, |plan| {
        assert_eq!(plan.segments().len(), 4);
    })
    .unwrap();
}

#[test]
fn bytes_after_the_commands_do_not_matter() {
    let image = Image::program();
    let mut bytes = image.bytes();
    bytes.extend([0xff; 100]);
    parse(&bytes, image.file_size, Role::Program, |_| ()).unwrap();
}

#[test]
fn the_probe_tells_how_much_to_read() {
    let bytes = Image::program().bytes();
    let header = probe(&bytes[..64], Role::Program).unwrap();
    assert_eq!(header.len(), bytes.len());
}
