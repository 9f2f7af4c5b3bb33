// SPDX-License-Identifier: GPL-2.0

//! Traps about the image that a task runs, or is about to run (ABI traps §3).

use crate::{
    abi::{
        args::SetDyldInfoArgs,
        nr, //
    },
    core::{
        Context,
        DyldInfo, //
    },
};
use kernel::{
    prelude::*,
    sync::atomic::ordering::Relaxed, //
};
use mach_macros::trap;

/// Tells where the task's dynamic linker keeps its list of images. The kernel's loader knows that
/// already; loaders in user space tell it.
#[trap(nr::SET_DYLD_INFO)]
fn set_dyld_info(context: &Context<'_>, args: SetDyldInfoArgs) -> Result {
    context.task().set_dyld_info(DyldInfo {
        address: { args.all_images_address }.0,
        size: { args.all_images_length }.into(),
    });
    Ok(())
}

/// Makes the next image of this process find that it is to start suspended, see
/// `started_suspended`.
#[trap(nr::STOP_AFTER_EXEC)]
fn stop_after_exec(context: &Context<'_>) -> Result {
    context.task().starts_suspended.store(true, Relaxed);
    Ok(())
}
