// SPDX-License-Identifier: GPL-2.0

//! One segment of an image: a range of memory and the range of the file that fills its start.

use super::{
    commands::Command,
    format::{
        view,
        Section32,
        Section64,
        SegmentCommand32,
        SegmentCommand64, //
    },
    is_page_aligned,
    page_align,
    Range,
    Reject,
    Width,
    PAGE_SIZE, //
};

/// Protection of memory: a set of read, write and execute.
///
/// The bits are those of Mach's `vm_prot_t` and of Linux's `PROT_*` alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prot(u8);

impl Prot {
    /// No access.
    pub(crate) const NONE: Self = Self(0);
    /// `VM_PROT_WRITE`.
    pub(crate) const WRITE: Self = Self(2);
    /// `VM_PROT_EXECUTE`.
    pub(crate) const EXECUTE: Self = Self(4);
    const ALL: Self = Self(7);

    fn new(bits: u32) -> Result<Self, Reject> {
        let prot = Self(u8::try_from(bits).map_err(|_| Reject::BadProtection)?);
        if Self::ALL.contains(prot) {
            Ok(prot)
        } else {
            Err(Reject::BadProtection)
        }
    }

    /// Whether all of `other` is in `self`.
    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits, as mmap() takes them.
    pub(crate) const fn bits(self) -> u32 {
        self.0 as u32
    }
}

/// One segment of an image.
///
/// # Invariants
///
/// `vmaddr`, `vmsize` and `fileoff` are multiples of the page size, `vmsize` is not 0, `filesize`
/// is at most `vmsize`, `vmaddr + vmsize` fits 64 bits, and `fileoff + filesize` is at most the
/// size of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Address at which the segment wants to be, before any slide.
    pub(crate) vmaddr: u64,
    /// Bytes in memory.
    pub(crate) vmsize: u64,
    /// Where its bytes start in the file.
    pub(crate) fileoff: u64,
    /// Bytes that come from the file; the rest is zero.
    pub(crate) filesize: u64,
    /// Protection to map it with.
    pub(crate) initprot: Prot,
    /// Most that the protection may be raised to.
    pub(crate) maxprot: Prot,
}

impl Segment {
    pub(super) const EMPTY: Self = Self {
        vmaddr: 0,
        vmsize: 0,
        fileoff: 0,
        filesize: 0,
        initprot: Prot::NONE,
        maxprot: Prot::NONE,
    };

    /// Reads a segment of an image that has `file_size` bytes. `None` when there is nothing to map.
    pub(super) fn parse(raw: &RawSegment, file_size: u64) -> Result<Option<Self>, Reject> {
        let &RawSegment {
            vmaddr,
            vmsize,
            fileoff,
            filesize,
            ..
        } = raw;

        if filesize > vmsize {
            return Err(Reject::FileLargerThanMemory);
        }
        let file_end = fileoff
            .checked_add(filesize)
            .ok_or(Reject::FileRangeOverflow)?;
        if filesize != 0 && file_end > file_size {
            return Err(Reject::BeyondFile);
        }
        let initprot = Prot::new(raw.initprot)?;
        let maxprot = Prot::new(raw.maxprot)?;
        if !maxprot.contains(initprot) {
            return Err(Reject::ProtectionAboveMax);
        }
        if vmsize == 0 {
            return Ok(None);
        }
        if !is_page_aligned(vmaddr) {
            return Err(Reject::AddressMisaligned);
        }
        if filesize != 0 && !is_page_aligned(fileoff) {
            return Err(Reject::OffsetMisaligned);
        }
        let vmsize = page_align(vmsize).ok_or(Reject::AddressOverflow)?;
        if vmaddr.checked_add(vmsize).is_none() {
            return Err(Reject::AddressOverflow);
        }

        // INVARIANT: All of it was checked above; an unused offset becomes 0.
        Ok(Some(Self {
            vmaddr,
            vmsize,
            fileoff: if filesize == 0 { 0 } else { fileoff },
            filesize,
            initprot,
            maxprot,
        }))
    }

    /// First address after the segment, before any slide.
    pub(crate) const fn end(&self) -> u64 {
        // OVERFLOW: fits, by the type invariants.
        self.vmaddr.saturating_add(self.vmsize)
    }

    /// Bytes to map from the file: `filesize` in whole pages, at most `vmsize`.
    pub(crate) const fn file_pages(&self) -> u64 {
        // OVERFLOW: `filesize` is at most `vmsize`, which is a whole number of pages.
        match page_align(self.filesize) {
            Some(bytes) => bytes,
            None => self.vmsize,
        }
    }

