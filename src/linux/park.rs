// SPDX-License-Identifier: GPL-2.0

//! Keeping threads from running their programs.
//!
//! A thread is stopped by work that it does on its way to user space (see [`super::task_work`]):
//! there it parks. One that sleeps in a system call goes on sleeping there, and parks when the
//! call is over; that it sleeps need not be disturbed, as it runs nothing of its program.
//!
//! Parked threads still do for the kernel what signals ask for: they die, stop and go on as Linux
//! says. A signal that the program has a handler for waits, as that would run the program.
//!
//! Locks: none but those of the scheduler.
//!
//! C headers: [`include/linux/wait.h`](srctree/include/linux/wait.h),
//! [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h)

use super::{
    bindings as shim,
    process::ProcessId,
    thread::ThreadRef,
    wait::WaitQueue, //
};
use core::{
    mem::offset_of,
    ptr, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::{
        atomic::{
            atomic_load,
            ordering::Relaxed, //
        },
        rcu, //
    },
    task::Task,
    types::Opaque, //
};

/// Why a thread parks no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unparked {
    /// It is not to be stopped any more, or has been killed.
    Free,
    /// There is a signal that the kernel itself has to act upon. The thread is to park again when
    /// that is done.
    Signal,
}

/// Parks the current thread, which is on its way to user space, for as long as `stopped` holds.
///
/// Whoever ends that must do so before waking `queue`. `stopped` is called with the thread already
/// marked as sleeping: it must not sleep.
pub(crate) fn park(queue: &WaitQueue, mut stopped: impl FnMut() -> bool) -> Unparked {
    let entry = Opaque::<bindings::wait_queue_entry>::uninit();
    // SAFETY: `entry` is valid for writing and stays in place until `finish_wait`.
    unsafe { bindings::init_wait(entry.get()) };

    let outcome = loop {
        // A signal that has to wait must not end the sleep.
        let pending = kernel::current!().signal_pending();
        let state = if pending {
            bindings::TASK_KILLABLE
        } else {
            bindings::TASK_INTERRUPTIBLE
        };
        // SAFETY: Both are valid; `finish_wait` below takes the entry off again.
        unsafe {
            bindings::prepare_to_wait(
                queue.as_ptr(),
                entry.get(),
                // CAST: states are small bit masks.
                (state | bindings::TASK_FREEZABLE) as c_int,
            )
        };
        // SAFETY: May be asked at any time.
        if !stopped() || unsafe { shim::mach_shim_fatal_signal_pending() } {
            break Unparked::Free;
        }
        if kernel::current!().signal_pending() {
            if signal_is_for_kernel() {
                break Unparked::Signal;
            }
            if !pending {
                continue;
            }
        }
        // SAFETY: A thread on its way to user space holds no lock.
        unsafe { bindings::schedule() };
    };

    // SAFETY: The entry was queued on this head by `prepare_to_wait`.
    unsafe { bindings::finish_wait(queue.as_ptr(), entry.get()) };
    outcome
}

/// Lets other threads run for a moment. Nothing ends it earlier.
pub(crate) fn pause() {
    const MS: c_uint = 10;
    // SAFETY: A thread on its way to user space holds no lock.
    unsafe { bindings::msleep(MS) };
}

/// Whether the current thread is to stop, to be looked at by a tracer, or has a signal that would
/// not run the program: that is for the kernel to do, on the way to user space.
fn signal_is_for_kernel() -> bool {
    const IGNORED: [u32; 4] = [
        bindings::SIGCHLD,
        bindings::SIGCONT,
        bindings::SIGURG,
        bindings::SIGWINCH,
    ];

    // SAFETY: A thread that has not exited has these structures. They change at any time, hence
    // the atomic accesses; whoever adds a signal wakes the thread afterwards.
    let (jobctl, traced, pending) = unsafe {
        let task = bindings::get_current();
        let own = ptr::addr_of_mut!((*task).pending.signal.sig[0]);
        let shared = ptr::addr_of_mut!((*(*task).signal).shared_pending.signal.sig[0]);
        let pending = atomic_load(own, Relaxed) | atomic_load(shared, Relaxed);
        (
            atomic_load(ptr::addr_of_mut!((*task).jobctl), Relaxed),
            (*task).ptrace != 0,
            pending & !(*task).blocked.sig[0],
        )
    };
    // CAST: `u32` to `usize` loses nothing.
    if jobctl & bindings::JOBCTL_PENDING_MASK as c_ulong != 0 {
        return true;
    }
    (1..=64u32).any(|signal| {
        if pending & (1 << (signal - 1)) == 0 {
            return false;
        }
        // CAST: As above.
        let index = (signal - 1) as usize;
        // SAFETY: As above; the index is below 64, the size of the array.
        let handler = unsafe {
            let sighand = (*bindings::get_current()).sighand;
            ptr::addr_of!((*sighand).action[index].sa.sa_handler).read_volatile()
        };
        traced || (handler.is_none() && !IGNORED.contains(&signal))
    })
}

/// Makes sure that `thread`, which has work to do on its way to user space, is not in user space
/// any more: if it is, its processor is interrupted. May sleep.
pub(crate) fn leave_user_space(thread: &ThreadRef) {
    /// # Safety
    ///
    /// None.
    unsafe extern "C" fn nothing(_unused: *mut c_void) {}

    const WAIT: bool = true;

    let task = thread.as_ptr();
    // SAFETY: The reference keeps the task. The fields change at any time, hence the atomic or
    // volatile accesses. A thread that gets a processor later comes from the kernel and sees its work; one
    // that moved to another processor since came through the kernel.
    unsafe {
        if ptr::addr_of!((*task).on_cpu).read_volatile() == 0 {
            return;
        }
        let cpu = atomic_load(ptr::addr_of_mut!((*task).thread_info.cpu), Relaxed);
        // A processor that has been turned off runs no thread.
        // CAST: Processors have small numbers.
        bindings::smp_call_function_single(cpu as c_int, Some(nothing), ptr::null_mut(), WAIT);
    }
}

/// The threads of `process` that have not been reaped. May sleep; fails with `ENOMEM`.
pub(crate) fn threads_of(process: &ProcessId) -> Result<KVec<ThreadRef>> {
    let mut room = 8usize;
    loop {
        let mut threads = KVec::with_capacity(room, GFP_KERNEL_ACCOUNT)?;
        if collect(process, &mut threads) {
            return Ok(threads);
        }
        room = room.saturating_mul(2);
    }
}

/// Adds the threads of `process`. False if there is no room for all of them.
fn collect(process: &ProcessId, threads: &mut KVec<ThreadRef>) -> bool {
    let _rcu = rcu::read_lock();
    // SAFETY: The pid is valid. RCU keeps the leader and the threads, whose list is an RCU list
    // that ends where it begins, in the `signal` that the leader keeps. Entries are taken out at
    // any time, hence the atomic accesses.
    unsafe {
        let leader = bindings::pid_task(process.as_ptr(), bindings::pid_type_PIDTYPE_TGID);
        if leader.is_null() {
            return true;
        }
        let head = ptr::addr_of_mut!((*(*leader).signal).thread_head);
        let mut node = atomic_load(ptr::addr_of_mut!((*head).next), Relaxed);
        while node != head {
            let task = node
                .byte_sub(offset_of!(bindings::task_struct, thread_node))
                .cast::<Task>();
            let thread = ThreadRef::of(&*task);
            if threads.push_within_capacity(thread).is_err() {
                return false;
            }
            node = atomic_load(ptr::addr_of_mut!((*node).next), Relaxed);
        }
    }
    true
}
