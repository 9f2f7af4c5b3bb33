// SPDX-License-Identifier: GPL-2.0
/*
 * Receiving: names, limits, room, memory; and the messages that the kernel sends.
 * time limit: 240 s
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

TEST(receive_needs_a_receive_right)
{
	name_t names[8];
	size_t count = 0;

	mach_open();
	names[count++] = 0;
	names[count++] = MACH_PORT_DEAD;
	names[count++] = unused_name();
	names[count++] = host_self();
	names[count++] = self();
	names[count++] = new_dead_name();
	names[count++] = new_send_once(new_port());
	names[count++] = new_port() ^ 4;
	for (size_t i = 0; i < count; i++) {
		struct message message;

		CHECK_RET(msg_receive(&message, names[i]), MACH_RCV_INVALID_NAME);
		CHECK(is_poison(&message, sizeof(message)));
		CHECK_RET(msg_receive_blocking(&message, names[i]), MACH_RCV_INVALID_NAME);
		CHECK_RET(mach_msg(NULL, MACH_RCV_MSG, 0, 0, names[i], 0), MACH_RCV_INVALID_NAME);
	}
}

TEST(receive_timeout)
{
	struct message message;
	uint64_t waited;
	name_t port;

	mach_open();
	port = new_port();
	waited = now_ns();
	CHECK_RET(msg_receive(&message, port), MACH_RCV_TIMED_OUT);
	CHECK(now_ns() - waited < 1000000000);
	CHECK(is_poison(&message, sizeof(message)));

	waited = now_ns();
	CHECK_RET(msg_receive_within(&message, port, 50), MACH_RCV_TIMED_OUT);
	waited = now_ns() - waited;
	CHECK(waited >= 50000000);
	CHECK(waited < 5000000000);
	CHECK(is_poison(&message, sizeof(message)));

	/* A buffer that could not take anything does not matter. */
	CHECK_RET(mach_msg(NULL, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 0, port, 0),
		  MACH_RCV_TIMED_OUT);
	CHECK_RET(mach_msg((void *)bad_pointers[8], MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 100, port,
			   1),
		  MACH_RCV_TIMED_OUT);
	/* With a message there, the limit does not matter. */
	CHECK_RET(send_id(port, MAKE_SEND, 4), 0);
	CHECK_RET(msg_receive_within(&message, port, 0xffffffff), 0);
	CHECK_RET(send_id(port, MAKE_SEND, 5), 0);
	CHECK_RET(msg_receive_blocking(&message, port), 0);
}

/* Waiting on behalf of a destination is for special reply ports only. */
TEST(sync_wait_needs_a_special_reply_port)
{
	struct message message;
	struct mach_msg_overwrite_args arguments = {
		.msg = &message,
		.option = MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_SYNC_WAIT,
		.recv_size = sizeof(message),
	};

	mach_open();
	arguments.rcv_name = unused_name();
	CHECK_RET(mach_msg_args(&arguments), MACH_RCV_INVALID_NAME);
	arguments.rcv_name = new_port();
	CHECK_RET(mach_msg_args(&arguments), MACH_RCV_INVALID_NOTIFY);
	/* Also when there is a message */
	CHECK_RET(send_id(arguments.rcv_name, MAKE_SEND, 5), 0);
	arguments.notify = host_self();
	CHECK_RET(mach_msg_args(&arguments), MACH_RCV_INVALID_NOTIFY);
	CHECK_EQ(receive_id(arguments.rcv_name), 5);
}

TEST(room_without_end)
{
	struct message message;
	name_t port;

	mach_open();
	port = new_port();
	for (uint32_t room = 0xfffffff0; room; room++) {
		CHECK_RET(send_id(port, MAKE_SEND, 5), 0);
		CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, room, port, 0), 0);
		CHECK_EQ(message.header.id, 5);
	}
}

TEST(receive_from_an_empty_set)
{
	struct message message;
	name_t set;

	mach_open();
	set = new_port_set();
	CHECK_RET(msg_receive(&message, set), MACH_RCV_TIMED_OUT);
	CHECK_RET(msg_receive_within(&message, set, 20), MACH_RCV_TIMED_OUT);
}

