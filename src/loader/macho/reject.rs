// SPDX-License-Identifier: GPL-2.0

//! Why a file is not loaded.

macro_rules! rejects {
    ($($(#[$doc:meta])* $name:ident => $reason:literal,)*) => {
        /// Why a file is not loaded.
        ///
        /// To the caller of execve all of them are `ENOEXEC`; the reason goes to the kernel log at
        /// debug level.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Reject {
            $(#[doc = $reason] $(#[$doc])* $name,)*
        }

        impl Reject {
            /// All reasons, for tests that want to see each of them.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The reason in words.
            pub(crate) const fn reason(self) -> &'static ::core::ffi::CStr {
                match self {
                    $(Self::$name => {
                        const REASON: &::core::ffi::CStr = match
                            ::core::ffi::CStr::from_bytes_with_nul(concat!($reason, "\0").as_bytes())
                        {
                            Ok(reason) => reason,
                            Err(_) => panic!("NUL in a reason"),
                        };
                        REASON
                    })*
                }
            }
        }
    };
}

rejects! {
    // The header.
    NotMachO => "not a Mach-O file",
    SlicesTruncated => "file ends inside the list of slices, or the list is too long",
    NoSlice => "no slice for this CPU",
    SliceOutside => "slice reaches beyond the file",
    SliceMisaligned => "offset of a slice is not a multiple of the page size",
    NestedSlices => "slice is a universal file itself",
    ByteSwapped => "file of a big-endian machine",
    WrongCpu => "file for another CPU",
    WrongFileType => "neither a program nor a dynamic linker",
    HeaderTruncated => "file ends inside the header",
    NoCommands => "no load commands",
    CommandsTooLarge => "too many bytes of load commands",
    CommandsTruncated => "file ends inside the load commands",

    // Load commands in general.
    CommandTooShort => "load command shorter than its kind requires",
    CommandMisaligned => "size of a load command is not a multiple of four",
    CommandOverrun => "load command reaches beyond the load commands",
    TooFewCommands => "load commands end before the announced number",

    // Segments.
    WrongWidthSegment => "segment of the other width",
    TooManySegments => "too many segments",
    SectionsOverrun => "sections reach beyond their segment command",
    AddressOverflow => "segment reaches beyond the address space",
    FileRangeOverflow => "end of a segment in the file does not fit 64 bits",
    BeyondFile => "segment reaches beyond the end of the file",
    FileLargerThanMemory => "segment has more bytes in the file than in memory",
    AddressMisaligned => "address of a segment is not a multiple of the page size",
    OffsetMisaligned => "file offset of a segment is not a multiple of the page size",
    BadProtection => "unknown protection bits",
    ProtectionAboveMax => "initial protection exceeds the maximum protection",
    SegmentsOverlap => "segments overlap",
    AddressTooLow => "segment at an address that Linux keeps unused",
    AddressTooHigh => "segment overlaps stack, commpage or kernel",
    SpanTooLarge => "image spans too much address space",
    PageZeroTooLarge => "__PAGEZERO is too large",
    PageZeroInDylinker => "dynamic linker with a __PAGEZERO",
    NoSegments => "nothing to map",
    HeaderNotMapped => "no segment maps the header",
    ImageInfoOutside => "__all_image_info lies outside its segment",

    // Entry.
    DuplicateEntry => "more than one entry point",
    BadThreadState => "thread state is too short",
    NoEntry => "no entry point",
    EntryOutside => "entry point outside of the executable segments",
    MainWithoutDylinker => "LC_MAIN without a dynamic linker",
    MainInDylinker => "LC_MAIN in a dynamic linker",

    // The dynamic linker.
    DuplicateDylinker => "more than one dynamic linker",
    NestedDylinker => "dynamic linker that wants a dynamic linker",
    DylinkerNameOutside => "path of the dynamic linker lies outside its command",
    DylinkerNameUnterminated => "path of the dynamic linker is not terminated",
    DylinkerNameRelative => "path of the dynamic linker is not absolute",
    NotADylinker => "what is named as dynamic linker is none",
    WrongWidthDylinker => "dynamic linker of the other width",
    NotAProgram => "dynamic linker cannot be executed",

}
