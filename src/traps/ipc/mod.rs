// SPDX-License-Identifier: GPL-2.0

//! Mach IPC: name spaces, rights, ports, port sets and messages (ABI traps §5 and §6).
//!
//! Other subsystems use what is exported here: [`KernelObject`] and [`KernelPort`] to offer
//! objects by port, and routines (`#[routine(id)]`, see `routine`) to answer what is asked of them
//! by message.
//!
//! | file | what |
//! |---|---|
//! | `right` | rights as values that cannot be lost |
//! | `port`, `port_object`, `port_queue`, `port_death` | ports: what they are, what they stand for, how messages pass, how they end |
//! | `set`, `membership`, `waiter` | port sets; what is in them; who waits at ports and sets |
//! | `space`, `table`, `entry`, `growth`, `free_names`, `send_names` | names, and what they denote |
//! | `enter`, `take`, `names` | rights come under names, leave them, and are dropped there |
//! | `message`, `copyin`, `copyout`, `send`, `receive` | the way of a message |
//! | `buffer`, `carried`, `sender` | the bytes of a message; what its body carries besides; who sent it |
//! | `body_in`, `body_out`, `ool`, `layout` | the way of what its body carries |
//! | `guarded` | receive rights that travel with their guards |
//! | `withdraw` | what was given out for nothing is taken back |
//! | `notify`, `kobject` | what the kernel sends and receives itself |
//! | `special`, `task_port`, `thread_port` | the ports that tasks and threads have from the kernel |
//! | `routine`, `request`, `param`, `reply`, `results`, `reply_message` | how kernel objects are asked and answer |
//! | `kernel_request` | how the kernel asks |
//! | `registered` | the ports that a task keeps for its children |
//! | `special_routines`, `port_routines`, `name_routines`, `array_routines`, `guard_routines`, `port_info_routines` | the routines of IPC |
//! | `account` | what a task makes the kernel keep, and the limit of that |
//! | `objects` | how other subsystems have objects behind names |
//! | `watch` | how kqueues wait at ports and sets |
//! | `requests`, `transit` | who wants to be told of what; receive rights on their way |
//! | `mach_msg`, `names_traps`, `attributes`, `request_traps`, `self_ports` | the traps |
//!
//! # Locks
//!
//! From the outside in:
//!
//! 1. `Transit::lock` (mutex): receive rights enter messages.
//! 2. `Space::table` (spinlock): one space at a time.
//! 3. `Port::state` (spinlock): one port at a time.
//! 4. `PortSet::state` (spinlock): one set at a time.
//!
//! A port's message queue, its requests and the queues of those who wait at it are part of its
//! state, those who wait at a set of the set's. Waiters have no lock: whoever takes one out of a
//! queue says how its wait ended, see `waiter`. Counts of rights and of memory are atomics.
//!
//! `SpecialPorts::slots`, `ThreadIpc::special_reply` and `ThreadIpc::stand_in` (spinlocks) are leaves.
//! Under a spinlock nothing is allocated, no user memory is touched, and no right is dropped: what
//! leaves a table or a queue is given to the caller, who drops it when the lock is released. Waking
//! a thread is the one thing done under these locks that takes others, those of the scheduler.

mod account;
mod array_routines;
mod attributes;
mod body_in;
mod body_out;
mod buffer;
mod carried;
mod copyin;
mod copyout;
mod enter;
mod entry;
mod error;
mod free_names;
mod growth;
mod guard_routines;
mod guarded;
mod kernel_request;
mod kobject;
mod layout;
mod mach_msg;
mod membership;
mod message;
mod name_routines;
mod names;
mod names_traps;
mod notify;
mod objects;
mod ool;
mod param;
mod port;
mod port_death;
mod port_info_routines;
mod port_object;
mod port_queue;
mod port_routines;
mod receive;
mod registered;
mod reply;
mod reply_message;
mod request;
mod request_traps;
mod requests;
mod results;
mod right;
mod routine;
mod self_ports;
mod send;
mod send_names;
mod sender;
mod set;
mod space;
mod special;
mod special_routines;
mod table;
mod take;
mod task_port;
mod thread;
mod thread_port;
mod transit;
mod waiter;
mod watch;
mod withdraw;

