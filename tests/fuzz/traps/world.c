// SPDX-License-Identifier: GPL-2.0
/*
 * The process that calls world_run() posts the calls on a board in shared memory,
 * for the thread that is to make them: as many at once as are for the same one. It
 * waits for them to be made. If one blocks it goes on with those of other threads,
 * which may end that, and the rest of the blocked one's are left out. At the end all
 * processes are killed.
 */
#define _GNU_SOURCE
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "act.h"
#include "files.h"

/*
 * How long a call may take before the next one is made; longer ones go on beside
 * it, which is no harm, so this does not grow with the slowness. And how long a
 * thread may take to start.
 */
#define CALL_MS		10
#define START_MS	400
/* How long what is killed may take to be gone. */
#define END_MS		30000

enum state { ABSENT, IDLE, POSTED, RUNNING };

/* What the coordinator asks for besides the calls of the sequence */
#define START_THREAD	(CALLS_MAX + 0)
#define START_PROCESS	(CALLS_MAX + 1)	/* and its number */

struct lane {
	atomic_int state;
	/* The next call to make, or what else; and where to stop. */
	atomic_uint what, end;
};

struct board {
	struct lane lanes[PROCESSES][THREADS];
	pid_t pids[PROCESSES];
	volatile bool poison;
	struct sequence sequence;
};

static struct board *board;
static void (*begin_thread)(unsigned int thread);
static long slowness = 1;

static void futex_wait(atomic_int *word, int value, long ms)
{
	const struct timespec limit = { ms / 1000, ms % 1000 * 1000000 };

	syscall(SYS_futex, word, FUTEX_WAIT, value, ms < 0 ? NULL : &limit);
}

