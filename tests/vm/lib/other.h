/* SPDX-License-Identifier: GPL-2.0 */
/* Another task, to be acted upon by its ports. */
#ifndef TESTS_OTHER_H
#define TESTS_OTHER_H

#include <sys/types.h>

#include "mach.h"

struct other {
	pid_t pid;
	name_t task;	/* send rights to its task port and its first thread's */
	name_t thread;
};

/*
 * Forks a child that calls @prepare(@argument), gives the parent its ports and
 * then waits to be killed, which happens at the end of the case.
 */
void other_start(struct other *other, void (*prepare)(void *argument), void *argument);

/* Kills it and waits until its task port has died. */
void other_end(struct other *other);

/* In @prepare: another user, and a process that may not be dumped. */
void become_nobody(void *unused);
void become_undumpable(void *unused);
/* Its first thread ends, and the second is the one that waits. */
void lose_first_thread(void *unused);

/* Each such case is for the own task and for another one. */
#define BOTH(fn)							\
	static void fn(name_t task);					\
	TEST(own_##fn)							\
	{								\
		mach_open();						\
		fn(self());						\
	}								\
	TEST(other_##fn)						\
	{								\
		struct other other;					\
									\
		mach_open();						\
		other_start(&other, NULL, NULL);			\
		fn(other.task);						\
		other_end(&other);					\
	}								\
	static void fn(name_t task)

#endif
