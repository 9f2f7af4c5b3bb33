// SPDX-License-Identifier: GPL-2.0

//! Executable formats: how execve asks the module to load a program.
//!
//! Serves the loader. The two halves of an exec are two types. [`Exec`] is the exec while it can
//! still fail with the old program unharmed; [`Exec::begin`] passes the point of no return and
//! makes a [`BegunImage`] of it, and what fails from then on kills the process.
//!
//! Locks: between `begin` and [`BegunImage::set_up`] the caller holds `cred_guard_mutex` and
//! `exec_update_lock` of its process, as execve wants it. Everything here may sleep.
//!
//! C header: [`include/linux/binfmts.h`](srctree/include/linux/binfmts.h)

use core::marker::PhantomData;
use kernel::{
    bindings,
    error::to_result,
    fs::File,
    prelude::*,
    sync::atomic::{
        ordering::{Acquire, Full, Release},
        Atomic, //
    },
    task::Task,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};

use super::{
    arg_strings,
    bindings as shim,
    module,
    new_image::BegunImage, //
};

/// A kind of file that can be executed.
pub(crate) trait BinaryFormat: 'static {
    /// Loads the program of `exec`.
    ///
    /// With `ENOEXEC` before [`Exec::begin`] other formats are tried; any other error is what
    /// execve returns. An error after it kills the process.
    fn load(exec: Exec<'_>) -> Result;
}

/// The format that is registered: where address spaces point to that it made.
static FORMAT: Atomic<*mut shim::linux_binfmt> = Atomic::new(core::ptr::null_mut());

/// The registration of a [`BinaryFormat`], of which a module can have one at a time. Dropping it
/// ends it.
///
/// The kernel counts a reference on the module while the format is being tried, and for each
/// address space that it made.
///
/// # Invariants
///
/// `format` is registered, and is what [`FORMAT`] points to.
#[pin_data(PinnedDrop)]
pub(crate) struct FormatRegistration<T: BinaryFormat> {
    #[pin]
    format: Opaque<shim::linux_binfmt>,
    _format: PhantomData<fn() -> T>,
}

// SAFETY: A registration offers nothing but its end, which any thread may bring about.
unsafe impl<T: BinaryFormat> Send for FormatRegistration<T> {}

// SAFETY: As above.
unsafe impl<T: BinaryFormat> Sync for FormatRegistration<T> {}

impl<T: BinaryFormat> FormatRegistration<T> {
    /// Registers the format, to be tried after the kernel's own. Fails with `EBUSY`, and only if
    /// there is another registration.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // INVARIANT: registered and stored below, or not made at all.
            format <- Opaque::try_ffi_init(|slot: *mut shim::linux_binfmt| {
                let format = shim::linux_binfmt {
                    module: module::this(),
                    load_binary: Some(load_binary::<T>),
                    ..pin_init::zeroed()
                };
                if FORMAT.cmpxchg(core::ptr::null_mut(), slot, Full).is_err() {
                    return Err(EBUSY);
                }
                // SAFETY: The slot is valid for writing and pinned, and the format is
                // unregistered before it goes. Address spaces that point to it keep the module,
                // and with it the registration.
                unsafe {
                    slot.write(format);
                    shim::__register_binfmt(slot, 0);
                }
                Ok(())
            }),
            _format: PhantomData,
        })
    }
}

#[pinned_drop]
impl<T: BinaryFormat> PinnedDrop for FormatRegistration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants the format is registered. Nobody can be loading a
        // program with it, as that takes a reference on the module.
        unsafe { shim::unregister_binfmt(self.format.get()) };
        FORMAT.store(core::ptr::null_mut(), Release);
    }
}

/// Whether the program that the current process runs was loaded by this module.
pub(crate) fn current_image_is_ours() -> bool {
    // SAFETY: `current` is valid; the field is changed by the thread itself only.
    let mm = unsafe { (*Task::current_raw()).mm };
    if mm.is_null() {
        return false;
    }
    // SAFETY: A thread keeps its address space; the field does not change once the program runs.
    let format = unsafe { (*mm).__bindgen_anon_1.binfmt };
    // A process without the format's program has another one.
    format == FORMAT.load(Acquire).cast()
}

/// # Safety
///
/// Called by the exec code in the context of a process that executes `bprm`.
unsafe extern "C" fn load_binary<T: BinaryFormat>(bprm: *mut shim::linux_binprm) -> c_int {
    let exec = Exec {
        bprm,
        _borrow: PhantomData,
        _current: NotThreadSafe,
    };
    match T::load(exec) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// An exec of the current process that can still fail.
///
/// # Invariants
///
/// `bprm` is valid for `'a` and describes an exec of the current process that has not passed the
/// point of no return.
pub(crate) struct Exec<'a> {
    bprm: *mut shim::linux_binprm,
    _borrow: PhantomData<&'a mut shim::linux_binprm>,
    _current: NotThreadSafe,
}

