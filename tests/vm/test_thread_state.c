// SPDX-License-Identifier: GPL-2.0
/*
 * The registers of threads: asking for them and changing them.
 * time limit: 180 s
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "mach_const.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"

#define TASK_THREADS	3402
#define GET_STATE	3603
#define SET_STATE	3604

#define THREAD_STATE64	4
#define EXCEPTION_STATE64 6
#define THREAD_STATE	7
#define EXCEPTION_STATE	9
#define WORDS_64	42

enum reg { RAX, RBX, RCX, RDX, RDI, RSI, RBP, RSP, R8, R12 = 12, R13, RIP = 16, RFLAGS, CS, FS, GS };

#define MAGIC		0x1122334455667788ul
#define FLAG_CARRY	0x1ul
#define FLAG_INTERRUPT	0x200ul
#define FLAGS_IOPL	0x3000ul

static volatile uint64_t *counters;	/* of turns; of ends */

extern const char spin_begin[], spin_end[];

/* Turns until somebody sets register r13 to 1. */
static __attribute__((noinline, noclone)) void spin_until_told(volatile uint64_t *counter)
{
	__asm__ volatile("movabs $0x1122334455667788, %%r12\n\t"
			 "xor %%r13, %%r13\n\t"
			 ".globl spin_begin\nspin_begin:\n\t"
			 "incq (%0)\n\t"
			 "cmp $1, %%r13\n\t"
			 "jne spin_begin\n\t"
			 ".globl spin_end\nspin_end:\n\t"
			 :
			 : "r"(counter)
			 : "r12", "r13", "memory", "cc");
}

static void *spinner(void *unused)
{
	(void)unused;
	thread_self();
	spin_until_told(&counters[0]);
	counters[1]++;
	for (;;)
		pause();
	return NULL;
}

static void start_spinner(void *unused)
{
	pthread_t thread;

	(void)unused;
	REQUIRE_EQ(pthread_create(&thread, NULL, spinner, NULL), 0);
	while (!counters[0])
		sleep_ms(1);
}

/* Another task with a thread that turns, and one that waits in pause() */
static name_t start(struct other *other)
{
	struct rpc rpc;
	uint32_t count;
	name_t *names;

	mach_open();
	counters = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(counters != MAP_FAILED);
	other_start(other, start_spinner, NULL);
	rpc_begin(&rpc, other->task, TASK_THREADS);
	REQUIRE_RET(rpc_call(&rpc), 0);
	names = rpc_out_of_line(&rpc, 0, &count);
	REQUIRE_EQ(count, 2);
	return names[0] == other->thread ? names[1] : names[0];
}

static int32_t ask(name_t target, int32_t id)
{
	struct rpc rpc;

	rpc_begin(&rpc, target, id);
	return rpc_call(&rpc);
}

static void get_state(name_t thread, uint64_t state[WORDS_64 / 2])
{
	struct rpc rpc;

	REQUIRE_RET(RPC(&rpc, thread, GET_STATE, THREAD_STATE64, WORDS_64), 0);
	REQUIRE_EQ(rpc.size, 40 + WORDS_64 * 4);
	REQUIRE_EQ(rpc_words(&rpc)[0], WORDS_64);
	memcpy(state, rpc_words(&rpc) + 1, WORDS_64 * 4);
}

static int32_t set_state(name_t thread, const uint64_t state[WORDS_64 / 2])
{
	struct rpc rpc;

	rpc_begin(&rpc, thread, SET_STATE);
	rpc_word(&rpc, THREAD_STATE64);
	rpc_word(&rpc, WORDS_64);
	rpc_bytes(&rpc, state, WORDS_64 * 4);
	return rpc_call(&rpc);
}

static bool is_spinning_at(uint64_t rip)
{
	return rip >= (uintptr_t)spin_begin && rip < (uintptr_t)spin_end;
}

TEST(registers_of_a_running_thread)
{
	uint64_t state[WORDS_64 / 2];
	struct other other;
	name_t thread = start(&other);

	for (int suspended = 0; suspended < 2; suspended++) {
		if (suspended)
			CHECK_RET(ask(thread, THREAD_SUSPEND), 0);
		get_state(thread, state);
		CHECK_HEX(state[R12], MAGIC);
		CHECK_HEX(state[R13], 0);
		CHECK(is_spinning_at(state[RIP]));
		CHECK(state[RFLAGS] & FLAG_INTERRUPT);
		CHECK_HEX(state[CS], 0x33);
	}
	CHECK_RET(ask(thread, THREAD_RESUME), 0);
	other_end(&other);
}

