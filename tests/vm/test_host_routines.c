// SPDX-License-Identifier: GPL-2.0
/*
 * The host beyond the facts about it: special ports, processors, alarms,
 * vouchers.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"

static int32_t set_special(struct rpc *rpc, uint32_t which, name_t port, int disposition)
{
	rpc_begin(rpc, host_self(), 413);
	rpc_port(rpc, port, disposition);
	rpc_word(rpc, which);
	return rpc_call(rpc);
}

static name_t get_special(struct rpc *rpc, uint32_t which)
{
	/* The node is not looked at. */
	REQUIRE_RET(RPC(rpc, host_self(), 412, (uint32_t)-1, which), 0);
	REQUIRE_EQ(rpc->size, 40);
	return rpc_right(rpc, 0, MOVE_SEND);
}

TEST(host_special_ports_are_set_and_got)
{
	struct rpc rpc;
	name_t port;

	mach_open();
	port = new_port();
	CHECK_HEX(get_special(&rpc, 8), 0);
	CHECK_RET(set_special(&rpc, 8, port, MAKE_SEND), 0);
	CHECK_EQ(rpc.size, 36);
	CHECK_HEX(get_special(&rpc, 8), port);
	CHECK_RET(set_special(&rpc, 31, port, MAKE_SEND), 0);
	CHECK_HEX(get_special(&rpc, 31), port);
	CHECK_RET(set_special(&rpc, 31, MACH_PORT_NULL, MOVE_SEND), 0);
	CHECK_HEX(get_special(&rpc, 31), 0);
	/* The kernel's own */
	CHECK_HEX(get_special(&rpc, 1), host_self());
	CHECK_HEX(get_special(&rpc, 2), host_self());
	CHECK(get_special(&rpc, 3) != 0);
	for (uint32_t which = 1; which <= 7; which++)
		CHECK_RET(set_special(&rpc, which, port, MAKE_SEND), KERN_INVALID_ARGUMENT);
	for (uint32_t which = 32; which; which <<= 1)
		CHECK_RET(set_special(&rpc, which, port, MAKE_SEND), KERN_INVALID_ARGUMENT);
	CHECK_RET(set_special(&rpc, 0, port, MAKE_SEND), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, host_self(), 412, 0, 0), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, host_self(), 412, 0, 32), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, host_self(), 412, 0, (uint32_t)-1), KERN_INVALID_ARGUMENT);
	CHECK_RET(set_special(&rpc, 8, port, MAKE_SEND_ONCE), MIG_TYPE_ERROR);
	CHECK_RET(set_special(&rpc, 8, MACH_PORT_NULL, MOVE_SEND), 0);
}

/* What is left set goes with the task that received from it. */
TEST(host_special_port_goes_with_its_receiver)
{
	struct rpc rpc;

	mach_open();
	CHECK_RET(set_special(&rpc, 9, new_port(), MAKE_SEND), 0);
}

static void be_unprivileged(void *unused)
{
	struct rpc rpc;

	(void)unused;
	mach_open();
	mach_forget();
	become_nobody(NULL);
	CHECK(get_special(&rpc, 10) != 0);
	CHECK_RET(set_special(&rpc, 10, new_port(), MAKE_SEND), KERN_NO_ACCESS);
}

TEST(unprivileged_caller_gets_host_special_ports_and_sets_none)
{
	struct rpc rpc;

	mach_open();
	CHECK_RET(set_special(&rpc, 10, new_port(), MAKE_SEND), 0);
	WAIT_CHILD_OK(start_child(be_unprivileged, NULL));
}

static void be_container(void *unused)
{
	struct rpc rpc;
	name_t port;

	(void)unused;
	REQUIRE_EQ(getpid(), 1);
	mach_open();
	mach_forget();
	become_nobody(NULL);
	port = new_port();
	/* The first process of a pid namespace may, whoever it is, */
	CHECK_HEX(get_special(&rpc, 11), 0);
	CHECK_RET(set_special(&rpc, 11, port, MAKE_SEND), 0);
	CHECK_HEX(get_special(&rpc, 11), port);
}

TEST(pid_namespace_has_host_special_ports_of_its_own)
{
	struct rpc rpc;
	name_t port;

	mach_open();
	port = new_port();
	CHECK_RET(set_special(&rpc, 11, port, MAKE_SEND), 0);
	REQUIRE_EQ(unshare(CLONE_NEWPID), 0);
	WAIT_CHILD_OK(start_child(be_container, NULL));
	/* and nobody outside learns of it. */
	CHECK_HEX(get_special(&rpc, 11), port);
}

