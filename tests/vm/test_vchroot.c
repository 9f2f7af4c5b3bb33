// SPDX-License-Identifier: GPL-2.0
/*
 * The root directory that a task pretends to have: what paths mean inside of it,
 * what files are called there, and who has it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "process.h"

#define FOLLOW		1
#define AT_CWD		(-100)

#define ROOT		"/tmp/vchroot"
#define OUTSIDE		"/tmp/outside"

static long set_root(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long result;

	REQUIRE(fd >= 0);
	result = trap(NR_vchroot, (unsigned long)fd);
	close(fd);
	return result;
}

static struct vchroot_expand_args args;

/* Expands @path; what it becomes is in args.path. */
static long expand(const char *path, unsigned int flags, int dfd)
{
	poison(&args, sizeof(args));
	snprintf(args.path, sizeof(args.path), "%s", path);
	args.flags = flags;
	args.dfd = dfd;
	return trap_struct(NR_vchroot_expand, &args);
}

#define CHECK_PATH(want)							\
	do {									\
		if (strcmp(args.path, want))					\
			FAIL("\"%.200s\", not \"%s\"", args.path, want);	\
	} while (0)

static void make_file(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	REQUIRE(fd >= 0);
	close(fd);
}

static void make_link(const char *target, const char *path)
{
	unlink(path);
	REQUIRE_EQ(symlink(target, path), 0);
}

static void make_tree(void)
{
	mkdir(ROOT, 0755);
	mkdir(ROOT "/dir", 0755);
	mkdir(ROOT "/dir/sub", 0755);
	mkdir(ROOT "sibling", 0755);
	mkdir(OUTSIDE, 0755);
	make_file(ROOT "/file");
	make_file(ROOT "/dir/file");
	make_file(ROOT "sibling/file");
	make_file(OUTSIDE "/file");
	make_link("/dir/file", ROOT "/absolute");
	make_link("dir", ROOT "/relative");
	make_link("../../../../dir", ROOT "/dir/sub/upwards");
	make_link("/dir", ROOT "/dir/sub/down");
	make_link("/nothing", ROOT "/dangling");
	make_link("loop", ROOT "/loop");
}

static void inside(void)
{
	make_tree();
	mach_open();
	REQUIRE_RET(set_root(ROOT), 0);
}

TEST(without_a_root_nothing_is_touched)
{
	mach_open();
	CHECK_RET(expand("/absolute", FOLLOW, AT_CWD), 0);
	CHECK_PATH("/absolute");
	CHECK(is_poison(args.path + sizeof("/absolute"), sizeof(args.path) - sizeof("/absolute")));
	/* Not even read */
	CHECK_RET(trap(NR_vchroot_expand, 0), 0);
}

static const struct {
	const char *path;
	unsigned int flags;
	long result;
	const char *expanded;
} absolute_paths[] = {
	{ "/", 0, 0, ROOT },
	{ "//", FOLLOW, 0, ROOT },
	{ "/.", 0, 0, ROOT },
	{ "/file", 0, 0, ROOT "/file" },
	{ "/dir/file", 0, 0, ROOT "/dir/file" },
	{ "/dir//sub/./", 0, 0, ROOT "/dir/sub" },
	/* Nothing leads out. */
	{ "/..", 0, 0, ROOT },
	{ "/../../../tmp", 0, 0, ROOT "/tmp" },
	{ "/dir/../../../file", 0, 0, ROOT "/file" },
	/* Symbolic links */
	{ "/absolute", FOLLOW, 0, ROOT "/dir/file" },
	{ "/absolute", 0, 0, ROOT "/absolute" },
	{ "/relative", FOLLOW, 0, ROOT "/dir" },
	{ "/relative", 0, 0, ROOT "/relative" },
	{ "/relative/", 0, 0, ROOT "/dir" },
	{ "/relative/file", 0, 0, ROOT "/dir/file" },
	{ "/dir/sub/upwards/file", 0, 0, ROOT "/dir/file" },
	{ "/dir/sub/down/sub/down", FOLLOW, 0, ROOT "/dir" },
	{ "/loop", 0, 0, ROOT "/loop" },
	{ "/loop", FOLLOW, -ELOOP, "/loop" },
	/* What is not there yet */
	{ "/new", 0, 0, ROOT "/new" },
	{ "/new/", 0, 0, ROOT "/new/" },
	{ "/dir/sub/new", FOLLOW, 0, ROOT "/dir/sub/new" },
	{ "/dir/sub/down/new", 0, 0, ROOT "/dir/new" },
	{ "/dir/sub/new/newer", 0, -ENOENT, "/dir/sub/new/newer" },
	{ "/dangling", FOLLOW, 0, ROOT "/dangling" },
	{ "/file/x", 0, -ENOTDIR, "/file/x" },
	{ "/new/..", 0, -ENOENT, "/new/.." },
};

