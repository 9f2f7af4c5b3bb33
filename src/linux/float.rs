// SPDX-License-Identifier: GPL-2.0

//! The floating point and vector registers that a thread has in its program, while it is in the
//! kernel.
//!
//! The kernel keeps them in memory behind the thread's structure, or still in the processor; using
//! the processor's registers for something else, as [`save_current`] pretends to do, puts them into
//! memory, where they stay until the thread returns to its program. So the memory of a thread that
//! has done that, or has been scheduled away, can be read, and that of one that does not go back
//! can be changed: the processor loads what is there then.
//!
//! What is written is made safe here: bits of MXCSR that the processor has not got are dropped, as
//! loading them would fault in the kernel. The rest can have any value.
//!
//! Locks: none. See [`super::registers`] for who may look when.
//!
//! C headers: [`arch/x86/include/asm/fpu/types.h`](srctree/arch/x86/include/asm/fpu/types.h),
//! [`arch/x86/include/asm/fpu/api.h`](srctree/arch/x86/include/asm/fpu/api.h)

use super::{
    bindings as shim,
    current, //
};
use core::ptr;
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        ordering::Relaxed,
        Atomic, //
    },
};

/// Bytes that `FXSAVE` writes, and that an extended area begins with.
pub(crate) const LEGACY: usize = 512;
/// Bytes of the upper halves of the 256-bit registers.
pub(crate) const UPPER: usize = 256;

/// Where things are in an area.
mod offset {
    pub(super) const MXCSR: usize = 24;
    pub(super) const MXCSR_MASK: usize = 28;
    pub(super) const STACK: usize = 32;
    pub(super) const VECTORS: usize = 160;
    pub(super) const NARROW_VECTORS_END: usize = 288;
    pub(super) const VECTORS_END: usize = 416;
    /// Which parts are not as they are at the start of a program.
    pub(super) const IN_USE: usize = 512;
    /// In the compact format as well, which leaves out what the kernel does not use, but nothing
    /// before this.
    pub(super) const UPPER: usize = 576;
}

/// Parts of an area.
mod part {
    pub(super) const X87: u64 = 1;
    pub(super) const SSE: u64 = 2;
    pub(super) const AVX: u64 = 4;
}

/// What registers are at the start of a program, if not zero.
mod initial {
    pub(super) const CONTROL_WORD: [u8; 2] = 0x37fu16.to_ne_bytes();
    pub(super) const MXCSR: [u8; 4] = 0x1f80u32.to_ne_bytes();
}

/// Bits of MXCSR that the processor has.
static MXCSR_BITS: Atomic<u32> = Atomic::new(0);

/// Asks the processor what it has. To be called once, when the module starts.
pub(crate) fn init() {
    /// What a processor has that does not say.
    const DEFAULT: u32 = 0xffbf;
    // SAFETY: A thread may use the processor's registers like this where it may sleep.
    let bits = unsafe { shim::mach_shim_mxcsr_mask() };
    MXCSR_BITS.store(if bits == 0 { DEFAULT } else { bits }, Relaxed);
}

/// Which of the registers count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Programs of 32 bits have half of the vector registers.
    pub(crate) is_narrow: bool,
    /// Whether the upper halves of the 256-bit registers are among them.
    pub(crate) has_upper: bool,
}

/// Floating point registers, as the processor lays them out.
pub(crate) struct FloatRegisters {
    pub(crate) extent: Extent,
    pub(crate) legacy: [u8; LEGACY],
    pub(crate) upper: [u8; UPPER],
}

impl FloatRegisters {
    /// Zeroes, to be filled.
    pub(crate) fn new(extent: Extent) -> Self {
        Self {
            extent,
            legacy: [0; LEGACY],
            upper: [0; UPPER],
        }
    }

    fn vectors_end(&self) -> usize {
        match self.extent.is_narrow {
            true => offset::NARROW_VECTORS_END,
            false => offset::VECTORS_END,
        }
    }

    fn upper_end(&self) -> usize {
        match self.extent.is_narrow {
            true => UPPER / 2,
            false => UPPER,
        }
    }

