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
    message::{
        Message,
        Sender, //
    },
    port::Port,
    port_queue::{
        Admission,
        Posted, //
    },
    right::Right,
    thread::ThreadIpc,
    Space, //
};
use crate::{
    abi::{
        msg::Disposition,
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
    /// The name that the same call receives from, or null.
    pub(super) receives_from: PortName,
}

/// Sends a message. Returns the port that the same call is to receive from, if that is the one
/// for replies, and so has been looked up.
#[inline]
pub(super) fn send(
    context: &Context<'_>,
    space: &Space,
    thread: &ThreadIpc,
    what: &Send,
) -> KernResult<Option<Arc<Port>>> {
    let size = copyin::check_size(what.size)?;
    let mut message = copyin::buffer(thread.cached.take(), size)?;
    let header = copyin::read(&mut message, what.address)?;
    copyin::header(space, &header, &mut message, what.options)?;
    if message.complex {
        body_in::body(space, &mut message, Layout::of(context.task()))?;
    }
    message.sender = Sender::of(context.task());
    let for_replies = match &message.reply.right {
        Right::SendOnce(right)
            if { header.local_port } == what.receives_from
                && header.bits.local() == Disposition::MakeSendOnce.raw() =>
        {
            right.port().cloned()
        }
        _ => None,
    };

    let Some(port) = message.destination.right.port().cloned() else {
        return Err(SEND_INVALID_DEST);
    };
    if port.is_kernel() {
        if let Some(object) = port.kernel_object() {
            let routines = &space.special.host().routines;
            kobject::handle(context, routines, &*object, &port, message);
            context.mach().count(Event::MessageSent);
            return Ok(for_replies);
        }
    }
    if message.circular {
        return Ok(for_replies);
    }
    match enqueue(&port, thread, message, &space.account, what.patience) {
        Ok(()) => {
            context.mach().count(Event::MessageSent);
            Ok(for_replies)
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
    port: &Arc<Port>,
    thread: &ThreadIpc,
    mut message: KBox<Node<Message>>,
    account: &Arc<Account>,
    patience: Patience,
) -> Result<(), (KernError, KBox<Node<Message>>)> {
    let admission = match message.destination.right {
        Right::SendOnce(_) => Admission::Always,
        _ => Admission::Limited,
    };
    loop {
        message = match port.post(message, admission, Some(account)) {
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
            Posted::Overflow(message) => return Err((SEND_NO_BUFFER, message)),
            Posted::Full(message) => message,
        };
        let Patience::Until(deadline) = patience else {
            return Err((SEND_TIMED_OUT, message));
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
        return Err((error, message));
    }
}
