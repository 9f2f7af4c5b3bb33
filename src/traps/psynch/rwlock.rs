// SPDX-License-Identifier: GPL-2.0

//! What the kernel keeps of a read-write lock (ABI traps §9.5).
//!
//! Who cannot have the lock counts itself in L and waits here at that count. When the last of those
//! who hold it unlocks, the next are chosen: the writer that waits longest, or all readers that came
//! before it. If not all who are counted are here yet, the choice waits for them.
//!
//! Serves [`super::rw_traps`].
//!
//! Locks: the table's lock protects it.

use super::{
    record::{
        Grant,
        Missed,
        Prepost, //
    },
    wait_list::WaitList,
    waiter::{
        Entry,
        Kind,
        Wakes, //
    },
    word::{
        self,
        l,
        s, //
    },
};
use kernel::prelude::*;

/// The words of a trap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    l: u32,
    u: u32,
    s: u32,
}

impl Words {
    /// The words that count lockers, unlockers, and what the library believes.
    pub(super) fn new(l: u32, u: u32, s: u32) -> Self {
        Self { l, u, s }
    }
}

/// How a wait begins.
pub(super) enum Begun {
    /// It is over at once, with this to return.
    Over(u32),
    /// The thread is in the list and has to sleep.
    Queued,
}

/// What the kernel keeps of a read-write lock.
pub(super) struct RwLock {
    readers: WaitList,
    writers: WaitList,
    prepost: Prepost,
    missed: Missed,
    /// The S count of the last unlock that chose somebody.
    last_unlock: Option<u32>,
    /// Readers may join those who were chosen last, within S counts from `last` to `next`.
    overlap: bool,
    last: u32,
    /// With the flags of the last choice.
    next: u32,
    /// A trap has said that the lock is initialised anew, and no choice was made since.
    init_seen: bool,
}

/// The thread that has the next ones chosen, if it waits itself.
#[derive(Clone, Copy)]
struct Caller {
    grant: Grant,
    seq: u32,
}

/// Who was chosen.
struct Choice {
    /// The word that they and the chooser get.
    word: u32,
    /// Whether the caller is among them.
    with_caller: bool,
}

/// The lower of two counts that there may be.
fn lowest(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if word::lower(b, a) { b } else { a }),
        (a, b) => a.or(b),
    }
}

impl RwLock {
    pub(super) fn new() -> Self {
        Self {
            readers: WaitList::new(),
            writers: WaitList::new(),
            prepost: Prepost::NONE,
            missed: Missed::NONE,
            last_unlock: None,
            overlap: false,
            last: s::UNSET,
            next: s::UNSET,
            init_seen: false,
        }
    }

    /// Whether nobody would be missed.
    pub(super) fn is_idle(&self) -> bool {
        self.readers.is_empty()
            && self.writers.is_empty()
            && self.prepost.count == 0
            && self.missed.is_none()
    }

    /// The first trap after the lock was initialised anew makes all forgotten but who waits.
    fn note_init(&mut self, l: u32) {
        if l & l::INIT == 0 || self.init_seen {
            return;
        }
        self.prepost = Prepost::NONE;
        self.missed = Missed::NONE;
        self.last_unlock = None;
        self.overlap = false;
        self.last = s::UNSET;
        self.next = s::UNSET;
        self.init_seen = true;
    }

    /// Grants a thread the lock, or makes it wait. `EBUSY` if one waits at its count already.
    ///
    /// `again` says that the thread comes back from an interruption with the same words. Whether
    /// they say that the lock is initialised has been looked at then; by now the kernel may keep
    /// something for this thread, which must not be forgotten.
    pub(super) fn begin(
        &mut self,
        grant: Grant,
        words: Words,
        again: bool,
        entry: &Entry,
        wakes: &mut Wakes,
    ) -> Result<Begun> {
        if !again {
            self.note_init(words.l);
        }
        let seq = word::count(words.l);
        if let Some(word) = self.missed.take(grant, seq) {
            return Ok(Begun::Over(word));
        }
        if grant == Grant::Read {
            if let Some(word) = self.join(words) {
                return Ok(Begun::Over(word));
            }
        }
        if let Some(word) = self.arrive(grant, seq, wakes) {
            return Ok(Begun::Over(word));
        }
        entry.begin(Kind::Thread, seq);
        let waiting = match grant {
            Grant::Read => &mut self.readers,
            Grant::Write => &mut self.writers,
        };
        waiting.insert_unique(entry.clone())?;
        Ok(Begun::Queued)
    }

    /// Lets a reader join those who were chosen last, if that is still possible.
    fn join(&mut self, words: Words) -> Option<u32> {
        if !self.overlap || words.s & s::SAVED != 0 || words.l & l::WRITER != 0 {
            return None;
        }
        let at = word::count(words.s);
        let within = word::lower_or_equal(at, word::count(self.next))
            || word::lower_or_equal(at, word::count(self.last));
        if !within {
            return None;
        }
        self.next = self.next.wrapping_add(word::INC);
        Some(word::INC | (self.next & !word::COUNT) | l::OVERLAP)
    }

