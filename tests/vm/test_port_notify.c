// SPDX-License-Identifier: GPL-2.0
/*
 * Notifications: who may ask for which, when they come, and what they carry.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "port.h"
#include "process.h"
#include "short_rights.h"

struct notification {
	struct header header;
	union {
		struct {
			uint8_t ndr[8];
			uint32_t word;
		} plain;
		struct {
			uint32_t count;
			struct port_descriptor port;
		} with_port;
		uint8_t room[200];
	};
};

static const uint8_t kernel_ndr[8] = { 0, 0, 0, 0, 1, 0, 0, 0 };

/*
 * Receives notification @id on @port, checks all that is the same for all, and
 * returns its word, or the name of the right that it carries.
 */
static uint32_t take(int line, name_t port, int32_t id)
{
	struct notification got;
	uint32_t size = HEADER_SIZE, word = 0;
	struct trailer *trailer;
	long result;

	poison(&got, sizeof(got));
	result = mach_msg(&got, MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_TRAILER(TRAILER_AUDIT),
			  0, sizeof(got), port, 0);
	if (!check_equal(__FILE__, line, CHECK_CODE, GO_ON, "receiving a notification", result,
			 "it", 0))
		return 0;
	check_equal(__FILE__, line, CHECK_HEX, GO_ON, "id", got.header.id, "expected", id);
	CHECK_EQ(got.header.local, port);
	CHECK_EQ(got.header.remote, MACH_PORT_NULL);
	CHECK_EQ(MSGH_LOCAL(got.header.bits), MOVE_SEND_ONCE);
	CHECK_EQ(got.header.voucher, MACH_PORT_NULL);
	if (got.header.id == NOTIFY_PORT_DESTROYED) {
		size = HEADER_SIZE + 16;
		CHECK_HEX(got.header.bits & MSGH_COMPLEX, MSGH_COMPLEX);
		CHECK_EQ(got.with_port.count, 1);
		CHECK_EQ(got.with_port.port.pad16_disposition_type >> 16 & 0xff, MOVE_RECEIVE);
		word = got.with_port.port.name;
	} else {
		CHECK_HEX(got.header.bits & MSGH_COMPLEX, 0);
		if (got.header.id != NOTIFY_SEND_ONCE) {
			size = HEADER_SIZE + 12;
			CHECK(!memcmp(got.plain.ndr, kernel_ndr, 8));
			word = got.plain.word;
		}
	}
	CHECK_EQ(got.header.size, size);
	trailer = (struct trailer *)((char *)&got + size);
	CHECK_EQ(trailer->sender[0], 0);
	CHECK_EQ(trailer->sender[1], 1);
	for (size_t i = 0; i < ARRAY_SIZE(trailer->audit); i++)
		CHECK_EQ(trailer->audit[i], 0);
	return word;
}

#define TAKE(port, id) take(__LINE__, port, id)
/* Demands that the word or name is @word. */
#define CHECK_TAKE(port, id, want) CHECK_HEX(TAKE(port, id), want)

/* The same as notify_on(), when something else than success is expected. */
static long ask(name_t port, name_t name, int id, uint32_t sync)
{
	name_t previous;

	return request_notification(name, id, sync, port, MAKE_SEND_ONCE, &previous);
}

/* A refused request destroys the right: its port is told. */
#define CHECK_REFUSED_ASK(port, name, id, sync, code)			\
	do {								\
		CHECK_RET(ask(port, name, id, sync), code);		\
		CHECK_TAKE(port, NOTIFY_SEND_ONCE, 0);			\
		CHECK_NO_MESSAGE(port);					\
	} while (0)

static uint32_t type_of(name_t name)
{
	uint32_t type;

	REQUIRE_RET(port_type(name, &type), KERN_SUCCESS);
	return type;
}

/* The request itself */

TEST(request_order_of_checks)
{
	static const int dispositions[] = { 0, 15, MOVE_RECEIVE, MOVE_SEND, COPY_SEND, MAKE_SEND,
					    22, 0x7fffffff, -1 };
	name_t port, notify, once, previous = POISON32, dead;

	mach_open();
	port = new_send_right();
	notify = new_port();
	dead = new_dead_name();
	CHECK_RET(trap(NR__kernelrpc_mach_port_request_notification_trap, 0), -EFAULT);
	CHECK_RET(request_notification_in(0, 0, 99, 0, 0, 0, NULL), MACH_SEND_INVALID_DEST);
	CHECK_RET(request_notification_in(port, port, NOTIFY_DEAD_NAME, 0, notify, MAKE_SEND_ONCE,
					  &previous), MACH_SEND_INVALID_DEST);
	for (size_t i = 0; i < ARRAY_SIZE(dispositions); i++)
		CHECK_RET(request_notification(port, NOTIFY_DEAD_NAME, 0, notify, dispositions[i],
					       &previous), MACH_SEND_INVALID_DEST);
	for (int i = 0; i < 2; i++) {
		int disposition = i ? MOVE_SEND_ONCE : MAKE_SEND_ONCE;

		CHECK_RET(request_notification(port, NOTIFY_DEAD_NAME, 0, MACH_PORT_NULL,
					       disposition, &previous), MACH_SEND_INVALID_DEST);
		CHECK_RET(request_notification(port, NOTIFY_DEAD_NAME, 0, MACH_PORT_DEAD,
					       disposition, &previous), MACH_SEND_INVALID_DEST);
		/* The right to be told comes before the id and the name. */
		CHECK_RET(request_notification(0, 99, 0, unused_name(), disposition, &previous),
			  KERN_INVALID_NAME);
		CHECK_RET(request_notification(0, 99, 0, host_self(), disposition, &previous),
			  KERN_INVALID_RIGHT);
	}
	CHECK_RET(request_notification(0, 99, 0, notify, MOVE_SEND_ONCE, &previous),
		  KERN_INVALID_RIGHT);
	CHECK_RET(request_notification(0, 99, 0, dead, MAKE_SEND_ONCE, &previous),
		  KERN_INVALID_RIGHT);
	CHECK_HEX(previous, POISON32);
	CHECK_NO_MESSAGE(notify);
	CHECK_EQ(port_status(notify).sorights, 0);

	/* A dead right is taken all the same. */
	once = new_send_once(notify);
	destroy_receive(notify);
	CHECK_RET(request_notification(port, NOTIFY_DEAD_NAME, 0, once, MOVE_SEND_ONCE, &previous),
		  KERN_INVALID_CAPABILITY);
	CHECK_UNKNOWN(once);
	CHECK_HEX(type_of(port), MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE);
}

