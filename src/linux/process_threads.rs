// SPDX-License-Identifier: GPL-2.0

//! The threads of a process that may be another one than the current.
//!
//! Serves [`super::access`] and [`super::usage`]. A process goes on when its first thread has ended,
//! which stays in the list until all have: who wants an address space must not ask that one alone.
//!
//! Locks: the RCU read lock, inside.
//!
//! C header: [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h)

use core::{
    mem::offset_of,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    bindings,
    sync::{
        atomic::{
            atomic_load,
            ordering::Relaxed, //
        },
        rcu, //
    },
};

use super::{
    bindings as shim,
    process::ProcessId, //
};

/// How often a sum is begun anew because a thread ended; then it is taken as it is.
const MOST_SUMS: u32 = 16;

/// What `look` finds in the first thread of `process` in which it finds anything; `None` also when
/// the process has been reaped. The threads are valid, but may be ending, and `look` must not
/// sleep.
pub(super) fn find_in_threads<R>(
    process: &ProcessId,
    look: impl FnMut(NonNull<bindings::task_struct>) -> Option<R>,
) -> Option<R> {
    let _rcu = rcu::read_lock();
    // SAFETY: RCU is locked.
    let signal = unsafe { signal_of(process) }?;
    // SAFETY: RCU is locked since `signal` was found.
    unsafe { find_in(signal, look) }
}

/// A sum over the threads of `process`: `start` gives that of the threads that have ended, and
/// `add` adds a living one. None is missed or counted twice because it ends meanwhile. `None` when
/// the process has been reaped. Neither may sleep; they may be called anew.
pub(super) fn sum_over_threads<S>(
    process: &ProcessId,
    mut start: impl FnMut(NonNull<bindings::signal_struct>) -> S,
    mut add: impl FnMut(&mut S, NonNull<bindings::task_struct>),
) -> Option<S> {
    let _rcu = rcu::read_lock();
    // SAFETY: RCU is locked.
    let signal = unsafe { signal_of(process) }?;
    let mut tries = 0;
    loop {
        // SAFETY: RCU keeps what it was found by, which keeps `signal`.
        let sequence = unsafe { shim::mach_shim_read_stats_begin(signal.as_ptr()) };
        let mut sum = start(signal);
        // SAFETY: RCU is locked since `signal` was found.
        let _: Option<()> = unsafe {
            find_in(signal, |thread| {
                add(&mut sum, thread);
                None
            })
        };
        tries += 1;
        // SAFETY: As above.
        let changed = unsafe { shim::mach_shim_read_stats_retry(signal.as_ptr(), sequence) };
        if !changed || tries == MOST_SUMS {
            return Some(sum);
        }
    }
}

/// What the threads of `process` have in common.
///
/// # Safety
///
/// RCU must be locked; the result is valid only as long as it is.
unsafe fn signal_of(process: &ProcessId) -> Option<NonNull<bindings::signal_struct>> {
    // SAFETY: The pid is valid. By the caller's promise RCU keeps the leader, which keeps its
    // `signal`.
    unsafe {
        let leader = bindings::pid_task(process.as_ptr(), bindings::pid_type_PIDTYPE_TGID);
        NonNull::new((*NonNull::new(leader)?.as_ptr()).signal)
    }
}

/// # Safety
///
/// `signal` must be from [`signal_of`], with RCU locked since.
unsafe fn find_in<R>(
    signal: NonNull<bindings::signal_struct>,
    mut look: impl FnMut(NonNull<bindings::task_struct>) -> Option<R>,
) -> Option<R> {
    // SAFETY: By the caller's promise. RCU keeps the threads, whose list is an RCU list that ends
    // where it begins.
    unsafe {
        let head = ptr::addr_of_mut!((*signal.as_ptr()).thread_head);
        let mut node = next(head);
        while node != head {
            let thread = node
                .byte_sub(offset_of!(bindings::task_struct, thread_node))
                .cast::<bindings::task_struct>();
            if let Some(found) = look(NonNull::new_unchecked(thread)) {
                return Some(found);
            }
            node = next(node);
        }
    }
    None
}

/// # Safety
///
/// `node` must be in an RCU list, with the lock held.
unsafe fn next(node: *mut bindings::list_head) -> *mut bindings::list_head {
    // SAFETY: The caller's promise. Entries are taken out at any time, hence the atomic access.
    unsafe { atomic_load(ptr::addr_of_mut!((*node).next), Relaxed) }
}
