/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel says of a sequence that has run. */
#ifndef FUZZ_WATCH_H
#define FUZZ_WATCH_H

#include <stdbool.h>
#include <stddef.h>

/* From now on the kernel's log is read. */
bool watch_init(long slowness);

/* Has the log a report since the last call? Its line goes to @text. */
bool watch_log(char *text, size_t size);

/* Are there objects although all clients are gone? Waits for them a while. */
bool watch_objects(char *text, size_t size);

/* Prints the kernel stacks of the processes that are left, for people. */
void watch_stacks(void);

#endif