TEST(absolute_paths_start_at_the_root)
{
	inside();
	for (size_t i = 0; i < ARRAY_SIZE(absolute_paths); i++) {
		const char *want = absolute_paths[i].expanded;
		long result = expand(absolute_paths[i].path, absolute_paths[i].flags, AT_CWD);

		if (result != absolute_paths[i].result)
			FAIL("%s: %ld, not %ld", absolute_paths[i].path, result,
			     absolute_paths[i].result);
		if (!strcmp(want, ROOT)) {
			/* The root itself ends with a slash. */
			CHECK_PATH(ROOT "/");
		} else {
			CHECK_PATH(want);
		}
		CHECK(is_poison(args.path + strlen(want) + 8,
				sizeof(args.path) - strlen(want) - 8 - 64));
	}
}

TEST(relative_paths_start_where_they_say)
{
	int fd, file;

	inside();
	REQUIRE_EQ(chdir(ROOT "/dir"), 0);
	CHECK_RET(expand("file", 0, AT_CWD), 0);
	CHECK_PATH(ROOT "/dir/file");
	CHECK_RET(expand("", 0, AT_CWD), 0);
	CHECK_PATH(ROOT "/dir");
	CHECK_RET(expand(".", 0, AT_CWD), 0);
	CHECK_PATH(ROOT "/dir");
	CHECK_RET(expand("../file", 0, AT_CWD), 0);
	CHECK_PATH(ROOT "/file");
	CHECK_RET(expand("../../../../file", 0, AT_CWD), 0);
	CHECK_PATH(ROOT "/file");
	CHECK_RET(expand("new", 0, AT_CWD), 0);
	CHECK_PATH(ROOT "/dir/new");
	CHECK_RET(expand("sub/down/sub/new", 0, AT_CWD), 0);
	CHECK_PATH(ROOT "/dir/sub/new");

	fd = open(ROOT "/dir/sub", O_PATH | O_CLOEXEC);
	file = open(ROOT "/dir/file", O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0 && file >= 0);
	CHECK_RET(expand("down", FOLLOW, fd), 0);
	CHECK_PATH(ROOT "/dir");
	CHECK_RET(expand("../file", 0, fd), 0);
	CHECK_PATH(ROOT "/dir/file");
	CHECK_RET(expand("", 0, file), 0);
	CHECK_PATH(ROOT "/dir/file");
	CHECK_RET(expand("x", 0, file), -ENOTDIR);
	CHECK_RET(expand("x", 0, 999), -ENOENT);
	CHECK_RET(expand("x", 0, -1), -ENOENT);
	/* Absolute ones do not look at it. */
	CHECK_RET(expand("/file", 0, -1), 0);
	CHECK_PATH(ROOT "/file");
}

TEST(relative_paths_outside_stay_there)
{
	inside();
	REQUIRE_EQ(chdir(OUTSIDE), 0);
	CHECK_RET(expand("file", 0, AT_CWD), 0);
	CHECK_PATH(OUTSIDE "/file");
	CHECK_RET(expand("../vchroot/absolute", 0, AT_CWD), 0);
	CHECK_PATH(ROOT "/absolute");
	/* A name that starts as the root's does is not inside of it. */
	REQUIRE_EQ(chdir(ROOT "sibling"), 0);
	CHECK_RET(expand("file", 0, AT_CWD), 0);
	CHECK_PATH(ROOT "sibling/file");
}

TEST(mounts_below_the_root_are_seen)
{
	inside();
	mkdir(ROOT "/mnt", 0755);
	REQUIRE_EQ(unshare(CLONE_NEWNS), 0);
	REQUIRE_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	REQUIRE_RET(set_root(ROOT), 0);
	REQUIRE_EQ(mount("none", ROOT "/mnt", "tmpfs", 0, NULL), 0);
	make_file(ROOT "/mnt/mounted");
	mkdir(ROOT "/mnt/deep", 0755);
	CHECK_RET(expand("/mnt/deep/new", 0, AT_CWD), 0);
	CHECK_PATH(ROOT "/mnt/deep/new");
	CHECK_RET(expand("/mnt/../file", 0, AT_CWD), 0);
	CHECK_PATH(ROOT "/file");
}

TEST(host_root_as_root_changes_nothing)
{
	make_tree();
	mach_open();
	REQUIRE_RET(set_root("/"), 0);
	CHECK_RET(expand("/", 0, AT_CWD), 0);
	CHECK_PATH("/");
	CHECK_RET(expand(OUTSIDE "/new", 0, AT_CWD), 0);
	CHECK_PATH(OUTSIDE "/new");
	REQUIRE_EQ(chdir(OUTSIDE), 0);
	CHECK_RET(expand("file", 0, AT_CWD), 0);
	CHECK_PATH(OUTSIDE "/file");
}

