// SPDX-License-Identifier: GPL-2.0

//! Universal files: which of the images in a file is the one to load.
//!
//! Also answers for files that are one image themselves, so that a caller need not know.
//! Sources: ABI loader §3; XNU bsd/kern/mach_fat.c and bsd/dev/i386/kern_machdep.c (what a slice
//! must be like, x86_64h).

use super::{
    format::{
        view,
        FatArch,
        FatArch64,
        FatHeader,
        CPU_SUBTYPE,
        CPU_SUBTYPE_X86_64_H,
        FAT_CIGAM,
        FAT_CIGAM_64, //
    },
    is_page_aligned,
    Reject,
    Width, //
};

/// Bytes at the start of a file that have to hold the list of slices. More than a hundred fit.
pub(crate) const SLICES_MAX: usize = 4096;

/// The environment variable with the preferences of whoever starts the program, which does not
/// get to see it (ABI loader §3).
pub(crate) const PREFERENCES_VARIABLE: &[u8] = b"__mldr_bprefs=";

/// `CPU_TYPE_ANY` in a preference.
const CPU_TYPE_ANY: u32 = u32::MAX;

/// An image in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    /// Where it starts in the file.
    pub(crate) offset: u64,
    /// Its bytes.
    pub(crate) size: u64,
    /// Bytes of the file from `offset` on.
    pub(crate) to_end: u64,
}

/// CPU types in order of preference; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferences([u32; 4]);

impl Preferences {
    /// Reads the value of [`PREFERENCES_VARIABLE`]: up to four hexadecimal numbers between commas.
    /// What cannot be read counts as 0.
    pub(crate) fn parse(value: &[u8]) -> Self {
        let mut preferences = [0; 4];
        for (to, text) in preferences
            .iter_mut()
            .zip(value.split(|&byte| byte == b','))
        {
            *to = parse_hex(text);
        }
        Self(preferences)
    }
}

fn parse_hex(text: &[u8]) -> u32 {
    let text = text.strip_prefix(b"0x").unwrap_or(text);
    core::str::from_utf8(text)
        .ok()
        .and_then(|text| u32::from_str_radix(text, 16).ok())
        .unwrap_or(0)
}

/// Which slice is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// The preferred one that this machine can run.
    Program(Preferences),
    /// A dynamic linker for a program of this width.
    Dylinker(Width),
}

/// What the machine can run beyond the least that all can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    /// The x86-64 of the beginning.
    Baseline,
    /// Haswell's instructions as well, which x86_64h slices use.
    Haswell,
}

/// A slice as the list of slices says.
struct Entry {
    width: Width,
    needs_haswell: bool,
    offset: u64,
    size: u64,
}

/// Finds the image to load in a file of `file_size` bytes that starts with `prefix`, which is
/// [`SLICES_MAX`] bytes long or the whole file.
///
/// A file that is not universal is one slice, whatever else it may be.
pub(crate) fn find_slice(
    prefix: &[u8],
    file_size: u64,
    wanted: Wanted,
    machine: Machine,
) -> Result<Slice, Reject> {
    let magic = prefix.first_chunk().ok_or(Reject::NotMachO)?;
    let entry_len = match u32::from_le_bytes(*magic) {
        FAT_CIGAM => size_of::<FatArch>(),
        FAT_CIGAM_64 => size_of::<FatArch64>(),
        _ => {
            return Ok(Slice {
                offset: 0,
                size: file_size,
                to_end: file_size,
            })
        }
    };
    let header: &FatHeader = view(prefix).ok_or(Reject::SlicesTruncated)?;
    let count = header.nfat_arch.get() as usize;
    let bytes = count
        .checked_mul(entry_len)
        .and_then(|len| prefix.get(size_of::<FatHeader>()..)?.get(..len))
        .ok_or(Reject::SlicesTruncated)?;
    let entries = || bytes.chunks_exact(entry_len).filter_map(read_entry);

    let entry = match wanted {
        Wanted::Dylinker(width) => best(entries(), Some(width), machine),
        Wanted::Program(Preferences(preferences)) => preferences
            .into_iter()
            .filter(|preference| *preference != 0)
            .find_map(|cputype| match cputype {
                CPU_TYPE_ANY => best(entries(), None, machine),
                _ => best(
                    entries().filter(|entry| entry.width.cputype() == cputype),
                    None,
                    machine,
                ),
            })
            .or_else(|| best(entries(), None, machine)),
    };
    let entry = entry.ok_or(Reject::NoSlice)?;

    let end = entry
        .offset
        .checked_add(entry.size)
        .ok_or(Reject::SliceOutside)?;
    // The list of slices is in the way of a slice at 0, and would make one that contains itself.
    if end > file_size || entry.offset == 0 {
        return Err(Reject::SliceOutside);
    }
    if !is_page_aligned(entry.offset) {
        return Err(Reject::SliceMisaligned);
    }
    Ok(Slice {
        offset: entry.offset,
        size: entry.size,
        // OVERFLOW: checked above.
        to_end: file_size.saturating_sub(entry.offset),
    })
}

/// An entry of the list; `None` when it is for another CPU.
fn read_entry(bytes: &[u8]) -> Option<Entry> {
    let (cputype, subtype, offset, size) = match view::<FatArch64>(bytes) {
        Some(arch) => (
            arch.cputype.get(),
            arch.cpusubtype.get(),
            arch.offset.get(),
            arch.size.get(),
        ),
        None => {
            let arch: &FatArch = view(bytes)?;
            (
                arch.cputype.get(),
                arch.cpusubtype.get(),
                arch.offset.get().into(),
                arch.size.get().into(),
            )
        }
    };
    let width = [Width::Bits64, Width::Bits32]
        .into_iter()
        .find(|width| width.cputype() == cputype)?;
    Some(Entry {
        width,
        needs_haswell: width == Width::Bits64 && subtype & CPU_SUBTYPE == CPU_SUBTYPE_X86_64_H,
        offset,
        size,
    })
}

/// The best slice of `width`, or of any width: 64 bits before 32, and x86_64h before x86_64 where
/// the machine has what it needs. Elsewhere x86_64h is better than nothing, as in a file that has
/// no slices: a program may look before it uses what is missing. The first of equals wins.
fn best(
    entries: impl Iterator<Item = Entry>,
    width: Option<Width>,
    machine: Machine,
) -> Option<Entry> {
    let grade = |entry: &Entry| match (entry.width, entry.needs_haswell, machine) {
        (Width::Bits64, true, Machine::Haswell) => 4,
        (Width::Bits64, false, _) => 3,
        (Width::Bits64, true, Machine::Baseline) => 2,
        (Width::Bits32, ..) => 1,
    };
    let mut best: Option<Entry> = None;
    for entry in entries.filter(|entry| width.is_none_or(|width| entry.width == width)) {
        if best.as_ref().is_none_or(|best| grade(&entry) > grade(best)) {
            best = Some(entry);
        }
    }
    best
}
