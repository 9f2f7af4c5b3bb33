// SPDX-License-Identifier: GPL-2.0
/*
 * The psynch traps on condition variables: who is woken, what is left for those
 * who have not come yet, and what the words say.
 * time limit: 300 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "harness.h"
#include "psynch.h"

#define CV		((void *)0x12345678)
#define MUTEX		((void *)0x22345678)

static struct ps_call waiter_at(uint32_t l)
{
	return (struct ps_call){
		.op = PS_CVWAIT, .wait = { .cv = CV, .l = l, .s = PS_CV_C },
	};
}

/* Waits no longer than @ms; with what no test does not want to wait for. */
static long wait_ms(uint32_t l, uint32_t s, unsigned int ms)
{
	struct ps_wait wait = {
		.cv = CV, .l = l, .s = s, .nsec = ms % 1000 * 1000000, .sec = ms / 1000,
	};

	return ps_cvwait(&wait);
}

TEST(signal_wakes_the_first_it_is_for)
{
	struct ps_call first = waiter_at(0x100), second = waiter_at(0x200);

	mach_open();
	ps_call_block(&second);
	ps_call_block(&first);
	CHECK_HEX(ps_cvsignal(CV, 0x200, 0, PS_CV_C, 0, 0), PS_INC);
	CHECK_HEX(ps_call_end(&first), 0);
	CHECK(ps_call_is_blocked(&second));
	/* The last one: nothing is left. */
	CHECK_HEX(ps_cvsignal(CV, 0x200, 0x100, 0x100 | PS_CV_C, 0, 0), PS_INC | PS_CV_C);
	CHECK_HEX(ps_call_end(&second), 0);
}

TEST(signal_is_for_counts_that_none_was_for)
{
	struct ps_call first = waiter_at(0x100), second = waiter_at(0x200);

	mach_open();
	ps_call_block(&first);
	ps_call_block(&second);
	CHECK_HEX(ps_cvsignal(CV, 0x200, 0x100, PS_CV_C, 0, 0), PS_INC);
	CHECK_HEX(ps_call_end(&second), 0);
	CHECK(ps_call_is_blocked(&first));
	/* None at its count, but a lower one waits: all are woken, and what is left is for any. */
	CHECK_HEX(ps_cvsignal(CV, 0x300, 0x200, 0x100 | PS_CV_C, 0, 0), PS_INC | PS_CV_P);
	CHECK_HEX(ps_call_end(&first), 0);
	CHECK_HEX(wait_ms(0x300, 0x200, 1000), PS_INC | PS_CV_C);
}

TEST(signal_before_its_waiter_is_kept)
{
	mach_open();
	CHECK_HEX(ps_cvsignal(CV, 0x100, 0, PS_CV_C, 0, 0), PS_CV_P);
	CHECK_HEX(wait_ms(0x100, PS_CV_C, 1000), PS_INC | PS_CV_C);
	/* It is used up. */
	CHECK_RET(wait_ms(0x100, PS_CV_C, 20), -(ETIMEDOUT | PS_ERR_CLEARED));
}

TEST(kept_signals_are_counted)
{
	mach_open();
	CHECK_HEX(ps_cvsignal(CV, 0x200, 0, PS_CV_C, 0, 0), PS_CV_P);
	CHECK_HEX(ps_cvsignal(CV, 0x200, 0x100, PS_CV_C, 0, 0), PS_CV_P);
	CHECK_HEX(wait_ms(0x200, PS_CV_C, 1000), PS_INC | PS_CV_P);
	CHECK_HEX(wait_ms(0x100, PS_CV_C, 1000), PS_INC | PS_CV_C);
}

TEST(early_waiter_that_takes_a_kept_signal_leaves_one_for_all)
{
	mach_open();
	CHECK_HEX(ps_cvsignal(CV, 0x300, 0, PS_CV_C, 0, 0), PS_CV_P);
	CHECK_HEX(wait_ms(0x100, PS_CV_C, 1000), PS_INC | PS_CV_P);
	CHECK_HEX(wait_ms(0x300, PS_CV_C, 1000), PS_INC | PS_CV_P);
	CHECK_HEX(wait_ms(0x200, PS_CV_C, 1000), PS_INC | PS_CV_C);
}

