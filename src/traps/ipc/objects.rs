// SPDX-License-Identifier: GPL-2.0

//! What other subsystems need to have objects of their own behind names of tasks.
//!
//! - An object that tasks hold send rights to, as a semaphore: [`offer_by_right`] gives it a port
//!   that lives as long as there are send rights; [`object_named`] finds it again.
//! - An object that a task holds the receive right of, as a timer, whose messages user space
//!   receives: [`UserPort`] and [`attachment_named`].
//!
//! Locks: `Space::table`, then `Port::state`, for one look-up. Both are released before the object
//! is given out.

use super::{
    entry::Object,
    kobject::KernelObject,
    message::{
        HeaderRight,
        Message, //
    },
    notify,
    param::AnyRight,
    port::Port,
    port_object::Attachment,
    right::{
        ReceiveRight,
        SendOnceRight,
        SendRight, //
    },
    Space,
    SPACE, //
};
use crate::{
    abi::{
        msg::{
            Disposition,
            MachMsgHeader,
            MsgBits,
            HEADER_SIZE, //
        },
        notify::NdrRecord,
        PortName, //
    },
    core::{
        Context,
        KernError,
        KernResult, //
    },
    linux::{
        fifo::{
            Fifo,
            Node, //
        },
        held::Held,
    },
};
use core::mem::size_of;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use zerocopy::{
    Immutable,
    IntoBytes, //
};

fn space<'a>(context: &Context<'a>) -> KernResult<&'a Space> {
    SPACE.of_task(context.task()).ok_or(KernError::INVALID_TASK)
}

/// Makes a port for `object`, which is let go when the last send right to it is gone. Fails with
/// `ENOMEM`.
pub(crate) fn offer_by_right(object: Arc<dyn KernelObject>) -> Result<SendRight> {
    Port::for_kernel_by_senders(object)
}

/// Makes a port for `object`, which is let go when the one right to it is used or dropped. Fails
/// with `ENOMEM`.
pub(crate) fn offer_once(object: Arc<dyn KernelObject>) -> Result<SendOnceRight> {
    Port::for_kernel_by_send_once(object)
}

/// The object that the caller's send right `name` is for.
///
/// `KERN_INVALID_NAME` for null, dead and unknown names and for a port that has died;
/// `KERN_INVALID_RIGHT` when the name has no send right; `KERN_INVALID_CAPABILITY` when the port is
/// not one of the kernel's (XNU osfmk/ipc/ipc_object.c, `ipc_object_translate`; ABI traps §7).
#[inline]
pub(crate) fn object_named(
    context: &Context<'_>,
    name: PortName,
) -> KernResult<Arc<dyn KernelObject>> {
    space(context)?.with(|table| {
        let entry = table.lookup(name).ok_or(KernError::INVALID_NAME)?;
        let port = match &entry.object {
            Object::Send(right) => right.port(),
            Object::Receive(rights) if rights.has_send() => rights.port(),
            _ => return Err(KernError::INVALID_RIGHT),
        };
        port.kernel_object().ok_or(if port.is_alive() {
            KernError::INVALID_CAPABILITY
        } else {
            KernError::INVALID_NAME
        })
    })
}

/// Calls `f` with the object that the caller's send right `name` is for, which is a `T` and was
/// offered by [`offer_by_right`]; without a lock or reference beyond those of the name. So `f` is
/// called with the name table locked, and must not sleep, wake a thread or drop a right; it can
/// have a reference to the object if that is to stay for longer.
///
/// Errors as [`object_named`], which does the same for an object of any kind.
#[inline]
pub(crate) fn with_offered<T: 'static, R>(
    context: &Context<'_>,
    name: PortName,
    f: impl FnOnce(&T, &Held<dyn KernelObject>) -> KernResult<R>,
) -> KernResult<R> {
    space(context)?.with(|table| {
        let entry = table.peek(name).ok_or(KernError::INVALID_NAME)?;
        let port = match &entry.object {
            Object::Send(right) => right.port(),
            Object::Receive(rights) if rights.has_send() => rights.port(),
            _ => return Err(KernError::INVALID_RIGHT),
        };
        match port.kept() {
            Some((object, held)) => f(object, held),
            None if port.is_alive() => Err(KernError::INVALID_CAPABILITY),
            None => Err(KernError::INVALID_NAME),
        }
    })
}

