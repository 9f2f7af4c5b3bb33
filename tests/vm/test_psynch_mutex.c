// SPDX-License-Identifier: GPL-2.0
/*
 * psynch_mutexwait and psynch_mutexdrop: who gets the mutex, what is kept for
 * those who have not come yet, and what the words say.
 * time limit: 200 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "harness.h"
#include "psynch.h"

/* The address of a mutex is its name; nothing is read or written there. */
#define MUTEX		((void *)0x12345678)
#define OTHER		((void *)0x22345678)
#define GRANT(seq)	((seq) | PS_E | PS_K)

static struct ps_call waiter_at(uint32_t seq, uint32_t flags)
{
	return (struct ps_call){
		.op = PS_MUTEXWAIT, .object = MUTEX, .l = seq | PS_E | PS_K, .u = 0x100,
		.flags = flags,
	};
}

static void check_unread(unsigned int number)
{
	struct hole hole;

	hole_init(&hole);
	CHECK_RET(trap(number, (unsigned long)fault_at(&hole, 39)), -EFAULT);
	for (size_t i = 0; i < bad_pointer_count; i++)
		CHECK_RET(trap(number, bad_pointers[i]), -EFAULT);
	hole_done(&hole);
}

TEST(arguments_are_read_before_anything)
{
	mach_open();
	check_unread(NR_psynch_mutexwait_trap);
	check_unread(NR_psynch_mutexdrop_trap);
	check_unread(NR_psynch_cvwait_trap);
	check_unread(NR_psynch_cvsignal_trap);
	check_unread(NR_psynch_cvbroad_trap);
	check_unread(NR_psynch_cvclrprepost);
	check_unread(NR_psynch_rw_rdlock);
	check_unread(NR_psynch_rw_wrlock);
	check_unread(NR_psynch_rw_unlock);
}

TEST(fair_drop_wakes_the_next_count)
{
	struct ps_call second = waiter_at(0x200, PS_FAIR), third = waiter_at(0x300, PS_FAIR);

	mach_open();
	ps_call_block(&third);
	ps_call_block(&second);
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x303, 0x100, PS_FAIR), 0);
	/* The word tells the highest count that waits. */
	CHECK_HEX(ps_call_end(&second), GRANT(0x300));
	CHECK(ps_call_is_blocked(&third));
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x303, 0x200, PS_FAIR), 0);
	CHECK_HEX(ps_call_end(&third), GRANT(0x300));
}

TEST(fair_drop_before_its_waiter_is_kept)
{
	mach_open();
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x203, 0x100, PS_FAIR), 0);
	CHECK_HEX(ps_mutexwait(MUTEX, 0x203, 0x100, PS_FAIR), GRANT(0x200));
}

TEST(fair_drop_is_for_its_count_only)
{
	struct ps_call later = waiter_at(0x300, PS_FAIR);

	mach_open();
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x303, 0x100, PS_FAIR), 0);
	ps_call_block(&later);
	/* The one it is for: the mutex is its, and another waits already. */
	CHECK_HEX(ps_mutexwait(MUTEX, 0x203, 0x100, PS_FAIR), GRANT(0x300));
	CHECK(ps_call_is_blocked(&later));
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x303, 0x200, PS_FAIR), 0);
	CHECK_HEX(ps_call_end(&later), GRANT(0x300));
}

TEST(fair_drop_past_waiting_counts_finds_its_own)
{
	struct ps_call low = waiter_at(0x200, PS_FAIR), wanted = waiter_at(0x400, PS_FAIR);

	mach_open();
	ps_call_block(&low);
	ps_call_block(&wanted);
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x403, 0x300, PS_FAIR), 0);
	CHECK_HEX(ps_call_end(&wanted), GRANT(0x400));
	CHECK(ps_call_is_blocked(&low));
	/* Not there: kept. */
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x503, 0x400, PS_FAIR), 0);
	CHECK_HEX(ps_mutexwait(MUTEX, 0x503, 0x400, PS_FAIR), GRANT(0x200));
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x503, 0x100, PS_FAIR), 0);
	CHECK_HEX(ps_call_end(&low), GRANT(0x200));
}

TEST(second_fair_drop_for_one_waiter_is_an_error_of_the_waiter)
{
	mach_open();
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x203, 0x100, PS_FAIR), 0);
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x203, 0x100, PS_FAIR), 0);
	CHECK_RET(ps_mutexwait(MUTEX, 0x203, 0x100, PS_FAIR), -EINVAL);
	/* The other one is for the next. */
	CHECK_HEX(ps_mutexwait(MUTEX, 0x303, 0x100, PS_FAIR), GRANT(0x300));
}

