// SPDX-License-Identifier: GPL-2.0

//! Behaviour of `#[routine]` and `routines![]` where they are used rightly.

#![deny(warnings, missing_docs, unreachable_pub)]

#[path = "mock_traps.rs"]
#[allow(missing_docs, unreachable_pub)]
mod traps;

use crate::traps::ipc::{
    Call,
    Reply,
    Request,
    RoutineDescriptor,
    RoutineResult,
    Task, //
};
use mach_macros::{
    routine,
    routines, //
};

mod id {
    pub(super) const INFO: i32 = 3405;
}

#[routine(id::INFO)]
pub(crate) fn info(call: &Call<'_>, task: &Task, first: i32, second: i32) -> RoutineResult<i32> {
    Ok(task.0 * 100 + first * 10 + second + call.name.len() as i32)
}

mod inner {
    use crate::traps::ipc::{
        Call,
        RoutineResult,
        Task, //
    };
    use mach_macros::routine;

    /// The handler is private, the list is in the parent. Names as the emitted code might use.
    #[routine(617_000)]
    fn call(request: &Call<'_>, object: &Task) -> RoutineResult<i32> {
        let _ = request.name;
        Ok(object.0)
    }

    #[routine(1)]
    fn r#loop(_call: &Call<'_>, _task: &Task, value_0: i32) -> RoutineResult<i32> {
        Err(value_0)
    }

    #[routine(2)]
    #[cfg(any())]
    fn absent(_call: &Call<'_>, task: &Missing) -> Missing {
        task
    }
}

const ROUTINES: &[RoutineDescriptor] = routines![info, inner::call, inner::r#loop,];
const NONE: &[RoutineDescriptor] = routines![];

fn run(index: usize, task: Option<i32>, words: &[i32]) -> RoutineResult<Reply> {
    let call = Call {
        name: "name",
        task: task.map(Task),
    };
    (ROUTINES[index].run)(&call, &mut Request(words))
}

#[test]
fn descriptors_have_the_given_ids_and_the_names_of_the_functions() {
    let ids: Vec<i32> = ROUTINES.iter().map(|routine| routine.id).collect();
    assert_eq!(ids, [3405, 617_000, 1]);
    let names: Vec<&str> = ROUTINES.iter().map(|routine| routine.name).collect();
    assert_eq!(names, ["info", "call", "loop"]);
    assert!(NONE.is_empty());
}

#[test]
fn thunk_passes_call_object_and_parameters_in_order() {
    assert_eq!(run(0, Some(7), &[1, 2]), Ok(Reply(716)));
    assert_eq!(run(1, Some(7), &[]), Ok(Reply(7)));
}

#[test]
fn refusal_is_passed_on() {
    assert_eq!(run(2, Some(7), &[46]), Err(46));
}

#[test]
fn request_that_does_not_fit_is_refused_before_the_object_is_looked_at() {
    assert_eq!(run(0, None, &[1]), Err(-304));
    assert_eq!(run(0, None, &[1, 2, 3]), Err(-304));
    assert_eq!(run(1, None, &[1]), Err(-304));
}

#[test]
fn object_of_another_kind_is_refused() {
    assert_eq!(run(0, None, &[1, 2]), Err(4));
}
