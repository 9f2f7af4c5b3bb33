// SPDX-License-Identifier: GPL-2.0
/*
 * Signals that are told as exceptions, registers that a client has handed in, and
 * threads that stop in their client.
 * time limit: 240 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exception.h"
#include "harness.h"
#include "mach.h"
#include "mach_const.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"

#define TASK_INFO	3405
#define SUSPEND_COUNT	12	/* of MACH_TASK_BASIC_INFO */
#define EXCEPTION_STATE64 6

#define WIDE_DEFAULT	(EXC_WIDE | EXC_DEFAULT)
#define SOFT_SIGNAL	0x10003

static const struct fake_signal usr1 = { BSD_USR1, SIGUSR1, SI_USER, 0 };

static int32_t ask(name_t target, int32_t id)
{
	struct rpc rpc;

	rpc_begin(&rpc, target, id);
	return rpc_call(&rpc);
}

/* A thread that asks what to do about a signal, or stops, once */
struct asker {
	struct worker worker;
	struct gate known;
	struct fake_signal signal;
	bool stops;
	struct handed handed;
	name_t port;
	long result;
	int signum;
	volatile int done;
};

static void *be_asker(void *argument)
{
	struct asker *asker = argument;

	asker->port = thread_self();
	gate_open(&asker->known);
	if (asker->stops)
		asker->result = thread_suspended(&asker->handed);
	else
		asker->result = sigprocess(&asker->signal, &asker->handed, &asker->signum);
	asker->done = 1;
	return NULL;
}

static void asker_start(struct asker *asker, struct fake_signal signal)
{
	*asker = (struct asker){ .signal = signal, .signum = -1 };
	handed_fill(&asker->handed, 1);
	gate_init(&asker->known);
	worker_start(&asker->worker, be_asker, asker);
	gate_pass(&asker->known);
}

/* Waits until it is done, and checks what it was told. */
static void asker_gets(struct asker *asker, int bsd, uint64_t seed)
{
	worker_join(&asker->worker);
	CHECK_RET(asker->result, 0);
	CHECK_EQ(asker->signum, bsd);
	CHECK(handed_matches(&asker->handed, seed));
}

static name_t listen_alone(void)
{
	name_t port = new_send_right();

	REQUIRE_RET(listen_to(self(), EXC_MASK_ALL, port, WIDE_DEFAULT, 0), 0);
	return port;
}