TEST(device_master_port_answers_nothing)
{
	struct rpc rpc;
	name_t master;

	mach_open();
	rpc_begin(&rpc, host_self(), 205);
	CHECK_RET(rpc_call(&rpc), 0);
	master = rpc_right(&rpc, 0, MOVE_SEND);
	rpc_begin(&rpc, master, 2800);
	CHECK_REFUSED(&rpc, MIG_BAD_ID);
	CHECK_RET(RPC(&rpc, self(), 3230, master), 0);
	CHECK_EQ(rpc_words(&rpc)[0], 19);
}

static uint32_t kind_of(name_t port)
{
	struct rpc rpc;

	REQUIRE_RET(RPC(&rpc, self(), 3230, port), 0);
	return rpc_words(&rpc)[0];
}

TEST(processors_are_told_of)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	const uint32_t *words;
	const name_t *names;
	struct rpc rpc;
	uint32_t count;
	name_t set;

	mach_open();
	/* All at once */
	CHECK_RET(RPC(&rpc, host_self(), 204, 1), 0);
	CHECK_EQ(rpc.size, 24 + 4 + 16 + 8 + 8);
	CHECK_EQ(rpc_words(&rpc)[0], online);
	CHECK_EQ(rpc_words(&rpc)[1], 5 * online);
	words = rpc_out_of_line(&rpc, 0, &count);
	CHECK_EQ(count, 5 * 4 * online);
	CHECK_EQ(words[0], 7);
	CHECK_EQ(words[2], 1);
	CHECK_EQ(words[4], 1);
	CHECK_RET(RPC(&rpc, host_self(), 204, 2), 0);
	words = rpc_out_of_line(&rpc, 0, &count);
	CHECK_EQ(count, 4 * 4 * online);
	CHECK(words[0] + words[1] + words[2] > 0);
	CHECK_RET(RPC(&rpc, host_self(), 204, 3), KERN_INVALID_ARGUMENT);
	/* One by one */
	rpc_begin(&rpc, host_self(), 407);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_EQ(rpc_words(&rpc)[0], online);
	names = rpc_out_of_line(&rpc, 0, &count);
	REQUIRE_EQ(count, online);
	for (uint32_t i = 0; i < count; i++) {
		CHECK_EQ(kind_of(names[i]), 5);
		CHECK_RET(RPC(&rpc, names[i], 3002, 1, 20), 0);
		CHECK_EQ(rpc.size, 24 + 4 + 12 + 8 + 4 + 5 * 4);
		CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND), host_self());
		CHECK_EQ(rpc_words(&rpc)[0], 5);
		CHECK_EQ(rpc_words(&rpc)[1 + 3], i);
	}
	CHECK_RET(RPC(&rpc, names[0], 3002, 2, 4), 0);
	CHECK_EQ(rpc_words(&rpc)[0], 4);
	CHECK_RET(RPC(&rpc, names[0], 3002, 2, 3), KERN_FAILURE);
	CHECK_RET(RPC(&rpc, names[0], 3002, 7, 20), KERN_INVALID_ARGUMENT);
	/* They are in the one set. */
	rpc_begin(&rpc, host_self(), 213);
	CHECK_RET(rpc_call(&rpc), 0);
	set = rpc_right(&rpc, 0, MOVE_SEND);
	CHECK_EQ(kind_of(set), 7);
	rpc_begin(&rpc, names[0], 3005);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND), set);
	rpc_begin(&rpc, host_self(), 419);
	CHECK_RET(rpc_call(&rpc), 0);
	names = rpc_out_of_line(&rpc, 0, &count);
	REQUIRE_EQ(count, 1);
	CHECK_HEX(names[0], set);
}

TEST(processor_set_is_told_of)
{
	struct rpc rpc;
	name_t name, set;

	mach_open();
	rpc_begin(&rpc, host_self(), 213);
	CHECK_RET(rpc_call(&rpc), 0);
	name = rpc_right(&rpc, 0, MOVE_SEND);
	CHECK_RET(RPC(&rpc, name, 4000, 4, 4), 0);
	CHECK_EQ(rpc.size, 36 + 4 + 16);
	CHECK(rpc_words(&rpc)[1] >= 1);
	CHECK(rpc_words(&rpc)[2] >= 1);
	CHECK_RET(RPC(&rpc, name, 4000, 4, 3), KERN_FAILURE);
	CHECK_RET(RPC(&rpc, name, 4000, 5, 5), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, name, 4009, 5, 5), 0);
	CHECK_EQ(rpc.size, 24 + 4 + 12 + 8 + 4 + 8);
	CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND), host_self());
	CHECK_EQ(rpc_words(&rpc)[1], sysconf(_SC_NPROCESSORS_ONLN));
	CHECK_EQ(rpc_words(&rpc)[2], 1);
	CHECK_RET(RPC(&rpc, name, 4009, 5, 1), KERN_FAILURE);
	CHECK_RET(RPC(&rpc, name, 4009, 4, 5), KERN_INVALID_ARGUMENT);
	/* By its name nothing can be done to it; by its port there is nothing to do. */
	rpc_begin(&rpc, name, 4001);
	CHECK_REFUSED(&rpc, KERN_INVALID_ARGUMENT);
	rpc_begin(&rpc, host_self(), 420);
	rpc_port(&rpc, name, COPY_SEND);
	CHECK_RET(rpc_call(&rpc), 0);
	set = rpc_right(&rpc, 0, MOVE_SEND);
	CHECK_EQ(kind_of(set), 6);
	rpc_begin(&rpc, set, 4001);
	CHECK_REFUSED(&rpc, KERN_FAILURE);
	CHECK_RET(RPC(&rpc, set, 4000, 4, 4), 0);
	rpc_begin(&rpc, host_self(), 420);
	rpc_port(&rpc, host_self(), COPY_SEND);
	CHECK_REFUSED(&rpc, KERN_INVALID_ARGUMENT);
}

