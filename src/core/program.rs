// SPDX-License-Identifier: GPL-2.0

//! The registers that a thread has in its program, for whoever asks.
//!
//! Those of the current thread are at hand. Another one is kept from its program while it is looked
//! at: where it has parked, or sleeps in a system call. One whose client has handed its registers
//! in (see [`handed`](super::handed)) has those, and none that could be found here.
//!
//! Locks: those of `suspension`.

use super::{
    KernError,
    KernResult,
    Task,
    Thread, //
};
use crate::linux::{
    float::{
        self,
        FloatRegisters, //
    },
    registers::{
        self,
        Registers, //
    },
    stopped_registers, //
};

/// What was found; nothing when the thread has handed its registers in.
pub(crate) type Found<T> = KernResult<Option<T>>;

impl Task {
    /// The registers of `thread`, one of the task's.
    ///
    /// `KERN_ABORTED` when a signal comes first, `KERN_TERMINATED`, `KERN_RESOURCE_SHORTAGE`.
    pub(crate) fn registers_of(&self, thread: &Thread) -> Found<Registers> {
        if thread.linux().is_current() {
            return registers::of_current().map(Some).ok_or(KernError::FAILURE);
        }
        self.with_live(thread, || {
            let parked = thread.parking.read();
            parked.or_else(|| stopped_registers::of_sleeping(thread.linux()))
        })
    }

    /// Replaces the registers of `thread`, one of the task's. A wait of it in the kernel is ended
    /// for that. Errors as [`registers_of`](Self::registers_of).
    pub(crate) fn set_registers_of(&self, thread: &Thread, registers: &Registers) -> Found<()> {
        if thread.linux().is_current() {
            registers::set_current(registers);
            return Ok(Some(()));
        }
        self.with_parked(thread, || thread.parking.write(registers))
    }

    /// Reads the floating point registers of `thread`, one of the task's. Errors as
    /// [`registers_of`](Self::registers_of).
    pub(crate) fn float_of(&self, thread: &Thread, into: &mut FloatRegisters) -> Found<()> {
        let linux = thread.linux();
        if linux.is_current() {
            float::of_current(into);
            return Ok(Some(()));
        }
        if stopped_registers::has_readable_float(linux) {
            self.with_live(thread, || {
                let parked = thread.parking.read_float(into);
                parked.or_else(|| stopped_registers::float_of_sleeping(linux, into))
            })
        } else {
            self.with_parked(thread, || thread.parking.read_float(into))
        }
    }

    /// Replaces the floating point registers of `thread`, one of the task's. A wait of it in the
    /// kernel is ended for that. Errors as [`registers_of`](Self::registers_of).
    pub(crate) fn set_float_of(&self, thread: &Thread, from: &FloatRegisters) -> Found<()> {
        if thread.linux().is_current() {
            float::set_current(from);
            return Ok(Some(()));
        }
        self.with_parked(thread, || thread.parking.write_float(from))
    }

    /// Has `thread`, another one than the current, park, and does `work` then.
    fn with_parked<R>(&self, thread: &Thread, mut work: impl FnMut() -> Option<R>) -> Found<R> {
        let mut nudged = false;
        let mut nudge = Ok(());
        let found = self.with_live(thread, || {
            let done = work();
            if done.is_none() && !nudged {
                nudged = true;
                nudge = thread.abort();
            }
            done
        })?;
        nudge.map(|()| found)
    }

    /// Keeps `thread` from its program until `look` finds what it wants, or there is something that
    /// was handed in.
    fn with_live<R>(&self, thread: &Thread, mut look: impl FnMut() -> Option<R>) -> Found<R> {
        self.with_stopped(thread, || {
            if thread.handed.is_there() {
                return Some(None);
            }
            look().map(Some)
        })
    }
}
