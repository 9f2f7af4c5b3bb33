// SPDX-License-Identifier: GPL-2.0
/*
 * Debug registers of threads: breakpoints of the processor, and what is told when
 * a program runs into one.
 * time limit: 180 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exception.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"

#define DEBUG_STATE32	10u
#define DEBUG_STATE64	11u
#define DEBUG_STATE	12u
#define DEBUG_WORDS	16u
#define FIXED		0x400ul

#ifndef TRAP_HWBKPT
#define TRAP_HWBKPT	4
#endif

enum kind { EXECUTE = 0, WRITE = 1, INPUT = 2, READ_WRITE = 3 };

/* Bits of register 7: breakpoint @n is on, for @kind, of 1, 2, 4 or 8 bytes */
static uint64_t control(int n, enum kind kind, unsigned int length)
{
	uint64_t bits = length == 8 ? 2 : length - 1;

	return 1ul << 2 * n | (uint64_t)kind << (16 + 4 * n) | bits << (18 + 4 * n);
}

static int32_t set_debug(name_t thread, const uint64_t registers[8])
{
	struct rpc rpc;

	rpc_begin(&rpc, thread, SET_STATE);
	rpc_word(&rpc, DEBUG_STATE64);
	rpc_word(&rpc, DEBUG_WORDS);
	rpc_bytes(&rpc, registers, DEBUG_WORDS * 4);
	return rpc_call(&rpc);
}

static int32_t set_one(name_t thread, const volatile void *address, uint64_t control_bits)
{
	return set_debug(thread, (uint64_t[8]){ (uintptr_t)address, [7] = control_bits });
}

static void get_debug(name_t thread, uint64_t registers[8])
{
	struct rpc rpc;

	REQUIRE_RET(RPC(&rpc, thread, GET_STATE, DEBUG_STATE64, DEBUG_WORDS), 0);
	REQUIRE_EQ(rpc.size, 40 + DEBUG_WORDS * 4);
	memcpy(registers, rpc_words(&rpc) + 1, DEBUG_WORDS * 4);
}

static volatile int hits, wrong_codes;
static struct last_triggered_watchpoint_args last;

static void trapped(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	hits++;
	if (info->si_code != TRAP_HWBKPT)
		wrong_codes++;
	poison(&last, sizeof(last));
	if (trap_struct(NR_last_triggered_watchpoint, &last))
		wrong_codes++;
}

static void catch_traps(void)
{
	struct sigaction action = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO };

	REQUIRE_EQ(sigaction(SIGTRAP, &action, NULL), 0);
}

static volatile uint8_t memory[64] __attribute__((aligned(64)));

static __attribute__((noinline, noclone)) int a_function(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x + 1;
}

TEST(breakpoints_are_told)
{
	static const struct {
		enum kind kind;
		unsigned int length;
	} cases[] = {
		{ WRITE, 1 }, { WRITE, 2 }, { WRITE, 4 }, { WRITE, 8 },
		{ READ_WRITE, 1 }, { READ_WRITE, 2 }, { READ_WRITE, 4 }, { READ_WRITE, 8 },
	};
	uint64_t registers[8];

	mach_open();
	catch_traps();
	CHECK_RET(trap_struct(NR_last_triggered_watchpoint, &last), 0);
	CHECK_HEX(last.address | last.flags, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool reads = cases[i].kind == READ_WRITE;
		unsigned int length = cases[i].length;
		uint64_t bits = control(0, cases[i].kind, length);
		volatile uint8_t *place = memory + 16;

		REQUIRE_RET(set_one(thread_self(), place, bits), 0);
		hits = 0;
		place[0] = 1;
		CHECK_EQ(hits, 1);
		place[length - 1] = 1;
		CHECK_EQ(hits, 2);
		CHECK_HEX(last.address, (uintptr_t)place);
		CHECK_EQ(last.flags, reads ? 3 : 1);
		(void)place[0];
		CHECK_EQ(hits, reads ? 3 : 2);
		hits = 0;
		place[length] = 1;
		place[-1] = 1;
		(void)place[length];
		CHECK_EQ(hits, 0);
		get_debug(thread_self(), registers);
		CHECK_HEX(registers[0], (uintptr_t)place);
		CHECK_HEX(registers[6], 1);
		CHECK_HEX(registers[7], bits | FIXED);
		CHECK_HEX(registers[1] | registers[2] | registers[3], 0);
	}
	CHECK_EQ(wrong_codes, 0);
	/* Off again */
	REQUIRE_RET(set_one(thread_self(), memory, 0), 0);
	hits = 0;
	memory[0] = memory[16] = 1;
	CHECK_EQ(hits, 0);
	/* It is still what was hit last. */
	CHECK_RET(trap_struct(NR_last_triggered_watchpoint, &last), 0);
	CHECK_HEX(last.address, (uintptr_t)memory + 16);
}

TEST(instructions_are_told)
{
	mach_open();
	catch_traps();
	REQUIRE_RET(set_one(thread_self(), (void *)a_function, control(0, EXECUTE, 1)), 0);
	for (int i = 1; i < 4; i++) {
		CHECK_EQ(a_function(i), i + 1);
		CHECK_EQ(hits, i);
		CHECK_HEX(last.address, (uintptr_t)a_function);
		CHECK_EQ(last.flags, 0);
	}
	CHECK_EQ(wrong_codes, 0);
}

