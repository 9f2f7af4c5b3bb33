// SPDX-License-Identifier: GPL-2.0

//! What the kernel keeps of a lock in user space, by its kind.
//!
//! Locks: the table's lock protects it.

use super::{
    cv::CondVar,
    mutex::Mutex,
    rwlock::RwLock, //
};

/// Kinds of objects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectKind {
    Mutex,
    /// With the L, U and S words of the trap that makes it.
    CondVar(u32, u32, u32),
    RwLock,
}

/// The state of an object.
pub(super) enum Object {
    Mutex(Mutex),
    CondVar(CondVar),
    RwLock(RwLock),
}

impl Object {
    pub(super) fn new(kind: ObjectKind) -> Self {
        match kind {
            ObjectKind::Mutex => Self::Mutex(Mutex::new()),
            ObjectKind::CondVar(l, u, s) => Self::CondVar(CondVar::new(l, u, s)),
            ObjectKind::RwLock => Self::RwLock(RwLock::new()),
        }
    }

    /// Whether this is of `kind`.
    pub(super) fn is(&self, kind: ObjectKind) -> bool {
        matches!(
            (self, kind),
            (Self::Mutex(_), ObjectKind::Mutex)
                | (Self::CondVar(_), ObjectKind::CondVar(..))
                | (Self::RwLock(_), ObjectKind::RwLock)
        )
    }

    /// Whether there is nobody and nothing in it, so that it can become something else.
    pub(super) fn is_idle(&self) -> bool {
        match self {
            Self::Mutex(mutex) => mutex.is_idle(),
            Self::CondVar(cv) => cv.is_idle(),
            Self::RwLock(lock) => lock.is_idle(),
        }
    }

    /// Whether an idle object is to stay for a while, for what it remembers.
    pub(super) fn lingers(&self) -> bool {
        matches!(self, Self::RwLock(_))
    }
}
