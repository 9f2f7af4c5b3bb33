// SPDX-License-Identifier: GPL-2.0

//! What IPC keeps for each thread: its port, its place in wait queues, and a message buffer for
//! its next send.

use super::{
    kobject::KernelPort,
    message::Message,
    special::ThreadPort,
    waiter::Waiter, //
};
use crate::{
    core::ThreadState,
    linux::{
        fifo::Node,
        queue::Linked,
        slot::Slot, //
    },
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A thread as IPC sees it.
pub(super) struct ThreadIpc {
    pub(super) port: Arc<KernelPort>,
    pub(super) waiter: Arc<Linked<Waiter>>,
    /// A message whose memory the thread's next send uses. In an exchange of requests and replies
    /// the buffers just change hands.
    pub(super) cached: Slot<Node<Message>>,
}

impl ThreadIpc {
    /// Makes the state of a thread. Fails with `ENOMEM`.
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            port: KernelPort::new(Arc::new(ThreadPort::new(), GFP_KERNEL_ACCOUNT)?)?,
            waiter: Waiter::new()?,
            cached: Slot::new(),
        })
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
    }
}