TEST(request_of_unknown_ids)
{
	static const int ids[] = { 0, 1, 0x40, NOTIFY_PORT_DELETED, 0x43, 0x44, NOTIFY_SEND_ONCE,
				   0x49, 0x7fffffff, -1 };
	name_t notify, port;

	mach_open();
	notify = new_port();
	port = new_send_right();
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		CHECK_REFUSED_ASK(notify, port, ids[i], 0, KERN_INVALID_VALUE);
		CHECK_REFUSED_ASK(notify, 0, ids[i], 7, KERN_INVALID_VALUE);
	}
}

TEST(request_on_names_that_will_not_do)
{
	name_t notify, send, set, dead;

	mach_open();
	notify = new_port();
	send = host_self();
	set = new_port_set();
	dead = new_dead_name();

	/* The number comes before the name. */
	CHECK_REFUSED_ASK(notify, 0, NOTIFY_PORT_DESTROYED, 1, KERN_INVALID_VALUE);
	CHECK_REFUSED_ASK(notify, unused_name(), NOTIFY_PORT_DESTROYED, 1, KERN_INVALID_VALUE);
	for (int i = 0; i < 2; i++) {
		int id = i ? NOTIFY_PORT_DESTROYED : NOTIFY_NO_SENDERS;

		CHECK_REFUSED_ASK(notify, MACH_PORT_NULL, id, 0, KERN_INVALID_RIGHT);
		CHECK_REFUSED_ASK(notify, MACH_PORT_DEAD, id, 0, KERN_INVALID_RIGHT);
		CHECK_REFUSED_ASK(notify, unused_name(), id, 0, KERN_INVALID_NAME);
		CHECK_REFUSED_ASK(notify, send, id, 0, KERN_INVALID_RIGHT);
		CHECK_REFUSED_ASK(notify, set, id, 0, KERN_INVALID_RIGHT);
		CHECK_REFUSED_ASK(notify, dead, id, 0, KERN_INVALID_RIGHT);
	}
	for (int i = 0; i < 2; i++) {
		int id = i ? NOTIFY_DEAD_NAME : NOTIFY_SEND_POSSIBLE;

		CHECK_REFUSED_ASK(notify, MACH_PORT_NULL, id, 1, KERN_INVALID_ARGUMENT);
		CHECK_REFUSED_ASK(notify, MACH_PORT_DEAD, id, 1, KERN_INVALID_ARGUMENT);
		CHECK_REFUSED_ASK(notify, unused_name(), id, 1, KERN_INVALID_NAME);
		CHECK_REFUSED_ASK(notify, set, id, 1, KERN_INVALID_RIGHT);
	}
	CHECK_REFUSED_ASK(notify, dead, NOTIFY_DEAD_NAME, 0, KERN_INVALID_ARGUMENT);
	CHECK_UREFS(dead, DEAD_NAME, 1);
}

TEST(request_to_a_bad_place)
{
	struct hole hole;
	name_t port, notify;

	mach_open();
	port = new_send_right();
	notify = new_port();
	hole_init(&hole);
	/* The request stays installed. */
	for (size_t room = 0; room < 4; room++)
		CHECK_RET(request_notification_in(self(), port, NOTIFY_DEAD_NAME, 0, notify,
						  MAKE_SEND_ONCE, fault_at(&hole, room)),
			  KERN_ABORTED);
	CHECK(type_of(port) & MACH_PORT_TYPE_DNREQUEST);
	destroy_receive(port);
	for (;;) {
		int32_t id = (int32_t)receive_id(notify);

		if (id == NOTIFY_DEAD_NAME)
			break;
		if (!CHECK_HEX(id, NOTIFY_SEND_ONCE))
			break;
	}
}

/* Dead names */

