// SPDX-License-Identifier: GPL-2.0

//! The ports that a task has from the kernel, and those that it can set; the host.
//!
//! Locks: `SpecialPorts::slots` is a leaf.

use super::{
    kobject::{
        kind,
        KernelObject,
        KernelPort,
        LatePort, //
    },
    registered::Registered,
    right::SendRight,
    routine::RoutineTable,
    task_port::TaskPort,
    transit::{
        self,
        Transit, //
    },
    SPACE, //
};
use crate::{
    abi::PortName,
    core::{
        Context,
        KernError,
        KernResult, //
    },
    linux::global::Published,
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

/// What all tasks share: the host, that is, the machine.
pub(super) struct Host {
    pub(super) port: KernelPort,
    pub(super) routines: Arc<RoutineTable>,
    _transit: Published<Transit>,
}

impl Host {
    /// Makes the host, whose objects answer `routines`. Fails with `ENOMEM`.
    pub(super) fn new(routines: Arc<RoutineTable>) -> Result<Arc<Self>> {
        let host = Self {
            port: KernelPort::permanent(Arc::new(HostPort, GFP_KERNEL)?)?,
            routines,
            _transit: transit::publish()?,
        };
        Ok(Arc::new(host, GFP_KERNEL)?)
    }
}

/// What the host port stands for: the machine.
pub(crate) struct HostPort;

impl KernelObject for HostPort {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::HOST
    }
}

/// A port that a task can set and get back (XNU osfmk/kern/ipc_tt.c).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// Stands in for the task's own port.
    Kernel,
    Bootstrap,
    Seatbelt,
    Access,
    DebugControl,
}

impl Slot {
    /// The number of slots.
    const COUNT: usize = 5;

    /// What a new task has of the one that it inherits from.
    const INHERITED: [Self; 3] = [Self::Bootstrap, Self::Seatbelt, Self::Access];

    /// Whether the slot can be set only once.
    fn is_final(self) -> bool {
        matches!(self, Self::Seatbelt | Self::Access)
    }

    fn of(self, slots: &mut Slots) -> &mut Option<SendRight> {
        let [kernel, bootstrap, seatbelt, access, debug_control] = slots;
        match self {
            Self::Kernel => kernel,
            Self::Bootstrap => bootstrap,
            Self::Seatbelt => seatbelt,
            Self::Access => access,
            Self::DebugControl => debug_control,
        }
    }
}

type Slots = [Option<SendRight>; Slot::COUNT];

/// Gives `right` to the caller, and returns its name.
pub(crate) fn give(caller: &Context<'_>, right: SendRight) -> KernResult<PortName> {
    let space = SPACE.of_task(caller.task()).ok_or(KernError::FAILURE)?;
    space.insert_send(right)
}

/// Takes back one reference of what [`give`] gave the caller, who was not told of it.
pub(crate) fn take_back(caller: &Context<'_>, name: PortName) {
    if let Some(space) = SPACE.of_task(caller.task()) {
        // Another thread may have dropped it already.
        let _ = space.with(|table| table.deallocate(name));
    }
}

/// The special ports of a task.
#[pin_data]
pub(super) struct SpecialPorts {
    host: Arc<Host>,
    pub(super) object: TaskPort,
    /// The port of `object`.
    pub(super) task_self: LatePort,
    name: LatePort,
    #[pin]
    slots: SpinLock<Slots>,
    #[pin]
    pub(super) registered: Registered,
}

impl SpecialPorts {
    /// Makes those of a task of the current process that inherits from `parent`. The ports
    /// themselves are made when somebody asks for them.
    pub(super) fn new(host: Arc<Host>, parent: Option<&Self>) -> impl PinInit<Self> {
        let mut slots = Slots::default();
        for slot in Slot::INHERITED {
            *slot.of(&mut slots) = parent.and_then(|parent| parent.get(slot));
        }
        let registered = Registered::new(parent.map(|parent| &parent.registered));
        pin_init!(Self {
            host,
            object: TaskPort::new(),
            task_self: LatePort::new(),
            name: LatePort::new(),
            slots <- new_spinlock!(slots, "SpecialPorts::slots"),
            registered <- registered,
        })
    }

    /// The host.
    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// A send right to the port by which the task is controlled. `None` without memory.
    pub(super) fn task_right(&self) -> Option<SendRight> {
        self.task_self.send_right(|| self.object.clone())
    }

    /// A send right to what the task has as its own port. `None` without memory.
    pub(super) fn self_right(&self) -> Option<SendRight> {
        self.get(Slot::Kernel).or_else(|| self.task_right())
    }

    /// What is in `slot`.
    pub(super) fn get(&self, slot: Slot) -> Option<SendRight> {
        slot.of(&mut self.slots.lock())
            .as_ref()
            .map(SendRight::copy)
    }

    /// Replaces what is in `slot`. `KERN_NO_ACCESS` for one that is set for good.
    pub(super) fn set(&self, slot: Slot, right: Option<SendRight>) -> KernResult {
        let previous = {
            let mut slots = self.slots.lock();
            let place = slot.of(&mut slots);
            if slot.is_final() && place.is_some() {
                drop(slots);
                return Err(KernError::NO_ACCESS);
            }
            core::mem::replace(place, right)
        };
        drop(previous);
        Ok(())
    }

    /// Another send right to the port by which the task is named. `None` without memory.
    pub(super) fn name_right(&self) -> Option<SendRight> {
        self.name.send_right(|| self.object.name().clone())
    }

    /// The task's own port dies. The others stay, for children that still inherit.
    pub(super) fn task_ended(&self) {
        self.task_self.end();
        self.name.end();
    }
}
