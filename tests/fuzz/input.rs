// SPDX-License-Identifier: GPL-2.0

//! What a fuzzer's input is to the loader: a byte that says what is wanted, four with the size of
//! the file if that is to be more than its bytes, and the start of the file.

use crate::{
    image::*,
    invariants::check,
    macho::{
        find_slice, probe, ImagePlan, Machine, Preferences, Reject, Role, Wanted, Width, SLICES_MAX,
    },
};

/// Goes the loader's way with an input; whether the file is accepted. Panics if that was wrong.
pub fn run(input: &[u8]) -> bool {
    let Some((&[mode, a, b, c, d], bytes)) = input.split_first_chunk::<5>() else {
        return false;
    };
    let size = (bytes.len() as u64).max(u32::from_le_bytes([a, b, c, d]).into());
    let machine = match mode & 0x80 {
        0 => Machine::Baseline,
        _ => Machine::Haswell,
    };
    let wanted = match mode & 7 {
        0 => Wanted::Dylinker(Width::Bits64),
        1 => Wanted::Dylinker(Width::Bits32),
        2 => Wanted::Program(Preferences::parse(b"7,1000007,0,0")),
        // The file's own bytes may be the preferences.
        3 => Wanted::Program(Preferences::parse(&bytes[bytes.len().saturating_sub(20)..])),
        _ => Wanted::Program(Preferences::default()),
    };
    load_start(bytes, size, wanted, machine).is_ok()
}

/// Loads a file of `size` bytes, of which those from the end of `bytes` on cannot be read.
fn load_start(bytes: &[u8], size: u64, wanted: Wanted, machine: Machine) -> Result<(), Reject> {
    let slice = find_slice(&bytes[..bytes.len().min(SLICES_MAX)], size, wanted, machine)?;
    assert!(slice.offset.checked_add(slice.size).unwrap() <= size);
    assert_eq!(slice.offset + slice.to_end, size);
    let role = match wanted {
        Wanted::Program(_) => Role::Program,
        Wanted::Dylinker(_) => Role::Dylinker,
    };
    let start = usize::try_from(slice.offset).unwrap_or(usize::MAX);
    let image = bytes.get(start..).unwrap_or_default();
    let header = probe(&image[..image.len().min(32)], role)?;
    if matches!(wanted, Wanted::Dylinker(width) if width != header.width) {
        return Err(Reject::WrongWidthDylinker);
    }
    if header.len() as u64 > slice.size {
        return Err(Reject::CommandsTruncated);
    }
    let mut plan = Box::new(ImagePlan::EMPTY);
    let path = plan.parse(&image[..image.len().min(header.len())], slice, role)?;
    if let Some(path) = path {
        assert!(path.to_bytes().starts_with(b"/"));
    }
    check(&plan, role, slice.size);
    Ok(())
}

/// Inputs to start from.
pub fn seeds() -> Vec<Vec<u8>> {
    let input = |mode: u8, size: u64, bytes: Vec<u8>| {
        let mut input = vec![mode];
        input.extend((size as u32).to_le_bytes());
        input.extend(bytes);
        input
    };
    let mut seeds: Vec<_> = [
        (4, Image::program()),
        (4, Image::program().fixed()),
        (4, Image::dynamic()),
        (4, Image::program32()),
        (4, Image::program32().fixed()),
        (0, Image::linker()),
        (1, Image::linker32()),
    ]
    .into_iter()
    .map(|(mode, image)| input(mode, image.file_size, image.bytes()))
    .collect();
    let (wide, narrow) = (Image::program(), Image::program32());
    let archs = [
        (0x0100_0007, 3, 0x1000, wide.file_size),
        (7, 3, 0x5000, narrow.file_size),
    ];
    for list in [fat(&archs), fat64(&archs)] {
        let mut file = padded(list, 0x1000);
        file.extend(wide.bytes());
        seeds.push(input(0x84, 0xa000, file));
    }
    seeds
}
