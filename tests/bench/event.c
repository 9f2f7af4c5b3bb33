// SPDX-License-Identifier: GPL-2.0
/* Waiting for one of many: epoll and kevent. */
#define _GNU_SOURCE
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

BENCH(kevent_trigger_and_fetch, 5000, OURS)
{
	mach_open();
	if (!trap_is_built(NR_kqueue_create))
		bench_not_built();
	(void)run;
	bench_skip("kqueue is there, this row is not");
}
