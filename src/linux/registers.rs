// SPDX-License-Identifier: GPL-2.0

//! The registers that a thread has in its program, while it is in the kernel.
//!
//! They stand at the top of the thread's kernel stack. Those of a parked thread can be read and
//! changed, as it neither goes on nor exits without taking its place's lock; those of one that
//! sleeps in a system call can be read.
//!
//! What is written is made safe here: flags that programs may not change stay as they are, as do
//! segments; the rest can only fault in the program itself.
//!
//! Locks: `Parking::frame` (spinlock), a leaf.
//!
//! C headers: [`arch/x86/include/asm/ptrace.h`](srctree/arch/x86/include/asm/ptrace.h),
//! [`arch/x86/include/asm/processor.h`](srctree/arch/x86/include/asm/processor.h)

use super::{
    bindings as shim,
    float::{
        self,
        FloatRegisters, //
    },
    thread::ThreadRef,
    usercopy::copy_from_user, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings, new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            atomic_load,
            ordering::Relaxed, //
        },
        rcu,
        SpinLock, //
    },
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

/// Where a thread's registers are.
#[derive(Clone, Copy)]
struct Frame {
    regs: NonNull<bindings::pt_regs>,
    task: NonNull<bindings::task_struct>,
}

// SAFETY: The pointers are used by whoever may, see `Parking`.
unsafe impl Send for Frame {}

impl Frame {
    /// That of the current thread.
    fn current() -> Option<Self> {
        // SAFETY: A user thread has a frame at the top of its stack.
        let (regs, task) = unsafe { (shim::mach_shim_current_pt_regs(), bindings::get_current()) };
        Some(Self {
            regs: NonNull::new(regs)?,
            task: NonNull::new(task)?,
        })
    }

