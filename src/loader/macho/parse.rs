// SPDX-License-Identifier: GPL-2.0

//! Makes a plan of load commands, and refuses what must not be mapped.

use core::ffi::CStr;

use super::{
    commands::{
        Command,
        Commands, //
    },
    format::{
        DylinkerCommand, EntryPointCommand, ThreadCommand32, ThreadCommand64, LC_LOAD_DYLINKER,
        LC_MAIN, LC_SEGMENT, LC_SEGMENT_64, LC_UNIXTHREAD,
    },
    header::{
        probe,
        Header,
        Role, //
    },
    plan::{
        Entry,
        ImagePlan,
        Range, //
    },
    segment::{
        Prot,
        RawSegment,
        Segment, //
    },
    Reject,
    Slice,
    Width, //
};

/// Does the work of [`ImagePlan::parse`].
pub(super) fn parse<'a>(
    plan: &mut ImagePlan,
    bytes: &'a [u8],
    slice: Slice,
    role: Role,
) -> Result<Option<&'a CStr>, Reject> {
    let header = probe(bytes, role)?;
    let commands = bytes
        .get(header.width.header_len()..header.len())
        .ok_or(Reject::CommandsTruncated)?;

    plan.slidable = header.slidable;
    plan.slice = slice;
    plan.width = header.width;
    let commands = Commands::new(commands, header.ncmds);
    let mut parser = Parser {
        plan,
        header,
        dylinker: None,
    };
    for command in commands {
        parser.command(&command?)?;
    }
    parser.check_placement()?;
    parser.check_entry()?;
    Ok(parser.dylinker)
}

/// A plan in the making.
struct Parser<'a, 'p> {
    plan: &'p mut ImagePlan,
    header: Header,
    /// Path of the dynamic linker.
    dylinker: Option<&'a CStr>,
}

