// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers over what the kernel crate lacks: the only place with `unsafe`.

pub(crate) mod bindings;
pub(crate) mod chardev;
pub(crate) mod debugfs;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod module;
pub(crate) mod process;
pub(crate) mod task_work;
