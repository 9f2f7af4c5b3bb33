// SPDX-License-Identifier: GPL-2.0

//! Ports that belong to the kernel: what is sent to them is answered at once, in the sender's
//! context, and never queued.
//!
//! This is what other subsystems use to offer objects by port: implement [`KernelObject`], and for
//! what is there as long as the module make a [`KernelPort`] of it and give out send rights; other
//! objects live by their rights, see [`super::objects`]. What can be asked of the object are
//! routines, see [`super::routine`].
//!
//! Source of the behaviour: XNU osfmk/kern/ipc_kobject.c; ABI mig §1.
//!
//! Locks: none of its own, and none is held when an object is called.

use super::{
    message::{
        HeaderRight,
        Message, //
    },
    notify,
    reply_message,
    request::Request,
    right::{
        ReceiveRight,
        SendRight, //
    },
    routine::{
        Call,
        Refusal,
        RoutineTable, //
    },
    Port, //
};
use crate::{
    core::Context,
    linux::{
        fifo::Node,
        once::Once, //
    },
};
use core::{
    any::Any,
    mem,
    ptr, //
};
use kernel::{
    pr_warn_once,
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Full,
                Relaxed, //
            },
            Atomic, //
        },
        barrier,
        Arc, //
    },
};

/// An object that the kernel offers by port. What can be asked of it are the routines that take
/// its type as their second parameter.
pub(crate) trait KernelObject: Send + Sync + 'static {
    /// The object, for those who want to know what a port is.
    fn as_any(&self) -> &dyn Any;

    /// What this can be used as besides itself, where less is wanted.
    fn lesser(&self) -> Option<&dyn Any> {
        None
    }

    /// The last send right to the object's port, which was offered by right, is gone, and the port is
    /// dead. No lock is held.
    fn no_senders(&self) {}

    /// The number of the kind of object, one of [`kind`].
    fn kind(&self) -> u32 {
        kind::UNKNOWN
    }
}

/// `object` as a `T`, if it is one or can be used as one.
pub(crate) fn as_kind<T: 'static>(object: &dyn KernelObject) -> Option<&T> {
    object
        .as_any()
        .downcast_ref()
        .or_else(|| object.lesser()?.downcast_ref())
}

/// Kinds of objects (XNU osfmk/kern/ipc_kobject.h).
#[allow(dead_code)] // The set is that of the interface; subsystems use what they need.
pub(crate) mod kind {
    pub(crate) const NONE: u32 = 0;
    pub(crate) const THREAD: u32 = 1;
    pub(crate) const TASK: u32 = 2;
    pub(crate) const HOST: u32 = 3;
    pub(crate) const PROCESSOR: u32 = 5;
    pub(crate) const PROCESSOR_SET: u32 = 6;
    pub(crate) const PROCESSOR_SET_NAME: u32 = 7;
    pub(crate) const TIMER: u32 = 8;
    pub(crate) const MASTER_DEVICE: u32 = 19;
    pub(crate) const TASK_NAME: u32 = 20;
    pub(crate) const SEMAPHORE: u32 = 23;
    pub(crate) const CLOCK: u32 = 25;
    pub(crate) const CLOCK_CONTROL: u32 = 26;
    pub(crate) const NAMED_ENTRY: u32 = 28;
    pub(crate) const FILEPORT: u32 = 34;
    pub(crate) const TASK_RESUME: u32 = 36;
    pub(crate) const VOUCHER: u32 = 37;
    pub(crate) const UNKNOWN: u32 = 39;
}

/// The port of a kernel object.
///
/// It has the receive right until it ends, or is dropped.
pub(crate) struct KernelPort {
    port: Arc<Port>,
    ended: Atomic<bool>,
}

impl KernelPort {
    /// Makes a port for `object`, which is there as long as the module is. Fails with `ENOMEM`.
    pub(crate) fn permanent(object: Arc<dyn KernelObject>) -> Result<Self> {
        Ok(Self {
            port: Port::for_kernel_permanent(object)?.into_port(),
            ended: Atomic::new(false),
        })
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
        if !self.ended.xchg(true, Relaxed) {
            drop(ReceiveRight::of(self.port.clone()));
        }
    }
}

impl Drop for KernelPort {
    fn drop(&mut self) {
        self.end();
    }
}

/// The port of a kernel object, made when it is first asked for.
pub(super) struct LatePort {
    port: Once<Port>,
    /// Whether the port has died, or is to when it is made.
    ended: Atomic<bool>,
    /// Whether its receive right has been dropped.
    dead: Atomic<bool>,
}

impl LatePort {
    /// None yet.
    pub(super) fn new() -> Self {
        Self {
            port: Once::new(),
            ended: Atomic::new(false),
            dead: Atomic::new(false),
        }
    }

    /// Another send right to the port, which is made for what `object` gives if it is not there.
    /// `None` without memory.
    pub(super) fn send_right<O: KernelObject>(
        &self,
        object: impl FnOnce() -> O,
    ) -> Option<SendRight> {
        if let Some(port) = self.port.share() {
            return Some(SendRight::make(&port));
        }
        let object = Arc::new(object(), GFP_KERNEL_ACCOUNT).ok()?;
        let receive = Port::for_kernel(object).ok()?;
        match self.port.put(receive.port().clone()) {
            // The place keeps the receive right.
            Ok(()) => drop(receive.into_port()),
            // There is one by now, and this one ends here.
            Err(port) => drop((port, receive)),
        }
        // Either `end` finds the port, or we see that it has been there.
        barrier::smp_mb(Full);
        if self.ended.load(Relaxed) {
            self.die();
        }
        Some(SendRight::make(&self.port.share()?))
    }

    /// Whether this is `port`.
    #[inline]
    pub(super) fn is(&self, port: &Arc<Port>) -> bool {
        self.port.get().is_some_and(|own| ptr::eq(own, &**port))
    }

    /// Whether the port is alive and stands for `object`.
    pub(super) fn stands_for(&self, object: &dyn KernelObject) -> bool {
        let own = self.port.get().and_then(Port::kernel_object);
        own.is_some_and(|own| ptr::addr_eq(&*own, object))
    }

    /// The port dies, and one that is made later.
    pub(super) fn end(&self) {
        self.ended.xchg(true, Full);
        self.die();
    }

    fn die(&self) {
        if let Some(port) = self.port.share() {
            if !self.dead.xchg(true, Relaxed) {
                drop(ReceiveRight::of(port));
            }
        }
    }
}

impl Drop for LatePort {
    fn drop(&mut self) {
        self.end();
    }
}

/// Has the routine that `message` asks for answer it, and sends the reply. `port` is the port of
/// `object`.
///
/// A reply that cannot be sent, because there is no port for it or no memory, is dropped.
pub(super) fn handle(
    context: &Context<'_>,
    routines: &RoutineTable,
    object: &dyn KernelObject,
    port: &Arc<Port>,
    mut message: KBox<Node<Message>>,
) {
    let id = message.id;
    let destination = mem::replace(&mut message.reply, HeaderRight::NONE);
    // What the work is for is of no interest to the kernel.
    drop(message.voucher.take());
    let call = Call::new(context, object, port);
    let outcome = routines.dispatch(&call, &mut Request::new(&mut message));
    // The rights that the routine has not taken go before the caller can learn that it is done.
    drop(message);
    if destination.right.port().is_none() || matches!(outcome, Err(Refusal::NO_REPLY)) {
        return;
    }
    match reply_message::message(id.wrapping_add(100), &destination, outcome) {
        Ok(reply) => notify::send_message(destination, reply),
        Err(_) => pr_warn_once!("no memory for a reply\n"),
    }
}
