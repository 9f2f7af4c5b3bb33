// SPDX-License-Identifier: GPL-2.0
/*
 * What tasks and threads tell of themselves: every flavor, with as much room as
 * it needs, with more, and with less.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"

#define ROOM	90u	/* as much as the interface has */

struct flavor {
	int32_t routine;
	uint32_t flavor;
	uint32_t least;		/* words without which nothing is told */
	uint32_t words;		/* all that there is to be told */
};

static const struct flavor flavors[] = {
	{ 3405, 1, 8, 8 },	/* TASK_ABSOLUTETIME_INFO */
	{ 3405, 2, 8, 8 },	/* TASK_EVENTS_INFO */
	{ 3405, 3, 4, 4 },	/* TASK_THREAD_TIMES_INFO */
	{ 3405, 4, 8, 8 },	/* TASK_BASIC_INFO_32 */
	{ 3405, 5, 10, 10 },	/* TASK_BASIC_INFO_64 */
	{ 3405, 6, 8, 8 },	/* TASK_BASIC2_INFO_32 */
	{ 3405, 13, 2, 2 },	/* TASK_SECURITY_TOKEN */
	{ 3405, 15, 8, 8 },	/* TASK_AUDIT_TOKEN */
	{ 3405, 17, 4, 5 },	/* TASK_DYLD_INFO */
	{ 3405, 20, 12, 12 },	/* MACH_TASK_BASIC_INFO */
	{ 3405, 22, 32, 42 },	/* TASK_VM_INFO */
	{ 3405, 28, 1, 1 },	/* TASK_FLAGS_INFO */
	{ 3612, 3, 10, 10 },	/* THREAD_BASIC_INFO */
	{ 3612, 4, 6, 6 },	/* THREAD_IDENTIFIER_INFO */
};

static bool is_known(int32_t routine, uint32_t flavor)
{
	for (size_t i = 0; i < ARRAY_SIZE(flavors); i++)
		if (flavors[i].routine == routine && flavors[i].flavor == flavor)
			return true;
	return false;
}

static void check_flavors(name_t task, name_t thread)
{
	struct rpc rpc;

	for (size_t i = 0; i < ARRAY_SIZE(flavors); i++) {
		const struct flavor *flavor = &flavors[i];
		name_t target = flavor->routine == 3405 ? task : thread;

		for (uint32_t room = 0; room <= ROOM; room++) {
			uint32_t want = room < flavor->words ? room : flavor->words;
			int32_t result = RPC(&rpc, target, flavor->routine, flavor->flavor, room);

			CHECK_RET(result, room < flavor->least ? KERN_INVALID_ARGUMENT : 0);
			if (result)
				continue;
			if (rpc.size != 40 + want * 4 || rpc_words(&rpc)[0] != want)
				FAIL("flavor %u of %d with room %u: size %u, count %u",
				     flavor->flavor, flavor->routine, room, rpc.size,
				     rpc_words(&rpc)[0]);
		}
		CHECK_RET(RPC(&rpc, target, flavor->routine, flavor->flavor, (uint32_t)-1), 0);
	}
	for (uint32_t flavor = 0; flavor < 64; flavor++) {
		if (!is_known(3405, flavor))
			CHECK_RET(RPC(&rpc, task, 3405, flavor, ROOM), KERN_FAILURE);
		if (!is_known(3612, flavor))
			CHECK_RET(RPC(&rpc, thread, 3612, flavor, ROOM), KERN_INVALID_ARGUMENT);
	}
	CHECK_RET(RPC(&rpc, task, 3405, (uint32_t)-1, ROOM), KERN_FAILURE);
	CHECK_RET(RPC(&rpc, thread, 3612, (uint32_t)-1, ROOM), KERN_INVALID_ARGUMENT);
}

TEST(own_flavors_with_any_room)
{
	mach_open();
	check_flavors(self(), thread_self());
}

TEST(flavors_of_another_with_any_room)
{
	struct other other;

	mach_open();
	other_start(&other, NULL, NULL);
	check_flavors(other.task, other.thread);
	other_end(&other);
}

TEST(those_who_have_ended_tell_nothing)
{
	struct other other;
	struct message message;

	mach_open();
	other_start(&other, NULL, NULL);
	other_end(&other);
	message_init(&message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), other.task, new_port(), 3405);
	CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_INVALID_DEST);
}

