// SPDX-License-Identifier: GPL-2.0

//! Argument structures of the psynch traps behind pthread locks (ABI traps §9).
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

/// Argument of `psynch_mutexwait`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PsynchMutexwaitArgs {
    /// Address of the mutex: its identity, not dereferenced.
    pub mutex: UserAddr,
    /// Lock word (L).
    pub mgen: u32,
    /// Padding, ignored.
    pub _mgen_padding: [u8; 4],
    /// Unlock word (U).
    pub ugen: u32,
    /// Padding, ignored.
    pub _ugen_padding: [u8; 4],
    /// Thread id of the owner; decides nothing.
    pub tid: u64,
    /// Flags.
    pub flags: u32,
    /// Padding, ignored.
    pub _flags_padding: [u8; 4],
}

/// Argument of `psynch_mutexdrop`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PsynchMutexdropArgs {
    /// Address of the mutex: its identity, not dereferenced.
    pub mutex: UserAddr,
    /// Lock word (L).
    pub mgen: u32,
    /// Padding, ignored.
    pub _mgen_padding: [u8; 4],
    /// Unlock word (U).
    pub ugen: u32,
    /// Padding, ignored.
    pub _ugen_padding: [u8; 4],
    /// Thread id.
    pub tid: u64,
    /// Flags.
    pub flags: u32,
    /// Padding, ignored.
    pub _flags_padding: [u8; 4],
}

/// Argument of `psynch_cvwait`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PsynchCvwaitArgs {
    /// Address of the condition variable: its identity, not dereferenced.
    pub cv: UserAddr,
    /// S word in the upper half, L word in the lower.
    pub cvlsgen: u64,
    /// U word.
    pub cvugen: u32,
    /// Padding, ignored.
    pub _cvugen_padding: [u8; 4],
    /// Address of the mutex: its identity, not dereferenced.
    pub mutex: UserAddr,
    /// The mutex: U word in the upper half, L word in the lower.
    pub mugen: u64,
    /// Flags.
    pub flags: u32,
    /// Padding, ignored.
    pub _flags_padding: [u8; 4],
    /// Relative timeout, whole seconds.
    pub sec: i64,
    /// Relative timeout, nanoseconds beyond the seconds.
    pub nsec: u32,
    /// Padding, ignored.
    pub _nsec_padding: [u8; 4],
}

/// Argument of `psynch_cvsignal`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PsynchCvsignalArgs {
    /// Address of the condition variable: its identity, not dereferenced.
    pub cv: UserAddr,
    /// S word in the upper half, L word in the lower.
    pub cvlsgen: u64,
    /// U word.
    pub cvugen: u32,
    /// Padding, ignored.
    pub _cvugen_padding: [u8; 4],
    /// The only thread to wake, or null.
    pub thread_port: PortName,
    /// Padding, ignored.
    pub _thread_port_padding: [u8; 4],
    /// Address of the mutex: its identity, not dereferenced.
    pub mutex: UserAddr,
    /// The mutex: U word in the upper half, L word in the lower.
    pub mugen: u64,
    /// Thread id.
    pub tid: u64,
    /// Flags.
    pub flags: u32,
    /// Padding, ignored.
    pub _flags_padding: [u8; 4],
}

/// Argument of `psynch_cvbroad`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PsynchCvbroadArgs {
    /// Address of the condition variable: its identity, not dereferenced.
    pub cv: UserAddr,
    /// S word in the upper half, L word in the lower.
    pub cvlsgen: u64,
    /// U word in the upper half, L - U in the lower.
    pub cvudgen: u64,
    /// Flags.
    pub flags: u32,
    /// Padding, ignored.
    pub _flags_padding: [u8; 4],
    /// Address of the mutex: its identity, not dereferenced.
    pub mutex: UserAddr,
    /// The mutex: U word in the upper half, L word in the lower.
    pub mugen: u64,
    /// Thread id.
    pub tid: u64,
}

/// Argument of `psynch_cvclrprepost`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PsynchCvclrprepostArgs {
    /// Address of the condition variable: its identity, not dereferenced.
    pub cv: UserAddr,
    /// L word.
    pub cvgen: u32,
    /// Padding, ignored.
    pub _cvgen_padding: [u8; 4],
    /// U word.
    pub cvugen: u32,
    /// Padding, ignored.
    pub _cvugen_padding: [u8; 4],
    /// S word.
    pub cvsgen: u32,
    /// Padding, ignored.
    pub _cvsgen_padding: [u8; 4],
    /// Entries up to this sequence are dropped.
    pub prepocnt: u32,
    /// Padding, ignored.
    pub _prepocnt_padding: [u8; 4],
    /// Ignored.
    pub preposeq: u32,
    /// Padding, ignored.
    pub _preposeq_padding: [u8; 4],
    /// Flags.
    pub flags: u32,
    /// Padding, ignored.
    pub _flags_padding: [u8; 4],
}

/// Argument of `psynch_rw_rdlock`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PsynchRwRdlockArgs {
    /// Address of the lock: its identity, not dereferenced.
    pub rwlock: UserAddr,
    /// L word.
    pub lgenval: u32,
    /// Padding, ignored.
    pub _lgenval_padding: [u8; 4],
    /// U word.
    pub ugenval: u32,
    /// Padding, ignored.
    pub _ugenval_padding: [u8; 4],
    /// S word.
    pub rw_wc: u32,
    /// Padding, ignored.
    pub _rw_wc_padding: [u8; 4],
    /// Flags.
    pub flags: i32,
    /// Padding, ignored.
    pub _flags_padding: [u8; 4],
}

/// Argument of `psynch_rw_wrlock`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PsynchRwWrlockArgs {
    /// Address of the lock: its identity, not dereferenced.
    pub rwlock: UserAddr,
    /// L word.
    pub lgenval: u32,
    /// Padding, ignored.
    pub _lgenval_padding: [u8; 4],
    /// U word.
    pub ugenval: u32,
    /// Padding, ignored.
    pub _ugenval_padding: [u8; 4],
    /// S word.
    pub rw_wc: u32,
    /// Padding, ignored.
    pub _rw_wc_padding: [u8; 4],
    /// Flags.
    pub flags: i32,
    /// Padding, ignored.
    pub _flags_padding: [u8; 4],
}

/// Argument of `psynch_rw_unlock`.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, packed(4))]
pub struct PsynchRwUnlockArgs {
    /// Address of the lock: its identity, not dereferenced.
    pub rwlock: UserAddr,
    /// L word.
    pub lgenval: u32,
    /// Padding, ignored.
    pub _lgenval_padding: [u8; 4],
    /// U word.
    pub ugenval: u32,
    /// Padding, ignored.
    pub _ugenval_padding: [u8; 4],
    /// S word.
    pub rw_wc: u32,
    /// Padding, ignored.
    pub _rw_wc_padding: [u8; 4],
    /// Flags.
    pub flags: i32,
    /// Padding, ignored.
    pub _flags_padding: [u8; 4],
}
