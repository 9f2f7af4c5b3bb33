// SPDX-License-Identifier: GPL-2.0

//! Traps about the life and identity of tasks and threads (ABI traps §3).

mod image;
mod info;
mod info_structs;
mod layout;
mod lookup;
mod policy;
mod refused;
mod registers;
pub(crate) mod state;
mod suspend;
mod thread_info;
mod threads;

pub(crate) use self::suspend::resume;

use self::{
    policy::Policies,
    suspend::Holds, //
};
use super::ipc::RoutineSet;
use crate::{
    abi::{
        args::UidGid,
        nr, //
    },
    core::{
        Birth,
        ClaimedIds,
        Context,
        Making,
        Manifest,
        Out,
        StateKey,
        StateKeys,
        Subsystem,
        TaskState,
        ThreadState, //
    },
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::{
        atomic::ordering::Full,
        Arc, //
    },
};
use mach_macros::{
    trap,
    traps, //
};

/// The routines of this subsystem.
pub(crate) const ROUTINES: RoutineSet = RoutineSet::new(
    "task",
    &[
        info::ROUTINES,
        policy::ROUTINES,
        refused::ROUTINES,
        registers::ROUTINES,
        suspend::ROUTINES,
        thread_info::ROUTINES,
        threads::ROUTINES,
    ],
);

/// What a task has of this.
static STATE: StateKey<State> = StateKey::new();

#[pin_data]
struct State {
    #[pin]
    holds: Holds,
    #[pin]
    policies: Policies,
}

impl TaskState for State {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn task_ended(&self) {
        self.holds.task_ended();
    }
}

/// What this subsystem brings along.
pub(crate) static MANIFEST: Manifest = Manifest {
    traps: &[
        lookup::TRAPS,
        traps![
            thread_death_announce,
            fork_wait_for_child,
            started_suspended,
            getuidgid,
            setuidgid,
            image::set_dyld_info,
            image::stop_after_exec,
        ],
    ],
    states: StateKeys::new(Making::WhenChanged, &[&STATE, &policy::OF_THREAD]),
    ..Manifest::new("task")
};

/// The subsystem.
pub(crate) struct TaskTraps;

impl Subsystem for TaskTraps {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn new_task(&self, _birth: &Birth<'_>) -> Result<Option<Arc<dyn TaskState>>> {
        let state: Arc<State> = Arc::pin_init(
            pin_init!(State {
                holds <- Holds::new(),
                policies <- Policies::new(),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(Some(state))
    }

    fn new_thread(&self) -> Result<Option<Arc<dyn ThreadState>>> {
        let policies: Arc<Policies> = Arc::pin_init(Policies::new(), GFP_KERNEL_ACCOUNT)?;
        Ok(Some(policies))
    }
}

/// Ends the calling thread as far as Mach is concerned: its ports die. Should it make another
/// trap all the same, it is a new thread.
#[trap(nr::THREAD_DEATH_ANNOUNCE)]
fn thread_death_announce(context: &Context<'_>) -> Result {
    context.task().end_current_thread();
    Ok(())
}

/// Waits until the child that the calling thread forked last has made its first trap, or never
/// will: it has loaded another image, or is gone. Returns at once if there is no such child.
///
/// The answer is 0 even when a signal ends the wait; the child is not waited for again then.
#[trap(nr::FORK_WAIT_FOR_CHILD)]
fn fork_wait_for_child(context: &Context<'_>) -> Result {
    let Some(child) = context.thread().take_last_child() else {
        return Ok(());
    };
    // The contract swallows an interruption: clients look at nothing here.
    let _ = context.mach().wait_until_settled(&child);
    Ok(())
}

/// Tells, once, whether the task was to start suspended; the task then suspends itself.
#[trap(nr::STARTED_SUSPENDED)]
fn started_suspended(context: &Context<'_>) -> Result<u32> {
    let suspended = context.task().starts_suspended.xchg(false, Full);
    Ok(u32::from(suspended))
}

/// Tells the identity that the task claims.
#[trap(nr::GETUIDGID)]
fn getuidgid(context: &Context<'_>, out: Out<UidGid>) -> Result {
    let ids = context.task().claimed_ids();
    out.write(&UidGid {
        // CAST: the words are the same bits in both types.
        uid: ids.uid as i32,
        gid: ids.gid as i32,
    })?;
    Ok(())
}

/// Changes the identity that the task claims; -1 leaves a part as it is. Linux credentials do not
/// change: the identity is for programs to tell each other, and gives no rights.
#[trap(nr::SETUIDGID)]
fn setuidgid(context: &Context<'_>, ids: UidGid) -> Result {
    context.task().claim_ids(ClaimedIds {
        // CAST: the words are the same bits in both types.
        uid: ids.uid as u32,
        gid: ids.gid as u32,
    });
    Ok(())
}
