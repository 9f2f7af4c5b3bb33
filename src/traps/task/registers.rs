// SPDX-License-Identifier: GPL-2.0

//! The states of threads: their registers, in the layouts of the interface (ABI mig §3.3; XNU
//! osfmk/mach/i386/_structs.h).
//!
//! Of a thread that makes a system call they are those with which it would make the call again, or
//! those after it. Segment registers are told and not changed, nor are flags that programs cannot
//! change themselves.

use crate::{
    core::{
        KernError,
        KernResult,
        Task, //
    },
    linux::registers::{
        self,
        Registers, //
    },
    traps::ipc::{
        Call,
        RoutineDescriptor,
        ThreadPort,
        Words, //
    },
};
use core::ptr;
use kernel::prelude::*;
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    act_get_state,
    act_set_state,
    thread_get_state,
    thread_set_state,
];

/// Words that a state may have (`THREAD_STATE_MAX`).
const MAX: usize = 614;

/// Kinds of states (XNU osfmk/mach/i386/thread_status.h).
mod flavor {
    pub(super) const THREAD_32: i32 = 1;
    pub(super) const EXCEPTION_32: i32 = 3;
    pub(super) const THREAD_64: i32 = 4;
    pub(super) const EXCEPTION_64: i32 = 6;
    pub(super) const THREAD: i32 = 7;
    pub(super) const EXCEPTION: i32 = 9;
    /// Floating point and debug registers, in all widths.
    pub(super) const NOT_BUILT: [i32; 6] = [2, 5, 8, 10, 11, 12];
}

/// Words of `x86_thread_state32`.
const WORDS_32: usize = 16;
/// Words of `x86_thread_state64`.
const WORDS_64: usize = 42;

/// A state that says of itself what it is: its kind and number of words come first, and there is
/// room for the largest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    /// With so many words after the first two.
    Named(usize),
}

/// What `flavor` is for a task of this width. `KERN_INVALID_ARGUMENT` for states of the other width
/// and those that there are not, `KERN_NOT_SUPPORTED` for those that are not built.
fn resolve(task: &Task, wanted: i32) -> KernResult<(i32, Form)> {
    let is_32bit = task.is_32bit();
    match wanted {
        flavor::THREAD if is_32bit => Ok((flavor::THREAD_32, Form::Named(WORDS_64))),
        flavor::THREAD => Ok((flavor::THREAD_64, Form::Named(WORDS_64))),
        flavor::EXCEPTION if is_32bit => Ok((flavor::EXCEPTION_32, Form::Named(4))),
        flavor::EXCEPTION => Ok((flavor::EXCEPTION_64, Form::Named(4))),
        flavor::THREAD_32 | flavor::EXCEPTION_32 if is_32bit => Ok((wanted, Form::Plain)),
        flavor::THREAD_64 | flavor::EXCEPTION_64 if !is_32bit => Ok((wanted, Form::Plain)),
        _ if flavor::NOT_BUILT.contains(&wanted) => Err(KernError::NOT_SUPPORTED),
        _ => Err(KernError::INVALID_ARGUMENT),
    }
}

/// `x86_thread_state64`
fn thread_64(from: &Registers) -> [u64; 21] {
    let [r8, r9, r10, r11, r12, r13, r14, r15] = from.more;
    let segments = from.segments;
    [
        from.ax,
        from.bx,
        from.cx,
        from.dx,
        from.di,
        from.si,
        from.bp,
        from.sp,
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        from.ip,
        from.flags,
        segments.cs.into(),
        segments.fs.into(),
        segments.gs.into(),
    ]
}

/// `x86_thread_state32`
fn thread_32(from: &Registers) -> [u32; WORDS_32] {
    // CAST: a 32-bit program has the lower halves only.
    let low = |register: u64| register as u32;
    let segments = from.segments;
    [
        low(from.ax),
        low(from.bx),
        low(from.cx),
        low(from.dx),
        low(from.di),
        low(from.si),
        low(from.bp),
        low(from.sp),
        segments.ss.into(),
        low(from.flags),
        low(from.ip),
        segments.cs.into(),
        segments.ds.into(),
        segments.es.into(),
        segments.fs.into(),
        segments.gs.into(),
    ]
}

/// The words of state `kind`.
fn words_of(kind: i32, from: &Registers) -> KernResult<KVec<u32>> {
    // CAST: the halves of a register.
    let halves = |register: u64| [register as u32, (register >> 32) as u32];
    let mut words = KVec::with_capacity(WORDS_64 + 2, GFP_KERNEL_ACCOUNT)?;
    let mut put = |more: &[u32]| words.extend_from_slice(more, GFP_KERNEL_ACCOUNT);
    match kind {
        flavor::THREAD_64 => {
            for register in thread_64(from) {
                put(&halves(register))?;
            }
        }
        flavor::THREAD_32 => put(&thread_32(from))?,
        _ => {
            put(&[from.fault.trap.into(), from.fault.error])?;
            let [low, high] = halves(from.fault.address);
            put(&[low])?;
            if kind == flavor::EXCEPTION_64 {
                put(&[high])?;
            }
        }
    }
    Ok(words)
}