TEST(structures_that_cannot_be_read)
{
	struct hole hole;

	inside();
	for (size_t i = 0; i < bad_pointer_count; i++) {
		CHECK_RET(trap(NR_vchroot_expand, bad_pointers[i]), -EFAULT);
		CHECK_RET(trap(NR_vchroot_fdpath, bad_pointers[i]), -EFAULT);
		CHECK_RET(trap(NR_path_at, bad_pointers[i]), -EFAULT);
	}
	/* All of it is read, however short the path. */
	hole_init(&hole);
	strcpy(fault_at(&hole, 4000), "/");
	CHECK_RET(trap_struct(NR_vchroot_expand, fault_at(&hole, 4000)), -EFAULT);
	hole_done(&hole);
}

TEST(paths_that_are_too_long)
{
	char *deep = malloc(5000);
	size_t length;

	inside();
	/* Without an end */
	memset(args.path, 'x', sizeof(args.path));
	args.path[0] = '/';
	CHECK_RET(trap_struct(NR_vchroot_expand, &args), -ENAMETOOLONG);
	/* A component */
	memset(args.path, 'x', sizeof(args.path));
	args.path[0] = '/';
	args.path[300] = '\0';
	CHECK_RET(trap_struct(NR_vchroot_expand, &args), -ENAMETOOLONG);
	/* Its expansion: the longest that fits, and one byte more */
	REQUIRE_EQ(chdir(ROOT), 0);
	for (length = strlen(ROOT); length + 101 <= 3900; length += 101) {
		char name[128];

		memset(name, 'd', 100);
		name[100] = '\0';
		mkdir(name, 0755);
		REQUIRE_EQ(chdir(name), 0);
	}
	memset(deep, 'n', 5000);
	deep[4095 - length - 1] = '\0';
	CHECK_RET(expand(deep, 0, AT_CWD), 0);
	CHECK_EQ(strlen(args.path), 4095);
	deep[4095 - length - 1] = 'n';
	deep[4095 - length] = '\0';
	CHECK_RET(expand(deep, 0, AT_CWD), -ENAMETOOLONG);
	free(deep);
}

TEST(roots_that_are_none)
{
	int fd;

	inside();
	CHECK_RET(trap(NR_vchroot, 999), -EBADF);
	CHECK_RET(trap(NR_vchroot, (unsigned long)-1), -EBADF);
	CHECK_RET(trap(NR_vchroot, (unsigned long)AT_CWD), -EBADF);
	CHECK_RET(set_root(ROOT "/file"), -ENOTDIR);
	/* The old one stays. */
	CHECK_RET(expand("/file", 0, AT_CWD), 0);
	CHECK_PATH(ROOT "/file");
	/* Another one replaces it; it need not be readable. */
	fd = open(OUTSIDE, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK_RET(trap(NR_vchroot, (unsigned long)fd), 0);
	close(fd);
	CHECK_RET(expand("/file", 0, AT_CWD), 0);
	CHECK_PATH(OUTSIDE "/file");
}

TEST(root_is_followed_when_it_is_moved)
{
	inside();
	REQUIRE_EQ(rename(ROOT, "/tmp/moved"), 0);
	CHECK_RET(expand("/dir/sub/down/new", 0, AT_CWD), 0);
	CHECK_PATH("/tmp/moved/dir/new");
	REQUIRE_EQ(rename("/tmp/moved", ROOT), 0);
}

TEST(permissions_are_the_callers)
{
	inside();
	chmod(ROOT "/dir/sub", 0700);
	REQUIRE_EQ(setuid(65534), 0);
	CHECK_RET(expand("/dir/sub/down", 0, AT_CWD), -EACCES);
	CHECK_RET(expand("/dir/sub", 0, AT_CWD), 0);
}

/* What the file of @fd is called, in a buffer with @room bytes. */
static char name[4096];

static long fd_path(int fd, unsigned int room)
{
	struct vchroot_fdpath_args fd_args = { .fd = fd, .path = name, .maxlen = room };

	poison(name, sizeof(name));
	return trap_struct(NR_vchroot_fdpath, &fd_args);
}

static void check_fd_path(const char *path, const char *want)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	unsigned int size = (unsigned int)strlen(want) + 1;

	REQUIRE(fd >= 0);
	CHECK_RET(fd_path(fd, size - 1), -ENAMETOOLONG);
	CHECK(is_poison(name, sizeof(name)));
	CHECK_RET(fd_path(fd, size), 0);
	if (strcmp(name, want))
		FAIL("%s is called \"%.200s\", not \"%s\"", path, name, want);
	CHECK(is_poison(name + size, sizeof(name) - size));
	close(fd);
}

