// SPDX-License-Identifier: GPL-2.0

//! What tasks cannot be asked here, as it has to do with memory or code of theirs (ABI mig §2).

use crate::traps::ipc::{
    refused_routines,
    Rows,
    TaskPort, //
};

refused_routines! {
    // Tasks have no vouchers.
    5404 mach_voucher_debug_info(TaskPort, u32, u32) => NOT_SUPPORTED;

    // Code that starts anew when it was interrupted
    8000 task_restartable_ranges_register(TaskPort, Rows<64, 4>) => NOT_SUPPORTED;
    8001 task_restartable_ranges_synchronize(TaskPort) => NOT_SUPPORTED;
}
