// SPDX-License-Identifier: GPL-2.0
/*
 * Mach-O programs are programs of Linux: permissions, privileges, limits and
 * what /proc tells are those of any format. Core dumps are not made (docs/loader.md).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "lookup.h"
#include "mach.h"
#include "process.h"
#include "program.h"
#include "rpc.h"

#define PROBE		"/macho/probe"
#define NOBODY		65534

/* Too large for the stack of a case */
static struct program program;

static char *const no_env[] = { NULL };

static void copy_probe(const char *path)
{
	struct image image;

	image_read(&image, PROBE, 0);
	image_write(&image, path);
	image_free(&image);
}

static void become_nobody(void)
{
	if (setgid(NOBODY) || setuid(NOBODY))
		_exit(99);
}

/* The errno with which a user without rights fails to execute @path */
static int error_of_nobody(const char *path)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (!pid) {
		become_nobody();
		_exit(exec_error(path));
	}
	return wait_child(pid) >> 8;
}

TEST(execute_permission_is_needed)
{
	copy_probe("/tmp/no_permission");
	REQUIRE_EQ(chmod("/tmp/no_permission", 0644), 0);
	CHECK_EQ(exec_error("/tmp/no_permission"), EACCES);
	REQUIRE_EQ(chmod("/tmp/no_permission", 0700), 0);
	CHECK_EQ(error_of_nobody("/tmp/no_permission"), EACCES);
}

TEST(noexec_mounts_are_respected)
{
	mkdir("/tmp/noexec", 0755);
	REQUIRE_EQ(mount("none", "/tmp/noexec", "tmpfs", MS_NOEXEC, NULL), 0);
	copy_probe("/tmp/noexec/probe");
	CHECK_EQ(exec_error("/tmp/noexec/probe"), EACCES);
	CHECK_EQ(umount("/tmp/noexec"), 0);
}

