/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One C function for each static inline or macro of the kernel that the module
 * needs and the kernel crate has no helper for.
 *
 * The functions do nothing but call what their name says; every decision is
 * made in Rust (src/linux wraps each of them). bindgen reads this header as
 * well, so both languages see one declaration.
 */
#ifndef MACH_SHIM_H
#define MACH_SHIM_H

#include <linux/types.h>

/* linux/tracepoint.h */
void mach_shim_tracepoint_synchronize_unregister(void);

#endif /* MACH_SHIM_H */
