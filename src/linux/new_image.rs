// SPDX-License-Identifier: GPL-2.0

//! The second half of an exec: the address space of the new program, up to its first instruction.
//!
//! Serves the loader. The order, of which the first steps are types of their own, as they must be
//! taken once: [`BegunImage::set_up`], [`LaidOutImage::place_stack`], mappings,
//! [`NewImage::describe`], [`NewImage::start`].
//!
//! The process has one thread and nobody else changes its address space, though others may look
//! at it. No address that is passed in here can hurt the kernel: mapping checks all of them as it
//! does for mmap(2).
//!
//! Locks: mapping takes the mmap lock. Everything may sleep.
//!
//! C headers: [`include/linux/binfmts.h`](srctree/include/linux/binfmts.h),
//! [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    bindings,
    error::to_result,
    fs::File,
    page::PAGE_SIZE,
    prelude::*,
    task::Task,
    types::NotThreadSafe, //
};

use super::{
    bindings as shim,
    credentials::with_raw_io,
    program_map::{
        map,
        Place,
        Sharing,
        PROT_NONE, //
    },
};

/// A range of user addresses.
#[derive(Clone, Copy)]
pub(crate) struct UserRange {
    /// First address.
    pub(crate) start: usize,
    /// First address after it.
    pub(crate) end: usize,
}

/// Width of the addresses of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// Such as i386 has.
    Bits32,
    /// Such as x86-64 has.
    Bits64,
}

/// What `/proc/PID/{stat,cmdline,environ}` say of a program.
pub(crate) struct Description {
    /// Machine code.
    pub(crate) code: UserRange,
    /// Initialised data.
    pub(crate) data: UserRange,
    /// Where brk(2) starts.
    pub(crate) brk: usize,
    /// The stack pointer at the start.
    pub(crate) stack: usize,
    /// The argument strings.
    pub(crate) args: UserRange,
    /// The environment strings.
    pub(crate) environment: UserRange,
}

/// An exec that has just passed the point of no return. The process has lost its old program, and
/// the locks of exec are held.
///
/// # Invariants
///
/// Those of [`NewImage`]; and `setup_new_exec` has not been called.
pub(crate) struct BegunImage<'a>(NewImage<'a>);

/// An address space whose layout has been chosen, and in which nothing is but the stack, at a place
/// for the time being.
///
/// # Invariants
///
/// Those of [`NewImage`]; `bprm->vma` is the stack, as nobody has changed a mapping yet: this thread
/// has not, and others' address spaces are left alone until they have a format
/// ([`foreign`](super::foreign)).
pub(crate) struct LaidOutImage<'a>(NewImage<'a>);

/// Where the stack of a program is, and what it may have.
pub(crate) struct StackPlace {
    /// The end.
    pub(crate) top: usize,
    /// Bytes, as it is limited now.
    pub(crate) limit: usize,
}

/// A program that is being loaded into the current process, which has lost its old one.
///
/// # Invariants
///
/// `bprm` is valid for `'a` and describes an exec of the current process that has passed the point
/// of no return. `format` is the registered format that loads it.
pub(crate) struct NewImage<'a> {
    bprm: *mut shim::linux_binprm,
    format: *mut shim::linux_binfmt,
    width: Width,
    _borrow: PhantomData<&'a mut shim::linux_binprm>,
    _current: NotThreadSafe,
}

impl<'a> BegunImage<'a> {
    /// # Safety
    ///
    /// The type invariants must hold.
    pub(super) unsafe fn new(
        bprm: *mut shim::linux_binprm,
        format: *mut shim::linux_binfmt,
    ) -> Self {
        // INVARIANT: By the caller's promise.
        Self(NewImage {
            bprm,
            format,
            width: Width::Bits64,
            _borrow: PhantomData,
            _current: NotThreadSafe,
        })
    }

    /// Whether the program gets privileges that its caller had not, so that it must not trust what
    /// it was given.
    pub(crate) fn is_privileged(&self) -> bool {
        // SAFETY: By the type invariants.
        unsafe { (*self.0.bprm).secureexec() != 0 }
    }

