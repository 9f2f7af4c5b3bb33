// SPDX-License-Identifier: GPL-2.0
/*
 * Kqueues, shown with events that the client triggers itself: what each flag
 * does, errors, dialects, order.
 * time limit: 200 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "debugfs.h"
#include "harness.h"
#include "kqueue.h"
#include "mach.h"
#include "process.h"

/* A change of, or an event from, the filter USER */
#define USER(...)	EVENT(EVFILT_USER, __VA_ARGS__)
#define NO_CHANGE	{ .filter = 0 }
#define NO_EVENT	{ .filter = 0 }
#define STEPS(kqueue, table) run_steps(kqueue, table, ARRAY_SIZE(table))

static long live_objects(const char *name)
{
	struct object_counts counts;

	debugfs_mount();
	REQUIRE(read_object_counts(&counts));
	for (size_t i = 0; i < counts.kinds; i++)
		if (!strcmp(counts.kind[i].name, name))
			return counts.kind[i].live;
	FATAL("no objects are called %s", name);
	return -1;
}

TEST(user_events_are_triggered_and_keep_flags)
{
	static const struct kqueue_step steps[] = {
		{ "add", USER(1, EV_ADD, 0x5, 7, 0xa), 0, NO_EVENT },
		{ "trigger", USER(1, 0, NOTE_TRIGGER, 8, 0xb), 0, USER(1, EV_ADD, 0x5, 8, 0xb) },
		{ "level triggered", NO_CHANGE, 0, USER(1, EV_ADD, 0x5, 8, 0xb) },
		{ "and", USER(1, 0, NOTE_FFAND | 0x4, 9), 0, USER(1, EV_ADD, 0x4, 9) },
		{ "or", USER(1, 0, NOTE_FFOR | 0x3), 0, USER(1, EV_ADD, 0x7) },
		{ "copy", USER(1, 0, NOTE_FFCOPY | 0xff000f), 0, USER(1, EV_ADD, 0xff000f) },
		{ "no operation", USER(1, 0, 0xff), 0, USER(1, EV_ADD, 0xff000f) },
		{ "delete", USER(1, EV_DELETE), 0, NO_EVENT },
		{ "delete again", USER(1, EV_DELETE), -ENOENT, NO_EVENT },
		{ "add triggered", USER(2, EV_ADD, NOTE_TRIGGER | 1), 0,
		  USER(2, EV_ADD, NOTE_TRIGGER | 1) },
	};

	mach_open();
	STEPS(new_kqueue(), steps);
}

TEST(flags_do_what_they_say)
{
	enum { TRIGGER = NOTE_TRIGGER };
	static const struct kqueue_step steps[] = {
		{ "clear: add", USER(1, EV_ADD | EV_CLEAR, 0x3), 0, NO_EVENT },
		{ "clear: trigger", USER(1, 0, TRIGGER), 0, USER(1, EV_ADD | EV_CLEAR, 0x3) },
		{ "clear: told once", NO_CHANGE, 0, NO_EVENT },
		{ "clear: trigger again", USER(1, 0, TRIGGER), 0,
		  USER(1, EV_ADD | EV_CLEAR, 0x3) },

		{ "oneshot: add", USER(2, EV_ADD | EV_ONESHOT), 0, NO_EVENT },
		{ "oneshot: trigger", USER(2, 0, TRIGGER), 0, USER(2, EV_ADD | EV_ONESHOT) },
		{ "oneshot: gone", USER(2, 0, TRIGGER), -ENOENT, NO_EVENT },

		{ "disable: add", USER(3, EV_ADD | EV_DISABLE), 0, NO_EVENT },
		{ "disable: trigger", USER(3, 0, TRIGGER), 0, NO_EVENT },
		{ "disable: enable", USER(3, EV_ENABLE), 0, USER(3, EV_ADD | EV_DISABLE) },
		{ "disable: disable", USER(3, EV_DISABLE), 0, NO_EVENT },
		{ "disable: overrules", USER(3, EV_DISABLE | EV_ENABLE), 0, NO_EVENT },
		{ "disable: add enables nothing", USER(3, EV_ADD), 0, NO_EVENT },
		{ "disable: delete", USER(3, EV_DELETE), 0, NO_EVENT },

		{ "dispatch: add", USER(4, EV_ADD | EV_DISPATCH, TRIGGER), 0,
		  USER(4, EV_ADD | EV_DISPATCH, TRIGGER) },
		{ "dispatch: disabled then", NO_CHANGE, 0, NO_EVENT },
		{ "dispatch: enable", USER(4, EV_ENABLE), 0,
		  USER(4, EV_ADD | EV_DISPATCH, TRIGGER) },
		{ "dispatch: delete", USER(4, EV_DELETE), 0, NO_EVENT },

		{ "delete overrules add", USER(5, EV_ADD | EV_DELETE), -ENOENT, NO_EVENT },
		{ "enable without add", USER(5, EV_ENABLE), -ENOENT, NO_EVENT },

		{ "flags of the system are ignored", USER(6, EV_ADD | EV_EOF | EV_ERROR | EV_OOBAND),
		  0, NO_EVENT },
		{ "and not told", USER(6, EV_EOF, TRIGGER), 0, USER(6, EV_ADD) },
		{ "delete", USER(6, EV_DELETE), 0, NO_EVENT },

		{ "vanished needs add", USER(7, EV_VANISHED | EV_DISPATCH2), -EINVAL, NO_EVENT },
		{ "vanished needs dispatch", USER(7, EV_ADD | EV_VANISHED | EV_UDATA_SPECIFIC),
		  -EINVAL, NO_EVENT },
		{ "vanished needs udata", USER(7, EV_ADD | EV_VANISHED | EV_DISPATCH), -EINVAL,
		  NO_EVENT },
		{ "vanished is not told of", USER(7, EV_ADD | EV_VANISHED | EV_DISPATCH2, TRIGGER), 0,
		  USER(7, EV_ADD | EV_DISPATCH2, TRIGGER) },
	};

	mach_open();
	STEPS(new_kqueue(), steps);
}

