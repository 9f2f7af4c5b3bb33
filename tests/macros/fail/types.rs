// SPDX-License-Identifier: GPL-2.0

//! Types without the needed trait are reported where the handler names them.

#[path = "../mock.rs"]
mod core;

mod handlers {
    use crate::core::Context;
    use mach_macros::trap;

    pub(super) struct Text;

    #[trap(0x1001)]
    fn argument(_ctx: &Context<'_>, _value: Text) -> i32 {
        //~^ 45 the trait bound `Text: TrapArg` is not satisfied
        0
    }

    #[trap(0x1001)]
    fn result(_ctx: &Context<'_>) -> Text {
        //~^ 38 the trait bound `Text: TrapReturn` is not satisfied
        Text
    }

    #[trap(0x1001)]
    fn result_of_path(_ctx: &Context<'_>, _value: i32) -> Option<Text> {
        //~^ 59 the trait bound `Option<Text>: TrapReturn` is not satisfied
        None
    }

    const SIGNED: i32 = 0x1001;

    #[trap(SIGNED)]
    //~^ 12 mismatched types
    fn number(_ctx: &Context<'_>) -> i32 {
        0
    }

    mod other {
        pub(super) struct Context;
    }

    #[trap(0x1001)]
    fn context(_ctx: &other::Context) -> i32 {
        //~^ 22 mismatched types
        0
    }
}

fn main() {}
