// SPDX-License-Identifier: GPL-2.0

//! Privileges that the kernel lends to a thread for one of its own operations.
//!
//! Serves the making of images ([`super::new_image`]).
//!
//! Locks: none.
//!
//! C header: [`include/linux/cred.h`](srctree/include/linux/cred.h)

use kernel::{
    bindings,
    prelude::*,
    types::NotThreadSafe, //
};

use super::bindings as shim;

/// `CAP_SYS_RAWIO`, lent to the current thread until this is dropped.
///
/// # Invariants
///
/// `own` are the thread's credentials, to which it goes back; `lent` are those in force, on which
/// a reference is held.
pub(super) struct RawIo {
    own: *const bindings::cred,
    lent: *mut bindings::cred,
    _current: NotThreadSafe,
}

impl RawIo {
    /// Lends the privilege. Fails with `ENOMEM`.
    pub(super) fn lend() -> Result<Self> {
        // SAFETY: No preconditions; null when there is no memory.
        let lent = unsafe { bindings::prepare_creds() };
        if lent.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: The new credentials are ours alone until they are put in force, and they stay
        // until dropped below.
        // INVARIANT: as described.
        unsafe {
            (*lent).cap_effective.val |= 1 << bindings::CAP_SYS_RAWIO;
            Ok(Self {
                own: shim::mach_shim_override_creds(lent),
                lent,
                _current: NotThreadSafe,
            })
        }
    }
}

impl Drop for RawIo {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe {
            shim::mach_shim_revert_creds(self.own);
            bindings::put_cred(self.lent);
        }
    }
}