TEST(dead_name_comes_when_the_port_dies)
{
	mach_open();
	for (int urefs = 1; urefs < 4; urefs++) {
		name_t notify = new_port(), port = new_send_right();

		REQUIRE_RET(mod_refs(port, SEND, urefs - 1), KERN_SUCCESS);
		notify_on(notify, port, NOTIFY_DEAD_NAME, 0);
		CHECK_HEX(type_of(port), MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE |
			  MACH_PORT_TYPE_DNREQUEST);
		CHECK_EQ(port_status(notify).sorights, 1);
		destroy_receive(port);
		CHECK_TAKE(notify, NOTIFY_DEAD_NAME, port);
		CHECK_NO_MESSAGE(notify);
		/* One more reference came with it. */
		CHECK_UREFS(port, DEAD_NAME, urefs + 1);
		CHECK_HEX(type_of(port), MACH_PORT_TYPE_DEAD_NAME);
		CHECK_RET(mod_refs(port, DEAD_NAME, -(urefs + 1)), KERN_SUCCESS);
		CHECK_NO_MESSAGE(notify);
	}
}

TEST(dead_name_of_a_send_once_right)
{
	name_t notify, port, once;

	mach_open();
	notify = new_port();
	port = new_port();
	once = new_send_once(port);
	notify_on(notify, once, NOTIFY_DEAD_NAME, 0);
	CHECK_HEX(type_of(once), MACH_PORT_TYPE_SEND_ONCE | MACH_PORT_TYPE_DNREQUEST);
	destroy_receive(port);
	CHECK_TAKE(notify, NOTIFY_DEAD_NAME, once);
	CHECK_UREFS(once, DEAD_NAME, 2);
}

/* With a request its name is looked at first, and found dead. */
TEST(dead_name_is_no_destination_of_a_send_once_right)
{
	name_t notify, reply, port, once;
	int with_reply;

	mach_open();
	notify = new_port();
	reply = new_port();
	for (with_reply = 0; with_reply < 2; with_reply++) {
		port = new_port();
		once = new_send_once(port);
		notify_on(notify, once, NOTIFY_DEAD_NAME, 0);
		destroy_receive(port);
		if (with_reply)
			CHECK_RET(send_with_reply(once, MOVE_SEND_ONCE, reply, MAKE_SEND_ONCE, 1),
				  MACH_SEND_INVALID_DEST);
		else
			CHECK_RET(send_id(once, MOVE_SEND_ONCE, 1), MACH_SEND_INVALID_DEST);
		CHECK_UREFS(once, DEAD_NAME, 2);
		CHECK_TAKE(notify, NOTIFY_DEAD_NAME, once);
	}
	CHECK_NO_MESSAGE(reply);
}

TEST(dead_name_of_a_receive_right_alone)
{
	name_t notify, port;

	mach_open();
	notify = new_port();
	port = new_port();
	notify_on(notify, port, NOTIFY_DEAD_NAME, 0);
	CHECK_HEX(type_of(port), MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_DNREQUEST);
	destroy_receive(port);
	/* Whether the name dies with the port or lives on dead, one message tells of it. */
	(void)receive_id(notify);
	CHECK_NO_MESSAGE(notify);
	CHECK_EQ(port_status(notify).sorights, 0);
}

TEST(dead_name_at_once)
{
	name_t notify, dead;

	mach_open();
	notify = new_port();
	dead = new_dead_name();
	notify_on(notify, dead, NOTIFY_DEAD_NAME, 1);
	CHECK_TAKE(notify, NOTIFY_DEAD_NAME, dead);
	CHECK_UREFS(dead, DEAD_NAME, 2);
	notify_on(notify, dead, NOTIFY_SEND_POSSIBLE, 0);
	CHECK_TAKE(notify, NOTIFY_DEAD_NAME, dead);
	CHECK_UREFS(dead, DEAD_NAME, 3);
	notify_on(notify, dead, NOTIFY_SEND_POSSIBLE, 5);
	CHECK_TAKE(notify, NOTIFY_DEAD_NAME, dead);
	CHECK_UREFS(dead, DEAD_NAME, 4);
	CHECK_HEX(type_of(dead), MACH_PORT_TYPE_DEAD_NAME);
}

TEST(request_is_replaced)
{
	name_t first, second, port, previous;

	mach_open();
	first = new_port();
	second = new_port();
	port = new_send_right();
	notify_on(first, port, NOTIFY_DEAD_NAME, 0);
	CHECK_RET(request_notification(port, NOTIFY_DEAD_NAME, 0, second, MAKE_SEND_ONCE,
				       &previous), KERN_SUCCESS);
	REQUIRE(previous != MACH_PORT_NULL && previous != POISON32);
	CHECK(has_right(previous, SEND_ONCE));
	CHECK_NO_MESSAGE(first);
	CHECK_RET(send_id(previous, MOVE_SEND_ONCE, 44), 0);
	CHECK_EQ(receive_id(first), 44);
	destroy_receive(port);
	CHECK_TAKE(second, NOTIFY_DEAD_NAME, port);
	CHECK_NO_MESSAGE(first);
}

TEST(request_with_a_moved_right)
{
	name_t notify, port, once, previous;

	mach_open();
	notify = new_port();
	port = new_send_right();
	once = new_send_once(notify);
	CHECK_RET(request_notification(port, NOTIFY_DEAD_NAME, 0, once, MOVE_SEND_ONCE, &previous),
		  KERN_SUCCESS);
	CHECK_EQ(previous, MACH_PORT_NULL);
	CHECK_UNKNOWN(once);
	CHECK_EQ(port_status(notify).sorights, 1);
	destroy_receive(port);
	CHECK_TAKE(notify, NOTIFY_DEAD_NAME, port);
}

