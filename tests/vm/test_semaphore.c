// SPDX-License-Identifier: GPL-2.0
/*
 * Semaphores: counts, errors in their order, names, ends. Nothing here blocks but
 * for a short time; waits are in test_semaphore_wait.c.
 * time limit: 200 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "rpc.h"
#include "sema.h"
#include "short_rights.h"

TEST(count_goes_up_and_down)
{
	name_t sema;

	mach_open();
	sema = new_sema(0);
	CHECK_RET(sema_poll(sema), KERN_OPERATION_TIMED_OUT);
	for (int i = 0; i < 1000; i++)
		CHECK_RET(sema_signal(sema), KERN_SUCCESS);
	for (int i = 0; i < 1000; i++)
		CHECK_RET(i % 2 ? sema_wait(sema) : sema_poll(sema), KERN_SUCCESS);
	CHECK_RET(sema_poll(sema), KERN_OPERATION_TIMED_OUT);
}

TEST(semaphore_starts_with_its_value)
{
	name_t sema;

	mach_open();
	for (int32_t value = 0; value < 5; value++) {
		sema = new_sema(value);
		CHECK_EQ(sema_drain(sema), value);
	}
}

TEST(count_ends_at_the_largest_int)
{
	name_t sema;

	mach_open();
	sema = new_sema(INT_MAX - 1);
	CHECK_RET(sema_signal(sema), KERN_SUCCESS);
	CHECK_RET(sema_signal(sema), KERN_FAILURE);
	CHECK_RET(sema_wait(sema), KERN_SUCCESS);
	CHECK_RET(sema_signal(sema), KERN_SUCCESS);
	CHECK_RET(sema_signal(sema), KERN_FAILURE);
	CHECK_RET(sema_signal_all(sema), KERN_SUCCESS);
	CHECK_RET(sema_poll(sema), KERN_OPERATION_TIMED_OUT);
}

TEST(signal_all_forgets_signals_that_nobody_waits_for)
{
	name_t sema;

	mach_open();
	sema = new_sema(7);
	CHECK_RET(sema_signal_all(sema), KERN_SUCCESS);
	CHECK_RET(sema_poll(sema), KERN_OPERATION_TIMED_OUT);
	CHECK_RET(sema_signal_all(sema), KERN_SUCCESS);
	CHECK_RET(sema_signal(sema), KERN_SUCCESS);
	CHECK_EQ(sema_drain(sema), 1);
}

TEST(wait_signal_takes_one_and_gives_one)
{
	name_t one, other;

	mach_open();
	one = new_sema(3);
	other = new_sema(0);
	for (int i = 0; i < 3; i++)
		CHECK_RET(sema_wait_signal(one, other), KERN_SUCCESS);
	CHECK_EQ(sema_drain(one), 0);
	CHECK_EQ(sema_drain(other), 3);

	/* A wait that does not come about signals all the same. */
	CHECK_RET(sema_timedwait_signal(one, other, 0, 0), KERN_OPERATION_TIMED_OUT);
	CHECK_EQ(sema_drain(other), 1);
	CHECK_RET(sema_timedwait_signal(one, other, 0, 1000), KERN_OPERATION_TIMED_OUT);
	CHECK_EQ(sema_drain(other), 1);
}

TEST(wait_signal_on_one_semaphore)
{
	name_t sema;

	mach_open();
	sema = new_sema(0);
	/* The thread finds itself waiting. */
	CHECK_RET(sema_wait_signal(sema, sema), KERN_SUCCESS);
	CHECK_RET(sema_timedwait_signal(sema, sema, 5, 0), KERN_SUCCESS);
	CHECK_EQ(sema_drain(sema), 0);
	/* It does not wait when there is a signal, nor when it must not. */
	CHECK_RET(sema_signal(sema), KERN_SUCCESS);
	CHECK_RET(sema_wait_signal(sema, sema), KERN_SUCCESS);
	CHECK_EQ(sema_drain(sema), 1);
	CHECK_RET(sema_timedwait_signal(sema, sema, 0, 0), KERN_OPERATION_TIMED_OUT);
	CHECK_EQ(sema_drain(sema), 1);
}

