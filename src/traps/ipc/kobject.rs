// SPDX-License-Identifier: GPL-2.0

//! Ports that belong to the kernel: what is sent to them is answered at once, in the sender's
//! context, and never queued.
//!
//! This is what other subsystems use to offer objects by port: implement [`KernelObject`], make a
//! [`KernelPort`] of it, keep that as long as the object lives, and give out send rights.
//!
//! Source of the behaviour: XNU osfmk/kern/ipc_kobject.c; ABI mig §1.
//!
//! Locks: `KernelPort::receive`, a leaf. None is held when an object is called.

use super::{
    message::{
        Carried,
        HeaderRight,
        Message, //
    },
    notify,
    right::{
        ReceiveRight,
        Right,
        SendRight, //
    },
    Port, //
};
use crate::{
    abi::{
        kern,
        msg::{
            Disposition,
            MachMsgBody,
            MachMsgHeader,
            MsgBits,
            PortDescriptor,
            COMPLEX_MIN_SIZE,
            HEADER_SIZE, //
        },
        notify::NdrRecord,
        PortName, //
    },
    linux::fifo::Node,
};
use core::{
    any::Any,
    mem, //
};
use kernel::{
    new_spinlock,
    pr_warn_once,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};
use zerocopy::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

/// The code in a reply of a request that failed: a `kern_return_t` or a MIG error, not 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refusal(pub(crate) i32);

impl Refusal {
    /// No such routine.
    pub(crate) const BAD_ID: Self = Self(kern::MIG_BAD_ID);
    /// Wrong size, or wrong descriptors.
    pub(crate) const BAD_ARGUMENTS: Self = Self(kern::MIG_BAD_ARGUMENTS);
    /// `KERN_INVALID_ARGUMENT`
    pub(crate) const INVALID_ARGUMENT: Self = Self(kern::KERN_INVALID_ARGUMENT);
    /// `KERN_NO_ACCESS`
    pub(crate) const NO_ACCESS: Self = Self(kern::KERN_NO_ACCESS);
}

/// What a request is answered with when it succeeds.
pub(crate) enum Answer {
    /// That it succeeded.
    Done,
    /// A send right, or none.
    Port(Option<SendRight>),
}

/// A request to a kernel object. Rights that are not taken out are dropped after the call.
pub(crate) struct Request<'a> {
    message: &'a mut Message,
    port: &'a Arc<Port>,
}

impl Request<'_> {
    /// The message id: which routine is called.
    pub(crate) fn id(&self) -> i32 {
        self.message.id
    }

    /// The port that the request came to.
    pub(crate) fn port(&self) -> &Arc<Port> {
        self.port
    }

    /// All that follows the header of a simple message, if it has that size.
    pub(crate) fn simple<T: FromBytes>(&self) -> Result<T, Refusal> {
        if self.message.complex {
            return Err(Refusal::BAD_ARGUMENTS);
        }
        self.exactly(HEADER_SIZE)
    }

    /// The one right in the body, and what follows its descriptor.
    pub(crate) fn port_and<T: FromBytes>(&mut self) -> Result<(Right, T), Refusal> {
        const REST_AT: usize = COMPLEX_MIN_SIZE + mem::size_of::<PortDescriptor>();

        if !self.message.complex || self.message.carried.len() != 1 {
            return Err(Refusal::BAD_ARGUMENTS);
        }
        let rest = self.exactly(REST_AT)?;
        let carried = self.message.carried.pop().ok_or(Refusal::BAD_ARGUMENTS)?;
        Ok((carried.right, rest))
    }

    fn exactly<T: FromBytes>(&self, offset: usize) -> Result<T, Refusal> {
        let size = offset.saturating_add(mem::size_of::<T>());
        if self.message.bytes().len() != size {
            return Err(Refusal::BAD_ARGUMENTS);
        }
        self.message.read_at(offset).ok_or(Refusal::BAD_ARGUMENTS)
    }
}

/// An object that the kernel offers by port.
pub(crate) trait KernelObject: Send + Sync + 'static {
    /// The object, for those who want to know what a port is.
    #[allow(dead_code)] // For subsystems that take ports as arguments.
    fn as_any(&self) -> &dyn Any;

    /// Answers a request. May sleep.
    fn call(&self, request: &mut Request<'_>) -> Result<Answer, Refusal>;
}

/// The port of a kernel object.
#[pin_data]
pub(crate) struct KernelPort {
    port: Arc<Port>,
    #[pin]
    receive: SpinLock<Option<ReceiveRight>>,
}

