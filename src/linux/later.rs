// SPDX-License-Identifier: GPL-2.0

//! Work that is done some time later, by a kernel thread.
//!
//! Serves clean-up that must wait for something that nobody tells us of. Pending work holds a
//! reference on the module (see [`super::module`]): unloading is refused until it is done, so
//! delays must be short.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::module::{
    module_ref,
    ModuleRef, //
};
use kernel::{
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

/// What can be done later.
pub(crate) trait Chore: Send + Sync + 'static {
    /// Does it. May sleep. No process is current.
    fn run(&self);
}

/// A [`Chore`] that can be put off. It is pending once at a time.
#[pin_data]
pub(crate) struct Later<T: Chore> {
    #[pin]
    work: DelayedWork<Self>,
    #[pin]
    chore: T,
}

impl_has_delayed_work! {
    impl{T: Chore} HasDelayedWork<Self> for Later<T> { self.work }
}

impl<T: Chore> Later<T> {
    /// Makes one that is not pending. Fails with `ENOMEM`.
    pub(crate) fn new(chore: impl PinInit<T>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                work <- new_delayed_work!("Later::work"),
                chore <- chore,
            }),
            GFP_KERNEL,
        )
    }

    /// What is to be done.
    pub(crate) fn chore(&self) -> &T {
        &self.chore
    }

    /// Has the chore run in about `milliseconds`, unless it is pending already. Does not sleep.
    pub(crate) fn run_in(self: &Arc<Self>, milliseconds: u32) {
        // While the module is being unloaded there is nobody to clean up after.
        let Some(module) = module_ref() else {
            return;
        };
        let delay = msecs_to_jiffies(milliseconds);
        if workqueue::system_power_efficient()
            .enqueue_delayed(self.clone(), delay)
            .is_ok()
        {
            // `run` gives this back.
            core::mem::forget(module);
        }
    }
}

impl<T: Chore> WorkItem for Later<T> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.chore.run();
        drop(this);
        // SAFETY: `run_in` left one reference to each run. The thread does nothing in the module
        // after this but return.
        drop(unsafe { ModuleRef::from_forgotten() });
    }
}
