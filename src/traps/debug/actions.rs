// SPDX-License-Identifier: GPL-2.0

//! Who is to be told of exceptions of a thread, a task or the machine, and how (XNU
//! osfmk/kern/exception.h, ipc_tt.c).
//!
//! Locks: `Actions::list` (spinlock), a leaf. Rights that leave it are dropped when it is released.

use crate::{
    core::{
        KernError,
        KernResult, //
    },
    traps::ipc::{
        PortList,
        SendRight,
        WordList,
        Words, //
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

/// Numbers of exceptions are below this (`EXC_TYPES_COUNT`); 0 is none.
const KINDS: usize = 14;

/// Entries that a list of actions has room for.
pub(super) const LIST_MAX: usize = 32;

/// What is done about exceptions of one kind.
#[derive(Default)]
struct Action {
    port: Option<SendRight>,
    behavior: u32,
    flavor: i32,
}

impl Action {
    fn copy(&self) -> Self {
        Self {
            port: self.port.as_ref().map(SendRight::copy),
            behavior: self.behavior,
            flavor: self.flavor,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let same_port = match (&self.port, &other.port) {
            (Some(one), Some(other)) => Arc::ptr_eq(one.port(), other.port()),
            (None, None) => true,
            _ => false,
        };
        same_port && self.behavior == other.behavior && self.flavor == other.flavor
    }
}

/// Who is told of an exception, and how.
pub(super) struct Listener {
    pub(super) port: SendRight,
    pub(super) manner: Manner,
    /// Whether codes have 64 bits.
    pub(super) wide_codes: bool,
    /// The kind of state that is told, where one is.
    pub(super) flavor: i32,
}

/// What a listener is told besides the exception.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Thread and task.
    Identity,
    /// A state of the thread.
    State,
    /// Both.
    StateIdentity,
}

/// `MACH_EXCEPTION_CODES`
const WIDE_CODES: u32 = 0x8000_0000;
/// `MACH_EXCEPTION_ERRORS`, which goes with any behavior.
const ERRORS: u32 = 0x4000_0000;

/// Some kinds of exceptions.
#[derive(Clone, Copy)]
pub(super) struct Mask(u32);

impl Mask {
    /// The kinds whose bits are set. `KERN_INVALID_ARGUMENT` if there is no such kind.
    pub(super) fn new(bits: u32) -> KernResult<Self> {
        /// `EXC_MASK_VALID`
        const VALID: u32 = (1 << KINDS) - 2;
        if bits & !VALID != 0 {
            return Err(KernError::INVALID_ARGUMENT);
        }
        Ok(Self(bits))
    }

    /// The bit of kind `index`, if it is in the mask.
    fn bit(self, index: usize) -> Option<u32> {
        let bit = 1u32.checked_shl(u32::try_from(index).ok()?)?;
        (self.0 & bit != 0).then_some(bit)
    }
}

/// What is to be done from now on about some kinds of exceptions.
pub(super) struct NewAction(Action);

impl NewAction {
    /// Checks what a caller wants. `KERN_INVALID_ARGUMENT` for a behavior that there is not, unless
    /// there is no port, and for a kind of state that there is not.
    pub(super) fn new(port: Option<SendRight>, behavior: u32, flavor: i32) -> KernResult<Self> {
        let known_behavior = manner(behavior).is_some();
        // Kinds of states of threads (XNU osfmk/mach/i386/thread_status.h), or none.
        let known_flavor = matches!(flavor, 0..=13 | 16..=22);
        if (port.is_some() && !known_behavior) || !known_flavor {
            return Err(KernError::INVALID_ARGUMENT);
        }
        Ok(Self(Action {
            port,
            behavior,
            flavor,
        }))
    }
}

/// What `behavior` has a listener told.
fn manner(behavior: u32) -> Option<Manner> {
    match behavior & !(WIDE_CODES | ERRORS) {
        1 => Some(Manner::Identity),
        2 => Some(Manner::State),
        3 => Some(Manner::StateIdentity),
        _ => None,
    }
}

/// What is done about the exceptions of somebody.
#[pin_data]
pub(super) struct Actions {
    #[pin]
    list: SpinLock<[Action; KINDS]>,
}

/// The actions of a mask as a reply tells them: masks, ports, behaviors, flavors.
pub(super) type Listed = (PortList<LIST_MAX>, Words<LIST_MAX>, WordList, WordList);

impl Actions {
    /// Makes those of somebody who inherits from `parent`.
    pub(super) fn new(parent: Option<&Self>) -> impl PinInit<Self> {
        let list = parent.map(Self::copy).unwrap_or_default();
        pin_init!(Self {
            list <- new_spinlock!(list, "Actions::list"),
        })
    }

    /// Who is told of exceptions of `kind`, if there is anybody.
    pub(super) fn listener(&self, kind: usize) -> Option<Listener> {
        let action = self.list.lock().get(kind)?.copy();
        Some(Listener {
            manner: manner(action.behavior)?,
            wide_codes: action.behavior & WIDE_CODES != 0,
            flavor: action.flavor,
            port: action.port.filter(|right| right.port().is_alive())?,
        })
    }

    fn copy(&self) -> [Action; KINDS] {
        self.list.lock().each_ref().map(Action::copy)
    }

    /// Has `action` done for the exceptions of `mask`. Returns what was done before, for all kinds.
    fn replace(&self, mask: Mask, action: &Action) -> [Action; KINDS] {
        let mut new = self.copy();
        for (index, place) in new.iter_mut().enumerate() {
            if mask.bit(index).is_some() {
                *place = action.copy();
            }
        }
        let mut list = self.list.lock();
        // Others may have been set since by somebody else: only those of the mask change hands.
        for (index, (place, new)) in list.iter_mut().zip(new.iter_mut()).enumerate() {
            if mask.bit(index).is_some() {
                mem::swap(place, new);
            }
        }
        new
    }

    /// Has `action` done for the exceptions of `mask`.
    pub(super) fn set(&self, mask: Mask, action: &NewAction) {
        let previous = self.replace(mask, &action.0);
        drop(previous);
    }

    /// The same; tells what was done before. On failure, which is for want of memory, nothing has
    /// changed.
    pub(super) fn swap(&self, mask: Mask, action: &NewAction) -> KernResult<Listed> {
        let mut listing = Listing::new()?;
        let previous = self.replace(mask, &action.0);
        listing.add_all(mask, &previous)?;
        Ok(listing.finish())
    }

    /// What is done about the exceptions of `mask`; those that have the same done are told once.
    pub(super) fn list(&self, mask: Mask) -> KernResult<Listed> {
        let mut listing = Listing::new()?;
        listing.add_all(mask, &self.copy())?;
        Ok(listing.finish())
    }

    /// Lets go of all ports.
    pub(super) fn clear(&self) {
        let list = mem::take(&mut *self.list.lock());
        drop(list);
    }

    /// Lets go of ports that have died.
    pub(super) fn forget_dead(&self) {
        let is_dead = |right: &mut SendRight| !right.port().is_alive();
        let take = || {
            let mut list = self.list.lock();
            list.iter_mut()
                .find_map(|action| action.port.take_if(is_dead))
        };
        while let Some(dead) = take() {
            drop(dead);
        }
    }
}

/// A list for a reply while it is made. All of its memory is there from the start.
struct Listing {
    masks: KVec<u32>,
    actions: KVec<Action>,
    ports: PortList<LIST_MAX>,
    behaviors: KVec<u32>,
    flavors: KVec<u32>,
}

impl Listing {
    fn new() -> KernResult<Self> {
        Ok(Self {
            masks: KVec::with_capacity(KINDS, GFP_KERNEL_ACCOUNT)?,
            actions: KVec::with_capacity(KINDS, GFP_KERNEL_ACCOUNT)?,
            ports: PortList::new(KINDS)?,
            behaviors: KVec::with_capacity(KINDS, GFP_KERNEL_ACCOUNT)?,
            flavors: KVec::with_capacity(KINDS, GFP_KERNEL_ACCOUNT)?,
        })
    }

    fn add_all(&mut self, mask: Mask, actions: &[Action; KINDS]) -> KernResult {
        for (index, action) in actions.iter().enumerate() {
            let Some(bit) = mask.bit(index) else {
                continue;
            };
            let known = self.actions.iter().position(|known| known.is_same(action));
            match known.and_then(|place| self.masks.get_mut(place)) {
                Some(mask) => *mask |= bit,
                None => {
                    self.masks.push(bit, GFP_KERNEL_ACCOUNT)?;
                    self.actions.push(action.copy(), GFP_KERNEL_ACCOUNT)?;
                    self.behaviors.push(action.behavior, GFP_KERNEL_ACCOUNT)?;
                    // CAST: the bits as they are.
                    self.flavors
                        .push(action.flavor as u32, GFP_KERNEL_ACCOUNT)?;
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Listed {
        for action in &mut self.actions {
            self.ports.put(action.port.take());
        }
        (
            self.ports,
            Words(self.masks),
            WordList(self.behaviors),
            WordList(self.flavors),
        )
    }
}
