// SPDX-License-Identifier: GPL-2.0

//! Suspending tasks and threads by message (ABI mig §3.2, §3.3; XNU osfmk/kern/task.c,
//! thread_act.c).
//!
//! What a task has suspended by [`task_suspend`] goes on when that task ends, as XNU does with
//! suspension tokens that it hides in the name space of the caller. A task that has suspended
//! itself, and a thread, waits for somebody to resume it.
//!
//! Locks: `Holds::state` (mutex), of one task at a time.

use crate::{
    core::{
        mach,
        Context,
        KernError,
        KernResult,
        Mach,
        Task, //
    },
    traps::ipc::{
        kind,
        offer_once,
        Call,
        KernelObject,
        RoutineDescriptor,
        RoutineResult,
        SendOnceRight,
        TaskNamePort,
        TaskPort,
        ThreadPort, //
    },
};
use core::{
    any::Any,
    mem,
    ptr, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            ordering::Full,
            Atomic, //
        },
        Arc,
        Mutex, //
    },
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    task_suspend,
    task_resume,
    task_suspend2,
    task_resume2,
    thread_suspend,
    thread_resume,
    thread_abort,
    thread_abort_safely,
];

/// The suspensions of a task by others, and of others by it.
#[pin_data]
pub(super) struct Holds {
    #[pin]
    state: Mutex<State>,
}

struct State {
    /// Who has suspended the task; itself as `None`.
    by: KVec<(Option<TaskNamePort>, u32)>,
    /// What it has suspended, or had.
    others: KVec<TaskNamePort>,
    /// Itself, if there are any of those.
    own: Option<TaskNamePort>,
}

impl Holds {
    /// Makes those of a new task. Allocates nothing.
    pub(super) fn new() -> impl PinInit<Self> {
        let state = State {
            by: KVec::new(),
            others: KVec::new(),
            own: None,
        };
        pin_init!(Self {
            state <- new_mutex!(state, "Holds::state"),
        })
    }

    /// Those of `task`. `KERN_FAILURE` if there have never been any.
    fn of(task: &Task) -> KernResult<&Self> {
        let state = super::STATE.of_task(task).ok_or(KernError::FAILURE)?;
        Ok(&state.holds)
    }

    /// Those of `task`, for more. Fails without memory.
    fn for_more_of(task: &Task) -> KernResult<&Self> {
        let state = super::STATE.for_task(task);
        let state = state.map_err(|_| KernError::RESOURCE_SHORTAGE)?;
        Ok(&state.holds)
    }

    /// Notes one suspension more by `owner`. Fails without memory.
    fn add(&self, owner: Option<&TaskNamePort>) -> KernResult {
        let mut state = self.state.lock();
        if let Some((_, count)) = state.by.iter_mut().find(|(by, _)| by.as_ref() == owner) {
            *count = count.checked_add(1).ok_or(KernError::FAILURE)?;
            return Ok(());
        }
        Ok(state.by.push((owner.cloned(), 1), GFP_KERNEL_ACCOUNT)?)
    }

    /// Takes back one suspension by `owner`, or by anybody if `owner` has none. `KERN_FAILURE` if
    /// nobody has one.
    fn take(&self, owner: Option<&TaskNamePort>) -> KernResult {
        let mut state = self.state.lock();
        let own = state.by.iter().position(|(by, _)| by.as_ref() == owner);
        let last = state.by.len().checked_sub(1).ok_or(KernError::FAILURE)?;
        let place = own.unwrap_or(last);
        let (_, count) = state.by.get_mut(place).ok_or(KernError::FAILURE)?;
        *count = count.saturating_sub(1);
        if *count == 0 {
            let _ = state.by.remove(place);
        }
        Ok(())
    }

    /// Takes back all suspensions by `owner`, and returns how many there were.
    fn take_all(&self, owner: &TaskNamePort) -> u32 {
        let mut state = self.state.lock();
        let place = state
            .by
            .iter()
            .position(|(by, _)| by.as_ref() == Some(owner));
        place
            .and_then(|place| state.by.remove(place).ok())
            .map_or(0, |(_, count)| count)
    }

    /// Remembers that this task, `own`, suspends `other`. Fails without memory.
    fn remember(&self, mach: &Mach, own: &TaskNamePort, other: &TaskNamePort) -> KernResult {
        let mut state = self.state.lock();
        if !state.others.contains(other) {
            state.others.retain(|other| other.task(mach).is_ok());
            state.others.push(other.clone(), GFP_KERNEL_ACCOUNT)?;
        }
        if state.own.is_none() {
            state.own = Some(own.clone());
        }
        Ok(())
    }

