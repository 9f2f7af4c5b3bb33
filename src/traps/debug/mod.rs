// SPDX-License-Identifier: GPL-2.0

//! What debuggers and their targets ask of the kernel (ABI traps §11): who traces whom, what becomes
//! of signals, and who is told of exceptions.
//!
//! | file | what |
//! |---|---|
//! | `actions`, `exception_routines` | exception ports |
//! | `exception`, `answer` | an exception is told, and what comes of it |
//! | `signal` | signals that clients catch |
//! | `tracer` | who traces whom |
//!
//! Locks: those of `actions` and `answer`, leaves.

mod actions;
mod answer;
mod exception;
mod exception_routines;
mod signal;
mod tracer;

use self::actions::Actions;
use crate::{
    core::{
        Birth,
        Making,
        Manifest,
        StateKey,
        StateKeys,
        Subsystem,
        Task,
        TaskState,
        ThreadState, //
    },
    linux::process::PidNamespaceKey,
    traps::ipc::RoutineSet,
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
};

/// The routines of this subsystem.
pub(crate) const ROUTINES: RoutineSet =
    RoutineSet::new("debug", &[answer::ROUTINES, exception_routines::ROUTINES]);

static TASK: StateKey<TaskDebug> = StateKey::new();
static THREAD: StateKey<ThreadDebug> = StateKey::new();

/// What is done about exceptions that neither thread nor task takes: a pid namespace is a machine
/// of its own in this.
struct HostActions {
    /// `None` for the machine itself.
    namespace: Option<PidNamespaceKey>,
    actions: Arc<Actions>,
}

impl HostActions {
    fn new(namespace: Option<PidNamespaceKey>) -> Result<Arc<Self>> {
        let actions = Arc::pin_init(Actions::new(None), GFP_KERNEL)?;
        let host = Self { namespace, actions };
        Ok(Arc::new(host, GFP_KERNEL)?)
    }
}

/// What a task has of this.
#[pin_data]
struct TaskDebug {
    #[pin]
    actions: Actions,
    host: Arc<HostActions>,
    /// What is done when a guard is violated.
    guard_behavior: Atomic<u32>,
    /// Whether signals that are no exceptions are told as such (`ptrace_sigexc`).
    signals_are_exceptions: Atomic<bool>,
}

impl TaskState for TaskDebug {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn task_ended(&self) {
        // Among them may be what this very task has received from: its rights have died before.
        self.host.actions.forget_dead();
    }

    fn gained_privileges(&self) {
        // Who is told of an exception can change registers (XNU osfmk/kern/ipc_tt.c,
        // `ipc_task_reset`).
        self.actions.clear();
    }
}

/// What a thread has of this.
#[pin_data]
struct ThreadDebug {
    #[pin]
    actions: Actions,
    /// The BSD signal that the signal which is being looked at is to become; 0 for none.
    pending_signal: Atomic<i32>,
}

impl ThreadState for ThreadDebug {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What this subsystem brings along.
pub(crate) static MANIFEST: Manifest = Manifest {
    traps: &[signal::TRAPS, tracer::TRAPS],
    objects: &[&answer::QUESTIONS],
    states: StateKeys::new(Making::WhenChanged, &[&TASK, &THREAD]),
    ..Manifest::new("debug")
};

/// The subsystem.
pub(crate) struct Debug {
    machine: Arc<HostActions>,
}

impl Debug {
    /// Makes what all tasks share. Fails with `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            machine: HostActions::new(None)?,
        })
    }

    /// What a new task in `namespace`, which inherits from one with `inherited`, has of the host.
    fn host_of_namespace(
        &self,
        namespace: Option<PidNamespaceKey>,
        inherited: Option<&Arc<HostActions>>,
    ) -> Result<Arc<HostActions>> {
        match inherited {
            Some(host) if host.namespace == namespace => Ok(host.clone()),
            _ if namespace.is_none() => Ok(self.machine.clone()),
            _ => HostActions::new(namespace),
        }
    }
}

impl Subsystem for Debug {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn new_task(&self, birth: &Birth<'_>) -> Result<Option<Arc<dyn TaskState>>> {
        let parent = birth.parent.and_then(|parent| TASK.of_task(parent));
        let inherited = parent.map(|parent| &parent.host);
        let host = self.host_of_namespace(birth.namespace, inherited)?;
        let guard_behavior = parent.map_or(0, |parent| parent.guard_behavior.load(Relaxed));
        let state: Arc<TaskDebug> = Arc::pin_init(
            pin_init!(TaskDebug {
                actions <- Actions::new(parent.map(|parent| &parent.actions)),
                host,
                guard_behavior: Atomic::new(guard_behavior),
                signals_are_exceptions: Atomic::new(false),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(Some(state))
    }

    fn new_thread(&self) -> Result<Option<Arc<dyn ThreadState>>> {
        let state: Arc<ThreadDebug> = Arc::pin_init(
            pin_init!(ThreadDebug {
                actions <- Actions::new(None),
                pending_signal: Atomic::new(0),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(Some(state))
    }

    fn shutdown(&self) {
        self.machine.actions.clear();
    }
}

/// Whether signals of `task` are told as exceptions.
fn turns_signals_into_exceptions(task: &Task) -> bool {
    TASK.of_task(task)
        .is_some_and(|own| own.signals_are_exceptions.load(Relaxed))
}
