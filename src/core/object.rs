// SPDX-License-Identifier: GPL-2.0

//! Counts of live objects by kind, so that tests can tell that nothing is left.
//!
//! Read through debugfs (`mach/objects`). CPUs do not contend for a counter, so what is made on
//! the path of a message can be counted as well: each counter is split by CPU, and one part may be
//! negative when others made up for it.
//!
//! Locks: none.

use crate::linux::{
    cpu,
    peek::add_to, //
};
use kernel::sync::atomic::{
    ordering::Relaxed,
    Atomic, //
};

/// Parts of a counter; CPUs beyond share them.
const PARTS: usize = 16;

/// One part, on a cache line of its own.
#[repr(align(64))]
struct Part(Atomic<i64>);

/// The number of live objects of one kind.
pub(crate) struct ObjectCounter {
    name: &'static str,
    parts: [Part; PARTS],
}

impl ObjectCounter {
    /// Makes a counter for objects called `name`: a plural, and one word, as `port_sets`, since
    /// readers split the line at spaces. Evaluated at compile time only.
    pub(crate) const fn new(name: &'static str) -> Self {
        let mut rest = name.as_bytes();
        while let [byte, after @ ..] = rest {
            assert!(matches!(byte, b'a'..=b'z' | b'_'));
            rest = after;
        }
        Self {
            name,
            parts: [const { Part(Atomic::new(0)) }; PARTS],
        }
    }

    /// What is counted.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// How many there are: exact when nobody is counting meanwhile.
    pub(crate) fn live(&self) -> i64 {
        let parts = self.parts.iter();
        parts.fold(0, |sum, part| sum.wrapping_add(part.0.load(Relaxed)))
    }

    /// Counts `number` more, or fewer if it is negative.
    #[inline]
    pub(crate) fn add(&self, number: i64) {
        // CAST: `u32` to `usize` loses nothing. The index is in bounds, which the compiler sees.
        add_to(&self.parts[cpu::current_hint() as usize % PARTS].0, number);
    }
}

/// Counts the object that it is a field of.
pub(crate) struct Live(&'static ObjectCounter);

impl Live {
    /// Counts one more.
    #[inline]
    pub(crate) fn new(counter: &'static ObjectCounter) -> Self {
        counter.add(1);
        Self(counter)
    }
}

impl Drop for Live {
    #[inline]
    fn drop(&mut self) {
        self.0.add(-1);
    }
}
