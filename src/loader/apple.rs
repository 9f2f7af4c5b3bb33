// SPDX-License-Identifier: GPL-2.0

//! The strings that a program gets from its kernel, after its environment.
//!
//! The first is what a program calls itself, the second where its kernel is; the rest is what
//! modern dynamic linkers and libraries look for, and do without when it is missing. Names and
//! forms are those of XNU bsd/kern/kern_exec.c (`exec_add_apple_strings`), `kernfd=` apart (ABI
//! loader §6).

use crate::{
    core::Vchroot,
    linux::{
        exec_file::{
            self,
            Identity, //
        },
        path::Path,
        random::random, //
    },
};
use kernel::{
    fs::File,
    prelude::*, //
};

/// Room for the usual strings.
const CAPACITY: usize = 512;

/// The most strings that there are.
const COUNT: usize = 16;

/// Strings, each with its terminator.
pub(super) struct AppleStrings {
    bytes: KVec<u8>,
    /// Where each of them ends.
    ends: [usize; COUNT],
    count: usize,
}

/// The main thread's stack, for a thread library to describe it by.
pub(super) struct MainStack {
    /// The end of it.
    pub(super) top: u64,
    /// The bytes that it may have.
    pub(super) size: u64,
}

impl AppleStrings {
    /// Starts with `executable_path=` and the absolute path of a file, as it is inside of
    /// `vchroot`, if there is one.
    ///
    /// Not the path that was given to execve: a relative one would mean something else once the
    /// program has changed its directory.
    pub(super) fn new(program: &File, vchroot: Option<&Vchroot>) -> Result<Self> {
        let path = Path::of_file(program);
        let name = match vchroot {
            Some(vchroot) => vchroot.inner_name(&path)?,
            None => path.name()?,
        };
        let mut bytes = KVec::with_capacity(CAPACITY, GFP_KERNEL_ACCOUNT)?;
        bytes.extend_from_slice(b"executable_path=", GFP_KERNEL_ACCOUNT)?;
        bytes.extend_from_slice(&name, GFP_KERNEL_ACCOUNT)?;
        let mut strings = Self {
            bytes,
            ends: [0; COUNT],
            count: 0,
        };
        strings.end()?;
        Ok(strings)
    }

    /// Adds `name` and `numbers` in hexadecimal, with commas between them.
    fn add(&mut self, name: &[u8], numbers: &[u64]) -> Result {
        self.bytes.extend_from_slice(name, GFP_KERNEL_ACCOUNT)?;
        for (position, number) in numbers.iter().enumerate() {
            let prefix: &[u8] = if position == 0 { b"0x" } else { b",0x" };
            self.bytes.extend_from_slice(prefix, GFP_KERNEL_ACCOUNT)?;
            self.push_digits::<16>(*number)?;
        }
        self.end()
    }

    /// Adds the digits of `number`. Formatting it would take ten times as long, and a program has
    /// a dozen of these.
    fn push_digits<const BASE: u64>(&mut self, number: u64) -> Result {
        let mut digits = [0; 20];
        let mut left = number;
        let mut start = digits.len();
        for place in digits.iter_mut().rev() {
            // CAST: A digit; the compiler sees that it has one in the list.
            *place = b"0123456789abcdef"[(left % BASE) as usize % 16];
            start = start.saturating_sub(1);
            left /= BASE;
            if left == 0 {
                break;
            }
        }
        let digits = digits.get(start..).unwrap_or_default();
        Ok(self.bytes.extend_from_slice(digits, GFP_KERNEL_ACCOUNT)?)
    }

    /// Ends a string.
    fn end(&mut self) -> Result {
        self.bytes.push(0, GFP_KERNEL_ACCOUNT)?;
        *self.ends.get_mut(self.count).ok_or(E2BIG)? = self.bytes.len();
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// The descriptor that leads to the kernel.
    pub(super) fn add_kernel_descriptor(&mut self, fd: u32) -> Result {
        self.bytes
            .extend_from_slice(b"kernfd=", GFP_KERNEL_ACCOUNT)?;
        self.push_digits::<10>(fd.into())?;
        self.end()
    }

    /// A number for a library to find.
    pub(super) fn add_number(&mut self, key: &str, number: u32) -> Result {
        self.bytes
            .extend_from_slice(key.as_bytes(), GFP_KERNEL_ACCOUNT)?;
        self.add(b"=", &[number.into()])
    }

    /// Numbers that nobody can guess, one set for each use: the stack protector's, of which the
    /// second byte ends an overflowing string; the allocator's; that by which pointers in jump
    /// buffers are hidden.
    pub(super) fn add_entropy(&mut self) -> Result {
        self.add(b"stack_guard=", &[random() & !0xff00])?;
        self.add(b"malloc_entropy=", &[random(), random()])?;
        self.add(b"ptr_munge=", &[random()])
    }

    /// End and size of the main thread's stack, then start and size of the memory that it is in.
    pub(super) fn add_main_stack(&mut self, stack: &MainStack) -> Result {
        let &MainStack { top, size } = stack;
        let start = top.saturating_sub(size);
        self.add(b"main_stack=", &[top, size, start, size])
    }

    /// Which files were loaded.
    pub(super) fn add_files(&mut self, program: &File, dylinker: Option<&File>) -> Result {
        self.add_file(b"executable_file=", program)?;
        match dylinker {
            Some(dylinker) => self.add_file(b"dyld_file=", dylinker),
            None => Ok(()),
        }
    }

    fn add_file(&mut self, name: &[u8], file: &File) -> Result {
        let Identity { device, inode } = exec_file::identity(file);
        self.add(name, &[device, inode])
    }

    /// How many strings there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Where each string starts among the [`bytes`](Self::bytes).
    pub(super) fn starts(&self) -> impl Iterator<Item = usize> + '_ {
        let ends = self.ends.iter().copied();
        Iterator::chain(core::iter::once(0), ends).take(self.count)
    }

    /// All strings, one after the other.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
