// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "harness.h"
#include "psynch.h"

_Atomic uint64_t ps_waits, ps_interrupted;

/* The traps */

long ps_mutexwait(const void *mutex, uint32_t l, uint32_t u, uint32_t flags)
{
	struct psynch_mutexwait_args args = {
		.mutex = (uintptr_t)mutex, .mgen = l, .ugen = u, .flags = flags,
	};

	return trap_struct(NR_psynch_mutexwait_trap, &args);
}

long ps_mutexdrop(const void *mutex, uint32_t l, uint32_t u, uint32_t flags)
{
	struct psynch_mutexdrop_args args = {
		.mutex = (uintptr_t)mutex, .mgen = l, .ugen = u, .flags = flags,
	};

	return trap_struct(NR_psynch_mutexdrop_trap, &args);
}

static uint64_t pack(uint32_t upper, uint32_t lower)
{
	return (uint64_t)upper << 32 | lower;
}

long ps_cvwait(const struct ps_wait *wait)
{
	struct psynch_cvwait_args args = {
		.cv = (uintptr_t)wait->cv,
		.cvlsgen = pack(wait->s, wait->l),
		.cvugen = wait->u,
		.mutex = (uintptr_t)wait->mutex,
		.mugen = pack(wait->mutex_u, wait->mutex_l),
		.flags = wait->flags,
		.sec = wait->sec,
		.nsec = wait->nsec,
	};

	return trap_struct(NR_psynch_cvwait_trap, &args);
}

long ps_cvsignal(const void *cv, uint32_t l, uint32_t u, uint32_t s, name_t thread,
		 uint32_t flags)
{
	struct psynch_cvsignal_args args = {
		.cv = (uintptr_t)cv, .cvlsgen = pack(s, l), .cvugen = u,
		.thread_port = (int)thread, .flags = flags,
	};

	return trap_struct(NR_psynch_cvsignal_trap, &args);
}

long ps_cvbroad(const void *cv, uint32_t l, uint32_t u, uint32_t s, uint32_t diff,
		uint32_t flags)
{
	struct psynch_cvbroad_args args = {
		.cv = (uintptr_t)cv, .cvlsgen = pack(s, l), .cvudgen = pack(u, diff),
		.flags = flags,
	};

	return trap_struct(NR_psynch_cvbroad_trap, &args);
}

long ps_cvclrprepost(const void *cv, uint32_t l, uint32_t u, uint32_t s, uint32_t upto,
		     uint32_t flags)
{
	struct psynch_cvclrprepost_args args = {
		.cv = (uintptr_t)cv, .cvgen = l, .cvugen = u, .cvsgen = s,
		.prepocnt = upto, .flags = flags,
	};

	return trap_struct(NR_psynch_cvclrprepost, &args);
}

long ps_rdlock(const void *lock, uint32_t l, uint32_t u, uint32_t s, uint32_t flags)
{
	struct psynch_rw_rdlock_args args = {
		.rwlock = (uintptr_t)lock, .lgenval = l, .ugenval = u, .rw_wc = s,
		.flags = (int)flags,
	};

	return trap_struct(NR_psynch_rw_rdlock, &args);
}

long ps_wrlock(const void *lock, uint32_t l, uint32_t u, uint32_t s, uint32_t flags)
{
	struct psynch_rw_wrlock_args args = {
		.rwlock = (uintptr_t)lock, .lgenval = l, .ugenval = u, .rw_wc = s,
		.flags = (int)flags,
	};

	return trap_struct(NR_psynch_rw_wrlock, &args);
}

long ps_rwunlock(const void *lock, uint32_t l, uint32_t u, uint32_t s, uint32_t flags)
{
	struct psynch_rw_unlock_args args = {
		.rwlock = (uintptr_t)lock, .lgenval = l, .ugenval = u, .rw_wc = s,
		.flags = (int)flags,
	};

	return trap_struct(NR_psynch_rw_unlock, &args);
}

