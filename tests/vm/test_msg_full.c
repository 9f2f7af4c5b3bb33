// SPDX-License-Identifier: GPL-2.0
/*
 * Messages to a full queue: refused, waiting, and given back.
 * time limit: 180 s
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

TEST(queue_limit_is_five)
{
	struct message message;
	uint64_t before;
	name_t port;

	mach_open();
	port = new_port();
	fill_queue(port);
	before = now_ns();
	message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 5);
	CHECK_RET(msg_send_within(&message, HEADER_SIZE, 0), MACH_SEND_TIMED_OUT);
	CHECK(now_ns() - before < 1000000000);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(receive_id(port), i);
	CHECK_NO_MESSAGE(port);
}

/* Options of the kernel's own senders are dropped. */
TEST(users_do_not_get_past_the_limit)
{
	static const uint32_t options[] = { 0x10000, 0x20000, 0x80000, 0x400000, 0x4f0000, 0xa0 };
	name_t port;

	mach_open();
	port = new_port();
	fill_queue(port);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		struct message message;

		message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 5);
		CHECK_RET(mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT | options[i],
				   HEADER_SIZE, 0,
				   0, 0), MACH_SEND_TIMED_OUT);
	}
	for (int i = 0; i < 5; i++)
		CHECK_EQ(receive_id(port), i);
	CHECK_NO_MESSAGE(port);
}

TEST(send_timeout_waits)
{
	struct message message;
	uint64_t waited;
	name_t port;

	mach_open();
	port = new_port();
	fill_queue(port);
	waited = now_ns();
	message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 5);
	CHECK_RET(msg_send_within(&message, HEADER_SIZE, 50), MACH_SEND_TIMED_OUT);
	waited = now_ns() - waited;
	CHECK(waited >= 50000000);
	CHECK(waited < 5000000000);
}

TEST(send_once_rights_ignore_the_limit)
{
	name_t port, once[8];

	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(once); i++)
		once[i] = new_send_once(port);
	fill_queue(port);
	for (size_t i = 0; i < ARRAY_SIZE(once); i++)
		CHECK_RET(send_id(once[i], MOVE_SEND_ONCE, 5 + (int32_t)i), 0);
	CHECK_RET(send_id(port, MAKE_SEND_ONCE, 13), 0);
	for (int i = 0; i < 14; i++)
		CHECK_EQ(receive_id(port), i);
}

/* A message that could not be queued comes back with its rights. */
TEST(timed_out_message_is_given_back)
{
	struct message message;
	name_t port;

	mach_open();
	port = new_send_right();
	fill_queue(port);
	message_init(&message, MSGH_BITS(COPY_SEND, 0), port, 0, 50);
	body_fill(message.body, 64, 50);
	CHECK_RET(msg_send_within(&message, HEADER_SIZE + 64, 0), MACH_SEND_TIMED_OUT);
	/* Written as what a repeated send has to say: the copy is the caller's now. */
	CHECK_HEX(message.header.bits, MSGH_BITS(MOVE_SEND, 0));
	CHECK_HEX(message.header.remote, port);
	CHECK_HEX(message.header.local, 0);
	CHECK_EQ(message.header.size, HEADER_SIZE + 64);
	CHECK_EQ(message.header.id, 50);
	CHECK(body_matches(message.body, 64, 50));
	CHECK_SEND_UREFS(port, 2);

	CHECK_EQ(receive_id(port), 0);
	CHECK_RET(msg_send_within(&message, HEADER_SIZE + 64, 0), 0);
	CHECK_SEND_UREFS(port, 1);
	for (int i = 1; i < 5; i++)
		CHECK_EQ(receive_id(port), i);
	CHECK_RET(msg_receive(&message, port), 0);
	CHECK_EQ(message.header.id, 50);
	CHECK(body_matches(message.body, 64, 50));
}

