// SPDX-License-Identifier: GPL-2.0

//! The root directory that a task pretends to have (ABI traps §12). No task can have one yet.

use crate::{
    abi::nr,
    core::{
        Context,
        Subsystem,
        TrapDescriptor, //
    },
};
use kernel::prelude::*;
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this subsystem.
pub(crate) const TRAPS: [&[TrapDescriptor]; 1] = [traps![vchroot_expand]];

/// The subsystem.
pub(crate) struct Vchroot;

impl Subsystem for Vchroot {
    fn name(&self) -> &'static str {
        "vchroot"
    }

    fn traps(&self) -> &'static [&'static [TrapDescriptor]] {
        &TRAPS
    }
}

/// Expands a path to what it is on the host. Without a vchroot it is that already: the structure,
/// of which the argument is the address, is not touched.
#[trap(nr::VCHROOT_EXPAND)]
fn vchroot_expand(_context: &Context<'_>, _path: u32) -> Result {
    Ok(())
}