TEST(kept_signal_is_not_for_later_counts)
{
	mach_open();
	CHECK_HEX(ps_cvsignal(CV, 0x100, 0, PS_CV_C, 0, 0), PS_CV_P);
	CHECK_RET(wait_ms(0x200, PS_CV_C, 20), -(ETIMEDOUT | PS_ERR_PREPOST));
}

TEST(signal_with_nobody_counted_does_nothing)
{
	mach_open();
	CHECK_HEX(ps_cvsignal(CV, 0x100, 0, 0x100 | PS_CV_C, 0, 0), 0);
	CHECK_RET(wait_ms(0x200, 0x100 | PS_CV_C, 20), -(ETIMEDOUT | PS_ERR_CLEARED));
}

TEST(broadcast_wakes_all_that_are_counted)
{
	struct ps_call waiters[] = { waiter_at(0x100), waiter_at(0x200), waiter_at(0x400) };

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(waiters); i++)
		ps_call_block(&waiters[i]);
	/* One of three is not here yet. */
	CHECK_HEX(ps_cvbroad(CV, 0x300, 0, PS_CV_C, 0x300, 0), 2 * PS_INC);
	CHECK_HEX(ps_call_end(&waiters[0]), 0);
	CHECK_HEX(ps_call_end(&waiters[1]), 0);
	CHECK(ps_call_is_blocked(&waiters[2]));
	CHECK_HEX(wait_ms(0x300, PS_CV_C, 1000), PS_INC);
	CHECK_HEX(ps_cvbroad(CV, 0x400, 0x300, 0x300 | PS_CV_C, 0x100, 0), PS_INC | PS_CV_C);
	CHECK_HEX(ps_call_end(&waiters[2]), 0);
}

TEST(broadcast_before_its_waiters_is_kept)
{
	mach_open();
	CHECK_HEX(ps_cvbroad(CV, 0x300, 0, PS_CV_C, 0x300, 0), PS_CV_P);
	/* A signal adds nothing to it. */
	CHECK_HEX(ps_cvsignal(CV, 0x300, 0, PS_CV_C, 0, 0), PS_CV_P);
	CHECK_HEX(wait_ms(0x200, PS_CV_C, 1000), PS_INC | PS_CV_P);
	CHECK_HEX(wait_ms(0x100, PS_CV_C, 1000), PS_INC | PS_CV_P);
	CHECK_HEX(wait_ms(0x300, PS_CV_C, 1000), PS_INC | PS_CV_C);
}

TEST(broadcast_takes_the_place_of_kept_signals)
{
	mach_open();
	CHECK_HEX(ps_cvsignal(CV, 0x100, 0, PS_CV_C, 0, 0), PS_CV_P);
	CHECK_HEX(ps_cvbroad(CV, 0x200, 0x100, PS_CV_C, 0x100, 0), PS_CV_P);
	CHECK_HEX(wait_ms(0x200, PS_CV_C, 1000), PS_INC | PS_CV_P);
	CHECK_HEX(wait_ms(0x100, PS_CV_C, 1000), PS_INC | PS_CV_C);
}

TEST(words_are_checked)
{
	struct ps_wait wait = { .cv = CV, .l = 0x100, .s = 0x100 };

	mach_open();
	/* As many gone as have come, or more */
	CHECK_RET(ps_cvwait(&wait), -EINVAL);
	wait.s = 0x200;
	CHECK_RET(ps_cvwait(&wait), -EINVAL);
	CHECK_RET(ps_cvsignal(CV, 0x100, 0x100, 0, 0, 0), -EINVAL);
	CHECK_RET(ps_cvsignal(CV, 0x100, 0, 0x200, 0, 0), -EINVAL);
	CHECK_RET(ps_cvbroad(CV, 0x100, 0x100, 0, 0, 0), -EINVAL);
	CHECK_RET(ps_cvbroad(CV, 0x100, 0, 0x200, 0x100, 0), -EINVAL);
	/* Too many */
	CHECK_RET(ps_cvbroad(CV, 0x50000, 0, 0, 1025 * PS_INC, 0), -EBUSY);
	CHECK_HEX(ps_cvbroad(CV, 0x50000, 0, 0, 1024 * PS_INC, 0), PS_CV_P);
}

