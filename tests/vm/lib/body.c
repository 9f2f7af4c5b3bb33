// SPDX-License-Identifier: GPL-2.0
/* Bodies of complex messages, see body.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "body.h"
#include "harness.h"

void complex_init(struct complex_message *message, name_t remote, int disposition)
{
	const uint32_t end = BODY_END;

	poison(message, sizeof(*message));
	message->header = (struct header){
		.bits = MSGH_COMPLEX | MSGH_BITS(disposition, 0),
		.remote = remote,
		.id = 5,
	};
	message->count = 0;
	message->size = BODY_AT + (uint32_t)sizeof(end);
	memcpy(message->room, &end, sizeof(end));
}

static void *add(struct complex_message *message, const void *item, uint32_t size)
{
	const uint32_t end = BODY_END;
	uint8_t *at = (uint8_t *)message + message->size - sizeof(end);

	if (message->size + size > BODY_AT + BODY_ROOM)
		FATAL("no room for a descriptor");
	memcpy(at, item, size);
	memcpy(at + size, &end, sizeof(end));
	message->count++;
	message->size += size;
	return at;
}

struct port_item *add_port(struct complex_message *message, name_t name, int disposition)
{
	const struct port_item item = {
		.name = name,
		.disposition = (uint8_t)disposition,
		.type = MSG_PORT_DESCRIPTOR,
	};

	return add(message, &item, sizeof(item));
}

struct ool_item *add_ool(struct complex_message *message, const void *address, uint32_t size,
			 int copy, bool deallocate)
{
	const struct ool_item item = {
		.address = (uintptr_t)address,
		.deallocate = deallocate,
		.copy = (uint8_t)copy,
		.type = MSG_OOL_DESCRIPTOR,
		.size = size,
	};

	return add(message, &item, sizeof(item));
}

struct ool_ports_item *add_ool_ports(struct complex_message *message, const name_t *names,
				     uint32_t count, int disposition, bool deallocate)
{
	const struct ool_ports_item item = {
		.address = (uintptr_t)names,
		.deallocate = deallocate,
		.copy = MSG_PHYSICAL_COPY,
		.disposition = (uint8_t)disposition,
		.type = MSG_OOL_PORTS_DESCRIPTOR,
		.count = count,
	};

	return add(message, &item, sizeof(item));
}

struct guarded_item *add_guarded(struct complex_message *message, name_t name,
				 uint64_t context, int flags)
{
	const struct guarded_item item = {
		.context = context,
		.flags = (uint16_t)flags,
		.disposition = MOVE_RECEIVE,
		.type = MSG_GUARDED_PORT_DESCRIPTOR,
		.name = name,
	};

	return add(message, &item, sizeof(item));
}

long complex_send(struct complex_message *message)
{
	return mach_msg(message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, message->size, 0, 0, 0);
}

long complex_receive(struct complex_message *message, name_t port, uint32_t options)
{
	poison(message, sizeof(*message));
	return mach_msg(message, MACH_RCV_MSG | MACH_RCV_TIMEOUT | options, 0,
			BODY_AT + BODY_ROOM, port, 0);
}

static uint8_t *position_of(struct complex_message *message, uint32_t index)
{
	uint8_t *at = message->room;

	while (index--) {
		uint8_t type = at[11];

		at += type == MSG_PORT_DESCRIPTOR ? sizeof(struct port_item)
						  : sizeof(struct ool_item);
		if (at > message->room + BODY_ROOM - sizeof(struct ool_item))
			FATAL("no such descriptor");
	}
	return at;
}

void *item_at(struct complex_message *message, uint32_t index)
{
	if (index >= message->count)
		FATAL("descriptor %u of %u", index, message->count);
	return position_of(message, index);
}

struct ool_item *ool_at(struct complex_message *message, uint32_t index)
{
	return item_at(message, index);
}

struct ool_ports_item *ool_ports_at(struct complex_message *message, uint32_t index)
{
	return item_at(message, index);
}

uint32_t body_end(struct complex_message *message)
{
	uint32_t end;

	memcpy(&end, position_of(message, message->count), sizeof(end));
	return end;
}

void unmap_received(uint64_t address, size_t size)
{
	if (size)
		CHECK_EQ(munmap(pointer_of(address), size), 0);
}

bool is_mapped(const void *address)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char resident;

	return !mincore((void *)((uintptr_t)address & ~(page - 1)), page, &resident);
}
