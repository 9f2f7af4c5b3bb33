// SPDX-License-Identifier: GPL-2.0
/*
 * What a program asks of the kernel before its main(), in the order in which
 * dyld and the system library ask, message by message.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "rpc.h"

#define HOST_BASIC_INFO			1
#define HOST_PRIORITY_INFO		5
#define SYSTEM_CLOCK			0
#define CALENDAR_CLOCK			1

enum special_port {
	SPECIAL_KERNEL = 1, SPECIAL_HOST, SPECIAL_NAME, SPECIAL_BOOTSTRAP, SPECIAL_SEATBELT = 7,
	SPECIAL_ACCESS = 9, SPECIAL_DEBUG_CONTROL = 10,
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void check_basic_info(struct rpc *rpc, name_t host)
{
	const uint32_t *words;
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	/* Flavor, and room for 12 words: 40 bytes; answered by 44 and the words */
	CHECK_RET(RPC(rpc, host, 200, HOST_BASIC_INFO, 12), 0);
	REQUIRE_EQ(rpc->size, 40 + 48);
	words = rpc_words(rpc);
	CHECK_EQ(words[0], 12);
	CHECK(words[1] >= (uint32_t)online);		/* max_cpus */
	CHECK_EQ(words[2], online);			/* avail_cpus */
	CHECK(words[3] > 0 && words[3] <= 0x80000000);	/* memory_size */
	CHECK_EQ(words[4], 7);				/* cpu_type */
	CHECK_EQ(words[5], 3);				/* cpu_subtype */
	CHECK(words[7] >= 1 && words[7] <= words[9]);	/* physical, logical */
	CHECK_EQ(words[9], online);
	/* What the kernel keeps for itself is not in it. */
	CHECK(rpc_wide_at(rpc, 11) <= (uint64_t)sysconf(_SC_PHYS_PAGES) * 4096 + (1u << 20));
	CHECK(rpc_wide_at(rpc, 11) >= (uint64_t)sysconf(_SC_PHYS_PAGES) * 4096);
}

static name_t check_clock(struct rpc *rpc, name_t host, uint32_t which, clockid_t linux_clock)
{
	uint64_t before, now;
	name_t clock;

	CHECK_RET(RPC(rpc, host, 206, which), 0);
	REQUIRE_EQ(rpc->size, 40);
	REQUIRE_EQ(rpc->ports, 1);
	clock = rpc_right(rpc, 0, MOVE_SEND);
	CHECK_SEND_UREFS(clock, 1);

	before = clock_ns(linux_clock);
	rpc_begin(rpc, clock, 1000);
	CHECK_RET(rpc_call(rpc), 0);
	REQUIRE_EQ(rpc->size, 44);
	CHECK(rpc_words(rpc)[1] < 1000000000);
	now = (uint64_t)rpc_words(rpc)[0] * 1000000000 + rpc_words(rpc)[1];
	CHECK(now >= before && now <= clock_ns(linux_clock));
	return clock;
}

