// SPDX-License-Identifier: GPL-2.0

//! Ports: message queues with one receiver and any number of senders.
//!
//! What a port is stands here; what it stands for in [`super::port_object`], how messages pass through
//! it in [`super::port_queue`], how it ends in [`super::port_death`].
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_port.c; ABI traps §5.2, §5.6.
//!
//! Locks: `Port::state`. See the order in [`super`]. Counts of rights are atomics, because a right
//! that exists keeps its count from reaching zero; the one that reaches zero takes the lock.

use super::{
    account::Account,
    kobject::KernelObject,
    membership::Membership,
    message::Message,
    notify,
    port_object::Attached,
    requests::Requests,
    right::{
        ReceiveRight,
        SendOnceRight, //
    },
    set::PortSet,
    waiter::Waiter,
    watch::Watchers, //
};
use crate::{
    abi::{
        port::MACH_PORT_QLIMIT_DEFAULT,
        PortName, //
    },
    core::{
        Live,
        ObjectCounter, //
    },
    linux::{
        fifo::Fifo,
        held::Held,
        peek::Peek,
        queue::{
            Linked,
            Queue, //
        },
    },
};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            ordering::{Full, Relaxed},
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

impl SpaceId {
    /// That of no space.
    const NONE: Self = Self(u64::MAX);
}

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
pub(super) enum Upkeep {
    /// Its receive right.
    Receiver,
    /// Its send rights: nobody holds the receive right, and the port dies with the last of them.
    Senders,
    /// Its one send-once right: nobody holds another one, and the port dies with it.
    SendOnce,
}

/// A port.
#[pin_data]
pub(crate) struct Port {
    pub(super) send_rights: Atomic<u32>,
    pub(super) send_once_rights: Atomic<u32>,
    pub(super) make_send_count: Atomic<u32>,
    /// Goes from true to false once, with the lock held.
    pub(super) alive: Atomic<bool>,
    /// The identity of the space that got the receive right last, and the name there. Written with
    /// the table of that space locked, so that who has a table locked can rely on it for its own.
    entered_in: Atomic<u64>,
    entered_as: Atomic<u32>,
    /// Whether anybody has ever asked to be told when there are no send rights.
    awaits_no_senders: Atomic<bool>,
    pub(super) kernel: bool,
    upkeep: Upkeep,
    /// The object of a port that its send rights keep alive. Nobody can find it when they are
    /// gone, so it goes with the port, and no lock is needed to look at it.
    pub(super) kept: Option<Held<dyn KernelObject>>,
    #[pin]
    pub(super) state: SpinLock<PortState>,
    _live: Option<Live>,
}

/// What a port's lock protects.
pub(super) struct PortState {
    pub(super) receiver: Receiver,
    pub(super) messages: Fifo<Message>,
    pub(super) limit: u32,
    pub(super) seqno: u32,
    /// Threads that wait for a message at this very port; none while there are messages.
    pub(super) receivers: Queue<Waiter>,
    /// Threads that wait for room.
    pub(super) senders: Queue<Waiter>,
    /// The sets that the port is in.
    pub(super) memberships: KVec<Arc<Linked<Membership>>>,
    /// Who is told of messages that are queued.
    pub(super) watchers: Watchers,
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
    /// What is queued by the kernel counts for whoever had the receive right last.
    pub(super) account: Option<Arc<Account>>,
    /// What the kernel keeps with a port that a task receives from.
    pub(super) attachment: Option<Attached>,
}

/// How a port is guarded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    Plain,
    Strict,
}

impl Port {
    /// Makes a port without an object, or with one that its receiver is. Fails with `ENOMEM`.
    pub(super) fn new(receiver: Receiver, live: Option<Live>, upkeep: Upkeep) -> Result<Arc<Self>> {
        Self::with_kept(receiver, live, upkeep, None)
    }

    /// As [`new`](Self::new), with an object that send rights keep.
    pub(super) fn with_kept(
        receiver: Receiver,
        live: Option<Live>,
        upkeep: Upkeep,
        kept: Option<Held<dyn KernelObject>>,
    ) -> Result<Arc<Self>> {
        let kernel = kept.is_some() || matches!(receiver, Receiver::Kernel(_));
        Arc::pin_init(
            pin_init!(Self {
                send_rights: Atomic::new(0),
                send_once_rights: Atomic::new(0),
                make_send_count: Atomic::new(0),
                alive: Atomic::new(true),
                entered_in: Atomic::new(SpaceId::NONE.0),
                entered_as: Atomic::new(0),
                awaits_no_senders: Atomic::new(false),
                kernel,
                upkeep,
                kept,
                state <- new_spinlock!(
                    PortState {
                        receiver,
                        messages: Fifo::new(),
                        limit: MACH_PORT_QLIMIT_DEFAULT,
                        seqno: 0,
                        receivers: Queue::new(),
                        senders: Queue::new(),
                        memberships: KVec::new(),
                        watchers: Watchers::new(),
                        context: 0,
                        guard: None,
                        immovable: false,
                        special_reply: false,
                        no_senders: None,
                        port_destroyed: None,
                        requests: Requests::new(),
                        account: None,
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

    /// Whether the port has not died yet.
    #[inline]
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.peek_acquire()
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

    /// Notes that `space`, whose table is locked, has the receive right as `name` from here on.
    pub(super) fn note_entered(&self, space: SpaceId, name: PortName) {
        self.entered_as.poke(name.0);
        self.entered_in.poke(space.0);
    }

    /// The name of the receive right in `space`, whose table is locked, if it has the right under
    /// that name: if not it has none.
    #[inline]
    pub(super) fn entered_as(&self, space: SpaceId) -> Option<PortName> {
        (self.entered_in.peek() == space.0).then(|| PortName(self.entered_as.peek()))
    }

    /// Somebody is about to ask to be told when there are no send rights. To be called before it is
    /// looked whether there are any: either that finds none, or who drops the last finds this.
    pub(super) fn await_no_senders(&self) {
        self.awaits_no_senders.xchg(true, Full);
    }

    /// The last send right was dropped: tells whoever asked to be told.
    pub(super) fn last_send_right_gone(&self) {
        if self.upkeep == Upkeep::Senders {
            // A send right can only be copied, so there will be no other.
            drop(self.die());
            if let Some(kept) = &self.kept {
                kept.object().no_senders();
            }
        } else if self.awaits_no_senders.peek() {
            self.tell_no_senders();
        }
    }

    /// Tells whoever asked that there are no send rights, if so.
    #[cold]
    fn tell_no_senders(&self) {
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

    /// A send-once right was used or dropped.
    pub(super) fn send_once_right_gone(&self) {
        if self.upkeep == Upkeep::SendOnce {
            drop(self.die());
        }
    }

    /// Takes the request to get the receive right when it would be dropped.
    pub(super) fn take_port_destroyed_request(&self) -> Option<SendOnceRight> {
        self.state.lock().port_destroyed.take()
    }
}

impl PortState {
    /// The set that `set` names among those that the port is in.
    pub(super) fn membership_of(&self, set: &Arc<PortSet>) -> Option<usize> {
        self.memberships
            .iter()
            .position(|membership| Arc::ptr_eq(&membership.set, set))
    }
}
