// SPDX-License-Identifier: GPL-2.0

//! Messages that the kernel sends about rights.
//!
//! Each goes to a send-once right that somebody gave for it. It never waits and is not bound by a
//! queue limit (ABI traps §5.2).
//!
//! Locks: those of ports and sets, and `Transit::lock`, inside; so nobody may send with one held.

use super::{
    carried::Carried,
    message::{
        HeaderRight,
        Message, //
    },
    port::Port,
    port_queue::{
        Admission,
        Posted, //
    },
    right::{
        ReceiveRight,
        Right,
        SendOnceRight, //
        SendingRight,
    },
    set::PortSet,
    transit, //
};
use crate::{
    abi::{
        msg::{
            Disposition,
            MachMsgBody,
            MachMsgHeader,
            MsgBits,
            PortDescriptor,
            COMPLEX_MIN_SIZE, //
        },
        notify::{
            NdrRecord,
            NoSendersNotification,
            Notification,
            PortDestroyedNotification,
            PortNameNotification,
            SendOnceNotification, //
        },
        PortName, //
    },
    linux::fifo::Node,
};
use core::mem::size_of;
use kernel::{
    pr_warn_once,
    prelude::*,
    sync::Arc, //
};
use zerocopy::{
    Immutable,
    IntoBytes, //
};

/// Tells the port of `right` that the right was dropped unused.
pub(super) fn send_once_unused(right: SendOnceRight) {
    let notification = SendOnceNotification {
        header: header::<SendOnceNotification>(Notification::SendOnce),
    };
    send(right, Notification::SendOnce, &notification);
}

/// Tells that a name was deleted that `right` was to be told about.
pub(super) fn port_deleted(right: SendOnceRight, name: PortName) {
    about_name(right, Notification::PortDeleted, name);
}

/// Tells that the port of a name has died.
pub(super) fn dead_name(right: SendOnceRight, name: PortName) {
    about_name(right, Notification::DeadName, name);
}

/// Tells that a message can be sent to the port of a name.
pub(super) fn send_possible(right: SendOnceRight, name: PortName) {
    about_name(right, Notification::SendPossible, name);
}

fn about_name(right: SendOnceRight, notification: Notification, name: PortName) {
    let body = PortNameNotification {
        header: header::<PortNameNotification>(notification),
        ndr: NdrRecord::NATIVE,
        name,
    };
    send(right, notification, &body);
}

/// Sends a receive right that would have been dropped to whoever asked for it. If that cannot be
/// the right comes back, to be dropped after all.
pub(super) fn port_destroyed(notify: SendOnceRight, right: ReceiveRight) -> Option<ReceiveRight> {
    let port = right.port().clone();
    port.with(|state| state.lose_receiver(&port.make_send_count));
    PortSet::remove_from_all(&port);
    let can_go = |to: &Arc<Port>| to.is_alive() && transit::begin(&port, to);
    if !can_go(notify.port()) {
        return Some(right);
    }
    let mut header = header::<PortDestroyedNotification>(Notification::PortDestroyed);
    header.bits = header.bits.complex();
    let body = PortDestroyedNotification {
        header,
        body: MachMsgBody {
            descriptor_count: 1,
        },
        // Written when the right has a name.
        port: PortDescriptor {
            name: PortName::NULL,
            _pad: [0; 6],
            disposition: 0,
            kind: 0,
        },
    };
    let Ok(mut message) = message(Notification::PortDestroyed, &body) else {
        notify.used();
        return Some(right);
    };
    message.complex = true;
    let carried = Carried::port(
        COMPLEX_MIN_SIZE,
        Right::Receive(right),
        Disposition::MoveReceive,
    );
    if message.carry(carried).is_err() {
        notify.used();
        return None;
    }
    send_message(HeaderRight::send_once(notify), message);
    None
}

/// Tells that a port has no send rights any more.
pub(super) fn no_senders(right: SendOnceRight, make_send_count: u32) {
    let notification = NoSendersNotification {
        header: header::<NoSendersNotification>(Notification::NoSenders),
        ndr: NdrRecord::NATIVE,
        mscount: make_send_count,
    };
    send(right, Notification::NoSenders, &notification);
}

fn header<T>(notification: Notification) -> MachMsgHeader {
    MachMsgHeader {
        bits: MsgBits::new(Some(Disposition::MoveSendOnce), None, None),
        // CAST: notifications have a few dozen bytes.
        size: size_of::<T>() as u32,
        remote_port: PortName::NULL,
        local_port: PortName::NULL,
        voucher_port: PortName::NULL,
        id: notification.id(),
    }
}

/// Sends `body` to `right`. Without memory for it the right is used up and nobody is told.
fn send<T: IntoBytes + Immutable>(right: SendOnceRight, notification: Notification, body: &T) {
    match message(notification, body) {
        Ok(message) => send_message(HeaderRight::send_once(right), message),
        Err(_) => right.used(),
    }
}

fn message<T: IntoBytes + Immutable>(
    notification: Notification,
    body: &T,
) -> Result<KBox<Node<Message>>> {
    let mut message = Message::new(size_of::<T>())
        .inspect_err(|_| pr_warn_once!("no memory for a notification\n"))?;
    message.id = notification.id();
    message.write_at(0, body);
    Ok(message)
}

/// Sends a message of the kernel's own to `destination`; it is dropped if that is dead.
pub(super) fn send_message(destination: HeaderRight, mut message: KBox<Node<Message>>) {
    let Ok(mut right) = SendingRight::new(destination.right) else {
        return;
    };
    message.destination.received_as = destination.received_as;
    let (port, counted) = right.parts();
    match port.post(counted, message, Admission::Always, None) {
        Posted::Handed(receiver) => receiver.wake(),
        Posted::Queued => (),
        Posted::Full(message) | Posted::Overflow(message) | Posted::Dead(message) => drop(message),
    }
}
