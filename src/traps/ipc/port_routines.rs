// SPDX-License-Identifier: GPL-2.0

//! Routines on the names and rights of a task, its own or another's (ABI mig §3.1; XNU
//! osfmk/ipc/mach_port.c).
//!
//! What the traps of the same names do for the caller alone these do for any task that the caller
//! may control.

use super::{
    attributes,
    entry::Object,
    names_traps::{
        self,
        new_receive_right, //
    },
    port::Guard,
    request::AnyRight,
    request_traps,
    right::Right,
    routine::{
        Call,
        Refusal,
        RoutineDescriptor,
        RoutineResult, //
    },
    set::PortSet,
    space::Space,
    special::TaskPort,
    SPACE, //
};
use crate::{
    abi::{
        msg::Disposition,
        port::Right as RightKind,
        PortName, //
    },
    core::{
        KernError,
        KernResult, //
    },
};
use kernel::sync::atomic::ordering::Relaxed;
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
    mach_port_set_mscount,
    mach_port_move_member,
    mach_port_request_notification,
    mach_port_insert_right,
    mach_port_extract_right,
    mach_port_set_seqno,
    mach_port_allocate_qos,
    mach_port_allocate_full,
    task_set_port_space,
    mach_port_insert_member,
    mach_port_extract_member,
    mach_port_get_context,
    mach_port_set_context,
    mach_port_destruct,
    mach_port_guard,
    mach_port_unguard,
    mach_port_special_reply_port_reset_link,
    mach_port_guard_with_flags,
    mach_port_swap_guard,
];

/// Calls `f` with the space of `task`. `KERN_NO_ACCESS` if the caller may not control it,
/// `KERN_INVALID_TASK` when it has ended.
pub(super) fn in_space<R>(
    call: &Call<'_>,
    task: &TaskPort,
    f: impl FnOnce(&Space) -> KernResult<R>,
) -> KernResult<R> {
    let task = task.controlled(call.context())?;
    f(SPACE.of_task(&task).ok_or(KernError::INVALID_TASK)?)
}

/// Routines that change a receive right say so of a name that cannot be one.
pub(super) fn check_receive_name(name: PortName) -> KernResult {
    name.is_valid()
        .then_some(())
        .ok_or(KernError::INVALID_RIGHT)
}

