// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that wait for semaphores: who is woken, in which order, and what else
 * ends a wait.
 * time limit: 200 s
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "sema.h"
#include "short_rights.h"

/* One wait in a thread, and what came of it. */
struct wait {
	struct worker worker;
	name_t sema;
	name_t signal;		/* to be signalled, or 0 */
	uint32_t sec;		/* time limit, or 0 for none */
	int nice;
	atomic_int *turn;	/* counts the waits that have ended */
	int ended_as;		/* the number of this one */
	long result;
};

static void *do_wait(void *argument)
{
	struct wait *wait = argument;

	if (wait->nice)
		CHECK_EQ(setpriority(PRIO_PROCESS, 0, wait->nice), 0);
	if (wait->sec)
		wait->result = wait->signal ?
			       sema_timedwait_signal(wait->sema, wait->signal, wait->sec, 0) :
			       sema_timedwait(wait->sema, wait->sec, 0);
	else
		wait->result = wait->signal ? sema_wait_signal(wait->sema, wait->signal) :
			       sema_wait(wait->sema);
	if (wait->turn)
		wait->ended_as = atomic_fetch_add(wait->turn, 1);
	return NULL;
}

static void wait_start(struct wait *wait)
{
	wait->result = 0xcccc;
	worker_start(&wait->worker, do_wait, wait);
	worker_wait_in_trap(&wait->worker);
}

static void start_waiting(struct wait *wait, name_t sema)
{
	*wait = (struct wait){ .sema = sema };
	wait_start(wait);
}

static long wait_result(struct wait *wait)
{
	worker_join(&wait->worker);
	return wait->result;
}

TEST(waiting_thread_is_woken)
{
	struct wait wait;
	name_t sema;

	mach_open();
	sema = new_sema(0);
	for (int i = 0; i < 20; i++) {
		start_waiting(&wait, sema);
		CHECK_RET(sema_signal(sema), KERN_SUCCESS);
		CHECK_RET(wait_result(&wait), KERN_SUCCESS);
		CHECK_RET(sema_poll(sema), KERN_OPERATION_TIMED_OUT);
	}
	wait = (struct wait){ .sema = sema, .sec = 30 };
	wait_start(&wait);
	CHECK_RET(sema_signal(sema), KERN_SUCCESS);
	CHECK_RET(wait_result(&wait), KERN_SUCCESS);
}

enum { WAITERS = 8 };

/* Starts waits one after the other, then ends them one by one. */
static void check_order(int policy, const int nice[WAITERS], const int order[WAITERS])
{
	static struct wait waits[WAITERS];
	atomic_int turn = 0;
	name_t sema = new_sema_with(policy, 0);

	for (int i = 0; i < WAITERS; i++) {
		waits[i] = (struct wait){ .sema = sema, .nice = nice[i], .turn = &turn };
		wait_start(&waits[i]);
	}
	for (int i = 0; i < WAITERS; i++) {
		CHECK_RET(sema_signal(sema), KERN_SUCCESS);
		while (atomic_load(&turn) == i)
			usleep(100);
		usleep(1000);
		CHECK_EQ(atomic_load(&turn), i + 1);
	}
	for (int i = 0; i < WAITERS; i++) {
		CHECK_RET(wait_result(&waits[i]), KERN_SUCCESS);
		CHECK_EQ(waits[i].ended_as, order[i]);
	}
	CHECK_EQ(sema_drain(sema), 0);
}

TEST(one_signal_wakes_the_first_to_come)
{
	mach_open();
	check_order(SYNC_POLICY_FIFO, (int[]){ 5, 3, 1, -1, -3, -5, 1, 2 },
		    (int[]){ 0, 1, 2, 3, 4, 5, 6, 7 });
}

TEST(one_signal_wakes_the_highest_priority)
{
	mach_open();
	check_order(SYNC_POLICY_FIXED_PRIORITY, (int[]){ 5, 3, 1, -1, 3, -5, 1, 19 },
		    (int[]){ 6, 4, 2, 1, 5, 0, 3, 7 });
	check_order(SYNC_POLICY_FIXED_PRIORITY, (int[]){ 0, 0, 0, 0, 0, 0, 0, 0 },
		    (int[]){ 0, 1, 2, 3, 4, 5, 6, 7 });
}

TEST(one_signal_wakes_the_last_to_come)
{
	mach_open();
	check_order(SYNC_POLICY_LIFO, (int[]){ 5, 3, 1, -1, -3, -5, 1, 2 },
		    (int[]){ 7, 6, 5, 4, 3, 2, 1, 0 });
}