static void *make_call(void *argument)
{
	struct ps_call *call = argument;

	switch (call->op) {
	case PS_MUTEXWAIT:
		call->result = ps_mutexwait(call->object, call->l, call->u, call->flags);
		break;
	case PS_CVWAIT:
		call->result = ps_cvwait(&call->wait);
		break;
	case PS_RDLOCK:
		call->result = ps_rdlock(call->object, call->l, call->u, call->s, call->flags);
		break;
	case PS_WRLOCK:
		call->result = ps_wrlock(call->object, call->l, call->u, call->s, call->flags);
		break;
	}
	atomic_store(&call->done, true);
	return NULL;
}

void ps_call_start(struct ps_call *call)
{
	atomic_store(&call->done, false);
	call->result = POISON32;
	worker_start(&call->worker, make_call, call);
}

void ps_call_block(struct ps_call *call)
{
	ps_call_start(call);
	worker_wait_in_trap(&call->worker);
}

long ps_call_end(struct ps_call *call)
{
	worker_join(&call->worker);
	return call->result;
}

bool ps_call_is_blocked(struct ps_call *call)
{
	sleep_ms(20);
	return !atomic_load(&call->done);
}

/* What a trap returns has 32 bits. */
static uint32_t word_of(long result)
{
	return (uint32_t)result;
}

/* Is this an errno? A word of a lock can have its upper bits set as well. */
static bool is_error(long result)
{
	return word_of(result) >= 0xfffff000u;
}

static uint32_t lower_half(uint64_t words)
{
	return (uint32_t)words;
}

static uint32_t upper_half(uint64_t words)
{
	return (uint32_t)(words >> 32);
}

static uint32_t counts_between(uint32_t from, uint32_t to)
{
	return ((to & PS_COUNT) - (from & PS_COUNT)) / PS_INC;
}

/* Mutexes */

void ps_mutex_init(struct ps_mutex *mutex, uint32_t flags)
{
	atomic_store(&mutex->words, 0);
	mutex->flags = flags;
}

/* Waits at @words until the kernel says to try. */
static void mutex_wait(struct ps_mutex *mutex, uint64_t words)
{
	atomic_fetch_add(&ps_waits, 1);
	for (;;) {
		long result = ps_mutexwait(mutex, lower_half(words), upper_half(words),
					   mutex->flags);

		if (!is_error(result))
			return;
		if (result != -EINTR)
			FATAL("mutexwait: %ld at words %llx", result, (unsigned long long)words);
		atomic_fetch_add(&ps_interrupted, 1);
	}
}

/*
 * Fair: each thread takes a count, and the lock is handed from one count to the
 * next. K and E stay set meanwhile.
 */
static uint32_t lock_fair(struct ps_mutex *mutex)
{
	uint64_t old = atomic_load(&mutex->words), new;

	do {
		new = pack(upper_half(old), (lower_half(old) + PS_INC) | PS_E | PS_K);
	} while (!atomic_compare_exchange_weak(&mutex->words, &old, new));
	if (lower_half(old) & PS_E)
		mutex_wait(mutex, new);
	return lower_half(new) & PS_COUNT;
}

/*
 * First fit: who sets E has the lock. Each wait takes a count; an unlock with
 * counts outstanding gives one back and has the kernel wake somebody, who tries.
 */
static uint32_t lock_firstfit(struct ps_mutex *mutex)
{
	uint64_t old = atomic_load(&mutex->words), new;

	for (;;) {
		uint32_t l = lower_half(old);
		bool free = !(l & PS_E);

		new = pack(upper_half(old), free ? l | PS_E : l + PS_INC);
		if (!atomic_compare_exchange_weak(&mutex->words, &old, new))
			continue;
		if (free)
			return lower_half(new) & PS_COUNT;
		mutex_wait(mutex, new);
		old = atomic_load(&mutex->words);
	}
}

