// SPDX-License-Identifier: GPL-2.0

//! What the kernel keeps of a condition variable (ABI traps §9.4).
//!
//! A waiter counts itself in L and waits here at that count. A signal that finds nobody to wake
//! leaves a prepost, and a broadcast one for all, for those who are counted and have not come yet.
//! When all are gone, which is when S has caught up with L, nothing is left and the words are
//! forgotten; user space is told by a bit.
//!
//! Serves [`super::cv_traps`].
//!
//! Locks: the table's lock protects it.

use super::{
    wait_list::WaitList,
    waiter::{
        Entry,
        Kind,
        Waiter,
        Wakes, //
    },
    word::{
        self,
        s, //
    },
};
use crate::linux::queue::Linked;
use kernel::prelude::*;

/// In the word of a waiter that was let go on, beside what its wait returns. It is all of the word
/// if that was by a signal or a broadcast; a wait that timed out at the same time returns it as it
/// is.
pub(super) const SIGNALLED: u32 = 0x20;

/// The word of a waiter that was let go on because nothing is left to wait for: one has gone.
const RELEASED: u32 = word::INC | s::CV_CLEARED | SIGNALLED;

/// How a wait that ended for lack of patience leaves the object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// The waiter had been let go on after all.
    Signalled,
    /// Others wait or are to come.
    Waiters,
    /// Nothing.
    Nothing,
    /// Only wake-ups for those who are to come.
    Preposts,
}

/// How a wait begins.
pub(super) enum Begun {
    /// It is over at once, with this to return.
    Over(u32),
    /// The thread is in the list and has to sleep.
    Queued,
}

/// What the kernel keeps of a condition variable.
pub(super) struct CondVar {
    queue: WaitList,
    /// How many entries are not threads.
    fakes: u32,
    l: u32,
    u: u32,
    s: u32,
    /// The words were forgotten when S had caught up with L.
    cleared: bool,
}

impl CondVar {
    pub(super) fn new(l: u32, u: u32, s: u32) -> Self {
        Self {
            queue: WaitList::new(),
            fakes: 0,
            l,
            u,
            s,
            cleared: false,
        }
    }

    /// Whether nobody would be missed.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes over the words of a trap as far as they are newer.
    pub(super) fn merge(&mut self, l: u32, u: u32, s: u32) {
        if self.cleared {
            (self.l, self.u, self.s) = (l, u, s);
            self.cleared = false;
        }
        let newer = |new, old| word::higher(word::count(new), word::count(old));
        if newer(l, self.l) {
            self.l = l;
        }
        if newer(u, self.u) {
            self.u = u;
        }
        if s & s::CV_CLEARED != 0 && newer(s, self.s) {
            self.s = s;
        }
    }

    /// Whether all who were counted are gone.
    fn is_balanced(&self) -> bool {
        word::count(self.l) == word::count(self.s)
    }

    fn forget(&mut self) {
        (self.l, self.u, self.s) = (0, 0, 0);
        self.cleared = true;
    }

    /// Counts those who go on. Adding keeps the flags.
    fn let_go(&mut self, bits: u32) {
        self.s = self.s.wrapping_add(word::count(bits));
    }

    /// Adds to `bits` what is left, and forgets everything if nothing is.
    fn settle(&mut self, mut bits: u32, wakes: &mut Wakes) -> u32 {
        if self.is_balanced() {
            bits |= s::CV_CLEARED;
            self.release(Some(word::count(self.l)), wakes);
            self.forget();
        } else if self.has_only_fakes() {
            bits |= s::CV_PREPOST;
        }
        bits
    }

    fn has_only_fakes(&self) -> bool {
        self.fakes != 0 && self.fakes == self.queue.len()
    }

