// SPDX-License-Identifier: GPL-2.0
/*
 * mach_msg within one thread: what a message carries, what its rights become,
 * and every way to be refused, in the order in which the checks are made.
 * time limit: 400 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"

#define SEND		MACH_PORT_RIGHT_SEND
#define RECEIVE		MACH_PORT_RIGHT_RECEIVE
#define SEND_ONCE	MACH_PORT_RIGHT_SEND_ONCE
#define DEAD_NAME	MACH_PORT_RIGHT_DEAD_NAME

/* Sends a message of id @id with reply right @local and no body. */
static long send_with_reply(name_t remote, int remote_disposition, name_t local,
			    int local_disposition, int32_t id)
{
	struct message message;

	message_init(&message, MSGH_BITS(remote_disposition, local_disposition), remote, local, id);
	return msg_send(&message, HEADER_SIZE);
}

/* Plain transfer */

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
	static const int32_t ids[] = { 0, 1, -1, 0x41, 0x47, 3409, -303, 0x7fffffff, (int32_t)0x80000000 };
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

TEST(send_and_receive_in_one_call)
{
	struct message out, in;
	name_t port;

	mach_open();
	port = new_port();
	message_init(&out, MSGH_BITS(MAKE_SEND, 0), port, 0, 11);
	CHECK_RET(mach_msg(&out, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE + 16, sizeof(out), port, 0), 0);
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
	CHECK_RET(mach_msg(&out, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE, sizeof(out), port, 0), 0);
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
	CHECK_RET(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE, sizeof(message), port, 0),
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
	CHECK_RET(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE, sizeof(message), 0, 0),
		  MACH_RCV_INVALID_NAME);
	CHECK_EQ(receive_id(port), 2);
}

/* Rights in the header */

static const int dispositions[] = { MOVE_SEND, MOVE_SEND_ONCE, COPY_SEND, MAKE_SEND, MAKE_SEND_ONCE };

/* A name that has what @disposition takes from the port received at @port. */
static name_t name_for(name_t port, int disposition)
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

static int carried(int disposition)
{
	if (disposition == MOVE_SEND_ONCE || disposition == MAKE_SEND_ONCE)
		return MOVE_SEND_ONCE;
	return disposition ? MOVE_SEND : 0;
}

/* Every disposition of the destination with every one of the reply port */
TEST(header_dispositions)
{
	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(dispositions); i++)
		for (size_t j = 0; j <= ARRAY_SIZE(dispositions); j++) {
			int to = dispositions[i];
			int back = j < ARRAY_SIZE(dispositions) ? dispositions[j] : 0;
			name_t port = new_port(), reply = new_port();
			name_t remote = name_for(port, to);
			name_t local = back ? name_for(reply, back) : 0;
			int32_t id = to * 100 + back;
			struct message message;

			if (!CHECK_RET(send_with_reply(remote, to, local, back, id), 0)) {
				note("dispositions %d, %d", to, back);
				continue;
			}
			/* Underway, the moved rights are gone and the others are not. */
			if (to == MOVE_SEND_ONCE)
				CHECK_UNKNOWN(remote);
			if (to == MOVE_SEND)
				CHECK(!has_right(port, SEND));
			if (to == COPY_SEND)
				CHECK_SEND_UREFS(port, 1);
			if (back == MOVE_SEND_ONCE)
				CHECK_UNKNOWN(local);
			if (back == MOVE_SEND)
				CHECK(!has_right(reply, SEND));
			if (back == COPY_SEND)
				CHECK_SEND_UREFS(reply, 1);

			CHECK_RET(msg_receive(&message, port), 0);
			CHECK_EQ(message.header.id, id);
			CHECK_HEX(message.header.bits, MSGH_BITS(carried(back), carried(to)));
			CHECK_HEX(message.header.local, port);
			if (!back) {
				CHECK_HEX(message.header.remote, 0);
			} else if (carried(back) == MOVE_SEND) {
				/* The space has a name for that port. */
				CHECK_HEX(message.header.remote, reply);
				CHECK_SEND_UREFS(reply, back == COPY_SEND ? 2 : 1);
			} else {
				CHECK(message.header.remote != reply);
				CHECK(has_right(message.header.remote, SEND_ONCE));
				CHECK_RET(send_id(message.header.remote, MOVE_SEND_ONCE, 7), 0);
				CHECK_EQ(receive_id(reply), 7);
			}
			if (to != COPY_SEND)
				CHECK(!has_right(port, SEND));
			CHECK_NO_MESSAGE(port);
			CHECK_NO_MESSAGE(reply);
			destroy_receive(port);
			destroy_receive(reply);
		}
}

