// SPDX-License-Identifier: GPL-2.0
/*
 * Traps of semaphores, timers and psynch with the n-th allocation or user copy
 * failing: with arguments that get as far as they can. See lib/attempt.h.
 *
 * time limit: 600 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "attempt.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "psynch.h"
#include "sema.h"
#include "short_rights.h"

#define GRANT(seq)	((seq) | PS_E | PS_K)

/* Semaphores */

static void a_semaphore(struct scene *scene)
{
	a_task(scene);
	scene->port = new_sema(1);
	scene->other = new_sema(0);
}

static long signal_it(struct scene *scene)
{
	return sema_signal(scene->port);
}

static long take_it(struct scene *scene)
{
	return sema_timedwait_signal(scene->port, scene->other, 0, 1);
}

static long wait_in_vain(struct scene *scene)
{
	return sema_timedwait(scene->other, 0, 1000);
}

/* One was there, and none in the other. */
static void counts(struct scene *scene, int32_t count, int32_t other)
{
	CHECK_EQ(sema_drain(scene->port), count);
	CHECK_EQ(sema_drain(scene->other), other);
}

static void one_more(struct scene *scene, long result)
{
	(void)result;
	counts(scene, 2, 0);
}

static void moved(struct scene *scene, long result)
{
	(void)result;
	counts(scene, 0, 1);
}

static void as_before(struct scene *scene, long result)
{
	(void)result;
	counts(scene, 1, 0);
}

TEST_LIMIT(signalling_a_semaphore, 300)
{
	try_all(&(struct attempt){
		.prepare = a_semaphore, .act = signal_it, .harmless = { -EFAULT },
		.verify = one_more,
	});
}

TEST_LIMIT(waiting_for_a_semaphore_and_signalling, 300)
{
	try_all(&(struct attempt){
		.prepare = a_semaphore, .act = take_it, .harmless = { -EFAULT },
		.verify = moved,
	});
}

TEST_LIMIT(waiting_for_a_semaphore_in_vain, 300)
{
	try_all(&(struct attempt){
		.prepare = a_semaphore, .act = wait_in_vain,
		.success = KERN_OPERATION_TIMED_OUT,
		/* The first wait of a thread makes its place in queues. */
		.harmless = { -EFAULT, KERN_RESOURCE_SHORTAGE },
		.verify = as_before,
	});
}

static void a_request_to_create(struct scene *scene)
{
	a_port(scene);
	message_init(&scene->message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), self(), scene->other,
		     MSG_SEMAPHORE_CREATE);
	/* After the NDR record, policy and count */
	scene->message.body[2] = SYNC_POLICY_FIFO;
	scene->message.body[3] = 5;
	scene->size = HEADER_SIZE + 16;
}

static long send_request(struct scene *scene)
{
	return msg_send(&scene->message, scene->size);
}

/* There is a semaphore if there is a right to it, and an answer or the end of the reply right. */
static void made_or_not(struct scene *scene, long result)
{
	struct message reply;
	bool made = false;

	if (msg_receive_within(&reply, scene->other, 0) == 0) {
		made = reply.header.bits & MSGH_COMPLEX;
		CHECK(reply.header.id == MSG_SEMAPHORE_CREATE + 100 ||
		      reply.header.id == NOTIFY_SEND_ONCE);
	}
	CHECK_EQ(live("semaphores"), made);
	if (!result && !made)
		CHECK(no_message_is_left(1));
}

TEST_LIMIT(making_a_semaphore, 300)
{
	try_all(&(struct attempt){
		.prepare = a_request_to_create, .act = send_request,
		.harmless = { -EFAULT, MACH_SEND_NO_BUFFER, MACH_SEND_INVALID_DATA },
		.verify = made_or_not,
	});
}

/* Timers */

static long make_timer(struct scene *scene)
{
	scene->port = (name_t)trap(NR_mk_timer_create_trap, 0);
	return scene->port ? 0 : -ENOMEM;
}