TEST(files_are_called_what_they_are_inside)
{
	struct vchroot_fdpath_args fd_args = { .path = (void *)16, .maxlen = 4096 };
	int fds[2];

	make_tree();
	mach_open();
	check_fd_path(ROOT "/dir/file", ROOT "/dir/file");
	REQUIRE_RET(set_root(ROOT), 0);
	check_fd_path(ROOT, "/");
	check_fd_path(ROOT "/dir/file", "/dir/file");
	check_fd_path(OUTSIDE "/file", "/Volumes/SystemRoot" OUTSIDE "/file");
	check_fd_path(ROOT "sibling/file", "/Volumes/SystemRoot" ROOT "sibling/file");
	check_fd_path("/", "/Volumes/SystemRoot/");

	CHECK_RET(fd_path(999, 100), -EBADF);
	fd_args.fd = open(ROOT, O_RDONLY | O_CLOEXEC);
	CHECK_RET(trap_struct(NR_vchroot_fdpath, &fd_args), -EFAULT);
	REQUIRE_EQ(pipe2(fds, O_CLOEXEC), 0);
	CHECK_RET(fd_path(fds[0], 100), 0);
	CHECK(!strncmp(name, "pipe:", 5));
}

static long path_at(int fd, const char *path, char *out, unsigned int room)
{
	struct path_at_args at = {
		.fd = fd, .path = path, .path_out = out, .max_path_out = room,
	};

	poison(name, sizeof(name));
	return trap_struct(NR_path_at, &at);
}

TEST(path_at_tells_host_paths)
{
	int fd;

	make_tree();
	mach_open();
	fd = open(ROOT "/dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	CHECK_RET(path_at(fd, "../file", name, sizeof(name)), 0);
	CHECK(!strcmp(name, ROOT "/file"));
	CHECK_RET(path_at(fd, "", name, sizeof(name)), 0);
	CHECK(!strcmp(name, ROOT "/dir"));
	CHECK_RET(path_at(fd, "sub/down/sub", name, sizeof(name)), -ENOENT);
	REQUIRE_EQ(chdir(ROOT), 0);
	/* With or without a virtual root */
	REQUIRE_RET(set_root(ROOT "/dir"), 0);
	CHECK_RET(path_at(AT_CWD, "relative/file", name, sizeof(name)), 0);
	CHECK(!strcmp(name, ROOT "/dir/file"));
	CHECK_RET(path_at(AT_CWD, "/tmp", name, 5), 0);
	CHECK(!strcmp(name, "/tmp"));
	CHECK(is_poison(name + 5, 100));
	CHECK_RET(path_at(AT_CWD, "/tmp", name, 4), -ENAMETOOLONG);
	CHECK(is_poison(name, 100));
	CHECK_RET(path_at(AT_CWD, "/nothing", name, 100), -ENOENT);
	CHECK_RET(path_at(999, "x", name, 100), -EBADF);
	CHECK_RET(path_at(AT_CWD, (const char *)16, name, 100), -EFAULT);
	CHECK_RET(path_at(AT_CWD, "/tmp", (char *)16, 100), -EFAULT);
}

static void check_root_of_child(void *argument)
{
	CHECK_RET(expand("/file", 0, AT_CWD), 0);
	CHECK_PATH((const char *)argument);
	/* Its own from now on */
	CHECK_RET(set_root("/tmp"), 0);
}

TEST(children_inherit_the_root)
{
	inside();
	WAIT_CHILD_OK(start_child(check_root_of_child, ROOT "/file"));
	CHECK_RET(expand("/file", 0, AT_CWD), 0);
	CHECK_PATH(ROOT "/file");
}

static void *set_and_expand(void *argument)
{
	static struct vchroot_expand_args mine[4];
	long index = (long)argument;

	for (int i = 0; i < 300; i++) {
		struct vchroot_expand_args *own = &mine[index];

		if (index % 2) {
			set_root(i % 2 ? ROOT : OUTSIDE);
			continue;
		}
		*own = (struct vchroot_expand_args){ .path = "/file", .dfd = AT_CWD };
		CHECK_RET(trap_struct(NR_vchroot_expand, own), 0);
		CHECK(!strcmp(own->path, ROOT "/file") || !strcmp(own->path, OUTSIDE "/file"));
	}
	return NULL;
}

TEST(threads_set_and_use_it_at_once)
{
	struct worker workers[4];

	inside();
	for (long i = 0; i < 4; i++)
		worker_start(&workers[i], set_and_expand, (void *)i);
	for (int i = 0; i < 4; i++)
		worker_join(&workers[i]);
}