TEST(reply_disposition_without_a_name)
{
	struct message message;
	name_t port;

	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(dispositions); i++) {
		CHECK_RET(send_with_reply(port, MAKE_SEND, 0, dispositions[i], 1), 0);
		CHECK_RET(msg_receive(&message, port), 0);
		CHECK_HEX(message.header.remote, 0);
	}
}

TEST(request_and_reply)
{
	struct message message;
	name_t server, client;

	mach_open();
	server = new_send_right();
	client = reply_port();
	message_init(&message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), server, client, 100);
	CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
	CHECK_RET(msg_receive(&message, server), 0);
	/* A server answers by changing the id only: remote and local are in place. */
	message.header.bits &= 0x1f;
	message.header.local = 0;
	message.header.id = 200;
	CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
	CHECK_UNKNOWN(message.header.remote);
	CHECK_RET(msg_receive(&message, client), 0);
	CHECK_EQ(message.header.id, 200);
	CHECK_HEX(message.header.bits, MSGH_BITS(0, MOVE_SEND_ONCE));
	CHECK_HEX(message.header.local, client);
	CHECK_SEND_UREFS(server, 1);
	CHECK_NO_MESSAGE(client);
}

TEST(send_references_of_the_destination)
{
	name_t port;

	mach_open();
	port = new_send_right();
	CHECK_RET(mod_refs(port, SEND, 2), KERN_SUCCESS);
	CHECK_RET(send_id(port, COPY_SEND, 1), 0);
	CHECK_SEND_UREFS(port, 3);
	CHECK_RET(send_id(port, MOVE_SEND, 2), 0);
	CHECK_SEND_UREFS(port, 2);
	CHECK_RET(send_id(port, MAKE_SEND, 3), 0);
	CHECK_SEND_UREFS(port, 2);
	CHECK_RET(send_id(port, MAKE_SEND_ONCE, 4), 0);
	CHECK_SEND_UREFS(port, 2);
	for (int i = 1; i <= 4; i++)
		CHECK_EQ(receive_id(port), i);
	CHECK_SEND_UREFS(port, 2);
}

