// SPDX-License-Identifier: GPL-2.0

//! Routines on the rights of a task, its own or another's, and what those on names and guards have
//! in common with them (ABI mig §3.1; XNU osfmk/ipc/mach_port.c).
//!
//! What the traps of the same names do for the caller alone these do for any task that the caller
//! may control.
//!
//! Locks: `Space::table`, then `Port::state`, see [`super`].

use super::{
    names_traps,
    param::AnyRight,
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
    task_port::TaskPort,
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
    mach_port_set_mscount,
    mach_port_move_member,
    mach_port_request_notification,
    mach_port_insert_right,
    mach_port_extract_right,
    mach_port_set_seqno,
    mach_port_insert_member,
    mach_port_extract_member,
    mach_port_special_reply_port_reset_link,
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

/// The kind of right that a request means. `KERN_INVALID_VALUE` for what is none.
pub(super) fn right_kind(right: i32) -> KernResult<RightKind> {
    RightKind::try_from(right).map_err(|_| KernError::INVALID_VALUE)
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

/// Special reply ports have no links: `KERN_NOT_SUPPORTED`.
#[routine(3236)]
fn mach_port_special_reply_port_reset_link(
    _call: &Call<'_>,
    _task: &TaskPort,
    _name: PortName,
) -> KernResult {
    Err(KernError::NOT_SUPPORTED)
}
