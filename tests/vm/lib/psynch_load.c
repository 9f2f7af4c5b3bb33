// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "psynch.h"
#include "psynch_load.h"

enum { WORKERS = 6, ROOM = 4 };

/* Workers tell what they have done in such parts, and the rest of us that often. */
enum { PART = 128, PROGRESS_S = 60 };

/* What the workers of one load share. */
struct load {
	struct ps_mutex mutex;
	struct ps_cond not_full, not_empty;
	struct ps_rwlock rwlock;
	bool by_processes;
	bool signals;
	unsigned long ops;		/* of each worker */
	atomic_int arrived, running;
	_Atomic unsigned long done;	/* about */
	_Atomic uint32_t next_id;

	/* Protected by the locks */
	unsigned long counter, copy;
	uint32_t last_count;
	int inside;
	unsigned long out_of_order;
	unsigned long queue[ROOM];
	unsigned int head, queued;
	unsigned long produced, consumed, sum;
	atomic_int readers;
	unsigned long reads, writes;
	_Atomic uint64_t waits, interrupted;
};

static struct load *new_load(uint32_t flags, unsigned long operations)
{
	struct load *load = mmap(NULL, sizeof(*load), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	REQUIRE(load != MAP_FAILED);
	ps_mutex_init(&load->mutex, flags);
	ps_cond_init(&load->not_full, flags & PS_SHARED);
	ps_cond_init(&load->not_empty, flags & PS_SHARED);
	ps_rwlock_init(&load->rwlock, flags & (PS_SHARED | PS_PRIVATE));
	load->ops = operations / WORKERS;
	return load;
}

static unsigned int next_random(unsigned int *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Now and then the holder gives up its CPU, so that the others really wait. */
static void linger(unsigned int *random)
{
	if (next_random(random) % 8 == 0)
		sched_yield();
}

/* The loads */

static void did_one(struct load *load, unsigned long i)
{
	if (i % PART == PART - 1)
		atomic_fetch_add(&load->done, PART);
}

static void enter(struct load *load)
{
	if (load->inside++)
		FATAL("two at once in the mutex");
}

static void leave(struct load *load)
{
	if (--load->inside)
		FATAL("two at once in the mutex");
}

static void use_mutex(struct load *load, unsigned int id)
{
	unsigned int random = id + 1;

	for (unsigned long i = 0; i < load->ops; i++) {
		uint32_t count = ps_mutex_lock(&load->mutex);

		enter(load);
		load->counter++;
		linger(&random);
		if (!(load->mutex.flags & PS_FIRSTFIT) && count - load->last_count != PS_INC)
			load->out_of_order++;
		load->last_count = count;
		load->copy++;
		leave(load);
		ps_mutex_unlock(&load->mutex);
		did_one(load, i);
	}
}

/* A queue with little room: odd workers put numbers in, even ones take them out. */
static void use_cond(struct load *load, unsigned int id)
{
	unsigned int random = id + 1;

	for (unsigned long i = 0; i < load->ops; i++) {
		bool put = id & 1;

		ps_mutex_lock(&load->mutex);
		enter(load);
		while (load->queued == (put ? ROOM : 0)) {
			leave(load);
			/* Some with a limit, which may pass. */
			ps_cond_wait(put ? &load->not_full : &load->not_empty, &load->mutex,
				     next_random(&random) % 4 ? 0 : 300000);
			enter(load);
		}
		if (put) {
			load->queue[(load->head + load->queued++) % ROOM] = ++load->produced;
		} else {
			unsigned long got = load->queue[load->head];

			load->head = (load->head + 1) % ROOM;
			load->queued--;
			if (got != ++load->consumed)
				load->out_of_order++;
			load->sum += got;
		}
		linger(&random);
		leave(load);
		if (next_random(&random) % 16 == 0)
			ps_cond_broadcast(put ? &load->not_empty : &load->not_full);
		else
			ps_cond_signal(put ? &load->not_empty : &load->not_full);
		ps_mutex_unlock(&load->mutex);
		did_one(load, i);
	}
}

static void use_rwlock(struct load *load, unsigned int id)
{
	unsigned int random = id + 1;

	for (unsigned long i = 0; i < load->ops; i++) {
		if (next_random(&random) % 4 == 0) {
			ps_rwlock_write(&load->rwlock);
			enter(load);
			if (atomic_load(&load->readers))
				FATAL("a writer beside a reader");
			load->counter++;
			linger(&random);
			load->copy++;
			load->writes++;
			leave(load);
		} else {
			ps_rwlock_read(&load->rwlock);
			atomic_fetch_add(&load->readers, 1);
			if (load->inside)
				FATAL("a reader beside a writer");
			if (load->counter != load->copy)
				FATAL("a reader sees half a change");
			linger(&random);
			if (load->inside || load->counter != load->copy)
				FATAL("a change under a reader");
			atomic_fetch_sub(&load->readers, 1);
		}
		ps_rwlock_unlock(&load->rwlock);
		did_one(load, i);
	}
}

/* Workers */

static void (*use)(struct load *load, unsigned int id);

static void *work(void *argument)
{
	struct load *load = argument;
	unsigned int id = atomic_fetch_add(&load->next_id, 1);

	/* All at once, or the first are done before the last begin. */
	atomic_fetch_add(&load->arrived, 1);
	while (atomic_load(&load->arrived) < WORKERS)
		sched_yield();
	use(load, id);
	atomic_fetch_sub(&load->running, 1);
	return NULL;
}

static void work_as_process(void *argument)
{
	struct load *load = argument;

	mach_forget();
	catch_signal(SIGUSR1);
	ps_waits = ps_interrupted = 0;
	work(load);
	atomic_fetch_add(&load->waits, ps_waits);
	atomic_fetch_add(&load->interrupted, ps_interrupted);
}

static void run(struct load *load, void (*function)(struct load *load, unsigned int id))
{
	struct worker workers[WORKERS];
	pid_t children[WORKERS];
	unsigned int random = 1;
	uint64_t began = now_ns(), told = began;

	use = function;
	catch_signal(SIGUSR1);
	mach_open();
	ps_waits = ps_interrupted = 0;
	atomic_store(&load->running, WORKERS);
	for (int i = 0; i < WORKERS; i++) {
		if (load->by_processes)
			children[i] = start_child(work_as_process, load);
		else
			worker_start(&workers[i], work, load);
	}
	while (atomic_load(&load->running) > 0) {
		int i = (int)(next_random(&random) % WORKERS);

		/* The worker may have ended. */
		if (load->signals && load->by_processes)
			kill(children[i], SIGUSR1);
		else if (load->signals)
			syscall(SYS_tgkill, getpid(), workers[i].tid, SIGUSR1);
		usleep(load->signals ? 200 : 20000);
		if (now_ns() - told > PROGRESS_S * 1000000000ull) {
			told = now_ns();
			note("%lu of %lu", atomic_load(&load->done), load->ops * WORKERS);
		}
	}
	for (int i = 0; i < WORKERS; i++) {
		if (load->by_processes)
			WAIT_CHILD_OK(children[i]);
		else
			worker_join(&workers[i]);
	}
	if (!load->by_processes) {
		load->waits = ps_waits;
		load->interrupted = ps_interrupted;
	}
	note("%lu operations, %lu waits, %lu interruptions, %lu ms", load->ops * WORKERS,
	     (unsigned long)load->waits, (unsigned long)load->interrupted,
	     (unsigned long)((now_ns() - began) / 1000000));
	CHECK(load->waits > 0);
}

void psynch_load_mutex(uint32_t flags, int how, unsigned long operations)
{
	struct load *load = new_load(flags, operations);

	load->by_processes = how & BY_PROCESSES;
	load->signals = how & WITH_SIGNALS;
	run(load, use_mutex);
	CHECK_EQ(load->counter, load->ops * WORKERS);
	CHECK_EQ(load->copy, load->ops * WORKERS);
	CHECK_EQ(load->out_of_order, 0);
}

void psynch_load_cond(uint32_t flags, int how, unsigned long operations)
{
	struct load *load = new_load(flags, operations);
	unsigned long items = load->ops * (WORKERS / 2);

	load->by_processes = how & BY_PROCESSES;
	load->signals = how & WITH_SIGNALS;
	run(load, use_cond);
	CHECK_EQ(load->produced, items);
	CHECK_EQ(load->consumed, items);
	CHECK_EQ(load->out_of_order, 0);
	CHECK_EQ(load->sum, items * (items + 1) / 2);
}

void psynch_load_rwlock(uint32_t flags, int how, unsigned long operations)
{
	struct load *load = new_load(flags, operations);

	load->by_processes = how & BY_PROCESSES;
	load->signals = how & WITH_SIGNALS;
	run(load, use_rwlock);
	CHECK_EQ(load->counter, load->writes);
	CHECK_EQ(load->copy, load->writes);
}

/* Kills */

static void use_until_killed(void *argument)
{
	struct load *load = argument;
	unsigned int random = (unsigned int)getpid();

	mach_forget();
	for (;;) {
		switch (next_random(&random) % 4) {
		case 0:
			ps_mutex_lock(&load->mutex);
			linger(&random);
			ps_mutex_unlock(&load->mutex);
			break;
		case 1:
			ps_mutex_lock(&load->mutex);
			ps_cond_wait(&load->not_full, &load->mutex, 100000);
			ps_mutex_unlock(&load->mutex);
			break;
		case 2:
			ps_cond_signal(&load->not_full);
			break;
		case 3:
			if (next_random(&random) % 2)
				ps_rwlock_read(&load->rwlock);
			else
				ps_rwlock_write(&load->rwlock);
			linger(&random);
			ps_rwlock_unlock(&load->rwlock);
		}
	}
}

void psynch_load_kills(unsigned int rounds)
{
	unsigned int random = 1;

	mach_open();
	for (unsigned int i = 0; i < rounds; i++) {
		uint32_t policy = i % 2 ? PS_FAIR : PS_FIRSTFIT;
		struct load *load = new_load(PS_SHARED | policy, 0);
		pid_t children[WORKERS];

		for (int j = 0; j < WORKERS; j++)
			children[j] = start_child(use_until_killed, load);
		usleep(next_random(&random) % 8000);
		for (int j = 0; j < WORKERS; j++) {
			kill_child(children[j]);
			usleep(next_random(&random) % 200);
		}
		munmap(load, sizeof(*load));
	}
}
