// SPDX-License-Identifier: GPL-2.0

//! Making vouchers, and what they tell (ABI mig §3.5, 222 and 5400-5403). No locks.

use super::{
    object::Voucher,
    recipe::{
        self,
        CONTENT_MAX,
        RECIPES_MAX,
        USER_DATA, //
    },
    STATE,
};
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
use kernel::prelude::*;
use mach_macros::{
    routine,
    routines, //
};

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    host_create_mach_voucher,
    mach_voucher_extract_attr_content,
    mach_voucher_extract_attr_recipe,
    mach_voucher_extract_all_attr_recipes,
    mach_voucher_attr_command,
];

/// Makes the voucher that recipes describe; none at all describe the null one. Errors as
/// [`recipe::carry_out`].
#[routine(222)]
fn host_create_mach_voucher(
    call: &Call<'_>,
    _host: &HostPort,
    recipes: Bytes<RECIPES_MAX>,
) -> KernResult<Option<SendRight>> {
    if recipes.0.is_empty() {
        return Ok(None);
    }
    let content = recipe::carry_out(call.context(), &recipes.0)?;
    let state = STATE.for_task(call.task());
    let state = state.map_err(|_| KernError::RESOURCE_SHORTAGE)?;
    state.vouchers.get(content).map(Some)
}

/// Tells the content of an attribute; no bytes of one that the voucher does not have.
/// `KERN_NO_SPACE` without room for it.
#[routine(5400)]
fn mach_voucher_extract_attr_content(
    _call: &Call<'_>,
    voucher: &Voucher,
    key: u32,
    room: u32,
) -> KernResult<Bytes<CONTENT_MAX>> {
    let content = voucher.content().bytes().filter(|_| key == USER_DATA);
    let content = content.unwrap_or_default();
    // CAST: `u32` to `usize` loses nothing.
    if content.len() > CONTENT_MAX.min(room as usize) {
        return Err(KernError::NO_SPACE);
    }
    let mut copy = KVec::with_capacity(content.len(), GFP_KERNEL_ACCOUNT)?;
    copy.extend_from_slice(content, GFP_KERNEL_ACCOUNT)?;
    Ok(Bytes(copy))
}

/// Tells how an attribute can be had again; no bytes for one that the voucher does not have.
/// `KERN_NO_SPACE` without room for it.
#[routine(5401)]
fn mach_voucher_extract_attr_recipe(
    _call: &Call<'_>,
    voucher: &Voucher,
    key: u32,
    room: u32,
) -> KernResult<Bytes<CONTENT_MAX>> {
    // CAST: A small number.
    let room = room.min(CONTENT_MAX as u32);
    recipe::describe(voucher.content(), key, room).map(Bytes)
}

/// As [`mach_voucher_extract_attr_recipe`], for all attributes.
#[routine(5402)]
fn mach_voucher_extract_all_attr_recipes(
    _call: &Call<'_>,
    voucher: &Voucher,
    room: u32,
) -> KernResult<Bytes<RECIPES_MAX>> {
    // CAST: As above.
    let room = room.min(RECIPES_MAX as u32);
    recipe::describe(voucher.content(), USER_DATA, room).map(Bytes)
}

/// Has the manager of a key do something with an attribute. That of user data does nothing:
/// `KERN_FAILURE`; there are no others: `KERN_INVALID_ARGUMENT`.
#[routine(5403)]
fn mach_voucher_attr_command(
    _call: &Call<'_>,
    _voucher: &Voucher,
    key: u32,
    _command: u32,
    _content: Bytes<CONTENT_MAX>,
    _room: u32,
) -> KernResult<Bytes<CONTENT_MAX>> {
    Err(match key {
        USER_DATA => KernError::FAILURE,
        _ => KernError::INVALID_ARGUMENT,
    })
}
