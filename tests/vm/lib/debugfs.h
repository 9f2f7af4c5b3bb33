/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module tells about itself in /sys/kernel/debug/mach: the table of
 * traps with their calls and errors, and the numbers of live objects.
 */
#ifndef TESTS_DEBUGFS_H
#define TESTS_DEBUGFS_H

#include <stdbool.h>
#include <stddef.h>

#define OBJECT_KINDS_MAX	48

struct object_counts {
	size_t kinds;
	struct {
		char name[48];
		long live;
	} kind[OBJECT_KINDS_MAX];
};

struct trap_counts {
	bool built;		/* some subsystem answers it */
	unsigned long long calls;
	unsigned long long errors;
};

struct routine_counts {
	char name[64];
	unsigned long long calls;
	unsigned long long errors;
};

/* Mounts debugfs unless it is mounted; failing is the later readers' matter. */
void debugfs_mount(void);

/* False when the module does not tell. */
bool read_object_counts(struct object_counts *counts);
/* How many objects of that kind live. */
long live(const char *kind);
bool read_trap_counts(const char *trap_name, struct trap_counts *counts);
/* False when no subsystem has a routine with that id. */
bool read_routine_counts(int id, struct routine_counts *counts);

/* False, and the kinds that grew in @why, when @after has more than @before. */
bool object_counts_within(const struct object_counts *after,
			  const struct object_counts *before, char *why, size_t size);

/* Waits up to @limit_ms until no objects live at all; tells which do in @why. */
bool wait_until_no_objects(unsigned int limit_ms, char *why, size_t size);

#endif
