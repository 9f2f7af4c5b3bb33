// SPDX-License-Identifier: GPL-2.0
/*
 * What the module's own parts are told of processes: who forked, runs another
 * image, exited with which status, was reaped. The history in debugfs is one of
 * those who are told.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "process.h"
#include "program.h"

#define HISTORY "/sys/kernel/debug/mach/processes"

/* Position of the line in the history, from 1 on; 0 if it is not there. */
static int position(const char *format, ...)
{
	char want[128], line[128];
	int number = 0, found = 0;
	va_list arguments;
	FILE *file;

	va_start(arguments, format);
	vsnprintf(want, sizeof(want), format, arguments);
	va_end(arguments);
	file = fopen(HISTORY, "re");
	if (!file)
		FATAL("cannot read " HISTORY);
	while (fgets(line, sizeof(line), file)) {
		number++;
		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line, want))
			found = number;
	}
	fclose(file);
	return found;
}

/*
 * Reaping is told a little later. The history forgets its first line for each that comes, so
 * positions are compared once this has come.
 */
static int position_of_reaping(pid_t pid)
{
	int found = 0;

	for (int i = 0; !found && i < 1000; i++) {
		found = position("%d reaped", pid);
		if (!found)
			usleep(5000);
	}
	return found;
}

static void trap_and_leave(void *status)
{
	CHECK_EQ(get_api_version(), 19);
	_exit((int)(long)status);
}

TEST(child_that_traps_is_followed_to_its_end)
{
	int forked, exited, reaped;
	pid_t pid;

	mach_open();
	pid = start_child(trap_and_leave, (void *)3);
	CHECK_HEX(wait_child(pid), 3 << 8);
	CHECK(position_of_reaping(pid) > 0);
	forked = position("%d forked %d", getpid(), pid);
	exited = position("%d exited 0x300", pid);
	reaped = position("%d reaped", pid);
	CHECK(forked > 0);
	CHECK(exited > forked);
	CHECK(reaped > exited);
}

static void trap_and_wait(void *gate)
{
	CHECK_EQ(get_api_version(), 19);
	gate_open(gate);
	pause();
}

TEST(killed_child_has_the_signal_as_status)
{
	struct gate gate;
	pid_t pid;

	mach_open();
	gate_init(&gate);
	pid = start_child(trap_and_wait, &gate);
	gate_pass(&gate);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_HEX(wait_child(pid), SIGKILL);
	CHECK(position("%d exited 0x9", pid) > 0);
	CHECK(position_of_reaping(pid) > 0);
}

static void *wait_for_ever(void *argument)
{
	pause();
	return argument;
}

static void exit_from_many_threads(void *argument)
{
	pthread_t thread;

	(void)argument;
	CHECK_EQ(get_api_version(), 19);
	for (int i = 0; i < 4; i++)
		REQUIRE(!pthread_create(&thread, NULL, wait_for_ever, NULL));
	_exit(5);
}

TEST(process_of_several_threads_exits_once)
{
	pid_t pid;

	mach_open();
	pid = start_child(exit_from_many_threads, NULL);
	CHECK_HEX(wait_child(pid), 5 << 8);
	CHECK(position("%d exited 0x500", pid) > 0);
}

static void *leave_later(void *argument)
{
	(void)argument;
	/* By now the first thread is gone. */
	sleep_ms(50);
	return NULL;
}

static void first_thread_leaves(void *argument)
{
	pthread_t thread;

	(void)argument;
	CHECK_EQ(get_api_version(), 19);
	REQUIRE(!pthread_create(&thread, NULL, leave_later, NULL));
	pthread_exit(NULL);
}

TEST(process_exits_with_its_last_thread)
{
	pid_t pid;

	mach_open();
	pid = start_child(first_thread_leaves, NULL);
	CHECK_HEX(wait_child(pid), 0);
	CHECK(position("%d exited 0x0", pid) > 0);
}

TEST(zombie_is_not_reaped)
{
	siginfo_t info;
	pid_t pid;

	mach_open();
	pid = start_child(trap_and_leave, (void *)1);
	REQUIRE_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	CHECK(position("%d exited 0x100", pid) > 0);
	/* Others are, meanwhile. */
	for (int i = 0; i < 5; i++)
		wait_child(start_child(trap_and_leave, (void *)0));
	sleep_ms(100);
	CHECK_EQ(position("%d reaped", pid), 0);
	CHECK_HEX(wait_child(pid), 1 << 8);
	CHECK(position_of_reaping(pid) > 0);
}

static void become_busybox(void *argument)
{
	char *argv[] = { "false", NULL };

	(void)argument;
	CHECK_EQ(get_api_version(), 19);
	execv("/bin/busybox", argv);
}

TEST(process_that_becomes_another_program_is_still_followed)
{
	int replaced, exited;
	pid_t pid;

	mach_open();
	pid = start_child(become_busybox, NULL);
	CHECK_HEX(wait_child(pid), 1 << 8);
	CHECK(position_of_reaping(pid) > 0);
	replaced = position("%d replaced", pid);
	exited = position("%d exited 0x100", pid);
	CHECK(replaced > 0);
	CHECK(exited > replaced);
}

TEST(mach_o_program_is_followed_from_its_start)
{
	static struct program program;
	char *argv[] = { "probe", "exit", "42", NULL };
	char *envp[] = { NULL };
	int replaced, exited;

	program_run(&program, "/macho/probe", argv, envp, NULL);
	CHECK_HEX(program.status, 42 << 8);
	CHECK(position_of_reaping(program.pid) > 0);
	replaced = position("%d replaced", program.pid);
	exited = position("%d exited 0x2a00", program.pid);
	CHECK(replaced > 0);
	CHECK(exited > replaced);
}