/* Releases the mutex in user memory; returns whether the kernel must be told. */
static bool release_firstfit(struct ps_mutex *mutex, uint64_t *words)
{
	uint64_t old = atomic_load(&mutex->words), new;
	bool waiters;

	do {
		uint32_t l = lower_half(old), u = upper_half(old);

		waiters = counts_between(u, l) != 0;
		new = pack(waiters ? u + PS_INC : u, l & ~PS_E);
	} while (!atomic_compare_exchange_weak(&mutex->words, &old, new));
	*words = new;
	return waiters;
}

static bool release_fair(struct ps_mutex *mutex, uint64_t *words)
{
	uint64_t old = atomic_load(&mutex->words), new;
	bool last;

	do {
		uint32_t u = upper_half(old) + PS_INC, l = lower_half(old);

		last = (l & PS_COUNT) == u;
		new = pack(u, last ? l & ~(PS_K | PS_E) : l);
	} while (!atomic_compare_exchange_weak(&mutex->words, &old, new));
	*words = new;
	return !last;
}

static bool mutex_release(struct ps_mutex *mutex, uint64_t *words)
{
	return mutex->flags & PS_FIRSTFIT ? release_firstfit(mutex, words) :
		release_fair(mutex, words);
}

uint32_t ps_mutex_lock(struct ps_mutex *mutex)
{
	return mutex->flags & PS_FIRSTFIT ? lock_firstfit(mutex) : lock_fair(mutex);
}

bool ps_mutex_trylock(struct ps_mutex *mutex)
{
	uint64_t old = atomic_load(&mutex->words), new;

	do {
		uint32_t l = lower_half(old);

		if (l & PS_E)
			return false;
		new = pack(upper_half(old),
			   mutex->flags & PS_FIRSTFIT ? l | PS_E : (l + PS_INC) | PS_E | PS_K);
	} while (!atomic_compare_exchange_weak(&mutex->words, &old, new));
	return true;
}

void ps_mutex_unlock(struct ps_mutex *mutex)
{
	uint64_t words;
	long result;

	if (!mutex_release(mutex, &words))
		return;
	result = ps_mutexdrop(mutex, lower_half(words), upper_half(words), mutex->flags);
	if (is_error(result))
		FATAL("mutexdrop: %ld", result);
}

/* Condition variables */

void ps_cond_init(struct ps_cond *cond, uint32_t flags)
{
	atomic_store(&cond->words, pack(PS_CV_C, 0));
	atomic_store(&cond->u, 0);
	cond->flags = flags;
}

/* Takes over what a trap said: how many were let go on, and what is left. */
static void cond_update(struct ps_cond *cond, uint32_t update)
{
	const uint32_t bits = PS_CV_C | PS_CV_P;
	uint64_t old = atomic_load(&cond->words), new;
	uint32_t l, s;
	bool clear;

	do {
		l = lower_half(old);
		s = upper_half(old);
		clear = false;
		if ((l & PS_COUNT) != (s & PS_COUNT) || (update & PS_CV_P)) {
			s = ((s & PS_COUNT) + (update & PS_COUNT)) | ((s | update) & bits);
			clear = (s & PS_COUNT) == (l & PS_COUNT) && (s & bits) == bits;
			if (clear)
				s &= ~PS_CV_P;
		}
		new = pack(s, l);
	} while (!atomic_compare_exchange_weak(&cond->words, &old, new));
	if (clear) {
		long result = ps_cvclrprepost(cond, l, atomic_load(&cond->u), s, 0,
					      cond->flags & ~PS_FIRSTFIT);

		if (result < 0)
			FATAL("cvclrprepost: %ld", result);
	}
}

