/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One system call with the n-th allocation or user copy failing, for each n until
 * none fails. Each try has a process, and so a task, of its own. Needs a kernel
 * with fault injection, see inject.h.
 */
#ifndef TESTS_ATTEMPT_H
#define TESTS_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "debugfs.h"
#include "mach.h"
#include "message.h"

/* More faults than this on one way mean that the counting is wrong. */
#define MOST_FAULTS	400

/* What a try works with; made by prepare(). */
struct scene {
	name_t port;
	name_t other;
	name_t set;
	name_t out;
	uint32_t size;
	struct message message;
};

/* One thing to try. */
struct attempt {
	void (*prepare)(struct scene *scene);
	/* One system call */
	long (*act)(struct scene *scene);
	/* The result when all goes well */
	long success;
	/* Failures before any effect: a second try must succeed. */
	long harmless[4];
	/* Further results, which verify() looks after. */
	long others[5];
	void (*verify)(struct scene *scene, long result);
};

/* Makes the attempt with each fault until there is no n-th one. */
void try_all(const struct attempt *attempt);

/* The attempt with the @n-th fault, as the process; it exits with one of the two. */
#define TRY_FAULTED	0
#define TRY_CLEAN	42
void try(const struct attempt *attempt, unsigned int n);

/* Fails unless as many objects of all kinds live as @before. */
void same_objects(const struct object_counts *before);
/* Of messages only @others live, and the one whose memory a thread keeps. */
bool no_message_is_left(long others);

/* Places to begin with: a task, and one with a port and a send right to another. */
void a_task(struct scene *scene);
void a_port(struct scene *scene);

#endif
