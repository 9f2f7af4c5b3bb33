// SPDX-License-Identifier: GPL-2.0

//! The signature of a handler is checked, each mistake at its token.

#[path = "../mock.rs"]
mod core;

mod handlers {
    use crate::core::Context;
    use mach_macros::trap;

    struct Object;

    impl Object {
        #[trap(0x1001)]
        fn method(&self, _ctx: &Context<'_>) -> i32 {
            //~^ 20 the handler of a trap is a free function, not a method
            0
        }
    }

    #[trap(0x1001)]
    fn no_parameters() -> i32 {
        //~^ 21 the first parameter of a trap is its context: `ctx: &Context<'_>`
        0
    }

    #[trap(0x1001)]
    fn context_by_value(_ctx: Context<'_>) -> i32 {
        //~^ 31 the first parameter of a trap is its context: `ctx: &Context<'_>`
        0
    }

    #[trap(0x1001)]
    fn argument_first(_value: &i32, _ctx: &Context<'_>) -> i32 {
        //~^ 32 the first parameter of a trap is its context: `ctx: &Context<'_>`
        //~^^ 43 the argument is a copy, so it is passed by value
        0
    }

    #[trap(0x1001)]
    fn context_mutable(_ctx: &mut Context<'_>) -> i32 {
        //~^ 31 the context is shared: `&Context<'_>`
        0
    }

    #[trap(0x1001)]
    fn argument_by_reference(_ctx: &Context<'_>, _value: &i32) -> i32 {
        //~^ 58 the argument is a copy, so it is passed by value
        0
    }

    #[trap(0x1001)]
    fn argument_unnamed(_ctx: &Context<'_>, _value: impl Copy) -> i32 {
        //~^ 53 the type of the argument must be named: it says what is fetched
        0
    }

    #[trap(0x1001)]
    fn too_many(_ctx: &Context<'_>, _one: i32, _two: i32) -> i32 {
        //~^ 48 a trap has one argument: put all values into one structure
        0
    }

    #[trap(0x1001)]
    fn no_result(_ctx: &Context<'_>) {}
    //~^ 8 a trap must say what its caller gets: add a return type, e.g. `-> KernResult`

    #[trap(0x1001)]
    fn result_unnamed(_ctx: &Context<'_>) -> impl Copy {
        //~^ 46 the type returned must be named: it says what the caller gets
        0
    }

    #[trap(0x1001)]
    const fn constant(_ctx: &Context<'_>) -> i32 {
        //~^ 5 the handler of a trap cannot be `const`
        0
    }

    #[trap(0x1001)]
    async fn asynchronous(_ctx: &Context<'_>) -> i32 {
        //~^ 5 the handler of a trap cannot be `async`: it may sleep instead
        0
    }

    #[trap(0x1001)]
    unsafe fn not_safe(_ctx: &Context<'_>) -> i32 {
        //~^ 5 the handler of a trap cannot be `unsafe`: any task may call it
        0
    }

    #[trap(0x1001)]
    extern "C" fn foreign(_ctx: &Context<'_>) -> i32 {
        //~^ 5 the handler of a trap cannot be `extern`
        0
    }

    #[trap(0x1001)]
    fn generic<T>(_ctx: &Context<'_>, _value: T) -> i32 {
        //~^ 16 the handler of a trap cannot be generic
        0
    }

    #[trap(0x1001)]
    fn lifetime<'a>(_ctx: &'a Context<'a>) -> i32 {
        //~^ 17 the handler of a trap cannot be generic
        0
    }

    #[trap(0x1001)]
    fn clause(_ctx: &Context<'_>) -> i32
    where
        //~^ 5 the handler of a trap cannot have a `where` clause
        i32: Copy,
    {
        0
    }

    #[trap(0x1001)]
    #[mach_macros::trap(0x1002)]
    //~^ 5 a handler serves one trap: #[trap] stands here twice
    fn twice(_ctx: &Context<'_>) -> i32 {
        0
    }

    #[trap("two mistakes")]
    //~^ 12 a trap is known by its number, e.g. #[trap(nr::TASK_SELF)]
    fn both_halves(_ctx: &Context<'_>) {}
    //~^ 8 a trap must say what its caller gets: add a return type, e.g. `-> KernResult`
}

fn main() {}