TEST(a_wait_that_was_given_up_is_passed_over)
{
	static const int policies[] = { SYNC_POLICY_FIFO, SYNC_POLICY_FIXED_PRIORITY };

	mach_open();
	catch_signal(SIGUSR1);
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		struct wait waits[3];
		name_t sema = new_sema_with(policies[i], 0);

		for (int j = 0; j < 3; j++)
			start_waiting(&waits[j], sema);
		worker_signal(&waits[0].worker, SIGUSR1);
		CHECK_RET(wait_result(&waits[0]), KERN_ABORTED);
		worker_signal(&waits[2].worker, SIGUSR1);
		CHECK_RET(wait_result(&waits[2]), KERN_ABORTED);
		CHECK_RET(sema_signal(sema), KERN_SUCCESS);
		CHECK_RET(wait_result(&waits[1]), KERN_SUCCESS);
		CHECK_RET(sema_signal(sema), KERN_SUCCESS);
		CHECK_EQ(sema_drain(sema), 1);
	}
}

TEST(signal_all_wakes_all)
{
	static struct wait waits[WAITERS];
	name_t sema;

	mach_open();
	sema = new_sema(0);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < WAITERS; i++)
			start_waiting(&waits[i], sema);
		CHECK_RET(sema_signal_all(sema), KERN_SUCCESS);
		for (int i = 0; i < WAITERS; i++)
			CHECK_RET(wait_result(&waits[i]), KERN_SUCCESS);
		CHECK_RET(sema_poll(sema), KERN_OPERATION_TIMED_OUT);
	}
}

TEST(destroying_ends_waits)
{
	static struct wait waits[WAITERS];
	name_t sema;

	mach_open();
	sema = new_sema(0);
	for (int i = 0; i < WAITERS; i++) {
		waits[i] = (struct wait){ .sema = sema, .sec = i % 2 ? 30 : 0 };
		wait_start(&waits[i]);
	}
	CHECK_RET(sema_destroy(sema), KERN_SUCCESS);
	for (int i = 0; i < WAITERS; i++)
		CHECK_RET(wait_result(&waits[i]), KERN_TERMINATED);
}

static void give_semaphore(struct peer_side *side)
{
	name_t sema = new_sema(0);

	REQUIRE_RET(send_with_reply(side->parent, COPY_SEND, sema, COPY_SEND, 1), 0);
	for (;;)
		pause();
}

TEST(end_of_the_owner_ends_waits)
{
	struct message message;
	struct wait waits[3];
	struct peer peer;

	mach_open();
	peer_start(&peer, give_semaphore, NULL);
	REQUIRE_RET(msg_receive_within(&message, peer.service, 20000), 0);
	for (int i = 0; i < 3; i++)
		start_waiting(&waits[i], message.header.remote);
	kill_child(peer.pid);
	for (int i = 0; i < 3; i++)
		CHECK_RET(wait_result(&waits[i]), KERN_TERMINATED);
}

/* Waiting keeps the semaphore, though nobody can signal it any more. */
TEST(last_right_goes_during_a_wait)
{
	struct wait wait;
	name_t sema;

	mach_open();
	catch_signal(SIGUSR1);
	sema = new_sema(0);
	start_waiting(&wait, sema);
	CHECK_RET(deallocate(sema), KERN_SUCCESS);
	CHECK_UNKNOWN(sema);
	sleep_ms(20);
	worker_signal(&wait.worker, SIGUSR1);
	CHECK_RET(wait_result(&wait), KERN_ABORTED);
}

TEST(signal_of_linux_interrupts)
{
	struct wait wait;
	name_t sema, other;

	mach_open();
	catch_signal(SIGUSR1);
	sema = new_sema(0);
	other = new_sema(0);
	for (int i = 0; i < 10; i++) {
		wait = (struct wait){ .sema = sema, .signal = i & 1 ? other : 0,
				      .sec = i & 2 ? 30 : 0 };
		wait_start(&wait);
		worker_signal(&wait.worker, SIGUSR1);
		CHECK_RET(wait_result(&wait), KERN_ABORTED);
		/* Nothing was taken, and the other one was signalled once. */
		CHECK_EQ(sema_drain(other), i & 1);
		CHECK_RET(sema_signal(sema), KERN_SUCCESS);
		CHECK_EQ(sema_drain(sema), 1);
	}
}

