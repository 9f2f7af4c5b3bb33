// SPDX-License-Identifier: GPL-2.0

//! The registers that a thread has in its program, while it is in the kernel.
//!
//! They stand at the top of the thread's kernel stack. The current thread's are read and replaced
//! here; those of threads that do not run their programs in `stopped_registers`.
//!
//! What is written is made safe here: flags that programs may not change stay as they are, as do
//! segments; the rest can only fault in the program itself.
//!
//! Locks: none.
//!
//! C headers: [`arch/x86/include/asm/ptrace.h`](srctree/arch/x86/include/asm/ptrace.h),
//! [`arch/x86/include/asm/processor.h`](srctree/arch/x86/include/asm/processor.h)

use super::{
    bindings as shim,
    thread::ThreadRef, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    prelude::*, //
};

/// The registers of a program.
#[derive(Clone, Copy, Default)]
pub(crate) struct Registers {
    pub(crate) ax: u64,
    pub(crate) bx: u64,
    pub(crate) cx: u64,
    pub(crate) dx: u64,
    pub(crate) di: u64,
    pub(crate) si: u64,
    pub(crate) bp: u64,
    pub(crate) sp: u64,
    /// `r8` to `r15`.
    pub(crate) more: [u64; 8],
    pub(crate) ip: u64,
    pub(crate) flags: u64,
    pub(crate) segments: Segments,
    pub(crate) fault: Fault,
}

/// The segment registers.
#[derive(Clone, Copy, Default)]
pub(crate) struct Segments {
    pub(crate) cs: u16,
    pub(crate) ss: u16,
    pub(crate) ds: u16,
    pub(crate) es: u16,
    pub(crate) fs: u16,
    pub(crate) gs: u16,
}

/// The last exception that became a signal.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fault {
    pub(crate) trap: u16,
    pub(crate) error: u32,
    pub(crate) address: u64,
}

/// Where a thread's registers are. Nothing says how long they are there.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) regs: NonNull<bindings::pt_regs>,
    pub(super) task: NonNull<bindings::task_struct>,
}

// SAFETY: The pointers are not followed but by functions whose callers promise that this is allowed.
unsafe impl Send for Frame {}

impl Frame {
    /// That of the current thread.
    pub(super) fn current() -> Option<Self> {
        // SAFETY: A user thread has a frame at the top of its stack.
        let (regs, task) = unsafe { (shim::mach_shim_current_pt_regs(), bindings::get_current()) };
        Some(Self {
            regs: NonNull::new(regs)?,
            task: NonNull::new(task)?,
        })
    }

    /// Reads the registers. Those of a thread that `is_parked` are told as they were before a system
    /// call that will be begun again.
    ///
    /// # Safety
    ///
    /// The frame's memory must be there. Its content may be changing.
    pub(super) unsafe fn read(self, is_parked: bool) -> Registers {
        // SAFETY: The caller's promise. What changes meanwhile is numbers only, of which some may
        // be old and others new, hence the volatile accesses.
        let (regs, thread) = unsafe {
            (
                self.regs.as_ptr().read_volatile(),
                &raw const (*self.task.as_ptr()).thread,
            )
        };
        // SAFETY: As above; all variants of the unions are numbers.
        let (cs, ss) = unsafe { (regs.__bindgen_anon_1.cs, regs.__bindgen_anon_2.ss) };
        // SAFETY: As above.
        let (ds, es, fs, gs) = unsafe {
            (
                (&raw const (*thread).ds).read_volatile(),
                (&raw const (*thread).es).read_volatile(),
                (&raw const (*thread).fsindex).read_volatile(),
                (&raw const (*thread).gsindex).read_volatile(),
            )
        };
        let (ax, ip) = before_restart(&regs, is_parked);
        // CAST: registers are numbers of 64 bits; the kernel keeps small ones in wider fields.
        Registers {
            ax: ax as u64,
            bx: regs.bx as u64,
            cx: regs.cx as u64,
            dx: regs.dx as u64,
            di: regs.di as u64,
            si: regs.si as u64,
            bp: regs.bp as u64,
            sp: regs.sp as u64,
            more: [
                regs.r8, regs.r9, regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15,
            ]
            .map(|register| register as u64),
            ip: ip as u64,
            flags: regs.flags as u64,
            segments: Segments {
                cs,
                ss,
                ds,
                es,
                fs,
                gs,
            },
            // SAFETY: As above.
            fault: unsafe { fault_of(self.task) },
        }
    }

