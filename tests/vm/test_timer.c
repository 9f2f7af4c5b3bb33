// SPDX-License-Identifier: GPL-2.0
/*
 * mk_timer: messages at a given moment. Moments are checked from below only.
 * time limit: 200 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

#define MS	1000000ull
#define HOUR	(3600ull * 1000 * MS)

static name_t timer_create_trap(void)
{
	return (name_t)trap(NR_mk_timer_create_trap, 0);
}

static long timer_arm(name_t timer, uint64_t when)
{
	struct mk_timer_arm_args arguments = { .timer_port = timer, .expire_time = when };

	return trap_struct(NR_mk_timer_arm_trap, &arguments);
}

static long timer_cancel_at(name_t timer, void *result)
{
	struct mk_timer_cancel_args arguments = { .timer_port = timer, .result_time = result };

	return trap_struct(NR_mk_timer_cancel_trap, &arguments);
}

static long timer_cancel(name_t timer, uint64_t *was)
{
	poison(was, sizeof(*was));
	return timer_cancel_at(timer, was);
}

static long timer_destroy(name_t timer)
{
	struct mk_timer_destroy_args arguments = { .timer_port = timer };

	return trap_struct(NR_mk_timer_destroy_trap, &arguments);
}

static name_t new_timer(void)
{
	name_t timer = timer_create_trap();

	REQUIRE(timer != MACH_PORT_NULL && timer != MACH_PORT_DEAD);
	return timer;
}

/* Receives the message of an expiry and checks all of it. */
#define CHECK_EXPIRED(timer) check_expired(__LINE__, timer, timer)
static void check_expired(int line, name_t from, name_t timer)
{
	struct message message;

	if (!check_equal(__FILE__, line, CHECK_CODE, GO_ON, "the message",
			 msg_receive_within(&message, from, 20000), "it", 0))
		return;
	CHECK_EQ(message.header.size, 48);
	CHECK_HEX(message.header.bits, MSGH_BITS(0, MOVE_SEND));
	CHECK_EQ(message.header.id, 0);
	CHECK_HEX(message.header.local, timer);
	CHECK_HEX(message.header.remote, MACH_PORT_NULL);
	for (int i = 0; i < 6; i++)
		CHECK_HEX(message.body[i], 0);
	CHECK_EQ(trailer_of(&message)->size, 8);
}

TEST(expires_and_not_before)
{
	static const uint64_t delays[] = { 1, 1000, MS / 2, MS, 7 * MS, 50 * MS, 300 * MS };
	name_t timer;

	mach_open();
	timer = new_timer();
	for (size_t i = 0; i < ARRAY_SIZE(delays); i++) {
		uint64_t when = now_ns() + delays[i];

		CHECK_RET(timer_arm(timer, when), KERN_SUCCESS);
		CHECK_EXPIRED(timer);
		CHECK(now_ns() >= when);
		CHECK_NO_MESSAGE(timer);
	}
}

TEST(moment_that_has_passed)
{
	const uint64_t moments[] = { 0, 1, now_ns() - 1, now_ns() };
	name_t timer;

	mach_open();
	timer = new_timer();
	for (size_t i = 0; i < ARRAY_SIZE(moments); i++) {
		uint64_t was;

		CHECK_RET(timer_arm(timer, moments[i]), KERN_SUCCESS);
		CHECK_EXPIRED(timer);
		CHECK_RET(timer_cancel(timer, &was), KERN_SUCCESS);
		CHECK_EQ(was, 0);
		CHECK_NO_MESSAGE(timer);
	}
}

TEST(moment_far_away)
{
	static const uint64_t moments[] = { INT64_MAX - 1, INT64_MAX, 1ull << 63, UINT64_MAX };
	name_t timer;

	mach_open();
	timer = new_timer();
	for (size_t i = 0; i < ARRAY_SIZE(moments); i++) {
		uint64_t was;

		CHECK_RET(timer_arm(timer, moments[i]), KERN_SUCCESS);
		CHECK_RET(timer_cancel(timer, &was), KERN_SUCCESS);
		CHECK_HEX(was, moments[i]);
		CHECK_NO_MESSAGE(timer);
	}
}

