// SPDX-License-Identifier: GPL-2.0
/*
 * pthread_markcancel and every wait that the module has: which are cancellation
 * points, for threads that may be cancelled and for others.
 * time limit: 200 s
 */
#include <errno.h>
#include <stdatomic.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "psynch.h"
#include "sema.h"
#include "short_rights.h"

#define LOCK		((void *)0x12345678)
#define GRANT(seq)	((seq) | PS_E | PS_K)

/* What the waits of a case work with */
static name_t sema, port, full;

static long wait_cv(void)
{
	return ps_cvwait(&(struct ps_wait){ .cv = LOCK, .l = 0x100, .s = PS_CV_C });
}

static long wait_cv_with_limit(void)
{
	return ps_cvwait(&(struct ps_wait){ .cv = LOCK, .l = 0x100, .s = PS_CV_C, .sec = 600 });
}

static void signal_cv(void)
{
	CHECK_HEX(ps_cvsignal(LOCK, 0x100, 0, PS_CV_C, 0, 0), PS_INC | PS_CV_C);
}

static long wait_mutex(void)
{
	return ps_mutexwait(LOCK, 0x203, 0x100, PS_FAIR);
}

static long wait_mutex_first_fit(void)
{
	return ps_mutexwait(LOCK, 0x203, 0x100, PS_FIRSTFIT);
}

static void drop_mutex(void)
{
	CHECK_HEX(ps_mutexdrop(LOCK, 0x203, 0x100, PS_FAIR), 0);
}

static void drop_mutex_first_fit(void)
{
	CHECK_HEX(ps_mutexdrop(LOCK, 0x203, 0x100, PS_FIRSTFIT), 0);
}

static long wait_read(void)
{
	return ps_rdlock(LOCK, 0x200, 0x100, 0x100, 0);
}

static void unlock_reader(void)
{
	CHECK_HEX(ps_rwunlock(LOCK, 0x200, 0x100, 0x100, 0), PS_INC);
}

static long wait_write(void)
{
	return ps_wrlock(LOCK, 0x200, 0x100, 0x100, 0);
}

static void unlock_writer(void)
{
	CHECK_HEX(ps_rwunlock(LOCK, 0x200, 0x100, 0x100, 0), PS_INC | PS_K | PS_E);
}

static long wait_sema(void)
{
	return sema_wait(sema);
}

static long wait_sema_with_limit(void)
{
	return sema_timedwait(sema, 600, 0);
}

static long wait_sema_and_signal(void)
{
	return sema_wait_signal(sema, port);
}

static long wait_sema_and_signal_with_limit(void)
{
	return sema_timedwait_signal(sema, port, 600, 0);
}

static void signal_sema(void)
{
	CHECK_RET(sema_signal(sema), KERN_SUCCESS);
}

static long wait_message(void)
{
	struct message message;

	return msg_receive_blocking(&message, full);
}

static void send_message(void)
{
	CHECK_RET(send_id(full, MAKE_SEND, 1), 0);
}

static const struct wait {
	const char *name;
	long (*wait)(void);
	void (*end)(void);
	/* The result when it is ended, and when the thread is cancelled; 0: it is not. */
	long ended, cancelled;
} waits[] = {
	{ "cvwait", wait_cv, signal_cv, 0, -(EINTR | PS_ERR_CLEARED) },
	{ "cvwait with a limit", wait_cv_with_limit, signal_cv, 0, -(EINTR | PS_ERR_CLEARED) },
	{ "mutexwait", wait_mutex, drop_mutex, GRANT(0x200), 0 },
	{ "mutexwait, first fit", wait_mutex_first_fit, drop_mutex_first_fit, GRANT(0x200), 0 },
	{ "rw_rdlock", wait_read, unlock_reader, PS_INC, 0 },
	{ "rw_wrlock", wait_write, unlock_writer, PS_INC | PS_K | PS_E, 0 },
	{ "semaphore_wait", wait_sema, signal_sema, KERN_SUCCESS, 0 },
	{ "semaphore_timedwait", wait_sema_with_limit, signal_sema, KERN_SUCCESS, 0 },
	{ "semaphore_wait_signal", wait_sema_and_signal, signal_sema, KERN_SUCCESS, 0 },
	{ "semaphore_timedwait_signal", wait_sema_and_signal_with_limit, signal_sema,
	  KERN_SUCCESS, 0 },
	{ "mach_msg, receiving", wait_message, send_message, 0, 0 },
};

static long mark_cancel(name_t thread)
{
	return trap(NR_pthread_markcancel, thread);
}

static long canceled(int action)
{
	return trap(NR_pthread_canceled, (unsigned long)action);
}

