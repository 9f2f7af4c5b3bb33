/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A task with many rights, as no other process may see it, and as its own must
 * keep it.
 */
#ifndef TESTS_FAMILY_H
#define TESTS_FAMILY_H

#include <stdbool.h>
#include <sys/types.h>

#include "mach.h"

#define FAMILY_PORTS	24

struct family {
	pid_t parent;
	name_t task;
	name_t port[FAMILY_PORTS];
};

/* Opens the device and takes the rights, as the parent. */
void family_init(struct family *family);

/*
 * Made by another process: nothing of the parent's is there. A receive right of
 * that process itself may have the same name by chance: tell which it is.
 */
void check_not_parent(const struct family *family);
void check_not_parent_but(const struct family *family, name_t own);

/* Made by the parent: everything is. */
void check_parent(const struct family *family);

/* Do two descriptors of two processes denote the same open file? */
bool same_file(pid_t a, int fd_a, pid_t b, int fd_b);
bool can_compare_files(void);

#endif
