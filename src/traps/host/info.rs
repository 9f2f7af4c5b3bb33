// SPDX-License-Identifier: GPL-2.0

//! Facts about the machine (ABI mig §3.5; XNU osfmk/kern/host.c, osfmk/mach/host_info.h).

use crate::{
    core::{
        KernError,
        KernResult, //
    },
    linux::machine,
    traps::ipc::{
        Call,
        HostPort,
        RoutineDescriptor,
        RoutineResult,
        Text,
        VmSize,
        Words, //
    },
};
use core::mem::size_of;
use mach_macros::{
    routine,
    routines, //
};
use zerocopy_derive::{
    Immutable,
    IntoBytes, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] =
    routines![host_info, host_kernel_version, host_page_size];

/// Words that `host_info` may answer with.
const INFO_MAX: usize = 68;

mod flavor {
    pub(super) const BASIC: i32 = 1;
    pub(super) const PRIORITY: i32 = 5;
}

/// `host_basic_info`
#[derive(IntoBytes, Immutable)]
#[repr(C, packed(4))]
struct BasicInfo {
    max_cpus: u32,
    avail_cpus: u32,
    memory_size: u32,
    cpu_type: u32,
    cpu_subtype: u32,
    // Callers of old know nothing of what follows.
    cpu_threadtype: u32,
    physical_cpu: u32,
    physical_cpu_max: u32,
    logical_cpu: u32,
    logical_cpu_max: u32,
    max_mem: u64,
}

/// Words of [`BasicInfo`] that there always were.
const BASIC_OLD_WORDS: usize = 5;
const BASIC_WORDS: usize = size_of::<BasicInfo>() / 4;

/// `host_priority_info`
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct PriorityInfo {
    kernel: u32,
    system: u32,
    server: u32,
    user: u32,
    depress: u32,
    idle: u32,
    minimum: u32,
    maximum: u32,
}

const PRIORITY_WORDS: usize = size_of::<PriorityInfo>() / 4;

/// The priorities of the system that clients are made for (XNU osfmk/kern/sched.h). Nothing here
/// is scheduled by them.
const PRIORITIES: PriorityInfo = PriorityInfo {
    kernel: 80,
    system: 80,
    server: 64,
    user: 31,
    depress: 0,
    idle: 0,
    minimum: 0,
    maximum: 79,
};

fn basic_info() -> BasicInfo {
    /// The interface names one type for both widths.
    const CPU_TYPE_X86: u32 = 7;
    /// All of them, of either width.
    const CPU_SUBTYPE_ALL: u32 = 3;
    const CPU_THREADTYPE_NONE: u32 = 0;
    const CPU_THREADTYPE_INTEL_HTT: u32 = 1;

    let processors = machine::processors();
    let memory = machine::memory().total;
    let threads = processors.online > processors.cores;
    BasicInfo {
        max_cpus: processors.possible,
        avail_cpus: processors.online,
        // What does not fit is told as 2 GiB, as clients know it.
        memory_size: u32::try_from(memory)
            .ok()
            .filter(|size| *size < 1 << 31)
            .unwrap_or(1 << 31),
        cpu_type: CPU_TYPE_X86,
        cpu_subtype: CPU_SUBTYPE_ALL,
        cpu_threadtype: if threads {
            CPU_THREADTYPE_INTEL_HTT
        } else {
            CPU_THREADTYPE_NONE
        },
        physical_cpu: processors.cores,
        physical_cpu_max: processors.cores,
        logical_cpu: processors.online,
        logical_cpu_max: processors.possible,
        max_mem: memory,
    }
}

/// Tells facts of the kind `flavor`, as far as there is room for. `KERN_FAILURE` without enough of
/// it, `KERN_NOT_SUPPORTED` for other kinds.
#[routine(200)]
fn host_info(
    _call: &Call<'_>,
    _host: &HostPort,
    flavor: i32,
    room: u32,
) -> RoutineResult<Words<INFO_MAX>> {
    // CAST: `u32` to `usize` loses nothing.
    let room = room as usize;
    match flavor {
        flavor::BASIC if room >= BASIC_WORDS => Words::of(&basic_info()),
        flavor::BASIC if room >= BASIC_OLD_WORDS => {
            Ok(Words::of(&basic_info())?.first(BASIC_OLD_WORDS))
        }
        flavor::PRIORITY if room >= PRIORITY_WORDS => Words::of(&PRIORITIES),
        flavor::BASIC | flavor::PRIORITY => Err(KernError::FAILURE.into()),
        _ => Err(KernError::NOT_SUPPORTED.into()),
    }
}

/// Tells the version of the system that clients are made for.
#[routine(201)]
fn host_kernel_version(_call: &Call<'_>, _host: &HostPort) -> KernResult<Text<512>> {
    Ok(Text(
        c"Darwin Kernel Version 19.6.0: mach.ko; RELEASE_X86_64",
    ))
}

/// Tells the number of bytes in a page.
#[routine(202)]
fn host_page_size(call: &Call<'_>, _host: &HostPort) -> KernResult<VmSize> {
    Ok(VmSize::for_caller(call, machine::PAGE_BYTES))
}

const _: () = assert!(BASIC_WORDS == 12 && PRIORITY_WORDS == 8);
