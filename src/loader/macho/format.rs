// SPDX-License-Identifier: GPL-2.0

//! The layouts and numbers of the Mach-O format, as they stand in the file.
//!
//! All fields have alignment 1, so a structure can be looked at wherever it lies in a buffer.
//! The names are those of mach-o/loader.h, mach-o/fat.h and mach/i386/thread_status.h.

use zerocopy::{
    big_endian,
    little_endian::{U32, U64},
    FromBytes, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    KnownLayout,
    Unaligned, //
};

/// `MH_MAGIC_64`, in the byte order of an x86 file.
pub(super) const MH_MAGIC_64: u32 = 0xfeed_facf;
/// `MH_CIGAM_64`: a 64-bit file of a big-endian machine.
pub(super) const MH_CIGAM_64: u32 = 0xcffa_edfe;
/// `MH_MAGIC`: a 32-bit file.
pub(super) const MH_MAGIC: u32 = 0xfeed_face;
/// `MH_CIGAM`: a 32-bit file of a big-endian machine.
pub(super) const MH_CIGAM: u32 = 0xcefa_edfe;
/// `FAT_MAGIC`, which is big-endian, as an x86 machine reads it.
pub(super) const FAT_CIGAM: u32 = 0xbeba_feca;
/// `FAT_MAGIC_64`, likewise.
pub(super) const FAT_CIGAM_64: u32 = 0xbfba_feca;

/// `CPU_TYPE_I386`.
pub(super) const CPU_TYPE_I386: u32 = 7;
/// `CPU_TYPE_X86_64`.
pub(super) const CPU_TYPE_X86_64: u32 = 0x0100_0007;

/// The part of a sub-type that is not flags (`~CPU_SUBTYPE_MASK`).
pub(super) const CPU_SUBTYPE: u32 = 0x00ff_ffff;
/// `CPU_SUBTYPE_X86_64_H`: code for processors from Haswell on.
pub(super) const CPU_SUBTYPE_X86_64_H: u32 = 8;

/// File type of a program.
pub(super) const MH_EXECUTE: u32 = 2;
/// File type of a dynamic linker.
pub(super) const MH_DYLINKER: u32 = 7;

/// Header flag: the program can be placed anywhere.
pub(super) const MH_PIE: u32 = 0x20_0000;

/// A segment of a 32-bit file.
pub(super) const LC_SEGMENT: u32 = 0x1;
/// Entry point as the registers of the first thread.
pub(super) const LC_UNIXTHREAD: u32 = 0x5;
/// The dynamic linker that the program wants.
pub(super) const LC_LOAD_DYLINKER: u32 = 0xe;
/// A segment of a 64-bit file.
pub(super) const LC_SEGMENT_64: u32 = 0x19;
/// Entry point as an offset in the file, for the dynamic linker to use.
pub(super) const LC_MAIN: u32 = 0x8000_0028;

/// `struct fat_header`: `nfat_arch` [`FatArch`]s or [`FatArch64`]s follow. The only part of a file
/// that is big-endian.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct FatHeader {
    pub(super) magic: big_endian::U32,
    pub(super) nfat_arch: big_endian::U32,
}

/// `struct fat_arch`: a slice of a universal file.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct FatArch {
    pub(super) cputype: big_endian::U32,
    pub(super) cpusubtype: big_endian::U32,
    pub(super) offset: big_endian::U32,
    pub(super) size: big_endian::U32,
    pub(super) align: big_endian::U32,
}

/// `struct fat_arch_64`: a slice of a universal file of more than 4 GiB.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct FatArch64 {
    pub(super) cputype: big_endian::U32,
    pub(super) cpusubtype: big_endian::U32,
    pub(super) offset: big_endian::U64,
    pub(super) size: big_endian::U64,
    pub(super) align: big_endian::U32,
    pub(super) reserved: big_endian::U32,
}

/// `struct mach_header`, and the start of [`MachHeader64`].
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct MachHeader {
    pub(super) magic: U32,
    pub(super) cputype: U32,
    pub(super) cpusubtype: U32,
    pub(super) filetype: U32,
    /// Number of load commands.
    pub(super) ncmds: U32,
    /// Bytes of all load commands.
    pub(super) sizeofcmds: U32,
    pub(super) flags: U32,
}

/// `struct mach_header_64`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct MachHeader64 {
    pub(super) header: MachHeader,
    pub(super) reserved: U32,
}

/// `struct load_command`: how each load command starts.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct LoadCommand {
    pub(super) cmd: U32,
    /// Bytes of the command, this structure included.
    pub(super) cmdsize: U32,
}