/// What is attached to the port that the caller's receive right `name` is for.
///
/// `KERN_INVALID_NAME` for null, dead and unknown names, `KERN_INVALID_RIGHT` when the name has no
/// receive right, `KERN_INVALID_ARGUMENT` when nothing is attached.
pub(crate) fn attachment_named(context: &Context<'_>, name: PortName) -> KernResult<Attachment> {
    space(context)?.with(|table| {
        let entry = table.lookup(name).ok_or(KernError::INVALID_NAME)?;
        let Object::Receive(rights) = &entry.object else {
            return Err(KernError::INVALID_RIGHT);
        };
        let attachment = rights.port().attachment();
        attachment.ok_or(KernError::INVALID_ARGUMENT)
    })
}

/// Drops all of the caller's rights under `name` (`mach_port_destroy`).
pub(crate) fn destroy_name(context: &Context<'_>, name: PortName) -> KernResult {
    space(context)?.with(|table| table.destroy(name))
}

/// A port that user space receives from and that stands for an object of the kernel, until it is
/// given to a task.
pub(crate) struct UserPort(ReceiveRight);

impl UserPort {
    /// Makes a port. Fails with `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        Port::with_receive_right().map(Self)
    }

    /// A send right for the kernel's own messages.
    pub(crate) fn send_right(&self) -> SendRight {
        SendRight::make(self.0.port())
    }

    /// Gives the port to the caller, as what `object`, of a kind of [`super::kobject::kind`], is
    /// known by. The object is let go when the
    /// port dies, which it does at once on failure: `KERN_RESOURCE_SHORTAGE`, `KERN_NO_SPACE`.
    pub(crate) fn give(
        self,
        context: &Context<'_>,
        kind: u32,
        object: Attachment,
    ) -> KernResult<PortName> {
        self.0.port().attach(kind, object);
        space(context)?.insert_receive(self.0)
    }
}

/// A message of the kernel's own that can be sent without allocating: header and zeroes.
pub(crate) struct PreparedMessage(KBox<Node<Message>>);

/// Any number of [`PreparedMessage`]s.
pub(crate) struct PreparedMessages(Fifo<Message>);

impl PreparedMessages {
    /// None.
    pub(crate) const fn new() -> Self {
        Self(Fifo::new())
    }

    /// Adds one. Does not allocate.
    pub(crate) fn put(&mut self, message: PreparedMessage) {
        self.0.push_back(message.0);
    }

    /// Takes one out.
    pub(crate) fn take(&mut self) -> Option<PreparedMessage> {
        self.0.pop_front().map(PreparedMessage)
    }
}

impl PreparedMessage {
    /// Makes a message of `size` bytes, header included, with message id 0. The memory is charged
    /// to the caller. Fails with `ENOMEM`.
    pub(crate) fn new(size: u32) -> Result<Self> {
        // CAST: `u32` to `usize` loses nothing.
        let length = (size as usize).max(HEADER_SIZE);
        let mut message = Message::new(length)?;
        message.write_at(
            0,
            &MachMsgHeader {
                bits: MsgBits::new(Some(Disposition::CopySend), None, None),
                size,
                remote_port: PortName::NULL,
                local_port: PortName::NULL,
                voucher_port: PortName::NULL,
                id: 0,
            },
        );
        Ok(Self(message))
    }

    /// Makes a message with message id `id` and a body of an NDR record and `body`. The memory is
    /// charged to the caller. Fails with `ENOMEM`.
    pub(crate) fn with_body<T: IntoBytes + Immutable>(id: i32, body: &T) -> Result<Self> {
        let start = HEADER_SIZE.saturating_add(size_of::<NdrRecord>());
        // CAST: bodies have a few words.
        let mut message = Self::new(start.saturating_add(size_of::<T>()) as u32)?.0;
        if let Some(mut header) = message.header() {
            header.id = id;
            message.set_header(&header);
        }
        message.id = id;
        message.write_at(HEADER_SIZE, &NdrRecord::NATIVE);
        message.write_at(start, body);
        Ok(Self(message))
    }

    /// As [`send`](Self::send), with a send or send-once right, which is used up.
    pub(crate) fn send_with(self, to: AnyRight) {
        let to = HeaderRight {
            right: to.right,
            received_as: Some(to.received_as),
        };
        notify::send_message(to, self.0);
    }

    /// Sends the message to the port of `to`, whatever its queue limit; to a dead port it is
    /// dropped. May free memory, and must not be called under a lock.
    pub(crate) fn send(self, to: &SendRight) {
        notify::send_message(HeaderRight::send(to.copy()), self.0);
    }
}
