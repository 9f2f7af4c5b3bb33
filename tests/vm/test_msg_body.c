// SPDX-License-Identifier: GPL-2.0
/*
 * Rights in the body of a message: port descriptors.
 * time limit: 300 s
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

#define BODY_PORTS	20u

/* A message with port descriptors and, behind them, a word of plain data. */
struct carrier {
	struct header header;
	uint32_t count;
	struct port_descriptor port[BODY_PORTS];
	uint32_t room[32];
};

static uint32_t carrier_size(uint32_t count)
{
	return HEADER_SIZE + 4 + count * (uint32_t)sizeof(struct port_descriptor) + 4;
}

static void carrier_init(struct carrier *carrier, name_t remote, int disposition, uint32_t count)
{
	poison(carrier, sizeof(*carrier));
	carrier->header = (struct header){
		.bits = MSGH_COMPLEX | MSGH_BITS(disposition, 0),
		.remote = remote,
		.id = 5,
	};
	carrier->count = count;
}

static void carry(struct carrier *carrier, uint32_t at, name_t name, int disposition)
{
	carrier->port[at] = (struct port_descriptor)PORT_DESCRIPTOR(name, disposition);
}

static long send_carrier(struct carrier *carrier)
{
	return mach_msg(carrier, MACH_SEND_MSG | MACH_SEND_TIMEOUT, carrier_size(carrier->count), 0,
			0, 0);
}

static long receive_carrier(struct carrier *carrier, name_t port)
{
	poison(carrier, sizeof(*carrier));
	return mach_msg(carrier, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(*carrier), port, 0);
}

static int disposition_of(const struct port_descriptor *descriptor)
{
	return (int)(descriptor->pad16_disposition_type >> 16 & 0xff);
}

/* Sends one right to @port and receives it; returns the name it arrived under. */
static name_t through(name_t port, name_t name, int disposition, int arrives_as)
{
	struct carrier carrier;

	carrier_init(&carrier, port, MAKE_SEND, 1);
	carry(&carrier, 0, name, disposition);
	if (!CHECK_RET(send_carrier(&carrier), 0) || !CHECK_RET(receive_carrier(&carrier, port), 0))
		return MACH_PORT_NULL;
	CHECK_HEX(carrier.header.bits, MSGH_COMPLEX | MSGH_BITS(0, MOVE_SEND));
	CHECK_EQ(carrier.count, 1);
	CHECK_EQ(carrier.port[0].pad16_disposition_type >> 24, MSG_PORT_DESCRIPTOR);
	CHECK_EQ(disposition_of(&carrier.port[0]), arrives_as);
	CHECK_EQ(carrier.header.size, carrier_size(1));
	return carrier.port[0].name;
}

TEST(each_disposition)
{
	name_t port, other, once, name;

	mach_open();
	port = new_port();
	other = new_port();
	CHECK_HEX(through(port, other, MAKE_SEND, MOVE_SEND), other);
	CHECK_SEND_UREFS(other, 1);
	CHECK_HEX(through(port, other, COPY_SEND, MOVE_SEND), other);
	CHECK_SEND_UREFS(other, 2);
	CHECK_HEX(through(port, other, MOVE_SEND, MOVE_SEND), other);
	CHECK_SEND_UREFS(other, 2);
	once = through(port, other, MAKE_SEND_ONCE, MOVE_SEND_ONCE);
	CHECK(once != other && has_right(once, SEND_ONCE));
	name = through(port, once, MOVE_SEND_ONCE, MOVE_SEND_ONCE);
	CHECK(has_right(name, SEND_ONCE));
	CHECK_RET(deallocate(name), KERN_SUCCESS);
	CHECK_NOTIFIED(other, NOTIFY_SEND_ONCE);
	/* The send rights hold the name for the receive right. */
	CHECK_HEX(through(port, other, MOVE_RECEIVE, MOVE_RECEIVE), other);
	CHECK(has_right(other, RECEIVE));
	CHECK_SEND_UREFS(other, 2);
	CHECK_NO_MESSAGE(port);
	CHECK_NO_MESSAGE(other);
}