pub(crate) use self::{
    kernel_request::request as request_of_user,
    kobject::{
        as_kind,
        kind,
        KernelObject,
        KernelPort, //
    },
    objects::{
        attachment_named,
        destroy_name,
        object_named,
        offer_by_right,
        offer_once,
        with_offered,
        PreparedMessage,
        PreparedMessages,
        UserPort, //
    },
    param::{
        AnyRight,
        Bytes,
        Memory,
        Rows,
        WideWords,
        Words, //
    },
    port::Port,
    port_object::Attachment,
    reply::{
        Reply,
        RoutineReturn, //
    },
    request::{
        Param,
        Request,
        Shape, //
    },
    results::{
        OutOfLine,
        PortList,
        SendRights,
        Text,
        VmSize,
        WordList, //
    },
    right::{
        SendOnceRight,
        SendRight, //
    },
    routine::{
        assert_unique_routines,
        refused_routines,
        Call,
        Refusal,
        RoutineDescriptor,
        RoutineResult,
        RoutineSet,
        RoutineTable, //
    },
    sender::{
        audit_token,
        security_token, //
    },
    special::{
        give,
        take_back,
        HostPort, //
    },
    task_port::{
        control_right,
        name_right,
        TaskNamePort,
        TaskPort, //
    },
    thread_port::{
        thread_right,
        ThreadPort, //
    },
    watch::{
        watch_messages,
        MessageWatch,
        MessageWatcher,
        NotWatched, //
    },
};

use self::{
    space::Space,
    special::{
        Host,
        SpecialPorts, //
    },
    thread::ThreadIpc, //
};
use crate::{
    core::{
        Birth,
        Context,
        Making,
        Manifest,
        StateKey,
        StateKeys,
        Subsystem,
        TaskState,
        ThreadState, //
    },
    linux::debugfs::Report,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The space of a task.
static SPACE: StateKey<Space> = StateKey::new();

/// The IPC state of a thread.
static THREAD: StateKey<ThreadIpc> = StateKey::new();

/// The routines of this subsystem.
pub(crate) const ROUTINES: RoutineSet = RoutineSet::new(
    "ipc",
    &[
        special_routines::ROUTINES,
        registered::ROUTINES,
        name_routines::ROUTINES,
        port_routines::ROUTINES,
        array_routines::ROUTINES,
        guard_routines::ROUTINES,
        port_info_routines::ROUTINES,
    ],
);

/// What this subsystem brings along.
pub(crate) static MANIFEST: Manifest = Manifest {
    traps: &[
        mach_msg::TRAPS,
        names_traps::TRAPS,
        attributes::TRAPS,
        request_traps::TRAPS,
        self_ports::TRAPS,
    ],
    objects: &[
        &space::SPACES,
        &table::RIGHTS,
        &port::PORTS,
        &set::SETS,
        &message::MESSAGES,
        &account::BYTES,
        &ool::REGIONS,
        &ool::MEMORY,
    ],
    states: StateKeys::new(Making::AtBirth, &[&SPACE, &THREAD]),
    ..Manifest::new("ipc")
};

/// The subsystem.
pub(crate) struct Ipc {
    host: Arc<Host>,
    limits: Limits,
}

/// What one task can have of the kernel's memory.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// So many names.
    pub(crate) names: u32,
    /// So many mebibytes of messages that wait; 0 is a third of the machine's memory.
    pub(crate) queued_mebibytes: u32,
}

impl Ipc {
    /// Makes what all tasks share. Kernel objects answer `routines`, and each task has these
    /// `limits`. Fails with `ENOMEM`.
    pub(crate) fn new(routines: Arc<RoutineTable>, limits: Limits) -> Result<Self> {
        Ok(Self {
            host: Host::new(routines)?,
            limits,
        })
    }
}

impl Subsystem for Ipc {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn reports(&self) -> Result<KVec<(&'static CStr, Arc<dyn Report>)>> {
        let routines: Arc<dyn Report> = self.host.routines.clone();
        let mut reports = KVec::new();
        reports.push((c"routines", routines), GFP_KERNEL)?;
        Ok(reports)
    }

    fn new_task(&self, birth: &Birth<'_>) -> Result<Option<Arc<dyn TaskState>>> {
        let parent = birth.parent.and_then(|parent| SPACE.of_task(parent));
        let parent = parent.map(|parent| &parent.special);
        let special = SpecialPorts::new(self.host.clone(), parent);
        Ok(Some(Space::new(special, self.limits)?))
    }

    fn new_thread(&self) -> Result<Option<Arc<dyn ThreadState>>> {
        Ok(Some(ThreadIpc::new()?))
    }

    fn number_for_program(&self, context: &Context<'_>) -> Result<Option<(&'static str, u32)>> {
        let name = self_ports::thread_self(context);
        Ok(name.is_valid().then_some(("th_port", name.0)))
    }

    fn shutdown(&self) {
        self.host.port.end();
    }
}