/* Both rights out of one name */
TEST(destination_is_the_reply_port)
{
	struct message message;
	name_t port, once;

	mach_open();
	/* Needs two references, and finds two. */
	port = new_send_right();
	CHECK_RET(mod_refs(port, SEND, 1), KERN_SUCCESS);
	CHECK_RET(send_with_reply(port, MOVE_SEND, port, MOVE_SEND, 1), 0);
	CHECK(!has_right(port, SEND));
	CHECK_RET(msg_receive(&message, port), 0);
	CHECK_HEX(message.header.remote, port);
	CHECK_HEX(message.header.local, port);
	CHECK_HEX(message.header.bits, MSGH_BITS(MOVE_SEND, MOVE_SEND));
	CHECK_SEND_UREFS(port, 1);

	/* One is not enough, and stays. */
	message_init(&message, MSGH_BITS(MOVE_SEND, MOVE_SEND), port, port, 2);
	CHECK(msg_send(&message, HEADER_SIZE) != 0);
	CHECK_SEND_UREFS(port, 1);
	CHECK_NO_MESSAGE(port);

	/* Copied and moved: one is enough, whichever way round. */
	CHECK_RET(send_with_reply(port, COPY_SEND, port, MOVE_SEND, 3), 0);
	CHECK(!has_right(port, SEND));
	CHECK_EQ(receive_id(port), 3);
	CHECK_SEND_UREFS(port, 1);
	CHECK_RET(send_with_reply(port, MOVE_SEND, port, COPY_SEND, 4), 0);
	CHECK(!has_right(port, SEND));
	CHECK_EQ(receive_id(port), 4);
	CHECK_SEND_UREFS(port, 1);
	CHECK_RET(send_with_reply(port, COPY_SEND, port, COPY_SEND, 5), 0);
	CHECK_EQ(receive_id(port), 5);
	CHECK_SEND_UREFS(port, 2);

	/* Made */
	CHECK_RET(send_with_reply(port, MAKE_SEND, port, MAKE_SEND_ONCE, 6), 0);
	CHECK_EQ(receive_id(port), 6);
	CHECK_RET(send_with_reply(port, MAKE_SEND_ONCE, port, MAKE_SEND, 7), 0);
	CHECK_EQ(receive_id(port), 7);
	CHECK_SEND_UREFS(port, 3);

	/* A send-once right cannot be both. */
	once = new_send_once(port);
	CHECK_RET(send_with_reply(once, MOVE_SEND_ONCE, once, MOVE_SEND_ONCE, 8),
		  MACH_SEND_INVALID_REPLY);
	CHECK(has_right(once, SEND_ONCE));
	CHECK_NO_MESSAGE(port);
}

TEST(dead_reply_port_arrives_dead)
{
	struct message message;
	name_t port, reply, once;

	mach_open();
	port = new_port();
	/* Dead when sent: copied and moved */
	reply = new_dead_name();
	CHECK_RET(mod_refs(reply, DEAD_NAME, 2), KERN_SUCCESS);
	CHECK_RET(send_with_reply(port, MAKE_SEND, reply, COPY_SEND, 1), 0);
	CHECK_UREFS(reply, DEAD_NAME, 3);
	CHECK_RET(send_with_reply(port, MAKE_SEND, reply, MOVE_SEND, 2), 0);
	CHECK_UREFS(reply, DEAD_NAME, 2);
	CHECK_RET(send_with_reply(port, MAKE_SEND, reply, MOVE_SEND_ONCE, 3), 0);
	CHECK_UREFS(reply, DEAD_NAME, 1);
	for (int i = 1; i <= 3; i++) {
		CHECK_RET(msg_receive(&message, port), 0);
		CHECK_EQ(message.header.id, i);
		CHECK_HEX(message.header.remote, MACH_PORT_DEAD);
	}
	/* Nothing can be made of it. */
	CHECK_RET(send_with_reply(port, MAKE_SEND, reply, MAKE_SEND, 4), MACH_SEND_INVALID_REPLY);
	CHECK_RET(send_with_reply(port, MAKE_SEND, reply, MAKE_SEND_ONCE, 4), MACH_SEND_INVALID_REPLY);

	/* Dead by the time it is received */
	reply = new_port();
	CHECK_RET(send_with_reply(port, MAKE_SEND, reply, MAKE_SEND, 5), 0);
	CHECK_RET(send_with_reply(port, MAKE_SEND, reply, MAKE_SEND_ONCE, 6), 0);
	once = new_send_once(reply);
	CHECK_RET(send_with_reply(port, MAKE_SEND, once, MOVE_SEND_ONCE, 7), 0);
	destroy_receive(reply);
	for (int i = 5; i <= 7; i++) {
		CHECK_RET(msg_receive(&message, port), 0);
		CHECK_EQ(message.header.id, i);
		CHECK_HEX(message.header.remote, MACH_PORT_DEAD);
	}
}