TEST(null_and_dead_names_go_through)
{
	name_t port, dead;

	mach_open();
	port = new_port();
	for (int disposition = MOVE_SEND; disposition <= MAKE_SEND_ONCE; disposition++) {
		struct carrier carrier;

		carrier_init(&carrier, port, MAKE_SEND, 2);
		carry(&carrier, 0, MACH_PORT_NULL, disposition);
		carry(&carrier, 1, MACH_PORT_DEAD, disposition);
		CHECK_RET(send_carrier(&carrier), 0);
		CHECK_RET(receive_carrier(&carrier, port), 0);
		CHECK_HEX(carrier.port[0].name, MACH_PORT_NULL);
		CHECK_HEX(carrier.port[1].name, MACH_PORT_DEAD);
	}
	/* By whatever disposition */
	for (int disposition = 0; disposition < 256; disposition++) {
		if (disposition >= MOVE_RECEIVE && disposition <= MAKE_SEND_ONCE)
			continue;
		CHECK_HEX(through(port, MACH_PORT_NULL, disposition, 0), MACH_PORT_NULL);
		CHECK_HEX(through(port, MACH_PORT_DEAD, disposition, 0), MACH_PORT_DEAD);
	}
	dead = new_dead_name();
	CHECK_HEX(through(port, dead, COPY_SEND, MOVE_SEND), MACH_PORT_DEAD);
	CHECK_UREFS(dead, DEAD_NAME, 1);
	CHECK_HEX(through(port, dead, MOVE_SEND, MOVE_SEND), MACH_PORT_DEAD);
	CHECK_UNKNOWN(dead);
}

TEST(rights_that_die_underway)
{
	struct carrier carrier;
	name_t port, other;

	mach_open();
	port = new_port();
	other = new_port();
	carrier_init(&carrier, port, MAKE_SEND, 2);
	carry(&carrier, 0, other, MAKE_SEND);
	carry(&carrier, 1, other, MAKE_SEND_ONCE);
	CHECK_RET(send_carrier(&carrier), 0);
	destroy_receive(other);
	CHECK_RET(receive_carrier(&carrier, port), 0);
	CHECK_HEX(carrier.port[0].name, MACH_PORT_DEAD);
	CHECK_HEX(carrier.port[1].name, MACH_PORT_DEAD);
}

TEST(many_descriptors_and_data)
{
	struct carrier carrier;
	name_t port, others[BODY_PORTS];

	mach_open();
	port = new_port();
	carrier_init(&carrier, port, MAKE_SEND, BODY_PORTS);
	for (uint32_t i = 0; i < BODY_PORTS; i++) {
		others[i] = new_port();
		carry(&carrier, i, others[i], MAKE_SEND);
	}
	carrier.room[0] = 0x12345678;
	CHECK_RET(send_carrier(&carrier), 0);
	CHECK_RET(receive_carrier(&carrier, port), 0);
	CHECK_EQ(carrier.count, BODY_PORTS);
	CHECK_HEX(carrier.room[0], 0x12345678);
	for (uint32_t i = 0; i < BODY_PORTS; i++) {
		CHECK_HEX(carrier.port[i].name, others[i]);
		CHECK_SEND_UREFS(others[i], 1);
	}
}

TEST(no_descriptors_at_all)
{
	struct carrier carrier;
	name_t port;

	mach_open();
	port = new_port();
	carrier_init(&carrier, port, MAKE_SEND, 0);
	CHECK_RET(mach_msg(&carrier, MACH_SEND_MSG, HEADER_SIZE + 4, 0, 0, 0), 0);
	CHECK_RET(receive_carrier(&carrier, port), 0);
	CHECK_EQ(carrier.header.size, HEADER_SIZE + 4);
	CHECK_EQ(carrier.count, 0);
}

TEST(receive_right_takes_its_messages_along)
{
	name_t port, other, name;

	mach_open();
	port = new_port();
	other = new_port();
	for (int i = 0; i < 3; i++)
		CHECK_RET(send_id(other, MAKE_SEND, i), 0);
	name = through(port, other, MOVE_RECEIVE, MOVE_RECEIVE);
	CHECK(has_right(name, RECEIVE));
	if (name != other)
		CHECK_UNKNOWN(other);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(receive_id(name), i);
}

/* Failures */

