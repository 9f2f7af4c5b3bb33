// SPDX-License-Identifier: GPL-2.0

//! One exec, from the first look at the file to the first instruction of the program.
//!
//! Up to [`Exec::begin`] nothing has happened to the old program: both files are read and checked,
//! everything is allocated that can be, and the new task is made but not registered. What can still
//! fail after that is what only the new address space and descriptor table can tell; it kills the
//! process, as with any format.

use super::{
    apple::{
        AppleStrings,
        MainStack, //
    },
    dylinker::Dylinker,
    macho::{
        self,
        ImagePlan,
        Preferences,
        Range,
        Wanted,
        Width,
        PAGE_SIZE,
        PREFERENCES_VARIABLE, //
    },
    map::{
        map_image,
        Slide, //
    },
    read::{
        self,
        read_plan,
        Refusal, //
    },
    stack, //
};
use crate::{
    core::{
        mach,
        DyldInfo,
        PreparedExec, //
    },
    linux::{
        exec::Exec,
        new_image::{
            self,
            Description,
            NewImage,
            StackPlace, //
        },
        program_map::{
            Place,
            Sharing,
            PROT_READ, //
        },
        random::random_below, //
    },
};
use kernel::{
    fs::File,
    prelude::*,
    sync::aref::ARef, //
};

/// The signals by which the client is asked to suspend a thread. It unblocks them itself when it
/// has handlers for them (ABI client §10); until then they would kill it. Signal 1 is bit 0.
const SUSPEND_SIGNALS: usize = 1 << 33 | 1 << 34;

/// Bytes of stack that a program is told of at most, whatever its limit.
const MAIN_STACK_MAX: u64 = 1 << 30;

const _: () = {
    assert!(macho::COMMPAGE_ADDRESS == crate::core::COMMPAGE_ADDRESS as u64);
    assert!(macho::COMMPAGE32_ADDRESS == crate::core::COMMPAGE32_ADDRESS as u64);
};

/// Executes the program of `exec`.
pub(super) fn load(mut exec: Exec<'_>) -> Result {
    // Most of what is executed is not for us, so look before anything costs something.
    if !macho::is_mach_o(exec.prefix()) {
        return Err(ENOEXEC);
    }
    match Program::read(&mut exec) {
        Ok(program) => program.start(exec),
        Err(Refusal::File(reject)) => {
            exec.log_refusal(reject.reason());
            Err(ENOEXEC)
        }
        Err(Refusal::Other(error)) => Err(error),
    }
}

/// The width, as memory management knows it.
fn memory_width(width: Width) -> new_image::Width {
    match width {
        Width::Bits32 => new_image::Width::Bits32,
        Width::Bits64 => new_image::Width::Bits64,
    }
}

/// A program of which all is known and checked, and nothing is mapped.
struct Program {
    file: ARef<File>,
    plan: KBox<ImagePlan>,
    dylinker: Option<Dylinker>,
    apple: AppleStrings,
    task: PreparedExec,
}

impl Program {
    fn read(exec: &mut Exec<'_>) -> Result<Self, Refusal> {
        let mach = mach().ok_or(ENOEXEC)?;

        let preferences = if macho::is_universal(exec.prefix()) {
            read::preferences(exec)?
        } else {
            Preferences::default()
        };
        let (plan, dylinker) = read_plan(exec.file(), Wanted::Program(preferences))?;
        if plan.is_low() && !exec.may_map_low() {
            return Err(EPERM.into());
        }
        let task = mach.prepare_exec()?;
        let vchroot = task.vchroot();
        let dylinker = dylinker
            .map(|path| Dylinker::find(exec, vchroot.as_deref(), &path, plan.width()))
            .transpose()?;

        Ok(Self {
            file: exec.file().into(),
            plan,
            dylinker,
            apple: AppleStrings::new(exec.file(), vchroot.as_deref())?,
            task,
        })
    }

