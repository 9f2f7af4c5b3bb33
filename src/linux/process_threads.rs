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

use super::process::ProcessId;

/// What `look` finds in the first thread of `process` in which it finds anything; `None` also when
/// the process has been reaped. The threads are valid, but may be ending, and `look` must not
/// sleep.
pub(super) fn find_in_threads<R>(
    process: &ProcessId,
    mut look: impl FnMut(NonNull<bindings::task_struct>) -> Option<R>,
) -> Option<R> {
    let _rcu = rcu::read_lock();
    // SAFETY: The pid is valid. RCU keeps the leader and the threads, whose list is an RCU list
    // that ends where it begins, in the `signal` that the leader keeps.
    unsafe {
        let leader = bindings::pid_task(process.as_ptr(), bindings::pid_type_PIDTYPE_TGID);
        let signal = (*NonNull::new(leader)?.as_ptr()).signal;
        let head = ptr::addr_of_mut!((*signal).thread_head);
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
