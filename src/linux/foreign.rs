// SPDX-License-Identifier: GPL-2.0

//! Work in the address space of another process: by a thread of the kernel that adopts it.
//!
//! Serves routines that map memory into other tasks. The kernel maps only into the address space
//! of the current thread. Whoever asks for the work has been allowed to control the process (see
//! [`super::access`]); it is done with the credentials of that caller, what it allocates is charged
//! to the memory cgroup of the process, and the limits of the process are looked at beforehand, as
//! the kernel would look at those of the thread that does it.
//!
//! Work that its caller does not wait for any more, having been killed, is done all the same. It
//! holds a reference on the module (see [`super::deferred`]).
//!
//! Locks: `Errand::work` and `Errand::outcome` (spinlocks), leaves. Everything here may sleep.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

use core::ptr;
use kernel::{
    bindings,
    cred::Credential,
    mm::MmWithUser,
    new_spinlock,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            atomic_load,
            ordering::{
                Acquire,
                Release, //
            },
            Atomic, //
        },
        SpinLock, //
    },
};

use super::{
    bindings as shim,
    deferred::{
        Deferred,
        Job, //
    },
    process::ProcessId,
    wait::{
        new_wait_queue,
        WaitQueue, //
    },
};

/// Work on its way, and what came of it.
#[pin_data]
struct Errand<W, R> {
    mm: ARef<MmWithUser>,
    credentials: ARef<Credential>,
    #[pin]
    work: SpinLock<Option<W>>,
    #[pin]
    outcome: SpinLock<Option<R>>,
    is_done: Atomic<bool>,
    #[pin]
    done: WaitQueue,
}

impl<W, R> Job for Errand<W, R>
where
    W: FnOnce() -> R + Send + Unpin + 'static,
    R: Send + Unpin + 'static,
{
    fn run(&self) {
        let work = self.work.lock().take();
        if let Some(work) = work {
            let outcome = {
                let _adopted = Adopted::new(&self.mm, &self.credentials);
                work()
            };
            *self.outcome.lock() = Some(outcome);
        }
        self.is_done.store(true, Release);
        self.done.wake_all();
    }
}

/// An address space, and with it whose credentials are used and which cgroup is charged, that the
/// current thread of the kernel has as its own until this is dropped.
///
/// # Invariants
///
/// All of it was put in force by the current thread, which is one of a work queue and had none of
/// it before; `group` is what is charged, of which a reference is owned.
struct Adopted<'a> {
    mm: &'a MmWithUser,
    own: *const bindings::cred,
    group: *mut bindings::mem_cgroup,
}

impl<'a> Adopted<'a> {
    fn new(mm: &'a MmWithUser, credentials: &'a Credential) -> Self {
        // INVARIANT: As described. Work queues' threads have no address space.
        // SAFETY: Both arguments are alive until after the value is dropped. The reference on the
        // cgroup is given back by `drop`.
        unsafe {
            bindings::kthread_use_mm(mm.as_raw());
            let own = shim::mach_shim_override_creds(credentials.as_ptr());
            let group = bindings::get_mem_cgroup_from_mm(mm.as_raw());
            shim::mach_shim_set_active_memcg(group);
            Self { mm, own, group }
        }
    }
}

impl Drop for Adopted<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe {
            shim::mach_shim_set_active_memcg(ptr::null_mut());
            shim::mach_shim_mem_cgroup_put(self.group);
            shim::mach_shim_revert_creds(self.own);
            bindings::kthread_unuse_mm(self.mm.as_raw());
        }
    }
}

/// Whether the program in `mm` has been loaded. While it is being, execve relies on it that nobody
/// else changes what is mapped.
fn is_loaded(mm: &MmWithUser) -> bool {
    // SAFETY: The address space is alive. The field is set once, when everything is mapped, by the
    // thread that loads the program, hence the atomic access.
    let format = unsafe {
        let format = &raw mut (*mm.as_raw()).__bindgen_anon_1.binfmt;
        atomic_load(format, Acquire)
    };
    !format.is_null()
}

