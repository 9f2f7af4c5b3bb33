// SPDX-License-Identifier: GPL-2.0

//! The states of threads: their registers, by kind (ABI mig §3.3, traps §11.1; XNU
//! osfmk/i386/pcb.c).
//!
//! A thread whose client has handed its registers in has those, and they are told and changed as
//! they are; others have the ones that the processor will load.

use super::layout::{
    self,
    WORDS_32,
    WORDS_64, //
};
use crate::{
    core::{
        DebugRegisters,
        KernError,
        KernResult,
        Task,
        Thread,
        FLOAT_WORDS, //
    },
    linux::{
        float::{
            self,
            Extent,
            FloatRegisters, //
        },
        registers::{
            self,
            Registers, //
        },
    },
};
use kernel::prelude::*;

/// Words that a state may have (`THREAD_STATE_MAX`).
pub(crate) const MAX: usize = 614;

/// Kinds of states (XNU osfmk/mach/i386/thread_status.h).
pub(super) mod flavor {
    pub(in super::super) const THREAD_32: i32 = 1;
    pub(in super::super) const FLOAT_32: i32 = 2;
    pub(in super::super) const EXCEPTION_32: i32 = 3;
    pub(in super::super) const THREAD_64: i32 = 4;
    pub(in super::super) const FLOAT_64: i32 = 5;
    pub(in super::super) const EXCEPTION_64: i32 = 6;
    pub(in super::super) const THREAD: i32 = 7;
    pub(in super::super) const FLOAT: i32 = 8;
    pub(in super::super) const EXCEPTION: i32 = 9;
    pub(in super::super) const DEBUG_32: i32 = 10;
    pub(in super::super) const DEBUG_64: i32 = 11;
    pub(in super::super) const DEBUG: i32 = 12;
    pub(in super::super) const AVX_32: i32 = 16;
    pub(in super::super) const AVX_64: i32 = 17;
    pub(in super::super) const AVX: i32 = 18;
}

/// Which registers a state has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    General,
    Float,
    /// With the upper halves of vector registers.
    Avx,
    Exception,
    /// Addresses of breakpoints; clients do not know of these.
    Debug,
}

/// Words of `x86_debug_state32` and `x86_debug_state64`.
const DEBUG_WORDS_32: usize = 8;
const DEBUG_WORDS_64: usize = 16;

/// Words of `x86_avx_state32` and `x86_avx_state64`.
const AVX_WORDS_32: usize = 179;
const AVX_WORDS_64: usize = 211;

/// A state that somebody wants.
#[derive(Clone, Copy)]
struct Wanted {
    part: Part,
    /// The kind, of the width of the task.
    kind: i32,
    /// Words of it.
    size: usize,
    /// If the state is to say of itself what it is, its kind and number of words come first, and
    /// there is room for so many after those.
    named: Option<usize>,
}