TEST(arming_again_replaces)
{
	uint64_t when, was;
	name_t timer;

	mach_open();
	timer = new_timer();
	CHECK_RET(timer_arm(timer, now_ns() + HOUR), KERN_SUCCESS);
	when = now_ns() + 20 * MS;
	CHECK_RET(timer_arm(timer, when), KERN_SUCCESS);
	CHECK_EXPIRED(timer);
	CHECK(now_ns() >= when);
	CHECK_RET(timer_cancel(timer, &was), KERN_SUCCESS);
	CHECK_EQ(was, 0);

	CHECK_RET(timer_arm(timer, now_ns() + 30 * MS), KERN_SUCCESS);
	when = now_ns() + 2 * HOUR;
	CHECK_RET(timer_arm(timer, when), KERN_SUCCESS);
	sleep_ms(60);
	CHECK_NO_MESSAGE(timer);
	CHECK_RET(timer_arm(timer, 1), KERN_SUCCESS);
	CHECK_EXPIRED(timer);
	CHECK_NO_MESSAGE(timer);
}

TEST(cancelling_tells_the_moment)
{
	uint64_t when, was;
	name_t timer;

	mach_open();
	timer = new_timer();
	CHECK_RET(timer_cancel(timer, &was), KERN_SUCCESS);
	CHECK_EQ(was, 0);
	for (int i = 0; i < 50; i++) {
		when = now_ns() + HOUR + (uint64_t)i;
		CHECK_RET(timer_arm(timer, when - 5), KERN_SUCCESS);
		if (i % 2)
			CHECK_RET(timer_arm(timer, when), KERN_SUCCESS);
		CHECK_RET(timer_cancel(timer, &was), KERN_SUCCESS);
		CHECK_EQ(was, i % 2 ? when : when - 5);
		CHECK_RET(timer_cancel(timer, &was), KERN_SUCCESS);
		CHECK_EQ(was, 0);
	}
	CHECK_RET(timer_arm(timer, now_ns() + HOUR), KERN_SUCCESS);
	CHECK_RET(timer_cancel_at(timer, NULL), KERN_SUCCESS);
	CHECK_RET(timer_cancel(timer, &was), KERN_SUCCESS);
	CHECK_EQ(was, 0);
	CHECK_NO_MESSAGE(timer);
}

TEST(moment_that_cannot_be_written)
{
	struct hole hole;
	uint64_t was;
	name_t timer;

	mach_open();
	timer = new_timer();
	hole_init(&hole);
	for (size_t i = 0; i < bad_pointer_count; i++) {
		if (!bad_pointers[i])
			continue;
		CHECK_RET(timer_arm(timer, now_ns() + HOUR), KERN_SUCCESS);
		CHECK_RET(timer_cancel_at(timer, (void *)bad_pointers[i]), KERN_FAILURE);
		/* It is cancelled all the same. */
		CHECK_RET(timer_cancel(timer, &was), KERN_SUCCESS);
		CHECK_EQ(was, 0);
	}
	for (size_t room = 0; room < sizeof(was); room++)
		CHECK_RET(timer_cancel_at(timer, fault_at(&hole, room)), KERN_FAILURE);
	CHECK_RET(timer_cancel_at(timer, fault_at(&hole, 8)), KERN_SUCCESS);
}

/* More than a port takes of what others send, and more than its queue ever holds. */
TEST_LIMIT(unread_messages_accumulate_up_to_a_limit, 120)
{
	enum { LIMIT = 65534, BEYOND = 40 };
	struct message message;
	unsigned int count = 0;
	name_t timer;

	mach_open();
	timer = new_timer();
	for (int i = 0; i < LIMIT + BEYOND; i++)
		REQUIRE_RET(timer_arm(timer, 1), KERN_SUCCESS);
	while (!msg_receive_within(&message, timer, 0))
		count++;
	CHECK_EQ(count, LIMIT);
	/* It goes on when there is room. */
	CHECK_RET(timer_arm(timer, 1), KERN_SUCCESS);
	CHECK_EXPIRED(timer);
	CHECK_NO_MESSAGE(timer);
}

