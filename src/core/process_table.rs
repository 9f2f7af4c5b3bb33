// SPDX-License-Identifier: GPL-2.0

//! What the core knows of processes, found by process.
//!
//! Processes come and go all the time. An XArray indexed by their numbers would make and free inner
//! nodes for them; a bucket keeps its memory for the next one.
//!
//! Locks: `ProcessTable::buckets` (spinlock), one for each table. It is taken in probes of process
//! events: nothing is allocated or dropped under it.

use crate::linux::process::ProcessId;
use core::mem;
use kernel::{
    alloc::{
        AllocError,
        Flags, //
    },
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};

/// Numbers of processes follow each other, so up to here each has a bucket of its own.
const BUCKETS: usize = 512;

/// What can be found by process.
pub(super) trait OfProcess {
    /// The process that this is of.
    fn process(&self) -> &ProcessId;
}

/// Entries, of which a process has at most one.
#[pin_data]
pub(super) struct ProcessTable<T: OfProcess> {
    #[pin]
    buckets: SpinLock<KVec<KVec<Arc<T>>>>,
}

/// The bucket of `process`.
fn bucket<'a, T>(
    buckets: &'a mut KVec<KVec<Arc<T>>>,
    process: &ProcessId,
) -> Option<&'a mut KVec<Arc<T>>> {
    // CAST: `u32` to `usize` loses nothing.
    buckets.get_mut(process.global_nr() as usize % BUCKETS)
}

/// Where the entry of `process` is.
fn position<T: OfProcess>(bucket: &[Arc<T>], process: &ProcessId) -> Option<usize> {
    bucket.iter().position(|entry| entry.process() == process)
}

impl<T: OfProcess> ProcessTable<T> {
    /// Makes an empty table. Fails with `ENOMEM`.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(|| {
            let mut buckets = KVec::with_capacity(BUCKETS, GFP_KERNEL)?;
            for _ in 0..BUCKETS {
                buckets.push(KVec::new(), GFP_KERNEL)?;
            }
            Ok(try_pin_init!(Self {
                buckets <- new_spinlock!(buckets, "ProcessTable::buckets"),
            }? Error))
        })
    }

    /// The entry of `process`.
    pub(super) fn get(&self, process: &ProcessId) -> Option<Arc<T>> {
        let mut buckets = self.buckets.lock();
        let bucket = bucket(&mut buckets, process)?;
        bucket.get(position(bucket, process)?).cloned()
    }

    /// Calls `look` with the entry of `process`, with the lock held: `look` must not sleep.
    pub(super) fn look_at<R>(&self, process: &ProcessId, look: impl FnOnce(&T) -> R) -> Option<R> {
        let mut buckets = self.buckets.lock();
        let bucket = bucket(&mut buckets, process)?;
        let entry = bucket.get(position(bucket, process)?)?;
        Some(look(entry))
    }

    /// Enters `entry` in place of the one that its process has, which is returned. May sleep if
    /// `flags` say so; fails without memory.
    pub(super) fn insert(&self, entry: Arc<T>, flags: Flags) -> Result<Option<Arc<T>>, AllocError> {
        let mut spare = KVec::new();
        loop {
            let mut buckets = self.buckets.lock();
            let bucket = bucket(&mut buckets, entry.process()).ok_or(AllocError)?;
            let place = position(bucket, entry.process());
            if let Some(place) = place.and_then(|place| bucket.get_mut(place)) {
                return Ok(Some(mem::replace(place, entry)));
            }
            if bucket.len() == bucket.capacity() && spare.capacity() > bucket.len() {
                mem::swap(bucket, &mut spare);
                for other in spare.drain_all() {
                    // There is room.
                    let _ = bucket.push_within_capacity(other);
                }
            }
            if bucket.len() < bucket.capacity() {
                let _ = bucket.push_within_capacity(entry);
                return Ok(None);
            }
            let wanted = bucket.len().saturating_mul(2).max(4);
            drop(buckets);
            spare = KVec::with_capacity(wanted, flags)?;
        }
    }

    /// Takes out the entry of `process`.
    pub(super) fn remove(&self, process: &ProcessId) -> Option<Arc<T>> {
        let mut buckets = self.buckets.lock();
        let bucket = bucket(&mut buckets, process)?;
        bucket.remove(position(bucket, process)?).ok()
    }
}
