// SPDX-License-Identifier: GPL-2.0

//! Memory entries: memory as an object with a port, to be given to other tasks, which map it (ABI
//! mig §3.4, 4817 and 4900-4902; XNU osfmk/vm/vm_user.c).
//!
//! An entry has a file behind it, so what tasks map of it is shared in earnest. Of memory that a
//! task has mapped shared there is a file already; one of the module's own shows private memory.

use crate::{
    core::{
        KernError,
        KernResult,
        Live,
        ObjectCounter, //
    },
    linux::{
        remote_memory,
        shared_memory::SharedMemory, //
    },
    traps::ipc::{
        as_kind,
        kind,
        offer_by_right,
        AnyRight,
        Call,
        KernelObject,
        RoutineDescriptor,
        SendRight,
        TaskPort, //
    },
};
use core::any::Any;
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};
use mach_macros::{
    routine,
    routines, //
};

use super::{
    map,
    regions,
    target::error,
    traps::in_pages, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    mach_make_memory_entry_64,
    mach_memory_entry_purgable_control,
    mach_memory_entry_access_tracking,
    mach_memory_entry_ownership,
];

pub(super) static ENTRIES: ObjectCounter = ObjectCounter::new("memory_entries");

/// Read, write and execute.
const PROTECTIONS: u32 = 7;

/// Bits besides the protection in what an entry is asked for.
mod flag {
    pub(super) const NEW: u32 = 0x2_0000;
    /// Hints: the memory may be taken away; an entry of before will do.
    pub(super) const HINTS: u32 = 0x4_0000 | 0x8_0000;
    pub(super) const COPY: u32 = 0x20_0000;
    pub(super) const SHARE: u32 = 0x40_0000;
}

/// A memory entry.
pub(super) struct MemoryEntry {
    memory: SharedMemory,
    /// Where in the memory it starts, in bytes: a multiple of the page size.
    offset: u64,
    /// In bytes, a multiple of the page size.
    size: u64,
    /// The most that a mapping of it may allow.
    protection: u32,
    _live: Live,
}

impl KernelObject for MemoryEntry {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::NAMED_ENTRY
    }
}

impl MemoryEntry {
    /// Makes an entry, and a right to it, which keeps it.
    fn offer(
        memory: SharedMemory,
        offset: u64,
        size: u64,
        protection: u32,
    ) -> KernResult<(SendRight, u64)> {
        let entry = Self {
            memory,
            offset,
            size,
            protection,
            _live: Live::new(&ENTRIES),
        };
        let entry = Arc::new(entry, GFP_KERNEL_ACCOUNT)?;
        let right = offer_by_right(entry).map_err(|_| KernError::RESOURCE_SHORTAGE)?;
        Ok((right, size))
    }

    /// The memory, and where in it `length` bytes at `offset` of the entry are, for a mapping that
    /// allows `protection`. `KERN_INVALID_ARGUMENT` if the entry does not have them,
    /// `KERN_INVALID_RIGHT` if it does not allow that.
    pub(super) fn part(
        &self,
        offset: u64,
        length: u64,
        protection: u32,
    ) -> KernResult<(&SharedMemory, u64)> {
        let end = offset.checked_add(length);
        if offset % PAGE_SIZE as u64 != 0 || end.is_none_or(|end| end > self.size) {
            return Err(KernError::INVALID_ARGUMENT);
        }
        if protection & !self.protection != 0 {
            return Err(KernError::INVALID_RIGHT);
        }
        Ok((&self.memory, self.offset.saturating_add(offset)))
    }
}

/// Makes an entry: of new memory; of the task's, or a copy of that; or of a part of another entry.
/// Tells its size.
///
/// `KERN_NOT_SUPPORTED` for what cannot be shared (see [`map::shared`]), `KERN_PROTECTION_FAILURE` when more is asked for
/// than the task may do itself, `KERN_INVALID_ADDRESS` where there is no memory.
#[routine(4817)]
fn mach_make_memory_entry_64(
    call: &Call<'_>,
    task: &TaskPort,
    parent: AnyRight,
    size: u64,
    offset: u64,
    permission: u32,
) -> KernResult<(SendRight, u64)> {
    let protection = permission & PROTECTIONS;
    let flags = permission & !(PROTECTIONS | flag::HINTS);
    let mm = task.controlled_mm(call.context())?;
    if !parent.is_null() {
        let object = parent.object().ok_or(KernError::INVALID_ARGUMENT)?;
        let parent: &MemoryEntry = as_kind(&*object).ok_or(KernError::INVALID_ARGUMENT)?;
        // CAST: `usize` has 64 bits at most.
        let size = in_pages(size)? as u64;
        let (memory, at) = parent.part(offset, size, protection)?;
        return MemoryEntry::offer(memory.clone(), at, size, protection);
    }
    if size == 0 {
        return Err(KernError::INVALID_ARGUMENT);
    }
    if flags == flag::NEW {
        // CAST: As above.
        let size = in_pages(size)? as u64;
        let memory = SharedMemory::new(size).map_err(error)?;
        return MemoryEntry::offer(memory, 0, size, protection);
    }
    let start = usize::try_from(offset).map_err(|_| KernError::INVALID_ADDRESS)?;
    let within = start % PAGE_SIZE;
    let start = start - within;
    let size = in_pages(size.saturating_add(within as u64))?;
    match flags {
        flag::COPY => {
            let memory = SharedMemory::copy_of(&mm, start, size).map_err(error)?;
            // CAST: As above.
            MemoryEntry::offer(memory, 0, size as u64, protection)
        }
        0 | flag::SHARE => {
            let region = remote_memory::region_at_or_after(&mm, start)
                .filter(|region| region.start <= start as u64)
                .ok_or(KernError::INVALID_ADDRESS)?;
            if protection & !regions::protection(&region) != 0 {
                return Err(KernError::PROTECTION_FAILURE);
            }
            // One entry is of one mapping, as in XNU.
            let length = map::part(&region, start, size).1;
            let (memory, at) = map::shared(&mm, &region, start, length)?;
            // CAST: As above.
            MemoryEntry::offer(memory, at, length as u64, protection)
        }
        _ => Err(KernError::NOT_SUPPORTED),
    }
}

/// Memory of entries is not taken away: `KERN_NOT_SUPPORTED`.
#[routine(4900)]
fn mach_memory_entry_purgable_control(
    _call: &Call<'_>,
    _entry: &MemoryEntry,
    _control: u32,
    _state: u32,
) -> KernResult {
    Err(KernError::NOT_SUPPORTED)
}

/// Accesses are not counted: `KERN_NOT_SUPPORTED`.
#[routine(4901)]
fn mach_memory_entry_access_tracking(
    _call: &Call<'_>,
    _entry: &MemoryEntry,
    _tracking: u32,
) -> KernResult {
    Err(KernError::NOT_SUPPORTED)
}

/// Memory is charged to whoever touches it first: `KERN_NOT_SUPPORTED`.
#[routine(4902)]
fn mach_memory_entry_ownership(
    _call: &Call<'_>,
    _entry: &MemoryEntry,
    _owner: AnyRight,
    _tag: i32,
    _flags: i32,
) -> KernResult {
    Err(KernError::NOT_SUPPORTED)
}
