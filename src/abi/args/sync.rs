// SPDX-License-Identifier: GPL-2.0

//! Argument structures of semaphores and timers (ABI traps §7 and §8).
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

/// Argument of `semaphore_signal`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct SemaphoreSignalArgs {
    /// Semaphore to signal.
    pub signal: PortName,
}

/// Argument of `semaphore_signal_all`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct SemaphoreSignalAllArgs {
    /// Semaphore to signal.
    pub signal: PortName,
}

/// Argument of `semaphore_wait`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct SemaphoreWaitArgs {
    /// Semaphore to wait on, in spite of its name.
    pub signal: PortName,
}

/// Argument of `semaphore_wait_signal`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct SemaphoreWaitSignalArgs {
    /// Semaphore to wait on.
    pub wait: PortName,
    /// Semaphore to signal.
    pub signal: PortName,
}

/// Argument of `semaphore_timedwait_signal`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct SemaphoreTimedwaitSignalArgs {
    /// Semaphore to wait on.
    pub wait: PortName,
    /// Semaphore to signal.
    pub signal: PortName,
    /// Relative timeout, whole seconds.
    pub sec: u32,
    /// Relative timeout, nanoseconds beyond the seconds.
    pub nsec: u32,
}

/// Argument of `semaphore_timedwait`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct SemaphoreTimedwaitArgs {
    /// Semaphore to wait on.
    pub wait: PortName,
    /// Relative timeout, whole seconds.
    pub sec: u32,
    /// Relative timeout, nanoseconds beyond the seconds.
    pub nsec: u32,
}

/// Argument of `mk_timer_arm`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MkTimerArmArgs {
    /// Receive right of the timer.
    pub timer_port: PortName,
    /// Deadline, nanoseconds of the monotonic clock.
    pub expire_time: u64,
}

/// Argument of `mk_timer_cancel`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MkTimerCancelArgs {
    /// Receive right of the timer.
    pub timer_port: PortName,
    /// Where the cancelled deadline is written (`u64`), or null.
    pub result_time: UserAddr,
}

/// Argument of `mk_timer_destroy`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct MkTimerDestroyArgs {
    /// Receive right of the timer.
    pub timer_port: PortName,
}
