// SPDX-License-Identifier: GPL-2.0
/*
 * Messages that are refused, in the order in which the checks are made.
 * time limit: 180 s
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

TEST(send_size)
{
	struct message message;
	name_t port;

	mach_open();
	port = new_port();
	for (uint32_t size = 0; size < 100; size++) {
		message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, (int32_t)size);
		CHECK_RET(msg_send_within(&message, size, 0),
			  size >= HEADER_SIZE && size % 4 == 0 ? 0 : MACH_SEND_MSG_TOO_SMALL);
		if (size >= HEADER_SIZE && size % 4 == 0)
			CHECK_EQ(receive_id(port), size);
	}
	CHECK_NO_MESSAGE(port);
}

TEST(send_too_large)
{
	static const uint32_t sizes[] = {
		MACH_MSG_SIZE_MAX + 4, 48u * 1024 * 1024, 0x7ffffffc, 0x80000000, 0xfffffffc,
	};
	struct message message;
	name_t port;

	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 1);
		CHECK_RET(mach_msg(&message, MACH_SEND_MSG, sizes[i], 0, 0, 0),
			  MACH_SEND_TOO_LARGE);
		/* Before the message is looked at */
		CHECK_RET(mach_msg(NULL, MACH_SEND_MSG, sizes[i], 0, 0, 0), MACH_SEND_TOO_LARGE);
	}
	CHECK_RET(mach_msg(NULL, MACH_SEND_MSG, 0xffffffff, 0, 0, 0), MACH_SEND_MSG_TOO_SMALL);
	/* The largest that is allowed is looked at. */
	CHECK_RET(mach_msg(NULL, MACH_SEND_MSG, MACH_MSG_SIZE_MAX, 0, 0, 0),
		  MACH_SEND_INVALID_DATA);
	CHECK_NO_MESSAGE(port);
}

TEST(send_largest_message)
{
	uint8_t *memory = mmap(NULL, MACH_MSG_SIZE_MAX + 4096, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct header *header = (struct header *)memory;
	name_t port;
	long result;

	REQUIRE(memory != MAP_FAILED);
	mach_open();
	port = new_port();
	*header = (struct header){ .bits = MSGH_BITS(MAKE_SEND, 0), .remote = port, .id = 1 };
	body_fill(memory + MACH_MSG_SIZE_MAX - 64, 64, 48);
	result = mach_msg(memory, MACH_SEND_MSG, MACH_MSG_SIZE_MAX, 0, 0, 0);
	if (result == MACH_SEND_NO_BUFFER)
		SKIP("the machine has no 48 MiB for a message");
	REQUIRE_RET(result, 0);
	memset(memory + MACH_MSG_SIZE_MAX - 64, 0, 64);
	CHECK_RET(mach_msg(memory, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, MACH_MSG_SIZE_MAX + 8, port,
			   0), 0);
	CHECK_EQ(header->size, MACH_MSG_SIZE_MAX);
	CHECK(body_matches(memory + MACH_MSG_SIZE_MAX - 64, 64, 48));
}

TEST(send_from_unreadable_memory)
{
	struct message message;
	struct hole hole;
	name_t port, reply;

	mach_open();
	port = new_send_right();
	reply = new_port();
	for (size_t i = 0; i < bad_pointer_count; i++)
		CHECK_RET(mach_msg((void *)bad_pointers[i], MACH_SEND_MSG, HEADER_SIZE, 0, 0, 0),
			  MACH_SEND_INVALID_DATA);
	hole_init(&hole);
	message_init(&message, MSGH_BITS(MOVE_SEND, MAKE_SEND_ONCE), port, reply, 1);
	for (size_t readable = 0; readable < 64; readable++) {
		memcpy(fault_at(&hole, readable), &message, readable);
		CHECK_RET(mach_msg(fault_at(&hole, readable), MACH_SEND_MSG, 64, 0, 0, 0),
			  MACH_SEND_INVALID_DATA);
	}
	/* Nothing was taken. */
	CHECK_SEND_UREFS(port, 1);
	CHECK_NO_MESSAGE(port);
	CHECK_NO_MESSAGE(reply);
	memcpy(fault_at(&hole, 64), &message, 64);
	CHECK_RET(mach_msg(fault_at(&hole, 64), MACH_SEND_MSG, 64, 0, 0, 0), 0);
	CHECK_EQ(receive_id(port), 1);
}

/* A large message with a hole far inside */
TEST(send_from_memory_with_a_hole)
{
	size_t size = 64 * 4096;
	uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);
	struct header *header = (struct header *)memory;
	name_t port;

	REQUIRE(memory != MAP_FAILED);
	mach_open();
	port = new_send_right();
	*header = (struct header){ .bits = MSGH_BITS(MOVE_SEND, 0), .remote = port, .id = 1 };
	REQUIRE(munmap(memory + 50 * 4096, 4096) == 0);
	CHECK_RET(mach_msg(memory, MACH_SEND_MSG, (uint32_t)size, 0, 0, 0), MACH_SEND_INVALID_DATA);
	CHECK_SEND_UREFS(port, 1);
	CHECK_NO_MESSAGE(port);
}

