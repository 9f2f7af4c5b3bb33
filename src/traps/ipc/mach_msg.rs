// SPDX-License-Identifier: GPL-2.0

//! The trap that sends and receives messages (ABI traps §6).

use super::{
    receive::{
        receive,
        Receive, //
    },
    send::{
        send,
        Patience,
        Send, //
    },
    SPACE,
    THREAD, //
};
use crate::{
    abi::{
        args::MachMsgOverwriteArgs,
        msg::option,
        nr,
        PortName, //
    },
    core::{
        Context,
        KernError,
        KernResult,
        TrapDescriptor, //
    },
};
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] = traps![mach_msg_overwrite];

/// Sends a message, receives one, or does one after the other. A send that fails is the end.
#[trap(nr::MACH_MSG_OVERWRITE)]
fn mach_msg_overwrite(context: &Context<'_>, args: MachMsgOverwriteArgs) -> KernResult {
    let space = SPACE.of_task(context.task()).ok_or(KernError::FAILURE)?;
    let thread = THREAD
        .of_thread(context.thread())
        .ok_or(KernError::FAILURE)?;
    let options = args.option;
    let mut known = None;

    if options & option::MACH_SEND_MSG != 0 {
        let what = Send {
            address: args.msg,
            size: args.send_size,
            options,
            patience: Patience::new(options, option::MACH_SEND_TIMEOUT, args.timeout),
            receives_from: (options & option::MACH_RCV_MSG != 0).then_some(args.rcv_name),
        };
        known = send(context, space, thread, &what)?;
    }
    if options & option::MACH_RCV_MSG != 0 {
        let address = args.rcv_msg;
        let what = Receive {
            name: args.rcv_name,
            address: if address.is_null() { args.msg } else { address },
            size: args.recv_size,
            options,
            notify: PortName(args.notify),
            patience: Patience::new(options, option::MACH_RCV_TIMEOUT, args.timeout),
        };
        receive(context, space, thread, &what, known)?;
    }
    Ok(())
}
