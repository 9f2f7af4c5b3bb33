// SPDX-License-Identifier: GPL-2.0

//! Host tests of the Mach-O parser (src/loader/macho): what is accepted and what is made of it,
//! one case for each reason to refuse a file, and mutated files, none of which may panic or get a
//! plan that breaks its own invariants.
//!
//! Built with debug assertions and overflow checks, which the kernel build has not.

#![allow(dead_code, unused_imports)]

#[path = "../../src/loader/macho/mod.rs"]
mod macho;

#[path = "loader/image.rs"]
mod image;

#[path = "loader/good.rs"]
mod good;

#[path = "loader/invariants.rs"]
mod invariants;

#[path = "../fuzz/input.rs"]
mod input;

#[path = "loader/corpus.rs"]
mod corpus;

#[path = "loader/mutations.rs"]
mod mutations;

#[path = "loader/refused.rs"]
mod refused;

#[path = "loader/slices.rs"]
mod slices;

#[path = "loader/width.rs"]
mod width;
