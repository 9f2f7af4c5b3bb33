// SPDX-License-Identifier: GPL-2.0
/*
 * The measuring program. Prints one line a round:
 *
 *	| row,size,cpus,round,iterations,ns per operation,remark
 *
 *	bench [-r ROUNDS] [-o] [-p] [-x] [-t] [ROW…]
 *
 * -o: only rows that use the module; -p: rows that do not; -x: for the profiler;
 * -t: one pair and two at a time, in turn, with the number of pairs for the CPUs.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fnmatch.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define ROUND_LIMIT_S	120

extern const struct bench_row *const __start_bench_rows[];
extern const struct bench_row *const __stop_bench_rows[];

/* The round that this process measures, in memory shared with the frame. */
static struct run *current;

/* Room for two rounds, and where they meet. */
static struct {
	struct run runs[2];
	_Atomic int come;
} *shared;

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Instructions that do nothing, and that the profiler (profiler.c) looks for. */
static void profile_start(void)
{
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80, 0x01, 0x4d, 0x43, 0x48" ::: "memory");
}

static void profile_stop(void)
{
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80, 0x02, 0x4d, 0x43, 0x48" ::: "memory");
}

bool bench_next_phase(struct run *run)
{
	uint64_t end = now();

	switch (run->phase++) {
	case 0:
		run->left = run->iterations / 10;
		return bench_more(run);
	case 1:
		run->left = run->iterations - 1;
		if (run->profile)
			profile_start();
		if (run->together) {
			(*run->come)++;
			while (*run->come < run->together)
				;
		}
		run->began = now();
		return true;
	default:
		if (run->profile)
			profile_stop();
		run->ns = (double)(end - run->began) / (double)run->iterations;
		run->done = true;
		return false;
	}
}

static void leave(void)
{
	/* The process group goes with us. */
	kill(0, SIGKILL);
	_exit(1);
}

void bench_skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(current->remark, sizeof(current->remark), format, arguments);
	va_end(arguments);
	current->done = false;
	leave();
	__builtin_unreachable();
}

void bench_not_built(void)
{
	bench_skip("not built");
}

void bench_failed(int line, const char *what)
{
	bench_skip("line %d: %.30s: %s", line, what, strerror(errno));
}

void bench_trap_failed(int line, const char *what, long result)
{
	if (result == -ENOSYS)
		bench_not_built();
	bench_skip("line %d: %.30s is %ld (%#lx)", line, what, result, result);
}

void *bench_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	MUST(memory != MAP_FAILED);
	return memory;
}

void bench_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	MUST(sched_setaffinity(0, sizeof(set), &set) == 0);
}

pid_t bench_peer(struct run *run, void (*serve)(void *argument), void *argument)
{
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		bench_pin(run->peer_cpu);
		serve(argument);
		_exit(0);
	}
	return pid;
}

/* What tests/vm/lib expects of its frame; see harness.h. */

bool check_equal(const char *file, int line, enum check_kind kind, enum on_failure then,
		 const char *got_text, long long got, const char *want_text, long long want)
{
	(void)file, (void)kind, (void)then, (void)want_text;
	if (got == want)
		return true;
	bench_trap_failed(line, got_text, got);
}

bool check_true(const char *file, int line, enum on_failure then, const char *text, bool value)
{
	(void)file, (void)then;
	if (!value)
		bench_failed(line, text);
	return true;
}

void check_fail(const char *file, int line, enum on_failure then, const char *format, ...)
{
	(void)file, (void)then;
	bench_failed(line, format);
}

void skip_case(const char *format, ...)
{
	bench_skip("%s", format);
}

void note(const char *format, ...)
{
	(void)format;
}

void poison(void *bytes, size_t size)
{
	memset(bytes, 0xcc, size);
}

const char *program_path(void)
{
	return "/proc/self/exe";
}

/* Running rows */

