// SPDX-License-Identifier: GPL-2.0

//! The traps on kqueues (ABI traps §10).

use super::{
    call::{
        self,
        Area,
        Call,
        Dialect,
        Patience, //
    },
    change,
    collect::{
        collect,
        Handle, //
    },
    errno::Errno,
    file,
    removal,
    task::TaskKqueues, //
};
use crate::{
    abi::{
        args::{
            ClosingDescriptorArgs,
            Kevent64Args,
            KeventArgs,
            KeventQosArgs, //
        },
        kevent::{
            self,
            ev,
            Kevent,
            Kevent64,
            KeventNarrow,
            KeventWide, //
        },
        nr,
        UserAddr, //
    },
    core::{
        user,
        BsdResult,
        Context,
        RetVal,
        TrapDescriptor, //
    },
    linux::{
        current,
        files::BorrowedFd,
        wait::Deadline, //
    },
};
use kernel::prelude::*;
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] = traps![
    kqueue_create,
    kevent,
    kevent64,
    kevent_qos,
    closing_descriptor,
];

/// After how many changes others get at the processor.
const BATCH: i32 = 64;

/// What all dialects have in common.
struct Request {
    fd: i32,
    changes: UserAddr,
    nchanges: i32,
    events: UserAddr,
    nevents: i32,
    flags: u32,
    patience: Patience,
}

/// Makes a kqueue, and tells its descriptor.
#[trap(nr::KQUEUE_CREATE)]
fn kqueue_create(context: &Context<'_>) -> Result<u32> {
    file::create(context)
}

/// Makes changes and fetches events, in the form of `struct kevent`.
#[trap(nr::KEVENT)]
fn kevent(context: &Context<'_>, args: KeventArgs) -> BsdResult {
    let request = Request {
        fd: args.fd,
        changes: args.changelist,
        nchanges: args.nchanges,
        events: args.eventlist,
        nevents: args.nevents,
        flags: 0,
        patience: patience(context, args.timeout, 0)?,
    };
    match context.task().is_32bit() {
        false => serve::<KeventWide>(context, &request),
        true => serve::<KeventNarrow>(context, &request),
    }
}

/// The same in the form of `struct kevent64_s`, with flags.
#[trap(nr::KEVENT64)]
fn kevent64(context: &Context<'_>, args: Kevent64Args) -> BsdResult {
    check_flags(args.flags)?;
    let request = Request {
        fd: args.fd,
        changes: args.changelist,
        nchanges: args.nchanges,
        events: args.eventlist,
        nevents: args.nevents,
        flags: args.flags,
        patience: patience(context, args.timeout, args.flags)?,
    };
    serve::<Kevent64>(context, &request)
}

/// The same in the form of `struct kevent_qos_s`, with an area for messages that are received.
#[trap(nr::KEVENT_QOS)]
fn kevent_qos(context: &Context<'_>, args: KeventQosArgs) -> BsdResult {
    check_flags(args.flags)?;
    let (address, available) = (args.data_out, args.data_available);
    let is_32bit = context.task().is_32bit();
    let area = match address.is_null() || available.is_null() {
        true => Area::default(),
        false => Area {
            address: address.0,
            size: match is_32bit {
                false => user::read(available).map_err(Errno::from)?,
                true => u64::from(user::read::<u32>(available).map_err(Errno::from)?),
            },
            is_stack: args.flags & kevent::call::STACK_DATA != 0,
        },
    };
    let request = Request {
        fd: args.fd,
        changes: args.changelist,
        nchanges: args.nchanges,
        events: args.eventlist,
        nevents: args.nevents,
        flags: args.flags,
        patience: patience(context, UserAddr::NULL, args.flags)?,
    };
    let mut call = Call::new(context, area);
    let count = run::<Kevent>(&mut call, &request)?;
    if call.area.size != area.size {
        // The events are fetched, so that this fails without a word (XNU `kevent_cleanup`).
        let _ = match is_32bit {
            false => user::write(available, &call.area.size),
            // CAST: It is less than what was read.
            true => user::write(available, &(call.area.size as u32)),
        };
    }
    Ok(RetVal(count))
}

