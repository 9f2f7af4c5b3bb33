// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that wait for events of a kqueue, and what becomes of kqueues in
 * forks, new images, kills and other processes.
 * time limit: 300 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "kqueue.h"
#include "mach.h"
#include "process.h"

#define USER(...)	((struct event)EVENT(EVFILT_USER, __VA_ARGS__))
#define SOON_MS		20

/* What a waiting thread uses, and what came of it */
struct wait {
	struct worker worker;
	int kqueue;
	int timeout_ms;
	int room;
	long result;
	struct event events[4];
};

static void *wait_for_events(void *argument)
{
	struct wait *wait = argument;

	wait->result = fetch_events(wait->kqueue, wait->events, wait->room, wait->timeout_ms);
	return NULL;
}

static void start_waiting(struct wait *wait, int kqueue, int timeout_ms)
{
	wait->kqueue = kqueue;
	wait->timeout_ms = timeout_ms;
	wait->room = wait->room ? wait->room : 1;
	worker_start(&wait->worker, wait_for_events, wait);
	worker_wait_in_trap(&wait->worker);
}

TEST(a_waiting_thread_is_woken_by_the_event)
{
	static const int timeouts[] = { FOR_EVER, 1000 * 1000 };
	struct wait wait = { .room = 4 };
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	REQUIRE_EQ(change_event(kqueue, USER(1, EV_ADD | EV_CLEAR)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++) {
		start_waiting(&wait, kqueue, timeouts[i]);
		CHECK_EQ(change_event(kqueue, USER(1, 0, NOTE_TRIGGER)), 0);
		worker_join(&wait.worker);
		CHECK_EQ(wait.result, 1);
		CHECK_EQ(wait.events[0].ident, 1);
	}
	/* One that is disabled wakes nobody, until it is enabled. */
	REQUIRE_EQ(change_event(kqueue, USER(1, EV_DISABLE)), 0);
	start_waiting(&wait, kqueue, FOR_EVER);
	CHECK_EQ(change_event(kqueue, USER(1, 0, NOTE_TRIGGER)), 0);
	sleep_ms(SOON_MS);
	worker_wait_in_trap(&wait.worker);
	CHECK_EQ(change_event(kqueue, USER(1, EV_ENABLE)), 0);
	worker_join(&wait.worker);
	CHECK_EQ(wait.result, 1);
}

TEST(each_event_wakes_one_thread)
{
	enum { THREADS = 4 };
	struct wait waits[THREADS] = { 0 };
	int kqueue, seen = 0;

	mach_open();
	kqueue = new_kqueue();
	for (int i = 0; i < THREADS; i++) {
		REQUIRE_EQ(change_event(kqueue, USER((uint64_t)i, EV_ADD | EV_CLEAR)), 0);
		start_waiting(&waits[i], kqueue, FOR_EVER);
	}
	for (int i = 0; i < THREADS; i++) {
		CHECK_EQ(change_event(kqueue, USER((uint64_t)i, 0, NOTE_TRIGGER)), 0);
		/* The one that has waited longest */
		worker_join(&waits[i].worker);
		CHECK_EQ(waits[i].result, 1);
		seen |= 1 << waits[i].events[0].ident;
		for (int j = i + 1; j < THREADS; j++)
			worker_wait_in_trap(&waits[j].worker);
	}
	CHECK_HEX(seen, (1 << THREADS) - 1);
}

TEST(what_one_thread_leaves_wakes_the_next)
{
	struct wait waits[3] = { 0 };
	const struct event changes[] = {
		USER(1, EV_ADD | EV_ONESHOT, NOTE_TRIGGER),
		USER(2, EV_ADD | EV_ONESHOT, NOTE_TRIGGER),
		USER(3, EV_ADD | EV_ONESHOT, NOTE_TRIGGER),
	};
	int kqueue, seen = 0;

	mach_open();
	kqueue = new_kqueue();
	for (int i = 0; i < 3; i++)
		start_waiting(&waits[i], kqueue, FOR_EVER);
	CHECK_EQ(kevent_in(KEVENT64, kqueue, changes, 3, NULL, 0, 0, 0), 0);
	for (int i = 0; i < 3; i++) {
		worker_join(&waits[i].worker);
		CHECK_EQ(waits[i].result, 1);
		seen |= 1 << waits[i].events[0].ident;
	}
	CHECK_HEX(seen, 0xe);
}

TEST(a_wait_ends_at_its_time_and_by_signals)
{
	struct wait wait = { 0 };
	struct event event;
	int kqueue;
	uint64_t before;

	mach_open();
	kqueue = new_kqueue();
	before = now_ns();
	CHECK_EQ(fetch_events(kqueue, &event, 1, SOON_MS), 0);
	CHECK(now_ns() - before >= SOON_MS * 1000000ull);
	catch_signal(SIGUSR1);
	start_waiting(&wait, kqueue, FOR_EVER);
	worker_signal(&wait.worker, SIGUSR1);
	worker_join(&wait.worker);
	CHECK_EQ(wait.result, -EINTR);
	/* It can be used as before. */
	CHECK_EQ(change_event(kqueue, USER(1, EV_ADD, NOTE_TRIGGER)), 0);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 1);
}