    /// Replaces what has not been used by what it is at the start of a program, and what is no
    /// register by zeroes.
    fn tidy(&mut self, in_use: u64) {
        let end = self.vectors_end();
        let clear = |bytes: Option<&mut [u8]>| bytes.into_iter().for_each(|bytes| bytes.fill(0));
        if in_use & part::X87 == 0 {
            clear(self.legacy.get_mut(..offset::MXCSR));
            clear(self.legacy.get_mut(offset::STACK..offset::VECTORS));
            put(&mut self.legacy, 0, &initial::CONTROL_WORD);
        }
        if in_use & part::SSE == 0 {
            clear(self.legacy.get_mut(offset::VECTORS..));
        }
        if in_use & (part::SSE | part::AVX) == 0 {
            put(&mut self.legacy, offset::MXCSR, &initial::MXCSR);
        }
        if in_use & part::AVX == 0 {
            self.upper.fill(0);
        }
        let bits = MXCSR_BITS.load(Relaxed).to_ne_bytes();
        put(&mut self.legacy, offset::MXCSR_MASK, &bits);
        clear(self.legacy.get_mut(end..));
        let end = self.upper_end();
        clear(self.upper.get_mut(end..));
    }
}

fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    if let Some(rest) = bytes.get_mut(offset..) {
        for (place, byte) in rest.iter_mut().zip(value) {
            *place = *byte;
        }
    }
}

/// The kernel's record of a thread's registers.
fn record(task: *mut bindings::task_struct) -> *mut bindings::fpu {
    // What `x86_task_fpu` does, which some kernels have as a function that is not exported: the
    // record is allocated with the task, behind it.
    task.wrapping_add(1).cast()
}

/// The memory that registers are in, and what it has room for.
struct Area {
    bytes: *mut u8,
    size: usize,
    parts: u64,
}

impl Area {
    /// # Safety
    ///
    /// `state` must be that of a thread, and stay.
    unsafe fn new(state: *mut bindings::fpstate) -> Self {
        // SAFETY: The caller's promise. The numbers do not change as long as the state is there.
        unsafe {
            Self {
                bytes: (&raw mut (*state).regs).cast(),
                // CAST: `u32` to `usize` loses nothing.
                size: (*state).size as usize,
                parts: (*state).xfeatures,
            }
        }
    }

    fn is_extended(&self) -> bool {
        self.size >= offset::UPPER
    }

    fn has_upper(&self) -> bool {
        self.is_extended()
            && self.parts & part::AVX != 0
            && self.size >= offset::UPPER.saturating_add(UPPER)
    }

    /// # Safety
    ///
    /// The area must exist. What is in it may be changing.
    unsafe fn read(&self, into: &mut FloatRegisters) {
        // SAFETY: The caller's promise; an area has at least the first part, and the others if its
        // size says so. What changes meanwhile is numbers only, hence the volatile accesses.
        let in_use = unsafe {
            into.legacy = self.bytes.cast::<[u8; LEGACY]>().read_volatile();
            if self.has_upper() {
                let upper = self.bytes.add(offset::UPPER);
                into.upper = upper.cast::<[u8; UPPER]>().read_volatile();
            }
            if self.is_extended() {
                let in_use = self.bytes.add(offset::IN_USE);
                in_use.cast::<u64>().read_volatile()
            } else {
                part::X87 | part::SSE
            }
        };
        into.tidy(in_use);
    }

    /// # Safety
    ///
    /// The area must exist, and nobody else be using it.
    unsafe fn write(&self, from: &FloatRegisters) {
        let legacy = from.legacy.as_ptr();
        let vectors_end = from.vectors_end();
        let mut mxcsr = [0; 4];
        for (byte, from) in mxcsr.iter_mut().zip(from.legacy.iter().skip(offset::MXCSR)) {
            *byte = *from;
        }
        let mxcsr = u32::from_ne_bytes(mxcsr) & MXCSR_BITS.load(Relaxed);
        // SAFETY: The caller's promise, and as in `read`; the offsets are below the lengths of
        // both, which are equal.
        unsafe {
            ptr::copy_nonoverlapping(legacy, self.bytes, offset::MXCSR);
            self.bytes.add(offset::MXCSR).cast::<u32>().write(mxcsr);
            ptr::copy_nonoverlapping(
                legacy.add(offset::STACK),
                self.bytes.add(offset::STACK),
                vectors_end - offset::STACK,
            );
            let mut in_use = part::X87 | part::SSE;
            if from.extent.has_upper && self.has_upper() {
                let upper = self.bytes.add(offset::UPPER);
                let old = self.bytes.add(offset::IN_USE).cast::<u64>().read();
                if old & part::AVX == 0 {
                    upper.write_bytes(0, UPPER);
                }
                ptr::copy_nonoverlapping(from.upper.as_ptr(), upper, from.upper_end());
                in_use |= part::AVX;
            }
            if self.is_extended() {
                let place = self.bytes.add(offset::IN_USE).cast::<u64>();
                if *place & part::SSE == 0 {
                    // What a narrow program does not see comes into use with the rest.
                    let rest = offset::VECTORS_END - vectors_end;
                    self.bytes.add(vectors_end).write_bytes(0, rest);
                }
                *place |= in_use;
            }
        }
    }
}

