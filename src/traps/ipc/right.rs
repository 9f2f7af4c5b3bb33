// SPDX-License-Identifier: GPL-2.0

//! Rights as values: whoever holds one holds the right, and dropping it gives the right up.
//!
//! Rights cannot be forged or lost: they are made only from a port's receive right or from
//! another right, and every way of getting rid of one has the effect that Mach says it has. So no
//! path, failing ones included, can leak a right.
//!
//! Dropping a right can send a message or destroy a port. It must never happen under a lock.

use super::{
    notify,
    port::Port,
    set::PortSet, //
};
use crate::abi::msg::Disposition;
use core::mem;
use kernel::{
    sync::{
        atomic::ordering::Relaxed,
        Arc, //
    },
    types::ScopeGuard, //
};

/// The right to send any number of messages to a port.
pub(crate) struct SendRight(Arc<Port>);

impl SendRight {
    /// Makes a send right from the receive right: counts in the port's make-send count.
    pub(crate) fn make(port: &Arc<Port>) -> Self {
        port.make_send_count.add(1, Relaxed);
        Self::for_port(port)
    }

    /// Another send right for the same port.
    pub(crate) fn copy(&self) -> Self {
        Self::for_port(&self.0)
    }

    fn for_port(port: &Arc<Port>) -> Self {
        port.send_rights.add(1, Relaxed);
        Self(port.clone())
    }

    /// The port.
    pub(crate) fn port(&self) -> &Arc<Port> {
        &self.0
    }
}

impl Drop for SendRight {
    fn drop(&mut self) {
        if self.0.send_rights.fetch_sub(1, Relaxed) == 1 {
            self.0.last_send_right_gone();
        }
    }
}

/// The right to send one message to a port.
///
/// # Invariants
///
/// The port is there until the right is used up or dropped.
pub(crate) struct SendOnceRight(Option<Arc<Port>>);

impl SendOnceRight {
    /// Makes a send-once right from the receive right.
    pub(crate) fn make(port: &Arc<Port>) -> Self {
        port.send_once_rights.add(1, Relaxed);
        Self(Some(port.clone()))
    }

    /// The port.
    pub(crate) fn port(&self) -> Option<&Arc<Port>> {
        self.0.as_ref()
    }

    /// Uses the right up: its message has been sent, or cannot be.
    pub(super) fn used(mut self) {
        self.discount();
    }

    fn discount(&mut self) {
        if let Some(port) = self.0.take() {
            port.send_once_rights.fetch_sub(1, Relaxed);
            port.send_once_right_gone();
        }
    }
}

/// A send-once right that goes unused tells its port so (ABI traps §5.2).
impl Drop for SendOnceRight {
    fn drop(&mut self) {
        match &self.0 {
            Some(port) if port.is_alive() && !port.is_kernel() => {
                // The notification carries the right as its destination, and is its one use.
                notify::send_once_unused(Self(self.0.take()));
            }
            _ => self.discount(),
        }
    }
}

/// The right to receive the messages of a port: there is one for each port.
///
/// Without a receiver a port dies, unless somebody asked to get the right then.
pub(crate) struct ReceiveRight(ScopeGuard<Arc<Port>, fn(Arc<Port>)>);

impl ReceiveRight {
    /// Makes the receive right of a port that has none yet, or none any more.
    pub(super) fn of(port: Arc<Port>) -> Self {
        Self(ScopeGuard::new_with_data(port, receive_right_lost))
    }

    /// The port.
    pub(crate) fn port(&self) -> &Arc<Port> {
        &self.0
    }

    /// The port, to make the right again [`of`](Self::of).
    pub(super) fn into_port(self) -> Arc<Port> {
        self.0.dismiss()
    }
}

fn receive_right_lost(port: Arc<Port>) {
    match port.take_port_destroyed_request() {
        Some(notify) => drop(notify::port_destroyed(notify, ReceiveRight::of(port))),
        None => Port::destroy(&port),
    }
}

