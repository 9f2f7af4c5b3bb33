// SPDX-License-Identifier: GPL-2.0

//! Makes Mach-O files, good ones and such as no linker would.

use crate::macho::{
    find_slice, probe, ImagePlan, Machine, Preferences, Reject, Role, Slice, Wanted, Width,
};

pub const R: u32 = 1;
pub const W: u32 = 2;
pub const X: u32 = 4;

/// Where [`Image::program32`] has its text.
pub const TEXT32: u64 = 0x4000;

/// Where [`Image::program`] has its text.
pub const TEXT: u64 = 0x1_0000_0000;

/// A file to be: header fields, load commands, and the size of the whole.
#[derive(Clone)]
pub struct Image {
    pub magic: u32,
    pub cputype: u32,
    pub filetype: u32,
    pub flags: u32,
    /// Instead of the true ones.
    pub ncmds: Option<u32>,
    pub sizeofcmds: Option<u32>,
    pub commands: Vec<Vec<u8>>,
    pub file_size: u64,
}

pub fn words(values: &[u32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// A load command: number, then size, then `body`.
pub fn command(cmd: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = words(&[cmd, body.len() as u32 + 8]);
    bytes.extend_from_slice(body);
    bytes
}

/// The fields of an LC_SEGMENT_64.
#[derive(Clone)]
pub struct Seg {
    pub name: &'static str,
    pub vmaddr: u64,
    pub vmsize: u64,
    pub fileoff: u64,
    pub filesize: u64,
    pub maxprot: u32,
    pub initprot: u32,
    pub nsects: u32,
    /// Name, address and size of each section.
    pub sections: Vec<(&'static str, u64, u64)>,
}

fn name16(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes
}

impl Seg {
    pub fn new(name: &'static str, memory: (u64, u64), file: (u64, u64), prot: u32) -> Self {
        Self {
            name,
            vmaddr: memory.0,
            vmsize: memory.1,
            fileoff: file.0,
            filesize: file.1,
            maxprot: prot,
            initprot: prot,
            nsects: 0,
            sections: vec![],
        }
    }

    pub fn section(mut self, name: &'static str, addr: u64, size: u64) -> Self {
        self.sections.push((name, addr, size));
        self.nsects += 1;
        self
    }

    /// The LC_SEGMENT; no value needs more than 32 bits.
    pub fn bytes32(&self) -> Vec<u8> {
        let mut body = name16(self.name).to_vec();
        for value in [self.vmaddr, self.vmsize, self.fileoff, self.filesize] {
            body.extend((value as u32).to_le_bytes());
        }
        body.extend(words(&[self.maxprot, self.initprot, self.nsects, 0]));
        for (name, addr, size) in &self.sections {
            body.extend(name16(name));
            body.extend(name16(self.name));
            body.extend(words(&[*addr as u32, *size as u32]));
            body.extend([0; 28]);
        }
        command(0x1, &body)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut body = name16(self.name).to_vec();
        for value in [self.vmaddr, self.vmsize, self.fileoff, self.filesize] {
            body.extend(value.to_le_bytes());
        }
        body.extend(words(&[self.maxprot, self.initprot, self.nsects, 0]));
        for (name, addr, size) in &self.sections {
            body.extend(name16(name));
            body.extend(name16(self.name));
            body.extend(addr.to_le_bytes());
            body.extend(size.to_le_bytes());
            body.extend([0; 32]);
        }
        command(0x19, &body)
    }
}

/// An LC_UNIXTHREAD that starts at `rip`.
pub fn thread(rip: u64) -> Vec<u8> {
    let mut body = words(&[4, 42]);
    body.extend([0; 16 * 8]);
    body.extend(rip.to_le_bytes());
    body.extend([0; 4 * 8]);
    command(0x5, &body)
}

/// An LC_UNIXTHREAD that starts at `eip`.
pub fn thread32(eip: u32) -> Vec<u8> {
    let mut state = [0; 18];
    state[0] = 1;
    state[1] = 16;
    state[12] = eip;
    command(0x5, &words(&state))
}

/// An LC_MAIN.
pub fn main(entryoff: u64, stacksize: u64) -> Vec<u8> {
    let mut body = entryoff.to_le_bytes().to_vec();
    body.extend(stacksize.to_le_bytes());
    command(0x8000_0028, &body)
}

/// An LC_LOAD_DYLINKER with the path in its usual place.
pub fn dylinker(path: &[u8]) -> Vec<u8> {
    let mut body = words(&[12]);
    body.extend(path);
    while body.len() % 8 != 0 {
        body.push(0);
    }
    command(0xe, &body)
}

impl Image {
    /// A static, slidable program: __PAGEZERO, __TEXT, __DATA with zero fill, __LINKEDIT.
    pub fn program() -> Self {
        Self {
            magic: 0xfeed_facf,
            cputype: 0x0100_0007,
            filetype: 2,
            flags: 0x20_0000,
            ncmds: None,
            sizeofcmds: None,
            commands: vec![
                Seg::new("__PAGEZERO", (0, TEXT), (0, 0), 0).bytes(),
                Seg::new("__TEXT", (TEXT, 0x2000), (0, 0x2000), R | X).bytes(),
                Seg::new("__DATA", (TEXT + 0x2000, 0x3000), (0x2000, 0x800), R | W).bytes(),
                Seg::new("__LINKEDIT", (TEXT + 0x5000, 0x1000), (0x3000, 0x123), R).bytes(),
                thread(TEXT + 0x1000),
            ],
            file_size: 0x3123,
        }
    }

    /// The same for i386.
    pub fn program32() -> Self {
        Self {
            magic: 0xfeed_face,
            cputype: 7,
            commands: vec![
                Seg::new("__PAGEZERO", (0, 0x1000), (0, 0), 0).bytes32(),
                Seg::new("__TEXT", (TEXT32, 0x2000), (0, 0x2000), R | X).bytes32(),
                Seg::new("__DATA", (TEXT32 + 0x2000, 0x3000), (0x2000, 0x800), R | W).bytes32(),
                thread32(TEXT32 as u32 + 0x1000),
            ],
            ..Self::program()
        }
    }

    /// A dynamic linker for i386.
    pub fn linker32() -> Self {
        Self {
            filetype: 7,
            flags: 0,
            commands: vec![
                Seg::new("__TEXT", (0, 0x2000), (0, 0x2000), R | X).bytes32(),
                Seg::new("__DATA", (0x2000, 0x3000), (0x2000, 0x800), R | W)
                    .section("__data", 0x2000, 0x10)
                    .section("__all_image_info", 0x2040, 0x170)
                    .bytes32(),
                thread32(0x1000),
            ],
            ..Self::program32()
        }
    }

    /// A program for a dynamic linker.
    pub fn dynamic() -> Self {
        let mut image = Self::program();
        image.commands.pop();
        image.commands.push(dylinker(b"/usr/lib/dyld\0"));
        image.commands.push(main(0x1000, 0));
        image
    }

    /// A dynamic linker, linked for address 0.
    pub fn linker() -> Self {
        let mut image = Self::program();
        image.filetype = 7;
        image.flags = 0;
        image.commands = vec![
            Seg::new("__TEXT", (0, 0x2000), (0, 0x2000), R | X).bytes(),
            Seg::new("__DATA", (0x2000, 0x3000), (0x2000, 0x800), R | W)
                .section("__data", 0x2000, 0x10)
                .section("__all_image_info", 0x2040, 0x170)
                .bytes(),
            thread(0x1000),
        ];
        image
    }

    /// With the segments and other commands exchanged.
    pub fn with(mut self, commands: Vec<Vec<u8>>) -> Self {
        self.commands = commands;
        self
    }

    /// With one more command.
    pub fn and(mut self, command: Vec<u8>) -> Self {
        self.commands.push(command);
        self
    }

    /// Without [`MH_PIE`].
    pub fn fixed(mut self) -> Self {
        self.flags = 0;
        self
    }

    /// Header and load commands.
    pub fn bytes(&self) -> Vec<u8> {
        let commands = self.commands.concat();
        let mut bytes = words(&[
            self.magic,
            self.cputype,
            3,
            self.filetype,
            self.ncmds.unwrap_or(self.commands.len() as u32),
            self.sizeofcmds.unwrap_or(commands.len() as u32),
            self.flags,
        ]);
        if self.magic != 0xfeed_face {
            bytes.extend([0; 4]);
        }
        bytes.extend(commands);
        bytes
    }
}

/// Parses as the loader does; the plan is handed to `look`. A universal file is not to be sliced
/// by this.
pub fn parse(
    bytes: &[u8],
    file_size: u64,
    role: Role,
    look: impl FnOnce(&ImagePlan),
) -> Result<Option<String>, Reject> {
    let slice = Slice {
        offset: 0,
        size: file_size,
        to_end: file_size,
    };
    let mut plan = Box::new(ImagePlan::EMPTY);
    let dylinker = plan.parse(bytes, slice, role)?;
    look(&plan);
    Ok(dylinker.map(|path| path.to_str().unwrap_or("not UTF-8").into()))
}

/// A slice of a universal file: CPU, sub-type, offset and size.
pub type Arch = (u32, u32, u64, u64);

/// The list of slices.
pub fn fat(archs: &[Arch]) -> Vec<u8> {
    let mut bytes = vec![];
    let mut put = |value: u32| bytes.extend(value.to_be_bytes());
    put(0xcafe_babe);
    put(archs.len() as u32);
    for &(cputype, subtype, offset, size) in archs {
        for value in [cputype, subtype, offset as u32, size as u32, 12] {
            put(value);
        }
    }
    bytes
}

/// The list of slices, with offsets and sizes of 64 bits.
pub fn fat64(archs: &[Arch]) -> Vec<u8> {
    let mut bytes = vec![];
    bytes.extend(0xcafe_babf_u32.to_be_bytes());
    bytes.extend((archs.len() as u32).to_be_bytes());
    for &(cputype, subtype, offset, size) in archs {
        bytes.extend(cputype.to_be_bytes());
        bytes.extend(subtype.to_be_bytes());
        bytes.extend(offset.to_be_bytes());
        bytes.extend(size.to_be_bytes());
        bytes.extend([0, 0, 0, 12, 0, 0, 0, 0]);
    }
    bytes
}

/// The slice of a universal file of 1 MiB that somebody with `preferences` gets.
pub fn choose(list: &[u8], preferences: &str, machine: Machine) -> Result<Slice, Reject> {
    let preferences = Preferences::parse(preferences.as_bytes());
    find_slice(list, 1 << 20, Wanted::Program(preferences), machine)
}

/// The whole way of a file that is in memory, as the loader goes it.
pub fn load(file: &[u8], wanted: Wanted, look: impl FnOnce(&ImagePlan)) -> Result<(), Reject> {
    let slice = find_slice(
        &file[..file.len().min(crate::macho::SLICES_MAX)],
        file.len() as u64,
        wanted,
        Machine::Haswell,
    )?;
    let role = match wanted {
        Wanted::Program(_) => Role::Program,
        Wanted::Dylinker(_) => Role::Dylinker,
    };
    let image = &file[slice.offset as usize..];
    let header = probe(&image[..image.len().min(32)], role)?;
    if matches!(wanted, Wanted::Dylinker(width) if width != header.width) {
        return Err(Reject::WrongWidthDylinker);
    }
    if header.len() as u64 > slice.size {
        return Err(Reject::CommandsTruncated);
    }
    let mut plan = Box::new(ImagePlan::EMPTY);
    plan.parse(&image[..header.len()], slice, role)?;
    look(&plan);
    Ok(())
}

/// Fills `bytes` up to `size` with zeroes.
pub fn padded(mut bytes: Vec<u8>, size: u64) -> Vec<u8> {
    bytes.resize(size as usize, 0);
    bytes
}
