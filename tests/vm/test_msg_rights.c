// SPDX-License-Identifier: GPL-2.0
/*
 * The rights in a message's header: what they are taken from, what they become,
 * and what happens to them when a port is dead.
 * time limit: 180 s
 */
#define _GNU_SOURCE

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

/* Every disposition of the destination with every one of the reply port */
TEST(header_dispositions)
{
	mach_open();
	for (size_t i = 0; i < SEND_DISPOSITIONS; i++)
		for (size_t j = 0; j <= SEND_DISPOSITIONS; j++) {
			int to = send_dispositions[i];
			int back = j < SEND_DISPOSITIONS ? send_dispositions[j] : 0;
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
			CHECK_HEX(message.header.bits,
				  MSGH_BITS(carried_right(back), carried_right(to)));
			CHECK_HEX(message.header.local, port);
			if (!back) {
				CHECK_HEX(message.header.remote, 0);
			} else if (carried_right(back) == MOVE_SEND) {
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
	for (size_t i = 0; i < SEND_DISPOSITIONS; i++) {
		CHECK_RET(send_with_reply(port, MAKE_SEND, 0, send_dispositions[i], 1), 0);
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
	CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_INVALID_DEST);
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
	CHECK_RET(send_with_reply(port, MAKE_SEND, reply, MAKE_SEND_ONCE, 4),
		  MACH_SEND_INVALID_REPLY);

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
	for (size_t i = 0; i < SEND_DISPOSITIONS; i++) {
		if (send_dispositions[i] == MOVE_SEND_ONCE)
			continue;
		CHECK_RET(send_id(dead, send_dispositions[i], 1), MACH_SEND_INVALID_DEST);
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
		CHECK_RET(send_with_reply(port, MAKE_SEND, port, i ? MAKE_SEND_ONCE : MAKE_SEND, i),
			  0);
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

/* Every queue holds a right to the next port, until the end of the task. */
TEST(long_chain_of_queued_rights)
{
	enum { LENGTH = 5000 };
	name_t last;

	mach_open();
	last = new_port();
	for (int i = 0; i < LENGTH; i++) {
		name_t next = new_port();

		REQUIRE_RET(send_with_reply(last, MAKE_SEND, next, i % 2 ? MAKE_SEND_ONCE : MAKE_SEND,
					    i), 0);
		last = next;
	}
}