    /// Replaces the registers.
    ///
    /// # Safety
    ///
    /// The frame must be that of the current thread or of a parked one, and nobody else may be
    /// using it.
    pub(super) unsafe fn write(self, registers: &Registers) {
        // What programs may change themselves (FLAG_MASK in arch/x86/kernel/ptrace.c).
        const FLAGS: c_ulong =
            0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x800 | 0x4000 | 0x1_0000 | 0x4_0000;
        // SAFETY: The caller's promise.
        let regs = unsafe { &mut *self.regs.as_ptr() };
        // CAST: as in `read`.
        regs.ax = registers.ax as c_ulong;
        regs.bx = registers.bx as c_ulong;
        regs.cx = registers.cx as c_ulong;
        regs.dx = registers.dx as c_ulong;
        regs.di = registers.di as c_ulong;
        regs.si = registers.si as c_ulong;
        regs.bp = registers.bp as c_ulong;
        regs.sp = registers.sp as c_ulong;
        let [r8, r9, r10, r11, r12, r13, r14, r15] =
            registers.more.map(|register| register as c_ulong);
        (regs.r8, regs.r9, regs.r10, regs.r11) = (r8, r9, r10, r11);
        (regs.r12, regs.r13, regs.r14, regs.r15) = (r12, r13, r14, r15);
        regs.ip = registers.ip as c_ulong;
        regs.flags = (regs.flags & !FLAGS) | (registers.flags as c_ulong & FLAGS);
        // The system call that was interrupted is not begun again, unless the registers say so.
        regs.orig_ax = NO_CALL;
    }
}

/// The last exception of `task` that became a signal.
///
/// # Safety
///
/// The task must exist. The fault may be changing.
unsafe fn fault_of(task: NonNull<bindings::task_struct>) -> Fault {
    // SAFETY: The caller's promise. What changes meanwhile is numbers only, hence the volatile
    // accesses.
    let (trap, error, address) = unsafe {
        let thread = &raw const (*task.as_ptr()).thread;
        (
            (&raw const (*thread).trap_nr).read_volatile(),
            (&raw const (*thread).error_code).read_volatile(),
            (&raw const (*thread).cr2).read_volatile(),
        )
    };
    // CAST: the kernel keeps small numbers in wider fields.
    Fault {
        trap: trap as u16,
        error: error as u32,
        address: address as u64,
    }
}

/// The last exception of `thread` that became a signal.
pub(crate) fn last_fault(thread: &ThreadRef) -> Fault {
    // SAFETY: The reference keeps the task.
    NonNull::new(thread.as_ptr()).map_or_else(Fault::default, |task| unsafe { fault_of(task) })
}

/// Instead of the number of a system call: the thread is in none.
pub(super) const NO_CALL: c_ulong = c_ulong::MAX;

/// Bytes of the instruction that makes a system call.
pub(super) const CALL_BYTES: c_ulong = 2;

/// Register `ax` and the instruction pointer as they were before a system call that is going on, or
/// that will be begun again: with these the program makes the call once more.
fn before_restart(regs: &bindings::pt_regs, is_parked: bool) -> (c_ulong, c_ulong) {
    const ENOSYS: i64 = -38;
    const RESTART: [i64; 3] = [-512, -513, -514];
    const RESTART_BLOCK: i64 = -516;
    /// `__NR_restart_syscall`
    const RESTART_CALL: c_ulong = 219;
    let here = (regs.ax, regs.ip);
    if regs.orig_ax == NO_CALL {
        return here;
    }
    // CAST: Reinterpretation is what the interface says.
    let before = regs.ip.wrapping_sub(CALL_BYTES);
    match regs.ax as i64 {
        result if is_parked && RESTART.contains(&result) => (regs.orig_ax, before),
        RESTART_BLOCK if is_parked => (RESTART_CALL, before),
        // What the kernel puts there while the call goes on
        ENOSYS if !is_parked => (regs.orig_ax, regs.ip),
        _ => here,
    }
}

/// Whether `address` is one that programs can have, so that going there faults in the program if it
/// faults.
pub(crate) fn is_user_address(address: u64) -> bool {
    const END: u64 = 0x7fff_ffff_f000;
    address < END
}

/// Reads the current thread's registers, as they are in the system call that it makes.
pub(crate) fn of_current() -> Option<Registers> {
    // SAFETY: The frame is the current thread's own.
    Frame::current().map(|frame| unsafe { frame.read(false) })
}

/// Replaces the current thread's registers. `ax` is replaced by the result of the system call that
/// the thread makes.
pub(crate) fn set_current(registers: &Registers) {
    if let Some(frame) = Frame::current() {
        // SAFETY: The frame is the current thread's own.
        unsafe { frame.write(registers) };
    }
}

/// The instruction by which the current thread has made the trap that it is in; `None` when it is in
/// something else than a trap.
pub(crate) fn trap_instruction() -> Option<u64> {
    /// `ioctl` of 64-bit and 32-bit programs
    const TRAPS: [c_ulong; 2] = [16, 54];

    let frame = Frame::current()?;
    // SAFETY: The frame is the current thread's own.
    let regs = unsafe { frame.regs.as_ref() };
    // CAST: an address.
    TRAPS
        .contains(&regs.orig_ax)
        .then(|| regs.ip.wrapping_sub(CALL_BYTES) as u64)
}
