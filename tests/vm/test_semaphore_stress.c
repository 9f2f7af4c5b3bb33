// SPDX-License-Identifier: GPL-2.0
/*
 * Semaphores under load, on all CPUs. What must hold afterwards: each signal was
 * taken by one wait or is still there.
 * MACH_TEST_SECONDS makes the parts that are bound by time longer.
 * time limit: 400 s
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "sema.h"

static unsigned int seconds(void)
{
	const char *text = getenv("MACH_TEST_SECONDS");

	return text ? (unsigned int)atoi(text) : 6;
}

/* What all threads of a case share, across processes. */
struct shared {
	atomic_llong given[2];
	atomic_llong taken[2];
	atomic_bool stop;
};

static struct shared *new_shared(void)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	REQUIRE(shared != MAP_FAILED);
	return shared;
}

struct actor {
	pthread_t thread;
	pid_t tid;
	struct shared *shared;
	name_t sema[2];
	unsigned int seed;
};

static unsigned int pick(struct actor *actor, unsigned int choices)
{
	return (unsigned int)rand_r(&actor->seed) % choices;
}

/* Notes what a wait that has ended with @result took. */
static void took(struct actor *actor, int which, long result)
{
	if (result == KERN_SUCCESS)
		atomic_fetch_add(&actor->shared->taken[which], 1);
	else if (result != KERN_OPERATION_TIMED_OUT && result != KERN_ABORTED)
		FAIL("a wait returned %ld", result);
}

static void gave(struct actor *actor, int which)
{
	atomic_fetch_add(&actor->shared->given[which], 1);
}

static void act(struct actor *actor)
{
	int which = (int)pick(actor, 2);
	name_t sema = actor->sema[which], other = actor->sema[!which];
	uint32_t nsec = 1 + pick(actor, pick(actor, 2) ? 5000 : 300000);

	switch (pick(actor, 8)) {
	case 0:
	case 1:
	case 2:
		CHECK_RET(sema_signal(sema), KERN_SUCCESS);
		gave(actor, which);
		break;
	case 3:
		took(actor, which, sema_poll(sema));
		break;
	case 4:
	case 5:
		took(actor, which, sema_timedwait(sema, 0, nsec));
		break;
	case 6:
		took(actor, which, sema_timedwait_signal(sema, other, 0, nsec));
		gave(actor, !which);
		break;
	case 7:
		took(actor, which, sema_timedwait_signal(sema, other, 0, 0));
		gave(actor, !which);
		break;
	}
}

static void *act_until_stopped(void *argument)
{
	struct actor *actor = argument;

	actor->tid = thread_id();
	while (!atomic_load(&actor->shared->stop))
		act(actor);
	return NULL;
}

enum { ACTORS = 5 };

static void start_actors(struct actor *actors, struct shared *shared, const name_t *sema,
			 unsigned int seed)
{
	for (int i = 0; i < ACTORS; i++) {
		actors[i] = (struct actor){
			.shared = shared,
			.sema = { sema[0], sema[1] },
			.seed = seed + (unsigned int)i,
		};
		REQUIRE(!pthread_create(&actors[i].thread, NULL, act_until_stopped, &actors[i]));
	}
}

static void join_actors(struct actor *actors)
{
	for (int i = 0; i < ACTORS; i++)
		pthread_join(actors[i].thread, NULL);
}

static void check_balance(struct shared *shared, const name_t *sema)
{
	for (int i = 0; i < 2; i++)
		CHECK_EQ(atomic_load(&shared->taken[i]) + sema_drain(sema[i]),
			 atomic_load(&shared->given[i]));
	note("%lld signals, %lld taken", atomic_load(&shared->given[0]),
	     atomic_load(&shared->taken[0]));
}

static void act_in_child(struct peer_side *side)
{
	struct actor actors[ACTORS];
	struct message message;
	name_t sema[2];

	for (int i = 0; i < 2; i++) {
		REQUIRE_RET(msg_receive_within(&message, side->own, 20000), 0);
		sema[i] = message.header.remote;
	}
	start_actors(actors, side->argument, sema, 1000);
	join_actors(actors);
}

