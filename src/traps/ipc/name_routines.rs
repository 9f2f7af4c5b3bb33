// SPDX-License-Identifier: GPL-2.0

//! Routines on names and their references, of the caller's task or another (ABI mig §3.1; XNU
//! osfmk/ipc/mach_port.c).
//!
//! Locks: `Space::table`, inside `Space::with`.

use super::{
    entry::Object,
    names_traps::{
        self,
        new_receive_right, //
    },
    param::AnyRight,
    port_routines::{
        in_space,
        right_kind, //
    },
    right::Right,
    routine::{
        Call,
        RoutineDescriptor, //
    },
    set::PortSet,
    space::Space,
    task_port::TaskPort, //
};
use crate::{
    abi::{
        port::Right as RightKind,
        PortName, //
    },
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
    mach_port_type,
    mach_port_rename,
    mach_port_allocate_name,
    mach_port_allocate,
    mach_port_destroy,
    mach_port_deallocate,
    mach_port_get_refs,
    mach_port_mod_refs,
    mach_port_allocate_qos,
    mach_port_allocate_full,
    task_set_port_space,
];

/// Tells which rights a name denotes.
#[routine(3201)]
fn mach_port_type(call: &Call<'_>, task: &TaskPort, name: PortName) -> KernResult<u32> {
    in_space(call, task, |space| names_traps::type_of(space, name))
}

/// Names do not change: `KERN_NOT_SUPPORTED`.
#[routine(3202)]
fn mach_port_rename(
    _call: &Call<'_>,
    _task: &TaskPort,
    _old: PortName,
    _new: PortName,
) -> KernResult {
    Err(KernError::NOT_SUPPORTED)
}

/// Makes a port, a port set or a dead name under a name of the caller's choice.
#[routine(3203)]
fn mach_port_allocate_name(
    call: &Call<'_>,
    task: &TaskPort,
    right: i32,
    name: PortName,
) -> KernResult {
    in_space(call, task, |space| allocate_as(space, right, name))
}

fn allocate_as(space: &Space, right: i32, name: PortName) -> KernResult {
    if !name.is_valid() {
        return Err(KernError::INVALID_VALUE);
    }
    let object = match right_kind(right)? {
        RightKind::Receive => {
            let right = new_receive_right()?;
            return space.insert_right_as(name, Right::Receive(right));
        }
        RightKind::PortSet => {
            Object::Set(PortSet::with_right().map_err(|_| KernError::RESOURCE_SHORTAGE)?)
        }
        RightKind::DeadName => Object::Dead,
        _ => return Err(KernError::INVALID_VALUE),
    };
    space.reach(name)?;
    let mut object = Some(object);
    space.with(|table| {
        if table.peek(name).is_some() {
            return Err(KernError::NAME_EXISTS);
        }
        let taken = object.take().ok_or(KernError::FAILURE)?;
        table.insert_as(name, taken, 1).map(drop).map_err(|back| {
            // Dropped with the variable, after the unlock.
            object = Some(back);
            KernError::FAILURE
        })
    })
}

/// Makes a port, a port set or a dead name.
#[routine(3204)]
fn mach_port_allocate(call: &Call<'_>, task: &TaskPort, right: i32) -> KernResult<PortName> {
    in_space(call, task, |space| names_traps::allocate(space, right))
}

/// Drops all rights under a name.
#[routine(3205)]
fn mach_port_destroy(call: &Call<'_>, task: &TaskPort, name: PortName) -> KernResult {
    in_space(call, task, |space| space.with(|table| table.destroy(name)))
}

/// Drops one user reference.
#[routine(3206)]
fn mach_port_deallocate(call: &Call<'_>, task: &TaskPort, name: PortName) -> KernResult {
    in_space(call, task, |space| {
        space.with(|table| table.deallocate(name))
    })
}

/// Tells the number of user references of a right; 0 if the name is not of that right.
#[routine(3207)]
fn mach_port_get_refs(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
    right: i32,
) -> KernResult<u32> {
    let kind = right_kind(right)?;
    in_space(call, task, |space| {
        if !name.is_valid() {
            return match kind {
                RightKind::Send | RightKind::SendOnce => Ok(1),
                _ => Err(KernError::INVALID_NAME),
            };
        }
        space.with(|table| {
            table.refresh(name);
            let entry = table.lookup(name).ok_or(KernError::INVALID_NAME)?;
            Ok(match (kind, &entry.object) {
                (RightKind::Send, Object::Send(_)) => u32::from(entry.urefs),
                (RightKind::Send, Object::Receive(rights)) if rights.has_send() => {
                    u32::from(entry.urefs)
                }
                (RightKind::DeadName, Object::Dead) => u32::from(entry.urefs),
                (RightKind::Receive, Object::Receive(_))
                | (RightKind::SendOnce, Object::SendOnce(_))
                | (RightKind::PortSet, Object::Set(_)) => 1,
                _ => 0,
            })
        })
    })
}

/// Changes the number of user references of a right.
#[routine(3208)]
fn mach_port_mod_refs(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
    right: i32,
    delta: i32,
) -> KernResult {
    let kind = right_kind(right)?;
    in_space(call, task, |space| {
        space.with(|table| table.mod_refs(name, kind, delta))
    })
}

/// Bits of the first word of `mach_port_qos_t`; the second is the size of a message to have memory
/// for, which is not needed here.
mod qos {
    /// The caller has chosen the name.
    pub(super) const NAME: u32 = 1;
    /// There is to be memory for a message.
    pub(super) const PREALLOCATED: u32 = 2;
}

fn allocate_with(
    call: &Call<'_>,
    task: &TaskPort,
    right: i32,
    qos: u64,
    name: PortName,
) -> KernResult<(u64, PortName)> {
    // CAST: the low word.
    let has = |flag| qos as u32 & flag != 0;
    let chosen = has(qos::NAME);
    if chosen && !name.is_valid() {
        return Err(KernError::INVALID_VALUE);
    }
    // Only a port has messages.
    if has(qos::PREALLOCATED) && right_kind(right)? != RightKind::Receive {
        return Err(KernError::INVALID_VALUE);
    }
    in_space(call, task, |space| {
        if chosen {
            allocate_as(space, right, name)?;
            return Ok((qos, name));
        }
        Ok((qos, names_traps::allocate(space, right)?))
    })
}

/// As [`mach_port_allocate`]; memory for messages is not set aside.
#[routine(3219)]
fn mach_port_allocate_qos(
    call: &Call<'_>,
    task: &TaskPort,
    right: i32,
    qos: u64,
) -> KernResult<(u64, PortName)> {
    allocate_with(call, task, right, qos, PortName::NULL)
}

/// As [`mach_port_allocate`], or under a name of the caller's choice if `qos` says so. There are no
/// ports to be like: `KERN_INVALID_VALUE` for a prototype.
#[routine(3220)]
fn mach_port_allocate_full(
    call: &Call<'_>,
    task: &TaskPort,
    prototype: AnyRight,
    right: i32,
    qos: u64,
    name: PortName,
) -> KernResult<(u64, PortName)> {
    if !prototype.is_null() {
        return Err(KernError::INVALID_VALUE);
    }
    allocate_with(call, task, right, qos, name)
}

/// Says how many names the task is going to have: a hint, as tables grow when they must.
/// `KERN_INVALID_ARGUMENT` for less than none.
#[routine(3221)]
fn task_set_port_space(call: &Call<'_>, task: &TaskPort, entries: i32) -> KernResult {
    task.controlled(call.context())?;
    u32::try_from(entries)
        .map(drop)
        .map_err(|_| KernError::INVALID_ARGUMENT)
}
