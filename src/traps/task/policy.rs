// SPDX-License-Identifier: GPL-2.0

//! Scheduling policies and vouchers of tasks and threads (ABI mig §3.2, §3.3).
//!
//! Policies have no counterpart in Linux. They are kept and told; that setting one succeeds is what
//! libpthread and launchd rely on (ABI mig §4).
//!
//! Locks: `Policies::kept` (spinlock), a leaf.

use crate::{
    core::{
        KernError,
        KernResult,
        StateKey,
        ThreadState, //
    },
    traps::ipc::{
        kind,
        Call,
        RoutineDescriptor,
        SendRight,
        TaskPort,
        ThreadPort,
        Words, //
    },
};
use core::any::Any;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    task_policy_set,
    task_policy_get,
    task_get_mach_voucher,
    task_set_mach_voucher,
    task_swap_mach_voucher,
    thread_policy_set,
    thread_policy_get,
];

/// Words that a policy may have.
const MAX: usize = 16;

/// Kinds of policies are below this.
const FLAVORS: usize = 16;

/// A policy as it was set: the number of words, and those.
#[derive(Clone, Copy, Default)]
struct Policy {
    count: usize,
    words: [u32; MAX],
}

impl Policy {
    fn new(words: &[u32]) -> Self {
        let mut policy = Self {
            count: words.len().min(MAX),
            words: [0; MAX],
        };
        for (place, word) in policy.words.iter_mut().zip(words) {
            *place = *word;
        }
        policy
    }

    /// The words, if there is room for them.
    fn words(&self, room: u32) -> KernResult<Words<MAX>> {
        // CAST: `u32` to `usize` loses nothing.
        if (room as usize) < self.count {
            return Err(KernError::INVALID_ARGUMENT);
        }
        let mut words = KVec::with_capacity(self.count, GFP_KERNEL_ACCOUNT)?;
        let kept = self.words.get(..self.count).unwrap_or_default();
        words.extend_from_slice(kept, GFP_KERNEL_ACCOUNT)?;
        Ok(Words(words))
    }
}

/// The policies of a task or thread that have been set.
#[pin_data]
pub(super) struct Policies {
    #[pin]
    kept: SpinLock<KVec<(u32, Policy)>>,
}

/// Those of a thread.
pub(super) static OF_THREAD: StateKey<Policies> = StateKey::new();

impl Policies {
    /// Makes those of a new task or thread. Allocates nothing.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            kept <- new_spinlock!(KVec::new(), "Policies::kept"),
        })
    }

    /// Keeps a policy; one of a kind that there is not is forgotten at once. Fails without memory.
    fn set(&self, flavor: u32, words: &[u32]) -> KernResult {
        // CAST: `u32` to `usize` loses nothing.
        if flavor as usize >= FLAVORS {
            return Ok(());
        }
        let policy = Policy::new(words);
        let mut spare = KVec::new();
        loop {
            let mut kept = self.kept.lock();
            if let Some((_, place)) = kept.iter_mut().find(|(kind, _)| *kind == flavor) {
                *place = policy;
                return Ok(());
            }
            if kept.push_within_capacity((flavor, policy)).is_ok() {
                return Ok(());
            }
            // All kinds have room in this.
            if spare.capacity() > kept.capacity() {
                core::mem::swap(&mut *kept, &mut spare);
                for entry in &spare {
                    drop(kept.push_within_capacity(*entry));
                }
                continue;
            }
            drop(kept);
            spare = KVec::with_capacity(FLAVORS, GFP_KERNEL_ACCOUNT)?;
        }
    }

    fn get(&self, flavor: u32) -> Option<Policy> {
        let kept = self.kept.lock();
        let found = kept.iter().find(|(kind, _)| *kind == flavor)?;
        Some(found.1)
    }
}

