// SPDX-License-Identifier: GPL-2.0

//! Fork, exec and exit of any process of the machine, as they happen.
//!
//! Serves the life cycle of tasks and threads: it ends with the Linux process, not with a file.
//!
//! The events are the scheduler's tracepoints of the same names. Their symbols are not exported,
//! but the kernel lets modules enumerate tracepoints.
//!
//! Locks: none. Observers are called in the tracepoint's read-side critical section.
//!
//! C headers: [`include/linux/tracepoint.h`](srctree/include/linux/tracepoint.h),
//! [`include/trace/events/sched.h`](srctree/include/trace/events/sched.h)

use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::Arc,
    task::Task, //
};

use super::{
    bindings as shim,
    current, //
};

/// Who wants to know.
///
/// All functions are called by the thread they are about, for every user process of the machine:
/// so they had better begin with a cheap question whether it is one of ours. They must not sleep,
/// nor take a lock that is held elsewhere across a fork, exec or exit. Work that sleeps goes to
/// [`super::task_work`].
pub(crate) trait ProcessObserver: Send + Sync + 'static {
    /// The current thread, `parent`, has made a process; `child` is its first thread and has not
    /// run yet.
    fn forked(&self, parent: &Task, child: &Task);

    /// The current thread, `parent`, has made the thread `child` of the same process, which has
    /// not run yet.
    fn thread_created(&self, _parent: &Task, _child: &Task) {}

    /// The current process, which has one thread left, this one, has begun another image.
    fn execed(&self);

    /// Called just before [`execed`](Self::execed) when the thread that called exec was not the
    /// first one of its process: it took over that one's number, and had `former_tid` before.
    fn renumbered(&self, _former_tid: u32) {}

    /// The current thread is exiting; `last_thread` if all the others of its process already are.
    /// The thread still has its address space and its files.
    fn exiting(&self, last_thread: bool);

    /// Some thread or process is gone for good. Unlike the others this is called in whatever
    /// context, even that of an interrupt: it must not take a lock.
    fn freed(&self) {}
}

/// An observer that is being told. Dropping this ends it: once it is dropped no call is going on
/// any more.
pub(crate) struct ProcessEvents<T: ProcessObserver> {
    // Fields are dropped in this order.
    _fork: Probe,
    _exec: Probe,
    _exit: Probe,
    _free: Probe,
    _quiesce: Quiesce,
    _observer: Arc<T>,
}

impl<T: ProcessObserver> ProcessEvents<T> {
    /// Starts telling `observer`. Fails with `ENOENT` on a kernel that lacks a tracepoint.
    pub(crate) fn new(observer: Arc<T>) -> Result<Self> {
        let data = Arc::as_ptr(&observer).cast_mut().cast::<c_void>();
        // If a later probe fails, the earlier ones must be awaited before the observer goes.
        // Variables are dropped from the last to the first.
        let observer = observer;
        let quiesce = Quiesce;
        // SAFETY: Each function is a probe for the tracepoint it is registered with and for the
        // data that goes with it: a pointer to an observer that stays alive until the probes have
        // been unregistered and `Quiesce` was dropped.
        unsafe {
            let fork = Probe::new(c"sched_process_fork", on_fork::<T> as *mut c_void, data)?;
            let exec = Probe::new(c"sched_process_exec", on_exec::<T> as *mut c_void, data)?;
            let exit = Probe::new(c"sched_process_exit", on_exit::<T> as *mut c_void, data)?;
            let free = Probe::new(c"sched_process_free", on_free::<T> as *mut c_void, data)?;
            Ok(Self {
                _fork: fork,
                _exec: exec,
                _exit: exit,
                _free: free,
                _quiesce: quiesce,
                _observer: observer,
            })
        }
    }
}

/// Probe of `sched_process_fork`, which `kernel_clone` calls for each new user process or thread
/// before waking it up, and for kernel threads.
///
/// # Safety
///
/// `data` must point to a `T` that stays alive while the function runs, `parent` must be the
/// current task and `child` a new one.
unsafe extern "C" fn on_fork<T: ProcessObserver>(
    data: *mut c_void,
    parent: *mut bindings::task_struct,
    child: *mut bindings::task_struct,
) {
    // SAFETY: By the caller's promise. The child has not run, so it is still there. Its flags are
    // changed by itself only, and a task's `signal` is constant.
    unsafe {
        if (*child).flags & bindings::PF_KTHREAD != 0 {
            return;
        }
        let observer = &*data.cast::<T>();
        let same_process = (*parent).signal == (*child).signal;
        // CAST: `Task` is a transparent wrapper of `task_struct`.
        let (parent, child) = (&*parent.cast::<Task>(), &*child.cast::<Task>());
        if same_process {
            observer.thread_created(parent, child);
        } else {
            observer.forked(parent, child);
        }
    }
}

