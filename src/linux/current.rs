// SPDX-License-Identifier: GPL-2.0

//! Facts about the current thread and its process.
//!
//! Serves everything that runs on behalf of a caller; the path of each trap among it, so what is
//! here costs a load or two.
//!
//! Locks: none. Nothing here sleeps. All of it may be called in process context and from the
//! probes of [`super::events`].
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)

use core::ptr;
use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::{
        atomic_load,
        ordering::Relaxed, //
    },
};

use super::bindings as shim;

/// The current task.
///
/// Like `Task::current_raw`, but without the call into the kernel image that the crate's version
/// makes: the compiler may read the pointer once for a whole function, as in C.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn task() -> *mut bindings::task_struct {
    extern "C" {
        #[link_name = "const_current_task"]
        static CONST_CURRENT_TASK: *mut c_void;
    }

    let task: *mut c_void;
    // SAFETY: This reads the per-CPU variable that the kernel keeps for this purpose and exports
    // (arch/x86/include/asm/current.h). A thread sees the same value wherever it runs, so the
    // block is pure.
    unsafe {
        core::arch::asm!(
            "mov {task}, qword ptr gs:[rip + {variable}]",
            task = out(reg) task,
            variable = sym CONST_CURRENT_TASK,
            options(pure, nomem, preserves_flags, nostack),
        )
    };
    task.cast()
}

/// The current task.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn task() -> *mut bindings::task_struct {
    kernel::task::Task::current_raw()
}

/// The `struct pid` of the current process. It is not null and stays valid while the process
/// exists: a thread loses it only when it is reaped, after its last use of this module.
#[inline(always)]
pub(super) fn pid() -> *mut bindings::pid {
    // SAFETY: A task keeps its `signal` as long as it exists, and the entry for the thread group
    // is the same for the life of the group: exec moves it to another leader as it is.
    unsafe { (*(*task()).signal).pids[bindings::pid_type_PIDTYPE_TGID as usize] }
}

/// The descriptor table of the current thread; null late in its exit.
#[inline]
pub(super) fn files() -> *mut bindings::files_struct {
    // SAFETY: `current` is valid; the field is changed by the thread itself only.
    unsafe { (*task()).files }
}

/// The number of the current thread in the first pid namespace.
#[inline]
pub(crate) fn tid() -> u32 {
    // SAFETY: `current` is valid. The number changes only in exec, by the thread itself.
    unsafe { (*task()).pid as u32 }
}

/// The priority that the scheduler gives the current thread: the lower the number, the sooner it
/// runs. 0 to 99 are real-time priorities, the others those of nice values.
pub(crate) fn priority() -> i32 {
    // SAFETY: `current` is valid. Another thread may be changing the value, hence the atomic
    // access.
    unsafe { atomic_load(ptr::addr_of_mut!((*task()).prio), Relaxed) }
}

/// What tells the current address space from every other one that exists; 0 without one, as in
/// kernel threads and late in a thread's exit. It is an address: not to be shown to anybody, and
/// may come again once the address space is gone.
#[inline]
pub(crate) fn mm_key() -> usize {
    // SAFETY: `current` is valid; the field is changed by the thread itself only.
    unsafe { (*task()).mm }.addr()
}

/// Whether the current thread still has a root and a working directory, as it has not late in its
/// exit.
pub(super) fn has_root() -> bool {
    // SAFETY: `current` is valid; the field is changed by the thread itself only.
    !unsafe { (*task()).fs }.is_null()
}

/// With what status the current process, of which this is the last thread to exit, will be seen to
/// have ended: as wait(2) tells it.
pub(crate) fn exit_status() -> u32 {
    // SAFETY: `current` and its `signal` are valid, and its leader exists as long as it does. With
    // all threads exiting nobody changes the fields any more; before, they are words like others,
    // hence the volatile accesses.
    let status = unsafe {
        let signal = (*task()).signal;
        let flags = (&raw const (*signal).flags).read_volatile();
        if flags & bindings::SIGNAL_GROUP_EXIT != 0 {
            (&raw const (*signal).group_exit_code).read_volatile()
        } else {
            (&raw const (*(*task()).group_leader).exit_code).read_volatile()
        }
    };
    // CAST: A status is 16 bits.
    status as u32
}

