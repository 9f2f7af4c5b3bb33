// SPDX-License-Identifier: GPL-2.0

//! Routines: what messages to ports of the kernel ask for, and the table of them.
//!
//! A routine is a function with [`#[routine(id)]`](macro@mach_macros::routine). Any subsystem may
//! have some; the composition root gives all of them to IPC, which finds the one that a request
//! asks for by the request's id.
//!
//! The table is filled once, at module init, and immutable from then on, so dispatch takes no lock.
//!
//! Source of the behaviour: XNU osfmk/kern/ipc_kobject.c; ABI mig §1.

use super::{
    kobject::{
        as_kind,
        KernelObject, //
    },
    reply::Reply,
    request::Request,
    right::SendRight,
    Port,
    SPACE, //
};
use crate::{
    abi::kern,
    core::{
        Context,
        KernError,
        Task, //
    },
    linux::debugfs::Report,
};
use kernel::{
    alloc::AllocError,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        Arc, //
    },
};

/// The code in a reply of a request that failed: a `kern_return_t` or a MIG error, not 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refusal(i32);

impl Refusal {
    /// No such routine.
    pub(crate) const BAD_ID: Self = Self(kern::MIG_BAD_ID);
    /// Wrong size, or wrong number of descriptors.
    pub(crate) const BAD_ARGUMENTS: Self = Self(kern::MIG_BAD_ARGUMENTS);
    /// A descriptor of another kind than the routine takes.
    pub(crate) const TYPE_ERROR: Self = Self(kern::MIG_TYPE_ERROR);
    /// Nothing is wrong, but there is to be no reply.
    pub(crate) const NO_REPLY: Self = Self(kern::MIG_NO_REPLY);

    /// The code.
    pub(super) fn code(self) -> i32 {
        self.0
    }
}

impl From<KernError> for Refusal {
    fn from(error: KernError) -> Self {
        Self(error.code())
    }
}

impl From<AllocError> for Refusal {
    fn from(error: AllocError) -> Self {
        KernError::from(error).into()
    }
}

/// The result of a routine.
pub(crate) type RoutineResult<T = ()> = Result<T, Refusal>;

/// Who asks what: the calling task and thread, and the object that the request was sent to.
pub(crate) struct Call<'a> {
    context: &'a Context<'a>,
    object: &'a dyn KernelObject,
    port: &'a Arc<Port>,
}

impl<'a> Call<'a> {
    /// The call that a message to `port`, the port of `object`, makes.
    pub(super) fn new(
        context: &'a Context<'a>,
        object: &'a dyn KernelObject,
        port: &'a Arc<Port>,
    ) -> Self {
        Self {
            context,
            object,
            port,
        }
    }

    /// The caller.
    pub(crate) fn context(&self) -> &'a Context<'a> {
        self.context
    }

    /// The calling task.
    pub(crate) fn task(&self) -> &'a Task {
        self.context.task()
    }

    /// The port that the request came to.
    pub(crate) fn port(&self) -> &'a Arc<Port> {
        self.port
    }

    /// A right to the host's port.
    pub(crate) fn host_port(&self) -> Option<SendRight> {
        let space = SPACE.of_task(self.task())?;
        Some(space.special.host().port.send_right())
    }

    /// The object that is asked. `KERN_INVALID_ARGUMENT` if it is of another kind.
    pub(crate) fn target<T: KernelObject>(&self) -> RoutineResult<&'a T> {
        let object = as_kind(self.object);
        Ok(object.ok_or(KernError::INVALID_ARGUMENT)?)
    }
}

type Run = fn(&Call<'_>, &mut Request<'_>) -> RoutineResult<Reply>;

/// A routine as its subsystem declares it. Made by `#[routine(id)]`.
#[derive(Clone, Copy)]
pub(crate) struct RoutineDescriptor {
    id: i32,
    name: &'static str,
    run: Run,
}

impl RoutineDescriptor {
    /// Declares that `run` answers requests with `id`; evaluated at compile time, where an id that
    /// is not positive fails the build.
    pub(crate) const fn new(id: i32, name: &'static str, run: Run) -> Self {
        assert!(id > 0, "not the id of a request");
        Self { id, name, run }
    }
}

/// The routines of a subsystem, file by file.
#[derive(Clone, Copy)]
pub(crate) struct RoutineSet {
    subsystem: &'static str,
    lists: &'static [&'static [RoutineDescriptor]],
}

impl RoutineSet {
    /// Says that `subsystem` answers what is in `lists`.
    pub(crate) const fn new(
        subsystem: &'static str,
        lists: &'static [&'static [RoutineDescriptor]],
    ) -> Self {
        Self { subsystem, lists }
    }
}