    /// # Safety
    ///
    /// The frame's memory must be there. Its content may be changing.
    unsafe fn read(self, is_parked: bool) -> Registers {
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

    /// # Safety
    ///
    /// The frame must be that of the current thread or of a parked one, and nobody else may be
    /// using it.
    unsafe fn write(self, registers: &Registers) {
        // What programs may change themselves (FLAG_MASK in arch/x86/kernel/ptrace.c).
        const FLAGS: c_ulong =
            0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x800 | 0x4000 | 0x1_0000 | 0x4_0000;
        const NO_CALL: c_ulong = c_ulong::MAX;

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

/// Bytes of the instruction that makes a system call.
const CALL_BYTES: c_ulong = 2;

/// Register `ax` and the instruction pointer as they were before a system call that is going on, or
/// that will be begun again: with these the program makes the call once more.
fn before_restart(regs: &bindings::pt_regs, is_parked: bool) -> (c_ulong, c_ulong) {
    const NO_CALL: i64 = -1;
    const ENOSYS: i64 = -38;
    const RESTART: [i64; 3] = [-512, -513, -514];
    const RESTART_BLOCK: i64 = -516;
    /// `__NR_restart_syscall`
    const RESTART_CALL: c_ulong = 219;
    let here = (regs.ax, regs.ip);
    // CAST: Reinterpretation is what the interface says.
    if regs.orig_ax as i64 == NO_CALL {
        return here;
    }
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
    const NO_CALL: c_ulong = c_ulong::MAX;

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

/// Reads the registers of a thread that sleeps in a system call; `None` if it does not, or is
/// exiting. The thread must be kept from going back to its program.
pub(crate) fn of_sleeping(thread: &ThreadRef) -> Option<Registers> {
    // SAFETY: The frame is there when this is called.
    read_sleeping(thread, |frame| unsafe { frame.read(false) })
}

/// Reads the floating point registers of a thread like [`of_sleeping`].
pub(crate) fn float_of_sleeping(thread: &ThreadRef, into: &mut FloatRegisters) -> Option<()> {
    // SAFETY: The thread has been scheduled away when this is called, and by the caller's promise
    // has not used the registers since.
    read_sleeping(thread, |_| unsafe {
        float::read_own_area(thread.as_ptr(), into);
    })
}

/// Whether [`float_of_sleeping`] can read the registers of `thread`; others have to park.
pub(crate) fn has_readable_float(thread: &ThreadRef) -> bool {
    // SAFETY: The reference keeps the task, one of a program.
    unsafe { float::has_own_area(thread.as_ptr()) }
}

/// Calls `read` with the frame of a thread that sleeps in a system call, and is not exiting.
fn read_sleeping<R>(thread: &ThreadRef, read: impl FnOnce(Frame) -> R) -> Option<R> {
    let task = thread.as_ptr();
    let _rcu = rcu::read_lock();
    // SAFETY: The reference keeps the task. Its fields change at any time, hence the atomic or
    // volatile accesses. A stack is freed no earlier than RCU allows, after its thread has begun
    // to exit; it may be given to another thread before, so what was read counts only if the
    // thread had not begun to exit after it.
    unsafe {
        let state = atomic_load(&raw mut (*task).__state, Relaxed);
        if state == 0 || (&raw const (*task).on_cpu).read_volatile() != 0 {
            return None;
        }
        if (&raw const (*task).stack).read_volatile().is_null() {
            return None;
        }
        let frame = Frame {
            regs: NonNull::new(shim::mach_shim_task_pt_regs(task))?,
            task: NonNull::new(task)?,
        };
        let result = read(frame);
        shim::mach_shim_smp_rmb();
        let flags = (&raw const (*task).flags).read_volatile();
        (flags & bindings::PF_EXITING == 0).then_some(result)
    }
}

/// Where a thread is while it is parked.
///
/// # Invariants
///
/// While there is a frame its thread is in [`Parking::during`], which it does not leave without
/// taking the lock, and has its floating point registers in memory.
#[pin_data]
pub(crate) struct Parking {
    #[pin]
    frame: SpinLock<Option<Frame>>,
}

impl Parking {
    /// Makes the place of a thread that is not parked.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            frame <- new_spinlock!(None, "Parking::frame"),
        })
    }

    /// Calls `park` with the current thread, whose place this is, as a parked one.
    pub(crate) fn during<R>(&self, park: impl FnOnce() -> R) -> R {
        float::save_current();
        // INVARIANT: The frame is taken out again before this returns.
        *self.frame.lock() = Frame::current();
        let result = park();
        *self.frame.lock() = None;
        result
    }

    /// Whether the thread is parked.
    pub(crate) fn is_taken(&self) -> bool {
        self.frame.lock().is_some()
    }

    /// Reads the registers, if the thread is parked.
    pub(crate) fn read(&self) -> Option<Registers> {
        let frame = self.frame.lock();
        // SAFETY: By the type invariants the thread is where its frame is.
        (*frame).map(|frame| unsafe { frame.read(true) })
    }

    /// Replaces the registers, if the thread is parked.
    pub(crate) fn write(&self, registers: &Registers) -> Option<()> {
        let frame = self.frame.lock();
        // SAFETY: By the type invariants the thread is parked, and the lock keeps others away.
        (*frame).map(|frame| unsafe { frame.write(registers) })
    }

    /// Reads the floating point registers, if the thread is parked.
    pub(crate) fn read_float(&self, into: &mut FloatRegisters) -> Option<()> {
        let frame = self.frame.lock();
        // SAFETY: By the type invariants the thread is where its frame is.
        (*frame).map(|frame| unsafe { float::read_saved(frame.task.as_ptr(), into) })
    }

    /// Replaces the floating point registers, if the thread is parked.
    pub(crate) fn write_float(&self, from: &FloatRegisters) -> Option<()> {
        let frame = self.frame.lock();
        // SAFETY: By the type invariants the thread is parked, and the lock keeps others away.
        (*frame).map(|frame| unsafe { float::write_saved(frame.task.as_ptr(), from) })
    }
}