TEST(start_up_order)
{
	struct rpc rpc;
	name_t host, thread, semaphore, port;

	/* 1. dyld */
	mach_open();
	CHECK_EQ(get_api_version(), 19);
	CHECK(task_self() != MACH_PORT_NULL);
	CHECK(reply_port() != MACH_PORT_NULL);
	/* 3. host information */
	host = host_self();
	CHECK(reply_port() != MACH_PORT_NULL);
	check_basic_info(&rpc, host);
	CHECK_RET(deallocate(host), 0);
	/* 5., 6. before initializers, libsystem_kernel */
	thread = thread_self();
	CHECK(thread != MACH_PORT_NULL);
	CHECK_EQ(get_api_version(), 19);
	CHECK(task_self() != MACH_PORT_NULL);
	CHECK(reply_port() != MACH_PORT_NULL);
	/* 7. pthread */
	host = host_self();
	CHECK_RET(RPC(&rpc, host, 200, HOST_PRIORITY_INFO, 8), 0);
	CHECK_EQ(rpc.size, 40 + 32);
	CHECK_EQ(rpc_words(&rpc)[0], 8);
	CHECK(rpc_words(&rpc)[7] <= rpc_words(&rpc)[4] && rpc_words(&rpc)[4] <= rpc_words(&rpc)[8]);
	CHECK_RET(deallocate(host), 0);
	CHECK(thread_self() == thread);
	/* 8. the clock of libc, and its semaphore */
	host = host_self();
	check_clock(&rpc, host, CALENDAR_CLOCK, CLOCK_REALTIME);
	if (RPC(&rpc, self(), 3418, 0, 0) == MIG_BAD_ID) {
		note("no semaphores");
	} else {
		REQUIRE_EQ(rpc.size, 40);
		semaphore = rpc_right(&rpc, 0, MOVE_SEND);
		CHECK_SEND_UREFS(semaphore, 1);
	}
	CHECK_RET(deallocate(host), 0);
	/* 9. the client of launchd: no bootstrap port is a success */
	CHECK(task_self() != MACH_PORT_NULL);
	CHECK_RET(RPC(&rpc, self(), 3409, SPECIAL_BOOTSTRAP), 0);
	CHECK_EQ(rpc.size, 40);
	CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND), MACH_PORT_NULL);
	/* With one it is received. */
	port = new_port();
	bootstrap_set(port, MAKE_SEND);
	CHECK_RET(RPC(&rpc, self(), 3409, SPECIAL_BOOTSTRAP), 0);
	CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND), port);
	/* 10. */
	CHECK_RET(deallocate(thread), 0);
}

TEST(host_info_with_little_room)
{
	struct rpc rpc;

	mach_open();
	for (uint32_t room = 0; room < 5; room++)
		CHECK_RET(RPC(&rpc, host_self(), 200, HOST_BASIC_INFO, room), KERN_FAILURE);
	for (uint32_t room = 5; room < 12; room++) {
		CHECK_RET(RPC(&rpc, host_self(), 200, HOST_BASIC_INFO, room), 0);
		CHECK_EQ(rpc_words(&rpc)[0], 5);
		CHECK_EQ(rpc.size, 40 + 20);
	}
	CHECK_RET(RPC(&rpc, host_self(), 200, HOST_BASIC_INFO, 68), 0);
	CHECK_EQ(rpc_words(&rpc)[0], 12);
	CHECK_RET(RPC(&rpc, host_self(), 200, HOST_BASIC_INFO, 0xffffffff), 0);
	CHECK_RET(RPC(&rpc, host_self(), 200, HOST_PRIORITY_INFO, 7), KERN_FAILURE);
	for (uint32_t flavor = 0; flavor < 20; flavor++)
		if (flavor != HOST_BASIC_INFO && flavor != HOST_PRIORITY_INFO)
			CHECK_RET(RPC(&rpc, host_self(), 200, flavor, 68), KERN_NOT_SUPPORTED);
}

TEST(host_kernel_version_is_a_string)
{
	struct rpc rpc;
	const uint32_t *words;
	const char *text;

	mach_open();
	rpc_begin(&rpc, host_self(), 201);
	CHECK_RET(rpc_call(&rpc), 0);
	words = rpc_words(&rpc);
	text = (const char *)(words + 2);
	CHECK_EQ(words[0], 0);
	REQUIRE(words[1] <= 512);
	CHECK_EQ(strnlen(text, words[1]) + 1, words[1]);
	CHECK_EQ(rpc.size, 44 + (words[1] + 3) / 4 * 4);
	CHECK(!strncmp(text, "Darwin Kernel Version ", 22));
}

TEST(host_page_size_is_that_of_linux)
{
	struct rpc rpc;

	mach_open();
	rpc_begin(&rpc, host_self(), 202);
	CHECK_RET(rpc_call(&rpc), 0);
	/* A vm_size_t has the width of addresses. */
	CHECK_EQ(rpc.size, 44);
	CHECK_EQ(rpc_wide_at(&rpc, 0), sysconf(_SC_PAGESIZE));
}

