// SPDX-License-Identifier: GPL-2.0

//! Ports: message queues with one receiver and any number of senders.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_port.c and ipc_mqueue.c; ABI traps §5.6, §6.4, §6.5.
//!
//! Locks: `Port::state`. See the order in [`super`]. Counts of rights are atomics, because a right
//! that exists keeps its count from reaching zero; the one that reaches zero takes the lock.

use super::{
    kobject::KernelObject,
    message::{
        Arrival,
        Message, //
    },
    notify,
    requests::Requests,
    right::{
        ReceiveRight,
        Right,
        SendOnceRight,
        SendRight, //
    },
    set::{
        Membership,
        PortSet, //
    },
    waiter::{
        Outcome,
        Room,
        TooLarge,
        Waiter, //
    },
};
use crate::{
    abi::{
        port::{
            MACH_PORT_QLIMIT_DEFAULT,
            MACH_PORT_QLIMIT_KERNEL, //
        },
        PortName, //
    },
    core::{
        KernError,
        KernResult,
        Live,
        ObjectCounter, //
    },
    linux::{
        fifo::{
            Fifo,
            Node, //
        },
        queue::{
            Linked,
            Queue, //
        },
    },
};
use core::any::Any;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            ordering::{Acquire, Relaxed, Release},
            Atomic, //
        },
        Arc,
        SpinLock, //
    },
};

pub(super) static PORTS: ObjectCounter = ObjectCounter::new("ports");

/// Identifies a space, without keeping it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SpaceId(pub(super) u64);

/// Who has the receive right.
pub(super) enum Receiver {
    /// A space, under a name.
    Space(SpaceId, PortName),
    /// Nobody at the moment: the port is new, or the right is in a message to another port.
    Transit(Option<Arc<Port>>),
    /// The kernel: messages are handled by an object and never queued.
    Kernel(Arc<dyn KernelObject>),
    /// Nobody ever again.
    Dead,
}

/// What keeps a port alive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Upkeep {
    /// Its receive right.
    Receiver,
    /// Its send rights: nobody holds the receive right, and the port dies with the last of them.
    Senders,
}

/// A port.
#[pin_data]
pub(crate) struct Port {
    pub(super) send_rights: Atomic<u32>,
    pub(super) send_once_rights: Atomic<u32>,
    pub(super) make_send_count: Atomic<u32>,
    /// Goes from true to false once, with the lock held.
    alive: Atomic<bool>,
    kernel: bool,
    upkeep: Upkeep,
    #[pin]
    state: SpinLock<PortState>,
    _live: Option<Live>,
}

/// What a port's lock protects.
pub(super) struct PortState {
    pub(super) receiver: Receiver,
    messages: Fifo<Message>,
    pub(super) limit: u32,
    pub(super) seqno: u32,
    /// Threads that wait for a message at this very port; none while there are messages.
    receivers: Queue<Waiter>,
    /// Threads that wait for room.
    senders: Queue<Waiter>,
    /// The sets that the port is in.
    pub(super) memberships: KVec<Arc<Linked<Membership>>>,
    pub(super) context: u64,
    /// Whether, and how, `context` guards the receive right.
    pub(super) guard: Option<Guard>,
    /// Whether the receive right must stay in its space.
    pub(super) immovable: bool,
    /// Whether the port is a thread's special reply port.
    pub(super) special_reply: bool,
    /// Who is to be told when the last send right is gone.
    pub(super) no_senders: Option<SendOnceRight>,
    /// Who is to get the receive right when it would be dropped.
    pub(super) port_destroyed: Option<SendOnceRight>,
    pub(super) requests: Requests,
    /// What the kernel keeps with a port that a task receives from.
    attachment: Option<Attachment>,
}

/// How a port is guarded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    Plain,
    Strict,
}

