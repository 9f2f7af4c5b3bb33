// SPDX-License-Identifier: GPL-2.0

//! Who wants to be told of a port's death, or that a message can be sent to it again.
//!
//! A request belongs to a name in some space; the name's entry knows the request's number. The
//! port keeps the requests, because it is the port that things happen to.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_port.c (`ipc_port_request_alloc` and its like); ABI
//! traps §5.7.
//!
//! Locks: the table is part of a port's state. Nothing here allocates or drops a right.

use super::{
    port::SpaceId,
    right::SendOnceRight, //
};
use crate::abi::PortName;
use core::num::NonZeroU32;
use kernel::prelude::*;

/// The name that a request is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) space: SpaceId,
    pub(super) name: PortName,
}

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// To be told when the port dies.
    DeadName,
    /// To be told as well when a message can be sent, once armed by a send that found the queue
    /// full.
    SendPossible { armed: bool },
}

/// A request.
pub(super) struct Request {
    pub(super) subject: Subject,
    pub(super) wish: Wish,
    /// Taken when the port dies; the request stays as a note that it was there.
    pub(super) notify: Option<SendOnceRight>,
}

/// The number of a request in its port's table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestId(NonZeroU32);

enum Slot {
    /// Not in use; the position of the next such slot.
    Free(Option<u32>),
    Used(Request),
}

/// The requests of a port.
pub(super) struct Requests {
    slots: KVec<Slot>,
    free: Option<u32>,
    /// How many requests are armed.
    armed: u32,
    /// How far the requests have been gone through since the port died.
    told: usize,
}

impl Requests {
    pub(super) const fn new() -> Self {
        Self {
            slots: KVec::new(),
            free: None,
            armed: 0,
            told: 0,
        }
    }

    /// The number of slots, used or not.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The number of requests.
    pub(super) fn used(&self) -> usize {
        let used = |slot: &&Slot| matches!(slot, Slot::Used(_));
        self.slots.iter().filter(used).count()
    }

    /// Whether some request is armed.
    #[inline]
    pub(super) fn any_armed(&self) -> bool {
        self.armed != 0
    }

    fn at(&mut self, id: RequestId, subject: Subject) -> Option<&mut Request> {
        // CAST: `u32` to `usize` loses nothing.
        let index = id.0.get().checked_sub(1)? as usize;
        match self.slots.get_mut(index) {
            Some(Slot::Used(request)) if request.subject == subject => Some(request),
            // The request was fulfilled, and perhaps the slot used again.
            _ => None,
        }
    }

    /// Adds a request. If there is no room, and `spare` has none either, the request comes back
    /// with the capacity that `spare` must have.
    pub(super) fn add(
        &mut self,
        request: Request,
        spare: &mut Spare,
    ) -> Result<RequestId, (Request, usize)> {
        let index = match self.free {
            Some(index) => index,
            None => match self.push_free(spare) {
                Ok(index) => index,
                Err(capacity) => return Err((request, capacity)),
            },
        };
        // CAST: `u32` to `usize` loses nothing.
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return Err((request, 0));
        };
        if let Slot::Free(next) = slot {
            self.free = *next;
        }
        if request.wish == (Wish::SendPossible { armed: true }) {
            self.armed = self.armed.saturating_add(1);
        }
        *slot = Slot::Used(request);
        // One more than the index is never zero.
        let number = NonZeroU32::MIN.saturating_add(index);
        Ok(RequestId(number))
    }

    /// Appends a free slot, moving all to `spare` if that is what it takes.
    fn push_free(&mut self, spare: &mut Spare) -> Result<u32, usize> {
        if self.slots.len() == self.slots.capacity() {
            if spare.0.capacity() <= self.slots.len() {
                return Err(self.slots.len().saturating_mul(2).max(4));
            }
            // The spare has room for all of them, so nothing is allocated.
            for slot in self.slots.drain_all() {
                let _ = spare.0.push(slot, GFP_ATOMIC);
            }
            core::mem::swap(&mut self.slots, &mut spare.0);
        }
        let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let _ = self.slots.push(Slot::Free(None), GFP_ATOMIC);
        self.free = Some(index);
        Ok(index)
    }

    fn remove(&mut self, index: u32) -> Option<Request> {
        // CAST: `u32` to `usize` loses nothing.
        let slot = self.slots.get_mut(index as usize)?;
        let Slot::Used(_) = slot else {
            return None;
        };
        let Slot::Used(request) = core::mem::replace(slot, Slot::Free(self.free)) else {
            return None;
        };
        self.free = Some(index);
        if request.wish == (Wish::SendPossible { armed: true }) {
            self.armed = self.armed.saturating_sub(1);
        }
        Some(request)
    }

    /// Removes the request `id` of `subject`, unless it has been fulfilled.
    pub(super) fn cancel(&mut self, id: RequestId, subject: Subject) -> Option<SendOnceRight> {
        self.at(id, subject)?;
        self.remove(id.0.get().wrapping_sub(1))?.notify
    }

    /// Arms the request `id` of `subject`, if it wants that.
    pub(super) fn arm(&mut self, id: RequestId, subject: Subject) {
        if let Some(request) = self.at(id, subject) {
            if request.wish == (Wish::SendPossible { armed: false }) {
                request.wish = Wish::SendPossible { armed: true };
                self.armed = self.armed.saturating_add(1);
            }
        }
    }

    /// Whether the request `id` of `subject` is, or was when the port died, unfulfilled.
    pub(super) fn is_open(&mut self, id: RequestId, subject: Subject) -> bool {
        self.at(id, subject).is_some()
    }

    /// Removes an armed request, as its wish is fulfilled.
    pub(super) fn take_armed(&mut self) -> Option<Request> {
        if self.armed == 0 {
            return None;
        }
        let armed = |slot: &Slot| {
            matches!(
                slot,
                Slot::Used(Request {
                    wish: Wish::SendPossible { armed: true },
                    ..
                })
            )
        };
        let index = self.slots.iter().position(armed)?;
        self.remove(u32::try_from(index).ok()?)
    }

    /// The next request to be told that the port is dead: whom to tell, and of which name.
    pub(super) fn next_to_tell(&mut self) -> Option<(SendOnceRight, PortName)> {
        while let Some(slot) = self.slots.get_mut(self.told) {
            self.told = self.told.saturating_add(1);
            if let Slot::Used(request) = slot {
                let name = request.subject.name;
                if let Some(notify) = request.notify.take() {
                    return Some((notify, name));
                }
            }
        }
        None
    }
}

/// Room for a larger table, allocated before the port is locked.
pub(super) struct Spare(KVec<Slot>);

impl Spare {
    pub(super) const fn none() -> Self {
        Self(KVec::new())
    }

    /// Allocates room for `capacity` requests. Fails with `ENOMEM`.
    pub(super) fn with_capacity(capacity: usize) -> Result<Self> {
        Ok(Self(KVec::with_capacity(capacity, GFP_KERNEL_ACCOUNT)?))
    }
}
