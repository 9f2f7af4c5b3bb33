// SPDX-License-Identifier: GPL-2.0

//! Load, memory and processor time (ABI mig §3.5, 216 and 219; XNU osfmk/kern/host.c,
//! osfmk/mach/vm_statistics.h).
//!
//! What Linux does not count is 0, as the interface has no way to leave a field out.

use crate::{
    core::KernError,
    linux::machine,
    traps::ipc::{
        Call,
        HostPort,
        RoutineDescriptor,
        RoutineResult,
        Words, //
    },
};
use core::mem::size_of;
use mach_macros::{
    routine,
    routines, //
};
use zerocopy::{
    FromZeros,
    Immutable,
    IntoBytes, //
};
use zerocopy_derive::{
    FromZeros,
    Immutable,
    IntoBytes, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    host_statistics,
    host_statistics64,
    host_priv_statistics, //
];

/// Words that `host_statistics` may answer with.
const MAX: usize = 68;

mod flavor {
    pub(super) const LOAD: i32 = 1;
    pub(super) const VM: i32 = 2;
    pub(super) const CPU_LOAD: i32 = 3;
    pub(super) const VM64: i32 = 4;
}

/// `host_load_info`: thousandths.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct LoadInfo {
    pub(super) averages: [u32; 3],
    pub(super) factors: [u32; 3],
}

/// `host_cpu_load_info`: hundredths of seconds.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct CpuLoadInfo {
    user: u32,
    system: u32,
    idle: u32,
    nice: u32,
}

/// `vm_statistics`: pages and events.
#[derive(FromZeros, IntoBytes, Immutable)]
#[repr(C)]
struct VmStatistics {
    free: u32,
    active: u32,
    inactive: u32,
    wired: u32,
    events: [u32; 8],
    purgeable: u32,
    purges: u32,
    speculative: u32,
}

/// `vm_statistics64`: pages and events.
#[derive(FromZeros, IntoBytes, Immutable)]
#[repr(C, packed(4))]
struct VmStatistics64 {
    free: u32,
    active: u32,
    inactive: u32,
    wired: u32,
    events: [u64; 9],
    purgeable: u32,
    speculative: u32,
    compression: [u64; 4],
    compressor: u32,
    throttled: u32,
    external: u32,
    internal: u32,
    uncompressed_in_compressor: u64,
}

/// A number of pages as the interface has it.
fn pages(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn free_pages() -> u32 {
    pages(machine::memory().free / u64::from(machine::PAGE_BYTES))
}

/// The load of the machine.
pub(super) fn load() -> LoadInfo {
    let averages = machine::load_averages();
    let cpus = machine::processors().online;
    LoadInfo {
        averages,
        // How much of the machine a new thread would get: all processors while there are idle
        // ones, else a share of them.
        factors: averages.map(|load| {
            let (load, cpus) = (u64::from(load), u64::from(cpus).saturating_mul(1000));
            let factor = if load < cpus {
                cpus.saturating_sub(load)
            } else {
                cpus.saturating_mul(1000)
                    .checked_div(load.saturating_add(1000))
                    .unwrap_or(0)
            };
            pages(factor)
        }),
    }
}

fn cpu_load() -> CpuLoadInfo {
    const NSEC_PER_TICK: u64 = 10_000_000;
    let time = machine::processor_time();
    // CAST: the interface's counters wrap.
    let ticks = |time: u64| (time / NSEC_PER_TICK) as u32;
    CpuLoadInfo {
        user: ticks(time.user),
        system: ticks(time.system),
        idle: ticks(time.idle),
        nice: ticks(time.nice),
    }
}

fn vm() -> VmStatistics {
    let usage = machine::usage();
    VmStatistics {
        free: free_pages(),
        active: pages(usage.active),
        inactive: pages(usage.inactive),
        wired: pages(usage.wired),
        ..FromZeros::new_zeroed()
    }
}

fn vm64() -> VmStatistics64 {
    let usage = machine::usage();
    VmStatistics64 {
        free: free_pages(),
        active: pages(usage.active),
        inactive: pages(usage.inactive),
        wired: pages(usage.wired),
        external: pages(usage.external),
        internal: pages(usage.internal),
        ..FromZeros::new_zeroed()
    }
}

/// All of `value` if there is room for it, `KERN_FAILURE` if not.
fn whole<T: IntoBytes + Immutable>(value: &T, room: u32) -> RoutineResult<Words<MAX>> {
    // CAST: `u32` to `usize` loses nothing.
    if (room as usize) < size_of::<T>() / 4 {
        return Err(KernError::FAILURE.into());
    }
    Words::of(value)
}

fn statistics(flavor: i32, room: u32) -> RoutineResult<Words<MAX>> {
    match flavor {
        flavor::LOAD => whole(&load(), room),
        flavor::CPU_LOAD => whole(&cpu_load(), room),
        flavor::VM => whole(&vm(), room),
        _ => Err(KernError::NOT_SUPPORTED.into()),
    }
}

/// Tells statistics of the kind `flavor`. `KERN_FAILURE` without room for all of them,
/// `KERN_NOT_SUPPORTED` for other kinds.
#[routine(216)]
fn host_statistics(
    _call: &Call<'_>,
    _host: &HostPort,
    flavor: i32,
    room: u32,
) -> RoutineResult<Words<MAX>> {
    statistics(flavor, room)
}

/// As [`host_statistics`].
#[routine(402)]
fn host_priv_statistics(
    _call: &Call<'_>,
    _host: &HostPort,
    flavor: i32,
    room: u32,
) -> RoutineResult<Words<MAX>> {
    statistics(flavor, room)
}

/// As [`host_statistics`], and the memory in wider counters.
#[routine(219)]
fn host_statistics64(
    _call: &Call<'_>,
    _host: &HostPort,
    flavor: i32,
    room: u32,
) -> RoutineResult<Words<MAX>> {
    match flavor {
        flavor::VM64 => whole(&vm64(), room),
        _ => statistics(flavor, room),
    }
}

const _: () = {
    assert!(size_of::<LoadInfo>() == 4 * 6);
    assert!(size_of::<CpuLoadInfo>() == 4 * 4);
    assert!(size_of::<VmStatistics>() == 4 * 15);
    assert!(size_of::<VmStatistics64>() == 4 * 38);
};
