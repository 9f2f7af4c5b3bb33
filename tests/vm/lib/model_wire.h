/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages of the model test in a plain form: whatever kind of descriptors the
 * rights of the body travel in, the test sees port descriptors. The task that
 * makes the trap translates, both ways.
 */
#ifndef TESTS_MODEL_WIRE_H
#define TESTS_MODEL_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc_model.h"
#include "message.h"

/* What carries the rights of a body */
enum shape {
	SHAPE_PORTS,		/* a port descriptor each */
	SHAPE_ARRAY,		/* one array out of line */
	SHAPE_GUARDED,		/* a guarded port descriptor each */
	SHAPE_MEMORY,		/* port descriptors, and memory out of line behind them */
	SHAPES,
};

struct wire {
	struct header header;
	uint32_t count;
	union {
		struct port_descriptor right[MODEL_RIGHTS];
		uint32_t word[120];
	};
};

struct wire_call {
	/* to send */
	bool complex;
	enum shape shape;
	uint32_t flags;		/* of guarded descriptors */
	uint64_t context;
	uint32_t plain_size;	/* of the message in the plain form; after it comes a trailer */
	/* answers */
	uint64_t buffer;	/* where the trap had the message */
	bool sound;		/* what the model does not know of is as it was sent */
	struct wire message;	/* both */
};

/* So many bytes more has a message than its plain form. */
int shape_growth(enum shape shape, int rights);

/* Makes the trap. A poisoned message is replaced by what the kernel wrote. */
long wire_trap(struct wire_call *call, uint32_t option, uint32_t receive_size, name_t from);

#endif
