// SPDX-License-Identifier: GPL-2.0

//! Facts about the machine: processors, memory, load and time.
//!
//! Serves the host's routines. Numbers that change are those of some moment during the call.
//!
//! Locks: none. Nothing here sleeps.
//!
//! C headers: [`include/linux/cpumask.h`](srctree/include/linux/cpumask.h),
//! [`include/linux/vmstat.h`](srctree/include/linux/vmstat.h),
//! [`include/linux/kernel_stat.h`](srctree/include/linux/kernel_stat.h)

use core::mem::MaybeUninit;
use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*,
    time::{
        BootTime,
        ClockSource,
        Monotonic,
        RealTime, //
    },
};

use super::bindings as shim;

/// How many processors there are.
pub(crate) struct Processors {
    /// Hardware threads that may ever run.
    pub(crate) possible: u32,
    /// Those that run now.
    pub(crate) online: u32,
    /// Cores with a hardware thread that runs now.
    pub(crate) cores: u32,
}

/// The numbers of processors that run now.
fn online() -> impl Iterator<Item = u32> {
    // SAFETY: No preconditions.
    let end = unsafe { shim::mach_shim_nr_cpu_ids() };
    // SAFETY: The number is below `nr_cpu_ids`.
    (0..end).filter(|cpu| unsafe { shim::mach_shim_cpu_online(*cpu) })
}

/// Counts the processors.
pub(crate) fn processors() -> Processors {
    // A core is counted by its first thread.
    // SAFETY: The number is that of a processor.
    let cores = online().filter(|cpu| unsafe { shim::mach_shim_first_sibling(*cpu) } == *cpu);
    Processors {
        // SAFETY: No preconditions.
        possible: unsafe { shim::mach_shim_num_possible_cpus() },
        // SAFETY: No preconditions.
        online: unsafe { shim::mach_shim_num_online_cpus() },
        // CAST: there are a few thousand at most.
        cores: cores.count() as u32,
    }
}

/// The memory of the machine, in bytes.
pub(crate) struct Memory {
    pub(crate) total: u64,
    pub(crate) free: u64,
}

/// Tells the memory.
pub(crate) fn memory() -> Memory {
    let mut info = MaybeUninit::<bindings::sysinfo>::zeroed();
    // SAFETY: The structure is valid for writing, and zeroes are a valid value of it.
    let info = unsafe {
        bindings::si_meminfo(info.as_mut_ptr());
        info.assume_init()
    };
    // CAST: `usize` has 64 bits on every machine that the module builds for.
    let bytes = |pages: c_ulong| (pages as u64).saturating_mul(u64::from(info.mem_unit));
    Memory {
        total: bytes(info.totalram),
        free: bytes(info.freeram),
    }
}

/// How much memory is used for what, in pages.
pub(crate) struct Usage {
    pub(crate) active: u64,
    pub(crate) inactive: u64,
    /// What cannot be reclaimed.
    pub(crate) wired: u64,
    /// Of active and inactive, what belongs to files.
    pub(crate) external: u64,
    /// Of active and inactive, what belongs to no file.
    pub(crate) internal: u64,
}

/// Tells how memory is used.
pub(crate) fn usage() -> Usage {
    use bindings::{
        node_stat_item_NR_ACTIVE_ANON as ACTIVE_ANON,
        node_stat_item_NR_ACTIVE_FILE as ACTIVE_FILE,
        node_stat_item_NR_INACTIVE_ANON as INACTIVE_ANON,
        node_stat_item_NR_INACTIVE_FILE as INACTIVE_FILE,
        node_stat_item_NR_UNEVICTABLE as UNEVICTABLE, //
    };
    // SAFETY: The constants are items of the kernel's own.
    let pages = |item| unsafe { shim::mach_shim_global_node_page_state(item) } as u64;
    let (active_anon, active_file) = (pages(ACTIVE_ANON), pages(ACTIVE_FILE));
    let (inactive_anon, inactive_file) = (pages(INACTIVE_ANON), pages(INACTIVE_FILE));
    Usage {
        active: active_anon.saturating_add(active_file),
        inactive: inactive_anon.saturating_add(inactive_file),
        wired: pages(UNEVICTABLE),
        external: active_file.saturating_add(inactive_file),
        internal: active_anon.saturating_add(inactive_anon),
    }
}