static uint64_t microseconds(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static void touch_pages(void)
{
	volatile uint8_t *pages = mmap(NULL, 100 * 4096, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(pages != MAP_FAILED);
	REQUIRE_EQ(madvise((void *)pages, 100 * 4096, MADV_NOHUGEPAGE), 0);
	for (int i = 0; i < 100; i++)
		pages[i * 4096] = 1;
}

static void *touch_pages_in_a_thread(void *unused)
{
	touch_pages();
	return unused;
}

TEST(events_are_those_of_linux)
{
	struct rusage before, after;
	struct worker worker;
	struct rpc rpc;

	mach_open();
	/* One part by a thread that is no more */
	worker_start(&worker, touch_pages_in_a_thread, NULL);
	worker_join(&worker);
	touch_pages();
	REQUIRE_EQ(getrusage(RUSAGE_SELF, &before), 0);
	CHECK_RET(RPC(&rpc, self(), 3405, 2, 8), 0);
	REQUIRE_EQ(getrusage(RUSAGE_SELF, &after), 0);
	CHECK(rpc_words(&rpc)[1] >= 200);
	CHECK(rpc_words(&rpc)[1] >= (uint64_t)(before.ru_minflt + before.ru_majflt));
	CHECK(rpc_words(&rpc)[1] <= (uint64_t)(after.ru_minflt + after.ru_majflt));
	CHECK_EQ(rpc_words(&rpc)[2], before.ru_majflt);
	CHECK(rpc_words(&rpc)[8] >= (uint64_t)(before.ru_nvcsw + before.ru_nivcsw));
	CHECK(rpc_words(&rpc)[8] <= (uint64_t)(after.ru_nvcsw + after.ru_nivcsw));
}

static void *spin(void *unused)
{
	uint64_t end = now_ns() + 200000000;

	while (now_ns() < end)
		;
	return unused;
}

TEST(times_count_threads_that_have_ended)
{
	struct rusage before;
	struct worker worker;
	struct rpc rpc;
	uint64_t all, living;

	mach_open();
	worker_start(&worker, spin, NULL);
	worker_join(&worker);
	/* Those that live are among all. */
	spin(NULL);
	REQUIRE_EQ(getrusage(RUSAGE_SELF, &before), 0);
	/* getrusage() knows what this thread has used since its last tick; ticks can come late. */
	sched_yield();
	CHECK_RET(RPC(&rpc, self(), 3405, 1, 8), 0);
	all = rpc_wide_at(&rpc, 1) + rpc_wide_at(&rpc, 3);
	living = rpc_wide_at(&rpc, 5) + rpc_wide_at(&rpc, 7);
	CHECK(all > living);
	/* Adjusted to ticks here and there; what is told is in nanoseconds. */
	CHECK(all / 1000 + 20000 >= microseconds(before.ru_utime) + microseconds(before.ru_stime));
}

static void *spin_shortly(void *unused)
{
	uint64_t end = now_ns() + 3000000;

	while (now_ns() < end)
		;
	return unused;
}

/*
 * A thread that is about to end is still among the living ones, or among those that have
 * ended: what it has used does not get lost between, so the sum never goes back.
 */
TEST(sums_do_not_go_back_while_threads_end)
{
	uint64_t faults = 0, switches = 0;
	struct worker workers[4];
	struct rpc rpc;

	mach_open();
	for (int round = 0; round < 40; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
			worker_start(&workers[i], round % 2 ? spin_shortly : touch_pages_in_a_thread,
				     NULL);
		for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
			worker_join(&workers[i]);
			for (int again = 0; again < 5; again++) {
				CHECK_RET(RPC(&rpc, self(), 3405, 2, 8), 0);
				CHECK(rpc_words(&rpc)[1] >= faults);
				CHECK(rpc_words(&rpc)[8] >= switches);
				faults = rpc_words(&rpc)[1];
				switches = rpc_words(&rpc)[8];
			}
		}
	}
}

TEST(peak_is_told_of_memory_that_is_gone)
{
	struct rpc rpc;
	uint32_t resident;
	void *pages;

	mach_open();
	pages = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	REQUIRE(pages != MAP_FAILED);
	REQUIRE_EQ(munmap(pages, 64 << 20), 0);
	CHECK_RET(RPC(&rpc, self(), 3405, 4, 8), 0);
	resident = rpc_words(&rpc)[3];
	CHECK_RET(RPC(&rpc, self(), 3405, 6, 8), 0);
	CHECK(rpc_words(&rpc)[3] >= resident + (32u << 20));
}

/* The tokens are those that the task's messages have. */
TEST(tokens_are_those_of_messages)
{
	struct { int32_t uid, gid; } ids = { 501, 20 };
	struct message message;
	struct trailer *trailer;
	struct rpc rpc;
	name_t port;

	mach_open();
	port = new_send_right();
	CHECK_RET(trap_struct(NR_setuidgid, &ids), 0);
	CHECK_RET(send_id(port, COPY_SEND, 9), 0);
	REQUIRE_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TIMEOUT | 3u << 24, 0,
			     sizeof(message), port, 1000), 0);
	trailer = trailer_of(&message);
	CHECK_RET(RPC(&rpc, self(), 3405, 13, 2), 0);
	CHECK(!memcmp(rpc_words(&rpc) + 1, (uint8_t *)trailer + 12, 8));
	CHECK_RET(RPC(&rpc, self(), 3405, 15, 8), 0);
	CHECK(!memcmp(rpc_words(&rpc) + 1, (uint8_t *)trailer + 20, 32));
	CHECK_EQ(rpc_words(&rpc)[2], 501);
	CHECK_EQ(rpc_words(&rpc)[3], 20);
	CHECK_EQ(rpc_words(&rpc)[6], getpid());
}

TEST(flags_tell_the_width)
{
	struct rpc rpc;

	mach_open();
	CHECK_RET(RPC(&rpc, self(), 3405, 28, 1), 0);
	CHECK_EQ(rpc_words(&rpc)[1], 3);
}
