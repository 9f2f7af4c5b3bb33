// SPDX-License-Identifier: GPL-2.0
#include "mutate.h"

#include <string.h>

#include "mach_abi.h"
#include "mach_const.h"

static uint64_t state = 1;

void chance_seed(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15ull | 1;
}

uint32_t below(uint32_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % limit;
}

static bool one_in(uint32_t count)
{
	return below(count) == 0;
}

/* --- Values --------------------------------------------------------------------- */

static uint32_t some_name(void)
{
	/* Mostly what a process starts with, then what it got by now. */
	if (!one_in(4))
		return NAME(below(one_in(3) ? SLOTS : 6));
	return NAME(below(NAMES));
}

static uint32_t some_number(void)
{
	static const uint32_t borders[] = {
		0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 0xffff, 0x10000, 4096, 4095, 4097,
		65534, 1u << 20, 256, 128, 64, 1000000000, 999999999,
	};

	switch (below(8)) {
	case 0:
		return borders[below(sizeof(borders) / sizeof(*borders))];
	case 1:
		return 1u << below(32);
	case 2:
		return below(256);
	case 3:
		return MOVE_RECEIVE + below(6);
	case 4:
		return one_in(2) ? NOTIFY_PORT_DELETED + below(8) : -1u;
	default:
		return below(one_in(3) ? 24 : 5);
	}
}

static uint32_t some_pointer(void)
{
	switch (below(10)) {
	case 0:
		return POINTER(below(POINTERS));
	case 1:
	case 2:
		return POINTER(below(SLOTS));
	case 3:
		return WIDE(below(WIDES));
	case 4:
		return some_number();
	default:
		return POINTER(POINTER_WORDS + below(one_in(4) ? WORDS : 8));
	}
}

static uint32_t some_value(void)
{
	switch (below(4)) {
	case 0:
		return some_name();
	case 1:
		return some_pointer();
	default:
		return some_number();
	}
}

static uint32_t some_disposition(void)
{
	return one_in(12) ? below(32) : MOVE_RECEIVE + below(6);
}

/* Of memory that is sent: copied or mapped, and seldom taken away from the sender. */
static uint32_t some_flags(void)
{
	return (one_in(2) ? 0x100 : 0) | one_in(6);
}

static uint32_t some_size(void)
{
	static const uint32_t sizes[] = { 0, 1, 8, 100, 4096, 4097, 8192, 65536, 1 << 20, 100 << 20 };

	return sizes[below(one_in(4) ? 10 : 7)];
}

/* --- Calls --------------------------------------------------------------------------- */

static struct call *add(struct sequence *sequence, const struct call *like, uint32_t op)
{
	struct call *call;

	if (sequence->count == CALLS_MAX)
		return NULL;
	call = &sequence->calls[sequence->count++];
	memset(call, 0, sizeof(*call));
	call->op = (uint8_t)op;
	call->process = like->process;
	call->thread = like->thread;
	return call;
}

static void give(struct call *call, uint32_t value)
{
	if (call && call->count < ARGS_MAX)
		call->args[call->count++] = value;
}

#define ADD(sequence, like, op, ...)						\
	do {									\
		const uint32_t values[] = { __VA_ARGS__ };			\
		struct call *made = add(sequence, like, op);			\
		for (size_t n = 0; n < sizeof(values) / sizeof(*values); n++)	\
			give(made, values[n]);					\
	} while (0)

static void add_descriptor(struct sequence *sequence, const struct call *like)
{
	switch (below(5)) {
	case 0:
		ADD(sequence, like, OP_OOL, some_pointer(), some_size(),
		    some_flags());
		break;
	case 1:
		ADD(sequence, like, OP_OOL_PORTS, below(one_in(8) ? 3000 : 5), below(SLOTS),
		    some_disposition(), some_flags());
		break;
	case 2:
		ADD(sequence, like, OP_GUARDED, some_name(), below(4), some_number());
		break;
	default:
		ADD(sequence, like, OP_PORT, some_name(), some_disposition());
	}
}

static void add_message(struct sequence *sequence, const struct call *like)
{
	uint32_t to = some_name();

	ADD(sequence, like, OP_BEGIN, to, one_in(3) ? some_disposition() : COPY_SEND,
	    one_in(2) ? NAME(NAME_NULL) : some_name(),
	    one_in(2) ? 0 : some_disposition(), some_number());
	for (uint32_t i = below(4); i; i--)
		add_descriptor(sequence, like);
	if (one_in(2))
		ADD(sequence, like, OP_DATA, some_value(), some_value());
	ADD(sequence, like, OP_SEND, one_in(4) ? some_number() & ~1u : 0, below(4),
	    one_in(10) ? below(64) - 32 : 0);
}