    /// Bytes after the mapping of the file that are to be mapped as zeroes.
    pub(crate) const fn zero_pages(&self) -> u64 {
        self.vmsize.saturating_sub(self.file_pages())
    }

    /// Bytes of the last page mapped from the file that are not the segment's and must read as
    /// zero.
    ///
    /// Linux shows what the file has there; where the file ends there are zeroes already, so
    /// `None` then too. `to_end` are the bytes of the file from the start of the image on.
    pub(crate) fn stale_tail(&self, to_end: u64) -> Option<u64> {
        let stale = self.file_pages().saturating_sub(self.filesize);
        (stale != 0 && self.fileoff.saturating_add(self.filesize) < to_end).then_some(stale)
    }

    /// Whether the segment keeps addresses from 0 on unused, and nothing else: XNU's test for
    /// `__PAGEZERO`, which does not look at the name.
    pub(crate) fn is_page_zero(&self) -> bool {
        self.vmaddr == 0
            && self.filesize == 0
            && self.initprot == Prot::NONE
            && self.maxprot == Prot::NONE
    }

    /// Whether an address, before any slide, is in the segment.
    pub(super) fn has_address(&self, address: u64) -> bool {
        (self.vmaddr..self.end()).contains(&address)
    }

    /// Whether a byte of the file is in the segment.
    pub(super) fn has_offset(&self, offset: u64) -> bool {
        offset
            .checked_sub(self.fileoff)
            .is_some_and(|inside| inside < self.filesize)
    }

    /// Whether both have an address in common.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.vmaddr < other.end() && other.vmaddr < self.end()
    }
}

/// What a segment command of either width says.
pub(super) struct RawSegment {
    pub(super) segname: [u8; 16],
    vmaddr: u64,
    vmsize: u64,
    fileoff: u64,
    filesize: u64,
    maxprot: u32,
    initprot: u32,
    nsects: u32,
    width: Width,
}

impl RawSegment {
    /// Reads the command, which is one of `width`, without a look at the values.
    pub(super) fn read(command: &Command<'_>, width: Width) -> Result<Self, Reject> {
        Ok(match width {
            Width::Bits32 => {
                let raw: &SegmentCommand32 = command.view()?;
                Self {
                    segname: raw.segname,
                    vmaddr: raw.vmaddr.get().into(),
                    vmsize: raw.vmsize.get().into(),
                    fileoff: raw.fileoff.get().into(),
                    filesize: raw.filesize.get().into(),
                    maxprot: raw.maxprot.get(),
                    initprot: raw.initprot.get(),
                    nsects: raw.nsects.get(),
                    width,
                }
            }
            Width::Bits64 => {
                let raw: &SegmentCommand64 = command.view()?;
                Self {
                    segname: raw.segname,
                    vmaddr: raw.vmaddr.get(),
                    vmsize: raw.vmsize.get(),
                    fileoff: raw.fileoff.get(),
                    filesize: raw.filesize.get(),
                    maxprot: raw.maxprot.get(),
                    initprot: raw.initprot.get(),
                    nsects: raw.nsects.get(),
                    width,
                }
            }
        })
    }

    /// Finds the section `name` among those of the command, after checking that all of them are
    /// inside of it. Returns its addresses.
    pub(super) fn find_section(
        &self,
        command: &Command<'_>,
        name: &[u8; 16],
    ) -> Result<Option<Range>, Reject> {
        let (start, len) = match self.width {
            Width::Bits32 => (size_of::<SegmentCommand32>(), size_of::<Section32>()),
            Width::Bits64 => (size_of::<SegmentCommand64>(), size_of::<Section64>()),
        };
        let bytes = command.tail(start).unwrap_or_default();
        if bytes.len() / len < self.nsects as usize {
            return Err(Reject::SectionsOverrun);
        }
        Ok(bytes
            .chunks_exact(len)
            .take(self.nsects as usize)
            .filter(|section| section.starts_with(name))
            .find_map(|section| match self.width {
                Width::Bits32 => view::<Section32>(section).map(|section| Range {
                    start: section.addr.get().into(),
                    size: section.size.get().into(),
                }),
                Width::Bits64 => view::<Section64>(section).map(|section| Range {
                    start: section.addr.get(),
                    size: section.size.get(),
                }),
            }))
    }
}

const _: () = assert!(PAGE_SIZE.is_power_of_two());