TEST(receive_large_keeps_the_message)
{
	struct message message;
	name_t port;

	mach_open();
	port = new_port();
	message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 1);
	body_fill(message.body, 100, 3);
	CHECK_RET(msg_send(&message, HEADER_SIZE + 100), 0);

	for (uint32_t room = 0; room < HEADER_SIZE + 108; room++) {
		poison(&message, sizeof(message));
		CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_TIMEOUT, 0,
				   room, port, 0),
			  MACH_RCV_TOO_LARGE);
		if (room >= 16) {
			/* The size without the trailer, and nothing else */
			CHECK_EQ(message.header.size, HEADER_SIZE + 100);
			message.header.size = POISON32;
		}
		CHECK(is_poison(&message, sizeof(message)));
	}
	for (uint32_t room = 0; room < HEADER_SIZE + 108; room++) {
		poison(&message, sizeof(message));
		CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_LARGE |
				   MACH_RCV_LARGE_IDENTITY |
				   MACH_RCV_TIMEOUT, 0, room, port, 0), MACH_RCV_TOO_LARGE);
		if (room >= 16) {
			CHECK_EQ(message.header.size, HEADER_SIZE + 100);
			CHECK_HEX(message.header.local, port);
			message.header.size = POISON32;
			message.header.local = POISON32;
		}
		CHECK(is_poison(&message, sizeof(message)));
	}
	/* A probe without a buffer is legal. */
	CHECK_RET(mach_msg(NULL, MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_TIMEOUT, 0, 0, port, 0),
		  MACH_RCV_TOO_LARGE);
	CHECK_RET(msg_receive(&message, port), 0);
	CHECK(body_matches(message.body, 100, 3));
}

/* The message that does not fit stays the first one. */
TEST(receive_large_keeps_the_order)
{
	struct message message;
	name_t port;

	mach_open();
	port = new_port();
	message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 1);
	CHECK_RET(msg_send(&message, HEADER_SIZE + 100), 0);
	CHECK_RET(send_id(port, MAKE_SEND, 2), 0);
	CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_LARGE, 0, 40, port, 0),
		  MACH_RCV_TOO_LARGE);
	CHECK_EQ(receive_id(port), 1);
	CHECK_EQ(receive_id(port), 2);
}

TEST(receive_too_large_destroys_the_message)
{
	struct message message;
	name_t port, reply;

	mach_open();
	port = new_port();
	reply = new_port();
	for (uint32_t room = 0; room < HEADER_SIZE + 108; room += 4) {
		message_init(&message, MSGH_BITS(MAKE_SEND, MAKE_SEND_ONCE), port, reply, 0x77);
		CHECK_RET(msg_send(&message, HEADER_SIZE + 100), 0);
		poison(&message, sizeof(message));
		CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, room, port, 0),
			  MACH_RCV_TOO_LARGE);
		CHECK(is_poison((char *)&message + room, sizeof(message) - room));
		if (room >= HEADER_SIZE) {
			CHECK_HEX(message.header.bits, 0);
			CHECK_HEX(message.header.remote, 0);
			CHECK_EQ(message.header.id, 0x77);
			/* No trace of the body */
			if (room >= HEADER_SIZE + 40)
				CHECK(is_poison((char *)&message + HEADER_SIZE + 8, 32));
		}
		CHECK_NOTIFIED(reply, NOTIFY_SEND_ONCE);
		CHECK_NO_MESSAGE(port);
		CHECK(!has_right(port, SEND));
	}
}

