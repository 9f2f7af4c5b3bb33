// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "debugfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "harness.h"

#define DEBUGFS		"/sys/kernel/debug"
#define OBJECTS		DEBUGFS "/mach/objects"
#define TRAPS		DEBUGFS "/mach/traps"
#define ROUTINES	DEBUGFS "/mach/routines"

void debugfs_mount(void)
{
	if (access(OBJECTS, F_OK) == 0)
		return;
	/* EBUSY: it was mounted, and the module is not there. */
	(void)!mount("debugfs", DEBUGFS, "debugfs", 0, NULL);
}

/* A line is a name and a number; others (headings) are passed over. */
bool read_object_counts(struct object_counts *counts)
{
	FILE *file = fopen(OBJECTS, "re");
	char line[256];

	memset(counts, 0, sizeof(*counts));
	if (!file)
		return false;
	while (counts->kinds < OBJECT_KINDS_MAX && fgets(line, sizeof(line), file)) {
		size_t i = counts->kinds;

		if (sscanf(line, "%47s %ld", counts->kind[i].name, &counts->kind[i].live) == 2)
			counts->kinds++;
	}
	fclose(file);
	return counts->kinds > 0;
}

static long live_before(const struct object_counts *before, const char *name)
{
	for (size_t i = 0; i < before->kinds; i++)
		if (!strcmp(before->kind[i].name, name))
			return before->kind[i].live;
	return 0;
}

bool object_counts_within(const struct object_counts *after,
			  const struct object_counts *before, char *why, size_t size)
{
	size_t used = 0;

	why[0] = '\0';
	for (size_t i = 0; i < after->kinds; i++) {
		long was = live_before(before, after->kind[i].name);

		if (after->kind[i].live <= was || used >= size)
			continue;
		used += (size_t)snprintf(why + used, size - used, "%s%s %ld (was %ld)",
					 used ? ", " : "", after->kind[i].name,
					 after->kind[i].live, was);
	}
	return !used;
}

bool wait_until_no_objects(unsigned int limit_ms, char *why, size_t size)
{
	const struct object_counts none = { .kinds = 0 };
	struct object_counts now;

	for (unsigned int waited = 0; ; waited += 5) {
		if (!read_object_counts(&now)) {
			snprintf(why, size, "cannot read " OBJECTS);
			return false;
		}
		if (object_counts_within(&now, &none, why, size))
			return true;
		if (waited >= limit_ms)
			return false;
		usleep(5000);
	}
}

/* A line is number, name, subsystem or "-", calls, errors. */
long live(const char *kind)
{
	struct object_counts counts;

	REQUIRE(read_object_counts(&counts));
	for (size_t i = 0; i < counts.kinds; i++)
		if (!strcmp(counts.kind[i].name, kind))
			return counts.kind[i].live;
	FATAL("nobody counts %s", kind);
	return -1;
}

bool read_trap_counts(const char *trap_name, struct trap_counts *counts)
{
	FILE *file = fopen(TRAPS, "re");
	char line[512], name[128], subsystem[64];
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s %127s %63s %llu %llu", name, subsystem, &counts->calls,
			   &counts->errors) != 4)
			continue;
		counts->built = strcmp(subsystem, "-") != 0;
		found = !strcmp(name, trap_name);
	}
	fclose(file);
	return found;
}

/* A line is id, name, subsystem, calls, errors. */
bool read_routine_counts(int id, struct routine_counts *counts)
{
	FILE *file = fopen(ROUTINES, "re");
	char line[512];
	bool found = false;
	int number;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%d %63s %*s %llu %llu", &number, counts->name,
			       &counts->calls, &counts->errors) == 4 && number == id;
	fclose(file);
	return found;
}