static void balance_with(int policy)
{
	static struct actor actors[ACTORS];
	struct shared *shared;
	struct peer peer;
	name_t sema[2];
	uint64_t end;

	mach_open();
	catch_signal(SIGUSR1);
	shared = new_shared();
	for (int i = 0; i < 2; i++)
		sema[i] = new_sema_with(policy, 0);
	peer_start(&peer, act_in_child, shared);
	for (int i = 0; i < 2; i++)
		REQUIRE_RET(send_with_reply(peer.port, COPY_SEND, sema[i], COPY_SEND, 1), 0);
	start_actors(actors, shared, sema, (unsigned int)now_ns());
	end = now_ns() + seconds() * 1000000000ull;
	while (now_ns() < end) {
		/* Signals at any moment, before, in and after waits. */
		for (int i = 0; i < ACTORS; i++)
			if (actors[i].tid)
				syscall(SYS_tgkill, getpid(), actors[i].tid, SIGUSR1);
		usleep(300);
	}
	atomic_store(&shared->stop, true);
	join_actors(actors);
	WAIT_CHILD_OK(peer.pid);
	check_balance(shared, sema);
}

TEST_LIMIT(each_signal_is_taken_once, 120)
{
	balance_with(SYNC_POLICY_FIFO);
}

TEST_LIMIT(each_signal_is_taken_once_by_priority, 120)
{
	balance_with(SYNC_POLICY_FIXED_PRIORITY);
}

/* A signal that is lost leaves both waiting. */
struct player {
	name_t wait;
	name_t signal;
	int rounds;
};

static void *play(void *argument)
{
	struct player *player = argument;

	for (int i = 0; i < player->rounds; i++)
		REQUIRE_RET(sema_wait_signal(player->wait, player->signal), KERN_SUCCESS);
	return NULL;
}