/// Fails the build when an id stands twice in the lists of all subsystems.
pub(crate) const fn assert_unique_routines(sets: &[RoutineSet]) {
    let mut set = 0;
    while set < sets.len() {
        let mut list = 0;
        while list < sets[set].lists.len() {
            let mut routine = 0;
            while routine < sets[set].lists[list].len() {
                let id = sets[set].lists[list][routine].id;
                assert!(count(sets, id) == 1, "the id of a routine is used twice");
                routine += 1;
            }
            list += 1;
        }
        set += 1;
    }
}

/// How often `id` stands in all lists.
const fn count(sets: &[RoutineSet], id: i32) -> usize {
    let mut count = 0;
    let mut set = 0;
    while set < sets.len() {
        let mut list = 0;
        while list < sets[set].lists.len() {
            let mut routine = 0;
            while routine < sets[set].lists[list].len() {
                if sets[set].lists[list][routine].id == id {
                    count += 1;
                }
                routine += 1;
            }
            list += 1;
        }
        set += 1;
    }
    count
}

struct Entry {
    routine: RoutineDescriptor,
    subsystem: &'static str,
    calls: Atomic<u64>,
    errors: Atomic<u64>,
}

/// All routines by id.
pub(crate) struct RoutineTable {
    /// In ascending order of ids.
    entries: KVec<Entry>,
}

impl RoutineTable {
    /// Makes the table. An id that is taken (`EEXIST`) is logged and fails, and with it the
    /// module's init.
    pub(crate) fn new(sets: &[RoutineSet]) -> Result<Arc<Self>> {
        let mut entries = KVec::new();
        for set in sets {
            for routine in set.lists.iter().copied().flatten() {
                let entry = Entry {
                    routine: *routine,
                    subsystem: set.subsystem,
                    calls: Atomic::new(0),
                    errors: Atomic::new(0),
                };
                entries.push(entry, GFP_KERNEL)?;
            }
        }
        entries.sort_unstable_by_key(|entry| entry.routine.id);
        let twice = |pair: &[Entry]| match pair {
            [one, other] => one.routine.id == other.routine.id,
            _ => false,
        };
        if let Some([one, other]) = entries.windows(2).find(|pair| twice(pair)) {
            pr_err!(
                "{}: routine {} is already answered by {}\n",
                other.subsystem,
                other.routine.id,
                one.subsystem
            );
            return Err(EEXIST);
        }
        Ok(Arc::new(Self { entries }, GFP_KERNEL)?)
    }

    /// Has the routine that `request` asks for answer it.
    pub(super) fn dispatch(
        &self,
        call: &Call<'_>,
        request: &mut Request<'_>,
    ) -> RoutineResult<Reply> {
        let id = request.id();
        let entry = self
            .entries
            .binary_search_by_key(&id, |entry| entry.routine.id)
            .ok()
            .and_then(|position| self.entries.get(position))
            .ok_or(Refusal::BAD_ID)?;
        entry.calls.add(1, Relaxed);
        let outcome = (entry.routine.run)(call, request);
        if matches!(outcome, Err(refusal) if refusal != Refusal::NO_REPLY) {
            entry.errors.add(1, Relaxed);
        }
        outcome
    }
}

/// A line for each routine: id, name, subsystem, calls, errors.
impl Report for RoutineTable {
    fn print(&self, to: &SeqFile) {
        for entry in &self.entries {
            seq_print!(
                to,
                "{} {} {} {} {}\n",
                entry.routine.id,
                entry.routine.name,
                entry.subsystem,
                entry.calls.load(Relaxed),
                entry.errors.load(Relaxed)
            );
        }
    }
}

/// Routines of which only the name and the parameters are built: `id name(object, parameters…) =>
/// error;`. Makes the list `ROUTINES` of a file.
macro_rules! refused_routines {
    ($($id:literal $name:ident($target:ty $(, $parameter:ty)*) => $error:ident;)*) => {
        /// The routines of this file.
        pub(super) const ROUTINES: &[$crate::traps::ipc::RoutineDescriptor] =
            ::mach_macros::routines![$($name),*];

        $(
            #[allow(non_snake_case)]
            #[::mach_macros::routine($id)]
            fn $name(
                _call: &$crate::traps::ipc::Call<'_>,
                _target: &$target
                $(, _: $parameter)*
            ) -> $crate::core::KernResult {
                Err($crate::core::KernError::$error)
            }
        )*
    };
}
pub(crate) use refused_routines;