TEST(equal_counts_do_not_wait_together)
{
	struct ps_call waiter = waiter_at(0x200, PS_FAIR);

	mach_open();
	ps_call_block(&waiter);
	CHECK_RET(ps_mutexwait(MUTEX, 0x203, 0x100, PS_FAIR), -EBUSY);
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x203, 0x100, PS_FAIR), 0);
	CHECK_HEX(ps_call_end(&waiter), GRANT(0x200));
}

TEST(counts_wrap)
{
	struct ps_call last = waiter_at(0xffffff00, PS_FAIR), first = waiter_at(0x0, PS_FAIR);

	mach_open();
	ps_call_block(&first);
	ps_call_block(&last);
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x3, 0xfffffe00, PS_FAIR), 0);
	CHECK_HEX(ps_call_end(&last), GRANT(0x0));
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x3, 0xffffff00, PS_FAIR), 0);
	CHECK_HEX(ps_call_end(&first), GRANT(0x0));
}

TEST(high_counts_are_results_like_others)
{
	mach_open();
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x90000003, 0x8fffff00, PS_FAIR), 0);
	CHECK_HEX((uint32_t)ps_mutexwait(MUTEX, 0x90000003, 0x8fffff00, PS_FAIR),
		  GRANT(0x90000000));
}

TEST(first_fit_wakes_in_order_of_arrival)
{
	struct ps_call high = waiter_at(0x500, PS_FIRSTFIT), low = waiter_at(0x200, PS_FIRSTFIT);

	mach_open();
	ps_call_block(&high);
	ps_call_block(&low);
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x503, 0x100, PS_FIRSTFIT), 0);
	CHECK_HEX(ps_call_end(&high), GRANT(0x500));
	CHECK(ps_call_is_blocked(&low));
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x503, 0x200, PS_FIRSTFIT), 0);
	CHECK_HEX(ps_call_end(&low), GRANT(0x200));
}

TEST(first_fit_drop_is_kept_for_anybody)
{
	mach_open();
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x501, 0x100, PS_FIRSTFIT), 0x501 | PS_P);
	CHECK_HEX(ps_mutexwait(MUTEX, 0x203, 0x100, PS_FIRSTFIT), GRANT(0x200));
}

TEST(each_first_fit_drop_is_for_one_waiter)
{
	struct ps_call third = waiter_at(0x400, PS_FIRSTFIT);

	mach_open();
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x301, 0x100, PS_FIRSTFIT), 0x301 | PS_P);
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x301, 0x200, PS_FIRSTFIT), 0x301 | PS_P);
	CHECK_HEX(ps_mutexwait(MUTEX, 0x203, 0x100, PS_FIRSTFIT), GRANT(0x200));
	CHECK_HEX(ps_mutexwait(MUTEX, 0x303, 0x100, PS_FIRSTFIT), GRANT(0x300));
	ps_call_block(&third);
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x401, 0x300, PS_FIRSTFIT), 0);
	CHECK_HEX(ps_call_end(&third), GRANT(0x400));
}

TEST(kept_first_fit_drops_can_be_cleared)
{
	struct ps_call waiter = waiter_at(0x300, PS_FIRSTFIT);

	mach_open();
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x501, 0x100, PS_FIRSTFIT), 0x501 | PS_P);
	/* Not by a lower count, and not as a fair mutex */
	CHECK_HEX(ps_cvclrprepost(MUTEX, 0x400, 0, 0, 0, PS_OPT_MUTEX | PS_FIRSTFIT), 0);
	CHECK_HEX(ps_cvclrprepost(MUTEX, 0x500, 0, 0, 0, PS_OPT_MUTEX | PS_FAIR), 0);
	CHECK_HEX(ps_mutexwait(MUTEX, 0x203, 0x100, PS_FIRSTFIT), GRANT(0x200));
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x501, 0x100, PS_FIRSTFIT), 0x501 | PS_P);
	CHECK_HEX(ps_cvclrprepost(MUTEX, 0x500, 0, 0, 0, PS_OPT_MUTEX | PS_FIRSTFIT), 0);
	ps_call_block(&waiter);
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x501, 0x200, PS_FIRSTFIT), 0);
	CHECK_HEX(ps_call_end(&waiter), GRANT(0x300));
}

TEST(signal_interrupts_the_wait)
{
	struct ps_call waiter = waiter_at(0x200, PS_FAIR);

	catch_signal(SIGUSR1);
	mach_open();
	ps_call_block(&waiter);
	worker_signal(&waiter.worker, SIGUSR1);
	CHECK_RET(ps_call_end(&waiter), -EINTR);
	/* It left the list: its turn is kept for it. */
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x203, 0x100, PS_FAIR), 0);
	CHECK_HEX(ps_mutexwait(MUTEX, 0x203, 0x100, PS_FAIR), GRANT(0x200));
}

