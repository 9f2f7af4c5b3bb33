// SPDX-License-Identifier: GPL-2.0

//! Memory that processes can share: the file behind a shared mapping (an anonymous one has a file
//! as well), or one made to be mapped.
//!
//! Serves synchronisation objects that processes share, which are known by that file and the offset
//! in it, whatever address each process has it at; and routines that give memory from one task to
//! another.
//!
//! Locks: takes the lock of a mapping or the mmap lock for a moment. May sleep, but for
//! [`SharedMemory::is_mapped`] and dropping.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use super::{
    bindings as shim,
    current,
    pinned::{
        Frames,
        Label, //
    },
    pinned_map,
    remote_memory, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_err_ptr,
    fs::File,
    mm::{
        virt::{
            flags,
            VmaRef, //
        },
        MmWithUser, //
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        ArcBorrow, //
    },
};

/// A file that is, or was, mapped shared. The memory object keeps its identity while this exists.
///
/// # Invariants
///
/// Owns a reference to the file.
pub(crate) struct SharedMemory {
    file: NonNull<bindings::file>,
}

// SAFETY: References to files may be taken and given back by any thread, and the mapping of a file
// is constant.
unsafe impl Send for SharedMemory {}

// SAFETY: As above.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// The shared memory at `address` in the current process, and the offset in it; or none if what
    /// is there, if anything, is the process's own, also in several places.
    pub(crate) fn at(address: u64) -> Option<(Self, u64)> {
        let address = usize::try_from(address).ok()?;
        let current = kernel::current!();
        Self::in_mm(current.mm()?, address).filter(|(memory, _)| memory.frames().is_none())
    }

    /// The `length` bytes of private memory at `address` of `mm`, both multiples of the page size,
    /// which are kept where they are and can be mapped in other places: see [`super::pinned`].
    /// `label` is kept as long.
    ///
    /// `EFAULT` if not all of them can be written, `ENOMEM` if they are more than the caller may
    /// lock, `EINTR` when the caller is killed, `ENFILE`.
    pub(crate) fn pinned(
        mm: &MmWithUser,
        address: usize,
        length: usize,
        label: Label,
    ) -> Result<Self> {
        let file = pinned_map::file_of(mm, address, length, label)?;
        // INVARIANT: The reference is given to the new value.
        Ok(Self {
            file: ARef::into_raw(file).cast(),
        })
    }

    /// The shared memory at `address` in the address space `mm`, and the offset in it.
    pub(crate) fn in_mm(mm: &MmWithUser, address: usize) -> Option<(Self, u64)> {
        // Where a lock for each mapping is to be had it is enough.
        if let Some(vma) = mm.lock_vma_under_rcu(address) {
            return Self::of(&vma, address);
        }
        let guard = mm.mmap_read_lock();
        Self::of(guard.vma_lookup(address)?, address)
    }

    /// As above, for an address in `vma`.
    fn of(vma: &VmaRef, address: usize) -> Option<(Self, u64)> {
        if vma.flags() & flags::MAYSHARE == 0 {
            return None;
        }
        // SAFETY: Who has a `VmaRef` holds a lock that keeps these fields as they are.
        let (file, page) = unsafe { ((*vma.as_ptr()).vm_file, (*vma.as_ptr()).vm_pgoff) };
        let file = NonNull::new(file)?;
        // SAFETY: Who has a `VmaRef` holds a lock on the mapping.
        if unsafe { pinned_map::differs_from_file(vma.as_ptr()) } {
            return None;
        }
        // SAFETY: The mapping holds a reference to its file.
        unsafe { bindings::get_file(file.as_ptr()) };
        let in_mapping = address.wrapping_sub(vma.start());
        // CAST: `usize` has 64 bits on every machine that the module builds for.
        let offset = page.wrapping_mul(PAGE_SIZE).wrapping_add(in_mapping) as u64;
        // INVARIANT: The reference was just taken.
        Some((Self { file }, offset))
    }

    /// Makes memory of `length` bytes that are 0 until they are written. It is charged, page by
    /// page, to whoever touches it first. Fails with `ENOMEM`, `EINVAL` for more than a file can
    /// have.
    pub(crate) fn new(length: u64) -> Result<Self> {
        let length = i64::try_from(length).map_err(|_| EINVAL)?;
        // SAFETY: The name is a C string, and copied.
        let file = unsafe { shim::mach_shim_shmem_file(c"mach-memory".as_char_ptr(), length) };
        let file = NonNull::new(from_err_ptr(file)?).ok_or(ENOMEM)?;
        // INVARIANT: The reference is the one that a new file has.
        Ok(Self { file })
    }

    /// Replaces the bytes from `offset` on. Fails with `ENOMEM`, or with what the file says.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> Result {
        let mut offset = i64::try_from(offset).map_err(|_| EINVAL)?;
        // SAFETY: The file is valid, and the bytes are borrowed meanwhile.
        let count = unsafe {
            bindings::kernel_write(
                self.file.as_ptr(),
                bytes.as_ptr().cast(),
                bytes.len(),
                &mut offset,
            )
        };
        match usize::try_from(count) {
            Ok(count) if count == bytes.len() => Ok(()),
            _ => Err(ENOMEM),
        }
    }

    /// Fills `bytes` from `offset` on; all of them must be in the memory.
    pub(crate) fn read(&self, offset: u64, bytes: &mut [u8]) -> Result {
        if let Some(frames) = self.frames() {
            let offset = usize::try_from(offset).map_err(|_| EINVAL)?;
            return frames.read(offset, bytes).ok_or(EIO);
        }
        let mut offset = i64::try_from(offset).map_err(|_| EINVAL)?;
        // SAFETY: As above.
        let count = unsafe {
            bindings::kernel_read(
                self.file.as_ptr(),
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                &mut offset,
            )
        };
        match usize::try_from(count) {
            Ok(count) if count == bytes.len() => Ok(()),
            _ => Err(EIO),
        }
    }

    /// Makes memory with a copy of the `length` bytes at `address` of `mm`. What is zero takes no
    /// memory. `EFAULT` if not all of them can be read, `EINTR` when the caller is killed, `ENOMEM`.
    pub(crate) fn copy_of(mm: &MmWithUser, address: usize, length: usize) -> Result<Self> {
        Self::filled(length, |offset, piece| {
            remote_memory::read(mm, address.wrapping_add(offset), piece).map_err(|_| EFAULT)
        })
    }

    /// Makes memory with a copy of the `length` bytes from `offset` on, which must be there. Errors
    /// as above.
    pub(crate) fn copy(&self, offset: u64, length: usize) -> Result<Self> {
        Self::filled(length, |at, piece| {
            // CAST: `usize` has 64 bits at most.
            self.read(offset.saturating_add(at as u64), piece)
        })
    }

    /// Makes memory of `length` bytes, of which `fill` tells one piece after the other.
    fn filled(length: usize, mut fill: impl FnMut(usize, &mut [u8]) -> Result) -> Result<Self> {
        const PIECE: usize = 16 * PAGE_SIZE;

        // CAST: As above.
        let memory = Self::new(length as u64)?;
        let mut buffer = KVVec::new();
        buffer.resize(length.min(PIECE), 0, GFP_KERNEL_ACCOUNT)?;
        let mut offset = 0;
        while offset < length {
            let count = PIECE.min(length.saturating_sub(offset));
            let piece = buffer.get_mut(..count).ok_or(EINVAL)?;
            fill(offset, piece)?;
            for (index, page) in piece.chunks(PAGE_SIZE).enumerate() {
                if page.iter().any(|byte| *byte != 0) {
                    let at = offset.saturating_add(index.saturating_mul(PAGE_SIZE));
                    // CAST: As above.
                    memory.write(at as u64, page)?;
                }
            }
            offset = offset.saturating_add(count);
            if !current::yields() {
                return Err(EINTR);
            }
        }
        Ok(memory)
    }

    /// Whether it is memory, or an ordinary file: not what a driver maps.
    pub(crate) fn is_ordinary(&self) -> bool {
        // SAFETY: By the type invariants the file is valid.
        unsafe { shim::mach_shim_file_is_regular(self.file.as_ptr()) || self.frames().is_some() }
    }

    /// What it shows, if that is pinned.
    fn frames(&self) -> Option<ArcBorrow<'_, Frames>> {
        // SAFETY: By the type invariants the file is valid as long as `self` is. It is in no
        // descriptor table, or looked at without its position.
        pinned_map::frames_of(unsafe { File::from_raw_file(self.file.as_ptr()) })
    }

    /// The file.
    pub(super) fn file(&self) -> *mut bindings::file {
        self.file.as_ptr()
    }

    /// What tells this memory object from every other one, as long as this exists. It is an
    /// address: not to be shown to anybody.
    pub(crate) fn id(&self) -> usize {
        // SAFETY: By the type invariants the file is valid; this field never changes.
        unsafe { (*self.file.as_ptr()).f_mapping }.addr()
    }

    /// Whether any process has the memory mapped.
    pub(crate) fn is_mapped(&self) -> bool {
        // SAFETY: By the type invariants the file is valid.
        unsafe { shim::mach_shim_file_is_mapped(self.file.as_ptr()) }
    }
}

impl Clone for SharedMemory {
    fn clone(&self) -> Self {
        // SAFETY: By the type invariants the file is valid.
        unsafe { bindings::get_file(self.file.as_ptr()) };
        // INVARIANT: The reference was just taken.
        Self { file: self.file }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the reference is ours to give back. The kernel puts off
        // what a last reference takes to a moment when it may sleep.
        unsafe { bindings::fput(self.file.as_ptr()) };
    }
}
