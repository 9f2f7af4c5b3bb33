// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers over what the kernel crate lacks: the only place with `unsafe`.

// A wrapper offers what its subject has; what of it is used changes with the traps that are built.
#![allow(dead_code)]

pub(crate) mod access;
pub(crate) mod alarm;
mod arg_strings;
pub(crate) mod awaited;
pub(crate) mod bindings;
pub(crate) mod breakpoint;
pub(crate) mod chardev;
pub(crate) mod cpu;
mod credentials;
pub(crate) mod current;
pub(crate) mod debugfs;
pub(crate) mod deferred;
pub(crate) mod drop_guard;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod exec_file;
pub(crate) mod fifo;
pub(crate) mod file_watch;
pub(crate) mod files;
pub(crate) mod fill;
pub(crate) mod float;
pub(crate) mod forced_exit;
pub(crate) mod foreign;
pub(crate) mod global;
pub(crate) mod held;
pub(crate) mod inode_events;
pub(crate) mod machine;
pub(crate) mod mapping;
pub(crate) mod module;
pub(crate) mod new_image;
pub(crate) mod once;
pub(crate) mod page;
mod page_block;
pub(crate) mod page_list;
pub(crate) mod parent_watch;
pub(crate) mod park;
pub(crate) mod path;
pub(crate) mod peek;
mod pinned;
mod pinned_map;
pub(crate) mod poll;
pub(crate) mod pollable;
pub(crate) mod private_map;
pub(crate) mod process;
mod process_threads;
pub(crate) mod program_map;
pub(crate) mod queue;
pub(crate) mod random;
pub(crate) mod registers;
pub(crate) mod remote_memory;
pub(crate) mod shared_memory;
pub(crate) mod shared_pages;
pub(crate) mod slot;
pub(crate) mod stopped_registers;
pub(crate) mod task_work;
pub(crate) mod thread;
pub(crate) mod thread_table;
pub(crate) mod turn;
pub(crate) mod usage;
pub(crate) mod usercopy;
pub(crate) mod wait;
pub(crate) mod zeroed;
