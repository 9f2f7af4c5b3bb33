// SPDX-License-Identifier: GPL-2.0

//! Rights as values: whoever holds one holds the right, and dropping it gives the right up.
//!
//! Rights cannot be forged or lost: they are made only from a port's receive right or from
//! another right, and every way of getting rid of one has the effect that Mach says it has. So no
//! path, failing ones included, can leak a right.
//!
//! Locks: none of its own. Dropping a right can send a message or destroy a port, so it must never
//! happen under a lock.

mod named;
mod sending;

pub(super) use self::{
    named::NamedReceive,
    sending::{
        Counted,
        SendingRight, //
    },
};

use super::{
    notify,
    port::Port,
    set::PortSet, //
};
use crate::{
    abi::msg::Disposition,
    linux::{
        drop_guard::{
            DropGuard,
            DropHandler, //
        },
        peek::{
            add_one,
            take_one, //
        },
    },
};
use kernel::sync::{
    atomic::ordering::Relaxed,
    Arc, //
};

/// The right to send any number of messages to a port.
pub(crate) struct SendRight(DropGuard<Arc<Port>, SendRight>);

impl SendRight {
    /// Makes a send right from the receive right: counts in the port's make-send count.
    #[inline]
    pub(crate) fn make(port: &Arc<Port>) -> Self {
        add_one(&port.make_send_count);
        Self::for_port(port)
    }

    /// Another send right for the same port.
    #[inline]
    pub(crate) fn copy(&self) -> Self {
        Self::for_port(&self.0)
    }

    /// Another send right for `port`, if there is one.
    pub(crate) fn revive(port: &Arc<Port>) -> Option<Self> {
        let mut count = port.send_rights.load(Relaxed);
        loop {
            let more = count.checked_add(1).filter(|_| count != 0)?;
            match port.send_rights.cmpxchg(count, more, Relaxed) {
                Ok(_) => return Some(Self::counted(port.clone())),
                Err(other) => count = other,
            }
        }
    }

    #[inline]
    fn for_port(port: &Arc<Port>) -> Self {
        add_one(&port.send_rights);
        Self::counted(port.clone())
    }

    /// The right that is counted already.
    #[inline]
    fn counted(port: Arc<Port>) -> Self {
        Self(DropGuard::new(port))
    }

    /// The port.
    #[inline]
    pub(crate) fn port(&self) -> &Arc<Port> {
        &self.0
    }
}

impl DropHandler<Arc<Port>> for SendRight {
    #[inline]
    fn dropped(port: Arc<Port>) {
        if take_one(&port.send_rights) == 1 {
            port.last_send_right_gone();
        }
    }
}

/// The right to send one message to a port.
pub(crate) struct SendOnceRight(DropGuard<Arc<Port>, SendOnceRight>);

impl SendOnceRight {
    /// Makes a send-once right from the receive right.
    #[inline]
    pub(crate) fn make(port: &Arc<Port>) -> Self {
        add_one(&port.send_once_rights);
        Self::counted(port.clone())
    }

    /// The right that is counted already.
    #[inline]
    fn counted(port: Arc<Port>) -> Self {
        Self(DropGuard::new(port))
    }

    /// The port.
    #[inline]
    pub(crate) fn port(&self) -> &Arc<Port> {
        &self.0
    }

    /// Uses the right up: its message has been sent, or cannot be.
    #[inline]
    pub(super) fn used(self) {
        Self::discount(self.0.dismiss());
    }

    #[inline]
    fn discount(port: Arc<Port>) {
        take_one(&port.send_once_rights);
        port.send_once_right_gone();
    }
}

/// A send-once right that goes unused tells its port so (ABI traps §5.2).
impl DropHandler<Arc<Port>> for SendOnceRight {
    fn dropped(port: Arc<Port>) {
        if port.is_alive() && !port.is_kernel() {
            // The notification carries the right as its destination, and is its one use.
            notify::send_once_unused(Self::counted(port));
        } else {
            Self::discount(port);
        }
    }
}

/// The right to receive the messages of a port: there is one for each port.
///
/// Without a receiver a port dies, unless somebody asked to get the right then.
pub(crate) struct ReceiveRight(DropGuard<Arc<Port>, ReceiveRight>);

impl ReceiveRight {
    /// Makes the receive right of a port that has none yet, or none any more.
    pub(super) fn of(port: Arc<Port>) -> Self {
        Self(DropGuard::new(port))
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

impl DropHandler<Arc<Port>> for ReceiveRight {
    fn dropped(port: Arc<Port>) {
        match port.take_port_destroyed_request() {
            Some(notify) => drop(notify::port_destroyed(notify, Self::of(port))),
            None => Port::destroy(&port),
        }
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
            Self::SendOnce(right) => Some(right.port()),
            Self::Receive(right) => Some(right.port()),
        }
    }

    /// The right that a message was sent to has done its work.
    #[inline(always)] // Mostly it is known which right it is.
    pub(super) fn consume(self) {
        match self {
            Self::Null => (),
            Self::SendOnce(right) => right.used(),
            Self::Send(right) => drop(right),
            right => drop(right),
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