TEST(dispatch2_puts_deletion_off)
{
	enum { FLAGS = EV_ADD | EV_DISPATCH2, TRIGGER = NOTE_TRIGGER };
	enum { LAST = EV_DISPATCH2 | EV_ONESHOT | EV_DELETE };
	static const struct kqueue_step steps[] = {
		{ "add", USER(1, FLAGS, TRIGGER | 1, 5, 0xa), 0, USER(1, FLAGS, TRIGGER | 1, 5, 0xa) },
		{ "disabled now", NO_CHANGE, 0, NO_EVENT },
		{ "delete", USER(1, EV_DELETE | EV_DISPATCH2, 0, 0, 0xa), -XNU_EINPROGRESS, NO_EVENT },
		{ "again", USER(1, EV_DELETE | EV_DISPATCH2, 0, 0, 0xa), -XNU_EINPROGRESS, NO_EVENT },
		{ "enable", USER(1, EV_ENABLE | EV_DISPATCH2, 0, 0, 0xa), 0,
		  USER(1, LAST, 0, 0, 0xa) },
		{ "gone", USER(1, EV_ENABLE | EV_DISPATCH2, 0, 0, 0xa), -ENOENT, NO_EVENT },

		{ "enabled: add", USER(2, FLAGS, 0, 0, 0xa), 0, NO_EVENT },
		{ "enabled: delete", USER(2, EV_DELETE | EV_DISPATCH2, 0, 0, 0xa), 0, NO_EVENT },
		{ "enabled: gone", USER(2, EV_ENABLE | EV_DISPATCH2, 0, 0, 0xa), -ENOENT, NO_EVENT },

		{ "disabled: add", USER(3, FLAGS | EV_DISABLE, 0, 0, 0xa), 0, NO_EVENT },
		{ "disabled: delete and enable",
		  USER(3, EV_DELETE | EV_ENABLE | EV_DISPATCH2, 0, 0, 0xa), 0, NO_EVENT },
		{ "disabled: gone", USER(3, EV_ENABLE | EV_DISPATCH2, 0, 0, 0xa), -ENOENT, NO_EVENT },

		{ "oneshot: add", USER(4, FLAGS | EV_ONESHOT, TRIGGER, 0, 0xa), 0,
		  USER(4, FLAGS | EV_ONESHOT, TRIGGER, 0, 0xa) },
		{ "oneshot: enable", USER(4, EV_ENABLE | EV_DISPATCH2, 0, 0, 0xa), 0,
		  USER(4, LAST, 0, 0, 0xa) },
		{ "oneshot: gone", USER(4, EV_ENABLE | EV_DISPATCH2, 0, 0, 0xa), -ENOENT, NO_EVENT },
	};

	mach_open();
	STEPS(new_kqueue(), steps);
}