/// A receive right that has a name, with the send right that may have the same one.
///
/// Both are kept as one reference to the port and what of them is there: that makes an entry of a
/// name table small.
pub(super) struct NamedReceive {
    port: Arc<Port>,
    has_receive: bool,
    has_send: bool,
}

impl NamedReceive {
    /// A receive right, and no send right.
    pub(super) fn new(receive: ReceiveRight) -> Self {
        Self {
            port: receive.into_port(),
            has_receive: true,
            has_send: false,
        }
    }

    /// The port.
    pub(super) fn port(&self) -> &Arc<Port> {
        &self.port
    }

    /// Whether there is a send right too.
    pub(super) fn has_send(&self) -> bool {
        self.has_send
    }

    /// Another send right, if there is one.
    pub(super) fn copy_send(&self) -> Option<SendRight> {
        self.has_send.then(|| SendRight::for_port(&self.port))
    }

    /// Takes the send right out. May be called with a lock held: the port keeps a send right.
    pub(super) fn take_send(&mut self) -> Option<SendRight> {
        // The right that was counted here is counted there.
        mem::replace(&mut self.has_send, false).then(|| SendRight(self.port.clone()))
    }

    /// Adds a send right for the same port, to be kept if there is none. May be called with a lock
    /// held: the port keeps a send right.
    pub(super) fn put_send(&mut self, right: SendRight) {
        if !self.has_send {
            self.port.send_rights.add(1, Relaxed);
            self.has_send = true;
        }
        drop(right);
    }

    /// Takes the receive right out.
    pub(super) fn take_receive(&mut self) -> Option<ReceiveRight> {
        let right = self
            .has_receive
            .then(|| ReceiveRight::of(self.port.clone()));
        self.has_receive = false;
        right
    }
}

/// The send right goes first: if it was the last one, whoever asked is told before the port dies
/// (XNU osfmk/ipc/ipc_right.c, `ipc_right_destroy` and `ipc_right_terminate`).
impl Drop for NamedReceive {
    fn drop(&mut self) {
        drop(self.take_send());
        drop(self.take_receive());
    }
}

/// The one reference that keeps a port set alive.
pub(crate) struct SetRight(Arc<PortSet>);

impl SetRight {
    /// Makes the right to a set that has just been made.
    pub(super) fn of_new(set: Arc<PortSet>) -> Self {
        Self(set)
    }

    /// The set.
    pub(crate) fn set(&self) -> &Arc<PortSet> {
        &self.0
    }
}

/// Without a name a port set dies; its members live on.
impl Drop for SetRight {
    fn drop(&mut self) {
        PortSet::destroy(&self.0);
    }
}

/// A right on its way in a message, or what stands for one.
pub(crate) enum Right {
    /// No right at all: the name was null.
    Null,
    /// A right to a port that has died.
    Dead,
    Send(SendRight),
    SendOnce(SendOnceRight),
    Receive(ReceiveRight),
}

impl Right {
    /// The port, where there is one.
    pub(crate) fn port(&self) -> Option<&Arc<Port>> {
        match self {
            Self::Null | Self::Dead => None,
            Self::Send(right) => Some(right.port()),
            Self::SendOnce(right) => right.port(),
            Self::Receive(right) => Some(right.port()),
        }
    }
}

/// What somebody who received a right taken with `disposition` holds, as the bits of a received
/// message tell it (XNU osfmk/ipc/ipc_object.c, `ipc_object_copyin_type`).
pub(super) fn received_as(disposition: Disposition) -> Disposition {
    match disposition {
        Disposition::MoveReceive => Disposition::MoveReceive,
        Disposition::MoveSend | Disposition::CopySend | Disposition::MakeSend => {
            Disposition::MoveSend
        }
        Disposition::MoveSendOnce | Disposition::MakeSendOnce => Disposition::MoveSendOnce,
    }
}
