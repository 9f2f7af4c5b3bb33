// SPDX-License-Identifier: GPL-2.0

//! The routine that tells about tasks (ABI mig §3.6; XNU osfmk/kern/task.c).
//!
//! What Linux does not count is 0, as the interface has no way to leave a field out.

use super::info_structs::{
    AbsoluteTime,
    DyldInfo,
    Events,
    MachTaskBasic,
    TaskBasic32,
    TaskBasic64,
    ThreadTimes,
    VmInfo, //
};
use crate::{
    core::{
        KernError,
        KernResult, //
    },
    linux::{
        machine,
        usage::{
            self,
            Times, //
        },
    },
    traps::ipc::{
        audit_token,
        security_token,
        Call,
        RoutineDescriptor,
        RoutineResult,
        TaskNamePort,
        TaskPort,
        Words, //
    },
};
use mach_macros::{
    routine,
    routines, //
};
use zerocopy::FromZeros;

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![task_info];

/// Words that the routines may answer with.
const MAX: usize = 90;

mod task_flavor {
    pub(super) const ABSOLUTE_TIME: i32 = 1;
    pub(super) const EVENTS: i32 = 2;
    pub(super) const THREAD_TIMES: i32 = 3;
    pub(super) const BASIC_32: i32 = 4;
    pub(super) const BASIC_64: i32 = 5;
    pub(super) const BASIC2_32: i32 = 6;
    pub(super) const SECURITY_TOKEN: i32 = 13;
    pub(super) const AUDIT_TOKEN: i32 = 15;
    pub(super) const DYLD: i32 = 17;
    pub(super) const MACH_BASIC: i32 = 20;
    pub(super) const VM: i32 = 22;
    pub(super) const FLAGS: i32 = 28;
}

/// What fits 32 bits of it.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// The sizes of the task's memory, and the times of its living threads and of those that ended.
fn use_of(task: &TaskNamePort) -> KernResult<(usage::Memory, Times, Times)> {
    let mm = usage::mm_of(task.process()).ok_or(KernError::FAILURE)?;
    let (living, ended) = usage::process_times(task.process()).ok_or(KernError::FAILURE)?;
    Ok((usage::memory(&mm), living, ended))
}

/// Tells of a task what `flavor` says. Sizes and times are public, as `ps` has them, and are told
/// by the name port as well; the rest needs control over the task.
///
/// `KERN_INVALID_ARGUMENT` without room for all of it, `KERN_NO_ACCESS`, `KERN_FAILURE` for other
/// kinds and when the task has ended.
#[routine(3405)]
fn task_info(
    call: &Call<'_>,
    task: &TaskNamePort,
    flavor: i32,
    room: u32,
) -> RoutineResult<Words<MAX>> {
    let context = call.context();
    let living_task = task.task(context.mach()).map_err(|_| KernError::FAILURE)?;
    let controlled = || -> RoutineResult {
        let port: &TaskPort = call.target().map_err(|_| KernError::FAILURE)?;
        Ok(port.controlled(context).map(drop)?)
    };
    match flavor {
        task_flavor::ABSOLUTE_TIME => {
            let (_, living, ended) = use_of(task)?;
            Words::of_if_room(
                &AbsoluteTime {
                    total_user: ended.user.saturating_add(living.user),
                    total_system: ended.system.saturating_add(living.system),
                    threads_user: living.user,
                    threads_system: living.system,
                },
                room,
            )
        }
        task_flavor::EVENTS => {
            let counts = usage::events(task.process()).ok_or(KernError::FAILURE)?;
            Words::of_if_room(
                &Events {
                    faults: narrow(counts.faults),
                    page_ins: narrow(counts.page_ins),
                    switches: narrow(counts.switches),
                    ..FromZeros::new_zeroed()
                },
                room,
            )
        }
        task_flavor::BASIC_32 | task_flavor::BASIC2_32 => {
            let (memory, _, times) = use_of(task)?;
            // The one difference between the two
            let resident = match flavor {
                task_flavor::BASIC2_32 => memory.resident_peak,
                _ => memory.resident,
            };
            Words::of_if_room(
                &TaskBasic32 {
                    suspend_count: living_task.suspend_count(),
                    virtual_size: narrow(memory.mapped),
                    resident_size: narrow(resident),
                    user_time: times.user.into(),
                    system_time: times.system.into(),
                    policy: 0,
                },
                room,
            )
        }
        task_flavor::BASIC_64 => {
            let (memory, _, times) = use_of(task)?;
            Words::of_if_room(
                &TaskBasic64 {
                    suspend_count: living_task.suspend_count(),
                    virtual_size: memory.mapped,
                    resident_size: memory.resident,
                    user_time: times.user.into(),
                    system_time: times.system.into(),
                    policy: 0,
                },
                room,
            )
        }
        task_flavor::MACH_BASIC => {
            let (memory, _, times) = use_of(task)?;
            Words::of_if_room(
                &MachTaskBasic {
                    virtual_size: memory.mapped,
                    resident_size: memory.resident,
                    resident_size_max: memory.resident_peak,
                    user_time: times.user.into(),
                    system_time: times.system.into(),
                    policy: 0,
                    suspend_count: living_task.suspend_count(),
                },
                room,
            )
        }
        task_flavor::THREAD_TIMES => {
            let (_, times, _) = use_of(task)?;
            Words::of_if_room(
                &ThreadTimes {
                    user_time: times.user.into(),
                    system_time: times.system.into(),
                },
                room,
            )
        }
        task_flavor::SECURITY_TOKEN => Words::of_if_room(&security_token(&living_task).val, room),
        task_flavor::AUDIT_TOKEN => Words::of_if_room(&audit_token(&living_task).val, room),
        task_flavor::FLAGS => {
            /// Addresses, and data, of 64 bits
            const WIDE: u32 = 3;

            let flags = if living_task.is_32bit() { 0 } else { WIDE };
            Words::of_if_room(&flags, room)
        }
        task_flavor::DYLD => {
            /// Callers of old do not ask for the format.
            const OLD_WORDS: u32 = 4;

            controlled()?;
            let info = living_task.dyld_info();
            let all = DyldInfo {
                address: info.address,
                size: info.size,
                format: u32::from(!living_task.is_32bit()),
            };
            if room == OLD_WORDS {
                // CAST: as above.
                return Ok(Words::of(&all)?.first(OLD_WORDS as usize));
            }
            Words::of_if_room(&all, room)
        }
        task_flavor::VM => {
            controlled()?;
            vm_info(task, room)
        }
        _ => Err(KernError::FAILURE.into()),
    }
}

fn vm_info(task: &TaskNamePort, room: u32) -> RoutineResult<Words<MAX>> {
    /// What the first clients knew of the structure.
    const LEAST_WORDS: u32 = 32;

    if room < LEAST_WORDS {
        return Err(KernError::INVALID_ARGUMENT.into());
    }
    let (memory, ..) = use_of(task)?;
    let internal = memory.resident.saturating_sub(memory.of_files);
    let info = VmInfo {
        virtual_size: memory.mapped,
        region_count: memory.mappings,
        page_size: machine::PAGE_BYTES,
        resident_size: memory.resident,
        resident_size_peak: memory.resident_peak,
        internal,
        internal_peak: internal,
        external: memory.of_files,
        external_peak: memory.of_files,
        phys_footprint: internal,
        max_address: memory.end,
        ..FromZeros::new_zeroed()
    };
    // CAST: `u32` to `usize` loses nothing.
    Ok(Words::of(&info)?.first(room as usize))
}
