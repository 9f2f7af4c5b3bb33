// SPDX-License-Identifier: GPL-2.0

//! How a trap's argument becomes a typed parameter.
//!
//! The argument of an `ioctl` is one word: a value, or the address of a structure that is copied in
//! whole before the trap runs. A bad address is therefore reported before any other error.
//!
//! Locks: none.

use crate::{
    abi::{
        args::ArgStruct,
        PortName,
        UserAddr, //
    },
    core::user::{
        self,
        Fault, //
    },
};
use core::marker::PhantomData;
use kernel::prelude::*;

/// A type that a trap may take as its parameter.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something a trap can take",
    note = "use an argument structure of `abi::args`, `InOut<_>` or `Out<_>` of one, `PortName`, \
            `UserAddr`, `i32` or `u32`"
)]
pub(crate) trait TrapArg: Sized {
    /// Decodes the argument word. Fails if it is the address of what cannot be read.
    fn fetch(arg: usize) -> Result<Self, Fault>;
}

fn address(arg: usize) -> UserAddr {
    // CAST: `usize` has 64 bits on every machine that the module builds for.
    UserAddr(arg as u64)
}

impl<T: ArgStruct> TrapArg for T {
    #[inline]
    fn fetch(arg: usize) -> Result<Self, Fault> {
        user::read_args(address(arg))
    }
}

/// A 32-bit argument; the upper half of the word is not looked at, as in Darling's own module.
impl TrapArg for u32 {
    fn fetch(arg: usize) -> Result<Self, Fault> {
        // CAST: Truncation is what the interface says.
        Ok(arg as u32)
    }
}

impl TrapArg for i32 {
    fn fetch(arg: usize) -> Result<Self, Fault> {
        // CAST: As above; the bits are those of a signed value.
        Ok(arg as i32)
    }
}

/// The address of something that the trap copies in itself.
impl TrapArg for UserAddr {
    fn fetch(arg: usize) -> Result<Self, Fault> {
        Ok(address(arg))
    }
}

impl TrapArg for PortName {
    fn fetch(arg: usize) -> Result<Self, Fault> {
        u32::fetch(arg).map(PortName)
    }
}

/// A structure that the trap reads and then writes back.
pub(crate) struct InOut<T> {
    /// The copy that was read.
    pub(crate) value: T,
    address: UserAddr,
}

impl<T: ArgStruct> TrapArg for InOut<T> {
    fn fetch(arg: usize) -> Result<Self, Fault> {
        let address = address(arg);
        Ok(Self {
            value: user::read_args(address)?,
            address,
        })
    }
}

impl<T: ArgStruct> InOut<T> {
    /// Where the structure is.
    pub(crate) fn address(&self) -> UserAddr {
        self.address
    }

    /// Writes the structure back, all of it. On failure a part of it may have been written.
    pub(crate) fn write_back(&self) -> Result<(), Fault> {
        user::write_args(self.address, &self.value)
    }
}

/// A structure that the trap only writes.
pub(crate) struct Out<T> {
    address: UserAddr,
    _type: PhantomData<T>,
}

impl<T: ArgStruct> TrapArg for Out<T> {
    fn fetch(arg: usize) -> Result<Self, Fault> {
        Ok(Self {
            address: address(arg),
            _type: PhantomData,
        })
    }
}

impl<T: ArgStruct> Out<T> {
    /// Writes the structure. On failure a part of it may have been written.
    pub(crate) fn write(&self, value: &T) -> Result<(), Fault> {
        user::write_args(self.address, value)
    }
}
