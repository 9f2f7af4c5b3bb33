// SPDX-License-Identifier: GPL-2.0

//! Which ports are in which port sets.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_pset.c; ABI traps §5.5.
//!
//! Locks: a port's lock, then `PortSet::state`. Nothing is allocated or dropped under them that is
//! more than a reference: the caller of what leaves a list has another one.

use super::{
    account::{
        Account,
        Charge, //
    },
    port::Port,
    set::PortSet,
    waiter::Outcome, //
};
use crate::{
    core::{
        KernError,
        KernResult, //
    },
    linux::queue::Linked,
};
use core::mem;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
};

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

impl PortSet {
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
