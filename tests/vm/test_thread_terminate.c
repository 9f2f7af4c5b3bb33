// SPDX-License-Identifier: GPL-2.0
/*
 * Ending single threads, whatever they do.
 * time limit: 180 s
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exception.h"
#include "harness.h"
#include "mach.h"
#include "mach_const.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"

#define THREAD_TERMINATE 3600

enum habit { SPINS, SLEEPS, CALLS, RECEIVES, WAITS_FOR_ANSWER, STOPS, HABITS };

struct victim {
	enum habit habit;
	struct gate known;
	struct worker worker;
	name_t port, receive;
	volatile uint64_t turns;
	volatile int survived;
};

static volatile int handled;

static void handle(int number)
{
	(void)number;
	handled++;
}

static int32_t ask(name_t target, int32_t id)
{
	struct rpc rpc;

	rpc_begin(&rpc, target, id);
	return rpc_call(&rpc);
}

static void *be_victim(void *argument)
{
	struct victim *victim = argument;
	struct message message;
	struct handed handed;

	victim->port = thread_self();
	gate_open(&victim->known);
	switch (victim->habit) {
	case SPINS:
		for (;;)
			victim->turns++;
	case SLEEPS:
		for (;;)
			pause();
	case CALLS:
		for (;;) {
			getppid();
			get_api_version();
			victim->turns++;
		}
	case RECEIVES:
		msg_receive_blocking(&message, victim->receive);
		break;
	case WAITS_FOR_ANSWER:
		handed_fill(&handed, 1);
		sigprocess(&(struct fake_signal){ 0, SIGILL, 1, 0 }, &handed, NULL);
		break;
	default:
		ask(victim->port, THREAD_SUSPEND);
		break;
	}
	victim->survived = 1;
	return NULL;
}

static void victim_start(struct victim *victim, enum habit habit)
{
	*victim = (struct victim){ .habit = habit };
	victim->receive = new_send_right();
	gate_init(&victim->known);
	worker_start(&victim->worker, be_victim, victim);
	gate_pass(&victim->known);
	sleep_ms(20);
}

TEST(a_thread_ends_whatever_it_does)
{
	mach_open();
	self();
	signal(SIGUSR1, handle);
	REQUIRE_RET(listen_to(self(), EXC_MASK_ALL, new_send_right(), EXC_DEFAULT, 0), 0);
	for (int i = 0; i < HABITS; i++) {
		for (int suspended = 0; suspended < 2; suspended++) {
			struct victim victim;

			victim_start(&victim, i);
			if (suspended) {
				CHECK_RET(ask(victim.port, THREAD_SUSPEND), 0);
				/* Its handler is not to run any more. */
				worker_signal(&victim.worker, SIGUSR1);
			}
			CHECK_RET(ask(victim.port, THREAD_TERMINATE), 0);
			worker_join(&victim.worker);
			CHECK_EQ(victim.survived, 0);
			CHECK_EQ(handled, 0);
			while (has_right(victim.port, MACH_PORT_RIGHT_SEND))
				sleep_ms(1);
			CHECK(has_right(victim.port, MACH_PORT_RIGHT_DEAD_NAME));
		}
	}
}

static void *end_itself(void *argument)
{
	struct victim *victim = argument;

	ask(thread_self(), THREAD_TERMINATE);
	victim->survived = 1;
	return NULL;
}

TEST(a_thread_ends_itself)
{
	struct victim victim = { .survived = 0 };

	mach_open();
	self();
	for (int i = 0; i < 20; i++) {
		worker_start(&victim.worker, end_itself, &victim);
		worker_join(&victim.worker);
		CHECK_EQ(victim.survived, 0);
	}
}

TEST(the_last_thread_ends_its_process)
{
	pid_t pid;

	mach_open();
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		ask(thread_self(), THREAD_TERMINATE);
		_exit(1);
	}
	CHECK_HEX(wait_child(pid), 0);
}

static volatile uint64_t *turns;

static void *spin_for_ever(void *argument)
{
	(void)argument;
	thread_self();
	for (;;)
		turns[0]++;
	return NULL;
}

static void start_spinning(void *unused)
{
	static struct worker worker;

	(void)unused;
	worker_start(&worker, spin_for_ever, NULL);
	while (!turns[0])
		sleep_ms(1);
}

TEST(a_thread_of_another_task)
{
	struct other other;
	struct rpc rpc;
	uint32_t count;
	name_t *names, thread;
	uint64_t before;

	mach_open();
	turns = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE((void *)(uintptr_t)turns != MAP_FAILED);
	for (int suspended = 0; suspended < 2; suspended++) {
		turns[0] = 0;
		other_start(&other, start_spinning, NULL);
		rpc_begin(&rpc, other.task, 3402);
		REQUIRE_RET(rpc_call(&rpc), 0);
		names = rpc_out_of_line(&rpc, 0, &count);
		REQUIRE_EQ(count, 2);
		thread = names[0] == other.thread ? names[1] : names[0];
		if (suspended)
			CHECK_RET(ask(other.task, TASK_SUSPEND), 0);
		CHECK_RET(ask(thread, THREAD_TERMINATE), 0);
		before = turns[0];
		sleep_ms(20);
		CHECK_EQ(turns[0], before);
		while (has_right(thread, MACH_PORT_RIGHT_SEND))
			sleep_ms(1);
		/* The others live, and are suspended if they were. */
		CHECK_EQ(waitpid(other.pid, NULL, WNOHANG), 0);
		if (suspended)
			CHECK_RET(ask(other.task, TASK_RESUME), 0);
		other_end(&other);
	}
}

TEST(another_user_is_refused)
{
	struct other other;

	mach_open();
	other_start(&other, NULL, NULL);
	become_nobody(NULL);
	CHECK_RET(ask(other.thread, THREAD_TERMINATE), KERN_NO_ACCESS);
	sleep_ms(20);
	CHECK_EQ(waitpid(other.pid, NULL, WNOHANG), 0);
}

/* Many at once, and some of them twice */
TEST(ends_at_random)
{
	struct victim victims[12];
	unsigned int seed = 3;

	mach_open();
	self();
	REQUIRE_RET(listen_to(self(), EXC_MASK_ALL, new_send_right(), EXC_DEFAULT, 0), 0);
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(victims); i++)
			victim_start(&victims[i], (enum habit)(rand_r(&seed) % HABITS));
		for (size_t i = 0; i < ARRAY_SIZE(victims); i++) {
			struct message message;

			if (rand_r(&seed) % 2)
				continue;
			/* Without waiting for the reply */
			message_init(&message, MSGH_BITS(COPY_SEND, 0), victims[i].port, 0,
				     THREAD_TERMINATE);
			msg_send(&message, HEADER_SIZE);
		}
		for (size_t i = 0; i < ARRAY_SIZE(victims); i++) {
			struct message message;

			message_init(&message, MSGH_BITS(COPY_SEND, 0), victims[i].port, 0,
				     THREAD_TERMINATE);
			msg_send(&message, HEADER_SIZE);
			worker_join(&victims[i].worker);
			CHECK_EQ(victims[i].survived, 0);
		}
	}
}