TEST(dead_destination)
{
	name_t port, dead;

	mach_open();
	dead = new_dead_name();
	for (size_t i = 0; i < ARRAY_SIZE(dispositions); i++) {
		if (dispositions[i] == MOVE_SEND_ONCE)
			continue;
		CHECK_RET(send_id(dead, dispositions[i], 1), MACH_SEND_INVALID_DEST);
		CHECK_UREFS(dead, DEAD_NAME, 1);
	}
	port = new_send_right();
	destroy_receive(port);
	CHECK_RET(send_id(port, COPY_SEND, 1), MACH_SEND_INVALID_DEST);
	CHECK_RET(send_id(port, MOVE_SEND, 1), MACH_SEND_INVALID_DEST);
	CHECK_UREFS(port, DEAD_NAME, 1);
}

/* A send-once right to a dead port is used up, and the message with it. */
TEST(dead_send_once_destination)
{
	name_t port, once, reply;

	mach_open();
	port = new_port();
	reply = new_port();
	once = new_send_once(port);
	destroy_receive(port);
	CHECK_RET(send_with_reply(once, MOVE_SEND_ONCE, reply, MAKE_SEND_ONCE, 1), 0);
	CHECK_UNKNOWN(once);
	CHECK_NOTIFIED(reply, NOTIFY_SEND_ONCE);
}

TEST(destroyed_port_destroys_its_messages)
{
	name_t port, reply, once;

	mach_open();
	port = new_port();
	reply = new_send_right();
	once = new_send_once(reply);
	CHECK_RET(send_with_reply(port, MAKE_SEND, reply, MAKE_SEND_ONCE, 1), 0);
	CHECK_RET(send_with_reply(port, MAKE_SEND, once, MOVE_SEND_ONCE, 2), 0);
	CHECK_RET(send_with_reply(port, MAKE_SEND, reply, COPY_SEND, 3), 0);
	CHECK_NO_MESSAGE(reply);
	destroy_receive(port);
	CHECK_NOTIFIED(reply, NOTIFY_SEND_ONCE);
	CHECK_NOTIFIED(reply, NOTIFY_SEND_ONCE);
	CHECK_NO_MESSAGE(reply);
	CHECK_SEND_UREFS(reply, 1);
}

/* A message in the queue of the port that it would be answered to */
TEST(port_dies_with_its_own_reply_right)
{
	name_t port;

	mach_open();
	port = new_port();
	for (int i = 0; i < 3; i++)
		CHECK_RET(send_with_reply(port, MAKE_SEND, port, i ? MAKE_SEND_ONCE : MAKE_SEND, i), 0);
	destroy_receive(port);
	CHECK_UNKNOWN(port);
}

/* Each of two ports has the other's right in its queue. */
TEST(ports_that_hold_each_other)
{
	mach_open();
	for (int i = 0; i < 50; i++) {
		name_t a = new_port(), b = new_port();

		CHECK_RET(send_with_reply(a, MAKE_SEND, b, MAKE_SEND, 1), 0);
		CHECK_RET(send_with_reply(b, MAKE_SEND, a, MAKE_SEND, 2), 0);
		if (i & 1) {
			destroy_receive(a);
			destroy_receive(b);
		}
	}
}

/* A queue whose message holds a right to a port whose queue holds … */
TEST(long_chain_of_queued_rights)
{
	enum { LENGTH = 3000 };
	name_t first, last;

	mach_open();
	first = last = new_send_right();
	for (int i = 0; i < LENGTH; i++) {
		name_t next = new_port();

		REQUIRE_RET(send_with_reply(last, MAKE_SEND, next, MAKE_SEND_ONCE, i), 0);
		last = next;
	}
	destroy_receive(first);
	CHECK_EQ(receive_id(last), NOTIFY_SEND_ONCE);
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
				   MACH_RCV_TRAILER(elements[i].element), 0, HEADER_SIZE + size, port, 0), 0);
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
	CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_TRAILER(TRAILER_AUDIT), 0,
			   HEADER_SIZE + 52, port, 0), 0);
}