static long arm_timer(struct scene *scene)
{
	struct mk_timer_arm_args arguments = { .timer_port = scene->port, .expire_time = 1 };

	return trap_struct(NR_mk_timer_arm_trap, &arguments);
}

static long arm_timer_for_later(struct scene *scene)
{
	struct mk_timer_arm_args arguments = {
		.timer_port = scene->port, .expire_time = now_ns() + 3600000000000ull,
	};

	return trap_struct(NR_mk_timer_arm_trap, &arguments);
}

static long cancel_timer(struct scene *scene)
{
	static uint64_t was;
	struct mk_timer_cancel_args arguments = {
		.timer_port = scene->port, .result_time = &was,
	};

	return trap_struct(NR_mk_timer_cancel_trap, &arguments);
}

static void a_timer(struct scene *scene)
{
	a_task(scene);
	REQUIRE_RET(make_timer(scene), 0);
}

static void an_armed_timer(struct scene *scene)
{
	a_timer(scene);
	REQUIRE_RET(arm_timer_for_later(scene), 0);
}

static void timer_works(struct scene *scene, long result)
{
	struct message message;

	(void)result;
	CHECK_EQ(live("timers"), 1);
	CHECK_RET(arm_timer(scene), 0);
	CHECK_RET(msg_receive_within(&message, scene->port, 20000), 0);
	CHECK_NO_MESSAGE(scene->port);
}

static void expires_once(struct scene *scene, long result)
{
	struct message message;

	(void)result;
	CHECK_RET(msg_receive_within(&message, scene->port, 20000), 0);
	CHECK_NO_MESSAGE(scene->port);
}

/* The moment may not be told; the timer is not set any more. */
static void is_cancelled(struct scene *scene, long result)
{
	(void)result;
	timer_works(scene, result);
}

TEST_LIMIT(making_a_timer, 300)
{
	try_all(&(struct attempt){
		.prepare = a_task, .act = make_timer, .harmless = { -ENOMEM },
		.verify = timer_works,
	});
}

TEST_LIMIT(arming_a_timer_for_the_past, 300)
{
	try_all(&(struct attempt){
		.prepare = a_timer, .act = arm_timer,
		.harmless = { -EFAULT, KERN_RESOURCE_SHORTAGE }, .verify = expires_once,
	});
}

TEST_LIMIT(arming_a_timer_for_later, 300)
{
	try_all(&(struct attempt){
		.prepare = a_timer, .act = arm_timer_for_later,
		.harmless = { -EFAULT, KERN_RESOURCE_SHORTAGE }, .verify = timer_works,
	});
}

TEST_LIMIT(cancelling_a_timer, 300)
{
	try_all(&(struct attempt){
		.prepare = an_armed_timer, .act = cancel_timer, .harmless = { -EFAULT },
		.others = { KERN_FAILURE }, .verify = is_cancelled,
	});
}

/* psynch, in private memory and in memory that may be shared */

static char *page;
static uint32_t flags;

static void a_page(struct scene *scene)
{
	a_task(scene);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(page != MAP_FAILED);
	*page = 1;
}

static void a_dropped_mutex(struct scene *scene)
{
	a_page(scene);
	REQUIRE_RET(ps_mutexdrop(page, 0x203, 0x100, flags | PS_FAIR), 0);
}

static long drop_mutex(struct scene *scene)
{
	(void)scene;
	return ps_mutexdrop(page, 0x203, 0x100, flags | PS_FAIR);
}

static long take_mutex(struct scene *scene)
{
	(void)scene;
	return ps_mutexwait(page, 0x203, 0x100, flags | PS_FAIR);
}

static void is_dropped_once(struct scene *scene, long result)
{
	(void)scene;
	(void)result;
	CHECK_EQ(live("psynch_objects"), 1);
	CHECK_HEX(ps_mutexwait(page, 0x203, 0x100, flags | PS_FAIR), GRANT(0x200));
	CHECK_EQ(live("psynch_objects"), 0);
}

