// SPDX-License-Identifier: GPL-2.0
/*
 * Routines that are refused whatever they are asked: with requests of every
 * size that the interface definitions allow, and with rights and memory in
 * them, which are gone then.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "port.h"
#include "rpc.h"
#include "shapes.h"

/*
 * What a request holds: rights first (p: a right, m: memory, a: an array of
 * rights), then w: a word, W: a wide one, vN: up to N words with their number
 * before them, rN: up to N rows of four words.
 */
struct refused {
	int32_t id;
	const char *layout;
	int32_t code;
};

static const struct refused refused[] = {
	{ 203, "pwWw", KERN_NOT_SUPPORTED },
	{ 207, "", KERN_NOT_SUPPORTED },
	{ 209, "", KERN_NOT_SUPPORTED },
	{ 214, "", KERN_FAILURE },
	{ 215, "pwWw", KERN_NOT_SUPPORTED },
	{ 218, "", KERN_NOT_SUPPORTED },
	{ 220, "", KERN_NOT_SUPPORTED },
	{ 221, "", KERN_NOT_SUPPORTED },
	{ 223, "pW", KERN_NOT_SUPPORTED },
	{ 224, "pWw", KERN_NOT_SUPPORTED },
	{ 225, "w", KERN_NOT_SUPPORTED },
	{ 226, "", KERN_NOT_SUPPORTED },
	{ 227, "", KERN_NOT_SUPPORTED },
	{ 228, "w", KERN_NOT_SUPPORTED },
	{ 229, "", KERN_NOT_SUPPORTED },
	{ 230, "", KERN_NOT_SUPPORTED },
	{ 400, "", KERN_NOT_SUPPORTED },
	{ 401, "w", KERN_NOT_SUPPORTED },
	{ 403, "pw", KERN_NOT_SUPPORTED },
	{ 404, "pWWw", KERN_NOT_SUPPORTED },
	{ 405, "pw", KERN_NOT_SUPPORTED },
	{ 406, "pWWw", KERN_NOT_SUPPORTED },
	{ 409, "W", KERN_NOT_SUPPORTED },
	{ 410, "w", KERN_NOT_SUPPORTED },
	{ 411, "mwww", KERN_NOT_SUPPORTED },
	{ 418, "pWWw", KERN_NOT_SUPPORTED },
	{ 423, "p", KERN_NOT_SUPPORTED },
	{ 424, "", KERN_NOT_SUPPORTED },
	{ 425, "mww", KERN_NOT_SUPPORTED },
	{ 1200, "ww", KERN_FAILURE },
	{ 1201, "wv1", KERN_FAILURE },
	{ 3000, "", KERN_FAILURE },
	{ 3001, "", KERN_FAILURE },
	{ 3003, "v20", KERN_FAILURE },
	{ 3004, "pw", KERN_FAILURE },
	{ 3202, "ww", KERN_NOT_SUPPORTED },
	{ 3236, "w", KERN_NOT_SUPPORTED },
	{ 3400, "aww", KERN_NOT_SUPPORTED },
	{ 3406, "wv90", KERN_NOT_SUPPORTED },
	{ 3411, "", KERN_NOT_SUPPORTED },
	{ 3412, "wv614", KERN_NOT_SUPPORTED },
	{ 3416, "ww", KERN_NOT_SUPPORTED },
	{ 3417, "p", KERN_NOT_SUPPORTED },
	{ 3422, "p", KERN_NOT_SUPPORTED },
	{ 3423, "wv5ww", KERN_NOT_SUPPORTED },
	{ 3424, "Ww", KERN_NOT_SUPPORTED },
	{ 3425, "", KERN_NOT_SUPPORTED },
	{ 3426, "mww", KERN_NOT_SUPPORTED },
	{ 3427, "WW", KERN_NOT_SUPPORTED },
	{ 3428, "", KERN_NOT_SUPPORTED },
	{ 3429, "pw", KERN_NOT_SUPPORTED },
	{ 3430, "w", KERN_NOT_SUPPORTED },
	{ 3431, "", KERN_NOT_SUPPORTED },
	{ 3432, "pwv5v1w", KERN_NOT_SUPPORTED },
	{ 3433, "ww", KERN_NOT_SUPPORTED },
	{ 3434, "wv614", KERN_NOT_SUPPORTED },
	{ 3435, "w", KERN_NOT_SUPPORTED },
	{ 3438, "", KERN_NOT_SUPPORTED },
	{ 3442, "", KERN_NOT_SUPPORTED },
	{ 3443, "p", KERN_NOT_SUPPORTED },
	{ 3444, "mw", KERN_NOT_SUPPORTED },
	{ 3445, "mw", KERN_NOT_SUPPORTED },
	{ 3446, "", KERN_NOT_SUPPORTED },
	{ 3447, "WWWWWww", KERN_NOT_SUPPORTED },
	{ 3448, "w", KERN_NOT_SUPPORTED },
	{ 3449, "", KERN_NOT_SUPPORTED },
	{ 3450, "p", KERN_NOT_SUPPORTED },
	{ 3451, "ww", KERN_NOT_SUPPORTED },
	{ 3609, "", KERN_NOT_SUPPORTED },
	{ 3616, "wv5w", KERN_NOT_SUPPORTED },
	{ 3619, "p", KERN_NOT_SUPPORTED },
	{ 3620, "w", KERN_NOT_SUPPORTED },
	{ 3621, "p", KERN_NOT_SUPPORTED },
	{ 3622, "", KERN_NOT_SUPPORTED },
	{ 3623, "", KERN_NOT_SUPPORTED },
	{ 3624, "pwv5v1", KERN_NOT_SUPPORTED },
	{ 3625, "w", KERN_NOT_SUPPORTED },
	{ 3626, "p", KERN_NOT_SUPPORTED },
	{ 3627, "pp", KERN_NOT_SUPPORTED },
	{ 4001, "", KERN_FAILURE },
	{ 4002, "ww", KERN_FAILURE },
	{ 4003, "w", KERN_FAILURE },
	{ 4004, "ww", KERN_FAILURE },
	{ 4005, "", KERN_FAILURE },
	{ 4006, "", KERN_FAILURE },
	{ 4007, "wv5w", KERN_FAILURE },
	{ 4008, "", KERN_FAILURE },
	{ 4010, "w", KERN_FAILURE },
	{ 4900, "ww", KERN_NOT_SUPPORTED },
	{ 4901, "w", KERN_NOT_SUPPORTED },
	{ 4902, "pww", KERN_NOT_SUPPORTED },
	{ 5404, "ww", KERN_NOT_SUPPORTED },
	{ 8000, "r64", KERN_NOT_SUPPORTED },
	{ 8001, "", KERN_NOT_SUPPORTED },
};