/* Each trap with one name in the place where its semaphore goes. */
static long by_signal(name_t name, name_t good)
{
	(void)good;
	return sema_signal(name);
}

static long by_signal_all(name_t name, name_t good)
{
	(void)good;
	return sema_signal_all(name);
}

static long by_wait(name_t name, name_t good)
{
	(void)good;
	return sema_wait(name);
}

static long by_timedwait(name_t name, name_t good)
{
	(void)good;
	return sema_timedwait(name, 0, 1);
}

static long by_wait_of_wait_signal(name_t name, name_t good)
{
	return sema_wait_signal(name, good);
}

static long by_signal_of_wait_signal(name_t name, name_t good)
{
	return sema_wait_signal(good, name);
}

static long by_wait_of_timedwait_signal(name_t name, name_t good)
{
	return sema_timedwait_signal(name, good, 0, 1);
}

static long by_signal_of_timedwait_signal(name_t name, name_t good)
{
	return sema_timedwait_signal(good, name, 0, 1);
}

static long (*const ways[])(name_t name, name_t good) = {
	by_signal,
	by_signal_all,
	by_wait,
	by_timedwait,
	by_wait_of_wait_signal,
	by_signal_of_wait_signal,
	by_wait_of_timedwait_signal,
	by_signal_of_timedwait_signal,
};

TEST(names_that_are_no_semaphores)
{
	name_t port, good;

	mach_open();
	port = new_port();
	good = new_sema(0);
	for (size_t way = 0; way < ARRAY_SIZE(ways); way++) {
		const struct {
			name_t name;
			long result;
		} bad[] = {
			{ MACH_PORT_NULL, KERN_INVALID_NAME },
			{ MACH_PORT_DEAD, KERN_INVALID_NAME },
			{ unused_name(), KERN_INVALID_NAME },
			{ 0x00ffff03, KERN_INVALID_NAME },
			{ good ^ 4, KERN_INVALID_NAME },
			{ port, KERN_INVALID_RIGHT },
			{ new_port_set(), KERN_INVALID_RIGHT },
			{ new_send_once(port), KERN_INVALID_RIGHT },
			{ new_dead_name(), KERN_INVALID_RIGHT },
			{ new_send_right(), KERN_INVALID_CAPABILITY },
			{ self(), KERN_INVALID_CAPABILITY },
			{ host_self(), KERN_INVALID_CAPABILITY },
			{ thread_self(), KERN_INVALID_CAPABILITY },
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			if (!CHECK_RET(ways[way](bad[i].name, good), bad[i].result))
				note("way %zu, name %zu", way, i);
		}
		/* Not even the other semaphore was touched. */
		CHECK_EQ(sema_drain(good), 0);
		destroy_receive(port);
		port = new_port();
	}
}

TEST(signal_name_is_looked_up_before_wait_name)
{
	name_t port;

	mach_open();
	port = new_send_right();
	CHECK_RET(sema_wait_signal(0, port), KERN_INVALID_CAPABILITY);
	CHECK_RET(sema_wait_signal(port, 0), KERN_INVALID_NAME);
	CHECK_RET(sema_timedwait_signal(0, port, 0, 0), KERN_INVALID_CAPABILITY);
	CHECK_RET(sema_timedwait_signal(port, 0, 0, 0), KERN_INVALID_NAME);
}

TEST(nanoseconds_come_before_names)
{
	static const uint32_t bad[] = { 1000000000, 1000000001, 0x7fffffff, 0x80000000, UINT_MAX };
	name_t sema;

	mach_open();
	sema = new_sema(2);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_RET(sema_timedwait(0, 0, bad[i]), KERN_INVALID_VALUE);
		CHECK_RET(sema_timedwait(sema, 5, bad[i]), KERN_INVALID_VALUE);
		CHECK_RET(sema_timedwait_signal(0, 0, 0, bad[i]), KERN_INVALID_VALUE);
		CHECK_RET(sema_timedwait_signal(sema, sema, 5, bad[i]), KERN_INVALID_VALUE);
	}
	CHECK_RET(sema_timedwait(0, UINT_MAX, 999999999), KERN_INVALID_NAME);
	/* There is a signal, so the longest wait is short. */
	CHECK_RET(sema_timedwait(sema, UINT_MAX, 999999999), KERN_SUCCESS);
	CHECK_EQ(sema_drain(sema), 1);
}

