// SPDX-License-Identifier: GPL-2.0

//! Where a program's dynamic linker is found.
//!
//! Serves [`super::load`], before the point of no return.

use super::{
    macho::{
        ImagePlan,
        Wanted,
        Width, //
    },
    read::{
        read_plan,
        Refusal, //
    },
};
use crate::{
    core::Vchroot,
    linux::{
        exec::Exec,
        exec_file::ExecFile,
        path::{
            LastLink,
            PATH_MAX, //
        },
        zeroed::zeroed, //
    },
};
use kernel::prelude::*;

/// The environment variable with a directory to look for the dynamic linker in, first.
const ROOT_VARIABLE: &[u8] = b"DYLD_ROOT_PATH=";

/// A program's dynamic linker.
pub(super) struct Dylinker {
    pub(super) file: ExecFile,
    pub(super) plan: KBox<ImagePlan>,
    /// Whoever started the program chose where to look for it.
    pub(super) is_callers_choice: bool,
}

impl Dylinker {
    /// Finds the dynamic linker `path` for a program of `width`: below the virtual root, or without
    /// one below the directory that the environment names; else where the path says (ABI loader
    /// §4).
    ///
    /// A program that may have more rights than whoever chose those is not led there.
    pub(super) fn find(
        exec: &mut Exec<'_>,
        vchroot: Option<&Vchroot>,
        path: &CStr,
        width: Width,
    ) -> Result<Self, Refusal> {
        let is_callers_choice = !vchroot.is_some_and(Vchroot::is_trusted);
        let chosen = match vchroot {
            _ if is_callers_choice && exec.may_gain_privileges() => None,
            Some(vchroot) => open_below_vchroot(vchroot, path)?,
            None => open_below_variable(exec, path)?,
        };
        let (file, is_callers_choice) = match chosen {
            Some(file) => (file, is_callers_choice),
            None => (ExecFile::open(path)?, false),
        };
        exec.protect_unreadable(&file);
        let (plan, _) = read_plan(&file, Wanted::Dylinker(width))?;
        Ok(Self {
            file,
            plan,
            is_callers_choice,
        })
    }
}

fn open_below_vchroot(vchroot: &Vchroot, path: &CStr) -> Result<Option<ExecFile>> {
    let base = || Err(ENOENT);
    match vchroot.expand(path.to_bytes(), base, LastLink::Follow) {
        Ok(path) => open_if_there(path),
        Err(error) if error == ENOMEM => Err(error),
        Err(_) => Ok(None),
    }
}

fn open_below_variable(exec: &Exec<'_>, path: &CStr) -> Result<Option<ExecFile>> {
    let mut root: KVec<u8> = zeroed(PATH_MAX, GFP_KERNEL_ACCOUNT)?;
    let len = match exec.variable(ROOT_VARIABLE, &mut root) {
        Ok(Some(len)) => len,
        Ok(None) => return Ok(None),
        // Not a path that anything can be found at.
        Err(error) if error == ENAMETOOLONG => return Ok(None),
        Err(error) => return Err(error),
    };
    root.truncate(len);
    if !root.starts_with(b"/") {
        return Ok(None);
    }
    root.extend_from_slice(path.to_bytes(), GFP_KERNEL_ACCOUNT)?;
    open_if_there(root)
}

fn open_if_there(mut path: KVec<u8>) -> Result<Option<ExecFile>> {
    path.push(0, GFP_KERNEL_ACCOUNT)?;
    let path = CStr::from_bytes_with_nul(&path).map_err(|_| EINVAL)?;
    Ok(ExecFile::open(path).ok())
}