TEST(port_deleted_when_the_name_goes)
{
	name_t notify, port, once;

	mach_open();
	notify = new_port();

	/* The last reference of a send right whose receive right is not there */
	port = host_self();
	REQUIRE_RET(ask(notify, port, NOTIFY_DEAD_NAME, 0), KERN_SUCCESS);
	while (mod_refs(port, SEND, -1) == KERN_SUCCESS)
		;
	CHECK_TAKE(notify, NOTIFY_PORT_DELETED, port);
	CHECK_UNKNOWN(port);

	/* A send-once right dropped, and one used */
	for (int used = 0; used < 2; used++) {
		port = new_port();
		once = new_send_once(port);
		notify_on(notify, once, NOTIFY_DEAD_NAME, 0);
		CHECK_RET(used ? send_id(once, MOVE_SEND_ONCE, 3) : deallocate(once), 0);
		CHECK_TAKE(notify, NOTIFY_PORT_DELETED, once);
		CHECK_EQ(receive_id(port), used ? 3 : NOTIFY_SEND_ONCE);
		CHECK_NO_MESSAGE(notify);
	}
}

/* No senders */

TEST(no_senders_when_the_last_right_goes)
{
	mach_open();
	for (uint32_t made = 1; made < 4; made++) {
		name_t notify = new_port(), port = new_port();

		for (uint32_t i = 0; i < made; i++)
			REQUIRE_RET(insert_right(port, port, MAKE_SEND), KERN_SUCCESS);
		notify_on(notify, port, NOTIFY_NO_SENDERS, 0);
		for (uint32_t i = 0; i < made; i++) {
			CHECK_NO_MESSAGE(notify);
			CHECK_RET(deallocate(port), KERN_SUCCESS);
		}
		CHECK_TAKE(notify, NOTIFY_NO_SENDERS, made);
		/* Once only */
		REQUIRE_RET(insert_right(port, port, MAKE_SEND), KERN_SUCCESS);
		CHECK_RET(deallocate(port), KERN_SUCCESS);
		CHECK_NO_MESSAGE(notify);
		CHECK(has_right(port, RECEIVE));
	}
}

TEST(no_senders_at_once)
{
	name_t notify, port, previous;

	mach_open();
	notify = new_port();
	port = new_port();
	notify_on(notify, port, NOTIFY_NO_SENDERS, 0);
	CHECK_TAKE(notify, NOTIFY_NO_SENDERS, 0);
	CHECK_EQ(port_status(port).nsrequest, 0);
	/*
	 * So many rights were not made yet: not at once, but as XNU's
	 * ipc_port_release_send() has it, whenever the next last right goes.
	 */
	notify_on(notify, port, NOTIFY_NO_SENDERS, 2);
	CHECK_NO_MESSAGE(notify);
	CHECK_EQ(port_status(port).nsrequest, 1);
	REQUIRE_RET(insert_right(port, port, MAKE_SEND), KERN_SUCCESS);
	CHECK_RET(deallocate(port), KERN_SUCCESS);
	CHECK_TAKE(notify, NOTIFY_NO_SENDERS, 1);
	/* One that is told at once leaves the old one's right to the caller. */
	notify_on(notify, port, NOTIFY_NO_SENDERS, 100);
	CHECK_RET(request_notification(port, NOTIFY_NO_SENDERS, 1, notify, MAKE_SEND_ONCE,
				       &previous), KERN_SUCCESS);
	CHECK_TAKE(notify, NOTIFY_NO_SENDERS, 1);
	CHECK(previous != MACH_PORT_NULL && has_right(previous, SEND_ONCE));
	CHECK_EQ(port_status(port).nsrequest, 0);
}

/* Destroying the name drops the send right first; losing the receive right alone does not. */
TEST(no_senders_with_the_receive_right)
{
	name_t notify, port;

	mach_open();
	notify = new_port();
	port = new_send_right();
	notify_on(notify, port, NOTIFY_NO_SENDERS, 0);
	CHECK_RET(port_destroy(port), KERN_SUCCESS);
	CHECK_TAKE(notify, NOTIFY_NO_SENDERS, 1);
	CHECK_NO_MESSAGE(notify);

	port = new_send_right();
	notify_on(notify, port, NOTIFY_NO_SENDERS, 0);
	CHECK_RET(port_destruct(port, -1, 0), KERN_SUCCESS);
	CHECK_TAKE(notify, NOTIFY_NO_SENDERS, 1);
	CHECK_NO_MESSAGE(notify);

	port = new_send_right();
	notify_on(notify, port, NOTIFY_NO_SENDERS, 0);
	destroy_receive(port);
	CHECK_TAKE(notify, NOTIFY_SEND_ONCE, 0);
	CHECK_NO_MESSAGE(notify);
	CHECK_UREFS(port, DEAD_NAME, 1);
}

TEST(no_senders_counts_rights_in_messages)
{
	name_t notify, port, queue;

	mach_open();
	notify = new_port();
	port = new_send_right();
	queue = new_port();
	notify_on(notify, port, NOTIFY_NO_SENDERS, 1);
	CHECK_RET(send_with_reply(queue, MAKE_SEND, port, MOVE_SEND, 6), 0);
	CHECK_NO_MESSAGE(notify);
	/* The message dies with its queue. */
	destroy_receive(queue);
	CHECK_TAKE(notify, NOTIFY_NO_SENDERS, 1);
}