    /// Blocks the signals whose bits are set in `set`; bit 0 is signal 1.
    pub(crate) fn block_signals(&mut self, set: usize) {
        let mut set = bindings::sigset_t { sig: [set] };
        // SAFETY: The set is valid; the old one is not wanted. Changes the current thread only.
        unsafe {
            bindings::sigprocmask(bindings::SIG_BLOCK as c_int, &mut set, ptr::null_mut());
        }
    }

    /// Lets the stack grow to `bytes` at least, as far as the hard limit allows.
    pub(crate) fn want_stack(&mut self, bytes: usize) {
        // SAFETY: By the type invariants. The limit becomes the process's when the image starts.
        let limit = unsafe { &mut (*self.0.bprm).rlim_stack };
        limit.rlim_cur = limit.rlim_cur.max(bytes.min(limit.rlim_max));
    }

    /// Makes the process one of `width`, chooses the layout of its address space, and lets go of
    /// the locks of exec. Says whether addresses are to be random.
    ///
    /// The process's own choice counts (`ADDR_NO_RANDOMIZE`); the setting of the whole machine
    /// (kernel.randomize_va_space) cannot be seen from a module.
    pub(crate) fn set_up(mut self, width: Width) -> (LaidOutImage<'a>, bool) {
        self.0.width = width;
        let task = Task::current_raw();
        // SAFETY: The current task's own flags and personality are changed by itself only. By the
        // type invariants the exec has just begun, which is when `setup_new_exec` is to be called.
        let random = unsafe {
            match width {
                Width::Bits32 => bindings::set_personality_ia32(false),
                Width::Bits64 => shim::mach_shim_set_personality_64bit(),
            }
            let random = (*task).personality & bindings::ADDR_NO_RANDOMIZE == 0;
            if random {
                (*task).flags |= bindings::PF_RANDOMIZE;
            }
            shim::setup_new_exec(self.0.bprm);
            random
        };
        // INVARIANT: `begin_new_exec` has put the stack, and nothing else, into the address space.
        (LaidOutImage(self.0), random)
    }
}

impl<'a> LaidOutImage<'a> {
    /// Moves the stack with the argument strings to end at `top`, or a little below, without
    /// permission to execute it.
    pub(crate) fn place_stack(self, top: usize) -> Result<(NewImage<'a>, StackPlace)> {
        // CAST: A small constant.
        let executable = shim::EXSTACK_DISABLE_X as c_int;
        let bprm = self.0.bprm;
        // SAFETY: By the type invariants; the address is checked.
        to_result(unsafe { shim::setup_arg_pages(bprm, top, executable) })?;
        // SAFETY: By the type invariants `vma` is the stack still.
        let place = unsafe {
            StackPlace {
                top: (*(*bprm).vma).__bindgen_anon_1.__bindgen_anon_1.vm_end,
                limit: (*bprm).rlim_stack.rlim_cur,
            }
        };
        Ok((self.0, place))
    }
}

