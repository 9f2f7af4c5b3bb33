// SPDX-License-Identifier: GPL-2.0
/*
 * Floating point and vector registers of threads: asking for them and changing
 * them, wherever the thread is.
 * time limit: 180 s
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
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

#define FLOAT_STATE32	2u
#define FLOAT_STATE	8u
#define AVX_STATE32	16u
#define AVX_STATE64	17u
#define AVX_STATE	18u
#define AVX_WORDS	211u

#define LEGACY		512u
#define UPPER		256u
#define USED		416u	/* the rest is nothing */
#define MXCSR		24u
#define MXCSR_MASK	28u
#define UPPER_AT	(2 + LEGACY / 4 + 17)

/* All registers, as FXSAVE has them, and the upper halves */
struct floats {
	uint8_t legacy[LEGACY] __attribute__((aligned(16)));
	uint8_t upper[UPPER];
};

struct shared {
	struct floats in, out;
	volatile int go, sleeps, begun, done;
	bool avx;
};
static struct shared *shared;

#define EACH(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7)		\
	op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define INSERT(n) "vinsertf128 $1, " #n "*16(%[upper_in]), %%ymm" #n ", %%ymm" #n "\n\t"
#define EXTRACT(n) "vextractf128 $1, %%ymm" #n ", " #n "*16(%[upper_out])\n\t"

/* Loads @in, waits with that in the registers, and stores what is there then. */
static __attribute__((noinline)) void hold(struct shared *s)
{
	static uint8_t own[LEGACY] __attribute__((aligned(16)));

	__asm__ volatile(
		"fxsave (%[own])\n\t"
		"fxrstor (%[in])\n\t"
		"testl %[avx], %[avx]\n\t"
		"jz 1f\n\t"
		EACH(INSERT)
		"1: movl $1, (%[begun])\n"
		"2: cmpl $0, (%[sleeps])\n\t"
		"je 3f\n\t"
		"movl %[pause], %%eax\n\t"
		"syscall\n"
		"3: cmpl $0, (%[go])\n\t"
		"je 2b\n\t"
		"testl %[avx], %[avx]\n\t"
		"jz 4f\n\t"
		EACH(EXTRACT)
		"4: fxsave (%[out])\n\t"
		"fxrstor (%[own])\n\t"
		:
		: [own] "r"(own), [in] "r"(s->in.legacy), [out] "r"(s->out.legacy),
		  [upper_in] "r"(s->in.upper), [upper_out] "r"(s->out.upper), [go] "r"(&s->go),
		  [begun] "r"(&s->begun), [sleeps] "r"(&s->sleeps), [avx] "r"((int)s->avx),
		  [pause] "i"(SYS_pause)
		: "rax", "rcx", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
		  "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
		  "xmm14", "xmm15");
}

/* Registers that can be loaded, all different from those of another @seed */
static void fill(struct floats *floats, uint32_t seed)
{
	static const uint8_t control[] = { 0x7f, 0x03, 0, 0, 0xff, 0 };
	uint32_t mxcsr = seed & 1 ? 0x1f80 : 0x3f80;

	body_fill(floats, sizeof(*floats), seed);
	memset(floats->legacy, 0, 32);
	memcpy(floats->legacy, control, sizeof(control));
	memcpy(floats->legacy + MXCSR, &mxcsr, 4);
	for (int i = 0; i < 8; i++)
		memset(floats->legacy + 32 + 16 * i + 10, 0, 6);
	memset(floats->legacy + USED, 0, LEGACY - USED);
}

static bool same(const uint8_t *got, const struct floats *want)
{
	struct floats copy = *want;

	memcpy(copy.legacy + MXCSR_MASK, got + MXCSR_MASK, 4);
	for (unsigned int i = 0; i < USED; i++)
		if (got[i] != copy.legacy[i])
			return FAIL("byte %u is %#x, not %#x", i, got[i], copy.legacy[i]), false;
	return true;
}

