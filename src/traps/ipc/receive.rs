// SPDX-License-Identifier: GPL-2.0

//! The receive half of `mach_msg` (ABI traps §6.5; XNU osfmk/ipc/ipc_mqueue.c).
//!
//! Locks: `Space::table` to find what the name denotes, then that of the port or set.

use super::{
    copyout,
    entry::Object,
    error::*,
    layout::Layout,
    message::Message,
    port::Port,
    port_queue::Taken,
    send::Patience,
    set::PortSet,
    table::Table,
    thread::ThreadIpc,
    waiter::{
        Outcome,
        Room,
        TooLarge,
        Waiter, //
    },
    Space, //
};
use crate::{
    abi::{
        msg::option,
        PortName,
        UserAddr, //
    },
    core::{
        Context,
        Event,
        KernError,
        KernResult, //
    },
    linux::{
        fifo::Node,
        queue::Linked,
        wait::Woken, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Where to receive from, and to.
pub(super) struct Receive {
    pub(super) name: PortName,
    pub(super) address: UserAddr,
    /// Bytes at `address`.
    pub(super) size: u32,
    pub(super) options: u32,
    /// With `MACH_RCV_SYNC_WAIT`, whom the reply is awaited from.
    pub(super) notify: PortName,
    pub(super) patience: Patience,
}

/// What a name to receive from denotes.
pub(super) enum Source {
    Port(Arc<Port>),
    Set(Arc<PortSet>),
}

/// Why no message came.
enum Failure {
    TooLarge(TooLarge),
    /// The space did not have the receive right.
    NotOurs,
    Error(KernError),
}

impl Source {
    /// What `name` denotes, if it is a name to receive from.
    #[inline]
    pub(super) fn of(table: &Table, name: PortName) -> Option<Self> {
        match &table.peek(name)?.object {
            Object::Receive(rights) => Some(Self::Port(rights.port().clone())),
            Object::Set(right) => Some(Self::Set(right.set().clone())),
            _ => None,
        }
    }

    /// What `name` denotes. `MACH_RCV_INVALID_NAME`.
    #[inline]
    fn find(space: &Space, name: PortName) -> KernResult<Self> {
        space
            .with(|table| Self::of(table, name).ok_or(KernError::INVALID_NAME))
            .map_err(|_| RCV_INVALID_NAME)
    }

    /// As [`next`](Self::next), from what `name` denotes now.
    #[cold]
    fn find_next(
        space: &Space,
        name: PortName,
        waiter: &Arc<Linked<Waiter>>,
        room: Room,
        patience: Patience,
    ) -> Result<KBox<Node<Message>>, Failure> {
        let source = Self::find(space, name).map_err(Failure::Error)?;
        source.next(space, waiter, room, patience)
    }

    #[inline(always)] // As above.
    pub(super) fn take(
        &self,
        space: &Space,
        room: Room,
        waiter: Option<&Arc<Linked<Waiter>>>,
    ) -> Taken {
        match self {
            Self::Port(port) => port.take(space.id, room, waiter),
            Self::Set(set) => set.take(space.id, room, waiter),
        }
    }

    fn stop_receiving(&self, waiter: &Linked<Waiter>) -> bool {
        match self {
            Self::Port(port) => port.stop_receiving(waiter),
            Self::Set(set) => set.stop_receiving(waiter),
        }
    }

    /// Takes a message, or waits for one.
    #[inline(always)] // The path of every message; the other caller is cold.
    fn next(
        &self,
        space: &Space,
        waiter: &Arc<Linked<Waiter>>,
        room: Room,
        patience: Patience,
    ) -> Result<KBox<Node<Message>>, Failure> {
        let deadline = match patience {
            Patience::Poll => {
                return match self.take(space, room, None) {
                    Taken::Message(message) => Ok(message),
                    Taken::TooLarge(large) => Err(Failure::TooLarge(large)),
                    Taken::Empty => Err(Failure::Error(RCV_TIMED_OUT)),
                    Taken::Changed => Err(Failure::NotOurs),
                };
            }
            Patience::Until(deadline) => deadline,
        };
        let mut changed = Failure::NotOurs;
        loop {
            waiter.begin_receive(room);
            match self.take(space, room, Some(waiter)) {
                Taken::Message(message) => return Ok(message),
                Taken::TooLarge(large) => return Err(Failure::TooLarge(large)),
                Taken::Changed => return Err(changed),
                Taken::Empty => changed = Failure::Error(RCV_PORT_CHANGED),
            }
            let error = match waiter.sleep(deadline) {
                Woken::Ready => None,
                Woken::TimedOut => Some(RCV_TIMED_OUT),
                Woken::Interrupted => Some(RCV_INTERRUPTED),
            };
            if let Some(error) = error {
                if self.stop_receiving(waiter) {
                    return Err(Failure::Error(error));
                }
                // Something came first: the wait has another outcome.
            }
            match waiter.outcome() {
                Outcome::Delivered => {
                    return waiter
                        .take_message()
                        .ok_or(Failure::Error(RCV_PORT_CHANGED));
                }
                Outcome::TooLarge => return Err(Failure::TooLarge(waiter.too_large())),
                Outcome::Changed => return Err(Failure::Error(RCV_PORT_CHANGED)),
                Outcome::TryAgain => (),
            }
        }
    }
}

/// Receives a message; from `known`, if that is given, which is what the name has denoted just now.
#[inline]
pub(super) fn receive(
    context: &Context<'_>,
    space: &Space,
    thread: &ThreadIpc,
    what: &Receive,
    known: Option<Source>,
) -> KernResult {
    let is_known = known.is_some();
    let source = match known {
        Some(source) => source,
        None => Source::find(space, what.name)?,
    };
    if what.options & option::MACH_RCV_SYNC_WAIT != 0
        && what.options & option::MACH_SEND_SYNC_OVERRIDE == 0
    {
        let special = matches!(&source, Source::Port(port) if thread.is_special_reply(port));
        if !special || !what.notify.is_valid() {
            return Err(RCV_INVALID_NOTIFY);
        }
    }
    if option::trailer_type(what.options) != 0 {
        return Err(RCV_INVALID_TRAILER);
    }
    let trailer = copyout::trailer_size(what.options);
    let room = Room {
        bytes: what.size.saturating_sub(trailer),
        keeps_large: what.options & option::MACH_RCV_LARGE != 0,
        layout: Layout::of(context.task()),
    };
    let next = match source.next(space, &thread.waiter, room, what.patience) {
        // The message itself, or somebody meanwhile, has moved the right away.
        Err(Failure::NotOurs) if is_known => {
            Source::find_next(space, what.name, &thread.waiter, room, what.patience)
        }
        next => next,
    };
    let message = match next {
        Ok(message) => message,
        Err(Failure::Error(error)) => return Err(error),
        Err(Failure::NotOurs) => return Err(RCV_PORT_CHANGED),
        Err(Failure::TooLarge(large)) => {
            return copyout::too_large_kept(large, what.address, what.size, what.options)
        }
    };
    give_out(context, space, thread, message, what, room)
}

/// Gives a message that has been taken from its queue to the task, who has `room` for it at the
/// address that `what` says.
#[inline]
pub(super) fn give_out(
    context: &Context<'_>,
    space: &Space,
    thread: &ThreadIpc,
    mut message: KBox<Node<Message>>,
    what: &Receive,
    room: Room,
) -> KernResult {
    // It does not wait any more.
    drop(message.charge.take());
    let (address, options, layout) = (what.address, what.options, room.layout);
    let outcome = if message.sizes().in_layout(layout) > room.bytes {
        copyout::too_large(&mut message, address, what.size, options, layout)
    } else {
        copyout::receive(space, &mut message, address, options, layout)
    };
    thread.keep(message);
    if outcome.is_ok() {
        context.mach().count(Event::MessageReceived);
    }
    outcome
}