TEST(closing_the_descriptor_ends_the_waits_by_it)
{
	struct wait by_number = { 0 }, by_duplicate = { 0 };
	struct event event;
	int kqueue, duplicate, other;

	mach_open();
	kqueue = new_kqueue();
	duplicate = dup(kqueue);
	start_waiting(&by_number, kqueue, FOR_EVER);
	start_waiting(&by_duplicate, duplicate, FOR_EVER);
	close(kqueue);
	worker_join(&by_number.worker);
	CHECK_EQ(by_number.result, -EBADF);
	sleep_ms(SOON_MS);
	worker_wait_in_trap(&by_duplicate.worker);
	CHECK_EQ(change_event(duplicate, USER(1, EV_ADD | EV_CLEAR, NOTE_TRIGGER)), 0);
	worker_join(&by_duplicate.worker);
	CHECK_EQ(by_duplicate.result, 1);

	/* So does another file under the number. */
	other = eventfd(0, 0);
	start_waiting(&by_duplicate, duplicate, FOR_EVER);
	REQUIRE(dup2(other, duplicate) == duplicate);
	worker_join(&by_duplicate.worker);
	CHECK_EQ(by_duplicate.result, -EBADF);
	CHECK_EQ(fetch_events(duplicate, &event, 1, 0), -EBADF);
}

static void use_inherited(void *argument)
{
	int *kqueues = argument, own;
	struct event event;

	/* Before the first trap they are there, but of no use. */
	CHECK(fcntl(kqueues[0], F_GETFD) >= 0);
	CHECK_EQ(fetch_events(kqueues[0], &event, 1, 0), -EBADF);
	for (int i = 0; i < 3; i++)
		CHECK(fcntl(kqueues[i], F_GETFD) == -1 && errno == EBADF);
	/* Nothing else is closed, and the numbers are free. */
	CHECK(fcntl(kqueues[3], F_GETFD) >= 0);
	own = new_kqueue();
	CHECK_EQ(own, kqueues[0]);
	CHECK_EQ(change_event(own, USER(1, EV_ADD, NOTE_TRIGGER)), 0);
	CHECK_EQ(fetch_events(own, &event, 1, 0), 1);
}

TEST(a_child_does_not_inherit_kqueues)
{
	struct wait wait = { 0 };
	struct event event;
	int kqueues[4], pid;

	mach_open();
	for (int i = 0; i < 2; i++)
		kqueues[i] = new_kqueue();
	kqueues[2] = dup(kqueues[1]);
	kqueues[3] = eventfd(0, 0);
	REQUIRE_EQ(change_event(kqueues[0], USER(1, EV_ADD | EV_CLEAR)), 0);
	start_waiting(&wait, kqueues[0], FOR_EVER);
	pid = start_child(use_inherited, kqueues);
	WAIT_CHILD_OK(pid);
	/* Those of the parent are as they were, and so is who waits. */
	worker_wait_in_trap(&wait.worker);
	CHECK_EQ(change_event(kqueues[0], USER(1, 0, NOTE_TRIGGER)), 0);
	worker_join(&wait.worker);
	CHECK_EQ(wait.result, 1);
	CHECK_EQ(fetch_events(kqueues[2], &event, 1, 0), 0);
}

static void open_anew(void *argument)
{
	int *kqueue = argument;

	mach_open();
	CHECK(get_api_version() == 19);
	CHECK(fcntl(*kqueue, F_GETFD) == -1 && errno == EBADF);
}

