// SPDX-License-Identifier: GPL-2.0
/*
 * The filter of timers. Moments are checked from below only.
 * time limit: 200 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "kqueue.h"
#include "mach.h"
#include "process.h"

#define TIMER(...)	EVENT(EVFILT_TIMER, __VA_ARGS__)
#define MS		1000000ull

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec;
}

/* Adds a timer and fetches its event; tells how many nanoseconds that took. */
static uint64_t fire(int kqueue, struct event change, struct event *event)
{
	uint64_t before = now_ns();

	REQUIRE_EQ(change_event(kqueue, change), 0);
	REQUIRE_EQ(fetch_events(kqueue, event, 1, FOR_EVER), 1);
	return now_ns() - before;
}

TEST(units_are_told_apart)
{
	static const struct {
		unsigned int fflags;
		int64_t data;
		uint64_t at_least;
	} cases[] = {
		{ 0, 20, 20 * MS },
		{ NOTE_USECONDS, 15000, 15 * MS },
		{ NOTE_NSECONDS, 15000000, 15 * MS },
		{ NOTE_MACHTIME, 15000000, 15 * MS },
		{ NOTE_SECONDS, 1, 1000 * MS },
		{ NOTE_MACH_CONTINUOUS, 15, 15 * MS },
		{ NOTE_MACH_CONTINUOUS | NOTE_MACHTIME, 15000000, 15 * MS },
		{ NOTE_LEEWAY, 15, 15 * MS },
		{ 0, 0, 0 },
		{ NOTE_SECONDS, 0, 0 },
		/* Below zero is at once. */
		{ 0, -1, 0 },
		{ NOTE_SECONDS, INT64_MIN, 0 },
	};
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct event change = TIMER(i, EV_ADD | EV_ONESHOT, cases[i].fflags, cases[i].data,
					    0xab);
		struct event event;
		uint64_t taken;

		change.ext[1] = 3;
		taken = fire(kqueue, change, &event);
		if (taken < cases[i].at_least)
			FAIL("case %zu: after %llu ns", i, (unsigned long long)taken);
		CHECK_EQ(event.ident, i);
		CHECK_HEX(event.flags, EV_ADD | EV_ONESHOT | EV_CLEAR);
		CHECK_HEX(event.fflags, 0);
		CHECK(event.data >= 1);
		CHECK_HEX(event.udata, 0xab);
		CHECK_EQ(event.ext[0], 0);
		CHECK_EQ(change_event(kqueue, (struct event)TIMER(i, EV_DELETE)), -ENOENT);
	}
}

TEST(times_that_are_wrong)
{
	static const struct {
		unsigned int fflags;
		int64_t data;
		uint64_t leeway;
		long result;
	} cases[] = {
		{ NOTE_SECONDS | NOTE_USECONDS, 1, 0, -EINVAL },
		{ NOTE_NSECONDS | NOTE_MACHTIME, 1, 0, -EINVAL },
		{ NOTE_SECONDS, INT64_MAX, 0, -ERANGE },
		{ 0, INT64_MAX, 0, -ERANGE },
		{ NOTE_ABSOLUTE | NOTE_SECONDS, INT64_MAX, 0, -ERANGE },
		{ NOTE_LEEWAY | NOTE_SECONDS, 1, UINT64_MAX, -ERANGE },
		/* A leeway that is not asked for is not looked at. */
		{ NOTE_SECONDS, 3600, UINT64_MAX, 0 },
		{ NOTE_NSECONDS, INT64_MAX, 0, 0 },
	};
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct event change = TIMER(1, EV_ADD, cases[i].fflags, cases[i].data);
		struct event event;
		long result;

		change.ext[1] = cases[i].leeway;
		result = change_event(kqueue, change);
		if (result != cases[i].result)
			FAIL("case %zu: %ld, not %ld", i, result, cases[i].result);
		CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
		change_event(kqueue, (struct event)TIMER(1, EV_DELETE));
	}
}

