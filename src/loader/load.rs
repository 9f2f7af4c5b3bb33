// SPDX-License-Identifier: GPL-2.0

//! One exec, from the first look at the file to the first instruction of the program.
//!
//! Up to [`Exec::begin`] nothing has happened to the old program: both files are read and checked,
//! everything is allocated that can be, and the new task is made but not registered. What can still
//! fail after that is what only the new address space and descriptor table can tell; it kills the
//! process, as with any format.

use super::{
    macho::{
        probe,
        ImagePlan,
        Reject,
        Role,
        COMMPAGE_ADDRESS,
        PAGE_SIZE, //
    },
    map::{
        map_image,
        Slide, //
    },
    stack::{
        self,
        Apple, //
    },
};
use crate::{
    core::{
        mach,
        PreparedExec, //
    },
    linux::{
        exec::Exec,
        exec_file::{
            self,
            ExecFile, //
        },
        new_image::{
            Description,
            NewImage,
            Place,
            Sharing,
            PROT_READ, //
        },
        random::random_below, //
    },
};
use kernel::{
    alloc::AllocError,
    bindings,
    fs::File,
    prelude::*,
    str::CString,
    sync::aref::ARef, //
};

/// The signals by which the client is asked to suspend a thread. It unblocks them itself when it
/// has handlers for them (ABI client §10); until then they would kill it. Signal 1 is bit 0.
const SUSPEND_SIGNALS: usize = 1 << 33 | 1 << 34;

/// Bytes by which the top of the stack is random at most. Linux leaves 16 GiB for that between the
/// stack and what mmap(2) places; what is missing here is the room from the commpage upwards.
const STACK_RANDOM_MAX: u64 = (16 << 30) - (4 << 20);

/// Bytes for the path of the program.
const PATH_MAX: usize = bindings::PATH_MAX as usize;

const _: () = assert!(COMMPAGE_ADDRESS == crate::core::COMMPAGE_ADDRESS as u64);

/// Why a file is not loaded.
enum Refusal {
    /// The file is not as it must be.
    File(Reject),
    /// Something else is missing.
    Other(Error),
}

