// SPDX-License-Identifier: GPL-2.0

//! What processes and threads use and do: memory, processor time, state.
//!
//! Serves information calls. Threads are named by their process and their number in the first pid
//! namespace; a number that a thread of another process has by now names nothing.
//!
//! Locks: none of the module's. May sleep where it says so.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`include/linux/sched/cputime.h`](srctree/include/linux/sched/cputime.h)

use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    mm::MmWithUser,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            atomic_load,
            ordering::Relaxed, //
        },
        rcu, //
    },
};

use super::{
    bindings as shim,
    process::ProcessId,
    process_threads::{
        find_in_threads,
        sum_over_threads, //
    },
};

/// The memory of an address space, in bytes.
pub(crate) struct Memory {
    pub(crate) mapped: u64,
    pub(crate) resident: u64,
    pub(crate) resident_peak: u64,
    /// Of what is resident, what belongs to files.
    pub(crate) of_files: u64,
    /// The number of mappings.
    pub(crate) mappings: u32,
    /// The highest address that there can be.
    pub(crate) end: u64,
}

/// Processor time, in nanoseconds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Times {
    pub(crate) user: u64,
    pub(crate) system: u64,
}

impl Times {
    /// The same with another sum. The two parts are counted in ticks, which a short-lived thread
    /// may have had none of; the sum is exact.
    fn scaled_to(self, sum: u64) -> Self {
        const PART: u64 = 1_000_000;

        let (user, system) = (self.user / PART, self.system / PART);
        let user = match user.saturating_add(system) {
            0 => sum,
            parts => (sum / parts).saturating_mul(user).min(sum),
        };
        Self {
            user,
            system: sum.saturating_sub(user),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            user: self.user.wrapping_add(other.user),
            system: self.system.wrapping_add(other.system),
        }
    }
}

/// What a thread is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Running,
    Sleeping,
    /// In a sleep that signals do not end.
    Waiting,
    Stopped,
}

/// The address space of `process`, for looking at its size; `None` if it has none. No permission
/// is checked. Letting go of the result may sleep.
pub(crate) fn mm_of(process: &ProcessId) -> Option<ARef<MmWithUser>> {
    find_in_threads(process, |thread| {
        // SAFETY: The thread is valid. The reference that this counts is taken over below.
        let mm = NonNull::new(unsafe { bindings::get_task_mm(thread.as_ptr()) })?;
        // SAFETY: The reference is ours; the layout of `MmWithUser` is that of the structure.
        Some(unsafe { ARef::from_raw(mm.cast::<MmWithUser>()) })
    })
}

/// The sizes of an address space.
pub(crate) fn memory(mm: &MmWithUser) -> Memory {
    let raw = mm.as_raw();
    // SAFETY: The address space is valid. The fields may be changing, hence the atomic accesses.
    let (mapped, mappings, end, resident, peak, files) = unsafe {
        (
            atomic_load(ptr::addr_of_mut!((*raw).__bindgen_anon_1.total_vm), Relaxed),
            atomic_load(
                ptr::addr_of_mut!((*raw).__bindgen_anon_1.map_count),
                Relaxed,
            ),
            (*raw).__bindgen_anon_1.task_size,
            shim::mach_shim_get_mm_rss(raw),
            shim::mach_shim_get_mm_hiwater_rss(raw),
            shim::mach_shim_get_mm_file_pages(raw),
        )
    };
    // CAST: `usize` has 64 bits at most.
    let bytes = |pages: c_ulong| pages.saturating_mul(PAGE_SIZE) as u64;
    Memory {
        mapped: bytes(mapped),
        resident: bytes(resident),
        resident_peak: bytes(peak),
        of_files: bytes(files),
        mappings: u32::try_from(mappings).unwrap_or(0),
        // CAST: As above.
        end: end as u64,
    }
}

/// The processor time of `process`: of its threads, and of those that have ended.
pub(crate) fn process_times(process: &ProcessId) -> Option<(Times, Times)> {
    let of_ended = |signal: NonNull<bindings::signal_struct>| {
        // SAFETY: It is valid. These are counters that may change at any time, hence the volatile
        // accesses.
        let (user, system, sum) = unsafe {
            let signal = signal.as_ptr();
            (
                (&raw const (*signal).utime).read_volatile(),
                (&raw const (*signal).stime).read_volatile(),
                (&raw const (*signal).sum_sched_runtime).read_volatile(),
            )
        };
        Times { user, system }.scaled_to(sum)
    };
    sum_over_threads(
        process,
        |signal| (Times::default(), of_ended(signal)),
        |(living, _), thread| {
            // SAFETY: The thread is valid.
            *living = living.plus(unsafe { times_of(thread.as_ptr()) });
        },
    )
}

/// What the threads of a process have caused, those that have ended included.
#[derive(Clone, Copy, Default)]
pub(crate) struct Events {
    /// Faults on pages.
    pub(crate) faults: u64,
    /// Those of them that had to wait for a page to be read.
    pub(crate) page_ins: u64,
    /// How often another thread got the processor.
    pub(crate) switches: u64,
}

