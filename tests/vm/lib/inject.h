/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults on purpose: the n-th allocation or user copy that a thread makes inside
 * the module fails. Needs a kernel with fault injection (make test-debug).
 */
#ifndef TESTS_INJECT_H
#define TESTS_INJECT_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Prepares the kernel, once for a case: any allocation and any user copy can
 * fail, if the module's code is on the stack. Skips the case on other kernels.
 */
void inject_init(void);

/*
 * inject_arm(): the @n-th from now on in this thread fails, whatever it is.
 * inject_done() ends that and tells whether it has come to it.
 */
void inject_arm(unsigned int n);
bool inject_done(void);

/*
 * For a process that may not get to ask: it is awaited by the caller, but its
 * remains are still there.
 */
bool inject_done_in(pid_t pid);

#endif