TEST(clocks_tell_time)
{
	static const uint32_t attributes[] = { 1, 3, 4, 5 };
	struct rpc rpc;
	name_t clock;

	mach_open();
	clock = check_clock(&rpc, host_self(), SYSTEM_CLOCK, CLOCK_BOOTTIME);
	check_clock(&rpc, host_self(), CALENDAR_CLOCK, CLOCK_REALTIME);
	CHECK_RET(RPC(&rpc, host_self(), 206, 2), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, host_self(), 206, (uint32_t)-1), KERN_INVALID_ARGUMENT);
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
		CHECK_RET(RPC(&rpc, clock, 1001, attributes[i], 1), 0);
		CHECK_EQ(rpc.size, 44);
		CHECK_EQ(rpc_words(&rpc)[0], 1);
		CHECK_EQ(rpc_words(&rpc)[1], 1);
		CHECK_RET(RPC(&rpc, clock, 1001, attributes[i], 0), KERN_FAILURE);
	}
	CHECK_RET(RPC(&rpc, clock, 1001, 2, 1), KERN_INVALID_VALUE);
	/* A clock is no host. */
	CHECK_RET(RPC(&rpc, clock, 206, 0), KERN_INVALID_ARGUMENT);
}

TEST(statistics_are_of_this_machine)
{
	struct rpc rpc;

	mach_open();
	CHECK_RET(RPC(&rpc, host_self(), 216, 1, 6), 0);
	CHECK_EQ(rpc.size, 40 + 24);
	CHECK_RET(RPC(&rpc, host_self(), 216, 1, 5), KERN_FAILURE);
	CHECK_RET(RPC(&rpc, host_self(), 216, 2, 15), 0);
	CHECK_EQ(rpc.size, 40 + 60);
	CHECK(rpc_words(&rpc)[1] > 0);
	CHECK(rpc_words(&rpc)[1] < (uint64_t)sysconf(_SC_PHYS_PAGES));
	CHECK_RET(RPC(&rpc, host_self(), 216, 3, 4), 0);
	CHECK_EQ(rpc.size, 40 + 16);
	CHECK(rpc_words(&rpc)[1] + rpc_words(&rpc)[2] + rpc_words(&rpc)[3] > 0);
	CHECK_RET(RPC(&rpc, host_self(), 216, 4, 68), KERN_NOT_SUPPORTED);
	CHECK_RET(RPC(&rpc, host_self(), 219, 4, 38), 0);
	CHECK_EQ(rpc.size, 40 + 152);
	CHECK(rpc_words(&rpc)[1] > 0);
	CHECK_RET(RPC(&rpc, host_self(), 219, 4, 37), KERN_FAILURE);
	CHECK_RET(RPC(&rpc, host_self(), 219, 1, 6), 0);
}

static int32_t set_special(struct rpc *rpc, uint32_t which, name_t port, int disposition)
{
	rpc_begin(rpc, self(), 3410);
	rpc_port(rpc, port, disposition);
	rpc_word(rpc, which);
	return rpc_call(rpc);
}

static name_t get_special(struct rpc *rpc, uint32_t which)
{
	REQUIRE_RET(RPC(rpc, self(), 3409, which), 0);
	REQUIRE_EQ(rpc->size, 40);
	return rpc_right(rpc, 0, MOVE_SEND);
}

