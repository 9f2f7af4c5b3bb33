// SPDX-License-Identifier: GPL-2.0

//! Identity of Linux processes.
//!
//! Serves everything that must tell one process from another: the fork check of each trap, the
//! registry of tasks, the traps that name processes by number.
//!
//! Locks: none. Nothing here sleeps. All of it may be called in process context and from the
//! probes of [`super::events`].
//!
//! C headers: [`include/linux/pid.h`](srctree/include/linux/pid.h),
//! [`include/linux/sched.h`](srctree/include/linux/sched.h)

use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::{
        atomic::{
            atomic_load,
            ordering::Relaxed, //
        },
        rcu, //
    },
    task::Task, //
};

use super::current;

/// A process, as the kernel's `struct pid` of its thread group.
///
/// It stays the same over exec, whichever thread calls it, and it is never taken for another
/// process that gets the same number later: as long as a value exists, so does the `struct pid`.
///
/// # Invariants
///
/// Points to a `struct pid` of which one reference is owned by this value, and which is or was the
/// `PIDTYPE_TGID` of a thread group.
pub(crate) struct ProcessId(NonNull<bindings::pid>);

// SAFETY: A `struct pid` belongs to no thread; its reference count is atomic.
unsafe impl Send for ProcessId {}

// SAFETY: As above; what changes in it is changed atomically or under locks of its own.
unsafe impl Sync for ProcessId {}

impl ProcessId {
    /// The current process.
    pub(crate) fn current() -> Self {
        // SAFETY: The pointer is that of the current process, alive while the process is.
        let pid = unsafe { NonNull::new_unchecked(current::pid()) };
        // INVARIANT: The reference that is counted here is the value's.
        // SAFETY: As above.
        unsafe { bindings::refcount_inc(ptr::addr_of_mut!((*pid.as_ptr()).count)) };
        Self(pid)
    }

    /// The process of `task`, or `None` when it has already been reaped.
    pub(crate) fn of(task: &Task) -> Option<Self> {
        // SAFETY: `task` is a valid task.
        let pid = unsafe { bindings::get_task_pid(task.as_ptr(), bindings::pid_type_PIDTYPE_TGID) };
        // INVARIANT: `get_task_pid` counts a reference for its caller.
        NonNull::new(pid).map(Self)
    }

    /// The process that waits for the current one: its parent, or whoever adopted it.
    pub(crate) fn real_parent_of_current() -> Self {
        loop {
            let _rcu = rcu::read_lock();
            // SAFETY: `current` is valid. `real_parent` changes under a lock that we do not hold,
            // hence the atomic access; RCU keeps the task it names.
            let parent =
                unsafe { atomic_load(ptr::addr_of_mut!((*current::task()).real_parent), Relaxed) };
            // SAFETY: RCU keeps `parent`.
            let pid = unsafe { bindings::get_task_pid(parent, bindings::pid_type_PIDTYPE_TGID) };
            if let Some(pid) = NonNull::new(pid) {
                // INVARIANT: `get_task_pid` counts a reference for its caller.
                return Self(pid);
            }
            // The parent was reaped between the two reads. Before that its children were given to
            // another one, so the next turn does not find it again.
        }
    }

    /// The process with number `number` in the pid namespace of the current one. `None` when
    /// there is none: it is no number of a process, or the process has been reaped.
    pub(crate) fn from_current_ns(number: u32) -> Option<Self> {
        let number = i32::try_from(number).ok()?;
        // SAFETY: Any number may be looked up.
        let pid = NonNull::new(unsafe { bindings::find_get_pid(number) })?;
        // INVARIANT: `find_get_pid` counts a reference for its caller. What the number names may
        // be a single thread or a session; in that case the value is dropped below.
        let process = Self(pid);
        let _rcu = rcu::read_lock();
        // SAFETY: The pid is valid.
        (!unsafe { process.leader() }.is_null()).then_some(process)
    }

    /// The process that the thread with number `number` in the pid namespace of the current one is
    /// of, and the thread's number in the first pid namespace. `None` if there is no such thread.
    pub(crate) fn of_thread_in_current_ns(number: u32) -> Option<(Self, u32)> {
        let number = i32::try_from(number).ok()?;
        // SAFETY: Any number may be looked up.
        let pid = NonNull::new(unsafe { bindings::find_get_pid(number) })?;
        // INVARIANT: `find_get_pid` counts a reference for its caller.
        let thread = Self(pid);
        let _rcu = rcu::read_lock();
        // SAFETY: The pid is valid. RCU keeps the thread that it names.
        let process = unsafe {
            let task = bindings::pid_task(thread.as_ptr(), bindings::pid_type_PIDTYPE_PID);
            NonNull::new(task)?;
            bindings::get_task_pid(task, bindings::pid_type_PIDTYPE_TGID)
        };
        // INVARIANT: `get_task_pid` counts a reference for its caller.
        let process = Self(NonNull::new(process)?);
        Some((process, thread.global_nr()))
    }

