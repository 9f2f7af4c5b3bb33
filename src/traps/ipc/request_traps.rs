// SPDX-License-Identifier: GPL-2.0

//! The trap that asks for notifications (ABI traps §5.7; XNU osfmk/ipc/mach_port.c and
//! ipc_right.c).
//!
//! Locks: `Space::table`, with `Port::state` inside where a request is about a name, and released
//! where it is about a port. Notifications are sent with neither held.

use super::{
    entry::Object,
    error::SEND_INVALID_DEST,
    names_traps::target_space,
    notify,
    requests::{
        Request,
        Spare,
        Wish, //
    },
    right::{
        Right,
        SendOnceRight, //
    },
    space::Space,
    table::Table,
};
use crate::{
    abi::{
        args::MachPortRequestNotificationArgs,
        msg::Disposition,
        notify::Notification,
        nr,
        PortName, //
    },
    core::{
        user,
        Context,
        KernError,
        KernResult,
        TrapDescriptor, //
    },
};
use kernel::sync::atomic::ordering::Relaxed;
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] = traps![mach_port_request_notification];

/// Asks for a notification about a name, which the given send-once right gets; the one that was
/// given for the same before comes back. Taking back a request without making another is left to
/// the message of the same name: this trap refuses a null right, as that of Darling's own module
/// does.
#[trap(nr::MACH_PORT_REQUEST_NOTIFICATION)]
fn mach_port_request_notification(
    context: &Context<'_>,
    args: MachPortRequestNotificationArgs,
) -> KernResult {
    let space = target_space(context, args.task_right_name)?;
    let disposition = match Disposition::try_from(args.message_type) {
        Ok(disposition @ (Disposition::MoveSendOnce | Disposition::MakeSendOnce)) => disposition,
        _ => return Err(SEND_INVALID_DEST),
    };
    let notify: PortName = args.notification_destination_port_name;
    if !notify.is_valid() {
        return Err(SEND_INVALID_DEST);
    }
    let notify = match space.copyin(notify, disposition)? {
        Right::SendOnce(right) => right,
        // The right's port has died.
        _ => return Err(KernError::INVALID_CAPABILITY),
    };
    let previous = request(
        space,
        args.port_right_name,
        args.message_id,
        args.make_send_count,
        Some(notify),
    )?;
    let name = match previous {
        Some(previous) => space.insert_send_once(previous)?,
        None => PortName::NULL,
    };
    user::write(args.previous_destination_port_name_out, &name).map_err(|fault| {
        // The request stays; the caller does not learn of the previous right, so that is dropped.
        let _ = space.with(|table| table.deallocate(name));
        fault.into()
    })
}

/// Makes, replaces or, without `notify`, takes back a request. Returns the right of the previous
/// one. On failure `notify` is dropped, which its port is told.
pub(super) fn request(
    space: &Space,
    name: PortName,
    id: i32,
    sync: u32,
    notify: Option<SendOnceRight>,
) -> KernResult<Option<SendOnceRight>> {
    match Notification::try_from(id) {
        Ok(Notification::PortDestroyed) => port_destroyed(space, name, sync, notify),
        Ok(Notification::NoSenders) => no_senders(space, name, sync, notify),
        Ok(Notification::DeadName) => about_name(space, name, false, sync != 0, notify),
        Ok(Notification::SendPossible) => about_name(space, name, true, sync != 0, notify),
        _ => Err(KernError::INVALID_VALUE),
    }
}

fn port_destroyed(
    space: &Space,
    name: PortName,
    sync: u32,
    notify: Option<SendOnceRight>,
) -> KernResult<Option<SendOnceRight>> {
    if sync != 0 {
        return Err(KernError::INVALID_VALUE);
    }
    if !name.is_valid() {
        return Err(KernError::INVALID_RIGHT);
    }
    let port = space.with(|table| table.receive_port(name))?;
    if port.stands_for_object() {
        return Err(KernError::INVALID_RIGHT);
    }
    let refused = port.with(|state| {
        if state.special_reply {
            return Some((KernError::INVALID_RIGHT, notify));
        }
        if state.port_destroyed.is_some() {
            return Some((KernError::FAILURE, notify));
        }
        state.port_destroyed = notify;
        None
    });
    // A refused right is dropped here, without the lock.
    match refused {
        Some((error, _notify)) => Err(error),
        None => Ok(None),
    }
}