fn right_kind(right: i32) -> KernResult<RightKind> {
    RightKind::try_from(right).map_err(|_| KernError::INVALID_VALUE)
}

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
        let taken = object.take().ok_or(KernError::FAILURE)?;
        table.insert_as(name, taken, 1).map(drop).map_err(|back| {
            // Dropped with the variable, after the unlock.
            object = Some(back);
            KernError::NAME_EXISTS
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

/// Sets the make-send count of a port.
#[routine(3210)]
fn mach_port_set_mscount(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
    count: u32,
) -> KernResult {
    in_space(call, task, |space| {
        check_receive_name(name)?;
        let port = space.with(|table| table.receive_port(name))?;
        port.make_send_count.store(count, Relaxed);
        Ok(())
    })
}

/// Takes a port out of all sets and adds it to one, if that is not null.
#[routine(3212)]
fn mach_port_move_member(
    call: &Call<'_>,
    task: &TaskPort,
    member: PortName,
    after: PortName,
) -> KernResult {
    in_space(call, task, |space| {
        names_traps::move_member(space, member, after)
    })
}

/// Asks for a notification about a name; a null right takes back what was asked for. The right
/// that was given for the same before comes back.
#[routine(3213)]
fn mach_port_request_notification(
    call: &Call<'_>,
    task: &TaskPort,
    notify: AnyRight,
    name: PortName,
    id: i32,
    sync: u32,
) -> RoutineResult<AnyRight> {
    let notify = match notify.right {
        _ if notify.received_as != Disposition::MoveSendOnce => return Err(Refusal::TYPE_ERROR),
        Right::SendOnce(right) => Some(right),
        Right::Null => None,
        _ => return Err(KernError::INVALID_CAPABILITY.into()),
    };
    let previous = in_space(call, task, |space| {
        request_traps::request(space, name, id, sync, notify)
    })?;
    Ok(AnyRight {
        right: previous.map_or(Right::Null, Right::SendOnce),
        received_as: Disposition::MoveSendOnce,
    })
}

/// Enters a right that the message carries under a name of the caller's choice.
#[routine(3214)]
fn mach_port_insert_right(
    call: &Call<'_>,
    task: &TaskPort,
    right: AnyRight,
    name: PortName,
) -> KernResult {
    in_space(call, task, |space| {
        if !name.is_valid() {
            return Err(KernError::INVALID_VALUE);
        }
        space.insert_right_as(name, right.right)
    })
}

/// Takes a right out of the task, or makes one from one that it has.
#[routine(3215)]
fn mach_port_extract_right(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
    disposition: i32,
) -> KernResult<AnyRight> {
    let disposition = Disposition::try_from(disposition).map_err(|_| KernError::INVALID_VALUE)?;
    in_space(call, task, |space| {
        check_receive_name(name)?;
        Ok(AnyRight {
            right: space.copyin(name, disposition)?,
            received_as: super::right::received_as(disposition),
        })
    })
}

/// Sets the sequence number that the next message of a port gets.
#[routine(3216)]
fn mach_port_set_seqno(call: &Call<'_>, task: &TaskPort, name: PortName, seqno: u32) -> KernResult {
    in_space(call, task, |space| {
        check_receive_name(name)?;
        let port = space.with(|table| table.receive_port(name))?;
        port.with(|state| state.seqno = seqno);
        Ok(())
    })
}

/// Bits of the first word of `mach_port_qos_t`; the second is the size of a message to have memory
/// for, which is not needed here.
mod qos {
    /// The caller has chosen the name.
    pub(super) const NAME: u32 = 1;
}

fn allocate_with(
    call: &Call<'_>,
    task: &TaskPort,
    right: i32,
    qos: u64,
    name: PortName,
) -> KernResult<(u64, PortName)> {
    // CAST: the low word.
    let chosen = qos as u32 & qos::NAME != 0;
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

/// As [`mach_port_allocate`], or under a name of the caller's choice if `qos` says so.
#[routine(3220)]
fn mach_port_allocate_full(
    call: &Call<'_>,
    task: &TaskPort,
    _prototype: AnyRight,
    right: i32,
    qos: u64,
    name: PortName,
) -> KernResult<(u64, PortName)> {
    allocate_with(call, task, right, qos, name)
}

/// Says how many names the task is going to have: a hint, as tables grow when they must.
/// `KERN_INVALID_ARGUMENT` for less than none.
#[routine(3221)]
fn task_set_port_space(_call: &Call<'_>, _task: &TaskPort, entries: i32) -> KernResult {
    u32::try_from(entries)
        .map(drop)
        .map_err(|_| KernError::INVALID_ARGUMENT)
}

/// Adds a port to a set.
#[routine(3226)]
fn mach_port_insert_member(
    call: &Call<'_>,
    task: &TaskPort,
    member: PortName,
    set: PortName,
) -> KernResult {
    in_space(call, task, |space| {
        let (set, port) = names_traps::set_and_member(space, set, member)?;
        PortSet::insert(&set, &port)
    })
}

/// Takes a port out of a set.
#[routine(3227)]
fn mach_port_extract_member(
    call: &Call<'_>,
    task: &TaskPort,
    member: PortName,
    set: PortName,
) -> KernResult {
    in_space(call, task, |space| {
        let (set, port) = names_traps::set_and_member(space, set, member)?;
        PortSet::remove(&set, &port)
    })
}

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

/// Special reply ports have no links: `KERN_NOT_SUPPORTED`.
#[routine(3236)]
fn mach_port_special_reply_port_reset_link(
    _call: &Call<'_>,
    _task: &TaskPort,
    _name: PortName,
) -> KernResult {
    Err(KernError::NOT_SUPPORTED)
}

/// As [`mach_port_guard`]; the flags say whether strictly, and whether the right may leave its
/// space. `KERN_INVALID_ARGUMENT` for other flags.
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

    if flags & !(MPG_STRICT | MPG_IMMOVABLE_RECEIVE) != 0 {
        return Err(KernError::INVALID_ARGUMENT);
    }
    in_space(call, task, |space| {
        let immovable = flags & MPG_IMMOVABLE_RECEIVE != 0;
        attributes::guard(space, name, guard, flags & MPG_STRICT != 0, immovable)
    })
}

/// Replaces the value that guards a receive right.
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
            if state.guard.is_none() || state.context != old {
                return Err(KernError::INVALID_ARGUMENT);
            }
            state.context = new;
            Ok(())
        })
    })
}