impl NewImage<'_> {
    /// Maps `len` bytes of `file` from `offset` on, or, without a file, zeroes. Returns where.
    pub(crate) fn map(
        &mut self,
        file: Option<(&File, u64)>,
        place: Place,
        len: usize,
        prot: u32,
        sharing: Sharing,
    ) -> Result<usize> {
        map(file, place, len, prot, sharing)
    }

    /// Keeps the addresses from 0 to `len` unused for ever: they are mapped without any access,
    /// and no mprotect(2) can change that.
    ///
    /// Mapping address 0 takes a privilege (`vm.mmap_min_addr`) because a kernel that follows a
    /// null pointer would find there what a program prepared. The privilege is lent to the program
    /// for this call alone, which is harmless only because nothing can ever be put there.
    pub(crate) fn reserve_page_zero(&mut self, len: usize) -> Result {
        with_raw_io(|| self.map(None, Place::Free(0), len, PROT_NONE, Sharing::Private))??;

        let mm = current_mm();
        // SAFETY: The address space is the current process's own. What the lock returns is 0 when
        // it is held, and it is released on all paths.
        unsafe {
            to_result(shim::mach_shim_mmap_write_lock_killable(mm))?;
            let vma = bindings::find_vma(mm, 0);
            // The area is the only one made so far, apart from the stack, so it was merged with
            // none.
            let alone = !vma.is_null() && {
                let range = (*vma).__bindgen_anon_1.__bindgen_anon_1;
                range.vm_start == 0 && range.vm_end == len
            };
            if alone {
                let may = bindings::VM_MAYREAD | bindings::VM_MAYWRITE | bindings::VM_MAYEXEC;
                shim::mach_shim_vm_flags_clear(vma, may);
            }
            shim::mach_shim_mmap_write_unlock(mm);
            if alone {
                Ok(())
            } else {
                Err(EFAULT)
            }
        }
    }

    /// Writes zeroes over less than a page of a private mapping, whatever its protection.
    pub(crate) fn zero(&mut self, address: usize, len: usize) -> Result {
        static ZEROES: [u8; PAGE_SIZE] = [0; PAGE_SIZE];

        let len = c_int::try_from(len.min(PAGE_SIZE))?;
        // SAFETY: The buffer has that many bytes and is only read. The addresses are checked; a
        // private page is copied before it is written to.
        let written = unsafe {
            bindings::access_process_vm(
                Task::current_raw(),
                address,
                ZEROES.as_ptr().cast_mut().cast(),
                len,
                bindings::FOLL_WRITE | bindings::FOLL_FORCE,
            )
        };
        if written == len {
            Ok(())
        } else {
            Err(EFAULT)
        }
    }

    /// Where the argument strings start, behind which the environment strings follow. Below is
    /// free stack.
    pub(crate) fn strings(&self) -> usize {
        // SAFETY: By the type invariants.
        unsafe { (*self.bprm).p }
    }

    /// Bytes of the string at `address` with its terminator, as it was copied from the caller.
    pub(crate) fn string_len(&self, address: usize) -> Result<usize> {
        /// `MAX_ARG_STRLEN`.
        const MAX: isize = 32 * PAGE_SIZE as isize;

        // SAFETY: The address is checked.
        let len = unsafe { bindings::strnlen_user(ptr::without_provenance(address), MAX) };
        match len {
            1..=MAX => Ok(len.unsigned_abs()),
            _ => Err(EFAULT),
        }
    }

    /// Says whose program it is and what is where in it.
    pub(crate) fn describe(&mut self, description: &Description) {
        let mm = current_mm();
        // SAFETY: By the type invariants the format is valid, and stays so while the address space
        // exists. The fields of the address space are those of a process that has not yet run,
        // and are set without a lock by all formats. They are written one by one: others use the
        // rest of the structure.
        unsafe {
            let mm = &raw mut (*mm).__bindgen_anon_1;
            (*mm).start_code = description.code.start;
            (*mm).end_code = description.code.end;
            (*mm).start_data = description.data.start;
            (*mm).end_data = description.data.end;
            (*mm).start_brk = description.brk;
            (*mm).brk = description.brk;
            (*mm).start_stack = description.stack;
            (*mm).arg_start = description.args.start;
            (*mm).arg_end = description.args.end;
            (*mm).env_start = description.environment.start;
            (*mm).env_end = description.environment.end;
            shim::set_binfmt(self.format);
        }
    }

    /// Lets the process continue at `entry` with `stack` as stack pointer and zero in all other
    /// registers, once exec returns.
    pub(crate) fn start(self, entry: usize, stack: usize) {
        // SAFETY: By the type invariants, and the image is complete. The registers are those with
        // which the current process will return to user mode; addresses outside of user space
        // make it fault there.
        unsafe {
            shim::finalize_exec(self.bprm);
            let registers = shim::mach_shim_current_pt_regs();
            shim::mach_shim_elf_plat_init(registers);
            bindings::start_thread(registers, entry, stack);
            if self.width == Width::Bits32 {
                shim::mach_shim_start_thread_32bit(registers);
            }
        }
    }
}

/// The address space of the current process, which has one.
fn current_mm() -> *mut bindings::mm_struct {
    // SAFETY: `current` is valid; the field is changed by the thread itself only.
    unsafe { (*Task::current_raw()).mm }
}
