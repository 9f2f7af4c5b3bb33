// SPDX-License-Identifier: GPL-2.0

//! A name in `traps![]` that is not that of a handler is reported where it stands.

#[path = "../mock.rs"]
mod core;

mod handlers {
    pub(crate) fn plain() {}
}

use crate::core::TrapDescriptor;
use mach_macros::traps;

const PLAIN: &[TrapDescriptor] = traps![handlers::plain];
//~^ 51 cannot find value `__trap_plain` in module `handlers`

const NOBODY: &[TrapDescriptor] = traps![nobody];
//~^ 42 cannot find value `__trap_nobody` in this scope

fn main() {
    handlers::plain();
}
