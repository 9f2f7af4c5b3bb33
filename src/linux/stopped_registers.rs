// SPDX-License-Identifier: GPL-2.0

//! The registers of a thread that does not run its program.
//!
//! Those of a parked thread can be read and changed, as it neither goes on nor exits without taking
//! its place's lock; those of one that sleeps in a system call can be read.
//!
//! Serves the states of threads, by `core::program`.
//!
//! Locks: `Parking::frame` (spinlock), a leaf.
//!
//! C headers: [`include/linux/sched.h`](srctree/include/linux/sched.h)

use super::{
    bindings as shim,
    float::{
        self,
        FloatRegisters, //
    },
    registers::{
        Frame,
        Registers, //
    },
    thread::ThreadRef, //
};
use core::ptr::NonNull;
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
        let frame = Frame {
            // Null when there is no stack any more.
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