impl Wanted {
    /// What `flavor` is for a task of this width. `KERN_INVALID_ARGUMENT` for states of the other
    /// width and those that there are not, `KERN_FAILURE` for registers that the processor has not.
    fn new(task: &Task, wanted: i32) -> KernResult<Self> {
        let is_32bit = task.is_32bit();
        let by_width = |narrow, wide| if is_32bit { narrow } else { wide };
        let (part, kind, named) = match wanted {
            flavor::THREAD => (
                Part::General,
                by_width(flavor::THREAD_32, flavor::THREAD_64),
                Some(WORDS_64),
            ),
            flavor::FLOAT => (
                Part::Float,
                by_width(flavor::FLOAT_32, flavor::FLOAT_64),
                Some(FLOAT_WORDS),
            ),
            flavor::AVX => (
                Part::Avx,
                by_width(flavor::AVX_32, flavor::AVX_64),
                Some(AVX_WORDS_64),
            ),
            flavor::EXCEPTION => (
                Part::Exception,
                by_width(flavor::EXCEPTION_32, flavor::EXCEPTION_64),
                Some(4),
            ),
            flavor::THREAD_32 | flavor::THREAD_64 => (Part::General, wanted, None),
            flavor::FLOAT_32 | flavor::FLOAT_64 => (Part::Float, wanted, None),
            flavor::AVX_32 | flavor::AVX_64 => (Part::Avx, wanted, None),
            flavor::EXCEPTION_32 | flavor::EXCEPTION_64 => (Part::Exception, wanted, None),
            flavor::DEBUG => (
                Part::Debug,
                by_width(flavor::DEBUG_32, flavor::DEBUG_64),
                Some(DEBUG_WORDS_64),
            ),
            flavor::DEBUG_32 | flavor::DEBUG_64 => (Part::Debug, wanted, None),
            _ => return Err(KernError::INVALID_ARGUMENT),
        };
        if part == Part::Avx && !float::have_upper() {
            return Err(KernError::FAILURE);
        }
        let size = match kind {
            flavor::THREAD_32 if is_32bit => WORDS_32,
            flavor::THREAD_64 if !is_32bit => WORDS_64,
            flavor::FLOAT_32 if is_32bit => FLOAT_WORDS,
            flavor::FLOAT_64 if !is_32bit => FLOAT_WORDS,
            flavor::DEBUG_32 if is_32bit => DEBUG_WORDS_32,
            flavor::DEBUG_64 if !is_32bit => DEBUG_WORDS_64,
            flavor::AVX_32 if is_32bit => AVX_WORDS_32,
            flavor::AVX_64 if !is_32bit => AVX_WORDS_64,
            flavor::EXCEPTION_32 if is_32bit => 3,
            flavor::EXCEPTION_64 if !is_32bit => 4,
            _ => return Err(KernError::INVALID_ARGUMENT),
        };
        Ok(Self {
            part,
            kind,
            size,
            named,
        })
    }

    /// Room for floating point registers of `task`'s threads.
    fn new_float(&self, task: &Task) -> KernResult<KBox<FloatRegisters>> {
        let extent = Extent {
            is_narrow: task.is_32bit(),
            has_upper: self.part == Part::Avx,
        };
        Ok(KBox::new(FloatRegisters::new(extent), GFP_KERNEL_ACCOUNT)?)
    }

    /// Words of the whole.
    fn words(&self) -> usize {
        self.named
            .map_or(self.size, |named| named.saturating_add(2))
    }

    /// The registers in `words`, which somebody wants to be those of a thread.
    /// `KERN_INVALID_ARGUMENT` if that is not what they say of themselves, or there are too few.
    fn registers_in<'a>(&self, words: &'a [u32]) -> KernResult<&'a [u32]> {
        let words = match (self.named, words) {
            (None, words) => words,
            // CAST: these are small numbers.
            (Some(_), [kind, size, rest @ ..])
                if *kind == self.kind as u32 && *size as usize == self.size =>
            {
                rest
            }
            _ => return Err(KernError::INVALID_ARGUMENT),
        };
        words.get(..self.size).ok_or(KernError::INVALID_ARGUMENT)
    }

    /// `words`, with what they are to say of themselves.
    fn name(&self, words: KVec<u32>) -> KernResult<KVec<u32>> {
        if self.named.is_none() {
            return Ok(words);
        }
        // CAST: these are small numbers.
        let header = [self.kind as u32, self.size as u32];
        let mut named = KVec::with_capacity(self.words(), GFP_KERNEL_ACCOUNT)?;
        named.extend_from_slice(&header, GFP_KERNEL_ACCOUNT)?;
        named.extend_from_slice(&words, GFP_KERNEL_ACCOUNT)?;
        named.resize(self.words(), 0, GFP_KERNEL_ACCOUNT)?;
        Ok(named)
    }
}

/// The number of words of a state of `task`'s threads. Errors as those of [`get`].
pub(crate) fn words(task: &Task, flavor: i32) -> KernResult<usize> {
    Ok(Wanted::new(task, flavor)?.words())
}

