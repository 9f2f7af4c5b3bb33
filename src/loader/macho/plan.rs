// SPDX-License-Identifier: GPL-2.0

//! What has to be mapped where, and where it starts.

use core::ffi::CStr;

use super::{
    header::Role,
    parse::parse,
    segment::{
        Prot,
        Segment, //
    },
    Reject,
    Slice,
    Width, //
};

/// Most segments that an image may have. Real programs have about ten.
pub(crate) const MAX_SEGMENTS: usize = 64;

/// How a program wants to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// At this address, before any slide (`LC_UNIXTHREAD`).
    Address(u64),
    /// By its dynamic linker, which finds main() at this offset in the file (`LC_MAIN`).
    Main {
        /// Offset in the file.
        offset: u64,
        /// Bytes of stack that the first thread wants; 0 for the default.
        stack_size: u64,
    },
}

/// A range of addresses, before any slide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// First address.
    pub(crate) start: u64,
    /// Bytes.
    pub(crate) size: u64,
}

/// All that the loader needs to know of an image.
///
/// # Invariants
///
/// After [`parse`](Self::parse) returned `Ok`: no two segments overlap; `span` covers all of them
/// but [`page_zero`](Self::page_zero), has only user addresses and is not empty; `header` and, if
/// it is an address, `entry` lie in a segment, `entry` in an executable one; a `Program` names a
/// dynamic linker or has an entry address, a `Dylinker` has an entry address and no `page_zero`.
pub(crate) struct ImagePlan {
    pub(super) segments: [Segment; MAX_SEGMENTS],
    pub(super) count: usize,
    pub(super) entry: Option<Entry>,
    pub(super) all_image_info: Option<Range>,
    pub(super) header: u64,
    pub(super) span: Range,
    pub(super) slidable: bool,
    pub(super) slice: Slice,
    pub(super) width: Width,
}

impl ImagePlan {
    /// A plan of nothing, to be filled by [`parse`](Self::parse).
    pub(crate) const EMPTY: Self = Self {
        segments: [Segment::EMPTY; MAX_SEGMENTS],
        count: 0,
        entry: None,
        all_image_info: None,
        header: 0,
        span: Range { start: 0, size: 0 },
        slidable: false,
        slice: Slice {
            offset: 0,
            size: 0,
            to_end: 0,
        },
        width: Width::Bits64,
    };

    /// Fills an [`EMPTY`](Self::EMPTY) plan from the image that `slice` of a file is, of which
    /// `bytes` are header and load commands ([`Header::len`] of them). Returns the absolute path of
    /// the dynamic linker that the image wants.
    ///
    /// The plan is large, so it is filled in place. It is not to be used after an error.
    pub(crate) fn parse<'a>(
        &mut self,
        bytes: &'a [u8],
        slice: Slice,
        role: Role,
    ) -> Result<Option<&'a CStr>, Reject> {
        parse(self, bytes, slice, role)
    }

    /// All segments that occupy addresses, in the order of the file.
    pub(crate) fn segments(&self) -> &[Segment] {
        self.segments.get(..self.count).unwrap_or_default()
    }

    /// The segment that keeps the addresses from 0 on unused, if there is one.
    pub(crate) fn page_zero(&self) -> Option<&Segment> {
        self.segments().iter().find(|s| s.is_page_zero())
    }

    /// Addresses from the first segment, but `__PAGEZERO`, to the end of the last.
    pub(crate) fn span(&self) -> Range {
        self.span
    }

    /// Addresses from the first executable segment to the end of the last.
    pub(crate) fn code(&self) -> Range {
        self.extent(|segment| segment.initprot.contains(Prot::EXECUTE))
    }

    /// Addresses from the first writable segment to the end of the last.
    pub(crate) fn data(&self) -> Range {
        self.extent(|segment| segment.initprot.contains(Prot::WRITE))
    }

    fn extent(&self, of: impl Fn(&Segment) -> bool) -> Range {
        let segments = || self.segments().iter().filter(|segment| of(segment));
        let start = segments().map(|s| s.vmaddr).min().unwrap_or(0);
        let end = segments().map(Segment::end).max().unwrap_or(0);
        Range {
            start,
            // OVERFLOW: no segment ends before it starts.
            size: end.saturating_sub(start),
        }
    }

    /// Whether the image may be placed anywhere; otherwise it lies where its segments say.
    pub(crate) fn is_slidable(&self) -> bool {
        self.slidable
    }

    /// Address of the header, before any slide.
    pub(crate) fn header(&self) -> u64 {
        self.header
    }

    /// Where it starts, as address before any slide; `None` when only a dynamic linker can.
    pub(crate) fn entry_address(&self) -> Option<u64> {
        match self.entry {
            Some(Entry::Address(address)) => Some(address),
            _ => None,
        }
    }

    /// Bytes of stack that the first thread wants; 0 for the default.
    pub(crate) fn stack_size(&self) -> u64 {
        match self.entry {
            Some(Entry::Main { stack_size, .. }) => stack_size,
            _ => 0,
        }
    }

    /// Where a dynamic linker keeps its list of images, for debuggers (`TASK_DYLD_INFO`).
    pub(crate) fn all_image_info(&self) -> Option<Range> {
        self.all_image_info
    }

    /// The part of the file that the plan was made from.
    pub(crate) fn slice(&self) -> Slice {
        self.slice
    }

    /// Whether the image wants addresses that Linux gives to privileged users only
    /// (`vm.mmap_min_addr`).
    pub(crate) fn is_low(&self) -> bool {
        !self.slidable && self.span.start < Width::Bits64.fixed_start()
    }

    /// Width of the image's addresses.
    pub(crate) fn width(&self) -> Width {
        self.width
    }
}