TEST(equal_counts_do_not_wait_together)
{
	struct ps_call waiter = waiter_at(0x100);

	mach_open();
	ps_call_block(&waiter);
	CHECK_RET(wait_ms(0x100, PS_CV_C, 1000), -EBUSY);
	CHECK_HEX(ps_cvsignal(CV, 0x100, 0, PS_CV_C, 0, 0), PS_INC | PS_CV_C);
	CHECK_HEX(ps_call_end(&waiter), 0);
}

TEST(timeout_is_relative_and_tells_what_is_left)
{
	struct ps_call other = waiter_at(0x200);
	uint64_t began;

	mach_open();
	began = now_ns();
	CHECK_RET(wait_ms(0x100, PS_CV_C, 50), -(ETIMEDOUT | PS_ERR_CLEARED));
	CHECK(now_ns() - began >= 50000000);
	CHECK(now_ns() - began < 5000000000);
	ps_call_block(&other);
	CHECK_RET(wait_ms(0x100, PS_CV_C, 20), -ETIMEDOUT);
	CHECK_HEX(ps_cvsignal(CV, 0x200, 0, 0x100 | PS_CV_C, 0, 0), PS_INC | PS_CV_C);
	CHECK_HEX(ps_call_end(&other), 0);
}

TEST(timeout_of_the_past_is_over_at_once)
{
	struct ps_wait wait = { .cv = CV, .l = 0x100, .s = PS_CV_C, .sec = -1 };

	mach_open();
	CHECK_RET(ps_cvwait(&wait), -(ETIMEDOUT | PS_ERR_CLEARED));
	wait.sec = INT64_MIN;
	CHECK_RET(ps_cvwait(&wait), -(ETIMEDOUT | PS_ERR_CLEARED));
	/* The upper bits of the nanoseconds do not count. */
	wait.sec = 0;
	wait.nsec = 0xc0000001;
	CHECK_RET(ps_cvwait(&wait), -(ETIMEDOUT | PS_ERR_CLEARED));
}

TEST(long_timeout_waits)
{
	struct ps_call waiter = waiter_at(0x100);

	mach_open();
	waiter.wait.sec = INT64_MAX;
	ps_call_block(&waiter);
	CHECK(ps_call_is_blocked(&waiter));
	CHECK_HEX(ps_cvsignal(CV, 0x100, 0, PS_CV_C, 0, 0), PS_INC | PS_CV_C);
	CHECK_HEX(ps_call_end(&waiter), 0);
}

TEST(signal_interrupts_the_wait)
{
	struct ps_call waiter = waiter_at(0x100);

	catch_signal(SIGUSR1);
	mach_open();
	ps_call_block(&waiter);
	worker_signal(&waiter.worker, SIGUSR1);
	CHECK_RET(ps_call_end(&waiter), -(EINTR | PS_ERR_CLEARED));
	/* With others waiting */
	struct ps_call first = waiter_at(0x100), second = waiter_at(0x200);

	ps_call_block(&first);
	ps_call_block(&second);
	worker_signal(&first.worker, SIGUSR1);
	CHECK_RET(ps_call_end(&first), -EINTR);
	CHECK_HEX(ps_cvsignal(CV, 0x200, 0, 0x100 | PS_CV_C, 0, 0), PS_INC | PS_CV_C);
	CHECK_HEX(ps_call_end(&second), 0);
}

TEST(last_to_lose_patience_releases_all)
{
	struct ps_call high = waiter_at(0x200);

	catch_signal(SIGUSR1);
	mach_open();
	ps_call_block(&high);
	/* L is 0x200 and two go: the other one at 0x100 is known not to be here. */
	CHECK_RET(wait_ms(0x100, 0, 20), -ETIMEDOUT);
	worker_signal(&high.worker, SIGUSR1);
	CHECK_RET(ps_call_end(&high), -(EINTR | PS_ERR_CLEARED));
}

