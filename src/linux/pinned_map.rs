// SPDX-License-Identifier: GPL-2.0

//! The file that shows pinned pages, and the areas of it: see [`super::pinned`].
//!
//! Serves [`SharedMemory`](super::shared_memory::SharedMemory), which has such a file as it has any
//! other, and the reading and writing of other processes' memory, which finds the pages here: the
//! kernel's own ways do not, as the page tables of these areas tell frames, not pages.
//!
//! Locks: none. The operations of areas are called with the mmap lock held.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::ptr;
use kernel::{
    bindings,
    fs::File,
    mm::{
        virt::{
            flags,
            VmaNew,
            VmaRef, //
        },
        MmWithUser, //
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        ArcBorrow, //
    },
    types::ForeignOwnable,
};

use super::{
    bindings as shim,
    chardev::FileOperations,
    files::{
        anon_file,
        private_of, //
    },
    pinned::{
        bytes_of,
        Frames,
        Label,
        Pinned, //
    },
};

/// What areas with pinned pages are: of frames; not to grow; not in core dumps, which could not read
/// them; and without the page tables of the parent in a child, which gets copies of the pages.
const FLAGS: bindings::vm_flags_t =
    bindings::VM_PFNMAP | bindings::VM_DONTEXPAND | bindings::VM_DONTDUMP | bindings::VM_WIPEONFORK;

/// The operations of the file.
struct PinnedFile;

impl FileOperations for PinnedFile {
    type Context = ();
    type Private = Arc<Frames>;

    /// No device has these operations.
    fn open(_context: ArcBorrow<'_, ()>) -> Result<Arc<Frames>> {
        Err(ENXIO)
    }

    fn ioctl(_frames: ArcBorrow<'_, Frames>, _file: &File, _number: u32, _argument: usize) -> i64 {
        i64::from(ENOTTY.to_errno())
    }

    fn compat_ioctl(
        frames: ArcBorrow<'_, Frames>,
        file: &File,
        number: u32,
        argument: usize,
    ) -> i64 {
        Self::ioctl(frames, file, number, argument)
    }

    /// Sets a new mapping up, which must be a shared one (`EINVAL`). Pages beyond the end of the
    /// file are not there (`SIGBUS`), as with any file.
    fn mmap(frames: ArcBorrow<'_, Frames>, _file: &File, vma: &VmaNew) -> Result {
        if vma.flags() & flags::SHARED == 0 {
            return Err(EINVAL);
        }
        // SAFETY: The area is being set up, so nobody else uses it.
        let space = unsafe { (*vma.as_ptr()).vm_mm.addr() };
        let view = View {
            frames: Arc::from(frames),
            space,
        };
        let view = Arc::new(view, GFP_KERNEL_ACCOUNT)?;
        // INVARIANT: The area gets a reference of its own, and is shared.
        // SAFETY: As above.
        unsafe {
            (*vma.as_ptr()).vm_private_data = view.into_foreign();
            (*vma.as_ptr()).vm_ops = &OPERATIONS.0;
            shim::mach_shim_vm_flags_set(vma.as_ptr(), FLAGS as c_ulong);
        }
        Ok(())
    }

    fn release(_frames: Arc<Frames>) {}
}

/// What an area shows, and in which address space.
struct View {
    frames: Arc<Frames>,
    /// Only compared.
    space: usize,
}

/// The operations of areas.
///
/// An area with these operations is shared, and its private data is from `into_foreign` of an
/// `Arc<View>`, which is the area's own: set when it is mapped, again for each copy of the area by
/// `open_area`, and taken back by `close_area`, when the page table has none of the pages any more.
static OPERATIONS: Operations = Operations(bindings::vm_operations_struct {
    open: Some(open_area),
    close: Some(close_area),
    fault: Some(fault),
    access: Some(access),
    ..pin_init::zeroed()
});

struct Operations(bindings::vm_operations_struct);

// SAFETY: The table is never changed.
unsafe impl Sync for Operations {}

/// What the area shows; nothing if it is a copy that there was no memory for.
///
/// # Safety
///
/// `vma` must be an area with [`OPERATIONS`], which stays for `'a`.
unsafe fn view<'a>(vma: *mut bindings::vm_area_struct) -> Option<ArcBorrow<'a, View>> {
    // SAFETY: By what is said of the operations, and the caller's promise.
    unsafe {
        let private = (*vma).vm_private_data;
        (!private.is_null()).then(|| Arc::borrow(private))
    }
}

/// The area is a copy of another one, of a part of it, or of one in another process.
///
/// # Safety
///
/// Called by the kernel, for an area with [`OPERATIONS`].
unsafe extern "C" fn open_area(vma: *mut bindings::vm_area_struct) {
    // SAFETY: The area that this is a copy of has its reference still, and the copy is not used by
    // anybody else yet.
    let (view, area, space, first) = unsafe {
        (
            view(vma),
            VmaRef::from_raw(vma),
            (*vma).vm_mm.addr(),
            (*vma).vm_pgoff,
        )
    };
    // The page table of a child is new, unless the parent has asked for the pages to be kept
    // (`MADV_KEEPONFORK`): then it is a copy, so the pages have to be the same.
    let is_new = |view: &View| view.space != space && area.flags() & bindings::VM_WIPEONFORK != 0;
    let own = view.and_then(|view| {
        if !is_new(&view) {
            return Some(Arc::from(view));
        }
        let count = area.end().saturating_sub(area.start()) / PAGE_SIZE;
        let frames = Arc::new(view.frames.copies(first, count), GFP_KERNEL_ACCOUNT).ok()?;
        Arc::new(View { frames, space }, GFP_KERNEL_ACCOUNT).ok()
    });
    // SAFETY: As above. Now the copy has a reference of its own.
    unsafe { (*vma).vm_private_data = own.map_or(ptr::null_mut(), ForeignOwnable::into_foreign) };
}

