// SPDX-License-Identifier: GPL-2.0

//! The number given to `#[trap]` is checked as far as it can be seen.

#[path = "../mock.rs"]
mod core;

mod handlers {
    use crate::core::Context;
    use mach_macros::trap;

    #[trap]
    //~^ 5 which trap is it? Write its number, e.g. #[trap(nr::TASK_SELF)]
    fn missing(_ctx: &Context<'_>) -> i32 {
        0
    }

    #[trap()]
    //~^ 5 which trap is it? Write its number, e.g. #[trap(nr::TASK_SELF)]
    fn empty(_ctx: &Context<'_>) -> i32 {
        0
    }

    #[trap("task_self_trap")]
    //~^ 12 a trap is known by its number, e.g. #[trap(nr::TASK_SELF)]
    fn string(_ctx: &Context<'_>) -> i32 {
        0
    }

    #[trap(0xfff)]
    //~^ 12 trap numbers go from 0x1000 to 0x1051
    fn below(_ctx: &Context<'_>) -> i32 {
        0
    }

    #[trap(0x1052)]
    //~^ 12 trap numbers go from 0x1000 to 0x1051
    fn above(_ctx: &Context<'_>) -> i32 {
        0
    }

    #[trap(-1)]
    //~^ 12 trap numbers go from 0x1000 to 0x1051
    fn negative(_ctx: &Context<'_>) -> i32 {
        0
    }

    #[trap(0xffff_ffff_ffff_ffff_ffff)]
    //~^ 12 trap numbers go from 0x1000 to 0x1051
    fn huge(_ctx: &Context<'_>) -> i32 {
        0
    }

    #[trap(0x1001i64)]
    //~^ 12 a trap's number is a `u32`
    fn suffix(_ctx: &Context<'_>) -> i32 {
        0
    }

    #[trap(0x1001, 0x1002)]
    //~^ 18 unexpected token
    fn several(_ctx: &Context<'_>) -> i32 {
        0
    }
}

fn main() {}
