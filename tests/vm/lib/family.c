// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "family.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"

bool same_file(pid_t a, int fd_a, pid_t b, int fd_b)
{
	return syscall(SYS_kcmp, a, b, 0 /* KCMP_FILE */, fd_a, fd_b) == 0;
}

bool can_compare_files(void)
{
	return same_file(getpid(), 0, getpid(), 0) || errno != ENOSYS;
}

void family_init(struct family *family)
{
	mach_open();
	family->parent = getpid();
	family->task = self();
	for (int i = 0; i < FAMILY_PORTS; i++)
		family->port[i] = new_port();
}

/*
 * A name of the parent may by chance be a name here as well, but never one with
 * a receive right in it, unless this task made it.
 */
void check_not_parent_but(const struct family *family, name_t own)
{
	for (int i = 0; i < FAMILY_PORTS; i++)
		if (family->port[i] != own)
			CHECK(!has_right(family->port[i], MACH_PORT_RIGHT_RECEIVE));
}

void check_not_parent(const struct family *family)
{
	check_not_parent_but(family, MACH_PORT_NULL);
}

void check_parent(const struct family *family)
{
	mach_forget();
	CHECK_EQ(self(), family->task);
	for (int i = 0; i < FAMILY_PORTS; i++)
		CHECK(has_right(family->port[i], MACH_PORT_RIGHT_RECEIVE));
}
