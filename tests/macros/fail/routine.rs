// SPDX-License-Identifier: GPL-2.0

//! What is wrong with a routine is told where it is wrong.

#[path = "../mock_traps.rs"]
mod traps;

mod handlers {
    use crate::traps::ipc::{Call, RoutineResult, Task};
    use mach_macros::routine;

    #[routine]
    //~^ 5 which routine is it? Write the id of its request, e.g. #[routine(3409)]
    fn no_id(_call: &Call<'_>, _task: &Task) -> RoutineResult<i32> {
        Ok(0)
    }

    #[routine("3409")]
    //~^ 15 a routine is known by the id of its request, e.g. #[routine(3409)]
    fn text(_call: &Call<'_>, _task: &Task) -> RoutineResult<i32> {
        Ok(0)
    }

    #[routine(0)]
    //~^ 15 the id of a request is positive and fits 31 bits
    fn zero(_call: &Call<'_>, _task: &Task) -> RoutineResult<i32> {
        Ok(0)
    }

    #[routine(-1)]
    //~^ 15 the id of a request is positive and fits 31 bits
    fn negative(_call: &Call<'_>, _task: &Task) -> RoutineResult<i32> {
        Ok(0)
    }

    #[routine(3409u32)]
    //~^ 15 the id of a request is an `i32`
    fn unsigned(_call: &Call<'_>, _task: &Task) -> RoutineResult<i32> {
        Ok(0)
    }

    #[routine(3409)]
    struct Structure;
    //~^ 5 #[routine] belongs on a free function, the handler of the routine

    #[routine(3409)]
    fn nothing() -> RoutineResult<i32> {
        //~^ 15 the first parameter of a routine is the call: `call: &Call<'_>`
        Ok(0)
    }

    #[routine(3409)]
    fn no_object(_call: &Call<'_>) -> RoutineResult<i32> {
        //~^ 17 the second parameter of a routine is the object that is asked
        Ok(0)
    }

    #[routine(3409)]
    fn object_by_value(_call: &Call<'_>, _task: Task) -> RoutineResult<i32> {
        //~^ 49 the second parameter of a routine is the object that is asked
        Ok(0)
    }

    #[routine(3409)]
    fn exclusive(_call: &mut Call<'_>, _task: &mut Task) -> RoutineResult<i32> {
        //~^ 26 the call is shared: `&Call<'_>`
        //~^^ 48 the object is shared: take it by `&`
        Ok(0)
    }

    #[routine(3409)]
    fn no_result(_call: &Call<'_>, _task: &Task) {}
    //~^ 8 a routine must say what its reply holds: add a return type

    #[routine(3409)]
    fn by_reference(_call: &Call<'_>, _task: &Task, _value: &i32) -> RoutineResult<i32> {
        //~^ 61 what the message holds is passed by value
        Ok(0)
    }

    #[routine(3409)]
    fn parameter(_call: &Call<'_>, _task: &Task, _value: Text) -> RoutineResult<i32> {
        //~^ 58 the trait bound `Text: Param` is not satisfied
        Ok(0)
    }

    #[routine(3409)]
    fn result(_call: &Call<'_>, _task: &Task) -> Text {
        //~^ 50 the trait bound `Text: RoutineReturn` is not satisfied
        Text
    }

    #[routine(3409)]
    fn object(_call: &Call<'_>, _text: &Text) -> RoutineResult<i32> {
        //~^ 41 the trait bound `Text: Object` is not satisfied
        Ok(0)
    }

    #[routine(3409)]
    #[mach_macros::routine(3410)]
    //~^ 5 a handler serves one routine: #[routine] stands here twice
    fn twice(_call: &Call<'_>, _task: &Task) -> RoutineResult<i32> {
        Ok(0)
    }

    pub(super) struct Text;
}

const REPEATED: &[traps::ipc::RoutineDescriptor] = mach_macros::routines![
    handlers::zero,
    handlers::zero,
    //~^ 5 this routine is in the list already
];

fn main() {}
