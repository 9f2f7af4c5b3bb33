// SPDX-License-Identifier: GPL-2.0

//! Stands in for the module's `crate::traps`: just enough for the code that `#[routine]` emits.

pub mod ipc {
    /// Who asks, and what.
    pub struct Call<'a> {
        pub name: &'a str,
        pub task: Option<Task>,
    }

    pub struct Task(pub i32);

    pub type RoutineResult<T = ()> = Result<T, i32>;

    pub trait Object: Sized {
        fn find<'a>(call: &'a Call<'_>) -> Option<&'a Self>;
    }

    impl Object for Task {
        fn find<'a>(call: &'a Call<'_>) -> Option<&'a Self> {
            call.task.as_ref()
        }
    }

    impl Call<'_> {
        pub fn target<T: Object>(&self) -> RoutineResult<&T> {
            T::find(self).ok_or(4)
        }
    }

    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub enum Shape {
        Inline,
    }

    /// A request of a few numbers.
    pub struct Request<'a>(pub &'a [i32]);

    impl Request<'_> {
        pub fn begin(&mut self, shapes: &[Shape]) -> RoutineResult {
            if shapes.len() == self.0.len() {
                Ok(())
            } else {
                Err(-304)
            }
        }

        pub fn end(&self) -> RoutineResult {
            if self.0.is_empty() {
                Ok(())
            } else {
                Err(-304)
            }
        }
    }

    pub trait Param: Sized {
        const SHAPE: Shape;
        fn take(request: &mut Request<'_>) -> RoutineResult<Self>;
    }

    impl Param for i32 {
        const SHAPE: Shape = Shape::Inline;

        fn take(request: &mut Request<'_>) -> RoutineResult<Self> {
            let (first, rest) = request.0.split_first().ok_or(-304)?;
            request.0 = rest;
            Ok(*first)
        }
    }

    #[derive(Debug, PartialEq, Eq)]
    pub struct Reply(pub i32);

    pub trait RoutineReturn {
        fn into_reply(self) -> RoutineResult<Reply>;
    }

    impl RoutineReturn for RoutineResult<i32> {
        fn into_reply(self) -> RoutineResult<Reply> {
            self.map(Reply)
        }
    }

    pub type Run = fn(&Call<'_>, &mut Request<'_>) -> RoutineResult<Reply>;

    #[derive(Clone, Copy)]
    pub struct RoutineDescriptor {
        pub id: i32,
        pub name: &'static str,
        pub run: Run,
    }

    impl RoutineDescriptor {
        pub const fn new(id: i32, name: &'static str, run: Run) -> Self {
            Self { id, name, run }
        }
    }
}
