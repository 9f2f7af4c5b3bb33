// SPDX-License-Identifier: GPL-2.0

//! Paths: the root directory that a task pretends to have, and what files are called (ABI traps
//! §12, and `path_at` of §2).

use crate::{
    abi::{
        args::{
            HandleToPathArgs,
            PathAtArgs,
            VchrootExpandArgs,
            VchrootFdpathArgs, //
        },
        nr,
        UserAddr, //
    },
    core::{
        user,
        Context,
        Manifest,
        Subsystem,
        Vchroot, //
    },
    linux::{
        path::{
            LastLink,
            Path,
            HANDLE_WORDS,
            PATH_MAX, //
        },
        zeroed::zeroed, //
    },
};
use core::mem::{
    offset_of,
    size_of, //
};
use kernel::{
    bindings,
    prelude::*, //
};
use mach_macros::{
    trap,
    traps, //
};
use zerocopy::FromBytes;
use zerocopy_derive::{
    FromBytes,
    IntoBytes, //
};

/// What this subsystem brings along.
pub(crate) static MANIFEST: Manifest = Manifest {
    traps: &[traps![
        path_at,
        vchroot,
        vchroot_expand,
        vchroot_fdpath,
        handle_to_path,
    ]],
    ..Manifest::new("vchroot")
};

/// The subsystem.
pub(crate) struct Paths;

impl Subsystem for Paths {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }
}

/// What `handle_to_path` is asked: the start of [`HandleToPathArgs`], with the handle taken apart.
#[derive(Clone, Copy, FromBytes, IntoBytes)]
#[repr(C)]
struct HandleInput {
    mount: i32,
    /// Bytes of the handle.
    bytes: u32,
    kind: i32,
    words: [u32; HANDLE_WORDS],
}

const _: () = assert!(size_of::<HandleInput>() == offset_of!(HandleToPathArgs, path));

/// Makes the directory of descriptor `fd` the root directory of the caller, as far as it pretends.
/// `EBADF`, `ENOTDIR`; a root that the caller has stays then.
#[trap(nr::VCHROOT)]
fn vchroot(context: &Context<'_>, fd: i32) -> Result {
    let root = Vchroot::new(Path::of_fd(fd)?)?;
    context.task().set_vchroot(root);
    Ok(())
}

/// Expands a path, in place, to what it is on the host, see [`Vchroot::expand`]. Without a virtual
/// root it is that already: the structure, whose address this is, is not touched then.
///
/// `ENOENT` for a directory that is none, errors of look-ups, `ENAMETOOLONG` for paths of 4096
/// bytes and more.
#[trap(nr::VCHROOT_EXPAND)]
fn vchroot_expand(context: &Context<'_>, address: UserAddr) -> Result {
    const FOLLOW: u32 = 1;

    let Some(root) = context.task().vchroot() else {
        return Ok(());
    };
    // Too large for the stack.
    let mut bytes: KVec<u8> = zeroed(size_of::<VchrootExpandArgs>(), GFP_KERNEL_ACCOUNT)?;
    user::read_bytes(address, &mut bytes)?;
    let args = VchrootExpandArgs::ref_from_bytes(&bytes).map_err(|_| EINVAL)?;
    let end = args.path.iter().position(|&byte| byte == 0);
    let path = args
        .path
        .get(..end.ok_or(ENAMETOOLONG)?)
        .unwrap_or_default();
    let base = || match args.dfd {
        bindings::AT_FDCWD => Path::current_directory(),
        fd => Path::of_fd(fd).map_err(|_| ENOENT),
    };
    let last = match args.flags & FOLLOW {
        0 => LastLink::Keep,
        _ => LastLink::Follow,
    };

    let host = root.expand(path, base, last)?;
    const _: () = assert!(offset_of!(VchrootExpandArgs, path) == 0);
    write_name(address, host, size_of_val(&args.path))
}

/// Tells what an open file is called inside of the caller's virtual root, or without one its path.
/// `EBADF`, `ENAMETOOLONG` without room for all of it.
#[trap(nr::VCHROOT_FDPATH)]
fn vchroot_fdpath(context: &Context<'_>, args: VchrootFdpathArgs) -> Result {
    let path = Path::of_fd(args.fd)?;
    let name = match context.task().vchroot() {
        Some(root) => root.inner_name(&path)?,
        None => path.name()?,
    };
    // CAST: `u32` to `usize` loses nothing.
    write_name(args.path, name, args.maxlen as usize)
}

/// Tells the host path of what a file handle is of, on the mount of a descriptor: see
/// [`Path::of_handle`]. `EBADF`, `ENAMETOOLONG`.
///
/// The structure, whose address this is, is too large for the stack.
#[trap(nr::HANDLE_TO_PATH)]
fn handle_to_path(_context: &Context<'_>, address: UserAddr) -> Result {
    const PATH_AT: u64 = offset_of!(HandleToPathArgs, path) as u64;

    let args: HandleInput = user::read(address)?;
    // CAST: `u32` to `usize` loses nothing.
    let bytes = args.bytes as usize;
    // A part of a word does not count, as with `open_by_handle_at`.
    let handle = args
        .words
        .get(..bytes / size_of::<u32>())
        .filter(|_| bytes <= size_of_val(&args.words))
        .ok_or(EINVAL)?;
    let found = Path::of_fd(args.mount)?.of_handle(args.kind, handle)?;
    let to = address.checked_add(PATH_AT).ok_or(EFAULT)?;
    write_name(to, found.name()?, PATH_MAX)
}

/// Tells the host path of what a path leads to, from a descriptor or the current directory; links
/// are followed, and a virtual root does not matter. Errors of look-ups, `ENAMETOOLONG` without
/// room for all of it.
#[trap(nr::PATH_AT)]
fn path_at(_context: &Context<'_>, args: PathAtArgs) -> Result {
    let name = usize::try_from({ args.path }.0).map_err(|_| EFAULT)?;
    let found = Path::look_up_user(args.fd, name)?;
    // CAST: As above.
    write_name(args.path_out, found.name()?, args.max_path_out as usize)
}

/// Writes `name` and its terminator, which together may have `room` bytes.
fn write_name(address: UserAddr, mut name: KVec<u8>, room: usize) -> Result {
    name.push(0, GFP_KERNEL_ACCOUNT)?;
    if name.len() > room {
        return Err(ENAMETOOLONG);
    }
    user::write_bytes(address, &name)?;
    Ok(())
}
