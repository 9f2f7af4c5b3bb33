// SPDX-License-Identifier: GPL-2.0

//! Port sets: several ports to receive from at once. A port can be in several sets.
//!
//! A set keeps a list of those of its members that may have messages, so receiving costs the same
//! whatever the number of members. The list may hold a port without messages, never the reverse.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_pset.c; ABI traps §5.5, §6.5.
//!
//! Locks: `PortSet::state`, taken with a port's lock held or with none, see [`super`].

use super::{
    membership::Membership,
    port::SpaceId,
    port_queue::{
        fitting,
        Taken, //
    },
    right::SetRight,
    waiter::{
        Offer,
        Outcome,
        Room,
        Waiter, //
    },
    watch::Watchers, //
};
use crate::{
    core::{
        Live,
        ObjectCounter, //
    },
    linux::queue::{
        Linked,
        Queue, //
    },
};
use core::mem;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};

pub(super) static SETS: ObjectCounter = ObjectCounter::new("port_sets");

/// A port set.
#[pin_data]
pub(crate) struct PortSet {
    #[pin]
    pub(super) state: SpinLock<SetState>,
    _live: Live,
}

/// What the lock protects.
pub(super) struct SetState {
    pub(super) alive: bool,
    /// The members that may have messages, the one to be asked next first.
    pub(super) ready: Queue<Membership>,
    pub(super) receivers: Queue<Waiter>,
    pub(super) members: KVec<Arc<Linked<Membership>>>,
    pub(super) watchers: Watchers,
}

impl PortSet {
    /// Makes an empty set, and the right to it. Fails with `ENOMEM`.
    pub(super) fn with_right() -> Result<SetRight> {
        let set = Arc::pin_init(
            pin_init!(Self {
                state <- new_spinlock!(
                    SetState {
                        alive: true,
                        ready: Queue::new(),
                        receivers: Queue::new(),
                        members: KVec::new(),
                        watchers: Watchers::new(),
                    },
                    "PortSet::state"
                ),
                _live: Live::new(&SETS),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(SetRight::of_new(set))
    }

    /// Notes that a member has a message. The port's lock is held.
    pub(super) fn port_ready(&self, membership: &Arc<Linked<Membership>>) {
        let mut state = self.state.lock();
        if state.alive {
            // One that is in the list already stays where it is.
            let _ = state.ready.push_back(membership.clone());
            state.watchers.tell_queued();
        }
    }

    /// Has a member that may have more messages asked again. The port's lock is held.
    fn stays_ready(&self, membership: &Arc<Linked<Membership>>) {
        let mut state = self.state.lock();
        if state.alive {
            let _ = state.ready.push_back(membership.clone());
        }
    }

    /// Takes a thread that waits at the set and has room for a message out of its queue. The lock
    /// of the port that has the message is held.
    pub(super) fn receiver_for(&self, offer: Offer) -> Option<Arc<Linked<Waiter>>> {
        fitting(&mut self.state.lock().receivers, offer)
    }

    /// Takes a message from a member that has one, members taking turns; if there is none and
    /// `waiter` is given, puts that in the queue.
    pub(super) fn take(
        &self,
        space: SpaceId,
        room: Room,
        waiter: Option<&Arc<Linked<Waiter>>>,
    ) -> Taken {
        loop {
            let member = {
                let mut state = self.state.lock();
                if !state.alive {
                    return Taken::Changed;
                }
                match (state.ready.pop_front(), waiter) {
                    (Some(member), _) => member,
                    (None, None) => return Taken::Empty,
                    (None, Some(waiter)) => {
                        return match state.receivers.push_back(waiter.clone()) {
                            Ok(()) => Taken::Empty,
                            // See `Port::take`.
                            Err(_) => Taken::Changed,
                        };
                    }
                }
            };
            let taken = member.port.take(space, room, None);
            // Whatever comes in from here on makes the port ready again by itself.
            member.port.with(|port| {
                if port.queued() != 0 && port.membership_of(&member.set).is_some() {
                    self.stays_ready(&member);
                }
            });
            match taken {
                // The list said too much.
                Taken::Empty | Taken::Changed => continue,
                taken => return taken,
            }
        }
    }

    /// Takes `waiter` out of the queue of receivers; false if it has been taken out.
    pub(super) fn stop_receiving(&self, waiter: &Linked<Waiter>) -> bool {
        self.state.lock().receivers.remove(waiter).is_some()
    }

    /// Calls `f` with who is told of messages; `None` when the set is gone. The lock is held.
    pub(super) fn with_watchers<R>(&self, f: impl FnOnce(&mut Watchers) -> R) -> Option<R> {
        let mut state = self.state.lock();
        state.alive.then(|| f(&mut state.watchers))
    }

    /// Destroys the set: its waiting receivers are told, its members leave it.
    pub(super) fn destroy(this: &Arc<Self>) {
        let members = {
            let mut state = this.state.lock();
            state.alive = false;
            state.watchers.tell_gone();
            while let Some(waiter) = state.receivers.pop_front() {
                waiter.end(Outcome::Changed);
            }
            while state.ready.pop_front().is_some() {}
            mem::take(&mut state.members)
        };
        for membership in members {
            let removed = membership.port.with(|state| {
                let position = state.membership_of(this)?;
                state.memberships.remove(position).ok()
            });
            drop(removed);
        }
    }
}
