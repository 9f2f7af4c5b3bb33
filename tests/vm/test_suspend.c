// SPDX-License-Identifier: GPL-2.0
/*
 * Suspending tasks and threads: what stops, what goes on, and what ends it.
 * time limit: 300 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "mach_const.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"

#define TASK_THREADS		3402
#define TASK_INFO		3405
#define TASK_SUSPEND2		3436
#define TASK_RESUME2		3437
#define THREAD_ABORT		3607
#define THREAD_ABORT_SAFELY	3608
#define THREAD_INFO		3612

#define MACH_TASK_BASIC_INFO	20
#define THREAD_BASIC_INFO	3
#define STATE_STOPPED		2

/* What the threads of the other task do, in memory that both have */
enum { SPIN, SPIN_UNKNOWN, SLEEP, MAKE_THREADS, MAIN, HANDLER, KINDS };

static volatile uint64_t *counters;

static int32_t ask(name_t target, int32_t id)
{
	struct rpc rpc;

	rpc_begin(&rpc, target, id);
	return rpc_call(&rpc);
}

static uint32_t task_count(name_t task)
{
	struct rpc rpc;

	REQUIRE_RET(RPC(&rpc, task, TASK_INFO, MACH_TASK_BASIC_INFO, 12), 0);
	return rpc_words(&rpc)[12];
}

static uint32_t thread_count(name_t thread, uint32_t *state)
{
	struct rpc rpc;

	REQUIRE_RET(RPC(&rpc, thread, THREAD_INFO, THREAD_BASIC_INFO, 10), 0);
	if (state)
		*state = rpc_words(&rpc)[7];
	return rpc_words(&rpc)[9];
}

static void *spin(void *counter)
{
	for (;;)
		++*(volatile uint64_t *)counter;
	return NULL;
}

static void *spin_known(void *counter)
{
	thread_self();
	return spin(counter);
}

static void *sleep_often(void *counter)
{
	for (;;) {
		sleep_ms(1);
		++*(volatile uint64_t *)counter;
	}
	return NULL;
}

static void *count_once(void *counter)
{
	++*(volatile uint64_t *)counter;
	return NULL;
}

static void *make_threads(void *counter)
{
	pthread_t thread;

	for (;;) {
		REQUIRE_EQ(pthread_create(&thread, NULL, count_once, counter), 0);
		pthread_join(thread, NULL);
	}
	return NULL;
}

static void handle(int signal)
{
	(void)signal;
	++counters[HANDLER];
}

/* Prepares the other task: a thread of each kind. @argument: its first thread works as well. */
static void be_busy(void *argument)
{
	static void *(*const run[])(void *) = {
		[SPIN] = spin_known, [SPIN_UNKNOWN] = spin, [SLEEP] = sleep_often,
		[MAKE_THREADS] = make_threads,
	};
	pthread_t thread;

	(void)argument;
	signal(SIGUSR1, handle);
	for (int kind = SPIN; kind <= MAKE_THREADS; kind++) {
		REQUIRE_EQ(pthread_create(&thread, NULL, run[kind], (void *)&counters[kind]), 0);
		while (!counters[kind])
			sleep_ms(1);
	}
}

static void make_counters(void)
{
	counters = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(counters != MAP_FAILED);
}

static void start_busy(struct other *other)
{
	mach_open();
	make_counters();
	other_start(other, be_busy, NULL);
}

/* Nothing but the counters in @except may change in a while. */
static void check_still(unsigned int except)
{
	uint64_t before[KINDS];

	memcpy(before, (const void *)counters, sizeof(before));
	sleep_ms(60);
	for (unsigned int kind = 0; kind < KINDS; kind++)
		if (!(except & (1u << kind)))
			CHECK_EQ(counters[kind], before[kind]);
}

/* The thread of @kind goes on; this waits for it. */
static void await_progress(int kind)
{
	uint64_t before = counters[kind];

	for (int i = 0; i < 10000 && counters[kind] == before; i++)
		sleep_ms(1);
	CHECK(counters[kind] != before);
}

static void check_running(void)
{
	for (int kind = SPIN; kind <= MAKE_THREADS; kind++)
		await_progress(kind);
}

