// SPDX-License-Identifier: GPL-2.0

//! A misc character device, and the file operations it shares with anonymous files.
//!
//! Serves `/dev/mach` and the files that the loader hands to a Mach-O process. The kernel crate's
//! `MiscDevice` keeps its table of operations to itself, so that no anonymous file can use it,
//! has no `flush`, and does not let an ioctl return what it likes.
//!
//! Locks: `open` is called under the misc device mutex of the kernel; the other operations under
//! none.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h)

use core::{
    any::TypeId,
    marker::PhantomData, //
};
use kernel::{
    bindings,
    error::to_result,
    fs::File,
    mm::virt::VmaNew,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    },
};

use super::module;

/// What a file operation gets to see of the private data of its file.
pub(crate) type Borrowed<'a, T> = <<T as FileOperations>::Private as ForeignOwnable>::Borrowed<'a>;

/// What the files of a device do.
///
/// Every open file pins this module, from before [`open`](Self::open) until after
/// [`release`](Self::release) has returned.
pub(crate) trait FileOperations: Sized + 'static {
    /// State of the device, given at registration.
    type Context: Send + Sync + 'static;

    /// State of one open file.
    type Private: ForeignOwnable + Send + Sync + 'static;

    /// The device was opened. May sleep; must not register or remove a misc device.
    fn open(context: ArcBorrow<'_, Self::Context>) -> Result<Self::Private>;

    /// `ioctl(2)`. The result goes to user space as it is, cut to an `int`; -4095 to -1 are errno
    /// values there.
    fn ioctl(private: Borrowed<'_, Self>, file: &File, command: u32, argument: usize) -> i64;

    /// `ioctl(2)` of a 32-bit caller; `argument` is zero-extended.
    fn compat_ioctl(private: Borrowed<'_, Self>, file: &File, command: u32, argument: usize)
        -> i64;

    /// `mmap(2)`, with the mmap lock held for writing.
    fn mmap(private: Borrowed<'_, Self>, file: &File, vma: &VmaNew) -> Result;

    /// A descriptor of the file is being closed, or its process exits: `close(2)` returns what
    /// this returns. Called once for each descriptor, so more often than `release`.
    fn flush(_private: Borrowed<'_, Self>, _file: &File) -> Result {
        Ok(())
    }

    /// The last reference to the file is gone. May sleep. Runs in whatever process dropped it.
    fn release(private: Self::Private);
}

/// A table of operations that says whose it is.
///
/// The kernel gets a pointer to `operations`. A `file_operations` whose `owner` is this module and
/// which is the `f_op` of a file is always part of a `FileTable`, because only this type gives the
/// kernel such tables (debugfs puts a table of its own into its files): so the type behind an open
/// file can be found out, whatever the addresses of the tables.
///
/// # Invariants
///
/// `operations` are those of the files of the type that `implementor` tells, which have what that
/// type says as their private data; and this module is their owner.
#[repr(C)]
pub(super) struct FileTable {
    pub(super) operations: bindings::file_operations,
    implementor: fn() -> TypeId,
}

impl FileTable {
    /// The table of `T`.
    pub(super) const fn of<T: FileOperations>() -> &'static Self {
        &Callbacks::<T>::TABLE
    }

    /// A table of `operations`.
    ///
    /// # Safety
    ///
    /// `operations` must be those of the files of `T`, and their owner this module.
    pub(super) const unsafe fn new<T: 'static>(operations: bindings::file_operations) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            operations,
            implementor: TypeId::of::<T>,
        }
    }

    /// Whether the files that use `operations` are those of `T`.
    ///
    /// # Safety
    ///
    /// `operations` must be the `f_op` of a file whose reference count is not zero.
    #[inline]
    pub(super) unsafe fn serves<T: 'static>(operations: *const bindings::file_operations) -> bool {
        // SAFETY: A file has a valid `f_op` from before anybody can see it.
        if unsafe { (*operations).owner } != module::this() {
            return false;
        }
        // SAFETY: As this module owns the table, it is the first field of a `FileTable`, which
        // lives as long as the module.
        let implementor = unsafe { (*operations.cast::<Self>()).implementor };
        implementor() == TypeId::of::<T>()
    }
}

/// The functions that the kernel calls.
///
/// All of them are called with a file whose `f_op` is the table of `T`, and, except for `open`,
/// whose `private_data` came from `T::Private::into_foreign` and is taken back by `release` alone,
/// which the kernel calls last.
struct Callbacks<T>(PhantomData<T>);

impl<T: FileOperations> Callbacks<T> {
    const OPERATIONS: bindings::file_operations = bindings::file_operations {
        owner: kernel::module::this_module::<crate::LocalModule>().as_ptr(),
        open: Some(Self::open),
        unlocked_ioctl: Some(Self::ioctl),
        compat_ioctl: Some(Self::compat_ioctl),
        mmap: Some(Self::mmap),
        flush: Some(Self::flush),
        release: Some(Self::release),
        ..pin_init::zeroed()
    };

    const TABLE: FileTable = {
        // SAFETY: They are the callbacks for `T`, and name this module.
        unsafe { FileTable::new::<T>(Self::OPERATIONS) }
    };

