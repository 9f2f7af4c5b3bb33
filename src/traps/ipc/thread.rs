// SPDX-License-Identifier: GPL-2.0

//! What IPC keeps for each thread: its port, its place in wait queues, and a message buffer for
//! its next send.
//!
//! Locks: `ThreadIpc::special_reply`, `ThreadIpc::stand_in`, leaves.

use super::{
    kobject::LatePort,
    message::Message,
    port::Port,
    right::SendRight,
    thread_port::ThreadPort,
    waiter::Waiter, //
};
use crate::{
    core::ThreadState,
    linux::{
        current,
        fifo::Node,
        process::ProcessId,
        queue::Linked,
        slot::Slot, //
    },
};
use core::any::Any;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};

/// A thread as IPC sees it.
#[pin_data]
pub(super) struct ThreadIpc {
    pub(super) port: LatePort,
    process: ProcessId,
    tid: u32,
    pub(super) waiter: Arc<Linked<Waiter>>,
    /// A message whose memory the thread's next send uses. In an exchange of requests and replies
    /// the buffers just change hands.
    pub(super) cached: Slot<KBox<Node<Message>>>,
    /// The thread's special reply port, if it has one.
    #[pin]
    special_reply: SpinLock<Option<Arc<Port>>>,
    /// Stands in for the thread's own port.
    #[pin]
    stand_in: SpinLock<Option<SendRight>>,
}

impl ThreadIpc {
    /// Makes the state of a thread. Fails with `ENOMEM`.
    pub(super) fn new() -> Result<Arc<Self>> {
        let waiter = Waiter::new()?;
        Arc::pin_init(
            pin_init!(Self {
                port: LatePort::new(),
                process: ProcessId::current(),
                tid: current::tid(),
                waiter,
                cached: Slot::new(),
                special_reply <- new_spinlock!(None, "ThreadIpc::special_reply"),
                stand_in <- new_spinlock!(None, "ThreadIpc::stand_in"),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Another send right to the thread's port. `None` without memory.
    pub(super) fn send_right(&self) -> Option<SendRight> {
        self.port
            .send_right(|| ThreadPort::new(self.process.clone(), self.tid))
    }

    /// A send right to what the thread has as its own port. `None` without memory.
    pub(super) fn self_right(&self) -> Option<SendRight> {
        let stand_in = self.stand_in.lock().as_ref().map(SendRight::copy);
        stand_in.or_else(|| self.send_right())
    }

    /// Sets what the thread has as its own port; `None` is its own one.
    pub(super) fn set_self_right(&self, right: Option<SendRight>) {
        let previous = core::mem::replace(&mut *self.stand_in.lock(), right);
        drop(previous);
    }

    /// Makes `port` the thread's special reply port; the previous one is an ordinary port then.
    pub(super) fn bind_special_reply(&self, port: Option<Arc<Port>>) {
        if let Some(port) = &port {
            port.with(|state| state.special_reply = true);
        }
        let previous = core::mem::replace(&mut *self.special_reply.lock(), port);
        if let Some(previous) = previous {
            previous.with(|state| state.special_reply = false);
        }
    }

    /// Whether `port` is the thread's special reply port.
    pub(super) fn is_special_reply(&self, port: &Arc<Port>) -> bool {
        let special = self.special_reply.lock();
        special
            .as_ref()
            .is_some_and(|special| Arc::ptr_eq(special, port))
    }

    /// Keeps the memory of a message that has been given out.
    #[inline]
    pub(super) fn keep(&self, message: KBox<Node<Message>>) {
        if message.is_small() {
            drop(self.cached.replace(Some(message)));
        }
    }
}

impl ThreadState for ThreadIpc {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn thread_ended(&self) {
        self.port.end();
        self.bind_special_reply(None);
        self.set_self_right(None);
    }
}
