// SPDX-License-Identifier: GPL-2.0

//! Which memory an address of the current process denotes, when other processes can share it.
//!
//! Serves synchronisation objects that processes share: they are known by the file behind a shared
//! mapping (an anonymous one has a file as well) and the offset in it, whatever address each
//! process has it at.
//!
//! Locks: takes the lock of a mapping or the mmap lock for a moment. May sleep, but for
//! [`SharedMemory::is_mapped`] and dropping.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use super::bindings as shim;
use core::ptr::NonNull;
use kernel::{
    bindings,
    mm::virt::{
        flags,
        VmaRef, //
    },
    page::PAGE_SIZE,
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
    /// is there, if anything, is the process's own.
    pub(crate) fn at(address: u64) -> Option<(Self, u64)> {
        let address = usize::try_from(address).ok()?;
        let current = kernel::current!();
        let mm = current.mm()?;
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
        // SAFETY: The mapping holds a reference to its file.
        unsafe { bindings::get_file(file.as_ptr()) };
        let in_mapping = address.wrapping_sub(vma.start());
        // CAST: `usize` has 64 bits on every machine that the module builds for.
        let offset = page.wrapping_mul(PAGE_SIZE).wrapping_add(in_mapping) as u64;
        // INVARIANT: The reference was just taken.
        Some((Self { file }, offset))
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
