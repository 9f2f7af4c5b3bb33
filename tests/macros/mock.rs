// SPDX-License-Identifier: GPL-2.0

//! Stands in for the module's `crate::core`: just enough for the code the macros emit.

/// What the caller of a trap gets.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome(pub i64);

impl Outcome {
    pub fn fault() -> Self {
        Self(-14)
    }
}

pub struct Context<'a> {
    pub name: &'a str,
}

#[derive(Clone, Copy)]
pub struct TrapDescriptor {
    pub number: u32,
    pub thunk: fn(&Context<'_>, usize) -> Outcome,
}

impl TrapDescriptor {
    pub const fn new(number: u32, thunk: fn(&Context<'_>, usize) -> Outcome) -> Self {
        Self { number, thunk }
    }
}

pub struct Fault;

pub trait TrapArg: Sized {
    fn fetch(argument: usize) -> Result<Self, Fault>;
}

/// Arguments of 4096 and more are "not mapped".
impl TrapArg for i32 {
    fn fetch(argument: usize) -> Result<Self, Fault> {
        if argument < 4096 {
            Ok(argument as i32)
        } else {
            Err(Fault)
        }
    }
}

pub trait TrapReturn {
    fn into_outcome(self) -> Outcome;
}

impl TrapReturn for i32 {
    fn into_outcome(self) -> Outcome {
        Outcome(self.into())
    }
}