TEST(waiters_are_released_when_all_are_gone)
{
	struct ps_call waiter = waiter_at(0x100);

	mach_open();
	ps_call_block(&waiter);
	/* S catches up by those who come and go by a broadcast. */
	CHECK_HEX(ps_cvsignal(CV, 0x100, 0, PS_CV_C, 0, 0), PS_INC | PS_CV_C);
	CHECK_HEX(ps_call_end(&waiter), 0);
	/* A condition variable that is made anew under its waiter: words that start over. */
	struct ps_call left = waiter_at(0x200);

	ps_call_block(&left);
	CHECK_RET(wait_ms(0x100, 0x100 | PS_CV_C, 20), -EINVAL);
	CHECK_HEX(ps_cvclrprepost(CV, 0x200, 0x200, 0x200, 0x200, 0), 0);
	CHECK_HEX(ps_call_end(&left), PS_INC | PS_CV_C);
}

TEST(kept_signals_can_be_cleared)
{
	mach_open();
	CHECK_HEX(ps_cvsignal(CV, 0x100, 0, PS_CV_C, 0, 0), PS_CV_P);
	CHECK_HEX(ps_cvsignal(CV, 0x300, 0x100, PS_CV_C, 0, 0), PS_CV_P);
	CHECK_HEX(ps_cvclrprepost(CV, 0x300, 0, 0, 0x200, 0), 0);
	CHECK_HEX(wait_ms(0x300, PS_CV_C, 1000), PS_INC);
	CHECK_RET(wait_ms(0x100, PS_CV_C, 20), -(ETIMEDOUT | PS_ERR_CLEARED));
	/* Nothing there at all */
	CHECK_HEX(ps_cvclrprepost(CV, 0x300, 0, 0, 0x200, 0), 0);
}

TEST(wait_drops_the_mutex)
{
	struct ps_call holder = {
		.op = PS_MUTEXWAIT, .object = MUTEX, .l = 0x203, .u = 0x100, .flags = PS_FAIR,
	};
	struct ps_call waiter = waiter_at(0x100);

	mach_open();
	waiter.wait.mutex = MUTEX;
	waiter.wait.mutex_l = 0x203;
	waiter.wait.mutex_u = 0x100;
	waiter.wait.flags = PS_FAIR;
	ps_call_block(&holder);
	ps_call_block(&waiter);
	CHECK_HEX(ps_call_end(&holder), 0x203);
	CHECK_HEX(ps_cvsignal(CV, 0x100, 0, PS_CV_C, 0, 0), PS_INC | PS_CV_C);
	CHECK_HEX(ps_call_end(&waiter), 0);
}

TEST(mutex_is_dropped_although_there_is_nothing_to_wait_for)
{
	struct ps_wait wait = {
		.cv = CV, .l = 0x100, .s = PS_CV_C, .mutex = MUTEX, .mutex_l = 0x203,
		.mutex_u = 0x100, .flags = PS_FAIR,
	};

	mach_open();
	CHECK_HEX(ps_cvsignal(CV, 0x100, 0, PS_CV_C, 0, 0), PS_CV_P);
	CHECK_HEX(ps_cvwait(&wait), PS_INC | PS_CV_C);
	CHECK_HEX(ps_mutexwait(MUTEX, 0x203, 0x100, PS_FAIR), 0x203);
}

TEST(what_is_no_mutex_is_not_dropped)
{
	struct ps_wait wait = {
		.cv = CV, .l = 0x100, .s = PS_CV_C, .mutex = MUTEX, .mutex_l = 0x203,
		.mutex_u = 0x100,
	};

	mach_open();
	CHECK_HEX(ps_cvsignal(MUTEX, 0x100, 0, PS_CV_C, 0, 0), PS_CV_P);
	CHECK_RET(ps_cvwait(&wait), -EBUSY);
	/* The condition variable is looked at first. */
	CHECK_HEX(ps_mutexdrop(CV, 0x203, 0x100, PS_FAIR), 0);
	wait.mutex = (void *)0x32345678;
	CHECK_RET(ps_cvwait(&wait), -EBUSY);
	CHECK_HEX(ps_mutexdrop(wait.mutex, 0x203, 0x100, PS_FAIR), 0);
	CHECK_HEX(ps_mutexwait(wait.mutex, 0x203, 0x100, PS_FAIR), 0x203);
}