    /// The task has ended: what it has suspended goes on.
    pub(super) fn task_ended(&self) {
        let (own, others) = {
            let mut state = self.state.lock();
            (
                state.own.take(),
                mem::replace(&mut state.others, KVec::new()),
            )
        };
        let (Some(own), Some(mach)) = (own, mach()) else {
            return;
        };
        for other in &others {
            // What has ended is suspended no more.
            let Ok(task) = other.task(&mach) else {
                continue;
            };
            let count = Self::of(&task).map_or(0, |holds| holds.take_all(&own));
            for _ in 0..count {
                let _ = task.resume();
            }
        }
    }
}

/// `caller` as the owner of a suspension of `task`: nobody if that is itself.
fn owner<'a>(caller: &Context<'a>, task: &Task) -> KernResult<Option<&'a TaskNamePort>> {
    if ptr::eq(task, caller.task()) {
        return Ok(None);
    }
    let own = TaskPort::of(caller.task()).ok_or(KernError::FAILURE)?;
    Ok(Some(own.name()))
}

/// Takes back one suspension of `task`: one of the caller's, or if it has none anybody's.
/// `KERN_FAILURE` if there is none.
pub(crate) fn resume(caller: &Context<'_>, task: &Task) -> KernResult {
    Holds::of(task)?.take(owner(caller, task)?)?;
    task.resume()
}

/// Suspends a task once more.
///
/// `KERN_NO_ACCESS`, `KERN_INVALID_TASK`, `KERN_RESOURCE_SHORTAGE`.
#[routine(3407)]
fn task_suspend(call: &Call<'_>, port: &TaskPort) -> KernResult {
    let task = port.controlled(call.context())?;
    let holds = Holds::for_more_of(&task)?;
    let owner = owner(call.context(), &task)?;
    if let Some(owner) = owner {
        let own = Holds::for_more_of(call.task())?;
        own.remember(call.context().mach(), owner, port.name())?;
    }
    task.suspend()?;
    holds.add(owner).inspect_err(|_| {
        // It was suspended above, and nobody else resumes what has no owner.
        let _ = task.resume();
    })
}

/// Takes back one suspension of a task: one of the caller's, or if it has none anybody's.
///
/// `KERN_FAILURE` if there is none, `KERN_NO_ACCESS`, `KERN_INVALID_TASK`.
#[routine(3408)]
fn task_resume(call: &Call<'_>, port: &TaskPort) -> KernResult {
    resume(call.context(), &*port.controlled(call.context())?)
}

/// A suspension that ends with the right to it.
struct Token {
    task: TaskNamePort,
    spent: Atomic<bool>,
}

impl KernelObject for Token {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::TASK_RESUME
    }
}

impl Token {
    /// Takes back the suspension. `KERN_FAILURE` if that has been done, `KERN_INVALID_TASK` when
    /// the task has ended.
    fn spend(&self) -> KernResult {
        if self.spent.xchg(true, Full) {
            return Err(KernError::FAILURE);
        }
        let mach = mach().ok_or(KernError::FAILURE)?;
        self.task.task(&mach)?.resume()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        // A token that was not used resumes all the same.
        let _ = self.spend();
    }
}

/// Suspends a task once more, until the right that this gives out is used, or is gone.
///
/// Errors as [`task_suspend`].
#[routine(3436)]
fn task_suspend2(call: &Call<'_>, port: &TaskPort) -> RoutineResult<SendOnceRight> {
    let task = port.controlled(call.context())?;
    task.suspend()?;
    let token = Token {
        task: port.name().clone(),
        spent: Atomic::new(false),
    };
    // From here on the token takes the suspension back when something fails.
    let token = Arc::new(token, GFP_KERNEL_ACCOUNT)?;
    Ok(offer_once(token).map_err(|_| KernError::RESOURCE_SHORTAGE)?)
}

/// Takes back the suspension that `token` stands for.
#[routine(3437)]
fn task_resume2(_call: &Call<'_>, token: &Token) -> KernResult {
    token.spend()
}

/// Suspends a thread once more.
///
/// `KERN_NO_ACCESS`, `KERN_TERMINATED`, `KERN_RESOURCE_SHORTAGE`.
#[routine(3605)]
fn thread_suspend(call: &Call<'_>, port: &ThreadPort) -> KernResult {
    let (task, thread) = port.controlled(call.context())?;
    task.suspend_thread(&thread)
}

/// Takes back one suspension of a thread. `KERN_FAILURE` if there is none, and as above.
#[routine(3606)]
fn thread_resume(call: &Call<'_>, port: &ThreadPort) -> KernResult {
    let (task, thread) = port.controlled(call.context())?;
    task.resume_thread(&thread)
}

/// Ends what a thread waits for in the kernel.
#[routine(3607)]
fn thread_abort(call: &Call<'_>, port: &ThreadPort) -> KernResult {
    port.controlled(call.context())?.1.abort()
}

/// The same: waits that cannot be begun again after it are not ended.
#[routine(3608)]
fn thread_abort_safely(call: &Call<'_>, port: &ThreadPort) -> KernResult {
    port.controlled(call.context())?.1.abort()
}