TEST(no_senders_by_delivery)
{
	name_t notify, port;

	mach_open();
	notify = new_port();
	port = new_send_right();
	notify_on(notify, port, NOTIFY_NO_SENDERS, 0);
	CHECK_RET(send_id(port, MOVE_SEND, 6), 0);
	CHECK_NO_MESSAGE(notify);
	CHECK_EQ(receive_id(port), 6);
	CHECK_TAKE(notify, NOTIFY_NO_SENDERS, 1);
}

TEST(no_senders_to_the_port_itself)
{
	name_t port;

	mach_open();
	port = new_send_right();
	notify_on(port, port, NOTIFY_NO_SENDERS, 0);
	CHECK_RET(deallocate(port), KERN_SUCCESS);
	CHECK_TAKE(port, NOTIFY_NO_SENDERS, 1);
}

TEST(send_once_rights_are_no_senders)
{
	name_t notify, port, once;

	mach_open();
	notify = new_port();
	port = new_port();
	once = new_send_once(port);
	notify_on(notify, port, NOTIFY_NO_SENDERS, 0);
	CHECK_TAKE(notify, NOTIFY_NO_SENDERS, 0);
	CHECK(has_right(once, SEND_ONCE));
}

static void hold_until_told(struct peer_side *side)
{
	struct message message;

	/* The send right to the parent's port is this process' only one. */
	CHECK_RET(msg_receive_blocking(&message, side->own), 0);
}

TEST(no_senders_when_a_task_exits)
{
	struct peer peer;
	name_t notify;
	uint32_t made;

	mach_open();
	notify = new_port();
	peer_start(&peer, hold_until_told, NULL);
	/* The bootstrap port is a send right of our own. */
	bootstrap_set(MACH_PORT_NULL, COPY_SEND);
	made = port_status(peer.service).mscount;
	notify_on(notify, peer.service, NOTIFY_NO_SENDERS, 0);
	CHECK_NO_MESSAGE(notify);
	CHECK_RET(send_id(peer.port, COPY_SEND, 1), 0);
	WAIT_CHILD_OK(peer.pid);
	{
		struct message message;

		REQUIRE_RET(msg_receive_within(&message, notify, 5000), 0);
		CHECK_HEX(message.header.id, NOTIFY_NO_SENDERS);
		CHECK_EQ(message.body[2], made);
	}
	CHECK_UREFS(peer.port, DEAD_NAME, 1);
}

TEST(dead_name_when_a_task_exits)
{
	struct message message;
	struct peer peer;
	name_t notify;

	mach_open();
	notify = new_port();
	peer_start(&peer, hold_until_told, NULL);
	notify_on(notify, peer.port, NOTIFY_DEAD_NAME, 0);
	kill_child(peer.pid);
	REQUIRE_RET(msg_receive_within(&message, notify, 5000), 0);
	CHECK_HEX(message.header.id, NOTIFY_DEAD_NAME);
	CHECK_HEX(message.body[2], peer.port);
	CHECK_UREFS(peer.port, DEAD_NAME, 2);
}

/* Port destroyed */

TEST(port_destroyed_gives_the_right_away)
{
	mach_open();
	for (int urefs = 0; urefs < 3; urefs++)
		for (int way = 0; way < 3; way++) {
			name_t notify = new_port(), port = new_port(), got;

			for (int i = 0; i < urefs; i++)
				insert_right(port, port, MAKE_SEND);
			CHECK_RET(send_id(port, MAKE_SEND, 31), 0);
			notify_on(notify, port, NOTIFY_PORT_DESTROYED, 0);
			CHECK_RET(way == 0 ? mod_refs(port, RECEIVE, -1) :
				  way == 1 ? port_destroy(port) : port_destruct(port, 0, 0),
				  KERN_SUCCESS);
			/* The port lives; its send right is one still. */
			if (urefs && way != 1)
				CHECK_HEX(type_of(port), MACH_PORT_TYPE_SEND);
			else
				CHECK_UNKNOWN(port);
			got = TAKE(notify, NOTIFY_PORT_DESTROYED);
			REQUIRE(got != 0 && got != MACH_PORT_DEAD);
			if (urefs && way != 1) {
				CHECK_HEX(got, port);
				CHECK_SEND_UREFS(got, urefs);
			}
			CHECK(has_right(got, RECEIVE));
			CHECK_EQ(port_status(got).pdrequest, 0);
			/* What was queued came along. */
			CHECK_EQ(receive_id(got), 31);
			/* Now it dies. */
			CHECK_RET(port_destroy(got), KERN_SUCCESS);
			CHECK_NO_MESSAGE(notify);
		}
}

/* Also when it dies in a message that dies with its queue */
TEST(port_destroyed_of_a_right_in_a_queue)
{
	struct {
		struct header header;
		uint32_t count;
		struct port_descriptor port;
	} message = {
		.header = { MSGH_BITS(MAKE_SEND, 0) | MSGH_COMPLEX, 0, 0, 0, 0, 9 },
		.count = 1,
	};
	name_t notify, port, queue, got;

	mach_open();
	for (int dead = 0; dead < 2; dead++) {
		notify = new_port();
		queue = new_port();
		port = new_send_right();
		notify_on(notify, port, NOTIFY_PORT_DESTROYED, 0);
		message.header.remote = queue;
		message.port = (struct port_descriptor)PORT_DESCRIPTOR(port, MOVE_RECEIVE);
		REQUIRE_RET(mach_msg(&message, MACH_SEND_MSG, sizeof(message), 0, 0, 0), 0);
		if (dead)
			destroy_receive(notify);
		destroy_receive(queue);
		if (dead) {
			CHECK_UREFS(port, DEAD_NAME, 1);
			continue;
		}
		got = TAKE(notify, NOTIFY_PORT_DESTROYED);
		CHECK_HEX(got, port);
		CHECK(has_right(got, RECEIVE));
		CHECK_SEND_UREFS(got, 1);
		CHECK_NO_MESSAGE(notify);
	}
}