impl KernelPort {
    /// Makes a port for `object`. Fails with `ENOMEM`.
    pub(crate) fn new(object: Arc<dyn KernelObject>) -> Result<Arc<Self>> {
        Self::of(Port::for_kernel(object)?)
    }

    /// As [`new`](Self::new), for an object that is there as long as the module is.
    pub(super) fn permanent(object: Arc<dyn KernelObject>) -> Result<Arc<Self>> {
        Self::of(Port::for_kernel_permanent(object)?)
    }

    fn of(receive: ReceiveRight) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                port: receive.port().clone(),
                receive <- new_spinlock!(Some(receive), "KernelPort::receive"),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Another send right to the port.
    pub(crate) fn send_right(&self) -> SendRight {
        SendRight::make(&self.port)
    }

    /// Whether this is `port`.
    #[inline]
    pub(crate) fn is(&self, port: &Arc<Port>) -> bool {
        Arc::ptr_eq(&self.port, port)
    }

    /// The port dies: send rights to it become dead names, and the object is let go.
    pub(crate) fn end(&self) {
        let receive = self.receive.lock().take();
        drop(receive);
    }
}

/// Reply with nothing but a code (`mig_reply_error_t`).
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct CodeReply {
    header: MachMsgHeader,
    ndr: NdrRecord,
    code: i32,
}

/// Reply with a port.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
struct PortReply {
    header: MachMsgHeader,
    body: MachMsgBody,
    port: PortDescriptor,
}

/// Has `object`, whose port is `port`, answer `message`, and sends the reply.
///
/// A reply that cannot be sent, because there is no port for it or no memory, is dropped.
pub(super) fn handle(
    object: &dyn KernelObject,
    port: &Arc<Port>,
    mut message: KBox<Node<Message>>,
) {
    let id = message.id;
    let destination = mem::replace(&mut message.reply, HeaderRight::NONE);
    let mut request = Request {
        message: &mut message,
        port,
    };
    let outcome = object.call(&mut request);
    drop(message);
    if destination.right.port().is_none() {
        return;
    }
    match reply(id.wrapping_add(100), &destination, outcome) {
        Ok(reply) => notify::send_message(destination, reply),
        Err(_) => pr_warn_once!("no memory for a reply\n"),
    }
}

fn reply(
    id: i32,
    destination: &HeaderRight,
    outcome: Result<Answer, Refusal>,
) -> Result<KBox<Node<Message>>> {
    let code = match outcome {
        Ok(Answer::Port(right)) => return port_reply(id, destination, right),
        Ok(Answer::Done) => kern::KERN_SUCCESS,
        Err(Refusal(code)) => code,
    };
    new_reply(id, &CodeReply {
        header: header::<CodeReply>(id, destination),
        ndr: NdrRecord::NATIVE,
        code,
    })
}

fn port_reply(
    id: i32,
    destination: &HeaderRight,
    right: Option<SendRight>,
) -> Result<KBox<Node<Message>>> {
    let mut header = header::<PortReply>(id, destination);
    header.bits = header.bits.complex();
    // The descriptor is written when the right has a name.
    let mut message = new_reply(id, &PortReply {
        header,
        body: MachMsgBody {
            descriptor_count: 1,
        },
        port: PortDescriptor {
            name: PortName::NULL,
            _pad: [0; 6],
            disposition: 0,
            kind: 0,
        },
    })?;
    message.complex = true;
    let carried = Carried {
        offset: COMPLEX_MIN_SIZE,
        right: right.map_or(Right::Null, Right::Send),
        received_as: Disposition::MoveSend,
    };
    message.carried.push(carried, GFP_KERNEL)?;
    Ok(message)
}

fn header<T>(id: i32, destination: &HeaderRight) -> MachMsgHeader {
    MachMsgHeader {
        bits: MsgBits::new(destination.received_as, None, None),
        // CAST: replies are small structures.
        size: mem::size_of::<T>() as u32,
        remote_port: PortName::NULL,
        local_port: PortName::NULL,
        voucher_port: PortName::NULL,
        id,
    }
}

fn new_reply<T: IntoBytes + Immutable + KnownLayout>(
    id: i32,
    reply: &T,
) -> Result<KBox<Node<Message>>> {
    let mut message = Message::new(mem::size_of::<T>())?;
    message.id = id;
    message.write_at(0, reply);
    Ok(message)
}
