// SPDX-License-Identifier: GPL-2.0

//! Out-of-line memory on its way in a message.
//!
//! The bytes are copied once, when the message is sent, into pages that belong to the message.
//! Receiving maps these very pages, privately and when they are first touched, so a page is copied
//! again only when the receiver writes to it. What the sender does to its memory after the call is
//! never seen.
//!
//! The pages are charged to the memory cgroup of the sender, for as long as they exist. Beyond
//! that, all messages that wait have no more of them than half of the machine's memory, and those of
//! one task no more than its [`Account`] has.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_kmsg.c, `ipc_kmsg_copyin_ool_descriptor` and
//! `ipc_kmsg_copyout_ool_descriptor`; ABI traps §6.6.
//!
//! Locks: none of ours is held here; mapping takes `PrivateMapper::file` and the mmap lock.

use super::{
    account::{
        Account,
        Charge, //
    },
    error::*, //
};
use crate::{
    abi::UserAddr,
    core::{
        KernError,
        KernResult,
        Live,
        ObjectCounter, //
    },
    linux::{
        cpu,
        page_list::{
            PageList,
            TakeError, //
        },
        private_map::{
            unmap_touched,
            PrivateMapper, //
        },
        shared_pages::SharedPages, //
    },
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
};

pub(super) static REGIONS: ObjectCounter = ObjectCounter::new("ool_regions");

/// What regions consist of, which outlasts them where it is mapped.
pub(super) static MEMORY: ObjectCounter = ObjectCounter::new("ool_memory");

/// Maps regions for a task.
pub(super) type Mapper = PrivateMapper<Live>;

/// Bytes in the pages of all regions that exist.
static IN_TRANSIT: Atomic<u64> = Atomic::new(0);

/// A share of what regions may have, as long as the value exists.
struct Share {
    bytes: u64,
    _charge: Option<Charge>,
}

impl Share {
    /// Takes the share of `length` bytes, unless that is more than there is, or more than is left
    /// in `account`.
    fn take(length: usize, account: Option<&Arc<Account>>) -> Option<Self> {
        let bytes = length.checked_next_multiple_of(PAGE_SIZE)?;
        let charge = match account {
            Some(account) => Some(Account::charge(account, bytes)?),
            None => None,
        };
        // CAST: `usize` has 64 bits at most.
        let bytes = bytes as u64;
        let share = Self {
            bytes,
            _charge: charge,
        };
        let before = IN_TRANSIT.fetch_add(bytes, Relaxed);
        (before.saturating_add(bytes) <= cpu::memory_size() / 2).then_some(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        IN_TRANSIT.fetch_sub(self.bytes, Relaxed);
    }
}

/// Out-of-line memory that belongs to a message. It is never empty.
pub(super) struct Region {
    pages: Arc<SharedPages<Live>>,
    _share: Share,
    _live: Live,
}

impl Region {
    fn of(
        make: impl FnOnce() -> Result<PageList, TakeError>,
        length: usize,
        account: Option<&Arc<Account>>,
    ) -> Result<Self, TakeError> {
        let share = Share::take(length, account).ok_or(TakeError::NoMemory)?;
        let pages = SharedPages::new(make()?, Live::new(&MEMORY));
        Ok(Self {
            pages: pages.map_err(|_| TakeError::NoMemory)?,
            _share: share,
            _live: Live::new(&REGIONS),
        })
    }

    /// Copies `size` bytes at `address` of the current task, and counts them in `account`.
    ///
    /// `MACH_SEND_INVALID_MEMORY` when they cannot be read, `MACH_SEND_NO_BUFFER` without memory,
    /// `MACH_SEND_INTERRUPTED` for a task that has been killed.
    pub(super) fn from_user(
        address: UserAddr,
        size: u32,
        account: &Arc<Account>,
    ) -> KernResult<Self> {
        let start = usize::try_from(address.0).map_err(|_| SEND_INVALID_MEMORY)?;
        // CAST: `u32` to `usize` loses nothing.
        let length = size as usize;
        let make = || PageList::from_user(start, length);
        Self::of(make, length, Some(account)).map_err(send_error)
    }

    /// Copies `bytes` of the kernel. Fails without memory.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, TakeError> {
        Self::of(|| PageList::from_bytes(bytes), bytes.len(), None)
    }

    /// `length` zeroes. Fails without memory.
    pub(super) fn zeroed(length: usize) -> Result<Self, TakeError> {
        Self::of(|| PageList::zeroed(length), length, None)
    }

    /// The number of bytes.
    pub(super) fn size(&self) -> u32 {
        // Regions are made of 32-bit sizes.
        u32::try_from(self.pages.len()).unwrap_or(u32::MAX)
    }

    /// Replaces the bytes from `offset` on; what is beyond the end is not written.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.pages.write(offset, bytes);
    }

    /// Fills `bytes` from `offset` on; what is beyond the end stays.
    pub(super) fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.pages.read(offset, bytes);
    }

    /// Maps the region into the current task and returns its address.
    pub(super) fn map(&self, mapper: &Mapper) -> Result<UserAddr> {
        // CAST: `usize` has 64 bits at most.
        mapper
            .map(&self.pages)
            .map(|address| UserAddr(address as u64))
    }

    /// Unmaps what [`map`](Self::map) has mapped at `address`.
    pub(super) fn unmap(&self, address: UserAddr) {
        deallocate(address, self.pages.len());
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.pages.leave_message();
    }
}

/// Unmaps the pages that `length` bytes at `address` of the current task touch.
pub(super) fn deallocate(address: UserAddr, length: usize) {
    if let Ok(address) = usize::try_from(address.0) {
        unmap_touched(address, length);
    }
}

/// What a send fails with.
fn send_error(error: TakeError) -> KernError {
    match error {
        TakeError::Fault => SEND_INVALID_MEMORY,
        TakeError::NoMemory => SEND_NO_BUFFER,
        TakeError::Killed => SEND_INTERRUPTED,
    }
}
