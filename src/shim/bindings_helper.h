/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads. Include here the kernel header of each item that
 * bindings_parameters asks for.
 */
#include <linux/anon_inodes.h>
#include <linux/binfmts.h>
#include <linux/hw_breakpoint.h>
#include <linux/exportfs.h>
#include <linux/fsnotify_backend.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/namei.h>
#include <linux/pipe_fs_i.h>
#include <linux/sched/cputime.h>

#include "shim.h"

/* Values of macros that bindgen cannot read. */
const unsigned int MACH_LOOKUP_FOLLOW = LOOKUP_FOLLOW;
const unsigned int MACH_LOOKUP_EMPTY = LOOKUP_EMPTY;
const unsigned long MACH_VM_GROWSDOWN = VM_GROWSDOWN;
