// SPDX-License-Identifier: GPL-2.0

//! Host test of the ABI: the data in `abi/`, and `src/abi` against them.
//!
//! That the structures have the layout of the data is asserted while this crate is compiled, by
//! the same generated file as in the module. The tests make sure that the data are sound and that
//! the generated file leaves nothing out, for which they have a reader of their own.

#[path = "../../src/abi/mod.rs"]
mod abi;
mod checks;
