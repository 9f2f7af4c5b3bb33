// SPDX-License-Identifier: GPL-2.0

//! The binary interface between user space and the module: trap numbers, argument structures,
//! return codes and message layouts.
//!
//! Serves every other part of the module and the host tests, which compile these very files. It
//! therefore knows nothing of the kernel: only `core` and `zerocopy` are used, nothing here has
//! behaviour beyond decoding, and there are no locks. What user space says arrives as plain
//! integers; the enums here are made from them by `TryFrom` only.
//!
//! The data in `abi/*.csv` are the specification. [`layout`] compares sizes, offsets and numbers
//! with them at compile time, so a module that differs does not build.

// The interface is written down in whole, whether or not somebody uses a part of it yet, and is
// public because host tests compile it into crates of their own.
#![allow(dead_code, unreachable_pub, unused_imports)]

pub mod args;
pub mod compat;
pub mod kern;
pub mod kevent;
mod layout;
pub mod msg;
pub mod notify;
pub mod nr;
pub mod port;
mod user;

pub use self::{
    port::PortName,
    user::{
        UnknownValue,
        UserAddr, //
    },
};

/// Version of the interface, as `get_api_version` answers.
pub const API_VERSION: i32 = 19;
