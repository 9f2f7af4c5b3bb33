// SPDX-License-Identifier: GPL-2.0

//! The root directory that a task pretends to have (ABI traps §12).
//!
//! Nothing enforces it: system calls take host paths, and a program that pretends asks for those
//! first. Serves the traps about paths and the loader.
//!
//! Inside, absolute names and symbolic links start at the virtual root, and nothing leads above
//! it. What lies outside has, seen from inside, a name below [`HOST_ROOT`].
//!
//! Locks: none; a root never changes. Everything here may sleep, dropping included.

use super::{
    object::Live,
    ObjectCounter, //
};
use crate::linux::{
    access,
    path::{
        LastLink,
        Path,
        PATH_MAX, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

pub(super) static VCHROOTS: ObjectCounter = ObjectCounter::new("vchroots");

/// Where programs inside find what is outside.
const HOST_ROOT: &[u8] = b"/Volumes/SystemRoot";

/// A virtual root directory.
pub(crate) struct Vchroot {
    directory: Path,
    is_trusted: bool,
    _live: Live,
}

impl Vchroot {
    /// Makes a root of `directory`. Fails with `ENOTDIR` if it is none, and `ENOMEM`.
    pub(crate) fn new(directory: Path) -> Result<Arc<Self>> {
        if !directory.is_directory() {
            return Err(ENOTDIR);
        }
        let root = Self {
            directory,
            is_trusted: access::may_change_root(),
            _live: Live::new(&VCHROOTS),
        };
        Ok(Arc::new(root, GFP_KERNEL_ACCOUNT)?)
    }

    /// Whether it was set by somebody who might have called chroot(2). Any other may have put it
    /// there for a program with more rights to be deceived.
    pub(crate) fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    /// The host path of `path` as it is meant inside. A relative one starts from `base`, and stays
    /// outside if that is.
    ///
    /// If there is no such file it is that of the parent directory, which must exist, with the
    /// last component appended: where the file would be created. Fails with what look-ups fail
    /// with, and with `ENAMETOOLONG`.
    pub(crate) fn expand(
        &self,
        path: &[u8],
        base: impl FnOnce() -> Result<Path>,
        last: LastLink,
    ) -> Result<KVec<u8>> {
        let inside;
        let path = if path.starts_with(b"/") {
            path
        } else {
            let base = base()?.name()?;
            match below(&self.directory.name()?, &base) {
                Some(base) => inside = join(base, path)?,
                None => return host_path(&join(&base, path)?, last, Path::look_up),
            }
            &inside
        };
        let mut host = host_path(path, last, |name, last| {
            self.directory.look_up_below(name, last)
        })?;
        // The root itself is a slash inside, and so has one on the host.
        if *host == *self.directory.name()? && !host.ends_with(b"/") {
            host.push(b'/', GFP_KERNEL_ACCOUNT)?;
        }
        Ok(host)
    }

    /// What `path` is called inside.
    pub(crate) fn inner_name(&self, path: &Path) -> Result<KVec<u8>> {
        let name = path.name()?;
        let mut inner = KVec::new();
        match below(&self.directory.name()?, &name) {
            Some(inside) => inner.extend_from_slice(inside, GFP_KERNEL_ACCOUNT)?,
            // Pipes and the like are nowhere.
            None if !name.starts_with(b"/") => return Ok(name),
            None => {
                inner.extend_from_slice(HOST_ROOT, GFP_KERNEL_ACCOUNT)?;
                inner.extend_from_slice(&name, GFP_KERNEL_ACCOUNT)?;
            }
        }
        Ok(inner)
    }
}

/// The name of what `look_up` finds at `path`, or of where it would be, see [`Vchroot::expand`].
fn host_path(
    path: &[u8],
    last: LastLink,
    look_up: impl Fn(&CStr, LastLink) -> Result<Path>,
) -> Result<KVec<u8>> {
    let look_up = |path: &[u8], last| {
        let mut name = KVec::with_capacity(path.len().saturating_add(1), GFP_KERNEL_ACCOUNT)?;
        name.extend_from_slice(path, GFP_KERNEL_ACCOUNT)?;
        name.push(0, GFP_KERNEL_ACCOUNT)?;
        look_up(CStr::from_bytes_with_nul(&name).map_err(|_| EINVAL)?, last)
    };
    match look_up(path, last) {
        Ok(found) => found.name(),
        Err(error) if error == ENOENT => {
            let (parent, missing) = split_last(path).ok_or(ENOENT)?;
            join(&look_up(parent, LastLink::Follow)?.name()?, missing)
        }
        Err(error) => Err(error),
    }
}

/// What `path` is relative to `root`, with a slash in front, or `None` if it is not below that.
/// Both are absolute and have no slash at their end but as the root directory.
fn below<'a>(root: &[u8], path: &'a [u8]) -> Option<&'a [u8]> {
    if root == b"/" {
        return path.starts_with(b"/").then_some(path);
    }
    match path.strip_prefix(root)? {
        b"" => Some(b"/"),
        rest => rest.starts_with(b"/").then_some(rest),
    }
}

/// Parent directory and last component of an absolute path, the latter with the slashes after it.
/// `None` without a component that can be missing.
fn split_last(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = path
        .iter()
        .rposition(|&byte| byte != b'/')?
        .checked_add(1)?;
    let start = path
        .get(..end)?
        .iter()
        .rposition(|&byte| byte == b'/')?
        .checked_add(1)?;
    let component = path.get(start..end)?;
    (component != b"." && component != b"..").then_some(path.split_at_checked(start)?)
}

/// `tail` below the absolute path `head`. Fails with `ENAMETOOLONG`.
fn join(head: &[u8], tail: &[u8]) -> Result<KVec<u8>> {
    let mut path = KVec::new();
    path.extend_from_slice(head, GFP_KERNEL_ACCOUNT)?;
    if !tail.is_empty() && !head.ends_with(b"/") {
        path.push(b'/', GFP_KERNEL_ACCOUNT)?;
    }
    path.extend_from_slice(tail, GFP_KERNEL_ACCOUNT)?;
    // With its terminator.
    if path.len() >= PATH_MAX {
        return Err(ENAMETOOLONG);
    }
    Ok(path)
}
