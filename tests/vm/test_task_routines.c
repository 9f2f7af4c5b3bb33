// SPDX-License-Identifier: GPL-2.0
/*
 * What a task answers about its threads and the ports that it keeps for its
 * children.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"

#define MIG_TYPE_ERROR	(-300)
#define REGISTER_MAX	3

static void unmap_names(name_t *names)
{
	CHECK_EQ(munmap(names, 4096), 0);
}

/* The names of a reply with an array of rights only */
static name_t *array_of(const struct rpc *rpc, uint32_t *count)
{
	name_t *names;

	REQUIRE_EQ(rpc->size, 24 + 4 + 16 + 8 + 4);
	names = rpc_out_of_line(rpc, 0, count);
	CHECK_EQ(rpc_words(rpc)[0], *count);
	return names;
}

static name_t *threads_of(name_t task, uint32_t *count)
{
	struct rpc rpc;

	rpc_begin(&rpc, task, 3402);
	REQUIRE_RET(rpc_call(&rpc), 0);
	return array_of(&rpc, count);
}

static bool has_name(const name_t *names, uint32_t count, name_t name)
{
	for (uint32_t i = 0; i < count; i++)
		if (names[i] == name)
			return true;
	return false;
}

struct thread_case {
	struct gate known, end;
	name_t port;
};

static void *be_known(void *argument)
{
	struct thread_case *state = argument;

	state->port = thread_self();
	gate_open(&state->known);
	gate_pass(&state->end);
	trap(NR_thread_death_announce, 0);
	return NULL;
}

TEST(threads_are_those_that_made_a_trap)
{
	struct thread_case state;
	struct worker worker;
	name_t own, *names;
	uint32_t count;

	mach_open();
	own = thread_self();
	names = threads_of(self(), &count);
	CHECK_EQ(count, 1);
	CHECK_HEX(names[0], own);
	CHECK_SEND_UREFS(own, 2);
	unmap_names(names);

	gate_init(&state.known);
	gate_init(&state.end);
	worker_start(&worker, be_known, &state);
	gate_pass(&state.known);
	names = threads_of(self(), &count);
	REQUIRE_EQ(count, 2);
	CHECK(has_name(names, count, own));
	CHECK(has_name(names, count, state.port));
	CHECK_SEND_UREFS(state.port, 2);
	unmap_names(names);
	gate_open(&state.end);
	worker_join(&worker);
	names = threads_of(self(), &count);
	CHECK_EQ(count, 1);
	unmap_names(names);
}

TEST(threads_of_another_task)
{
	struct other other;
	uint32_t count;
	name_t *names;

	mach_open();
	other_start(&other, NULL, NULL);
	names = threads_of(other.task, &count);
	REQUIRE_EQ(count, 1);
	CHECK_HEX(names[0], other.thread);
	CHECK_SEND_UREFS(other.thread, 2);
	other_end(&other);
}

static int32_t register_ports(name_t task, const name_t *names, uint32_t count)
{
	struct rpc rpc;

	rpc_begin(&rpc, task, 3403);
	rpc_array(&rpc, names, count, COPY_SEND);
	rpc_word(&rpc, count);
	return rpc_call(&rpc);
}

static void check_registered(name_t task, name_t first, name_t second, name_t third)
{
	struct rpc rpc;
	uint32_t count;
	name_t *names;

	rpc_begin(&rpc, task, 3404);
	CHECK_RET(rpc_call(&rpc), 0);
	names = array_of(&rpc, &count);
	REQUIRE_EQ(count, REGISTER_MAX);
	CHECK_HEX(names[0], first);
	CHECK_HEX(names[1], second);
	CHECK_HEX(names[2], third);
	unmap_names(names);
}

BOTH(registered_ports_are_given_back)
{
	name_t names[4];

	for (int i = 0; i < 4; i++)
		names[i] = new_send_right();
	check_registered(task, 0, 0, 0);
	CHECK_RET(register_ports(task, names, 3), 0);
	check_registered(task, names[0], names[1], names[2]);
	CHECK_SEND_UREFS(names[0], 2);
	/* Too many: nothing is taken, nothing changes */
	CHECK_RET(register_ports(task, names, 4), KERN_INVALID_ARGUMENT);
	CHECK_SEND_UREFS(names[3], 1);
	check_registered(task, names[0], names[1], names[2]);
	names[1] = MACH_PORT_NULL;
	CHECK_RET(register_ports(task, names, 2), 0);
	check_registered(task, names[0], 0, 0);
	CHECK_RET(register_ports(task, names, 0), 0);
	check_registered(task, 0, 0, 0);
}

TEST(registered_ports_are_send_rights)
{
	struct rpc rpc;
	name_t names[2];

	mach_open();
	names[0] = new_send_right();
	names[1] = new_send_right();
	/* The number is not that of the array */
	rpc_begin(&rpc, self(), 3403);
	rpc_array(&rpc, names, 2, COPY_SEND);
	rpc_word(&rpc, 1);
	CHECK_REFUSED(&rpc, MIG_TYPE_ERROR);
	/* Rights of another kind, which are dropped */
	rpc_begin(&rpc, self(), 3403);
	rpc_array(&rpc, names, 2, MOVE_RECEIVE);
	rpc_word(&rpc, 2);
	CHECK_REFUSED(&rpc, MIG_TYPE_ERROR);
	CHECK(has_right(names[0], MACH_PORT_RIGHT_DEAD_NAME));
	check_registered(self(), 0, 0, 0);
}

static void check_inherited(name_t first)
{
	struct rpc rpc;
	uint32_t count;
	name_t *names;

	rpc_begin(&rpc, self(), 3404);
	REQUIRE_RET(rpc_call(&rpc), 0);
	names = array_of(&rpc, &count);
	REQUIRE_EQ(count, REGISTER_MAX);
	CHECK(names[0] && has_right(names[0], MACH_PORT_RIGHT_SEND));
	CHECK_HEX(names[1], 0);
	if (first)
		CHECK_HEX(names[0], first);
}

HELPER(look_up_after_exec)
{
	(void)argc;
	(void)argv;
	mach_open();
	check_inherited(0);
	return 0;
}

TEST(registered_ports_are_inherited)
{
	name_t name;
	pid_t pid;

	mach_open();
	name = new_send_right();
	CHECK_RET(register_ports(self(), &name, 1), 0);
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		check_inherited(0);
		_exit(0);
	}
	WAIT_CHILD_OK(pid);
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		exec_helper("look_up_after_exec", "");
	}
	WAIT_CHILD_OK(pid);
	check_registered(self(), name, 0, 0);
}

static int32_t ask(name_t target, int32_t id)
{
	struct rpc rpc;

	rpc_begin(&rpc, target, id);
	if (id == 3403) {
		rpc_array(&rpc, NULL, 0, COPY_SEND);
		rpc_word(&rpc, 0);
	}
	return rpc_call(&rpc);
}

TEST(control_of_another_user_is_refused)
{
	static const int32_t ids[] = { 3402, 3403, 3404 };
	struct other other;

	mach_open();
	other_start(&other, NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		CHECK_RET(ask(other.task, ids[i]), 0);
	become_nobody(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		CHECK_RET(ask(other.task, ids[i]), KERN_NO_ACCESS);
}