TEST(receive_into_unwritable_memory)
{
	struct message message;
	struct hole hole;
	uint8_t *read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	name_t port, reply;

	REQUIRE(read_only != MAP_FAILED);
	mach_open();
	hole_init(&hole);
	port = new_port();
	reply = new_port();
	for (size_t i = 0; i <= bad_pointer_count; i++) {
		void *buffer = i < bad_pointer_count ? (void *)bad_pointers[i] : read_only;

		CHECK_RET(send_with_reply(port, MAKE_SEND, reply, MAKE_SEND_ONCE, 1), 0);
		CHECK_RET(mach_msg(buffer, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 1000, port, 0),
			  MACH_RCV_INVALID_DATA);
		/* The message is lost, and its rights are released. */
		CHECK_NOTIFIED(reply, NOTIFY_SEND_ONCE);
		CHECK_NO_MESSAGE(port);
	}
	for (size_t room = 0; room < HEADER_SIZE + 48; room++) {
		message_init(&message, MSGH_BITS(MAKE_SEND, MAKE_SEND), port, reply, 1);
		CHECK_RET(msg_send(&message, HEADER_SIZE + 40), 0);
		CHECK_RET(mach_msg(fault_at(&hole, room), MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 1000,
				   port, 0),
			  MACH_RCV_INVALID_DATA);
		CHECK(!has_right(reply, SEND));
		CHECK_NO_MESSAGE(port);
	}
	message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 1);
	CHECK_RET(msg_send(&message, HEADER_SIZE + 40), 0);
	CHECK_RET(mach_msg(fault_at(&hole, HEADER_SIZE + 48), MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
			   1000, port, 0), 0);
}

TEST(receive_at_an_odd_address)
{
	uint8_t bytes[128];
	struct header header;
	name_t port;

	mach_open();
	port = new_port();
	for (size_t offset = 1; offset < 16; offset++) {
		uint8_t out[64];

		header = (struct header){ .bits = MSGH_BITS(MAKE_SEND, 0), .remote = port,
					 .id = 3 };
		memcpy(out + offset, &header, sizeof(header));
		CHECK_RET(mach_msg(out + offset, MACH_SEND_MSG, HEADER_SIZE, 0, 0, 0), 0);
		poison(bytes, sizeof(bytes));
		CHECK_RET(mach_msg(bytes + offset, MACH_RCV_MSG, 0, HEADER_SIZE + 8, port, 0), 0);
		memcpy(&header, bytes + offset, sizeof(header));
		CHECK_EQ(header.id, 3);
		CHECK(is_poison(bytes, offset));
		CHECK(is_poison(bytes + offset + 32, sizeof(bytes) - offset - 32));
	}
}

/* Notifications */

TEST(send_once_notification)
{
	struct message message;
	struct trailer *trailer;
	name_t port, once;

	mach_open();
	port = new_port();
	once = new_send_once(port);
	CHECK_RET(deallocate(once), KERN_SUCCESS);
	poison(&message, sizeof(message));
	CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TIMEOUT |
			   MACH_RCV_TRAILER(TRAILER_AUDIT), 0,
			   sizeof(message), port, 0), 0);
	CHECK_HEX(message.header.bits, MSGH_BITS(0, MOVE_SEND_ONCE));
	CHECK_EQ(message.header.size, HEADER_SIZE);
	CHECK_HEX(message.header.remote, 0);
	CHECK_HEX(message.header.local, port);
	CHECK_HEX(message.header.id, NOTIFY_SEND_ONCE);
	/* From the kernel, as its tokens say */
	trailer = trailer_of(&message);
	CHECK_EQ(trailer->size, 52);
	CHECK_EQ(trailer->sender[0], 0);
	CHECK_EQ(trailer->sender[1], 1);
	for (size_t i = 0; i < 8; i++)
		CHECK_EQ(trailer->audit[i], 0);
}

TEST(no_senders_notification)
{
	struct message message;
	name_t port, notify, previous;

	mach_open();
	if (!trap_is_built(NR__kernelrpc_mach_port_request_notification_trap))
		SKIP("request_notification is not built yet");
	port = new_send_right();
	notify = new_port();
	CHECK_RET(request_notification(port, NOTIFY_NO_SENDERS, 0, notify, MAKE_SEND_ONCE,
				       &previous),
		  KERN_SUCCESS);
	CHECK_HEX(previous, 0);
	CHECK_NO_MESSAGE(notify);
	/* The right may go by a message as well. */
	CHECK_RET(send_id(port, MOVE_SEND, 1), 0);
	CHECK_NO_MESSAGE(notify);
	CHECK_EQ(receive_id(port), 1);
	CHECK_RET(msg_receive(&message, notify), 0);
	CHECK_HEX(message.header.id, NOTIFY_NO_SENDERS);
	CHECK_EQ(message.header.size, 36);
	CHECK_EQ(message.body[2], 1);
}
