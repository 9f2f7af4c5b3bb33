// SPDX-License-Identifier: GPL-2.0

//! Watching ports and sets for messages, without waiting there. Serves kqueues.
//!
//! Who watches is told of each message that is queued; not of one that a waiting thread gets at
//! once. What there is then has to be looked for with [`MessageWatch::peek`] or
//! [`MessageWatch::receive`].
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_pset.c, `filt_machport*`; ABI traps §10.4.
//!
//! Locks: watchers are part of the state of a port or set, and are told with its lock held: what
//! they take comes after `PortSet::state`.

use super::{
    copyout,
    entry::Object,
    error::RCV_INVALID_TRAILER,
    layout::Layout,
    membership::room_for_one_more,
    port_queue::Taken,
    receive::{
        give_out,
        Receive,
        Source, //
    },
    send::Patience,
    space::Space,
    waiter::{
        Room,
        TooLarge, //
    },
    SPACE,
    THREAD, //
};
use crate::{
    abi::{
        msg::option,
        PortName,
        UserAddr, //
    },
    core::{
        Context,
        KernError,
        KernResult, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Who watches.
pub(crate) trait MessageWatcher: Send + Sync + 'static {
    /// A message has been queued. Called with spinlocks held: must not sleep or drop anything.
    fn queued(&self);

    /// The receive right, or the set, is gone from its space. Called as the other.
    fn gone(&self);
}

/// Those who watch a port or a set.
pub(super) struct Watchers(KVec<Arc<dyn MessageWatcher>>);

impl Watchers {
    pub(super) const fn new() -> Self {
        Self(KVec::new())
    }

    #[inline]
    pub(super) fn tell_queued(&self) {
        for watcher in &self.0 {
            watcher.queued();
        }
    }

    pub(super) fn tell_gone(&self) {
        for watcher in &self.0 {
            watcher.gone();
        }
    }

    /// Adds a watcher; or tells which capacity `spare` must have before it can.
    fn add(
        &mut self,
        watcher: &Arc<dyn MessageWatcher>,
        spare: &mut KVec<Arc<dyn MessageWatcher>>,
    ) -> Option<usize> {
        let wanted = room_for_one_more(&mut self.0, spare);
        if wanted.is_none() {
            // There is room, so this does not allocate.
            let _ = self.0.push(watcher.clone(), GFP_ATOMIC);
        }
        wanted
    }

    fn remove(&mut self, watcher: &Arc<dyn MessageWatcher>) -> Option<Arc<dyn MessageWatcher>> {
        let is_same = |other: &Arc<_>| core::ptr::addr_eq(Arc::as_ptr(other), Arc::as_ptr(watcher));
        let position = self.0.iter().position(is_same)?;
        self.0.remove(position).ok()
    }
}

/// Why a name cannot be watched.
pub(crate) enum NotWatched {
    /// It denotes nothing.
    NoName,
    /// It has no receive right and is no set; or it is a special reply port.
    NotReceived,
    NoMemory,
}

impl From<kernel::alloc::AllocError> for NotWatched {
    fn from(_: kernel::alloc::AllocError) -> Self {
        Self::NoMemory
    }
}

/// That somebody watches. Dropping it ends that: no call is going on once it is dropped.
pub(crate) struct MessageWatch {
    source: Source,
    watcher: Arc<dyn MessageWatcher>,
}

/// A message that waits.
pub(crate) struct Polled {
    /// The name of the port that has it.
    pub(crate) port: PortName,
    /// Its size without a trailer.
    pub(crate) size: u32,
}

/// A message that has been received, or could not be.
pub(crate) struct Received {
    /// What `mach_msg` returns; success is `Ok`.
    pub(crate) result: KernResult,
    /// Bytes written, with the trailer; of a message that is too large, its size.
    pub(crate) size: u32,
    /// Where they were written.
    pub(crate) address: UserAddr,
    /// The name of the port that has the message that is too large, null otherwise.
    pub(crate) port: PortName,
}

fn space<'a>(context: &Context<'a>) -> Option<&'a Space> {
    SPACE.of_task(context.task())
}

fn find(space: &Space, name: PortName) -> Result<Source, NotWatched> {
    let found = space.with(
        |table| match table.lookup(name).map(|entry| &entry.object) {
            Some(Object::Receive(rights)) => Ok(Source::Port(rights.port().clone())),
            Some(Object::Set(right)) => Ok(Source::Set(right.set().clone())),
            Some(_) => Err(KernError::INVALID_RIGHT),
            None => Err(KernError::INVALID_NAME),
        },
    );
    let source = found.map_err(|error| match error {
        KernError::INVALID_RIGHT => NotWatched::NotReceived,
        _ => NotWatched::NoName,
    })?;
    match &source {
        Source::Port(port) if port.with(|state| state.special_reply) => {
            Err(NotWatched::NotReceived)
        }
        _ => Ok(source),
    }
}