TEST(a_suspended_task_stands_still)
{
	struct other other;
	uint32_t state;

	start_busy(&other);
	check_running();
	CHECK_EQ(task_count(other.task), 0);
	CHECK_RET(ask(other.task, TASK_SUSPEND), 0);
	check_still(0);
	CHECK_EQ(task_count(other.task), 1);
	CHECK_EQ(thread_count(other.thread, &state), 0);
	CHECK_EQ(state, STATE_STOPPED);
	CHECK_RET(ask(other.task, TASK_RESUME), 0);
	check_running();
	CHECK_EQ(task_count(other.task), 0);
	CHECK_EQ(thread_count(other.thread, &state), 0);
	CHECK(state != STATE_STOPPED);
	other_end(&other);
}

TEST(suspension_is_immediate)
{
	struct other other;
	uint64_t before;

	start_busy(&other);
	for (int i = 0; i < 200; i++) {
		REQUIRE_RET(ask(other.task, TASK_SUSPEND), 0);
		before = counters[SPIN] + counters[SPIN_UNKNOWN];
		sched_yield();
		if (counters[SPIN] + counters[SPIN_UNKNOWN] != before) {
			FAIL("round %d: a thread ran", i);
			break;
		}
		REQUIRE_RET(ask(other.task, TASK_RESUME), 0);
	}
	check_running();
	other_end(&other);
}

TEST(suspensions_nest)
{
	struct other other;

	start_busy(&other);
	CHECK_RET(ask(other.task, TASK_RESUME), KERN_FAILURE);
	CHECK_RET(ask(other.thread, THREAD_RESUME), KERN_FAILURE);
	CHECK_RET(ask(other.task, TASK_SUSPEND), 0);
	CHECK_RET(ask(other.task, TASK_SUSPEND), 0);
	CHECK_EQ(task_count(other.task), 2);
	CHECK_RET(ask(other.task, TASK_RESUME), 0);
	check_still(0);
	CHECK_EQ(task_count(other.task), 1);
	CHECK_RET(ask(other.task, TASK_RESUME), 0);
	check_running();
	CHECK_RET(ask(other.task, TASK_RESUME), KERN_FAILURE);
	other_end(&other);
}

/* The thread that spins and is known: there are two */
static name_t spinner_of(const struct other *other)
{
	struct rpc rpc;
	uint32_t count;
	name_t *names;

	rpc_begin(&rpc, other->task, TASK_THREADS);
	REQUIRE_RET(rpc_call(&rpc), 0);
	names = rpc_out_of_line(&rpc, 0, &count);
	REQUIRE_EQ(count, 2);
	return names[0] == other->thread ? names[1] : names[0];
}

TEST(a_suspended_thread_stands_still_alone)
{
	struct other other;
	name_t thread;
	uint32_t state;

	start_busy(&other);
	thread = spinner_of(&other);
	CHECK_RET(ask(thread, THREAD_SUSPEND), 0);
	check_still(~(1u << SPIN));
	CHECK_EQ(thread_count(thread, &state), 1);
	CHECK_EQ(state, STATE_STOPPED);
	await_progress(SPIN_UNKNOWN);
	await_progress(SLEEP);
	/* Both counts have to be 0. */
	CHECK_RET(ask(other.task, TASK_SUSPEND), 0);
	CHECK_RET(ask(thread, THREAD_SUSPEND), 0);
	CHECK_EQ(thread_count(thread, NULL), 2);
	CHECK_RET(ask(thread, THREAD_RESUME), 0);
	CHECK_RET(ask(thread, THREAD_RESUME), 0);
	check_still(0);
	CHECK_RET(ask(thread, THREAD_SUSPEND), 0);
	CHECK_RET(ask(other.task, TASK_RESUME), 0);
	await_progress(SLEEP);
	check_still(~(1u << SPIN));
	CHECK_RET(ask(thread, THREAD_RESUME), 0);
	check_running();
	CHECK_RET(ask(thread, THREAD_RESUME), KERN_FAILURE);
	other_end(&other);
}

