/* SPDX-License-Identifier: GPL-2.0 */
/* Bodies of complex messages: built from, and taken apart into, descriptors. */
#ifndef TESTS_BODY_H
#define TESTS_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mach.h"
#include "message.h"

#define BODY_ROOM	49152u
#define BODY_AT		28u	/* header and count */

/* Descriptors and, behind them, one word of plain data. */
struct complex_message {
	struct header header;
	uint32_t count;
	uint8_t room[BODY_ROOM];
	uint32_t size;		/* to send; not part of the message */
};

struct port_item {
	uint32_t name;
	uint32_t pad;
	uint16_t pad16;
	uint8_t disposition;
	uint8_t type;
} __attribute__((packed));

struct ool_item {
	uint64_t address;
	uint8_t deallocate;
	uint8_t copy;
	uint8_t pad;
	uint8_t type;
	uint32_t size;
} __attribute__((packed));

struct ool_ports_item {
	uint64_t address;
	uint8_t deallocate;
	uint8_t copy;
	uint8_t disposition;
	uint8_t type;
	uint32_t count;
} __attribute__((packed));

struct guarded_item {
	uint64_t context;
	uint16_t flags;
	uint8_t disposition;
	uint8_t type;
	uint32_t name;
} __attribute__((packed));

/* The last word of a message */
#define BODY_END	0x5eed5eedu

/* An empty body for @remote, which is the receive right, or taken by @disposition. */
void complex_init(struct complex_message *message, name_t remote, int disposition);

/* Adds a descriptor; returns it, to be changed. */
struct port_item *add_port(struct complex_message *message, name_t name, int disposition);
struct ool_item *add_ool(struct complex_message *message, const void *address, uint32_t size,
			 int copy, bool deallocate);
struct ool_ports_item *add_ool_ports(struct complex_message *message, const name_t *names,
				     uint32_t count, int disposition, bool deallocate);
struct guarded_item *add_guarded(struct complex_message *message, name_t name,
				 uint64_t context, int flags);

/* Sends without waiting. */
long complex_send(struct complex_message *message);
/* Receives what is there; the buffer is poisoned first. @options: further ones. */
long complex_receive(struct complex_message *message, name_t port, uint32_t options);

/* Descriptor number @index of a message, whatever it is. */
void *item_at(struct complex_message *message, uint32_t index);
struct ool_item *ool_at(struct complex_message *message, uint32_t index);
struct ool_ports_item *ool_ports_at(struct complex_message *message, uint32_t index);
/* The word behind the last descriptor */
uint32_t body_end(struct complex_message *message);

static inline void *pointer_of(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

/* Unmaps received memory, in whole pages. */
void unmap_received(uint64_t address, size_t size);

/* Is the page at @address mapped? */
bool is_mapped(const void *address);

#endif
