// SPDX-License-Identifier: GPL-2.0
/*
 * Paths of file handles.
 * time limit: 60 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "other.h"
#include "process.h"

#define ROOM	72	/* bytes of a handle */

/* A directory on a file system that has handles */
static char place[] = "/tmp/handles-XXXXXX";

static void make_place(void)
{
	REQUIRE(mkdtemp(place));
	REQUIRE_EQ(mount("tmpfs", place, "tmpfs", 0, "mode=755"), 0);
	REQUIRE_EQ(chdir(place), 0);
	REQUIRE_EQ(mkdir("open", 0755) | mkdir("closed", 0700), 0);
	REQUIRE_EQ(mknod("open/file", S_IFREG | 0600, 0) | mknod("closed/file", S_IFREG | 0644, 0), 0);
}

static struct handle_to_path_args args;

/* The question for the handle of @name */
static void ask_for(const char *name)
{
	struct file_handle *handle = (struct file_handle *)args.fh;
	int mount_id;

	memset(&args, POISON, sizeof(args));
	handle->handle_bytes = ROOM;
	REQUIRE_EQ(name_to_handle_at(AT_FDCWD, name, handle, &mount_id, 0), 0);
	args.mfd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(args.mfd >= 0);
}

static long ask(void)
{
	return trap_struct(NR_handle_to_path, &args);
}

static void check_path(const char *name)
{
	char want[256];

	strcpy(want, place);
	strcat(want, name);
	CHECK(!strcmp((char *)args.path, want));
	if (strcmp((char *)args.path, want))
		note("is %.100s, not %s", (char *)args.path, want);
	CHECK(is_poison(args.path + strlen(want) + 1, 100));
}

TEST(path_of_a_handle)
{
	mach_open();
	make_place();
	ask_for("open/file");
	CHECK_RET(ask(), 0);
	check_path("/open/file");
	ask_for("closed");
	CHECK_RET(ask(), 0);
	check_path("/closed");
	ask_for("closed/file");
	REQUIRE_EQ(rename("closed/file", "open/other"), 0);
	CHECK_RET(ask(), 0);
	check_path("/open/other");
	/* The mount may be named by a file on it. */
	args.mfd = open("open", O_PATH | O_CLOEXEC);
	CHECK_RET(ask(), 0);
	check_path("/open/other");
}

TEST(handles_of_nothing)
{
	struct file_handle *handle = (struct file_handle *)args.fh;
	static const unsigned int lengths[] = { ROOM + 1, ROOM + 8, 128, 0x80000000, 0xffffffff };

	mach_open();
	make_place();
	ask_for("open/file");
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		unsigned int bytes = handle->handle_bytes;

		handle->handle_bytes = lengths[i];
		CHECK_RET(ask(), -EINVAL);
		handle->handle_bytes = bytes;
	}
	handle->handle_type |= (int)0x80000000;
	CHECK_RET(ask(), -EINVAL);
	ask_for("open/file");
	args.mfd = -1;
	CHECK_RET(ask(), -EBADF);
	ask_for("open/file");
	for (unsigned int i = 0; i < handle->handle_bytes; i++)
		handle->f_handle[i] ^= 0x5a;
	CHECK_RET(ask(), -ESTALE);
	ask_for("open/file");
	handle->handle_bytes = 0;
	CHECK(ask() < 0);
	ask_for("open/file");
	REQUIRE_EQ(unlink("open/file"), 0);
	CHECK_RET(ask(), -ESTALE);
	/* Another file system */
	ask_for("open");
	args.mfd = open("/proc", O_RDONLY | O_CLOEXEC);
	CHECK(ask() < 0);
	for (size_t i = 0; i < bad_pointer_count; i++)
		CHECK_RET(trap(NR_handle_to_path, bad_pointers[i]), -EFAULT);
}

TEST(who_may_not_search_is_told_what_it_can_walk_to)
{
	struct file_handle *handle = (struct file_handle *)args.fh;
	struct handle_to_path_args closed;

	mach_open();
	make_place();
	REQUIRE_EQ(chmod(place, 0755), 0);
	REQUIRE_EQ(chmod("/tmp", 01777), 0);
	ask_for("closed/file");
	closed = args;
	ask_for("open/file");
	become_nobody(NULL);
	CHECK_RET(ask(), 0);
	check_path("/open/file");
	/* What is there cannot be told from what is not. */
	args = closed;
	CHECK_RET(ask(), -EPERM);
	CHECK(is_poison(args.path, sizeof(args.path)));
	for (unsigned int i = 0; i < handle->handle_bytes; i++)
		handle->f_handle[i] ^= 0x5a;
	CHECK_RET(ask(), -EPERM);
}