TEST(udata_tells_events_apart_when_asked)
{
	enum { FLAGS = EV_ADD | EV_UDATA_SPECIFIC | EV_CLEAR };
	static const struct kqueue_step steps[] = {
		{ "plain", USER(1, EV_ADD | EV_CLEAR, 1), 0, NO_EVENT },
		{ "one", USER(1, FLAGS, 2, 0, 0xa), 0, NO_EVENT },
		{ "another", USER(1, FLAGS, 3, 0, 0xb), 0, NO_EVENT },
		{ "trigger one", USER(1, EV_UDATA_SPECIFIC, NOTE_TRIGGER, 0, 0xa), 0,
		  USER(1, FLAGS, 2, 0, 0xa) },
		{ "trigger another", USER(1, EV_UDATA_SPECIFIC, NOTE_TRIGGER, 0, 0xb), 0,
		  USER(1, FLAGS, 3, 0, 0xb) },
		{ "trigger plain", USER(1, 0, NOTE_TRIGGER, 0, 0xb), 0,
		  USER(1, EV_ADD | EV_CLEAR, 1, 0, 0xb) },
		{ "none", USER(1, EV_UDATA_SPECIFIC, NOTE_TRIGGER, 0, 0xc), -ENOENT, NO_EVENT },
		{ "delete one", USER(1, EV_DELETE | EV_UDATA_SPECIFIC, 0, 0, 0xa), 0, NO_EVENT },
		{ "it is gone", USER(1, EV_UDATA_SPECIFIC, NOTE_TRIGGER, 0, 0xa), -ENOENT, NO_EVENT },
		{ "another is not", USER(1, EV_UDATA_SPECIFIC, NOTE_TRIGGER, 0, 0xb), 0,
		  USER(1, FLAGS, 3, 0, 0xb) },
	};

	mach_open();
	STEPS(new_kqueue(), steps);
}

TEST(changes_that_are_wrong)
{
	static const struct {
		int filter, flags;
		long result;
	} cases[] = {
		{ 0, EV_ADD, -EINVAL },
		{ 1, EV_ADD, -EINVAL },
		{ -18, EV_ADD, -EINVAL },
		{ INT16_MIN, EV_ADD, -EINVAL },
		{ EVFILT_AIO, EV_ADD, -XNU_ENOTSUP },
		{ EVFILT_FS, EV_ADD, -XNU_ENOTSUP },
		{ EVFILT_VM, EV_ADD, -XNU_ENOTSUP },
		{ EVFILT_SOCK, EV_ADD, -XNU_ENOTSUP },
		{ EVFILT_MEMORYSTATUS, EV_ADD, -XNU_ENOTSUP },
		{ EVFILT_WORKLOOP, EV_ADD, -XNU_ENOTSUP },
		{ -11, EV_ADD, -XNU_ENOTSUP },
		{ EVFILT_AIO, EV_DELETE, -ENOENT },
		{ EVFILT_USER, 0, -ENOENT },
		{ EVFILT_USER, EV_DISABLE, -ENOENT },
	};
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct event change = {
			.ident = 1, .filter = (int16_t)cases[i].filter,
			.flags = (uint16_t)cases[i].flags, .udata = 0xab,
		};
		struct event report;
		struct event want = change;
		long result = change_event(kqueue, change);

		if (result != cases[i].result)
			FAIL("case %zu: %ld, not %ld", i, result, cases[i].result);
		/* With room for it, it is reported and not the result of the call. */
		want.flags |= EV_ERROR;
		want.data = -cases[i].result;
		CHECK_EQ(kevent_in(KEVENT64, kqueue, &change, 1, &report, 1, 0, FOR_EVER), 1);
		CHECK_EVENT(report, want);
	}
}