TEST(complex_needs_a_descriptor_count)
{
	struct message message;

	mach_open();
	message_init(&message, MSGH_COMPLEX | MSGH_BITS(MAKE_SEND, 0), new_port(), 0, 1);
	CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_MSG_TOO_SMALL);
	/* Before the dispositions are looked at */
	message.header.bits = MSGH_COMPLEX;
	CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_MSG_TOO_SMALL);
}

TEST(remote_disposition_out_of_range)
{
	static const int bad[] = { 0, 1, 15, 16, 22, 23, 24, 25, 26, 31 };
	name_t port;

	mach_open();
	port = new_send_right();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_RET(send_id(port, bad[i], 1), MACH_SEND_INVALID_HEADER);
		/* Before the names */
		CHECK_RET(send_id(0, bad[i], 1), MACH_SEND_INVALID_HEADER);
		CHECK_RET(send_id(MACH_PORT_DEAD, bad[i], 1), MACH_SEND_INVALID_HEADER);
		CHECK_RET(send_id(unused_name(), bad[i], 1), MACH_SEND_INVALID_HEADER);
	}
	CHECK_SEND_UREFS(port, 1);
	CHECK_NO_MESSAGE(port);
}

TEST(local_disposition_out_of_range)
{
	static const int bad[] = { 1, 15, 16, 22, 23, 24, 25, 26, 31 };
	name_t port, reply;

	mach_open();
	port = new_send_right();
	reply = new_send_right();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_RET(send_with_reply(port, COPY_SEND, reply, bad[i], 1),
			  MACH_SEND_INVALID_HEADER);
		CHECK_RET(send_with_reply(port, COPY_SEND, 0, bad[i], 1), MACH_SEND_INVALID_HEADER);
		CHECK_RET(send_with_reply(0, COPY_SEND, reply, bad[i], 1),
			  MACH_SEND_INVALID_HEADER);
	}
	/* A name without a disposition */
	CHECK_RET(send_with_reply(port, COPY_SEND, reply, 0, 1), MACH_SEND_INVALID_HEADER);
	CHECK_RET(send_with_reply(port, COPY_SEND, MACH_PORT_DEAD, 0, 1), MACH_SEND_INVALID_HEADER);
	CHECK_RET(send_with_reply(0, COPY_SEND, reply, 0, 1), MACH_SEND_INVALID_HEADER);
	CHECK_NO_MESSAGE(port);
}

TEST(remote_name_null_or_dead)
{
	struct message message;
	name_t reply;

	mach_open();
	reply = new_port();
	for (size_t i = 0; i < SEND_DISPOSITIONS; i++) {
		CHECK_RET(send_id(0, send_dispositions[i], 1), MACH_SEND_INVALID_DEST);
		CHECK_RET(send_id(MACH_PORT_DEAD, send_dispositions[i], 1), MACH_SEND_INVALID_DEST);
		CHECK_RET(send_with_reply(0, send_dispositions[i], reply, MAKE_SEND_ONCE, 1),
			  MACH_SEND_INVALID_DEST);
		/* Before the reply port */
		CHECK_RET(send_with_reply(0, send_dispositions[i], unused_name(), COPY_SEND, 1),
			  MACH_SEND_INVALID_DEST);
		/* And before the voucher */
		message_init(&message, MSGH_BITS(send_dispositions[i], 0) | MSGH_BITS_VOUCHER(31),
			     0, 0, 1);
		CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_INVALID_DEST);
	}
	CHECK_NO_MESSAGE(reply);
}

