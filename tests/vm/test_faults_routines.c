// SPDX-License-Identifier: GPL-2.0
/*
 * Each routine of the kernel with its n-th allocation or user copy failing, for each n
 * until none fails, and with several fillings of the request. What is refused because of
 * the fault must leave nothing behind. See lib/attempt.h for what it is run in.
 *
 * time limit: 300 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "attempt.h"
#include "debugfs.h"
#include "harness.h"
#include "inject.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "rpc.h"
#include "shapes.h"

enum filling { ZEROES, A_PORT, SMALL_NUMBERS };

/* What is tried */
static const struct shape *shape;
static enum filling filling;
static struct rpc rpc;

static bool ends_or_stops_the_caller(void)
{
	/* task_terminate, task_suspend, task_suspend2, thread_terminate, thread_suspend */
	return shape->id == 3401 || shape->id == 3407 || shape->id == 3436 ||
	       shape->id == 3600 || shape->id == 3605;
}

static void fill_request(name_t target, name_t port)
{
	static const uint32_t small[] = { 5, 20, 1, 0, 2, 0 };

	shape_start(&rpc, shape, target);
	for (unsigned int i = 0; i < shape->descriptors; i++)
		add_descriptor(&rpc, kind_of(shape));
	for (unsigned int i = 0; i < shape->words; i++)
		rpc_word(&rpc, filling == ZEROES ? 0 :
			       filling == A_PORT && i == 0 ? port : small[i % ARRAY_SIZE(small)]);
}

static long send_request(void)
{
	return mach_msg(&rpc.message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, rpc.size, 0, 0, 0);
}

/* The code of the reply, or NO_ANSWER: without memory for it there is none. */
#define NO_ANSWER	1000000

static int32_t take_answer(void)
{
	static struct message reply;

	if (mach_msg(&reply, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(reply), rpc.reply, 0))
		return NO_ANSWER;
	if (reply.header.id != shape->id + 100)
		return NO_ANSWER;
	return reply.header.bits & MSGH_COMPLEX ? 0 : (int32_t)reply.body[2];
}

/*
 * Makes the request once with nothing failing, for what is made once and stays; and
 * prepares it again. Returns the code of the reply.
 */
static int32_t ask_first(void)
{
	struct scene scene;
	name_t target;
	int32_t code;

	a_port(&scene);
	target = port_of(shape->target);
	fill_request(target, scene.port);
	REQUIRE_RET(send_request(), 0);
	code = take_answer();
	if (shape->target == TOKEN)
		target = port_of(TOKEN);
	fill_request(target, new_send_right());
	return code;
}

/* A thread may have the memory of one message by now, to be used again. */
static void same_objects_but_messages(const struct object_counts *before)
{
	struct object_counts now;

	REQUIRE(read_object_counts(&now));
	for (size_t i = 0; i < now.kinds; i++)
		if (strcmp(now.kind[i].name, "messages") && now.kind[i].live != before->kind[i].live)
			FAIL("%s: %s were %ld, are %ld", shape->name, now.kind[i].name,
			     before->kind[i].live, now.kind[i].live);
}

static bool may_be_a_fault(long result)
{
	return result == -EFAULT || result == MACH_SEND_NO_BUFFER || result == MACH_SEND_INVALID_DATA;
}

static bool may_answer_a_fault(int32_t code)
{
	return code == 0 || code == NO_ANSWER || code == KERN_RESOURCE_SHORTAGE ||
	       code == KERN_NO_SPACE || code == KERN_INVALID_ADDRESS || code == KERN_FAILURE;
}

static void ask_with_fault(unsigned int n)
{
	int32_t usual = ask_first(), code;
	struct object_counts before;
	bool faulted;
	long result;

	REQUIRE(read_object_counts(&before));
	inject_arm(n);
	result = send_request();
	faulted = inject_done();
	code = take_answer();
	if (result && !(faulted && may_be_a_fault(result)))
		FAIL("%s: fault %u gives %#lx", shape->name, n, result);
	if (!result && code != usual && !may_answer_a_fault(code))
		FAIL("%s: fault %u is answered with %d", shape->name, n, code);
	/* A token is used up by any request. */
	if (faulted && code && code != NO_ANSWER && shape->target != TOKEN)
		same_objects_but_messages(&before);
	CHECK(no_message_is_left(0));
	_exit(faulted ? TRY_FAULTED : TRY_CLEAN);
}

static unsigned int faults_of_routine(void)
{
	unsigned int n = 0;
	int status;

	do {
		pid_t pid = fork();

		REQUIRE(pid >= 0 && ++n < MOST_FAULTS);
		if (pid == 0)
			ask_with_fault(n);
		status = wait_child(pid);
		if (status && status != TRY_CLEAN << 8)
			FATAL("%s: fault %u: status %#x", shape->name, n, status);
	} while (status != TRY_CLEAN << 8);
	return n - 1;
}

static void all_with(enum filling with)
{
	unsigned int faults = 0;

	inject_init();
	filling = with;
	for (size_t i = 0; i < shape_count; i++) {
		shape = &shapes[i];
		if (!ends_or_stops_the_caller())
			faults += faults_of_routine();
	}
	note("%u faults in requests to %zu routines", faults, shape_count - 5);
}

TEST_LIMIT(every_routine_with_zeroes, 300)
{
	all_with(ZEROES);
}

TEST_LIMIT(every_routine_with_a_port, 300)
{
	all_with(A_PORT);
}

TEST_LIMIT(every_routine_with_numbers, 300)
{
	all_with(SMALL_NUMBERS);
}
