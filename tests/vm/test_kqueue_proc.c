// SPDX-License-Identifier: GPL-2.0
/*
 * Kqueues and what happens to processes.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "kqueue.h"
#include "mach.h"
#include "process.h"

#define NOTE_EXIT		0x80000000u
#define NOTE_FORK		0x40000000u
#define NOTE_EXEC		0x20000000u
#define NOTE_REAP		0x10000000u
#define NOTE_EXITSTATUS		0x04000000u
#define NOTE_TRACK		0x1u
#define NOTE_CHILD		0x4u

#define PROC(pid, ...) ((struct event)EVENT(EVFILT_PROC, pid, __VA_ARGS__))

/* A child that goes through its life step by step. */
struct life {
	struct gate step, done;
	void (*end)(void);
};

HELPER(ends_with_9)
{
	return 9;
}

static void run_life(void *argument)
{
	struct life *life = argument;
	pid_t grandchild;

	gate_pass(&life->step);
	grandchild = fork();
	if (!grandchild)
		_exit(0);
	waitpid(grandchild, NULL, 0);
	gate_open(&life->done);
	gate_pass(&life->step);
	life->end();
}

static void exits_with_7(void)
{
	_exit(7);
}

static void is_killed(void)
{
	kill(getpid(), SIGKILL);
}

static void execs(void)
{
	exec_helper("ends_with_9", "");
}

static pid_t begin(struct life *life, void (*end)(void))
{
	gate_init(&life->step);
	gate_init(&life->done);
	life->end = end;
	return start_child(run_life, life);
}

/* The same, watched by a kqueue. */
static pid_t begin_watched(struct life *life, void (*end)(void), int kqueue, uint32_t notes)
{
	pid_t pid = begin(life, end);

	REQUIRE_RET(change_event(kqueue, PROC(pid, EV_ADD, notes)), 0);
	return pid;
}

static void next(struct life *life)
{
	gate_open(&life->step);
}

/* Forks and ends. */
static void live(struct life *life, pid_t pid)
{
	next(life);
	next(life);
	wait_child(pid);
}

TEST(a_process_tells_what_it_does)
{
	static const struct {
		const char *what;
		uint32_t notes;
		void (*end)(void);
		uint32_t fork, end_notes;
		int64_t data;
	} rows[] = {
		{ "exits", NOTE_FORK | NOTE_EXIT, exits_with_7, NOTE_FORK, NOTE_EXIT, 0 },
		{ "exits with status", NOTE_EXIT | NOTE_EXITSTATUS, exits_with_7, 0,
		  NOTE_EXIT | NOTE_EXITSTATUS, 7 << 8 },
		{ "is killed", NOTE_EXIT | NOTE_EXITSTATUS, is_killed, 0,
		  NOTE_EXIT | NOTE_EXITSTATUS, SIGKILL },
		{ "fork only", NOTE_FORK, exits_with_7, NOTE_FORK, 0, 0 },
		{ "status without exit", NOTE_EXITSTATUS, exits_with_7, 0, 0, 0 },
		{ "reaping is not told", NOTE_EXIT | NOTE_REAP, exits_with_7, 0, NOTE_EXIT, 0 },
	};

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int kqueue = new_kqueue();
		struct life life;
		struct event event;
		pid_t pid = begin_watched(&life, rows[i].end, kqueue, rows[i].notes);
		long events;

		CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
		next(&life);
		gate_pass(&life.done);
		events = fetch_events(kqueue, &event, 1, 0);
		if (events != (rows[i].fork != 0) || (events && event.fflags != rows[i].fork))
			FAIL("%s: %ld events after the fork", rows[i].what, events);
		if (events && event.flags != (EV_ADD | EV_CLEAR))
			FAIL("%s: flags %#x after the fork", rows[i].what, event.flags);
		next(&life);
		wait_child(pid);
		events = fetch_events(kqueue, &event, 1, 0);
		if (events != (rows[i].end_notes != 0))
			FAIL("%s: %ld events at the end", rows[i].what, events);
		else if (events && (event.fflags != rows[i].end_notes ||
				    event.data != rows[i].data || event.ident != (uint64_t)pid ||
				    event.flags != (EV_ADD | EV_CLEAR | EV_EOF | EV_ONESHOT)))
			FAIL("%s: notes %#x data %lld flags %#x", rows[i].what, event.fflags,
			     (long long)event.data, event.flags);
		/* The end is the last event. */
		if (events)
			CHECK_RET(change_event(kqueue, PROC(pid, EV_DELETE)), -ENOENT);
		close(kqueue);
	}
}

TEST(another_image_is_told)
{
	struct event event;
	struct life life;
	int kqueue;
	pid_t pid;

	mach_open();
	kqueue = new_kqueue();
	pid = begin_watched(&life, execs, kqueue, NOTE_EXEC | NOTE_EXIT | NOTE_EXITSTATUS);
	next(&life);
	gate_pass(&life.done);
	next(&life);
	wait_child(pid);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_HEX(event.fflags, NOTE_EXEC | NOTE_EXIT | NOTE_EXITSTATUS);
	CHECK_EQ(event.data, 9 << 8);
}