TEST(changed_registers_are_what_the_thread_goes_on_with)
{
	uint64_t state[WORDS_64 / 2], before[WORDS_64 / 2];
	struct other other;
	name_t thread = start(&other);

	CHECK_RET(ask(thread, THREAD_SUSPEND), 0);
	get_state(thread, before);
	memcpy(state, before, sizeof(state));
	state[R12] = ~MAGIC;
	CHECK_RET(set_state(thread, state), 0);
	get_state(thread, state);
	CHECK_HEX(state[R12], ~MAGIC);
	state[R12] = MAGIC;
	CHECK(!memcmp(state, before, sizeof(state)));
	state[R13] = 1;
	CHECK_RET(set_state(thread, state), 0);
	sleep_ms(30);
	CHECK_EQ(counters[1], 0);
	CHECK_RET(ask(thread, THREAD_RESUME), 0);
	for (int i = 0; i < 10000 && !counters[1]; i++)
		sleep_ms(1);
	CHECK_EQ(counters[1], 1);
	other_end(&other);
}

TEST(registers_of_a_running_thread_can_be_changed)
{
	uint64_t state[WORDS_64 / 2];
	struct other other;
	name_t thread = start(&other);

	get_state(thread, state);
	state[R13] = 1;
	CHECK_RET(set_state(thread, state), 0);
	for (int i = 0; i < 10000 && !counters[1]; i++)
		sleep_ms(1);
	CHECK_EQ(counters[1], 1);
	other_end(&other);
}

TEST(nothing_privileged_can_be_set)
{
	static const uint64_t bad[] = {
		0x7ffffffff000, 0x800000000000, 0xffff800000000000, 0xffffffff81000000, ~0ul,
	};
	uint64_t state[WORDS_64 / 2], now[WORDS_64 / 2];
	struct other other;
	name_t thread = start(&other);

	CHECK_RET(ask(thread, THREAD_SUSPEND), 0);
	get_state(thread, state);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(now, state, sizeof(now));
		now[RIP] = bad[i];
		CHECK_RET(set_state(thread, now), KERN_INVALID_ARGUMENT);
	}
	memcpy(now, state, sizeof(now));
	now[RFLAGS] = (state[RFLAGS] ^ FLAG_CARRY ^ FLAG_INTERRUPT) | FLAGS_IOPL | 0xffffffff00000000;
	now[CS] = 0x10;
	now[FS] = 0x1234;
	now[GS] = 0x18;
	CHECK_RET(set_state(thread, now), 0);
	get_state(thread, now);
	CHECK_HEX(now[RFLAGS], state[RFLAGS] ^ FLAG_CARRY);
	CHECK_HEX(now[CS], state[CS]);
	CHECK_HEX(now[FS], state[FS]);
	CHECK_HEX(now[GS], state[GS]);
	CHECK_RET(ask(thread, THREAD_RESUME), 0);
	CHECK_EQ(waitpid(other.pid, NULL, WNOHANG), 0);
	other_end(&other);
}

TEST(a_thread_in_a_system_call)
{
	uint64_t state[WORDS_64 / 2], again[WORDS_64 / 2];
	struct other other;

	start(&other);
	for (int i = 0; i < 3; i++) {
		/* It may be on its way there. */
		do {
			get_state(other.thread, state);
		} while (state[RAX] != SYS_pause);
		CHECK_RET(ask(other.thread, THREAD_SUSPEND), 0);
		/* Written back as it is told: the thread makes its call again. */
		CHECK_RET(set_state(other.thread, state), 0);
		get_state(other.thread, again);
		CHECK_RET(set_state(other.thread, again), 0);
		CHECK_RET(ask(other.thread, THREAD_RESUME), 0);
		sleep_ms(20);
	}
	CHECK_EQ(waitpid(other.pid, NULL, WNOHANG), 0);
	other_end(&other);
}

