// SPDX-License-Identifier: GPL-2.0

//! The references of the rights under a name: changing them, and dropping the rights.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_right.c; ABI traps §5.4 and §5.5.
//!
//! Locks: all functions run with `Space::table` held, see [`super`]. What they drop is given to
//! [`Table::discard`], to be dropped after that.

use super::{
    entry::{
        Garbage,
        Object, //
    },
    port::Port,
    right::{
        NamedReceive,
        SendRight, //
    },
    table::Table, //
};
use crate::{
    abi::{
        port::Right as RightKind,
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
            Some(Object::SendOnce(right)) => !right.port().is_alive(),
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

    /// As [`deallocate`](Self::deallocate), for a send right with nothing special about it, with one
    /// look-up. What is returned is to be dropped when the table is unlocked; `None`, and nothing
    /// done, for everything else.
    #[inline]
    pub(super) fn deallocate_usual(&mut self, name: PortName) -> Option<Option<SendRight>> {
        let entry = self.lookup(name)?;
        if entry.is_pegged() {
            return None;
        }
        match &mut entry.object {
            Object::Receive(rights) if rights.has_send() => {
                entry.urefs = entry.urefs.checked_sub(1)?;
                Some(match entry.urefs {
                    0 => rights.take_send(),
                    _ => None,
                })
            }
            Object::Send(right) if right.port().is_alive() => match entry.urefs {
                0 => None,
                1 => match self.remove(name) {
                    Some(Object::Send(right)) => Some(Some(right)),
                    _ => None,
                },
                urefs => {
                    entry.urefs = urefs.checked_sub(1)?;
                    Some(None)
                }
            },
            _ => None,
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
