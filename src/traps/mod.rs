// SPDX-License-Identifier: GPL-2.0

//! The traps, a folder for each subsystem.
//!
//! A subsystem knows the core and, where it must, what a sibling offers in its `mod.rs`; never the
//! sibling's insides. Nothing here contains `unsafe`.

#![deny(unsafe_code)]

pub(crate) mod debug;
pub(crate) mod fileport;
pub(crate) mod generic;
pub(crate) mod host;
pub(crate) mod ipc;
pub(crate) mod kqueue;
pub(crate) mod psynch;
pub(crate) mod pthread;
pub(crate) mod semaphore;
pub(crate) mod task;
pub(crate) mod timer;
pub(crate) mod vchroot;
pub(crate) mod vm;
pub(crate) mod voucher;