static pid_t start_round(const struct bench_row *row, struct run *run)
{
	pid_t pid;

	current = run;
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid == 0) {
		setpgid(0, 0);
		bench_pin(run->cpu);
		alarm(ROUND_LIMIT_S);
		row->run(run);
		leave();
	}
	return pid;
}

static void finish_round(struct run *run, pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	kill(-pid, SIGKILL);
	if (!run->done && !*run->remark)
		snprintf(run->remark, sizeof(run->remark), "did not finish (%#x)", status);
}

static void tell_round(const struct bench_row *row, const struct run *run, int cpus, int round,
		       double ns)
{
	int status;

	/* Peers are reaped by init; they must be gone before the next round. */
	while (waitpid(-1, &status, 0) > 0)
		;
	printf("| %s,%llu,%d,%d,%llu,", row->name, (unsigned long long)run->size, cpus, round,
	       (unsigned long long)run->iterations);
	if (run->done)
		printf("%.1f,\n", ns);
	else
		printf(",%s\n", run->remark);
	fflush(stdout);
	/* What a serial port does in the background would count. */
	tcdrain(STDOUT_FILENO);
}

static void run_round(const struct bench_row *row, uint64_t size, bool two, int round,
		      bool profile)
{
	struct run *run = &shared->runs[0];

	*run = (struct run){
		.iterations = row->iterations, .size = size, .peer_cpu = two, .profile = profile,
	};
	finish_round(run, start_round(row, run));
	tell_round(row, run, two + 1, round, run->ns);
}

/* So many pairs at a time; tells the mean of their times. */
static void run_pairs(const struct bench_row *row, int pairs, int round)
{
	struct run *runs = shared->runs;
	pid_t pids[2];

	shared->come = 0;
	for (int i = 0; i < pairs; i++)
		runs[i] = (struct run){
			.iterations = row->iterations, .cpu = i, .peer_cpu = i,
			.come = &shared->come, .together = pairs,
		};
	for (int i = 0; i < pairs; i++)
		pids[i] = start_round(row, &runs[i]);
	for (int i = 0; i < pairs; i++)
		finish_round(&runs[i], pids[i]);
	if (pairs == 2 && !runs[1].done)
		runs[0] = runs[1];
	tell_round(row, &runs[0], pairs, round, (runs[0].ns + runs[pairs - 1].ns) / 2);
}

static bool selected(const struct bench_row *row, int count, char **patterns)
{
	if (!count)
		return true;
	for (int i = 0; i < count; i++)
		if (fnmatch(patterns[i], row->name, 0) == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	unsigned int want = 0, rounds = 3;
	bool profile = false, together = false;
	int option;

	while ((option = getopt(argc, argv, "r:opxt")) != -1) {
		switch (option) {
		case 'r':
			rounds = (unsigned int)atoi(optarg);
			break;
		case 'o':
			want |= 1;
			break;
		case 'p':
			want |= 2;
			break;
		case 'x':
			profile = true;
			break;
		case 't':
			together = true;
			break;
		default:
			return 2;
		}
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	/* Orphans of a round come to us. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int round = 0; together && round < (int)rounds; round++)
		for (const struct bench_row *const *at = __start_bench_rows;
		     at < __stop_bench_rows; at++)
			for (int i = 0; i < 2; i++)
				/* Now this first, now the other */
				if (selected(*at, argc - optind, argv + optind))
					run_pairs(*at, (i ^ round) & 1 ? 2 : 1, round);
	if (together)
		return 0;
	for (const struct bench_row *const *at = __start_bench_rows; at < __stop_bench_rows; at++) {
		const struct bench_row *row = *at;

		if (want && !(want & (row->flags & OURS ? 1 : 2)))
			continue;
		if (!selected(row, argc - optind, argv + optind))
			continue;
		for (int two = 0; two <= (row->flags & PAIR && !profile ? 1 : 0); two++)
			for (unsigned int i = 0; i < 4 && (!i || row->sizes[i]); i++)
				for (unsigned int round = 0; round < rounds; round++)
					run_round(row, row->sizes[i], two, (int)round, profile);
	}
	return 0;
}
