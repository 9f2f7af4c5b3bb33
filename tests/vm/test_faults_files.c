// SPDX-License-Identifier: GPL-2.0
/*
 * Traps about files with the n-th allocation or user copy failing: ports that stand
 * for them, roots, paths and handles. See lib/attempt.h.
 *
 * time limit: 600 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attempt.h"
#include "harness.h"
#include "mach.h"
#include "process.h"

#define ROOT	"/tmp/faults"

/* Ports that stand for files */

static int fds[2];

static void a_pipe(struct scene *scene)
{
	a_task(scene);
	REQUIRE_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

static long make_port(struct scene *scene)
{
	struct fileport_makeport_args args = { .fd = fds[1] };
	long result = trap_struct(NR_fileport_makeport, &args);

	scene->port = (name_t)args.port_out;
	return result;
}

static bool writer_is_closed(void)
{
	char byte;

	return read(fds[0], &byte, 1) == 0;
}

/* Nothing but the port that was made holds the file. */
static void port_has_the_file(struct scene *scene, long result)
{
	(void)result;
	close(fds[1]);
	CHECK(!writer_is_closed());
	CHECK_RET(deallocate(scene->port), 0);
	CHECK(writer_is_closed());
}

TEST_LIMIT(making_a_port_of_a_file, 300)
{
	try_all(&(struct attempt){
		.prepare = a_pipe, .act = make_port,
		/* No port, and no name for it */
		.harmless = { -EFAULT, -EAGAIN, -EINVAL },
		.verify = port_has_the_file,
	});
}

static void a_port_of_a_file(struct scene *scene)
{
	a_pipe(scene);
	REQUIRE_RET(make_port(scene), 0);
	close(fds[1]);
}

/* A process has room for this many descriptors before it needs memory for more. */
#define FIRST_ROOM	64

/* Meanwhile all of the room is in use. */
static long open_the_file(struct scene *scene)
{
	int fillers[FIRST_ROOM], count = 0;
	long result;

	for (int fd = 0; fd < FIRST_ROOM; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			fillers[count++] = dup2(fds[0], fd);
	result = trap(NR_fileport_makefd, scene->port);
	while (count)
		close(fillers[--count]);
	if (result < 0)
		return result;
	CHECK_EQ(result, FIRST_ROOM);
	fds[1] = (int)result;
	return 0;
}

static void file_is_open_once_more(struct scene *scene, long result)
{
	(void)result;
	CHECK_RET(deallocate(scene->port), 0);
	CHECK(!writer_is_closed());
	close(fds[1]);
	CHECK(writer_is_closed());
}

TEST_LIMIT(opening_the_file_of_a_port, 300)
{
	try_all(&(struct attempt){
		.prepare = a_port_of_a_file, .act = open_the_file, .harmless = { -ENOMEM },
		.verify = file_is_open_once_more,
	});
}

/* Roots and paths */

static struct vchroot_expand_args expanded;
static char told[4096];

static void make_file(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	REQUIRE(fd >= 0);
	close(fd);
}

static void a_directory(struct scene *scene)
{
	a_task(scene);
	mkdir(ROOT, 0755);
	mkdir(ROOT "/dir", 0755);
	make_file(ROOT "/dir/file");
	REQUIRE(symlink("/dir", ROOT "/link") == 0 || errno == EEXIST);
	fds[0] = open(ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[1] = open(ROOT "/dir/file", O_RDONLY | O_CLOEXEC);
	REQUIRE(fds[0] >= 0 && fds[1] >= 0);
	poison(told, sizeof(told));
}

static long set_root(struct scene *scene)
{
	(void)scene;
	return trap(NR_vchroot, (unsigned long)fds[0]);
}

static long expand(struct scene *scene)
{
	(void)scene;
	expanded = (struct vchroot_expand_args){ .path = "/link/file", .flags = 1, .dfd = -100 };
	return trap_struct(NR_vchroot_expand, &expanded);
}

static void path_is_inside(struct scene *scene, long result)
{
	(void)result;
	CHECK_RET(expand(scene), 0);
	CHECK(!strcmp(expanded.path, ROOT "/dir/file"));
}

TEST_LIMIT(setting_a_root, 300)
{
	try_all(&(struct attempt){
		.prepare = a_directory, .act = set_root, .harmless = { -ENOMEM },
		.verify = path_is_inside,
	});
}

static void a_root(struct scene *scene)
{
	a_directory(scene);
	REQUIRE_RET(set_root(scene), 0);
}

TEST_LIMIT(setting_another_root, 300)
{
	try_all(&(struct attempt){
		.prepare = a_root, .act = set_root, .harmless = { -ENOMEM },
		.verify = path_is_inside,
	});
}

TEST_LIMIT(expanding_a_path, 300)
{
	try_all(&(struct attempt){
		.prepare = a_root, .act = expand, .harmless = { -EFAULT, -ENOMEM },
		.verify = path_is_inside,
	});
}

static long ask_for_name(struct scene *scene)
{
	struct vchroot_fdpath_args args = { .fd = fds[1], .path = told, .maxlen = sizeof(told) };

	(void)scene;
	return trap_struct(NR_vchroot_fdpath, &args);
}

static void told_inside(struct scene *scene, long result)
{
	(void)scene;
	(void)result;
	CHECK(!strcmp(told, "/dir/file"));
}

TEST_LIMIT(asking_for_the_name_of_a_file, 300)
{
	try_all(&(struct attempt){
		.prepare = a_root, .act = ask_for_name, .harmless = { -EFAULT, -ENOMEM },
		.verify = told_inside,
	});
}

static long ask_for_path(struct scene *scene)
{
	struct path_at_args args = {
		.fd = fds[0], .path = "dir/../dir/file", .path_out = told,
		.max_path_out = sizeof(told),
	};

	(void)scene;
	return trap_struct(NR_path_at, &args);
}

static void told_outside(struct scene *scene, long result)
{
	(void)scene;
	(void)result;
	CHECK(!strcmp(told, ROOT "/dir/file"));
}

TEST_LIMIT(asking_for_the_path_of_a_file, 300)
{
	try_all(&(struct attempt){
		.prepare = a_directory, .act = ask_for_path, .harmless = { -EFAULT, -ENOMEM },
		.verify = told_outside,
	});
}

/* Handles */

static struct handle_to_path_args handle;

static void a_handle(struct scene *scene)
{
	struct file_handle *file = (struct file_handle *)handle.fh;
	int mount;

	a_directory(scene);
	file->handle_bytes = sizeof(handle.fh) - sizeof(*file);
	REQUIRE_EQ(name_to_handle_at(fds[1], "", file, &mount, AT_EMPTY_PATH), 0);
	handle.mfd = fds[0];
}

static long ask_by_handle(struct scene *scene)
{
	(void)scene;
	return trap_struct(NR_handle_to_path, &handle);
}

static void handle_is_found(struct scene *scene, long result)
{
	(void)scene;
	(void)result;
	CHECK(!strcmp((char *)handle.path, ROOT "/dir/file"));
}

TEST_LIMIT(asking_for_the_path_of_a_handle, 300)
{
	try_all(&(struct attempt){
		.prepare = a_handle, .act = ask_by_handle, .harmless = { -EFAULT, -ENOMEM },
		.verify = handle_is_found,
	});
}