/* Sending: the checks in order */

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
		CHECK_RET(mach_msg(&message, MACH_SEND_MSG, sizes[i], 0, 0, 0), MACH_SEND_TOO_LARGE);
		/* Before the message is looked at */
		CHECK_RET(mach_msg(NULL, MACH_SEND_MSG, sizes[i], 0, 0, 0), MACH_SEND_TOO_LARGE);
	}
	CHECK_RET(mach_msg(NULL, MACH_SEND_MSG, 0xffffffff, 0, 0, 0), MACH_SEND_MSG_TOO_SMALL);
	/* The largest that is allowed is looked at. */
	CHECK_RET(mach_msg(NULL, MACH_SEND_MSG, MACH_MSG_SIZE_MAX, 0, 0, 0), MACH_SEND_INVALID_DATA);
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
	CHECK_RET(mach_msg(memory, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, MACH_MSG_SIZE_MAX + 8, port, 0), 0);
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
	uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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
		CHECK_RET(send_with_reply(port, COPY_SEND, reply, bad[i], 1), MACH_SEND_INVALID_HEADER);
		CHECK_RET(send_with_reply(port, COPY_SEND, 0, bad[i], 1), MACH_SEND_INVALID_HEADER);
		CHECK_RET(send_with_reply(0, COPY_SEND, reply, bad[i], 1), MACH_SEND_INVALID_HEADER);
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
	for (size_t i = 0; i < ARRAY_SIZE(dispositions); i++) {
		CHECK_RET(send_id(0, dispositions[i], 1), MACH_SEND_INVALID_DEST);
		CHECK_RET(send_id(MACH_PORT_DEAD, dispositions[i], 1), MACH_SEND_INVALID_DEST);
		CHECK_RET(send_with_reply(0, dispositions[i], reply, MAKE_SEND_ONCE, 1),
			  MACH_SEND_INVALID_DEST);
		/* Before the reply port */
		CHECK_RET(send_with_reply(0, dispositions[i], unused_name(), COPY_SEND, 1),
			  MACH_SEND_INVALID_DEST);
		/* And before the voucher */
		message_init(&message, MSGH_BITS(dispositions[i], 0) | MSGH_BITS_VOUCHER(31), 0, 0, 1);
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
		message_init(&message, MSGH_BITS(COPY_SEND, 0) | MSGH_BITS_VOUCHER(bad[i]), port, 0, 1);
		CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_INVALID_VOUCHER);
	}
	for (int disposition = MOVE_SEND; disposition <= COPY_SEND; disposition += 2) {
		/* Not a voucher; not there. Before the destination's name is resolved. */
		message_init(&message, MSGH_BITS(COPY_SEND, 0) | MSGH_BITS_VOUCHER(disposition), port, 0, 1);
		message.header.voucher = other;
		CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_INVALID_VOUCHER);
		message.header.voucher = unused_name();
		CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_INVALID_VOUCHER);
		message.header.remote = unused_name();
		CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_INVALID_VOUCHER);
		CHECK_SEND_UREFS(other, 1);
		CHECK_NO_MESSAGE(port);
		/* None at all is fine. */
		message_init(&message, MSGH_BITS(COPY_SEND, 0) | MSGH_BITS_VOUCHER(disposition), port, 0, 1);
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

	for (size_t i = 0; i < ARRAY_SIZE(dispositions); i++) {
		CHECK_RET(send_id(unused_name(), dispositions[i], 1), MACH_SEND_INVALID_DEST);
		CHECK_RET(send_id(port ^ 4, dispositions[i], 1), MACH_SEND_INVALID_DEST);
		CHECK_RET(send_id(set, dispositions[i], 1), MACH_SEND_INVALID_DEST);
		/* Before the reply port */
		CHECK_RET(send_with_reply(unused_name(), dispositions[i], unused_name(), COPY_SEND, 1),
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
	for (size_t i = 0; i < ARRAY_SIZE(dispositions); i++) {
		CHECK_RET(send_with_reply(port, MOVE_SEND, unused_name(), dispositions[i], 1),
			  MACH_SEND_INVALID_REPLY);
		CHECK_RET(send_with_reply(once_to_port, MOVE_SEND_ONCE, unused_name(), dispositions[i], 1),
			  MACH_SEND_INVALID_REPLY);
		CHECK_RET(send_with_reply(port, MAKE_SEND, new_port_set(), dispositions[i], 1),
			  MACH_SEND_INVALID_REPLY);
	}
	CHECK_RET(send_with_reply(port, MOVE_SEND, reply, MOVE_SEND, 1), MACH_SEND_INVALID_REPLY);
	CHECK_RET(send_with_reply(port, MOVE_SEND, reply, COPY_SEND, 1), MACH_SEND_INVALID_REPLY);
	CHECK_RET(send_with_reply(port, MOVE_SEND, reply, MOVE_SEND_ONCE, 1), MACH_SEND_INVALID_REPLY);
	CHECK_RET(send_with_reply(port, MOVE_SEND, host, MAKE_SEND, 1), MACH_SEND_INVALID_REPLY);
	CHECK_RET(send_with_reply(port, MOVE_SEND, host, MAKE_SEND_ONCE, 1), MACH_SEND_INVALID_REPLY);
	CHECK_RET(send_with_reply(port, MOVE_SEND, once, MOVE_SEND, 1), MACH_SEND_INVALID_REPLY);
	CHECK_RET(send_with_reply(port, MOVE_SEND, once, MAKE_SEND_ONCE, 1), MACH_SEND_INVALID_REPLY);
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

/* A full queue */

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
	for (size_t i = 0; i < ARRAY_SIZE(dispositions); i++)
		for (size_t j = 0; j <= ARRAY_SIZE(dispositions); j++) {
			int to = dispositions[i];
			int back = j < ARRAY_SIZE(dispositions) ? dispositions[j] : 0;
			name_t port = new_port(), reply = new_port(), local, remote;
			struct message message;

			if (carried(to) == MOVE_SEND_ONCE)
				continue;	/* never refused by a full queue */
			remote = name_for(port, to);
			local = back ? name_for(reply, back) : 0;
			fill_queue(port);
			message_init(&message, MSGH_BITS(to, back), remote, local, 9);
			CHECK_RET(msg_send_within(&message, HEADER_SIZE, 0), MACH_SEND_TIMED_OUT);
			/* In the sender's order, not swapped as for a receiver */
			CHECK_HEX(message.header.bits, MSGH_BITS(MOVE_SEND, carried(back)));
			CHECK_HEX(message.header.remote, port);
			CHECK_SEND_UREFS(port, to == COPY_SEND ? 2 : 1);
			if (carried(back) == MOVE_SEND) {
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
			CHECK_HEX(message.header.bits, MSGH_BITS(carried(back), MOVE_SEND));
			if (carried(back) == MOVE_SEND_ONCE) {
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
	CHECK_RET(mach_msg_overwrite(&out, MACH_SEND_MSG | MACH_RCV_MSG | MACH_SEND_TIMEOUT, HEADER_SIZE,
				     sizeof(in), other, 0, &in), MACH_SEND_TIMED_OUT);
	CHECK(is_poison(&in, sizeof(in)));
	CHECK_HEX(out.header.bits, MSGH_BITS(MOVE_SEND, 0));
	CHECK_SEND_UREFS(port, 1);
	CHECK_EQ(receive_id(other), 99);
}

/* Receiving */

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
	CHECK_RET(mach_msg(NULL, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 0, port, 0), MACH_RCV_TIMED_OUT);
	CHECK_RET(mach_msg((void *)bad_pointers[8], MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 100, port, 1),
		  MACH_RCV_TIMED_OUT);
	/* With a message there, the limit does not matter. */
	CHECK_RET(send_id(port, MAKE_SEND, 4), 0);
	CHECK_RET(msg_receive_within(&message, port, 0xffffffff), 0);
	CHECK_RET(send_id(port, MAKE_SEND, 5), 0);
	CHECK_RET(msg_receive_blocking(&message, port), 0);
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
		CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_TIMEOUT, 0, room, port, 0),
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
		CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY |
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
	CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_LARGE, 0, 40, port, 0), MACH_RCV_TOO_LARGE);
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
		CHECK_RET(mach_msg(fault_at(&hole, room), MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 1000, port, 0),
			  MACH_RCV_INVALID_DATA);
		CHECK(!has_right(reply, SEND));
		CHECK_NO_MESSAGE(port);
	}
	message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 1);
	CHECK_RET(msg_send(&message, HEADER_SIZE + 40), 0);
	CHECK_RET(mach_msg(fault_at(&hole, HEADER_SIZE + 48), MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 1000, port, 0), 0);
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

		header = (struct header){ .bits = MSGH_BITS(MAKE_SEND, 0), .remote = port, .id = 3 };
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
	CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_TRAILER(TRAILER_AUDIT), 0,
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
	CHECK_RET(request_notification(port, NOTIFY_NO_SENDERS, 0, notify, MAKE_SEND_ONCE, &previous),
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

/* Messages to ports of the kernel */

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

			message_init(&rpc.message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), port, reply, ids[j]);
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
	CHECK_RET(send_with_reply(self(), COPY_SEND, new_dead_name(), MOVE_SEND, MSG_NOBODY_SERVES), 0);
	/* A port of the kernel, which answers nothing */
	CHECK_RET(send_with_reply(self(), COPY_SEND, host_self(), COPY_SEND, MSG_NOBODY_SERVES), 0);
	/* A moved send right as the destination */
	host_self();
	CHECK_RET(send_with_reply(host_self(), MOVE_SEND, reply, MAKE_SEND_ONCE, MSG_NOBODY_SERVES), 0);
	CHECK_EQ(receive_id(reply), MSG_NOBODY_SERVES + 100);
}

