// SPDX-License-Identifier: GPL-2.0

//! Argument structures of the traps, as user space lays them out.
//!
//! A trap whose argument is a structure gets its address and copies it in whole, once. Names and
//! order of the members are those of `abi/structs.csv`; [`super::layout`] proves size and offsets.
//! A member called `_…_padding` only keeps the next one in its place. All structures are packed to
//! four bytes as Mach's headers are, so members are read by value, never by reference.
//!
//! Serves the traps and the host tests. Pure layout, no locks.

mod debug;
mod fs;
mod ipc;
mod kqueue;
mod psynch;
mod sync;
mod task;

pub use self::{
    debug::*,
    fs::*,
    ipc::*,
    kqueue::*,
    psynch::*,
    sync::*,
    task::*, //
};
