// SPDX-License-Identifier: GPL-2.0
/*
 * What a task answers about its threads and the ports that it keeps for its
 * children.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"
#include "shapes.h"

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

TEST(policies_are_kept_and_told)
{
	static const struct { int32_t set; uint32_t flavor, count, first; } defaults[] = {
		{ 3420, 1, 1, 0 }, { 3420, 8, 2, 0 }, { 3617, 1, 1, 1 }, { 3617, 2, 4, 0 },
		{ 3617, 3, 1, 0 }, { 3617, 9, 2, 0 },
	};
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		name_t target = defaults[i].set == 3420 ? self() : thread_self();
		int32_t get = defaults[i].set + 1;
		uint32_t flavor = defaults[i].flavor, count = defaults[i].count;

		CHECK_RET(RPC(&rpc, target, get, flavor, 16, 0), 0);
		REQUIRE_EQ(rpc.size, 36 + 4 + count * 4 + 4);
		CHECK_EQ(rpc_words(&rpc)[0], count);
		CHECK_EQ(rpc_words(&rpc)[1], defaults[i].first);
		CHECK_EQ(rpc_words(&rpc)[1 + count], 1);
		CHECK_RET(RPC(&rpc, target, get, flavor, count - 1, 0), KERN_INVALID_ARGUMENT);
		CHECK_RET(RPC(&rpc, target, defaults[i].set, flavor, 1, 77), 0);
		CHECK_RET(RPC(&rpc, target, get, flavor, 16, 0), 0);
		REQUIRE_EQ(rpc.size, 36 + 4 + 4 + 4);
		CHECK_EQ(rpc_words(&rpc)[1], 77);
		CHECK_EQ(rpc_words(&rpc)[2], 0);
		CHECK_RET(RPC(&rpc, target, defaults[i].set, flavor, 1, 78), 0);
		CHECK_RET(RPC(&rpc, target, get, flavor, 16, 0), 0);
		CHECK_EQ(rpc_words(&rpc)[1], 78);
		CHECK_RET(RPC(&rpc, target, get, flavor, 16, 1), 0);
		CHECK_EQ(rpc_words(&rpc)[1 + count], 1);
		CHECK_RET(RPC(&rpc, target, get, 12345, 16, 0), KERN_INVALID_ARGUMENT);
		/* Clients rely on this one. */
		CHECK_RET(RPC(&rpc, target, defaults[i].set, 12345, 0), 0);
	}
}

/* Those who have set nothing share a state, which nobody may change. */
TEST(policies_of_one_are_not_those_of_others)
{
	struct other other;
	struct rpc rpc;

	mach_open();
	other_start(&other, NULL, NULL);
	CHECK_RET(RPC(&rpc, other.task, 3420, 1, 1, 77), 0);
	CHECK_RET(RPC(&rpc, other.thread, 3617, 3, 1, 77), 0);
	CHECK_RET(RPC(&rpc, self(), 3421, 1, 16, 0), 0);
	CHECK_EQ(rpc_words(&rpc)[1], 0);
	CHECK_RET(RPC(&rpc, thread_self(), 3618, 3, 16, 0), 0);
	CHECK_EQ(rpc_words(&rpc)[1], 0);
	CHECK_RET(RPC(&rpc, other.task, 3421, 1, 16, 0), 0);
	CHECK_EQ(rpc_words(&rpc)[1], 77);
	CHECK_RET(RPC(&rpc, other.thread, 3618, 3, 16, 0), 0);
	CHECK_EQ(rpc_words(&rpc)[1], 77);
}

