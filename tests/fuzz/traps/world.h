/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs sequences: each in processes of their own, in a pid namespace of its own,
 * which ends with it.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <stdbool.h>

#include "sequence.h"

/* Once, before all else. */
bool world_init(long slowness);

/*
 * Runs @sequence. @begin is called by each thread of it with its number, below
 * PROCESSES * THREADS, before its first call. False: what was started does not end.
 */
bool world_run(const struct sequence *sequence, void (*begin)(unsigned int thread));

/* Did the last one get memory from the kernel that the kernel has never written? */
bool world_saw_poison(void);

/* Runs @work in a process that is prepared as process 0 of a sequence is. */
bool world_visit(void (*work)(void));

#endif
