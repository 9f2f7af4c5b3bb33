// SPDX-License-Identifier: GPL-2.0

//! kqueue (ABI traps §10). Of it, so far, the hint that a descriptor is about to be closed.

use crate::{
    abi::{
        args::ClosingDescriptorArgs,
        nr, //
    },
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
pub(crate) const TRAPS: [&[TrapDescriptor]; 1] = [traps![closing_descriptor]];

/// The subsystem.
pub(crate) struct Kqueue;

impl Subsystem for Kqueue {
    fn name(&self) -> &'static str {
        "kqueue"
    }

    fn traps(&self) -> &'static [&'static [TrapDescriptor]] {
        &TRAPS
    }
}

/// The caller is about to close or overwrite a descriptor: events on it are to end. There can be
/// none, as no task can have a kqueue; a descriptor that is not open is fine too.
#[trap(nr::CLOSING_DESCRIPTOR)]
fn closing_descriptor(_context: &Context<'_>, _args: ClosingDescriptorArgs) -> Result {
    Ok(())
}