TEST(descriptors_outside_the_message)
{
	static const uint32_t counts[] = { 3, 4, 100, 0x10000, 0x15555556, 0x7fffffff, 0xffffffff };
	struct carrier carrier;
	name_t port;

	mach_open();
	port = new_send_right();
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		carrier_init(&carrier, port, COPY_SEND, counts[i]);
		for (uint32_t j = 0; j < BODY_PORTS; j++)
			carry(&carrier, j, port, COPY_SEND);
		CHECK_RET(mach_msg(&carrier, MACH_SEND_MSG, carrier_size(2), 0, 0, 0),
			  MACH_SEND_MSG_TOO_SMALL);
	}
	CHECK_SEND_UREFS(port, 1);
	CHECK_NO_MESSAGE(port);
}

TEST(descriptors_of_unknown_type)
{
	struct carrier carrier;
	name_t port, other;

	mach_open();
	port = new_send_right();
	other = new_send_right();
	for (uint32_t type = 5; type < 256; type += 10) {
		carrier_init(&carrier, port, COPY_SEND, 2);
		carry(&carrier, 0, other, MOVE_SEND);
		carry(&carrier, 1, other, COPY_SEND);
		carrier.port[1].pad16_disposition_type |= type << 24;
		CHECK_RET(send_carrier(&carrier), MACH_SEND_INVALID_TYPE);
		/* Found before any right is taken from the body. */
		CHECK_SEND_UREFS(other, 1);
	}
	CHECK_NO_MESSAGE(port);
}

TEST(rights_that_are_not_there)
{
	struct carrier carrier;
	name_t port, other;

	mach_open();
	port = new_send_right();
	other = new_port();
	for (int disposition = 0; disposition < 32; disposition++) {
		if (disposition == MOVE_RECEIVE || disposition == MAKE_SEND ||
		    disposition == MAKE_SEND_ONCE)
			continue;
		carrier_init(&carrier, port, COPY_SEND, 1);
		carry(&carrier, 0, other, disposition);
		CHECK_RET(send_carrier(&carrier), MACH_SEND_INVALID_RIGHT);
	}
	for (int disposition = MOVE_RECEIVE; disposition <= MAKE_SEND_ONCE; disposition++) {
		carrier_init(&carrier, port, COPY_SEND, 1);
		carry(&carrier, 0, unused_name(), disposition);
		CHECK_RET(send_carrier(&carrier), MACH_SEND_INVALID_RIGHT);
		carry(&carrier, 0, new_port_set(), disposition);
		CHECK_RET(send_carrier(&carrier), MACH_SEND_INVALID_RIGHT);
	}
	CHECK(has_right(other, RECEIVE));
	CHECK_NO_MESSAGE(port);
}

/* Rights already taken are destroyed, and so are those of the header. */
TEST(failure_in_the_middle)
{
	struct carrier carrier;
	name_t port, reply, other, gone;

	mach_open();
	port = new_send_right();
	reply = new_port();
	other = new_send_right();
	gone = new_port();
	carrier_init(&carrier, port, MOVE_SEND, 4);
	carrier.header.bits |= MSGH_BITS(0, MAKE_SEND_ONCE);
	carrier.header.local = reply;
	carry(&carrier, 0, other, MOVE_SEND);
	carry(&carrier, 1, other, MAKE_SEND_ONCE);
	carry(&carrier, 2, gone, MOVE_RECEIVE);
	carry(&carrier, 3, unused_name(), COPY_SEND);
	CHECK_RET(send_carrier(&carrier), MACH_SEND_INVALID_RIGHT);
	CHECK(!has_right(port, SEND));
	CHECK(!has_right(other, SEND));
	CHECK_UNKNOWN(gone);
	CHECK_NOTIFIED(reply, NOTIFY_SEND_ONCE);
	CHECK_NOTIFIED(other, NOTIFY_SEND_ONCE);
	CHECK_NO_MESSAGE(port);
}

