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
    account::{
        Account,
        Charge, //
    },
    port::{
        Port,
        SpaceId, //
    },
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
        KernError,
        KernResult,
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
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc,
        SpinLock, //
    },
};

pub(super) static SETS: ObjectCounter = ObjectCounter::new("port_sets");

/// That a port is in a set.
///
/// The port's list of memberships and the set's list of members refer to it; both drop it when the
/// port leaves the set, or either dies.
pub(super) struct Membership {
    pub(super) port: Arc<Port>,
    pub(super) set: Arc<PortSet>,
    /// The position among the set's members. Protected by the set's lock.
    position: Atomic<usize>,
    _charge: Option<Charge>,
}

/// A port set.
#[pin_data]
pub(crate) struct PortSet {
    #[pin]
    state: SpinLock<SetState>,
    _live: Live,
}

struct SetState {
    alive: bool,
    /// The members that may have messages, the one to be asked next first.
    ready: Queue<Membership>,
    receivers: Queue<Waiter>,
    members: KVec<Arc<Linked<Membership>>>,
    watchers: Watchers,
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

    /// Adds `port`. `KERN_ALREADY_IN_SET`, `KERN_INVALID_NAME` for a set that is gone,
    /// `KERN_RESOURCE_SHORTAGE`.
    pub(super) fn insert(this: &Arc<Self>, port: &Arc<Port>) -> KernResult {
        let charge = match port.with(|state| state.account.clone()) {
            Some(account) => {
                let bytes = mem::size_of::<Linked<Membership>>();
                let charge = Account::charge(&account, bytes);
                Some(charge.ok_or(KernError::RESOURCE_SHORTAGE)?)
            }
            None => None,
        };
        let membership = Arc::pin_init(
            Linked::new(Membership {
                port: port.clone(),
                set: this.clone(),
                position: Atomic::new(0),
                _charge: charge,
            }),
            GFP_KERNEL_ACCOUNT,
        )
        .map_err(|_: Error| KernError::RESOURCE_SHORTAGE)?;

        let mut of_port = KVec::new();
        let mut of_set = KVec::new();
        loop {
            let room_needed = port.with(|port_state| {
                if port_state.membership_of(this).is_some() {
                    return Err(KernError::ALREADY_IN_SET);
                }
                let mut set = this.state.lock();
                if !set.alive {
                    return Err(KernError::INVALID_NAME);
                }
                let needed = (
                    room_for_one_more(&mut port_state.memberships, &mut of_port),
                    room_for_one_more(&mut set.members, &mut of_set),
                );
                if needed != (None, None) {
                    return Ok(Some(needed));
                }
                membership.position.store(set.members.len(), Relaxed);
                // There is room, so these do not allocate.
                let _ = set.members.push(membership.clone(), GFP_ATOMIC);
                if port_state.queued() != 0 {
                    let _ = set.ready.push_back(membership.clone());
                    set.watchers.tell_queued();
                }
                // Those who found the set empty look again, one for each message.
                for _ in 0..port_state.queued() {
                    match set.receivers.pop_front() {
                        Some(waiter) => waiter.end(Outcome::TryAgain),
                        None => break,
                    }
                }
                let _ = port_state.memberships.push(membership.clone(), GFP_ATOMIC);
                Ok(None)
            })?;
            let Some((port_room, set_room)) = room_needed else {
                return Ok(());
            };
            if let Some(capacity) = port_room {
                of_port = KVec::with_capacity(capacity, GFP_KERNEL_ACCOUNT)?;
            }
            if let Some(capacity) = set_room {
                of_set = KVec::with_capacity(capacity, GFP_KERNEL_ACCOUNT)?;
            }
        }
    }

    /// Removes `port`. `KERN_NOT_IN_SET`.
    pub(super) fn remove(this: &Arc<Self>, port: &Arc<Port>) -> KernResult {
        let membership = port.with(|state| {
            let position = state.membership_of(this)?;
            let membership = state.memberships.remove(position).ok()?;
            this.forget(&membership);
            Some(membership)
        });
        membership.map(drop).ok_or(KernError::NOT_IN_SET)
    }

    /// Calls `f` with who is told of messages; `None` when the set is gone. The lock is held.
    pub(super) fn with_watchers<R>(&self, f: impl FnOnce(&mut Watchers) -> R) -> Option<R> {
        let mut state = self.state.lock();
        state.alive.then(|| f(&mut state.watchers))
    }

    /// The members there are at this moment. `KERN_RESOURCE_SHORTAGE` without memory.
    pub(super) fn members(&self) -> KernResult<KVVec<Arc<Linked<Membership>>>> {
        let mut members = KVVec::new();
        loop {
            let wanted = {
                let state = self.state.lock();
                let wanted = state.members.len();
                if wanted <= members.capacity() {
                    for member in &state.members {
                        // There is room, so this does not allocate.
                        let _ = members.push(member.clone(), GFP_ATOMIC);
                    }
                    drop(state);
                    return Ok(members);
                }
                wanted
            };
            members = KVVec::with_capacity(wanted, GFP_KERNEL_ACCOUNT)?;
        }
    }

    /// Removes `port` from all its sets.
    pub(super) fn remove_from_all(port: &Arc<Port>) {
        let memberships = port.with(|state| {
            for membership in &state.memberships {
                membership.set.forget(membership);
            }
            mem::take(&mut state.memberships)
        });
        drop(memberships);
    }

    /// Removes `port` from all its sets but one.
    pub(super) fn remove_from_others(this: &Arc<Self>, port: &Arc<Port>) {
        // One at a time, so that each is dropped with the lock released.
        while let Some(membership) = port.with(|state| {
            let position = state
                .memberships
                .iter()
                .position(|membership| !Arc::ptr_eq(&membership.set, this))?;
            let membership = state.memberships.remove(position).ok()?;
            membership.set.forget(&membership);
            Some(membership)
        }) {
            drop(membership);
        }
    }

    /// Drops the set's references to `membership`, whose port's lock is held; the caller has
    /// another one.
    pub(super) fn forget(&self, membership: &Linked<Membership>) {
        let mut state = self.state.lock();
        drop(state.ready.remove(membership));
        let position = membership.position.load(Relaxed);
        let found = state.members.get(position);
        if !found.is_some_and(|found| core::ptr::eq(&**found, membership)) {
            // The set is dead and has let go of its members.
            return;
        }
        let last = state.members.len().saturating_sub(1);
        state.members.swap(position, last);
        drop(state.members.pop());
        if let Some(moved) = state.members.get(position) {
            moved.position.store(position, Relaxed);
        }
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

/// Makes sure that `items` takes one more without allocating, using `spare` where that helps;
/// otherwise says which capacity a new `spare` must have.
pub(super) fn room_for_one_more<T>(items: &mut KVec<T>, spare: &mut KVec<T>) -> Option<usize> {
    if items.len() < items.capacity() {
        return None;
    }
    if spare.capacity() <= items.len() {
        return Some(items.len().saturating_mul(2).max(4));
    }
    for item in items.drain_all() {
        // The spare has room for all of them.
        let _ = spare.push(item, GFP_ATOMIC);
    }
    mem::swap(items, spare);
    None
}