/* A message that is dropped loses its rights in order: here the last send right goes first. */
TEST(no_senders_of_a_right_in_a_dropped_message)
{
	mach_open();
	for (int in_body = 0; in_body < 2; in_body++) {
		name_t notify = new_port(), queue = new_port(), port = new_send_right();
		struct {
			struct header header;
			uint32_t count;
			struct port_descriptor rights[2];
		} message = {
			.header = {
				.bits = MSGH_COMPLEX | MSGH_BITS(MAKE_SEND, in_body ? 0 : MOVE_SEND),
				.remote = queue, .local = in_body ? 0 : port, .id = 5,
			},
			.count = in_body ? 2 : 1,
			.rights = {
				PORT_DESCRIPTOR(port, in_body ? MOVE_SEND : MOVE_RECEIVE),
				PORT_DESCRIPTOR(port, MOVE_RECEIVE),
			},
		};
		uint32_t size = HEADER_SIZE + 4 + 12 * message.count;

		notify_on(notify, port, NOTIFY_NO_SENDERS, 0);
		REQUIRE_RET(mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, size, 0, 0, 0), 0);
		CHECK_NO_MESSAGE(notify);
		destroy_receive(queue);
		CHECK_TAKE(notify, NOTIFY_NO_SENDERS, 0);
		CHECK_NO_MESSAGE(notify);
	}
}

TEST(port_destroyed_is_asked_for_once)
{
	name_t notify, port;

	mach_open();
	notify = new_port();
	port = new_port();
	notify_on(notify, port, NOTIFY_PORT_DESTROYED, 0);
	CHECK_REFUSED_ASK(notify, port, NOTIFY_PORT_DESTROYED, 0, KERN_FAILURE);
	CHECK_EQ(port_status(port).pdrequest, 1);
	CHECK_EQ(port_status(notify).sorights, 1);
}

TEST(port_destroyed_while_its_port_dies)
{
	name_t notify, port;

	mach_open();
	notify = new_port();
	port = new_send_right();
	notify_on(notify, port, NOTIFY_PORT_DESTROYED, 0);
	destroy_receive(notify);
	destroy_receive(port);
	CHECK_UREFS(port, DEAD_NAME, 1);

	/* To itself: it cannot be in its own queue. */
	port = new_send_right();
	notify_on(port, port, NOTIFY_PORT_DESTROYED, 0);
	destroy_receive(port);
	CHECK_UREFS(port, DEAD_NAME, 1);

	/* To each other */
	port = new_send_right();
	notify = new_send_right();
	notify_on(notify, port, NOTIFY_PORT_DESTROYED, 0);
	notify_on(port, notify, NOTIFY_PORT_DESTROYED, 0);
	destroy_receive(port);
	destroy_receive(notify);
}

TEST(requests_are_released_with_the_port)
{
	name_t notify, port;

	mach_open();
	notify = new_port();
	port = new_send_right();
	notify_on(notify, port, NOTIFY_NO_SENDERS, 5);
	destroy_receive(port);
	CHECK_TAKE(notify, NOTIFY_SEND_ONCE, 0);
	CHECK_NO_MESSAGE(notify);
}

/* Send possible */

/* Messages go first, then it is told that the port is dead, then who asked for something else. */
TEST(order_when_a_port_dies)
{
	name_t port, notify, previous;

	mach_open();
	for (int mod = 0; mod < 2; mod++) {
		port = new_send_right();
		notify = new_port();
		CHECK_RET(request_notification(port, NOTIFY_NO_SENDERS, 0, notify, MAKE_SEND_ONCE,
					       &previous), KERN_SUCCESS);
		CHECK_RET(request_notification(port, NOTIFY_DEAD_NAME, 0, notify, MAKE_SEND_ONCE,
					       &previous), KERN_SUCCESS);
		CHECK_RET(send_with_reply(port, COPY_SEND, notify, MAKE_SEND_ONCE, 1), 0);
		CHECK_RET(send_with_reply(port, COPY_SEND, notify, MAKE_SEND_ONCE, 2), 0);
		CHECK_RET(mod ? mod_refs(port, RECEIVE, -1) : port_destruct(port, 0, 0),
			  KERN_SUCCESS);
		CHECK_NOTIFIED(notify, NOTIFY_SEND_ONCE);
		CHECK_NOTIFIED(notify, NOTIFY_SEND_ONCE);
		CHECK_NOTIFIED(notify, NOTIFY_DEAD_NAME);
		CHECK_NOTIFIED(notify, NOTIFY_SEND_ONCE);
		CHECK_NO_MESSAGE(notify);
		CHECK_UREFS(port, DEAD_NAME, 2);
	}
}

