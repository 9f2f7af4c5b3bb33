// SPDX-License-Identifier: GPL-2.0

//! Host test of the contents of the commpage (src/core/commpage/image.rs).

#[path = "../../src/core/commpage/image.rs"]
#[allow(dead_code)]
mod image;

use image::{contents, Capability, Facts, Width, SIZE};

fn page(cpus: u32) -> [u8; SIZE] {
    page_of(cpus, Width::Bits64)
}

fn page_of(cpus: u32, width: Width) -> [u8; SIZE] {
    let facts = Facts {
        capabilities: Capability::SSE2
            .and(Capability::RDSEED)
            .and(Capability::BMI2),
        cache_line: 64,
        cpus,
        memory: 0x1_2345_6000,
    };
    contents(&facts, width)
}

fn u64_at(page: &[u8; SIZE], offset: usize) -> u64 {
    u64::from_le_bytes(page[offset..offset + 8].try_into().unwrap())
}

#[test]
fn each_field_is_where_clients_look() {
    let page = page(6);
    assert_eq!(&page[..16], b"commpage 64-bit\0");
    let bits = 1 << 35 | 0x8000_0000 | 0x4 | 0x20 | 6 << 16;
    assert_eq!(u64_at(&page, 0x10), bits);
    assert_eq!(page[0x1e..0x20], [13, 0]);
    assert_eq!(page[0x20..0x24], (bits as u32).to_le_bytes());
    assert_eq!(page[0x22], 6);
    assert_eq!(page[0x26..0x28], [64, 0]);
    assert_eq!(page[0x34..0x37], [6, 6, 6]);
    assert_eq!(u64_at(&page, 0x38), 0x1_2345_6000);
}

#[test]
fn narrow_tasks_have_the_same_page_but_for_its_name() {
    let (wide, narrow) = (page(6), page_of(6, Width::Bits32));
    assert_eq!(&narrow[..16], b"commpage 32-bit\0");
    assert_eq!(wide[16..], narrow[16..]);
}

#[test]
fn everything_else_is_zero() {
    let page = page(6);
    assert!(page[0x18..0x1e].iter().all(|byte| *byte == 0));
    assert!(page[0x28..0x34].iter().all(|byte| *byte == 0));
}

#[test]
fn one_processor_is_said_twice() {
    let page = page(1);
    assert_eq!(u64_at(&page, 0x10) & 0xff_8000, 0x1_8000);
}

#[test]
fn many_processors_do_not_spill_into_other_bits() {
    let page = page(300);
    assert_eq!(page[0x22], 255);
    assert_eq!(page[0x23], 0x80);
}
