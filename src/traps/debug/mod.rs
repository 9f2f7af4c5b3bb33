// SPDX-License-Identifier: GPL-2.0

//! What debuggers and their targets ask of the kernel (ABI traps §11): who traces whom, and who is
//! told of exceptions. So far nothing raises any.
//!
//! | file | what |
//! |---|---|
//! | `actions`, `exception_routines` | exception ports |
//!
//! Locks: that of `actions`, a leaf.

mod actions;
mod exception_routines;

use self::actions::Actions;
use crate::{
    abi::{
        args::SetTracerArgs,
        nr, //
    },
    core::{
        Birth,
        Context,
        StateKey,
        Subsystem,
        Task,
        TaskState,
        ThreadState,
        TrapDescriptor, //
    },
    linux::process::{
        self,
        PidNamespaceKey,
        ProcessId, //
    },
    traps::ipc::{
        RoutineDescriptor,
        RoutineSet,
        TaskPort, //
    },
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
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this subsystem.
pub(crate) const TRAPS: [&[TrapDescriptor]; 1] = [traps![get_tracer, set_tracer]];

const ROUTINE_LISTS: [&[RoutineDescriptor]; 1] = [exception_routines::ROUTINES];

/// The routines of this subsystem.
pub(crate) const ROUTINES: RoutineSet = RoutineSet::new("debug", &ROUTINE_LISTS);

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
}

impl TaskState for TaskDebug {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn task_ended(&self) {
        // What this very task has received from dies later, and goes when the next one ends.
        self.host.actions.forget_dead();
    }
}

/// What a thread has of this.
#[pin_data]
struct ThreadDebug {
    #[pin]
    actions: Actions,
}

impl ThreadState for ThreadDebug {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

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

    /// What the current process, whose task inherits from one with `inherited`, has of the host.
    fn host_of_current(&self, inherited: Option<&Arc<HostActions>>) -> Result<Arc<HostActions>> {
        let namespace = process::current_pid_namespace();
        match inherited {
            Some(host) if host.namespace == namespace => Ok(host.clone()),
            _ if namespace.is_none() => Ok(self.machine.clone()),
            _ => HostActions::new(namespace),
        }
    }
}

impl Subsystem for Debug {
    fn name(&self) -> &'static str {
        "debug"
    }

    fn traps(&self) -> &'static [&'static [TrapDescriptor]] {
        &TRAPS
    }

    fn bind(&self, position: usize) {
        TASK.bind(position);
        THREAD.bind(position);
    }

    fn new_task(&self, birth: &Birth<'_>) -> Result<Option<Arc<dyn TaskState>>> {
        let parent = birth.parent.and_then(|parent| TASK.of_task(parent));
        let host = self.host_of_current(parent.map(|parent| &parent.host))?;
        let guard_behavior = parent.map_or(0, |parent| parent.guard_behavior.load(Relaxed));
        let state: Arc<TaskDebug> = Arc::pin_init(
            pin_init!(TaskDebug {
                actions <- Actions::new(parent.map(|parent| &parent.actions)),
                host,
                guard_behavior: Atomic::new(guard_behavior),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(Some(state))
    }

    fn new_thread(&self, _task: &Task) -> Result<Option<Arc<dyn ThreadState>>> {
        let state: Arc<ThreadDebug> = Arc::pin_init(
            pin_init!(ThreadDebug {
                actions <- Actions::new(None),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(Some(state))
    }

    fn shutdown(&self) {
        self.machine.actions.clear();
    }
}

/// Tells the process that traces a task: that of process `pid`, or the caller's for 0. The answer
/// is 0 if there is none, or none that the caller can see. `ESRCH` if the process has no task.
#[trap(nr::GET_TRACER)]
fn get_tracer(context: &Context<'_>, pid: i32) -> Result<u32> {
    let tracer = match pid {
        0 => context.task().tracer(),
        _ => context.mach().task_of_pid(pid).ok_or(ESRCH)?.tracer(),
    };
    Ok(tracer.map_or(0, |tracer| tracer.nr_in_current_ns()))
}

/// Sets the process that traces a task: that of process `target`, or the caller's for 0. A tracer
/// of 0 or less clears it.
///
/// `ESRCH` if the target has no task or the tracer does not exist, `EPERM` if the target is traced
/// already or the caller may not control it.
#[trap(nr::SET_TRACER)]
fn set_tracer(context: &Context<'_>, args: SetTracerArgs) -> Result {
    let other = match args.target {
        0 => None,
        pid => Some(context.mach().task_of_pid(pid).ok_or(ESRCH)?),
    };
    let task = other.as_deref().unwrap_or(context.task());
    TaskPort::of(task)
        .ok_or(ESRCH)?
        .controlled(context)
        .map_err(|_| EPERM)?;
    let tracer = match u32::try_from(args.tracer) {
        Ok(0) | Err(_) => None,
        Ok(pid) => Some(ProcessId::from_current_ns(pid).ok_or(ESRCH)?),
    };
    if task.set_tracer(tracer) {
        Ok(())
    } else {
        Err(EPERM)
    }
}