fn no_senders(
    space: &Space,
    name: PortName,
    sync: u32,
    notify: Option<SendOnceRight>,
) -> KernResult<Option<SendOnceRight>> {
    if !name.is_valid() {
        return Err(KernError::INVALID_RIGHT);
    }
    let port = space.with(|table| table.receive_port(name))?;
    // As in XNU, `sync` decides only whether the request is answered at once: it is not kept.
    let (previous, at_once, count) = port.with(|state| {
        port.await_no_senders();
        let count = port.make_send_count.load(Relaxed);
        let none_left = port.send_rights.load(Relaxed) == 0 && sync <= count;
        let mut notify = notify;
        let at_once = if none_left { notify.take() } else { None };
        let previous = core::mem::replace(&mut state.no_senders, notify);
        (previous, at_once, count)
    });
    if let Some(notify) = at_once {
        notify::no_senders(notify, count);
    }
    Ok(previous)
}

/// What becomes of a request about a name.
enum Made {
    /// It is made; the previous one's right is given out.
    Done(Option<SendOnceRight>),
    /// What it asks for is so now: the right is to be told, under this notification.
    AtOnce(Notification, SendOnceRight, Option<SendOnceRight>),
    /// The port has no room for it; its table needs that capacity.
    NeedsRoom(SendOnceRight, usize),
    Refused(KernError, Option<SendOnceRight>),
}

/// A request to be told of a port's death, or also of a chance to send (`send_possible`).
fn about_name(
    space: &Space,
    name: PortName,
    send_possible: bool,
    immediate: bool,
    notify: Option<SendOnceRight>,
) -> KernResult<Option<SendOnceRight>> {
    if !name.is_valid() {
        return Err(KernError::INVALID_ARGUMENT);
    }
    let mut notify = notify;
    let mut spare = Spare::none();
    loop {
        let mut given = notify.take();
        let made = space.with(|table| {
            table.refresh(name);
            Ok(make(
                table,
                name,
                send_possible,
                immediate,
                &mut given,
                &mut spare,
            ))
        })?;
        match made {
            Made::Done(previous) => return Ok(previous),
            Made::AtOnce(what, notify, previous) => {
                match what {
                    Notification::SendPossible => notify::send_possible(notify, name),
                    _ => notify::dead_name(notify, name),
                }
                return Ok(previous);
            }
            Made::NeedsRoom(right, capacity) => {
                notify = Some(right);
                spare = Spare::with_capacity(capacity).map_err(|_| KernError::RESOURCE_SHORTAGE)?;
            }
            Made::Refused(error, _notify) => return Err(error),
        }
    }
}

/// One attempt at [`about_name`], with the table locked.
fn make(
    table: &mut Table,
    name: PortName,
    send_possible: bool,
    immediate: bool,
    notify: &mut Option<SendOnceRight>,
    spare: &mut Spare,
) -> Made {
    let subject = table.subject(name);
    let Some(entry) = table.lookup(name) else {
        return Made::Refused(KernError::INVALID_NAME, notify.take());
    };
    if notify.is_none() && entry.request.is_none() {
        // Nothing to do or undo, whatever the name denotes.
        return Made::Done(None);
    }
    let port = match &entry.object {
        // The name is dead already, and one more reference goes with the notification.
        Object::Dead => {
            return match notify.take() {
                Some(notify) if send_possible || immediate => {
                    entry.add_uref();
                    Made::AtOnce(Notification::DeadName, notify, None)
                }
                notify => Made::Refused(KernError::INVALID_ARGUMENT, notify),
            };
        }
        object => match object.port() {
            Some(port) => port.clone(),
            None => return Made::Refused(KernError::INVALID_RIGHT, notify.take()),
        },
    };
    let is_send_once = matches!(entry.object, Object::SendOnce(_));
    let previous = entry.request;
    let Some(right) = notify.take() else {
        return Made::Done(table.cancel_request(name));
    };
    let (made, id) = port.with(|state| {
        let ready = is_send_once || port.is_kernel() || !state.is_full();
        let mut cancel = || previous.and_then(|id| state.requests.cancel(id, subject));
        if send_possible && immediate && ready {
            let previous = cancel();
            return (
                Made::AtOnce(Notification::SendPossible, right, previous),
                None,
            );
        }
        let wish = match (send_possible, immediate) {
            (false, _) => Wish::DeadName,
            (true, false) => Wish::SendPossible,
            (true, true) => Wish::SendPossibleArmed,
        };
        // The slot that this gives back takes the new request.
        let previous = cancel();
        let request = Request {
            subject,
            wish,
            notify: Some(right),
        };
        match state.requests.add(request, spare) {
            Ok(id) => (Made::Done(previous), Some(id)),
            // There was no previous one then: its slot would have done.
            Err((request, capacity)) => match request.notify {
                Some(right) => (Made::NeedsRoom(right, capacity), None),
                None => (Made::Done(previous), None),
            },
        }
    });
    if let Some(entry) = table.lookup(name) {
        entry.request = id;
    }
    made
}
