// SPDX-License-Identifier: GPL-2.0
/*
 * A task that executes a set-user-id Mach-O program: what others hold of it
 * loses its power.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exception.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"

#define PROBE	"/macho/probe"
#define NOBODY	65534

/* The program that is executed, and its standard input and output */
static char path[64];
static int input[2], output[2];

/* A copy of the program, which may be made to run as its owner, root. */
static void install(mode_t mode)
{
	struct stat status;
	int from = open(PROBE, O_RDONLY | O_CLOEXEC), to;

	snprintf(path, sizeof(path), "/tmp/setuid-%d", getpid());
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	REQUIRE(from >= 0 && to >= 0);
	REQUIRE_EQ(fstat(from, &status), 0);
	REQUIRE_EQ(sendfile(to, from, NULL, (size_t)status.st_size), status.st_size);
	REQUIRE_EQ(fchmod(to, mode), 0);
	close(from);
	close(to);
	REQUIRE_EQ(pipe2(input, O_CLOEXEC), 0);
	REQUIRE_EQ(pipe2(output, O_CLOEXEC), 0);
}

static void execute(int signal_number)
{
	char *const argv[] = { path, (char *)"wait", NULL };
	char *const environment[] = { NULL };

	(void)signal_number;
	execve(path, argv, environment);
	_exit(99);
}

/* The other task is nobody's, and executes the program at a signal. */
static void prepare(void *unused)
{
	become_nobody(unused);
	REQUIRE_EQ(dup2(input[0], 0), 0);
	REQUIRE_EQ(dup2(output[1], 1), 1);
	REQUIRE(signal(SIGUSR1, execute) != SIG_ERR);
}

/* Has the other task execute the program; returns when that runs. */
static void let_it_execute(struct other *other)
{
	char text[4096];
	size_t length = 0;

	close(output[1]);
	kill(other->pid, SIGUSR1);
	do {
		ssize_t count = read(output[0], text + length, sizeof(text) - 1 - length);

		REQUIRE(count > 0);
		length += (size_t)count;
		text[length] = 0;
	} while (!strstr(text, "end\n"));
	CHECK(strstr(text, "version 19\n") || strstr(text, "version 13\n"));
	unlink(path);
}

/* The effective user of a process, as Linux has it */
static unsigned int effective_user(pid_t pid)
{
	char name[64], line[256];
	unsigned int real = 1, effective = 1;
	FILE *file;

	snprintf(name, sizeof(name), "/proc/%d/status", pid);
	file = fopen(name, "re");
	REQUIRE(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Uid: %u %u", &real, &effective) == 2)
			break;
	fclose(file);
	return effective;
}

static long find_task(pid_t pid, name_t *name)
{
	struct task_for_pid args = { .pid = pid, .task_port = (void *)name };

	return trap_struct(NR_task_for_pid_trap, &args);
}

static int32_t ask(name_t task, int32_t id)
{
	struct message message;

	message_init(&message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), task, new_port(), id);
	return (int32_t)msg_send(&message, HEADER_SIZE);
}

/* Who is told of exceptions of @task: the one right that it has for all of them */
static name_t listener(name_t task)
{
	struct rpc rpc;

	REQUIRE_RET(RPC(&rpc, task, 3414, EXC_MASK_ALL), 0);
	CHECK_EQ(rpc_words(&rpc)[0], 1);
	return rpc_right(&rpc, 0, MOVE_SEND);
}

TEST(exception_ports_are_inherited_unless_the_program_is_set_uid)
{
	for (int set_uid = 0; set_uid < 2; set_uid++) {
		struct other other;
		name_t port, task = 0;

		mach_open();
		install(set_uid ? 04755 : 0755);
		other_start(&other, prepare, NULL);
		port = new_send_right();
		REQUIRE_RET(listen_to(other.task, EXC_MASK_ALL, port, EXC_STATE, 4), 0);
		CHECK_HEX(listener(other.task), port);
		let_it_execute(&other);
		CHECK_RET(find_task(other.pid, &task), 0);
		CHECK(task != other.task);
		/* They would give power over registers. */
		CHECK_HEX(listener(task), set_uid ? 0 : port);
		kill_child(other.pid);
		close(input[1]);
	}
}

TEST(program_that_is_not_set_uid_is_controlled)
{
	struct other other;
	name_t task = 0;
	struct rpc rpc;

	mach_open();
	install(0755);
	other_start(&other, prepare, NULL);
	become_nobody(NULL);
	CHECK_RET(RPC(&rpc, other.task, 3204, MACH_PORT_RIGHT_RECEIVE), 0);
	let_it_execute(&other);
	CHECK_EQ(effective_user(other.pid), NOBODY);
	/* It is another task, which can be got. */
	CHECK_UREFS(other.task, MACH_PORT_RIGHT_DEAD_NAME, 1);
	CHECK_RET(find_task(other.pid, &task), 0);
	CHECK_RET(RPC(&rpc, task, 3204, MACH_PORT_RIGHT_RECEIVE), 0);
	kill_child(other.pid);
}

TEST(ports_of_a_task_that_becomes_set_uid_lose_their_power)
{
	struct other other;
	name_t task = 0;
	struct rpc rpc;

	mach_open();
	install(04755);
	other_start(&other, prepare, NULL);
	become_nobody(NULL);
	CHECK_RET(RPC(&rpc, other.task, 3204, MACH_PORT_RIGHT_RECEIVE), 0);
	CHECK_RET(RPC(&rpc, other.task, 3409, 4), 0);
	let_it_execute(&other);
	CHECK_EQ(effective_user(other.pid), 0);
	/* What was a right to the task and to its thread is none any more, */
	CHECK_UREFS(other.task, MACH_PORT_RIGHT_DEAD_NAME, 1);
	CHECK_UREFS(other.thread, MACH_PORT_RIGHT_DEAD_NAME, 1);
	CHECK_RET(ask(other.task, 3204), MACH_SEND_INVALID_DEST);
	CHECK_RET(ask(other.task, 4816), MACH_SEND_INVALID_DEST);
	CHECK_RET(ask(other.thread, 3612), MACH_SEND_INVALID_DEST);
	/* and another is not to be had. */
	CHECK_RET(find_task(other.pid, &task), KERN_FAILURE);
	CHECK_HEX(task, 0);
	/* It ends at the end of its input. */
	close(input[1]);
	CHECK_HEX(wait_child(other.pid), 0);
}