int ps_cond_wait(struct ps_cond *cond, struct ps_mutex *mutex, uint64_t limit_ns)
{
	uint64_t old = atomic_load(&cond->words), new, released;
	struct ps_wait wait = {
		.cv = cond,
		.flags = cond->flags | (mutex->flags & (PS_FIRSTFIT | PS_FAIR)),
		.sec = (int64_t)(limit_ns / 1000000000u),
		.nsec = (uint32_t)(limit_ns % 1000000000u),
	};
	int error = 0;
	long result;

	do {
		wait.l = lower_half(old) + PS_INC;
		new = pack(upper_half(old) & PS_COUNT, wait.l);
	} while (!atomic_compare_exchange_weak(&cond->words, &old, new));
	wait.s = upper_half(old);
	wait.u = atomic_load(&cond->u);
	if (mutex_release(mutex, &released)) {
		wait.mutex = mutex;
		wait.mutex_l = lower_half(released);
		wait.mutex_u = upper_half(released);
	}

	atomic_fetch_add(&ps_waits, 1);
	result = ps_cvwait(&wait);
	if (is_error(result)) {
		uint32_t number = -word_of(result);

		switch (number & 0xff) {
		case ETIMEDOUT:
			error = ETIMEDOUT;
			break;
		case EINTR:
			atomic_fetch_add(&ps_interrupted, 1);
			break;
		default:
			FATAL("cvwait: %ld", result);
		}
		cond_update(cond, PS_INC | (number & PS_ERR_CLEARED ? PS_CV_C : 0) |
			    (number & PS_ERR_PREPOST ? PS_CV_P : 0));
	} else if (result != 0) {
		cond_update(cond, word_of(result));
	}
	ps_mutex_lock(mutex);
	return error;
}

/* Is count @a past count @b? */
static bool is_past(uint32_t a, uint32_t b)
{
	return (a & PS_COUNT) != (b & PS_COUNT) && (a & PS_COUNT) - (b & PS_COUNT) < 0x80000000u;
}

static void cond_wake(struct ps_cond *cond, bool all)
{
	uint32_t l, s, u, from, to;
	long result;

	for (;;) {
		uint64_t words = atomic_load(&cond->words);

		u = atomic_load(&cond->u);
		l = lower_half(words);
		s = upper_half(words);
		if ((l & PS_COUNT) == (s & PS_COUNT) || (l & PS_COUNT) == (u & PS_COUNT)) {
			/* Nobody to wake, if that was one moment. */
			if (atomic_compare_exchange_strong(&cond->words, &words, words))
				return;
			continue;
		}
		if (is_past(s, l) || is_past(u, l)) {
			sched_yield();
			continue;
		}
		from = is_past(s, u) ? s & PS_COUNT : u & PS_COUNT;
		to = all ? l & PS_COUNT : from + PS_INC;
		if (atomic_compare_exchange_strong(&cond->u, &u, to))
			break;
	}
	if (all)
		result = ps_cvbroad(cond, l, u, s, (l & PS_COUNT) - from, cond->flags);
	else
		result = ps_cvsignal(cond, l, u, s, 0, cond->flags);
	if (is_error(result))
		FATAL("%s: %ld (l %x u %x s %x)", all ? "cvbroad" : "cvsignal", result, l, u, s);
	if (result != 0)
		cond_update(cond, word_of(result));
}

void ps_cond_signal(struct ps_cond *cond)
{
	cond_wake(cond, false);
}

void ps_cond_broadcast(struct ps_cond *cond)
{
	cond_wake(cond, true);
}

/* Read-write locks */

typedef unsigned __int128 words_t;

/* Compares and exchanges all words at once. */
__attribute__((target("cx16")))
static bool exchange(struct ps_rwlock *lock, union ps_rwwords *old, union ps_rwwords new)
{
	words_t seen = __sync_val_compare_and_swap(&lock->words.all, old->all, new.all);
	bool done = seen == old->all;

	old->all = seen;
	return done;
}

static union ps_rwwords load(struct ps_rwlock *lock)
{
	union ps_rwwords words = { .all = 0 };

	exchange(lock, &words, words);
	return words;
}

