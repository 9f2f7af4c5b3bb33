// SPDX-License-Identifier: GPL-2.0

//! Messages that the kernel sends about rights.
//!
//! Each goes to a send-once right that somebody gave for it. It never waits and is not bound by a
//! queue limit (ABI traps §5.2).

use super::{
    message::{
        HeaderRight,
        Message, //
    },
    port::{
        Admission,
        Posted, //
    },
    right::{
        Right,
        SendOnceRight, //
    },
};
use crate::{
    abi::{
        msg::{
            Disposition,
            MachMsgHeader,
            MsgBits, //
        },
        notify::{
            NdrRecord,
            NoSendersNotification,
            Notification,
            SendOnceNotification, //
        },
        PortName, //
    },
    linux::fifo::Node,
};
use core::mem::size_of;
use kernel::{
    pr_warn_once,
    prelude::*, //
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
    let Ok(mut message) = Message::new(size_of::<T>()) else {
        pr_warn_once!("no memory for a notification\n");
        return right.used();
    };
    message.id = notification.id();
    message.write_at(0, body);
    send_message(HeaderRight::send_once(right), message);
}

/// Sends a message of the kernel's own to `destination`; it is dropped if that is dead.
pub(super) fn send_message(destination: HeaderRight, mut message: KBox<Node<Message>>) {
    let Some(port) = destination.right.port().cloned() else {
        return;
    };
    message.destination = destination;
    match port.post(message, Admission::Always) {
        Posted::Handed(receiver) => receiver.wake(),
        Posted::Queued => (),
        Posted::Full(mut message) | Posted::Overflow(mut message) | Posted::Dead(mut message) => {
            // Not a reason for one more message to the same place.
            if let Right::SendOnce(right) =
                core::mem::replace(&mut message.destination.right, Right::Null)
            {
                right.used();
            }
        }
    }
}
