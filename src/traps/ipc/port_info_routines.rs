// SPDX-License-Identifier: GPL-2.0

//! Routines that tell about ports and spaces, and set what can be set of a port (ABI mig §3.1; XNU
//! osfmk/ipc/mach_port.c and mach_debug.c).
//!
//! Locks: `Space::table`, then `Port::state`, see [`super`].

use super::{
    attributes::{
        self,
        set_limits, //
    },
    entry::Object,
    param::Words,
    port_routines::{
        check_receive_name,
        in_space, //
    },
    routine::{
        Call,
        RoutineDescriptor,
        RoutineResult, //
    },
    space::Space,
    task_port::TaskPort,
    Port, //
};
use crate::{
    abi::{
        port::{
            flavor,
            PortInfoExt,
            PortLimits, //
        },
        PortName, //
    },
    core::{
        KernError,
        KernResult, //
    },
};
use core::mem::size_of;
use kernel::sync::{
    atomic::ordering::Relaxed,
    Arc, //
};
use mach_macros::{
    routine,
    routines, //
};
use zerocopy::FromZeros;

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    mach_port_get_attributes,
    mach_port_set_attributes,
    mach_port_get_srights,
    mach_port_dnrequest_info,
    mach_port_kernel_object,
    mach_port_kobject,
    mach_port_space_basic_info,
];

/// Words of the largest kind of attributes.
const MAX: usize = size_of::<PortInfoExt>() / 4;

/// Tells about a receive right.
#[routine(3217)]
fn mach_port_get_attributes(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
    flavor: i32,
    room: u32,
) -> RoutineResult<Words<MAX>> {
    let mut words = PortInfoExt::new_zeroed();
    let written = in_space(call, task, |space| {
        attributes::attributes(space, name, flavor, room, &mut words)
    })?;
    // CAST: at most 17; `u32` to `usize` loses nothing.
    Ok(Words::of(&words)?.first(written as usize))
}

/// Sets what can be set of a port. What is about importance is accepted: nothing here is scheduled
/// by importance.
#[routine(3218)]
fn mach_port_set_attributes(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
    flavor: i32,
    words: Words<MAX>,
) -> KernResult {
    let first = words.0.first().copied();
    in_space(call, task, |space| {
        let port = || -> KernResult<Arc<Port>> {
            check_receive_name(name)?;
            space.with(|table| table.receive_port(name))
        };
        match flavor {
            flavor::MACH_PORT_LIMITS_INFO => {
                let qlimit = first.ok_or(KernError::FAILURE)?;
                set_limits(&*port()?, PortLimits { qlimit })
            }
            flavor::MACH_PORT_DNREQUESTS_SIZE => {
                first.ok_or(KernError::FAILURE)?;
                // The table grows when it must.
                port().map(drop)
            }
            flavor::MACH_PORT_TEMPOWNER
            | flavor::MACH_PORT_IMPORTANCE_RECEIVER
            | flavor::MACH_PORT_DENAP_RECEIVER => port().map(drop),
            _ => Err(KernError::INVALID_ARGUMENT),
        }
    })
}

/// Tells how many send rights there are to a port.
#[routine(3222)]
fn mach_port_get_srights(call: &Call<'_>, task: &TaskPort, name: PortName) -> KernResult<u32> {
    in_space(call, task, |space| {
        check_receive_name(name)?;
        let port = space.with(|table| table.receive_port(name))?;
        Ok(port.send_rights.load(Relaxed))
    })
}

/// Tells how many requests for notifications a port has room for, and how many it has.
#[routine(3224)]
fn mach_port_dnrequest_info(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
) -> KernResult<(u32, u32)> {
    in_space(call, task, |space| {
        check_receive_name(name)?;
        let port = space.with(|table| table.receive_port(name))?;
        // CAST: a port has not more requests than there are names.
        Ok(port.with(|state| {
            (
                state.requests.slots() as u32,
                state.requests.used() as u32, //
            )
        }))
    })
}

/// The port of a send or receive right.
fn port_of(space: &Space, name: PortName) -> KernResult<Arc<Port>> {
    space.with(|table| {
        table.refresh(name);
        match &table.lookup(name).ok_or(KernError::INVALID_NAME)?.object {
            Object::Send(right) => Ok(right.port().clone()),
            Object::Receive(rights) => Ok(rights.port().clone()),
            _ => Err(KernError::INVALID_RIGHT),
        }
    })
}

/// The number of the kind of object that `name` is a port of.
fn kind_of(space: &Space, name: PortName) -> KernResult<u32> {
    Ok(port_of(space, name)?.kind())
}

/// Tells of what kind of kernel object a name is a port. The address is not told: 0.
#[routine(3225)]
fn mach_port_kernel_object(
    call: &Call<'_>,
    task: &TaskPort,
    name: PortName,
) -> KernResult<(u32, u32)> {
    in_space(call, task, |space| Ok((kind_of(space, name)?, 0)))
}

/// As [`mach_port_kernel_object`], with a wider address.
#[routine(3230)]
fn mach_port_kobject(call: &Call<'_>, task: &TaskPort, name: PortName) -> KernResult<(u32, u64)> {
    in_space(call, task, |space| Ok((kind_of(space, name)?, 0)))
}

/// Tells of a space: which bits of a name are its generation, how many names there is room for now
/// and after the table next grows, and how many there are.
#[routine(3235)]
fn mach_port_space_basic_info(
    call: &Call<'_>,
    task: &TaskPort,
) -> KernResult<(u32, u32, u32, u32, u64)> {
    const GENERATION_MASK: u32 = 0xff;

    in_space(call, task, |space| {
        let size = space.with(|table| Ok(table.size()))?;
        // CAST: a table has at most 2^20 entries.
        let words = |entries: usize| entries as u32;
        let next = words(size.next);
        Ok((
            GENERATION_MASK,
            words(size.entries),
            next,
            words(size.used),
            0,
        ))
    })
}
