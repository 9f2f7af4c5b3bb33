// SPDX-License-Identifier: GPL-2.0

//! A list that counted objects enter and leave in constant time, in no order: who leaves gives its
//! seat to the last one.
//!
//! Serves the kqueues of a task and the watches that hold their files. Unlike in a
//! [`queue`](super::queue) members can be of many types, and can be visited without the lock.
//!
//! Locks: a roster is protected by a mutex, which is not held while memory is allocated, a member is
//! visited, or dropped.

use super::peek::Peek;
use core::ptr;
use kernel::{
    prelude::*,
    sync::{
        atomic::Atomic,
        Arc,
        Mutex,
        MutexGuard, //
    },
};

/// How many seats a roster has at first.
const FIRST_SEATS: usize = 4;

/// What a member keeps for the roster that it is in: the index there. A guess as long as it is in
/// none.
pub(crate) struct Seat(Atomic<usize>);

impl Seat {
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(0))
    }
}

/// What can be in a roster, in one at a time.
pub(crate) trait Member {
    /// Its seat: always the same.
    fn seat(&self) -> &Seat;
}

/// See [`self`].
pub(crate) struct Roster<T: Member + ?Sized> {
    members: KVVec<Arc<T>>,
}

impl<T: Member + ?Sized> Roster<T> {
    /// Makes a roster without members, which allocates nothing.
    pub(crate) const fn new() -> Self {
        Self {
            members: KVVec::new(),
        }
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Adds a member to the roster that `lock` protects, and hands the lock on. Fails with `ENOMEM`.
    #[inline]
    pub(crate) fn add(lock: &Mutex<Self>, member: Arc<T>) -> Result<MutexGuard<'_, Self>> {
        loop {
            let mut roster = lock.lock();
            let count = roster.len();
            if count < roster.members.capacity() {
                member.seat().0.poke(count);
                // There is room, so this does not fail.
                let _ = roster.members.push_within_capacity(member);
                return Ok(roster);
            }
            drop(roster);
            Self::grow(lock, count)?;
        }
    }

    /// Makes room for more than `count` members, unless somebody else does.
    #[cold]
    fn grow(lock: &Mutex<Self>, count: usize) -> Result {
        let seats = count.saturating_mul(2).max(FIRST_SEATS);
        let mut larger = KVVec::with_capacity(seats, GFP_KERNEL_ACCOUNT)?;
        let mut roster = lock.lock();
        if roster.members.capacity() < larger.capacity() {
            for member in roster.members.drain_all() {
                // There is room, as above.
                let _ = larger.push_within_capacity(member);
            }
            core::mem::swap(&mut roster.members, &mut larger);
        }
        drop(roster);
        drop(larger);
        Ok(())
    }

    /// Takes `member` out, if it is there. The reference is for the caller to drop, without the lock.
    pub(crate) fn remove(&mut self, member: &T) -> Option<Arc<T>> {
        let seat = member.seat().0.peek();
        let found = self.members.get(seat)?;
        if !ptr::addr_eq(Arc::as_ptr(found), member) {
            return None;
        }
        let last = self.len().saturating_sub(1);
        self.members.swap(seat, last);
        let removed = self.members.pop();
        if let Some(moved) = self.members.get(seat) {
            moved.seat().0.poke(seat);
        }
        removed
    }

    /// Takes any member out.
    pub(crate) fn pop(&mut self) -> Option<Arc<T>> {
        self.members.pop()
    }

    /// Calls `visit` for each member that is there all the time. One that comes or goes meanwhile may
    /// be missed, and its going may have another visited twice.
    pub(crate) fn for_each(lock: &Mutex<Self>, mut visit: impl FnMut(&T)) {
        // Towards the front: who gets the seat of one that goes is the last, and has been visited.
        let mut seat = lock.lock().len();
        while let Some(next) = seat.checked_sub(1) {
            seat = next;
            let member = lock.lock().members.get(seat).cloned();
            if let Some(member) = member {
                visit(&member);
            }
        }
    }
}
