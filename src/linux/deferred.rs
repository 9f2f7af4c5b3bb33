// SPDX-License-Identifier: GPL-2.0

//! Work that is left to a thread of the kernel, to be done soon or some time later.
//!
//! Serves those who learn of something where they must not sleep, in a context of which nothing is
//! known, and clean-up that must wait for something that nobody tells us of. Unlike
//! [`super::task_work`], no thread has to come by.
//!
//! Work that is queued holds a reference on the module (see [`super::module`]): unloading is refused
//! until it is done, so delays must be short. What has to be done after a long time, or not at all
//! if the module goes, is for [`super::alarm`].
//!
//! Locks: none of ours. Queueing does not sleep.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use core::ops::Deref;
use kernel::{
    alloc::Flags,
    impl_has_delayed_work,
    new_delayed_work,
    prelude::*,
    sync::Arc,
    time::msecs_to_jiffies,
    workqueue::{
        self,
        DelayedWork,
        WorkItem, //
    }, //
};

use super::module;

/// What can be deferred.
pub(crate) trait Job: Send + Sync + 'static {
    /// Does all that there is to do. May sleep. No process is current.
    fn run(&self);
}

/// A job with its place in the queue, where it is at most once.
#[pin_data]
pub(crate) struct Deferred<J: Job> {
    #[pin]
    work: DelayedWork<Self>,
    #[pin]
    job: J,
}

impl_has_delayed_work! {
    impl{J: Job} HasDelayedWork<Self> for Deferred<J> { self.work }
}

impl<J: Job> Deferred<J> {
    /// Makes a job that is not queued. Fails with `ENOMEM`.
    pub(crate) fn new<E>(job: impl PinInit<J, E>, flags: Flags) -> Result<Arc<Self>>
    where
        Error: From<E>,
    {
        Arc::pin_init::<Error>(
            try_pin_init!(Self {
                work <- new_delayed_work!("Deferred::work"),
                job <- job,
            }? Error),
            flags,
        )
    }

    /// Has the job run soon, once for all calls until it starts. Does nothing when the module is
    /// being unloaded. May be called in any context.
    pub(crate) fn run_soon(self: &Arc<Self>) {
        self.run_in(0);
    }

    /// Has the job run in about `milliseconds`, unless it is queued already. As
    /// [`run_soon`](Self::run_soon) otherwise.
    pub(crate) fn run_in(self: &Arc<Self>, milliseconds: u32) {
        let Some(module) = module::module_ref() else {
            return;
        };
        let delay = msecs_to_jiffies(milliseconds);
        if workqueue::system_long()
            .enqueue_delayed(self.clone(), delay)
            .is_ok()
        {
            // `run` gives it back.
            core::mem::forget(module);
        }
    }
}

impl<J: Job> WorkItem for Deferred<J> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        // SAFETY: `run_in` left one reference on the module for each time that the item was
        // queued. It is the last to be dropped here, after which this function only returns.
        let _module = unsafe { module::ModuleRef::from_forgotten() };
        this.job.run();
        drop(this);
    }
}

impl<J: Job> Deref for Deferred<J> {
    type Target = J;

    fn deref(&self) -> &J {
        &self.job
    }
}
