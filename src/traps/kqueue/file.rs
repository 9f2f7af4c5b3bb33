// SPDX-License-Identifier: GPL-2.0

//! The file of a kqueue, which can be polled and closed (ABI traps §10.1).
//!
//! A kqueue is of use to its task only. Who gets the descriptor otherwise can poll it and close it;
//! a child closes what it inherited when it becomes a task.
//!
//! Locks: none but those of the objects.

use super::{
    errno::Errno,
    nested::Nested,
    object::{
        Kqueue,
        KqueueBorrow,
        KqueueRef, //
    },
    task::TaskKqueues, //
};
use crate::{
    abi::kevent::filter,
    core::{
        Context,
        Task, //
    },
    linux::{
        deferred::Deferred,
        files::ReservedFd,
        pollable::{
            self,
            PollableFile, //
        },
        wait::WaitQueue, //
    },
};
use kernel::{
    fs::{
        file::flags::O_CLOEXEC,
        File, //
    },
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
};

/// The files of kqueues.
struct KqueueFile;

impl PollableFile for KqueueFile {
    type Private = KqueueRef;

    fn pollers<'a>(kqueue: &'a ArcBorrow<'_, Deferred<Kqueue>>) -> &'a WaitQueue {
        kqueue.pollers()
    }

    fn is_readable(kqueue: ArcBorrow<'_, Deferred<Kqueue>>) -> bool {
        kqueue.poll()
    }

    fn closed(kqueue: ArcBorrow<'_, Deferred<Kqueue>>) {
        kqueue.descriptor_closed();
    }

    fn release(kqueue: KqueueRef) {
        kqueue.siblings.remove(&kqueue);
        kqueue.close();
    }
}

/// Makes a kqueue of the calling task and gives it the lowest free descriptor, which exec closes.
/// Fails with `ENOMEM`, `EMFILE`, `ENFILE`.
pub(super) fn create(context: &Context<'_>) -> Result<u32> {
    let siblings = TaskKqueues::of(context)?;
    let fd = ReservedFd::get_unused_fd_flags(O_CLOEXEC)?;
    let kqueue = Kqueue::new(context.task(), siblings)?;
    let file = pollable::new_file::<KqueueFile>(c"kqueue", kqueue.clone())?;
    siblings.add(&kqueue)?;
    let number = fd.reserved_fd();
    fd.fd_install(file);
    Ok(number)
}

/// The kqueue of `file`, if it is one of the calling task. `EBADF`.
#[inline]
pub(super) fn kqueue_of<'a>(
    context: &Context<'_>,
    file: &'a File,
) -> Result<KqueueBorrow<'a>, Errno> {
    let kqueue = pollable::private_of::<KqueueFile>(file).ok_or(Errno::EBADF)?;
    match kqueue.is_of(context.task()) {
        true => Ok(kqueue),
        false => Err(Errno::EBADF),
    }
}

/// How many knotes are active in the kqueue whose file this is, if it is that of one.
pub(super) fn queued(file: &File) -> Option<usize> {
    Some(pollable::private_of::<KqueueFile>(file)?.queued())
}

/// The kqueue that `watched` is the file of, if it is one, and can be watched by `kqueue`: by the
/// filter for reading, and without a circle. `EINVAL`, and `EBADF` for a kqueue of another task.
pub(super) fn nested<'a>(
    context: &Context<'_>,
    kqueue: &'a KqueueBorrow<'_>,
    watched: &File,
    filter: i16,
) -> Result<Option<Nested<'a>>, Errno> {
    if pollable::private_of::<KqueueFile>(watched).is_none() {
        return Ok(None);
    }
    let child = kqueue_of(context, watched)?;
    if filter != filter::READ {
        return Err(Errno::EINVAL);
    }
    Nested::new(kqueue, child.into()).map(Some)
}

/// Closes the descriptors of the current process, a child of that of `parent`, that refer to
/// kqueues of its parent.
pub(super) fn close_inherited(parent: &Task) {
    let Some(siblings) = TaskKqueues::of_task(parent) else {
        return;
    };
    if !siblings.is_empty() {
        pollable::close_all::<KqueueFile>(|kqueue| Arc::ptr_eq(&kqueue.siblings, siblings));
    }
}
