// SPDX-License-Identifier: GPL-2.0

//! Who may control which process, and the address space of one that may be controlled.
//!
//! The kernel's own check, `ptrace_may_access`, is for the kernel image only. This is the same for
//! `PTRACE_MODE_ATTACH_REALCREDS`, as ptrace itself uses it, without the opinions of security
//! modules other than that of capabilities (security/commoncap.c), which has its part here.
//!
//! A process can load an image with more privileges while it is being checked. As in the kernel,
//! the check is made with `exec_update_lock` held, and gives out the address space that it was
//! made for: what is done to that is done to what was checked.
//!
//! Locks: `exec_update_lock` of the process, inside. May sleep.
//!
//! C source: kernel/ptrace.c (`__ptrace_may_access`), kernel/fork.c (`mm_access`).

use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    error::to_result,
    mm::MmWithUser,
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
};

use super::{
    bindings as shim,
    process::ProcessId,
    process_threads::find_in_threads, //
};

/// The `signal` of a process, which all its threads share, kept while it is used.
///
/// # Invariants
///
/// A reference to a thread, which keeps it, is owned by this value.
struct Signal(NonNull<bindings::task_struct>);

impl Signal {
    /// That of `process`, or `None` when the process has been reaped.
    fn of(process: &ProcessId) -> Option<Self> {
        // SAFETY: The pid is valid. The reference that this counts is the new value's.
        let task =
            unsafe { bindings::get_pid_task(process.as_ptr(), bindings::pid_type_PIDTYPE_TGID) };
        // INVARIANT: As above.
        NonNull::new(task).map(Self)
    }

    fn exec_update_lock(&self) -> *mut bindings::rw_semaphore {
        // SAFETY: A task keeps its `signal` as long as it exists.
        unsafe { ptr::addr_of_mut!((*(*self.0.as_ptr()).signal).exec_update_lock) }
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::put_task_struct(self.0.as_ptr()) };
    }
}

/// The address space of `process`, if the current thread may control it. `EPERM` if it may not,
/// `ESRCH` when the process is gone or going, `EINTR` when the caller is being killed.
pub(crate) fn controlled_mm(process: &ProcessId) -> Result<ARef<MmWithUser>> {
    let signal = Signal::of(process).ok_or(ESRCH)?;
    let lock = signal.exec_update_lock();
    // SAFETY: The lock is valid, and is released below.
    to_result(unsafe { bindings::down_read_killable(lock) }).map_err(|_| EINTR)?;
    // The first thread that has not ended is asked, as it is in charge of the address space.
    let found = find_in_threads(process, |thread| {
        // SAFETY: The thread is valid. The reference that this counts is taken over below.
        let mm = NonNull::new(unsafe { bindings::get_task_mm(thread.as_ptr()) })?;
        // SAFETY: As above; the layout of `MmWithUser` is that of the structure.
        let mm = unsafe { ARef::from_raw(mm.cast::<MmWithUser>()) };
        Some((mm, process.is_current() || may_control(thread)))
    });
    // SAFETY: Taken above.
    unsafe { bindings::up_read(lock) };
    let (mm, allowed) = found.ok_or(ESRCH)?;
    allowed.then_some(mm).ok_or(EPERM)
}

fn may_control(target: NonNull<bindings::task_struct>) -> bool {
    let task = target.as_ptr();
    let _rcu = rcu::read_lock();
    // SAFETY: A thread's own credentials are replaced by itself only. Those of another thread may
    // be replaced at any time, but RCU keeps the ones that are read here, and the user namespaces
    // that they name. The shim's functions want the RCU lock.
    unsafe {
        let own = (*bindings::get_current()).cred;
        let theirs = shim::mach_shim_task_cred(task);
        let capable = |namespace| bindings::ns_capable(namespace, CAP_SYS_PTRACE);

        let same = [(*theirs).uid.val, (*theirs).euid.val, (*theirs).suid.val]
            .iter()
            .all(|uid| *uid == (*own).uid.val)
            && [(*theirs).gid.val, (*theirs).egid.val, (*theirs).sgid.val]
                .iter()
                .all(|gid| *gid == (*own).gid.val);
        if !same && !capable((*theirs).user_ns) {
            return false;
        }
        // A process that drops privileges becomes undumpable first: so that is looked at last.
        shim::mach_shim_smp_rmb();
        if !shim::mach_shim_is_dumpable(task) && !capable(shim::mach_shim_exec_user_ns(task)) {
            return false;
        }
        let more = (*theirs).cap_permitted.val & !(*own).cap_permitted.val;
        ((*own).user_ns == (*theirs).user_ns && more == 0) || capable((*theirs).user_ns)
    }
}

/// CAST: capabilities are small numbers.
const CAP_SYS_PTRACE: c_int = bindings::CAP_SYS_PTRACE as c_int;

/// Whether the current thread might use chroot(2): it has `CAP_SYS_CHROOT` over the user namespace
/// that it is in.
pub(crate) fn may_change_root() -> bool {
    // CAST: As above.
    let capability = bindings::CAP_SYS_CHROOT as c_int;
    // SAFETY: A thread's own credentials are replaced by itself only, and keep their namespace.
    unsafe { bindings::ns_capable((*(*bindings::get_current()).cred).user_ns, capability) }
}

/// Whether the current thread might trace the first process of its pid namespace: only a privileged
/// one on the machine itself, the container's owner within a container. False too when the process
/// is gone, or the thread is being killed.
pub(crate) fn may_control_init() -> bool {
    ProcessId::init_of_current_ns().is_some_and(|init| controlled_mm(&init).is_ok())
}
