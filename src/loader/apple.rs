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
    fmt,
    fs::File,
    prelude::*,
    str::CString, //
};

/// Strings, each with its terminator.
pub(super) struct AppleStrings {
    bytes: KVec<u8>,
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
        let mut bytes = KVec::new();
        bytes.extend_from_slice(b"executable_path=", GFP_KERNEL_ACCOUNT)?;
        bytes.extend_from_slice(&name, GFP_KERNEL_ACCOUNT)?;
        bytes.push(0, GFP_KERNEL_ACCOUNT)?;
        Ok(Self { bytes, count: 1 })
    }

    fn add(&mut self, string: fmt::Arguments<'_>) -> Result {
        let string = CString::try_from_fmt(string)?;
        self.bytes
            .extend_from_slice(string.to_bytes_with_nul(), GFP_KERNEL_ACCOUNT)?;
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// The descriptor that leads to the kernel.
    pub(super) fn add_kernel_descriptor(&mut self, fd: u32) -> Result {
        self.add(fmt!("kernfd={fd}"))
    }

    /// A number for a library to find.
    pub(super) fn add_number(&mut self, key: &str, number: u32) -> Result {
        self.add(fmt!("{key}={number:#x}"))
    }

    /// Numbers that nobody can guess, one set for each use: the stack protector's, of which the
    /// second byte ends an overflowing string; the allocator's; that by which pointers in jump
    /// buffers are hidden.
    pub(super) fn add_entropy(&mut self) -> Result {
        self.add(fmt!("stack_guard={:#x}", random() & !0xff00))?;
        self.add(fmt!("malloc_entropy={:#x},{:#x}", random(), random()))?;
        self.add(fmt!("ptr_munge={:#x}", random()))
    }

    /// End and size of the main thread's stack, then start and size of the memory that it is in.
    pub(super) fn add_main_stack(&mut self, stack: &MainStack) -> Result {
        let &MainStack { top, size } = stack;
        let start = top.saturating_sub(size);
        self.add(fmt!("main_stack={top:#x},{size:#x},{start:#x},{size:#x}"))
    }

    /// Which files were loaded.
    pub(super) fn add_files(&mut self, program: &File, dylinker: Option<&File>) -> Result {
        let Identity { device, inode } = exec_file::identity(program);
        self.add(fmt!("executable_file={device:#x},{inode:#x}"))?;
        if let Some(dylinker) = dylinker {
            let Identity { device, inode } = exec_file::identity(dylinker);
            self.add(fmt!("dyld_file={device:#x},{inode:#x}"))?;
        }
        Ok(())
    }

    /// How many strings there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// All strings, one after the other.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
