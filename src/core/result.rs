// SPDX-License-Identifier: GPL-2.0

//! What traps return, and how that becomes the result of an `ioctl`.
//!
//! A Mach result is the reply of a trap; an errno says that the transport failed. They are
//! different types here, so that one is never taken for the other: [`KernError`] is positive by
//! construction and an errno negative. Interruption is turned into the code that each family of
//! results has for it in this file and nowhere else.
//!
//! Locks: none.

use crate::{
    abi::{
        kern,
        PortName, //
    },
    core::user::Fault, //
};
use kernel::prelude::*;

/// A `kern_return_t` or `mach_msg_return_t` other than success.
///
/// # Invariants
///
/// The code is positive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct KernError(i32);

/// The result of a trap of the Mach families.
pub(crate) type KernResult<T = ()> = Result<T, KernError>;

impl KernError {
    /// Makes an error of `code`, which must be positive; evaluated at compile time only.
    pub(crate) const fn new(code: i32) -> Self {
        assert!(code > 0);
        // INVARIANT: Just checked.
        Self(code)
    }

    /// The error for a code that is only known at run time; success and errnos count as failure.
    pub(crate) fn from_code(code: i32) -> Self {
        if code > 0 {
            // INVARIANT: Just checked.
            Self(code)
        } else {
            Self::FAILURE
        }
    }

    /// The code.
    pub(crate) fn code(self) -> i32 {
        self.0
    }

    /// This error with more bits of information, as `mach_msg` adds them.
    pub(crate) fn with_bits(self, bits: i32) -> Self {
        Self::from_code(self.0 | bits)
    }
}

macro_rules! kern_errors {
    ($($name:ident = $code:ident;)*) => {
        impl KernError {
            $(
                #[doc = concat!("`", stringify!($code), "`")]
                pub(crate) const $name: Self = Self::new(kern::$code);
            )*
        }
    };
}

kern_errors! {
    INVALID_ADDRESS = KERN_INVALID_ADDRESS;
    PROTECTION_FAILURE = KERN_PROTECTION_FAILURE;
    NO_SPACE = KERN_NO_SPACE;
    INVALID_ARGUMENT = KERN_INVALID_ARGUMENT;
    FAILURE = KERN_FAILURE;
    RESOURCE_SHORTAGE = KERN_RESOURCE_SHORTAGE;
    NO_ACCESS = KERN_NO_ACCESS;
    MEMORY_ERROR = KERN_MEMORY_ERROR;
    ALREADY_IN_SET = KERN_ALREADY_IN_SET;
    NOT_IN_SET = KERN_NOT_IN_SET;
    NAME_EXISTS = KERN_NAME_EXISTS;
    ABORTED = KERN_ABORTED;
    INVALID_NAME = KERN_INVALID_NAME;
    INVALID_TASK = KERN_INVALID_TASK;
    INVALID_RIGHT = KERN_INVALID_RIGHT;
    INVALID_VALUE = KERN_INVALID_VALUE;
    INVALID_CAPABILITY = KERN_INVALID_CAPABILITY;
    RIGHT_EXISTS = KERN_RIGHT_EXISTS;
    INVALID_OBJECT = KERN_INVALID_OBJECT;
    TERMINATED = KERN_TERMINATED;
    NOT_SUPPORTED = KERN_NOT_SUPPORTED;
    OPERATION_TIMED_OUT = KERN_OPERATION_TIMED_OUT;
}

/// A copy to or from user memory failed after the trap's effect; the effect stands.
///
/// The copy routines of Darling's own module return the number 14 there, which its traps pass on
/// (ABI §1.2).
impl From<Fault> for KernError {
    fn from(_: Fault) -> Self {
        Self::ABORTED
    }
}

/// A wait ended because a signal is pending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Interrupted;

impl From<Interrupted> for KernError {
    fn from(_: Interrupted) -> Self {
        Self::ABORTED
    }
}

impl From<Interrupted> for Error {
    /// There is no restart by the kernel: the client library repeats the call (ABI §1.3).
    fn from(_: Interrupted) -> Self {
        EINTR
    }
}