TEST(what_was_not_fetched_before_the_end_is_the_last)
{
	struct event event;
	struct life life;
	int kqueue;
	pid_t pid;

	mach_open();
	kqueue = new_kqueue();
	pid = begin_watched(&life, exits_with_7, kqueue, NOTE_FORK);
	live(&life, pid);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_HEX(event.fflags, NOTE_FORK);
	CHECK_HEX(event.flags, EV_ADD | EV_CLEAR | EV_EOF | EV_ONESHOT);
	CHECK_RET(change_event(kqueue, PROC(pid, EV_DELETE)), -ENOENT);
}

TEST(who_does_not_want_the_end_has_nothing_of_it)
{
	struct event event;
	struct life life;
	int kqueue;
	pid_t pid;

	mach_open();
	kqueue = new_kqueue();
	pid = begin_watched(&life, exits_with_7, kqueue, NOTE_EXEC);
	live(&life, pid);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	/* It is still there, but wanting the end comes too late. */
	CHECK_RET(change_event(kqueue, PROC(pid, 0, NOTE_EXIT)), 0);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	CHECK_RET(change_event(kqueue, PROC(pid, EV_DELETE)), 0);
	CHECK_RET(change_event(kqueue, PROC(pid, EV_ADD, NOTE_EXIT)), -ESRCH);
}

TEST(a_thread_that_waits_is_told_of_the_end)
{
	struct event event;
	struct life life;
	int kqueue;
	pid_t pid;

	mach_open();
	kqueue = new_kqueue();
	pid = begin_watched(&life, exits_with_7, kqueue, NOTE_EXIT);
	next(&life);
	next(&life);
	CHECK_RET(fetch_events(kqueue, &event, 1, FOR_EVER), 1);
	CHECK_EQ(event.ident, pid);
	wait_child(pid);
}

TEST(processes_that_cannot_be_watched_are_refused)
{
	struct life life;
	int kqueue;
	pid_t pid, reaped;

	mach_open();
	kqueue = new_kqueue();
	pid = begin(&life, exits_with_7);
	reaped = fork();
	if (!reaped)
		_exit(0);
	waitpid(reaped, NULL, 0);

	const struct {
		const char *what;
		struct event change;
		long result;
	} rows[] = {
		{ "no process", PROC(0x3fffffff, EV_ADD, NOTE_EXIT), -ESRCH },
		{ "number 0", PROC(0, EV_ADD, NOTE_EXIT), -ESRCH },
		{ "no number", PROC(1ull << 40, EV_ADD, NOTE_EXIT), -ESRCH },
		{ "reaped", PROC(reaped, EV_ADD, NOTE_EXIT), -ESRCH },
		{ "not one of ours", PROC(1, EV_ADD, NOTE_EXIT), -ESRCH },
		{ "track", PROC(pid, EV_ADD, NOTE_TRACK), -XNU_ENOTSUP },
		{ "child", PROC(pid, EV_ADD, NOTE_CHILD | NOTE_EXIT), -XNU_ENOTSUP },
		{ "not watched", PROC(pid, EV_DELETE), -ENOENT },
		{ "itself", PROC(getpid(), EV_ADD, NOTE_EXIT | NOTE_EXITSTATUS), 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		long result = change_event(kqueue, rows[i].change);

		if (result != rows[i].result)
			FAIL("%s: %ld", rows[i].what, result);
	}
	live(&life, pid);
}

static void asks_for_status(void *argument)
{
	pid_t pid = *(pid_t *)argument;
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	REQUIRE(!setresgid(1000, 1000, 1000) && !setresuid(1000, 1000, 1000));
	CHECK_RET(change_event(kqueue, PROC(pid, EV_ADD, NOTE_EXIT | NOTE_EXITSTATUS)), -EACCES);
	CHECK_RET(change_event(kqueue, PROC(pid, EV_ADD, NOTE_EXIT)), 0);
	CHECK_RET(change_event(kqueue, PROC(pid, EV_ADD, NOTE_EXIT | NOTE_EXITSTATUS)), -EACCES);
}

TEST(how_a_process_ends_is_told_to_those_who_might_control_it)
{
	pid_t self = getpid();

	mach_open();
	WAIT_CHILD_OK(start_child(asks_for_status, &self));
}

TEST(many_processes_end_while_they_are_watched)
{
	struct event event;
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(i);
		/* It may have ended already. */
		long result = change_event(kqueue, PROC(pid, EV_ADD, NOTE_EXIT | NOTE_EXITSTATUS));

		CHECK(!result || result == -ESRCH);
		if (i % 3)
			waitpid(pid, NULL, 0);
		else
			change_event(kqueue, PROC(pid, EV_DELETE));
		while (fetch_events(kqueue, &event, 1, 0) == 1)
			CHECK_HEX(event.fflags, NOTE_EXIT | NOTE_EXITSTATUS);
	}
}