TEST(arguments_that_cannot_be_read)
{
	static const struct {
		unsigned int trap;
		size_t size;
	} traps[] = {
		{ NR_semaphore_signal_trap, sizeof(struct semaphore_signal_args) },
		{ NR_semaphore_signal_all_trap, sizeof(struct semaphore_signal_all_args) },
		{ NR_semaphore_wait_trap, sizeof(struct semaphore_wait_args) },
		{ NR_semaphore_wait_signal_trap, sizeof(struct semaphore_wait_signal_args) },
		{ NR_semaphore_timedwait_trap, sizeof(struct semaphore_timedwait_args) },
		{ NR_semaphore_timedwait_signal_trap,
		  sizeof(struct semaphore_timedwait_signal_args) },
	};
	struct hole hole;

	mach_open();
	hole_init(&hole);
	for (size_t i = 0; i < ARRAY_SIZE(traps); i++) {
		for (size_t j = 0; j < bad_pointer_count; j++)
			CHECK_RET(trap(traps[i].trap, bad_pointers[j]), -EFAULT);
		for (size_t room = 0; room < traps[i].size; room++)
			CHECK_RET(trap_struct(traps[i].trap, fault_at(&hole, room)), -EFAULT);
	}
}

/* Making */

TEST(arguments_of_create)
{
	static const struct {
		int32_t policy;
		int32_t value;
		int32_t code;
	} cases[] = {
		{ 0, 0, KERN_SUCCESS },
		{ 1, 0, KERN_SUCCESS },
		{ 2, 5, KERN_SUCCESS },
		{ 3, 5, KERN_SUCCESS },
		{ 7, 0, KERN_SUCCESS },
		{ 0, INT_MAX, KERN_SUCCESS },
		{ 8, 0, KERN_INVALID_ARGUMENT },
		{ INT_MAX, 0, KERN_INVALID_ARGUMENT },
		{ 0, -1, KERN_INVALID_ARGUMENT },
		{ 0, INT_MIN, KERN_INVALID_ARGUMENT },
		{ 8, -1, KERN_INVALID_ARGUMENT },
	};
	name_t sema;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!CHECK_RET(sema_create_on(self(), cases[i].policy, cases[i].value, &sema),
			       cases[i].code))
			note("case %zu", i);
		if (cases[i].code)
			continue;
		CHECK_SEND_UREFS(sema, 1);
		CHECK(!has_right(sema, RECEIVE));
		CHECK_RET(sema_poll(sema),
			  cases[i].value ? KERN_SUCCESS : KERN_OPERATION_TIMED_OUT);
	}
	/* Only a task can have semaphores. */
	CHECK_RET(sema_create_on(host_self(), 0, 0, &sema), KERN_INVALID_ARGUMENT);
	CHECK_RET(sema_create_on(thread_self(), 0, 0, &sema), KERN_INVALID_ARGUMENT);
}

TEST(semaphore_goes_with_its_last_right)
{
	long before;
	name_t sema;

	mach_open();
	before = live("semaphores");
	sema = new_sema(1);
	CHECK_EQ(live("semaphores"), before + 1);
	CHECK_RET(mod_refs(sema, SEND, 2), KERN_SUCCESS);
	CHECK_RET(mod_refs(sema, SEND, -2), KERN_SUCCESS);
	CHECK_EQ(live("semaphores"), before + 1);
	CHECK_RET(deallocate(sema), KERN_SUCCESS);
	CHECK_EQ(live("semaphores"), before);
	CHECK_RET(sema_signal(sema), KERN_INVALID_NAME);
}

TEST(thousands_of_semaphores)
{
	enum { MANY = 5000 };
	static name_t sema[MANY];

	mach_open();
	for (int i = 0; i < MANY; i++)
		sema[i] = new_sema(i % 3);
	for (int i = 0; i < MANY; i++)
		CHECK_RET(sema_signal(sema[i]), KERN_SUCCESS);
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(sema_drain(sema[i]), 1 + i % 3);
	for (int i = 0; i < MANY; i += 2)
		CHECK_RET(deallocate(sema[i]), KERN_SUCCESS);
	/* The others go with the task. */
}