TEST(a_handled_signal_waits)
{
	struct other other;

	start_busy(&other);
	CHECK_RET(ask(other.task, TASK_SUSPEND), 0);
	REQUIRE_EQ(kill(other.pid, SIGUSR1), 0);
	check_still(0);
	CHECK_EQ(counters[HANDLER], 0);
	CHECK_RET(ask(other.task, TASK_RESUME), 0);
	while (!counters[HANDLER])
		sleep_ms(1);
	check_running();
	CHECK_EQ(counters[HANDLER], 1);
	check_running();
	other_end(&other);
}

TEST(job_control_works)
{
	struct other other;

	start_busy(&other);
	for (int i = 0; i < 3; i++) {
		CHECK_RET(ask(other.task, TASK_SUSPEND), 0);
		check_still(0);
		REQUIRE_EQ(kill(other.pid, SIGSTOP), 0);
		CHECK_EQ(waitpid(other.pid, NULL, WUNTRACED), other.pid);
		if (i == 1) {
			/* The one does not end the other. */
			CHECK_RET(ask(other.task, TASK_RESUME), 0);
			check_still(0);
			REQUIRE_EQ(kill(other.pid, SIGCONT), 0);
		} else {
			REQUIRE_EQ(kill(other.pid, SIGCONT), 0);
			CHECK_EQ(waitpid(other.pid, NULL, WCONTINUED), other.pid);
			/* It parks again. */
			sleep_ms(100);
			check_still(0);
			CHECK_RET(ask(other.task, TASK_RESUME), 0);
		}
		check_running();
	}
	other_end(&other);
}

TEST(fatal_signals_end_a_suspended_task)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGABRT, SIGSEGV };
	struct other other;
	int status = 0;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		start_busy(&other);
		CHECK_RET(ask(other.task, TASK_SUSPEND), 0);
		if (i & 1)
			CHECK_RET(ask(other.thread, THREAD_SUSPEND), 0);
		REQUIRE_EQ(kill(other.pid, signals[i]), 0);
		CHECK_EQ(waitpid(other.pid, &status, 0), other.pid);
		CHECK(WIFSIGNALED(status));
		CHECK_EQ(WTERMSIG(status), signals[i]);
		CHECK(has_right(other.thread, MACH_PORT_RIGHT_DEAD_NAME));
	}
}

/* A child that has the task port of @other as its bootstrap port */
static pid_t start_suspender(const struct other *other, int32_t id, struct gate *done)
{
	struct gate never;
	pid_t pid;

	bootstrap_set(id < 3600 ? other->task : other->thread, COPY_SEND);
	gate_init(&never);
	gate_init(done);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid)
		return pid;
	mach_forget();
	REQUIRE_EQ(get_api_version(), 19);
	REQUIRE_RET(ask(bootstrap_get(), id), 0);
	gate_open(done);
	for (;;)
		pause();
}

TEST(suspensions_of_a_task_end_with_the_suspender)
{
	static const int32_t ids[] = { TASK_SUSPEND, TASK_SUSPEND2 };
	struct other other;
	struct gate done;
	pid_t pid;

	start_busy(&other);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		pid = start_suspender(&other, ids[i], &done);
		gate_pass(&done);
		check_still(0);
		CHECK_EQ(task_count(other.task), 1);
		CHECK_RET(ask(other.task, TASK_SUSPEND), 0);
		kill_child(pid);
		while (task_count(other.task) != 1)
			sleep_ms(1);
		/* Those of others do not. */
		check_still(0);
		CHECK_RET(ask(other.task, TASK_RESUME), 0);
		check_running();
	}
	/* One that has been taken back does not end twice. */
	pid = start_suspender(&other, TASK_SUSPEND, &done);
	gate_pass(&done);
	CHECK_RET(ask(other.task, TASK_RESUME), 0);
	CHECK_RET(ask(other.task, TASK_SUSPEND), 0);
	kill_child(pid);
	sleep_ms(100);
	CHECK_EQ(task_count(other.task), 1);
	check_still(0);
	other_end(&other);
}

TEST(suspensions_of_a_thread_outlive_the_suspender)
{
	struct other other;
	struct gate done;
	pid_t pid;

	start_busy(&other);
	pid = start_suspender(&other, THREAD_SUSPEND, &done);
	gate_pass(&done);
	kill_child(pid);
	sleep_ms(100);
	CHECK_EQ(thread_count(other.thread, NULL), 1);
	CHECK_RET(ask(other.thread, THREAD_RESUME), 0);
	CHECK_EQ(thread_count(other.thread, NULL), 0);
	other_end(&other);
}

