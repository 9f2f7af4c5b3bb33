/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Locks made of the psynch traps, under load. What the locks protect tells
 * whether they hold, and that the load comes to its end tells that no wake-up is
 * lost. Each of these is a case of its own; they fail it.
 */
#ifndef TESTS_PSYNCH_LOAD_H
#define TESTS_PSYNCH_LOAD_H

#include <stdint.h>

/* How the work is done: by threads, unless told otherwise. */
#define BY_PROCESSES		1
#define WITH_SIGNALS		2

/* @flags of psynch.h; @operations in all, locks and unlocks counting as one. */
void psynch_load_mutex(uint32_t flags, int how, unsigned long operations);
/* A queue that is filled and emptied. */
void psynch_load_cond(uint32_t flags, int how, unsigned long operations);
void psynch_load_rwlock(uint32_t flags, int how, unsigned long operations);

/*
 * Waiters and owners that die at any moment, of shared locks. What they held stays
 * held; the kernel has to let everybody die, and to keep nothing.
 */
void psynch_load_kills(unsigned int rounds);

#endif
