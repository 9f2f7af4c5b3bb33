// SPDX-License-Identifier: GPL-2.0

//! Routines that tell of what is mapped where, and of the pages of it (ABI mig §3.4; XNU
//! osfmk/vm/vm_map.c).

use crate::{
    abi::UserAddr,
    core::{
        user,
        KernError,
        KernResult, //
    },
    linux::remote_memory::{
        self,
        Region, //
    },
    traps::ipc::{
        Call,
        RoutineDescriptor,
        RoutineResult,
        SendRight,
        TaskPort,
        Words, //
    },
};
use core::mem::size_of;
use kernel::{
    mm::MmWithUser,
    page::PAGE_SIZE, //
};
use mach_macros::{
    routine,
    routines, //
};
use zerocopy::IntoBytes;
use zerocopy_derive::{
    Immutable,
    IntoBytes, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    mach_vm_page_query,
    mach_vm_region_recurse,
    mach_vm_region,
    mach_vm_page_info,
    mach_vm_page_range_query,
];

/// Read, write and execute.
const ALL: u32 = 7;

/// What a mapping allows, as the interface has it.
pub(super) fn protection(region: &Region) -> u32 {
    u32::from(region.readable) | u32::from(region.writable) << 1 | u32::from(region.executable) << 2
}

/// `vm_region_basic_info`
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct BasicInfo {
    protection: u32,
    max_protection: u32,
    inheritance: u32,
    shared: u32,
    reserved: u32,
    offset: u32,
    behavior: u32,
    wired: u32,
}

/// `vm_region_basic_info_64`
#[derive(IntoBytes, Immutable)]
#[repr(C, packed(4))]
struct BasicInfo64 {
    protection: u32,
    max_protection: u32,
    inheritance: u32,
    shared: u32,
    reserved: u32,
    offset: u64,
    behavior: u32,
    wired: u32,
}

/// `vm_region_submap_short_info_64`
#[derive(IntoBytes, Immutable)]
#[repr(C, packed(4))]
struct SubmapShortInfo64 {
    protection: u32,
    max_protection: u32,
    inheritance: u32,
    offset: u64,
    user_tag: u32,
    references: u32,
    shadow_depth: u16,
    external_pager: u8,
    share_mode: u8,
    is_submap: u32,
    behavior: u32,
    object_id: u32,
    wired: u32,
}

/// Children get a copy.
const VM_INHERIT_COPY: u32 = 1;

/// The first mapping of the task at or after `address`. `KERN_INVALID_ADDRESS` after the last one.
fn region(call: &Call<'_>, task: &TaskPort, address: u64) -> KernResult<Region> {
    let mm = task.controlled_mm(call.context())?;
    let address = usize::try_from(address).map_err(|_| KernError::INVALID_ADDRESS)?;
    remote_memory::region_at_or_after(&mm, address).ok_or(KernError::INVALID_ADDRESS)
}

type RegionResults<const MAX: usize> = (Option<SendRight>, u64, u64, Words<MAX>);

/// Tells of the first mapping at or after an address: where it is and, as `flavor` says, what.
/// `KERN_INVALID_ARGUMENT` for other flavors and without room, `KERN_INVALID_ADDRESS` after the
/// last mapping.
#[routine(4816)]
fn mach_vm_region(
    call: &Call<'_>,
    task: &TaskPort,
    address: u64,
    flavor: i32,
    room: u32,
) -> RoutineResult<RegionResults<10>> {
    const BASIC_INFO_64: i32 = 9;
    const BASIC_INFO: i32 = 10;

    let region = region(call, task, address)?;
    let info = match flavor {
        BASIC_INFO_64 => Words::of_if_room(
            &BasicInfo64 {
                protection: protection(&region),
                max_protection: ALL,
                inheritance: VM_INHERIT_COPY,
                shared: region.shared.into(),
                reserved: 0,
                offset: region.offset,
                behavior: 0,
                wired: 0,
            },
            room,
        )?,
        BASIC_INFO => Words::of_if_room(
            &BasicInfo {
                protection: protection(&region),
                max_protection: ALL,
                inheritance: VM_INHERIT_COPY,
                shared: region.shared.into(),
                reserved: 0,
                offset: u32::try_from(region.offset).unwrap_or(u32::MAX),
                behavior: 0,
                wired: 0,
            },
            room,
        )?,
        _ => return Err(KernError::INVALID_ARGUMENT.into()),
    };
    let size = region.end.saturating_sub(region.start);
    Ok((None, region.start, size, info))
}

/// As [`mach_vm_region`]; there are no maps within maps, so the depth told is 0.
#[routine(4815)]
fn mach_vm_region_recurse(
    call: &Call<'_>,
    task: &TaskPort,
    address: u64,
    _depth: u32,
    room: u32,
) -> RoutineResult<(u64, u64, u32, Words<19>)> {
    const SM_COW: u8 = 1;
    const SM_SHARED: u8 = 4;

    let region = region(call, task, address)?;
    let info = Words::of_if_room(
        &SubmapShortInfo64 {
            protection: protection(&region),
            max_protection: ALL,
            inheritance: VM_INHERIT_COPY,
            offset: region.offset,
            user_tag: 0,
            references: 1,
            shadow_depth: 0,
            external_pager: 0,
            share_mode: if region.shared { SM_SHARED } else { SM_COW },
            is_submap: 0,
            behavior: 0,
            object_id: 0,
            wired: 0,
        },
        room,
    )?;
    let size = region.end.saturating_sub(region.start);
    Ok((region.start, size, 0, info))
}

