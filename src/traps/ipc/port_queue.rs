// SPDX-License-Identifier: GPL-2.0

//! The message queue of a port: messages come in, or go to who waits for them.
//!
//! Serves sends, receives and notifications. What a port is otherwise stands in [`super::port`].
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_mqueue.c; ABI traps §6.4, §6.5.
//!
//! Locks: `Port::state`, and within it a set's, see the order in [`super`].

use super::{
    account::Account,
    layout::Sizes,
    message::{
        Arrival,
        Message, //
    },
    notify,
    port::{
        Port,
        PortState,
        Receiver,
        SpaceId, //
    },
    right::Counted,
    waiter::{
        Offer,
        Outcome,
        Room,
        TooLarge,
        Waiter, //
    },
};
use crate::{
    abi::{
        port::MACH_PORT_QLIMIT_KERNEL,
        PortName, //
    },
    linux::{
        fifo::Node,
        queue::{
            Linked,
            Queue, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// How a message that is sent may wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Not beyond the queue limit.
    Limited,
    /// Beyond the limit that tasks can set: for send-once rights and the kernel.
    Always,
}

/// What became of a message.
pub(super) enum Posted {
    /// A receiver has it, and is to be woken.
    Handed(Arc<Linked<Waiter>>),
    /// It is queued.
    Queued,
    /// The queue is full.
    Full(KBox<Node<Message>>),
    /// The queue holds all that a queue can, or whoever it counts for has too much queued.
    Overflow(KBox<Node<Message>>),
    /// The port is dead.
    Dead(KBox<Node<Message>>),
}

/// What a receiver finds.
pub(super) enum Taken {
    Message(KBox<Node<Message>>),
    TooLarge(TooLarge),
    /// Nothing.
    Empty,
    /// The receiver does not have the receive right any more.
    Changed,
}

impl Port {
    /// Tells those who wait to send that they can, if so.
    #[cold]
    fn tell_send_possible(&self) {
        loop {
            let request = {
                let mut state = self.state.lock();
                if state.messages.len() >= state.limit {
                    return;
                }
                state.requests.take_armed()
            };
            let Some(request) = request else {
                return;
            };
            if let Some(notify) = request.notify {
                notify::send_possible(notify, request.subject.name);
            }
        }
    }

    /// Hands `message`, which is sent by `right`, to a waiting receiver, or queues it and counts it
    /// for `account`: without one, for the receiver. The right goes with a message that is queued.
    ///
    /// The caller wakes the receiver of [`Posted::Handed`] and drops the message of
    /// [`Posted::Dead`].
    #[inline]
    pub(super) fn post(
        self: &Arc<Self>,
        right: &mut Counted,
        mut message: KBox<Node<Message>>,
        admission: Admission,
        account: Option<&Arc<Account>>,
    ) -> Posted {
        let mut state = self.state.lock();
        let (Receiver::Space(..) | Receiver::Transit(_)) = state.receiver else {
            return Posted::Dead(message);
        };
        // One that its send rights keep has no receiver either.
        if self.is_kernel() {
            return Posted::Dead(message);
        }
        let queued = state.messages.len();
        if queued >= MACH_PORT_QLIMIT_KERNEL {
            return Posted::Overflow(message);
        }
        if queued >= state.limit && admission == Admission::Limited {
            return Posted::Full(message);
        }
        if queued == 0 {
            if let Some(receiver) = state.receiver_for(message.sizes()) {
                message.arrival = state.arrival();
                right.count_off(self);
                receiver.deliver(message);
                // If this sender was told of room it has left that to the next: as many waiting
                // senders must be on their way as there is room for.
                state.room_for_sender();
                return Posted::Handed(receiver);
            }
        }
        if let Some(account) = account.or(state.account.as_ref()) {
            message.charge = Account::charge(account, message.footprint());
            if message.charge.is_none() {
                return Posted::Overflow(message);
            }
        }
        message.destination.right = right.take(self);
        state.messages.push_back(message);
        state.watchers.tell_queued();
        for membership in &state.memberships {
            membership.set.port_ready(membership);
        }
        Posted::Queued
    }

    /// Takes the oldest message, if `space` may receive here and it fits; if there is none and
    /// `waiter` is given, puts that in the queue.
    #[inline]
    pub(super) fn take(
        &self,
        space: SpaceId,
        room: Room,
        waiter: Option<&Arc<Linked<Waiter>>>,
    ) -> Taken {
        let (taken, armed) = {
            let mut state = self.state.lock();
            if !state.is_received_by(space) {
                return Taken::Changed;
            }
            let taken = state.take(room);
            if let (Taken::Empty, Some(waiter)) = (&taken, waiter) {
                if state.receivers.push_back(waiter.clone()).is_err() {
                    // A thread waits in one place at a time, so this is not reached; nor would it
                    // hang.
                    return Taken::Changed;
                }
            }
            (taken, state.requests.any_armed())
        };
        if armed {
            self.tell_send_possible();
        }
        taken
    }

    /// Takes `waiter` out of the queue of receivers; false if it has been taken out.
    pub(super) fn stop_receiving(&self, waiter: &Linked<Waiter>) -> bool {
        self.state.lock().receivers.remove(waiter).is_some()
    }

    /// Puts `waiter` in the queue for room; false if there is room now, or the port is dead.
    pub(super) fn wait_for_room(&self, waiter: &Arc<Linked<Waiter>>) -> bool {
        let mut state = self.state.lock();
        let full = state.messages.len() >= state.limit;
        self.is_alive() && full && state.senders.push_back(waiter.clone()).is_ok()
    }

    /// Takes `waiter` out of the queue for room. If it has been taken out, the room that it was
    /// told of goes to the next.
    pub(super) fn stop_waiting_for_room(&self, waiter: &Linked<Waiter>) {
        let mut state = self.state.lock();
        if state.senders.remove(waiter).is_none() {
            state.room_for_sender();
        }
    }

    /// Sets the queue limit, which may make room.
    pub(super) fn set_limit(&self, limit: u32) {
        let armed = {
            let mut state = self.state.lock();
            state.limit = limit;
            for _ in state.messages.len()..limit {
                if !state.room_for_sender() {
                    break;
                }
            }
            state.requests.any_armed()
        };
        if armed {
            self.tell_send_possible();
        }
    }
}

impl PortState {
    pub(super) fn is_received_by(&self, space: SpaceId) -> bool {
        matches!(self.receiver, Receiver::Space(id, _) if id == space)
    }

    /// The number of messages that wait.
    pub(super) fn queued(&self) -> u32 {
        self.messages.len()
    }

    /// Takes the thread that is to receive a message of these `sizes` out of its queue: one that
    /// waits at the port, else one that waits at one of its sets. Those who have no room for it
    /// and want it kept are told so.
    #[inline]
    fn receiver_for(&mut self, sizes: Sizes) -> Option<Arc<Linked<Waiter>>> {
        let offer = Offer {
            sizes,
            port: self.receiver_name(),
        };
        if let Some(receiver) = fitting(&mut self.receivers, offer) {
            return Some(receiver);
        }
        self.memberships
            .iter()
            .find_map(|membership| membership.set.receiver_for(offer))
    }

    fn receiver_name(&self) -> PortName {
        match self.receiver {
            Receiver::Space(_, name) => name,
            _ => PortName::NULL,
        }
    }

    /// What the next message to leave is marked with.
    #[inline]
    fn arrival(&mut self) -> Arrival {
        let seqno = self.seqno;
        self.seqno = seqno.wrapping_add(1);
        Arrival {
            name: self.receiver_name(),
            seqno,
            context: self.context,
        }
    }

    fn take(&mut self, room: Room) -> Taken {
        let sizes = match self.messages.front() {
            None => return Taken::Empty,
            Some(message) => message.sizes(),
        };
        if let Some(size) = room.refuses(sizes) {
            return Taken::TooLarge(TooLarge {
                size,
                port: self.receiver_name(),
            });
        }
        let Some(mut message) = self.messages.pop_front() else {
            return Taken::Empty;
        };
        message.arrival = self.arrival();
        self.room_for_sender();
        Taken::Message(message)
    }

    /// Lets one waiting sender try, if there is room; false if there is none or nobody waits.
    #[inline]
    fn room_for_sender(&mut self) -> bool {
        if self.senders.is_empty() || self.messages.len() >= self.limit {
            return false;
        }
        match self.senders.pop_front() {
            Some(waiter) => {
                waiter.end(Outcome::TryAgain);
                true
            }
            None => false,
        }
    }

    /// Whether there is no room for a message of a task.
    pub(super) fn is_full(&self) -> bool {
        self.messages.len() >= self.limit
    }
}

/// Takes the first thread out of `receivers` that has room for the message on `offer`, or
/// does not mind losing it. The others before it are told that it is too large.
#[inline]
pub(super) fn fitting(receivers: &mut Queue<Waiter>, offer: Offer) -> Option<Arc<Linked<Waiter>>> {
    loop {
        let receiver = receivers.pop_front()?;
        let Some(size) = receiver.room().refuses(offer.sizes) else {
            return Some(receiver);
        };
        receiver.refuse(TooLarge {
            size,
            port: offer.port,
        });
    }
}
