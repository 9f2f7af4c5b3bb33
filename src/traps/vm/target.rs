// SPDX-License-Identifier: GPL-2.0

//! The task whose memory is to be changed, and the way there: the caller's own, where the kernel maps
//! and unmaps, or another one, where a thread of the kernel does it that adopts its address space
//! (`linux::foreign`).

use crate::{
    core::{
        Context,
        KernError,
        KernResult, //
    },
    linux::{
        foreign,
        mapping::{
            self,
            Contents,
            Place,
            Protection, //
        },
        process::ProcessId, //
    },
    traps::ipc::TaskPort,
};
use core::ptr;
use kernel::{
    mm::MmWithUser,
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef, //
};

/// The first address that no 32-bit task has memory at.
const END_32BIT: usize = 0xffff_0000;

/// A task whose memory the caller may change.
pub(super) struct Target {
    /// `None` for the caller's own.
    other: Option<Other>,
}

struct Other {
    mm: ARef<MmWithUser>,
    process: ProcessId,
    is_32bit: bool,
}

/// A part of what is to be mapped.
pub(super) struct Piece {
    /// Bytes from the start of the whole.
    pub(super) offset: usize,
    pub(super) length: usize,
    pub(super) contents: Contents,
    pub(super) protection: Protection,
}

/// What failed, as the interface has it.
pub(super) fn error(error: Error) -> KernError {
    match error {
        EEXIST | ENOMEM => KernError::NO_SPACE,
        EACCES => KernError::PROTECTION_FAILURE,
        EPERM | EINVAL | EOVERFLOW => KernError::INVALID_ADDRESS,
        EFAULT | EIO => KernError::MEMORY_ERROR,
        EINTR => KernError::ABORTED,
        ESRCH => KernError::INVALID_TASK,
        _ => KernError::FAILURE,
    }
}

impl Target {
    /// The task of `port`. `KERN_NO_ACCESS` if the caller may not control it, `KERN_INVALID_TASK`
    /// when it has ended.
    pub(super) fn of(context: &Context<'_>, port: &TaskPort) -> KernResult<Self> {
        let task = port.task(context.mach())?;
        if ptr::eq(&*task, context.task()) {
            return Ok(Self { other: None });
        }
        let other = Other {
            mm: port.controlled_mm(context)?,
            process: task.process().clone(),
            is_32bit: task.is_32bit(),
        };
        Ok(Self { other: Some(other) })
    }

    /// The caller's own task.
    pub(super) fn own() -> Self {
        Self { other: None }
    }

    /// Maps `length` bytes of zeroes.
    pub(super) fn map_zeroes(
        &self,
        place: Place,
        length: usize,
        protection: Protection,
    ) -> KernResult<usize> {
        let mut pieces = KVec::new();
        let piece = Piece {
            offset: 0,
            length,
            contents: Contents::Zeroes,
            protection,
        };
        pieces.push(piece, GFP_KERNEL)?;
        self.map(place, 0, length, pieces)
    }

    /// Maps `pieces`, which are `length` bytes together and follow one another, at an address that
    /// has none of the bits of `mask`, and returns it. If that fails nothing is mapped, and what was
    /// to be replaced may be gone. `KERN_INVALID_ADDRESS` for a place that the task cannot reach.
    pub(super) fn map(
        &self,
        place: Place,
        mask: usize,
        length: usize,
        pieces: KVec<Piece>,
    ) -> KernResult<usize> {
        let Some(other) = &self.other else {
            return map_pieces(place, mask, length, &pieces).map_err(error);
        };
        if let Place::Free(start) | Place::Replacing(start) = place {
            // The thread that maps could reach further than a 32-bit task.
            let end = start.checked_add(length);
            if other.is_32bit && end.is_none_or(|end| end > END_32BIT) {
                return Err(KernError::INVALID_ADDRESS);
            }
        }
        let is_data = pieces.iter().any(|piece| piece.protection.write);
        foreign::check_limits(&other.process, &other.mm, length, is_data).map_err(error)?;
        let (mm, is_32bit) = (other.mm.clone(), other.is_32bit);
        foreign::in_address_space(other.mm.clone(), move || {
            if is_32bit && place == Place::Anywhere {
                map_low(&mm, mask, length, &pieces)
            } else {
                map_pieces(place, mask, length, &pieces)
            }
        })
        .and_then(|result| result)
        .map_err(error)
    }

    /// Unmaps `length` bytes at `start`, both multiples of the page size.
    pub(super) fn unmap(&self, start: usize, length: usize) -> KernResult {
        let result = match &self.other {
            None => mapping::unmap(start, length),
            Some(other) => {
                foreign::in_address_space(other.mm.clone(), move || mapping::unmap(start, length))
                    .and_then(|result| result)
            }
        };
        result.map_err(|failure| match failure {
            EINTR => KernError::ABORTED,
            _ => KernError::INVALID_ADDRESS,
        })
    }
}

/// Maps below 4 GiB, which a thread of the kernel would not choose by itself.
fn map_low(mm: &MmWithUser, mask: usize, length: usize, pieces: &[Piece]) -> Result<usize> {
    const TRIES: usize = 16;

    let wanted = length.checked_add(mask).ok_or(ENOMEM)?;
    for _ in 0..TRIES {
        let gap = mapping::find_gap(mm, wanted, END_32BIT).ok_or(ENOMEM)?;
        let start = gap.saturating_add(mask) & !mask;
        match map_pieces(Place::Free(start), mask, length, pieces) {
            // The task was faster.
            Err(failure) if failure == EEXIST => continue,
            result => return result,
        }
    }
    Err(ENOMEM)
}

/// Maps into the address space that the thread has.
fn map_pieces(place: Place, mask: usize, length: usize, pieces: &[Piece]) -> Result<usize> {
    if let ([piece], true) = (pieces, mask < PAGE_SIZE || place != Place::Anywhere) {
        return mapping::map(&piece.contents, place, length, piece.protection);
    }
    let reserved = length.checked_add(mask).ok_or(ENOMEM)?;
    let reserved = if place == Place::Anywhere {
        reserved.checked_next_multiple_of(PAGE_SIZE).ok_or(ENOMEM)?
    } else {
        length
    };
    let gap = mapping::map(&Contents::Zeroes, place, reserved, Protection::default())?;
    let start = match place {
        Place::Anywhere => gap.saturating_add(mask) & !mask,
        _ => gap,
    };
    let all = pieces.iter().try_for_each(|piece| {
        let at = Place::Replacing(start.saturating_add(piece.offset));
        mapping::map(&piece.contents, at, piece.length, piece.protection).map(drop)
    });
    let (end, gap_end) = (start.saturating_add(length), gap.saturating_add(reserved));
    match all {
        Ok(()) => {
            // What was reserved on both sides, for the boundary. It cannot fail for want of room
            // in the list of mappings: no mapping is split.
            if start > gap {
                let _ = mapping::unmap(gap, start.saturating_sub(gap));
            }
            if gap_end > end {
                let _ = mapping::unmap(end, gap_end.saturating_sub(end));
            }
            Ok(start)
        }
        Err(failure) => {
            let _ = mapping::unmap(gap, reserved);
            Err(failure)
        }
    }
}
