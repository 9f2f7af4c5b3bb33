/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The frame of the measuring program: a row is a function that prepares, and then
 * repeats one operation in a loop that the frame counts and times.
 *
 *	BENCH(pipe_one_thread, 2000, ONE)
 *	{
 *		prepare;
 *		while (bench_more(run))
 *			operation;
 *	}
 *
 * Every round of a row is a process of its own, pinned to CPU 0. A row marked PAIR
 * has a second process, bench_peer(), and is measured with both on CPU 0 and with
 * the second one on CPU 1. A row marked OURS uses the module.
 *
 * With -t a row is measured once alone and once as two pairs at a time, each on a
 * CPU of its own: that takes real time and CPUs that run at the same time.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum bench_flags {
	ONE = 0,
	PAIR = 1,
	OURS = 2,	/* needs mach.ko */
	VARIES = 4,	/* the same for several sizes, run->size */
};

struct run {
	/* Set by the frame. */
	uint64_t iterations;
	uint64_t size;		/* of rows that VARY */
	int cpu, peer_cpu;
	bool profile;		/* bracket the loop for the profiler */
	/* Rounds that are measured at the same time begin together: how many have come of how many. */
	_Atomic int *come;
	int together;
	/* Results. */
	double ns;
	bool done;
	char remark[80];
	/* The loop. */
	uint64_t left;
	uint64_t began;
	int phase;
};

struct bench_row {
	const char *name;
	void (*run)(struct run *run);
	uint64_t iterations;
	unsigned int flags;
	uint64_t sizes[4];
};

#define BENCH_SIZES(fn, count, what, ...)				\
	static void row_##fn(struct run *run);				\
	static const struct bench_row fn##_row = {			\
		.name = #fn, .run = row_##fn, .iterations = (count),		\
		.flags = (what), .sizes = { __VA_ARGS__ },		\
	};								\
	static const struct bench_row *const fn##_row_entry		\
	__attribute__((used, section("bench_rows"))) = &fn##_row;	\
	static void row_##fn(struct run *run)

#define BENCH(fn, count, what) BENCH_SIZES(fn, count, what, 0)

bool bench_next_phase(struct run *run);

/* The loop: a tenth of the iterations to warm up, then those that count. */
static inline bool bench_more(struct run *run)
{
	return __builtin_expect(run->left-- != 0, 1) || bench_next_phase(run);
}

/* Ends the row without a result: a remark, or that the module does not do this yet. */
void bench_skip(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));
void bench_not_built(void) __attribute__((noreturn));

/* Ends the row, with the error of the last system call, unless @ok. */
#define MUST(ok) do { if (__builtin_expect(!(ok), 0)) bench_failed(__LINE__, #ok); } while (0)
void bench_failed(int line, const char *what) __attribute__((noreturn));

/* Ends the row unless the result of a trap is 0; "not built" for -ENOSYS. */
#define TRAP(call) bench_trap(__LINE__, #call, (call))
static inline void bench_trap(int line, const char *what, long result);
void bench_trap_failed(int line, const char *what, long result) __attribute__((noreturn));

static inline void bench_trap(int line, const char *what, long result)
{
	if (__builtin_expect(result != 0, 0))
		bench_trap_failed(line, what, result);
}

/* Forks the second process, which runs @serve on its CPU until it is killed. */
pid_t bench_peer(struct run *run, void (*serve)(void *argument), void *argument);

/* Shared memory that is zero. */
void *bench_shared(size_t size);

/* This CPU only. */
void bench_pin(int cpu);

#endif
