// SPDX-License-Identifier: GPL-2.0

//! Traps that make ports to measure, guard them, take them apart and tell about them (ABI traps
//! §5.3, §5.5).
//!
//! In XNU a violated guard is an exception for the task as well; the contract has the return code
//! alone.
//!
//! Locks: `Space::table`, then `Port::state`, see [`super`].

use super::{
    names_traps::{
        new_receive_right,
        own_space,
        target_space, //
    },
    port::{
        Guard,
        Port,
        PortState, //
    },
    right::SendRight,
    space::Space,
    THREAD, //
};
use crate::{
    abi::{
        args::{
            MachPortConstructArgs,
            MachPortDestructArgs,
            MachPortGetAttributesArgs,
            MachPortGuardArgs,
            MachPortUnguardArgs, //
        },
        nr,
        port::{
            flavor,
            options,
            status_flags,
            PortInfoExt,
            PortLimits,
            PortOptions,
            PortStatus,
            MACH_PORT_QLIMIT_MAX, //
        },
        PortName,
        UserAddr, //
    },
    core::{
        user,
        Context,
        KernError,
        KernResult,
        TrapDescriptor, //
    },
};
use core::mem::size_of;
use kernel::sync::{
    atomic::ordering::Relaxed,
    Arc, //
};
use mach_macros::{
    trap,
    traps, //
};
use zerocopy::{
    FromZeros,
    IntoBytes, //
};

use super::error::SEND_INVALID_DATA;

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] = traps![
    mach_port_construct,
    mach_port_destruct,
    mach_port_guard,
    mach_port_unguard,
    mach_port_get_attributes,
    thread_get_special_reply_port,
];

/// Makes a port as its options say. If the name cannot be written to the caller's memory, all that
/// was made is taken back.
#[trap(nr::MACH_PORT_CONSTRUCT)]
fn mach_port_construct(context: &Context<'_>, args: MachPortConstructArgs) -> KernResult {
    // The options are looked at even before the task.
    let wanted: PortOptions = user::read(args.options).map_err(|_| SEND_INVALID_DATA)?;
    let space = target_space(context, args.task_right_name)?;
    let name = construct(space, &wanted, args.context)?;
    user::write(args.port_right_name_out, &name).map_err(|fault| {
        let sends = wanted.flags & options::MPO_INSERT_SEND_RIGHT != 0;
        // Another thread may have dropped it already.
        let _ = space.with(|table| table.destruct(name, -i32::from(sends), args.context));
        fault.into()
    })
}

/// Makes a port as `wanted` says.
pub(super) fn construct(space: &Space, wanted: &PortOptions, context: u64) -> KernResult<PortName> {
    let right = new_receive_right()?;
    let port = right.port().clone();
    apply(&port, wanted, context)?;
    let send = (wanted.flags & options::MPO_INSERT_SEND_RIGHT != 0).then(|| SendRight::make(&port));
    space.insert_receive_and_send(right, send)
}

/// Sets up a new port. Unknown flags are ignored, as are those about importance.
fn apply(port: &Port, wanted: &PortOptions, context: u64) -> KernResult {
    let has = |flag| wanted.flags & flag != 0;
    port.with(|state| {
        state.context = context;
        if has(options::MPO_CONTEXT_AS_GUARD) {
            state.guard = Some(if has(options::MPO_STRICT) {
                Guard::Strict
            } else {
                Guard::Plain
            });
            state.immovable = has(options::MPO_IMMOVABLE_RECEIVE);
        }
    });
    if has(options::MPO_QLIMIT) {
        set_limits(port, wanted.limits)?;
    }
    Ok(())
}

/// Sets the limits that a task can set. `KERN_INVALID_VALUE` beyond the largest.
pub(super) fn set_limits(port: &Port, limits: PortLimits) -> KernResult {
    if limits.qlimit > MACH_PORT_QLIMIT_MAX {
        return Err(KernError::INVALID_VALUE);
    }
    port.set_limit(limits.qlimit);
    Ok(())
}

/// Drops a receive right, whose guard the caller must know, and some of the references of the send
/// right under the same name.
#[trap(nr::MACH_PORT_DESTRUCT)]
fn mach_port_destruct(context: &Context<'_>, args: MachPortDestructArgs) -> KernResult {
    let space = target_space(context, args.task_right_name)?;
    // CAST: the low half is a signed number, see `abi/structs.csv`.
    let srdelta = args.srdelta as u32 as i32;
    space.with(|table| table.destruct(args.port_right_name, srdelta, args.guard))
}

/// Guards a receive right with a value, which must be known to drop it.
#[trap(nr::MACH_PORT_GUARD)]
fn mach_port_guard(context: &Context<'_>, args: MachPortGuardArgs) -> KernResult {
    let space = target_space(context, args.task_right_name)?;
    guard(
        space,
        args.port_right_name,
        args.guard,
        args.strict != 0,
        false,
    )
}

/// Guards the receive right `name` with `value`. `KERN_INVALID_ARGUMENT` if it has a context; a guard
/// of zero is replaced, as in XNU.
pub(super) fn guard(
    space: &Space,
    name: PortName,
    value: u64,
    strict: bool,
    immovable: bool,
) -> KernResult {
    let port = space.with(|table| table.receive_port(name))?;
    port.with(|state| {
        if state.context != 0 {
            return Err(KernError::INVALID_ARGUMENT);
        }
        state.context = value;
        state.guard = Some(if strict { Guard::Strict } else { Guard::Plain });
        // Once immovable, a right is that until it dies.
        state.immovable |= immovable;
        Ok(())
    })
}