impl From<kernel::alloc::AllocError> for KernError {
    fn from(_: kernel::alloc::AllocError) -> Self {
        Self::RESOURCE_SHORTAGE
    }
}

/// What an `ioctl` returns, and whether it counts as an error.
#[derive(Clone, Copy)]
pub(crate) struct Outcome {
    value: i32,
    failed: bool,
}

impl Outcome {
    /// The argument could not be copied in.
    #[cold]
    pub(crate) fn fault() -> Self {
        Self::errno(EFAULT)
    }

    /// The transport failed.
    #[cold]
    pub(crate) fn errno(error: Error) -> Self {
        Self {
            value: error.to_errno(),
            failed: true,
        }
    }

    /// The value for the caller, sign-extended as the `ioctl` entry wants it.
    #[inline]
    pub(crate) fn value(self) -> i64 {
        i64::from(self.value)
    }

    /// Whether the trap failed.
    #[inline]
    pub(crate) fn failed(self) -> bool {
        self.failed
    }
}

/// A type that a trap may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something a trap can return",
    note = "use `KernResult` for Mach results, `PortName` for names, `Result<u32>` or `Result` \
            where failure is an errno"
)]
pub(crate) trait TrapReturn {
    /// Encodes the result.
    fn into_outcome(self) -> Outcome;
}

impl TrapReturn for KernResult {
    #[inline]
    fn into_outcome(self) -> Outcome {
        match self {
            Ok(()) => Outcome {
                value: 0,
                failed: false,
            },
            Err(KernError(code)) => Outcome {
                value: code,
                failed: true,
            },
        }
    }
}

/// Traps that return a name have no error code: null says that there is none.
impl TrapReturn for PortName {
    fn into_outcome(self) -> Outcome {
        match i32::try_from(self.0) {
            Ok(value) => Outcome {
                value,
                failed: value == 0,
            },
            // No name of ours has bit 31 set; what is not a name is none.
            Err(_) => Outcome {
                value: 0,
                failed: true,
            },
        }
    }
}

/// Traps of the module itself: a value that fits 31 bits, or an errno.
impl TrapReturn for Result<u32> {
    fn into_outcome(self) -> Outcome {
        match self.and_then(|value| i32::try_from(value).map_err(|_| EOVERFLOW)) {
            Ok(value) => Outcome {
                value,
                failed: false,
            },
            Err(error) => Outcome::errno(error),
        }
    }
}

/// Traps of the module itself: done, or an errno.
impl TrapReturn for Result {
    fn into_outcome(self) -> Outcome {
        self.map(|()| 0u32).into_outcome()
    }
}

/// What a trap of the BSD family returns when it succeeds: a word whose every bit may be set.
///
/// One with bit 31 set looks like an errno; that is how the interface is (ABI traps §1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RetVal(pub(crate) u32);

/// Why a trap of the BSD family failed: an errno, with bits of information added to it.
#[derive(Clone, Copy)]
pub(crate) struct BsdError {
    errno: Error,
    bits: i32,
}

/// The result of a trap of the BSD family.
pub(crate) type BsdResult<T = RetVal> = Result<T, BsdError>;

impl BsdError {
    /// `errno` with `bits` in the number, which must be none that an errno has.
    pub(crate) fn with_bits(errno: Error, bits: i32) -> Self {
        Self { errno, bits }
    }
}

impl From<Error> for BsdError {
    fn from(errno: Error) -> Self {
        Self { errno, bits: 0 }
    }
}

impl From<Interrupted> for BsdError {
    fn from(interrupted: Interrupted) -> Self {
        Error::from(interrupted).into()
    }
}

impl TrapReturn for BsdResult {
    #[inline]
    fn into_outcome(self) -> Outcome {
        match self {
            Ok(RetVal(word)) => Outcome {
                // CAST: The bits as they are.
                value: word as i32,
                failed: false,
            },
            Err(BsdError { errno, bits }) => Outcome {
                value: -(errno.to_errno().wrapping_neg() | bits),
                failed: true,
            },
        }
    }
}