TEST(signal_for_a_name_that_is_no_thread_is_refused)
{
	mach_open();
	CHECK_RET(ps_cvsignal(CV, 0x100, 0, PS_CV_C, unused_name(), 0), -ESRCH);
	CHECK_RET(ps_cvsignal(CV, 0x100, 0, PS_CV_C, new_send_right(), 0), -ESRCH);
	CHECK_RET(ps_cvsignal(CV, 0x100, 0, PS_CV_C, new_dead_name(), 0), -ESRCH);
	/* The words come first, but for U. */
	CHECK_RET(ps_cvsignal(CV, 0x100, 0, 0x200, unused_name(), 0), -EINVAL);
	CHECK_RET(ps_cvsignal(CV, 0x100, 0x100, PS_CV_C, unused_name(), 0), -ESRCH);
}

/* A thread that waits under a name of its own */
struct named {
	struct worker worker;
	name_t port;
	struct gate told;
	uint32_t l;
	long result;
};

static void *wait_named(void *argument)
{
	struct named *named = argument;
	struct ps_wait wait = { .cv = CV, .l = named->l, .s = PS_CV_C };

	named->port = thread_self();
	gate_open(&named->told);
	named->result = ps_cvwait(&wait);
	return NULL;
}

static void named_block(struct named *named, uint32_t l)
{
	named->l = l;
	gate_init(&named->told);
	worker_start(&named->worker, wait_named, named);
	gate_pass(&named->told);
	worker_wait_in_trap(&named->worker);
}

TEST(signal_for_a_thread_wakes_that_one)
{
	struct named first, second;

	mach_open();
	named_block(&first, 0x100);
	named_block(&second, 0x200);
	CHECK_HEX(ps_cvsignal(CV, 0x200, 0, PS_CV_C, second.port, 0), PS_INC);
	worker_join(&second.worker);
	CHECK_HEX(second.result, 0);
	CHECK_HEX(ps_cvsignal(CV, 0x200, 0, 0x100 | PS_CV_C, first.port, 0), PS_INC | PS_CV_C);
	worker_join(&first.worker);
	CHECK_HEX(first.result, 0);
	/* A thread that has ended */
	CHECK_RET(ps_cvsignal(CV, 0x200, 0, PS_CV_C, first.port, 0), -ESRCH);
}

TEST(signal_for_a_thread_that_does_not_wait_is_for_all)
{
	struct named waiter;

	mach_open();
	named_block(&waiter, 0x100);
	CHECK_HEX(ps_cvsignal(CV, 0x200, 0, PS_CV_C, thread_self(), 0), PS_INC | PS_CV_P);
	worker_join(&waiter.worker);
	CHECK_HEX(waiter.result, 0);
	CHECK_HEX(wait_ms(0x200, PS_CV_C, 1000), PS_INC | PS_CV_C);
}

TEST(cancellation_ends_the_wait)
{
	struct named waiter;

	mach_open();
	if (!trap_is_built(NR_pthread_markcancel))
		SKIP("pthread_markcancel is not built");
	named_block(&waiter, 0x100);
	CHECK_RET(trap(NR_pthread_markcancel, waiter.port), 0);
	worker_join(&waiter.worker);
	CHECK_RET(waiter.result, -(EINTR | PS_ERR_CLEARED));
}

TEST(cancelled_thread_does_not_begin_to_wait)
{
	mach_open();
	if (!trap_is_built(NR_pthread_markcancel))
		SKIP("pthread_markcancel is not built");
	CHECK_RET(trap(NR_pthread_markcancel, thread_self()), 0);
	CHECK_RET(wait_ms(0x100, PS_CV_C, 1000), -EINTR);
	CHECK_RET(wait_ms(0x100, 0x100, 1000), -EINTR);
	/* Not while it refuses to be cancelled */
	CHECK_RET(trap(NR_pthread_canceled, 2), 0);
	CHECK_RET(wait_ms(0x100, PS_CV_C, 20), -(ETIMEDOUT | PS_ERR_CLEARED));
}
