// SPDX-License-Identifier: GPL-2.0

//! The debug registers of a thread: four addresses, and what is to happen there.
//!
//! They are those of the processor in layout only: each address that is switched on becomes a
//! breakpoint of Linux. What could not be loaded by a program of macOS is refused, as is what Linux
//! does not do (XNU osfmk/i386/pcb_native.c; Intel's manual, volume 3, chapter 19).
//!
//! Locks: `DebugRegisters::state` (mutex); locks of perf are taken under it.

use super::{
    object::Live,
    KernError,
    KernResult,
    ObjectCounter,
    Thread, //
};
use crate::linux::{
    breakpoint::{
        Breakpoint,
        Hits,
        Operation,
        Wanted,
        COUNT, //
    },
    registers::is_user_address,
    thread::ThreadRef,
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::ordering::Full,
        barrier,
        Arc,
        Mutex, //
    },
};

pub(super) static DEBUG_REGISTERS: ObjectCounter = ObjectCounter::new("debug_registers");

/// What the registers hold, by number; 4 and 5 are none.
pub(crate) type Values = [u64; 8];

/// Bits of register 7.
mod control {
    /// Always set.
    pub(super) const FIXED: u64 = 1 << 10;
    /// Not there, or not for programs.
    pub(super) const RESERVED: u64 = 0xf800;
    /// Breakpoints of all programs.
    pub(super) const GLOBAL: u64 = 0xaa;
    pub(super) const ALL: u64 = 0xffff_ffff;
}

/// The debug registers of one thread.
#[pin_data]
pub(crate) struct DebugRegisters {
    #[pin]
    state: Mutex<State>,
    /// Which of the breakpoints have been hit.
    pub(crate) hits: Arc<Hits>,
    _live: Live,
}

struct State {
    addresses: [u64; COUNT],
    control: u64,
    breakpoints: [Option<Breakpoint>; COUNT],
    ended: bool,
}

impl DebugRegisters {
    /// Makes those of a thread, which are all zero. Fails with `ENOMEM`.
    pub(super) fn new() -> Result<Arc<Self>> {
        let hits = Arc::new(Hits::new(), GFP_KERNEL_ACCOUNT)?;
        let state = State {
            addresses: [0; COUNT],
            control: 0,
            breakpoints: [const { None }; COUNT],
            ended: false,
        };
        Arc::pin_init(
            pin_init!(Self {
                state <- new_mutex!(state, "DebugRegisters::state"),
                hits,
                _live: Live::new(&DEBUG_REGISTERS),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// What they hold. Register 6 tells what was hit last.
    pub(crate) fn get(&self) -> Values {
        let state = self.state.lock();
        let [first, second, third, fourth] = state.addresses;
        let status = self.hits.status().into();
        [first, second, third, fourth, 0, 0, status, state.control]
    }

    /// Sets those of `thread`, which these are of.
    ///
    /// `KERN_INVALID_ARGUMENT` for what cannot be loaded: addresses that programs do not have or
    /// that are not aligned to the length, breakpoints for input and output or for all programs,
    /// and lengths other than 1 of those for instructions. `KERN_RESOURCE_SHORTAGE` when somebody
    /// else uses the processor's registers, or without memory: no breakpoint is set then.
    /// `KERN_TERMINATED`.
    pub(crate) fn set(&self, thread: &ThreadRef, values: &Values) -> KernResult {
        let [first, second, third, fourth, _, _, status, control] = *values;
        let addresses = [first, second, third, fourth];
        let control = (control & control::ALL & !control::RESERVED) | control::FIXED;
        let wanted = all_wanted(&addresses, control)?;

        let mut state = self.state.lock();
        if state.ended {
            return Err(KernError::TERMINATED);
        }
        // Those that go make room for the others first.
        for (place, wanted) in state.breakpoints.iter_mut().zip(&wanted) {
            if place.as_ref().map(Breakpoint::wanted) != *wanted {
                *place = None;
            }
        }
        let mut result = Ok(());
        for (index, (place, wanted)) in state.breakpoints.iter_mut().zip(wanted).enumerate() {
            let (None, Some(wanted)) = (&place, wanted) else {
                continue;
            };
            match Breakpoint::new(thread, index, wanted, &self.hits) {
                Ok(breakpoint) => *place = Some(breakpoint),
                Err(error) => {
                    result = Err(match error {
                        EINVAL => KernError::INVALID_ARGUMENT,
                        ESRCH => KernError::TERMINATED,
                        _ => KernError::RESOURCE_SHORTAGE,
                    });
                    break;
                }
            }
        }
        if result.is_err() {
            state.clear();
            return result;
        }
        state.addresses = addresses;
        state.control = control;
        // CAST: the upper half is none.
        self.hits.set_status(status as u32);
        Ok(())
    }

    /// The thread has ended, or its program.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        state.clear();
    }
}

impl State {
    fn clear(&mut self) {
        self.addresses = [0; COUNT];
        self.control = 0;
        self.breakpoints = [const { None }; COUNT];
    }
}

impl Thread {
    /// The thread's debug registers, if anybody has set them.
    pub(crate) fn debug_registers(&self) -> Option<&DebugRegisters> {
        self.debug.get()
    }

    /// Sets the thread's debug registers, see [`DebugRegisters::set`].
    pub(crate) fn set_debug_registers(&self, values: &Values) -> KernResult {
        if self.debug.get().is_none() {
            let registers = DebugRegisters::new().map_err(|_| KernError::RESOURCE_SHORTAGE)?;
            // If there are some by now, these go.
            let _ = self.debug.put(registers);
            // Either `end` finds them, or we see that it has been there.
            barrier::smp_mb(Full);
        }
        let registers = self.debug_registers().ok_or(KernError::FAILURE)?;
        if self.has_ended() {
            registers.end();
        }
        registers.set(self.linux(), values)
    }
}

/// The breakpoints that `control` switches on.
fn all_wanted(addresses: &[u64; COUNT], control: u64) -> KernResult<[Option<Wanted>; COUNT]> {
    if control & control::GLOBAL != 0 {
        return Err(KernError::INVALID_ARGUMENT);
    }
    let mut all = [None; COUNT];
    let mut bits = control;
    let mut kinds = control >> 16;
    for (place, address) in all.iter_mut().zip(addresses) {
        let (is_on, kind, length) = (bits & 1 != 0, kinds & 3, kinds >> 2 & 3);
        bits >>= 2;
        kinds >>= 4;
        let operation = match (kind, length) {
            (0, 0) => Operation::Execute,
            (1, _) => Operation::Write,
            (3, _) => Operation::ReadWrite,
            _ => return Err(KernError::INVALID_ARGUMENT),
        };
        if !is_on {
            continue;
        }
        let length = match length {
            // What Linux wants for instructions.
            0 if operation == Operation::Execute => 8,
            0 => 1,
            1 => 2,
            2 => 8,
            _ => 4,
        };
        if !is_user_address(address.saturating_add(length)) {
            return Err(KernError::INVALID_ARGUMENT);
        }
        *place = Some(Wanted {
            address: *address,
            length,
            operation,
        });
    }
    Ok(all)
}