TEST(nor_does_one_that_opens_the_device_itself)
{
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	WAIT_CHILD_OK(start_child(open_anew, &kqueue));
	CHECK(fcntl(kqueue, F_GETFD) >= 0);
}

HELPER(has_no_kqueue)
{
	int kqueue = atoi(argv[1]);

	(void)argc;
	CHECK(fcntl(kqueue, F_GETFD) == -1 && errno == EBADF);
	return 0;
}

static void exec_with_kqueue(void *argument)
{
	char number[16];

	(void)argument;
	mach_open();
	snprintf(number, sizeof(number), "%d", new_kqueue());
	exec_helper("has_no_kqueue", number);
}

TEST(a_new_image_does_not_inherit_kqueues)
{
	mach_open();
	WAIT_CHILD_OK(start_child(exec_with_kqueue, NULL));
}

static void use_passed(void *argument)
{
	int *sockets = argument, kqueue;
	struct pollfd poll_fd = { .events = POLLIN };
	struct event event;

	mach_open();
	kqueue = take_fd(sockets[1]);
	poll_fd.fd = kqueue;
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), -EBADF);
	CHECK_EQ(change_event(kqueue, USER(1, EV_ADD)), -EBADF);
	CHECK_EQ(poll(&poll_fd, 1, -1), 1);
	/* When the task of the kqueue is gone it is empty. */
	REQUIRE(write(sockets[1], "x", 1) == 1);
	while (poll(&poll_fd, 1, 0) == 1)
		sleep_ms(1);
}

static void make_and_pass(void *argument)
{
	int *sockets = argument, kqueue;
	char byte;

	mach_open();
	kqueue = new_kqueue();
	REQUIRE_EQ(change_event(kqueue, USER(1, EV_ADD, NOTE_TRIGGER)), 0);
	pass_fd(sockets[0], kqueue);
	REQUIRE(read(sockets[0], &byte, 1) == 1);
}

TEST(a_kqueue_passed_elsewhere_is_of_no_use_there)
{
	int sockets[2];
	pid_t user, maker;

	mach_open();
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
	maker = start_child(make_and_pass, sockets);
	user = start_child(use_passed, sockets);
	WAIT_CHILD_OK(maker);
	WAIT_CHILD_OK(user);
}

