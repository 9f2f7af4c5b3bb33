// SPDX-License-Identifier: GPL-2.0
/*
 * From one image to another: ELF to Mach-O and back, and processes that die on the way.
 *
 * time limit: 240 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "process.h"
#include "program.h"

#define PROBE "/macho/probe"

static struct program program;

static char *const no_env[] = { NULL };

static long live_tasks(void)
{
	struct object_counts counts;

	REQUIRE(read_object_counts(&counts));
	for (size_t i = 0; i < counts.kinds; i++)
		if (!strcmp(counts.kind[i].name, "tasks"))
			return counts.kind[i].live;
	FATAL("nothing is said of tasks");
	return -1;
}

static void open_device(void)
{
	mach_open();
	self();
}

TEST(task_of_an_elf_program_is_replaced)
{
	char *argv[] = { "probe", "wait", NULL };
	long before = live_tasks();

	program_start(&program, PROBE, argv, no_env, open_device);
	CHECK_EQ(report_number(&program, "version"), 19);
	CHECK_EQ(live_tasks(), before + 1);
	program_finish(&program);
	CHECK_HEX(program.status, 0);
}

static void become_nobody(void)
{
	if (setgid(65534) || setuid(65534))
		_exit(99);
}

/* An ELF program that has no task of its own */
HELPER(idle)
{
	char byte;

	write(1, "x\nend\n", 6);
	return read(0, &byte, 1) != 0;
}

TEST(task_ends_when_an_elf_program_takes_over)
{
	char *argv[] = { "probe", "exec", (char *)program_path(), "@idle", NULL };
	long before = live_tasks();

	program_start(&program, PROBE, argv, no_env, NULL);
	CHECK(strstr(program.text, "end\n") != NULL);
	CHECK_EQ(live_tasks(), before);
	program_finish(&program);
	CHECK_HEX(program.status, 0);
}

/* An ELF program that makes itself a task */
HELPER(opens)
{
	mach_open();
	return get_api_version() == 19 && self() ? 0 : 1;
}

TEST(elf_program_after_a_mach_o_one_can_open_the_device)
{
	char *argv[] = { "probe", "exec", (char *)program_path(), "@opens", NULL };

	program_run(&program, PROBE, argv, no_env, NULL);
	CHECK_HEX(program.status, 0);
}

TEST(back_and_forth)
{
	/* Mach-O, Mach-O, ELF (busybox sh), Mach-O */
	char *argv[] = {
		"probe", "exec", PROBE, "exec", "/bin/sh", "-c",
		"exec " PROBE " exit 9", NULL,
	};
	long before = live_tasks();

	program_run(&program, PROBE, argv, no_env, NULL);
	CHECK_HEX(program.status, 9 << 8);
	CHECK_EQ(live_tasks(), before);
}

TEST(exec_that_fails_in_a_mach_o_program)
{
	char *argv[] = { "probe", "exec", "/nowhere", NULL };

	program_run(&program, PROBE, argv, no_env, NULL);
	CHECK_REPORT(&program, "exec", 0, "-2");
	CHECK_HEX(program.status, 1 << 8);
}