static name_t suspend_for_token(name_t task)
{
	struct rpc rpc;
	name_t token;

	rpc_begin(&rpc, task, TASK_SUSPEND2);
	REQUIRE_RET(rpc_call(&rpc), 0);
	REQUIRE_EQ(rpc.size, 40);
	token = rpc_right(&rpc, 0, MOVE_SEND_ONCE);
	REQUIRE(has_right(token, MACH_PORT_RIGHT_SEND_ONCE));
	return token;
}

static int32_t use_token(name_t token)
{
	struct rpc rpc;

	rpc_begin(&rpc, token, TASK_RESUME2);
	rpc.message.header.bits = MSGH_BITS(MOVE_SEND_ONCE, MAKE_SEND_ONCE);
	return rpc_call(&rpc);
}

TEST(a_token_resumes_when_it_is_used_or_dropped)
{
	struct other other;
	name_t token, second;

	start_busy(&other);
	token = suspend_for_token(other.task);
	second = suspend_for_token(other.task);
	CHECK(token != second);
	CHECK_EQ(task_count(other.task), 2);
	check_still(0);
	CHECK_RET(use_token(token), 0);
	CHECK_UNKNOWN(token);
	CHECK_EQ(task_count(other.task), 1);
	check_still(0);
	/* It is nobody's but the token's. */
	CHECK_RET(ask(other.task, TASK_RESUME), KERN_FAILURE);
	CHECK_RET(deallocate(second), 0);
	CHECK_EQ(task_count(other.task), 0);
	check_running();
	/* Of a task that has ended */
	token = suspend_for_token(other.task);
	other_end(&other);
	CHECK_RET(use_token(token), KERN_INVALID_TASK);
}

static void suspend_self(void *argument)
{
	(void)argument;
	counters[MAIN] = 1;
	REQUIRE_RET(ask(self(), TASK_SUSPEND), 0);
	counters[MAIN] = 2;
	REQUIRE_RET(ask(thread_self(), THREAD_SUSPEND), 0);
	counters[MAIN] = 3;
}

TEST(a_task_that_suspends_itself_is_resumed_by_another)
{
	struct task_for_pid args;
	struct gate never;
	name_t task, *threads;
	struct rpc rpc;
	uint32_t count;
	pid_t pid;

	mach_open();
	make_counters();
	gate_init(&never);
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		suspend_self(NULL);
		_exit(0);
	}
	while (!counters[MAIN])
		sleep_ms(1);
	args = (struct task_for_pid){ .pid = pid, .task_port = (void *)&task };
	REQUIRE_RET(trap_struct(NR_task_for_pid_trap, &args), 0);
	while (task_count(task) == 0)
		sleep_ms(1);
	sleep_ms(50);
	CHECK_EQ(counters[MAIN], 1);
	CHECK_RET(ask(task, TASK_RESUME), 0);
	rpc_begin(&rpc, task, TASK_THREADS);
	REQUIRE_RET(rpc_call(&rpc), 0);
	threads = rpc_out_of_line(&rpc, 0, &count);
	REQUIRE_EQ(count, 1);
	while (thread_count(threads[0], NULL) == 0)
		sleep_ms(1);
	sleep_ms(50);
	CHECK_EQ(counters[MAIN], 2);
	CHECK_RET(ask(threads[0], THREAD_RESUME), 0);
	WAIT_CHILD_OK(pid);
	CHECK_EQ(counters[MAIN], 3);
}

struct receiver {
	struct gate known;
	name_t port, thread;
	volatile long result;
	volatile int done;
};

static void *receive_once(void *argument)
{
	struct receiver *receiver = argument;
	struct message message;

	receiver->thread = thread_self();
	gate_open(&receiver->known);
	receiver->result = msg_receive_blocking(&message, receiver->port);
	receiver->done = 1;
	return NULL;
}

