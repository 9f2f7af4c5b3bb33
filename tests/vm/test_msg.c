// SPDX-License-Identifier: GPL-2.0
/*
 * mach_msg within one thread: what a message carries from here to there.
 * time limit: 180 s
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

TEST(one_message)
{
	struct message message, received;
	name_t port;

	mach_open();
	port = new_port();
	message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 0x12345678);
	body_fill(message.body, 40, 1);
	received = message;
	CHECK_RET(msg_send(&message, HEADER_SIZE + 40), 0);
	/* The sender's copy is only read. */
	CHECK(!memcmp(&message, &received, sizeof(message)));

	CHECK_RET(msg_receive(&received, port), 0);
	CHECK_HEX(received.header.bits, MSGH_BITS(0, MOVE_SEND));
	CHECK_EQ(received.header.size, HEADER_SIZE + 40);
	CHECK_HEX(received.header.remote, 0);
	CHECK_HEX(received.header.local, port);
	CHECK_HEX(received.header.voucher, 0);
	CHECK_HEX(received.header.id, 0x12345678);
	CHECK(body_matches(received.body, 40, 1));
	CHECK_EQ(trailer_of(&received)->type, 0);
	CHECK_EQ(trailer_of(&received)->size, 8);
	/* Nothing is written beyond the trailer. */
	CHECK(is_poison((char *)&received + HEADER_SIZE + 48, sizeof(received) - HEADER_SIZE - 48));
	/* The destination right was used up: no send right is left. */
	CHECK(!has_right(port, SEND));
	CHECK_NO_MESSAGE(port);
}

TEST(header_only_with_any_id)
{
	static const int32_t ids[] = { 0, 1, -1, 0x41, 0x47, 3409, -303, 0x7fffffff,
				      (int32_t)0x80000000 };
	name_t port;

	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct message message;

		CHECK_RET(send_id(port, MAKE_SEND, ids[i]), 0);
		CHECK_RET(msg_receive(&message, port), 0);
		CHECK_EQ(message.header.id, ids[i]);
		CHECK_EQ(message.header.size, HEADER_SIZE);
	}
}

TEST(size_word_of_the_sender_is_ignored)
{
	static const uint32_t sizes[] = { 0, 1, 24, 4096, 0x7fffffff, 0xffffffff };
	struct message message;
	name_t port;

	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 1);
		message.header.size = sizes[i];
		CHECK_RET(msg_send(&message, HEADER_SIZE + 8), 0);
		CHECK_RET(msg_receive(&message, port), 0);
		CHECK_EQ(message.header.size, HEADER_SIZE + 8);
	}
}

/* Bits that users may not set are masked on entry. */
TEST(other_header_bits_are_masked)
{
	struct message message;
	name_t port;

	mach_open();
	port = new_port();
	message_init(&message, MSGH_BITS(MAKE_SEND, MAKE_SEND_ONCE) | 0x7fe0e0e0, port, port, 1);
	CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
	CHECK_RET(msg_receive(&message, port), 0);
	CHECK_HEX(message.header.bits, MSGH_BITS(MOVE_SEND_ONCE, MOVE_SEND));
}

TEST(sizes_up_to_a_megabyte)
{
	static const uint32_t sizes[] = {
		24, 28, 32, 64, 100, 256, 512, 1000, 1024, 2048, 4000, 4092, 4096, 4100, 8192,
		65536, 65540, 262144, 1048576,
	};
	uint8_t *out = malloc(1048576 + 128), *in = malloc(1048576 + 128);
	name_t port;

	REQUIRE(out && in);
	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint32_t size = sizes[i];
		struct header *header = (struct header *)out;

		*header = (struct header){
			.bits = MSGH_BITS(MAKE_SEND, 0),
			.remote = port,
			.id = (int32_t)size,
		};
		body_fill(out + HEADER_SIZE, size - HEADER_SIZE, size);
		REQUIRE_RET(mach_msg(out, MACH_SEND_MSG, size, 0, 0, 0), 0);
		poison(in, size + 128);
		REQUIRE_RET(mach_msg(in, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, size + 8, port, 0), 0);
		header = (struct header *)in;
		CHECK_EQ(header->size, size);
		CHECK_EQ(header->id, size);
		if (!body_matches(in + HEADER_SIZE, size - HEADER_SIZE, size))
			FAIL("the body of %u bytes arrives changed", size);
		CHECK(is_poison(in + size + 8, 120));
	}
}

