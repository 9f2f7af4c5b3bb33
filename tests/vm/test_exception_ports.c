// SPDX-License-Identifier: GPL-2.0
/*
 * Exception ports of threads, tasks and the host: setting, asking, and who may.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"

#define HANDLERS	32
#define ALL		0x3ffeu
#define BAD_ACCESS	(1u << 1)
#define ARITHMETIC	(1u << 3)
#define BREAKPOINT	(1u << 6)
#define CODES		0x80000000u
#define ERRORS		0x40000000u
#define DEFAULT		1u
#define STATE		2u
#define IDENTITY	3u
#define THREAD_STATE64	4u
#define NONE		13u

enum verb { SET, GET, SWAP };

struct owner {
	int32_t ids[3];
	name_t (*port)(void);
};

static const struct owner owners[] = {
	{ { 415, 414, 416 }, host_self },
	{ { 3413, 3414, 3415 }, self },
	{ { 3613, 3614, 3615 }, thread_self },
};

static int32_t set(const struct owner *owner, name_t target, uint32_t mask, name_t port,
		   uint32_t behavior, uint32_t flavor)
{
	struct rpc rpc;

	rpc_begin(&rpc, target, owner->ids[SET]);
	rpc_port(&rpc, port, port ? COPY_SEND : MOVE_SEND);
	rpc_word(&rpc, mask);
	rpc_word(&rpc, behavior);
	rpc_word(&rpc, flavor);
	return rpc_call(&rpc);
}

static int32_t get(struct rpc *rpc, const struct owner *owner, name_t target, uint32_t mask)
{
	return RPC(rpc, target, owner->ids[GET], mask);
}

static int32_t swap(struct rpc *rpc, const struct owner *owner, name_t target, uint32_t mask,
		    name_t port, uint32_t behavior, uint32_t flavor)
{
	rpc_begin(rpc, target, owner->ids[SWAP]);
	rpc_port(rpc, port, port ? COPY_SEND : MOVE_SEND);
	rpc_word(rpc, mask);
	rpc_word(rpc, behavior);
	rpc_word(rpc, flavor);
	return rpc_call(rpc);
}

struct entry {
	uint32_t mask;
	name_t port;
	uint32_t behavior, flavor;
};

/* The reply has exactly these entries, in this order, and no other right. */
#define CHECK_ENTRIES(rpc, ...)								\
	check_entries(rpc, (const struct entry[]){ __VA_ARGS__ },			\
		      sizeof((const struct entry[]){ __VA_ARGS__ }) / sizeof(struct entry))
static void check_entries(const struct rpc *rpc, const struct entry *entries, uint32_t count)
{
	const uint32_t *words = rpc_words(rpc);

	REQUIRE_EQ(rpc->ports, HANDLERS);
	REQUIRE_EQ(rpc->size, 24 + 4 + HANDLERS * 12 + 8 + 4 + count * 12);
	REQUIRE_EQ(words[0], count);
	for (uint32_t i = 0; i < HANDLERS; i++)
		CHECK_HEX(rpc_right(rpc, i, MOVE_SEND), i < count ? entries[i].port : 0);
	for (uint32_t i = 0; i < count; i++) {
		CHECK_HEX(words[1 + i], entries[i].mask);
		CHECK_HEX(words[1 + count + i], entries[i].behavior);
		CHECK_HEX(words[1 + 2 * count + i], entries[i].flavor);
	}
}

TEST(what_is_set_is_told)
{
	struct rpc rpc;
	name_t target, a, b;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		const struct owner *owner = &owners[i];

		target = owner->port();
		a = new_send_right();
		b = new_send_right();
		CHECK_RET(get(&rpc, owner, target, ALL), 0);
		CHECK_ENTRIES(&rpc, { ALL, 0, 0, 0 });
		CHECK_RET(set(owner, target, BAD_ACCESS | BREAKPOINT, a, DEFAULT | CODES, 0), 0);
		CHECK_RET(get(&rpc, owner, target, ALL), 0);
		CHECK_ENTRIES(&rpc, { BAD_ACCESS | BREAKPOINT, a, DEFAULT | CODES, 0 },
			      { ALL & ~(BAD_ACCESS | BREAKPOINT), 0, 0, 0 });
		CHECK_SEND_UREFS(a, 2);
		CHECK_RET(set(owner, target, BAD_ACCESS | ARITHMETIC, b, IDENTITY | ERRORS,
			      THREAD_STATE64), 0);
		CHECK_RET(get(&rpc, owner, target, ARITHMETIC | BREAKPOINT), 0);
		CHECK_ENTRIES(&rpc, { ARITHMETIC, b, IDENTITY | ERRORS, THREAD_STATE64 },
			      { BREAKPOINT, a, DEFAULT | CODES, 0 });
		/* In exchange for what was there */
		CHECK_RET(swap(&rpc, owner, target, BAD_ACCESS | BREAKPOINT, a, STATE, NONE), 0);
		CHECK_ENTRIES(&rpc, { BAD_ACCESS, b, IDENTITY | ERRORS, THREAD_STATE64 },
			      { BREAKPOINT, a, DEFAULT | CODES, 0 });
		CHECK_RET(get(&rpc, owner, target, ALL), 0);
		CHECK_ENTRIES(&rpc, { BAD_ACCESS | BREAKPOINT, a, STATE, NONE },
			      { ALL & ~(BAD_ACCESS | ARITHMETIC | BREAKPOINT), 0, 0, 0 },
			      { ARITHMETIC, b, IDENTITY | ERRORS, THREAD_STATE64 });
		/* None at all, whatever the behavior */
		CHECK_RET(set(owner, target, ALL, MACH_PORT_NULL, 99, 0), 0);
		CHECK_RET(get(&rpc, owner, target, ALL), 0);
		CHECK_ENTRIES(&rpc, { ALL, 0, 99, 0 });
		CHECK_RET(set(owner, target, ALL, MACH_PORT_NULL, 0, 0), 0);
	}
}