TEST(a_suspended_thread_goes_on_waiting_for_messages)
{
	struct receiver receiver = { .done = 0 };
	struct message message;
	struct worker worker;

	mach_open();
	self();
	receiver.port = new_send_right();
	gate_init(&receiver.known);
	worker_start(&worker, receive_once, &receiver);
	gate_pass(&receiver.known);
	worker_wait_in_trap(&worker);
	CHECK_RET(ask(receiver.thread, THREAD_SUSPEND), 0);
	sleep_ms(30);
	message_init(&message, MSGH_BITS(COPY_SEND, 0), receiver.port, MACH_PORT_NULL, 5);
	CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
	sleep_ms(60);
	CHECK_EQ(receiver.done, 0);
	CHECK_RET(ask(receiver.thread, THREAD_RESUME), 0);
	worker_join(&worker);
	CHECK_RET(receiver.result, 0);
}

TEST(abort_ends_a_wait_for_messages)
{
	static const int32_t ids[] = { THREAD_ABORT, THREAD_ABORT_SAFELY };
	struct worker worker;

	mach_open();
	self();
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct receiver receiver = { .done = 0 };

		receiver.port = new_port();
		gate_init(&receiver.known);
		worker_start(&worker, receive_once, &receiver);
		gate_pass(&receiver.known);
		worker_wait_in_trap(&worker);
		/* Suspended, it does not come back from the wait. */
		CHECK_RET(ask(receiver.thread, THREAD_SUSPEND), 0);
		CHECK_RET(ask(receiver.thread, ids[i]), 0);
		sleep_ms(30);
		CHECK_EQ(receiver.done, 0);
		CHECK_RET(ask(receiver.thread, THREAD_RESUME), 0);
		worker_join(&worker);
		CHECK_RET(receiver.result, MACH_RCV_INTERRUPTED);
	}
}

TEST(abort_lets_a_system_call_go_on)
{
	struct other other;

	start_busy(&other);
	for (int i = 0; i < 20; i++) {
		CHECK_RET(ask(other.thread, THREAD_ABORT), 0);
		sleep_ms(2);
	}
	/* It waits in pause(), and would have ended. */
	CHECK_EQ(waitpid(other.pid, NULL, WNOHANG), 0);
	CHECK_RET(ask(other.thread, THREAD_INFO), MIG_BAD_ARGUMENTS);
	other_end(&other);
}

TEST(control_of_another_user_is_refused)
{
	static const int32_t task_ids[] = { TASK_SUSPEND, TASK_RESUME, TASK_SUSPEND2 };
	static const int32_t thread_ids[] = {
		THREAD_SUSPEND, THREAD_RESUME, THREAD_ABORT, THREAD_ABORT_SAFELY,
	};
	struct other other;

	start_busy(&other);
	become_nobody(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(task_ids); i++)
		CHECK_RET(ask(other.task, task_ids[i]), KERN_NO_ACCESS);
	for (size_t i = 0; i < ARRAY_SIZE(thread_ids); i++)
		CHECK_RET(ask(other.thread, thread_ids[i]), KERN_NO_ACCESS);
	check_running();
}

TEST_LIMIT(suspend_and_resume_at_random, 120)
{
	struct other other;
	name_t thread;
	unsigned int seed = 1;
	int task = 0, one = 0;

	start_busy(&other);
	thread = spinner_of(&other);
	for (int i = 0; i < 3000; i++) {
		switch (rand_r(&seed) % 6) {
		case 0:
			CHECK_RET(ask(other.task, TASK_SUSPEND), 0);
			task++;
			break;
		case 1:
			CHECK_RET(ask(other.task, TASK_RESUME), task ? 0 : KERN_FAILURE);
			task -= task > 0;
			break;
		case 2:
			CHECK_RET(ask(thread, THREAD_SUSPEND), 0);
			one++;
			break;
		case 3:
			CHECK_RET(ask(thread, THREAD_RESUME), one ? 0 : KERN_FAILURE);
			one -= one > 0;
			break;
		case 4:
			deallocate(suspend_for_token(other.task));
			break;
		case 5:
			kill(other.pid, rand_r(&seed) % 2 ? SIGCONT : SIGUSR1);
			break;
		}
	}
	while (task--)
		CHECK_RET(ask(other.task, TASK_RESUME), 0);
	while (one--)
		CHECK_RET(ask(thread, THREAD_RESUME), 0);
	check_running();
	other_end(&other);
}
