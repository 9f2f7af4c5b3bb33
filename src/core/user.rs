// SPDX-License-Identifier: GPL-2.0

//! User memory: the only way from an alleged address to its contents.
//!
//! Everything is read once and then worked on as a copy, so that user space cannot change a value
//! between its check and its use. No lock may be held around any of these: they can sleep and
//! fault.

use crate::{
    abi::UserAddr,
    linux::usercopy, //
};
use kernel::prelude::*;
use zerocopy::{
    FromBytes,
    Immutable,
    IntoBytes, //
};

/// User memory could not be read or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fault;

impl From<Fault> for Error {
    fn from(_: Fault) -> Self {
        EFAULT
    }
}

fn number(address: UserAddr) -> Result<usize, Fault> {
    usize::try_from(address.0).map_err(|_| Fault)
}

/// Reads a value.
#[inline]
pub(crate) fn read<T: FromBytes + IntoBytes>(address: UserAddr) -> Result<T, Fault> {
    let mut value = T::new_zeroed();
    read_bytes(address, value.as_mut_bytes())?;
    Ok(value)
}

/// Fills `bytes`.
#[inline]
pub(crate) fn read_bytes(address: UserAddr, bytes: &mut [u8]) -> Result<(), Fault> {
    usercopy::copy_from_user(bytes, number(address)?).map_err(|_| Fault)
}

/// Writes a value.
#[inline]
pub(crate) fn write<T: IntoBytes + Immutable>(address: UserAddr, value: &T) -> Result<(), Fault> {
    write_bytes(address, value.as_bytes())
}

/// Writes `bytes`.
#[inline]
pub(crate) fn write_bytes(address: UserAddr, bytes: &[u8]) -> Result<(), Fault> {
    usercopy::copy_to_user(number(address)?, bytes).map_err(|_| Fault)
}
