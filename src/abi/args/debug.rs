// SPDX-License-Identifier: GPL-2.0

//! Argument structures of signals, suspension and debuggers (ABI traps §11).
//!
//! Pure layout, no locks; see [`super`].

use super::super::user::UserAddr;

use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

/// Two addresses of register states, part of other arguments.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct ThreadStatePtrs {
    /// General registers: x86 thread state of the task's width.
    pub tstate: UserAddr,
    /// Floating-point registers: x86 float state of the task's width.
    pub fstate: UserAddr,
}

/// Argument of `sigprocess`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct SigprocessArgs {
    /// BSD signal: the caught one (in), the one to deliver or 0 (out).
    pub signum: i32,
    /// The registers.
    pub state: ThreadStatePtrs,
    /// Linux `siginfo_t` as the handler got it.
    pub siginfo: [u8; 128],
}

/// Argument of `thread_suspended`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct ThreadSuspendedArgs {
    /// The registers.
    pub state: ThreadStatePtrs,
}

/// Argument of `ptrace_thupdate`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PtraceThupdateArgs {
    /// Thread, in the caller's pid namespace.
    pub tid: i32,
    /// BSD signal.
    pub signum: i32,
}

/// Argument of `ptrace_sigexc`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PtraceSigexcArgs {
    /// Process, in the caller's pid namespace.
    pub pid: i32,
    /// Not 0: signals of that task become exceptions.
    pub sigexc: i32,
}

/// Argument of `last_triggered_watchpoint`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct LastTriggeredWatchpointArgs {
    /// Watched address (out).
    pub address: UserAddr,
    /// Operation: 0 execute, 1 write, 3 read or write (out).
    pub flags: u32,
}