TEST(there_are_four)
{
	uint64_t registers[8] = { 0 }, got[8];

	mach_open();
	catch_traps();
	for (int i = 0; i < 4; i++) {
		registers[i] = (uintptr_t)memory + 8u * (unsigned int)i;
		registers[7] |= control(i, WRITE, 8);
	}
	for (int round = 0; round < 3; round++) {
		REQUIRE_RET(set_debug(thread_self(), registers), 0);
		for (int i = 0; i < 4; i++) {
			hits = 0;
			memory[8 * i + 3] = 1;
			CHECK_EQ(hits, 1);
			CHECK_HEX(last.address, registers[i]);
			get_debug(thread_self(), got);
			CHECK_HEX(got[6], 1 << i);
			for (int j = 0; j < 4; j++)
				CHECK_HEX(got[j], registers[j]);
		}
	}
	/* One of them goes. */
	registers[7] &= ~0x10ul;
	REQUIRE_RET(set_debug(thread_self(), registers), 0);
	hits = 0;
	memory[0] = memory[8] = memory[16] = memory[24] = 1;
	CHECK_EQ(hits, 3);
}

TEST(what_cannot_be_loaded_is_refused)
{
	static const struct {
		uint64_t address, control;
	} bad[] = {
		{ 0xffffffff81000000, 0x10001 }, { 0xffff888000000000, 0x10001 },
		{ 0xfffffe0000000000, 0x30001 }, { 0x7fffffffffff, 0x10001 },
		{ 0x800000000000, 0x10001 }, { ~0ul, 0x10001 }, { ~0ul, 0xd0001 },
		/* Not aligned */
		{ 0x1001, 0x50001 }, { 0x1002, 0xd0001 }, { 0x1004, 0x90001 },
		/* Input and output; the length of instructions; of all programs */
		{ 0x1000, 0x20001 }, { 0x1000, 0x20000 }, { 0x1000, 0x40001 },
		{ 0x1000, 0x80000000 }, { 0x1000, 0x10002 }, { 0x1000, 0x10080 },
	};
	struct rpc rpc;
	uint64_t got[8];

	mach_open();
	catch_traps();
	REQUIRE_RET(set_one(thread_self(), memory, control(0, WRITE, 1)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_RET(set_one(thread_self(), (void *)(uintptr_t)bad[i].address, bad[i].control),
			  KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, thread_self(), GET_STATE, DEBUG_STATE32, 614), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, thread_self(), GET_STATE, DEBUG_STATE64, 15), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, thread_self(), GET_STATE, DEBUG_STATE, 17), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, thread_self(), SET_STATE, DEBUG_STATE64, 2, 0, 0),
		  KERN_INVALID_ARGUMENT);
	/* Addresses that are switched off can be anything, and some bits are never set. */
	CHECK_RET(set_debug(thread_self(), (uint64_t[8]){ 5, ~0ul, 6, 7, 8, 9, 3,
							  0xffffffff0000ff00 }), 0);
	get_debug(thread_self(), got);
	CHECK_HEX(got[0], 5);
	CHECK_HEX(got[1], ~0ul);
	CHECK_HEX(got[4] | got[5], 0);
	CHECK_HEX(got[6], 3);
	CHECK_HEX(got[7], 0x700);
	CHECK_RET(RPC(&rpc, thread_self(), GET_STATE, DEBUG_STATE, 18), 0);
	CHECK_EQ(rpc_words(&rpc)[1], DEBUG_STATE64);
	CHECK_EQ(rpc_words(&rpc)[2], DEBUG_WORDS);
}

TEST(what_the_kernel_does_is_not_told)
{
	int fds[2];

	mach_open();
	catch_traps();
	REQUIRE_EQ(pipe(fds), 0);
	REQUIRE_EQ(write(fds[1], "x", 1), 1);
	REQUIRE_RET(set_one(thread_self(), memory, control(0, READ_WRITE, 1)), 0);
	CHECK_EQ(read(fds[0], (void *)(uintptr_t)memory, 1), 1);
	CHECK_EQ(hits, 0);
	CHECK_EQ(memory[0], 'x');
	CHECK_EQ(hits, 1);
}

static void *write_memory(void *argument)
{
	(void)argument;
	thread_self();
	memory[0] = 1;
	return NULL;
}

#define FIXED_ADDRESS	((volatile uint8_t *)0x10000000)

