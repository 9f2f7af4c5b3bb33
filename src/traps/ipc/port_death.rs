// SPDX-License-Identifier: GPL-2.0

//! The end of a port: it dies without a receiver, and a receive right that leaves its space takes
//! little along.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_port.c, `ipc_port_destroy`; ABI traps §5.6.
//!
//! Locks: `Port::state`, one port at a time. What a port had is dropped after it is released.

use super::{
    message::Message,
    notify,
    port::{
        Port,
        PortState,
        Receiver, //
    },
    right::{
        Right,
        SendOnceRight, //
    },
    waiter::Outcome, //
};
use crate::{
    core::{
        KernError,
        KernResult, //
    },
    linux::fifo::Fifo, //
};
use kernel::sync::{
    atomic::{
        ordering::{Relaxed, Release},
        Atomic, //
    },
    Arc, //
};

/// Who has asked to be told of the last send right, and to get the receive right.
type Asked = [Option<SendOnceRight>; 2];

impl Port {
    /// Destroys the port, whose receive right is gone: everybody who waits is told, the messages
    /// and what they carry are dropped.
    ///
    /// Messages can carry receive rights, whose ports have messages, and so on: the ports are
    /// emptied one after the other, not one inside the other. That the port is dead is told when its
    /// messages are gone.
    pub(super) fn destroy(this: &Arc<Self>) {
        let Some((mut doomed, asked)) = this.stop() else {
            return;
        };
        while let Some(mut message) = doomed.pop_front() {
            while let Some(right) = message.take_receive_right() {
                let Right::Receive(right) = right else {
                    continue;
                };
                let request = right.port().take_port_destroyed_request();
                let right = match request {
                    Some(notify) => notify::port_destroyed(notify, right),
                    None => Some(right),
                };
                let Some(right) = right else {
                    continue;
                };
                let mut more = right.port().die();
                while let Some(message) = more.pop_front() {
                    doomed.push_back(message);
                }
                // The port is dead and empty: dropping the right finds nothing more to do.
                drop(right);
            }
        }
        this.tell_dead(asked);
    }

    /// Makes the port dead, tells so, and gives out its messages. Does nothing to a dead port.
    pub(super) fn die(&self) -> Fifo<Message> {
        let Some((messages, asked)) = self.stop() else {
            return Fifo::new();
        };
        self.tell_dead(asked);
        messages
    }

    /// Makes the port dead. Gives out its messages, and who has asked for what will not happen any
    /// more, for [`tell_dead`](Self::tell_dead). `None` for a dead port.
    fn stop(&self) -> Option<(Fifo<Message>, Asked)> {
        let (messages, memberships, receiver, asked, attachment) = {
            let mut state = self.state.lock();
            if matches!(state.receiver, Receiver::Dead) {
                return None;
            }
            self.alive.store(false, Release);
            let receiver = core::mem::replace(&mut state.receiver, Receiver::Dead);
            while let Some(waiter) = state.receivers.pop_front() {
                waiter.end(Outcome::Changed);
            }
            while let Some(waiter) = state.senders.pop_front() {
                waiter.end(Outcome::TryAgain);
            }
            for membership in &state.memberships {
                membership.set.forget(membership);
            }
            state.watchers.tell_gone();
            (
                state.messages.take(),
                core::mem::take(&mut state.memberships),
                receiver,
                [state.no_senders.take(), state.port_destroyed.take()],
                state.attachment.take(),
            )
        };
        // Outside of the lock: these may be the last references to other objects.
        drop(memberships);
        drop(receiver);
        drop(attachment);
        Some((messages, asked))
    }

    /// Answers the requests about the death of the port, and then those for other notifications,
    /// which are told that they were not used.
    fn tell_dead(&self, asked: Asked) {
        loop {
            let request = self.state.lock().requests.next_to_tell();
            match request {
                Some((notify, name)) => notify::dead_name(notify, name),
                None => break,
            }
        }
        drop(asked);
    }
}

impl PortState {
    /// The receive right is about to leave its space: waiting receivers are told, and what belongs
    /// to the receiver is reset. Messages stay. `KERN_INVALID_CAPABILITY`, and nothing happens, if
    /// the right must not move.
    pub(super) fn depart(&mut self, make_send_count: &Atomic<u32>) -> KernResult {
        if self.immovable {
            return Err(KernError::INVALID_CAPABILITY);
        }
        self.lose_receiver(make_send_count);
        Ok(())
    }

    /// As [`depart`](Self::depart), for a right that its space has given up.
    pub(super) fn lose_receiver(&mut self, make_send_count: &Atomic<u32>) {
        self.receiver = Receiver::Transit(None);
        self.watchers.tell_gone();
        while let Some(waiter) = self.receivers.pop_front() {
            waiter.end(Outcome::Changed);
        }
        self.context = 0;
        self.guard = None;
        self.immovable = false;
        self.seqno = 0;
        make_send_count.store(0, Relaxed);
    }
}
