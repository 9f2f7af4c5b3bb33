// SPDX-License-Identifier: GPL-2.0

//! The words that user space and the kernel exchange about a lock (ABI traps §9.1).
//!
//! The upper 24 bits of a word count, the lower eight are flags. L counts those who came, U those
//! who left, S those whom the kernel has let go on. Pure, no locks.

/// One step of a count.
pub(super) const INC: u32 = 0x100;

/// The bits that count.
pub(super) const COUNT: u32 = 0xffff_ff00;

/// The largest number of steps between two counts that can be told apart, as a distance.
const HALF: u32 = COUNT / 2;

/// Flags of L words, and of what is returned to be put into them.
pub(super) mod l {
    /// Locks and unlocks must enter the kernel.
    pub(in super::super) const KERNEL: u32 = 0x01;
    /// Held exclusively.
    pub(in super::super) const EXCLUSIVE: u32 = 0x02;
    /// Read-write locks: a writer waits.
    pub(in super::super) const WRITER: u32 = 0x04;
    /// Mutexes: the kernel keeps a wake-up for whoever comes.
    pub(in super::super) const PREPOST: u32 = 0x04;
    /// Read-write locks: granted beside those who hold the lock already.
    pub(in super::super) const OVERLAP: u32 = 0x40;
    /// The lock has been initialised (again) since the kernel saw it last.
    pub(in super::super) const INIT: u32 = 0x80;
}

/// Flags of S words, and of what is returned to be put into them.
pub(super) mod s {
    /// No S has been set yet.
    pub(in super::super) const UNSET: u32 = 0x01;
    /// Condition variables: the kernel knows nothing any more.
    pub(in super::super) const CV_CLEARED: u32 = 0x01;
    /// Condition variables: the kernel has nothing but wake-ups for whoever comes.
    pub(in super::super) const CV_PREPOST: u32 = 0x02;
    /// Flags of L that user space keeps here while the kernel decides.
    pub(in super::super) const SAVED: u32 = 0x1c;
}

/// Bits of the `flags` argument.
pub(super) mod flag {
    pub(in super::super) const SHARED: u32 = 0x10;
    pub(in super::super) const SHARED_MASK: u32 = 0x30;
    pub(in super::super) const FIRST_FIT: u32 = 0x80;
    /// `cvclrprepost`: the object is a mutex.
    pub(in super::super) const MUTEX: u32 = 0x2000;
}

/// The count in `word`.
#[inline]
pub(super) fn count(word: u32) -> u32 {
    word & COUNT
}

/// Whether count `a` comes before count `b`, where counts wrap.
#[inline]
pub(super) fn lower(a: u32, b: u32) -> bool {
    if a < b {
        b.wrapping_sub(a) < HALF
    } else {
        a.wrapping_sub(b) > HALF
    }
}

/// Whether count `a` comes after count `b`.
#[inline]
pub(super) fn higher(a: u32, b: u32) -> bool {
    lower(b, a)
}

/// As [`lower`], or equal.
#[inline]
pub(super) fn lower_or_equal(a: u32, b: u32) -> bool {
    a == b || lower(a, b)
}

/// The steps between two counts.
pub(super) fn steps(a: u32, b: u32) -> u32 {
    let distance = if lower(a, b) {
        b.wrapping_sub(a)
    } else {
        a.wrapping_sub(b)
    };
    distance >> 8
}

/// Two words that are passed in one argument.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub(super) upper: u32,
    pub(super) lower: u32,
}

impl Pair {
    #[inline]
    pub(super) fn unpack(packed: u64) -> Self {
        Self {
            // CAST: The halves of the argument.
            upper: (packed >> 32) as u32,
            lower: packed as u32,
        }
    }
}
