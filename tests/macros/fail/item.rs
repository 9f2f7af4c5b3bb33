// SPDX-License-Identifier: GPL-2.0

//! `#[trap]` belongs on functions only.

#[path = "../mock.rs"]
mod core;

mod handlers {
    use mach_macros::trap;

    #[trap(0x1001)]
    #[allow(dead_code)]
    struct Structure;
    //~^ 5 #[trap] belongs on a free function, the handler of the trap

    #[trap(0x1001)]
    const NUMBER: u32 = 0x1001;
    //~^ 5 #[trap] belongs on a free function, the handler of the trap

    trait Trait {
        #[trap(0x1001)]
        fn required(ctx: &crate::core::Context<'_>) -> i32;
        //~^ 9 #[trap] belongs on a free function, the handler of the trap
    }
}

fn main() {}
