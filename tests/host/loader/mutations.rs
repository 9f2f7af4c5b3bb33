// SPDX-License-Identifier: GPL-2.0

//! Good files with random damage: whatever is still accepted must be safe to map.

use crate::{
    image::*,
    invariants::check,
    macho::{Preferences, Role, Wanted, Width, COMMPAGE_ADDRESS, PAGE_SIZE},
};

/// Marsaglia's xorshift, so that each run sees the same files.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Numbers that are wrong more often than random ones.
    fn interesting(&mut self) -> u64 {
        let near = [
            0,
            1,
            7,
            8,
            PAGE_SIZE,
            0x7fff_ffff,
            1 << 32,
            TEXT,
            TEXT32,
            Width::Bits64.fixed_start(),
            Width::Bits64.fixed_end(),
            COMMPAGE_ADDRESS,
            Width::Bits64.span_max(),
            Width::Bits32.fixed_end(),
            Width::Bits32.commpage(),
            Width::Bits32.span_max(),
            1 << 47,
            1 << 63,
            0,
        ];
        let base = near[self.below(near.len())];
        base.wrapping_add(self.next() % 17).wrapping_sub(8)
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        let len = bytes.len();
        if len < 16 {
            return;
        }
        match random.below(6) {
            0 => {
                let at = random.below(len);
                bytes[at] ^= 1 << random.below(8);
            }
            1 => {
                let at = random.below(len);
                bytes[at] = random.next() as u8;
            }
            2 => {
                let at = random.below(len - 8) & !3;
                let value = random.interesting() as u32;
                bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
            3 => {
                let at = random.below(len - 8) & !3;
                let value = random.interesting();
                bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
            4 => {
                let (from, to) = (random.below(len - 8) & !3, random.below(len - 8) & !3);
                bytes.copy_within(from..from + 8, to);
            }
            _ => bytes.truncate(len - random.below(8)),
        }
    }
}

#[test]
fn mutated_files_are_refused_or_safe() {
    let seeds = [
        (Image::program(), Role::Program),
        (Image::program().fixed(), Role::Program),
        (Image::dynamic(), Role::Program),
        (Image::linker(), Role::Dylinker),
        (Image::program32(), Role::Program),
        (Image::program32().fixed(), Role::Program),
        (Image::linker32(), Role::Dylinker),
    ];
    let mut random = Random(0x6d61_6368_2e6b_6f21);
    let mut accepted = 0;

    for round in 0..200_000 {
        let (image, role) = &seeds[round % seeds.len()];
        let mut bytes = image.bytes();
        mutate(&mut bytes, &mut random);
        let file_size = match random.below(8) {
            0 => random.interesting(),
            _ => image.file_size,
        };
        let result = parse(&bytes, file_size, *role, |plan| {
            check(plan, *role, file_size)
        });
        accepted += usize::from(result.is_ok());
    }

    // Damage that leaves nothing to accept, or accepts everything, tests nothing.
    assert!((10_000..150_000).contains(&accepted), "{accepted} accepted");
}

#[test]
fn random_bytes_behind_a_good_header_are_refused_or_safe() {
    let mut random = Random(0x1234_5678_9abc_def1);
    for _ in 0..20_000 {
        let mut bytes = Image::program().bytes();
        for byte in bytes.iter_mut().skip(32) {
            *byte = random.next() as u8 & random.next() as u8;
        }
        let _ = parse(&bytes, 0x3123, Role::Program, |plan| {
            check(plan, Role::Program, 0x3123)
        });
    }
}

#[test]
fn mutated_universal_files_are_refused_or_safe() {
    let (wide, narrow) = (Image::program(), Image::program32());
    let archs = [
        (7, 3, 0x1000, narrow.file_size),
        (0x0100_0007, 3, 0x5000, wide.file_size),
        (0x0100_0007, 8, 0x5000, wide.file_size),
    ];
    let mut random = Random(0x0bad_cafe_babe_0001);
    let mut accepted = 0;
    for round in 0..100_000 {
        let mut list = match round % 2 {
            0 => fat(&archs),
            _ => fat64(&archs),
        };
        mutate(&mut list, &mut random);
        let mut file = padded(list, 0x1000);
        let mut narrow = narrow.bytes();
        mutate(&mut narrow, &mut random);
        file.extend(padded(narrow, 0x4000));
        file.extend(padded(wide.bytes(), wide.file_size));
        let wanted = match random.below(4) {
            0 => Wanted::Dylinker(Width::Bits64),
            1 => Wanted::Program(Preferences::parse(b"7,1000007,0,0")),
            _ => Wanted::Program(Preferences::default()),
        };
        let role = match wanted {
            Wanted::Program(_) => Role::Program,
            Wanted::Dylinker(_) => Role::Dylinker,
        };
        let result = load(&file, wanted, |plan| {
            let slice = plan.slice();
            assert!(slice.offset % PAGE_SIZE == 0 && slice.size <= slice.to_end);
            assert_eq!(slice.offset + slice.to_end, file.len() as u64);
            check(plan, role, slice.size);
        });
        accepted += usize::from(result.is_ok());
    }
    assert!((10_000..90_000).contains(&accepted), "{accepted} accepted");
}