static void *holder(void *unused)
{
	(void)unused;
	thread_self();
	hold(shared);
	shared->done = 1;
	for (;;)
		pause();
	return NULL;
}

static void use_registers(int number)
{
	__asm__ volatile("pxor %%xmm3, %%xmm3\n\tfldz" : : "r"(number) : "xmm3");
}

static void start_holder(void *unused)
{
	struct worker *worker = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	REQUIRE(worker != MAP_FAILED);
	signal(SIGUSR1, use_registers);
	worker_start(worker, holder, NULL);
	while (!shared->begun)
		sleep_ms(1);
}

static int32_t ask(name_t target, int32_t id)
{
	struct rpc rpc;

	rpc_begin(&rpc, target, id);
	return rpc_call(&rpc);
}

/* Another task with a thread that holds the registers of seed 1 */
static name_t start(struct other *other, int sleeps)
{
	struct rpc rpc;
	uint32_t count;
	name_t *names;

	mach_open();
	shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(shared != MAP_FAILED);
	shared->avx = __builtin_cpu_supports("avx");
	shared->sleeps = sleeps;
	fill(&shared->in, 1);
	other_start(other, start_holder, NULL);
	rpc_begin(&rpc, other->task, 3402);
	REQUIRE_RET(rpc_call(&rpc), 0);
	names = rpc_out_of_line(&rpc, 0, &count);
	REQUIRE_EQ(count, 2);
	if (sleeps)
		sleep_ms(50);
	return names[0] == other->thread ? names[1] : names[0];
}

/* The number of the thread that holds the registers */
static pid_t second_thread(const struct other *other)
{
	pid_t tid = other->pid;
	char path[64];

	do {
		tid++;
		snprintf(path, sizeof(path), "/proc/%d/task/%d", other->pid, tid);
	} while (access(path, F_OK));
	return tid;
}

static void check_told(name_t thread, const struct floats *want)
{
	uint32_t state[AVX_WORDS + 2];

	poison(state, sizeof(state));
	REQUIRE_RET(get_state(thread, FLOAT_STATE64, FLOAT_WORDS, state), 0);
	CHECK(same((uint8_t *)(state + 2), want));
	CHECK_HEX(state[0] | state[1] | state[FLOAT_WORDS - 1], 0);
	for (unsigned int i = USED / 4; i < LEGACY / 4; i++)
		CHECK_HEX(state[2 + i], 0);
	REQUIRE_RET(get_state(thread, FLOAT_STATE, FLOAT_WORDS + 2, state), 0);
	CHECK_EQ(state[0], FLOAT_STATE64);
	CHECK_EQ(state[1], FLOAT_WORDS);
	CHECK(same((uint8_t *)(state + 4), want));
	if (!shared->avx) {
		CHECK_RET(get_state(thread, AVX_STATE64, AVX_WORDS, state), KERN_FAILURE);
		return;
	}
	REQUIRE_RET(get_state(thread, AVX_STATE64, AVX_WORDS, state), 0);
	CHECK(same((uint8_t *)(state + 2), want));
	CHECK(!memcmp(state + UPPER_AT, want->upper, UPPER));
	REQUIRE_RET(get_state(thread, AVX_STATE, AVX_WORDS + 2, state), 0);
	CHECK_EQ(state[0], AVX_STATE64);
	CHECK_EQ(state[1], AVX_WORDS);
	CHECK(!memcmp(state + 2 + UPPER_AT, want->upper, UPPER));
}

static void set_floats(name_t thread, const struct floats *floats, bool avx)
{
	uint32_t state[AVX_WORDS] = { 0 };

	memcpy(state + 2, floats->legacy, LEGACY);
	if (avx)
		memcpy(state + UPPER_AT, floats->upper, UPPER);
	REQUIRE_RET(set_state(thread, avx ? AVX_STATE64 : FLOAT_STATE64,
			      avx ? AVX_WORDS : FLOAT_WORDS, state), 0);
}

