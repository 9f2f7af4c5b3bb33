// SPDX-License-Identifier: GPL-2.0

//! The loader: executes Mach-O programs.
//!
//! Serves execve, as one of the kernel's executable formats. [`load`](load::load) is the whole of
//! an exec in order; [`read`] looks into
//! its files, [`macho`] says what is in them, [`map`] puts it into memory, [`stack`]
//! builds what the program finds on its stack,
//! [`apple`] what is the kernel's own there. A program gets its task from [`crate::core`].
//!
//! Source of the behaviour: ABI loader §1 to §8, lifecycle §5.
//!
//! Locks: none of its own.

#![deny(unsafe_code)]

mod apple;
mod dylinker;
mod load;
mod macho;
mod map;
mod read;
mod stack;

use crate::linux::exec::{
    BinaryFormat,
    Exec,
    FormatRegistration, //
};
use kernel::prelude::*;

/// The Mach-O format.
pub(crate) struct MachO;

impl BinaryFormat for MachO {
    fn load(exec: Exec<'_>) -> Result {
        load::load(exec)
    }
}

/// Keeps the format registered.
pub(crate) type MachOFormat = FormatRegistration<MachO>;