/// Whether a signal is pending for the current thread.
#[inline]
pub(crate) fn has_signal() -> bool {
    const SIGNALS: usize = 1 << bindings::TIF_SIGPENDING | 1 << bindings::TIF_NOTIFY_SIGNAL;
    thread_flags() & SIGNALS != 0
}

/// The flags of the current thread that the architecture keeps.
#[inline]
fn thread_flags() -> usize {
    // SAFETY: `current` is valid. Other bits of the word may change at any time, hence the
    // atomic access.
    unsafe {
        let flags = ptr::addr_of_mut!((*task()).thread_info.flags);
        flags.cast::<usize>().read_volatile()
    }
}

/// Whether the current thread has begun to exit.
#[inline]
pub(crate) fn is_exiting() -> bool {
    has_flag(bindings::PF_EXITING)
}

/// Whether the current thread has been killed: it will not return to its program.
#[inline]
pub(crate) fn is_killed() -> bool {
    // SAFETY: Concerns the current thread and needs nothing.
    unsafe { shim::mach_shim_fatal_signal_pending() }
}

/// Lets other threads run if it is their turn. False if the current thread has been killed.
pub(crate) fn yields() -> bool {
    // SAFETY: Called where one may sleep, which debug kernels check.
    unsafe { shim::mach_shim_cond_resched() };
    !is_killed()
}

/// Whether the current thread is a kernel thread.
#[inline]
pub(crate) fn is_kernel_thread() -> bool {
    has_flag(bindings::PF_KTHREAD)
}

#[inline]
fn has_flag(flag: u32) -> bool {
    // SAFETY: `current` is valid; its flags are changed by the thread itself only.
    unsafe { (*task()).flags & flag != 0 }
}

/// Whether the system call that the current thread makes is one of 32-bit programs, whose
/// structures have narrow pointers.
#[inline]
pub(crate) fn is_compat_call() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: `current` is valid; the word is changed by the thread itself only.
        let status = unsafe { (*task()).thread_info.status };
        status & bindings::TS_COMPAT != 0
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Whether the current thread runs a 32-bit program. (A 64-bit program can make 32-bit system
/// calls all the same; `compat_ioctl` tells those.)
#[inline]
pub(crate) fn is_compat() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        thread_flags() & (1 << bindings::TIF_ADDR32) != 0
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Whether the current thread has a capability of the machine's own, a `CAP_*` constant.
fn is_capable(capability: u32) -> bool {
    // CAST: The constants are small.
    // SAFETY: Concerns the current thread alone.
    unsafe { bindings::capable(capability as c_int) }
}

/// Whether the current thread may look at files whose directories it may not search.
pub(super) fn may_search_all() -> bool {
    is_capable(bindings::CAP_DAC_READ_SEARCH)
}

/// What the current process has of `resource`, a `RLIMIT_*` constant; without limit with
/// `capability`.
fn limit(resource: u32, capability: u32) -> usize {
    if is_capable(capability) {
        return usize::MAX;
    }
    // SAFETY: Concerns the current process alone.
    unsafe { shim::mach_shim_rlimit(resource) }
}

/// So many pages may be pinned or locked for the current process.
pub(super) fn locked_pages_limit() -> usize {
    limit(bindings::RLIMIT_MEMLOCK, bindings::CAP_IPC_LOCK) / PAGE_SIZE
}

/// So many files may be open in the current process.
pub(crate) fn open_files_limit() -> usize {
    limit(bindings::RLIMIT_NOFILE, bindings::CAP_SYS_RESOURCE)
}