impl<'a> Exec<'a> {
    /// The first bytes of the file, padded with zeroes.
    pub(crate) fn prefix(&self) -> &[u8] {
        // SAFETY: By the type invariants; the buffer was filled before any format was tried. `u8`
        // may look at any byte.
        unsafe {
            let buf = &raw const (*self.bprm).buf;
            core::slice::from_raw_parts(buf.cast::<u8>(), core::mem::size_of_val(&*buf))
        }
    }

    /// The file to execute. Nobody can have it open for writing meanwhile.
    pub(crate) fn file(&self) -> &File {
        // SAFETY: By the type invariants. Nobody uses the position of a file that execve opened.
        unsafe { File::from_raw_file((*self.bprm).file) }
    }

    /// The path by which the file is executed, as the caller gave it.
    pub(crate) fn path(&self) -> &CStr {
        // SAFETY: By the type invariants; the path is terminated and outlives the exec.
        unsafe { CStr::from_char_ptr((*self.bprm).interp) }
    }

    /// Number of arguments.
    pub(crate) fn argc(&self) -> usize {
        // SAFETY: By the type invariants.
        usize::try_from(unsafe { (*self.bprm).argc }).unwrap_or(0)
    }

    /// Number of environment strings.
    pub(crate) fn envc(&self) -> usize {
        // SAFETY: By the type invariants.
        usize::try_from(unsafe { (*self.bprm).envc }).unwrap_or(0)
    }

    /// Finds the environment variable that starts with `name`, which ends with `=`, and copies its
    /// value to `value`. Returns the bytes of it, or `None` when there is no such variable. Fails
    /// with `ENAMETOOLONG` when `value` is too small.
    pub(crate) fn variable(&self, name: &[u8], value: &mut [u8]) -> Result<Option<usize>> {
        // SAFETY: By the type invariants; before the point of no return `mm` is the address space
        // to be, and `p` where its strings start.
        let (mm, start) = unsafe { ((*self.bprm).mm, (*self.bprm).p) };
        // SAFETY: As above.
        unsafe { arg_strings::find_variable(mm, start, (self.argc(), self.envc()), name, value) }
    }

    /// Whether the caller may map addresses below `vm.mmap_min_addr`.
    pub(crate) fn may_map_low(&self) -> bool {
        // CAST: A small constant.
        // SAFETY: No preconditions.
        unsafe { bindings::capable(bindings::CAP_SYS_RAWIO as c_int) }
    }

    /// Whether the program may get privileges that its caller has not, as far as that can be seen
    /// already: from the mode of the file, or from a caller that runs with others' rights itself.
    /// [`BegunImage::is_privileged`] knows.
    pub(crate) fn may_gain_privileges(&self) -> bool {
        const SET_ID: u32 = bindings::S_ISUID | bindings::S_ISGID;

        // SAFETY: By the type invariants; credentials do not change while they are in use.
        unsafe {
            let own = (*Task::current_raw()).cred;
            let mode = shim::mach_shim_file_mode((*self.bprm).file);
            u32::from(mode) & SET_ID != 0
                || (*own).uid.val != (*own).euid.val
                || (*own).gid.val != (*own).egid.val
        }
    }

    /// If the caller may not read `file`, no part of which is the program's own, keeps the memory
    /// of the new program from being dumped or traced.
    pub(crate) fn protect_unreadable(&mut self, file: &File) {
        // SAFETY: Both are valid; `would_dump` changes but the description of the exec.
        unsafe { shim::would_dump(self.bprm, file.as_ptr()) };
    }

    /// Says in the kernel log, at debug level, why the file is not loaded.
    pub(crate) fn log_refusal(&self, reason: &CStr) {
        // SAFETY: Both strings are terminated and valid for the call.
        unsafe {
            shim::mach_shim_pr_debug_refused(self.path().as_char_ptr(), reason.as_char_ptr());
        }
    }

    /// Passes the point of no return: ends the other threads of the process, closes the
    /// descriptors that exec closes, and gives up the old address space for an empty one.
    ///
    /// It can fail on either side of that point. The kernel keeps account itself of which it was,
    /// and kills the process if it was beyond: the caller just returns the error.
    pub(crate) fn begin(self) -> Result<BegunImage<'a>> {
        // SAFETY: By the type invariants, and the exec is on this side of the point of no return.
        to_result(unsafe { shim::begin_new_exec(self.bprm) })?;
        // SAFETY: The exec has just passed it. `FORMAT` points to the registration that we were
        // called through.
        Ok(unsafe { BegunImage::new(self.bprm, FORMAT.load(Acquire)) })
    }
}
