// SPDX-License-Identifier: GPL-2.0

//! How much there is to read in a file, and how much can be written to it.
//!
//! Serves kqueues, which report it. What a program asks by `FIONREAD` each kind of file answers to
//! an address of the program's; a module has to look where the number comes from: pipes and sockets
//! have exported functions and public structures. Terminals have not.
//!
//! Locks: those of pipes (mutex) and sockets, inside; may sleep.
//!
//! C headers: [`include/linux/pipe_fs_i.h`](srctree/include/linux/pipe_fs_i.h),
//! [`include/net/sock.h`](srctree/include/net/sock.h)

use super::{
    bindings as shim,
    usercopy, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    fs::File,
    page::PAGE_SIZE,
    prelude::*, //
};

/// What kind of file it is, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A file on a disk or a directory, which can always be read and written.
    Stored,
    /// A pipe or FIFO.
    Pipe,
    Socket,
    /// A character device, as terminals are.
    Device,
    /// Anything else.
    Other,
}

impl FileKind {
    /// The kind of `file`.
    pub(crate) fn of(file: &File) -> Self {
        // SAFETY: The file is valid.
        match u32::from(unsafe { shim::mach_shim_file_mode(file.as_ptr()) }) & bindings::S_IFMT {
            bindings::S_IFREG | bindings::S_IFDIR | bindings::S_IFBLK => Self::Stored,
            bindings::S_IFIFO => Self::Pipe,
            bindings::S_IFSOCK => Self::Socket,
            bindings::S_IFCHR => Self::Device,
            _ => Self::Other,
        }
    }
}

/// The number of bytes that can be read from `file`; for a socket that listens, that of connections
/// that can be accepted; 0 if it cannot be told. For stored files it is what lies behind the file's
/// position, and negative if that is behind the end.
pub(crate) fn readable(file: &File, kind: FileKind) -> i64 {
    match kind {
        FileKind::Stored => stored_bytes(file),
        FileKind::Pipe => with_pipe(file, |pipe| {
            // SAFETY: The pipe is locked, so what is in it stays.
            unsafe {
                let first = shim::mach_shim_pipe_tail(pipe);
                (0..shim::mach_shim_pipe_buffers(pipe))
                    .map(|at| {
                        let slot = first.wrapping_add(at);
                        i64::from(shim::mach_shim_pipe_buffer_len(pipe, slot))
                    })
                    .sum()
            }
        }),
        FileKind::Socket => socket_of(file).map_or(0, |socket| {
            let mut bytes: c_int = 0;
            // SAFETY: The file keeps the socket, and `bytes` is valid for the call.
            let result = unsafe { shim::mach_shim_sock_readable(socket.as_ptr(), &raw mut bytes) };
            if result == 0 {
                bytes.into()
            } else {
                0
            }
        }),
        FileKind::Device | FileKind::Other => 0,
    }
}

/// What [`readable`] cannot tell of terminals: they are asked as a program asks them, which leaves
/// the answer at `address` in the current process; 0 if there is none.
pub(crate) fn ask_readable(file: &File, address: u64) -> i64 {
    const FIONREAD: c_uint = 0x541b;

    let Ok(address) = usize::try_from(address) else {
        return 0;
    };
    let mut answer = [0; size_of::<c_int>()];
    // SAFETY: The file is valid, and so are its operations. The process could ask the same.
    let result = unsafe {
        match (*(*file.as_ptr()).f_op).unlocked_ioctl {
            Some(ioctl) => ioctl(file.as_ptr(), FIONREAD, address),
            None => -1,
        }
    };
    match usercopy::read_value(&mut answer, address) {
        Ok(()) if result == 0 => c_int::from_ne_bytes(answer).into(),
        _ => 0,
    }
}

/// The number of bytes that can be written to `file` without waiting; 0 if it cannot be told.
pub(crate) fn writable(file: &File, kind: FileKind) -> i64 {
    match kind {
        FileKind::Pipe => with_pipe(file, |pipe| {
            // SAFETY: The pipe is locked.
            let (used, most) = unsafe {
                (
                    shim::mach_shim_pipe_buffers(pipe),
                    shim::mach_shim_pipe_max_buffers(pipe),
                )
            };
            // CAST: A page is small.
            i64::from(most.saturating_sub(used)).saturating_mul(PAGE_SIZE as i64)
        }),
        FileKind::Socket => socket_of(file).map_or(0, |socket| {
            // SAFETY: The file keeps the socket.
            unsafe { shim::mach_shim_sock_writable(socket.as_ptr()) }
        }),
        FileKind::Stored | FileKind::Device | FileKind::Other => 0,
    }
}

/// The error that is pending at a socket, as a positive errno of Linux; 0 if there is none.
pub(crate) fn pending_error(file: &File, kind: FileKind) -> i32 {
    match kind {
        FileKind::Socket => socket_of(file).map_or(0, |socket| {
            // SAFETY: The file keeps the socket.
            unsafe { shim::mach_shim_sock_error(socket.as_ptr()) }
        }),
        _ => 0,
    }
}

fn stored_bytes(file: &File) -> i64 {
    // SAFETY: The file is valid. Its position changes at any time, and is one machine word.
    unsafe {
        let position = (&raw const (*file.as_ptr()).f_pos).read_volatile();
        shim::mach_shim_file_size(file.as_ptr()).wrapping_sub(position)
    }
}

/// The number that `with` finds in the pipe, which is locked meanwhile; 0 if `file` is no pipe.
fn with_pipe(file: &File, with: impl FnOnce(*mut bindings::pipe_inode_info) -> i64) -> i64 {
    // What the caller takes it for is no proof.
    if FileKind::of(file) != FileKind::Pipe {
        return 0;
    }
    // SAFETY: An open file of a pipe keeps it, and has its address as private data, as
    // `pipefifo_fops` alone serves inodes of this kind.
    unsafe {
        let pipe = (*file.as_ptr())
            .private_data
            .cast::<bindings::pipe_inode_info>();
        if pipe.is_null() {
            return 0;
        }
        shim::pipe_lock(pipe);
        let found = with(pipe);
        shim::pipe_unlock(pipe);
        found
    }
}

/// The protocol's part of a socket.
fn socket_of(file: &File) -> Option<NonNull<bindings::sock>> {
    // SAFETY: The file is valid, and keeps its socket.
    unsafe {
        let socket = bindings::sock_from_file(file.as_ptr());
        if ptr::eq(socket, ptr::null()) {
            return None;
        }
        NonNull::new((*socket).sk)
    }
}
