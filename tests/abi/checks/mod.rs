// SPDX-License-Identifier: GPL-2.0

//! The tests, one file for each part of the interface.

mod codes;
mod compat;
mod csv;
mod data;
mod layout;
mod messages;
