// SPDX-License-Identifier: GPL-2.0

//! Receive rights as they stand in name tables.
//!
//! Locks: none of its own. Everything but the drop may be done with the table's lock held.

use super::{
    Port,
    ReceiveRight,
    SendRight, //
};
use core::mem;
use kernel::sync::Arc;

/// A receive right that has a name, with the send right that may have the same one.
///
/// Both are kept as one reference to the port and what of them is there: that makes an entry of a
/// name table small.
pub(crate) struct NamedReceive {
    port: Arc<Port>,
    has_receive: bool,
    has_send: bool,
}

impl NamedReceive {
    /// A receive right, and no send right.
    pub(crate) fn new(receive: ReceiveRight) -> Self {
        Self {
            port: receive.into_port(),
            has_receive: true,
            has_send: false,
        }
    }

    /// The port.
    pub(crate) fn port(&self) -> &Arc<Port> {
        &self.port
    }

    /// Whether there is a send right too.
    pub(crate) fn has_send(&self) -> bool {
        self.has_send
    }

    /// Another send right, if there is one.
    pub(crate) fn copy_send(&self) -> Option<SendRight> {
        self.has_send.then(|| SendRight::for_port(&self.port))
    }

    /// Takes the send right out. May be called with a lock held: the port keeps a send right.
    pub(crate) fn take_send(&mut self) -> Option<SendRight> {
        // The right that was counted here is counted there.
        mem::replace(&mut self.has_send, false).then(|| SendRight::counted(self.port.clone()))
    }

    /// Adds a send right for the same port, to be kept if there is none. May be called with a lock
    /// held: the port keeps a send right.
    pub(crate) fn put_send(&mut self, right: SendRight) {
        if self.has_send {
            drop(right);
        } else {
            // The right that was counted there is counted here.
            drop(right.0.dismiss());
            self.has_send = true;
        }
    }

    /// Takes the receive right out.
    pub(crate) fn take_receive(&mut self) -> Option<ReceiveRight> {
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