/// An object of the kernel that a receive right in user space stands for. It is let go when the
/// port dies.
pub(crate) type Attachment = Arc<dyn Any + Send + Sync>;

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
    /// The queue holds all that a queue can.
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
    fn new(receiver: Receiver, live: Option<Live>, upkeep: Upkeep) -> Result<Arc<Self>> {
        let kernel = matches!(receiver, Receiver::Kernel(_));
        Arc::pin_init(
            pin_init!(Self {
                send_rights: Atomic::new(0),
                send_once_rights: Atomic::new(0),
                make_send_count: Atomic::new(0),
                alive: Atomic::new(true),
                kernel,
                upkeep,
                state <- new_spinlock!(
                    PortState {
                        receiver,
                        messages: Fifo::new(),
                        limit: MACH_PORT_QLIMIT_DEFAULT,
                        seqno: 0,
                        receivers: Queue::new(),
                        senders: Queue::new(),
                        memberships: KVec::new(),
                        context: 0,
                        guard: None,
                        immovable: false,
                        special_reply: false,
                        no_senders: None,
                        port_destroyed: None,
                        requests: Requests::new(),
                        attachment: None,
                    },
                    "Port::state"
                ),
                _live: live,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Makes a port, and its receive right, which is in nobody's space yet. Fails with `ENOMEM`.
    pub(super) fn with_receive_right() -> Result<ReceiveRight> {
        let live = Some(Live::new(&PORTS));
        Self::new(Receiver::Transit(None), live, Upkeep::Receiver).map(ReceiveRight::of)
    }

    /// Makes a port whose messages `object` handles. It lives until the receive right is dropped.
    pub(crate) fn for_kernel(object: Arc<dyn KernelObject>) -> Result<ReceiveRight> {
        let live = Some(Live::new(&PORTS));
        Self::new(Receiver::Kernel(object), live, Upkeep::Receiver).map(ReceiveRight::of)
    }

    /// Makes a port whose messages `object` handles and that nobody but its send rights keeps
    /// alive: when the last is gone the port dies and lets go of the object.
    pub(super) fn for_kernel_by_senders(object: Arc<dyn KernelObject>) -> Result<SendRight> {
        let live = Some(Live::new(&PORTS));
        let port = Self::new(Receiver::Kernel(object), live, Upkeep::Senders)?;
        Ok(SendRight::make(&port))
    }

    /// As [`for_kernel`](Self::for_kernel), for a port that is there as long as the module is and
    /// so does not count as a live object.
    pub(super) fn for_kernel_permanent(object: Arc<dyn KernelObject>) -> Result<ReceiveRight> {
        Self::new(Receiver::Kernel(object), None, Upkeep::Receiver).map(ReceiveRight::of)
    }

    /// Whether the port has not died yet.
    #[inline]
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Acquire)
    }

    /// Whether the kernel receives the port's messages.
    #[inline]
    pub(crate) fn is_kernel(&self) -> bool {
        self.kernel
    }

    /// The object that handles the messages.
    pub(crate) fn kernel_object(&self) -> Option<Arc<dyn KernelObject>> {
        if !self.kernel {
            return None;
        }
        match &self.state.lock().receiver {
            Receiver::Kernel(object) => Some(object.clone()),
            _ => None,
        }
    }

    /// Attaches an object to a port that has none.
    pub(super) fn attach(&self, attachment: Attachment) {
        let previous = self.state.lock().attachment.replace(attachment);
        drop(previous);
    }

    /// The object attached.
    pub(super) fn attachment(&self) -> Option<Attachment> {
        self.state.lock().attachment.clone()
    }

    /// Whether the port stands for an object of the kernel, whoever receives from it. The receive
    /// right of such a port stays where it is.
    pub(super) fn stands_for_object(&self) -> bool {
        self.kernel || self.state.lock().attachment.is_some()
    }

    /// Calls `f` with the state, with the lock held.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut PortState) -> R) -> R {
        f(&mut self.state.lock())
    }

    /// The name of the receive right, if `space` has it.
    pub(super) fn name_in(&self, space: SpaceId) -> Option<PortName> {
        match self.state.lock().receiver {
            Receiver::Space(id, name) if id == space => Some(name),
            _ => None,
        }
    }

    /// The last send right was dropped: tells whoever asked to be told.
    pub(super) fn last_send_right_gone(&self) {
        if self.upkeep == Upkeep::Senders {
            // A send right can only be copied, so there will be no other.
            drop(self.die());
            return;
        }
        let (notify, make_send_count) = {
            let mut state = self.state.lock();
            // One may have been made since.
            if self.send_rights.load(Relaxed) != 0 {
                return;
            }
            let count = self.make_send_count.load(Relaxed);
            (state.no_senders.take(), count)
        };
        if let Some(notify) = notify {
            notify::no_senders(notify, make_send_count);
        }
    }

    /// Takes the request to get the receive right when it would be dropped.
    pub(super) fn take_port_destroyed_request(&self) -> Option<SendOnceRight> {
        self.state.lock().port_destroyed.take()
    }

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

    /// Hands `message` to a waiting receiver, or queues it.
    ///
    /// The caller wakes the receiver of [`Posted::Handed`] and drops the message of
    /// [`Posted::Dead`].
    #[inline]
    pub(super) fn post(&self, mut message: KBox<Node<Message>>, admission: Admission) -> Posted {
        let mut state = self.state.lock();
        let (Receiver::Space(..) | Receiver::Transit(_)) = state.receiver else {
            return Posted::Dead(message);
        };
        let queued = state.messages.len();
        if queued >= MACH_PORT_QLIMIT_KERNEL {
            return Posted::Overflow(message);
        }
        if queued >= state.limit && admission == Admission::Limited {
            return Posted::Full(message);
        }
        if queued == 0 {
            if let Some(receiver) = state.receiver_for(message.size()) {
                message.arrival = state.arrival();
                receiver.deliver(message);
                // If this sender was told of room it has left that to the next: as many waiting
                // senders must be on their way as there is room for.
                state.room_for_sender();
                return Posted::Handed(receiver);
            }
        }
        state.messages.push_back(message);
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

    /// Destroys the port, whose receive right is gone: everybody who waits is told, the messages
    /// and what they carry are dropped.
    ///
    /// Messages can carry receive rights, whose ports have messages, and so on: the ports are
    /// emptied one after the other, not one inside the other.
    pub(super) fn destroy(this: &Arc<Self>) {
        let mut doomed = this.die();
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
    }

    /// Makes the port dead and gives out its messages. Does nothing to a dead port.
    fn die(&self) -> Fifo<Message> {
        let (messages, memberships, receiver, notify, attachment) = {
            let mut state = self.state.lock();
            if matches!(state.receiver, Receiver::Dead) {
                return Fifo::new();
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
            (
                state.messages.take(),
                core::mem::take(&mut state.memberships),
                receiver,
                [state.no_senders.take(), state.port_destroyed.take()],
                state.attachment.take(),
            )
        };
        // Outside of the lock: these may be the last references to other objects, and the
        // requests for notifications are answered with send-once notifications.
        drop(memberships);
        drop(receiver);
        drop(attachment);
        drop(notify);
        loop {
            let request = self.state.lock().requests.next_to_tell();
            match request {
                Some((notify, name)) => notify::dead_name(notify, name),
                None => break,
            }
        }
        messages
    }
}

impl PortState {
    fn is_received_by(&self, space: SpaceId) -> bool {
        matches!(self.receiver, Receiver::Space(id, _) if id == space)
    }

    /// The number of messages that wait.
    pub(super) fn queued(&self) -> u32 {
        self.messages.len()
    }

    /// Takes the thread that is to receive a message of `size` bytes out of its queue: one that
    /// waits at the port, else one that waits at one of its sets. Those who have no room for it
    /// and want it kept are told so.
    #[inline]
    fn receiver_for(&mut self, size: u32) -> Option<Arc<Linked<Waiter>>> {
        let large = TooLarge {
            size,
            port: self.receiver_name(),
        };
        if let Some(receiver) = fitting(&mut self.receivers, large) {
            return Some(receiver);
        }
        self.memberships
            .iter()
            .find_map(|membership| membership.set.receiver_for(large))
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
        let size = match self.messages.front() {
            None => return Taken::Empty,
            Some(message) => message.size(),
        };
        if room.refuses(size) {
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
    fn room_for_sender(&mut self) -> bool {
        if self.messages.len() >= self.limit {
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
        while let Some(waiter) = self.receivers.pop_front() {
            waiter.end(Outcome::Changed);
        }
        self.context = 0;
        self.guard = None;
        self.immovable = false;
        self.seqno = 0;
        make_send_count.store(0, Relaxed);
    }

    /// Whether there is no room for a message of a task.
    pub(super) fn is_full(&self) -> bool {
        self.messages.len() >= self.limit
    }

    /// The set that `set` names among those that the port is in.
    pub(super) fn membership_of(&self, set: &Arc<PortSet>) -> Option<usize> {
        self.memberships
            .iter()
            .position(|membership| Arc::ptr_eq(&membership.set, set))
    }
}

/// Takes the first thread out of `receivers` that has room for the message that `large` describes,
/// or does not mind losing it. The others before it are told that it is too large.
#[inline]
pub(super) fn fitting(
    receivers: &mut Queue<Waiter>,
    large: TooLarge,
) -> Option<Arc<Linked<Waiter>>> {
    loop {
        let receiver = receivers.pop_front()?;
        if !receiver.room().refuses(large.size) {
            return Some(receiver);
        }
        receiver.refuse(large);
    }
}
