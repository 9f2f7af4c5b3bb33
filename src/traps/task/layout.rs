// SPDX-License-Identifier: GPL-2.0

//! Registers in the layouts of the interface, and back (XNU osfmk/mach/i386/_structs.h).
//!
//! Pure, no locks.

use super::state::flavor;
use crate::{
    core::{
        DebugValues,
        KernError,
        KernResult, //
    },
    linux::{
        float::{
            FloatRegisters,
            LEGACY, //
        },
        registers::Registers,
    },
};
use kernel::prelude::*;

/// Words of `x86_thread_state32`.
pub(super) const WORDS_32: usize = 16;
/// Words of `x86_thread_state64`.
pub(super) const WORDS_64: usize = 42;

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
pub(super) fn words_of(kind: i32, from: &Registers) -> KernResult<KVec<u32>> {
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
pub(super) fn replaced(kind: i32, words: &[u32], registers: &Registers) -> KernResult<Registers> {
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
    Ok(new)
}

/// Words before the registers of `x86_float_state64`, which are empty.
const FLOAT_START: usize = 2;
/// Words of the registers.
const LEGACY_WORDS: usize = LEGACY / 4;
/// Empty words between them and the upper halves, in `x86_avx_state64`.
const UPPER_GAP: usize = 17;

/// The words of a state of floating point registers, `size` words.
pub(super) fn float_words(size: usize, from: &FloatRegisters) -> KernResult<KVec<u32>> {
    let mut words = KVec::with_capacity(size, GFP_KERNEL_ACCOUNT)?;
    words.resize(FLOAT_START, 0, GFP_KERNEL_ACCOUNT)?;
    put_bytes(&mut words, &from.legacy)?;
    if from.extent.has_upper {
        let start = words.len().saturating_add(UPPER_GAP);
        words.resize(start, 0, GFP_KERNEL_ACCOUNT)?;
        put_bytes(&mut words, &from.upper)?;
    }
    // One that is too long has halves at its end that the task does not have.
    words.truncate(size);
    words.resize(size, 0, GFP_KERNEL_ACCOUNT)?;
    Ok(words)
}

fn put_bytes(words: &mut KVec<u32>, bytes: &[u8]) -> KernResult {
    for chunk in bytes.chunks_exact(4) {
        let word = chunk
            .first_chunk()
            .map_or(0, |word| u32::from_ne_bytes(*word));
        words.push(word, GFP_KERNEL_ACCOUNT)?;
    }
    Ok(())
}

/// Fills `registers` with those that `words`, a state of floating point registers, has.
pub(super) fn fill_float(words: &[u32], registers: &mut FloatRegisters) {
    let legacy = words.get(FLOAT_START..).unwrap_or_default();
    take_bytes(legacy, &mut registers.legacy);
    let upper = FLOAT_START + LEGACY_WORDS + UPPER_GAP;
    take_bytes(words.get(upper..).unwrap_or_default(), &mut registers.upper);
}

fn take_bytes(words: &[u32], bytes: &mut [u8]) {
    for (chunk, word) in bytes.chunks_exact_mut(4).zip(words) {
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
}

/// The words of a state of debug registers, `size` words: whole registers, or their lower halves.
pub(super) fn debug_words(size: usize, values: &DebugValues) -> KernResult<KVec<u32>> {
    let is_wide = size > values.len();
    let mut words = KVec::with_capacity(size, GFP_KERNEL_ACCOUNT)?;
    for value in values {
        // CAST: the halves of a register.
        words.push(*value as u32, GFP_KERNEL_ACCOUNT)?;
        if is_wide {
            words.push((value >> 32) as u32, GFP_KERNEL_ACCOUNT)?;
        }
    }
    Ok(words)
}

/// The debug registers in `words`, a state of them.
pub(super) fn debug_values(words: &[u32]) -> DebugValues {
    let mut values = DebugValues::default();
    let step = words.len().checked_div(values.len()).unwrap_or(1).max(1);
    for (value, words) in values.iter_mut().zip(words.chunks(step)) {
        for (index, word) in (0u32..).zip(words) {
            *value |= u64::from(*word) << (index.min(1) * 32);
        }
    }
    values
}