impl<'a> Parser<'a, '_> {
    fn command(&mut self, command: &Command<'a>) -> Result<(), Reject> {
        match command.cmd {
            LC_SEGMENT => self.segment(command, Width::Bits32),
            LC_SEGMENT_64 => self.segment(command, Width::Bits64),
            LC_UNIXTHREAD => self.thread(command),
            LC_MAIN => self.main(command),
            LC_LOAD_DYLINKER => self.load_dylinker(command),
            // The rest is for dynamic linkers and debuggers; what is encrypted is not looked for
            // (ABI loader §4).
            _ => Ok(()),
        }
    }

    fn segment(&mut self, command: &Command<'a>, width: Width) -> Result<(), Reject> {
        if width != self.header.width {
            return Err(Reject::WrongWidthSegment);
        }
        let raw = RawSegment::read(command, width)?;
        let info = raw.find_section(command, b"__all_image_info")?;
        let Some(segment) = Segment::parse(&raw, self.plan.slice.size)? else {
            return Ok(());
        };

        if self.header.role == Role::Dylinker && segment.is_page_zero() {
            return Err(Reject::PageZeroInDylinker);
        }
        if self
            .plan
            .segments()
            .iter()
            .any(|other| other.overlaps(&segment))
        {
            return Err(Reject::SegmentsOverlap);
        }
        if let Some(range) = info.filter(|_| raw.segname.starts_with(b"__DATA\0")) {
            let inside = range
                .start
                .checked_add(range.size)
                .is_some_and(|end| range.start >= segment.vmaddr && end <= segment.end());
            if !inside {
                return Err(Reject::ImageInfoOutside);
            }
            self.plan.all_image_info = Some(range);
        }

        *self
            .plan
            .segments
            .get_mut(self.plan.count)
            .ok_or(Reject::TooManySegments)? = segment;
        // OVERFLOW: `count` is less than `MAX_SEGMENTS`, as the look-up above succeeded.
        self.plan.count = self.plan.count.saturating_add(1);
        Ok(())
    }

    fn thread(&mut self, command: &Command<'a>) -> Result<(), Reject> {
        // Only the instruction pointer of the first state is honoured, whatever the state says that
        // it is, and whatever follows (ABI loader §4).
        let entry = match self.header.width {
            Width::Bits32 => {
                let thread: Option<&ThreadCommand32> = command.view().ok();
                thread.map(|thread| thread.state.eip.get().into())
            }
            Width::Bits64 => {
                let thread: Option<&ThreadCommand64> = command.view().ok();
                thread.map(|thread| thread.state.rip.get())
            }
        };
        self.set_entry(Entry::Address(entry.ok_or(Reject::BadThreadState)?))
    }

    fn main(&mut self, command: &Command<'a>) -> Result<(), Reject> {
        if self.header.role == Role::Dylinker {
            return Err(Reject::MainInDylinker);
        }
        let main: &EntryPointCommand = command.view()?;
        self.set_entry(Entry::Main {
            offset: main.entryoff.get(),
            stack_size: main.stacksize.get(),
        })
    }

    fn set_entry(&mut self, entry: Entry) -> Result<(), Reject> {
        match self.plan.entry.replace(entry) {
            None => Ok(()),
            Some(_) => Err(Reject::DuplicateEntry),
        }
    }

    fn load_dylinker(&mut self, command: &Command<'a>) -> Result<(), Reject> {
        if self.header.role == Role::Dylinker {
            return Err(Reject::NestedDylinker);
        }
        let raw: &DylinkerCommand = command.view()?;
        let offset = raw.name.get() as usize;
        if offset < size_of::<DylinkerCommand>() {
            return Err(Reject::DylinkerNameOutside);
        }
        let name = command.tail(offset).ok_or(Reject::DylinkerNameOutside)?;
        let name =
            CStr::from_bytes_until_nul(name).map_err(|_| Reject::DylinkerNameUnterminated)?;
        if !name.to_bytes().starts_with(b"/") {
            return Err(Reject::DylinkerNameRelative);
        }
        match self.dylinker.replace(name) {
            None => Ok(()),
            Some(_) => Err(Reject::DuplicateDylinker),
        }
    }

    /// Checks that the segments fit where they will be, and finds `span` and `header`.
    fn check_placement(&mut self) -> Result<(), Reject> {
        let width = self.header.width;
        let (mut start, mut end) = (u64::MAX, 0);
        for segment in self.plan.segments() {
            if segment.is_page_zero() {
                if segment.vmsize > width.span_max() {
                    return Err(Reject::PageZeroTooLarge);
                }
                continue;
            }
            if segment.end() > width.commpage()
                || (!self.plan.slidable && segment.end() > width.fixed_end())
            {
                return Err(Reject::AddressTooHigh);
            }
            if !self.plan.slidable && segment.vmaddr < width.fixed_start() {
                return Err(Reject::AddressTooLow);
            }
            start = start.min(segment.vmaddr);
            end = end.max(segment.end());
        }

        let size = end.checked_sub(start).ok_or(Reject::NoSegments)?;
        if self.plan.slidable && size > width.span_max() {
            return Err(Reject::SpanTooLarge);
        }
        self.plan.span = Range { start, size };

        // OVERFLOW: a `usize` fits 64 bits.
        let header_len = self.header.len() as u64;
        self.plan.header = self
            .plan
            .segments()
            .iter()
            .find(|segment| segment.filesize >= header_len && segment.fileoff == 0)
            .ok_or(Reject::HeaderNotMapped)?
            .vmaddr;
        Ok(())
    }

    fn check_entry(&self) -> Result<(), Reject> {
        let mut executable = self
            .plan
            .segments()
            .iter()
            .filter(|segment| segment.initprot.contains(Prot::EXECUTE));
        let inside = match self.plan.entry {
            None => return Err(Reject::NoEntry),
            Some(Entry::Address(address)) => executable.any(|s| s.has_address(address)),
            Some(Entry::Main { offset, .. }) => {
                if self.header.role == Role::Program && self.dylinker.is_none() {
                    return Err(Reject::MainWithoutDylinker);
                }
                executable.any(|s| s.has_offset(offset))
            }
        };
        if inside {
            Ok(())
        } else {
            Err(Reject::EntryOutside)
        }
    }
}