/* Another thread's wish to cancel it ends no wait but those at condition variables. */
static void *wait_for_mutex(void *argument)
{
	name_t *port = argument;

	*port = thread_self();
	return (void *)ps_mutexwait(MUTEX, 0x203, 0x100, PS_FAIR);
}

TEST(cancellation_does_not_end_the_wait)
{
	struct worker worker;
	name_t port = 0;

	mach_open();
	if (!trap_is_built(NR_pthread_markcancel))
		SKIP("pthread_markcancel is not built");
	worker_start(&worker, wait_for_mutex, &port);
	while (!__atomic_load_n(&port, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	worker_wait_in_trap(&worker);
	CHECK_RET(trap(NR_pthread_markcancel, port), 0);
	worker_wait_in_trap(&worker);
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x203, 0x100, PS_FAIR), 0);
	worker_join(&worker);
}

TEST(retry_bit_is_no_part_of_the_count)
{
	mach_open();
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x203, 0x100, PS_FAIR), 0);
	CHECK_HEX(ps_mutexwait(MUTEX, 0x203 | 0x08, 0x100, PS_FAIR), GRANT(0x200));
}

TEST(mutexes_are_told_apart_by_address)
{
	struct ps_call waiter = waiter_at(0x200, PS_FAIR);

	mach_open();
	ps_call_block(&waiter);
	CHECK_HEX(ps_mutexdrop(OTHER, 0x203, 0x100, PS_FAIR), 0);
	CHECK(ps_call_is_blocked(&waiter));
	CHECK_HEX(ps_mutexdrop(MUTEX, 0x203, 0x100, PS_FAIR), 0);
	CHECK_HEX(ps_call_end(&waiter), GRANT(0x200));
	CHECK_HEX(ps_mutexwait(OTHER, 0x203, 0x100, PS_FAIR), GRANT(0x200));
}

TEST(busy_mutex_is_nothing_else)
{
	struct ps_wait wait = { .cv = MUTEX, .l = 0x100 };
	struct ps_call waiter = waiter_at(0x200, PS_FAIR);

	mach_open();
	for (int kept = 0; kept < 2; kept++) {
		if (kept)
			CHECK_HEX(ps_mutexdrop(MUTEX, 0x203, 0x100, PS_FAIR), 0);
		else
			ps_call_block(&waiter);
		CHECK_RET(ps_cvwait(&wait), -EBUSY);
		CHECK_RET(ps_cvsignal(MUTEX, 0x200, 0, 0, 0, 0), -EBUSY);
		CHECK_RET(ps_cvbroad(MUTEX, 0x200, 0, 0, 0x200, 0), -EBUSY);
		CHECK_RET(ps_cvclrprepost(MUTEX, 0x200, 0, 0, 0, 0), -EBUSY);
		CHECK_RET(ps_rdlock(MUTEX, 0x200, 0, 0, 0), -EBUSY);
		CHECK_RET(ps_wrlock(MUTEX, 0x200, 0, 0, 0), -EBUSY);
		CHECK_RET(ps_rwunlock(MUTEX, 0x200, 0x100, 0, 0), -EBUSY);
		if (kept) {
			CHECK_HEX(ps_mutexwait(MUTEX, 0x203, 0x100, PS_FAIR), GRANT(0x200));
		} else {
			CHECK_HEX(ps_mutexdrop(MUTEX, 0x203, 0x100, PS_FAIR), 0);
			CHECK_HEX(ps_call_end(&waiter), GRANT(0x200));
		}
	}
	/* Idle, it can be. */
	CHECK_RET(ps_rwunlock(MUTEX, 0x200, 0x100, 0, 0), 0x200);
}

TEST(killed_waiters_leave_nothing)
{
	mach_open();
	for (int i = 0; i < 20; i++) {
		struct ps_call waiter = waiter_at(0x200, i % 2 ? PS_FAIR : PS_FIRSTFIT);
		pid_t child = fork();

		if (child == 0) {
			mach_forget();
			/* Waits in the first thread of the child, with something kept besides. */
			get_api_version();
			ps_mutexdrop(OTHER, 0x203, 0x100, PS_FAIR);
			ps_mutexwait(waiter.object, waiter.l, waiter.u, waiter.flags);
			_exit(1);
		}
		wait_until_in_trap(child, child);
		kill_child(child);
	}
}