/// Has the current thread's registers in memory, where they stay until it returns to its program.
pub(super) fn save_current() {
    // Nothing is done with the registers in between, so nothing need be put into them.
    const NO_INITIAL_VALUES: c_uint = 0;
    // SAFETY: May be done wherever a thread may sleep.
    unsafe {
        bindings::kernel_fpu_begin_mask(NO_INITIAL_VALUES);
        bindings::kernel_fpu_end();
    }
}

/// Whether programs have 256-bit registers.
pub(crate) fn have_upper() -> bool {
    if current::is_kernel_thread() {
        return false;
    }
    // SAFETY: The current thread is one of a program, so it has a state, which stays while the
    // thread runs this.
    unsafe { Area::new((*record(current::task())).fpstate).has_upper() }
}

/// Reads the current thread's registers; those of a thread of the kernel stay as they were.
pub(crate) fn of_current(into: &mut FloatRegisters) {
    if current::is_kernel_thread() {
        return;
    }
    save_current();
    // SAFETY: The current thread is one of a program, so it has a state. It is in memory now.
    unsafe { read_saved(current::task(), into) };
}

/// Replaces the current thread's registers, unless it is a thread of the kernel.
pub(crate) fn set_current(from: &FloatRegisters) {
    if current::is_kernel_thread() {
        return;
    }
    save_current();
    // SAFETY: As above, and nobody else has to do with it.
    unsafe { write_saved(current::task(), from) };
}

/// # Safety
///
/// The thread must have its registers in memory, and be kept from its program.
pub(super) unsafe fn read_saved(task: *mut bindings::task_struct, into: &mut FloatRegisters) {
    // SAFETY: The caller's promise.
    unsafe { Area::new((*record(task)).fpstate).read(into) };
}

/// # Safety
///
/// As [`read_saved`], and nobody else may be using the registers.
pub(super) unsafe fn write_saved(task: *mut bindings::task_struct, from: &FloatRegisters) {
    const NO_CPU: c_uint = c_uint::MAX;
    // SAFETY: The caller's promise. That no processor has the registers makes the kernel load them
    // from memory, whichever it is that had them last.
    unsafe {
        let record = record(task);
        Area::new((*record).fpstate).write(from);
        (&raw mut (*record).last_cpu).write_volatile(NO_CPU);
    }
}

/// The memory of a thread's registers, if it exists as long as the thread's structure: it may be
/// somewhere else, of programs with very large registers and of those that run virtual machines.
///
/// # Safety
///
/// The task must exist, and be one of a user program.
pub(super) unsafe fn has_own_area(task: *mut bindings::task_struct) -> bool {
    let record = record(task);
    // SAFETY: The caller's promise. The field may be changing, hence the volatile access.
    let (used, own) = unsafe {
        (
            (&raw const (*record).fpstate).read_volatile(),
            &raw mut (*record).__fpstate,
        )
    };
    ptr::eq(used, own)
}

/// Reads the registers of a thread that is not running.
///
/// # Safety
///
/// The task must exist, be one of a user program, and have been scheduled away after its last use
/// of the registers; it must be kept from its program.
pub(super) unsafe fn read_own_area(task: *mut bindings::task_struct, into: &mut FloatRegisters) {
    // SAFETY: The caller's promise; this area is there as long as the task.
    unsafe { Area::new(&raw mut (*record(task)).__fpstate).read(into) };
}
