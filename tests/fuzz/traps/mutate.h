/* SPDX-License-Identifier: GPL-2.0 */
/* Sequences by chance: new ones, and changes of known ones. */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include <stdint.h>

#include "sequence.h"

/* The layout of a request to the kernel that a routine takes. */
struct shape {
	int32_t id;
	uint8_t kind;	/* of its descriptors */
	uint8_t ports;
	uint8_t words;
};

#define SHAPES_MAX	512u

struct shapes {
	uint32_t count;
	struct shape shape[SHAPES_MAX];
};

void chance_seed(uint64_t seed);
/* A number below @limit, which is not 0. */
uint32_t below(uint32_t limit);

void sequence_generate(struct sequence *sequence, const struct shapes *shapes);

/* Changes @sequence; @other is one more to take calls from. */
void sequence_mutate(struct sequence *sequence, const struct sequence *other,
		     const struct shapes *shapes);

void sequence_remove(struct sequence *sequence, uint32_t at, uint32_t count);

#endif
