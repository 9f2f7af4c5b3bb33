// SPDX-License-Identifier: GPL-2.0

//! The contents of the commpages.
//!
//! Pure, compiled by a host test as well. Offsets and bits are those of XNU
//! osfmk/i386/cpu_capabilities.h, version 13 of the page (ABI loader §8). What is not written here
//! reads as zero: above all the time fields, in place of which clients use `clock_gettime`.

/// Bytes that tell something; the rest of the page is zero.
pub(crate) const SIZE: usize = 0x40;

const SIGNATURE64: &[u8; 16] = b"commpage 64-bit\0";
const SIGNATURE32: &[u8; 16] = b"commpage 32-bit\0";
const VERSION: u16 = 13;

const OFFSET_SIGNATURE: usize = 0x00;
const OFFSET_CAPABILITIES64: usize = 0x10;
const OFFSET_VERSION: usize = 0x1e;
/// The low half of the capabilities; its third byte is the number of processors.
const OFFSET_CAPABILITIES: usize = 0x20;
const OFFSET_CACHE_LINE: usize = 0x26;
const OFFSET_ACTIVE_CPUS: usize = 0x34;
const OFFSET_PHYSICAL_CPUS: usize = 0x35;
const OFFSET_LOGICAL_CPUS: usize = 0x36;
const OFFSET_MEMORY_SIZE: usize = 0x38;

/// A set of capabilities, `kHas…` and their like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capability(u64);

#[allow(missing_docs, reason = "the names are those of the instruction sets")]
impl Capability {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const MMX: Self = Self(0x1);
    pub(crate) const SSE: Self = Self(0x2);
    pub(crate) const SSE2: Self = Self(0x4);
    pub(crate) const SSE3: Self = Self(0x8);
    const CACHE32: Self = Self(0x10);
    const CACHE64: Self = Self(0x20);
    const CACHE128: Self = Self(0x40);
    pub(crate) const SUPPLEMENTAL_SSE3: Self = Self(0x100);
    pub(crate) const BITS64: Self = Self(0x200);
    pub(crate) const SSE4_1: Self = Self(0x400);
    pub(crate) const SSE4_2: Self = Self(0x800);
    pub(crate) const AES: Self = Self(0x1000);
    const UNIPROCESSOR: Self = Self(0x8000);
    pub(crate) const AVX1_0: Self = Self(0x0100_0000);
    pub(crate) const RDRAND: Self = Self(0x0200_0000);
    pub(crate) const F16C: Self = Self(0x0400_0000);
    pub(crate) const ENFSTRG: Self = Self(0x0800_0000);
    pub(crate) const FMA: Self = Self(0x1000_0000);
    pub(crate) const AVX2_0: Self = Self(0x2000_0000);
    pub(crate) const BMI1: Self = Self(0x4000_0000);
    pub(crate) const BMI2: Self = Self(0x8000_0000);
    pub(crate) const RTM: Self = Self(1 << 32);
    pub(crate) const HLE: Self = Self(1 << 33);
    pub(crate) const ADX: Self = Self(1 << 34);
    pub(crate) const RDSEED: Self = Self(1 << 35);
    pub(crate) const SGX: Self = Self(1 << 37);

    /// Both sets together.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// `kNumCPUs`: the number of processors stands among the capabilities.
    const fn processors(count: u8) -> Self {
        Self((count as u64) << 16)
    }
}

/// Whose page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// That of 32-bit tasks.
    Bits32,
    /// That of 64-bit tasks.
    Bits64,
}

/// What the page tells.
pub(crate) struct Facts {
    /// Features of the processors.
    pub(crate) capabilities: Capability,
    /// Bytes of a cache line.
    pub(crate) cache_line: u16,
    /// Processors that are online.
    pub(crate) cpus: u32,
    /// Bytes of memory.
    pub(crate) memory: u64,
}

/// The beginning of the page that tells `facts`. Both differ in their signature only.
pub(crate) fn contents(facts: &Facts, width: Width) -> [u8; SIZE] {
    // The fields have a byte each.
    let cpus = u8::try_from(facts.cpus).unwrap_or(u8::MAX);
    let line = match facts.cache_line {
        32 => Capability::CACHE32,
        64 => Capability::CACHE64,
        128 => Capability::CACHE128,
        _ => Capability::NONE,
    };
    let few = match cpus {
        1 => Capability::UNIPROCESSOR,
        _ => Capability::NONE,
    };
    let Capability(bits) = facts
        .capabilities
        .and(line)
        .and(few)
        .and(Capability::processors(cpus));
    let [b0, b1, b2, b3, ..] = bits.to_le_bytes();

    let mut page = [0; SIZE];
    let signature = match width {
        Width::Bits32 => SIGNATURE32,
        Width::Bits64 => SIGNATURE64,
    };
    put(&mut page, OFFSET_SIGNATURE, signature);
    put(&mut page, OFFSET_CAPABILITIES64, &bits.to_le_bytes());
    put(&mut page, OFFSET_VERSION, &VERSION.to_le_bytes());
    put(&mut page, OFFSET_CAPABILITIES, &[b0, b1, b2, b3]);
    put(
        &mut page,
        OFFSET_CACHE_LINE,
        &facts.cache_line.to_le_bytes(),
    );
    put(&mut page, OFFSET_ACTIVE_CPUS, &[cpus]);
    put(&mut page, OFFSET_PHYSICAL_CPUS, &[cpus]);
    put(&mut page, OFFSET_LOGICAL_CPUS, &[cpus]);
    put(&mut page, OFFSET_MEMORY_SIZE, &facts.memory.to_le_bytes());
    page
}

fn put(page: &mut [u8; SIZE], offset: usize, bytes: &[u8]) {
    for (to, from) in page.iter_mut().skip(offset).zip(bytes) {
        *to = *from;
    }
}
