// SPDX-License-Identifier: GPL-2.0

//! What is kept at a mutex or read-write lock for threads that are on their way: wake-ups that
//! came before them, and grants that did not reach them. Pure state.
//!
//! Locks: the table's lock protects it.

use super::word::{
    self,
    s, //
};

/// Wake-ups that came before those they are for.
#[derive(Clone, Copy)]
pub(super) struct Prepost {
    /// How many are still to come.
    pub(super) count: u32,
    /// The sequence they are for, or up to which they are.
    pub(super) seq: u32,
    /// The S word of the unlock that left this; [`s::UNSET`] in it says that there was none.
    pub(super) s_word: u32,
}

impl Prepost {
    pub(super) const NONE: Self = Self {
        count: 0,
        seq: 0,
        s_word: s::UNSET,
    };
}

/// What kind of lock was granted to nobody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    Read,
    Write,
}

/// Grants whose threads had given up when they were made. They come back for them.
#[derive(Clone, Copy)]
pub(super) struct Missed {
    count: u32,
    seq: u32,
    word: u32,
    grant: Grant,
}

impl Missed {
    pub(super) const NONE: Self = Self {
        count: 0,
        seq: 0,
        word: 0,
        grant: Grant::Write,
    };

    /// Records that `count` threads, the last of them at `seq`, did not get `word`.
    pub(super) fn record(grant: Grant, count: u32, seq: u32, word: u32) -> Self {
        Self {
            count,
            seq,
            word,
            grant,
        }
    }

    /// Whether there is none.
    pub(super) fn is_none(&self) -> bool {
        self.count == 0
    }

    /// What a thread at `seq` missed, once.
    pub(super) fn take(&mut self, grant: Grant, seq: u32) -> Option<u32> {
        if self.count == 0 || self.grant != grant || !word::lower_or_equal(seq, self.seq) {
            return None;
        }
        let word = self.word;
        self.count = self.count.wrapping_sub(1);
        if self.count == 0 {
            *self = Self::NONE;
        }
        Some(word)
    }
}