static void set_state(struct lane *lane, enum state state)
{
	atomic_store(&lane->state, (int)state);
	syscall(SYS_futex, &lane->state, FUTEX_WAKE, INT32_MAX);
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Waits until the lane is idle. */
static bool idle_within(struct lane *lane, long ms)
{
	long end = now_ms() + ms;

	for (;;) {
		int state = atomic_load(&lane->state);
		long left = end - now_ms();

		if (state == IDLE)
			return true;
		if (left <= 0)
			return false;
		futex_wait(&lane->state, state, left);
	}
}

/* --- In the processes of the sequence ------------------------------------------------ */

static void serve(unsigned int process, unsigned int thread);

static void *second_thread(void *process)
{
	serve((unsigned int)(uintptr_t)process, 1);
	return NULL;
}

static void start_process(unsigned int process)
{
	pid_t pid;

	if (process >= PROCESSES || atomic_load(&board->lanes[process][0].state) != ABSENT)
		return;
	pid = fork();
	if (pid == 0) {
		board->pids[process] = getpid();
		act_forget();
		serve(process, 0);
	}
}

static void perform(unsigned int process, unsigned int what)
{
	pthread_t thread;

	if (what >= START_PROCESS)
		start_process(what - START_PROCESS);
	else if (what == START_THREAD)
		pthread_create(&thread, NULL, second_thread, (void *)(uintptr_t)process);
	else if (what < board->sequence.count && board->sequence.calls[what].op == OP_FORK)
		start_process(board->sequence.calls[what].args[0] % PROCESSES);
	else if (what < board->sequence.count)
		act(&board->sequence.calls[what], board->pids);
}

/* Does not return. */
static void serve(unsigned int process, unsigned int thread)
{
	struct lane *lane = &board->lanes[process][thread];

	if (begin_thread)
		begin_thread(process * THREADS + thread);
	if (thread == 0)
		act_prepare(process);
	for (;;) {
		set_state(lane, IDLE);
		while (atomic_load(&lane->state) != POSTED)
			futex_wait(&lane->state, IDLE, -1);
		atomic_store(&lane->state, RUNNING);
		do {
			perform(process, atomic_load(&lane->what));
		} while (atomic_fetch_add(&lane->what, 1) + 1 < atomic_load(&lane->end));
	}
}

static void be_process_0(void)
{
	static const struct rlimit space = { 1ul << 30, 1ul << 30 }, files = { 64, 64 };
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	close_range(3, 99, 0);
	setrlimit(RLIMIT_AS, &space);
	setrlimit(RLIMIT_NOFILE, &files);
	board->pids[0] = getpid();
	act_watch_poison(&board->poison);
}

/* --- The coordinator ------------------------------------------------------------------- */

static bool post(struct lane *lane, unsigned int what, unsigned int end)
{
	if (atomic_load(&lane->state) != IDLE)
		return false;
	atomic_store(&lane->what, what);
	atomic_store(&lane->end, end);
	set_state(lane, POSTED);
	return true;
}

/* Waits until its calls are made, or one of them blocks: then the rest is dropped. */
static void follow(struct lane *lane)
{
	unsigned int at;

	do {
		at = atomic_load(&lane->what);
		if (idle_within(lane, CALL_MS))
			return;
	} while (atomic_load(&lane->what) != at);
	atomic_store(&lane->end, 0);
}

/* Is there such a thread, and does it wait for work? Starts it if need be. */
static bool is_ready(unsigned int process, unsigned int thread)
{
	struct lane *lane = &board->lanes[process][thread];
	struct lane *maker = thread ? &board->lanes[process][0] : &board->lanes[0][0];

	if (atomic_load(&lane->state) != ABSENT)
		return idle_within(lane, CALL_MS);
	if ((thread || process) && !is_ready(thread ? process : 0, 0))
		return false;
	if (!post(maker, thread ? START_THREAD : START_PROCESS + process, 0))
		return false;
	return idle_within(lane, START_MS * slowness);
}

static pid_t clone_into_namespace(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
}

/* Kills the first process of the namespace, and so all, and sees them go. */
static bool finish(pid_t pid)
{
	long end = now_ms() + END_MS * slowness;

	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, WNOHANG) != pid) {
		const struct timespec pause = { 0, 1000000 };

		if (now_ms() > end)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

static bool same_lane(const struct call *one, const struct call *other)
{
	return one->process == other->process && one->thread == other->thread;
}

static void run_calls(const struct sequence *sequence)
{
	unsigned int end;

	for (unsigned int i = 0; i < sequence->count; i = end) {
		const struct call *call = &sequence->calls[i];
		struct lane *lane = &board->lanes[call->process % PROCESSES][call->thread % THREADS];

		for (end = i + 1; end < sequence->count; end++)
			if (sequence->calls[end - 1].hasty ||
			    !same_lane(call, &sequence->calls[end]))
				break;
		if (atomic_load(&board->lanes[0][0].state) == ABSENT)
			return;
		if (!is_ready(call->process % PROCESSES, call->thread % THREADS) ||
		    !post(lane, i, end))
			continue;
		if (!sequence->calls[end - 1].hasty)
			follow(lane);
	}
	/* What the last calls have set going */
	idle_within(&board->lanes[0][0], CALL_MS);
}

bool world_run(const struct sequence *sequence, void (*begin)(unsigned int thread))
{
	pid_t pid;

	memset(board, 0, sizeof(*board));
	board->sequence = *sequence;
	begin_thread = begin;
	pid = clone_into_namespace();
	if (pid == 0) {
		be_process_0();
		serve(0, 0);
	}
	if (pid < 0)
		return true;
	if (idle_within(&board->lanes[0][0], START_MS * slowness))
		run_calls(sequence);
	return finish(pid);
}

bool world_saw_poison(void)
{
	return board->poison;
}

bool world_visit(void (*work)(void))
{
	pid_t pid = clone_into_namespace();

	if (pid == 0) {
		be_process_0();
		act_prepare(0);
		work();
		_exit(0);
	}
	for (long end = now_ms() + 2000 * slowness; pid > 0 && now_ms() < end;) {
		const struct timespec pause = { 0, 1000000 };

		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
		nanosleep(&pause, NULL);
	}
	return pid < 0 || finish(pid);
}

bool world_init(long slow)
{
	slowness = slow;
	files_init();
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	return board != MAP_FAILED;
}
