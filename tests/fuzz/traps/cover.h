/* SPDX-License-Identifier: GPL-2.0 */
/* Which code of the module a sequence reaches: KCOV, which tells it for each thread. */
#ifndef FUZZ_COVER_H
#define FUZZ_COVER_H

#include <stdbool.h>
#include <stdint.h>

/* False: this kernel has none. */
bool cover_init(unsigned int threads);

/* From the thread with that number: follow me. */
void cover_begin(unsigned int thread);

void cover_clear(void);

/*
 * What was reached since cover_clear() and never before, as far as it was added:
 * code points, and steps from one to the next.
 */
struct cover_news {
	uint32_t points, steps;
};

struct cover_news cover_look(void);
/* The same, and from now on it is known. New points are printed, by offset. */
struct cover_news cover_add(void);

/* How many are known. */
uint32_t cover_points(void);
uint32_t cover_steps(void);

#endif