/// Has `watcher` watch the port that `name` is the receive right of, or the set.
pub(crate) fn watch_messages(
    context: &Context<'_>,
    name: PortName,
    watcher: Arc<dyn MessageWatcher>,
) -> Result<MessageWatch, NotWatched> {
    let space = space(context).ok_or(NotWatched::NoName)?;
    let source = find(space, name)?;
    let mut spare = KVec::new();
    loop {
        let wanted = match &source {
            Source::Port(port) => port.with(|state| match state.is_received_by(space.id) {
                true => Some(state.watchers.add(&watcher, &mut spare)),
                false => None,
            }),
            Source::Set(set) => set.with_watchers(|watchers| watchers.add(&watcher, &mut spare)),
        };
        // The right may be gone by now.
        match wanted.ok_or(NotWatched::NoName)? {
            Some(capacity) => spare = KVec::with_capacity(capacity, GFP_KERNEL_ACCOUNT)?,
            None => return Ok(MessageWatch { source, watcher }),
        }
    }
}

impl MessageWatch {
    /// Whether it is a set that is watched.
    pub(crate) fn is_set(&self) -> bool {
        matches!(self.source, Source::Set(_))
    }

    fn take(&self, space: &Space, room: Room) -> Taken {
        self.source.take(space, room, None)
    }

    /// The next message. Members of a set take turns.
    pub(crate) fn peek(&self, context: &Context<'_>) -> Option<Polled> {
        // No message fits in there.
        let room = Room {
            bytes: 0,
            keeps_large: true,
            layout: Layout::of(context.task()),
        };
        match self.take(space(context)?, room) {
            Taken::TooLarge(TooLarge { size, port }) => Some(Polled { port, size }),
            _ => None,
        }
    }

    /// Receives the next message, if there is one, into the first, or, if `at_end`, the last of
    /// `size` bytes at `address`. `options` are those of `mach_msg` that make sense.
    pub(crate) fn receive(
        &self,
        context: &Context<'_>,
        address: UserAddr,
        size: u32,
        options: u32,
        at_end: bool,
    ) -> Option<Received> {
        let space = space(context)?;
        let thread = THREAD.of_thread(context.thread())?;
        let trailer = copyout::trailer_size(options);
        let room = Room {
            bytes: size.saturating_sub(trailer),
            keeps_large: options & option::MACH_RCV_LARGE != 0,
            layout: Layout::of(context.task()),
        };
        let failed = |result: KernError, size, port| Received {
            result: Err(result),
            size,
            address,
            port,
        };
        if option::trailer_type(options) != 0 {
            let polled = self.peek(context)?;
            return Some(failed(RCV_INVALID_TRAILER, polled.size, PortName::NULL));
        }
        let mut what = Receive {
            name: PortName::NULL,
            address,
            size,
            options,
            notify: PortName::NULL,
            patience: Patience::Poll,
        };
        match self.take(space, room) {
            Taken::Message(message) => {
                let bytes = message.sizes().in_layout(room.layout);
                let fits = bytes <= room.bytes;
                let total = bytes.saturating_add(trailer);
                if at_end && fits {
                    let skipped = size.saturating_sub(total);
                    what.address = UserAddr(address.0.wrapping_add(skipped.into()));
                }
                Some(Received {
                    result: give_out(context, space, thread, message, &what, room),
                    size: if fits { total } else { bytes },
                    address: what.address,
                    port: PortName::NULL,
                })
            }
            Taken::TooLarge(large) => {
                // What is not the message is not put where the next one goes.
                let written = if at_end { 0 } else { size };
                let told = copyout::too_large_kept(large, address, written, options);
                Some(failed(told.err()?, large.size, large.port))
            }
            Taken::Empty | Taken::Changed => None,
        }
    }
}

impl Drop for MessageWatch {
    fn drop(&mut self) {
        // The reference is dropped without the lock.
        let _removed = match &self.source {
            Source::Port(port) => port.with(|state| state.watchers.remove(&self.watcher)),
            Source::Set(set) => set
                .with_watchers(|watchers| watchers.remove(&self.watcher))
                .flatten(),
        };
    }
}
