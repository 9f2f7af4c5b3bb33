// SPDX-License-Identifier: GPL-2.0
#include "message.h"

#include <string.h>

#include "harness.h"

static const uint8_t native_ndr[8] = { 0, 0, 0, 0, 1, 0, 0, 0 };

void message_init(struct message *message, uint32_t bits, name_t remote, name_t local,
		  int32_t id)
{
	poison(message, sizeof(*message));
	message->header.bits = bits;
	message->header.remote = remote;
	message->header.local = local;
	message->header.voucher = MACH_PORT_NULL;
	message->header.id = id;
}

static uint8_t body_byte(size_t at, uint32_t seed)
{
	uint32_t mixed = ((uint32_t)at + 1) * 2654435761u ^ seed * 40503u;

	return (uint8_t)(mixed >> 13);
}

void body_fill(void *body, size_t size, uint32_t seed)
{
	uint8_t *byte = body;

	for (size_t i = 0; i < size; i++)
		byte[i] = body_byte(i, seed);
}

bool body_matches(const void *body, size_t size, uint32_t seed)
{
	const uint8_t *byte = body;

	for (size_t i = 0; i < size; i++)
		if (byte[i] != body_byte(i, seed))
			return false;
	return true;
}

long msg_send(struct message *message, uint32_t size)
{
	return mach_msg(message, MACH_SEND_MSG, size, 0, MACH_PORT_NULL, 0);
}

long msg_send_within(struct message *message, uint32_t size, uint32_t timeout_ms)
{
	return mach_msg(message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, size, 0, MACH_PORT_NULL,
			timeout_ms);
}

static long receive_with(struct message *message, name_t port, uint32_t option,
			 uint32_t timeout_ms)
{
	poison(message, sizeof(*message));
	return mach_msg(message, MACH_RCV_MSG | option, 0, sizeof(*message), port, timeout_ms);
}

long msg_receive(struct message *message, name_t port)
{
	return receive_with(message, port, MACH_RCV_TIMEOUT, 0);
}

long msg_receive_within(struct message *message, name_t port, uint32_t timeout_ms)
{
	return receive_with(message, port, MACH_RCV_TIMEOUT, timeout_ms);
}

long msg_receive_blocking(struct message *message, name_t port)
{
	return receive_with(message, port, 0, 0);
}

long send_id(name_t remote, int disposition, int32_t id)
{
	struct message message;

	message_init(&message, MSGH_BITS(disposition, 0), remote, MACH_PORT_NULL, id);
	return msg_send(&message, HEADER_SIZE);
}

const int send_dispositions[SEND_DISPOSITIONS] = {
	MOVE_SEND, MOVE_SEND_ONCE, COPY_SEND, MAKE_SEND, MAKE_SEND_ONCE,
};

int carried_right(int disposition)
{
	if (disposition == MOVE_SEND_ONCE || disposition == MAKE_SEND_ONCE)
		return MOVE_SEND_ONCE;
	return disposition ? MOVE_SEND : 0;
}

name_t name_for(name_t port, int disposition)
{
	switch (disposition) {
	case MOVE_SEND_ONCE:
		return new_send_once(port);
	case MOVE_SEND:
	case COPY_SEND:
		REQUIRE_RET(insert_right(port, port, MAKE_SEND), KERN_SUCCESS);
		return port;
	default:
		return port;
	}
}

long send_with_reply(name_t remote, int remote_disposition, name_t local,
		     int local_disposition, int32_t id)
{
	struct message message;

	message_init(&message, MSGH_BITS(remote_disposition, local_disposition), remote, local, id);
	return msg_send(&message, HEADER_SIZE);
}

long receive_id(name_t port)
{
	struct message message;
	long result = msg_receive(&message, port);

	return result ? result : message.header.id;
}

void fill_queue(name_t port)
{
	for (int32_t i = 0; i < MACH_PORT_QLIMIT_BASIC; i++)
		REQUIRE_RET(send_id(port, MAKE_SEND, i), 0);
}

struct trailer *trailer_of(struct message *message)
{
	size_t end = (message->header.size + 3u) & ~3u;

