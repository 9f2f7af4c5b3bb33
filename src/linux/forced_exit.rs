// SPDX-License-Identifier: GPL-2.0

//! Has a thread end by a system call that it makes itself.
//!
//! Serves the termination of threads by others. Linux lets no thread end another one alone, but the
//! registers with which a thread goes back to its program are the kernel's to choose: they are made
//! those of a thread that is about to call exit(2).
//!
//! Locks: none. May fault in user memory, so no spinlock may be held.

use super::{
    registers::{
        Frame,
        CALL_BYTES,
        NO_CALL, //
    },
    usercopy::copy_from_user, //
};
use core::ptr;
use kernel::{
    bindings,
    prelude::*, //
};

/// Whether a thread will end instead of going on with its program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leaving {
    /// It will.
    Yes,
    /// It is in a system call that is not over: to be tried again.
    NotYet,
    /// No instruction is known that makes a system call.
    No,
}

/// Has the current thread, which is on its way to its program, make the system call exit(2) there,
/// with all signals blocked. `known` is where an instruction for that may be, besides the one that
/// the thread has come by.
pub(crate) fn leave_by_exit(known: Option<u64>) -> Leaving {
    /// Its work may be done before it is over, and its result comes after that.
    const IO_URING_ENTER: c_ulong = 426;
    /// `syscall`, and exit(2) for it
    const WIDE: ([u8; 2], u64) = ([0x0f, 0x05], 60);
    /// `int 0x80`, likewise
    const NARROW: ([u8; 2], u64) = ([0xcd, 0x80], 1);

    let Some(frame) = Frame::current() else {
        return Leaving::No;
    };
    // SAFETY: The frame is the current thread's own.
    let regs = unsafe { *frame.regs.as_ptr() };
    if regs.orig_ax == IO_URING_ENTER {
        return Leaving::NotYet;
    }
    // CAST: an address.
    let own = (regs.orig_ax != NO_CALL).then(|| regs.ip.wrapping_sub(CALL_BYTES) as u64);
    let found = [own, known].into_iter().flatten().find_map(|address| {
        let mut bytes = [0; 2];
        // CAST: `usize` has 64 bits.
        copy_from_user(&mut bytes, address as usize).ok()?;
        [WIDE, NARROW]
            .into_iter()
            .find(|(instruction, _)| bytes == *instruction)
            .map(|(_, number)| (address, number))
    });
    let Some((address, number)) = found else {
        return Leaving::No;
    };
    // SAFETY: As above. Registers of the current thread may be replaced at this place.
    unsafe {
        let mut registers = frame.read(true);
        registers.ip = address;
        registers.ax = number;
        // The argument, of either instruction
        (registers.di, registers.bx) = (0, 0);
        frame.write(&registers);
        let mut all = bindings::sigset_t {
            sig: [c_ulong::MAX; 1],
        };
        // CAST: a small constant.
        bindings::sigprocmask(bindings::SIG_BLOCK as c_int, &mut all, ptr::null_mut());
    }
    Leaving::Yes
}