static void add_receive(struct sequence *sequence, const struct call *like)
{
	static const uint32_t options[] = {
		0, MACH_RCV_LARGE, MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY, 3u << 24, 8u << 24,
		MACH_RCV_GUARDED_DESC, MACH_RCV_VOUCHER,
	};

	ADD(sequence, like, OP_RECEIVE, one_in(3) ? some_name() : NAME(below(3)),
	    one_in(5) ? some_number() : options[below(7)],
	    one_in(4) ? below(200) : 0x20000, below(3), 8 + below(8));
}

/* The place among the traps of the one that gives the port of a process. */
static uint32_t trap_task_for_pid(void)
{
	uint32_t op = OPS_OWN;

	while (op + 1 < op_count() && op_trap(op)->number != NR_task_for_pid_trap)
		op++;
	return op - OPS_OWN;
}

/* A request without descriptors but @port, if that is not the null name */
static void add_question(struct sequence *sequence, const struct call *like, uint32_t to,
			 uint32_t id, uint32_t port, uint32_t word)
{
	ADD(sequence, like, OP_BEGIN, to, COPY_SEND, NAME(7), MAKE_SEND_ONCE, id);
	if (port != NAME(NAME_NULL)) {
		ADD(sequence, like, OP_PORT, port, COPY_SEND);
	} else {
		ADD(sequence, like, OP_NDR, 0);
		ADD(sequence, like, OP_DATA, word);
	}
	ADD(sequence, like, OP_ASK, 0);
}

/* One that is nothing but its header */
static void add_plain_question(struct sequence *sequence, const struct call *like, uint32_t to,
			       uint32_t id)
{
	ADD(sequence, like, OP_BEGIN, to, COPY_SEND, NAME(7), MAKE_SEND_ONCE, id);
	ADD(sequence, like, OP_ASK, 0);
}

/* Asks for what a routine works on, by its id, if it has to be asked for; gives its name. */
static uint32_t target_of(struct sequence *sequence, const struct call *like, int32_t id)
{
	if (one_in(6))
		return some_name();
	if (id < 1000)
		return NAME(NAME_HOST);
	/* The port in a reply gets into slot 9. */
	if (id < 1200) {
		add_question(sequence, like, NAME(NAME_HOST), 206, NAME(NAME_NULL), below(2));
		return NAME(9);
	}
	if (id < 3000) {
		add_question(sequence, like, NAME(NAME_HOST), 408, NAME(NAME_NULL), below(2));
		return NAME(9);
	}
	if (id < 3200) {
		add_plain_question(sequence, like, NAME(NAME_HOST), 407);
		return NAME(9 + below(2));
	}
	if (id >= 3600 && id < 4000) {
		if (!one_in(3))
			return NAME(NAME_THREAD);
		add_plain_question(sequence, like, NAME(NAME_SELF), 3402);
		return NAME(9 + below(2));
	}
	if (id >= 4000 && id < 4100) {
		add_plain_question(sequence, like, NAME(NAME_HOST), 213);
		if (!one_in(4))
			add_question(sequence, like, NAME(NAME_HOST), 420, NAME(9), 0);
		return NAME(9);
	}
	if (id >= 4900 && id < 5000)
		return NAME(9 + below(3));
	if (one_in(5)) {
		ADD(sequence, like, OPS_OWN + trap_task_for_pid(), 1 + below(PROCESSES),
		    POINTER(10));
		return NAME(10);
	}
	return NAME(NAME_SELF);
}

static void add_request(struct sequence *sequence, const struct call *like,
			const struct shapes *shapes)
{
	const struct shape *shape;
	struct call *data = NULL;
	uint32_t target;

	if (!shapes->count)
		return;
	shape = &shapes->shape[below(shapes->count)];
	target = target_of(sequence, like, shape->id);
	ADD(sequence, like, OP_BEGIN, target, COPY_SEND, NAME(7), MAKE_SEND_ONCE,
	    (uint32_t)shape->id);
	for (uint32_t i = 0; i < shape->ports; i++) {
		if (shape->kind == 1)
			ADD(sequence, like, OP_OOL, some_pointer(), some_size(), some_flags());
		else if (shape->kind == 2)
			ADD(sequence, like, OP_OOL_PORTS, below(5), below(SLOTS),
			    some_disposition(), 0);
		else
			ADD(sequence, like, OP_PORT, some_name(), some_disposition());
	}
	if (shape->words)
		ADD(sequence, like, OP_NDR, 0);
	for (uint32_t i = 0; i < shape->words;) {
		uint32_t value;

		if (!data || data->count == ARGS_MAX)
			data = add(sequence, like, OP_DATA);
		/* An address takes the room of two words. */
		value = i + 1 < shape->words && one_in(3) ? POINTER(below(POINTERS)) :
			one_in(2) ? some_name() : some_number();
		if (TAG(value) == TAG_WIDE || TAG(value) == TAG_POINTER)
			i++;
		i++;
		give(data, value);
	}
	ADD(sequence, like, OP_ASK, one_in(16) ? below(16) - 8 : 0);
}

