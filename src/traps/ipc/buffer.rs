// SPDX-License-Identifier: GPL-2.0

//! The bytes of a message, with room for a trailer behind them.
//!
//! Serves `message`. Those of a small message are part of it, so that it is one allocation, which
//! its next user need not make again; those of a large one are an allocation of their own. No
//! locks.

use crate::abi::msg::{
    HEADER_SIZE,
    TRAILER_SIZE_MAX, //
};
use kernel::{
    alloc::{
        AllocError,
        Flags, //
    },
    prelude::*, //
};

/// Bytes that are kept in the message itself, trailer included.
const INLINE: usize = 392;

/// The largest message that needs no second allocation.
const INLINE_MESSAGE: usize = INLINE - TRAILER_SIZE_MAX;

/// What new memory is filled with.
static ZEROS: [u8; 4096] = [0; 4096];

/// Where the bytes are.
// Most messages are small, and a second allocation is what the size is meant to avoid.
#[allow(clippy::large_enum_variant)]
enum Place {
    Inline([u8; INLINE]),
    Heap(KVVec<u8>),
}

/// Bytes, and room for a trailer.
pub(super) struct Buffer {
    /// So many, trailer not included.
    length: usize,
    place: Place,
}

impl Buffer {
    /// No bytes.
    pub(super) const fn new() -> Self {
        Self {
            length: 0,
            place: Place::Inline([0; INLINE]),
        }
    }

    /// Makes room for `length` bytes, without saying what they are. The memory is charged to the
    /// caller.
    #[inline]
    pub(super) fn reset(&mut self, length: usize) -> Result<(), AllocError> {
        if length > INLINE_MESSAGE {
            self.place = Place::Heap(allocate(length, &[], GFP_KERNEL_ACCOUNT)?);
        } else if !self.is_inline() {
            self.place = Place::Inline([0; INLINE]);
        }
        self.length = length;
        Ok(())
    }

    /// Adds `growth` bytes, without saying what they are. The memory is charged to the caller.
    pub(super) fn extend(&mut self, growth: usize) -> Result<(), AllocError> {
        let length = self.length.checked_add(growth).ok_or(AllocError)?;
        if length > INLINE_MESSAGE || !self.is_inline() {
            let flags = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
            self.place = Place::Heap(allocate(length, self.bytes(), flags)?);
        }
        self.length = length;
        Ok(())
    }

    /// Whether there is no second allocation.
    #[inline]
    pub(super) fn is_inline(&self) -> bool {
        matches!(self.place, Place::Inline(_))
    }

    /// The number of bytes.
    #[inline]
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The bytes.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        let all = match &self.place {
            Place::Inline(bytes) => bytes.as_slice(),
            Place::Heap(bytes) => bytes.as_slice(),
        };
        all.get(..self.length).unwrap_or(all)
    }

    /// The bytes, to be written.
    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        let length = self.length;
        let all = match &mut self.place {
            Place::Inline(bytes) => bytes.as_mut_slice(),
            Place::Heap(bytes) => bytes.as_mut_slice(),
        };
        let length = length.min(all.len());
        all.get_mut(..length).unwrap_or_default()
    }

    /// Cuts to `length` bytes.
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// The bytes with `trailer` behind them. There is room for it.
    #[inline(always)] // The size is a constant in most calls.
    pub(super) fn with_trailer(&mut self, trailer: &[u8]) -> &[u8] {
        match &mut self.place {
            Place::Inline(bytes) => {
                let end = self.length.saturating_add(trailer.len());
                if let Some(room) = bytes.get_mut(self.length..end) {
                    room.copy_from_slice(trailer);
                }
                bytes.get(..end).unwrap_or_default()
            }
            Place::Heap(bytes) => {
                bytes.truncate(self.length);
                // The capacity was reserved.
                let _ = bytes.extend_from_slice(trailer, GFP_KERNEL);
                bytes.as_slice()
            }
        }
    }
}

/// Memory for `length` bytes and a trailer, of which the first are those of `start`.
fn allocate(length: usize, start: &[u8], flags: Flags) -> Result<KVVec<u8>, AllocError> {
    let capacity = length.checked_add(TRAILER_SIZE_MAX).ok_or(AllocError)?;
    let mut bytes = KVVec::with_capacity(capacity, flags)?;
    bytes.extend_from_slice(start, flags)?;
    // By pages: filling by `resize` goes byte for byte, which takes seconds for the largest
    // messages.
    while bytes.len() < length {
        let part = ZEROS.len().min(length.saturating_sub(bytes.len()));
        bytes.extend_from_slice(ZEROS.get(..part).unwrap_or(&ZEROS), flags)?;
    }
    Ok(bytes)
}

const _: () = assert!(HEADER_SIZE <= INLINE_MESSAGE);