TEST(what_else_is_asked_of_a_semaphore_is_refused)
{
	struct rpc rpc;
	name_t sema;

	mach_open();
	sema = new_sema(1);
	CHECK_RET(RPC(&rpc, sema, MSG_SEMAPHORE_CREATE, 0, 0), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, sema, MSG_NOBODY_SERVES, 0), MIG_BAD_ID);
	CHECK_RET(insert_right(sema, sema, MAKE_SEND), KERN_INVALID_RIGHT);
	CHECK_RET(insert_right(sema, sema, COPY_SEND), KERN_SUCCESS);
	CHECK_SEND_UREFS(sema, 2);
	CHECK_RET(sema_poll(sema), KERN_SUCCESS);
}

/* Destroying */

TEST(destroyed_semaphore_is_terminated)
{
	name_t sema, other;

	mach_open();
	sema = new_sema(3);
	other = new_sema(2);
	CHECK_RET(sema_destroy(sema), KERN_SUCCESS);
	/* The right is still one to a semaphore, though one that has ended. */
	CHECK_SEND_UREFS(sema, 1);
	for (size_t way = 0; way < ARRAY_SIZE(ways); way++) {
		long result = ways[way](sema, other);

		/* With the other one's signal taken, there is no error to tell. */
		if (ways[way] == by_signal_of_wait_signal ||
		    ways[way] == by_signal_of_timedwait_signal) {
			CHECK_RET(result, KERN_SUCCESS);
			CHECK_RET(ways[way](sema, new_sema(0)), KERN_TERMINATED);
		} else {
			CHECK_RET(result, KERN_TERMINATED);
		}
	}
	/* Two taken by the waits; two signals by those that could not wait. */
	CHECK_EQ(sema_drain(other), 2);
	CHECK_RET(sema_poll(sema), KERN_TERMINATED);
	CHECK_RET(deallocate(sema), KERN_SUCCESS);
	CHECK_RET(sema_signal(sema), KERN_INVALID_NAME);
}

TEST(what_cannot_be_destroyed)
{
	name_t sema, port;

	mach_open();
	sema = new_sema(0);
	port = new_send_right();
	CHECK_RET(sema_destroy(MACH_PORT_NULL), KERN_INVALID_ARGUMENT);
	CHECK_RET(sema_destroy(port), KERN_INVALID_ARGUMENT);
	CHECK_RET(sema_destroy(self()), KERN_INVALID_ARGUMENT);
	CHECK_RET(sema_destroy(new_dead_name()), KERN_INVALID_ARGUMENT);
	CHECK_RET(sema_destroy_on(host_self(), sema, COPY_SEND), KERN_INVALID_ARGUMENT);
	CHECK_RET(sema_poll(sema), KERN_OPERATION_TIMED_OUT);
	CHECK_RET(sema_destroy_on(self(), sema, MOVE_SEND), KERN_SUCCESS);
	CHECK_UNKNOWN(sema);

	sema = new_sema(0);
	CHECK_RET(sema_destroy(sema), KERN_SUCCESS);
	CHECK_RET(sema_destroy(sema), KERN_INVALID_ARGUMENT);
}

/* Other tasks */

/* Receives one right by message; returns its name. */
static name_t receive_right(name_t port)
{
	struct message message;

	REQUIRE_RET(msg_receive_within(&message, port, 20000), 0);
	return message.header.remote;
}

/* Sends a right as the reply right of a message. */
static void send_right(name_t to, name_t right, int disposition)
{
	REQUIRE_RET(send_with_reply(to, COPY_SEND, right, disposition, 1), 0);
}