TEST(time_runs_out_and_not_before)
{
	static const struct {
		uint32_t sec;
		uint32_t nsec;
	} limits[] = {
		{ 0, 1 }, { 0, 999 }, { 0, 1000000 }, { 0, 30000000 }, { 0, 999999999 }, { 1, 0 },
		{ 1, 1 },
	};
	name_t sema, other;

	mach_open();
	sema = new_sema(0);
	other = new_sema(0);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint64_t limit = limits[i].sec * 1000000000ull + limits[i].nsec;
		uint64_t begin = now_ns();

		CHECK_RET(sema_timedwait(sema, limits[i].sec, limits[i].nsec),
			  KERN_OPERATION_TIMED_OUT);
		CHECK(now_ns() - begin >= limit);
		begin = now_ns();
		CHECK_RET(sema_timedwait_signal(sema, other, limits[i].sec, limits[i].nsec),
			  KERN_OPERATION_TIMED_OUT);
		CHECK(now_ns() - begin >= limit);
	}
	CHECK_EQ(sema_drain(other), ARRAY_SIZE(limits));
	CHECK_RET(sema_signal(sema), KERN_SUCCESS);
	CHECK_EQ(sema_drain(sema), 1);
}

/* Who is woken by the signal finds the signaller waiting already. */
TEST(wait_signal_waits_first)
{
	struct wait wait;
	name_t ping, pong;

	mach_open();
	ping = new_sema(0);
	pong = new_sema(0);
	for (int i = 0; i < 200; i++) {
		wait = (struct wait){ .sema = ping, .signal = pong };
		wait.result = 0xcccc;
		worker_start(&wait.worker, do_wait, &wait);
		CHECK_RET(sema_wait(pong), KERN_SUCCESS);
		CHECK_RET(sema_signal_all(ping), KERN_SUCCESS);
		/* If it were not waiting the signals would be lost, and it with them. */
		CHECK_RET(wait_result(&wait), KERN_SUCCESS);
	}
}

TEST(wait_signal_of_an_ended_semaphore_does_not_wait)
{
	name_t sema, ended;

	mach_open();
	sema = new_sema(0);
	ended = new_sema(0);
	CHECK_RET(sema_destroy(ended), KERN_SUCCESS);
	for (int i = 0; i < 5; i++)
		CHECK_RET(sema_wait_signal(sema, ended), KERN_TERMINATED);
	CHECK_RET(sema_timedwait_signal(sema, ended, 30, 0), KERN_TERMINATED);
	CHECK_RET(sema_signal(sema), KERN_SUCCESS);
	CHECK_EQ(sema_drain(sema), 1);
}

static void *wait_for_ever(void *argument)
{
	sema_wait(*(name_t *)argument);
	FAIL("a wait ended that nothing should end");
	return NULL;
}

static void wait_in_threads(struct peer_side *side)
{
	struct worker workers[4];
	name_t sema = new_sema(0);

	for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
		worker_start(&workers[i], wait_for_ever, &sema);
		worker_wait_in_trap(&workers[i]);
	}
	REQUIRE_RET(send_with_reply(side->parent, COPY_SEND, sema, COPY_SEND, 1), 0);
	for (;;)
		pause();
}

TEST(process_is_killed_while_its_threads_wait)
{
	struct message message;
	struct peer peer;

	mach_open();
	for (int i = 0; i < 5; i++) {
		peer_start(&peer, wait_in_threads, NULL);
		REQUIRE_RET(msg_receive_within(&message, peer.service, 20000), 0);
		kill_child(peer.pid);
		CHECK_RET(sema_signal(message.header.remote), KERN_TERMINATED);
	}
}

TEST(many_threads_wait)
{
	enum { MANY = 300 };
	static struct worker workers[MANY];
	static struct wait waits[MANY];
	name_t sema;

	mach_open();
	sema = new_sema(0);
	for (int i = 0; i < MANY; i++) {
		waits[i] = (struct wait){ .sema = sema };
		worker_start(&workers[i], do_wait, &waits[i]);
	}
	worker_wait_in_trap(&workers[MANY - 1]);
	for (int i = 0; i < MANY / 2; i++)
		CHECK_RET(sema_signal(sema), KERN_SUCCESS);
	sleep_ms(10);
	CHECK_RET(sema_signal_all(sema), KERN_SUCCESS);
	/* Some may have come too late. */
	for (int i = 0; i < MANY; i++)
		CHECK_RET(sema_signal(sema), KERN_SUCCESS);
	for (int i = 0; i < MANY; i++) {
		worker_join(&workers[i]);
		CHECK_RET(waits[i].result, KERN_SUCCESS);
	}
}