TEST(reports_of_changes_take_the_room_first)
{
	enum { TRIGGER = NOTE_TRIGGER };
	const struct event changes[] = {
		USER(1, EV_ADD | EV_CLEAR, TRIGGER),
		USER(2, EV_DELETE),
		USER(3, EV_ADD | EV_RECEIPT),
		USER(4, EV_DELETE),
		USER(5, EV_ADD | EV_CLEAR, TRIGGER),
	};
	const struct event reports[] = {
		USER(2, EV_DELETE | EV_ERROR, 0, ENOENT),
		USER(3, EV_ADD | EV_RECEIPT | EV_ERROR, 0, 0),
		USER(4, EV_DELETE | EV_ERROR, 0, ENOENT),
	};
	struct event events[8];
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	/* Reports, so no events although there are some. */
	REQUIRE_EQ(kevent_in(KEVENT64, kqueue, changes, 5, events, 8, 0, FOR_EVER), 3);
	for (int i = 0; i < 3; i++)
		CHECK_EVENT(events[i], reports[i]);
	CHECK_EQ(fetch_events(kqueue, events, 8, 0), 2);

	/* The first error without room ends the call; what went before is done. */
	kqueue = new_kqueue();
	CHECK_EQ(kevent_in(KEVENT64, kqueue, changes, 5, events, 1, 0, 0), -ENOENT);
	CHECK_EQ(fetch_events(kqueue, events, 8, 0), 1);
	CHECK_EQ(change_event(kqueue, (struct event)USER(3, EV_DELETE)), 0);
	/* A receipt needs no room. */
	CHECK_EQ(kevent_in(KEVENT64, kqueue, &changes[2], 1, NULL, 0, 0, 0), 0);
	/* Nothing but reports, and no waiting. */
	CHECK_EQ(kevent_in(KEVENT64, kqueue, &changes[4], 1, events, 8, KEVENT_FLAG_ERROR_EVENTS,
			   FOR_EVER), 0);
	CHECK_EQ(kevent_in(KEVENT64, kqueue, NULL, 0, events, 8, KEVENT_FLAG_IMMEDIATE, FOR_EVER), 1);
	CHECK_EQ(kevent_in(KEVENT64, kqueue, NULL, 0, events, 8, KEVENT_FLAG_IMMEDIATE, FOR_EVER), 0);
	/* Counts below zero are none. */
	CHECK_EQ(kevent_at(KEVENT64, kqueue, NULL, -1, NULL, -1, 0, NULL), 0);
}

TEST(active_events_take_turns)
{
	struct event changes[5], events[5];
	int kqueue, seen[5] = { 0 };

	mach_open();
	kqueue = new_kqueue();
	for (int i = 0; i < 5; i++)
		changes[i] = (struct event)USER((uint64_t)i, EV_ADD, NOTE_TRIGGER);
	CHECK_EQ(kevent_in(KEVENT64, kqueue, changes, 5, events, 0, 0, 0), 0);
	/* Each once a call, in the order in which they became active. */
	for (int turn = 0; turn < 3; turn++) {
		REQUIRE_EQ(fetch_events(kqueue, events, 5, 0), 5);
		for (int i = 0; i < 5; i++)
			CHECK_EQ(events[i].ident, i);
	}
	/* With little room each gets its turn all the same. */
	for (int turn = 0; turn < 15; turn++) {
		REQUIRE_EQ(fetch_events(kqueue, events, 1, 0), 1);
		seen[events[0].ident % 5]++;
	}
	for (int i = 0; i < 5; i++)
		CHECK_EQ(seen[i], 3);
	REQUIRE_EQ(fetch_events(kqueue, events, 3, 0), 3);
	REQUIRE_EQ(fetch_events(kqueue, events, 5, 0), 5);
	CHECK_EQ(events[0].ident, 3);
}

TEST(dialects_carry_what_they_have)
{
	const struct event full = {
		.ident = ~0ull, .filter = EVFILT_USER, .flags = EV_ADD | EV_CLEAR,
		.fflags = NOTE_TRIGGER | 0xabcdef, .data = INT64_MIN + 5, .udata = 0x123456789abcdef0,
		.ext = { ~0ull, 2, 3, 1ull << 63 }, .qos = -7,
	};

	mach_open();
	for (enum dialect dialect = KEVENT; dialect < DIALECTS; dialect++) {
		static const int exts[DIALECTS] = { 0, 2, 4 };
		int kqueue = new_kqueue();
		struct event event;

		REQUIRE_EQ(kevent_in(dialect, kqueue, &full, 1, &event, 1, 0, FOR_EVER), 1);
		CHECK_EVENT(event, full);
		for (int i = 0; i < 4; i++)
			CHECK_EQ(event.ext[i], i < exts[dialect] ? full.ext[i] : 0);
		CHECK_EQ(event.qos, dialect == KEVENT_QOS ? -7 : 0);

		/* kevent excludes the others, and they exclude it. */
		for (enum dialect other = KEVENT; other < DIALECTS; other++)
			CHECK_EQ(kevent_in(other, kqueue, NULL, 0, &event, 1, 0, 0),
				 (other == KEVENT) == (dialect == KEVENT) ? 0 : -EINVAL);
	}
}

