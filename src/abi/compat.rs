// SPDX-License-Identifier: GPL-2.0

//! How 32-bit clients lay out argument structures: pointers have four bytes there.
//!
//! Serves the copy of arguments from and to user space, which is the only place that knows of two
//! layouts; traps see the wide one. The table is generated from the data in `abi/` by
//! `scripts/gen-abi-compat`. Pure, no locks.

use ::core::ops::Range;

/// The layout of a structure for 32-bit clients.
pub struct Narrow {
    /// Bytes of it.
    pub size: usize,
    /// Bytes of the structure as traps see it.
    pub wide_size: usize,
    /// Its members. No two have bytes in common, in either layout.
    pub members: &'static [Member],
}

/// Where a member is, in bytes from the start.
pub struct Member {
    /// As traps see it.
    pub wide: Range<usize>,
    /// For 32-bit clients; no more bytes than in `wide`.
    pub narrow: Range<usize>,
}

impl Narrow {
    /// Makes the wide form of what a client wrote. All numbers grow by zeroes, as addresses do.
    ///
    /// `wide` must be zero, and both as long as the layout says; otherwise bytes are missing.
    pub fn widen(&self, narrow: &[u8], wide: &mut [u8]) {
        for member in self.members {
            copy(narrow, &member.narrow, wide, &member.wide);
        }
    }

    /// Makes of the wide form what a client reads. What has no room is cut off.
    pub fn narrow(&self, wide: &[u8], narrow: &mut [u8]) {
        for member in self.members {
            copy(wide, &member.wide, narrow, &member.narrow);
        }
    }
}

/// Copies as many bytes as both have. The first is the lowest.
fn copy(from: &[u8], at: &Range<usize>, to: &mut [u8], there: &Range<usize>) {
    let from = from.get(at.clone()).unwrap_or_default();
    let to = to.get_mut(there.clone()).unwrap_or_default();
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// A constant for each structure, called as the structure is.
#[allow(non_upper_case_globals)]
pub mod layouts {
    use super::{
        Member,
        Narrow, //
    };

    include!(concat!(
        env!("MACH_OBJTREE"),
        "/src/abi/compat_generated.rs"
    ));
}