TEST(every_right_is_given_back)
{
	mach_open();
	for (size_t i = 0; i < SEND_DISPOSITIONS; i++)
		for (size_t j = 0; j <= SEND_DISPOSITIONS; j++) {
			int to = send_dispositions[i];
			int back = j < SEND_DISPOSITIONS ? send_dispositions[j] : 0;
			name_t port = new_port(), reply = new_port(), local, remote;
			struct message message;

			if (carried_right(to) == MOVE_SEND_ONCE)
				continue;	/* never refused by a full queue */
			remote = name_for(port, to);
			local = back ? name_for(reply, back) : 0;
			fill_queue(port);
			message_init(&message, MSGH_BITS(to, back), remote, local, 9);
			CHECK_RET(msg_send_within(&message, HEADER_SIZE, 0), MACH_SEND_TIMED_OUT);
			/* In the sender's order, not swapped as for a receiver */
			CHECK_HEX(message.header.bits, MSGH_BITS(MOVE_SEND, carried_right(back)));
			CHECK_HEX(message.header.remote, port);
			CHECK_SEND_UREFS(port, to == COPY_SEND ? 2 : 1);
			if (carried_right(back) == MOVE_SEND) {
				CHECK_HEX(message.header.local, reply);
				CHECK_SEND_UREFS(reply, back == COPY_SEND ? 2 : 1);
			} else if (back) {
				CHECK(has_right(message.header.local, SEND_ONCE));
				CHECK(message.header.local != reply);
			} else {
				CHECK_HEX(message.header.local, 0);
			}
			CHECK_NO_MESSAGE(reply);
			/* Sent again as it is */
			CHECK_EQ(receive_id(port), 0);
			CHECK_RET(msg_send_within(&message, HEADER_SIZE, 0), 0);
			for (int k = 1; k < 5; k++)
				CHECK_EQ(receive_id(port), k);
			CHECK_RET(msg_receive(&message, port), 0);
			CHECK_EQ(message.header.id, 9);
			CHECK_HEX(message.header.bits, MSGH_BITS(carried_right(back), MOVE_SEND));
			if (carried_right(back) == MOVE_SEND_ONCE) {
				CHECK_RET(deallocate(message.header.remote), KERN_SUCCESS);
				CHECK_NOTIFIED(reply, NOTIFY_SEND_ONCE);
			}
			destroy_receive(port);
			destroy_receive(reply);
		}
}

/* The buffer cannot take the message back. */
TEST(give_back_to_a_read_only_buffer)
{
	struct message *message = mmap(NULL, sizeof(*message), PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	name_t port, reply;
	long result;

	REQUIRE(message != MAP_FAILED);
	mach_open();
	port = new_send_right();
	reply = new_port();
	fill_queue(port);
	message_init(message, MSGH_BITS(MOVE_SEND, MAKE_SEND_ONCE), port, reply, 1);
	REQUIRE(mprotect(message, sizeof(*message), PROT_READ) == 0);
	result = msg_send_within(message, HEADER_SIZE, 0);
	CHECK(result != 0);
	CHECK((result & ~MACH_MSG_ERROR_BITS) == MACH_SEND_TIMED_OUT ||
	      (result & ~MACH_MSG_ERROR_BITS) == MACH_SEND_INVALID_DATA);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(receive_id(port), i);
	CHECK_NO_MESSAGE(port);
}

/* Combined, when the sending half times out */
TEST(combined_call_that_times_out_sending)
{
	struct message out, in;
	name_t port, other;

	mach_open();
	port = new_port();
	other = new_port();
	CHECK_RET(send_id(other, MAKE_SEND, 99), 0);
	fill_queue(port);
	message_init(&out, MSGH_BITS(MAKE_SEND, 0), port, 0, 3);
	poison(&in, sizeof(in));
	CHECK_RET(mach_msg_overwrite(&out, MACH_SEND_MSG | MACH_RCV_MSG | MACH_SEND_TIMEOUT,
				     HEADER_SIZE,
				     sizeof(in), other, 0, &in), MACH_SEND_TIMED_OUT);
	CHECK(is_poison(&in, sizeof(in)));
	CHECK_HEX(out.header.bits, MSGH_BITS(MOVE_SEND, 0));
	CHECK_SEND_UREFS(port, 1);
	CHECK_EQ(receive_id(other), 99);
}