TEST(what_is_no_kqueue_is_refused)
{
	int pipes[2], closed, kqueue;
	struct event event;

	mach_open();
	REQUIRE(pipe(pipes) == 0);
	kqueue = new_kqueue();
	closed = dup(kqueue);
	close(closed);
	for (enum dialect dialect = KEVENT; dialect < DIALECTS; dialect++) {
		const int descriptors[] = { -1, INT32_MIN, closed, 100000, 0, mach_fd, pipes[0] };

		for (size_t i = 0; i < ARRAY_SIZE(descriptors); i++)
			CHECK_EQ(kevent_in(dialect, descriptors[i], NULL, 0, &event, 1, 0, 0),
				 -EBADF);
	}
	/* It can be polled and closed only. */
	CHECK(read(kqueue, &event, 1) == -1 && errno == EINVAL);
	CHECK(write(kqueue, &event, 1) == -1 && errno == EBADF);
	CHECK((fcntl(kqueue, F_GETFL) & O_ACCMODE) == O_RDONLY);
	CHECK(fcntl(kqueue, F_GETFD) == FD_CLOEXEC);
	/* A duplicate is the same kqueue. */
	closed = dup(kqueue);
	CHECK_EQ(change_event(closed, (struct event)USER(1, EV_ADD, NOTE_TRIGGER)), 0);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 1);
	close(kqueue);
	CHECK_EQ(fetch_events(closed, &event, 1, 0), 1);
}

TEST(flags_of_calls_that_are_refused)
{
	static const struct {
		unsigned int flags;
		long result;
	} cases[] = {
		{ KEVENT_FLAG_WORKLOOP, -EINVAL },
		{ 0x20000, -EINVAL },
		{ 0x40000, -EINVAL },
		{ KEVENT_FLAG_WORKQ, -XNU_ENOTSUP },
		{ KEVENT_FLAG_STACK_DATA, 0 },
		{ 0x80000000, 0 },
	};
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct event event;

		CHECK_EQ(kevent_in(KEVENT64, kqueue, NULL, 0, &event, 1, cases[i].flags, 0),
			 cases[i].result);
		CHECK_EQ(kevent_in(KEVENT_QOS, kqueue, NULL, 0, &event, 1, cases[i].flags, 0),
			 cases[i].result);
	}
}

TEST(descriptors_run_out)
{
	struct rlimit limit = { 32, 32 };
	int made = 0;
	long result;

	mach_open();
	setrlimit(RLIMIT_NOFILE, &limit);
	while ((result = trap(NR_kqueue_create, 0)) >= 0)
		made++;
	CHECK_RET(result, -EMFILE);
	CHECK(made > 16);
}

TEST(many_knotes_are_found)
{
	enum { COUNT = 20000, STEP = 200 };
	struct event changes[STEP], events[STEP];
	long fetched = 0, result;
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	for (int base = 0; base < COUNT; base += STEP) {
		for (int i = 0; i < STEP; i++)
			changes[i] = (struct event)USER((uint64_t)(base + i) << 12, EV_ADD | EV_CLEAR);
		REQUIRE_EQ(kevent_in(KEVENT64, kqueue, changes, STEP, NULL, 0, 0, 0), 0);
	}
	CHECK_EQ(live_objects("knotes"), COUNT);
	/* Every second one leaves, the others can still be found. */
	for (uint64_t i = 0; i < COUNT; i += 2)
		REQUIRE_EQ(change_event(kqueue, (struct event)USER(i << 12, EV_DELETE)), 0);
	for (uint64_t i = 0; i < COUNT; i++)
		REQUIRE_EQ(change_event(kqueue, (struct event)USER(i << 12, 0, NOTE_TRIGGER)),
			   i % 2 ? 0 : -ENOENT);
	while ((result = fetch_events(kqueue, events, STEP, 0)) > 0)
		fetched += result;
	CHECK_EQ(fetched, COUNT / 2);
	CHECK_EQ(live_objects("knotes"), COUNT / 2);
	close(kqueue);
	CHECK_EQ(live_objects("knotes"), 0);
}

