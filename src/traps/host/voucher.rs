// SPDX-License-Identifier: GPL-2.0

//! Vouchers, as far as there is anything to put into one (ABI mig §3.5; XNU osfmk/ipc/ipc_voucher.c).
//!
//! A voucher is a set of attributes, each kept by a manager for its key. There are no managers here:
//! importance, bank, activity tracing and thread policy have no counterpart in Linux. So the only
//! voucher there can be is the empty one, which is the null right; a recipe that would put something
//! into a voucher is refused as one for a key without a manager is in XNU.

use crate::{
    core::{
        KernError,
        KernResult, //
    },
    traps::ipc::{
        Bytes,
        Call,
        HostPort,
        RoutineDescriptor,
        SendRight, //
    },
};
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![host_create_mach_voucher];

/// The most bytes of recipes.
const RECIPES_MAX: usize = 5120;

/// The words before the content of a recipe.
struct Recipe {
    command: u32,
    previous: u32,
    content_size: usize,
}

/// Bytes of the words before the content.
const RECIPE_SIZE: usize = 16;

impl Recipe {
    /// Takes the first recipe off `bytes`.
    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (words, rest) = bytes.split_at_checked(RECIPE_SIZE)?;
        let mut words = words.chunks_exact(4).map(|word| {
            let word = <[u8; 4]>::try_from(word).unwrap_or_default();
            u32::from_ne_bytes(word)
        });
        let _key = words.next()?;
        let recipe = Self {
            command: words.next()?,
            previous: words.next()?,
            // CAST: `u32` to `usize` loses nothing.
            content_size: words.next()? as usize,
        };
        *bytes = rest.get(recipe.content_size..)?;
        Some(recipe)
    }

    /// Carries the recipe out on the empty voucher.
    fn apply(&self) -> KernResult {
        const COPY: u32 = 1;
        const REMOVE: u32 = 2;
        const SET_VALUE_HANDLE: u32 = 3;

        if self.previous != 0 {
            // There is no voucher that this could be the name of.
            return Err(KernError::INVALID_CAPABILITY);
        }
        match self.command {
            COPY | REMOVE if self.content_size == 0 => Ok(()),
            SET_VALUE_HANDLE => Err(KernError::INVALID_CAPABILITY),
            _ => Err(KernError::INVALID_ARGUMENT),
        }
    }
}

/// Makes a voucher from recipes: the empty one, if they put nothing into it. `KERN_INVALID_ARGUMENT`
/// for recipes that do, and for what is no recipe; `KERN_INVALID_CAPABILITY` for those that start
/// from another voucher.
#[routine(222)]
fn host_create_mach_voucher(
    _call: &Call<'_>,
    _host: &HostPort,
    recipes: Bytes<RECIPES_MAX>,
) -> KernResult<Option<SendRight>> {
    let mut rest = recipes.0.as_slice();
    while !rest.is_empty() {
        Recipe::take(&mut rest)
            .ok_or(KernError::INVALID_ARGUMENT)?
            .apply()?;
    }
    Ok(None)
}
