// SPDX-License-Identifier: GPL-2.0

//! Taking rights out of a name table, as a disposition says.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_right.c, `ipc_right_copyin`; ABI traps §5.8.
//!
//! Locks: all functions run with `Space::table` held, see [`super`].

use super::{
    entry::Object,
    right::{
        ReceiveRight,
        Right,
        SendOnceRight,
        SendRight, //
    },
    table::Table, //
};
use crate::{
    abi::{
        msg::Disposition,
        port::Right as RightKind,
        PortName, //
    },
    core::{
        KernError,
        KernResult, //
    },
};

impl Table {
    /// Whether [`copyin`](Self::copyin) would succeed. Dead names count as send and send-once
    /// rights if `dead_allowed`.
    pub(super) fn check_copyin(
        &mut self,
        name: PortName,
        disposition: Disposition,
        dead_allowed: bool,
    ) -> KernResult {
        if !name.is_valid() {
            return Err(KernError::INVALID_CAPABILITY);
        }
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        let takes = |allowed: &[Disposition]| allowed.contains(&disposition);
        let matches = match &entry.object {
            Object::Send(_) => takes(&[Disposition::MoveSend, Disposition::CopySend]),
            Object::Receive(rights) => match disposition.carries() {
                RightKind::Send => disposition == Disposition::MakeSend || rights.has_send(),
                RightKind::SendOnce => disposition == Disposition::MakeSendOnce,
                _ => true,
            },
            Object::SendOnce(_) => takes(&[Disposition::MoveSendOnce]),
            Object::Dead => {
                dead_allowed
                    && takes(&[
                        Disposition::MoveSend,
                        Disposition::CopySend,
                        Disposition::MoveSendOnce,
                    ])
            }
            Object::Set(_) | Object::Free { .. } => false,
        };
        matches.then_some(()).ok_or(KernError::INVALID_RIGHT)
    }

    /// Takes a right out of the table. `KERN_INVALID_CAPABILITY` for null and dead names and for a
    /// receive right that must not move, `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`; nothing is
    /// changed then.
    ///
    /// A moved receive right leaves its port without receiver; the caller takes it out of its
    /// sets, see [`super::set::PortSet::leave`].
    pub(super) fn copyin(&mut self, name: PortName, disposition: Disposition) -> KernResult<Right> {
        if let Some(right) = self.copy_usual(name, disposition) {
            return Ok(right);
        }
        self.refresh(name);
        self.check_copyin(name, disposition, true)?;
        match disposition {
            Disposition::MakeSend | Disposition::MakeSendOnce => self.make(name, disposition),
            Disposition::CopySend => self.copy_send(name),
            Disposition::MoveSend => self.move_send(name),
            Disposition::MoveSendOnce => self.move_send_once(name),
            Disposition::MoveReceive => self.move_receive(name),
        }
    }

    /// A right that stays in the table as well and has nothing special about it, with one look-up.
    #[inline]
    pub(super) fn copy_usual(&self, name: PortName, disposition: Disposition) -> Option<Right> {
        match (&self.peek(name)?.object, disposition) {
            (Object::Receive(rights), Disposition::MakeSend) => {
                Some(Right::Send(SendRight::make(rights.port())))
            }
            (Object::Receive(rights), Disposition::MakeSendOnce) => {
                Some(Right::SendOnce(SendOnceRight::make(rights.port())))
            }
            (Object::Send(right), Disposition::CopySend) if right.port().is_alive() => {
                Some(Right::Send(right.copy()))
            }
            _ => None,
        }
    }

    fn make(&mut self, name: PortName, disposition: Disposition) -> KernResult<Right> {
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        let Object::Receive(rights) = &entry.object else {
            return Err(KernError::INVALID_RIGHT);
        };
        Ok(if disposition == Disposition::MakeSend {
            Right::Send(SendRight::make(rights.port()))
        } else {
            Right::SendOnce(SendOnceRight::make(rights.port()))
        })
    }

    fn copy_send(&mut self, name: PortName) -> KernResult<Right> {
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        match &entry.object {
            Object::Send(right) => Ok(Right::Send(right.copy())),
            Object::Receive(rights) => rights
                .copy_send()
                .map(Right::Send)
                .ok_or(KernError::INVALID_RIGHT),
            Object::Dead => Ok(Right::Dead),
            _ => Err(KernError::INVALID_RIGHT),
        }
    }

    fn move_send(&mut self, name: PortName) -> KernResult<Right> {
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        if entry.urefs > 1 {
            if !entry.is_pegged() {
                entry.urefs = entry.urefs.saturating_sub(1);
            }
            return self.copy_send(name);
        }
        match &mut entry.object {
            Object::Receive(rights) => {
                entry.urefs = 0;
                rights
                    .take_send()
                    .map(Right::Send)
                    .ok_or(KernError::INVALID_RIGHT)
            }
            Object::Send(_) | Object::Dead => match self.remove(name) {
                Some(Object::Send(right)) => Ok(Right::Send(right)),
                _ => Ok(Right::Dead),
            },
            _ => Err(KernError::INVALID_RIGHT),
        }
    }

    fn move_send_once(&mut self, name: PortName) -> KernResult<Right> {
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        match entry.object {
            Object::Dead => self.move_send(name),
            Object::SendOnce(_) => match self.remove(name) {
                Some(Object::SendOnce(right)) => Ok(Right::SendOnce(right)),
                _ => Err(KernError::INVALID_RIGHT),
            },
            _ => Err(KernError::INVALID_RIGHT),
        }
    }

    fn move_receive(&mut self, name: PortName) -> KernResult<Right> {
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        let Object::Receive(rights) = &entry.object else {
            return Err(KernError::INVALID_RIGHT);
        };
        let port = rights.port();
        if port.stands_for_object() {
            return Err(KernError::INVALID_CAPABILITY);
        }
        port.with(|state| state.depart(&port.make_send_count))?;
        match self.take_receive(name) {
            Some(right) => Ok(Right::Receive(right)),
            None => Err(KernError::INVALID_RIGHT),
        }
    }

    /// Takes the receive right out; a send right under the same name stays.
    pub(super) fn take_receive(&mut self, name: PortName) -> Option<ReceiveRight> {
        let entry = self.lookup(name)?;
        let Object::Receive(rights) = &mut entry.object else {
            return None;
        };
        let right = rights.take_receive();
        // What is left of the entry's rights is empty, so dropping it under the lock does nothing.
        match rights.take_send() {
            Some(send) => drop(self.replace(name, Object::Send(send))),
            None => drop(self.remove(name)),
        }
        right
    }
}