static void map_fixed(void)
{
	REQUIRE(mmap((void *)(uintptr_t)FIXED_ADDRESS, 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
}

HELPER(write_after_exec)
{
	(void)argc;
	(void)argv;
	map_fixed();
	catch_traps();
	FIXED_ADDRESS[0] = 1;
	return hits;
}

TEST(nobody_inherits_them)
{
	struct worker worker;
	pid_t pid;

	mach_open();
	catch_traps();
	REQUIRE_RET(set_one(thread_self(), memory, control(0, WRITE, 1)), 0);
	worker_start(&worker, write_memory, NULL);
	worker_join(&worker);
	CHECK_EQ(hits, 0);
	for (int exec = 0; exec < 2; exec++) {
		pid = fork();
		if (pid == 0) {
			memory[0] = 1;
			mach_forget();
			REQUIRE_EQ(get_api_version(), 19);
			memory[0] = 1;
			CHECK_EQ(hits, 0);
			if (exec) {
				map_fixed();
				REQUIRE_RET(set_one(thread_self(), FIXED_ADDRESS,
						    control(0, WRITE, 1)), 0);
				FIXED_ADDRESS[0] = 1;
				CHECK_EQ(hits, 1);
				exec_helper("write_after_exec", "");
			}
			_exit(0);
		}
		WAIT_CHILD_OK(pid);
	}
	memory[0] = 1;
	CHECK_EQ(hits, 1);
}

static volatile struct {
	int go, hits;
	uint64_t counter;
} *shared;

static void count_hit(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	if (info->si_code == TRAP_HWBKPT)
		shared->hits++;
}

static void *spin(void *argument)
{
	(void)argument;
	thread_self();
	for (;;)
		if (shared->go)
			shared->counter++;
	return NULL;
}

static void start_spinning(void *unused)
{
	struct sigaction action = { .sa_sigaction = count_hit, .sa_flags = SA_SIGINFO };
	static struct worker worker;

	(void)unused;
	REQUIRE_EQ(sigaction(SIGTRAP, &action, NULL), 0);
	worker_start(&worker, spin, NULL);
	sleep_ms(20);
}

TEST(of_another_task)
{
	struct other other;
	struct rpc rpc;
	uint32_t count;
	name_t *names, thread;
	int before;

	mach_open();
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE((void *)(uintptr_t)shared != MAP_FAILED);
	other_start(&other, start_spinning, NULL);
	rpc_begin(&rpc, other.task, 3402);
	REQUIRE_RET(rpc_call(&rpc), 0);
	names = rpc_out_of_line(&rpc, 0, &count);
	REQUIRE_EQ(count, 2);
	thread = names[0] == other.thread ? names[1] : names[0];
	shared->go = 1;
	for (int round = 0; round < 20; round++) {
		before = shared->hits;
		REQUIRE_RET(set_one(thread, &shared->counter, control(0, WRITE, 8)), 0);
		while (shared->hits == before)
			sleep_ms(1);
		REQUIRE_RET(set_one(thread, 0, 0), 0);
		before = shared->hits;
		sleep_ms(2);
		/* At most one is on its way. */
		CHECK(shared->hits - before < 2);
	}
	REQUIRE_RET(set_one(thread, &shared->counter, control(0, WRITE, 8)), 0);
	/* What is written here is not its writing. */
	shared->counter = 0;
	other_end(&other);
}

TEST(another_user_is_refused)
{
	struct other other;
	struct rpc rpc;

	mach_open();
	other_start(&other, NULL, NULL);
	become_nobody(NULL);
	CHECK_RET(set_one(other.thread, memory, control(0, WRITE, 1)), KERN_NO_ACCESS);
	CHECK_RET(RPC(&rpc, other.thread, GET_STATE, DEBUG_STATE64, DEBUG_WORDS), KERN_NO_ACCESS);
}

/* A debugger is told of a watchpoint with its address. */
TEST(exceptions_of_breakpoints)
{
	const struct fake_signal signal = { 5, SIGTRAP, TRAP_HWBKPT, 0x1234 };
	struct told told;
	name_t port;
	pid_t pid;

	mach_open();
	port = new_send_right();
	REQUIRE_RET(listen_to(self(), EXC_MASK_ALL, port, EXC_WIDE | EXC_DEFAULT, 0), 0);
	pid = fork();
	if (pid == 0) {
		struct handed handed;
		int signum = -1;

		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		catch_traps();
		REQUIRE_RET(set_one(thread_self(), memory, control(0, WRITE, 4)), 0);
		memory[2] = 1;
		CHECK_EQ(hits, 1);
		handed_fill(&handed, 1);
		CHECK_RET(sigprocess(&signal, &handed, &signum), 0);
		CHECK_EQ(signum, 0);
		_exit(0);
	}
	RECEIVE_TOLD(&told, port, EXC_WIDE | EXC_DEFAULT);
	CHECK_EQ(told.exception, EXC_BREAKPOINT);
	CHECK_EQ(told.codes[0], 1);
	CHECK_HEX(told.codes[1], (uintptr_t)memory);
	answer(&told, 0);
	WAIT_CHILD_OK(pid);
}

TEST(bad_addresses)
{
	struct hole hole;

	mach_open();
	hole_init(&hole);
	for (size_t i = 0; i < bad_pointer_count; i++)
		CHECK_RET(trap(NR_last_triggered_watchpoint, bad_pointers[i]), -EFAULT);
	CHECK_RET(trap_struct(NR_last_triggered_watchpoint, fault_at(&hole, 12)), 0);
	CHECK_RET(trap_struct(NR_last_triggered_watchpoint, fault_at(&hole, 11)), -EFAULT);
}
