// SPDX-License-Identifier: GPL-2.0

//! Work that a thread does for us before it returns to user space, or while it exits.
//!
//! Serves code that must sleep but stands where it cannot, such as the probes of
//! [`super::events`]; and code that must run when a system call is over.
//!
//! An item is an `Arc` of anything that has a [`TaskWork`] in it. Queueing allocates nothing and
//! takes no lock. A queued item holds a reference on the module (see [`super::module`]).
//!
//! Locks: none. Queueing does not sleep.
//!
//! C header: [`include/linux/task_work.h`](srctree/include/linux/task_work.h)

use core::{
    cell::UnsafeCell,
    ptr, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Acquire,
                Release, //
            },
            Atomic, //
        },
        Arc, //
    },
    task::Task,
    types::Opaque,
};

use super::{
    current,
    module,
    thread::ThreadRef, //
};

/// What can be queued.
pub(crate) trait TaskWorkItem: Send + Sync + 'static {
    /// The item's place in the queue. Always the same one.
    fn task_work(&self) -> &TaskWork;

    /// Does the work, in the thread it was queued for. May sleep, and may queue the item again.
    ///
    /// A thread that is about to return to user space still has its address space and its files.
    /// For one that exits this depends on when the item was queued: see [`run_in_current`].
    fn run(self: Arc<Self>);
}

/// The part of an item that the queue uses. An item can be queued once at a time.
///
/// # Invariants
///
/// While `queued` is false nobody accesses `head` and `item`. Whoever changes it to true may
/// access them until it is false again; if `head` has been given to the kernel that is the
/// callback.
#[repr(C)]
pub(crate) struct TaskWork {
    head: Opaque<bindings::callback_head>,
    /// What `Arc::into_raw` returned for the item that this is a part of.
    item: UnsafeCell<*const c_void>,
    queued: Atomic<bool>,
}

// SAFETY: The invariants say who may access the fields, whatever thread that is. The item that
// `item` points to can be sent.
unsafe impl Send for TaskWork {}

// SAFETY: As above.
unsafe impl Sync for TaskWork {}

/// How a thread learns that it has work to do.
#[derive(Clone, Copy)]
enum Notify {
    /// When it happens to look, which an exiting thread does.
    Not,
    /// On its way to user space.
    OnReturn,
    /// The same, and soon: a sleep that signals can end is over.
    Interrupted,
}

impl TaskWork {
    /// Makes a place that is not queued.
    pub(crate) const fn new() -> Self {
        // INVARIANT: `queued` is false.
        Self {
            head: Opaque::zeroed(),
            item: UnsafeCell::new(ptr::null()),
            queued: Atomic::new(false),
        }
    }

    /// Whether the item is queued. It may be run or queued at any moment.
    pub(crate) fn is_queued(&self) -> bool {
        self.queued.load(Acquire)
    }

    /// Queues `item` for `task`, or gives it back: because it is queued already, because the task
    /// has run its last work, or because the module is being unloaded.
    fn add<T: TaskWorkItem>(task: &Task, item: Arc<T>, notify: Notify) -> Result<(), Arc<T>> {
        let Some(module) = module::module_ref() else {
            return Err(item);
        };
        let work = item.task_work();
        if work.queued.xchg(true, Acquire) {
            return Err(item);
        }

        let mode = match notify {
            Notify::Not => bindings::task_work_notify_mode_TWA_NONE,
            Notify::OnReturn => bindings::task_work_notify_mode_TWA_RESUME,
            Notify::Interrupted => bindings::task_work_notify_mode_TWA_SIGNAL,
        };
        let work = ptr::from_ref(work);
        let raw = Arc::into_raw(item);
        // SAFETY: `work` is borrowed from the item, which cannot be moved or changed but through
        // a shared reference as long as we own a reference to it: so the borrow can last until
        // the callback takes over. `queued` was false, so the fields are ours, by the invariants.
        // The callback gets a head that belongs to an item of its type. The current task and any
        // that a reference is held to are valid.
        let result = unsafe {
            *(*work).item.get() = raw.cast();
            let head = (*work).head.get();
            bindings::init_task_work(head, Some(Self::callback::<T>));
            bindings::task_work_add(task.as_ptr(), head, mode)
        };
        if result != 0 {
            // SAFETY: The kernel did not take the item, so the reference is ours. So are the
            // fields, which this gives up.
            return Err(unsafe {
                (*work).queued.store(false, Release);
                Arc::from_raw(raw)
            });
        }
        // The callback gives this back.
        core::mem::forget(module);
        Ok(())
    }

    /// # Safety
    ///
    /// Called by the kernel once for each head that [`add`](Self::add) queued for a `T`.
    unsafe extern "C" fn callback<T: TaskWorkItem>(head: *mut bindings::callback_head) {
        // SAFETY: `add` left one reference on the module to us. It is the last to be dropped here,
        // after which this function does nothing but return.
        let _module = unsafe { module::ModuleRef::from_forgotten() };
        // SAFETY: The head is the first field of a `TaskWork`, which the item keeps alive; its
        // fields are ours until we store false in `queued`. `item` is what `Arc::into_raw`
        // returned in `add`, whose reference this takes over.
        let item = unsafe {
            let work = head.cast::<Self>();
            let item = Arc::from_raw((*(*work).item.get()).cast::<T>());
            (*work).queued.store(false, Release);
            item
        };
        item.run();
    }
}

/// Queues `item` to be run by the current thread.
///
/// It runs when the thread is about to return to user space, or in its exit, whichever comes
/// first. When the thread is exiting already, as it is in the exit probe of [`super::events`], it
/// runs as soon as the thread has given up its address space and its descriptor table, and *after*
/// the release of files that this closed: the queue is last in, first out (`do_exit` in
/// kernel/exit.c: `sched_process_exit`, `exit_mm`, `exit_files`, `exit_task_work`).
///
/// Gives `item` back when it is queued already, when the thread is a kernel thread or past the
/// last point where it runs such work, or when the module is being unloaded. Does not sleep.
pub(crate) fn run_in_current<T: TaskWorkItem>(item: Arc<T>) -> Result<(), Arc<T>> {
    // Kernel threads do not return to user space, and would keep the item until they end.
    if current::is_kernel_thread() {
        return Err(item);
    }
    let notify = if current::is_exiting() {
        Notify::Not
    } else {
        Notify::OnReturn
    };
    TaskWork::add(kernel::current!(), item, notify)
}

/// Queues `item` to be run by `thread`, a thread of a user process, when it is about to return to
/// user space, or in its exit. A thread that sleeps goes on sleeping.
///
/// Gives `item` back when it is queued already, when the thread is past the last point where it
/// runs such work, or when the module is being unloaded. Does not sleep.
pub(crate) fn run_in<T: TaskWorkItem>(thread: &ThreadRef, item: Arc<T>) -> Result<(), Arc<T>> {
    TaskWork::add(thread.task(), item, Notify::OnReturn)
}

/// As [`run_in`], but ends the thread's sleep if a signal would; the system call that it is in is
/// restarted, or fails, as after a signal that has no handler.
pub(crate) fn interrupt<T: TaskWorkItem>(thread: &ThreadRef, item: Arc<T>) -> Result<(), Arc<T>> {
    TaskWork::add(thread.task(), item, Notify::Interrupted)
}
