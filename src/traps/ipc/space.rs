// SPDX-License-Identifier: GPL-2.0

//! A task's name space: which rights it has, under which names.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_space.c and ipc_object.c; ABI traps §5.
//!
//! Locks: `Space::table`, see [`super`]. It is taken before any port's lock, and what leaves the
//! table is dropped after it is released.

use super::{
    port::{
        Port,
        Receiver,
        SpaceId, //
    },
    right::{
        NamedReceive,
        ReceiveRight,
        Right,
        SendOnceRight,
        SendRight, //
    },
    special::SpecialPorts,
    table::{
        Garbage,
        Growth,
        Object,
        Table, //
    },
};
use crate::{
    abi::{
        msg::Disposition,
        PortName, //
    },
    core::{
        KernError,
        KernResult,
        Live,
        ObjectCounter,
        TaskState, //
    },
    linux::private_map::PrivateMapper,
};
use core::{
    any::Any,
    mem, //
};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        lock::{
            spinlock::SpinLockBackend,
            Guard, //
        },
        Arc,
        SpinLock, //
    },
};

pub(super) static SPACES: ObjectCounter = ObjectCounter::new("spaces");

/// The last identity handed out.
static LAST_ID: Atomic<u64> = Atomic::new(0);

/// A name space.
#[pin_data]
pub(crate) struct Space {
    pub(super) id: SpaceId,
    /// `None` when the task has ended.
    #[pin]
    table: SpinLock<Option<Table>>,
    pub(super) special: SpecialPorts,
    /// Maps the out-of-line memory that the task receives.
    #[pin]
    pub(super) mapper: PrivateMapper,
    _live: Live,
}

