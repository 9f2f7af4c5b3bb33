// SPDX-License-Identifier: GPL-2.0

//! Kqueues that watch kqueues. There must be no circle: a kqueue in one would never be closed, as
//! each would keep the file of the next.
//!
//! XNU sees to that with levels, which forbid some things that are no circle (`kqueue_kqfilter`);
//! here it is looked for. How deep kqueues are nested does not matter, as none does anything while
//! another one does.
//!
//! Locks: `Siblings::nesting` (mutex) is held from the look until the knote is in its table, and
//! while memory is allocated for that.

use super::{
    errno::Errno,
    object::{
        KqueueBorrow,
        KqueueRef, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::ordering::Relaxed,
        lock::{
            mutex::MutexBackend,
            Guard, //
        },
    },
};

/// How many kqueues can be looked at from one, directly or not.
const MAX_NESTED: u32 = 1000;

/// That a kqueue gets into another: nothing else gets into any of the task meanwhile.
pub(super) struct Nested<'a> {
    pub(super) child: KqueueRef,
    _nesting: Guard<'a, u64, MutexBackend>,
}

impl<'a> Nested<'a> {
    /// Has `child`, a kqueue of the same task, get into `parent`. `EINVAL` if that would make a
    /// circle, or too much is in `child`; `ENOMEM`.
    pub(super) fn new(parent: &'a KqueueBorrow<'_>, child: KqueueRef) -> Result<Self, Errno> {
        let mut nesting = parent.siblings.nesting.lock();
        *nesting = nesting.wrapping_add(1);
        let mark = *nesting;

        let mut seen = 0u32;
        let mut to_look_at = KVec::new();
        to_look_at.push(child.clone(), GFP_KERNEL_ACCOUNT)?;
        while let Some(kqueue) = to_look_at.pop() {
            if core::ptr::eq(&*kqueue, &**parent) {
                return Err(Errno::EINVAL);
            }
            if kqueue.mark.load(Relaxed) == mark {
                continue;
            }
            kqueue.mark.store(mark, Relaxed);
            seen = seen.saturating_add(1);
            if seen > MAX_NESTED {
                return Err(Errno::EINVAL);
            }
            add_children(&kqueue, &mut to_look_at)?;
        }
        Ok(Self {
            child,
            _nesting: nesting,
        })
    }
}

/// Adds the kqueues that `kqueue` watches.
fn add_children(kqueue: &KqueueRef, children: &mut KVec<KqueueRef>) -> Result<(), Errno> {
    // CAST: `u32` to `usize` loses nothing.
    let count = kqueue.children.load(Relaxed) as usize;
    if count == 0 {
        return Ok(());
    }
    // There will not be more than now, as nesting is locked.
    children.reserve(count, GFP_KERNEL_ACCOUNT)?;
    for knote in kqueue.table.lock().iter() {
        if let Some(child) = &knote.nested {
            // There is room for all of them.
            let _ = children.push_within_capacity(child.clone());
        }
    }
    Ok(())
}
