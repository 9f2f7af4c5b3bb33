// SPDX-License-Identifier: GPL-2.0

//! Rights while a message is sent to their port.
//!
//! Locks: none of its own. [`Counted`] may be used with a port's lock held, the drop of a
//! [`SendingRight`] not.

use super::{
    Port,
    Right,
    SendOnceRight,
    SendRight, //
};
use crate::linux::{
    drop_guard::{
        DropGuard,
        DropHandler, //
    },
    peek::take_one,
};
use core::mem;
use kernel::sync::Arc;

/// A right whose message is being sent, see [`Port::post`].
///
/// What is counted can go into the port's queue with the message. If it does not, because a
/// receiver has got the message or nobody will, dropping this uses the right up.
pub(crate) struct SendingRight(DropGuard<(Arc<Port>, Counted), SendingRight>);

/// What a [`SendingRight`] counts as at its port.
pub(crate) enum Counted {
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
    pub(crate) fn new(right: Right) -> Result<Self, Right> {
        let parts = match right {
            Right::Send(right) => (right.0.dismiss(), Counted::Send),
            Right::SendOnce(right) => (right.0.dismiss(), Counted::SendOnce),
            right => return Err(right),
        };
        Ok(Self(DropGuard::new(parts)))
    }

    /// The port, and what is counted there.
    #[inline]
    pub(crate) fn parts(&mut self) -> (&Arc<Port>, &mut Counted) {
        let (port, counted) = &mut *self.0;
        (port, counted)
    }

    /// The right, not used.
    pub(crate) fn into_right(self) -> Right {
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
    pub(crate) fn take(&mut self, port: &Arc<Port>) -> Right {
        mem::replace(self, Self::Nothing).into_right(port.clone())
    }

    /// Counts the right to `port` off before a receiver gets the message. In XNU the receive uses it up,
    /// so nobody who has the message may find it counted. What follows from that is
    /// left to the drop of the [`SendingRight`], so this may be called with a lock held.
    #[inline]
    pub(crate) fn count_off(&mut self, port: &Port) {
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
