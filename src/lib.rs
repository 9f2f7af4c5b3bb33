// SPDX-License-Identifier: GPL-2.0

//! The Mach half of the macOS kernel as a Linux module: composition root.
//!
//! Layers point one way: [`loader`] and [`traps`] know [`core`](mod@core), which knows [`linux`].
//! Everything may use [`abi`], which knows nothing.

#![crate_name = "mach"]

mod abi;
mod core;
mod linux;
mod loader;
mod traps;

use self::{
    core::{
        assert_unique,
        CommPageGuard,
        DebugFiles,
        Mach,
        MachDevice,
        Published,
        Subsystem, //
    },
    linux::{
        chardev::CharDevice,
        events::ProcessEvents,
        module::TextGuard, //
    },
    loader::MachOFormat,
    traps::ipc::{
        assert_unique_routines,
        RoutineSet,
        RoutineTable, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

module! {
    type: MachModule,
    name: "mach",
    authors: ["The mach developers"],
    description: "Mach traps, IPC and Mach-O programs through /dev/mach",
    license: "GPL",
    params: {
        names_per_task: u32 {
            default: 1_048_576,
            description: "How many names a task can have (64 to 1048576)",
        },
        queued_mib_per_task: u32 {
            default: 0,
            description: "How many MiB of messages that a task has sent can wait (0: a third of the memory)",
        },
        trace: bool {
            default: false,
            description: "Log every trap: number, name, caller, argument, result",
        },
    },
}

// A number used twice does not build.
const UNIQUE_NUMBERS: () = assert_unique(&[
    traps::generic::MANIFEST.traps,
    traps::ipc::MANIFEST.traps,
    traps::task::MANIFEST.traps,
    traps::pthread::MANIFEST.traps,
    traps::semaphore::MANIFEST.traps,
    traps::timer::MANIFEST.traps,
    traps::psynch::MANIFEST.traps,
    traps::kqueue::MANIFEST.traps,
    traps::vchroot::MANIFEST.traps,
    traps::debug::MANIFEST.traps,
    traps::vm::MANIFEST.traps,
    traps::fileport::MANIFEST.traps,
]);

/// What kernel objects answer, by subsystem. An id used twice does not build.
const ROUTINES: [RoutineSet; 7] = [
    traps::debug::ROUTINES,
    traps::ipc::ROUTINES,
    traps::host::ROUTINES,
    traps::semaphore::ROUTINES,
    traps::task::ROUTINES,
    traps::vm::ROUTINES,
    traps::voucher::ROUTINES,
];
const UNIQUE_ROUTINES: () = assert_unique_routines(&ROUTINES);

/// The subsystems. Their order is that in which tasks get their states; they end in reverse.
fn subsystems() -> Result<KVec<Arc<dyn Subsystem>>> {
    let () = UNIQUE_NUMBERS;
    let () = UNIQUE_ROUTINES;
    let routines = RoutineTable::new(&ROUTINES)?;
    let limits = traps::ipc::Limits {
        names: module_parameters::names_per_task.value(),
        queued_mebibytes: module_parameters::queued_mib_per_task.value(),
    };
    let all: [Arc<dyn Subsystem>; 14] = [
        Arc::new(traps::generic::Generic, GFP_KERNEL)?,
        // Before ipc: they let go of rights when a task's ports have died.
        Arc::new(traps::host::HostSubsystem::new()?, GFP_KERNEL)?,
        Arc::new(traps::debug::Debug::new()?, GFP_KERNEL)?,
        Arc::new(traps::ipc::Ipc::new(routines, limits)?, GFP_KERNEL)?,
        Arc::new(traps::task::TaskTraps, GFP_KERNEL)?,
        Arc::new(traps::pthread::Pthread, GFP_KERNEL)?,
        Arc::new(traps::semaphore::Semaphores, GFP_KERNEL)?,
        Arc::new(traps::timer::Timers, GFP_KERNEL)?,
        Arc::new(traps::psynch::Psynch::new()?, GFP_KERNEL)?,
        Arc::new(traps::kqueue::Kqueues::new()?, GFP_KERNEL)?,
        Arc::new(traps::vchroot::Paths, GFP_KERNEL)?,
        Arc::new(traps::vm::Vm, GFP_KERNEL)?,
        Arc::new(traps::fileport::FilePorts, GFP_KERNEL)?,
        Arc::new(traps::voucher::VoucherSubsystem::new()?, GFP_KERNEL)?,
    ];
    let mut subsystems = KVec::with_capacity(all.len(), GFP_KERNEL)?;
    for subsystem in all {
        subsystems.push(subsystem, GFP_KERNEL)?;
    }
    Ok(subsystems)
}

/// What is registered while the module is loaded. Dropped from the first field to the last: first
/// nobody new gets in, then nobody is told of processes, then no code of ours runs any more.
#[pin_data(PinnedDrop)]
struct MachModule {
    #[pin]
    _device: CharDevice<MachDevice>,
    #[pin]
    _format: MachOFormat,
    _published: Published,
    _commpage: CommPageGuard,
    _debug: DebugFiles,
    _events: ProcessEvents<Mach>,
    _text: TextGuard,
    mach: Arc<Mach>,
}

impl kernel::InPlaceModule for MachModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(|| {
            linux::thread::init();
            linux::float::init();
            let mach = Mach::new(subsystems()?, module_parameters::trace.value())?;
            Ok(try_pin_init!(Self {
                _text: TextGuard::new(),
                _events: ProcessEvents::new(mach.clone())?,
                _debug: DebugFiles::new(&mach)?,
                _commpage: CommPageGuard::new()?,
                _published: Published::new(mach.clone())?,
                // From here on there can be users, so nothing after the device may fail.
                _device <- CharDevice::new(c"mach", mach.clone()),
                _format <- MachOFormat::new(),
                mach,
            }? Error))
        })
    }
}

#[pinned_drop]
impl PinnedDrop for MachModule {
    fn drop(self: Pin<&mut Self>) {
        // The module has no users, so there is no task, and nobody opens the device any more: an
        // open in progress would hold the module.
        self.mach.shutdown();
    }
}
