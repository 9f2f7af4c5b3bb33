/* SPDX-License-Identifier: GPL-2.0 */
/* From process numbers to tasks and back, and what a task is told apart by. */
#ifndef TESTS_LOOKUP_H
#define TESTS_LOOKUP_H

#include <stdint.h>
#include <sys/types.h>

#include "mach.h"

/* The traps of these names; outputs are poisoned first. */
long task_for(pid_t pid, name_t *name);
long task_name_for(pid_t pid, name_t *name);
long pid_for(name_t name, int32_t *pid);

/*
 * A number that the calling task is known by: set_dyld_info() keeps it, and who
 * has the task port reads it. 0 when nobody has set it.
 */
void mark_task(uint64_t mark);
uint64_t mark_of(name_t task);

#endif