TEST(lists_that_cannot_be_read_or_written)
{
	const struct event trigger = USER(1, EV_ADD | EV_CLEAR, NOTE_TRIGGER);
	struct kevent64_s change = { .ident = 1, .filter = EVFILT_USER, .flags = EV_ADD };
	struct hole hole;
	struct event event;
	int kqueue;

	mach_open();
	hole_init(&hole);
	kqueue = new_kqueue();
	for (size_t i = 0; i < bad_pointer_count; i++) {
		void *bad = (void *)(uintptr_t)bad_pointers[i];

		CHECK_EQ(kevent_at(KEVENT64, kqueue, bad, 1, NULL, 0, 0, NULL), -EFAULT);
		if (bad)
			CHECK_EQ(kevent_at(KEVENT64, kqueue, NULL, 0, NULL, 0, 0, bad), -EFAULT);
		REQUIRE_EQ(change_event(kqueue, trigger), 0);
		CHECK_EQ(kevent_at(KEVENT64, kqueue, NULL, 0, bad, 1, 0, NULL), -EFAULT);
		/* The event is lost, as on macOS; the knote is not. */
		CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
	}
	for (size_t readable = 1; readable < sizeof(change); readable += 15)
		CHECK_EQ(kevent_at(KEVENT64, kqueue, fault_at(&hole, readable), 1, NULL, 0, 0, NULL),
			 -EFAULT);
	REQUIRE_EQ(change_event(kqueue, trigger), 0);
	CHECK_EQ(kevent_at(KEVENT64, kqueue, NULL, 0, fault_at(&hole, 47), 1, 0, NULL), -EFAULT);
	/* The report of a change: the change is made. */
	change.flags = EV_DELETE | EV_RECEIPT;
	CHECK_EQ(kevent_at(KEVENT64, kqueue, &change, 1, fault_at(&hole, 47), 1, 0, NULL), -EFAULT);
	CHECK_EQ(change_event(kqueue, (struct event)USER(1, EV_DELETE)), -ENOENT);
	/* One list can be the other. */
	change.flags = EV_ADD;
	change.fflags = NOTE_TRIGGER;
	CHECK_EQ(kevent_at(KEVENT64, kqueue, &change, 1, &change, 1, 0, NULL), 1);
	hole_done(&hole);
}

TEST(timeouts_that_are_no_times)
{
	static const long long times[][2] = {
		{ -1, 0 }, { 0, -1 }, { 0, 1000000000 }, { INT64_MIN, INT64_MIN },
	};
	struct kevent64_s event;
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		CHECK_EQ(kevent_at(KEVENT64, kqueue, NULL, 0, &event, 1, 0, times[i]), -EINVAL);
		/* It is not looked at when there is no waiting. */
		CHECK_EQ(kevent_at(KEVENT64, kqueue, NULL, 0, &event, 1, KEVENT_FLAG_IMMEDIATE,
				   times[i]), 0);
	}
}

TEST(a_kqueue_is_readable_while_it_has_events)
{
	struct epoll_event ready, wanted = { .events = EPOLLIN };
	struct pollfd poll_fd = { .events = POLLIN | POLLRDNORM | POLLOUT };
	struct event event;
	int kqueue, epoll = epoll_create1(0);

	mach_open();
	kqueue = new_kqueue();
	poll_fd.fd = kqueue;
	REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, kqueue, &wanted) == 0);
	CHECK_EQ(poll(&poll_fd, 1, 0), 0);
	CHECK_EQ(change_event(kqueue, (struct event)USER(1, EV_ADD | EV_CLEAR)), 0);
	CHECK_EQ(epoll_wait(epoll, &ready, 1, 0), 0);
	for (int turn = 0; turn < 3; turn++) {
		CHECK_EQ(change_event(kqueue, (struct event)USER(1, 0, NOTE_TRIGGER)), 0);
		CHECK_EQ(epoll_wait(epoll, &ready, 1, -1), 1);
		CHECK_EQ(poll(&poll_fd, 1, -1), 1);
		CHECK_HEX(poll_fd.revents, POLLIN | POLLRDNORM);
		CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 1);
		CHECK_EQ(poll(&poll_fd, 1, 0), 0);
		CHECK_EQ(epoll_wait(epoll, &ready, 1, 0), 0);
	}
}