TEST(order_is_kept)
{
	name_t port;

	mach_open();
	port = new_port();
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < MACH_PORT_QLIMIT_BASIC; i++)
			CHECK_RET(send_id(port, MAKE_SEND, i), 0);
		for (int i = 0; i < MACH_PORT_QLIMIT_BASIC; i++)
			CHECK_EQ(receive_id(port), i);
	}
	/* Interleaved, so that the queue goes round */
	CHECK_RET(send_id(port, MAKE_SEND, 0), 0);
	CHECK_RET(send_id(port, MAKE_SEND, 1), 0);
	for (int i = 2; i < 100; i++) {
		CHECK_RET(send_id(port, MAKE_SEND, i), 0);
		CHECK_EQ(receive_id(port), i - 2);
	}
}

TEST(ports_have_queues_of_their_own)
{
	name_t ports[20];

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		ports[i] = new_port();
	for (int i = 0; i < 60; i++)
		CHECK_RET(send_id(ports[(size_t)i % ARRAY_SIZE(ports)], MAKE_SEND, i), 0);
	for (size_t i = ARRAY_SIZE(ports); i-- > 0;)
		for (size_t j = 0; j < 3; j++)
			CHECK_EQ(receive_id(ports[i]), i + j * ARRAY_SIZE(ports));
}

TEST(no_option_does_nothing)
{
	struct message message;

	mach_open();
	CHECK_RET(mach_msg(NULL, 0, 0, 0, 0, 0), 0);
	poison(&message, sizeof(message));
	CHECK_RET(mach_msg(&message, 0, 5, 7, 0xffffffff, 0), 0);
	CHECK(is_poison(&message, sizeof(message)));
}

/* Options without effect: the library's own bits, importance, quality of service */
TEST(options_without_effect)
{
	static const uint32_t options[] = {
		0x20, 0x40, 0x200, 0x400, 0x2000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000,
		0x200000, 0x400000, 0x800000, 0xfb0000,
	};
	name_t port;

	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		struct message message;

		message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 5);
		CHECK_RET(mach_msg(&message, MACH_SEND_MSG | options[i], HEADER_SIZE + 4, 0, 0, 0),
			  0);
		poison(&message, sizeof(message));
		CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TIMEOUT | options[i], 0,
				   HEADER_SIZE + 12, port, 0), 0);
		CHECK_EQ(message.header.id, 5);
		CHECK_EQ(message.header.size, HEADER_SIZE + 4);
		CHECK_EQ(trailer_of(&message)->size, 8);
	}
}

TEST(send_and_receive_in_one_call)
{
	struct message out, in;
	name_t port;

	mach_open();
	port = new_port();
	message_init(&out, MSGH_BITS(MAKE_SEND, 0), port, 0, 11);
	CHECK_RET(mach_msg(&out, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE + 16, sizeof(out), port,
			   0), 0);
	CHECK_EQ(out.header.id, 11);
	CHECK_EQ(out.header.size, HEADER_SIZE + 16);
	CHECK_HEX(out.header.local, port);

	/* Into another buffer */
	message_init(&out, MSGH_BITS(MAKE_SEND, 0), port, 0, 12);
	body_fill(out.body, 16, 12);
	poison(&in, sizeof(in));
	CHECK_RET(mach_msg_overwrite(&out, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE + 16,
				     sizeof(in), port, 0, &in), 0);
	CHECK_EQ(in.header.id, 12);
	CHECK(body_matches(in.body, 16, 12));
	CHECK_HEX(out.header.remote, port);

	/* The one that was queued first comes first. */
	CHECK_RET(send_id(port, MAKE_SEND, 13), 0);
	message_init(&out, MSGH_BITS(MAKE_SEND, 0), port, 0, 14);
	CHECK_RET(mach_msg(&out, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE, sizeof(out), port, 0),
		  0);
	CHECK_EQ(out.header.id, 13);
	CHECK_EQ(receive_id(port), 14);
}