    /// Passes the point of no return and loads the program.
    fn start(mut self, exec: Exec<'_>) -> Result {
        let counts = (exec.argc(), exec.envc());
        let width = self.plan.width();
        let mut image = exec.begin()?;
        if image.is_privileged() && self.dylinker.as_ref().is_some_and(|d| d.is_callers_choice) {
            // Only now it is known what the program may do that its caller may not.
            return Err(EPERM);
        }
        if image.is_privileged() {
            self.task.gain_privileges();
        }
        image.block_signals(SUSPEND_SIGNALS);
        // CAST: `usize` has 64 bits, here and below.
        image.want_stack(self.plan.stack_size() as usize);
        let (image, is_random) = image.set_up(memory_width(width));
        let top = if is_random {
            let pages = random_below(width.stack_random_max() / PAGE_SIZE);
            width
                .commpage()
                .saturating_sub(pages.saturating_mul(PAGE_SIZE))
        } else {
            width.commpage()
        };
        let (mut image, stack_place) = image.place_stack(top as usize)?;

        image.map(
            Some((self.task.file(), 0)),
            Place::Free(width.commpage() as usize),
            PAGE_SIZE as usize,
            PROT_READ,
            Sharing::Shared,
        )?;
        let loaded = self.map(&mut image)?;

        let fd = self.task.reserve_fd()?;
        self.say(&stack_place, fd.reserved_fd())?;
        let stack = stack::build(
            &mut image,
            memory_width(width),
            loaded.slide.apply(self.plan.header()),
            counts,
            PREFERENCES_VARIABLE,
            &self.apple,
        )?;
        let slide = loaded.slide;
        image.describe(&Description {
            code: slide.apply_range(self.plan.code()),
            data: slide.apply_range(self.plan.data()),
            brk: slide.apply_range(self.plan.span()).end,
            stack: stack.pointer,
            args: stack.args,
            environment: stack.environment,
        });

        // From here on the image lacks nothing.
        self.task.set_dyld_info(loaded.dyld_info);
        self.task.commit(fd)?;
        image.start(loaded.entry, stack.pointer);
        Ok(())
    }

    /// Completes what the program is told of itself.
    fn say(&mut self, stack: &StackPlace, fd: u32) -> Result {
        let &StackPlace { top, limit } = stack;
        self.apple.add_kernel_descriptor(fd)?;
        self.apple.add_entropy()?;
        self.apple.add_main_stack(&MainStack {
            top: top as u64,
            size: (limit as u64).min(MAIN_STACK_MAX).min(top as u64 / 2) & !(PAGE_SIZE - 1),
        })?;
        let dylinker = self.dylinker.as_ref().map(|dylinker| &*dylinker.file);
        self.apple.add_files(&self.file, dylinker)?;
        let Self { task, apple, .. } = self;
        task.tell_numbers(|key, number| apple.add_number(key, number))
    }

    /// Maps program and dynamic linker.
    fn map(&self, image: &mut NewImage<'_>) -> Result<Loaded> {
        let slide = map_image(image, &self.file, &self.plan)?;
        let (slide_of_entry, plan) = match &self.dylinker {
            None => (slide, &self.plan),
            Some(Dylinker { file, plan, .. }) => (map_image(image, file, plan)?, plan),
        };
        // Cannot fail: without a dynamic linker the program has an entry address, and a dynamic
        // linker always has one.
        let entry = plan.entry_address().ok_or(ENOEXEC)?;
        let info = plan.all_image_info();
        Ok(Loaded {
            slide,
            entry: slide_of_entry.apply(entry),
            dyld_info: info.map_or_else(DyldInfo::default, |Range { start, size }| DyldInfo {
                address: slide_of_entry.apply(start) as u64,
                size,
            }),
        })
    }
}

/// What has become of a program and its dynamic linker in memory.
struct Loaded {
    /// That of the program.
    slide: Slide,
    /// Where to start.
    entry: usize,
    dyld_info: DyldInfo,
}