/// Probe of `sched_process_exec`, which `exec_binprm` calls once the new image is in place.
///
/// # Safety
///
/// `data` must point to a `T` that stays alive while the function runs.
unsafe extern "C" fn on_exec<T: ProcessObserver>(
    data: *mut c_void,
    _task: *mut bindings::task_struct,
    former_tid: bindings::pid_t,
    _bprm: *mut shim::linux_binprm,
) {
    // SAFETY: By the caller's promise.
    let observer = unsafe { &*data.cast::<T>() };
    // CAST: Pid numbers are never negative.
    let former_tid = former_tid as u32;
    if former_tid != current::tid() {
        observer.renumbered(former_tid);
    }
    observer.execed();
}

/// Probe of `sched_process_exit`, which `do_exit` calls.
///
/// # Safety
///
/// `data` must point to a `T` that stays alive while the function runs.
unsafe extern "C" fn on_exit<T: ProcessObserver>(
    data: *mut c_void,
    _task: *mut bindings::task_struct,
    group_dead: bool,
) {
    if current::is_kernel_thread() {
        return;
    }
    // SAFETY: By the caller's promise.
    unsafe { &*data.cast::<T>() }.exiting(group_dead);
}

/// Probe of `sched_process_free`, which is called when the last look at a reaped task is over.
///
/// # Safety
///
/// `data` must point to a `T` that stays alive while the function runs.
unsafe extern "C" fn on_free<T: ProcessObserver>(
    data: *mut c_void,
    _task: *mut bindings::task_struct,
) {
    // SAFETY: By the caller's promise.
    unsafe { &*data.cast::<T>() }.freed();
}

/// A function that is called at a tracepoint until this is dropped; after that, until a
/// [`Quiesce`] is dropped, calls may still be going on.
///
/// # Invariants
///
/// `function` and `data` are registered with `tracepoint`.
struct Probe {
    tracepoint: NonNull<bindings::tracepoint>,
    function: *mut c_void,
    data: *mut c_void,
}

// SAFETY: Tracepoints of the kernel image are always there, and have locks of their own; the
// other pointers are not followed here.
unsafe impl Send for Probe {}

// SAFETY: As above.
unsafe impl Sync for Probe {}

impl Probe {
    /// # Safety
    ///
    /// `function` must be a probe for the tracepoint called `name`, and fit to be called with
    /// `data` until `Self` and after it a [`Quiesce`] have been dropped.
    unsafe fn new(name: &CStr, function: *mut c_void, data: *mut c_void) -> Result<Self> {
        let tracepoint = find(name).ok_or(ENOENT)?;
        // SAFETY: The tracepoint is one of the kernel image, and by the caller's promise the
        // function fits it.
        to_result(unsafe {
            bindings::tracepoint_probe_register(tracepoint.as_ptr(), function, data)
        })?;
        // INVARIANT: Registration succeeded.
        Ok(Self {
            tracepoint,
            function,
            data,
        })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the probe is registered. It can fail only for one that
        // is not.
        unsafe {
            bindings::tracepoint_probe_unregister(
                self.tracepoint.as_ptr(),
                self.function,
                self.data,
            )
        };
    }
}

/// When dropped, waits until no probe is running that has been unregistered before.
struct Quiesce;

impl Drop for Quiesce {
    fn drop(&mut self) {
        // SAFETY: May be called wherever sleeping is allowed.
        unsafe { shim::mach_shim_tracepoint_synchronize_unregister() };
    }
}

/// Finds a tracepoint of the kernel image by its name.
fn find(name: &CStr) -> Option<NonNull<bindings::tracepoint>> {
    struct Search<'a> {
        name: &'a CStr,
        found: Option<NonNull<bindings::tracepoint>>,
    }

    /// # Safety
    ///
    /// `search` must point to a `Search` that nobody else uses during the call.
    unsafe extern "C" fn visit(tracepoint: *mut bindings::tracepoint, search: *mut c_void) {
        // SAFETY: By the caller's promise.
        let search = unsafe { &mut *search.cast::<Search<'_>>() };
        // SAFETY: The kernel passes a valid tracepoint, which has a name.
        let name = unsafe { CStr::from_char_ptr((*tracepoint).name) };
        if name == search.name {
            search.found = NonNull::new(tracepoint);
        }
    }

    let mut search = Search { name, found: None };
    // SAFETY: `visit` gets a pointer to `search`, which is not used otherwise until it returns.
    unsafe {
        bindings::for_each_kernel_tracepoint(
            Some(visit),
            core::ptr::from_mut(&mut search).cast::<c_void>(),
        )
    };
    search.found
}