TEST(failed_send_does_not_receive)
{
	struct message message;
	name_t port;

	mach_open();
	port = new_port();
	CHECK_RET(send_id(port, MAKE_SEND, 1), 0);
	message_init(&message, MSGH_BITS(COPY_SEND, 0), port, 0, 2);
	CHECK_RET(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE, sizeof(message),
			   port, 0),
		  MACH_SEND_INVALID_DEST);
	CHECK_EQ(message.header.id, 2);
	CHECK_EQ(receive_id(port), 1);
}

TEST(sent_although_receiving_fails)
{
	struct message message;
	name_t port;

	mach_open();
	port = new_port();
	message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 2);
	CHECK_RET(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE, sizeof(message), 0,
			   0),
		  MACH_RCV_INVALID_NAME);
	CHECK_EQ(receive_id(port), 2);
}

/* Trailers */

TEST(trailer_elements)
{
	static const struct {
		int element;
		uint32_t size;
	} elements[] = {
		{ TRAILER_NONE, 8 }, { TRAILER_SEQNO, 12 }, { TRAILER_SENDER, 20 },
		{ TRAILER_AUDIT, 52 }, { TRAILER_CTX, 60 }, { TRAILER_AV, 68 },
		{ TRAILER_LABELS, 68 },
	};
	struct message message;
	name_t port;

	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(elements); i++) {
		uint32_t size = elements[i].size;
		struct trailer *trailer;

		CHECK_RET(send_id(port, MAKE_SEND, 1), 0);
		poison(&message, sizeof(message));
		CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TIMEOUT |
				   MACH_RCV_TRAILER(elements[i].element), 0, HEADER_SIZE + size,
				   port, 0), 0);
		CHECK_EQ(message.header.size, HEADER_SIZE);
		trailer = trailer_of(&message);
		CHECK_EQ(trailer->type, 0);
		CHECK_EQ(trailer->size, size);
		CHECK(is_poison((char *)trailer + size, 100));
		if (size >= 12)
			CHECK_EQ(trailer->seqno, i);
		if (size >= 20) {
			CHECK_EQ(trailer->sender[0], 0);
			CHECK_EQ(trailer->sender[1], 1);
		}
		if (size >= 52)
			for (size_t word = 0; word < 8; word++)
				CHECK_EQ(trailer->audit[word], word == 5 ? getpid() : 0);
		if (size >= 60)
			CHECK_EQ(trailer->context, 0);
		if (size >= 68)
			CHECK_EQ(trailer->ad | trailer->label, 0);
	}
}

TEST(trailer_counts_messages_of_each_port)
{
	struct message message;
	name_t ports[2];

	mach_open();
	ports[0] = new_port();
	ports[1] = new_port();
	for (uint32_t i = 0; i < 30; i++) {
		size_t which = i % 3 == 0;

		CHECK_RET(send_id(ports[which], MAKE_SEND, 1), 0);
		CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TRAILER(TRAILER_SEQNO), 0,
				   sizeof(message), ports[which], 0), 0);
		CHECK_EQ(trailer_of(&message)->seqno, which ? i / 3 : i - 1 - i / 3);
	}
}

/* The trailer is part of the size that must fit. */
TEST(trailer_must_fit)
{
	struct message message;
	name_t port;

	mach_open();
	port = new_port();
	for (uint32_t room = 0; room < 52; room += 4) {
		CHECK_RET(send_id(port, MAKE_SEND, 1), 0);
		CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_TIMEOUT |
				   MACH_RCV_TRAILER(TRAILER_AUDIT), 0, HEADER_SIZE + room, port, 0),
			  MACH_RCV_TOO_LARGE);
		CHECK_EQ(receive_id(port), 1);
	}
	CHECK_RET(send_id(port, MAKE_SEND, 1), 0);
	CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_LARGE |
			   MACH_RCV_TRAILER(TRAILER_AUDIT), 0,
			   HEADER_SIZE + 52, port, 0), 0);
}