/// A state of `thread`, one of `task`'s.
///
/// `KERN_INVALID_ARGUMENT` for states that there are not, `KERN_FAILURE` for registers that the
/// processor has not, `KERN_NOT_SUPPORTED` for what clients do not hand in, `KERN_TERMINATED`,
/// `KERN_ABORTED` when a signal comes first, `KERN_RESOURCE_SHORTAGE`.
pub(crate) fn get(task: &Task, thread: &Thread, flavor: i32) -> KernResult<KVec<u32>> {
    let wanted = Wanted::new(task, flavor)?;
    if wanted.part == Part::Debug {
        let values = thread.debug_registers().map(DebugRegisters::get);
        let words = layout::debug_words(wanted.size, &values.unwrap_or_default())?;
        return wanted.name(words);
    }
    let words = loop {
        if let Some(words) = handed(thread, &wanted)? {
            break words;
        }
        let found = match wanted.part {
            Part::General | Part::Exception => task
                .registers_of(thread)?
                .map(|registers| layout::words_of(wanted.kind, &registers)),
            Part::Float | Part::Avx => {
                let mut float = wanted.new_float(task)?;
                task.float_of(thread, &mut float)?
                    .map(|()| layout::float_words(wanted.size, &float))
            }
            Part::Debug => return Err(KernError::FAILURE),
        };
        if let Some(words) = found {
            break words?;
        }
    };
    wanted.name(words)
}

/// What is wanted, if the client of `thread` has handed it in.
fn handed(thread: &Thread, wanted: &Wanted) -> KernResult<Option<KVec<u32>>> {
    // Nothing is allocated while others are kept from it.
    let Some(state) = thread.handed.look(|state| *state) else {
        return Ok(None);
    };
    let words = match wanted.part {
        Part::General => state.general.as_slice(),
        Part::Float => state.float.as_slice(),
        // Clients do not know of more.
        Part::Avx | Part::Debug => return Err(KernError::NOT_SUPPORTED),
        Part::Exception => {
            let fault = registers::last_fault(thread.linux());
            let registers = Registers {
                fault,
                ..Registers::default()
            };
            return layout::words_of(wanted.kind, &registers).map(Some);
        }
    };
    let mut own = KVec::with_capacity(wanted.size, GFP_KERNEL_ACCOUNT)?;
    own.extend_from_slice(
        words.get(..wanted.size).unwrap_or_default(),
        GFP_KERNEL_ACCOUNT,
    )?;
    Ok(Some(own))
}

/// Replaces a state of `thread`, one of `task`'s; what it waits for in the kernel is ended, unless
/// its client has handed the state in: then that may be anything, as the client loads it. Errors as
/// [`get`], and `KERN_INVALID_ARGUMENT` for what programs cannot have, or cannot set.
pub(crate) fn set(task: &Task, thread: &Thread, flavor: i32, words: &[u32]) -> KernResult {
    let wanted = Wanted::new(task, flavor)?;
    if wanted.part == Part::Exception {
        // Exceptions are the processor's.
        return Err(KernError::INVALID_ARGUMENT);
    }
    let words = wanted.registers_in(words)?;
    if wanted.part == Part::Debug {
        return thread.set_debug_registers(&layout::debug_values(words));
    }
    loop {
        if set_handed(thread, &wanted, words)? {
            return Ok(());
        }
        let found = if wanted.part == Part::General {
            let new = layout::replaced(wanted.kind, words, &Registers::default())?;
            if !registers::is_user_address(new.ip) {
                return Err(KernError::INVALID_ARGUMENT);
            }
            task.set_registers_of(thread, &new)?
        } else {
            let mut float = wanted.new_float(task)?;
            layout::fill_float(words, &mut float);
            task.set_float_of(thread, &float)?
        };
        if found.is_some() {
            return Ok(());
        }
    }
}

/// Replaces what the client of `thread` has handed in. False if it has not handed in anything.
fn set_handed(thread: &Thread, wanted: &Wanted, words: &[u32]) -> KernResult<bool> {
    if wanted.part == Part::Avx {
        return match thread.handed.look(|_| ()) {
            Some(()) => Err(KernError::NOT_SUPPORTED),
            None => Ok(false),
        };
    }
    let found = thread.handed.look(|state| {
        let place = match wanted.part {
            Part::General => state.general.as_mut_slice(),
            _ => state.float.as_mut_slice(),
        };
        for (place, word) in place.iter_mut().zip(words) {
            *place = *word;
        }
    });
    Ok(found.is_some())
}
