// SPDX-License-Identifier: GPL-2.0

//! The file operations of `/dev/mach` and of the files that stand for tasks.
//!
//! A file's private data is its task. The path of a trap is all here and in
//! [`TrapRegistry::dispatch`](super::TrapRegistry::dispatch): is the caller the task's process, is
//! the task alive, which thread is it, which function answers.
//!
//! Locks: none on the way of a trap; `Mach::birth` where a process gets its task.

use super::{
    trap::Context,
    Mach,
    Task, //
};
use crate::linux::chardev::FileOperations;
use kernel::{
    fs::File,
    mm::virt::VmaNew,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
};

/// The device.
pub(crate) struct MachDevice;

impl FileOperations for MachDevice {
    type Context = Mach;
    type Private = Arc<Task>;

    fn open(mach: ArcBorrow<'_, Mach>) -> Result<Arc<Task>> {
        Arc::from(mach).open()
    }

    #[inline]
    fn ioctl(task: ArcBorrow<'_, Task>, file: &File, number: u32, arg: usize) -> i64 {
        if !task.process().is_current() {
            return match task.mach_arc().adopt(file) {
                Ok(own) => trap(own.as_arc_borrow(), number, arg),
                Err(error) => i64::from(error.to_errno()),
            };
        }
        if task.has_ended() {
            // The process has loaded another image since.
            return i64::from(ENXIO.to_errno());
        }
        trap(task, number, arg)
    }

    /// 32-bit clients use the same numbers, and mostly the same structures; where these differ the
    /// copy of the arguments sees to it (ABI traps §13).
    fn compat_ioctl(task: ArcBorrow<'_, Task>, file: &File, number: u32, arg: usize) -> i64 {
        Self::ioctl(task, file, number, arg)
    }

    fn mmap(_task: ArcBorrow<'_, Task>, _file: &File, vma: &VmaNew) -> Result {
        super::commpage::map(vma)
    }

    /// Closing a file says nothing about the task: that ends with its process.
    fn release(_task: Arc<Task>) {}
}

/// Runs trap `number` of the current thread in `task`.
#[inline]
fn trap(task: ArcBorrow<'_, Task>, number: u32, arg: usize) -> i64 {
    let thread = match task.current_thread() {
        Ok(thread) => thread,
        Err(error) => return i64::from(error.to_errno()),
    };
    let context = Context::new(&task, thread);
    task.mach().registry.dispatch(&context, number, arg).value()
}