	REQUIRE(end >= HEADER_SIZE && end + MACH_TRAILER_MAX <= sizeof(*message));
	return (struct trailer *)((char *)message + end);
}

void check_notified(const char *file, int line, name_t port, int32_t id)
{
	struct message message;

	if (!check_equal(file, line, CHECK_CODE, GO_ON, "receiving a notification",
			 msg_receive_within(&message, port, 2000), "it", 0))
		return;
	check_equal(file, line, CHECK_HEX, GO_ON, "notification id", message.header.id,
		    "the expected", id);
	check_equal(file, line, CHECK_HEX, GO_ON, "notification's local port",
		    message.header.local, "the port's name", port);
	check_equal(file, line, CHECK_HEX, GO_ON, "notification's remote port",
		    message.header.remote, "none", MACH_PORT_NULL);
}

/* Sends @message to the task port and receives the answer in its place. */
static void task_rpc(struct message *message, uint32_t size, uint32_t bits, int32_t id)
{
	name_t reply = reply_port();

	message->header = (struct header){
		.bits = bits | MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE),
		.size = size,
		.remote = self(),
		.local = reply,
		.id = id,
	};
	REQUIRE_RET(mach_msg(message, MACH_SEND_MSG | MACH_RCV_MSG, size, sizeof(*message), reply,
			     0), 0);
	REQUIRE_EQ(message->header.id, id + 100);
	destroy_receive(reply);
}

void bootstrap_set(name_t port, int disposition)
{
	union {
		struct message message;
		struct {
			struct header header;
			uint32_t descriptors;
			struct port_descriptor port;
			uint8_t ndr[8];
			int32_t which;
		} request;
		struct mig_reply reply;
	} rpc;

	_Static_assert(sizeof(rpc.request) == 52, "size of the request");
	poison(&rpc, sizeof(rpc));
	rpc.request.descriptors = 1;
	rpc.request.port = (struct port_descriptor)PORT_DESCRIPTOR(port, disposition);
	memcpy(rpc.request.ndr, native_ndr, sizeof(native_ndr));
	rpc.request.which = TASK_BOOTSTRAP_PORT;
	task_rpc(&rpc.message, sizeof(rpc.request), MSGH_COMPLEX, MSG_TASK_SET_SPECIAL_PORT);
	if (rpc.reply.result == MIG_BAD_ID)
		SKIP("the task port does not serve task_set_special_port");
	REQUIRE_EQ(rpc.reply.header.size, 36);
	REQUIRE_RET(rpc.reply.result, KERN_SUCCESS);
}

/* Returns the reply's code, and the port when that is 0. */
static int32_t get_bootstrap(name_t *port)
{
	union {
		struct message message;
		struct {
			struct header header;
			uint8_t ndr[8];
			int32_t which;
		} request;
		struct mig_reply reply;
		struct {
			struct header header;
			uint32_t descriptors;
			struct port_descriptor port;
		} answer;
	} rpc;

	_Static_assert(sizeof(rpc.request) == 36 && sizeof(rpc.answer) == 40, "sizes");
	poison(&rpc, sizeof(rpc));
	memcpy(rpc.request.ndr, native_ndr, sizeof(native_ndr));
	rpc.request.which = TASK_BOOTSTRAP_PORT;
	task_rpc(&rpc.message, sizeof(rpc.request), 0, MSG_TASK_GET_SPECIAL_PORT);
	if (rpc.reply.header.size == sizeof(rpc.reply))
		return rpc.reply.result;
	REQUIRE_EQ(rpc.answer.header.size, 40);
	REQUIRE_EQ(rpc.answer.header.bits & MSGH_COMPLEX, MSGH_COMPLEX);
	REQUIRE_EQ(rpc.answer.descriptors, 1);
	*port = rpc.answer.port.name;
	return 0;
}

name_t bootstrap_get(void)
{
	name_t port = MACH_PORT_NULL;
	int32_t result = get_bootstrap(&port);

	if (result == MIG_BAD_ID)
		SKIP("the task port does not serve task_get_special_port");
	REQUIRE_RET(result, KERN_SUCCESS);
	return port;
}

bool bootstrap_is_served(void)
{
	name_t port;

	return get_bootstrap(&port) != MIG_BAD_ID;
}