static void add_trap(struct sequence *sequence, const struct call *like)
{
	uint32_t op = OPS_OWN + below(op_count() - OPS_OWN);
	const struct trap_form *form = op_trap(op);
	struct call *call;

	/* What it writes would hide what the kernel has to say. */
	if (form->number == NR_kernel_printk && !one_in(20))
		return;
	call = add(sequence, like, op);
	for (uint32_t i = 0; i < form->fields; i++) {
		switch (form->field[i].kind) {
		case FIELD_NAME:
			/* The first member of most is the own task's port. */
			give(call, i == 0 && form->fields > 1 && one_in(2) ? NAME(NAME_SELF) :
									    some_name());
			break;
		case FIELD_POINTER:
			give(call, some_pointer());
			break;
		default:
			give(call, some_number());
		}
	}
	if (form->size && one_in(40))
		give(call, some_pointer());
}

/* A changed program: mostly what the header and its commands say. */
static void add_macho(struct sequence *sequence, const struct call *like)
{
	struct call *call = add(sequence, like, OP_MACHO);

	give(call, below(8));
	give(call, one_in(3) ? below(4) : 0);
	for (uint32_t i = below(4); i; i--) {
		uint32_t at = below(one_in(3) ? 64 : 1200);

		give(call, one_in(8) ? 4096 + at : at & (one_in(8) ? ~0u : ~3u));
		give(call, some_number());
	}
}

/* A queue of events, or one that is there: a change, and then what is to be told. */
static void add_events(struct sequence *sequence, const struct call *like)
{
	uint32_t first = OPS_OWN, queue = 8 + NR_kqueue_create % 8, layout = below(3);
	const struct trap_form *form;
	struct call *call;

	while (first + 1 < op_count() && op_trap(first)->number != NR_kqueue_create)
		first++;
	if (one_in(2))
		ADD(sequence, like, first, 0);
	ADD(sequence, like, OP_EVENT, 16, layout, one_in(3) ? some_number() : some_name(),
	    -1u - below(one_in(8) ? 18 : 9), one_in(4) ? some_number() : 1 | 1u << below(8),
	    one_in(2) ? 0 : some_number(), one_in(2) ? below(20) : some_number(),
	    some_number());
	/* The three traps follow the first one, and differ in their last members. */
	form = op_trap(first + 1 + layout);
	call = add(sequence, like, first + 1 + layout);
	give(call, NAME(queue));
	give(call, POINTER(POINTER_WORDS + 16));
	give(call, 1);
	give(call, POINTER(POINTER_WORDS + 32));
	give(call, one_in(3) ? below(4) : 1);
	while (call && call->count < form->fields && call->count < ARGS_MAX) {
		enum field_kind kind = form->field[call->count].kind;

		/* Numbers are flags, the first of which says not to wait. */
		give(call, kind == FIELD_NUMBER ? 1 | below(4) :
			   one_in(3) ? some_pointer() : POINTER(POINTER_WORDS + 60));
	}
}

static void add_own(struct sequence *sequence, const struct call *like)
{
	switch (below(18)) {
	case 0:
		ADD(sequence, like, OP_FORK, below(PROCESSES));
		break;
	case 1:
		ADD(sequence, like, OP_CHILD, 0);
		break;
	case 2:
		ADD(sequence, like, OP_EXEC, below(8));
		break;
	case 3:
	case 4:
		ADD(sequence, like, OP_KILL, below(PROCESSES), below(5));
		break;
	case 5:
		ADD(sequence, like, OP_EXIT, 0);
		break;
	case 6:
		ADD(sequence, like, OP_OPEN, 0);
		break;
	case 7:
		ADD(sequence, like, OP_CLOSE, below(8));
		break;
	case 8:
		ADD(sequence, like, OP_MEMORY, below(4), below(4));
		break;
	case 9:
		ADD(sequence, like, OP_NAP, below(10));
		break;
	case 10:
		add_macho(sequence, like);
		break;
	case 11:
	case 12:
		ADD(sequence, like, OP_FILE, below(14), 8 + below(8));
		break;
	case 13:
		ADD(sequence, like, OP_TEXT, below(16), below(22));
		break;
	case 14:
		add_events(sequence, like);
		break;
	case 15:
		ADD(sequence, like, OP_NARROW, below(3));
		break;
	default:
		ADD(sequence, like, OP_POKE, below(8), some_value(), some_value());
	}
}

