// SPDX-License-Identifier: GPL-2.0

//! What the machine answers by its ports: the host, its clocks and its processors (ABI mig §3.5).
//!
//! | file | what |
//! |---|---|
//! | `info` | facts about the machine |
//! | `statistics` | load, memory and processor time |
//! | `clock`, `alarm` | the clocks; being told of times |
//! | `ports` | the host's special ports |
//! | `processors` | processors and their set |
//! | `refused` | what there is not |
//!
//! Locks: those of `alarm` and `ports`; none of the two is taken with the other held.

mod alarm;
mod clock;
mod info;
mod ports;
mod processors;
mod refused;
mod statistics;

use self::{
    alarm::Pending,
    clock::Clocks,
    ports::{
        HostPorts,
        MasterDevice, //
    },
    processors::ProcessorPorts, //
};
use super::ipc::{
    KernelPort,
    RoutineSet, //
};
use crate::core::{
    Birth,
    Making,
    Manifest,
    StateKey,
    StateKeys,
    Subsystem,
    TaskState, //
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The routines of this subsystem.
pub(crate) const ROUTINES: RoutineSet = RoutineSet::new(
    "host",
    &[
        info::ROUTINES,
        statistics::ROUTINES,
        clock::ROUTINES,
        alarm::ROUTINES,
        ports::ROUTINES,
        processors::ROUTINES,
        refused::ROUTINES,
    ],
);

/// The host as each task sees it.
static HOST: StateKey<TaskHost> = StateKey::new();

/// What all tasks share.
struct Machine {
    clocks: Clocks,
    processors: ProcessorPorts,
    master_device: KernelPort,
    ports: Arc<HostPorts>,
}

/// What a task has of the host.
#[pin_data]
struct TaskHost {
    machine: Arc<Machine>,
    ports: Arc<HostPorts>,
    #[pin]
    pending: Pending,
}

impl TaskState for TaskHost {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn task_ended(&self) {
        self.pending.clear();
        // Among them may be what this very task has received from: its rights have died before.
        self.ports.forget_dead();
    }
}

/// What this subsystem brings along.
pub(crate) static MANIFEST: Manifest = Manifest {
    objects: &[&alarm::ALARMS],
    states: StateKeys::new(Making::WhenChanged, &[&HOST]),
    ..Manifest::new("host")
};

/// The subsystem.
pub(crate) struct HostSubsystem {
    machine: Arc<Machine>,
}

impl HostSubsystem {
    /// Makes the machine's objects. Fails with `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let machine = Machine {
            clocks: Clocks::new()?,
            processors: ProcessorPorts::new()?,
            master_device: KernelPort::permanent(Arc::new(MasterDevice, GFP_KERNEL)?)?,
            ports: HostPorts::of_machine()?,
        };
        Ok(Self {
            machine: Arc::new(machine, GFP_KERNEL)?,
        })
    }
}

impl Subsystem for HostSubsystem {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn new_task(&self, birth: &Birth<'_>) -> Result<Option<Arc<dyn TaskState>>> {
        let parent = birth.parent.and_then(|parent| HOST.of_task(parent));
        let inherited = parent.map(|parent| &parent.ports);
        let ports = HostPorts::of_namespace(birth.namespace, &self.machine.ports, inherited)?;
        let machine = self.machine.clone();
        let host: Arc<TaskHost> = Arc::pin_init(
            pin_init!(TaskHost {
                machine,
                ports,
                pending <- Pending::new(),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(Some(host))
    }

    fn shutdown(&self) {
        self.machine.ports.clear();
        self.machine.master_device.end();
        self.machine.processors.end();
        self.machine.clocks.end();
    }
}
