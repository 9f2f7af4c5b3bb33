// SPDX-License-Identifier: GPL-2.0

//! A walk over load commands.

use super::{
    format::{
        view,
        LoadCommand, //
    },
    Reject, //
};

/// One load command: its number and all of its bytes.
#[derive(Clone, Copy)]
pub(super) struct Command<'a> {
    /// Which command, `LC_*`.
    pub(super) cmd: u32,
    bytes: &'a [u8],
}

impl<'a> Command<'a> {
    /// The command as a structure that starts with [`LoadCommand`].
    pub(super) fn view<T>(&self) -> Result<&'a T, Reject>
    where
        T: zerocopy::FromBytes + zerocopy::KnownLayout + zerocopy::Immutable + zerocopy::Unaligned,
    {
        view(self.bytes).ok_or(Reject::CommandTooShort)
    }

    /// The bytes from `offset`, counted from the start of the command, to its end.
    pub(super) fn tail(&self, offset: usize) -> Option<&'a [u8]> {
        self.bytes.get(offset..)
    }
}

/// Iterates over load commands.
///
/// Each item moves on by at least the size of [`LoadCommand`], so the walk ends. After an error
/// it yields nothing more.
pub(super) struct Commands<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Commands<'a> {
    /// Starts a walk over the `count` commands that `bytes` are said to be.
    pub(super) fn new(bytes: &'a [u8], count: u32) -> Self {
        Self {
            rest: bytes,
            left: count,
        }
    }

    fn step(&mut self) -> Result<Command<'a>, Reject> {
        let command: &LoadCommand = view(self.rest).ok_or(Reject::TooFewCommands)?;
        let cmdsize = command.cmdsize.get();
        // XNU takes any size; so does 32-bit dyld, but for multiples of four.
        if cmdsize % 4 != 0 {
            return Err(Reject::CommandMisaligned);
        }
        let len = cmdsize as usize;
        if len < size_of::<LoadCommand>() {
            return Err(Reject::CommandTooShort);
        }
        let (bytes, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(Reject::CommandOverrun)?;
        self.rest = rest;
        Ok(Command {
            cmd: command.cmd.get(),
            bytes,
        })
    }
}

impl<'a> Iterator for Commands<'a> {
    type Item = Result<Command<'a>, Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let item = self.step();
        if item.is_err() {
            self.left = 0;
            self.rest = &[];
        }
        Some(item)
    }
}