/// Bits that tell of a page.
mod page {
    pub(super) const PRESENT: u32 = 0x1;
    pub(super) const REFERENCED: u32 = 0x4;
    pub(super) const DIRTY: u32 = 0x8;
    /// It belongs to a file.
    pub(super) const EXTERNAL: u32 = 0x40;
}

/// What is told of the page at `address`: nothing of one that is not in memory.
fn disposition(mm: &MmWithUser, address: usize) -> u32 {
    remote_memory::present_page(mm, address).map_or(0, |present| {
        let bit = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
        page::PRESENT
            | bit(present.referenced, page::REFERENCED)
            | bit(present.dirty, page::DIRTY)
            | bit(present.of_file, page::EXTERNAL)
    })
}

/// The address as the machine has it, 0 for one that nobody has.
fn machine_address(address: u64) -> usize {
    usize::try_from(address).unwrap_or(0)
}

/// Tells of a page, and how often it is referred to: once, if it is there.
#[routine(4814)]
fn mach_vm_page_query(call: &Call<'_>, task: &TaskPort, address: u64) -> KernResult<(u32, u32)> {
    let mm = task.controlled_mm(call.context())?;
    let disposition = disposition(&mm, machine_address(address));
    Ok((disposition, disposition & page::PRESENT))
}

/// `vm_page_info_basic`
#[derive(IntoBytes, Immutable)]
#[repr(C, packed(4))]
struct PageInfo {
    disposition: u32,
    references: u32,
    object: u32,
    offset: u64,
    depth: u32,
    pad: u32,
}

/// As [`mach_vm_page_query`], and where in its mapping's file the page is.
/// `KERN_INVALID_ARGUMENT` for other flavors and without room.
#[routine(4819)]
fn mach_vm_page_info(
    call: &Call<'_>,
    task: &TaskPort,
    address: u64,
    flavor: i32,
    room: u32,
) -> RoutineResult<Words<32>> {
    const BASIC: i32 = 1;

    if flavor != BASIC {
        return Err(KernError::INVALID_ARGUMENT.into());
    }
    let mm = task.controlled_mm(call.context())?;
    let disposition = disposition(&mm, machine_address(address));
    let page_address = address - address % PAGE_SIZE as u64;
    let offset = remote_memory::region_at_or_after(&mm, machine_address(address))
        .and_then(|region| Some((region.offset, page_address.checked_sub(region.start)?)))
        .map_or(0, |(offset, within)| offset.saturating_add(within));
    Words::of_if_room(
        &PageInfo {
            disposition,
            references: disposition & page::PRESENT,
            object: 0,
            offset,
            depth: 0,
            pad: 0,
        },
        room,
    )
}

/// Writes what there is to tell of each page from `address` on, as words, to `to` in the caller, for
/// `size` bytes or `count` pages, and returns of how many. `KERN_INVALID_ARGUMENT` for more than
/// 1 GiB, `KERN_INVALID_ADDRESS` when they cannot be written.
#[routine(4820)]
fn mach_vm_page_range_query(
    call: &Call<'_>,
    task: &TaskPort,
    address: u64,
    size: u64,
    to: UserAddr,
    count: u64,
) -> KernResult<u64> {
    const SIZE_MAX: u64 = 1 << 30;
    const PAGE: u64 = PAGE_SIZE as u64;
    const AT_ONCE: usize = 64;

    let mm = task.controlled_mm(call.context())?;
    let start = address - address % PAGE;
    let end = address
        .checked_add(size)
        .ok_or(KernError::INVALID_ARGUMENT)?;
    let pages = end.saturating_sub(start).div_ceil(PAGE).min(count);
    if pages > SIZE_MAX / PAGE {
        return Err(KernError::INVALID_ARGUMENT);
    }
    let mut words = [0u32; AT_ONCE];
    let mut done = 0u64;
    while done < pages {
        let mut filled = 0u64;
        for (word, page) in words.iter_mut().zip(done..pages) {
            let at = start.saturating_add(page.saturating_mul(PAGE));
            *word = disposition(&mm, machine_address(at));
            filled = filled.saturating_add(1);
        }
        // CAST: at most as many as there are words.
        let part = words.get(..filled as usize).unwrap_or_default();
        let at = to.checked_add(done.saturating_mul(4));
        at.and_then(|to| user::write_bytes(to, part.as_bytes()).ok())
            .ok_or(KernError::INVALID_ADDRESS)?;
        done = done.saturating_add(filled);
    }
    Ok(pages)
}

const _: () = {
    assert!(size_of::<BasicInfo>() == 4 * 8);
    assert!(size_of::<BasicInfo64>() == 4 * 9);
    assert!(size_of::<SubmapShortInfo64>() == 4 * 12);
    assert!(size_of::<PageInfo>() == 4 * 7);
};