    /// # Safety
    ///
    /// `file` must be a file of `T` that is open for the duration of `'a`.
    #[inline(always)]
    unsafe fn enter<'a>(file: *mut bindings::file) -> (Borrowed<'a, T>, &'a File) {
        // SAFETY: The file is open, so `private_data` came from `into_foreign` and stays foreign
        // for `'a`. None of our callbacks is reached through `fdget_pos`, which is for reading,
        // writing, seeking and listing, and the table has none of these.
        unsafe {
            (
                T::Private::borrow((*file).private_data),
                File::from_raw_file(file),
            )
        }
    }

    /// # Safety
    ///
    /// Called by `misc_open` for a [`CharDevice<T>`].
    unsafe extern "C" fn open(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `misc_open` has set `private_data` to the `struct miscdevice`, which is the
        // first field of a `CharDevice<T>` whose context was set before registration. It holds
        // the mutex that deregistration takes, so that the device stays.
        let device = unsafe { &*(*file).private_data.cast::<CharDevice<T>>() };

        match T::open(device.context.as_arc_borrow()) {
            Ok(private) => {
                // SAFETY: While a file is being opened its private data belongs to `open`.
                unsafe { (*file).private_data = private.into_foreign() };
                0
            }
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// `file` must be an open file of `T`.
    unsafe extern "C" fn ioctl(
        file: *mut bindings::file,
        command: c_uint,
        argument: c_ulong,
    ) -> c_long {
        // SAFETY: By the caller's promise.
        let (private, file) = unsafe { Self::enter(file) };
        // CAST: `long` has 64 bits wherever this module can be built.
        T::ioctl(private, file, command, argument) as c_long
    }

    /// # Safety
    ///
    /// `file` must be an open file of `T`.
    unsafe extern "C" fn compat_ioctl(
        file: *mut bindings::file,
        command: c_uint,
        argument: c_ulong,
    ) -> c_long {
        // SAFETY: By the caller's promise.
        let (private, file) = unsafe { Self::enter(file) };
        // CAST: As in `ioctl`.
        T::compat_ioctl(private, file, command, argument) as c_long
    }

    /// # Safety
    ///
    /// `file` must be an open file of `T`, and `vma` an area that is being set up for it.
    unsafe extern "C" fn mmap(
        file: *mut bindings::file,
        vma: *mut bindings::vm_area_struct,
    ) -> c_int {
        // SAFETY: By the caller's promise.
        let (private, file) = unsafe { Self::enter(file) };
        // SAFETY: By the caller's promise.
        let vma = unsafe { VmaNew::from_raw(vma) };
        result_to_errno(T::mmap(private, file, vma))
    }

    /// # Safety
    ///
    /// `file` must be an open file of `T`.
    unsafe extern "C" fn flush(file: *mut bindings::file, _id: bindings::fl_owner_t) -> c_int {
        // SAFETY: By the caller's promise.
        let (private, file) = unsafe { Self::enter(file) };
        result_to_errno(T::flush(private, file))
    }

    /// # Safety
    ///
    /// `file` must be a file of `T` that nobody else uses any more.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: By the caller's promise nothing borrows the private data, and this is the only
        // call of `release`.
        T::release(unsafe { T::Private::from_foreign((*file).private_data) });
        0
    }
}

pub(super) fn result_to_errno(result: Result) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// A registered misc character device. Dropping it removes the device; files that are open stay.
///
/// A module must register it last of all: a file that is opened while the module's initialiser can
/// still fail is not awaited by the kernel when it does.
///
/// # Invariants
///
/// `misc` is a registered `struct miscdevice` with the operations of `T`, and the first field.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub(crate) struct CharDevice<T: FileOperations> {
    #[pin]
    misc: Opaque<bindings::miscdevice>,
    context: Arc<T::Context>,
}

// SAFETY: The context may be shared and sent, and a device may be removed by any thread.
unsafe impl<T: FileOperations> Send for CharDevice<T> {}

// SAFETY: As above; a shared `CharDevice` offers nothing.
unsafe impl<T: FileOperations> Sync for CharDevice<T> {}

impl<T: FileOperations> CharDevice<T> {
    /// Registers `/dev/<name>` with a minor number that the kernel chooses and mode 0600.
    pub(crate) fn new(name: &'static CStr, context: Arc<T::Context>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // The device can be opened as soon as it is registered: the context comes first.
            context,
            // INVARIANT: On success the device is registered.
            misc <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                let misc = bindings::miscdevice {
                    // CAST: 255 fits.
                    minor: bindings::MISC_DYNAMIC_MINOR as c_int,
                    name: name.as_char_ptr(),
                    fops: &FileTable::of::<T>().operations,
                    ..pin_init::zeroed()
                };
                // SAFETY: The slot is valid for writing. It is pinned, and `misc_deregister` is
                // called before it goes; name and operations live as long as the module.
                to_result(unsafe {
                    slot.write(misc);
                    bindings::misc_register(slot)
                })
            }),
        })
    }
}

#[pinned_drop]
impl<T: FileOperations> PinnedDrop for CharDevice<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants the device is registered.
        unsafe { bindings::misc_deregister(self.misc.get()) };
    }
}