static void use_right_and_answer(struct peer_side *side)
{
	name_t sema = receive_right(side->own);

	CHECK_SEND_UREFS(sema, 1);
	CHECK_RET(sema_wait(sema), KERN_SUCCESS);
	CHECK_RET(sema_wait(sema), KERN_SUCCESS);
	CHECK_RET(sema_poll(sema), KERN_OPERATION_TIMED_OUT);
	for (int i = 0; i < 5; i++)
		CHECK_RET(sema_signal(sema), KERN_SUCCESS);
	/* Only its owner may destroy it. */
	CHECK_RET(sema_destroy(sema), KERN_INVALID_ARGUMENT);
	send_right(side->parent, self(), COPY_SEND);
}

TEST(semaphore_in_two_tasks)
{
	struct peer peer;
	name_t sema;

	mach_open();
	sema = new_sema(2);
	peer_start(&peer, use_right_and_answer, NULL);
	send_right(peer.port, sema, COPY_SEND);
	receive_right(peer.service);
	CHECK_EQ(sema_drain(sema), 5);
	WAIT_CHILD_OK(peer.pid);
	CHECK_RET(sema_signal(sema), KERN_SUCCESS);
	CHECK_SEND_UREFS(sema, 1);
}

static void give_semaphore(struct peer_side *side)
{
	send_right(side->parent, new_sema(4), COPY_SEND);
	receive_right(side->own);
}

TEST(semaphore_ends_with_its_owner)
{
	struct peer peer;
	name_t sema;

	mach_open();
	peer_start(&peer, give_semaphore, NULL);
	sema = receive_right(peer.service);
	CHECK_RET(sema_wait(sema), KERN_SUCCESS);
	kill_child(peer.pid);
	CHECK_RET(sema_poll(sema), KERN_TERMINATED);
	CHECK_RET(sema_signal(sema), KERN_TERMINATED);
	CHECK_RET(sema_destroy(sema), KERN_INVALID_ARGUMENT);
	CHECK_SEND_UREFS(sema, 1);
	CHECK_RET(deallocate(sema), KERN_SUCCESS);
}

static void give_task_port(struct peer_side *side)
{
	name_t sema;

	send_right(side->parent, self(), COPY_SEND);
	sema = receive_right(side->own);
	CHECK_RET(sema_wait(sema), KERN_SUCCESS);
	/* What another made for us is ours. */
	CHECK_RET(sema_destroy(sema), KERN_SUCCESS);
}

TEST(semaphore_of_another_task)
{
	struct peer peer;
	name_t task, sema;

	mach_open();
	peer_start(&peer, give_task_port, NULL);
	task = receive_right(peer.service);
	CHECK(task != self());
	REQUIRE_RET(sema_create_on(task, 0, 1, &sema), KERN_SUCCESS);
	CHECK_RET(sema_destroy(sema), KERN_INVALID_ARGUMENT);
	send_right(peer.port, sema, COPY_SEND);
	WAIT_CHILD_OK(peer.pid);
	CHECK_RET(sema_poll(sema), KERN_TERMINATED);
	/* The task port is dead, so nobody answers. */
	CHECK(has_right(task, DEAD_NAME));
}

static void exec_with_semaphore(struct peer_side *side)
{
	send_right(side->parent, new_sema(4), COPY_SEND);
	exec_helper("wait_for_end", "");
}

HELPER(wait_for_end)
{
	for (;;)
		pause();
	return 0;
}

TEST(semaphore_ends_when_its_owner_loads_another_image)
{
	struct peer peer;
	name_t sema;
	long result;

	mach_open();
	peer_start(&peer, exec_with_semaphore, NULL);
	sema = receive_right(peer.service);
	do {
		result = sema_timedwait(sema, 0, 1000000);
	} while (result == KERN_SUCCESS || result == KERN_OPERATION_TIMED_OUT);
	CHECK_RET(result, KERN_TERMINATED);
	kill_child(peer.pid);
}

static void use_parents_name(void *argument)
{
	name_t sema = *(name_t *)argument;

	get_api_version();
	CHECK_RET(sema_poll(sema), KERN_INVALID_NAME);
}

TEST(forked_child_does_not_have_the_semaphores)
{
	name_t sema;

	mach_open();
	sema = new_sema(1);
	WAIT_CHILD_OK(start_child(use_parents_name, &sema));
	CHECK_EQ(sema_drain(sema), 1);
}
