// SPDX-License-Identifier: GPL-2.0

//! Bindings that `kernel::bindings` lacks, as bindgen made them.
//!
//! The build generates the code from `src/shim/bindings_helper.h`; what is
//! generated is listed in `src/shim/bindings_parameters`. Types that are not
//! listed there come from [`kernel::bindings`], so both sets fit together.
//!
//! Only the safe wrappers in `crate::linux` use this module.

#![allow(
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

#[allow(unused_imports)]
use kernel::{
    bindings::*,
    ffi, //
};
#[allow(unused_imports)]
use pin_init::MaybeZeroable;

include!(concat!(
    env!("MACH_OBJTREE"),
    "/src/linux/bindings_generated.rs"
));