/// Has a thread that adopts `mm` do `work`, and returns what that returns. `EINTR` when the caller
/// is killed meanwhile; `ESRCH` when the program is not there yet; `ENOMEM`.
pub(crate) fn in_address_space<W, R>(mm: ARef<MmWithUser>, work: W) -> Result<R>
where
    W: FnOnce() -> R + Send + Unpin + 'static,
    R: Send + Unpin + 'static,
{
    if !is_loaded(&mm) {
        return Err(ESRCH);
    }
    // SAFETY: A thread's own credentials are replaced by itself only.
    let credentials = unsafe { Credential::from_ptr((*bindings::get_current()).cred) };
    let credentials = ARef::from(credentials);
    let errand = Deferred::new(
        pin_init!(Errand {
            mm,
            credentials,
            work <- new_spinlock!(Some(work), "Errand::work"),
            outcome <- new_spinlock!(None, "Errand::outcome"),
            is_done: Atomic::new(false),
            done <- new_wait_queue!("Errand::done"),
        }),
        GFP_KERNEL_ACCOUNT,
    )?;
    errand.run_soon();
    if !errand.done.wait_killable(|| errand.is_done.load(Acquire)) {
        return Err(EINTR);
    }
    let outcome = errand.outcome.lock().take();
    outcome.ok_or(ENOMEM)
}

/// How much a process may map, in bytes.
#[derive(Clone, Copy)]
struct Limits {
    address_space: u64,
    data: u64,
    locked: u64,
}

impl Limits {
    fn of(process: &ProcessId) -> Option<Self> {
        // SAFETY: The pid is valid. A task keeps its `signal` as long as it exists, and the
        // reference is given back when the limits, which are words, have been read.
        unsafe {
            let task = bindings::get_pid_task(process.as_ptr(), bindings::pid_type_PIDTYPE_TGID);
            if task.is_null() {
                return None;
            }
            // CAST: `unsigned long` has 64 bits.
            let limit = |which: u32| {
                let limit = ptr::addr_of!((*(*task).signal).rlim[which as usize].rlim_cur);
                limit.read_volatile() as u64
            };
            let limits = Self {
                address_space: limit(bindings::RLIMIT_AS),
                data: limit(bindings::RLIMIT_DATA),
                locked: limit(bindings::RLIMIT_MEMLOCK),
            };
            bindings::put_task_struct(task);
            Some(limits)
        }
    }
}

/// Checks that `process`, whose address space is `mm`, may map `length` bytes more, which are its
/// own and can be written if `is_data`. `ENOMEM` if not; `ESRCH` when it is gone. Another thread may
/// map as much at the same moment.
pub(crate) fn check_limits(
    process: &ProcessId,
    mm: &MmWithUser,
    length: usize,
    is_data: bool,
) -> Result {
    let limits = Limits::of(process).ok_or(ESRCH)?;
    // SAFETY: The address space is alive; these are counters that may change at any time.
    let (total, data, locked, locks_all) = unsafe {
        let raw = mm.as_raw();
        let counters = ptr::addr_of!((*raw).__bindgen_anon_1);
        (
            ptr::addr_of!((*counters).total_vm).read_volatile(),
            ptr::addr_of!((*counters).data_vm).read_volatile(),
            ptr::addr_of!((*counters).locked_vm).read_volatile(),
            shim::mach_shim_locks_future_mappings(raw),
        )
    };
    // CAST: `usize` has 64 bits at most.
    let fits = |pages: usize, limit: u64| {
        (pages as u64)
            .saturating_mul(PAGE_SIZE as u64)
            .saturating_add(length as u64)
            <= limit
    };
    let allowed = fits(total, limits.address_space)
        && (!is_data || fits(data, limits.data))
        && (!locks_all || fits(locked, limits.locked));
    allowed.then_some(()).ok_or(ENOMEM)
}
