// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that are killed while they wait, and a wake-up that comes between the
 * kill and their end: it is for another thread. All stay on one CPU, and who kills
 * and wakes is ahead of the others there, so that nothing comes in between.
 * time limit: 200 s
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "psynch.h"
#include "sema.h"
#include "short_rights.h"

#define GRANT(seq)	((seq) | PS_E | PS_K)

enum { ROUNDS = 10 };

static void get_ahead(void)
{
	struct sched_param param = { .sched_priority = 1 };

	REQUIRE(sched_setscheduler(0, SCHED_FIFO, &param) == 0);
}

static void get_back(void)
{
	struct sched_param param = { .sched_priority = 0 };

	REQUIRE(sched_setscheduler(0, SCHED_OTHER, &param) == 0);
}

/* What processes wait for, in memory that they share */
struct shared {
	char mutex[8], cv[8];
	/* What came of the wait */
	_Atomic long result;
};

static struct shared *shared;

static void begin(void)
{
	stay_on_one_cpu();
	mach_open();
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(shared != MAP_FAILED);
}

static void wait_for_mutex(void *argument)
{
	mach_forget();
	atomic_store(&shared->result, ps_mutexwait(shared->mutex, *(uint32_t *)argument, 0x100,
						   PS_SHARED | PS_FIRSTFIT));
}

static void wait_for_cv(void *argument)
{
	struct ps_wait wait = {
		.cv = shared->cv, .l = *(uint32_t *)argument, .s = PS_CV_C, .flags = PS_SHARED,
	};

	mach_forget();
	atomic_store(&shared->result, ps_cvwait(&wait));
}

static pid_t start_waiting(void (*wait)(void *argument), uint32_t l)
{
	pid_t child = start_child(wait, &l);

	wait_until_in_trap(child, child);
	return child;
}

TEST(first_fit_drop_for_a_killed_waiter_is_for_another)
{
	begin();
	for (int i = 0; i < ROUNDS; i++) {
		pid_t killed = start_waiting(wait_for_mutex, 0x200);
		pid_t other = start_waiting(wait_for_mutex, 0x300);

		get_ahead();
		REQUIRE(kill(killed, SIGKILL) == 0);
		CHECK_HEX(ps_mutexdrop(shared->mutex, 0x301, 0x200, PS_SHARED | PS_FIRSTFIT), 0);
		get_back();
		CHECK_HEX(wait_child(killed), SIGKILL);
		WAIT_CHILD_OK(other);
		CHECK_HEX(atomic_load(&shared->result), GRANT(0x300));
	}
}

TEST(first_fit_drop_for_a_killed_waiter_is_kept)
{
	begin();
	for (int i = 0; i < ROUNDS; i++) {
		pid_t killed = start_waiting(wait_for_mutex, 0x200);

		get_ahead();
		REQUIRE(kill(killed, SIGKILL) == 0);
		CHECK_HEX(ps_mutexdrop(shared->mutex, 0x301, 0x200, PS_SHARED | PS_FIRSTFIT), 0);
		get_back();
		CHECK_HEX(wait_child(killed), SIGKILL);
		CHECK_HEX(ps_mutexwait(shared->mutex, 0x300, 0x200, PS_SHARED | PS_FIRSTFIT),
			  GRANT(0x300));
	}
}

TEST(cv_signal_for_a_killed_waiter_is_for_another)
{
	begin();
	for (int i = 0; i < ROUNDS; i++) {
		pid_t killed = start_waiting(wait_for_cv, 0x100);
		pid_t other = start_waiting(wait_for_cv, 0x200);

		get_ahead();
		REQUIRE(kill(killed, SIGKILL) == 0);
		CHECK_HEX(ps_cvsignal(shared->cv, 0x200, 0, PS_CV_C, 0, PS_SHARED), PS_INC);
		get_back();
		CHECK_HEX(wait_child(killed), SIGKILL);
		/* It tells that it goes, and that nobody is left. */
		WAIT_CHILD_OK(other);
		CHECK_HEX(atomic_load(&shared->result), PS_INC | PS_CV_C);
	}
}