impl From<Reject> for Refusal {
    fn from(reject: Reject) -> Self {
        Self::File(reject)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<AllocError> for Refusal {
    fn from(error: AllocError) -> Self {
        Self::Other(error.into())
    }
}

/// Executes the program of `exec`.
pub(super) fn load(mut exec: Exec<'_>) -> Result {
    // Most of what is executed is not for us, so look before anything costs something.
    let program = probe(exec.prefix(), Role::Program)
        .map_err(Refusal::from)
        .and_then(|_| Program::read(&mut exec));
    match program {
        Ok(program) => program.start(exec),
        // Not worth a line: that is what other formats are for.
        Err(Refusal::File(Reject::NotMachO)) => Err(ENOEXEC),
        Err(Refusal::File(reject)) => {
            exec.log_refusal(reject.reason());
            Err(ENOEXEC)
        }
        Err(Refusal::Other(error)) => Err(error),
    }
}

/// Reads header and load commands of a file and makes `plan` of them. Returns the path of the
/// dynamic linker, opened.
fn read_plan(file: &File, role: Role, plan: &mut ImagePlan) -> Result<Option<ExecFile>, Refusal> {
    if !exec_file::can_be_mapped(file) {
        return Err(ENOEXEC.into());
    }
    let file_size = exec_file::size(file);
    let mut prefix = [0; 32];
    let len = exec_file::read_start(file, &mut prefix)?;
    let header = probe(prefix.get(..len).unwrap_or_default(), role)?;
    // Otherwise a file of some bytes could make us allocate the most that is allowed.
    // CAST: `usize` has 64 bits.
    if header.len() as u64 > file_size {
        return Err(Reject::CommandsTruncated.into());
    }

    // What counts is what is read here, should it differ from what was read before.
    let mut bytes = KVVec::from_elem(0, header.len(), GFP_KERNEL_ACCOUNT)?;
    let len = exec_file::read_start(file, &mut bytes)?;
    bytes.truncate(len);
    let dylinker = plan.parse(&bytes, file_size, role)?;
    Ok(dylinker.map(ExecFile::open).transpose()?)
}

/// A program's dynamic linker.
struct Dylinker {
    file: ExecFile,
    plan: KBox<ImagePlan>,
}

/// A program of which all is known and checked, and nothing is mapped.
struct Program {
    file: ARef<File>,
    plan: KBox<ImagePlan>,
    dylinker: Option<Dylinker>,
    /// `executable_path=` and the path.
    path: KVec<u8>,
    task: PreparedExec,
}

impl Program {
    fn read(exec: &mut Exec<'_>) -> Result<Self, Refusal> {
        let mach = mach().ok_or(ENOEXEC)?;

        let mut plan = KBox::new(ImagePlan::EMPTY, GFP_KERNEL_ACCOUNT)?;
        let dylinker = match read_plan(exec.file(), Role::Program, &mut plan)? {
            None => None,
            Some(file) => {
                exec.protect_unreadable(&file);
                let mut plan = KBox::new(ImagePlan::EMPTY, GFP_KERNEL_ACCOUNT)?;
                read_plan(&file, Role::Dylinker, &mut plan)?;
                Some(Dylinker { file, plan })
            }
        };

        Ok(Self {
            file: exec.file().into(),
            plan,
            dylinker,
            path: executable_path(exec.file())?,
            task: mach.prepare_exec()?,
        })
    }

    /// Passes the point of no return and loads the program.
    fn start(self, exec: Exec<'_>) -> Result {
        let (argc, envc) = (exec.argc(), exec.envc());
        let mut image = exec.begin()?;
        image.block_signals(SUSPEND_SIGNALS);
        // CAST: `usize` has 64 bits, here and below.
        image.want_stack(self.plan.stack_size() as usize);
        let top = if image.set_up() {
            let pages = random_below(STACK_RANDOM_MAX / PAGE_SIZE);
            COMMPAGE_ADDRESS.saturating_sub(pages.saturating_mul(PAGE_SIZE))
        } else {
            COMMPAGE_ADDRESS
        };
        image.place_stack(top as usize)?;

        image.map(
            Some((self.task.file(), 0)),
            Place::Free(COMMPAGE_ADDRESS as usize),
            PAGE_SIZE as usize,
            PROT_READ,
            Sharing::Shared,
        )?;
        let (slide, entry) = self.map(&mut image)?;

        let fd = self.task.reserve_fd()?;
        let kernfd = kernfd(fd.reserved_fd())?;
        let stack = stack::build(
            &mut image,
            slide.apply(self.plan.header()),
            argc,
            envc,
            &[Apple(&self.path), Apple(kernfd.to_bytes_with_nul())],
        )?;
        image.describe(&Description {
            code: slide.apply_range(self.plan.code()),
            data: slide.apply_range(self.plan.data()),
            brk: slide.apply_range(self.plan.span()).end,
            stack: stack.pointer,
            args: stack.args,
            environment: stack.environment,
        });

        // From here on the image lacks nothing.
        self.task.commit(fd)?;
        image.start(entry, stack.pointer);
        Ok(())
    }

    /// Maps program and dynamic linker. Returns the slide of the program, and where to start.
    fn map(&self, image: &mut NewImage<'_>) -> Result<(Slide, usize)> {
        let slide = map_image(image, &self.file, &self.plan)?;
        let (slide_of_entry, plan) = match &self.dylinker {
            None => (slide, &self.plan),
            Some(Dylinker { file, plan }) => (map_image(image, file, plan)?, plan),
        };
        // Cannot fail: without a dynamic linker the program has an entry address, and a dynamic
        // linker always has one.
        let entry = plan.entry_address().ok_or(ENOEXEC)?;
        Ok((slide, slide_of_entry.apply(entry)))
    }
}

/// `executable_path=` and the absolute path of a file.
///
/// Not the path that was given to execve: a relative one would mean something else once the
/// program has changed its directory.
fn executable_path(file: &File) -> Result<KVec<u8>> {
    let mut buffer = KVec::from_elem(0, PATH_MAX, GFP_KERNEL_ACCOUNT)?;
    let path = exec_file::path(file, &mut buffer)?;
    let mut string = KVec::new();
    string.extend_from_slice(b"executable_path=", GFP_KERNEL_ACCOUNT)?;
    string.extend_from_slice(path.to_bytes_with_nul(), GFP_KERNEL_ACCOUNT)?;
    Ok(string)
}

/// `kernfd=` and a descriptor number.
fn kernfd(fd: u32) -> Result<CString> {
    CString::try_from_fmt(fmt!("kernfd={fd}"))
}