TEST(voucher_must_be_one)
{
	static const int bad[] = { 1, 15, 16, 18, 20, 21, 22, 31 };
	struct message message;
	name_t port, other;

	mach_open();
	port = new_send_right();
	other = new_send_right();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		message_init(&message, MSGH_BITS(COPY_SEND, 0) | MSGH_BITS_VOUCHER(bad[i]), port, 0,
			     1);
		CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_INVALID_VOUCHER);
	}
	for (int disposition = MOVE_SEND; disposition <= COPY_SEND; disposition += 2) {
		/* Not a voucher; not there. Before the destination's name is resolved. */
		message_init(&message, MSGH_BITS(COPY_SEND, 0) | MSGH_BITS_VOUCHER(disposition),
			     port, 0, 1);
		message.header.voucher = other;
		CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_INVALID_VOUCHER);
		message.header.voucher = unused_name();
		CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_INVALID_VOUCHER);
		message.header.remote = unused_name();
		CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_INVALID_VOUCHER);
		CHECK_SEND_UREFS(other, 1);
		CHECK_NO_MESSAGE(port);
		/* None at all is fine. */
		message_init(&message, MSGH_BITS(COPY_SEND, 0) | MSGH_BITS_VOUCHER(disposition),
			     port, 0, 1);
		CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
		CHECK_RET(msg_receive(&message, port), 0);
		CHECK_HEX(message.header.bits, MSGH_BITS(0, MOVE_SEND));
		CHECK_HEX(message.header.voucher, 0);
	}
}

TEST(destination_must_have_the_right)
{
	name_t port, other, set, once, host;

	mach_open();
	port = new_port();
	other = new_port();
	set = new_port_set();
	once = new_send_once(other);
	host = host_self();

	for (size_t i = 0; i < SEND_DISPOSITIONS; i++) {
		CHECK_RET(send_id(unused_name(), send_dispositions[i], 1), MACH_SEND_INVALID_DEST);
		CHECK_RET(send_id(port ^ 4, send_dispositions[i], 1), MACH_SEND_INVALID_DEST);
		CHECK_RET(send_id(set, send_dispositions[i], 1), MACH_SEND_INVALID_DEST);
		/* Before the reply port */
		CHECK_RET(send_with_reply(unused_name(), send_dispositions[i], unused_name(),
					  COPY_SEND, 1),
			  MACH_SEND_INVALID_DEST);
	}
	CHECK_RET(send_id(port, MOVE_SEND, 1), MACH_SEND_INVALID_DEST);
	CHECK_RET(send_id(port, COPY_SEND, 1), MACH_SEND_INVALID_DEST);
	CHECK_RET(send_id(port, MOVE_SEND_ONCE, 1), MACH_SEND_INVALID_DEST);
	CHECK_RET(send_id(host, MAKE_SEND, 1), MACH_SEND_INVALID_DEST);
	CHECK_RET(send_id(host, MAKE_SEND_ONCE, 1), MACH_SEND_INVALID_DEST);
	CHECK_RET(send_id(host, MOVE_SEND_ONCE, 1), MACH_SEND_INVALID_DEST);
	CHECK_RET(send_id(once, MOVE_SEND, 1), MACH_SEND_INVALID_DEST);
	CHECK_RET(send_id(once, COPY_SEND, 1), MACH_SEND_INVALID_DEST);
	CHECK_RET(send_id(once, MAKE_SEND, 1), MACH_SEND_INVALID_DEST);
	CHECK_RET(send_id(once, MAKE_SEND_ONCE, 1), MACH_SEND_INVALID_DEST);
	CHECK(has_right(once, SEND_ONCE));
	CHECK_SEND_UREFS(host, 1);
	CHECK_NO_MESSAGE(port);
	CHECK_NO_MESSAGE(other);
}

