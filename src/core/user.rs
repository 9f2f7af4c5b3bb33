// SPDX-License-Identifier: GPL-2.0

//! User memory: the only way from an alleged address to its contents.
//!
//! Everything is read once and then worked on as a copy, so that user space cannot change a value
//! between its check and its use.
//!
//! What cannot be read or written is a [`Fault`]; a part of it may have been written then.
//!
//! Locks: none may be held around any of these: they can sleep and fault.

use crate::{
    abi::{
        args::ArgStruct,
        compat::Narrow,
        UserAddr, //
    },
    linux::{
        current::is_compat_call,
        usercopy, //
    },
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
    usercopy::read_value(value.as_mut_bytes(), number(address)?).map_err(|_| Fault)?;
    Ok(value)
}

/// Fills `bytes`.
#[inline]
pub(crate) fn read_bytes(address: UserAddr, bytes: &mut [u8]) -> Result<(), Fault> {
    usercopy::copy_from_user(bytes, number(address)?).map_err(|_| Fault)
}

/// Reads an argument structure, in the layout of the caller's width.
#[inline]
pub(crate) fn read_args<T: ArgStruct>(address: UserAddr) -> Result<T, Fault> {
    match T::NARROW {
        Some(narrow) if is_compat_call() => read_narrow(address, narrow),
        _ => read(address),
    }
}

#[cold]
fn read_narrow<T: ArgStruct>(address: UserAddr, narrow: &Narrow) -> Result<T, Fault> {
    let (mut raw, mut value) = (T::new_zeroed(), T::new_zeroed());
    // The narrow form has fewer bytes.
    let bytes = raw.as_mut_bytes().get_mut(..narrow.size).ok_or(Fault)?;
    read_bytes(address, bytes)?;
    narrow.widen(bytes, value.as_mut_bytes());
    Ok(value)
}

/// Writes an argument structure, in the layout of the caller's width.
#[inline]
pub(crate) fn write_args<T: ArgStruct>(address: UserAddr, value: &T) -> Result<(), Fault> {
    match T::NARROW {
        Some(narrow) if is_compat_call() => write_narrow(address, value, narrow),
        _ => write(address, value),
    }
}

#[cold]
fn write_narrow<T: ArgStruct>(address: UserAddr, value: &T, narrow: &Narrow) -> Result<(), Fault> {
    let mut raw = T::new_zeroed();
    let bytes = raw.as_mut_bytes().get_mut(..narrow.size).ok_or(Fault)?;
    narrow.narrow(value.as_bytes(), bytes);
    write_bytes(address, bytes)
}

/// Writes a value.
#[inline]
pub(crate) fn write<T: IntoBytes + Immutable>(address: UserAddr, value: &T) -> Result<(), Fault> {
    usercopy::write_value(number(address)?, value.as_bytes()).map_err(|_| Fault)
}

/// Writes `bytes`.
#[inline]
pub(crate) fn write_bytes(address: UserAddr, bytes: &[u8]) -> Result<(), Fault> {
    usercopy::copy_to_user(number(address)?, bytes).map_err(|_| Fault)
}