    /// A thread that an unlock could not wait for has come. If it is the last of these, the next
    /// ones are chosen, and the word is returned if the thread is one of them.
    fn arrive(&mut self, grant: Grant, seq: u32, wakes: &mut Wakes) -> Option<u32> {
        if self.prepost.count == 0 || !word::lower_or_equal(seq, self.prepost.seq) {
            return None;
        }
        self.prepost.count = self.prepost.count.wrapping_sub(1);
        if self.prepost.count != 0 {
            return None;
        }
        let s_word = self.prepost.s_word;
        self.prepost = Prepost::NONE;
        self.init_seen = false;
        let choice = self.choose(s_word, Some(Caller { grant, seq }), wakes);
        choice.with_caller.then_some(choice.word)
    }

    /// Has the next ones chosen, now or when all are here. Returns the word for the caller.
    pub(super) fn unlock(&mut self, words: Words, wakes: &mut Wakes) -> u32 {
        self.note_init(words.l);
        let u = word::count(words.u);
        if self.last_unlock.is_some_and(|last| word::lower(u, last)) {
            return 0;
        }
        let l = word::count(words.l);
        let wanted = word::steps(l, u);
        let here = self
            .readers
            .count_up_to(l)
            .saturating_add(self.writers.count_up_to(l));
        if here == 0 || here < wanted {
            let known = self.prepost.s_word;
            if known & s::UNSET == 0 && word::lower(word::count(words.s), word::count(known)) {
                return 0;
            }
            self.prepost = Prepost {
                count: wanted.saturating_sub(here),
                seq: l,
                s_word: words.s,
            };
            return words.l & !l::INIT;
        }
        if words.l & l::INIT != 0 {
            self.init_seen = false;
        }
        self.prepost = Prepost::NONE;
        self.choose(words.s, None, wakes).word
    }

    /// Chooses who is next after an unlock at `s`, and lets them go on.
    fn choose(&mut self, s: u32, caller: Option<Caller>, wakes: &mut Wakes) -> Choice {
        self.last = s;
        self.last_unlock = Some(word::count(s));
        self.overlap = false;
        let caller_seq = |grant| caller.filter(|caller| caller.grant == grant).map(|c| c.seq);
        let reading = caller_seq(Grant::Read);
        let writing = caller_seq(Grant::Write);
        let reader = lowest(self.readers.first_seq(), reading);
        let writer = lowest(self.writers.first_seq(), writing);

        let choice = match (reader, writer) {
            (Some(reader), Some(writer)) if !word::lower(writer, reader) => {
                self.choose_readers(Some(writer), reading, wakes)
            }
            (_, Some(writer)) => self.choose_writer(writer, writing, wakes),
            _ => self.choose_readers(None, reading, wakes),
        };
        self.next = word::count(s).wrapping_add(choice.word);
        choice
    }

    /// Lets all readers go on that come before `limit`.
    fn choose_readers(
        &mut self,
        limit: Option<u32>,
        reading: Option<u32>,
        wakes: &mut Wakes,
    ) -> Choice {
        let is_first = |seq| limit.is_none_or(|limit| word::lower(seq, limit));
        let with_caller = reading.is_some_and(is_first);
        let others = match limit {
            Some(limit) => self.readers.count_up_to(limit),
            None => self.readers.len(),
        };
        self.overlap = limit.is_none();
        let flags = match limit {
            Some(_) => l::WRITER | l::KERNEL,
            None => 0,
        };
        let word = (others.wrapping_add(u32::from(with_caller)) << 8) | flags;

        let (mut missed, mut last) = (0u32, 0);
        for _ in 0..others {
            let Some(entry) = self.readers.pop_front() else {
                break;
            };
            let seq = entry.seq();
            if !wakes.grant(entry, word) {
                missed = missed.wrapping_add(1);
                last = seq;
            }
        }
        if missed != 0 {
            self.missed = Missed::record(Grant::Read, missed, last, word);
        }
        Choice { word, with_caller }
    }

    /// Lets the writer at `first` go on.
    fn choose_writer(&mut self, first: u32, writing: Option<u32>, wakes: &mut Wakes) -> Choice {
        let mut word = word::INC | l::KERNEL | l::EXCLUSIVE;
        if writing == Some(first) {
            if !self.writers.is_empty() {
                word |= l::WRITER;
            }
            return Choice {
                word,
                with_caller: true,
            };
        }
        let entry = self.writers.pop_front();
        if !self.writers.is_empty() || writing.is_some() {
            word |= l::WRITER;
        }
        if entry.is_some_and(|entry| !wakes.grant(entry, word)) {
            self.missed = Missed::record(Grant::Write, 1, first, word);
        }
        Choice {
            word,
            with_caller: false,
        }
    }

    /// Takes out a thread that has given up.
    ///
    /// If an unlock has counted it as here, it is missing from now on. Else, when it comes back, it
    /// would be taken for another one that has not come, or that reads already; and the next ones
    /// would be chosen while that one still has the lock.
    pub(super) fn stop_waiting(&mut self, entry: &Entry) {
        let removed = self
            .readers
            .remove(entry)
            .or_else(|| self.writers.remove(entry));
        if removed.is_some()
            && self.prepost.count != 0
            && word::lower_or_equal(entry.seq(), self.prepost.seq)
        {
            self.prepost.count = self.prepost.count.saturating_add(1);
        }
    }
}
