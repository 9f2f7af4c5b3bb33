// SPDX-License-Identifier: GPL-2.0

//! Traps that belong to no other subsystem (ABI traps §2).

use crate::{
    abi::{
        self,
        args::KernelPrintkArgs,
        nr, //
    },
    core::{
        Context,
        Manifest,
        Subsystem, //
    },
};
use kernel::{
    prelude::*,
    str::BStr, //
};
use mach_macros::{
    trap,
    traps, //
};

/// What this subsystem brings along.
pub(crate) static MANIFEST: Manifest = Manifest {
    traps: &[traps![get_api_version, kernel_printk]],
    ..Manifest::new("generic")
};

/// The subsystem.
pub(crate) struct Generic;

impl Subsystem for Generic {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }
}

/// Tells the version of the interface. A forked child calls this first, to get its own task.
#[trap(nr::GET_API_VERSION)]
fn get_api_version(_context: &Context<'_>) -> Result<u32> {
    Ok(abi::API_VERSION.unsigned_abs())
}

/// Logs a line at debug level, with the caller's thread and process id.
///
/// The text ends at its first NUL, at byte 511 at the latest. Control characters and what is not
/// ASCII are escaped, so that a program cannot forge lines of the log.
#[trap(nr::KERNEL_PRINTK)]
fn kernel_printk(context: &Context<'_>, args: KernelPrintkArgs) -> Result {
    let text = args.buf;
    let text = text.split_last().map_or(&[][..], |(_, text)| text);
    let length = text.iter().position(|&b| b == 0).unwrap_or(text.len());
    pr_debug!(
        "{}[{}]: {}\n",
        context.thread().tid(),
        context.task().process().global_nr(),
        BStr::from_bytes(text.get(..length).unwrap_or_default())
    );
    Ok(())
}
