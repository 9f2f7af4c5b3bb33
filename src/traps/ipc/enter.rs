// SPDX-License-Identifier: GPL-2.0

//! Entering rights into a space, under new names or given ones.
//!
//! A space has one name for all send and receive rights to a port; each send-once right has one of
//! its own.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_right.c, `ipc_right_copyout`, and ipc_object.c; ABI
//! traps §5.8.
//!
//! Locks: `Space::table`, then a port's. What is left of a right is dropped after both.

use super::{
    entry::{
        Garbage,
        Object, //
    },
    port::{
        Port,
        Receiver, //
    },
    right::{
        NamedReceive,
        ReceiveRight,
        Right,
        SendOnceRight,
        SendRight, //
    },
    space::Space,
    table::Table, //
};
use crate::{
    abi::PortName,
    core::{
        KernError,
        KernResult, //
    },
};
use core::mem;
use kernel::sync::Arc;

impl Space {
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
        port.note_entered(self.id, name);
        let receiver = Receiver::Space(self.id, name);
        let account = Some(self.account.clone());
        let before = port.with(|state| {
            (
                mem::replace(&mut state.receiver, receiver),
                mem::replace(&mut state.account, account),
            )
        });
        // Perhaps the last reference to the port that the right travelled through, which is an
        // empty object then.
        drop(before);
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
        let Some(port) = right.as_ref().map(SendRight::port) else {
            return Err(KernError::FAILURE);
        };
        if let Some((name, entry)) = table.receive_entry(port) {
            if let Object::Receive(rights) = &mut entry.object {
                if !rights.has_send() {
                    if let Some(right) = right.take() {
                        rights.put_send(right);
                    }
                    entry.urefs = 0;
                }
                entry.add_uref();
            }
            return Ok(name);
        }
        if let Some(name) = table.send_name(port) {
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
    /// `KERN_FAILURE` for a name that differs from one in use only in its generation.
    pub(super) fn enter_as(
        &self,
        table: &mut Table,
        name: PortName,
        port: &Arc<Port>,
        right: &mut Option<Right>,
    ) -> KernResult {
        if !matches!(right, Some(Right::SendOnce(_))) {
            let received_as = table.receive_entry(port).map(|(name, _)| name);
            let other = received_as.or_else(|| table.send_name(port));
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
                    // The index is in use under another generation, or is none.
                    Err(KernError::FAILURE)
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
        if !right.port().is_alive() {
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
}