impl ThreadState for Policies {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What `policies` have of `flavor`, else `default`; and whether it is the default.
fn tell(
    policies: &Policies,
    flavor: u32,
    room: u32,
    get_default: u32,
    default: Option<Policy>,
) -> KernResult<(Words<MAX>, u32)> {
    let set = if get_default == 0 {
        policies.get(flavor)
    } else {
        None
    };
    match (set, default) {
        (Some(policy), _) => Ok((policy.words(room)?, 0)),
        (None, Some(policy)) => Ok((policy.words(room)?, 1)),
        (None, None) => Err(KernError::INVALID_ARGUMENT),
    }
}

/// What a task has of a policy that nobody has set (XNU osfmk/mach/task_policy.h).
fn default_of_task(flavor: u32) -> Option<Policy> {
    const CATEGORY: u32 = 1;
    const BASE_QOS: u32 = 8;
    const OVERRIDE_QOS: u32 = 9;

    match flavor {
        CATEGORY => Some(Policy::new(&[0])),
        // No tier of latency and of throughput
        BASE_QOS | OVERRIDE_QOS => Some(Policy::new(&[0, 0])),
        _ => None,
    }
}

/// What a thread has of a policy that nobody has set (XNU osfmk/mach/thread_policy.h).
fn default_of_thread(flavor: u32) -> Option<Policy> {
    const EXTENDED: u32 = 1;
    const TIME_CONSTRAINT: u32 = 2;
    const PRECEDENCE: u32 = 3;
    const AFFINITY: u32 = 4;
    const BACKGROUND: u32 = 5;
    const LATENCY_QOS: u32 = 7;
    const THROUGHPUT_QOS: u32 = 8;
    const QOS: u32 = 9;

    match flavor {
        // It shares the processor with others.
        EXTENDED => Some(Policy::new(&[1])),
        // It has no period and no constraint, and may be preempted.
        TIME_CONSTRAINT => Some(Policy::new(&[0, 0, 0, 1])),
        PRECEDENCE | AFFINITY | BACKGROUND | LATENCY_QOS | THROUGHPUT_QOS => {
            Some(Policy::new(&[0]))
        }
        QOS => Some(Policy::new(&[0, 0])),
        _ => None,
    }
}

/// Keeps a policy of a task.
#[routine(3420)]
fn task_policy_set(
    call: &Call<'_>,
    port: &TaskPort,
    flavor: u32,
    policy: Words<MAX>,
) -> KernResult {
    let task = port.controlled(call.context())?;
    let state = super::STATE.for_task(&task);
    let state = state.map_err(|_| KernError::RESOURCE_SHORTAGE)?;
    state.policies.set(flavor, policy.0.as_slice())
}

/// Tells a policy of a task, and whether it is the default one. `KERN_INVALID_ARGUMENT` for a kind
/// that there is not, and without room for it.
#[routine(3421)]
fn task_policy_get(
    call: &Call<'_>,
    port: &TaskPort,
    flavor: u32,
    room: u32,
    get_default: u32,
) -> KernResult<(Words<MAX>, u32)> {
    let task = port.controlled(call.context())?;
    let state = super::STATE.of_task_or_default(&task);
    let state = state.ok_or(KernError::FAILURE)?;
    let default = default_of_task(flavor);
    tell(&state.policies, flavor, room, get_default, default)
}

/// Keeps a policy of a thread.
#[routine(3617)]
fn thread_policy_set(
    call: &Call<'_>,
    port: &ThreadPort,
    flavor: u32,
    policy: Words<MAX>,
) -> KernResult {
    let (_, thread) = port.controlled(call.context())?;
    let policies = OF_THREAD.for_thread(&thread);
    let policies = policies.map_err(|_| KernError::RESOURCE_SHORTAGE)?;
    policies.set(flavor, policy.0.as_slice())
}

/// Tells a policy of a thread. As [`task_policy_get`].
#[routine(3618)]
fn thread_policy_get(
    call: &Call<'_>,
    port: &ThreadPort,
    flavor: u32,
    room: u32,
    get_default: u32,
) -> KernResult<(Words<MAX>, u32)> {
    let (_, thread) = port.controlled(call.context())?;
    let policies = OF_THREAD.of_thread_or_default(&thread);
    let policies = policies.ok_or(KernError::FAILURE)?;
    let default = default_of_thread(flavor);
    tell(policies, flavor, room, get_default, default)
}

/// Gives out the voucher of a task, which is the null one. `KERN_INVALID_ARGUMENT` for another
/// selector than 0.
#[routine(3439)]
fn task_get_mach_voucher(
    call: &Call<'_>,
    port: &TaskPort,
    which: u32,
) -> KernResult<Option<SendRight>> {
    port.controlled(call.context())?;
    if which != 0 {
        return Err(KernError::INVALID_ARGUMENT);
    }
    Ok(None)
}

/// A voucher, or none. `KERN_INVALID_ARGUMENT` for another right.
fn check_voucher(voucher: Option<SendRight>) -> KernResult {
    match voucher.map(|right| right.port().kernel_object()) {
        Some(object)
            if object
                .as_ref()
                .is_none_or(|object| object.kind() != kind::VOUCHER) =>
        {
            Err(KernError::INVALID_ARGUMENT)
        }
        _ => Ok(()),
    }
}

/// Sets the voucher of a task. As in XNU that is accepted, and the task has the null one all the
/// same. `KERN_INVALID_ARGUMENT` for what is no voucher.
#[routine(3440)]
fn task_set_mach_voucher(
    call: &Call<'_>,
    port: &TaskPort,
    voucher: Option<SendRight>,
) -> KernResult {
    port.controlled(call.context())?;
    check_voucher(voucher)
}

/// Sets the voucher of a task as [`task_set_mach_voucher`], and gives out the previous one.
#[routine(3441)]
fn task_swap_mach_voucher(
    call: &Call<'_>,
    port: &TaskPort,
    new: Option<SendRight>,
    _old: Option<SendRight>,
) -> KernResult<Option<SendRight>> {
    port.controlled(call.context())?;
    check_voucher(new).map(|()| None)
}