/// Load averages over 1, 5 and 15 minutes, in thousandths.
pub(crate) fn load_averages() -> [u32; 3] {
    /// Bits after the point in the kernel's averages (`FSHIFT`).
    const POINT: u32 = 11;

    [0, 1, 2].map(|index| {
        // SAFETY: There are three averages.
        let average = unsafe { shim::mach_shim_load_average(index) };
        let thousandths = average.saturating_mul(1000) >> POINT;
        u32::try_from(thousandths).unwrap_or(u32::MAX)
    })
}

/// Time that all processors have spent, in nanoseconds.
#[derive(Default)]
pub(crate) struct ProcessorTime {
    pub(crate) user: u64,
    pub(crate) system: u64,
    pub(crate) idle: u64,
    pub(crate) nice: u64,
}

impl ProcessorTime {
    /// What processor `cpu` has spent its time with.
    ///
    /// # Safety
    ///
    /// It must be one of those that may ever run.
    unsafe fn of(cpu: u32) -> Self {
        use bindings::{
            cpu_usage_stat_CPUTIME_IDLE as IDLE,
            cpu_usage_stat_CPUTIME_IOWAIT as IOWAIT,
            cpu_usage_stat_CPUTIME_IRQ as IRQ,
            cpu_usage_stat_CPUTIME_NICE as NICE,
            cpu_usage_stat_CPUTIME_SOFTIRQ as SOFTIRQ,
            cpu_usage_stat_CPUTIME_SYSTEM as SYSTEM,
            cpu_usage_stat_CPUTIME_USER as USER, //
        };
        // SAFETY: By the caller's promise; the items are the kernel's own.
        let time = |item| unsafe { shim::mach_shim_cpu_time(cpu, item) };
        Self {
            user: time(USER),
            system: [SYSTEM, IRQ, SOFTIRQ]
                .into_iter()
                .fold(0, |sum, item| sum.wrapping_add(time(item))),
            idle: time(IDLE).wrapping_add(time(IOWAIT)),
            nice: time(NICE),
        }
    }
}

/// A processor that runs at the moment.
pub(crate) struct RunningProcessor {
    /// Its number.
    pub(crate) number: u32,
    pub(crate) time: ProcessorTime,
}

/// The processors that run now, in the order of their numbers.
pub(crate) fn running_processors() -> impl Iterator<Item = RunningProcessor> {
    online().map(|number| RunningProcessor {
        number,
        // SAFETY: A processor that runs may run.
        time: unsafe { ProcessorTime::of(number) },
    })
}

/// How many numbers of processors there are, whether they are in use or not.
pub(crate) fn processor_numbers() -> u32 {
    // SAFETY: No preconditions.
    unsafe { shim::mach_shim_nr_cpu_ids() }
}

/// Tells what the processors that run now have spent their time with.
pub(crate) fn processor_time() -> ProcessorTime {
    let mut sum = ProcessorTime::default();
    for RunningProcessor { time, .. } in running_processors() {
        sum.user = sum.user.wrapping_add(time.user);
        sum.system = sum.system.wrapping_add(time.system);
        sum.idle = sum.idle.wrapping_add(time.idle);
        sum.nice = sum.nice.wrapping_add(time.nice);
    }
    sum
}

/// Nanoseconds since the machine was started, those asleep included.
pub(crate) fn boot_time() -> u64 {
    u64::try_from(BootTime::ktime_get()).unwrap_or(0)
}

/// Nanoseconds that the machine has been awake since it was started: what `mach_absolute_time`
/// counts.
pub(crate) fn monotonic_time() -> u64 {
    u64::try_from(Monotonic::ktime_get()).unwrap_or(0)
}

/// Nanoseconds since 1970, by the wall clock.
pub(crate) fn real_time() -> u64 {
    u64::try_from(RealTime::ktime_get()).unwrap_or(0)
}

/// Bytes in a page.
pub(crate) const PAGE_BYTES: u32 = {
    assert!(PAGE_SIZE <= 1 << 16);
    // CAST: just checked.
    PAGE_SIZE as u32
};
