// SPDX-License-Identifier: GPL-2.0

//! Behaviour of `#[trap]` and `traps![]` where they are used rightly.

#![deny(warnings, missing_docs, unreachable_pub)]

#[path = "mock.rs"]
#[allow(missing_docs, unreachable_pub)]
mod core;

use crate::core::{
    Context,
    Outcome,
    TrapDescriptor, //
};
use mach_macros::{
    trap,
    traps, //
};

mod nr {
    pub(super) const TASK_SELF: u32 = 0x1003;
}

#[trap(nr::TASK_SELF)]
pub(crate) fn task_self(ctx: &Context<'_>) -> i32 {
    ctx.name.len() as i32
}

mod inner {
    use crate::core::Context;
    use mach_macros::trap;

    /// The handler is private, the list is in the parent.
    #[trap(0x1051)]
    fn twice(_ctx: &Context<'_>, value: i32) -> i32 {
        2 * value
    }

    #[trap(0x1000u32)]
    pub(crate) fn r#loop(_ctx: &crate::core::Context<'_>, _value: i32) -> i32 {
        -1
    }

    #[trap(0x1001)]
    #[cfg(any())]
    fn absent(_ctx: &Context<'_>, value: Missing) -> Missing {
        value
    }
}

/// Handlers named as the emitted code might name its own variables.
mod names {
    use crate::core::Context;
    use mach_macros::trap;

    #[trap(0x1002)]
    fn ctx(_ctx: &Context<'_>) -> i32 {
        2
    }

    #[trap(0x1003)]
    fn raw(_ctx: &Context<'_>, raw: i32) -> i32 {
        raw
    }

    #[trap(0x1004)]
    fn fetched(_ctx: &Context<'_>, thunk: i32) -> i32 {
        thunk
    }

    #[trap(0x1005)]
    fn thunk(ctx: &Context<'_>, fetched: i32) -> i32 {
        fetched + ctx.name.len() as i32
    }
}

const TRAPS: &[TrapDescriptor] = traps![task_self, inner::twice, inner::r#loop,];
const NONE: &[TrapDescriptor] = traps![];
const COUNTED: &[TrapDescriptor; 1] = traps![inner::twice];

#[test]
fn descriptors_have_the_given_numbers_in_the_given_order() {
    let numbers: Vec<u32> = TRAPS.iter().map(|trap| trap.number).collect();
    assert_eq!(numbers, [0x1003, 0x1051, 0x1000]);
    assert!(NONE.is_empty());
    assert_eq!(COUNTED[0].number, 0x1051);
}

#[test]
fn thunk_passes_context_and_argument() {
    let context = Context { name: "four" };
    assert_eq!((TRAPS[0].thunk)(&context, usize::MAX), Outcome(4));
    assert_eq!((TRAPS[1].thunk)(&context, 21), Outcome(42));
    assert_eq!((TRAPS[2].thunk)(&context, 21), Outcome(-1));
}

#[test]
fn handlers_may_have_any_name() {
    let traps = traps![names::ctx, names::raw, names::fetched, names::thunk];
    let context = Context { name: "1" };
    let outcomes = traps.map(|trap| (trap.thunk)(&context, 7).0);
    assert_eq!(outcomes, [2, 7, 7, 8]);
}

#[test]
fn failing_fetch_gives_fault_and_does_not_call_the_handler() {
    let context = Context { name: "" };
    assert_eq!((TRAPS[1].thunk)(&context, 4096), Outcome::fault());
}

#[test]
fn handler_stays_an_ordinary_function() {
    assert_eq!(task_self(&Context { name: "abc" }), 3);
    assert_eq!(inner::r#loop(&Context { name: "" }, 0), -1);
}
