// SPDX-License-Identifier: GPL-2.0

//! The routine that tells about threads (ABI mig §3.6; XNU osfmk/kern/thread_act.c). What Linux
//! does not count is 0. No locks.

use super::info_structs::TimeValue;
use crate::{
    core::KernError,
    linux::usage::{
        self,
        State, //
    },
    traps::ipc::{
        Call,
        RoutineDescriptor,
        RoutineResult,
        ThreadPort,
        Words, //
    },
};
use core::mem::size_of;
use kernel::sync::atomic::ordering::Relaxed;
use mach_macros::{
    routine,
    routines, //
};
use zerocopy_derive::{
    Immutable,
    IntoBytes, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![thread_info];

/// Words that the routine may answer with.
const MAX: usize = 32;

mod flavor {
    pub(super) const BASIC: i32 = 3;
    pub(super) const IDENTIFIER: i32 = 4;
}

/// `thread_basic_info`
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct ThreadBasic {
    user_time: TimeValue,
    system_time: TimeValue,
    cpu_usage: u32,
    policy: u32,
    run_state: u32,
    flags: u32,
    suspend_count: u32,
    sleep_time: u32,
}

/// `thread_identifier_info`
#[derive(IntoBytes, Immutable)]
#[repr(C, packed(4))]
struct ThreadIdentifier {
    id: u64,
    handle: u64,
    dispatch_queue: u64,
}

/// Tells of a thread what `which` says. `KERN_INVALID_ARGUMENT` for other kinds and without room
/// for all of it, `KERN_NO_ACCESS`, `KERN_FAILURE` when the thread has ended.
#[routine(3612)]
fn thread_info(
    call: &Call<'_>,
    thread: &ThreadPort,
    which: i32,
    room: u32,
) -> RoutineResult<Words<MAX>> {
    const RUNNING: u32 = 1;
    const STOPPED: u32 = 2;
    const WAITING: u32 = 3;
    const UNINTERRUPTIBLE: u32 = 4;

    thread.check_control()?;
    let (process, tid) = (thread.process(), thread.tid());
    let (times, state) = usage::thread(process, tid).ok_or(KernError::FAILURE)?;
    let own = thread
        .thread(call.context().mach())
        .map_err(|_| KernError::FAILURE)?;
    let task = call.context().mach().task_of(process);
    let stopped = own.suspend_count() != 0 || task.is_some_and(|task| task.suspend_count() != 0);
    match which {
        flavor::BASIC => Words::of_if_room(
            &ThreadBasic {
                user_time: times.user.into(),
                system_time: times.system.into(),
                cpu_usage: 0,
                policy: 0,
                run_state: match state {
                    _ if stopped => STOPPED,
                    State::Running => RUNNING,
                    State::Sleeping => WAITING,
                    State::Waiting => UNINTERRUPTIBLE,
                    State::Stopped => STOPPED,
                },
                flags: 0,
                suspend_count: own.suspend_count(),
                sleep_time: 0,
            },
            room,
        ),
        flavor::IDENTIFIER => {
            let id = usage::thread_nr_in_current_ns(process, tid).unwrap_or(0);
            Words::of_if_room(
                &ThreadIdentifier {
                    id: u64::from(id),
                    handle: own.pthread_handle.load(Relaxed),
                    dispatch_queue: own.dispatch_queue.load(Relaxed),
                },
                room,
            )
        }
        _ => Err(KernError::INVALID_ARGUMENT.into()),
    }
}

const _: () = {
    assert!(size_of::<ThreadBasic>() == 4 * 10);
    assert!(size_of::<ThreadIdentifier>() == 4 * 6);
};
