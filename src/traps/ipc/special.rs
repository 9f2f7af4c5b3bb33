// SPDX-License-Identifier: GPL-2.0

//! The ports that a task, a thread and the machine have from the kernel, and what they stand for.
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
    transit::{
        self,
        Transit, //
    },
    SPACE,
    THREAD, //
};
use crate::{
    abi::PortName,
    core::{
        Context,
        KernError,
        KernResult,
        Mach,
        Task,
        Thread, //
    },
    linux::{
        access,
        global::Published,
        process::ProcessId, //
    },
};
use core::{
    any::Any,
    ptr, //
};
use kernel::{
    mm::MmWithUser,
    new_spinlock,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
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

/// What a task port stands for: control over a task.
#[derive(Clone)]
pub(crate) struct TaskPort {
    /// What it can be asked for as well: what anybody may know who can name the task.
    name: TaskNamePort,
}

impl KernelObject for TaskPort {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::TASK
    }

    fn lesser(&self) -> Option<&dyn Any> {
        Some(&self.name)
    }
}

impl TaskPort {
    /// Makes the object for a new task of the current process.
    fn new() -> Self {
        Self {
            name: TaskNamePort {
                process: ProcessId::current(),
                // INVARIANT: 64 bits do not wrap, so no two tasks have the same identity.
                id: LAST_ID.fetch_add(1, Relaxed),
            },
        }
    }

    /// The task, while it lives. `KERN_INVALID_TASK` when it has ended.
    pub(crate) fn task(&self, mach: &Mach) -> KernResult<Arc<Task>> {
        self.name.task(mach)
    }

    /// The task, if `caller` may control it: it is the caller itself, or one that it might trace.
    /// `KERN_NO_ACCESS` if not, `KERN_INVALID_TASK` when the task has ended.
    ///
    /// Who has a task's port has it from the task itself or from somebody who was allowed to get
    /// it. That is no reason to let it control what the caller has no business with: this is
    /// checked at each use.
    pub(crate) fn controlled(&self, caller: &Context<'_>) -> KernResult<Arc<Task>> {
        let task = self.task(caller.mach())?;
        if !ptr::eq(&*task, caller.task()) {
            self.mm_of(&task)?;
        }
        Ok(task)
    }

    /// The address space of the task, if `caller` may control it. Errors as
    /// [`controlled`](Self::controlled).
    pub(crate) fn controlled_mm(&self, caller: &Context<'_>) -> KernResult<ARef<MmWithUser>> {
        self.mm_of(&*self.task(caller.mach())?)
    }

    fn mm_of(&self, task: &Task) -> KernResult<ARef<MmWithUser>> {
        let mm = access::controlled_mm(self.name.process()).map_err(|error| match error {
            EPERM => KernError::NO_ACCESS,
            EINTR => KernError::ABORTED,
            _ => KernError::INVALID_TASK,
        })?;
        // The process may have got another image while it was looked up: it is not this task then.
        task.is_for_mm(&mm)
            .then_some(mm)
            .ok_or(KernError::INVALID_TASK)
    }

    /// What the port of `task` stands for.
    pub(crate) fn of(task: &Task) -> Option<&Self> {
        Some(&SPACE.of_task(task)?.special.object)
    }

    /// What names the task, and tells it from others.
    pub(crate) fn name(&self) -> &TaskNamePort {
        &self.name
    }
}

/// The last identity of a task that was given out.
static LAST_ID: Atomic<u64> = Atomic::new(0);

/// What a task's name port stands for: a task that can be told from others, and asked for what is
/// public, but not controlled.
#[derive(Clone)]
pub(crate) struct TaskNamePort {
    process: ProcessId,
    /// Tells the task from others of the same process.
    id: u64,
}

impl KernelObject for TaskNamePort {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::TASK_NAME
    }
}

impl PartialEq for TaskNamePort {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl TaskNamePort {
    /// The process that the task is or was for. It may have another task by now.
    pub(crate) fn process(&self) -> &ProcessId {
        &self.process
    }

    /// The task, while it lives. `KERN_INVALID_TASK` when it has ended, be it that its process has
    /// loaded another image: that has a task, and a port, of its own.
    pub(crate) fn task(&self, mach: &Mach) -> KernResult<Arc<Task>> {
        mach.task_of(&self.process)
            .filter(|task| TaskPort::of(task).is_some_and(|object| object.name.id == self.id))
            .ok_or(KernError::INVALID_TASK)
    }
}

/// The port by which `task` is controlled.
pub(crate) fn control_right(task: &Task) -> Option<SendRight> {
    SPACE.of_task(task)?.special.task_right()
}

/// The port by which `task` is named.
pub(crate) fn name_right(task: &Task) -> Option<SendRight> {
    SPACE.of_task(task)?.special.name_right()
}

/// The port by which `thread` is controlled.
pub(crate) fn thread_right(thread: &Thread) -> Option<SendRight> {
    THREAD.of_thread(thread)?.send_right()
}

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
        self.name.send_right(|| self.object.name.clone())
    }

    /// The task's own port dies. The others stay, for children that still inherit.
    pub(super) fn task_ended(&self) {
        self.task_self.end();
        self.name.end();
    }
}

/// What a thread port stands for: control over a thread.
pub(crate) struct ThreadPort {
    process: ProcessId,
    tid: u32,
}

impl KernelObject for ThreadPort {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::THREAD
    }
}

impl ThreadPort {
    /// Makes the object for a thread of `process`.
    pub(super) fn new(process: ProcessId, tid: u32) -> Self {
        Self { process, tid }
    }

    /// The process that the thread is or was in.
    pub(crate) fn process(&self) -> &ProcessId {
        &self.process
    }

    /// The thread, while it lives. `KERN_TERMINATED` when it has ended.
    pub(crate) fn thread(&self, mach: &Mach) -> KernResult<Arc<Thread>> {
        mach.task_of(&self.process)
            .and_then(|task| task.thread(self.tid))
            .filter(|thread| {
                // Another one may have got the number since.
                let ipc = THREAD.of_thread(thread);
                ipc.is_some_and(|ipc| ipc.port.stands_for(self))
            })
            .ok_or(KernError::TERMINATED)
    }

    /// The thread and its task, if `caller` may control it. Errors as
    /// [`check_control`](Self::check_control) and [`thread`](Self::thread).
    pub(crate) fn controlled(&self, caller: &Context<'_>) -> KernResult<(Arc<Task>, Arc<Thread>)> {
        self.check_control()?;
        let task = caller
            .mach()
            .task_of(&self.process)
            .ok_or(KernError::TERMINATED)?;
        Ok((task, self.thread(caller.mach())?))
    }

    /// Whether `caller` may control the thread: it is of the same process, or of one that the
    /// caller might trace. `KERN_NO_ACCESS` if not, `KERN_TERMINATED` when the process is gone.
    pub(crate) fn check_control(&self) -> KernResult {
        if self.process.is_current() {
            return Ok(());
        }
        access::controlled_mm(&self.process)
            .map(drop)
            .map_err(|error| match error {
                EPERM => KernError::NO_ACCESS,
                EINTR => KernError::ABORTED,
                _ => KernError::TERMINATED,
            })
    }

    /// The thread's number in the first pid namespace.
    pub(crate) fn tid(&self) -> u32 {
        self.tid
    }
}
