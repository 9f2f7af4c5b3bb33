// SPDX-License-Identifier: GPL-2.0

//! The header of a Mach-O file: is it one, for this machine, and of what kind?

use super::{
    format::{
        view,
        MachHeader,
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
    Width,
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
    pub(crate) width: Width,
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
        self.width
            .header_len()
            .saturating_add(self.sizeofcmds as usize)
    }
}

/// Whether a file that starts with `prefix` may be one to execute: a Mach-O file or a universal
/// one. (Class files of Java start like the latter.)
pub(crate) fn is_mach_o(prefix: &[u8]) -> bool {
    prefix.first_chunk().is_some_and(|magic| {
        matches!(
            u32::from_le_bytes(*magic),
            MH_MAGIC_64 | MH_MAGIC | MH_CIGAM_64 | MH_CIGAM | FAT_CIGAM | FAT_CIGAM_64
        )
    })
}

/// Whether a file that starts with `prefix` is one of several images.
pub(crate) fn is_universal(prefix: &[u8]) -> bool {
    prefix
        .first_chunk()
        .is_some_and(|magic| matches!(u32::from_le_bytes(*magic), FAT_CIGAM | FAT_CIGAM_64))
}

/// Looks at the first bytes of an image for `role`.
pub(crate) fn probe(prefix: &[u8], role: Role) -> Result<Header, Reject> {
    let magic = prefix.first_chunk().ok_or(Reject::NotMachO)?;
    let width = match u32::from_le_bytes(*magic) {
        MH_MAGIC_64 => Width::Bits64,
        MH_MAGIC => Width::Bits32,
        MH_CIGAM | MH_CIGAM_64 => return Err(Reject::ByteSwapped),
        // Not in another one.
        FAT_CIGAM | FAT_CIGAM_64 => return Err(Reject::NestedSlices),
        _ => return Err(Reject::NotMachO),
    };

    if prefix.len() < width.header_len() {
        return Err(Reject::HeaderTruncated);
    }
    let header: &MachHeader = view(prefix).ok_or(Reject::HeaderTruncated)?;
    // The sub-type is ignored: x86_64h is x86_64 with newer instructions.
    if header.cputype.get() != width.cputype() {
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
        width,
        ncmds: header.ncmds.get(),
        sizeofcmds,
        slidable: role == Role::Dylinker || header.flags.get() & MH_PIE != 0,
    })
}
