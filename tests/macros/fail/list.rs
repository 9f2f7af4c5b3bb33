// SPDX-License-Identifier: GPL-2.0

//! What cannot stand in `traps![]`.

#[path = "../mock.rs"]
mod core;

mod handlers {
    use crate::core::Context;
    use mach_macros::trap;

    #[trap(0x1001)]
    pub(crate) fn one(_ctx: &Context<'_>) -> i32 {
        1
    }
}

use crate::core::TrapDescriptor;
use handlers::one;
use mach_macros::traps;

const REPEATED: &[TrapDescriptor] = traps![
    handlers::one,
    handlers::one,
    //~^ 5 this trap is in the list already
    handlers::one::<i32>,
    //~^ 18 a trap has no generic parameters: name the function only
];

const NO_PATH: &[TrapDescriptor] = traps![0x1001];
//~^ 43 expected identifier

fn main() {
    one(&crate::core::Context { name: "" });
}
