// SPDX-License-Identifier: GPL-2.0

//! A call of `kevent` in one of its dialects: what it asks for, and the two lists in user memory.
//!
//! Locks: none may be held where events are read or written.

use super::{
    errno::Errno,
    filter::Asked,
    knote::State, //
};
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
use kernel::fs::File;
use zerocopy::{
    FromBytes,
    Immutable,
    IntoBytes, //
};

/// The form of the events of a call.
pub(super) trait Dialect:
    FromBytes + IntoBytes + Immutable + Into<Kevent> + for<'a> From<&'a Kevent>
{
    /// Those of `struct kevent` and the others exclude each other: a number for either group.
    const GROUP: u32;
}

impl Dialect for KeventWide {
    const GROUP: u32 = 1;
}

impl Dialect for KeventNarrow {
    const GROUP: u32 = 1;
}

impl Dialect for Kevent64 {
    const GROUP: u32 = 2;
}

impl Dialect for Kevent {
    const GROUP: u32 = 2;
}

/// Reads the event at `address`, and moves that on to the next.
#[inline]
pub(super) fn read<D: Dialect>(address: &mut UserAddr) -> Result<Kevent, Errno> {
    let event: D = user::read(*address)?;
    advance::<D>(address);
    Ok(event.into())
}

/// Writes `event` to `address`, and moves that on to the next.
#[inline]
pub(super) fn write<D: Dialect>(address: &mut UserAddr, event: &Kevent) -> Result<(), Errno> {
    user::write(*address, &D::from(event))?;
    advance::<D>(address);
    Ok(())
}

#[inline]
fn advance<D>(address: &mut UserAddr) {
    // CAST: Events are small. What was there was user memory, so this stays in range.
    address.0 = address.0.wrapping_add(size_of::<D>() as u64);
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
    /// As [`Asked::slot`].
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

    /// What a filter is asked with by this call.
    #[inline]
    pub(super) fn asked<'b>(
        &'b mut self,
        state: &'b mut State,
        file: Option<&'b File>,
    ) -> Asked<'b> {
        Asked {
            state,
            context: self.context,
            file,
            area: &mut self.area,
            slot: self.slot,
        }
    }

    pub(super) fn context(&self) -> &'a Context<'a> {
        self.context
    }
}