TEST(kernel_port_takes_any_number_of_requests)
{
	name_t reply;

	mach_open();
	self();
	reply = new_port();
	for (int i = 0; i < 50; i++)
		CHECK_RET(send_with_reply(self(), COPY_SEND, reply, MAKE_SEND_ONCE, MSG_NOBODY_SERVES), 0);
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
	name_t reply;

	mach_open();
	bootstrap_set(new_port(), MAKE_SEND);
	reply = reply_port();
	/* A selector that is none */
	for (int32_t which = -1; which < 20; which += 12) {
		message_init(&rpc.message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), self(), reply,
			     MSG_TASK_GET_SPECIAL_PORT);
		rpc.request.which = which == -1 ? -1 : which == 11 ? 0x7fffffff : 0;
		CHECK_RET(mach_msg(&rpc, MACH_SEND_MSG | MACH_RCV_MSG, 36, sizeof(rpc), reply, 0), 0);
		CHECK_EQ(rpc.reply.header.size, 36);
		CHECK_RET(rpc.reply.result, KERN_INVALID_ARGUMENT);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		message_init(&rpc.message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), self(), reply,
			     MSG_TASK_GET_SPECIAL_PORT);
		CHECK_RET(mach_msg(&rpc, MACH_SEND_MSG | MACH_RCV_MSG, sizes[i], sizeof(rpc), reply, 0), 0);
		CHECK_EQ(rpc.reply.header.size, 36);
		CHECK_RET(rpc.reply.result, MIG_BAD_ARGUMENTS);
		message_init(&rpc.message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), self(), reply,
			     MSG_TASK_SET_SPECIAL_PORT);
		CHECK_RET(mach_msg(&rpc, MACH_SEND_MSG | MACH_RCV_MSG, sizes[i], sizeof(rpc), reply, 0), 0);
		CHECK_EQ(rpc.reply.header.size, 36);
		CHECK_RET(rpc.reply.result, MIG_BAD_ARGUMENTS);
	}
	CHECK_NO_MESSAGE(reply);
}