    /// The first process of the current pid namespace, unless it is dead.
    pub(crate) fn init_of_current_ns() -> Option<Self> {
        Self::from_current_ns(1)
    }

    /// Whether this is the current process. The cost is that of following two pointers.
    #[inline]
    pub(crate) fn is_current(&self) -> bool {
        ptr::eq(current::pid(), self.0.as_ptr())
    }

    /// The number of the process in the first pid namespace of the machine.
    pub(crate) fn global_nr(&self) -> u32 {
        // SAFETY: Both pointers are valid.
        to_number(unsafe {
            bindings::pid_nr_ns(self.0.as_ptr(), ptr::addr_of_mut!(bindings::init_pid_ns))
        })
    }

    /// The number of the process in the pid namespace of the current one, 0 if it has none there.
    pub(crate) fn nr_in_current_ns(&self) -> u32 {
        // SAFETY: The pointer is valid.
        to_number(unsafe { bindings::pid_vnr(self.0.as_ptr()) })
    }

    /// Whether every thread of the process has begun to exit, or been reaped.
    pub(crate) fn is_dead(&self) -> bool {
        let _rcu = rcu::read_lock();
        // SAFETY: The RCU guard is held.
        let leader = unsafe { self.leader() };
        if leader.is_null() {
            return true;
        }
        // SAFETY: RCU keeps the leader, which keeps its `signal`. `live` is the number of threads
        // that have not begun to exit; it changes under our eyes, hence the atomic access.
        let live = unsafe {
            let live = ptr::addr_of_mut!((*(*leader).signal).live.counter);
            atomic_load(live, Relaxed)
        };
        live == 0
    }

    /// Whether the process has been reaped, or given up its number in any other way.
    pub(crate) fn is_reaped(&self) -> bool {
        let _rcu = rcu::read_lock();
        // SAFETY: The RCU guard is held.
        unsafe { self.leader() }.is_null()
    }

    /// Sends `signal` to the process as the kernel, without any check of permissions. Fails with
    /// `ESRCH` for a process that has been reaped and `EINVAL` for a number that is no signal.
    pub(crate) fn send_signal(&self, signal: i32) -> Result {
        const AS_KERNEL: c_int = 1;
        // SAFETY: The pointer is valid; `kill_pid` checks the number.
        to_result(unsafe { bindings::kill_pid(self.0.as_ptr(), signal, AS_KERNEL) })
    }

    /// The `struct pid`.
    pub(super) fn as_ptr(&self) -> *mut bindings::pid {
        self.0.as_ptr()
    }

    /// The leader of the thread group, or null when it has been reaped.
    ///
    /// # Safety
    ///
    /// The RCU read lock must be held, and the result is valid only as long as it is.
    unsafe fn leader(&self) -> *mut bindings::task_struct {
        // SAFETY: The pid is valid; the caller holds the lock.
        unsafe { bindings::pid_task(self.0.as_ptr(), bindings::pid_type_PIDTYPE_TGID) }
    }
}

impl Clone for ProcessId {
    fn clone(&self) -> Self {
        // INVARIANT: The reference that is counted here is the new value's.
        // SAFETY: By the type invariants the pid is valid and its count is not zero.
        unsafe { bindings::refcount_inc(ptr::addr_of_mut!((*self.0.as_ptr()).count)) };
        Self(self.0)
    }
}

impl Drop for ProcessId {
    fn drop(&mut self) {
        // SAFETY: By the type invariants this gives back a reference that we own.
        unsafe { bindings::put_pid(self.0.as_ptr()) };
    }
}

impl PartialEq for ProcessId {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for ProcessId {}

#[inline(always)]
fn to_number(pid: bindings::pid_t) -> u32 {
    // CAST: Pid numbers are never negative.
    pid as u32
}

/// A pid namespace, to be told from those around it as long as a process of it exists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PidNamespaceKey(usize);

/// The pid namespace of the current process; `None` for that of the machine itself.
pub(crate) fn current_pid_namespace() -> Option<PidNamespaceKey> {
    // SAFETY: The current task is valid, and keeps its namespace.
    let namespace = unsafe { bindings::task_active_pid_ns(current::task()) };
    let machine = ptr::addr_of_mut!(bindings::init_pid_ns);
    (!ptr::eq(namespace, machine)).then_some(PidNamespaceKey(namespace.addr()))
}