TEST(no_mask_is_nothing)
{
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		CHECK_RET(get(&rpc, &owners[i], owners[i].port(), 0), 0);
		REQUIRE_EQ(rpc.size, 24 + 4 + HANDLERS * 12 + 8 + 4);
		CHECK_EQ(rpc_words(&rpc)[0], 0);
	}
}

TEST(bad_arguments)
{
	static const uint32_t masks[] = { 1, 1u << 14, 0x80000000, 0xffffffff };
	static const uint32_t behaviors[] = { 0, 4, CODES, CODES | 4, 0x20000001 };
	static const uint32_t flavors[] = { 14, 15, 23, 0xffffffff, 0x80000004 };
	struct rpc rpc;
	name_t port, target;

	mach_open();
	port = new_send_right();
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		const struct owner *owner = &owners[i];

		target = owner->port();
		for (size_t j = 0; j < ARRAY_SIZE(masks); j++) {
			CHECK_RET(set(owner, target, masks[j], port, 1, 0), KERN_INVALID_ARGUMENT);
			CHECK_RET(get(&rpc, owner, target, masks[j]), KERN_INVALID_ARGUMENT);
			CHECK_RET(swap(&rpc, owner, target, masks[j], port, 1, 0),
				  KERN_INVALID_ARGUMENT);
		}
		for (size_t j = 0; j < ARRAY_SIZE(behaviors); j++) {
			CHECK_RET(set(owner, target, ALL, port, behaviors[j], 0),
				  KERN_INVALID_ARGUMENT);
			CHECK_RET(swap(&rpc, owner, target, ALL, port, behaviors[j], 0),
				  KERN_INVALID_ARGUMENT);
		}
		for (size_t j = 0; j < ARRAY_SIZE(flavors); j++)
			CHECK_RET(set(owner, target, ALL, port, 1, flavors[j]),
				  KERN_INVALID_ARGUMENT);
		CHECK_RET(get(&rpc, owner, target, ALL), 0);
		CHECK_ENTRIES(&rpc, { ALL, 0, 0, 0 });
	}
	CHECK_SEND_UREFS(port, 1);
}

static const struct owner *const of_task = &owners[1], *const of_thread = &owners[2];

static void check_inherited(void)
{
	struct rpc rpc;
	name_t port;

	REQUIRE_RET(get(&rpc, of_task, self(), BREAKPOINT), 0);
	port = rpc_right(&rpc, 0, MOVE_SEND);
	CHECK(port && has_right(port, MACH_PORT_RIGHT_SEND));
	CHECK_HEX(rpc_words(&rpc)[2], DEFAULT | CODES);
	CHECK_HEX(rpc_words(&rpc)[3], THREAD_STATE64);
	REQUIRE_RET(get(&rpc, of_thread, thread_self(), BREAKPOINT), 0);
	CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND), 0);
	rpc_begin(&rpc, self(), 3452);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_HEX(rpc_words(&rpc)[0], 0x81);
}

HELPER(ask_after_exec)
{
	(void)argc;
	(void)argv;
	mach_open();
	check_inherited();
	return 0;
}

TEST(those_of_a_task_are_inherited)
{
	struct rpc rpc;
	name_t port;

	mach_open();
	port = new_send_right();
	CHECK_RET(set(of_task, self(), BREAKPOINT, port, DEFAULT | CODES, THREAD_STATE64), 0);
	CHECK_RET(set(of_thread, thread_self(), BREAKPOINT, port, DEFAULT, 0), 0);
	CHECK_RET(RPC(&rpc, self(), 3453, 0x81), 0);
	CHECK_RET(RPC(&rpc, self(), 3453, 0x100), KERN_INVALID_VALUE);
	for (int exec = 0; exec < 2; exec++) {
		pid_t pid = fork();

		if (pid == 0) {
			mach_forget();
			REQUIRE_EQ(get_api_version(), 19);
			if (exec)
				exec_helper("ask_after_exec", "");
			check_inherited();
			/* By a child of who has never asked for its own, too */
			pid = fork();
			if (pid == 0) {
				mach_forget();
				REQUIRE_EQ(get_api_version(), 19);
				check_inherited();
				_exit(0);
			}
			WAIT_CHILD_OK(pid);
			_exit(0);
		}
		WAIT_CHILD_OK(pid);
	}
}