/* The thread goes on, and has found these in its registers. */
static void check_held(const struct floats *want)
{
	shared->sleeps = 0;
	shared->go = 1;
	for (int i = 0; i < 10000 && !shared->done; i++)
		sleep_ms(1);
	REQUIRE(shared->done);
	CHECK(same(shared->out.legacy, want));
	if (shared->avx)
		CHECK(!memcmp(shared->out.upper, want->upper, UPPER));
}

TEST(registers_of_a_running_thread)
{
	struct other other;
	name_t thread = start(&other, 0);

	for (int i = 0; i < 5; i++)
		check_told(thread, &shared->in);
	check_held(&shared->in);
	other_end(&other);
}

TEST(registers_of_a_suspended_thread)
{
	struct floats want, second;
	struct other other;
	name_t thread = start(&other, 0);

	CHECK_RET(ask(thread, THREAD_SUSPEND), 0);
	check_told(thread, &shared->in);
	fill(&want, 2);
	set_floats(thread, &want, shared->avx);
	check_told(thread, &want);
	/* Without the upper halves these stay. */
	fill(&want, 3);
	set_floats(thread, &want, false);
	fill(&second, 2);
	memcpy(want.upper, second.upper, UPPER);
	check_told(thread, &want);
	CHECK_RET(ask(thread, THREAD_RESUME), 0);
	check_held(&want);
	other_end(&other);
}

TEST(registers_of_a_running_thread_are_changed)
{
	struct floats want;
	struct other other;
	name_t thread = start(&other, 0);

	for (uint32_t seed = 2; seed < 12; seed++) {
		fill(&want, seed);
		set_floats(thread, &want, shared->avx);
		check_told(thread, &want);
	}
	check_held(&want);
	other_end(&other);
}

TEST(registers_of_a_sleeping_thread)
{
	struct floats want;
	struct other other;
	name_t thread = start(&other, 1);

	check_told(thread, &shared->in);
	fill(&want, 2);
	set_floats(thread, &want, shared->avx);
	check_told(thread, &want);
	/* Its wait was begun again. A handler has registers of its own. */
	shared->sleeps = 0;
	REQUIRE_EQ(syscall(SYS_tgkill, other.pid, second_thread(&other), SIGUSR1), 0);
	check_held(&want);
	other_end(&other);
}

/* What was changed is loaded, whichever processor has the old registers. */
TEST(registers_follow_a_thread_to_another_processor)
{
	struct floats want;
	struct other other;
	name_t thread = start(&other, 0);
	pid_t tid = second_thread(&other);
	cpu_set_t cpus;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP("one processor");
	for (uint32_t seed = 2; seed < 22; seed++) {
		CPU_ZERO(&cpus);
		CPU_SET(seed % 2, &cpus);
		REQUIRE_EQ(sched_setaffinity(tid, sizeof(cpus), &cpus), 0);
		fill(&want, seed);
		CHECK_RET(ask(thread, THREAD_SUSPEND), 0);
		set_floats(thread, &want, shared->avx);
		CPU_ZERO(&cpus);
		CPU_SET(seed / 2 % 2, &cpus);
		REQUIRE_EQ(sched_setaffinity(tid, sizeof(cpus), &cpus), 0);
		CHECK_RET(ask(thread, THREAD_RESUME), 0);
		sleep_ms(2);
		check_told(thread, &want);
	}
	check_held(&want);
	other_end(&other);
}

TEST(bits_that_there_are_not_are_dropped)
{
	uint32_t state[FLOAT_WORDS], got[FLOAT_WORDS];
	struct other other;
	name_t thread = start(&other, 0);

	memset(state, 0xff, sizeof(state));
	CHECK_RET(set_state(thread, FLOAT_STATE64, FLOAT_WORDS, state), 0);
	CHECK_RET(get_state(thread, FLOAT_STATE64, FLOAT_WORDS, got), 0);
	CHECK_HEX(got[2 + MXCSR / 4] & 0xffff0000, 0);
	CHECK_HEX(got[2 + MXCSR / 4], got[2 + MXCSR_MASK / 4]);
	sleep_ms(20);
	/* It loads that, and lives. */
	fill(&shared->in, 7);
	set_floats(thread, &shared->in, shared->avx);
	check_held(&shared->in);
	CHECK_EQ(waitpid(other.pid, NULL, WNOHANG), 0);
	other_end(&other);
}