    /// Removes all entries up to `limit`; threads go on without having been signalled.
    pub(super) fn release(&mut self, limit: Option<u32>, wakes: &mut Wakes) {
        while let Some(entry) = match limit {
            Some(limit) => self.queue.pop_up_to(limit),
            None => self.queue.pop_front(),
        } {
            if entry.kind() == Kind::Thread {
                wakes.grant(entry, RELEASED);
            } else {
                self.fakes = self.fakes.wrapping_sub(1);
            }
        }
    }

    /// Wakes all threads up to `upto`, and leaves a broadcast there if more are to come. Returns
    /// how many were woken, as a count. Puts an entry that is not needed any more into `spare`.
    fn broadcast_to(&mut self, upto: u32, spare: &mut Option<Entry>, wakes: &mut Wakes) -> u32 {
        let mut woken = 0u32;
        while let Some(entry) = self.queue.pop_up_to(upto) {
            if entry.kind() == Kind::Thread {
                wakes.grant(entry, SIGNALLED);
                woken = woken.wrapping_add(word::INC);
            } else {
                self.fakes = self.fakes.wrapping_sub(1);
                *spare = Some(entry);
            }
        }
        if !self.is_balanced() {
            self.add_fake(Kind::Broadcast, upto, spare);
        }
        woken
    }

    fn add_fake(&mut self, kind: Kind, seq: u32, spare: &mut Option<Entry>) {
        let Some(entry) = spare.take() else {
            return;
        };
        entry.begin(kind, seq);
        if self.queue.insert(entry).is_ok() {
            self.fakes = self.fakes.wrapping_add(1);
        }
    }

    /// The first entry that satisfies a thread that comes at `seq`, or is a thread at that count.
    fn find_for_waiter(&self, seq: u32) -> Option<&Waiter> {
        self.queue
            .iter()
            .find(|entry| match (entry.kind(), entry.seq()) {
                (Kind::Thread, at) => at == seq,
                (_, at) => !word::lower(at, seq),
            })
    }

    /// Lets a thread at `seq` go on at once, or makes it wait. `EBUSY` if one waits there already.
    pub(super) fn wait(
        &mut self,
        seq: u32,
        entry: &Entry,
        spare: &mut Option<Entry>,
        wakes: &mut Wakes,
    ) -> Result<Begun> {
        let found = self
            .find_for_waiter(seq)
            .map(|entry| (entry.kind(), entry.seq()));
        match found {
            None => {
                entry.begin(Kind::Thread, seq);
                self.queue.insert(entry.clone())?;
                return Ok(Begun::Queued);
            }
            Some((Kind::Thread, _)) => return Err(EBUSY),
            Some((Kind::Broadcast, _)) => (),
            Some((Kind::Prepost, at)) if at == seq => self.take_prepost(seq, spare),
            // It was for a later thread, which must not be left without.
            Some((Kind::Prepost, at)) => {
                self.broadcast_to(at, spare, wakes);
            }
        }
        self.let_go(word::INC);
        Ok(Begun::Over(self.settle(word::INC, wakes)))
    }

    fn take_prepost(&mut self, seq: u32, spare: &mut Option<Entry>) {
        let entry = self.queue.take_first(|entry| {
            entry.kind() == Kind::Prepost && entry.seq() == seq && entry.take_wakeup()
        });
        if entry.is_some() {
            self.fakes = self.fakes.wrapping_sub(1);
            *spare = entry;
        }
    }

    /// The entry that a signal is for: a thread at or after `from`, else any up to `upto`, else the
    /// prepost or broadcast that it adds to.
    fn find_for_signal(&self, from: u32, upto: u32) -> Option<(Kind, u32)> {
        let mut early = None;
        for entry in self.queue.iter() {
            let (kind, at) = (entry.kind(), entry.seq());
            match kind {
                Kind::Thread if word::higher(at, upto) => return early,
                Kind::Thread if !word::lower(at, from) => return Some((kind, at)),
                Kind::Thread => early = early.or(Some((kind, at))),
                Kind::Prepost if word::higher(at, upto) => return early,
                Kind::Prepost | Kind::Broadcast if word::lower(at, upto) => (),
                Kind::Prepost | Kind::Broadcast => return Some((kind, at)),
            }
        }
        early
    }