static void wait_for_ever(void *argument)
{
	struct wait waits[4] = { 0 };
	struct gate *gate = argument;
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	for (uint64_t i = 0; i < 100; i++)
		REQUIRE_EQ(change_event(kqueue, USER(i, EV_ADD)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
		start_waiting(&waits[i], kqueue, FOR_EVER);
	gate_open(gate);
	pause();
}

TEST(killed_processes_leave_nothing)
{
	struct gate gate;

	mach_open();
	gate_init(&gate);
	for (int i = 0; i < 5; i++) {
		pid_t child = start_child(wait_for_ever, &gate);

		gate_pass(&gate);
		kill_child(child);
	}
}

/* Two threads at the same knotes, and two at the events */
struct scramble {
	int kqueue;
	atomic_bool over;
	unsigned int seed;
	atomic_long fetched;
};

static void *change_at_random(void *argument)
{
	static const unsigned short flags[] = {
		EV_ADD, EV_ADD | EV_CLEAR, EV_ADD | EV_ONESHOT, EV_ADD | EV_DISPATCH, EV_DELETE,
		EV_ENABLE, EV_DISABLE, 0, 0, EV_ADD | EV_DISPATCH2,
		EV_DELETE | EV_UDATA_SPECIFIC, EV_ENABLE | EV_UDATA_SPECIFIC,
	};
	struct scramble *scramble = argument;
	unsigned int seed = __sync_fetch_and_add(&scramble->seed, 1);

	for (int i = 0; i < 6000; i++) {
		struct event change = USER((uint64_t)rand_r(&seed) % 4,
					   flags[(size_t)rand_r(&seed) % ARRAY_SIZE(flags)],
					   rand_r(&seed) % 2 ? NOTE_TRIGGER : 0);
		long result = change_event(scramble->kqueue, change);

		if (result != 0 && result != -ENOENT && result != -XNU_EINPROGRESS)
			FAIL("a change returns %ld", result);
	}
	return NULL;
}

static void *fetch_all(void *argument)
{
	struct scramble *scramble = argument;

	while (!atomic_load(&scramble->over)) {
		struct event events[3];
		long result = fetch_events(scramble->kqueue, events, 3, 5);

		if (result < 0 || result > 3)
			FAIL("fetching returns %ld", result);
		for (long i = 0; i < result; i++)
			CHECK(events[i].ident < 4 && events[i].filter == EVFILT_USER);
		atomic_fetch_add(&scramble->fetched, result);
	}
	return NULL;
}

TEST(threads_at_the_same_knotes)
{
	struct scramble scramble = { .seed = 4711 };
	struct worker changers[3], fetchers[2];

	mach_open();
	scramble.kqueue = new_kqueue();
	for (size_t i = 0; i < ARRAY_SIZE(fetchers); i++)
		worker_start(&fetchers[i], fetch_all, &scramble);
	for (size_t i = 0; i < ARRAY_SIZE(changers); i++)
		worker_start(&changers[i], change_at_random, &scramble);
	for (size_t i = 0; i < ARRAY_SIZE(changers); i++)
		worker_join(&changers[i]);
	atomic_store(&scramble.over, true);
	for (size_t i = 0; i < ARRAY_SIZE(fetchers); i++)
		worker_join(&fetchers[i]);
	CHECK(atomic_load(&scramble.fetched) > 0);
}

static void *trigger_and_count(void *argument)
{
	struct scramble *scramble = argument;

	for (int i = 0; i < 3000; i++) {
		CHECK_EQ(change_event(scramble->kqueue, USER(1, 0, NOTE_TRIGGER)), 0);
		/* Each is fetched before the next: so none gets lost. */
		while (atomic_load(&scramble->fetched) <= i)
			sched_yield();
	}
	return NULL;
}

TEST(no_event_is_lost)
{
	struct scramble scramble = { 0 };
	struct worker trigger;
	struct event event;

	mach_open();
	scramble.kqueue = new_kqueue();
	REQUIRE_EQ(change_event(scramble.kqueue, USER(1, EV_ADD | EV_CLEAR)), 0);
	worker_start(&trigger, trigger_and_count, &scramble);
	for (int i = 0; i < 3000; i++) {
		REQUIRE_EQ(fetch_events(scramble.kqueue, &event, 1, FOR_EVER), 1);
		atomic_fetch_add(&scramble.fetched, 1);
	}
	worker_join(&trigger);
	CHECK_EQ(fetch_events(scramble.kqueue, &event, 1, 0), 0);
}

static void *close_and_make(void *argument)
{
	struct scramble *scramble = argument;

	for (int i = 0; i < 500; i++) {
		int kqueue = new_kqueue();

		change_event(kqueue, USER(1, EV_ADD, NOTE_TRIGGER));
		REQUIRE(dup2(kqueue, scramble->kqueue) == scramble->kqueue);
		close(kqueue);
	}
	atomic_store(&scramble->over, true);
	return NULL;
}

static void *use_what_is_there(void *argument)
{
	struct scramble *scramble = argument;

	while (!atomic_load(&scramble->over)) {
		struct event event;
		long result = fetch_events(scramble->kqueue, &event, 1, 1);

		if (result != 0 && result != 1 && result != -EBADF)
			FAIL("fetching returns %ld", result);
		closing_descriptor(scramble->kqueue);
		result = change_event(scramble->kqueue, USER(2, EV_ADD));
		CHECK(result == 0 || result == -EBADF);
	}
	return NULL;
}

TEST(kqueues_are_closed_under_those_who_use_them)
{
	struct scramble scramble = { 0 };
	struct worker users[2], closer;

	mach_open();
	scramble.kqueue = new_kqueue();
	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		worker_start(&users[i], use_what_is_there, &scramble);
	worker_start(&closer, close_and_make, &scramble);
	worker_join(&closer);
	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		worker_join(&users[i]);
}

TEST(pollers_are_told_while_they_wait)
{
	struct epoll_event ready, wanted = { .events = EPOLLIN | EPOLLET };
	struct gate gate;
	int kqueue, epoll = epoll_create1(0);
	struct event event;

	mach_open();
	gate_init(&gate);
	kqueue = new_kqueue();
	REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, kqueue, &wanted) == 0);
	REQUIRE_EQ(change_event(kqueue, USER(1, EV_ADD | EV_CLEAR)), 0);
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(change_event(kqueue, USER(1, 0, NOTE_TRIGGER)), 0);
		CHECK_EQ(epoll_wait(epoll, &ready, 1, -1), 1);
		CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 1);
	}
}