/* Full queue: the body's rights come back as well. */
TEST(body_is_given_back)
{
	struct carrier carrier;
	name_t port, a, b, c;

	mach_open();
	port = new_port();
	a = new_send_right();
	b = new_port();
	c = new_port();
	fill_queue(port);
	carrier_init(&carrier, port, MAKE_SEND, 4);
	carry(&carrier, 0, a, MOVE_SEND);
	carry(&carrier, 1, a, MAKE_SEND_ONCE);
	carry(&carrier, 2, b, MAKE_SEND);
	carry(&carrier, 3, c, MOVE_RECEIVE);
	CHECK_RET(send_carrier(&carrier), MACH_SEND_TIMED_OUT);
	CHECK_HEX(carrier.header.bits, MSGH_COMPLEX | MSGH_BITS(MOVE_SEND, 0));
	CHECK_EQ(carrier.count, 4);
	CHECK_HEX(carrier.port[0].name, a);
	CHECK_EQ(disposition_of(&carrier.port[0]), MOVE_SEND);
	CHECK_SEND_UREFS(a, 1);
	CHECK(has_right(carrier.port[1].name, SEND_ONCE));
	CHECK_EQ(disposition_of(&carrier.port[1]), MOVE_SEND_ONCE);
	CHECK_HEX(carrier.port[2].name, b);
	CHECK_EQ(disposition_of(&carrier.port[2]), MOVE_SEND);
	CHECK(has_right(carrier.port[3].name, RECEIVE));
	CHECK_EQ(disposition_of(&carrier.port[3]), MOVE_RECEIVE);
	/* Sent again as it is */
	CHECK_EQ(receive_id(port), 0);
	CHECK_RET(send_carrier(&carrier), 0);
	for (int i = 1; i < 5; i++)
		CHECK_EQ(receive_id(port), i);
	CHECK_RET(receive_carrier(&carrier, port), 0);
	CHECK_HEX(carrier.port[0].name, a);
	CHECK(has_right(carrier.port[3].name, RECEIVE));
	CHECK_NO_MESSAGE(a);
}

TEST(body_of_a_message_that_is_destroyed)
{
	struct carrier carrier;
	name_t port, other, gone;

	mach_open();
	port = new_port();
	other = new_send_right();
	gone = new_send_right();
	carrier_init(&carrier, port, MAKE_SEND, 3);
	carry(&carrier, 0, other, MOVE_SEND);
	carry(&carrier, 1, other, MAKE_SEND_ONCE);
	carry(&carrier, 2, gone, MOVE_RECEIVE);
	CHECK_RET(send_carrier(&carrier), 0);
	CHECK(has_right(gone, SEND));
	destroy_receive(port);
	CHECK_NOTIFIED(other, NOTIFY_SEND_ONCE);
	CHECK(!has_right(other, SEND));
	CHECK_UREFS(gone, DEAD_NAME, 1);
}

/* One call that gives away the right to receive the reply, and then wants to receive it. */
TEST(receive_right_of_the_reply_port)
{
	struct carrier carrier;
	name_t queue, reply, dead;

	mach_open();
	queue = new_port();
	reply = new_port();
	carrier_init(&carrier, queue, MAKE_SEND, 1);
	carrier.header.bits = MSGH_COMPLEX | MSGH_BITS(MAKE_SEND, MAKE_SEND_ONCE);
	carrier.header.local = reply;
	carry(&carrier, 0, reply, MOVE_RECEIVE);
	CHECK_RET(mach_msg(&carrier, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
			   carrier_size(1), sizeof(carrier), reply, 0), MACH_RCV_INVALID_NAME);
	CHECK_RET(receive_carrier(&carrier, queue), 0);
	CHECK(has_right(carrier.port[0].name, RECEIVE));

	/* The same when the port dies of it. */
	dead = new_send_right();
	carrier_init(&carrier, dead, MAKE_SEND, 1);
	carrier.header.bits = MSGH_COMPLEX | MSGH_BITS(MAKE_SEND, MAKE_SEND_ONCE);
	carrier.header.local = dead;
	carry(&carrier, 0, dead, MOVE_RECEIVE);
	CHECK_RET(mach_msg(&carrier, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
			   carrier_size(1), sizeof(carrier), dead, 0), MACH_RCV_INVALID_NAME);
	CHECK_UREFS(dead, DEAD_NAME, 1);
}

/* Circles */

TEST(receive_right_of_the_destination)
{
	struct carrier carrier;
	name_t port, other;

	mach_open();
	/* Success, and the message and the port with it are gone. */
	port = new_send_right();
	other = new_port();
	carrier_init(&carrier, port, COPY_SEND, 2);
	carry(&carrier, 0, port, MOVE_RECEIVE);
	carry(&carrier, 1, other, MAKE_SEND_ONCE);
	CHECK_RET(send_carrier(&carrier), 0);
	CHECK(!has_right(port, RECEIVE));
	CHECK_NOTIFIED(other, NOTIFY_SEND_ONCE);
	CHECK_UREFS(port, DEAD_NAME, 1);
}