/* A bad reply port: nothing is taken from the destination either. */
TEST(reply_must_have_the_right)
{
	name_t port, reply, host, once, once_to_port;

	mach_open();
	port = new_send_right();
	once_to_port = new_send_once(port);
	reply = new_port();
	host = host_self();
	once = new_send_once(reply);
	for (size_t i = 0; i < SEND_DISPOSITIONS; i++) {
		CHECK_RET(send_with_reply(port, MOVE_SEND, unused_name(), send_dispositions[i], 1),
			  MACH_SEND_INVALID_REPLY);
		CHECK_RET(send_with_reply(once_to_port, MOVE_SEND_ONCE, unused_name(),
					  send_dispositions[i], 1),
			  MACH_SEND_INVALID_REPLY);
		CHECK_RET(send_with_reply(port, MAKE_SEND, new_port_set(), send_dispositions[i], 1),
			  MACH_SEND_INVALID_REPLY);
	}
	CHECK_RET(send_with_reply(port, MOVE_SEND, reply, MOVE_SEND, 1), MACH_SEND_INVALID_REPLY);
	CHECK_RET(send_with_reply(port, MOVE_SEND, reply, COPY_SEND, 1), MACH_SEND_INVALID_REPLY);
	CHECK_RET(send_with_reply(port, MOVE_SEND, reply, MOVE_SEND_ONCE, 1),
		  MACH_SEND_INVALID_REPLY);
	CHECK_RET(send_with_reply(port, MOVE_SEND, host, MAKE_SEND, 1), MACH_SEND_INVALID_REPLY);
	CHECK_RET(send_with_reply(port, MOVE_SEND, host, MAKE_SEND_ONCE, 1),
		  MACH_SEND_INVALID_REPLY);
	CHECK_RET(send_with_reply(port, MOVE_SEND, once, MOVE_SEND, 1), MACH_SEND_INVALID_REPLY);
	CHECK_RET(send_with_reply(port, MOVE_SEND, once, MAKE_SEND_ONCE, 1),
		  MACH_SEND_INVALID_REPLY);
	/* The same name for both, of which only one has what it takes */
	CHECK_RET(send_with_reply(reply, MAKE_SEND, reply, COPY_SEND, 1), MACH_SEND_INVALID_REPLY);
	CHECK_SEND_UREFS(port, 1);
	CHECK_SEND_UREFS(host, 1);
	CHECK(has_right(once, SEND_ONCE) && has_right(once_to_port, SEND_ONCE));
	CHECK_NO_MESSAGE(port);
	CHECK_NO_MESSAGE(reply);
}

/* With many faults at once the first check of the table answers. */
TEST(order_of_send_checks)
{
	struct message message;

	mach_open();
	/* Everything: size, memory, dispositions, names */
	CHECK_RET(mach_msg(NULL, MACH_SEND_MSG, 3, 0, 0, 0), MACH_SEND_MSG_TOO_SMALL);
	CHECK_RET(mach_msg(NULL, MACH_SEND_MSG, 24, 0, 0, 0), MACH_SEND_INVALID_DATA);
	message_init(&message, MSGH_COMPLEX | MSGH_BITS(1, 1) | MSGH_BITS_VOUCHER(1), 0, 5, 1);
	CHECK_RET(msg_send(&message, 24), MACH_SEND_MSG_TOO_SMALL);
	message.header.bits = MSGH_BITS(1, 1) | MSGH_BITS_VOUCHER(1);
	CHECK_RET(msg_send(&message, 24), MACH_SEND_INVALID_HEADER);
	message.header.bits = MSGH_BITS(COPY_SEND, 1) | MSGH_BITS_VOUCHER(1);
	CHECK_RET(msg_send(&message, 24), MACH_SEND_INVALID_HEADER);
	message.header.bits = MSGH_BITS(COPY_SEND, COPY_SEND) | MSGH_BITS_VOUCHER(1);
	CHECK_RET(msg_send(&message, 24), MACH_SEND_INVALID_DEST);
	message.header.remote = unused_name();
	CHECK_RET(msg_send(&message, 24), MACH_SEND_INVALID_VOUCHER);
	message.header.bits = MSGH_BITS(COPY_SEND, COPY_SEND);
	CHECK_RET(msg_send(&message, 24), MACH_SEND_INVALID_DEST);
	message.header.remote = host_self();
	CHECK_RET(msg_send(&message, 24), MACH_SEND_INVALID_REPLY);
	/* Receiving as well: sending is refused first. */
	CHECK_RET(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, 24, 0, 0, 0),
		  MACH_SEND_INVALID_REPLY);
}
