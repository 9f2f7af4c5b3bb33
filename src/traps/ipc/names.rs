// SPDX-License-Identifier: GPL-2.0

//! What can be done with the rights under a name: taking them out, changing their references,
//! dropping them.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_right.c; ABI traps §5.4, §5.5 and §5.8.
//!
//! Locks: all functions run with `Space::table` held, see [`super`]. What they drop is given to
//! [`Table::discard`], to be dropped after that.

use super::{
    right::{
        NamedReceive,
        ReceiveRight,
        Right,
        SendOnceRight,
        SendRight, //
    },
    table::{
        Garbage,
        Object,
        Table, //
    },
    Port, //
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
use kernel::sync::Arc;

impl Table {
    /// Turns a right whose port has died into a dead name. An open request about it gives the name
    /// one more user reference, which belongs to the notification.
    #[inline]
    pub(super) fn refresh(&mut self, name: PortName) {
        let died = match self.peek(name).map(|entry| &entry.object) {
            Some(Object::Send(right)) => !right.port().is_alive(),
            Some(Object::SendOnce(right)) => right.port().is_some_and(|port| !port.is_alive()),
            _ => false,
        };
        if died {
            self.bury(name);
        }
    }

    /// Turns the right into a dead name.
    #[cold]
    fn bury(&mut self, name: PortName) {
        let subject = self.subject(name);
        let Some(entry) = self.lookup(name) else {
            return;
        };
        let Some(port) = entry.object.port() else {
            return;
        };
        let request = entry.request.take();
        let open = |id| port.with(|state| state.requests.is_open(id, subject));
        if request.is_some_and(open) {
            entry.add_uref();
        }
        if let Some(object) = self.replace(name, Object::Dead) {
            self.discard(Garbage::Object(object));
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
    fn take_receive(&mut self, name: PortName) -> Option<ReceiveRight> {
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

    /// Drops one user reference (`mach_port_deallocate`). Null and dead names are fine.
    pub(super) fn deallocate(&mut self, name: PortName) -> KernResult {
        if !name.is_valid() {
            return Ok(());
        }
        self.refresh(name);
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        match &entry.object {
            Object::Send(_) | Object::Dead => self.drop_urefs(name, 1),
            Object::Receive(rights) if rights.has_send() => self.drop_urefs(name, 1),
            Object::SendOnce(_) => self.discard_entry(name),
            _ => Err(KernError::INVALID_RIGHT),
        }
    }

    /// Removes the entry and drops what it has.
    fn discard_entry(&mut self, name: PortName) -> KernResult {
        let object = self.remove(name).ok_or(KernError::INVALID_NAME)?;
        self.discard(Garbage::Object(object));
        Ok(())
    }

    /// Drops `count` user references of a send right or dead name, and the right with the last
    /// one. `KERN_INVALID_VALUE` when there are fewer. A count at its maximum stays.
    fn drop_urefs(&mut self, name: PortName, count: u16) -> KernResult {
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        if entry.is_pegged() && count != u16::MAX {
            return Ok(());
        }
        let left = entry
            .urefs
            .checked_sub(count)
            .ok_or(KernError::INVALID_VALUE)?;
        if left > 0 {
            entry.urefs = left;
            return Ok(());
        }
        let Object::Receive(rights) = &mut entry.object else {
            return self.discard_entry(name);
        };
        entry.urefs = 0;
        if let Some(send) = rights.take_send() {
            self.discard(Garbage::Send(send));
        }
        Ok(())
    }

    /// Drops all rights under `name` (`mach_port_destroy`). Null and dead names are fine.
    /// `KERN_INVALID_RIGHT` for a guarded receive right, which stays.
    pub(super) fn destroy(&mut self, name: PortName) -> KernResult {
        if !name.is_valid() {
            return Ok(());
        }
        self.refresh(name);
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        if let Object::Receive(rights) = &entry.object {
            check_unguarded(rights)?;
        }
        self.discard_entry(name)
    }

    /// Changes the number of user references (`mach_port_mod_refs`).
    pub(super) fn mod_refs(&mut self, name: PortName, kind: RightKind, delta: i32) -> KernResult {
        if !name.is_valid() {
            return match kind {
                RightKind::Send | RightKind::SendOnce => Ok(()),
                _ => Err(KernError::INVALID_NAME),
            };
        }
        // A right whose port has died counts as a dead name from here on.
        self.refresh(name);
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        match (kind, &entry.object) {
            (RightKind::PortSet, Object::Set(_)) => self.drop_single(name, delta),
            (RightKind::SendOnce, Object::SendOnce(_)) => self.drop_single(name, delta),
            (RightKind::Receive, Object::Receive(_)) => match delta {
                0 => Ok(()),
                -1 => self.drop_receive(name),
                _ => Err(KernError::INVALID_VALUE),
            },
            (RightKind::Send, Object::Send(_)) => self.change_urefs(name, delta),
            (RightKind::Send, Object::Receive(rights)) if rights.has_send() => {
                self.change_urefs(name, delta)
            }
            (RightKind::DeadName, Object::Dead) => self.change_urefs(name, delta),
            _ => Err(KernError::INVALID_RIGHT),
        }
    }

    fn drop_single(&mut self, name: PortName, delta: i32) -> KernResult {
        match delta {
            0 => Ok(()),
            -1 => self.discard_entry(name),
            _ => Err(KernError::INVALID_VALUE),
        }
    }

    /// Drops the receive right. `KERN_INVALID_RIGHT` for a guarded one.
    fn drop_receive(&mut self, name: PortName) -> KernResult {
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        match &entry.object {
            Object::Receive(rights) => check_unguarded(rights)?,
            _ => return Err(KernError::INVALID_RIGHT),
        }
        self.discard_receive(name)
    }

    /// Drops the receive right, guarded or not. A send right under the same name becomes a dead
    /// name with as many references, as the port dies; one more if a request about it is open. If
    /// the port lives on because somebody asked to get the right, the send right stays.
    fn discard_receive(&mut self, name: PortName) -> KernResult {
        let subject = self.subject(name);
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        let Object::Receive(rights) = &entry.object else {
            return Err(KernError::INVALID_RIGHT);
        };
        if !rights.has_send() {
            return self.discard_entry(name);
        }
        let request = entry.request;
        let (lives_on, open) = rights.port().with(|state| {
            let open = request.is_some_and(|id| state.requests.is_open(id, subject));
            (state.port_destroyed.is_some(), open)
        });
        if lives_on {
            if let Some(right) = self.take_receive(name) {
                let rights = NamedReceive::new(right);
                self.discard(Garbage::Object(Object::Receive(rights)));
            }
            return Ok(());
        }
        if open {
            entry.add_uref();
        }
        entry.request = None;
        if let Some(Object::Receive(mut rights)) = self.replace(name, Object::Dead) {
            // The port dies with its send right, so nobody is told that there are no senders.
            if let Some(right) = rights.take_receive() {
                let alone = NamedReceive::new(right);
                self.discard(Garbage::Object(Object::Receive(alone)));
            }
            self.discard(Garbage::Object(Object::Receive(rights)));
        }
        Ok(())
    }

    /// Drops the receive right and `send_urefs` references of the send right under the same name
    /// (`mach_port_destruct`), if `guard` is right.
    pub(super) fn destruct(&mut self, name: PortName, srdelta: i32, guard: u64) -> KernResult {
        if !name.is_valid() {
            return Err(KernError::INVALID_NAME);
        }
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        let Object::Receive(rights) = &entry.object else {
            return Err(KernError::INVALID_RIGHT);
        };
        if srdelta != 0 && !rights.has_send() {
            return Err(KernError::INVALID_RIGHT);
        }
        if srdelta > 0 {
            return Err(KernError::INVALID_VALUE);
        }
        let wrong = rights
            .port()
            .with(|state| state.guard.is_some() && state.context != guard);
        if wrong {
            return Err(KernError::INVALID_ARGUMENT);
        }
        if srdelta != 0 {
            self.change_urefs(name, srdelta)?;
        }
        self.discard_receive(name)
    }

    /// Adds `delta` to the user references of a send right or dead name.
    fn change_urefs(&mut self, name: PortName, delta: i32) -> KernResult {
        let amount = u16::try_from(delta.unsigned_abs()).map_err(|_| KernError::INVALID_VALUE)?;
        if delta < 0 {
            return self.drop_urefs(name, amount);
        }
        let entry = self.lookup(name).ok_or(KernError::INVALID_NAME)?;
        entry.urefs = entry.urefs.saturating_add(amount);
        Ok(())
    }

    /// The port whose receive right `name` is. `KERN_INVALID_NAME`, `KERN_INVALID_RIGHT`.
    pub(super) fn receive_port(&mut self, name: PortName) -> KernResult<Arc<Port>> {
        match &self.lookup(name).ok_or(KernError::INVALID_NAME)?.object {
            Object::Receive(rights) => Ok(rights.port().clone()),
            _ => Err(KernError::INVALID_RIGHT),
        }
    }
}

/// `KERN_INVALID_RIGHT` for a guarded port.
fn check_unguarded(rights: &NamedReceive) -> KernResult {
    if rights.port().with(|state| state.guard.is_some()) {
        return Err(KernError::INVALID_RIGHT);
    }
    Ok(())
}

const _: () = assert!(MACH_PORT_UREFS_MAX == u16::MAX as u32);
