// SPDX-License-Identifier: GPL-2.0
/*
 * Every routine of tasks and threads, asked of a task that the caller may not
 * control: that of another user, and one that may not be dumped.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <string.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "rpc.h"
#include "shapes.h"

/* Those that are refused whoever asks, and those that tell what everybody may know. */
static bool needs_control(const struct shape *shape)
{
	static const int32_t others[] = {
		3202, 3236, 3400, 3406, 3411, 3412, 3416, 3417, 3422, 3423, 3424, 3425, 3426,
		3427, 3428, 3429, 3430, 3431, 3432, 3433, 3434, 3435, 3438, 3442, 3443, 3444,
		3445, 3446, 3447, 3448, 3449, 3450, 3451, 3609, 3616, 3619, 3620, 3621, 3622,
		3623, 3624, 3625, 3626, 3627, 5404, 8000, 8001,
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (others[i] == shape->id)
			return false;
	return shape->target == TASK || shape->target == THREAD;
}

static name_t semaphore;
static const uint32_t options[6];

/* Values with which the routine would do something, where zeroes are wrong anyway */
static void begin(struct rpc *rpc, const struct shape *shape, name_t target)
{
	uint32_t *body = rpc->message.body;

	shape_begin(rpc, shape, target);
	switch (shape->id) {
	case 3203:		/* a receive right under a name */
	case 3204:
	case 3219:
	case 3220:
		body[shape->descriptors ? 6 : 2] = MACH_PORT_RIGHT_RECEIVE;
		break;
	case 3209:		/* a name and room */
		body[2] = 0x103;
		body[5] = 68;
		break;
	case 3213:		/* a notification to be taken back */
		body[3] = MAKE_SEND_ONCE << 16 | MSG_PORT_DESCRIPTOR << 24;
		break;
	case 3215:		/* a name, of which a right is taken */
		body[2] = 0x103;
		body[3] = COPY_SEND;
		break;
	case 3231:		/* options */
		memcpy(body + 1, &(uint64_t){ (uintptr_t)options }, sizeof(uint64_t));
		body[4] = sizeof(options);
		break;
	case 3405:		/* more than is public: memory */
		body[2] = 22;
		body[3] = 42;
		break;
	case 3419:
		body[1] = semaphore;
		body[3] = COPY_SEND << 16 | MSG_PORT_DESCRIPTOR << 24;
		break;
	case 4811:		/* a size */
	case 4813:
		body[8] = 4096;
		break;
	case 4817:
		body[6] = 4096;
		break;
	case 4819:		/* a kind of information, and room for it */
		body[4] = 1;
		body[5] = 7;
		break;
	default:
		break;
	}
}

static void check_refusals(const struct other *other)
{
	struct rpc rpc;

	CHECK_RET(RPC(&rpc, self(), 3418, 0, 0), 0);
	semaphore = rpc_right(&rpc, 0, MOVE_SEND);
	for (size_t i = 0; i < shape_count; i++) {
		const struct shape *shape = &shapes[i];

		if (!needs_control(shape))
			continue;
		begin(&rpc, shape, shape->target == TASK ? other->task : other->thread);
		CHECK_REFUSED(&rpc, KERN_NO_ACCESS);
	}
}

TEST(task_of_another_user_is_not_controlled)
{
	struct other other;

	mach_open();
	other_start(&other, NULL, NULL);
	become_nobody(NULL);
	check_refusals(&other);
}

TEST(undumpable_task_is_not_controlled)
{
	struct other other;

	mach_open();
	become_nobody(NULL);
	other_start(&other, become_undumpable, NULL);
	check_refusals(&other);
}

/* What the name of a task tells; all else is for another kind of object (test_routine_shapes). */
TEST(name_of_a_task_tells_what_is_public)
{
	static const struct { uint32_t flavor, words; bool public; } flavors[] = {
		{ 1, 8, true }, { 2, 8, true }, { 3, 4, true }, { 4, 8, true }, { 5, 10, true },
		{ 6, 8, true }, { 13, 2, true }, { 15, 8, true }, { 17, 5, false },
		{ 20, 12, true }, { 22, 42, false }, { 28, 1, true },
	};
	struct rpc rpc;
	name_t name;

	mach_open();
	name = port_of(TASK_NAME);
	become_nobody(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(flavors); i++)
		CHECK_RET(RPC(&rpc, name, 3405, flavors[i].flavor, flavors[i].words),
			  flavors[i].public ? 0 : KERN_FAILURE);
}
