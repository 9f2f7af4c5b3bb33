// SPDX-License-Identifier: GPL-2.0

//! The filter of messages at ports and port sets (ABI traps §10.4).
//!
//! Without `MACH_RCV_MSG` an event tells that there is a message, which stays where it is; with it
//! the event brings the message: into a buffer of the knote's own, or into the area of the call.
//!
//! Source of the behaviour: XNU osfmk/ipc/ipc_pset.c, `filt_machport*`. Unlike there, a set's event
//! with `EV_CLEAR` is reported once for each message and not again and again.
//!
//! Locks: that of the port or set, then `Kqueue::ready`.

use super::{
    errno::Errno,
    filter::{
        Activity,
        Adding,
        Asked,
        Filter, //
    },
    knote::{
        Hook,
        State, //
    },
};
use crate::{
    abi::{
        kevent::Kevent,
        msg::option,
        PortName,
        UserAddr, //
    },
    traps::ipc::{
        watch_messages,
        MessageWatch,
        MessageWatcher,
        NotWatched, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The options of `mach_msg` that have a meaning here.
const OPTIONS: u32 = option::MACH_RCV_MSG
    | option::MACH_RCV_LARGE
    | option::MACH_RCV_LARGE_IDENTITY
    | option::MACH_RCV_VOUCHER
    | option::MACH_MSG_STRICT_REPLY
    | 0xff << option::TRAILER_ELEMENTS_SHIFT;

/// A port or set that is watched.
pub(super) struct MachPort(MessageWatch);

struct PortHook(Hook);

impl MessageWatcher for PortHook {
    fn queued(&self) {
        self.0.activate();
    }

    fn gone(&self) {
        self.0.vanish();
    }
}

impl From<NotWatched> for Errno {
    fn from(reason: NotWatched) -> Self {
        match reason {
            NotWatched::NoName => Self::ENOENT,
            NotWatched::NotReceived => Self::ENOTSUP,
            NotWatched::NoMemory => Self::ENOMEM,
        }
    }
}

impl Filter for MachPort {
    fn attach(adding: Adding<'_>, _state: &mut State) -> Result<(Self, Activity), Errno> {
        let name = u32::try_from(adding.change.ident).map_err(|_| Errno::ENOENT)?;
        let watcher = Arc::new(PortHook(adding.hook), GFP_KERNEL_ACCOUNT)?;
        let watch = watch_messages(adding.context, PortName(name), watcher)?;
        let activity = Activity::of(watch.peek(adding.context).is_some());
        Ok((Self(watch), activity))
    }

    fn touch(&mut self, change: &Kevent, asked: Asked<'_>) -> Result<Activity, Errno> {
        let Asked { state, context, .. } = asked;
        let [address, size, ..] = change.ext;
        state.fflags = change.fflags;
        state.ext = [address, size, 0, 0];
        Ok(Activity::of(self.0.peek(context).is_some()))
    }

    fn process(&mut self, event: &mut Kevent, asked: Asked<'_>) -> Activity {
        let [address, size, priorities, _] = asked.state.ext;
        event.ext = [address, size, priorities, 0];
        let options = asked.state.fflags & OPTIONS;
        if options & option::MACH_RCV_MSG != 0 {
            return self.receive(address, size, options, event, asked);
        }
        let Some(polled) = self.0.peek(asked.context) else {
            return Activity::Quiet;
        };
        if self.0.is_set() {
            event.data = polled.port.0.into();
        }
        Activity::Active
    }
}

impl MachPort {
    fn receive(
        &self,
        address: u64,
        size: u64,
        mut options: u32,
        event: &mut Kevent,
        asked: Asked<'_>,
    ) -> Activity {
        // CAST: A size has 32 bits, as in `mach_msg`.
        let own_size = size as u32;
        let Asked { context, area, .. } = asked;
        let from_area = own_size == 0;
        let (address, size, at_end) = if from_area {
            options |= option::MACH_RCV_LARGE | option::MACH_RCV_LARGE_IDENTITY;
            let size = u32::try_from(area.size).unwrap_or(u32::MAX);
            (area.address, size, area.is_stack)
        } else {
            (address, own_size, false)
        };
        let received = self
            .0
            .receive(context, UserAddr(address), size, options, at_end);
        let Some(received) = received else {
            return Activity::Quiet;
        };
        // CAST: Codes are positive.
        event.fflags = received
            .result
            .map_or_else(|error| error.code() as u32, |()| 0);
        event.data = match options & option::MACH_RCV_LARGE_IDENTITY {
            0 => 0,
            _ => received.port.0.into(),
        };
        let used = u64::from(received.size);
        event.ext = [received.address.0, used, 0, 0];
        let is_kept = received.port != PortName::NULL;
        if from_area && !is_kept {
            area.use_up(used);
        }
        Activity::Active
    }
}
