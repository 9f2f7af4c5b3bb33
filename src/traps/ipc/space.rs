// SPDX-License-Identifier: GPL-2.0

//! A task's name space: which rights it has, under which names.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_space.c; ABI traps §5.
//!
//! Locks: `Space::table`, see [`super`]. It is taken before any port's lock, and what leaves the
//! table is dropped after it is released.

use super::{
    account::{
        self,
        Account, //
    },
    entry::Object,
    error::SEND_INVALID_DEST,
    growth::Growth,
    ool::Mapper,
    port::SpaceId,
    right::Right,
    special::SpecialPorts,
    table::Table,
    Limits, //
};
use crate::{
    abi::{
        msg::Disposition,
        PortName, //
    },
    core::{
        KernError,
        KernResult,
        Live,
        ObjectCounter,
        TaskState, //
    },
};
use core::any::Any;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        lock::{
            spinlock::SpinLockBackend,
            Guard, //
        },
        Arc,
        SpinLock, //
    },
};

pub(super) static SPACES: ObjectCounter = ObjectCounter::new("spaces");

/// The last identity handed out.
static LAST_ID: Atomic<u64> = Atomic::new(0);

/// A name space.
#[pin_data]
pub(crate) struct Space {
    pub(super) id: SpaceId,
    /// `None` when the task has ended.
    #[pin]
    table: SpinLock<Option<Table>>,
    #[pin]
    pub(super) special: SpecialPorts,
    /// Maps the out-of-line memory that the task receives.
    #[pin]
    pub(super) mapper: Mapper,
    /// What the task makes the kernel keep.
    pub(super) account: Arc<Account>,
    _live: Live,
}

impl Space {
    /// Makes an empty space with these `limits`. Fails with `ENOMEM`.
    pub(super) fn new(special: impl PinInit<SpecialPorts>, limits: Limits) -> Result<Arc<Self>> {
        // INVARIANT: 64 bits do not wrap, so no two spaces have the same identity.
        let id = SpaceId(LAST_ID.fetch_add(1, Relaxed));
        let table = Some(Table::new(id, limits.names));
        let account = Account::new(account::limit(limits.queued_mebibytes))?;
        Arc::pin_init(
            pin_init!(Self {
                id,
                table <- new_spinlock!(table, "Space::table"),
                special <- special,
                mapper <- Mapper::new(),
                account,
                _live: Live::new(&SPACES),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Calls `f` with the table, with its lock held. `KERN_INVALID_TASK` when the space is dead.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Table) -> KernResult<R>) -> KernResult<R> {
        let mut guard = self.table.lock();
        let table = (*guard).as_mut().ok_or(KernError::INVALID_TASK)?;
        let result = f(table);
        if table.has_garbage() {
            Self::unlock_and_drop(guard);
        }
        result
    }

    /// As [`with`](Self::with), with room for `count` new names. Grows the table before if need
    /// be: `KERN_RESOURCE_SHORTAGE` without memory, `KERN_NO_SPACE` when it is as large as it may
    /// get. In both cases `f` is not called.
    #[inline]
    pub(super) fn with_room<R>(
        &self,
        count: usize,
        f: impl FnOnce(&mut Table) -> KernResult<R>,
    ) -> KernResult<R> {
        loop {
            let chunks = {
                let mut guard = self.table.lock();
                let table = (*guard).as_mut().ok_or(KernError::INVALID_TASK)?;
                if table.has_room(count) {
                    let result = f(table);
                    if table.has_garbage() {
                        Self::unlock_and_drop(guard);
                    }
                    return result;
                }
                table.chunks().ok_or(KernError::NO_SPACE)?
            };
            self.grow(chunks)?;
        }
    }

    /// Unlocks the table and then drops what left it.
    #[cold]
    fn unlock_and_drop(mut guard: Guard<'_, Option<Table>, SpinLockBackend>) {
        let garbage = (*guard).as_mut().and_then(Table::take_garbage);
        drop(guard);
        drop(garbage);
    }

    #[cold]
    fn grow(&self, chunks: usize) -> KernResult {
        // Spaces made one after the other start in different generations, so that a child that
        // uses a name of its parent's finds nothing there.
        // CAST: Only the low bits matter.
        let generation = (self.id.0 as u8).wrapping_mul(4);
        let growth = Growth::new(chunks, generation)?;
        self.with(|table| {
            table.grow(growth);
            Ok(())
        })
    }

    /// Makes sure that the table has an entry for the fixed `name`. `KERN_NO_SPACE` when that
    /// would leave it mostly empty.
    pub(super) fn reach(&self, name: PortName) -> KernResult {
        loop {
            let chunks = self.with(|table| {
                if table.reaches(name) {
                    return Ok(None);
                }
                if !table.may_reach(name) {
                    return Err(KernError::NO_SPACE);
                }
                table.chunks().map(Some).ok_or(KernError::NO_SPACE)
            })?;
            match chunks {
                None => return Ok(()),
                Some(chunks) => self.grow(chunks)?,
            }
        }
    }

    /// Takes a right out of the space as `disposition` says, for use outside of a message header.
    /// Dead rights are let through.
    pub(crate) fn copyin(&self, name: PortName, disposition: Disposition) -> KernResult<Right> {
        let right = self.with(|table| table.copyin(name, disposition))?;
        if disposition == Disposition::MoveReceive {
            super::set::PortSet::leave(&right);
        }
        Ok(right)
    }

    /// Whether `name` is a right to the task's own port, as a trap on one's own names wants it.
    #[inline]
    pub(super) fn is_self(&self, name: PortName) -> bool {
        self.with_own(name, |_| Ok(())).is_ok()
    }

    /// As [`with`](Self::with), if `task` names the task itself; `MACH_SEND_INVALID_DEST` if not.
    #[inline]
    pub(super) fn with_own<R>(
        &self,
        task: PortName,
        f: impl FnOnce(&mut Table) -> KernResult<R>,
    ) -> KernResult<R> {
        self.with(|table| match table.peek(task).map(|entry| &entry.object) {
            Some(Object::Send(right)) if self.special.task_self.is(right.port()) => f(table),
            _ => Err(SEND_INVALID_DEST),
        })
    }

    /// Ends the space: all its rights die.
    fn end(&self) {
        let table = self.table.lock().take();
        // Without the lock: its rights are dropped one after the other.
        drop(table);
    }
}

impl TaskState for Space {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn task_ended(&self) {
        self.end();
        self.special.task_ended();
    }
}
