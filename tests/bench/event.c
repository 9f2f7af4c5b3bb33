// SPDX-License-Identifier: GPL-2.0
/* Waiting for one of many: epoll and kevent. */
#define _GNU_SOURCE
#include "kqueue.h"
#include "ours.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

static int epoll_with(uint64_t count, int *last)
{
	struct rlimit limit = { 20000, 20000 };
	int epoll = epoll_create1(0);

	setrlimit(RLIMIT_NOFILE, &limit);
	MUST(epoll >= 0);
	for (uint64_t i = 0; i < count; i++) {
		struct epoll_event event = { .events = EPOLLIN | EPOLLET };

		*last = eventfd(0, EFD_NONBLOCK);
		MUST(*last >= 0);
		event.data.fd = *last;
		MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, *last, &event) == 0);
	}
	return epoll;
}

/* One becomes ready and is fetched. */
BENCH_SIZES(epoll_edge_wake, 5000, VARIES, 1, 100, 10000)
{
	struct epoll_event event;
	uint64_t one = 1;
	int last = -1, epoll = epoll_with(run->size, &last);

	while (bench_more(run)) {
		MUST(write(last, &one, 8) == 8);
		MUST(epoll_wait(epoll, &event, 1, -1) == 1);
	}
}

static void serve_epoll(void *argument)
{
	const int *ends = argument;
	uint64_t value;

	for (;;) {
		MUST(read(ends[0], &value, 8) == 8);
		MUST(write(ends[1], &value, 8) == 8);
	}
}

/* Another process makes one ready. */
BENCH_SIZES(epoll_round_trip, 2000, PAIR | VARIES, 1, 100, 10000)
{
	int last = -1, epoll = epoll_with(run->size, &last);
	int ends[2] = { eventfd(0, 0), last };
	struct epoll_event event;
	uint64_t one = 1;

	bench_peer(run, serve_epoll, ends);
	while (bench_more(run)) {
		MUST(write(ends[0], &one, 8) == 8);
		MUST(epoll_wait(epoll, &event, 1, -1) == 1);
	}
}

BENCH(epoll_add, 1000, ONE)
{
	struct epoll_event event = { .events = EPOLLIN };
	int last = -1, epoll = epoll_with(10000, &last);
	int fds[1200], count = 0;

	for (int i = 0; i < 1200; i++)
		fds[i] = eventfd(0, EFD_NONBLOCK);
	while (bench_more(run))
		MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[count++], &event) == 0);
}

/* A kqueue, and @count descriptors in it, of which the last is told. */
static int kqueue_with(uint64_t count, int *last)
{
	struct rlimit limit = { 20000, 20000 };
	long kqueue;

	mach_open();
	if (!trap_is_built(NR_kqueue_create))
		bench_not_built();
	kqueue = trap(NR_kqueue_create, 0);
	MUST(kqueue >= 0);
	setrlimit(RLIMIT_NOFILE, &limit);
	for (uint64_t i = 0; i < count; i++) {
		struct event change = EVENT(EVFILT_READ, 0, EV_ADD | EV_CLEAR);
		long result;

		*last = eventfd(0, EFD_NONBLOCK);
		MUST(*last >= 0);
		change.ident = (uint64_t)*last;
		result = change_event((int)kqueue, change);
		if (result == -XNU_ENOTSUP)
			bench_not_built();
		MUST(result == 0);
	}
	return (int)kqueue;
}

/* One call that says that there is an event, and fetches it. */
BENCH(kevent_trigger_and_fetch, 5000, OURS)
{
	struct kevent_wide change = { .ident = 1, .filter = EVFILT_USER, .flags = EV_ADD | EV_CLEAR };
	struct kevent_wide event;
	int last, kqueue = kqueue_with(0, &last);

	MUST(kevent_at(KEVENT, kqueue, &change, 1, NULL, 0, 0, NULL) == 0);
	change.flags = 0;
	change.fflags = NOTE_TRIGGER;
	while (bench_more(run))
		MUST(kevent_at(KEVENT, kqueue, &change, 1, &event, 1, 0, NULL) == 1);
}

/* Another process makes one ready. */
BENCH_SIZES(kevent_round_trip, 2000, PAIR | OURS | VARIES, 1, 100, 10000)
{
	int last = -1, kqueue = kqueue_with(run->size, &last);
	int ends[2] = { eventfd(0, 0), last };
	struct kevent64_s event;
	uint64_t one = 1;

	bench_peer(run, serve_epoll, ends);
	while (bench_more(run)) {
		MUST(write(ends[0], &one, 8) == 8);
		MUST(kevent_at(KEVENT64, kqueue, NULL, 0, &event, 1, 0, NULL) == 1);
	}
}

#define ADDED_AT_ONCE	100

/* One of the descriptors that are added in one call. */
BENCH(kevent_add, 1000, OURS)
{
	struct kevent64_s changes[ADDED_AT_ONCE];
	int last = -1, kqueue = kqueue_with(10000, &last), count = 0;

	for (int i = 0; i < ADDED_AT_ONCE; i++)
		changes[i] = (struct kevent64_s) { .filter = EVFILT_READ, .flags = EV_ADD };
	for (int i = 0; i < 1200; i++)
		last = eventfd(0, EFD_NONBLOCK);
	last -= 1200;
	while (bench_more(run)) {
		changes[count++].ident = (uint64_t)++last;
		if (count == ADDED_AT_ONCE) {
			MUST(kevent_at(KEVENT64, kqueue, changes, count, NULL, 0, 0, NULL) == 0);
			count = 0;
		}
	}
}