impl Events {
    fn add(&mut self, faults: [c_ulong; 2], switches: [c_ulong; 2]) {
        let [minor, major] = faults;
        // CAST: `unsigned long` has 64 bits.
        self.page_ins = self.page_ins.wrapping_add(major as u64);
        for (sum, counts) in [
            (&mut self.faults, [minor, major]),
            (&mut self.switches, switches),
        ] {
            *sum = counts
                .iter()
                .fold(*sum, |sum, count| sum.wrapping_add(*count as u64));
        }
    }
}

/// What has happened to `process`.
pub(crate) fn events(process: &ProcessId) -> Option<Events> {
    sum_over_threads(
        process,
        |signal| {
            let mut ended = Events::default();
            // SAFETY: It is valid. These are counters that may change at any time, hence the
            // volatile accesses.
            let (faults, switches) = unsafe {
                let signal = signal.as_ptr();
                (
                    [&raw const (*signal).min_flt, &raw const (*signal).maj_flt]
                        .map(|count| count.read_volatile()),
                    [&raw const (*signal).nvcsw, &raw const (*signal).nivcsw]
                        .map(|count| count.read_volatile()),
                )
            };
            ended.add(faults, switches);
            ended
        },
        |events, thread| {
            // SAFETY: As above.
            let (faults, switches) = unsafe {
                let task = thread.as_ptr();
                (
                    [&raw const (*task).min_flt, &raw const (*task).maj_flt]
                        .map(|count| count.read_volatile()),
                    [&raw const (*task).nvcsw, &raw const (*task).nivcsw]
                        .map(|count| count.read_volatile()),
                )
            };
            events.add(faults, switches);
        },
    )
}

/// # Safety
///
/// `task` must be valid.
unsafe fn times_of(task: *mut bindings::task_struct) -> Times {
    let mut times = Times::default();
    // SAFETY: The caller's promise; the places are valid for writing.
    unsafe { shim::task_cputime_adjusted(task, &mut times.user, &mut times.system) };
    times
}

/// Calls `look` with the thread `tid` of `process`, if it is there.
fn with_thread<R>(
    process: &ProcessId,
    tid: u32,
    look: impl FnOnce(*mut bindings::pid, *mut bindings::task_struct) -> R,
) -> Option<R> {
    let number = c_int::try_from(tid).ok()?;
    let _rcu = rcu::read_lock();
    // SAFETY: RCU keeps the pid, the task and its `signal`.
    unsafe {
        let pid = bindings::find_pid_ns(number, ptr::addr_of_mut!(bindings::init_pid_ns));
        let task = bindings::pid_task(pid, bindings::pid_type_PIDTYPE_PID);
        if task.is_null() {
            return None;
        }
        let group = (*(*task).signal).pids[bindings::pid_type_PIDTYPE_TGID as usize];
        ptr::eq(group, process.as_ptr()).then(|| look(pid, task))
    }
}

/// The number of a thread in the pid namespace of the current process; `None` if the thread is
/// gone or has no number there.
pub(crate) fn thread_nr_in_current_ns(process: &ProcessId, tid: u32) -> Option<u32> {
    let number = with_thread(process, tid, |pid, _| {
        // SAFETY: `with_thread` gives a valid pid.
        unsafe { bindings::pid_vnr(pid) }
    })?;
    u32::try_from(number).ok().filter(|number| *number != 0)
}

/// The processor time of a thread, and what it is doing.
pub(crate) fn thread(process: &ProcessId, tid: u32) -> Option<(Times, State)> {
    with_thread(process, tid, |_, task| {
        // SAFETY: `with_thread` gives a valid task.
        unsafe { (times_of(task), state_of(task)) }
    })
}

/// # Safety
///
/// `task` must be valid.
unsafe fn state_of(task: *mut bindings::task_struct) -> State {
    // SAFETY: The caller's promise; the state changes at any time, hence the atomic access.
    let state = unsafe { raw_state(task) };
    let has = |flags: u32| state & flags != 0;
    if has(bindings::TASK_INTERRUPTIBLE) {
        State::Sleeping
    } else if has(bindings::TASK_UNINTERRUPTIBLE) {
        State::Waiting
    } else if has(bindings::__TASK_STOPPED | bindings::__TASK_TRACED) {
        State::Stopped
    } else {
        State::Running
    }
}

/// # Safety
///
/// `task` must be valid.
unsafe fn raw_state(task: *mut bindings::task_struct) -> u32 {
    // SAFETY: The caller's promise.
    unsafe { atomic_load(ptr::addr_of_mut!((*task).__state), Relaxed) }
}

/// The scheduler's own word for what the first thread of `process` is doing.
pub(crate) fn process_state(process: &ProcessId) -> Option<u32> {
    find_in_threads(process, |thread| {
        // SAFETY: The thread is valid.
        Some(unsafe { raw_state(thread.as_ptr()) })
    })
}
