// SPDX-License-Identifier: GPL-2.0

//! Recipes: how a voucher is described, step by step (XNU osfmk/mach/mach_voucher_types.h). No
//! locks.

use super::object::{
    Content,
    Voucher, //
};
use crate::{
    abi::PortName,
    core::{
        Context,
        KernError,
        KernResult, //
    },
    traps::ipc::{
        as_kind,
        object_named,
        KernelObject, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use zerocopy::{
    FromBytes,
    IntoBytes, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes, //
};

/// The most bytes of the recipes of one voucher.
pub(super) const RECIPES_MAX: usize = 5120;

/// The most bytes of one recipe, and of one attribute, in a message.
pub(super) const CONTENT_MAX: usize = 4096;

/// The key of user data.
pub(super) const USER_DATA: u32 = 7;

/// All keys.
const ALL: u32 = u32::MAX;

mod command {
    pub(super) const COPY: u32 = 1;
    pub(super) const REMOVE: u32 = 2;
    pub(super) const SET_VALUE_HANDLE: u32 = 3;
    pub(super) const REDEEM: u32 = 4;
    /// For the manager of user data.
    pub(super) const STORE: u32 = 211;
}

/// The start of a recipe; the content follows.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Head {
    key: u32,
    command: u32,
    previous: PortName,
    content_size: u32,
}

/// Bytes of that.
const HEAD_SIZE: usize = size_of::<Head>();

/// What the recipes in `bytes`, carried out one after the other, make of the empty voucher; names in
/// them are the caller's.
///
/// `KERN_INVALID_CAPABILITY` for a name that is not that of a voucher, and for what managers alone
/// may do; `KERN_INVALID_ARGUMENT` for what is no recipe, and for keys without a manager.
pub(super) fn carry_out(context: &Context<'_>, bytes: &[u8]) -> KernResult<Content> {
    let mut made = Content::NONE;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (head, after) =
            Head::read_from_prefix(rest).map_err(|_| KernError::INVALID_ARGUMENT)?;
        // CAST: `u32` to `usize` loses nothing.
        let (content, after) = after
            .split_at_checked(head.content_size as usize)
            .ok_or(KernError::INVALID_ARGUMENT)?;
        rest = after;
        let previous = previous(context, head.previous)?;
        let previous = previous.as_ref().and_then(|object| as_kind(&**object));
        step(&mut made, &head, previous.map(Voucher::content), content)?;
    }
    Ok(made)
}

/// The voucher that the caller calls `name`; none for null.
fn previous(context: &Context<'_>, name: PortName) -> KernResult<Option<Arc<dyn KernelObject>>> {
    if name == PortName::NULL {
        return Ok(None);
    }
    object_named(context, name)
        .ok()
        .filter(|object| as_kind::<Voucher>(&**object).is_some())
        .map(Some)
        .ok_or(KernError::INVALID_CAPABILITY)
}

/// Carries one recipe out on what has been made so far.
fn step(made: &mut Content, head: &Head, previous: Option<&Content>, content: &[u8]) -> KernResult {
    let concerns_us = head.key == USER_DATA || head.key == ALL;
    match head.command {
        command::COPY | command::REMOVE if !content.is_empty() => {
            return Err(KernError::INVALID_ARGUMENT)
        }
        command::COPY => {
            if let Some(previous) = previous.filter(|_| concerns_us) {
                *made = previous.clone();
            }
        }
        // With a voucher, only what it holds too.
        command::REMOVE => {
            if concerns_us && previous.is_none_or(|previous| previous == made) {
                *made = Content::NONE;
            }
        }
        command::SET_VALUE_HANDLE => return Err(KernError::INVALID_CAPABILITY),
        // User data is redeemed for itself.
        command::REDEEM if concerns_us => {
            if let Some(previous) = previous.filter(|previous| previous.bytes().is_some()) {
                *made = previous.clone();
            }
        }
        command::STORE if head.key == USER_DATA => *made = Content::of(content)?,
        _ => return Err(KernError::INVALID_ARGUMENT),
    }
    Ok(())
}

/// The recipe for what a voucher holds of `key`: no bytes if that is nothing. `KERN_NO_SPACE` without
/// `room` for it.
pub(super) fn describe(content: &Content, key: u32, room: u32) -> KernResult<KVec<u8>> {
    let mut recipe = KVec::new();
    let Some(bytes) = content.bytes().filter(|_| key == USER_DATA) else {
        return Ok(recipe);
    };
    let size = HEAD_SIZE.saturating_add(bytes.len());
    // CAST: `u32` to `usize` loses nothing.
    if size > room as usize {
        return Err(KernError::NO_SPACE);
    }
    let head = Head {
        key,
        command: command::STORE,
        previous: PortName::NULL,
        // CAST: a few thousand at most.
        content_size: bytes.len() as u32,
    };
    recipe.extend_from_slice(head.as_bytes(), GFP_KERNEL_ACCOUNT)?;
    recipe.extend_from_slice(bytes, GFP_KERNEL_ACCOUNT)?;
    Ok(recipe)
}