void ps_rwlock_init(struct ps_rwlock *lock, uint32_t flags)
{
	memset(lock, 0, sizeof(*lock));
	lock->words.l = PS_I | PS_FREE;
	lock->words.s = PS_S_UNSET;
	lock->flags = flags;
}

/* The flags of L when the kernel grants with @update and @saved were put aside. */
static uint32_t granted_flags(uint32_t l, uint32_t update, uint32_t saved)
{
	uint32_t flags = ((l | update) & 0xff) & ~PS_M;

	if (!(update & PS_K) && !(l & PS_W))
		flags &= ~PS_K;
	if ((saved & PS_S_SAVED_W) && !(flags & (PS_W | PS_E)))
		flags |= PS_W | PS_K;
	return flags;
}

static void rw_granted(struct ps_rwlock *lock, uint32_t update)
{
	union ps_rwwords old = load(lock), new;
	bool overlap = update & PS_M;

	do {
		new = old;
		if (!overlap && !(old.s & PS_S_IN_KERNEL))
			continue;
		new.l = (old.l & PS_COUNT) |
			granted_flags(old.l, update, old.s & PS_S_SAVED);
		new.s = old.s + (update & PS_COUNT);
		if (!overlap)
			new.s &= PS_COUNT;
		new.s &= ~PS_S_SAVED;
	} while (!exchange(lock, &old, new));
}

static void rw_wait(struct ps_rwlock *lock, bool write, union ps_rwwords words)
{
	long result;

	atomic_fetch_add(&ps_waits, 1);
	for (;;) {
		result = write ? ps_wrlock(lock, words.l, words.u, words.s, lock->flags) :
			ps_rdlock(lock, words.l, words.u, words.s, lock->flags);
		if (!is_error(result))
			break;
		if (result != -EINTR)
			FATAL("%s: %ld", write ? "wrlock" : "rdlock", result);
		atomic_fetch_add(&ps_interrupted, 1);
	}
	rw_granted(lock, word_of(result));
}

static void rw_lock(struct ps_rwlock *lock, bool write)
{
	union ps_rwwords old = load(lock), new;
	bool got;

	do {
		new = old;
		got = write ? old.l & PS_FREE : !(old.l & (PS_W | PS_K));
		if (got) {
			new.l = write ? (old.l & PS_COUNT) | PS_I | PS_K | PS_E : old.l & ~PS_FREE;
			new.s += PS_INC;
		} else {
			new.l = write ? old.l | PS_K | PS_W : old.l & ~PS_FREE;
			if (old.s & PS_S_UNSET)
				new.s = (old.s & 0xfe) | (old.l & PS_COUNT);
		}
		new.l += PS_INC;
	} while (!exchange(lock, &old, new));
	if (!got)
		rw_wait(lock, write, new);
}

void ps_rwlock_read(struct ps_rwlock *lock)
{
	rw_lock(lock, false);
}

void ps_rwlock_write(struct ps_rwlock *lock)
{
	rw_lock(lock, true);
}

void ps_rwlock_unlock(struct ps_rwlock *lock)
{
	union ps_rwwords old = load(lock), new;
	bool drop;
	long result;

	do {
		uint32_t count = old.l & PS_COUNT;

		new = old;
		new.u += PS_INC;
		drop = false;
		if (new.u == count) {
			new.l = count | PS_I | PS_FREE;
			new.s = count | PS_S_UNSET;
		} else if ((old.l & (PS_E | PS_W | PS_K)) && new.u == (old.s & PS_COUNT)) {
			drop = true;
			new.l = count | PS_K;
			new.s |= PS_S_IN_KERNEL;
			if (old.l & PS_W)
				new.s |= PS_S_SAVED_W;
		}
	} while (!exchange(lock, &old, new));
	if (!drop)
		return;
	do {
		result = ps_rwunlock(lock, old.l, new.u, new.s, lock->flags);
	} while (result == -EINTR);
	if (is_error(result))
		FATAL("rw_unlock: %ld", result);
}
