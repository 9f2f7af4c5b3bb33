// SPDX-License-Identifier: GPL-2.0
/*
 * Messages to ports of the kernel.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <string.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

struct kernel_port {
	const char *name;
	name_t (*get)(void);
};

static const struct kernel_port kernel_ports[] = {
	{ "task_self", task_self }, { "thread_self", thread_self }, { "host_self", host_self },
};

TEST(unknown_request_is_answered)
{
	static const int32_t ids[] = { MSG_NOBODY_SERVES, 1, 0, 2799, 99999, 3398, -1, 0x7fffffff };

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(kernel_ports); i++)
		for (size_t j = 0; j < ARRAY_SIZE(ids); j++) {
			static const uint8_t ndr[8] = { 0, 0, 0, 0, 1, 0, 0, 0 };
			union {
				struct message message;
				struct mig_reply reply;
			} rpc;
			name_t port = kernel_ports[i].get(), reply = reply_port();

			message_init(&rpc.message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), port,
				     reply, ids[j]);
			CHECK_RET(mach_msg(&rpc, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
					   HEADER_SIZE, sizeof(rpc), reply, 1000), 0);
			CHECK_HEX(rpc.reply.header.bits, MSGH_BITS(0, MOVE_SEND_ONCE));
			CHECK_EQ(rpc.reply.header.size, 36);
			CHECK_HEX(rpc.reply.header.local, reply);
			CHECK_HEX(rpc.reply.header.remote, 0);
			CHECK_EQ(rpc.reply.header.id, (int32_t)((uint32_t)ids[j] + 100));
			CHECK(!memcmp(rpc.reply.ndr, ndr, 8));
			CHECK_RET(rpc.reply.result, MIG_BAD_ID);
			destroy_receive(reply);
		}
}

TEST(kernel_answers_any_reply_right)
{
	struct message message;
	name_t reply;

	mach_open();
	self();
	/* A send right */
	reply = new_port();
	CHECK_RET(send_with_reply(self(), COPY_SEND, reply, MAKE_SEND, MSG_NOBODY_SERVES), 0);
	CHECK_RET(msg_receive(&message, reply), 0);
	CHECK_HEX(message.header.bits, MSGH_BITS(0, MOVE_SEND));
	CHECK_EQ(message.header.id, MSG_NOBODY_SERVES + 100);
	CHECK(!has_right(reply, SEND));
	/* None, or a dead one: the answer is dropped */
	CHECK_RET(send_with_reply(self(), COPY_SEND, 0, 0, MSG_NOBODY_SERVES), 0);
	CHECK_RET(send_with_reply(self(), COPY_SEND, new_dead_name(), MOVE_SEND, MSG_NOBODY_SERVES),
		  0);
	/* A port of the kernel, which answers nothing */
	CHECK_RET(send_with_reply(self(), COPY_SEND, host_self(), COPY_SEND, MSG_NOBODY_SERVES), 0);
	/* A moved send right as the destination */
	host_self();
	CHECK_RET(send_with_reply(host_self(), MOVE_SEND, reply, MAKE_SEND_ONCE, MSG_NOBODY_SERVES),
		  0);
	CHECK_EQ(receive_id(reply), MSG_NOBODY_SERVES + 100);
}

TEST(kernel_port_takes_any_number_of_requests)
{
	name_t reply;

	mach_open();
	self();
	reply = new_port();
	for (int i = 0; i < 50; i++)
		CHECK_RET(send_with_reply(self(), COPY_SEND, reply, MAKE_SEND_ONCE,
					  MSG_NOBODY_SERVES), 0);
	for (int i = 0; i < 50; i++)
		CHECK_EQ(receive_id(reply), MSG_NOBODY_SERVES + 100);
	CHECK_NO_MESSAGE(reply);
}

TEST(bootstrap_port_can_be_set_and_got)
{
	name_t port, got;

	mach_open();
	port = new_port();
	bootstrap_set(port, MAKE_SEND);
	CHECK(!has_right(port, SEND));
	got = bootstrap_get();
	CHECK_HEX(got, port);
	CHECK_SEND_UREFS(port, 1);
	CHECK_HEX(bootstrap_get(), port);
	CHECK_SEND_UREFS(port, 2);
	bootstrap_set(port, COPY_SEND);
	CHECK_SEND_UREFS(port, 2);
	bootstrap_set(port, MOVE_SEND);
	CHECK_SEND_UREFS(port, 1);
	bootstrap_set(MACH_PORT_NULL, MOVE_SEND);
	CHECK_HEX(bootstrap_get(), 0);
	/* A port that died in the meantime */
	bootstrap_set(port, COPY_SEND);
	destroy_receive(port);
	got = bootstrap_get();
	CHECK(got == MACH_PORT_DEAD || got == MACH_PORT_NULL);
}

TEST(bootstrap_request_that_is_malformed)
{
	union {
		struct message message;
		struct {
			struct header header;
			uint8_t ndr[8];
			int32_t which;
		} request;
		struct mig_reply reply;
	} rpc;
	static const uint32_t sizes[] = { 24, 28, 32, 40, 52, 400 };
	static const int32_t selectors[] = { -1, 0, 100, 0x7fffffff, (int32_t)0x80000000 };
	name_t reply;

	mach_open();
	bootstrap_set(new_port(), MAKE_SEND);
	reply = reply_port();
	/* A selector that is none */
	for (size_t i = 0; i < ARRAY_SIZE(selectors); i++) {
		message_init(&rpc.message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), self(), reply,
			     MSG_TASK_GET_SPECIAL_PORT);
		rpc.request.which = selectors[i];
		CHECK_RET(mach_msg(&rpc, MACH_SEND_MSG | MACH_RCV_MSG, 36, sizeof(rpc), reply, 0),
			  0);
		CHECK_EQ(rpc.reply.header.size, 36);
		CHECK_RET(rpc.reply.result, KERN_INVALID_ARGUMENT);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		message_init(&rpc.message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), self(), reply,
			     MSG_TASK_GET_SPECIAL_PORT);
		CHECK_RET(mach_msg(&rpc, MACH_SEND_MSG | MACH_RCV_MSG, sizes[i], sizeof(rpc), reply,
				   0), 0);
		CHECK_EQ(rpc.reply.header.size, 36);
		CHECK_RET(rpc.reply.result, MIG_BAD_ARGUMENTS);
		message_init(&rpc.message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), self(), reply,
			     MSG_TASK_SET_SPECIAL_PORT);
		CHECK_RET(mach_msg(&rpc, MACH_SEND_MSG | MACH_RCV_MSG, sizes[i], sizeof(rpc), reply,
				   0), 0);
		CHECK_EQ(rpc.reply.header.size, 36);
		CHECK_RET(rpc.reply.result, MIG_BAD_ARGUMENTS);
	}
	CHECK_NO_MESSAGE(reply);
}
