// SPDX-License-Identifier: GPL-2.0

//! What a program finds on its stack.
//!
//! From the stack pointer upwards, in words of the program's width (ABI loader §6): address of the program's
//! header, number of arguments, arguments, 0, environment, 0, apple strings, 0. The strings
//! themselves lie above: those for the program from its kernel ("apple"), then arguments and
//! environment, where exec left them.

use super::apple::AppleStrings;
use crate::linux::new_image::{
    NewImage,
    UserRange,
    Width, //
};
use kernel::{
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceWriter, //
    },
};

/// The x86-64 ABI wants the stack to be a multiple of this. XNU keeps to it too.
const ALIGN: usize = 16;

/// A stack that is ready.
pub(super) struct Stack {
    /// The stack pointer to start with.
    pub(super) pointer: usize,
    /// The argument strings.
    pub(super) args: UserRange,
    /// The environment strings.
    pub(super) environment: UserRange,
}

/// Builds the stack of a program whose header is at `header`. `count` are the numbers of arguments
/// and of environment strings, of which one that starts with `hidden` is left out.
///
/// Fails with `EFAULT` when the stack has no room, which exec has made sure it has, or when
/// somebody changes the strings while they are being counted.
pub(super) fn build(
    image: &mut NewImage<'_>,
    width: Width,
    header: usize,
    (argc, envc): (usize, usize),
    hidden: &[u8],
    apple: &AppleStrings,
) -> Result<Stack> {
    let args_start = image.strings();
    let apple_len = apple.bytes().len();
    let apple_start = args_start.checked_sub(apple_len).ok_or(EFAULT)?;

    // Header, argc and three terminators.
    let words = [argc, envc, apple.count(), 5]
        .iter()
        .try_fold(0, |sum: usize, count| sum.checked_add(*count));
    let bytes = words
        .and_then(|words| words.checked_mul(word_len(width)))
        .ok_or(EFAULT)?;
    let pointer = apple_start.checked_sub(bytes).ok_or(EFAULT)? & !(ALIGN - 1);

    let mut words = Words {
        writer: UserSlice::new(UserPtr::from_addr(pointer), bytes).writer(),
        width,
    };
    words.push(header)?;
    words.push(argc)?;
    let args = words.push_strings(image, args_start, argc, None)?;
    let environment = words.push_strings(image, args.end, envc, Some(hidden))?;

    UserSlice::new(UserPtr::from_addr(apple_start), apple_len)
        .writer()
        .write_slice(apple.bytes())?;
    for start in apple.starts() {
        words.push(apple_start.saturating_add(start))?;
    }
    words.push(0)?;

    Ok(Stack {
        pointer,
        args,
        environment,
    })
}

/// Bytes of a word on the stack.
fn word_len(width: Width) -> usize {
    match width {
        Width::Bits32 => size_of::<u32>(),
        Width::Bits64 => size_of::<u64>(),
    }
}

/// Writes words of the program's width, one after the other.
struct Words {
    writer: UserSliceWriter,
    width: Width,
}

impl Words {
    /// Writes a word, `EFAULT` if it does not fit the width.
    fn push(&mut self, word: usize) -> Result {
        match self.width {
            Width::Bits32 => self.writer.write(&u32::try_from(word).map_err(|_| EFAULT)?),
            // CAST: `usize` has 64 bits.
            Width::Bits64 => self.writer.write(&(word as u64)),
        }
    }

    /// Writes the addresses of `count` strings that lie one after the other from `start` on, and
    /// a 0. Returns the range of the strings.
    ///
    /// Leaves the first one out that starts with `hidden`, if that is given.
    fn push_strings(
        &mut self,
        image: &NewImage<'_>,
        start: usize,
        count: usize,
        mut hidden: Option<&[u8]>,
    ) -> Result<UserRange> {
        let mut end = start;
        for _ in 0..count {
            if hidden.is_some_and(|hidden| starts_with(end, hidden)) {
                hidden = None;
            } else {
                self.push(end)?;
            }
            end = end.checked_add(image.string_len(end)?).ok_or(EFAULT)?;
        }
        self.push(0)?;
        Ok(UserRange { start, end })
    }
}

/// Whether the string at a user address starts with `prefix`.
fn starts_with(address: usize, prefix: &[u8]) -> bool {
    let mut start = [0; 16];
    let Some(start) = start.get_mut(..prefix.len()) else {
        return false;
    };
    UserSlice::new(UserPtr::from_addr(address), prefix.len())
        .reader()
        .read_slice(start)
        .is_ok_and(|()| start == prefix)
}
