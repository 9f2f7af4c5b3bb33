// SPDX-License-Identifier: GPL-2.0
/*
 * fork_wait_for_child: released by the child that it is for, whatever becomes of it.
 * time limit: 300 s
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

static void trap_late(void *argument)
{
	sleep_ms(*(unsigned int *)argument);
	get_api_version();
}

TEST(parent_waits_for_the_first_trap)
{
	unsigned int delay_ms = 150;

	mach_open();
	get_api_version();
	for (int i = 0; i < 3; i++) {
		uint64_t waited = now_ns();
		pid_t pid = start_child(trap_late, &delay_ms);

		CHECK_RET(fork_wait(), 0);
		waited = now_ns() - waited;
		CHECK(waited >= 150000000);
		CHECK(waited < 10000000000);
		WAIT_CHILD_OK(pid);
	}
}

static void *fork_and_wait_as_first_trap(void *argument)
{
	uint64_t waited = now_ns();
	pid_t pid = start_child(trap_late, argument);

	CHECK_RET(fork_wait(), 0);
	CHECK(now_ns() - waited >= 150000000);
	WAIT_CHILD_OK(pid);
	return NULL;
}

TEST(wait_is_the_first_trap_of_the_thread)
{
	unsigned int delay_ms = 200;
	struct worker worker;

	mach_open();
	fork_and_wait_as_first_trap(&delay_ms);
	worker_start(&worker, fork_and_wait_as_first_trap, &delay_ms);
	worker_join(&worker);
	/* The child of a thread that is gone is nobody else's to wait for. */
	CHECK_RET(fork_wait(), 0);
}

TEST(wait_after_the_child_is_there)
{
	unsigned int delay_ms = 0;
	pid_t pid;

	mach_open();
	get_api_version();
	for (int i = 0; i < 10; i++) {
		pid = start_child(trap_late, &delay_ms);
		WAIT_CHILD_OK(pid);
		CHECK_RET(fork_wait(), 0);
	}
}

static void just_exit(void *argument)
{
	sleep_ms(*(unsigned int *)argument);
	_exit(0);
}

static void just_wait(void *argument)
{
	(void)argument;
	for (;;)
		pause();
}

HELPER(wait_forever)
{
	while (pause() < 0)
		;
	return 0;
}

static void just_exec(void *argument)
{
	(void)argument;
	exec_helper("wait_forever", "");
}

/* In Darling's own module this parent waits for ever. */
TEST(wait_for_a_child_that_exits_without_a_trap)
{
	unsigned int delays[] = { 0, 100 };

	mach_open();
	get_api_version();
	for (size_t i = 0; i < ARRAY_SIZE(delays); i++) {
		pid_t pid = start_child(just_exit, &delays[i]);

		CHECK_RET(fork_wait(), 0);
		WAIT_CHILD_OK(pid);
		/* Gone and reaped before the wait */
		pid = start_child(just_exit, &delays[i]);
		WAIT_CHILD_OK(pid);
		CHECK_RET(fork_wait(), 0);
	}
}

TEST(wait_for_a_child_that_execs_without_a_trap)
{
	pid_t pid;

	mach_open();
	get_api_version();
	pid = start_child(just_exec, NULL);
	CHECK_RET(fork_wait(), 0);
	kill_child(pid);
	pid = start_child(just_exec, NULL);
	sleep_ms(100);
	CHECK_RET(fork_wait(), 0);
	kill_child(pid);
}

static void *kill_later(void *argument)
{
	sleep_ms(150);
	kill(*(pid_t *)argument, SIGKILL);
	return NULL;
}

TEST(wait_for_a_child_that_is_killed)
{
	uint64_t waited;
	pthread_t thread;
	pid_t pid;

	mach_open();
	get_api_version();
	pid = start_child(just_wait, NULL);
	waited = now_ns();
	REQUIRE(!pthread_create(&thread, NULL, kill_later, &pid));
	CHECK_RET(fork_wait(), 0);
	CHECK(now_ns() - waited >= 100000000);
	pthread_join(thread, NULL);
	CHECK_EQ(wait_child(pid), SIGKILL);
}

/* A signal ends the wait, and what it was for does not count for the next. */
TEST(interrupted_wait_leaves_nothing)
{
	unsigned int delay_ms = 200;
	struct itimerval timer = { .it_value = { 0, 50000 } };
	struct gate gate;
	uint64_t waited;
	pid_t first, second;

	mach_open();
	get_api_version();
	catch_signal(SIGALRM);
	gate_init(&gate);
	first = fork();
	REQUIRE(first >= 0);
	if (first == 0) {
		mach_forget();
		gate_pass(&gate);
		CHECK_EQ(get_api_version(), 19);
		_exit(0);
	}
	REQUIRE(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	waited = now_ns();
	CHECK_RET(fork_wait(), 0);
	CHECK(now_ns() - waited < 10000000000);
	gate_open(&gate);
	WAIT_CHILD_OK(first);

	/* The late first child does not release the wait for the second one. */
	waited = now_ns();
	second = start_child(trap_late, &delay_ms);
	CHECK_RET(fork_wait(), 0);
	CHECK(now_ns() - waited >= 200000000);
	WAIT_CHILD_OK(second);
}

TEST(many_children_at_once)
{
	enum { CHILDREN = 20 };
	unsigned int delays[CHILDREN];
	pid_t pids[CHILDREN];

	mach_open();
	get_api_version();
	for (unsigned int i = 0; i < CHILDREN; i++) {
		delays[i] = i * 37 % CHILDREN * 5;
		pids[i] = start_child(i % 4 == 3 ? just_exit : trap_late, &delays[i]);
	}
	for (int i = 0; i < CHILDREN; i++)
		CHECK_RET(fork_wait(), 0);
	for (int i = 0; i < CHILDREN; i++)
		WAIT_CHILD_OK(pids[i]);
	/* Every child is accounted for: the next wait waits for the next child. */
	delays[0] = 150;
	{
		uint64_t waited = now_ns();
		pid_t pid = start_child(trap_late, &delays[0]);

		CHECK_RET(fork_wait(), 0);
		CHECK(now_ns() - waited >= 150000000);
		WAIT_CHILD_OK(pid);
	}
}

struct forking_thread {
	pthread_t thread;
	int forks;
};

static void *fork_and_wait(void *argument)
{
	struct forking_thread *self_thread = argument;

	for (int i = 0; i < self_thread->forks; i++) {
		pid_t pid = fork();

		REQUIRE(pid >= 0);
		if (pid == 0) {
			mach_forget();
			if (get_api_version() != 19 || !has_right(new_port(), RECEIVE))
				_exit(3);
			_exit(0);
		}
		CHECK_RET(fork_wait(), 0);
		WAIT_CHILD_OK(pid);
	}
	return NULL;
}

TEST(threads_that_fork_and_wait)
{
	struct forking_thread threads[4];

	mach_open();
	get_api_version();
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		threads[i].forks = 15;
		REQUIRE(!pthread_create(&threads[i].thread, NULL, fork_and_wait, &threads[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i].thread, NULL);
}
