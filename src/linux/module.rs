// SPDX-License-Identifier: GPL-2.0

//! References on this module, and the wait that makes unloading it safe.
//!
//! Serves every object that outlives the open file it came from: a task that lives until its
//! process exits, a piece of task work that has yet to run.
//!
//! # How unloading stays safe
//!
//! The kernel unloads the module only while its reference count is zero, but the count alone does
//! not say that nobody executes its text: whoever drops the last reference from within the module
//! still has to return from it. The last reference is dropped by one of these:
//!
//! * the VFS, after `release` has returned: nothing of ours is left to execute;
//! * a function of ours that runs below a file operation: the open file holds a reference too, so
//!   this is the previous case;
//! * a piece of task work ([`super::task_work`]): the queue holds a reference until the item has
//!   run, and what follows its release is the return to the kernel;
//! * work left to a thread of the kernel ([`super::deferred`]): as task work;
//! * a tracepoint probe ([`super::events`]): unregistering waits for running probes.
//!
//! So at most a few instructions can be outstanding when `module_exit` starts, and none of them
//! sleeps. [`wait_for_module_text`] waits until every task has scheduled voluntarily or been in
//! user space, and thus has left them. [`TextGuard`] calls it when the module goes.
//!
//! Rule for users: after dropping a [`ModuleRef`] a thread must not sleep in the module unless
//! something else, of the list above, pins it.
//!
//! Locks: none.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use kernel::{
    bindings,
    module::this_module, //
};

use super::bindings as shim;

/// The `struct module` of this module.
#[inline]
pub(super) fn this() -> *mut bindings::module {
    this_module::<crate::LocalModule>().as_ptr()
}

/// A counted reference on this module: while it exists the module cannot be unloaded.
///
/// # Invariants
///
/// Owns one reference taken with `try_module_get`.
pub(crate) struct ModuleRef(());

/// Takes a reference on this module. `None` when the module is already being unloaded, which only
/// a tracepoint probe or other code that no reference protects can see. Does not sleep.
#[inline]
pub(crate) fn module_ref() -> Option<ModuleRef> {
    // SAFETY: The pointer is this module's own, which exists while its code runs.
    let taken = unsafe { bindings::try_module_get(this()) };
    // INVARIANT: On success the reference is ours. On failure none must be made, not even to be
    // dropped at once: its drop would give back what was not taken.
    taken.then(|| ModuleRef(()))
}

impl ModuleRef {
    /// Takes over a reference whose [`ModuleRef`] was forgotten.
    ///
    /// # Safety
    ///
    /// There must be one, and it must not be taken over again.
    #[inline]
    pub(super) unsafe fn from_forgotten() -> Self {
        // INVARIANT: By the caller's promise the reference is ours.
        Self(())
    }
}

impl Drop for ModuleRef {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants this gives back a reference that we own.
        unsafe { bindings::module_put(this()) };
    }
}

/// Waits until no code of this module is left to run that was reached through a tracepoint, through
/// task work or through an RCU callback.
///
/// Call it when nothing can start such code any more: all probes are unregistered and the
/// reference count of the module is zero. Sleeps, typically for some tens of milliseconds.
pub(crate) fn wait_for_module_text() {
    // SAFETY: None of these has preconditions beyond being allowed to sleep, which a debug kernel
    // checks.
    unsafe {
        shim::mach_shim_tracepoint_synchronize_unregister();
        bindings::synchronize_rcu_tasks();
        bindings::rcu_barrier();
    }
}

/// Calls [`wait_for_module_text`] when dropped.
///
/// It must be the last thing of the module to go: the last field in the module's state, and the
/// first that its initialiser makes, so that a failing initialiser drops it last as well.
pub(crate) struct TextGuard(());

impl TextGuard {
    /// Makes the guard.
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl Drop for TextGuard {
    fn drop(&mut self) {
        wait_for_module_text();
    }
}