static name_t clock_port(uint32_t which)
{
	struct rpc rpc;

	REQUIRE_RET(RPC(&rpc, host_self(), 206, which), 0);
	return rpc_right(&rpc, 0, MOVE_SEND);
}

static int32_t set_alarm(name_t clock, name_t port, int disposition, uint32_t kind,
			 uint32_t seconds, uint32_t nanoseconds)
{
	struct rpc rpc;

	rpc_begin(&rpc, clock, 1002);
	rpc_port(&rpc, port, disposition);
	rpc_word(&rpc, kind);
	rpc_word(&rpc, seconds);
	rpc_word(&rpc, nanoseconds);
	return rpc_call(&rpc);
}

struct alarm_message {
	struct header header;
	uint8_t ndr[8];
	int32_t code;
	uint32_t kind;
	uint32_t seconds;
	uint32_t nanoseconds;
};

static void check_alarm(name_t port, int32_t code, uint32_t kind, uint32_t disposition,
			uint64_t not_before)
{
	struct message message;
	const struct alarm_message *alarm = (const struct alarm_message *)&message;

	REQUIRE_RET(msg_receive_within(&message, port, 10000), 0);
	CHECK_EQ(message.header.id, 3125107);
	CHECK_EQ(message.header.size, sizeof(*alarm));
	CHECK_HEX(message.header.bits, disposition << 8);
	CHECK_HEX(message.header.local, port);
	CHECK_EQ(alarm->code, code);
	CHECK_EQ(alarm->kind, kind);
	CHECK(alarm->nanoseconds < 1000000000);
	CHECK(alarm->seconds * 1000000000ull + alarm->nanoseconds >= not_before);
}

static uint64_t boot_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

TEST(clock_alarms_ring)
{
	uint64_t at;
	name_t clock, port;

	mach_open();
	clock = clock_port(0);
	port = new_port();
	/* After a while, at a time, and for a time that has passed */
	at = boot_time() + 20000000;
	CHECK_RET(set_alarm(clock, port, MAKE_SEND_ONCE, 1, 0, 20000000), 0);
	check_alarm(port, 0, 1, MOVE_SEND_ONCE, at);
	CHECK(boot_time() >= at);
	at = boot_time() + 20000000;
	CHECK_RET(set_alarm(clock, port, MAKE_SEND, 0, (uint32_t)(at / 1000000000),
			    (uint32_t)(at % 1000000000)), 0);
	check_alarm(port, 0, 0, MOVE_SEND, at);
	CHECK(boot_time() >= at);
	CHECK_RET(set_alarm(clock, port, MAKE_SEND_ONCE, 0, 0, 1), 0);
	check_alarm(port, 0, 0, MOVE_SEND_ONCE, 0);
	/* What is no time is told by the message. */
	CHECK_RET(set_alarm(clock, port, MAKE_SEND_ONCE, 2, 1, 0), 0);
	check_alarm(port, KERN_INVALID_VALUE, 2, MOVE_SEND_ONCE, 0);
	CHECK_RET(set_alarm(clock, port, MAKE_SEND_ONCE, 1, 1, 1000000000), 0);
	check_alarm(port, KERN_INVALID_VALUE, 1, MOVE_SEND_ONCE, 0);
	CHECK_NO_MESSAGE(port);
	CHECK_RET(set_alarm(clock, MACH_PORT_NULL, MOVE_SEND, 1, 1, 0), KERN_INVALID_CAPABILITY);
	CHECK_RET(set_alarm(clock, MACH_PORT_DEAD, MOVE_SEND, 1, 1, 0), KERN_INVALID_CAPABILITY);
	CHECK_RET(set_alarm(clock, new_port(), MOVE_RECEIVE, 1, 1, 0), KERN_INVALID_CAPABILITY);
	CHECK_RET(set_alarm(clock_port(1), port, MAKE_SEND, 1, 1, 0), KERN_FAILURE);
}

