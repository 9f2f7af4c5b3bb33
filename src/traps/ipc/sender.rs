// SPDX-License-Identifier: GPL-2.0

//! Who sent a message, as its trailer tells.

use crate::{
    abi::msg::{
        AuditToken,
        SecurityToken, //
    },
    core::Task,
};

/// Who sent a message, for its trailer.
#[derive(Clone, Copy)]
pub(super) struct Sender {
    pub(super) security: SecurityToken,
    /// The words of the audit token that are not always zero: user, group, process.
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) pid: u32,
}

impl Sender {
    /// The kernel.
    pub(super) const KERNEL: Self = Self {
        security: SecurityToken::KERNEL,
        uid: 0,
        gid: 0,
        pid: 0,
    };

    /// A task.
    #[inline]
    pub(super) fn of(task: &Task) -> Self {
        let ids = task.claimed_ids();
        Self {
            // Darling's tasks all inherit this one.
            security: SecurityToken::KERNEL,
            uid: ids.uid,
            gid: ids.gid,
            pid: task.pid(),
        }
    }

    /// The audit token.
    pub(super) fn audit(self) -> AuditToken {
        // Words 1, 2 and 5, see `AuditToken`; Darling leaves the others zero.
        AuditToken {
            val: [0, self.uid, self.gid, 0, 0, self.pid, 0, 0],
        }
    }
}

/// What messages of `task` say about it, in short.
pub(crate) fn security_token(task: &Task) -> SecurityToken {
    Sender::of(task).security
}

/// What messages of `task` say about it, in detail.
pub(crate) fn audit_token(task: &Task) -> AuditToken {
    Sender::of(task).audit()
}