TEST(signals_are_told_to_a_debugger)
{
	static const struct fake_signal signals[] = {
		{ BSD_USR1, SIGUSR1, SI_USER, 0 },
		{ BSD_SEGV, SIGSEGV, SI_USER, 0 },
		{ 6, SIGABRT, SI_TKILL, 0 },
		{ 13, SIGPIPE, SI_KERNEL, 0 },
	};
	struct asker asker;
	struct told told;
	name_t port;

	mach_open();
	port = listen_alone();
	/* The machine's is not asked about signals. */
	REQUIRE_RET(listen_to(host_self(), EXC_MASK_ALL, new_send_right(), WIDE_DEFAULT, 0), 0);
	CHECK_RET(set_sigexc(getpid(), 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		/* Whatever the answer is, what is delivered is what was set. */
		for (int j = 0; j < 4; j++) {
			asker_start(&asker, signals[i]);
			RECEIVE_TOLD(&told, port, WIDE_DEFAULT);
			CHECK_EQ(told.exception, EXC_SOFTWARE);
			CHECK_HEX(told.codes[0], SOFT_SIGNAL);
			CHECK_EQ(told.codes[1], signals[i].bsd);
			if (j & 1)
				CHECK_RET(set_pending(asker.worker.tid, 17), 0);
			answer(&told, j & 2 ? 5 : 0);
			asker_gets(&asker, j & 1 ? 17 : 0, 1);
		}
	}
	CHECK_RET(set_sigexc(getpid(), 0), 0);
	asker_start(&asker, usr1);
	asker_gets(&asker, BSD_USR1, 1);
	CHECK_NO_MESSAGE(port);
	REQUIRE_RET(listen_to(host_self(), EXC_MASK_ALL, 0, 0, 0), 0);
}

TEST(signals_of_a_debugged_task_are_dropped_when_nobody_listens)
{
	struct asker asker;

	mach_open();
	CHECK_RET(set_sigexc(getpid(), 1), 0);
	asker_start(&asker, usr1);
	asker_gets(&asker, 0, 1);
	asker_start(&asker, (struct fake_signal){ 0, SIGSEGV, SEGV_MAPERR, 0 });
	asker_gets(&asker, BSD_SEGV, 1);
}

TEST(a_pending_signal_is_for_the_thread_that_is_named)
{
	struct asker first, second;
	struct told told[2];
	name_t port;

	mach_open();
	port = listen_alone();
	CHECK_RET(set_sigexc(getpid(), 1), 0);
	asker_start(&first, usr1);
	RECEIVE_TOLD(&told[0], port, WIDE_DEFAULT);
	asker_start(&second, usr1);
	RECEIVE_TOLD(&told[1], port, WIDE_DEFAULT);
	CHECK_RET(set_pending(getpid(), 5), 0);
	CHECK_RET(set_pending(second.worker.tid, 9), 0);
	CHECK_RET(set_pending(second.worker.tid, 31), 0);
	answer(&told[0], 0);
	answer(&told[1], 0);
	asker_gets(&first, 0, 1);
	asker_gets(&second, 31, 1);
	/* What was set counts if the fault is dealt with, */
	for (int refused = 0; refused < 2; refused++) {
		asker_start(&first, (struct fake_signal){ 0, SIGFPE, FPE_INTDIV, 0 });
		RECEIVE_TOLD(&told[0], port, WIDE_DEFAULT);
		CHECK_RET(set_pending(first.worker.tid, 9), 0);
		answer(&told[0], refused ? 5 : 0);
		asker_gets(&first, refused ? BSD_FPE : 9, 1);
	}
	/* and is of no use to a thread that has not asked. */
	CHECK_RET(set_pending(getpid(), 0), 0);
	CHECK_RET(set_pending(getpid(), 31), 0);
	CHECK_RET(set_pending(getpid(), -1), -EINVAL);
	CHECK_RET(set_pending(getpid(), 32), -EINVAL);
	CHECK_RET(set_pending(0, 9), -ESRCH);
	CHECK_RET(set_pending(-1, 9), -ESRCH);
	CHECK_RET(set_pending(0x7fffffff, 9), -ESRCH);
}

static uint32_t suspend_count(name_t task)
{
	struct rpc rpc;

	REQUIRE_RET(RPC(&rpc, task, TASK_INFO, 20, 12), 0);
	return rpc_words(&rpc)[SUSPEND_COUNT];
}

TEST(sigexc_resumes_once)
{
	struct other other;

	mach_open();
	other_start(&other, NULL, NULL);
	CHECK_RET(set_sigexc(other.pid, 1), 0);
	CHECK_RET(ask(other.task, TASK_SUSPEND), 0);
	CHECK_RET(ask(other.task, TASK_SUSPEND), 0);
	CHECK_EQ(suspend_count(other.task), 2);
	CHECK_RET(set_sigexc(other.pid, 0), 0);
	CHECK_EQ(suspend_count(other.task), 1);
	CHECK_RET(set_sigexc(other.pid, 1), 0);
	CHECK_EQ(suspend_count(other.task), 0);
	CHECK_RET(set_sigexc(other.pid, 1), 0);
	CHECK_EQ(suspend_count(other.task), 0);
	other_end(&other);
	CHECK_RET(set_sigexc(other.pid, 1), KERN_FAILURE);
	CHECK_RET(set_sigexc(0, 1), KERN_FAILURE);
	CHECK_RET(set_sigexc(-1, 1), KERN_FAILURE);
	/* Not a Mach process */
	CHECK_RET(set_sigexc(getppid(), 1), KERN_FAILURE);
}

TEST(another_user_is_refused)
{
	struct other other;

	mach_open();
	other_start(&other, NULL, NULL);
	CHECK_RET(set_pending(other.pid, 1), 0);
	become_nobody(NULL);
	CHECK_RET(set_sigexc(other.pid, 1), KERN_FAILURE);
	CHECK_RET(set_pending(other.pid, 1), -EPERM);
	CHECK_RET(set_pending(getppid(), 1), -ESRCH);
}

TEST(a_process_that_may_not_be_dumped_is_refused)
{
	struct other other;

	mach_open();
	become_nobody(NULL);
	other_start(&other, become_undumpable, NULL);
	CHECK_RET(set_sigexc(other.pid, 1), KERN_FAILURE);
	CHECK_RET(set_pending(other.pid, 1), -EPERM);
}

TEST(registers_that_were_handed_in_are_those_of_the_thread)
{
	struct handed seen, want;
	struct asker asker;
	struct told told;
	name_t port;

	mach_open();
	port = listen_alone();
	asker_start(&asker, (struct fake_signal){ 0, SIGSEGV, SEGV_MAPERR, 0 });
	RECEIVE_TOLD(&told, port, WIDE_DEFAULT);
	CHECK_RET(get_state(asker.port, THREAD_STATE64, GENERAL_WORDS, seen.general), 0);
	CHECK_RET(get_state(asker.port, FLOAT_STATE64, FLOAT_WORDS, seen.floating), 0);
	CHECK(handed_matches(&seen, 1));
	CHECK_RET(get_state(asker.port, THREAD_STATE64, GENERAL_WORDS - 1, seen.general),
		  KERN_INVALID_ARGUMENT);
	CHECK_RET(get_state(asker.port, FLOAT_STATE64, FLOAT_WORDS - 1, seen.floating),
		  KERN_INVALID_ARGUMENT);
	CHECK_RET(get_state(asker.port, EXCEPTION_STATE64, 4, seen.general), 0);
	handed_fill(&want, 2);
	/* Anything may be set: the client loads it. */
	CHECK_RET(set_state(asker.port, THREAD_STATE64, GENERAL_WORDS, want.general), 0);
	CHECK_RET(set_state(asker.port, FLOAT_STATE64, FLOAT_WORDS, want.floating), 0);
	CHECK_RET(set_state(asker.port, FLOAT_STATE64, FLOAT_WORDS - 1, want.floating),
		  KERN_INVALID_ARGUMENT);
	CHECK_RET(get_state(asker.port, THREAD_STATE64, GENERAL_WORDS, seen.general), 0);
	CHECK(!memcmp(seen.general, want.general, sizeof(seen.general)));
	answer(&told, 0);
	asker_gets(&asker, 0, 2);
}

TEST(a_thread_stays_suspended_after_the_answer)
{
	struct handed want, seen;
	struct asker asker;
	struct told told;
	name_t port;

	mach_open();
	port = listen_alone();
	handed_fill(&want, 2);
	for (int stopped = 0; stopped < 2; stopped++) {
		asker_start(&asker, (struct fake_signal){ 0, SIGSEGV, SEGV_MAPERR, 0 });
		RECEIVE_TOLD(&told, port, WIDE_DEFAULT);
		CHECK_RET(ask(asker.port, THREAD_SUSPEND), 0);
		CHECK_RET(ask(asker.port, THREAD_SUSPEND), 0);
		answer(&told, stopped ? 5 : 0);
		sleep_ms(30);
		CHECK_RET(ask(asker.port, THREAD_RESUME), 0);
		sleep_ms(30);
		CHECK_EQ(asker.done, 0);
		CHECK_RET(get_state(asker.port, THREAD_STATE64, GENERAL_WORDS, seen.general), 0);
		CHECK_RET(get_state(asker.port, FLOAT_STATE64, FLOAT_WORDS, seen.floating), 0);
		CHECK(handed_matches(&seen, 1));
		CHECK_RET(set_state(asker.port, THREAD_STATE64, GENERAL_WORDS, want.general), 0);
		CHECK_RET(set_state(asker.port, FLOAT_STATE64, FLOAT_WORDS, want.floating), 0);
		CHECK_RET(ask(asker.port, THREAD_RESUME), 0);
		asker_gets(&asker, stopped ? BSD_SEGV : 0, 2);
	}
}

TEST(a_client_that_is_not_suspended_does_not_stop)
{
	struct handed handed;

	mach_open();
	handed_fill(&handed, 4);
	CHECK_RET(thread_suspended(&handed), 0);
	CHECK(handed_matches(&handed, 4));
}

/* Stops itself as clients do: suspended, it stops in the handler of a signal. */
static struct asker *stopped_asker;

static void stop(int number)
{
	(void)number;
	stopped_asker->result = thread_suspended(&stopped_asker->handed);
}

static void *be_stopped(void *argument)
{
	struct asker *asker = argument;

	asker->port = thread_self();
	gate_open(&asker->known);
	while (!asker->done)
		sleep_ms(1);
	return NULL;
}

TEST(a_client_stops_while_it_is_suspended)
{
	struct asker asker = { .signum = 0 };

	mach_open();
	stopped_asker = &asker;
	signal(SIGUSR1, stop);
	handed_fill(&asker.handed, 1);
	asker.result = -1;
	gate_init(&asker.known);
	worker_start(&asker.worker, be_stopped, &asker);
	gate_pass(&asker.known);
	/* Suspended, it is stopped by the kernel, and handles the signal afterwards. */
	CHECK_RET(ask(asker.port, THREAD_SUSPEND), 0);
	worker_signal(&asker.worker, SIGUSR1);
	sleep_ms(30);
	CHECK_RET(asker.result, -1);
	CHECK_RET(ask(asker.port, THREAD_RESUME), 0);
	while (asker.result == -1)
		sleep_ms(1);
	CHECK_RET(asker.result, 0);
	CHECK(handed_matches(&asker.handed, 1));
	asker.done = 1;
	worker_join(&asker.worker);
}

static void ask_and_wait(void *argument)
{
	struct handed handed;
	int signum;

	(void)argument;
	handed_fill(&handed, 1);
	sigprocess(&(struct fake_signal){ 0, SIGSEGV, SEGV_MAPERR, 0 }, &handed, &signum);
	_exit(signum);
}

TEST(signals_of_a_thread_that_is_suspended_in_its_client)
{
	static const struct {
		int signal, status;
	} cases[] = {
		{ SIGKILL, SIGKILL }, { SIGTERM, SIGTERM }, { SIGCONT, BSD_SEGV << 8 },
	};
	struct told told;
	name_t port;
	pid_t pid;

	mach_open();
	port = listen_alone();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		pid = fork();
		if (pid == 0) {
			mach_forget();
			REQUIRE_EQ(get_api_version(), 19);
			ask_and_wait(NULL);
		}
		RECEIVE_TOLD(&told, port, WIDE_DEFAULT);
		CHECK_RET(ask(told.task, TASK_SUSPEND), 0);
		answer(&told, 5);
		sleep_ms(30);
		CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
		REQUIRE_EQ(kill(pid, cases[i].signal), 0);
		if (cases[i].signal == SIGCONT) {
			sleep_ms(30);
			CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
			CHECK_RET(ask(told.task, 3408), 0);
		}
		CHECK_HEX(wait_child(pid), cases[i].status);
	}
}