TEST(many_clock_alarms_ring)
{
	name_t clock, port;
	unsigned int count = 200;

	mach_open();
	clock = clock_port(0);
	port = new_port();
	for (unsigned int i = 0; i < count; i++)
		CHECK_RET(set_alarm(clock, port, MAKE_SEND_ONCE, 1, 0, i * 100000), 0);
	for (unsigned int i = 0; i < count; i++)
		check_alarm(port, 0, 1, MOVE_SEND_ONCE, 0);
}

/* Nothing of them is left, which the counters tell. */
TEST(clock_alarms_that_never_ring_go_with_their_task)
{
	name_t clock, port, gone;

	mach_open();
	clock = clock_port(0);
	port = new_port();
	gone = new_port();
	for (unsigned int i = 0; i < 20; i++)
		CHECK_RET(set_alarm(clock, i % 2 ? port : gone, MAKE_SEND_ONCE, 1, 1000000, 0), 0);
	CHECK_RET(set_alarm(clock, port, MAKE_SEND_ONCE, 1, 0xffffffff, 999999999), 0);
	destroy_receive(gone);
	CHECK_NO_MESSAGE(port);
}

static int32_t request_notification_of(name_t port, int disposition, uint32_t kind)
{
	struct rpc rpc;

	rpc_begin(&rpc, host_self(), 217);
	rpc_port(&rpc, port, disposition);
	rpc_word(&rpc, kind);
	return rpc_call(&rpc);
}

TEST(host_notifications_are_asked_for)
{
	name_t port;

	mach_open();
	port = new_port();
	CHECK_RET(request_notification_of(port, MAKE_SEND_ONCE, 0), 0);
	CHECK_RET(request_notification_of(port, MAKE_SEND_ONCE, 1), 0);
	/* The rights are kept: nobody is told that they went unused. */
	CHECK_NO_MESSAGE(port);
	CHECK_RET(request_notification_of(port, MAKE_SEND_ONCE, 2), KERN_INVALID_ARGUMENT);
	CHECK_EQ(receive_id(port), NOTIFY_SEND_ONCE);
	CHECK_RET(request_notification_of(MACH_PORT_NULL, MOVE_SEND_ONCE, 0),
		  KERN_INVALID_CAPABILITY);
}

TEST(what_the_host_cannot_do_is_refused)
{
	static const struct {
		int32_t id;
		unsigned int words;
		int32_t answer;
	} refused[] = {
		{ 207, 0, KERN_NOT_SUPPORTED }, { 209, 0, KERN_NOT_SUPPORTED },
		{ 214, 0, KERN_FAILURE },	{ 220, 0, KERN_NOT_SUPPORTED },
		{ 225, 1, KERN_NOT_SUPPORTED }, { 227, 0, KERN_NOT_SUPPORTED },
		{ 228, 1, KERN_NOT_SUPPORTED }, { 400, 0, KERN_NOT_SUPPORTED },
		{ 401, 1, KERN_NOT_SUPPORTED },
	};
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		rpc_begin(&rpc, host_self(), refused[i].id);
		for (unsigned int j = 0; j < refused[i].words; j++)
			rpc_word(&rpc, 0);
		CHECK_REFUSED(&rpc, refused[i].answer);
	}
	CHECK_RET(RPC(&rpc, host_self(), 402, 1, 6), 0);
	/* A clock's control port sets no clock. */
	CHECK_RET(RPC(&rpc, host_self(), 408, 1), 0);
	CHECK_EQ(kind_of(rpc_right(&rpc, 0, MOVE_SEND)), 26);
	CHECK_RET(RPC(&rpc, rpc_right(&rpc, 0, MOVE_SEND), 1200, 1, 1), KERN_FAILURE);
	CHECK_RET(RPC(&rpc, host_self(), 408, 2), KERN_INVALID_ARGUMENT);
}

TEST(ports_tell_what_they_stand_for)
{
	name_t timer;

	mach_open();
	timer = (name_t)trap(NR_mk_timer_create_trap, 0);
	REQUIRE(timer);
	CHECK_EQ(kind_of(timer), 8);
	CHECK_EQ(kind_of(new_port()), 0);
	CHECK_EQ(kind_of(self()), 2);
	CHECK_EQ(kind_of(thread_self()), 1);
	CHECK_EQ(kind_of(host_self()), 3);
	CHECK_EQ(kind_of(clock_port(0)), 25);
}