TEST(script_with_a_mach_o_interpreter)
{
	static const char script[] = "#!" PROBE " exit\n";
	/* probe exit /tmp/script: no number, so -1 */
	char *argv[] = { "script", NULL };
	int fd = open("/tmp/script", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	REQUIRE(fd >= 0);
	REQUIRE_EQ(write(fd, script, strlen(script)), strlen(script));
	close(fd);
	program_run(&program, "/tmp/script", argv, no_env, NULL);
	CHECK_HEX(program.status, 255 << 8);
}

TEST(file_without_a_name)
{
	char *argv[] = { "probe", "exit", "8", NULL };
	int status, fd = memfd_create("image", MFD_CLOEXEC);
	struct image image;
	pid_t child;

	REQUIRE(fd >= 0);
	image_read(&image, PROBE, 0);
	REQUIRE_EQ(write(fd, image.bytes, image.size), image.size);
	image_free(&image);
	child = fork();
	if (!child) {
		char path[32];
		int read_only;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		read_only = open(path, O_RDONLY | O_CLOEXEC);
		close(fd);
		fexecve(read_only, argv, no_env);
		_exit(99);
	}
	close(fd);
	REQUIRE_EQ(waitpid(child, &status, 0), child);
	CHECK_HEX(status, 8 << 8);
}

TEST(spawned_without_a_copy_of_memory)
{
	char *argv[] = { "probe", "exit", "6", NULL };
	int status;
	pid_t child;

	open_device();
	/* glibc does this with CLONE_VM | CLONE_VFORK. */
	REQUIRE_EQ(posix_spawn(&child, PROBE, NULL, NULL, argv, no_env), 0);
	REQUIRE_EQ(waitpid(child, &status, 0), child);
	CHECK_HEX(status, 6 << 8);
	CHECK_EQ(get_api_version(), 19);
}

/* A file that only root may read, executed by somebody else: it must not be dumped. */
TEST(unreadable_file_is_not_traceable)
{
	char *argv[] = { "probe", "wait", NULL };
	struct image image;
	struct stat status;
	char path[64];

	image_read(&image, PROBE, 0);
	image_write(&image, "/tmp/secret");
	image_free(&image);
	REQUIRE_EQ(chmod("/tmp/secret", 0711), 0);
	program_start(&program, "/tmp/secret", argv, no_env, become_nobody);
	/* /proc shows what must not be dumped as root's. */
	snprintf(path, sizeof(path), "/proc/%d/maps", program.pid);
	REQUIRE_EQ(stat(path, &status), 0);
	CHECK_EQ(status.st_uid, 0);
	program_finish(&program);

	program_start(&program, PROBE, argv, no_env, become_nobody);
	snprintf(path, sizeof(path), "/proc/%d/maps", program.pid);
	REQUIRE_EQ(stat(path, &status), 0);
	CHECK_EQ(status.st_uid, 65534);
	program_finish(&program);
}

static void *exec_in_thread(void *argument)
{
	execve(PROBE, argument, no_env);
	_exit(99);
}

TEST(exec_by_another_thread)
{
	pthread_t thread;
	char *argv[] = { "probe", "exec", PROBE, "exit", "3", NULL };
	pid_t child = fork();
	int status;

	if (!child) {
		mach_open();
		thread_self();
		pthread_create(&thread, NULL, exec_in_thread, argv);
		for (;;)
			thread_self();
	}
	REQUIRE_EQ(waitpid(child, &status, 0), child);
	CHECK_HEX(status, 3 << 8);
}

TEST_LIMIT(killed_at_any_moment_of_an_exec, 120)
{
	char *argv[] = { "probe", "exec", PROBE, "exec", "/macho/dynamic", NULL };
	unsigned int seed = 1;
	int status, fd;

	for (int i = 0; i < 150; i++) {
		pid_t child = fork();

		REQUIRE(child >= 0);
		if (!child) {
			fd = open("/dev/null", O_WRONLY);
			dup2(fd, 1);
			mach_open();
			self();
			execve(PROBE, argv, no_env);
			_exit(99);
		}
		usleep((unsigned int)rand_r(&seed) % 8000);
		kill(child, SIGKILL);
		REQUIRE_EQ(waitpid(child, &status, 0), child);
		if (WIFSIGNALED(status))
			CHECK_EQ(WTERMSIG(status), SIGKILL);
		else
			CHECK_HEX(status, 0);
	}
}

static void few_descriptors(void)
{
	/* No number is free for the kernel's descriptor, as all stay open. */
	struct rlimit limit = { 2, 2 };

	dup2(1, 2);
	close_range(2, ~0u, 0);
	setrlimit(RLIMIT_NOFILE, &limit);
}

TEST(no_free_descriptor_kills)
{
	char *argv[] = { "probe", NULL };

	program_run(&program, PROBE, argv, no_env, few_descriptors);
	CHECK(WIFSIGNALED(program.status));
}

TEST(kernel_descriptor_does_not_survive_exec)
{
	/* 3 is the lowest free number, and the shell of the next image sees it closed. */
	char *argv[] = {
		"probe", "exec", "/bin/sh", "-c", "ls -l /proc/self/fd | grep -c mach", NULL,
	};

	program_run(&program, PROBE, argv, no_env, NULL);
	CHECK_EQ(program.text[0], '0');
}
