// SPDX-License-Identifier: GPL-2.0

//! The host's special ports: services that the machine's tasks can ask the host for, which launchd
//! registers (ABI mig §3.5, 412 and 413; XNU osfmk/kern/host.c).
//!
//! A pid namespace is a machine of its own here, as it is to those within: a container has its own
//! launchd and its own special ports. Within it they may be set by whoever might trace its first
//! process; on the machine itself that is root. They may be got by everybody, as rights that give
//! no control.
//!
//! Locks: `HostPorts::slots` (spinlock), a leaf.

use super::HOST;
use crate::{
    core::{
        KernError,
        KernResult, //
    },
    linux::{
        access,
        process::PidNamespaceKey, //
    },
    traps::ipc::{
        kind,
        Call,
        HostPort,
        KernelObject,
        RoutineDescriptor,
        SendRight, //
    },
};
use core::any::Any;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    host_get_io_master,
    host_get_special_port,
    host_set_special_port,
];

/// Numbers of special ports (XNU osfmk/mach/host_special_ports.h).
mod which {
    pub(super) const HOST: i32 = 1;
    pub(super) const HOST_PRIVILEGED: i32 = 2;
    pub(super) const IO_MASTER: i32 = 3;
    /// Those up to here are the kernel's own.
    pub(super) const LAST_OF_KERNEL: i32 = 7;
    pub(super) const LAST: i32 = 31;
}

const SLOTS: usize = 32;

/// The special ports of a pid namespace.
#[pin_data]
pub(super) struct HostPorts {
    /// `None` for the machine itself.
    namespace: Option<PidNamespaceKey>,
    #[pin]
    slots: SpinLock<[Option<SendRight>; SLOTS]>,
}

impl HostPorts {
    /// Makes the ports of the machine itself. Fails with `ENOMEM`.
    pub(super) fn of_machine() -> Result<Arc<Self>> {
        Self::new(None)
    }

    /// Those of a new task in `namespace`, which inherits from a task with `inherited`. Fails with
    /// `ENOMEM`.
    pub(super) fn of_namespace(
        namespace: Option<PidNamespaceKey>,
        machine: &Arc<Self>,
        inherited: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>> {
        match inherited {
            Some(ports) if ports.namespace == namespace => Ok(ports.clone()),
            _ if namespace.is_none() => Ok(machine.clone()),
            _ => Self::new(namespace),
        }
    }

    fn new(namespace: Option<PidNamespaceKey>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                namespace,
                slots <- new_spinlock!([const { None }; SLOTS], "HostPorts::slots"),
            }),
            GFP_KERNEL,
        )
    }

    fn get(&self, index: usize) -> Option<SendRight> {
        let slots = self.slots.lock();
        slots.get(index)?.as_ref().map(SendRight::copy)
    }

    fn set(&self, index: usize, right: Option<SendRight>) {
        let previous = {
            let mut slots = self.slots.lock();
            match slots.get_mut(index) {
                Some(slot) => core::mem::replace(slot, right),
                None => right,
            }
        };
        drop(previous);
    }

    /// Lets go of ports that have died.
    pub(super) fn forget_dead(&self) {
        let is_dead = |right: &mut SendRight| !right.port().is_alive();
        let take = || {
            let mut slots = self.slots.lock();
            slots.iter_mut().find_map(|slot| slot.take_if(is_dead))
        };
        while let Some(dead) = take() {
            drop(dead);
        }
    }

    /// Lets go of all.
    pub(super) fn clear(&self) {
        for index in 0..SLOTS {
            self.set(index, None);
        }
    }
}

/// What the port of the machine's devices stands for: nothing that anybody could ask.
pub(super) struct MasterDevice;

impl KernelObject for MasterDevice {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::MASTER_DEVICE
    }
}

/// Gives out the port of the machine's devices, which answers no request: there are no drivers.
#[routine(205)]
fn host_get_io_master(call: &Call<'_>, _host: &HostPort) -> KernResult<SendRight> {
    let host = HOST
        .of_task_or_default(call.task())
        .ok_or(KernError::FAILURE)?;
    Ok(host.machine.master_device.send_right())
}

/// The slot of special port `which`, if it has that number.
fn slot(which: i32) -> KernResult<usize> {
    usize::try_from(which)
        .ok()
        .filter(|_| (1..=which::LAST).contains(&which))
        .ok_or(KernError::INVALID_ARGUMENT)
}

/// Gives out special port `which`; null if it is not set. There is one node.
#[routine(412)]
fn host_get_special_port(
    call: &Call<'_>,
    _host: &HostPort,
    _node: i32,
    which: i32,
) -> KernResult<Option<SendRight>> {
    let slot = slot(which)?;
    let host = HOST
        .of_task_or_default(call.task())
        .ok_or(KernError::FAILURE)?;
    Ok(match which {
        which::HOST | which::HOST_PRIVILEGED => Some(SendRight::make(call.port())),
        which::IO_MASTER => Some(host.machine.master_device.send_right()),
        _ => host.ports.get(slot),
    })
}

/// Sets special port `which`. `KERN_INVALID_ARGUMENT` for those of the kernel's own,
/// `KERN_NO_ACCESS` for callers that may not.
#[routine(413)]
fn host_set_special_port(
    call: &Call<'_>,
    _host: &HostPort,
    right: Option<SendRight>,
    which: i32,
) -> KernResult {
    let slot = slot(which)?;
    if which <= which::LAST_OF_KERNEL {
        return Err(KernError::INVALID_ARGUMENT);
    }
    if !access::may_control_init() {
        return Err(KernError::NO_ACCESS);
    }
    let host = HOST
        .of_task_or_default(call.task())
        .ok_or(KernError::FAILURE)?;
    host.ports.set(slot, right);
    Ok(())
}
