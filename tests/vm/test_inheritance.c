// SPDX-License-Identifier: GPL-2.0
/*
 * What a task has of the one that it was forked from, or whose process has
 * executed another program: this, and nothing else.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "family.h"
#include "harness.h"
#include "lookup.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "program.h"
#include "rpc.h"

#define PROBE		"/macho/probe"
#define ROOT		"/tmp"

#define PORTS_REGISTER	3403
#define PORTS_LOOKUP	3404
#define GET_SPECIAL_PORT 3409
#define THREAD_INFO	3612

/* Too large for the stack of a case */
static struct program program;
static struct family family;

/* What there is to inherit */
static struct {
	name_t bootstrap, registered[2];
	pid_t tracer;
} own;

static void set_everything(void)
{
	struct uidgid ids = { .uid = 501, .gid = 20 };
	struct set_tracer_args tracer = { .target = 0 };
	struct set_thread_handles_args handles = { .pthread_handle = 1, .dispatch_qaddr = 2 };
	struct rpc rpc;
	int fd = open(ROOT, O_PATH | O_CLOEXEC);

	family_init(&family);
	own.bootstrap = family.port[0];
	bootstrap_set(own.bootstrap, MAKE_SEND);
	for (int i = 0; i < 2; i++)
		own.registered[i] = new_send_right();
	rpc_begin(&rpc, self(), PORTS_REGISTER);
	rpc_array(&rpc, own.registered, 2, COPY_SEND);
	rpc_word(&rpc, 2);
	REQUIRE_RET(rpc_call(&rpc), 0);
	own.tracer = getppid();
	tracer.tracer = own.tracer;
	REQUIRE_RET(trap_struct(NR_set_tracer, &tracer), 0);
	REQUIRE_RET(trap_struct(NR_setuidgid, &ids), 0);
	REQUIRE_RET(trap(NR_stop_after_exec, 0), 0);
	REQUIRE_RET(trap(NR_vchroot, (unsigned long)fd), 0);
	close(fd);
	REQUIRE_RET(trap_struct(NR_set_thread_handles, &handles), 0);
	mark_task(0x5555);
}

/* A name of @task's bootstrap port and registered ones in the space of the caller */
static name_t bootstrap_of(name_t task)
{
	struct rpc rpc;

	CHECK_RET(RPC(&rpc, task, GET_SPECIAL_PORT, 4), 0);
	return rpc_right(&rpc, 0, MOVE_SEND);
}

static void registered_of(name_t task, name_t *names)
{
	struct rpc rpc;
	uint32_t count;
	name_t *got;

	rpc_begin(&rpc, task, PORTS_LOOKUP);
	REQUIRE_RET(rpc_call(&rpc), 0);
	got = rpc_out_of_line(&rpc, 0, &count);
	REQUIRE_EQ(count, 3);
	memcpy(names, got, 3 * sizeof(*names));
}

static void check_inherited(void *argument)
{
	struct uidgid ids = { 0 };
	struct vchroot_expand_args root = { .path = "/name", .dfd = -100 };
	name_t names[3], bootstrap;
	struct rpc rpc;

	(void)argument;
	CHECK_EQ(get_api_version(), 19);
	check_not_parent(&family);
	CHECK_RET(trap_struct(NR_getuidgid, &ids), 0);
	CHECK_EQ(ids.uid, 501);
	CHECK_EQ(ids.gid, 20);
	CHECK_EQ(trap(NR_get_tracer, 0), own.tracer);
	CHECK_EQ(trap(NR_started_suspended, 0), 1);
	CHECK_RET(trap_struct(NR_vchroot_expand, &root), 0);
	CHECK(!strcmp(root.path, ROOT "/name"));
	bootstrap = bootstrap_get();
	CHECK_RET(send_id(bootstrap, COPY_SEND, 61), 0);
	registered_of(self(), names);
	CHECK_RET(send_id(names[0], COPY_SEND, 62), 0);
	CHECK_RET(send_id(names[1], COPY_SEND, 63), 0);
	CHECK_EQ(names[2], MACH_PORT_NULL);
	/* Of the thread nothing is left, and the memory is the parent's. */
	CHECK_RET(RPC(&rpc, thread_self(), THREAD_INFO, 4, 6), 0);
	CHECK_EQ(rpc_wide_at(&rpc, 3), 0);
	CHECK_EQ(rpc_wide_at(&rpc, 5), 0);
	CHECK_HEX(mark_of(self()), 0x5555);
	/* What it changes is its own. */
	ids.uid = 1;
	CHECK_RET(trap_struct(NR_setuidgid, &ids), 0);
	bootstrap_set(names[0], COPY_SEND);
}

TEST(forked_task_inherits_this_and_nothing_else)
{
	struct uidgid ids = { 0 };

	set_everything();
	WAIT_CHILD_OK(start_child(check_inherited, NULL));
	CHECK_EQ(receive_id(own.bootstrap), 61);
	CHECK_EQ(receive_id(own.registered[0]), 62);
	CHECK_EQ(receive_id(own.registered[1]), 63);
	CHECK_RET(trap_struct(NR_getuidgid, &ids), 0);
	CHECK_EQ(ids.uid, 501);
	CHECK_HEX(bootstrap_of(self()), own.bootstrap);
	CHECK_EQ(trap(NR_started_suspended, 0), 1);
	check_parent(&family);
}

/* In the process that will execute a program: it has a task, and rights, of its own. */
static void become_a_task(void)
{
	mach_forget();
	if (get_api_version() != 19)
		_exit(97);
	for (int i = 0; i < 50; i++)
		new_send_right();
	mark_task(0x6666);
}

static void check_program(void (*prepare)(void))
{
	char *argv[] = { "probe", "wait", NULL };
	char *const no_env[] = { NULL };
	char tracer[16];
	name_t task, names[3];

	program_start(&program, PROBE, argv, no_env, prepare);
	snprintf(tracer, sizeof(tracer), "%x", (unsigned int)own.tracer);
	CHECK_REPORT(&program, "ids", 0, "1f5 14");
	CHECK_REPORT(&program, "tracer", 0, tracer);
	CHECK_REPORT(&program, "suspended", 0, "1");
	CHECK_REPORT(&program, "suspended", 1, "0");
	CHECK_REPORT(&program, "apple", 0, "executable_path=/Volumes/SystemRoot" PROBE);
	/* The task's own port and its thread's are the first names of all. */
	CHECK_REPORT(&program, "names", 0, "2");
	REQUIRE_RET(task_for(program.pid, &task), 0);
	CHECK_HEX(bootstrap_of(task), own.bootstrap);
	registered_of(task, names);
	CHECK_HEX(names[0], own.registered[0]);
	CHECK_HEX(names[1], own.registered[1]);
	CHECK_HEX(names[2], MACH_PORT_NULL);
	CHECK_HEX(mark_of(task), 0);
	program_finish(&program);
	CHECK_HEX(program.status, 0);
}

TEST(executed_program_inherits_this_and_nothing_else)
{
	set_everything();
	check_program(become_a_task);
	check_parent(&family);
}

TEST(program_executed_by_a_child_without_a_trap_inherits_the_same)
{
	set_everything();
	check_program(NULL);
	check_parent(&family);
}
