// SPDX-License-Identifier: GPL-2.0

//! Ports that stand for open files, by which files are given from task to task (ABI traps §12; XNU
//! bsd/kern/kern_descrip.c).
//!
//! A port shares the open file with the descriptor that it was made of, and lives as long as there
//! are send rights to it, also within messages. Files of the module itself have no ports: what they
//! stand for is the business of one process.
//!
//! Files that are open by such ports alone count for the task that made the ports, which may have so
//! many of them as it may have descriptors: else a process could keep any number open.
//!
//! Locks: none; the numbers of ports are atomics. What happens when a file is closed happens when the
//! thread that dropped the last right leaves the kernel.

use super::ipc::{
    as_kind,
    give,
    kind,
    object_named,
    offer_by_right,
    take_back,
    KernelObject, //
};
use crate::{
    abi::{
        args::FileportMakeportArgs,
        nr,
        PortName, //
    },
    core::{
        Birth,
        Context,
        InOut,
        Live,
        Making,
        Manifest,
        ObjectCounter,
        StateKey,
        StateKeys,
        Subsystem,
        TaskState, //
    },
    linux::{
        current,
        files, //
    },
};
use core::any::Any;
use kernel::{
    fs::File,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
};
use mach_macros::{
    trap,
    traps, //
};

static PORTS: ObjectCounter = ObjectCounter::new("file_ports");

/// What a task has of this.
static STATE: StateKey<Made> = StateKey::new();

/// What this subsystem brings along.
pub(crate) static MANIFEST: Manifest = Manifest {
    traps: &[traps![makeport, makefd]],
    objects: &[&PORTS],
    states: StateKeys::new(Making::WhenAsked, &[&STATE]),
    ..Manifest::new("fileport")
};

/// The subsystem.
pub(crate) struct FilePorts;

impl Subsystem for FilePorts {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn new_task(&self, _birth: &Birth<'_>) -> Result<Option<Arc<dyn TaskState>>> {
        let made = Arc::new(Count(Atomic::new(0)), GFP_KERNEL_ACCOUNT)?;
        let state: Arc<Made> = Arc::new(Made(made), GFP_KERNEL_ACCOUNT)?;
        Ok(Some(state))
    }
}

/// How many ports there are of those that a task has made.
struct Count(Atomic<usize>);

/// The count of a task.
struct Made(Arc<Count>);

impl TaskState for Made {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// One port in a count.
struct Counted(Arc<Count>);

impl Counted {
    /// Counts one more. `EAGAIN` if that is too many for the current process.
    fn new(count: &Arc<Count>) -> Result<Self> {
        let before = count.0.fetch_add(1, Relaxed);
        let counted = Self(count.clone());
        (before < current::open_files_limit())
            .then_some(counted)
            .ok_or(EAGAIN)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0 .0.fetch_sub(1, Relaxed);
    }
}

/// What a port stands for.
struct FilePort {
    file: ARef<File>,
    _counted: Counted,
    _live: Live,
}

impl KernelObject for FilePort {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::FILEPORT
    }
}

/// Makes a port for the file of a descriptor, and gives the caller a send right to it.
///
/// `EBADF`; `EINVAL` for a file of the module's, and when there is no name for the right; `EAGAIN`
/// when there is no port, or the caller has made too many.
#[trap(nr::FILEPORT_MAKEPORT)]
fn makeport(context: &Context<'_>, args: InOut<FileportMakeportArgs>) -> Result {
    let mut args = args;
    let fd = u32::try_from(args.value.fd).map_err(|_| EBADF)?;
    let file = files::file_of_fd(fd)?;
    if files::is_own(&file) {
        return Err(EINVAL);
    }
    let made = STATE.for_task(context.task()).map_err(|_| EAGAIN)?;
    let port = FilePort {
        file,
        _counted: Counted::new(&made.0)?,
        _live: Live::new(&PORTS),
    };
    let port = Arc::new(port, GFP_KERNEL_ACCOUNT).map_err(|_| EAGAIN)?;
    let right = offer_by_right(port).map_err(|_| EAGAIN)?;
    let name = give(context, right).map_err(|_| EINVAL)?;
    if !name.is_valid() {
        return Err(EINVAL);
    }
    args.value.port_out = name;
    args.write_back().map_err(|_| {
        take_back(context, name);
        EFAULT
    })
}

/// Opens the file that a port stands for once more: as the lowest free descriptor, which is closed on
/// exec. The right stays.
///
/// `EINVAL` for what is no send right to such a port, `EMFILE`.
#[trap(nr::FILEPORT_MAKEFD)]
fn makefd(context: &Context<'_>, name: PortName) -> Result<u32> {
    let object = object_named(context, name).map_err(|_| EINVAL)?;
    let port: &FilePort = as_kind(&*object).ok_or(EINVAL)?;
    files::receive(&port.file)
}
