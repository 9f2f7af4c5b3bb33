// SPDX-License-Identifier: GPL-2.0
/* Between the plain form of messages and what the kernel sees, see model_wire.h. */
#include <string.h>

#include "body.h"
#include "harness.h"
#include "mach.h"
#include "model_wire.h"
#include "short_rights.h"

#define MEMORY_MAX	9000u

/* Where the task's traps have their messages */
static struct complex_message raw;
static uint8_t memory[MEMORY_MAX];
static name_t names[MODEL_RIGHTS];

int shape_growth(enum shape shape, int rights)
{
	switch (shape) {
	case SHAPE_ARRAY:
		return 16 - 12 * rights;
	case SHAPE_GUARDED:
		return 4 * rights;
	case SHAPE_MEMORY:
		return 16;
	default:
		return 0;
	}
}

static int disposition_of(const struct port_descriptor *right)
{
	return right->pad16_disposition_type >> 16 & 0xff;
}

/* Bytes of out-of-line memory in the message with this id: none, or up to three pages */
static uint32_t memory_size(int32_t id)
{
	return (uint32_t)id % 5 ? (uint32_t)id * 37 % MEMORY_MAX : 0;
}

static void add_descriptors(const struct wire_call *call)
{
	const struct port_descriptor *right = call->message.right;
	uint32_t count = call->message.count;

	if (call->shape == SHAPE_ARRAY) {
		for (uint32_t i = 0; i < count; i++)
			names[i] = right[i].name;
		add_ool_ports(&raw, names, count, count ? disposition_of(right) : MOVE_SEND,
			      false);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (call->shape == SHAPE_GUARDED)
			add_guarded(&raw, right[i].name, call->context, (int)call->flags);
		else
			add_port(&raw, right[i].name, disposition_of(&right[i]));
	}
	if (call->shape == SHAPE_MEMORY) {
		uint32_t size = memory_size(call->message.header.id);

		body_fill(memory, size, (uint32_t)call->message.header.id);
		add_ool(&raw, memory, size, size % 2 ? MSG_VIRTUAL_COPY : MSG_PHYSICAL_COPY, false);
	}
}

/* The plain form, as the kernel is to see it; returns its size. */
static uint32_t to_raw(const struct wire_call *call)
{
	const uint8_t *plain = (const uint8_t *)&call->message;
	uint32_t skip = HEADER_SIZE, at = HEADER_SIZE;

	complex_init(&raw, 0, 0);
	if (call->complex) {
		add_descriptors(call);
		skip += 4 + 12 * call->message.count;
		at = raw.size - 4;
	}
	raw.header = call->message.header;
	memcpy((uint8_t *)&raw + at, plain + skip, call->plain_size - skip);
	return at + call->plain_size - skip;
}

static void note_right(struct wire_call *call, name_t name, int disposition)
{
	if (call->message.count >= MODEL_RIGHTS) {
		call->sound = false;
		return;
	}
	call->message.right[call->message.count++] =
		(struct port_descriptor)PORT_DESCRIPTOR(name, disposition);
}

static void take_array(struct wire_call *call, const struct ool_ports_item *item)
{
	const name_t *array = pointer_of(item->address);

	if (!array != !item->count || item->count > MODEL_RIGHTS) {
		call->sound = false;
		return;
	}
	for (uint32_t i = 0; i < item->count; i++)
		note_right(call, array[i], item->disposition);
	unmap_received(item->address, item->count * sizeof(*array));
}

static void take_memory(struct wire_call *call, const struct ool_item *item)
{
	int32_t id = raw.header.id;

	if (item->size != memory_size(id) || !item->address != !item->size ||
	    !body_matches(pointer_of(item->address), item->size, (uint32_t)id))
		call->sound = false;
	unmap_received(item->address, item->size);
}

static void take_guarded(struct wire_call *call, const struct guarded_item *item)
{
	call->flags = item->flags;
	call->context = item->context;
	note_right(call, item->name, item->disposition);
}

/* What the kernel wrote, in the plain form */
static void from_raw(struct wire_call *call)
{
	uint8_t *plain = (uint8_t *)&call->message;
	uint32_t count = raw.header.bits & MSGH_COMPLEX ? raw.count : 0;
	uint32_t skip = HEADER_SIZE, at = HEADER_SIZE, rest;

	call->sound = true;
	call->shape = SHAPE_PORTS;
	memset(&call->message, 0, sizeof(call->message));
	call->message.header = raw.header;
	for (uint32_t i = 0; i < count; i++) {
		void *item = item_at(&raw, i);
		struct port_item *port = item;

		if (port->type == MSG_PORT_DESCRIPTOR) {
			note_right(call, port->name, port->disposition);
			at = (uint32_t)((uint8_t *)(port + 1) - (uint8_t *)&raw);
			continue;
		}
		if (port->type == MSG_OOL_PORTS_DESCRIPTOR) {
			call->shape = SHAPE_ARRAY;
			take_array(call, item);
		} else if (port->type == MSG_GUARDED_PORT_DESCRIPTOR) {
			call->shape = SHAPE_GUARDED;
			take_guarded(call, item);
		} else {
			call->shape = SHAPE_MEMORY;
			take_memory(call, item);
		}
		at = (uint32_t)((uint8_t *)item - (uint8_t *)&raw) + 16;
	}
	if (raw.header.bits & MSGH_COMPLEX) {
		skip += 4 + 12 * call->message.count;
		if (!count)
			at += 4;
	}
	rest = raw.header.size - at;
	call->plain_size = skip + rest;
	memcpy(plain + skip, (uint8_t *)&raw + at, rest + MACH_TRAILER_MAX);
}

long wire_trap(struct wire_call *call, uint32_t option, uint32_t receive_size, name_t from)
{
	uint32_t size = 0;
	long result;

	if (option & MACH_SEND_MSG)
		size = to_raw(call);
	else
		poison(&raw, sizeof(raw));
	call->buffer = (uintptr_t)&raw;
	result = mach_msg(&raw, option, size, receive_size, from, 0);
	if ((!result && option & MACH_RCV_MSG) ||
	    (option & MACH_SEND_MSG && result == MACH_SEND_TIMED_OUT))
		from_raw(call);
	else
		call->message.header = raw.header;
	return result;
}