static void nothing_is_kept(struct scene *scene, long result)
{
	(void)scene;
	(void)result;
	CHECK_EQ(live("psynch_objects"), 0);
}

static long signal_cv(struct scene *scene)
{
	(void)scene;
	return ps_cvsignal(page, 0x100, 0, PS_CV_C, 0, flags);
}

static long broadcast_cv(struct scene *scene)
{
	(void)scene;
	return ps_cvbroad(page, 0x100, 0, PS_CV_C, 0x100, flags);
}

static long wait_cv(struct scene *scene)
{
	(void)scene;
	return ps_cvwait(&(struct ps_wait){
		.cv = page, .l = 0x100, .s = PS_CV_C, .flags = flags, .nsec = 1000,
	});
}

/* The mutex is given up first, whatever comes then. */
static long wait_cv_with_mutex(struct scene *scene)
{
	(void)scene;
	return ps_cvwait(&(struct ps_wait){
		.cv = page + 64, .l = 0x100, .s = PS_CV_C, .flags = flags | PS_FAIR, .nsec = 1000,
		.mutex = page, .mutex_l = 0x203, .mutex_u = 0x100,
	});
}

static void dropped_unless_refused(struct scene *scene, long result)
{
	if (live("psynch_objects"))
		is_dropped_once(scene, result);
	else
		CHECK(result == -EFAULT || result == -ENOMEM);
}

static void is_signalled(struct scene *scene, long result)
{
	(void)scene;
	(void)result;
	CHECK_EQ(live("psynch_objects"), 1);
	CHECK_HEX(ps_cvwait(&(struct ps_wait){
		.cv = page, .l = 0x100, .s = PS_CV_C, .flags = flags,
	}), PS_INC | PS_CV_C);
	CHECK_EQ(live("psynch_objects"), 0);
}

static long unlock_rw(struct scene *scene)
{
	(void)scene;
	return ps_rwunlock(page, 0x200, 0x100, 0x100, flags);
}

static void is_unlocked(struct scene *scene, long result)
{
	(void)result;
	CHECK_HEX(ps_wrlock(page, 0x200, 0x100, 0x100, flags), PS_INC | PS_K | PS_E);
	/* As something else it does not stay when it is idle, and be in the way of the next try. */
	CHECK_HEX(drop_mutex(scene), 0);
	CHECK_HEX(take_mutex(scene), GRANT(0x200));
	CHECK_EQ(live("psynch_objects"), 0);
}

static void all_of_psynch(uint32_t sharing)
{
	const struct attempt attempts[] = {
		{ .prepare = a_page, .act = drop_mutex, .verify = is_dropped_once },
		{ .prepare = a_dropped_mutex, .act = take_mutex, .success = GRANT(0x200),
		  .verify = nothing_is_kept },
		{ .prepare = a_page, .act = signal_cv, .success = PS_CV_P, .verify = is_signalled },
		{ .prepare = a_page, .act = broadcast_cv, .success = PS_CV_P,
		  .verify = is_signalled },
		{ .prepare = a_page, .act = wait_cv, .success = -(ETIMEDOUT | PS_ERR_CLEARED),
		  .verify = nothing_is_kept },
		{ .prepare = a_page, .act = unlock_rw, .success = 0x200, .verify = is_unlocked },
	};

	flags = sharing;
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		struct attempt attempt = attempts[i];

		attempt.harmless[0] = -EFAULT;
		attempt.harmless[1] = -ENOMEM;
		try_all(&attempt);
	}
	try_all(&(struct attempt){
		.prepare = a_page, .act = wait_cv_with_mutex,
		.success = -(ETIMEDOUT | PS_ERR_CLEARED), .others = { -EFAULT, -ENOMEM },
		.verify = dropped_unless_refused,
	});
}

TEST_LIMIT(psynch_in_private_memory, 300)
{
	all_of_psynch(PS_PRIVATE);
}

TEST_LIMIT(psynch_in_shared_memory, 300)
{
	all_of_psynch(PS_SHARED);
}