TEST_LIMIT(ping_pong, 200)
{
	enum { ROUNDS = 100000 };
	struct player players[2];
	pthread_t threads[2];
	name_t sema[2];

	mach_open();
	for (int i = 0; i < 2; i++)
		sema[i] = new_sema(0);
	for (int i = 0; i < 2; i++) {
		players[i] = (struct player){ sema[i], sema[!i], ROUNDS };
		REQUIRE(!pthread_create(&threads[i], NULL, play, &players[i]));
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	/* Each has signalled as often as it has been. */
	for (int i = 0; i < 2; i++)
		CHECK_EQ(sema_drain(sema[i]), 0);
}

/* A semaphore as a lock: increments that others could lose. */
struct guarded {
	name_t lock;
	volatile long value;
	int rounds;
};

static void *increment(void *argument)
{
	struct guarded *guarded = argument;

	for (int i = 0; i < guarded->rounds; i++) {
		long value;

		REQUIRE_RET(sema_wait(guarded->lock), KERN_SUCCESS);
		value = guarded->value;
		if (i % 16 == 0)
			sched_yield();
		guarded->value = value + 1;
		REQUIRE_RET(sema_signal(guarded->lock), KERN_SUCCESS);
	}
	return NULL;
}

TEST_LIMIT(semaphore_as_a_lock, 200)
{
	enum { THREADS = 6, ROUNDS = 20000 };
	struct guarded guarded = { .rounds = ROUNDS };
	pthread_t threads[THREADS];

	mach_open();
	guarded.lock = new_sema(1);
	for (int i = 0; i < THREADS; i++)
		REQUIRE(!pthread_create(&threads[i], NULL, increment, &guarded));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(guarded.value, THREADS * ROUNDS);
	CHECK_EQ(sema_drain(guarded.lock), 1);
}

/* Each thread waits once in each round; nobody may be left out, nor wake twice. */
struct crowd {
	name_t sema;
	name_t back;
	int rounds;
};

static void *wait_each_round(void *argument)
{
	struct crowd *crowd = argument;

	for (int i = 0; i < crowd->rounds; i++)
		REQUIRE_RET(sema_wait_signal(crowd->sema, crowd->back), KERN_SUCCESS);
	return NULL;
}

TEST_LIMIT(signal_all_in_rounds, 200)
{
	enum { THREADS = 6, ROUNDS = 3000 };
	struct crowd crowd = { .rounds = ROUNDS };
	pthread_t threads[THREADS];

	mach_open();
	crowd.sema = new_sema(0);
	crowd.back = new_sema(0);
	for (int i = 0; i < THREADS; i++)
		REQUIRE(!pthread_create(&threads[i], NULL, wait_each_round, &crowd));
	for (int round = 0; round < ROUNDS; round++) {
		/* All have begun to wait when all have signalled. */
		for (int i = 0; i < THREADS; i++)
			REQUIRE_RET(sema_wait(crowd.back), KERN_SUCCESS);
		REQUIRE_RET(sema_signal_all(crowd.sema), KERN_SUCCESS);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(sema_drain(crowd.back), 0);
	CHECK_EQ(sema_drain(crowd.sema), 0);
}

/* Semaphores are made, used and destroyed while others wait for them. */
struct victim {
	_Atomic name_t sema;
	atomic_bool stop;
};

static void *use_victim(void *argument)
{
	struct victim *victim = argument;

	while (!atomic_load(&victim->stop)) {
		name_t sema = atomic_load(&victim->sema);
		long result = sema_timedwait_signal(sema, sema, 0, 50000);

		if (result != KERN_SUCCESS && result != KERN_OPERATION_TIMED_OUT &&
		    result != KERN_TERMINATED && result != KERN_INVALID_NAME)
			FAIL("a wait returned %ld", result);
		result = sema_timedwait(sema, 0, 50000);
		if (result != KERN_SUCCESS && result != KERN_OPERATION_TIMED_OUT &&
		    result != KERN_TERMINATED && result != KERN_INVALID_NAME)
			FAIL("a wait returned %ld", result);
	}
	return NULL;
}

TEST_LIMIT(semaphores_come_and_go, 120)
{
	enum { THREADS = 4 };
	struct victim victim = { .sema = 0 };
	pthread_t threads[THREADS];
	uint64_t end;
	int made = 0;

	mach_open();
	for (int i = 0; i < THREADS; i++)
		REQUIRE(!pthread_create(&threads[i], NULL, use_victim, &victim));
	end = now_ns() + seconds() * 1000000000ull;
	while (now_ns() < end) {
		name_t sema = new_sema_with(made % 4, made % 3);

		atomic_store(&victim.sema, sema);
		if (made % 3 == 0)
			usleep(100);
		if (made % 2)
			CHECK_RET(sema_destroy(sema), KERN_SUCCESS);
		CHECK_RET(deallocate(sema), KERN_SUCCESS);
		made++;
	}
	atomic_store(&victim.stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	note("%d semaphores", made);
}

static void *wait_and_signal(void *argument)
{
	name_t *sema = argument;

	for (;;)
		sema_timedwait_signal(sema[0], sema[1], 0, 20000);
	return NULL;
}

static void act_until_killed(struct peer_side *side)
{
	pthread_t threads[4];
	struct message message;
	name_t sema[2];

	for (int i = 0; i < 2; i++) {
		REQUIRE_RET(msg_receive_within(&message, side->own, 20000), 0);
		sema[i] = message.header.remote;
	}
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		REQUIRE(!pthread_create(&threads[i], NULL, wait_and_signal, sema));
	for (;;)
		pause();
}

/* Processes are killed in the middle; the semaphores go on working. */
TEST_LIMIT(users_are_killed, 200)
{
	name_t sema[2];

	mach_open();
	for (int i = 0; i < 2; i++)
		sema[i] = new_sema(0);
	for (int i = 0; i < 60; i++) {
		struct peer peer;

		peer_start(&peer, act_until_killed, NULL);
		for (int j = 0; j < 2; j++)
			REQUIRE_RET(send_with_reply(peer.port, COPY_SEND, sema[j], COPY_SEND, 1), 0);
		for (int j = 0; j < i * 10; j++)
			CHECK_RET(sema_signal(sema[0]), KERN_SUCCESS);
		kill_child(peer.pid);
		sema_drain(sema[0]);
		sema_drain(sema[1]);
		CHECK_RET(sema_signal(sema[0]), KERN_SUCCESS);
		CHECK_RET(sema_wait(sema[0]), KERN_SUCCESS);
		CHECK_RET(deallocate(peer.port), KERN_SUCCESS);
	}
}
