/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The psynch traps as functions, and locks made of them: what a pthread library
 * does with these traps, with counts of its own so that tests can check order.
 *
 * All words count in steps of PS_INC and have flags in the low byte: L counts
 * those who came, U those who left, S those whom the kernel has let go on.
 */
#ifndef TESTS_PSYNCH_H
#define TESTS_PSYNCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "mach.h"
#include "process.h"

#define PS_INC			0x100u
#define PS_COUNT		0xffffff00u
/* Flags of L, and of grants */
#define PS_K			0x01u
#define PS_E			0x02u
#define PS_W			0x04u
#define PS_P			0x04u
#define PS_FREE			0x20u
#define PS_M			0x40u
#define PS_I			0x80u
/* Flags of S, and of what condition variables return */
#define PS_CV_C			0x01u
#define PS_CV_P			0x02u
#define PS_S_UNSET		0x01u
#define PS_S_IN_KERNEL		0x02u
#define PS_S_SAVED_W		0x04u
#define PS_S_SAVED		0x1cu
/* The flags argument */
#define PS_SHARED		0x10u
#define PS_PRIVATE		0x20u
#define PS_FAIR			0x40u
#define PS_FIRSTFIT		0x80u
#define PS_OPT_MUTEX		0x2000u
/* In errors of waits at condition variables */
#define PS_ERR_CLEARED		0x100
#define PS_ERR_PREPOST		0x200

/* The traps. Results as they are; an address is only a name to the kernel. */
long ps_mutexwait(const void *mutex, uint32_t l, uint32_t u, uint32_t flags);
long ps_mutexdrop(const void *mutex, uint32_t l, uint32_t u, uint32_t flags);
struct ps_wait {
	const void *cv;
	uint32_t l, u, s;
	const void *mutex;
	uint32_t mutex_l, mutex_u;
	uint32_t flags;
	int64_t sec;
	uint32_t nsec;
};
long ps_cvwait(const struct ps_wait *wait);
long ps_cvsignal(const void *cv, uint32_t l, uint32_t u, uint32_t s, name_t thread,
		 uint32_t flags);
long ps_cvbroad(const void *cv, uint32_t l, uint32_t u, uint32_t s, uint32_t diff,
		uint32_t flags);
long ps_cvclrprepost(const void *cv, uint32_t l, uint32_t u, uint32_t s, uint32_t upto,
		     uint32_t flags);
long ps_rdlock(const void *lock, uint32_t l, uint32_t u, uint32_t s, uint32_t flags);
long ps_wrlock(const void *lock, uint32_t l, uint32_t u, uint32_t s, uint32_t flags);
long ps_rwunlock(const void *lock, uint32_t l, uint32_t u, uint32_t s, uint32_t flags);

/* One of the traps that wait, made by a thread of its own, and what came of it. */
enum ps_op { PS_MUTEXWAIT, PS_CVWAIT, PS_RDLOCK, PS_WRLOCK };
struct ps_call {
	struct worker worker;
	enum ps_op op;
	const void *object;
	uint32_t l, u, s, flags;
	struct ps_wait wait;		/* of PS_CVWAIT */
	long result;
	atomic_bool done;
};

/* Starts it and waits until it sleeps in the kernel. */
void ps_call_block(struct ps_call *call);
/* Starts it without waiting. */
void ps_call_start(struct ps_call *call);
/* Waits for its end and returns the result. */
long ps_call_end(struct ps_call *call);
/* Is it still waiting, after some time in which it could have come back? */
bool ps_call_is_blocked(struct ps_call *call);

/* A mutex. */
struct ps_mutex {
	_Atomic uint64_t words;		/* U above L */
	uint32_t flags;
};

void ps_mutex_init(struct ps_mutex *mutex, uint32_t flags);
/* Returns the count of the one who locks: with PS_FAIR, in the order of locking. */
uint32_t ps_mutex_lock(struct ps_mutex *mutex);
bool ps_mutex_trylock(struct ps_mutex *mutex);
void ps_mutex_unlock(struct ps_mutex *mutex);

/* A condition variable. */
struct ps_cond {
	_Atomic uint64_t words;		/* S above L */
	_Atomic uint32_t u;
	uint32_t flags;
};

void ps_cond_init(struct ps_cond *cond, uint32_t flags);
/* 0, or ETIMEDOUT; may return without cause. No limit with 0 ns. */
int ps_cond_wait(struct ps_cond *cond, struct ps_mutex *mutex, uint64_t limit_ns);
void ps_cond_signal(struct ps_cond *cond);
void ps_cond_broadcast(struct ps_cond *cond);

/* A read-write lock. */
struct ps_rwlock {
	union ps_rwwords {
		struct {
			uint32_t l, s, u, unused;
		};
		unsigned __int128 all;
	} words;
	uint32_t flags;
} __attribute__((aligned(16)));

void ps_rwlock_init(struct ps_rwlock *lock, uint32_t flags);
void ps_rwlock_read(struct ps_rwlock *lock);
void ps_rwlock_write(struct ps_rwlock *lock);
void ps_rwlock_unlock(struct ps_rwlock *lock);

/* How often the locks above entered the kernel to wait, and were interrupted. */
extern _Atomic uint64_t ps_waits, ps_interrupted;

#endif
