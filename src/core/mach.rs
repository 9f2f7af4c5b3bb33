// SPDX-License-Identifier: GPL-2.0

//! The state of the module as a whole.
//!
//! Locks: `Mach::birth` (mutex) is the first of all, see [`super`]. The rest never changes, or has locks
//! of its own.

use super::{
    history::History,
    states::{
        States,
        PLACES, //
    },
    stats::{
        Counters,
        EVENTS, //
    },
    tasks::{
        Tasks,
        Unborn,
        UNBORN, //
    },
    vchroot::VCHROOTS,
    watch::{
        Watches,
        WATCHES, //
    },
    Birth,
    Event,
    Making,
    ObjectCounter,
    Subsystem,
    TaskState,
    ThreadState,
    TrapRegistry, //
};
use crate::linux::{
    deferred::Deferred,
    global::{
        Global,
        Published as PublishedGlobal, //
    },
    wait::{
        new_wait_queue,
        WaitQueue,
        Woken, //
    },
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// The module's state: the registry of traps, the subsystems and the tasks.
#[pin_data]
pub(crate) struct Mach {
    pub(super) registry: TrapRegistry,
    subsystems: KVec<Arc<dyn Subsystem>>,
    /// Those that keep states, by position, and when they make them.
    stateful: KVec<(Arc<dyn Subsystem>, Making)>,
    /// The states that tasks have in common, see [`Making::WhenChanged`].
    common_task_states: States<dyn TaskState>,
    /// Those of threads.
    common_thread_states: States<dyn ThreadState>,
    #[pin]
    pub(super) tasks: Tasks,
    /// Held while a process gets its task, so that it gets one only.
    #[pin]
    pub(super) birth: Mutex<()>,
    /// Where parents wait for children to make their first trap.
    #[pin]
    births: WaitQueue,
    events: Counters<EVENTS>,
    pub(super) watches: Arc<Deferred<Watches>>,
    pub(super) history: Arc<History>,
}

impl Mach {
    /// Builds the module's state from its subsystems. With `trace` every trap is logged.
    ///
    /// Fails with `ENOMEM`, with the error of [`TrapRegistry::register`], or with `E2BIG` when more
    /// subsystems keep states than there are places.
    pub(crate) fn new(subsystems: KVec<Arc<dyn Subsystem>>, trace: bool) -> Result<Arc<Self>> {
        let mut registry = TrapRegistry::new(trace)?;
        let mut stateful = KVec::with_capacity(PLACES, GFP_KERNEL)?;
        let mut common_task_states = States::new();
        let mut common_thread_states = States::new();
        for subsystem in &subsystems {
            registry.register(&**subsystem)?;
            let keys = &subsystem.manifest().states;
            if keys.is_empty() {
                continue;
            }
            let position = stateful.len();
            if position >= PLACES {
                pr_err!("{}: no place for its states\n", subsystem.manifest().name);
                return Err(E2BIG);
            }
            keys.bind(position);
            if keys.making() == Making::WhenChanged {
                let task = subsystem.new_task(&Birth::default())?;
                common_task_states.set(position, task, TaskState::as_any);
                let thread = subsystem.new_thread()?;
                common_thread_states.set(position, thread, ThreadState::as_any);
            }
            stateful.push((subsystem.clone(), keys.making()), GFP_KERNEL)?;
        }
        let events = Counters::new()?;
        let watches = Deferred::new(Watches::new(), GFP_KERNEL)?;
        let history = Arc::pin_init(History::new()?, GFP_KERNEL)?;
        Arc::pin_init(
            try_pin_init!(Self {
                registry,
                subsystems,
                stateful,
                common_task_states,
                common_thread_states,
                tasks <- Tasks::new(),
                birth <- new_mutex!((), "Mach::birth"),
                births <- new_wait_queue!("Mach::births"),
                events,
                watches,
                history,
            }? Error),
            GFP_KERNEL,
        )
    }

    /// The subsystems, in order of registration.
    pub(super) fn subsystems(&self) -> &[Arc<dyn Subsystem>] {
        &self.subsystems
    }

    /// Those that keep states, by position, and when they make them.
    pub(super) fn stateful(&self) -> &[(Arc<dyn Subsystem>, Making)] {
        &self.stateful
    }

    /// The states that tasks without states of their own have in common.
    pub(super) fn common_task_states(&self) -> &States<dyn TaskState> {
        &self.common_task_states
    }

    /// The same of threads.
    pub(super) fn common_thread_states(&self) -> &States<dyn ThreadState> {
        &self.common_thread_states
    }

    /// Counts an event.
    #[inline]
    pub(crate) fn count(&self, event: Event) {
        // CAST: the enum has small positive values.
        self.events.count(event as usize);
    }

    /// How often `event` happened.
    pub(super) fn total(&self, event: Event) -> u64 {
        // CAST: As above.
        self.events.total(event as usize)
    }

    /// How many tasks and threads there are.
    pub(crate) fn population(&self) -> (u32, u32) {
        let count = |counter: &ObjectCounter| u32::try_from(counter.live()).unwrap_or(0);
        (count(&super::task::TASKS), count(&super::thread::THREADS))
    }

    /// All kinds of counted objects.
    pub(super) fn objects(&self) -> impl Iterator<Item = &'static ObjectCounter> + '_ {
        let own = [
            &super::task::TASKS,
            &super::thread::THREADS,
            &UNBORN,
            &super::stop::STOPS,
            &super::debug_registers::DEBUG_REGISTERS,
            &VCHROOTS,
            &WATCHES,
        ]
        .into_iter();
        let theirs = self
            .subsystems
            .iter()
            .flat_map(|subsystem| subsystem.manifest().objects.iter().copied());
        Iterator::chain(own, theirs)
    }

    /// The child of `record` has a task, another image, or is gone: lets its parent go on. Does
    /// not sleep.
    pub(super) fn settle(&self, record: &Unborn) {
        record.settle();
        self.births.wake_all();
    }

    /// Waits until the child of `record` is settled, or a signal comes. No lock may be held.
    pub(crate) fn wait_until_settled(&self, record: &Unborn) -> Woken {
        self.births.wait(None, || record.is_settled())
    }

    /// Ends the subsystems, the last one first. No task may exist. May sleep.
    pub(crate) fn shutdown(&self) {
        for subsystem in self.subsystems.iter().rev() {
            subsystem.shutdown();
        }
    }
}

/// The module's state, for entry points that are given nothing to find it by: the loader's.
static MACH: Global<Mach> = Global::new();

/// Lets [`mach`] find the module's state while it exists.
pub(crate) struct Published(#[allow(dead_code)] PublishedGlobal<Mach>);

impl Published {
    /// Publishes `mach`. Fails with `ENOMEM`.
    pub(crate) fn new(mach: Arc<Mach>) -> Result<Self> {
        Ok(Self(MACH.publish(mach)?))
    }
}

/// The module's state, while it is loaded.
pub(crate) fn mach() -> Option<Arc<Mach>> {
    MACH.get()
}