    /// Signals: one of those who are counted up to `upto`, if possible at or after `from`; or
    /// `target`. Returns how many were woken, as a count, and what is left. `spare` is an entry.
    pub(super) fn signal(
        &mut self,
        from: u32,
        upto: u32,
        target: Option<&Linked<Waiter>>,
        spare: &mut Option<Entry>,
        wakes: &mut Wakes,
    ) -> u32 {
        if self.is_balanced() {
            return 0;
        }
        let woken = match target {
            Some(target) if self.queue.contains(target) && is_for(target, from, upto) => {
                if let Some(entry) = self.queue.remove(target) {
                    wakes.grant(entry, SIGNALLED);
                }
                word::INC
            }
            // A thread that is not here may be about to come: let all find a wake-up. The same if
            // it stands where nobody would be left to wake the one whose wake-up it takes.
            Some(_) => self.broadcast_to(upto, spare, wakes),
            None => match self.find_for_signal(from, upto) {
                Some((Kind::Thread, at)) if !word::lower(at, from) => self.wake_at(at, wakes),
                Some((Kind::Thread, _)) => self.broadcast_to(upto, spare, wakes),
                Some((Kind::Prepost, at)) => {
                    self.queue
                        .iter()
                        .filter(|entry| entry.kind() == Kind::Prepost && entry.seq() == at)
                        .take(1)
                        .for_each(Waiter::add_wakeup);
                    0
                }
                Some((Kind::Broadcast, _)) => 0,
                None => {
                    self.add_fake(Kind::Prepost, upto, spare);
                    0
                }
            },
        };
        self.let_go(woken);
        self.settle(woken, wakes)
    }

    fn wake_at(&mut self, seq: u32, wakes: &mut Wakes) -> u32 {
        let entry = self
            .queue
            .take_first(|entry| entry.kind() == Kind::Thread && entry.seq() == seq);
        let Some(entry) = entry else {
            return 0;
        };
        wakes.grant(entry, SIGNALLED);
        word::INC
    }

    /// Wakes all who are counted up to `upto`, now or when they come. Returns as `signal`.
    pub(super) fn broadcast(
        &mut self,
        upto: u32,
        spare: &mut Option<Entry>,
        wakes: &mut Wakes,
    ) -> u32 {
        let woken = self.broadcast_to(upto, spare, wakes);
        self.let_go(woken);
        self.settle(woken, wakes)
    }

    /// Gives the wake-up of a thread that has been killed to another one that waits, or leaves it
    /// with those for threads that are to come. The killed one is counted already; that the other
    /// goes, it tells user space itself.
    pub(super) fn pass_on(&mut self, wakes: &mut Wakes) {
        if self.is_balanced() {
            return;
        }
        if let Some(entry) = self.queue.take_first(|entry| entry.kind() == Kind::Thread) {
            self.let_go(word::INC);
            let word = self.settle(word::INC, wakes);
            wakes.grant(entry, word | SIGNALLED);
        } else if let Some(entry) = self
            .queue
            .iter()
            .find(|entry| entry.kind() == Kind::Prepost)
        {
            entry.add_wakeup();
        }
    }

    /// Takes out a thread that has lost patience.
    pub(super) fn stop_waiting(&mut self, entry: &Linked<Waiter>, wakes: &mut Wakes) -> Left {
        if self.queue.remove(entry).is_none() {
            return Left::Signalled;
        }
        self.let_go(word::INC);
        if self.is_balanced() {
            self.release(None, wakes);
            self.forget();
            Left::Nothing
        } else if self.has_only_fakes() {
            Left::Preposts
        } else {
            Left::Waiters
        }
    }
}

/// Whether a signal for counts from `from` to `upto` is for `entry`.
fn is_for(entry: &Waiter, from: u32, upto: u32) -> bool {
    !word::lower(entry.seq(), from) && !word::higher(entry.seq(), upto)
}