/* How many words an array of the layout has: none, one, all, or one too many */
enum filling { NONE, ONE, ALL, TOO_MANY };

static uint32_t words_in(enum filling filling, uint32_t most)
{
	switch (filling) {
	case NONE:
		return 0;
	case ONE:
		return 1;
	case ALL:
		return most;
	default:
		return most + 1;
	}
}

static bool has_array(const char *layout)
{
	return strpbrk(layout, "vr") != NULL;
}

/* The request; each right in it is one more to @port. */
static void build(struct rpc *rpc, const struct refused *routine, enum filling filling, name_t port)
{
	static const uint8_t bytes[100] = { 1 };
	const struct shape *shape = shape_of(routine->id);
	const char *next = routine->layout;
	/* It is read when the request is sent. */
	static name_t names[2];

	names[0] = names[1] = port;
	shape_start(rpc, shape, port_of(shape->target));
	while (*next) {
		char kind = *next++;
		uint32_t most = (uint32_t)strtoul(next, (char **)&next, 10);
		uint32_t count = words_in(filling, most);

		switch (kind) {
		case 'p':
			rpc_port(rpc, port, COPY_SEND);
			break;
		case 'm':
			rpc_memory(rpc, bytes, sizeof(bytes));
			break;
		case 'a':
			rpc_array(rpc, names, ARRAY_SIZE(names), COPY_SEND);
			break;
		case 'w':
			rpc_word(rpc, 1);
			break;
		case 'W':
			rpc_wide(rpc, 4096);
			break;
		case 'v':
		case 'r':
			rpc_word(rpc, count);
			for (uint32_t i = 0; i < count * (kind == 'r' ? 4 : 1); i++)
				rpc_word(rpc, i);
			break;
		default:
			FATAL("no layout: %s", routine->layout);
		}
	}
}

TEST(full_requests_are_answered)
{
	struct rpc rpc;
	name_t port;

	mach_open();
	port = new_send_right();
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		for (enum filling filling = NONE; filling <= TOO_MANY; filling++) {
			if (!has_array(refused[i].layout) && filling != ALL)
				continue;
			build(&rpc, &refused[i], filling, port);
			CHECK_REFUSED(&rpc, filling == TOO_MANY ? MIG_BAD_ARGUMENTS :
								  refused[i].code);
			CHECK_SEND_UREFS(port, 1);
		}
	/* No right is left with a request: the last one goes with its name. */
	CHECK_EQ(port_status(port).srights, 1);
	CHECK_RET(deallocate(port), 0);
	CHECK_EQ(port_status(port).srights, 0);
}

TEST(array_is_not_as_long_as_it_says)
{
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		if (!has_array(refused[i].layout))
			continue;
		build(&rpc, &refused[i], ONE, MACH_PORT_NULL);
		rpc.size -= 4;
		CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
		build(&rpc, &refused[i], NONE, MACH_PORT_NULL);
		rpc_word(&rpc, 0);
		CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
	}
}

TEST(rights_that_were_moved_are_gone)
{
	struct rpc rpc;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		name_t port;

		if (refused[i].layout[0] != 'p' || refused[i].layout[1] == 'p')
			continue;
		port = new_send_right();
		build(&rpc, &refused[i], ALL, port);
		rpc.message.body[3] = MOVE_SEND << 16;
		CHECK_REFUSED(&rpc, refused[i].code);
		CHECK_SEND_UREFS(port, 0);
	}
}