TEST(kinds_of_states)
{
	static const struct { uint32_t flavor, count; int32_t answer; } kinds[] = {
		{ 1, 614, KERN_INVALID_ARGUMENT },	{ 3, 614, KERN_INVALID_ARGUMENT },
		{ 19, 614, KERN_INVALID_ARGUMENT },	{ 14, 614, KERN_INVALID_ARGUMENT },
		{ 0, 614, KERN_INVALID_ARGUMENT },	{ 13, 614, KERN_INVALID_ARGUMENT },
		{ 10, 614, KERN_INVALID_ARGUMENT },	{ 99, 614, KERN_INVALID_ARGUMENT },
		{ THREAD_STATE64, 41, KERN_INVALID_ARGUMENT },
		{ THREAD_STATE, 43, KERN_INVALID_ARGUMENT },
		{ EXCEPTION_STATE64, 3, KERN_INVALID_ARGUMENT },
		{ EXCEPTION_STATE, 5, KERN_INVALID_ARGUMENT },
	};
	uint64_t state[WORDS_64 / 2];
	struct other other;
	struct rpc rpc;
	name_t thread = start(&other);

	CHECK_RET(ask(thread, THREAD_SUSPEND), 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		CHECK_RET(RPC(&rpc, thread, GET_STATE, kinds[i].flavor, kinds[i].count),
			  kinds[i].answer);
		CHECK_RET(RPC(&rpc, thread, 3601, kinds[i].flavor, kinds[i].count),
			  kinds[i].answer);
	}
	get_state(thread, state);
	CHECK_RET(RPC(&rpc, thread, GET_STATE, THREAD_STATE, 44), 0);
	REQUIRE_EQ(rpc.size, 40 + 44 * 4);
	CHECK_EQ(rpc_words(&rpc)[1], THREAD_STATE64);
	CHECK_EQ(rpc_words(&rpc)[2], WORDS_64);
	CHECK(!memcmp(rpc_words(&rpc) + 3, state, sizeof(state)));
	CHECK_RET(RPC(&rpc, thread, GET_STATE, EXCEPTION_STATE64, 4), 0);
	CHECK_EQ(rpc.size, 40 + 4 * 4);
	CHECK_RET(RPC(&rpc, thread, GET_STATE, EXCEPTION_STATE, 6), 0);
	CHECK_EQ(rpc_words(&rpc)[1], EXCEPTION_STATE64);
	CHECK_EQ(rpc_words(&rpc)[2], 4);
	/* Setting: too short, exceptions, and a state that says it is another */
	CHECK_RET(RPC(&rpc, thread, SET_STATE, THREAD_STATE64, 0), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, thread, 3602, EXCEPTION_STATE64, 4, 0, 0, 0, 0), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, thread, SET_STATE, THREAD_STATE, 2, 5, 42), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, thread, SET_STATE, 5, 0), KERN_INVALID_ARGUMENT);
	rpc_begin(&rpc, thread, SET_STATE);
	rpc_word(&rpc, THREAD_STATE);
	rpc_word(&rpc, 44);
	rpc_word(&rpc, THREAD_STATE64);
	rpc_word(&rpc, WORDS_64);
	state[R12] = 5;
	rpc_bytes(&rpc, state, sizeof(state));
	CHECK_RET(rpc_call(&rpc), 0);
	get_state(thread, state);
	CHECK_EQ(state[R12], 5);
	other_end(&other);
}

TEST(own_registers)
{
	uint64_t state[WORDS_64 / 2];

	mach_open();
	get_state(thread_self(), state);
	CHECK_EQ(state[RAX], SYS_ioctl);
	CHECK_EQ(state[RDI], mach_fd);
	CHECK(state[RSP] < (uintptr_t)state && state[RSP] + 65536 > (uintptr_t)state);
}

TEST(control_of_another_user_is_refused)
{
	uint64_t state[WORDS_64 / 2];
	struct other other;
	struct rpc rpc;
	name_t thread = start(&other);

	get_state(thread, state);
	become_nobody(NULL);
	CHECK_RET(RPC(&rpc, thread, GET_STATE, THREAD_STATE64, WORDS_64), KERN_NO_ACCESS);
	CHECK_RET(RPC(&rpc, thread, 3601, THREAD_STATE64, WORDS_64), KERN_NO_ACCESS);
	CHECK_RET(set_state(thread, state), KERN_NO_ACCESS);
}

TEST(a_thread_that_is_killed_meanwhile)
{
	uint64_t state[WORDS_64 / 2];
	struct other other;

	for (int i = 0; i < 30; i++) {
		name_t thread = start(&other);
		pid_t pid;

		get_state(thread, state);
		pid = fork();
		REQUIRE(pid >= 0);
		if (pid == 0) {
			usleep((unsigned int)i * 100);
			kill(other.pid, SIGKILL);
			_exit(0);
		}
		for (int j = 0; j < 50 && has_right(thread, MACH_PORT_RIGHT_SEND); j++) {
			struct rpc rpc;

			rpc_begin(&rpc, thread, GET_STATE);
			rpc_word(&rpc, THREAD_STATE64);
			rpc_word(&rpc, WORDS_64);
			if (mach_msg(&rpc.message, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
				     rpc.size, sizeof(rpc.message), rpc.reply, 10000))
				break;
			rpc_begin(&rpc, thread, SET_STATE);
			rpc_word(&rpc, THREAD_STATE64);
			rpc_word(&rpc, WORDS_64);
			rpc_bytes(&rpc, state, sizeof(state));
			if (mach_msg(&rpc.message, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
				     rpc.size, sizeof(rpc.message), rpc.reply, 10000))
				break;
		}
		wait_child(pid);
		other_end(&other);
	}
}
