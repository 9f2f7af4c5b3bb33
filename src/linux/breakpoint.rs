// SPDX-License-Identifier: GPL-2.0

//! Breakpoints of the processor, for one thread each.
//!
//! They are events of perf, as those that ptrace(2) sets: the kernel hands out the processor's
//! registers, and switches them with the thread. When the program runs into one the thread gets
//! `SIGTRAP` with the code `TRAP_HWBKPT`. What the kernel itself does for the program at such an
//! address is not told.
//!
//! Locks: none of its own. Setting and clearing may sleep, in locks of perf.
//!
//! C headers: [`include/linux/hw_breakpoint.h`](srctree/include/linux/hw_breakpoint.h),
//! [`include/linux/perf_event.h`](srctree/include/linux/perf_event.h)

use super::{
    bindings as shim,
    current,
    thread::ThreadRef, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
};

/// How many breakpoints a thread can have.
pub(crate) const COUNT: usize = 4;

/// What a breakpoint is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The instruction there is executed. The length is that of an address.
    Execute,
    Write,
    ReadWrite,
}

/// A breakpoint that somebody wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) address: u64,
    /// Bytes: 1, 2, 4 or 8.
    pub(crate) length: u64,
    pub(crate) operation: Operation,
}

/// What a thread has run into last.
pub(crate) struct Hits {
    address: Atomic<u64>,
    operation: Atomic<u32>,
    status: Atomic<u32>,
}

impl Hits {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            address: Atomic::new(0),
            operation: Atomic::new(0),
            status: Atomic::new(0),
        }
    }

    /// The address of the last breakpoint that was hit, and what it is for: 0 to be executed, 1
    /// to be written, 3 to be read or written.
    pub(crate) fn last(&self) -> (u64, u32) {
        (self.address.load(Relaxed), self.operation.load(Relaxed))
    }

    /// Which breakpoints were hit last, as the lowest bits.
    pub(crate) fn status(&self) -> u32 {
        self.status.load(Relaxed)
    }

    /// Says that these were hit.
    pub(crate) fn set_status(&self, status: u32) {
        self.status.store(status, Relaxed);
    }
}

/// What is known when a breakpoint is hit.
#[repr(C)]
struct Watched {
    head: shim::mach_shim_breakpoint,
    wanted: Wanted,
    /// Its place among the thread's breakpoints.
    index: usize,
    hits: Arc<Hits>,
}

/// A breakpoint. Dropping it clears it.
///
/// # Invariants
///
/// `event` was registered with `hit` and a pointer to what `watched` refers to.
pub(crate) struct Breakpoint {
    event: NonNull<bindings::perf_event>,
    watched: Arc<Watched>,
}

// SAFETY: Events may be released from any thread; the rest can be sent.
unsafe impl Send for Breakpoint {}

impl Breakpoint {
    /// Sets a breakpoint in `thread`, its `index`th, which tells `hits`. May sleep.
    ///
    /// `EINVAL` for an address of the kernel's or one that is not aligned to the length, `ENOSPC`
    /// when somebody else uses the processor's registers, `ESRCH`, `ENOMEM`.
    pub(crate) fn new(
        thread: &ThreadRef,
        index: usize,
        wanted: Wanted,
        hits: &Arc<Hits>,
    ) -> Result<Self> {
        let watched = Watched {
            head: shim::mach_shim_breakpoint {
                hit: Some(Self::hit),
            },
            wanted,
            index,
            hits: hits.clone(),
        };
        let watched = Arc::new(watched, GFP_KERNEL_ACCOUNT)?;
        let kind = match wanted.operation {
            Operation::Execute => shim::HW_BREAKPOINT_X,
            Operation::Write => shim::HW_BREAKPOINT_W,
            Operation::ReadWrite => shim::HW_BREAKPOINT_RW,
        };
        // SAFETY: The task is valid. The handler gets what it wants: the object, which lives until
        // the event is gone.
        let event = from_err_ptr(unsafe {
            shim::mach_shim_register_breakpoint(
                thread.as_ptr(),
                wanted.address,
                wanted.length,
                kind,
                (&raw const *watched).cast_mut().cast(),
            )
        })?;
        let event = NonNull::new(event).ok_or(EINVAL)?;
        // INVARIANT: It was registered so just now.
        Ok(Self { event, watched })
    }

    /// What it was set for.
    pub(crate) fn wanted(&self) -> Wanted {
        self.watched.wanted
    }

    /// The current thread has run into a breakpoint. Must not sleep.
    ///
    /// # Safety
    ///
    /// Called by the kernel, for an event of a [`Breakpoint`], with its context.
    unsafe extern "C" fn hit(head: *mut shim::mach_shim_breakpoint) {
        // SAFETY: By the invariants this is the beginning of the object, which lives until the
        // event is gone; the kernel releases an event only when no processor is in its handler.
        let watched = unsafe { &*head.cast::<Watched>() };
        // SAFETY: The word is changed by the thread itself only. The bits in it make the kernel
        // send the signal (arch/x86/kernel/traps.c, `exc_debug_user`).
        let status = unsafe {
            let word = &raw mut (*current::task()).thread.virtual_dr6;
            *word |= 1 << (watched.index & (COUNT - 1));
            *word
        };
        const ALL: c_ulong = (1 << COUNT) - 1;
        // CAST: there are four bits.
        watched.hits.set_status((status & ALL) as u32);
        watched.hits.address.store(watched.wanted.address, Relaxed);
        let operation = match watched.wanted.operation {
            Operation::Execute => 0,
            Operation::Write => 1,
            Operation::ReadWrite => 3,
        };
        watched.hits.operation.store(operation, Relaxed);
    }
}

impl Drop for Breakpoint {
    fn drop(&mut self) {
        // SAFETY: By the invariants the event is registered, once.
        unsafe { shim::unregister_hw_breakpoint(self.event.as_ptr()) };
    }
}
