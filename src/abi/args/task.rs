// SPDX-License-Identifier: GPL-2.0

//! Argument structures of tasks, threads, identity and memory (ABI traps §2 to §4).
//!
//! Pure layout, no locks; see [`super`].

use super::super::{
    port::PortName,
    user::UserAddr, //
};

use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

/// Argument of `task_for_pid`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct TaskForPidArgs {
    /// Process, in the caller's pid namespace.
    pub pid: i32,
    /// Where the name of the task port is written (a [`PortName`]).
    pub task_port: UserAddr,
}

/// Argument of `task_name_for_pid`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct TaskNameForPidArgs {
    /// Ignored.
    pub task_port: PortName,
    /// Process, in the caller's pid namespace.
    pub pid: i32,
    /// The name of the task-name port (out).
    pub name_out: PortName,
}

/// Argument of `pid_for_task`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PidForTaskArgs {
    /// Task or task-name port.
    pub task_port: PortName,
    /// Where the pid is written (`i32`).
    pub pid: UserAddr,
}

/// Argument of `set_tracer`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct SetTracerArgs {
    /// Process to be traced; 0 is the caller.
    pub target: i32,
    /// The tracing process; 0 or less clears it.
    pub tracer: i32,
}

/// Argument of `getuidgid` (out) and `setuidgid` (in).
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct UidGid {
    /// User id; -1 leaves it (set).
    pub uid: i32,
    /// Group id; -1 leaves it (set).
    pub gid: i32,
}

/// Argument of `set_dyld_info`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct SetDyldInfoArgs {
    /// Address of the loader's image list.
    pub all_images_address: UserAddr,
    /// Its size in bytes.
    pub all_images_length: u32,
}

/// Argument of `set_thread_handles`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct SetThreadHandlesArgs {
    /// The library's handle of the thread; never interpreted.
    pub pthread_handle: u64,
    /// Address of the thread's dispatch queue pointer; only reported.
    pub dispatch_qaddr: UserAddr,
}

/// Argument of `pthread_kill`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PthreadKillArgs {
    /// Thread to act on.
    pub thread_port: PortName,
    /// Linux signal; 0 only probes.
    pub sig: i32,
}

/// Argument of `bsdthread_terminate`, a trap nobody implements.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct BsdthreadTerminateArgs {
    /// Stack to unmap.
    pub stackaddr: UserAddr,
    /// Bytes to unmap.
    pub freesize: u64,
    /// Thread port.
    pub port: PortName,
    /// Padding, ignored.
    pub _port_padding: [u8; 4],
    /// Semaphore to signal at the end.
    pub sem: PortName,
    /// Padding, ignored.
    pub _sem_padding: [u8; 4],
}

/// Argument of `mach_vm_allocate`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachVmAllocateArgs {
    /// Task to act on.
    pub target: PortName,
    /// Wanted address (in), address of the mapping (out).
    pub address: UserAddr,
    /// Bytes.
    pub size: u64,
    /// Bit 0: any address will do.
    pub flags: u32,
}

/// Argument of `mach_vm_deallocate`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MachVmDeallocateArgs {
    /// Task to act on.
    pub target: PortName,
    /// Address.
    pub address: UserAddr,
    /// Bytes.
    pub size: u64,
}
