// SPDX-License-Identifier: GPL-2.0

//! What the routines that tell about tasks and threads answer with (ABI mig §3.6).
//!
//! Serves `info` and `thread_info`.

use core::mem::size_of;
use zerocopy_derive::{
    FromZeros,
    Immutable,
    IntoBytes, //
};

/// `time_value_t`
#[derive(Clone, Copy, FromZeros, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct TimeValue {
    seconds: u32,
    microseconds: u32,
}

impl From<u64> for TimeValue {
    fn from(nanoseconds: u64) -> Self {
        Self {
            // CAST: the seconds have 32 bits in this interface; the rest is below 2^20.
            seconds: (nanoseconds / 1_000_000_000) as u32,
            microseconds: (nanoseconds / 1000 % 1_000_000) as u32,
        }
    }
}

/// `task_basic_info_32`
#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct TaskBasic32 {
    pub(super) suspend_count: u32,
    pub(super) virtual_size: u32,
    pub(super) resident_size: u32,
    pub(super) user_time: TimeValue,
    pub(super) system_time: TimeValue,
    pub(super) policy: u32,
}

/// `task_basic_info_64`
#[derive(IntoBytes, Immutable)]
#[repr(C, packed(4))]
pub(super) struct TaskBasic64 {
    pub(super) suspend_count: u32,
    pub(super) virtual_size: u64,
    pub(super) resident_size: u64,
    pub(super) user_time: TimeValue,
    pub(super) system_time: TimeValue,
    pub(super) policy: u32,
}

/// `mach_task_basic_info`
#[derive(IntoBytes, Immutable)]
#[repr(C, packed(4))]
pub(super) struct MachTaskBasic {
    pub(super) virtual_size: u64,
    pub(super) resident_size: u64,
    pub(super) resident_size_max: u64,
    pub(super) user_time: TimeValue,
    pub(super) system_time: TimeValue,
    pub(super) policy: u32,
    pub(super) suspend_count: u32,
}

/// `task_absolutetime_info`, in nanoseconds
#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct AbsoluteTime {
    pub(super) total_user: u64,
    pub(super) total_system: u64,
    pub(super) threads_user: u64,
    pub(super) threads_system: u64,
}

/// `task_events_info`
#[derive(FromZeros, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Events {
    pub(super) faults: u32,
    pub(super) page_ins: u32,
    pub(super) copies: u32,
    pub(super) messages: [u32; 2],
    pub(super) system_calls: [u32; 2],
    pub(super) switches: u32,
}

/// `task_thread_times_info`
#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct ThreadTimes {
    pub(super) user_time: TimeValue,
    pub(super) system_time: TimeValue,
}

/// `task_dyld_info`
#[derive(IntoBytes, Immutable)]
#[repr(C, packed(4))]
pub(super) struct DyldInfo {
    pub(super) address: u64,
    pub(super) size: u64,
    /// 0 for addresses of 32 bits, 1 for 64.
    pub(super) format: u32,
}

/// `task_vm_info`
#[derive(FromZeros, IntoBytes, Immutable)]
#[repr(C, packed(4))]
pub(super) struct VmInfo {
    pub(super) virtual_size: u64,
    pub(super) region_count: u32,
    pub(super) page_size: u32,
    pub(super) resident_size: u64,
    pub(super) resident_size_peak: u64,
    pub(super) device: [u64; 2],
    pub(super) internal: u64,
    pub(super) internal_peak: u64,
    pub(super) external: u64,
    pub(super) external_peak: u64,
    pub(super) reusable: [u64; 2],
    pub(super) purgeable: [u64; 3],
    pub(super) compressed: [u64; 3],
    pub(super) phys_footprint: u64,
    pub(super) min_address: u64,
    pub(super) max_address: u64,
}

const _: () = {
    assert!(size_of::<TaskBasic32>() == 4 * 8);
    assert!(size_of::<TaskBasic64>() == 4 * 10);
    assert!(size_of::<MachTaskBasic>() == 4 * 12);
    assert!(size_of::<AbsoluteTime>() == 4 * 8);
    assert!(size_of::<Events>() == 4 * 8);
    assert!(size_of::<ThreadTimes>() == 4 * 4);
    assert!(size_of::<DyldInfo>() == 4 * 5);
    assert!(size_of::<VmInfo>() == 4 * 42);
};