/* The numbers after @key in /proc/PID/status */
static void read_ids(pid_t pid, const char *key, unsigned int ids[4])
{
	char path[64], line[256];
	FILE *file;
	int found = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	REQUIRE(file != NULL);
	while (!found && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			found = sscanf(line + strlen(key), "%u %u %u %u", &ids[0], &ids[1],
				       &ids[2], &ids[3]);
	fclose(file);
	REQUIRE_EQ(found, 4);
}

static void check_set_ids(const char *path, unsigned int user, unsigned int group)
{
	char *argv[] = { "probe", "wait", NULL };
	unsigned int ids[4];

	program_start(&program, path, argv, no_env, become_nobody);
	read_ids(program.pid, "Uid:", ids);
	CHECK_EQ(ids[0], NOBODY);
	CHECK_EQ(ids[1], user);
	read_ids(program.pid, "Gid:", ids);
	CHECK_EQ(ids[0], NOBODY);
	CHECK_EQ(ids[1], group);
	program_finish(&program);
	CHECK_HEX(program.status, 0);
}

TEST(set_user_and_group_id)
{
	copy_probe("/tmp/set_id");
	REQUIRE_EQ(chown("/tmp/set_id", 1234, 4321), 0);
	REQUIRE_EQ(chmod("/tmp/set_id", 0755), 0);
	check_set_ids("/tmp/set_id", NOBODY, NOBODY);
	REQUIRE_EQ(chmod("/tmp/set_id", 04755), 0);
	check_set_ids("/tmp/set_id", 1234, NOBODY);
	REQUIRE_EQ(chmod("/tmp/set_id", 06755), 0);
	check_set_ids("/tmp/set_id", 1234, 4321);
}

TEST(nosuid_mounts_are_respected)
{
	mkdir("/tmp/nosuid", 0755);
	REQUIRE_EQ(mount("none", "/tmp/nosuid", "tmpfs", MS_NOSUID, NULL), 0);
	copy_probe("/tmp/nosuid/probe");
	REQUIRE_EQ(chown("/tmp/nosuid/probe", 1234, 4321), 0);
	REQUIRE_EQ(chmod("/tmp/nosuid/probe", 06755), 0);
	check_set_ids("/tmp/nosuid/probe", NOBODY, NOBODY);
	CHECK_EQ(umount("/tmp/nosuid"), 0);
}

/* Executes the probe with @count arguments of @length bytes more than it needs. */
static int status_with_arguments(size_t count, size_t length)
{
	char **argv = calloc(count + 4, sizeof(*argv)), *large = malloc(length + 1);
	pid_t pid;

	REQUIRE(argv && large);
	memset(large, 'x', length);
	large[length] = '\0';
	argv[0] = "probe";
	argv[1] = "exit";
	argv[2] = "7";
	for (size_t i = 0; i < count; i++)
		argv[3 + i] = large;
	pid = fork();
	REQUIRE(pid >= 0);
	if (!pid) {
		execve(PROBE, argv, no_env);
		_exit(errno == E2BIG ? 100 : 101);
	}
	free(argv);
	free(large);
	return wait_child(pid) >> 8;
}

TEST(arguments_up_to_the_limits)
{
	struct rlimit limit = { 8 << 20, RLIM_INFINITY };

	REQUIRE_EQ(setrlimit(RLIMIT_STACK, &limit), 0);
	/* One string: 128 KiB. All of them, with pointers: a quarter of the stack. */
	CHECK_EQ(status_with_arguments(1, 128 * 1024 - 1), 7);
	CHECK_EQ(status_with_arguments(1, 128 * 1024), 100);
	CHECK_EQ(status_with_arguments(15, 128 * 1024 - 1), 7);
	CHECK_EQ(status_with_arguments(17, 128 * 1024 - 1), 100);
	CHECK_EQ(status_with_arguments(100000, 8), 7);
	CHECK_EQ(status_with_arguments(200000, 8), 100);
	limit.rlim_cur = 128 << 10;
	REQUIRE_EQ(setrlimit(RLIMIT_STACK, &limit), 0);
	CHECK_EQ(status_with_arguments(1000, 60), 7);
}

TEST(proc_has_maps_and_no_auxiliary_vector)
{
	char *argv[] = { "probe", "wait", NULL };
	unsigned long auxv[2] = { 1, 1 };
	char path[64], line[512];
	bool named = false;
	FILE *file;
	int fd;

	program_start(&program, PROBE, argv, no_env, NULL);
	snprintf(path, sizeof(path), "/proc/%d/auxv", program.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	CHECK(read(fd, auxv, sizeof(auxv)) >= 0);
	CHECK_EQ(auxv[0] == 1 ? 0 : auxv[0], 0);
	close(fd);
	snprintf(path, sizeof(path), "/proc/%d/maps", program.pid);
	file = fopen(path, "re");
	REQUIRE(file != NULL);
	while (fgets(line, sizeof(line), file))
		named |= strstr(line, "r-xp") && strstr(line, PROBE "\n");
	fclose(file);
	CHECK(named);
	program_finish(&program);
}

static void allow_core(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_CORE, &limit);
}

TEST(no_core_is_dumped)
{
	char *argv[] = { "probe", "wait", NULL }, path[64];
	char old[256] = "core";
	int fd = open("/proc/sys/kernel/core_pattern", O_RDWR | O_CLOEXEC);

	REQUIRE(fd >= 0);
	CHECK(read(fd, old, sizeof(old) - 1) > 0);
	CHECK(pwrite(fd, "/tmp/core.%p", 12, 0) == 12);
	program_start(&program, PROBE, argv, no_env, allow_core);
	CHECK_EQ(kill(program.pid, SIGSEGV), 0);
	program_finish(&program);
	CHECK(WIFSIGNALED(program.status));
	CHECK_EQ(WTERMSIG(program.status), SIGSEGV);
	CHECK(!WCOREDUMP(program.status));
	snprintf(path, sizeof(path), "/tmp/core.%d", program.pid);
	CHECK_EQ(access(path, F_OK), -1);
	CHECK(pwrite(fd, old, strlen(old), 0) > 0);
	close(fd);
}

static void find_suspended(void *want)
{
	mach_forget();
	CHECK_EQ(trap(NR_started_suspended, 0), (long)want);
	CHECK_EQ(trap(NR_started_suspended, 0), 0);
}

TEST(stop_after_exec_is_inherited_and_told_once)
{
	mach_open();
	CHECK_EQ(trap(NR_started_suspended, 0), 0);
	CHECK_RET(trap(NR_stop_after_exec, 0), 0);
	WAIT_CHILD_OK(start_child(find_suspended, (void *)1));
	CHECK_EQ(trap(NR_started_suspended, 0), 1);
	CHECK_EQ(trap(NR_started_suspended, 0), 0);
	WAIT_CHILD_OK(start_child(find_suspended, (void *)0));
}

/* What a debugger is told of the running program. */
static void check_dyld_info(uint64_t address, uint64_t size)
{
	struct rpc rpc;
	name_t task;

	REQUIRE_RET(task_for(program.pid, &task), 0);
	CHECK_RET(RPC(&rpc, task, 3405, 17, 5), 0);
	REQUIRE_EQ(rpc.size, 40 + 20);
	CHECK_HEX(rpc_wide_at(&rpc, 1), address);
	CHECK_HEX(rpc_wide_at(&rpc, 3), size);
	CHECK_EQ(rpc_words(&rpc)[5], 1);
}

TEST(debuggers_find_the_list_of_images)
{
	char *argv[] = { "program", "wait", NULL };
	struct set_dyld_info_args args = { .all_images_address = 1, .all_images_length = 2 };

	mach_open();
	/* What the executing task said is of the old image. */
	CHECK_RET(trap_struct(NR_set_dyld_info, &args), 0);
	program_start(&program, "/macho/dynamic", argv, no_env, NULL);
	CHECK(report_number(&program, "images") != 0);
	check_dyld_info(report_number(&program, "images"), report_number(&program, "images_size"));
	program_finish(&program);
	/* A static program has none. */
	program_start(&program, PROBE, argv, no_env, NULL);
	check_dyld_info(0, 0);
	program_finish(&program);
}

TEST(set_dyld_info_takes_its_structure)
{
	struct set_dyld_info_args args = {
		.all_images_address = 0x1234, .all_images_length = 99,
	};

	mach_open();
	CHECK_RET(trap(NR_set_dyld_info, (uintptr_t)&args), 0);
	CHECK_RET(trap(NR_set_dyld_info, 16), -EFAULT);
}