TEST(send_possible_at_once)
{
	name_t notify, port, once;

	mach_open();
	notify = new_port();
	port = new_send_right();
	notify_on(notify, port, NOTIFY_SEND_POSSIBLE, 1);
	CHECK_TAKE(notify, NOTIFY_SEND_POSSIBLE, port);
	CHECK_EQ(port_status(notify).sorights, 0);
	/* To a send-once right a message can be sent always. */
	once = new_send_once(port);
	fill_queue(port);
	notify_on(notify, once, NOTIFY_SEND_POSSIBLE, 1);
	CHECK_TAKE(notify, NOTIFY_SEND_POSSIBLE, once);
	/* And to the kernel */
	REQUIRE_RET(ask(notify, self(), NOTIFY_SEND_POSSIBLE, 1), KERN_SUCCESS);
	CHECK_TAKE(notify, NOTIFY_SEND_POSSIBLE, self());
	CHECK_NO_MESSAGE(notify);
}

static long send_notify(name_t port, int32_t id)
{
	struct message message;

	message_init(&message, MSGH_BITS(COPY_SEND, 0), port, 0, id);
	return mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT | MACH_SEND_NOTIFY,
			HEADER_SIZE, 0, 0, 0);
}

TEST(send_possible_of_a_full_queue)
{
	name_t notify, port;

	mach_open();
	notify = new_port();
	port = new_send_right();
	fill_queue(port);
	notify_on(notify, port, NOTIFY_SEND_POSSIBLE, 1);
	CHECK_NO_MESSAGE(notify);
	CHECK_EQ(receive_id(port), 0);
	CHECK_TAKE(notify, NOTIFY_SEND_POSSIBLE, port);
	/* That was it: the name has no request any more. */
	CHECK_HEX(type_of(port), MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE);
	CHECK_EQ(receive_id(port), 1);
	CHECK_NO_MESSAGE(notify);
}

TEST(send_possible_is_armed_by_a_send)
{
	name_t notify, port;

	mach_open();
	notify = new_port();
	port = new_send_right();
	notify_on(notify, port, NOTIFY_SEND_POSSIBLE, 0);
	CHECK_RET(send_notify(port, 50), 0);
	CHECK_EQ(receive_id(port), 50);
	CHECK_NO_MESSAGE(notify);
	fill_queue(port);
	/* Without the option it stays as it is. */
	{
		struct message message;

		message_init(&message, MSGH_BITS(COPY_SEND, 0), port, 0, 51);
		CHECK_RET(msg_send_within(&message, HEADER_SIZE, 0), MACH_SEND_TIMED_OUT);
	}
	CHECK_EQ(receive_id(port), 0);
	CHECK_NO_MESSAGE(notify);
	CHECK_RET(send_notify(port, 52), 0);
	CHECK_RET(send_notify(port, 53), MACH_SEND_TIMED_OUT);
	CHECK_NO_MESSAGE(notify);
	CHECK_EQ(receive_id(port), 1);
	CHECK_TAKE(notify, NOTIFY_SEND_POSSIBLE, port);
	CHECK_RET(send_notify(port, 54), 0);
	CHECK_RET(send_notify(port, 55), MACH_SEND_TIMED_OUT);
	CHECK_EQ(receive_id(port), 2);
	CHECK_NO_MESSAGE(notify);
}

/* A send that is refused, or goes by a send-once right, arms nothing. */
TEST(send_possible_is_not_armed_in_vain)
{
	name_t notify, port;
	struct message message;

	mach_open();
	notify = new_port();
	port = new_send_right();
	notify_on(notify, port, NOTIFY_SEND_POSSIBLE, 0);
	fill_queue(port);
	message_init(&message, MSGH_BITS(COPY_SEND, COPY_SEND), port, unused_name(), 60);
	CHECK_RET(mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT | MACH_SEND_NOTIFY,
			   HEADER_SIZE, 0, 0, 0), MACH_SEND_INVALID_REPLY);
	message_init(&message, MSGH_BITS(MAKE_SEND_ONCE, 0), port, 0, 61);
	CHECK_RET(mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT | MACH_SEND_NOTIFY,
			   HEADER_SIZE, 0, 0, 0), 0);
	for (int i = 0; i < MACH_PORT_QLIMIT_BASIC; i++)
		CHECK_EQ(receive_id(port), i);
	CHECK_EQ(receive_id(port), 61);
	CHECK_NO_MESSAGE(notify);
}

TEST(send_possible_of_a_dying_port)
{
	mach_open();
	for (int full = 0; full < 2; full++) {
		name_t notify = new_port(), port = new_send_right();

		if (full)
			fill_queue(port);
		notify_on(notify, port, NOTIFY_SEND_POSSIBLE, (uint32_t)full);
		destroy_receive(port);
		CHECK_TAKE(notify, NOTIFY_DEAD_NAME, port);
		CHECK_UREFS(port, DEAD_NAME, 2);
		CHECK_NO_MESSAGE(notify);
	}
}

#define ARMING	6

struct arming {
	struct gate armed;
	int number;
};

/* One in the middle, the first and the last take their request back by dropping the name. */
static void arm_in_child(void *argument)
{
	struct arming *arming = argument;
	int number = arming->number;
	struct message message;
	name_t notify, port;

	mach_open();
	port = bootstrap_get();
	notify = new_port();
	notify_on(notify, port, NOTIFY_SEND_POSSIBLE, (uint32_t)number % 2);
	CHECK_RET(send_notify(port, number), MACH_SEND_TIMED_OUT);
	/* The message came back with its right. */
	CHECK_SEND_UREFS(port, 2);
	gate_open(&arming->armed);
	if (number == 0 || number == 3 || number == ARMING - 1) {
		CHECK_RET(port_destroy(port), KERN_SUCCESS);
		CHECK_TAKE(notify, NOTIFY_PORT_DELETED, port);
		gate_open(&arming->armed);
		return;
	}
	REQUIRE_RET(msg_receive_within(&message, notify, 30000), 0);
	CHECK_EQ(message.header.id, NOTIFY_SEND_POSSIBLE);
	CHECK_NO_MESSAGE(notify);
}

