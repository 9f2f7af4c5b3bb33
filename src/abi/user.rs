// SPDX-License-Identifier: GPL-2.0

//! What user space hands over before anything about it has been checked.
//!
//! Serves the rest of [`super`]. No locks.

use ::core::fmt;

use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout, //
};

/// An address that user space alleges.
///
/// Nothing is known of it: it may be null, unmapped, or point into the kernel's half. Only the
/// copy functions of the user memory layer may turn it into an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(transparent)]
pub struct UserAddr(pub u64);

impl UserAddr {
    /// The address that means "none".
    pub const NULL: Self = Self(0);

    /// Whether this is [`UserAddr::NULL`].
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The address `bytes` further on, or `None` if that leaves the 64-bit range.
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(address) => Some(Self(address)),
            None => None,
        }
    }
}

/// A user integer has no meaning as the enum asked for.
///
/// Which error that is depends on the trap, so it carries none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownValue;

impl fmt::Display for UnknownValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("value without a meaning")
    }
}

/// Declares an enum with the conversions from the integers in which user space sends it.
///
/// Negative and unlisted values give [`UnknownValue`], which must be in scope where the macro is
/// used; `raw` gives the number back.
macro_rules! user_enum {
    (
        $(#[$attr:meta])*
        pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $value:literal,)* }
    ) => {
        $(#[$attr])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum $name { $($(#[$doc])* $variant = $value,)* }

        impl $name {
            /// All values, in numeric order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number that stands for this value.
            pub const fn raw(self) -> u32 {
                // CAST: the enum is `repr(u32)`.
                self as u32
            }
        }

        impl ::core::convert::TryFrom<u32> for $name {
            type Error = UnknownValue;

            fn try_from(value: u32) -> ::core::result::Result<Self, Self::Error> {
                match value {
                    $($value => Ok(Self::$variant),)*
                    _ => Err(UnknownValue),
                }
            }
        }

        impl ::core::convert::TryFrom<i32> for $name {
            type Error = UnknownValue;

            fn try_from(value: i32) -> ::core::result::Result<Self, Self::Error> {
                u32::try_from(value)
                    .map_err(|_| UnknownValue)
                    .and_then(Self::try_from)
            }
        }

        impl ::core::convert::TryFrom<u8> for $name {
            type Error = UnknownValue;

            fn try_from(value: u8) -> ::core::result::Result<Self, Self::Error> {
                Self::try_from(u32::from(value))
            }
        }
    };
}

pub(super) use user_enum;
