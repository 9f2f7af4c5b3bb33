// SPDX-License-Identifier: GPL-2.0

//! Who wants to be told of a port's death, or that a message can be sent to it again.
//!
//! A request belongs to a name in some space; the name's entry knows the request's number. The
//! port keeps the requests, because it is the port that things happen to. Those that a send has
//! armed form a list, so that finding one does not depend on how many there are.
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
    SendPossible,
    /// The same, armed from the beginning.
    SendPossibleArmed,
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
    Used {
        request: Request,
        armed: Option<Neighbours>,
    },
}

/// The positions of the armed requests before and after one.
#[derive(Clone, Copy)]
struct Neighbours {
    before: Option<u32>,
    after: Option<u32>,
}

/// The requests of a port.
pub(super) struct Requests {
    slots: KVec<Slot>,
    free: Option<u32>,
    used: usize,
    /// The request that was armed first, and the one that was armed last.
    first_armed: Option<u32>,
    last_armed: Option<u32>,
    /// How far the requests have been gone through since the port died.
    told: usize,
}

impl Requests {
    pub(super) const fn new() -> Self {
        Self {
            slots: KVec::new(),
            free: None,
            used: 0,
            first_armed: None,
            last_armed: None,
            told: 0,
        }
    }

    /// The number of slots, used or not.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The number of requests.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Whether some request is armed.
    #[inline]
    pub(super) fn any_armed(&self) -> bool {
        self.first_armed.is_some()
    }

    fn slot(&mut self, index: u32) -> Option<&mut Slot> {
        // CAST: `u32` to `usize` loses nothing.
        self.slots.get_mut(index as usize)
    }

    /// The position of request `id` of `subject`, and what it asks for.
    fn find(&mut self, id: RequestId, subject: Subject) -> Option<(u32, Wish)> {
        let index = id.0.get().checked_sub(1)?;
        match self.slot(index) {
            Some(Slot::Used { request, .. }) if request.subject == subject => {
                Some((index, request.wish))
            }
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
        let wish = request.wish;
        let Some(slot) = self.slot(index) else {
            return Err((request, 0));
        };
        let used = Slot::Used {
            request,
            armed: None,
        };
        if let Slot::Free(next) = core::mem::replace(slot, used) {
            self.free = next;
        }
        self.used = self.used.saturating_add(1);
        if wish == Wish::SendPossibleArmed {
            self.link(index);
        }
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

    /// Adds the request at `index` to the armed ones.
    fn link(&mut self, index: u32) {
        let before = self.last_armed;
        if let Some(Slot::Used { armed, .. }) = self.slot(index) {
            *armed = Some(Neighbours {
                before,
                after: None,
            });
        }
        self.set_after(before, Some(index));
        self.first_armed.get_or_insert(index);
        self.last_armed = Some(index);
    }

    /// Notes what was armed after the request at `index`.
    fn set_after(&mut self, index: Option<u32>, next: Option<u32>) {
        if let Some(Slot::Used {
            armed: Some(Neighbours { after, .. }),
            ..
        }) = index.and_then(|index| self.slot(index))
        {
            *after = next;
        }
    }

    fn remove(&mut self, index: u32) -> Option<Request> {
        let free = Slot::Free(self.free);
        let slot = self.slot(index)?;
        let Slot::Used { .. } = slot else {
            return None;
        };
        let Slot::Used { request, armed } = core::mem::replace(slot, free) else {
            return None;
        };
        self.free = Some(index);
        self.used = self.used.saturating_sub(1);
        if let Some(Neighbours { before, after }) = armed {
            match before {
                None => self.first_armed = after,
                before => self.set_after(before, after),
            }
            match after.and_then(|after| self.slot(after)) {
                Some(Slot::Used {
                    armed: Some(neighbours),
                    ..
                }) => neighbours.before = before,
                _ => self.last_armed = before,
            }
        }
        Some(request)
    }

    /// Removes the request `id` of `subject`, unless it has been fulfilled.
    pub(super) fn cancel(&mut self, id: RequestId, subject: Subject) -> Option<SendOnceRight> {
        let (index, _) = self.find(id, subject)?;
        self.remove(index)?.notify
    }

    /// Arms the request `id` of `subject`, if it wants that.
    pub(super) fn arm(&mut self, id: RequestId, subject: Subject) {
        let Some((index, wish)) = self.find(id, subject) else {
            return;
        };
        let unarmed = matches!(self.slot(index), Some(Slot::Used { armed: None, .. }));
        if wish != Wish::DeadName && unarmed {
            self.link(index);
        }
    }

    /// Whether the request `id` of `subject` is, or was when the port died, unfulfilled.
    pub(super) fn is_open(&mut self, id: RequestId, subject: Subject) -> bool {
        self.find(id, subject).is_some()
    }

    /// Removes the request that was armed first, as its wish is fulfilled.
    pub(super) fn take_armed(&mut self) -> Option<Request> {
        self.remove(self.first_armed?)
    }

    /// The next request to be told that the port is dead: whom to tell, and of which name.
    pub(super) fn next_to_tell(&mut self) -> Option<(SendOnceRight, PortName)> {
        while let Some(slot) = self.slots.get_mut(self.told) {
            self.told = self.told.saturating_add(1);
            if let Slot::Used { request, .. } = slot {
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