TEST(circle_of_many)
{
	enum { LENGTH = 50 };
	struct carrier carrier;
	name_t ports[LENGTH];

	mach_open();
	for (int i = 0; i < LENGTH; i++)
		ports[i] = new_send_right();
	/* Each goes into the queue of the next, the last into that of the first. */
	for (int i = 0; i < LENGTH; i++) {
		carrier_init(&carrier, ports[(i + 1) % LENGTH], COPY_SEND, 1);
		carry(&carrier, 0, ports[i], MOVE_RECEIVE);
		CHECK_RET(send_carrier(&carrier), 0);
	}
	for (int i = 0; i < LENGTH; i++) {
		CHECK(!has_right(ports[i], RECEIVE));
		CHECK_UREFS(ports[i], DEAD_NAME, 1);
	}
}

/*
 * A queue that holds the receive right of a queue that holds … Its end must not
 * take a kernel stack as deep.
 */
static name_t nest(int depth)
{
	name_t inner = new_port();

	for (int i = 0; i < depth; i++) {
		struct carrier carrier;
		name_t outer = new_port();

		carrier_init(&carrier, outer, MAKE_SEND, 1);
		carry(&carrier, 0, inner, MOVE_RECEIVE);
		REQUIRE_RET(send_carrier(&carrier), 0);
		inner = outer;
	}
	return inner;
}

TEST(deep_nest_destroyed)
{
	mach_open();
	destroy_receive(nest(20000));
}

TEST(deep_nest_unpacked)
{
	struct carrier carrier;
	name_t port;

	mach_open();
	port = nest(2000);
	for (int i = 0; i < 2000; i++) {
		REQUIRE_RET(receive_carrier(&carrier, port), 0);
		destroy_receive(port);
		port = carrier.port[0].name;
		REQUIRE(has_right(port, RECEIVE));
	}
}

TEST(deep_nest_at_the_end_of_the_task)
{
	mach_open();
	nest(20000);
}

/* Sent into the innermost: the walk outwards is as long as the nest is deep. */
TEST(deep_nest_with_the_outermost_sent_inside)
{
	struct carrier carrier;
	name_t innermost = 0, inner;

	mach_open();
	inner = new_send_right();
	innermost = inner;
	for (int i = 0; i < 3000; i++) {
		name_t outer = new_port();

		carrier_init(&carrier, outer, MAKE_SEND, 1);
		carry(&carrier, 0, inner, MOVE_RECEIVE);
		REQUIRE_RET(send_carrier(&carrier), 0);
		inner = outer;
	}
	carrier_init(&carrier, innermost, COPY_SEND, 1);
	carry(&carrier, 0, inner, MOVE_RECEIVE);
	CHECK_RET(send_carrier(&carrier), 0);
	CHECK_UREFS(innermost, DEAD_NAME, 1);
}

/* To another task */

static void send_my_receive_right(struct peer_side *side)
{
	struct carrier carrier;
	name_t port = new_port();

	CHECK_RET(send_id(port, MAKE_SEND, 31), 0);
	carrier_init(&carrier, side->parent, COPY_SEND, 2);
	carry(&carrier, 0, port, MAKE_SEND);
	CHECK_RET(send_id(port, MAKE_SEND, 32), 0);
	carry(&carrier, 1, port, MOVE_RECEIVE);
	CHECK_RET(send_carrier(&carrier), 0);
	CHECK_UNKNOWN(port);
}

/* A receive right lives on in another task when its first one is gone. */
TEST(receive_right_outlives_its_task)
{
	struct carrier carrier;
	struct peer peer;
	name_t port;

	mach_open();
	peer_start(&peer, send_my_receive_right, NULL);
	WAIT_CHILD_OK(peer.pid);
	REQUIRE_RET(receive_carrier(&carrier, peer.service), 0);
	port = carrier.port[1].name;
	CHECK_HEX(carrier.port[0].name, port);
	CHECK(has_right(port, RECEIVE));
	CHECK_SEND_UREFS(port, 1);
	CHECK_EQ(receive_id(port), 31);
	CHECK_EQ(receive_id(port), 32);
	CHECK_RET(send_id(port, COPY_SEND, 33), 0);
	CHECK_EQ(receive_id(port), 33);
}