TEST(moments_are_waited_for_once)
{
	static const struct {
		clockid_t clock;
		unsigned int fflags;
	} clocks[] = {
		{ CLOCK_REALTIME, NOTE_NSECONDS },
		{ CLOCK_REALTIME, NOTE_NSECONDS | NOTE_MACH_CONTINUOUS },
		{ CLOCK_MONOTONIC, NOTE_MACHTIME },
		{ CLOCK_BOOTTIME, NOTE_MACHTIME | NOTE_MACH_CONTINUOUS },
	};
	struct event event;
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
		unsigned int fflags = clocks[i].fflags | NOTE_ABSOLUTE;
		uint64_t then = clock_ns(clocks[i].clock) + 20 * MS;

		fire(kqueue, (struct event)TIMER(1, EV_ADD, fflags, (int64_t)then), &event);
		CHECK(clock_ns(clocks[i].clock) >= then);
		CHECK_HEX(event.flags, EV_ADD | EV_ONESHOT | EV_CLEAR);
		CHECK_EQ(event.data, 1);
		CHECK_EQ(change_event(kqueue, (struct event)TIMER(1, EV_DELETE)), -ENOENT);

		/* One that has passed */
		then = clock_ns(clocks[i].clock) - MS;
		REQUIRE_EQ(change_event(kqueue, (struct event)TIMER(1, EV_ADD, fflags,
								    (int64_t)then)), 0);
		CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 1);
	}
}

TEST(repeating_timers_count)
{
	const struct event change = TIMER(7, EV_ADD, 0, 5);
	struct event event;
	int64_t expirations = 0;
	uint64_t start = now_ns();
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	REQUIRE_EQ(change_event(kqueue, change), 0);
	sleep_ms(30);
	REQUIRE_EQ(fetch_events(kqueue, &event, 1, FOR_EVER), 1);
	CHECK(event.data >= 5);
	CHECK_HEX(event.flags, EV_ADD | EV_CLEAR);
	for (expirations = event.data; expirations < 20; expirations += event.data)
		REQUIRE_EQ(fetch_events(kqueue, &event, 1, FOR_EVER), 1);
	CHECK(now_ns() - start >= (uint64_t)expirations * 5 * MS);
	/* Disabled it goes on counting. */
	CHECK_EQ(change_event(kqueue, (struct event)TIMER(7, EV_DISABLE, 0, 5)), 0);
	sleep_ms(20);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
	CHECK_EQ(change_event(kqueue, (struct event)TIMER(7, EV_DELETE)), 0);
	sleep_ms(20);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
}

TEST(a_timer_is_set_anew)
{
	struct event event;
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	/* One that has gone off and was not fetched does not count any more. */
	REQUIRE_EQ(change_event(kqueue, (struct event)TIMER(1, EV_ADD, 0, 0)), 0);
	REQUIRE_EQ(change_event(kqueue, (struct event)TIMER(1, EV_ADD, NOTE_SECONDS, 3600)), 0);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
	/* By another clock, and at once */
	REQUIRE_EQ(change_event(kqueue, (struct event)TIMER(1, EV_ADD, NOTE_MACH_CONTINUOUS, 10)), 0);
	CHECK_EQ(fetch_events(kqueue, &event, 1, FOR_EVER), 1);
	REQUIRE_EQ(change_event(kqueue, (struct event)TIMER(1, EV_ADD, NOTE_SECONDS, 3600)), 0);
	REQUIRE_EQ(change_event(kqueue, (struct event)TIMER(1, 0, 0, 0)), 0);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 1);
	/* From an interval to a moment there is no way. */
	CHECK_EQ(change_event(kqueue, (struct event)TIMER(1, EV_ADD, NOTE_ABSOLUTE, 1)), -EINVAL);
	/* What is wrong changes nothing. */
	REQUIRE_EQ(change_event(kqueue, (struct event)TIMER(1, EV_ADD, 0, 10)), 0);
	CHECK_EQ(change_event(kqueue, (struct event)TIMER(1, EV_ADD, NOTE_SECONDS, INT64_MAX)),
		 -ERANGE);
	CHECK_EQ(fetch_events(kqueue, &event, 1, FOR_EVER), 1);
}

TEST(many_timers_and_a_close_while_they_run)
{
	enum { COUNT = 200 };
	struct event changes[COUNT], events[COUNT];
	int kqueue;

	mach_open();
	for (int turn = 0; turn < 10; turn++) {
		kqueue = new_kqueue();
		for (int i = 0; i < COUNT; i++)
			changes[i] = (struct event)TIMER((uint64_t)i, EV_ADD, NOTE_USECONDS,
							 500 + i * 20);
		REQUIRE_EQ(kevent_in(KEVENT64, kqueue, changes, COUNT, events, 0, 0, 0), 0);
		CHECK(fetch_events(kqueue, events, COUNT, FOR_EVER) > 0);
		close(kqueue);
	}
}
