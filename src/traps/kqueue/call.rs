// SPDX-License-Identifier: GPL-2.0

//! A call of `kevent` in one of its dialects: what it asks for, and the two lists in user memory.
//!
//! Locks: none may be held where events are read or written.

use super::errno::Errno;
use crate::{
    abi::{
        kevent::{
            Kevent,
            Kevent64,
            KeventNarrow,
            KeventWide, //
        },
        UserAddr, //
    },
    core::{
        user,
        Context, //
    },
    linux::wait::Deadline,
};

/// The form of the events.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `struct kevent` of a 64-bit program.
    Wide,
    /// `struct kevent` of a 32-bit program.
    Narrow,
    /// `struct kevent64_s`.
    Kevent64,
    /// `struct kevent_qos_s`.
    Qos,
}

impl Dialect {
    /// Those of `struct kevent` and the others exclude each other: a number for either group.
    #[inline]
    pub(super) fn group(self) -> u32 {
        match self {
            Self::Wide | Self::Narrow => 1,
            Self::Kevent64 | Self::Qos => 2,
        }
    }

    /// Reads the event at `address`, and moves that on to the next.
    #[inline]
    pub(super) fn read(self, address: &mut UserAddr) -> Result<Kevent, Errno> {
        let (event, size) = match self {
            Self::Wide => (
                user::read::<KeventWide>(*address)?.into(),
                size_of::<KeventWide>(),
            ),
            Self::Narrow => (
                user::read::<KeventNarrow>(*address)?.into(),
                size_of::<KeventNarrow>(),
            ),
            Self::Kevent64 => (
                user::read::<Kevent64>(*address)?.into(),
                size_of::<Kevent64>(),
            ),
            Self::Qos => (user::read::<Kevent>(*address)?, size_of::<Kevent>()),
        };
        Self::advance(address, size);
        Ok(event)
    }

    /// Writes `event` to `address`, and moves that on to the next.
    #[inline]
    pub(super) fn write(self, address: &mut UserAddr, event: &Kevent) -> Result<(), Errno> {
        let size = match self {
            Self::Wide => {
                user::write(*address, &KeventWide::from(event))?;
                size_of::<KeventWide>()
            }
            Self::Narrow => {
                user::write(*address, &KeventNarrow::from(event))?;
                size_of::<KeventNarrow>()
            }
            Self::Kevent64 => {
                user::write(*address, &Kevent64::from(event))?;
                size_of::<Kevent64>()
            }
            Self::Qos => {
                user::write(*address, event)?;
                size_of::<Kevent>()
            }
        };
        Self::advance(address, size);
        Ok(())
    }

    #[inline]
    fn advance(address: &mut UserAddr, size: usize) {
        // CAST: Events are small. What was there was user memory, so this stays in range.
        address.0 = address.0.wrapping_add(size as u64);
    }
}

/// How long a call waits for events.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    /// Not at all.
    Poll,
    /// Until then, or for ever.
    Until(Option<Deadline>),
}

/// Where messages are received to that have no other place.
#[derive(Clone, Copy, Default)]
pub(super) struct Area {
    /// Where the free part begins.
    pub(super) address: u64,
    /// Bytes of it.
    pub(super) size: u64,
    /// Whether it is used from its end.
    pub(super) is_stack: bool,
}

impl Area {
    /// Bytes of it have been written: the first, or of a stack the last.
    pub(super) fn use_up(&mut self, bytes: u64) {
        self.size = self.size.saturating_sub(bytes);
        if !self.is_stack {
            self.address = self.address.wrapping_add(bytes);
        }
    }
}

/// What is the same for all changes and events of a call.
pub(super) struct Call<'a> {
    context: &'a Context<'a>,
    /// What is left of the area for messages.
    pub(super) area: Area,
    /// Where the event that is looked for will be written. Until then a filter may use it.
    pub(super) slot: UserAddr,
}

impl<'a> Call<'a> {
    pub(super) fn new(context: &'a Context<'a>, area: Area) -> Self {
        Self {
            context,
            area,
            slot: UserAddr(0),
        }
    }

    pub(super) fn context(&self) -> &'a Context<'a> {
        self.context
    }
}
