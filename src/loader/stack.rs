// SPDX-License-Identifier: GPL-2.0

//! What a program finds on its stack.
//!
//! From the stack pointer upwards, in words of 64 bits (ABI loader §6): address of the program's
//! header, number of arguments, arguments, 0, environment, 0, apple strings, 0. The strings
//! themselves lie above: those for the program from its kernel ("apple"), then arguments and
//! environment, where exec left them.

use crate::linux::new_image::{
    NewImage,
    UserRange, //
};
use kernel::{
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceWriter, //
    },
};

/// Bytes of a word on the stack.
const WORD: usize = size_of::<u64>();

/// The x86-64 ABI wants the stack to be a multiple of this. XNU keeps to it too.
const ALIGN: usize = 16;

/// A terminated string from the kernel to the program.
pub(super) struct Apple<'a>(pub(super) &'a [u8]);

/// A stack that is ready.
pub(super) struct Stack {
    /// The stack pointer to start with.
    pub(super) pointer: usize,
    /// The argument strings.
    pub(super) args: UserRange,
    /// The environment strings.
    pub(super) environment: UserRange,
}

/// Builds the stack of a program whose header is at `header`.
///
/// Fails with `EFAULT` when the stack has no room, which exec has made sure it has, or when
/// somebody changes the strings while they are being counted.
pub(super) fn build(
    image: &mut NewImage<'_>,
    header: usize,
    argc: usize,
    envc: usize,
    apple: &[Apple<'_>],
) -> Result<Stack> {
    let args_start = image.strings();
    let apple_len = apple
        .iter()
        .fold(0, |sum: usize, string| sum.saturating_add(string.0.len()));
    let apple_start = args_start.checked_sub(apple_len).ok_or(EFAULT)?;

    // Header, argc and three terminators.
    let words = [argc, envc, apple.len(), 5]
        .iter()
        .try_fold(0, |sum: usize, count| sum.checked_add(*count));
    let bytes = words
        .and_then(|words| words.checked_mul(WORD))
        .ok_or(EFAULT)?;
    let pointer = apple_start.checked_sub(bytes).ok_or(EFAULT)? & !(ALIGN - 1);

    let mut words = UserSlice::new(UserPtr::from_addr(pointer), bytes).writer();
    push(&mut words, header)?;
    push(&mut words, argc)?;
    let args = push_strings(image, &mut words, args_start, argc)?;
    let environment = push_strings(image, &mut words, args.end, envc)?;

    let mut strings = UserSlice::new(UserPtr::from_addr(apple_start), apple_len).writer();
    let mut address = apple_start;
    for string in apple {
        strings.write_slice(string.0)?;
        push(&mut words, address)?;
        address = address.saturating_add(string.0.len());
    }
    push(&mut words, 0)?;

    Ok(Stack {
        pointer,
        args,
        environment,
    })
}

/// Writes the addresses of `count` strings that lie one after the other from `start` on, and a 0.
/// Returns the range of the strings.
fn push_strings(
    image: &NewImage<'_>,
    words: &mut UserSliceWriter,
    start: usize,
    count: usize,
) -> Result<UserRange> {
    let mut end = start;
    for _ in 0..count {
        push(words, end)?;
        end = end.checked_add(image.string_len(end)?).ok_or(EFAULT)?;
    }
    push(words, 0)?;
    Ok(UserRange { start, end })
}

fn push(words: &mut UserSliceWriter, word: usize) -> Result {
    // CAST: `usize` has 64 bits.
    words.write(&(word as u64))
}