static void *ask_thread(void *unused)
{
	struct rpc rpc;

	(void)unused;
	CHECK_RET(get(&rpc, of_thread, thread_self(), ALL), 0);
	CHECK_ENTRIES(&rpc, { ALL, 0, 0, 0 });
	return NULL;
}

/* Those who have set nothing share a state, which nobody may change. */
TEST(what_is_set_for_one_is_not_set_for_others)
{
	struct other first, second;
	struct worker worker;
	struct rpc rpc;
	name_t port;

	mach_open();
	other_start(&first, NULL, NULL);
	other_start(&second, NULL, NULL);
	port = new_send_right();
	CHECK_RET(set(of_task, first.task, ALL, port, DEFAULT, 0), 0);
	CHECK_RET(RPC(&rpc, first.task, 3453, 0x81), 0);
	CHECK_RET(swap(&rpc, of_thread, first.thread, ALL, port, DEFAULT, 0), 0);
	CHECK_ENTRIES(&rpc, { ALL, 0, 0, 0 });
	CHECK_RET(get(&rpc, of_task, first.task, ALL), 0);
	CHECK_ENTRIES(&rpc, { ALL, port, DEFAULT, 0 });
	CHECK_RET(get(&rpc, of_thread, first.thread, ALL), 0);
	CHECK_ENTRIES(&rpc, { ALL, port, DEFAULT, 0 });
	for (int i = 0; i < 2; i++) {
		name_t task = i ? second.task : self(), thread = i ? second.thread : thread_self();

		CHECK_RET(get(&rpc, of_task, task, ALL), 0);
		CHECK_ENTRIES(&rpc, { ALL, 0, 0, 0 });
		CHECK_RET(get(&rpc, of_thread, thread, ALL), 0);
		CHECK_ENTRIES(&rpc, { ALL, 0, 0, 0 });
		rpc_begin(&rpc, task, 3452);
		CHECK_RET(rpc_call(&rpc), 0);
		CHECK_HEX(rpc_words(&rpc)[0], 0);
	}
	CHECK_RET(set(of_thread, thread_self(), ALL, port, DEFAULT, 0), 0);
	worker_start(&worker, ask_thread, NULL);
	worker_join(&worker);
}

/* What is left set goes with the task that received from it. */
TEST(that_of_the_host_goes_with_its_receiver)
{
	mach_open();
	CHECK_RET(set(&owners[0], host_self(), ALL, new_send_right(), DEFAULT, 0), 0);
}

TEST(those_of_the_host_outlive_who_set_them)
{
	const struct owner *host = &owners[0];
	struct rpc rpc;
	name_t port;
	pid_t pid;

	mach_open();
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		REQUIRE_RET(set(host, host_self(), BREAKPOINT, new_send_right(), 1, 0), 0);
		_exit(0);
	}
	WAIT_CHILD_OK(pid);
	/* Its port has not. */
	CHECK_RET(get(&rpc, host, host_self(), BREAKPOINT), 0);
	CHECK_ENTRIES(&rpc, { BREAKPOINT, 0, 1, 0 });
	port = new_send_right();
	CHECK_RET(set(host, host_self(), ALL, port, 1, 0), 0);
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		REQUIRE_RET(get(&rpc, host, host_self(), BREAKPOINT), 0);
		CHECK(has_right(rpc_right(&rpc, 0, MOVE_SEND), MACH_PORT_RIGHT_SEND));
		_exit(0);
	}
	WAIT_CHILD_OK(pid);
	CHECK_RET(set(host, host_self(), ALL, 0, 0, 0), 0);
}

TEST(control_of_another_user_is_refused)
{
	struct other other;
	struct rpc rpc;
	name_t port;

	mach_open();
	other_start(&other, NULL, NULL);
	port = new_send_right();
	CHECK_RET(set(of_task, other.task, ALL, port, 1, 0), 0);
	CHECK_RET(set(of_thread, other.thread, ALL, port, 1, 0), 0);
	become_nobody(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		name_t target = i == 0 ? host_self() : i == 1 ? other.task : other.thread;

		CHECK_RET(set(&owners[i], target, ALL, port, 1, 0), KERN_NO_ACCESS);
		CHECK_RET(get(&rpc, &owners[i], target, ALL), KERN_NO_ACCESS);
		CHECK_RET(swap(&rpc, &owners[i], target, ALL, port, 1, 0), KERN_NO_ACCESS);
	}
	CHECK_RET(RPC(&rpc, other.task, 3453, 0), KERN_NO_ACCESS);
	rpc_begin(&rpc, other.task, 3452);
	CHECK_RET(rpc_call(&rpc), KERN_NO_ACCESS);
}
