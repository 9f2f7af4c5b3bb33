// SPDX-License-Identifier: GPL-2.0

//! A handler that no list names does not go unnoticed.

#![deny(dead_code)]

#[path = "../mock.rs"]
#[allow(dead_code)]
mod core;

mod handlers {
    use crate::core::Context;
    use mach_macros::trap;

    #[trap(0x1001)]
    fn forgotten(_ctx: &Context<'_>) -> i32 {
        //~^ 8 function `forgotten` is never used
        0
    }
}

fn main() {}