/// `struct segment_command`; `nsects` [`Section32`]s follow.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct SegmentCommand32 {
    pub(super) command: LoadCommand,
    pub(super) segname: [u8; 16],
    pub(super) vmaddr: U32,
    pub(super) vmsize: U32,
    pub(super) fileoff: U32,
    pub(super) filesize: U32,
    pub(super) maxprot: U32,
    pub(super) initprot: U32,
    pub(super) nsects: U32,
    pub(super) flags: U32,
}

/// `struct section`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Section32 {
    pub(super) sectname: [u8; 16],
    pub(super) segname: [u8; 16],
    pub(super) addr: U32,
    pub(super) size: U32,
    pub(super) offset: U32,
    pub(super) align: U32,
    pub(super) reloff: U32,
    pub(super) nreloc: U32,
    pub(super) flags: U32,
    pub(super) reserved: [U32; 2],
}

/// `struct segment_command_64`; `nsects` [`Section64`]s follow.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct SegmentCommand64 {
    pub(super) command: LoadCommand,
    pub(super) segname: [u8; 16],
    pub(super) vmaddr: U64,
    pub(super) vmsize: U64,
    pub(super) fileoff: U64,
    pub(super) filesize: U64,
    pub(super) maxprot: U32,
    pub(super) initprot: U32,
    pub(super) nsects: U32,
    pub(super) flags: U32,
}

/// `struct section_64`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Section64 {
    pub(super) sectname: [u8; 16],
    pub(super) segname: [u8; 16],
    pub(super) addr: U64,
    pub(super) size: U64,
    pub(super) offset: U32,
    pub(super) align: U32,
    pub(super) reloff: U32,
    pub(super) nreloc: U32,
    pub(super) flags: U32,
    pub(super) reserved: [U32; 3],
}

/// `struct dylinker_command`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct DylinkerCommand {
    pub(super) command: LoadCommand,
    /// Where the path starts, from the start of the command.
    pub(super) name: U32,
}

/// `struct entry_point_command`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct EntryPointCommand {
    pub(super) command: LoadCommand,
    /// Offset of main() in the file.
    pub(super) entryoff: U64,
    /// Bytes of stack that the first thread wants; 0 for the default.
    pub(super) stacksize: U64,
}

/// `struct thread_command` with the state that a 32-bit file has first.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ThreadCommand32 {
    pub(super) command: LoadCommand,
    pub(super) flavor: U32,
    /// 32-bit words of the state.
    pub(super) count: U32,
    pub(super) state: ThreadState32,
}

/// `x86_thread_state32_t`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ThreadState32 {
    /// eax, ebx, ecx, edx, edi, esi, ebp, esp, ss, eflags.
    pub(super) general: [U32; 10],
    pub(super) eip: U32,
    /// cs, ds, es, fs, gs.
    pub(super) segments: [U32; 5],
}

/// `struct thread_command` with the state that a 64-bit file has first.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ThreadCommand64 {
    pub(super) command: LoadCommand,
    pub(super) flavor: U32,
    /// 32-bit words of the state.
    pub(super) count: U32,
    pub(super) state: ThreadState64,
}

/// `x86_thread_state64_t`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ThreadState64 {
    /// rax, rbx, rcx, rdx, rdi, rsi, rbp, rsp, r8 to r15.
    pub(super) general: [U64; 16],
    pub(super) rip: U64,
    /// rflags, cs, fs, gs.
    pub(super) rest: [U64; 4],
}

const _: () = {
    assert!(size_of::<FatHeader>() == 8);
    assert!(size_of::<FatArch>() == 20);
    assert!(size_of::<FatArch64>() == 32);
    assert!(size_of::<MachHeader>() == 28);
    assert!(size_of::<MachHeader64>() == 32);
    assert!(size_of::<SegmentCommand32>() == 56);
    assert!(size_of::<Section32>() == 68);
    assert!(size_of::<ThreadState32>() == 64);
    assert!(size_of::<SegmentCommand64>() == 72);
    assert!(size_of::<Section64>() == 80);
    assert!(size_of::<DylinkerCommand>() == 12);
    assert!(size_of::<EntryPointCommand>() == 24);
    assert!(size_of::<ThreadState64>() == 168);
};

/// Looks at the start of `bytes` as a `T`; `None` when they are too few.
pub(super) fn view<T>(bytes: &[u8]) -> Option<&T>
where
    T: FromBytes + zerocopy::KnownLayout + zerocopy::Immutable + zerocopy::Unaligned,
{
    T::ref_from_prefix(bytes).ok().map(|(value, _)| value)
}
