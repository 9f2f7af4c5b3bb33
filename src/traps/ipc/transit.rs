// SPDX-License-Identifier: GPL-2.0

//! Receive rights on their way in messages.
//!
//! A port whose receive right waits in another port's queue can be received only after that one's
//! is. Were such a chain to close, nobody could ever receive any of it, and it would stay for ever;
//! so whoever closes it has its message dropped instead (XNU osfmk/ipc/ipc_port.c,
//! `ipc_port_check_circularity`).
//!
//! Locks: `Transit::lock` (mutex), the outermost of all in [`super`].

use super::port::{
    Port,
    Receiver, //
};
use crate::linux::global::{
    Global,
    Published, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// Held while a receive right enters a message, so that chains are looked at one at a time.
#[pin_data]
pub(super) struct Transit {
    #[pin]
    lock: Mutex<()>,
}

static TRANSIT: Global<Transit> = Global::new();

/// Makes what [`begin`] needs, for as long as the result is kept.
pub(super) fn publish() -> Result<Published<Transit>> {
    let transit = Arc::pin_init(
        pin_init!(Transit {
            lock <- new_mutex!((), "Transit::lock"),
        }),
        GFP_KERNEL,
    )?;
    TRANSIT.publish(transit)
}

/// Notes that the receive right of `port` goes into a message to `destination`. False if that would
/// close a chain; the message must not be queued then.
pub(super) fn begin(port: &Arc<Port>, destination: &Arc<Port>) -> bool {
    // It is there as long as the subsystem, and with it any port.
    let Some(transit) = TRANSIT.get() else {
        return false;
    };
    let _lock = transit.lock.lock();
    let mut at = destination.clone();
    loop {
        if Arc::ptr_eq(&at, port) {
            return false;
        }
        let next = at.with(|state| match &state.receiver {
            Receiver::Transit(next) => next.clone(),
            _ => None,
        });
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    let previous = port.with(|state| match &mut state.receiver {
        Receiver::Transit(to) => to.replace(destination.clone()),
        _ => None,
    });
    drop(previous);
    true
}