TEST(send_possible_is_told_to_all_who_wait)
{
	struct arming arming;
	pid_t pids[ARMING];
	name_t port;

	mach_open();
	port = new_send_right();
	bootstrap_set(port, COPY_SEND);
	for (int round = 0; round < 2; round++) {
		gate_init(&arming.armed);
		fill_queue(port);
		for (arming.number = 0; arming.number < ARMING; arming.number++) {
			pids[arming.number] = start_child(arm_in_child, &arming);
			gate_pass(&arming.armed);
		}
		for (int i = 0; i < 3; i++)
			gate_pass(&arming.armed);
		CHECK_EQ(receive_id(port), 0);
		for (int i = 0; i < ARMING; i++)
			WAIT_CHILD_OK(pids[i]);
		for (int i = 1; i < MACH_PORT_QLIMIT_BASIC; i++)
			CHECK_EQ(receive_id(port), i);
	}
}

TEST(type_hides_send_possible)
{
	name_t notify, port;

	mach_open();
	notify = new_port();
	port = new_send_right();
	notify_on(notify, port, NOTIFY_SEND_POSSIBLE, 0);
	CHECK_HEX(type_of(port) & ~MACH_PORT_TYPE_DNREQUEST,
		  MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE);
}

/* Send-once */

TEST(send_once_rights_are_missed)
{
	name_t port, once, queue;

	mach_open();
	port = new_port();
	for (int way = 0; way < 4; way++) {
		once = new_send_once(port);
		if (way == 0) {
			CHECK_RET(deallocate(once), KERN_SUCCESS);
		} else if (way == 1) {
			CHECK_RET(mod_refs(once, SEND_ONCE, -1), KERN_SUCCESS);
		} else if (way == 2) {
			CHECK_RET(port_destroy(once), KERN_SUCCESS);
		} else {
			queue = new_port();
			CHECK_RET(send_with_reply(queue, MAKE_SEND, once, MOVE_SEND_ONCE, 1), 0);
			CHECK_NO_MESSAGE(port);
			destroy_receive(queue);
		}
		CHECK_TAKE(port, NOTIFY_SEND_ONCE, 0);
		CHECK_NO_MESSAGE(port);
		CHECK_UNKNOWN(once);
	}
}

/* Notifications ignore the limit of the queue. */
TEST(notifications_enter_a_full_queue)
{
	name_t notify, port[40];

	mach_open();
	REQUIRE_RET(port_construct(MPO_QLIMIT, 0, 0, &notify), KERN_SUCCESS);
	for (size_t i = 0; i < ARRAY_SIZE(port); i++) {
		port[i] = new_send_right();
		notify_on(notify, port[i], NOTIFY_DEAD_NAME, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(port); i++)
		destroy_receive(port[i]);
	for (size_t i = 0; i < ARRAY_SIZE(port); i++)
		CHECK_TAKE(notify, NOTIFY_DEAD_NAME, port[i]);
	CHECK_NO_MESSAGE(notify);
}

/* A request does not travel with a receive right: it is the old space's names' own. */
TEST(requests_of_many_names_on_one_port)
{
	enum { MANY = 300 };
	static name_t once[MANY];
	name_t port, notify;

	mach_open();
	port = new_send_right();
	notify = new_port();
	for (int i = 0; i < MANY; i++) {
		once[i] = new_send_once(port);
		notify_on(notify, once[i], NOTIFY_DEAD_NAME, 0);
	}
	for (int i = 0; i < MANY; i += 2) {
		CHECK_RET(deallocate(once[i]), KERN_SUCCESS);
		CHECK_TAKE(notify, NOTIFY_PORT_DELETED, once[i]);
		CHECK_TAKE(port, NOTIFY_SEND_ONCE, 0);
	}
	destroy_receive(port);
	for (int i = 1; i < MANY; i += 2) {
		uint32_t word = TAKE(notify, NOTIFY_DEAD_NAME);
		int j;

		for (j = 1; j < MANY && once[j] != word; j += 2)
			;
		CHECK(j < MANY);
		CHECK_UREFS(word, DEAD_NAME, 2);
		CHECK_RET(mod_refs(word, DEAD_NAME, -2), KERN_SUCCESS);
	}
	CHECK_NO_MESSAGE(notify);
}

/* Requests of names that their task leaves behind are dropped with it. */
TEST(requests_end_with_their_task)
{
	mach_open();
	for (int i = 0; i < 20; i++) {
		name_t notify = new_port(), port = new_send_right();

		notify_on(notify, port, NOTIFY_DEAD_NAME, 0);
		notify_on(notify, port, NOTIFY_NO_SENDERS, 7);
		notify_on(port, port, NOTIFY_PORT_DESTROYED, 0);
		notify_on(port, notify, NOTIFY_DEAD_NAME, 0);
		notify_on(port, notify, NOTIFY_PORT_DESTROYED, 0);
	}
}
