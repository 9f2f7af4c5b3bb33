// SPDX-License-Identifier: GPL-2.0

//! The two kinds of programs, by the width of their addresses, and where each may lie.

use super::{
    format::{
        MachHeader,
        MachHeader64,
        CPU_TYPE_I386,
        CPU_TYPE_X86_64, //
    },
    COMMPAGE32_ADDRESS,
    COMMPAGE_ADDRESS, //
};

/// Width of the addresses of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// i386.
    Bits32,
    /// x86-64.
    Bits64,
}

impl Width {
    /// The CPU that headers name.
    pub(super) const fn cputype(self) -> u32 {
        match self {
            Self::Bits32 => CPU_TYPE_I386,
            Self::Bits64 => CPU_TYPE_X86_64,
        }
    }

    /// Bytes of the header, after which the load commands start.
    pub(super) const fn header_len(self) -> usize {
        match self {
            Self::Bits32 => size_of::<MachHeader>(),
            Self::Bits64 => size_of::<MachHeader64>(),
        }
    }

    /// Where the commpage lies, and so the end of what a program may use.
    pub(crate) const fn commpage(self) -> u64 {
        match self {
            Self::Bits32 => COMMPAGE32_ADDRESS,
            Self::Bits64 => COMMPAGE_ADDRESS,
        }
    }

    /// First address that an image with fixed addresses may use.
    ///
    /// For 64 bits that is Linux's default `mmap_min_addr`. Old 32-bit programs are linked for the
    /// second page, which Linux lets privileged users have.
    pub(crate) const fn fixed_start(self) -> u64 {
        match self {
            Self::Bits32 => 0x1000,
            Self::Bits64 => 0x1_0000,
        }
    }

    /// End of what an image with fixed addresses may use.
    ///
    /// What lies between here and the commpage is the stack's: with 64 bits 16 GiB of randomisation,
    /// and as much again to grow into; with 32 bits the 128 MiB that Linux keeps for it at least.
    pub(crate) const fn fixed_end(self) -> u64 {
        match self {
            Self::Bits32 => COMMPAGE32_ADDRESS - (128 << 20),
            Self::Bits64 => COMMPAGE_ADDRESS - (32 << 30),
        }
    }

    /// Most bytes of address space that an image which is given its place may span, and most bytes
    /// of `__PAGEZERO`: so much that program, dynamic linker and `__PAGEZERO` together always find
    /// room.
    pub(crate) const fn span_max(self) -> u64 {
        match self {
            Self::Bits32 => 1 << 30,
            Self::Bits64 => 16 << 40,
        }
    }

    /// Bytes by which the top of the stack is random at most.
    ///
    /// With 64 bits Linux leaves 16 GiB for that between the stack and what mmap(2) places; what is
    /// missing here is the room from the commpage upwards. With 32 bits it leaves 8 MiB.
    pub(crate) const fn stack_random_max(self) -> u64 {
        match self {
            Self::Bits32 => 8 << 20,
            Self::Bits64 => (16 << 30) - (4 << 20),
        }
    }
}