TEST(own_registers)
{
	uint32_t state[FLOAT_WORDS];
	uint64_t value = 0x1122334455667788, got = 0;
	struct rpc rpc;

	mach_open();
	rpc_begin(&rpc, thread_self(), GET_STATE);
	rpc_word(&rpc, FLOAT_STATE64);
	rpc_word(&rpc, FLOAT_WORDS);
	REQUIRE_RET(mach_msg(&rpc.message, MACH_SEND_MSG, rpc.size, 0, 0, 0), 0);
	REQUIRE_RET(msg_receive(&rpc.message, rpc.reply), 0);
	CHECK_EQ(rpc.message.header.size, 40 + FLOAT_WORDS * 4);
	memcpy(state, rpc.message.body + 4, sizeof(state));
	memcpy((uint8_t *)(state + 2) + 160 + 15 * 16, &value, sizeof(value));
	rpc_begin(&rpc, thread_self(), SET_STATE);
	rpc_word(&rpc, FLOAT_STATE64);
	rpc_word(&rpc, FLOAT_WORDS);
	rpc_bytes(&rpc, state, sizeof(state));
	{
		struct mach_msg_overwrite_args args = {
			.msg = (void *)&rpc.message, .option = MACH_SEND_MSG, .send_size = rpc.size,
		};
		long result;

		__asm__ volatile("xorps %%xmm15, %%xmm15\n\t"
				 "syscall\n\t"
				 "movq %%xmm15, %1"
				 : "=a"(result), "=r"(got)
				 : "0"(SYS_ioctl), "D"(mach_fd), "S"(NR_mach_msg_overwrite_trap),
				   "d"(&args)
				 : "rcx", "r11", "memory", "xmm15");
		CHECK_RET((int)result, 0);
	}
	CHECK_HEX(got, value);
}

TEST(sizes_and_widths)
{
	static const struct { uint32_t flavor, count; int32_t answer; } kinds[] = {
		{ FLOAT_STATE32, 614, KERN_INVALID_ARGUMENT },
		{ AVX_STATE32, 614, KERN_INVALID_ARGUMENT },
		{ FLOAT_STATE64, FLOAT_WORDS - 1, KERN_INVALID_ARGUMENT },
		{ FLOAT_STATE, FLOAT_WORDS + 1, KERN_INVALID_ARGUMENT },
		{ AVX_STATE64, AVX_WORDS - 1, KERN_INVALID_ARGUMENT },
		{ AVX_STATE, AVX_WORDS + 1, KERN_INVALID_ARGUMENT },
		{ FLOAT_STATE64, 614, 0 },
	};
	uint32_t state[614] = { 0 };
	struct other other;
	name_t thread = start(&other, 0);

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!shared->avx && kinds[i].flavor >= AVX_STATE32)
			continue;
		CHECK_RET(get_state(thread, kinds[i].flavor, kinds[i].count, state),
			  kinds[i].answer);
		memset(state, 0, sizeof(state));
		if (kinds[i].answer)
			CHECK_RET(set_state(thread, kinds[i].flavor, kinds[i].count, state),
				  KERN_INVALID_ARGUMENT);
	}
	check_held(&shared->in);
	other_end(&other);
}

TEST(another_user_is_refused)
{
	uint32_t state[FLOAT_WORDS] = { 0 };
	struct other other;
	name_t thread = start(&other, 0);

	become_nobody(NULL);
	CHECK_RET(get_state(thread, FLOAT_STATE64, FLOAT_WORDS, state), KERN_NO_ACCESS);
	CHECK_RET(set_state(thread, FLOAT_STATE64, FLOAT_WORDS, state), KERN_NO_ACCESS);
	check_held(&shared->in);
}