TEST(unread_messages_accumulate)
{
	enum { MANY = 40 };
	name_t timer;

	mach_open();
	timer = new_timer();
	for (int i = 0; i < MANY; i++)
		CHECK_RET(timer_arm(timer, 1), KERN_SUCCESS);
	for (int i = 0; i < MANY; i++) {
		CHECK_RET(timer_arm(timer, now_ns() + MS), KERN_SUCCESS);
		sleep_ms(3);
	}
	sleep_ms(20);
	for (int i = 0; i < 2 * MANY; i++)
		CHECK_EXPIRED(timer);
	CHECK_NO_MESSAGE(timer);
}

TEST(arguments_that_cannot_be_read)
{
	static const struct {
		unsigned int trap;
		size_t size;
	} traps[] = {
		{ NR_mk_timer_arm_trap, sizeof(struct mk_timer_arm_args) },
		{ NR_mk_timer_cancel_trap, sizeof(struct mk_timer_cancel_args) },
		{ NR_mk_timer_destroy_trap, sizeof(struct mk_timer_destroy_args) },
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

TEST(names_that_are_no_timers)
{
	name_t port;

	mach_open();
	port = new_port();

	const struct {
		name_t name;
		long result;
	} bad[] = {
		{ MACH_PORT_NULL, KERN_INVALID_NAME },
		{ MACH_PORT_DEAD, KERN_INVALID_NAME },
		{ unused_name(), KERN_INVALID_NAME },
		{ self(), KERN_INVALID_RIGHT },
		{ new_dead_name(), KERN_INVALID_RIGHT },
		{ new_port_set(), KERN_INVALID_RIGHT },
		{ new_send_once(port), KERN_INVALID_RIGHT },
		{ port, KERN_INVALID_ARGUMENT },
		{ new_send_right(), KERN_INVALID_ARGUMENT },
		{ reply_port(), KERN_INVALID_ARGUMENT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t was;

		if (!CHECK_RET(timer_arm(bad[i].name, 1), bad[i].result))
			note("name %zu", i);
		CHECK_RET(timer_cancel(bad[i].name, &was), bad[i].result);
		CHECK(is_poison(&was, sizeof(was)));
		CHECK_RET(timer_destroy(bad[i].name), bad[i].result);
	}
	CHECK(has_right(port, RECEIVE));
}

TEST(destroyed_timer_is_gone)
{
	uint64_t was;
	name_t timer;

	mach_open();
	for (int i = 0; i < 20; i++) {
		timer = new_timer();
		if (i % 2)
			CHECK_RET(insert_right(timer, timer, MAKE_SEND), KERN_SUCCESS);
		CHECK_RET(timer_arm(timer, i % 4 ? now_ns() + HOUR : 1), KERN_SUCCESS);
		CHECK_RET(timer_destroy(timer), KERN_SUCCESS);
		CHECK_UNKNOWN(timer);
		CHECK_RET(timer_arm(timer, 1), KERN_INVALID_NAME);
		CHECK_RET(timer_cancel(timer, &was), KERN_INVALID_NAME);
		CHECK_RET(timer_destroy(timer), KERN_INVALID_NAME);
	}
}

TEST(timer_goes_with_its_port)
{
	long before;
	name_t timer;

	mach_open();
	before = live("timers");
	timer = new_timer();
	CHECK_EQ(live("timers"), before + 1);
	CHECK_RET(timer_arm(timer, now_ns() + HOUR), KERN_SUCCESS);
	/* The receive right may be destroyed like any other. */
	destroy_receive(timer);
	CHECK_EQ(live("timers"), before);
}

TEST(right_is_an_ordinary_receive_right_but_stays)
{
	struct message message;
	name_t timer, port;

	mach_open();
	timer = new_timer();
	port = new_port();
	CHECK(has_right(timer, RECEIVE));
	CHECK(!has_right(timer, SEND));
	/* Others may send to it. */
	CHECK_RET(send_id(timer, MAKE_SEND, 5), 0);
	CHECK_EQ(receive_id(timer), 5);
	/* It cannot be moved. */
	message_init(&message, MSGH_BITS(MAKE_SEND, 0) | MSGH_COMPLEX, port, 0, 1);
	message.body[0] = 1;
	memcpy(&message.body[1],
	       &(struct port_descriptor)PORT_DESCRIPTOR(timer, MOVE_RECEIVE), 12);
	CHECK_RET(msg_send(&message, 40), MACH_SEND_INVALID_RIGHT);
	CHECK_RET(insert_right(unused_name(), timer, MOVE_RECEIVE), KERN_INVALID_CAPABILITY);
	CHECK_RET(timer_arm(timer, 1), KERN_SUCCESS);
	CHECK_EXPIRED(timer);
}

TEST(timer_in_a_port_set)
{
	struct mach_port_insert_member_args arguments = { .task_right_name = 0 };
	name_t timers[3], set;

	mach_open();
	set = new_port_set();
	for (int i = 0; i < 3; i++) {
		timers[i] = new_timer();
		arguments.task_right_name = self();
		arguments.port_right_name = timers[i];
		arguments.pset_right_name = set;
		REQUIRE_RET(trap_struct(NR__kernelrpc_mach_port_insert_member_trap, &arguments), 0);
	}
	for (int i = 0; i < 3; i++) {
		CHECK_RET(timer_arm(timers[i], now_ns() + 2 * MS), KERN_SUCCESS);
		check_expired(__LINE__, set, timers[i]);
	}
}

/* What a run loop does: the handler sets the timer anew. */
TEST(handler_arms_again)
{
	uint64_t when;
	name_t timer;

	mach_open();
	timer = new_timer();
	when = now_ns();
	for (int i = 0; i < 200; i++) {
		when += MS;
		CHECK_RET(timer_arm(timer, when), KERN_SUCCESS);
		CHECK_EXPIRED(timer);
		CHECK(now_ns() >= when);
	}
	CHECK_NO_MESSAGE(timer);
}

TEST_LIMIT(thousands_of_timers, 120)
{
	enum { MANY = 4000 };
	static name_t timers[MANY];
	static uint64_t when[MANY];
	unsigned int seed = (unsigned int)now_ns();
	uint64_t was;

	mach_open();
	note("seed %u", seed);
	for (int i = 0; i < MANY; i++)
		timers[i] = new_timer();
	for (int i = 0; i < MANY; i++) {
		when[i] = now_ns() + (uint64_t)rand_r(&seed) % (200 * MS);
		CHECK_RET(timer_arm(timers[i], i % 4 == 3 ? when[i] + HOUR : when[i]),
			  KERN_SUCCESS);
	}
	for (int i = 0; i < MANY; i++) {
		if (i % 4 == 3) {
			CHECK_RET(timer_cancel(timers[i], &was), KERN_SUCCESS);
			CHECK_EQ(was, when[i] + HOUR);
			CHECK_NO_MESSAGE(timers[i]);
		} else {
			CHECK_EXPIRED(timers[i]);
			CHECK(now_ns() >= when[i]);
			CHECK_NO_MESSAGE(timers[i]);
		}
	}
	for (int i = 0; i < MANY; i += 3)
		CHECK_RET(timer_destroy(timers[i]), KERN_SUCCESS);
}

static void arm_many(struct peer_side *side)
{
	for (int i = 0; i < 300; i++)
		REQUIRE_RET(timer_arm(new_timer(), now_ns() + (uint64_t)(i % 50) * MS), 0);
	REQUIRE_RET(send_id(side->parent, COPY_SEND, 1), 0);
	for (;;)
		pause();
}

TEST(task_is_killed_with_its_timers_armed)
{
	struct message message;

	mach_open();
	for (int i = 0; i < 8; i++) {
		struct peer peer;

		peer_start(&peer, arm_many, NULL);
		REQUIRE_RET(msg_receive_within(&message, peer.service, 20000), 0);
		sleep_ms((unsigned int)i * 4);
		kill_child(peer.pid);
	}
}

static void use_parents_timer(void *argument)
{
	get_api_version();
	CHECK_RET(timer_arm(*(name_t *)argument, 1), KERN_INVALID_NAME);
}

TEST(forked_child_does_not_have_the_timer)
{
	name_t timer;

	mach_open();
	timer = new_timer();
	CHECK_RET(timer_arm(timer, now_ns() + 30 * MS), KERN_SUCCESS);
	WAIT_CHILD_OK(start_child(use_parents_timer, &timer));
	CHECK_EXPIRED(timer);
	CHECK_NO_MESSAGE(timer);
}

/* Each arming that was not cancelled or replaced brings one message. */
struct race {
	name_t timer;
	atomic_bool stop;
	atomic_long received;
};

static void *receive_all(void *argument)
{
	struct race *race = argument;
	struct message message;

	for (;;) {
		long result = msg_receive_within(&message, race->timer, 20);

		if (result == 0)
			atomic_fetch_add(&race->received, 1);
		else if (atomic_load(&race->stop))
			return NULL;
	}
}

TEST_LIMIT(no_expiry_is_lost_or_doubled, 120)
{
	struct race race = { .timer = 0 };
	unsigned int seed = (unsigned int)now_ns();
	pthread_t thread;
	long expected = 0;
	uint64_t was, end;

	mach_open();
	note("seed %u", seed);
	race.timer = new_timer();
	REQUIRE(!pthread_create(&thread, NULL, receive_all, &race));
	end = now_ns() + 5000 * MS;
	while (now_ns() < end) {
		uint64_t when = now_ns() + (uint64_t)rand_r(&seed) % 200000;

		CHECK_RET(timer_arm(race.timer, when), KERN_SUCCESS);
		for (unsigned int i = (unsigned int)rand_r(&seed) % 20000; i; i--)
			__asm__ volatile("" ::: "memory");
		if (rand_r(&seed) % 8 == 0)
			usleep(100);
		CHECK_RET(timer_cancel(race.timer, &was), KERN_SUCCESS);
		if (was)
			CHECK_EQ(was, when);
		else
			expected++;
	}
	sleep_ms(100);
	atomic_store(&race.stop, true);
	pthread_join(thread, NULL);
	CHECK_EQ(atomic_load(&race.received), expected);
	note("%ld expired", expected);
}

/* Several threads on one timer; it is destroyed under them. */
struct crowd {
	atomic_uint timer;
	atomic_bool stop;
};

static void *arm_and_cancel(void *argument)
{
	struct crowd *crowd = argument;
	unsigned int seed = (unsigned int)thread_id();
	uint64_t was;

	while (!atomic_load(&crowd->stop)) {
		name_t timer = atomic_load(&crowd->timer);
		long result = rand_r(&seed) % 3 ?
			timer_arm(timer, now_ns() + (uint64_t)rand_r(&seed) % 100000) :
			timer_cancel(timer, &was);

		if (result != KERN_SUCCESS && result != KERN_INVALID_NAME)
			FAIL("a trap on a timer returned %ld", result);
	}
	return NULL;
}

TEST_LIMIT(timers_come_and_go, 120)
{
	enum { THREADS = 3 };
	struct crowd crowd = { .timer = 0 };
	pthread_t threads[THREADS];
	uint64_t end;
	int made = 0;

	mach_open();
	for (int i = 0; i < THREADS; i++)
		REQUIRE(!pthread_create(&threads[i], NULL, arm_and_cancel, &crowd));
	end = now_ns() + 4000 * MS;
	while (now_ns() < end) {
		name_t timer = new_timer();

		atomic_store(&crowd.timer, timer);
		if (made % 2)
			usleep(200);
		CHECK_RET(timer_destroy(timer), KERN_SUCCESS);
		made++;
	}
	atomic_store(&crowd.stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	note("%d timers", made);
}
