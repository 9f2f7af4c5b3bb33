// SPDX-License-Identifier: GPL-2.0

//! The traps behind the pthread library's mutexes, condition variables and read-write locks (ABI
//! traps §9; the protocol of the library of the OS X 10.8 era).
//!
//! A lock is a few words in user memory, and the kernel is entered only when threads contend for
//! it. What the kernel keeps of it lives from the first such call to the last; the words say who
//! has come, who has left and whom the kernel has let go on, as counts. A wake-up is for a count
//! rather than for a thread, so it may come before the thread it is for, and then waits for it.
//!
//! | file | what |
//! |---|---|
//! | `word` | the words and how counts compare |
//! | `table` | what the kernel keeps, by address or by shared memory |
//! | `place` | where a trap finds it, and how it goes |
//! | `object` | kinds of objects |
//! | `waiter`, `wait_list` | threads that wait, and who ends a wait; their order |
//! | `record` | wake-ups and grants for those who have not come yet |
//! | `mutex`, `cv`, `cv_traps`, `rwlock`, `rw_traps` | the objects and their traps |
//!
//! The kernel knows no owners: what the death of one means is between the programs that share the
//! lock. Who waits can be interrupted and killed at any moment.
//!
//! Locks: one spinlock for each shard of a table; each thread's `spare` and `interrupted`. All are
//! leaves but for wait queues, and no thread holds two.

mod cv;
mod cv_traps;
mod mutex;
mod object;
mod place;
mod record;
mod rw_traps;
mod rwlock;
mod table;
mod wait_list;
mod waiter;
mod word;

use self::{
    place::{
        Place,
        TendedTable, //
    },
    rw_traps::InterruptedWait,
    table::Key,
    waiter::{
        Entry,
        Waiter, //
    },
    word::flag,
};
use crate::{
    abi::{
        PortName,
        UserAddr, //
    },
    core::{
        Birth,
        Context,
        Making,
        Manifest,
        ObjectCounter,
        StateKey,
        StateKeys,
        Subsystem,
        TaskState,
        ThreadState, //
    },
    linux::shared_memory::SharedMemory,
    traps::ipc::{
        self,
        ThreadPort, //
    },
};
use core::any::Any;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};

static OBJECTS: ObjectCounter = ObjectCounter::new("psynch_objects");

static TASK: StateKey<TaskPsynch> = StateKey::new();

static THREAD: StateKey<ThreadPsynch> = StateKey::new();

/// How long after the end of a task its shared memory is looked for, in milliseconds. Its threads
/// may end after it, and give up the memory only then.
const CLEANUP_MS: u32 = 50;

/// What this subsystem brings along.
pub(crate) static MANIFEST: Manifest = Manifest {
    traps: &[mutex::TRAPS, cv_traps::TRAPS, rw_traps::TRAPS],
    objects: &[&OBJECTS],
    states: StateKeys::new(Making::WhenAsked, &[&TASK, &THREAD]),
    ..Manifest::new("psynch")
};

/// The subsystem.
pub(crate) struct Psynch {
    shared: Arc<TendedTable>,
}

impl Psynch {
    /// Makes what all tasks share. Fails with `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            shared: Arc::pin_init(TendedTable::new(GFP_KERNEL)?, GFP_KERNEL)?,
        })
    }
}

impl Subsystem for Psynch {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn new_task(&self, _birth: &Birth<'_>) -> Result<Option<Arc<dyn TaskState>>> {
        let shared = self.shared.clone();
        let own = TendedTable::new(GFP_KERNEL_ACCOUNT)?;
        let task = Arc::pin_init(
            pin_init!(TaskPsynch {
                own <- own,
                shared,
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(Some(task))
    }

    fn new_thread(&self) -> Result<Option<Arc<dyn ThreadState>>> {
        let waiter = Waiter::new()?;
        let thread = Arc::pin_init(
            pin_init!(ThreadPsynch {
                waiter,
                spare <- new_spinlock!(None, "ThreadPsynch::spare"),
                interrupted <- new_spinlock!(None, "ThreadPsynch::interrupted"),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(Some(thread))
    }

    fn shutdown(&self) {
        self.shared.clear();
    }
}

/// A task as psynch sees it.
#[pin_data]
struct TaskPsynch {
    /// What is in memory of its own.
    #[pin]
    own: TendedTable,
    shared: Arc<TendedTable>,
}

impl TaskPsynch {
    fn of<'a>(context: &Context<'a>) -> Result<&'a Self> {
        TASK.for_task(context.task())
    }

    /// Where what the kernel keeps of the lock at `address` is found. May sleep.
    fn place(&self, address: UserAddr, flags: u32) -> Place<'_> {
        if flags & flag::SHARED_MASK == flag::SHARED {
            if let Some((memory, offset)) = SharedMemory::at(address.0) {
                let key = Key::shared(&memory, offset);
                return Place::new(&self.shared, key, Some(memory));
            }
        }
        Place::new(&self.own, Key::private(address.0), None)
    }
}

impl TaskState for TaskPsynch {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn task_ended(&self) {
        self.own.clear();
        self.shared.tidy_in(CLEANUP_MS);
    }
}

/// A thread as psynch sees it.
#[pin_data]
struct ThreadPsynch {
    waiter: Entry,
    /// An entry for a wake-up that is left for others, so that none is allocated under a lock.
    #[pin]
    spare: SpinLock<Option<Entry>>,
    /// The wait at a read-write lock that was interrupted just now.
    #[pin]
    interrupted: SpinLock<Option<InterruptedWait>>,
}

impl ThreadPsynch {
    fn of<'a>(context: &Context<'a>) -> Result<&'a Self> {
        THREAD.for_thread(context.thread())
    }

    /// An entry that nobody uses. Fails with `ENOMEM`.
    fn take_spare(&self) -> Result<Entry> {
        let kept = self.spare.lock().take();
        match kept {
            Some(entry) => Ok(entry),
            None => Waiter::new(),
        }
    }

    /// Keeps an entry that was not used.
    fn keep_spare(&self, entry: Option<Entry>) {
        let old = core::mem::replace(&mut *self.spare.lock(), entry);
        drop(old);
    }
}

impl ThreadState for ThreadPsynch {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The place in wait lists of the living thread that `name` is a right to. `ESRCH` if it is not,
/// `ENOMEM`.
fn waiter_of(context: &Context<'_>, name: PortName) -> Result<Entry> {
    let thread = || {
        let object = ipc::object_named(context, name).ok()?;
        let port = object.as_any().downcast_ref::<ThreadPort>()?;
        port.thread(context.mach()).ok()
    };
    match THREAD.of_thread(&*thread().ok_or(ESRCH)?) {
        Some(state) => Ok(state.waiter.clone()),
        // It has never waited: one that is in no list will do.
        None => Waiter::new(),
    }
}
