// SPDX-License-Identifier: GPL-2.0

//! Routines on the contexts of ports and on what guards them (ABI mig §3.1; XNU
//! osfmk/ipc/mach_port.c).
//!
//! Locks: `Space::table` for the look-up, then `Port::state` for the change.

use super::{
    attributes,
    port::Guard,
    port_routines::{
        check_receive_name,
        in_space, //
    },
    routine::{
        Call,
        RoutineDescriptor, //
    },
    task_port::TaskPort, //
};
use crate::{
    abi::PortName,
    core::{
        KernError,
        KernResult, //
    },
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    mach_port_get_context,
    mach_port_set_context,
    mach_port_destruct,
    mach_port_guard,
    mach_port_unguard,
    mach_port_guard_with_flags,
    mach_port_swap_guard,
];

/// Tells the context of a port.
#[routine(3228)]
fn mach_port_get_context(call: &Call<'_>, task: &TaskPort, name: PortName) -> KernResult<u64> {
    in_space(call, task, |space| {
        check_receive_name(name)?;
        let port = space.with(|table| table.receive_port(name))?;
        // That of a strictly guarded port is a secret.
        Ok(port.with(|state| match state.guard {
            Some(Guard::Strict) => 0,
            _ => state.context,
        }))
    })
}

/// Sets the context of a port. `KERN_INVALID_ARGUMENT` if it guards the port.
#[routine(3229)]
fn mach_port_set_context(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
    context: u64,
) -> KernResult {
    in_space(call, task, |space| {
        check_receive_name(name)?;
        let port = space.with(|table| table.receive_port(name))?;
        port.with(|state| {
            if state.guard == Some(Guard::Strict) {
                return Err(KernError::INVALID_ARGUMENT);
            }
            state.context = context;
            Ok(())
        })
    })
}

/// Drops a receive right, whose guard the caller must know, and some of the references of the send
/// right under the same name.
#[routine(3232)]
fn mach_port_destruct(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
    srdelta: i32,
    guard: u64,
) -> KernResult {
    in_space(call, task, |space| {
        space.with(|table| table.destruct(name, srdelta, guard))
    })
}

/// Guards a receive right with a value, which must be known to drop it.
#[routine(3233)]
fn mach_port_guard(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
    guard: u64,
    strict: u32,
) -> KernResult {
    in_space(call, task, |space| {
        attributes::guard(space, name, guard, strict != 0, false)
    })
}

/// Takes the guard off a receive right.
#[routine(3234)]
fn mach_port_unguard(call: &Call<'_>, task: &TaskPort, name: PortName, guard: u64) -> KernResult {
    in_space(call, task, |space| attributes::unguard(space, name, guard))
}

/// As [`mach_port_guard`]; the flags say whether strictly, and whether the right may leave its
/// space. Other flags are ignored, as in XNU.
#[routine(3237)]
fn mach_port_guard_with_flags(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
    guard: u64,
    flags: u64,
) -> KernResult {
    const MPG_STRICT: u64 = 1;
    const MPG_IMMOVABLE_RECEIVE: u64 = 2;

    in_space(call, task, |space| {
        let immovable = flags & MPG_IMMOVABLE_RECEIVE != 0;
        attributes::guard(space, name, guard, flags & MPG_STRICT != 0, immovable)
    })
}

/// Replaces the value that guards a receive right, unless strictly: `KERN_INVALID_ARGUMENT`.
#[routine(3238)]
fn mach_port_swap_guard(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
    old: u64,
    new: u64,
) -> KernResult {
    in_space(call, task, |space| {
        let port = space.with(|table| table.receive_port(name))?;
        port.with(|state| {
            if state.guard != Some(Guard::Plain) || state.context != old {
                return Err(KernError::INVALID_ARGUMENT);
            }
            state.context = new;
            Ok(())
        })
    })
}
