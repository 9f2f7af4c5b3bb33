// SPDX-License-Identifier: GPL-2.0

//! Vouchers: what a program says about the work that its messages ask for (ABI mig §3.5; XNU
//! osfmk/ipc/ipc_voucher.c).
//!
//! A voucher is a set of attributes, each kept by a manager for its key. The one manager here is that
//! of user data: bytes that mean something to programs alone. Importance, bank, activity tracing and
//! thread policy have no counterpart in Linux. Vouchers never change, and two with the same
//! attributes are one.
//!
//! | file | what |
//! |---|---|
//! | `object` | vouchers, and how the same one is found again |
//! | `recipe` | how one is described |
//! | `routines` | making them, and what they tell |
//!
//! Locks: `Vouchers::known` (spinlock), a leaf.

mod object;
mod recipe;
mod routines;

use self::object::Vouchers;
use super::ipc::RoutineSet;
use crate::core::{
    Birth,
    Making,
    Manifest,
    StateKey,
    StateKeys,
    Subsystem,
    TaskState, //
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The routines of this subsystem.
pub(crate) const ROUTINES: RoutineSet = RoutineSet::new("voucher", &[routines::ROUTINES]);

/// The vouchers that there are, as each task has them.
static STATE: StateKey<State> = StateKey::new();

struct State {
    vouchers: Arc<Vouchers>,
}

impl TaskState for State {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What this subsystem brings along.
pub(crate) static MANIFEST: Manifest = Manifest {
    objects: &[&object::VOUCHERS],
    states: StateKeys::new(Making::WhenAsked, &[&STATE]),
    ..Manifest::new("voucher")
};

/// The subsystem.
pub(crate) struct VoucherSubsystem {
    vouchers: Arc<Vouchers>,
}

impl VoucherSubsystem {
    /// There are no vouchers yet. Fails with `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            vouchers: Vouchers::new()?,
        })
    }
}

impl Subsystem for VoucherSubsystem {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn new_task(&self, _birth: &Birth<'_>) -> Result<Option<Arc<dyn TaskState>>> {
        let vouchers = self.vouchers.clone();
        let state: Arc<State> = Arc::new(State { vouchers }, GFP_KERNEL_ACCOUNT)?;
        Ok(Some(state))
    }
}
