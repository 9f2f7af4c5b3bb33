// SPDX-License-Identifier: GPL-2.0

//! Work that is left to a thread of the kernel.
//!
//! Serves those who learn of something where they must not sleep, in a context of which nothing is
//! known: unlike [`super::task_work`], no thread has to come by.
//!
//! Work that is queued holds a reference on the module (see [`super::module`]).
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use core::ops::Deref;
use kernel::{
    impl_has_work,
    new_work,
    prelude::*,
    sync::Arc,
    workqueue::{
        self,
        Work,
        WorkItem, //
    }, //
};

use super::module;

/// What can be deferred.
pub(crate) trait Job: Send + Sync + 'static {
    /// Does all that there is to do. May sleep.
    fn run(&self);
}

/// A job with its place in the queue.
#[pin_data]
pub(crate) struct Deferred<J: Job> {
    #[pin]
    work: Work<Self>,
    #[pin]
    job: J,
}

impl_has_work! {
    impl{J: Job} HasWork<Self> for Deferred<J> { self.work }
}

impl<J: Job> Deferred<J> {
    /// Makes a job that is not queued. Fails with `ENOMEM`.
    pub(crate) fn new(job: impl PinInit<J>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                work <- new_work!("Deferred::work"),
                job <- job,
            }),
            GFP_KERNEL,
        )
    }

    /// Has the job run soon, once for all calls until it starts. Does nothing when the module is
    /// being unloaded. May be called in any context.
    pub(crate) fn run_soon(self: &Arc<Self>) {
        let Some(module) = module::module_ref() else {
            return;
        };
        if workqueue::system_long().enqueue(self.clone()).is_ok() {
            // `run` gives it back.
            core::mem::forget(module);
        }
    }
}

impl<J: Job> WorkItem for Deferred<J> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        // SAFETY: `run_soon` left one reference on the module for each time that the item was
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