/// `registers` with those that `words`, a thread state, has.
fn replaced(kind: i32, words: &[u32], registers: &Registers) -> KernResult<Registers> {
    let mut new = *registers;
    let at = |index: usize| words.get(index).copied().ok_or(KernError::INVALID_ARGUMENT);
    if kind == flavor::THREAD_64 {
        let wide = |index: usize| -> KernResult<u64> {
            let low = at(index.saturating_mul(2))?;
            let high = at(index.saturating_mul(2).saturating_add(1))?;
            Ok(u64::from(low) | u64::from(high) << 32)
        };
        (new.ax, new.bx, new.cx, new.dx) = (wide(0)?, wide(1)?, wide(2)?, wide(3)?);
        (new.di, new.si, new.bp, new.sp) = (wide(4)?, wide(5)?, wide(6)?, wide(7)?);
        for (index, register) in new.more.iter_mut().enumerate() {
            *register = wide(index.saturating_add(8))?;
        }
        (new.ip, new.flags) = (wide(16)?, wide(17)?);
    } else {
        let wide = |index: usize| at(index).map(u64::from);
        (new.ax, new.bx, new.cx, new.dx) = (wide(0)?, wide(1)?, wide(2)?, wide(3)?);
        (new.di, new.si, new.bp, new.sp) = (wide(4)?, wide(5)?, wide(6)?, wide(7)?);
        (new.flags, new.ip) = (wide(9)?, wide(10)?);
    }
    if !registers::is_user_address(new.ip) {
        return Err(KernError::INVALID_ARGUMENT);
    }
    Ok(new)
}

fn get(call: &Call<'_>, port: &ThreadPort, wanted: i32, room: u32) -> KernResult<Words<MAX>> {
    let (task, thread) = port.controlled(call.context())?;
    let (kind, form) = resolve(&task, wanted)?;
    let registers = if ptr::eq(&*thread, call.context().thread()) {
        registers::of_current().ok_or(KernError::FAILURE)?
    } else {
        task.registers_of(&thread)?
    };
    let mut words = words_of(kind, &registers)?;
    if let Form::Named(most) = form {
        // CAST: these are small numbers.
        let header = [kind as u32, words.len() as u32];
        let mut named = KVec::with_capacity(most.saturating_add(2), GFP_KERNEL_ACCOUNT)?;
        named.extend_from_slice(&header, GFP_KERNEL_ACCOUNT)?;
        named.extend_from_slice(&words, GFP_KERNEL_ACCOUNT)?;
        named.resize(most.saturating_add(2), 0, GFP_KERNEL_ACCOUNT)?;
        words = named;
    }
    // CAST: `u32` to `usize` loses nothing.
    if (room as usize) < words.len() {
        return Err(KernError::INVALID_ARGUMENT);
    }
    Ok(Words(words))
}

fn set(call: &Call<'_>, port: &ThreadPort, wanted: i32, words: &[u32]) -> KernResult {
    let (task, thread) = port.controlled(call.context())?;
    let (kind, form) = resolve(&task, wanted)?;
    let size = match kind {
        flavor::THREAD_64 => WORDS_64,
        flavor::THREAD_32 => WORDS_32,
        // Exceptions are the processor's.
        _ => return Err(KernError::INVALID_ARGUMENT),
    };
    let words = match form {
        Form::Plain => words,
        Form::Named(_) => match words {
            // CAST: these are small numbers.
            [named, count, rest @ ..] if *named == kind as u32 && *count as usize == size => rest,
            _ => return Err(KernError::INVALID_ARGUMENT),
        },
    };
    let words = words.get(..size).ok_or(KernError::INVALID_ARGUMENT)?;
    let new = replaced(kind, words, &Registers::default())?;
    if ptr::eq(&*thread, call.context().thread()) {
        registers::set_current(&new);
        return Ok(());
    }
    task.set_registers_of(&thread, &new)
}

/// Tells a state of a thread.
///
/// `KERN_INVALID_ARGUMENT` for states that there are not and without room for all of it,
/// `KERN_NOT_SUPPORTED` for those that are not built, `KERN_NO_ACCESS`, `KERN_TERMINATED`,
/// `KERN_ABORTED` when a signal comes first.
#[routine(3603)]
fn thread_get_state(
    call: &Call<'_>,
    port: &ThreadPort,
    flavor: i32,
    room: u32,
) -> KernResult<Words<MAX>> {
    get(call, port, flavor, room)
}

/// The older name of [`thread_get_state`].
#[routine(3601)]
fn act_get_state(
    call: &Call<'_>,
    port: &ThreadPort,
    flavor: i32,
    room: u32,
) -> KernResult<Words<MAX>> {
    get(call, port, flavor, room)
}

/// Replaces a state of a thread; what it waits for in the kernel is ended. Errors as
/// [`thread_get_state`], and `KERN_INVALID_ARGUMENT` for an instruction pointer that programs
/// cannot have.
#[routine(3604)]
fn thread_set_state(
    call: &Call<'_>,
    port: &ThreadPort,
    flavor: i32,
    state: Words<MAX>,
) -> KernResult {
    set(call, port, flavor, state.0.as_slice())
}

/// The older name of [`thread_set_state`].
#[routine(3602)]
fn act_set_state(call: &Call<'_>, port: &ThreadPort, flavor: i32, state: Words<MAX>) -> KernResult {
    set(call, port, flavor, state.0.as_slice())
}
