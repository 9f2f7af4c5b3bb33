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
use core::mem;
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

/// A right whose message is being sent, see [`Port::post`].
///
/// What is counted can go into the port's queue with the message. If it does not, because a
/// receiver has got the message or nobody will, dropping this uses the right up.
pub(super) struct SendingRight(DropGuard<(Arc<Port>, Counted), SendingRight>);

/// What a [`SendingRight`] counts as at its port.
pub(super) enum Counted {
    /// As nothing: the right has gone with its message.
    Nothing,
    Send,
    SendOnce,
    /// As nothing any more, and it was the last send right.
    UsedLastSend,
    /// As nothing any more.
    UsedSendOnce,
}

impl SendingRight {
    /// Begins to use `right`; gives back what one cannot send to.
    #[inline]
    pub(super) fn new(right: Right) -> Result<Self, Right> {
        let parts = match right {
            Right::Send(right) => (right.0.dismiss(), Counted::Send),
            Right::SendOnce(right) => (right.0.dismiss(), Counted::SendOnce),
            right => return Err(right),
        };
        Ok(Self(DropGuard::new(parts)))
    }

    /// The port, and what is counted there.
    #[inline]
    pub(super) fn parts(&mut self) -> (&Arc<Port>, &mut Counted) {
        let (port, counted) = &mut *self.0;
        (port, counted)
    }

    /// The right, not used.
    pub(super) fn into_right(self) -> Right {
        let (port, counted) = self.0.dismiss();
        counted.into_right(port)
    }
}

impl DropHandler<(Arc<Port>, Counted)> for SendingRight {
    #[inline]
    fn dropped((port, counted): (Arc<Port>, Counted)) {
        match counted {
            Counted::UsedLastSend => port.last_send_right_gone(),
            Counted::UsedSendOnce => port.send_once_right_gone(),
            counted => counted.into_right(port).consume(),
        }
    }
}

impl Counted {
    /// The right to `port` that is counted, which goes with its message.
    #[inline]
    pub(super) fn take(&mut self, port: &Arc<Port>) -> Right {
        mem::replace(self, Self::Nothing).into_right(port.clone())
    }

    /// Counts the right to `port` off before a receiver gets the message. In XNU the receive uses it up,
    /// so nobody who has the message may find it counted. What follows from that is
    /// left to the drop of the [`SendingRight`], so this may be called with a lock held.
    #[inline]
    pub(super) fn count_off(&mut self, port: &Port) {
        *self = match self {
            Self::Send if take_one(&port.send_rights) == 1 => Self::UsedLastSend,
            Self::SendOnce => {
                take_one(&port.send_once_rights);
                Self::UsedSendOnce
            }
            _ => Self::Nothing,
        };
    }

    #[inline]
    fn into_right(self, port: Arc<Port>) -> Right {
        match self {
            Self::Nothing | Self::UsedLastSend | Self::UsedSendOnce => Right::Null,
            Self::Send => Right::Send(SendRight::counted(port)),
            Self::SendOnce => Right::SendOnce(SendOnceRight::counted(port)),
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
        mem::replace(&mut self.has_send, false).then(|| SendRight::counted(self.port.clone()))
    }

    /// Adds a send right for the same port, to be kept if there is none. May be called with a lock
    /// held: the port keeps a send right.
    pub(super) fn put_send(&mut self, right: SendRight) {
        if self.has_send {
            drop(right);
        } else {
            // The right that was counted there is counted here.
            drop(right.0.dismiss());
            self.has_send = true;
        }
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