/// Takes the guard off a receive right.
#[trap(nr::MACH_PORT_UNGUARD)]
fn mach_port_unguard(context: &Context<'_>, args: MachPortUnguardArgs) -> KernResult {
    let space = target_space(context, args.task_right_name)?;
    unguard(space, args.port_right_name, args.guard)
}

/// Takes the guard `value` off the receive right `name`. `KERN_INVALID_ARGUMENT` if it is another.
pub(super) fn unguard(space: &Space, name: PortName, value: u64) -> KernResult {
    let port = space.with(|table| table.receive_port(name))?;
    port.with(|state| {
        if state.guard.is_none() || state.context != value {
            return Err(KernError::INVALID_ARGUMENT);
        }
        state.context = 0;
        state.guard = None;
        Ok(())
    })
}

/// Tells about a receive right. `count_out` says for how many words there is room, and then how
/// many were written.
#[trap(nr::MACH_PORT_GET_ATTRIBUTES)]
fn mach_port_get_attributes(context: &Context<'_>, args: MachPortGetAttributesArgs) -> KernResult {
    let space = target_space(context, args.task_right_name)?;
    let count: u32 = user::read(args.count_out).map_err(|_| SEND_INVALID_DATA)?;
    let mut words = PortInfoExt::new_zeroed();
    let written = attributes(space, args.port_right_name, args.flavor, count, &mut words)?;
    // CAST: at most 17 words; `u32` to `usize` loses nothing.
    let length = written as usize * size_of::<u32>();
    let bytes = words.as_bytes().get(..length).unwrap_or_default();
    user::write(UserAddr({ args.count_out }.0), &written)?;
    Ok(user::write_bytes(args.info_out, bytes)?)
}

/// Fills the first words of `words` as `flavor` says, and returns how many.
pub(super) fn attributes(
    space: &Space,
    name: PortName,
    wanted: i32,
    count: u32,
    words: &mut PortInfoExt,
) -> KernResult<u32> {
    let needed = match wanted {
        flavor::MACH_PORT_LIMITS_INFO => words_of::<PortLimits>(),
        flavor::MACH_PORT_RECEIVE_STATUS => words_of::<PortStatus>(),
        flavor::MACH_PORT_DNREQUESTS_SIZE => words_of::<u32>(),
        flavor::MACH_PORT_INFO_EXT => words_of::<PortInfoExt>(),
        _ => return Err(KernError::INVALID_ARGUMENT),
    };
    if count < needed {
        return Err(KernError::FAILURE);
    }
    if !name.is_valid() {
        // XNU osfmk/ipc/mach_port.c: two of the flavors have an answer for no port.
        return match wanted {
            flavor::MACH_PORT_LIMITS_INFO => Ok(0),
            flavor::MACH_PORT_DNREQUESTS_SIZE => Ok(needed),
            _ => Err(KernError::INVALID_RIGHT),
        };
    }
    let port = space.with(|table| table.receive_port(name))?;
    port.with(|state| match wanted {
        // The first word of all flavors is the first of the status.
        flavor::MACH_PORT_LIMITS_INFO => words.status.pset = state.limit,
        flavor::MACH_PORT_DNREQUESTS_SIZE => {
            words.status.pset = u32::try_from(state.requests.slots()).unwrap_or(u32::MAX);
        }
        _ => words.status = status(&port, state),
    });
    Ok(needed)
}

/// The number of words of a structure.
const fn words_of<T>() -> u32 {
    // CAST: these structures have a few words.
    (size_of::<T>() / size_of::<u32>()) as u32
}

/// What a port tells of itself.
fn status(port: &Arc<Port>, state: &PortState) -> PortStatus {
    let mut flags = 0;
    if let Some(guard) = state.guard {
        flags |= status_flags::MACH_PORT_STATUS_FLAG_GUARDED;
        if guard == Guard::Strict {
            flags |= status_flags::MACH_PORT_STATUS_FLAG_STRICT_GUARD;
        }
    }
    PortStatus {
        pset: u32::from(!state.memberships.is_empty()),
        seqno: state.seqno,
        mscount: port.make_send_count.load(Relaxed),
        qlimit: state.limit,
        msgcount: state.queued(),
        sorights: port.send_once_rights.load(Relaxed),
        srights: u32::from(port.send_rights.load(Relaxed) != 0),
        pdrequest: u32::from(state.port_destroyed.is_some()),
        nsrequest: u32::from(state.no_senders.is_some()),
        flags,
    }
}

/// Makes a port for the replies to the calling thread, with a receive and a send right under one
/// name. The one that the thread had is an ordinary port from then on.
#[trap(nr::THREAD_GET_SPECIAL_REPLY_PORT)]
fn thread_get_special_reply_port(context: &Context<'_>) -> PortName {
    special_reply_port(context).unwrap_or(PortName::NULL)
}

fn special_reply_port(context: &Context<'_>) -> KernResult<PortName> {
    let space = own_space(context)?;
    let thread = THREAD
        .of_thread(context.thread())
        .ok_or(KernError::FAILURE)?;
    let right = new_receive_right()?;
    let port = right.port().clone();
    let send = SendRight::make(&port);
    let name = space.insert_receive_and_send(right, Some(send))?;
    thread.bind_special_reply(Some(port));
    Ok(name)
}
