// SPDX-License-Identifier: GPL-2.0

//! Counts of live objects by kind, so that tests can tell that nothing is left.
//!
//! Read through debugfs (`mach/objects`). Not meant for objects made on the path of a message.

use kernel::sync::atomic::{
    ordering::Relaxed,
    Atomic, //
};

/// The number of live objects of one kind.
pub(crate) struct ObjectCounter {
    name: &'static str,
    live: Atomic<i64>,
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
            live: Atomic::new(0),
        }
    }

    /// What is counted.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// How many there are.
    pub(crate) fn live(&self) -> i64 {
        self.live.load(Relaxed)
    }
}

/// Counts the object that it is a field of.
pub(crate) struct Live(&'static ObjectCounter);

impl Live {
    /// Counts one more.
    pub(crate) fn new(counter: &'static ObjectCounter) -> Self {
        counter.live.add(1, Relaxed);
        Self(counter)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.live.add(-1, Relaxed);
    }
}
