// SPDX-License-Identifier: GPL-2.0

//! The send half of `mach_msg` (ABI traps §6.3, §6.4; XNU osfmk/ipc/ipc_mqueue.c).
//!
//! Locks: none is held across the calls made here.

use super::{
    account::Account,
    body_in,
    copyin,
    copyout,
    error::*,
    kobject,
    layout::Layout,
    message::Message,
    port_queue::{
        Admission,
        Posted, //
    },
    receive::Source,
    right::{
        Right,
        SendingRight, //
    },
    sender::Sender,
    thread::ThreadIpc,
    Space, //
};
use crate::{
    abi::{
        PortName,
        UserAddr, //
    },
    core::{
        Context,
        Event,
        KernError,
        KernResult, //
    },
    linux::{
        fifo::Node,
        wait::{
            Deadline,
            Woken, //
        },
    },
};
use core::mem;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// How long a send or receive may wait.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    /// Not at all.
    Poll,
    /// Until then, or for ever.
    Until(Option<Deadline>),
}

impl Patience {
    /// The patience of a call with `options`, of which `timed` says that `milliseconds` count.
    #[inline]
    pub(super) fn new(options: u32, timed: u32, milliseconds: u32) -> Self {
        if options & timed == 0 {
            Self::Until(None)
        } else if milliseconds == 0 {
            Self::Poll
        } else {
            let nanoseconds = u64::from(milliseconds).saturating_mul(1_000_000);
            Self::Until(Some(Deadline::after(nanoseconds)))
        }
    }
}

/// What is to be sent.
pub(super) struct Send {
    pub(super) address: UserAddr,
    pub(super) size: u32,
    pub(super) options: u32,
    pub(super) patience: Patience,
    /// The name that the same call receives from, if it does.
    pub(super) receives_from: Option<PortName>,
}

/// Sends a message. Returns what the same call is to receive from, if that has been looked up.
#[inline]
pub(super) fn send(
    context: &Context<'_>,
    space: &Space,
    thread: &ThreadIpc,
    what: &Send,
) -> KernResult<Option<Source>> {
    let size = copyin::check_size(what.size)?;
    let mut message = copyin::buffer(thread.cached.take(), size)?;
    let header = copyin::read(&mut message, what.address)?;
    let receives_from = what.receives_from;
    let source = copyin::header(space, &header, &mut message, what.options, receives_from)?;
    if message.complex {
        body_in::body(space, &mut message, Layout::of(context.task()))?;
    }
    message.sender = Sender::of(context.task());

    let Some(port) = message.destination.right.port() else {
        return Err(SEND_INVALID_DEST);
    };
    if port.is_kernel() {
        let port = port.clone();
        if let Some(object) = port.kernel_object() {
            let routines = &space.special.host().routines;
            kobject::handle(context, routines, &*object, &port, message);
            context.mach().count(Event::MessageSent);
            return Ok(source);
        }
    }
    if message.circular {
        return Ok(source);
    }
    match enqueue(thread, message, &space.account, what.patience) {
        Ok(()) => {
            context.mach().count(Event::MessageSent);
            Ok(source)
        }
        Err((error, mut message)) => {
            let layout = Layout::of(context.task());
            let bits = copyout::give_back(space, &mut message, what.address, layout);
            thread.keep(message);
            Err(error.with_bits(bits))
        }
    }
}

/// Hands `message` to a receiver or queues it, waiting for room as long as `patience` says. On
/// failure the message comes back.
#[inline]
fn enqueue(
    thread: &ThreadIpc,
    mut message: KBox<Node<Message>>,
    account: &Arc<Account>,
    patience: Patience,
) -> Result<(), (KernError, KBox<Node<Message>>)> {
    let admission = match message.destination.right {
        Right::SendOnce(_) => Admission::Always,
        _ => Admission::Limited,
    };
    let right = mem::replace(&mut message.destination.right, Right::Null);
    let Ok(mut right) = SendingRight::new(right) else {
        return Err((SEND_INVALID_DEST, message));
    };
    let (port, counted) = right.parts();
    let error = loop {
        message = match port.post(counted, message, admission, Some(account)) {
            Posted::Handed(receiver) => {
                receiver.wake();
                return Ok(());
            }
            Posted::Queued => return Ok(()),
            // A message to a dead port is sent as far as its sender can tell.
            Posted::Dead(message) => {
                drop(message);
                return Ok(());
            }
            Posted::Overflow(returned) => {
                message = returned;
                break SEND_NO_BUFFER;
            }
            Posted::Full(message) => message,
        };
        let Patience::Until(deadline) = patience else {
            break SEND_TIMED_OUT;
        };
        thread.waiter.begin_send();
        if !port.wait_for_room(&thread.waiter) {
            continue;
        }
        let error = match thread.waiter.sleep(deadline) {
            Woken::Ready => continue,
            Woken::TimedOut => SEND_TIMED_OUT,
            Woken::Interrupted => SEND_INTERRUPTED,
        };
        port.stop_waiting_for_room(&thread.waiter);
        break error;
    };
    message.destination.right = right.into_right();
    Err((error, message))
}
