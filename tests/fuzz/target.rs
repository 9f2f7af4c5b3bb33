// SPDX-License-Identifier: GPL-2.0

//! The Mach-O parser and what fuzzing wants of it, in a crate of its own: it alone is built to
//! tell where it has been.

#![allow(dead_code, unused_imports)]

#[path = "../../src/loader/macho/mod.rs"]
mod macho;

#[path = "../host/loader/image.rs"]
mod image;

#[path = "../host/loader/invariants.rs"]
mod invariants;

#[path = "input.rs"]
mod input;

pub use input::{run, seeds};