/* Two of three are to come, and a signal is kept for one of them. */
TEST(cv_signal_for_a_killed_waiter_is_kept_with_another)
{
	begin();
	for (int i = 0; i < ROUNDS; i++) {
		pid_t killed = start_waiting(wait_for_cv, 0x300);
		struct ps_wait late = {
			.cv = shared->cv, .l = 0x200, .s = PS_CV_C, .flags = PS_SHARED, .sec = 10,
		};

		CHECK_HEX(ps_cvsignal(shared->cv, 0x200, 0x100, PS_CV_C, 0, PS_SHARED), 0);
		get_ahead();
		REQUIRE(kill(killed, SIGKILL) == 0);
		CHECK_HEX(ps_cvsignal(shared->cv, 0x300, 0x200, PS_CV_C, 0, PS_SHARED),
			  PS_INC | PS_CV_P);
		get_back();
		CHECK_HEX(wait_child(killed), SIGKILL);
		CHECK_HEX(ps_cvwait(&late), PS_INC | PS_CV_P);
		CHECK_HEX(ps_cvwait(&late), PS_INC | PS_CV_C);
	}
}

/* Semaphores */

static void wait_for_semaphore(struct peer_side *side)
{
	struct message message;

	REQUIRE_RET(msg_receive_within(&message, side->own, 20000), 0);
	CHECK_RET(sema_wait(message.header.remote), KERN_SUCCESS);
}

static struct peer wait_elsewhere(name_t sema)
{
	struct peer peer;

	peer_start(&peer, wait_for_semaphore, NULL);
	REQUIRE_RET(send_with_reply(peer.port, COPY_SEND, sema, COPY_SEND, 1), 0);
	wait_until_in_trap(peer.pid, peer.pid);
	/* In the receive, or in the wait that it goes on to */
	sleep_ms(20);
	wait_until_in_trap(peer.pid, peer.pid);
	return peer;
}

TEST(semaphore_signal_for_a_killed_waiter_is_for_another)
{
	name_t sema;

	begin();
	sema = new_sema(0);
	for (int i = 0; i < ROUNDS; i++) {
		struct peer killed = wait_elsewhere(sema), other = wait_elsewhere(sema);

		get_ahead();
		REQUIRE(kill(killed.pid, SIGKILL) == 0);
		CHECK_RET(sema_signal(sema), KERN_SUCCESS);
		get_back();
		CHECK_HEX(wait_child(killed.pid), SIGKILL);
		WAIT_CHILD_OK(other.pid);
		CHECK_EQ(sema_drain(sema), 0);
	}
}

TEST(semaphore_signal_for_a_killed_waiter_is_kept)
{
	name_t sema;

	begin();
	sema = new_sema(0);
	for (int i = 0; i < ROUNDS; i++) {
		struct peer killed = wait_elsewhere(sema);

		get_ahead();
		REQUIRE(kill(killed.pid, SIGKILL) == 0);
		CHECK_RET(sema_signal(sema), KERN_SUCCESS);
		get_back();
		CHECK_HEX(wait_child(killed.pid), SIGKILL);
		CHECK_EQ(sema_drain(sema), 1);
	}
}

TEST(semaphore_signal_for_all_is_not_kept)
{
	name_t sema;

	begin();
	sema = new_sema(0);
	for (int i = 0; i < ROUNDS; i++) {
		struct peer killed = wait_elsewhere(sema);

		get_ahead();
		REQUIRE(kill(killed.pid, SIGKILL) == 0);
		CHECK_RET(sema_signal_all(sema), KERN_SUCCESS);
		get_back();
		CHECK_HEX(wait_child(killed.pid), SIGKILL);
		CHECK_EQ(sema_drain(sema), 0);
	}
}