/* A thread that waits once; with a mark before that, or not. */
struct waiter {
	struct worker worker;
	const struct wait *wait;
	bool cancellable, marked;
	atomic_uint port;
	long result, state;
};

static void *wait_once(void *argument)
{
	struct waiter *waiter = argument;
	name_t own = thread_self();

	if (waiter->marked)
		CHECK_RET(mark_cancel(own), 0);
	CHECK_RET(canceled(waiter->cancellable ? 1 : 2), 0);
	atomic_store(&waiter->port, own);
	waiter->result = waiter->wait->wait();
	waiter->state = canceled(0);
	return NULL;
}

static void waiter_start(struct waiter *waiter)
{
	worker_start(&waiter->worker, wait_once, waiter);
	while (!atomic_load(&waiter->port))
		sleep_ms(1);
}

static void begin(void)
{
	mach_open();
	sema = new_sema(0);
	port = new_sema(0);
	full = new_port();
}

TEST(mark_ends_the_waits_that_are_cancellation_points)
{
	begin();
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		struct waiter waiter = { .wait = &waits[i], .cancellable = true };

		waiter_start(&waiter);
		worker_wait_in_trap(&waiter.worker);
		CHECK_RET(mark_cancel(atomic_load(&waiter.port)), 0);
		if (!waits[i].cancelled) {
			sleep_ms(20);
			worker_wait_in_trap(&waiter.worker);
			waits[i].end();
		}
		worker_join(&waiter.worker);
		if (!CHECK_HEX(waiter.result, waits[i].cancelled ? waits[i].cancelled :
								   waits[i].ended))
			note("%s", waits[i].name);
		/* The mark stays, for the thread to find. */
		CHECK_RET(waiter.state, 0);
	}
}

TEST(mark_ends_no_wait_of_a_thread_that_refuses)
{
	begin();
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		struct waiter waiter = { .wait = &waits[i] };

		waiter_start(&waiter);
		worker_wait_in_trap(&waiter.worker);
		for (int j = 0; j < 10; j++)
			CHECK_RET(mark_cancel(atomic_load(&waiter.port)), 0);
		sleep_ms(20);
		worker_wait_in_trap(&waiter.worker);
		waits[i].end();
		worker_join(&waiter.worker);
		if (!CHECK_HEX(waiter.result, waits[i].ended))
			note("%s", waits[i].name);
		CHECK_RET(waiter.state, -EINVAL);
	}
}

TEST(marked_thread_begins_only_waits_that_are_no_cancellation_points)
{
	begin();
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		struct waiter waiter = { .wait = &waits[i], .cancellable = true, .marked = true };

		waiter_start(&waiter);
		if (!waits[i].cancelled) {
			worker_wait_in_trap(&waiter.worker);
			waits[i].end();
		}
		worker_join(&waiter.worker);
		/* Nobody waits, so nothing is left to be told of. */
		if (!CHECK_HEX(waiter.result, waits[i].cancelled ? -EINTR : waits[i].ended))
			note("%s", waits[i].name);
		CHECK_RET(waiter.state, 0);
	}
}

TEST(marked_thread_that_refuses_begins_all_waits)
{
	begin();
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		struct waiter waiter = { .wait = &waits[i], .marked = true };

		waiter_start(&waiter);
		worker_wait_in_trap(&waiter.worker);
		waits[i].end();
		worker_join(&waiter.worker);
		if (!CHECK_HEX(waiter.result, waits[i].ended))
			note("%s", waits[i].name);
		/* Neither has it forgotten. */
		CHECK_RET(waiter.state, -EINVAL);
	}
}

/* A wake-up that comes with the mark is not lost: the thread has it, or another. */
TEST(mark_and_signal_at_once)
{
	begin();
	for (int i = 0; i < 200; i++) {
		struct waiter waiter = { .wait = &waits[0], .cancellable = true };
		long woken;

		waiter_start(&waiter);
		worker_wait_in_trap(&waiter.worker);
		CHECK_RET(mark_cancel(atomic_load(&waiter.port)), 0);
		woken = ps_cvsignal(LOCK, 0x100, 0, PS_CV_C, 0, 0);
		worker_join(&waiter.worker);
		if (waiter.result >= 0) {
			CHECK_HEX(woken, PS_INC | PS_CV_C);
		} else {
			/* The signal came later, and is kept for the count. */
			CHECK_RET(waiter.result, -(EINTR | PS_ERR_CLEARED));
			CHECK_HEX(woken, PS_CV_P);
			CHECK_RET(ps_cvclrprepost(LOCK, 0x100, 0x100, 0x100, 0x100, 0), 0);
		}
	}
}
