// SPDX-License-Identifier: GPL-2.0

//! A handful of ports that a task keeps for its children: `mach_ports_register` and
//! `mach_ports_lookup` (ABI mig §3.2; XNU osfmk/kern/ipc_tt.c).
//!
//! Locks: `Registered::ports`, a leaf. Rights that leave it are dropped when it is released.

use super::{
    right::SendRight,
    routine::{
        Call,
        Refusal,
        RoutineDescriptor,
        RoutineResult, //
    },
    task_port::TaskPort,
    SendRights,
    SPACE, //
};
use crate::core::KernError;
use core::mem;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![mach_ports_register, mach_ports_lookup];

/// Ports that a task can register (`TASK_PORT_REGISTER_MAX`).
const COUNT: usize = 3;

type Ports = [Option<SendRight>; COUNT];

/// The registered ports of a task.
#[pin_data]
pub(super) struct Registered {
    #[pin]
    ports: SpinLock<Ports>,
}

impl Registered {
    /// Makes those of a task that inherits from `parent`.
    pub(super) fn new(parent: Option<&Self>) -> impl PinInit<Self> {
        let ports = parent.map(Self::get).unwrap_or_default();
        pin_init!(Self {
            ports <- new_spinlock!(ports, "Registered::ports"),
        })
    }

    fn get(&self) -> Ports {
        let ports = self.ports.lock();
        ports
            .each_ref()
            .map(|port| port.as_ref().map(SendRight::copy))
    }

    fn set(&self, ports: Ports) {
        let previous = mem::replace(&mut *self.ports.lock(), ports);
        drop(previous);
    }
}

/// Replaces the registered ports of a task; those that are not given are null from then on.
///
/// `KERN_INVALID_ARGUMENT` for more than there can be, `KERN_NO_ACCESS`, `KERN_INVALID_TASK`. The
/// rights are taken only on success.
#[routine(3403)]
fn mach_ports_register(
    call: &Call<'_>,
    task: &TaskPort,
    given: SendRights,
    count: u32,
) -> RoutineResult {
    // CAST: `u32` to `usize` loses nothing.
    if given.len() != count as usize {
        return Err(Refusal::TYPE_ERROR);
    }
    if given.len() > COUNT {
        return Err(KernError::INVALID_ARGUMENT.into());
    }
    let task = task.controlled(call.context())?;
    let space = SPACE.of_task(&task).ok_or(KernError::INVALID_TASK)?;
    let mut ports = Ports::default();
    for (place, right) in ports.iter_mut().zip(given.into_rights()) {
        *place = right;
    }
    space.special.registered.set(ports);
    Ok(())
}

/// Gives out the registered ports of a task, always as many as there can be; null where none is.
#[routine(3404)]
fn mach_ports_lookup(call: &Call<'_>, task: &TaskPort) -> RoutineResult<SendRights> {
    let task = task.controlled(call.context())?;
    let space = SPACE.of_task(&task).ok_or(KernError::INVALID_TASK)?;
    let mut rights = SendRights::new();
    for port in space.special.registered.get() {
        rights.push(port)?;
    }
    Ok(rights)
}
