// SPDX-License-Identifier: GPL-2.0

//! The header of a Mach-O file: is it one, for this machine, and of what kind?

use super::{
    format::{
        view,
        MachHeader64,
        CPU_TYPE_X86_64,
        FAT_CIGAM,
        FAT_CIGAM_64,
        MH_CIGAM,
        MH_CIGAM_64,
        MH_DYLINKER,
        MH_EXECUTE,
        MH_MAGIC,
        MH_MAGIC_64,
        MH_PIE, //
    },
    Reject,
    COMMANDS_MAX, //
};

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A program (`MH_EXECUTE`).
    Program,
    /// A dynamic linker (`MH_DYLINKER`).
    Dylinker,
}

/// A header that was found to be one of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(super) role: Role,
    /// Number of load commands.
    pub(super) ncmds: u32,
    /// Bytes of load commands, at most [`COMMANDS_MAX`].
    pub(super) sizeofcmds: u32,
    /// The image may be placed anywhere.
    pub(super) slidable: bool,
}

impl Header {
    /// Bytes of header and load commands: what [`ImagePlan::parse`](super::ImagePlan::parse) wants
    /// to see.
    pub(crate) fn len(&self) -> usize {
        // OVERFLOW: `sizeofcmds` is at most `COMMANDS_MAX`.
        size_of::<MachHeader64>().saturating_add(self.sizeofcmds as usize)
    }
}

/// Looks at the first bytes of a file for `role`.
///
/// Universal and 32-bit files are told apart from what is no Mach-O file at all; choosing a slice
/// is done here once it exists.
pub(crate) fn probe(prefix: &[u8], role: Role) -> Result<Header, Reject> {
    let magic = prefix.first_chunk().ok_or(Reject::NotMachO)?;
    match u32::from_le_bytes(*magic) {
        MH_MAGIC_64 => (),
        MH_MAGIC => return Err(Reject::ThirtyTwoBit),
        MH_CIGAM | MH_CIGAM_64 => return Err(Reject::ByteSwapped),
        FAT_CIGAM => return Err(Reject::Fat),
        FAT_CIGAM_64 => return Err(Reject::Fat64),
        _ => return Err(Reject::NotMachO),
    }

    let header: &MachHeader64 = view(prefix).ok_or(Reject::HeaderTruncated)?;
    // The sub-type is ignored: x86_64h is x86_64 with newer instructions.
    if header.cputype.get() != CPU_TYPE_X86_64 {
        return Err(Reject::WrongCpu);
    }
    let found = match header.filetype.get() {
        MH_EXECUTE => Role::Program,
        MH_DYLINKER => Role::Dylinker,
        _ => return Err(Reject::WrongFileType),
    };
    match (role, found) {
        (Role::Program, Role::Dylinker) => return Err(Reject::NotAProgram),
        (Role::Dylinker, Role::Program) => return Err(Reject::NotADylinker),
        _ => (),
    }

    let sizeofcmds = header.sizeofcmds.get();
    if header.ncmds.get() == 0 || sizeofcmds == 0 {
        return Err(Reject::NoCommands);
    }
    if sizeofcmds > COMMANDS_MAX {
        return Err(Reject::CommandsTooLarge);
    }

    Ok(Header {
        role,
        ncmds: header.ncmds.get(),
        sizeofcmds,
        slidable: role == Role::Dylinker || header.flags.get() & MH_PIE != 0,
    })
}