TEST(special_ports_that_are_there_from_the_start)
{
	struct rpc rpc;

	mach_open();
	CHECK_HEX(get_special(&rpc, SPECIAL_KERNEL), self());
	CHECK_HEX(get_special(&rpc, SPECIAL_HOST), host_self());
	CHECK(get_special(&rpc, SPECIAL_NAME) != MACH_PORT_NULL);
	CHECK(get_special(&rpc, SPECIAL_NAME) != self());
	CHECK_HEX(get_special(&rpc, SPECIAL_NAME), get_special(&rpc, SPECIAL_NAME));
	CHECK_HEX(get_special(&rpc, SPECIAL_SEATBELT), 0);
	CHECK_HEX(get_special(&rpc, SPECIAL_ACCESS), 0);
	CHECK_HEX(get_special(&rpc, SPECIAL_DEBUG_CONTROL), 0);
	CHECK_RET(RPC(&rpc, self(), 3409, 0), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, self(), 3409, 5), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, self(), 3409, 11), KERN_INVALID_ARGUMENT);
	/* Who can name a task does not control it. */
	CHECK_RET(RPC(&rpc, get_special(&rpc, SPECIAL_NAME), 3409, SPECIAL_BOOTSTRAP),
		  KERN_INVALID_ARGUMENT);
}

TEST(special_ports_can_be_set)
{
	static const uint32_t settable[] = { SPECIAL_BOOTSTRAP, SPECIAL_DEBUG_CONTROL };
	static const uint32_t once[] = { SPECIAL_SEATBELT, SPECIAL_ACCESS };
	struct rpc rpc;
	name_t port, host;

	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(settable); i++) {
		CHECK_RET(set_special(&rpc, settable[i], port, MAKE_SEND), 0);
		CHECK_HEX(get_special(&rpc, settable[i]), port);
		CHECK_RET(deallocate(port), 0);
		CHECK_RET(set_special(&rpc, settable[i], MACH_PORT_NULL, MOVE_SEND), 0);
		CHECK_HEX(get_special(&rpc, settable[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(once); i++) {
		CHECK_RET(set_special(&rpc, once[i], port, MAKE_SEND), 0);
		CHECK_HEX(get_special(&rpc, once[i]), port);
		CHECK_RET(set_special(&rpc, once[i], port, MAKE_SEND), KERN_NO_ACCESS);
		CHECK_RET(deallocate(port), 0);
	}
	host = host_self();
	CHECK_RET(set_special(&rpc, SPECIAL_HOST, host, COPY_SEND), KERN_NO_ACCESS);
	CHECK_RET(set_special(&rpc, SPECIAL_NAME, host, COPY_SEND), KERN_INVALID_ARGUMENT);
	CHECK_RET(set_special(&rpc, 0, host, COPY_SEND), KERN_INVALID_ARGUMENT);
	CHECK_RET(set_special(&rpc, SPECIAL_BOOTSTRAP, port, MAKE_SEND_ONCE), MIG_TYPE_ERROR);
	/* A port that stands in for the task's own */
	CHECK_RET(set_special(&rpc, SPECIAL_KERNEL, port, MAKE_SEND), 0);
	CHECK_HEX(task_self(), port);
	CHECK_HEX(get_special(&rpc, SPECIAL_KERNEL), port);
}

static void check_inherited(void *port)
{
	struct rpc rpc;

	mach_open();
	mach_forget();
	CHECK(get_special(&rpc, SPECIAL_BOOTSTRAP) != MACH_PORT_NULL);
	CHECK(get_special(&rpc, SPECIAL_SEATBELT) != MACH_PORT_NULL);
	CHECK(get_special(&rpc, SPECIAL_ACCESS) != MACH_PORT_NULL);
	CHECK_HEX(get_special(&rpc, SPECIAL_DEBUG_CONTROL), 0);
	CHECK_HEX(get_special(&rpc, SPECIAL_KERNEL), self());
	(void)port;
}

TEST(special_ports_that_children_inherit)
{
	static const uint32_t all[] = {
		SPECIAL_BOOTSTRAP, SPECIAL_SEATBELT, SPECIAL_ACCESS, SPECIAL_DEBUG_CONTROL,
		SPECIAL_KERNEL,
	};
	struct rpc rpc;
	name_t port;

	mach_open();
	port = new_port();
	self();
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		CHECK_RET(set_special(&rpc, all[i], port, MAKE_SEND), 0);
	WAIT_CHILD_OK(start_child(check_inherited, NULL));
}
