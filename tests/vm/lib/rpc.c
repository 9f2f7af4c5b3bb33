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

void rpc_port(struct rpc *rpc, name_t name, int disposition)
{
	struct port_descriptor descriptor = PORT_DESCRIPTOR(name, disposition);
	uint32_t none = 0;

	REQUIRE(!rpc->inlined);
	if (!rpc->ports)
		append(rpc, &none, sizeof(none));
	append(rpc, &descriptor, sizeof(descriptor));
	rpc->ports++;
	rpc->message.body[0] = rpc->ports;
	rpc->message.header.bits |= MSGH_COMPLEX;
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

	REQUIRE_RET(mach_msg(&rpc->message, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
			     rpc->size, sizeof(rpc->message), rpc->reply, 10000), 0);
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

const uint32_t *rpc_words(const struct rpc *rpc)
{
	uint32_t offset = RPC_SIMPLE_REPLY;

	if (rpc->ports) {
		offset = HEADER_SIZE + 4 + rpc->ports * (uint32_t)sizeof(struct port_descriptor);
		CHECK(!memcmp((const uint8_t *)&rpc->message + offset, native_ndr,
			      sizeof(native_ndr)));
		offset += sizeof(native_ndr);
	}
	return (const uint32_t *)((const uint8_t *)&rpc->message + offset);
}

uint64_t rpc_wide_at(const struct rpc *rpc, unsigned int word)
{
	uint64_t value;

	memcpy(&value, rpc_words(rpc) + word, sizeof(value));
	return value;
}

name_t rpc_right(const struct rpc *rpc, unsigned int index, int disposition)
{
	const struct port_descriptor *ports =
		(const struct port_descriptor *)(rpc->message.body + 1);

	REQUIRE(index < rpc->ports);
	CHECK_HEX(ports[index].pad16_disposition_type >> 16,
		  disposition | MSG_PORT_DESCRIPTOR << 8);
	return ports[index].name;
}

int32_t rpc_simple(struct rpc *rpc, name_t target, int32_t id, const uint32_t *words,
		   unsigned int count)
{
	rpc_begin(rpc, target, id);
	for (unsigned int i = 0; i < count; i++)
		rpc_word(rpc, words[i]);
	return rpc_call(rpc);
}