/// The caller is about to close or overwrite a descriptor: events on it end. One that is not open
/// is fine too.
#[trap(nr::CLOSING_DESCRIPTOR)]
fn closing_descriptor(context: &Context<'_>, args: ClosingDescriptorArgs) -> Result {
    if let (Some(siblings), Ok(fd)) = (TaskKqueues::of_task(context.task()), u32::try_from(args.fd))
    {
        siblings.for_each(|kqueue| removal::descriptor_closing(kqueue, fd));
    }
    Ok(())
}

/// Work loops are refused, and the kqueue of the process's work queue.
#[inline]
fn check_flags(flags: u32) -> Result<(), Errno> {
    if flags & kevent::call::ID_USER != 0 {
        return Err(Errno::EINVAL);
    }
    match flags & kevent::call::WORKQ {
        0 => Ok(()),
        _ => Err(Errno::ENOTSUP),
    }
}

/// How long a call is to wait. `EFAULT`, `EINVAL`.
#[inline]
fn patience(context: &Context<'_>, timeout: UserAddr, flags: u32) -> Result<Patience, Errno> {
    const NS_PER_S: u64 = 1_000_000_000;

    if flags & kevent::call::IMMEDIATE != 0 {
        return Ok(Patience::Poll);
    }
    if timeout.is_null() {
        return Ok(Patience::Until(None));
    }
    let (seconds, nanoseconds) = match context.task().is_32bit() {
        false => user::read::<[i64; 2]>(timeout)?.into(),
        true => {
            let (seconds, nanoseconds) = user::read::<[i32; 2]>(timeout)?.into();
            (i64::from(seconds), i64::from(nanoseconds))
        }
    };
    match (u64::try_from(seconds), u64::try_from(nanoseconds)) {
        (Ok(0), Ok(0)) => Ok(Patience::Poll),
        (Ok(seconds), Ok(nanoseconds)) if nanoseconds < NS_PER_S => {
            let total = seconds.saturating_mul(NS_PER_S).saturating_add(nanoseconds);
            Ok(Patience::Until(Some(Deadline::after(total))))
        }
        _ => Err(Errno::EINVAL),
    }
}

#[inline]
fn serve<D: Dialect>(context: &Context<'_>, request: &Request) -> BsdResult {
    let mut call = Call::new(context, Area::default());
    Ok(RetVal(run::<D>(&mut call, request)?))
}

/// Makes the changes, then fetches events, unless there was one to report of a change.
#[inline]
fn run<D: Dialect>(call: &mut Call<'_>, request: &Request) -> Result<u32, Errno> {
    let number = u32::try_from(request.fd).map_err(|_| Errno::EBADF)?;
    let fd = BorrowedFd::get(number)?;
    let kqueue = file::kqueue_of(call.context(), fd.file())?;
    if kqueue.dialect(D::GROUP) != D::GROUP {
        return Err(Errno::EINVAL);
    }

    let room = u32::try_from(request.nevents).unwrap_or(0);
    let (mut changes, mut events) = (request.changes, request.events);
    let mut reports = 0u32;
    let mut changed = None;
    for number in 1..=request.nchanges {
        let mut change = call::read::<D>(&mut changes)?;
        let result = change::apply(kqueue, call, &mut change);
        let is_last = number == request.nchanges;
        let error = match result {
            Ok(knote) => {
                if is_last {
                    changed = knote;
                }
                None
            }
            Err(error) => Some(error),
        };
        if error.is_some() || change.flags & ev::RECEIPT != 0 {
            if reports < room {
                change.flags |= ev::ERROR;
                change.data = error.map_or(0, Errno::data);
                call::write::<D>(&mut events, &change)?;
                reports = reports.wrapping_add(1);
            } else if let Some(error) = error {
                return Err(error);
            }
        }
        if number % BATCH == 0 && !current::yields() {
            return Err(Errno::EINTR);
        }
    }
    if reports != 0 || room == 0 || request.flags & kevent::call::ERROR_EVENTS != 0 {
        return Ok(reports);
    }
    let handle = Handle {
        kqueue,
        number,
        fd: &fd,
    };
    collect::<D>(&handle, call, events, room, request.patience, changed)
}
