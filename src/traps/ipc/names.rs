// SPDX-License-Identifier: GPL-2.0

//! What can be done with the rights under a name: taking them out, changing their references,
//! dropping them.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_right.c; ABI traps §5.4, §5.5 and §5.8.
//!
//! Locks: all functions run with `Space::table` held, see [`super`].

use super::{
    right::{
        Right,
        SendOnceRight,
        SendRight, //
    },
    space::Dropped,
    table::{
        Object,
        Table, //
    },
};
use crate::{
    abi::{
        msg::Disposition,
        port::{
            Right as RightKind,
            MACH_PORT_UREFS_MAX, //
        },
        PortName, //
    },
    core::{
        KernError,
        KernResult, //
    },
};

impl Table {
    /// Turns a right whose port has died into a dead name. Returns what it was.
    pub(super) fn refresh(&mut self, name: PortName) -> Dropped {
        let died = match self.lookup(name).map(|entry| &entry.object) {
            Some(Object::Send(right)) => !right.port().is_alive(),
            Some(Object::SendOnce(right)) => !right.port().is_some_and(|port| port.is_alive()),
            _ => false,
        };
        if died {
            Dropped::object(self.replace(name, Object::Dead))
        } else {
            Dropped::default()
        }
    }

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
        let matches = match (&entry.object, disposition.carries()) {
            (Object::Send(_), RightKind::Send) => matches!(
                disposition,
                Disposition::MoveSend | Disposition::CopySend
            ),
            (Object::Receive(..), RightKind::Receive) => true,
            (Object::Receive(_, send), RightKind::Send) => {
                disposition == Disposition::MakeSend || send.is_some()
            }
            (Object::Receive(..), RightKind::SendOnce) => {
                disposition == Disposition::MakeSendOnce
            }
            (Object::SendOnce(_), RightKind::SendOnce) => {
                disposition == Disposition::MoveSendOnce
            }
            (Object::Dead, _) => {
                dead_allowed
                    && matches!(
                        disposition,
                        Disposition::MoveSend | Disposition::CopySend | Disposition::MoveSendOnce
                    )
            }
            _ => false,
        };
        matches.then_some(()).ok_or(KernError::INVALID_RIGHT)
    }

    /// Takes a right out of the table. `KERN_INVALID_CAPABILITY` for null and dead names,
    /// `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`; nothing is changed then.
    ///
    /// A moved receive right leaves its port without receiver; the caller takes it out of its sets
    /// and tells the waiting receivers, see [`super::set::PortSet::leave`].
    pub(super) fn copyin(
        &mut self,
        name: PortName,
        disposition: Disposition,
    ) -> KernResult<(Right, Dropped)> {
        let dropped = self.refresh(name);
        self.check_copyin(name, disposition, true)?;
        let right = match disposition {
            Disposition::MakeSend | Disposition::MakeSendOnce => self.make(name, disposition)?,
            Disposition::CopySend => self.copy_send(name)?,
            Disposition::MoveSend => self.move_send(name)?,
            Disposition::MoveSendOnce => self.move_send_once(name)?,
            Disposition::MoveReceive => self.move_receive(name)?,
        };
        Ok((right, dropped))
    }

    fn make(&mut self, name: PortName, disposition: Disposition) -> KernResult<Right> {
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        let Object::Receive(right, _) = &entry.object else {
            return Err(KernError::INVALID_RIGHT);
        };
        Ok(if disposition == Disposition::MakeSend {
            Right::Send(SendRight::make(right.port()))
        } else {
            Right::SendOnce(SendOnceRight::make(right.port()))
        })
    }

    fn copy_send(&mut self, name: PortName) -> KernResult<Right> {
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        match &entry.object {
            Object::Send(right) | Object::Receive(_, Some(right)) => Ok(Right::Send(right.copy())),
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
            Object::Receive(_, send @ Some(_)) => {
                entry.urefs = 0;
                send.take().map(Right::Send).ok_or(KernError::INVALID_RIGHT)
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
        let Object::Receive(right, _) = &entry.object else {
            return Err(KernError::INVALID_RIGHT);
        };
        if right.port().is_kernel() {
            return Err(KernError::INVALID_CAPABILITY);
        }
        let port = right.port();
        port.with(|state| state.depart(&port.make_send_count));
        match self.take_receive(name) {
            Some(right) => Ok(Right::Receive(right)),
            None => Err(KernError::INVALID_RIGHT),
        }
    }

    /// Takes the receive right out; a send right under the same name stays.
    fn take_receive(&mut self, name: PortName) -> Option<super::right::ReceiveRight> {
        let entry = self.lookup(name)?;
        let object = match &mut entry.object {
            Object::Receive(_, send) => match send.take() {
                Some(send) => self.replace(name, Object::Send(send)),
                None => self.remove(name),
            },
            _ => None,
        };
        match object {
            Some(Object::Receive(right, _)) => Some(right),
            _ => None,
        }
    }

    /// Drops one user reference (`mach_port_deallocate`). Null and dead names are fine.
    pub(super) fn deallocate(&mut self, name: PortName) -> KernResult<Dropped> {
        if !name.is_valid() {
            return Ok(Dropped::default());
        }
        let refreshed = self.refresh(name);
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        let mut dropped = match &entry.object {
            Object::Send(_) | Object::Receive(_, Some(_)) | Object::Dead => {
                self.drop_urefs(name, 1)?
            }
            Object::SendOnce(_) => Dropped::object(self.remove(name)),
            _ => return Err(KernError::INVALID_RIGHT),
        };
        // One of the two is empty: a refreshed right is a dead name, which holds nothing.
        if dropped.object.is_none() || matches!(dropped.object, Some(Object::Dead)) {
            dropped.object = refreshed.object;
        }
        Ok(dropped)
    }

    /// Drops `count` user references of a send right or dead name, and the right with the last
    /// one. `KERN_INVALID_VALUE` when there are fewer. A count at its maximum stays.
    fn drop_urefs(&mut self, name: PortName, count: u16) -> KernResult<Dropped> {
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        if entry.is_pegged() && count != u16::MAX {
            return Ok(Dropped::default());
        }
        let left = entry
            .urefs
            .checked_sub(count)
            .ok_or(KernError::INVALID_VALUE)?;
        entry.urefs = left;
        if left > 0 {
            return Ok(Dropped::default());
        }
        if let Object::Receive(_, send) = &mut entry.object {
            return Ok(Dropped::send(send.take()));
        }
        Ok(Dropped::object(self.remove(name)))
    }

    /// Drops all rights under `name` (`mach_port_destroy`). Null and dead names are fine.
    pub(super) fn destroy(&mut self, name: PortName) -> KernResult<Dropped> {
        if !name.is_valid() {
            return Ok(Dropped::default());
        }
        // Dropping a receive right's entry drops the send right after it, as two fields.
        self.remove(name)
            .map(|object| Dropped::object(Some(object)))
            .ok_or(KernError::INVALID_NAME)
    }

    /// Changes the number of user references (`mach_port_mod_refs`).
    pub(super) fn mod_refs(
        &mut self,
        name: PortName,
        kind: RightKind,
        delta: i32,
    ) -> KernResult<Dropped> {
        if !name.is_valid() {
            return match kind {
                RightKind::Send | RightKind::SendOnce => Ok(Dropped::default()),
                _ => Err(KernError::INVALID_NAME),
            };
        }
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        match (kind, &entry.object) {
            (RightKind::PortSet, Object::Set(_)) => self.drop_single(name, delta),
            (RightKind::Receive, Object::Receive(..)) => self.drop_receive(name, delta),
            (RightKind::SendOnce, Object::SendOnce(right)) => {
                if right.port().is_some_and(|port| port.is_alive()) {
                    self.drop_single(name, delta)
                } else {
                    self.died(name)
                }
            }
            (RightKind::Send, Object::Send(right)) => {
                if right.port().is_alive() {
                    self.change_urefs(name, delta)
                } else {
                    self.died(name)
                }
            }
            (RightKind::Send, Object::Receive(_, Some(_))) => self.change_urefs(name, delta),
            (RightKind::DeadName, Object::Dead) => self.change_urefs(name, delta),
            (RightKind::DeadName, Object::Send(_) | Object::SendOnce(_)) => {
                let refreshed = self.refresh(name);
                if refreshed.object.is_none() {
                    return Err(KernError::INVALID_RIGHT);
                }
                // What is left is a dead name, whose references hold nothing.
                self.change_urefs(name, delta).map(|_| refreshed)
            }
            _ => Err(KernError::INVALID_RIGHT),
        }
    }

    /// The right under `name` was asked for, and its port has died: it becomes a dead name. What
    /// the entry had is given out by way of the error's caller, who sees no right.
    fn died(&mut self, name: PortName) -> KernResult<Dropped> {
        // A right to a dead port does nothing when it is dropped, so dropping it here, with the
        // lock held, is harmless.
        drop(self.refresh(name));
        Err(KernError::INVALID_RIGHT)
    }

    fn drop_single(&mut self, name: PortName, delta: i32) -> KernResult<Dropped> {
        match delta {
            0 => Ok(Dropped::default()),
            -1 => Ok(Dropped::object(self.remove(name))),
            _ => Err(KernError::INVALID_VALUE),
        }
    }

    fn drop_receive(&mut self, name: PortName, delta: i32) -> KernResult<Dropped> {
        match delta {
            0 => return Ok(Dropped::default()),
            -1 => (),
            _ => return Err(KernError::INVALID_VALUE),
        }
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        let has_send = matches!(&entry.object, Object::Receive(_, Some(_)));
        // The port dies with the right, so what is left of a send right is a dead name with as
        // many references.
        let object = if has_send {
            self.replace(name, Object::Dead)
        } else {
            self.remove(name)
        };
        Ok(Dropped::object(object))
    }

    /// Adds `delta` to the user references of a send right or dead name.
    fn change_urefs(&mut self, name: PortName, delta: i32) -> KernResult<Dropped> {
        let amount =
            u16::try_from(delta.unsigned_abs()).map_err(|_| KernError::INVALID_VALUE)?;
        if delta < 0 {
            return self.drop_urefs(name, amount);
        }
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        entry.urefs = entry.urefs.saturating_add(amount);
        Ok(Dropped::default())
    }
}

const _: () = assert!(MACH_PORT_UREFS_MAX == u16::MAX as u32);
