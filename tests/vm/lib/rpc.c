// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to kernel objects, see rpc.h.
 */
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "rpc.h"

static const uint8_t native_ndr[8] = { 0, 0, 0, 0, 1, 0, 0, 0 };

static uint8_t *bytes_at(struct message *message, uint32_t offset)
{
	return (uint8_t *)message + offset;
}

/* The reply port of this process; a child makes one of its own. */
static name_t own_reply_port(void)
{
	static name_t port;
	static pid_t owner;

	if (owner != getpid()) {
		port = reply_port();
		owner = getpid();
	}
	return port;
}

void rpc_begin(struct rpc *rpc, name_t target, int32_t id)
{
	rpc->reply = own_reply_port();
	message_init(&rpc->message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), target, rpc->reply, id);
	rpc->size = HEADER_SIZE;
	rpc->ports = 0;
	rpc->inlined = false;
}

static void append(struct rpc *rpc, const void *bytes, uint32_t size)
{
	REQUIRE(rpc->size + size <= sizeof(rpc->message));
	memcpy(bytes_at(&rpc->message, rpc->size), bytes, size);
	rpc->size += size;
}

/* Of memory, and of an array of rights, whose @pad is the disposition */
struct memory_descriptor {
	uint64_t address;
	uint8_t deallocate, copy, pad, type;
	uint32_t size;
} __attribute__((packed, aligned(4)));

static void append_descriptor(struct rpc *rpc, const void *descriptor, uint32_t size)
{
	uint32_t none = 0;

	REQUIRE(!rpc->inlined);
	if (!rpc->ports)
		append(rpc, &none, sizeof(none));
	append(rpc, descriptor, size);
	rpc->ports++;
	rpc->message.body[0] = rpc->ports;
	rpc->message.header.bits |= MSGH_COMPLEX;
}

void rpc_port(struct rpc *rpc, name_t name, int disposition)
{
	struct port_descriptor descriptor = PORT_DESCRIPTOR(name, disposition);

	append_descriptor(rpc, &descriptor, sizeof(descriptor));
}

void rpc_memory(struct rpc *rpc, const void *bytes, uint32_t size)
{
	struct memory_descriptor descriptor = {
		.address = (uintptr_t)bytes, .copy = 1, .type = MSG_OOL_DESCRIPTOR, .size = size,
	};

	append_descriptor(rpc, &descriptor, sizeof(descriptor));
}

void rpc_array(struct rpc *rpc, const name_t *names, uint32_t count, int disposition)
{
	struct memory_descriptor descriptor = {
		.address = (uintptr_t)names, .copy = 1, .pad = (uint8_t)disposition,
		.type = MSG_OOL_PORTS_DESCRIPTOR, .size = count,
	};

	append_descriptor(rpc, &descriptor, sizeof(descriptor));
}

void rpc_bytes(struct rpc *rpc, const void *bytes, uint32_t size)
{
	if (!rpc->inlined)
		append(rpc, native_ndr, sizeof(native_ndr));
	rpc->inlined = true;
	append(rpc, bytes, size);
}

void rpc_word(struct rpc *rpc, uint32_t word)
{
	rpc_bytes(rpc, &word, sizeof(word));
}

void rpc_wide(struct rpc *rpc, uint64_t value)
{
	rpc_bytes(rpc, &value, sizeof(value));
}

int32_t rpc_call(struct rpc *rpc)
{
	const struct mig_reply *simple = (const struct mig_reply *)&rpc->message;
	const struct header *header = &rpc->message.header;
	int32_t id = header->id;
	uint32_t complex;
	long result;

	result = mach_msg(&rpc->message, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
			  rpc->size, sizeof(rpc->message), rpc->reply, 10000);
	if (result)
		note("request %d", id);
	REQUIRE_RET(result, 0);
	complex = header->bits & MSGH_COMPLEX;
	CHECK_HEX(header->bits & ~MSGH_COMPLEX, MSGH_BITS(0, MOVE_SEND_ONCE));
	CHECK_HEX(header->local, rpc->reply);
	CHECK_HEX(header->remote, 0);
	CHECK_HEX(header->voucher, 0);
	CHECK_EQ(header->id, id + 100);
	rpc->size = header->size;
	rpc->ports = complex ? rpc->message.body[0] : 0;
	if (complex) {
		CHECK(rpc->ports > 0);
		return 0;
	}
	REQUIRE(header->size >= RPC_SIMPLE_REPLY);
	CHECK(!memcmp(simple->ndr, native_ndr, sizeof(native_ndr)));
	if (simple->result)
		CHECK_EQ(header->size, RPC_SIMPLE_REPLY);
	return simple->result;
}

void check_refused(const char *file, int line, struct rpc *rpc, int32_t code)
{
	int32_t id = rpc->message.header.id;

	if (!check_equal(file, line, CHECK_CODE, GO_ON, "the answer", rpc_call(rpc), "a refusal",
			 code))
		note("request %d", id);
}

/* Where descriptor @index of the reply stands, or what follows the last one */
static uint32_t descriptor_offset(const struct rpc *rpc, unsigned int index)
{
	uint32_t offset = HEADER_SIZE + 4;

	for (unsigned int i = 0; i < index; i++) {
		uint8_t type = ((const uint8_t *)&rpc->message)[offset + 11];

		offset += type == MSG_PORT_DESCRIPTOR ? (uint32_t)sizeof(struct port_descriptor) :
							(uint32_t)sizeof(struct memory_descriptor);
	}
	return offset;
}

const uint32_t *rpc_words(const struct rpc *rpc)
{
	uint32_t offset = RPC_SIMPLE_REPLY;

	if (rpc->ports) {
		offset = descriptor_offset(rpc, rpc->ports);
		CHECK(!memcmp((const uint8_t *)&rpc->message + offset, native_ndr,
			      sizeof(native_ndr)));
		offset += sizeof(native_ndr);
	}
	return (const uint32_t *)((const uint8_t *)&rpc->message + offset);
}

void *rpc_out_of_line(const struct rpc *rpc, unsigned int index, uint32_t *size)
{
	struct memory_descriptor descriptor;

	REQUIRE(index < rpc->ports);
	memcpy(&descriptor, (const uint8_t *)&rpc->message + descriptor_offset(rpc, index),
	       sizeof(descriptor));
	CHECK(descriptor.type == MSG_OOL_DESCRIPTOR || descriptor.type == MSG_OOL_PORTS_DESCRIPTOR);
	CHECK_EQ(descriptor.deallocate, 1);
	*size = descriptor.size;
	return (void *)(uintptr_t)descriptor.address;
}

uint64_t rpc_wide_at(const struct rpc *rpc, unsigned int word)
{
	uint64_t value;

	memcpy(&value, rpc_words(rpc) + word, sizeof(value));
	return value;
}

name_t rpc_right(const struct rpc *rpc, unsigned int index, int disposition)
{
	struct port_descriptor port;

	REQUIRE(index < rpc->ports);
	memcpy(&port, (const uint8_t *)&rpc->message + descriptor_offset(rpc, index),
	       sizeof(port));
	CHECK_HEX(port.pad16_disposition_type >> 16, disposition | MSG_PORT_DESCRIPTOR << 8);
	return port.name;
}

int32_t rpc_simple(struct rpc *rpc, name_t target, int32_t id, const uint32_t *words,
		   unsigned int count)
{
	rpc_begin(rpc, target, id);
	for (unsigned int i = 0; i < count; i++)
		rpc_word(rpc, words[i]);
	return rpc_call(rpc);
}