/// # Safety
///
/// Called by the kernel, once for an area with [`OPERATIONS`].
unsafe extern "C" fn close_area(vma: *mut bindings::vm_area_struct) {
    // SAFETY: Nobody uses the area any more, nor any page through it; the reference is the area's.
    drop(unsafe { Arc::<View>::try_from_foreign((*vma).vm_private_data) });
}

/// A page is missing.
///
/// # Safety
///
/// Called by the kernel for an area with [`OPERATIONS`], which is locked.
unsafe extern "C" fn fault(fault: *mut bindings::vm_fault) -> bindings::vm_fault_t {
    // SAFETY: The kernel describes the fault in a structure that is valid meanwhile, and the area
    // stays as it is.
    let (at, view) = unsafe {
        let at = (*fault).__bindgen_anon_1;
        (at, view(at.vma))
    };
    let Some(page) = view.and_then(|view| view.frames.page(at.pgoff)) else {
        return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
    };
    // SAFETY: The area is one of frames, and shared. It keeps what it shows until it is closed,
    // when the page table has none of it any more.
    unsafe {
        bindings::vmf_insert_pfn(
            at.vma,
            at.address,
            shim::mach_shim_page_to_pfn(page.as_ptr()),
        )
    }
}

/// What `vma` shows at `address`, if it is an area with [`OPERATIONS`] in which the process itself
/// may read, or write if `writes`: frames, and the number of the page.
///
/// # Safety
///
/// `vma` must be an area with `address` in it, and locked.
unsafe fn shown(
    vma: *mut bindings::vm_area_struct,
    address: usize,
    writes: bool,
) -> Option<(Arc<Frames>, usize)> {
    // SAFETY: By the caller's promise.
    let (operations, area, first) =
        unsafe { ((*vma).vm_ops, VmaRef::from_raw(vma), (*vma).vm_pgoff) };
    let wanted = if writes { flags::WRITE } else { flags::READ };
    if !ptr::eq(operations, &OPERATIONS.0) || area.flags() & wanted == 0 {
        return None;
    }
    // SAFETY: As above; the area has the operations.
    let frames = Arc::clone(&unsafe { view(vma) }?.frames);
    let number = address.checked_sub(area.start())? / PAGE_SIZE;
    Some((frames, first.checked_add(number)?))
}

/// Reading or writing for a debugger, which the kernel does by this when it finds no page.
///
/// # Safety
///
/// Called by the kernel, with an area with [`OPERATIONS`] that is locked and has `address` in it,
/// and with `length` bytes of the kernel's at `buffer`.
unsafe extern "C" fn access(
    vma: *mut bindings::vm_area_struct,
    address: usize,
    buffer: *mut c_void,
    length: c_int,
    write: c_int,
) -> c_int {
    // SAFETY: By the caller's promise.
    let shown = unsafe { shown(vma, address, write != 0) };
    let within = address % PAGE_SIZE;
    let count = usize::try_from(length).unwrap_or(0).min(PAGE_SIZE - within);
    let page = shown
        .as_ref()
        .and_then(|(frames, number)| frames.page(*number));
    let Some(page) = page else {
        return EFAULT.to_errno();
    };
    let buffer = buffer.cast::<u8>();
    // SAFETY: The frames keep the page. There are `count` bytes at both places. The process may be
    // changing its own, so that any mixture may be read.
    unsafe {
        let bytes = bytes_of(page).add(within);
        match write {
            0 => bytes.copy_to_nonoverlapping(buffer, count),
            _ => bytes.copy_from_nonoverlapping(buffer, count),
        }
    }
    // CAST: Not more than a page has.
    count as c_int
}

/// What is shown at `address` of `mm`, as [`shown`].
pub(super) fn shown_at(
    mm: &MmWithUser,
    address: usize,
    writes: bool,
) -> Option<(Arc<Frames>, usize)> {
    let guard = mm.mmap_read_lock();
    let area = guard.vma_lookup(address)?;
    // SAFETY: The lock is held, and the address is in the area.
    unsafe { shown(area.as_ptr(), address, writes) }
}

/// Makes a file that shows `length` bytes at `start` of `mm`, both multiples of the page size.
/// Errors as [`Pinned::new`], and `ENFILE`.
pub(super) fn file_of(
    mm: &MmWithUser,
    start: usize,
    length: usize,
    label: Label,
) -> Result<ARef<File>> {
    let pinned = Pinned::new(mm, start, length / PAGE_SIZE, label)?;
    let frames = Arc::new(Frames::Pinned(pinned), GFP_KERNEL_ACCOUNT)?;
    anon_file::<PinnedFile>(c"[mach-memory]", frames)
}

/// What `file` shows, if it is one of these.
pub(super) fn frames_of(file: &File) -> Option<ArcBorrow<'_, Frames>> {
    private_of::<PinnedFile>(file)
}

/// Whether the area shows something else than its file, being a child's.
///
/// # Safety
///
/// `vma` must be an area, and locked.
pub(super) unsafe fn differs_from_file(vma: *mut bindings::vm_area_struct) -> bool {
    // SAFETY: By the caller's promise. The area holds a reference to its file.
    unsafe {
        if !ptr::eq((*vma).vm_ops, &OPERATIONS.0) {
            return false;
        }
        let file = File::from_raw_file((*vma).vm_file);
        let (view, frames) = (view(vma), frames_of(file));
        match (view, frames) {
            (Some(view), Some(frames)) => !ptr::eq(&*view.frames, &*frames),
            _ => true,
        }
    }
}
