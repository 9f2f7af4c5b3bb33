// SPDX-License-Identifier: GPL-2.0

//! What every Mach program needs before any subsystem comes into play: the device and its
//! descriptors, tasks and threads and their lives, trap dispatch, user memory, counters.
//!
//! Serves `traps` and `loader`; knows neither. A subsystem enters through [`Subsystem`].
//!
//! # Locks
//!
//! From the outside in; a thread that holds one may take only those after it:
//!
//! 1. `Mach::birth` (mutex): a process gets its task. Held while subsystems make their state, and
//!    while the commpage is mapped for a forked child, which takes the mmap lock.
//! 2. `Suspension::stops` (mutex): what stops the threads of a task.
//!    `DebugRegisters::state` (mutex): the breakpoints of a thread. Locks of perf come after it.
//! 3. `ProcessTable::buckets` (spinlocks), one at a time: look-up by process. Taken in probes.
//! 4. `Thread::last_child`, `EarlyChild::child`, `Task::tracer`, `Task::vchroot`,
//!    `Task::dyld_info`, `Parking::frame`, `Handed::state`, `History::ring` (spinlocks): leaves.
//!
//! Those of `watch`, which tell of processes, stand there; watchers' come after them.
//!
//! The locks of a subsystem come after all of these and are never held when core is called. The
//! path of a trap takes none of them.

mod arg;
mod chardev;
pub(crate) mod commpage;
mod debug;
mod debug_registers;
mod handed;
mod history;
mod lifecycle;
mod mach;
mod object;
mod process_table;
mod program;
mod registry;
mod result;
mod states;
mod stats;
mod stop;
mod subsystem;
mod suspend_count;
mod suspension;
mod task;
mod task_facts;
mod tasks;
mod termination;
mod thread;
mod trap;
pub(crate) mod user;
mod vchroot;
mod watch;

pub(crate) use self::{
    arg::{
        InOut,
        Out,
        TrapArg, //
    },
    chardev::MachDevice,
    commpage::{
        CommPageGuard,
        COMMPAGE32_ADDRESS,
        COMMPAGE_ADDRESS, //
    },
    debug::DebugFiles,
    debug_registers::{
        DebugRegisters,
        Values as DebugValues, //
    },
    handed::{
        HandedState,
        FLOAT_WORDS,
        GENERAL_WORDS, //
    },
    lifecycle::PreparedExec,
    mach::{
        mach,
        Mach,
        Published, //
    },
    object::{
        Live,
        ObjectCounter, //
    },
    registry::{
        assert_unique,
        TrapRegistry, //
    },
    result::{
        BsdError,
        BsdResult,
        Interrupted,
        KernError,
        KernResult,
        Outcome,
        RetVal,
        TrapReturn, //
    },
    stats::Event,
    subsystem::{
        Birth,
        Making,
        Manifest,
        StateKey,
        StateKeys,
        Subsystem,
        TaskState,
        ThreadState, //
    },
    task::Task,
    task_facts::{
        ClaimedIds,
        DyldInfo, //
    },
    termination::terminate,
    thread::Thread,
    trap::{
        Context,
        TrapDescriptor, //
    },
    vchroot::Vchroot,
    watch::{
        ProcessEvent,
        ProcessWatcher,
        Watch, //
    },
};