static void add_something(struct sequence *sequence, const struct shapes *shapes)
{
	struct call like = { 0 };

	if (one_in(3))
		like.process = (uint8_t)below(one_in(3) ? PROCESSES : 2);
	if (one_in(3))
		like.thread = (uint8_t)(one_in(3) ? below(THREADS) : 1);
	switch (below(11)) {
	case 0:
	case 1:
		add_message(sequence, &like);
		break;
	case 2:
		add_receive(sequence, &like);
		break;
	case 3:
	case 4:
	case 5:
		add_request(sequence, &like, shapes);
		break;
	case 6:
	case 7:
		add_own(sequence, &like);
		break;
	default:
		add_trap(sequence, &like);
	}
}

void sequence_generate(struct sequence *sequence, const struct shapes *shapes)
{
	uint32_t count = 6 + below(14);

	sequence->count = 0;
	while (count--)
		add_something(sequence, shapes);
	if (!sequence->count)
		sequence_generate(sequence, shapes);
}

/* --- Changes ----------------------------------------------------------------------------- */

void sequence_remove(struct sequence *sequence, uint32_t at, uint32_t count)
{
	memmove(&sequence->calls[at], &sequence->calls[at + count],
		(sequence->count - at - count) * sizeof(struct call));
	sequence->count -= count;
}

/* Puts what fits of @part at @at. */
static void insert(struct sequence *sequence, uint32_t at, const struct call *part, uint32_t count)
{
	if (count > CALLS_MAX - sequence->count)
		count = CALLS_MAX - sequence->count;
	memmove(&sequence->calls[at + count], &sequence->calls[at],
		(sequence->count - at) * sizeof(struct call));
	memcpy(&sequence->calls[at], part, count * sizeof(struct call));
	sequence->count += count;
}

static void change_argument(struct call *call)
{
	uint32_t *value;
	uint32_t tag;

	if (!call->count)
		return;
	value = &call->args[below(call->count)];
	tag = TAG(*value);
	switch (below(6)) {
	case 0:
		*value = some_value();
		break;
	case 1:
		*value ^= 1u << below(tag == TAG_NAME || tag == TAG_POINTER ? 5 : 32);
		break;
	case 2:
		*value += below(9) - 4;
		break;
	default:
		*value = tag == TAG_NAME ? some_name() :
			 tag == TAG_POINTER || tag == TAG_WIDE ? some_pointer() : some_number();
	}
}

static void change_once(struct sequence *sequence, const struct sequence *other,
			const struct shapes *shapes)
{
	struct sequence part = { 0 };
	uint32_t at = below(sequence->count), count;

	switch (below(12)) {
	case 0:
		if (sequence->count > 1)
			sequence_remove(sequence, at, 1);
		break;
	case 1:
		part.calls[0] = sequence->calls[at];
		insert(sequence, below(sequence->count + 1), part.calls, 1);
		break;
	case 2:
		at = below(other->count);
		count = 1 + below(other->count - at);
		insert(sequence, below(sequence->count + 1), &other->calls[at], count);
		break;
	case 3:
		sequence->calls[at].process = (uint8_t)below(PROCESSES);
		sequence->calls[at].thread = (uint8_t)below(THREADS);
		break;
	case 4:
		sequence->calls[at].hasty ^= 1;
		break;
	case 5:
	case 6:
	case 7:
		add_something(&part, shapes);
		insert(sequence, below(sequence->count + 1), part.calls, part.count);
		break;
	default:
		change_argument(&sequence->calls[at]);
	}
}

void sequence_mutate(struct sequence *sequence, const struct sequence *other,
		     const struct shapes *shapes)
{
	uint32_t count = 1 + below(one_in(3) ? 8 : 3);

	/* To start and end the processes takes longer than the calls: make many. */
	while (sequence->count < CALLS_MAX / 2 && !one_in(4))
		insert(sequence, one_in(2) ? 0 : sequence->count, other->calls, other->count);
	while (count--)
		change_once(sequence, other, shapes);
}