impl Space {
    /// Makes an empty space for at most `names` names. Fails with `ENOMEM`.
    pub(super) fn new(special: SpecialPorts, names: u32) -> Result<Arc<Self>> {
        // INVARIANT: 64 bits do not wrap, so no two spaces have the same identity.
        let id = SpaceId(LAST_ID.fetch_add(1, Relaxed));
        let table = Some(Table::new(id, names));
        let mapper = PrivateMapper::new()?;
        Arc::pin_init(
            pin_init!(Self {
                id,
                table <- new_spinlock!(table, "Space::table"),
                special,
                mapper <- mapper,
                _live: Live::new(&SPACES),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Calls `f` with the table, with its lock held. `KERN_INVALID_TASK` when the space is dead.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Table) -> KernResult<R>) -> KernResult<R> {
        let mut guard = self.table.lock();
        let table = (*guard).as_mut().ok_or(KernError::INVALID_TASK)?;
        let result = f(table);
        if table.has_garbage() {
            Self::unlock_and_drop(guard);
        }
        result
    }

    /// As [`with`](Self::with), with room for `count` new names. Grows the table before if need
    /// be: `KERN_RESOURCE_SHORTAGE` without memory, `KERN_NO_SPACE` when it is as large as it may
    /// get. In both cases `f` is not called.
    #[inline]
    pub(super) fn with_room<R>(
        &self,
        count: usize,
        f: impl FnOnce(&mut Table) -> KernResult<R>,
    ) -> KernResult<R> {
        loop {
            let chunks = {
                let mut guard = self.table.lock();
                let table = (*guard).as_mut().ok_or(KernError::INVALID_TASK)?;
                if table.has_room(count) {
                    let result = f(table);
                    if table.has_garbage() {
                        Self::unlock_and_drop(guard);
                    }
                    return result;
                }
                table.chunks().ok_or(KernError::NO_SPACE)?
            };
            self.grow(chunks)?;
        }
    }

    /// Unlocks the table and then drops what left it.
    #[cold]
    fn unlock_and_drop(mut guard: Guard<'_, Option<Table>, SpinLockBackend>) {
        let garbage = (*guard).as_mut().and_then(Table::take_garbage);
        drop(guard);
        drop(garbage);
    }

    #[cold]
    fn grow(&self, chunks: usize) -> KernResult {
        // Spaces made one after the other start in different generations, so that a child that
        // uses a name of its parent's finds nothing there.
        // CAST: Only the low bits matter.
        let generation = (self.id.0 as u8).wrapping_mul(4);
        let growth = Growth::new(chunks, generation)?;
        self.with(|table| {
            table.grow(growth);
            Ok(())
        })
    }

    /// Makes sure that the table has an entry for the fixed `name`. `KERN_NO_SPACE` when that
    /// would leave it mostly empty.
    pub(super) fn reach(&self, name: PortName) -> KernResult {
        loop {
            let chunks = self.with(|table| {
                if table.reaches(name) {
                    return Ok(None);
                }
                if !table.may_reach(name) {
                    return Err(KernError::NO_SPACE);
                }
                table.chunks().map(Some).ok_or(KernError::NO_SPACE)
            })?;
            match chunks {
                None => return Ok(()),
                Some(chunks) => self.grow(chunks)?,
            }
        }
    }

    /// Enters a receive right under a new name. Errors as [`with_room`](Self::with_room); the
    /// port dies then.
    pub(super) fn insert_receive(&self, right: ReceiveRight) -> KernResult<PortName> {
        let mut right = Some(right);
        self.with_room(1, |table| {
            let right = right.take().ok_or(KernError::FAILURE)?;
            self.enter_receive(table, right)
        })
    }

    /// Enters the receive right of a new port under a new name, and `send` with it. Errors as
    /// [`with_room`](Self::with_room); the port dies then.
    pub(super) fn insert_receive_and_send(
        &self,
        right: ReceiveRight,
        send: Option<SendRight>,
    ) -> KernResult<PortName> {
        let mut rights = Some((right, send));
        self.with_room(1, |table| {
            let (right, send) = rights.take().ok_or(KernError::FAILURE)?;
            let name = self.enter_receive(table, right)?;
            if let (Some(send), Some(entry)) = (send, table.lookup(name)) {
                if let Object::Receive(own) = &mut entry.object {
                    own.put_send(send);
                    entry.urefs = 1;
                }
            }
            Ok(name)
        })
    }

    /// Enters a receive right, under the name of the send right that the space has for its port,
    /// or a new one, for which there is room. The table is locked.
    fn enter_receive(&self, table: &mut Table, right: ReceiveRight) -> KernResult<PortName> {
        let port = right.port().clone();
        if let Some(name) = table.send_name(&port) {
            self.join_receive(table, name, right);
            return Ok(name);
        }
        let name = table
            .insert(Object::Receive(NamedReceive::new(right)), 0)
            .map_err(|_| KernError::NO_SPACE)?;
        self.note_receiver(&port, name);
        Ok(name)
    }

    /// Enters a receive right under `name`, the name of a send right for its port, which keeps its
    /// user references.
    fn join_receive(&self, table: &mut Table, name: PortName, right: ReceiveRight) {
        let port = right.port().clone();
        let rights = NamedReceive::new(right);
        if let Some(Object::Send(send)) = table.replace(name, Object::Receive(rights)) {
            if let Some(Object::Receive(rights)) = table.lookup(name).map(|e| &mut e.object) {
                rights.put_send(send);
            }
        }
        self.note_receiver(&port, name);
    }

    /// Tells `port` that the space has its receive right under `name`.
    fn note_receiver(&self, port: &Port, name: PortName) {
        let receiver = Receiver::Space(self.id, name);
        let transit = port.with(|state| mem::replace(&mut state.receiver, receiver));
        // Perhaps the last reference to the port that the right travelled through, which is an
        // empty object then.
        drop(transit);
    }

    /// Enters a send right: one more user reference of the name that the space has for the port,
    /// or a new name. The name is [`PortName::DEAD`] if the port has died. Errors as
    /// [`with_room`](Self::with_room).
    pub(crate) fn insert_send(&self, right: SendRight) -> KernResult<PortName> {
        if !right.port().is_alive() {
            return Ok(PortName::DEAD);
        }
        let mut right = Some(right);
        // What is left of the right is dropped with the closure's variables, after the unlock.
        self.with_room(1, |table| self.enter_send(table, &mut right))
    }

    /// Enters the send right in `right`, leaving it there if the space has one already.
    fn enter_send(&self, table: &mut Table, right: &mut Option<SendRight>) -> KernResult<PortName> {
        let Some(port) = right.as_ref().map(|right| right.port().clone()) else {
            return Err(KernError::FAILURE);
        };
        if let Some(name) = port.name_in(self.id) {
            if let Some(entry) = table.lookup(name) {
                if let Object::Receive(rights) = &mut entry.object {
                    if !rights.has_send() {
                        if let Some(right) = right.take() {
                            rights.put_send(right);
                        }
                        entry.urefs = 0;
                    }
                    entry.add_uref();
                    return Ok(name);
                }
            }
        }
        if let Some(name) = table.send_name(&port) {
            if let Some(entry) = table.lookup(name) {
                entry.add_uref();
                return Ok(name);
            }
        }
        let Some(send) = right.take() else {
            return Err(KernError::FAILURE);
        };
        table.insert(Object::Send(send), 1).map_err(|object| {
            if let Object::Send(send) = object {
                *right = Some(send);
            }
            KernError::NO_SPACE
        })
    }

    /// Enters the right in `right`, for `port`, under the fixed `name`, which the table reaches. A
    /// right that joins one that is there already is left in `right`, as is one that is refused.
    pub(super) fn enter_as(
        &self,
        table: &mut Table,
        name: PortName,
        port: &Arc<Port>,
        right: &mut Option<Right>,
    ) -> KernResult {
        if !matches!(right, Some(Right::SendOnce(_))) {
            let other = port.name_in(self.id).or_else(|| table.send_name(port));
            if other.is_some_and(|other| other != name) {
                return Err(KernError::RIGHT_EXISTS);
            }
        }
        let urefs = match &right {
            Some(Right::Receive(_)) => 0,
            _ => 1,
        };
        let Some(entry) = table.lookup(name) else {
            let object = match right.take() {
                Some(Right::Send(send)) => Object::Send(send),
                Some(Right::SendOnce(send_once)) => Object::SendOnce(send_once),
                Some(Right::Receive(receive)) => Object::Receive(NamedReceive::new(receive)),
                _ => return Err(KernError::INVALID_CAPABILITY),
            };
            let receive = matches!(object, Object::Receive(..));
            return match table.insert_as(name, object, urefs) {
                Ok(name) => {
                    if receive {
                        self.note_receiver(port, name);
                    }
                    Ok(())
                }
                Err(object) => {
                    *right = match object {
                        Object::Send(send) => Some(Right::Send(send)),
                        Object::SendOnce(send_once) => Some(Right::SendOnce(send_once)),
                        Object::Receive(mut rights) => rights.take_receive().map(Right::Receive),
                        _ => None,
                    };
                    // The index is in use under another generation.
                    Err(KernError::NAME_EXISTS)
                }
            };
        };
        match (&mut entry.object, &right) {
            (Object::Send(own), Some(Right::Send(_))) if Arc::ptr_eq(own.port(), port) => {
                entry.add_uref();
                Ok(())
            }
            (Object::Receive(own), Some(Right::Send(_))) if Arc::ptr_eq(own.port(), port) => {
                if !own.has_send() {
                    if let Some(Right::Send(send)) = right.take() {
                        own.put_send(send);
                    }
                    entry.urefs = 0;
                }
                entry.add_uref();
                Ok(())
            }
            (Object::Send(own), Some(Right::Receive(_))) if Arc::ptr_eq(own.port(), port) => {
                if let Some(Right::Receive(receive)) = right.take() {
                    self.join_receive(table, name, receive);
                }
                Ok(())
            }
            _ => Err(KernError::NAME_EXISTS),
        }
    }

    /// Enters a send-once right under a new name, or says that its port has died. Errors as
    /// [`with_room`](Self::with_room).
    pub(crate) fn insert_send_once(&self, right: SendOnceRight) -> KernResult<PortName> {
        if !right.port().is_some_and(|port| port.is_alive()) {
            return Ok(PortName::DEAD);
        }
        self.with_room(1, |table| {
            let entered = table.insert(Object::SendOnce(right), 1);
            entered.map_err(|object| {
                table.discard(Garbage::Object(object));
                KernError::NO_SPACE
            })
        })
    }

    /// Enters whatever `right` is and returns its name; null and dead rights have the names that
    /// say so. On failure the right is dropped.
    pub(super) fn insert_right(&self, right: Right) -> KernResult<PortName> {
        match right {
            Right::Null => Ok(PortName::NULL),
            Right::Dead => Ok(PortName::DEAD),
            Right::Send(right) => self.insert_send(right),
            Right::SendOnce(right) => self.insert_send_once(right),
            Right::Receive(right) => self.insert_receive(right),
        }
    }

    /// Takes a right out of the space as `disposition` says, for use outside of a message header.
    /// Dead rights are let through.
    pub(crate) fn copyin(&self, name: PortName, disposition: Disposition) -> KernResult<Right> {
        let right = self.with(|table| table.copyin(name, disposition))?;
        if disposition == Disposition::MoveReceive {
            super::set::PortSet::leave(&right);
        }
        Ok(right)
    }

    /// Whether `name` is a right to the task's own port, as a trap on one's own names wants it.
    #[inline]
    pub(super) fn is_self(&self, name: PortName) -> bool {
        self.with(|table| {
            let entry = table.lookup(name).ok_or(KernError::INVALID_NAME)?;
            match &entry.object {
                Object::Send(right) => Ok(self.special.task_self.is(right.port())),
                _ => Ok(false),
            }
        })
        .unwrap_or(false)
    }

    /// Ends the space: all its rights die.
    fn end(&self) {
        let table = self.table.lock().take();
        if let Some(table) = table {
            table.clear();
        }
    }
}

impl TaskState for Space {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn task_ended(&self) {
        self.end();
        self.special.task_ended();
    }
}