TEST(the_voucher_of_a_task_is_null)
{
	struct rpc rpc;
	name_t port;

	mach_open();
	port = new_send_right();
	CHECK_RET(RPC(&rpc, self(), 3439, 0), 0);
	REQUIRE_EQ(rpc.size, 40);
	CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND), 0);
	CHECK_RET(RPC(&rpc, self(), 3439, 1), KERN_INVALID_ARGUMENT);
	rpc_begin(&rpc, self(), 3440);
	rpc_port(&rpc, MACH_PORT_NULL, COPY_SEND);
	CHECK_RET(rpc_call(&rpc), 0);
	rpc_begin(&rpc, self(), 3440);
	rpc_port(&rpc, port, COPY_SEND);
	CHECK_REFUSED(&rpc, KERN_INVALID_ARGUMENT);
	/* A real one is accepted, as in XNU, and not kept. */
	rpc_begin(&rpc, self(), 3440);
	rpc_port(&rpc, port_of(VOUCHER), MOVE_SEND);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_RET(RPC(&rpc, self(), 3439, 0), 0);
	CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND), 0);
	rpc_begin(&rpc, self(), 3441);
	rpc_port(&rpc, port_of(VOUCHER), MOVE_SEND);
	rpc_port(&rpc, MACH_PORT_NULL, COPY_SEND);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND), 0);
}

TEST(a_thread_can_have_another_port_for_its_own)
{
	struct rpc rpc;
	name_t thread, port;

	mach_open();
	thread = thread_self();
	port = new_send_right();
	CHECK_RET(RPC(&rpc, thread, 3610, 1), 0);
	CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND), thread);
	rpc_begin(&rpc, thread, 3611);
	rpc_port(&rpc, port, COPY_SEND);
	rpc_word(&rpc, 1);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_HEX(thread_self(), port);
	CHECK_RET(RPC(&rpc, thread, 3610, 1), 0);
	CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND), port);
	CHECK_RET(RPC(&rpc, thread, 3610, 2), KERN_INVALID_ARGUMENT);
	rpc_begin(&rpc, thread, 3611);
	rpc_port(&rpc, port, COPY_SEND);
	rpc_word(&rpc, 2);
	CHECK_REFUSED(&rpc, KERN_INVALID_ARGUMENT);
	rpc_begin(&rpc, thread, 3611);
	rpc_port(&rpc, MACH_PORT_NULL, COPY_SEND);
	rpc_word(&rpc, 1);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_HEX(thread_self(), thread);
}

TEST(terminate_kills_the_process)
{
	struct other other;
	int status = 0;

	mach_open();
	other_start(&other, NULL, NULL);
	CHECK_RET(ask(other.task, 3401), 0);
	REQUIRE_EQ(waitpid(other.pid, &status, 0), other.pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(has_right(other.task, MACH_PORT_RIGHT_DEAD_NAME));
}

TEST(what_there_is_not_says_so)
{
	static const int32_t tasks[] = {
		3411, 3425, 3428, 3431, 3438, 3442, 3446, 3449,
	}, threads[] = { 3609, 3622, 3623 };

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
		CHECK_RET(ask(self(), tasks[i]), KERN_NOT_SUPPORTED);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		CHECK_RET(ask(thread_self(), threads[i]), KERN_NOT_SUPPORTED);
}

TEST(another_user_is_refused_the_rest_as_well)
{
	struct other other;
	struct rpc rpc;

	mach_open();
	other_start(&other, NULL, NULL);
	become_nobody(NULL);
	CHECK_RET(ask(other.task, 3401), KERN_NO_ACCESS);
	CHECK_RET(RPC(&rpc, other.task, 3409, 4), KERN_NO_ACCESS);
	rpc_begin(&rpc, other.task, 3410);
	rpc_port(&rpc, MACH_PORT_NULL, COPY_SEND);
	rpc_word(&rpc, 4);
	CHECK_REFUSED(&rpc, KERN_NO_ACCESS);
	CHECK_RET(RPC(&rpc, other.task, 3420, 1, 0), KERN_NO_ACCESS);
	CHECK_RET(RPC(&rpc, other.task, 3421, 1, 16, 0), KERN_NO_ACCESS);
	CHECK_RET(RPC(&rpc, other.task, 3439, 0), KERN_NO_ACCESS);
	CHECK_RET(RPC(&rpc, other.thread, 3617, 1, 0), KERN_NO_ACCESS);
	CHECK_RET(RPC(&rpc, other.thread, 3618, 1, 16, 0), KERN_NO_ACCESS);
	CHECK_RET(RPC(&rpc, other.thread, 3610, 1), KERN_NO_ACCESS);
}
