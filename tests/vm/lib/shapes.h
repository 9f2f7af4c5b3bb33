/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the requests of all routines hold, from the interface definitions: one
 * line for each that is built, and requests made by it.
 */
#ifndef TESTS_SHAPES_H
#define TESTS_SHAPES_H

#include <stddef.h>

#include "rpc.h"

enum target {
	TASK, THREAD, HOST, CLOCK, CLOCK_CONTROL, PROCESSOR, SET, SET_NAME, ENTRY, TASK_NAME,
	VOUCHER, TOKEN,
};
/* Tokens are used up by a request of any kind, so there are none of other kinds to them. */
#define LAST_TARGET VOUCHER

/* Rights or memory, then words */
struct shape {
	int32_t id;
	const char *name;
	enum target target;
	unsigned int descriptors;
	unsigned int words;
};

extern const struct shape shapes[];
extern const size_t shape_count;

/* The line of a routine; ends the case if there is none. */
const struct shape *shape_of(int32_t id);

/* A port of that kind */
name_t port_of(enum target target);

/* What the descriptors are */
enum descriptor_kind { RIGHT, MEMORY, ARRAY };
enum descriptor_kind kind_of(const struct shape *shape);
/* A null one */
void add_descriptor(struct rpc *rpc, enum descriptor_kind kind);

/* The header, for a right of either kind to the target */
void shape_start(struct rpc *rpc, const struct shape *shape, name_t target);
/* The request with all values 0 and null rights */
void shape_begin(struct rpc *rpc, const struct shape *shape, name_t target);

#endif
