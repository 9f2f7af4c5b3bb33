// SPDX-License-Identifier: GPL-2.0

//! The errnos of kqueues, which are those of XNU (ABI traps §1.2): what a call fails with, and what
//! an event says of a change that went wrong.
//!
//! Locks: none.

use crate::core::{
    user::Fault,
    BsdError, //
};
use kernel::prelude::*;

/// An errno of XNU (bsd/sys/errno.h).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Errno(i32);

#[allow(dead_code)] // Filters use what they need.
impl Errno {
    pub(super) const ENOENT: Self = Self(2);
    pub(super) const ESRCH: Self = Self(3);
    pub(super) const EINTR: Self = Self(4);
    pub(super) const EBADF: Self = Self(9);
    pub(super) const ENOMEM: Self = Self(12);
    pub(super) const EACCES: Self = Self(13);
    pub(super) const EFAULT: Self = Self(14);
    pub(super) const EINVAL: Self = Self(22);
    pub(super) const ERANGE: Self = Self(34);
    pub(super) const EAGAIN: Self = Self(35);
    pub(super) const EINPROGRESS: Self = Self(36);
    pub(super) const ENOTSUP: Self = Self(45);
    pub(super) const EOVERFLOW: Self = Self(84);

    /// The number of an error of the network that Linux calls `number`; 0 for none.
    pub(super) fn of_network(number: i32) -> u32 {
        const EIO: u32 = 5;

        match number {
            // CAST: They are positive, and the same.
            0..=10 | 12..=34 => number as u32,
            11 => 35,
            // ENOTCONN, ESHUTDOWN, ETIMEDOUT, ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH
            107 => 57,
            108 => 58,
            110 => 60,
            111 => 61,
            112 => 64,
            113 => 65,
            // ENETDOWN, ENETUNREACH, ENETRESET, ECONNABORTED, ECONNRESET, ENOBUFS
            100..=105 => (number as u32).wrapping_sub(50),
            // EMSGSIZE, ENOPROTOOPT, EPROTONOSUPPORT
            90 => 40,
            92 => 42,
            93 => 43,
            _ => EIO,
        }
    }

    /// The number as the data of an event.
    pub(super) fn data(self) -> i64 {
        self.0.into()
    }
}

impl From<Error> for Errno {
    fn from(error: Error) -> Self {
        if error == EAGAIN {
            return Self::EAGAIN;
        }
        if error == EOPNOTSUPP {
            return Self::ENOTSUP;
        }
        if error == EOVERFLOW {
            return Self::EOVERFLOW;
        }
        // The others up to 34 are the same; what is left is not told from one another.
        match error.to_errno().wrapping_neg() {
            same @ 1..=34 => Self(same),
            _ => Self::EINVAL,
        }
    }
}

impl From<Fault> for Errno {
    fn from(_: Fault) -> Self {
        Self::EFAULT
    }
}

impl From<kernel::alloc::AllocError> for Errno {
    fn from(_: kernel::alloc::AllocError) -> Self {
        Self::ENOMEM
    }
}

impl From<Errno> for BsdError {
    fn from(Errno(number): Errno) -> Self {
        Error::from_errno(number.wrapping_neg()).into()
    }
}
