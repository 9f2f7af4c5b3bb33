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
    prelude::*, //
};

use super::bindings as shim;

/// Calls `work` with `CAP_SYS_RAWIO` lent to the current thread, and returns what that returns. Fails
/// with `ENOMEM`, and then has not called it.
pub(super) fn with_raw_io<R>(work: impl FnOnce() -> R) -> Result<R> {
    // SAFETY: No preconditions; null when there is no memory.
    let lent = unsafe { bindings::prepare_creds() };
    if lent.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: The new credentials are ours alone until they are put in force, and a reference on
    // them is ours until they are in force no more.
    let own = unsafe {
        (*lent).cap_effective.val |= 1 << bindings::CAP_SYS_RAWIO;
        shim::mach_shim_override_creds(lent)
    };
    let result = work();
    // SAFETY: What is in force are those of above again, as whatever `work` put in force it has
    // taken back. The thread's own are there as long as it is.
    unsafe {
        shim::mach_shim_revert_creds(own);
        bindings::put_cred(lent);
    }
    Ok(result)
}
