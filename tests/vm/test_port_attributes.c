// SPDX-License-Identifier: GPL-2.0
/*
 * What a receive right tells of itself, and the reply port of a thread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "port.h"
#include "process.h"
#include "short_rights.h"

#define WORDS	40

/* Flavors, and how many words each needs */
static const struct {
	int flavor;
	uint32_t words;
} flavors[] = {
	{ PORT_LIMITS_INFO, PORT_LIMITS_WORDS },
	{ PORT_RECEIVE_STATUS, PORT_STATUS_WORDS },
	{ PORT_DNREQUESTS_SIZE, PORT_DNREQUESTS_WORDS },
	{ PORT_INFO_EXT, PORT_INFO_EXT_WORDS },
};

TEST(each_flavor_fills_its_words)
{
	name_t port;

	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(flavors); i++) {
		static const uint32_t more[] = { 0, 1, 17, 0x7fffffff };

		for (size_t j = 0; j < ARRAY_SIZE(more); j++) {
			uint32_t words[WORDS], count = flavors[i].words + more[j];

			poison(words, sizeof(words));
			CHECK_RET(port_attributes(port, flavors[i].flavor, words, &count),
				  KERN_SUCCESS);
			CHECK_EQ(count, flavors[i].words);
			CHECK(!is_poison(words + count - 1, 4));
			CHECK(is_poison(words + count, sizeof(words) - 4 * count));
		}
	}
}

TEST(too_few_words)
{
	name_t port;

	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(flavors); i++)
		for (uint32_t room = 0; room < flavors[i].words; room++) {
			uint32_t words[WORDS], count = room;

			poison(words, sizeof(words));
			CHECK_RET(port_attributes(port, flavors[i].flavor, words, &count),
				  KERN_FAILURE);
			CHECK_EQ(count, room);
			CHECK(is_poison(words, sizeof(words)));
			/* The count is looked at before the name. */
			CHECK_RET(port_attributes(unused_name(), flavors[i].flavor, words, &count),
				  KERN_FAILURE);
		}
}

TEST(other_flavors)
{
	static const int others[] = { 0, 4, 5, 6, 8, 100, -1, 0x7fffffff, -0x7fffffff - 1 };
	name_t port;

	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		uint32_t words[WORDS], count = WORDS;

		poison(words, sizeof(words));
		CHECK_RET(port_attributes(port, others[i], words, &count), KERN_INVALID_ARGUMENT);
		CHECK(is_poison(words, sizeof(words)));
		CHECK_RET(port_attributes(unused_name(), others[i], words, &count),
			  KERN_INVALID_ARGUMENT);
		count = 0;
		CHECK_RET(port_attributes(port, others[i], words, &count), KERN_INVALID_ARGUMENT);
	}
}

TEST(names_without_a_receive_right)
{
	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(flavors); i++) {
		uint32_t words[WORDS], count = WORDS;
		int flavor = flavors[i].flavor;

		poison(words, sizeof(words));
		CHECK_RET(port_attributes(unused_name(), flavor, words, &count),
			  KERN_INVALID_NAME);
		CHECK_RET(port_attributes(host_self(), flavor, words, &count), KERN_INVALID_RIGHT);
		CHECK_RET(port_attributes(new_dead_name(), flavor, words, &count),
			  KERN_INVALID_RIGHT);
		CHECK_RET(port_attributes(new_port_set(), flavor, words, &count),
			  KERN_INVALID_RIGHT);
		CHECK_RET(port_attributes(new_send_once(new_port()), flavor, words, &count),
			  KERN_INVALID_RIGHT);
		CHECK_EQ(count, WORDS);
		CHECK(is_poison(words, sizeof(words)));
	}
}

TEST(attributes_order_of_checks)
{
	uint32_t words[WORDS], count = WORDS;
	name_t port;

	mach_open();
	port = new_port();
	CHECK_RET(trap(NR__kernelrpc_mach_port_get_attributes_trap, 0), -EFAULT);
	for (size_t i = 0; i < bad_pointer_count; i++) {
		void *bad = (void *)bad_pointers[i];

		/* The task, then the count, then the flavor; the words last. */
		CHECK_RET(port_attributes_in(0, port, PORT_LIMITS_INFO, words, bad),
			  MACH_SEND_INVALID_DEST);
		CHECK_RET(port_attributes_in(port, port, PORT_LIMITS_INFO, words, bad),
			  MACH_SEND_INVALID_DEST);
		CHECK_RET(port_attributes_in(self(), port, 99, words, bad),
			  MACH_SEND_INVALID_DATA);
		CHECK_RET(port_attributes_in(self(), port, 99, bad, &count),
			  KERN_INVALID_ARGUMENT);
		CHECK_RET(port_attributes_in(self(), unused_name(), PORT_LIMITS_INFO, bad, &count),
			  KERN_INVALID_NAME);
		CHECK_RET(port_attributes_in(self(), port, PORT_LIMITS_INFO, bad, &count),
			  KERN_ABORTED);
		count = WORDS;
	}
}

TEST(attributes_at_a_hole)
{
	struct hole hole;
	name_t port;

	mach_open();
	port = new_port();
	hole_init(&hole);
	for (size_t room = 0; room <= 4 * PORT_STATUS_WORDS; room++) {
		uint32_t count = PORT_STATUS_WORDS;

		CHECK_RET(port_attributes(port, PORT_RECEIVE_STATUS, fault_at(&hole, room), &count),
			  room == 4 * PORT_STATUS_WORDS ? KERN_SUCCESS : KERN_ABORTED);
	}
	for (size_t room = 0; room < 4; room++)
		CHECK_RET(port_attributes(port, PORT_RECEIVE_STATUS, fault_at(&hole, 200),
					  fault_at(&hole, room)), MACH_SEND_INVALID_DATA);
}

TEST(status_follows_the_port)
{
	struct message message;
	name_t port, set, once, notify;

	mach_open();
	port = new_port();
	CHECK_EQ(port_status(port).qlimit, MACH_PORT_QLIMIT_BASIC);
	for (uint32_t i = 1; i < 4; i++) {
		CHECK_RET(insert_right(port, port, MAKE_SEND), KERN_SUCCESS);
		CHECK_EQ(port_status(port).mscount, i);
		CHECK_EQ(port_status(port).srights, 1);
	}
	CHECK_RET(insert_right(port, port, COPY_SEND), KERN_SUCCESS);
	CHECK_EQ(port_status(port).mscount, 3);
	CHECK_RET(mod_refs(port, SEND, -4), KERN_SUCCESS);
	CHECK_EQ(port_status(port).mscount, 3);
	CHECK_EQ(port_status(port).srights, 0);

	/* A send right in a queued message is one. */
	for (uint32_t i = 1; i < 4; i++) {
		CHECK_RET(send_id(port, MAKE_SEND, (int32_t)i), 0);
		CHECK_EQ(port_status(port).msgcount, i);
		CHECK_EQ(port_status(port).srights, 1);
		CHECK_EQ(port_status(port).mscount, 3 + i);
	}
	for (uint32_t i = 1; i < 4; i++) {
		CHECK_EQ(port_status(port).seqno, i - 1);
		CHECK_EQ(receive_id(port), i);
		CHECK_EQ(port_status(port).msgcount, 3 - i);
	}
	CHECK_EQ(port_status(port).srights, 0);

	once = new_send_once(port);
	CHECK_EQ(port_status(port).sorights, 1);
	CHECK_RET(send_id(once, MOVE_SEND_ONCE, 2), 0);
	CHECK_EQ(port_status(port).sorights, 1);
	CHECK_RET(msg_receive(&message, port), 0);
	CHECK_EQ(port_status(port).sorights, 0);

	CHECK_EQ(port_status(port).pset, 0);
	set = new_port_set();
	CHECK_RET(insert_member(port, set), KERN_SUCCESS);
	CHECK_EQ(port_status(port).pset, 1);
	CHECK_RET(extract_member(port, set), KERN_SUCCESS);
	CHECK_EQ(port_status(port).pset, 0);

	CHECK_EQ(port_status(port).pdrequest, 0);
	CHECK_EQ(port_status(port).nsrequest, 0);
	notify = new_port();
	notify_on(notify, port, NOTIFY_PORT_DESTROYED, 0);
	CHECK_EQ(port_status(port).pdrequest, 1);
	CHECK_EQ(port_status(port).nsrequest, 0);
	CHECK_EQ(port_status(notify).sorights, 1);
	CHECK_RET(insert_right(port, port, MAKE_SEND), KERN_SUCCESS);
	notify_on(notify, port, NOTIFY_NO_SENDERS, 0);
	CHECK_EQ(port_status(port).nsrequest, 1);
	CHECK_EQ(port_status(notify).sorights, 2);
	CHECK_RET(deallocate(port), KERN_SUCCESS);
	CHECK_NOTIFIED(notify, NOTIFY_NO_SENDERS);
	CHECK_EQ(port_status(port).nsrequest, 0);
	CHECK_EQ(port_status(notify).sorights, 1);
	CHECK_HEX(port_status(port).flags, 0);
}

TEST(limits_and_requests_are_told)
{
	name_t port, notify;
	uint32_t word, count;

	mach_open();
	REQUIRE_RET(port_construct(MPO_QLIMIT | MPO_INSERT_SEND_RIGHT, 321, 0, &port),
		    KERN_SUCCESS);
	count = 1;
	CHECK_RET(port_attributes(port, PORT_LIMITS_INFO, &word, &count), KERN_SUCCESS);
	CHECK_EQ(word, 321);
	CHECK_RET(port_attributes(port, PORT_DNREQUESTS_SIZE, &word, &count), KERN_SUCCESS);
	CHECK_EQ(word, 0);
	notify = new_port();
	notify_on(notify, port, NOTIFY_DEAD_NAME, 0);
	CHECK_RET(port_attributes(port, PORT_DNREQUESTS_SIZE, &word, &count), KERN_SUCCESS);
	CHECK(word > 0);
}

TEST(info_ext_starts_with_the_status)
{
	uint32_t words[PORT_INFO_EXT_WORDS], count = PORT_INFO_EXT_WORDS;
	struct port_status status;
	name_t port;

	mach_open();
	port = new_port_with(MPO_INSERT_SEND_RIGHT | MPO_CONTEXT_AS_GUARD | MPO_STRICT, 7);
	CHECK_RET(send_id(port, COPY_SEND, 1), 0);
	CHECK_RET(port_attributes(port, PORT_INFO_EXT, words, &count), KERN_SUCCESS);
	status = port_status(port);
	CHECK(!memcmp(words, &status, sizeof(status)));
	for (size_t i = PORT_STATUS_WORDS; i < PORT_INFO_EXT_WORDS; i++)
		CHECK_EQ(words[i], 0);
}

/* The reply port of a thread */

TEST(special_reply_port_has_both_rights)
{
	struct port_status status;
	uint32_t type;
	name_t port;

	mach_open();
	port = special_reply_port();
	REQUIRE(port != MACH_PORT_NULL && port != MACH_PORT_DEAD);
	CHECK_RET(port_type(port, &type), KERN_SUCCESS);
	CHECK_HEX(type, MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_SEND);
	CHECK_SEND_UREFS(port, 1);
	status = port_status(port);
	CHECK_EQ(status.srights, 1);
	CHECK_EQ(status.qlimit, MACH_PORT_QLIMIT_BASIC);
	CHECK_RET(send_id(port, MAKE_SEND_ONCE, 3), 0);
	CHECK_EQ(receive_id(port), 3);
}

TEST(special_reply_port_is_replaced)
{
	name_t first, second, third;

	mach_open();
	first = special_reply_port();
	CHECK_RET(send_id(first, COPY_SEND, 1), 0);
	second = special_reply_port();
	CHECK(first != second && second != MACH_PORT_NULL);
	/* The first is an ordinary port now. */
	CHECK_EQ(receive_id(first), 1);
	CHECK_RET(send_id(first, COPY_SEND, 2), 0);
	CHECK_EQ(receive_id(first), 2);
	CHECK_SEND_UREFS(first, 1);
	CHECK_RET(port_destroy(second), KERN_SUCCESS);
	CHECK_UNKNOWN(second);
	third = special_reply_port();
	CHECK(third != MACH_PORT_NULL);
	CHECK_RET(mod_refs(third, RECEIVE, -1), KERN_SUCCESS);
	CHECK_UREFS(third, DEAD_NAME, 1);
	CHECK(special_reply_port() != MACH_PORT_NULL);
}

static void *take_reply_port(void *argument)
{
	*(name_t *)argument = special_reply_port();
	return NULL;
}

TEST(special_reply_port_of_each_thread)
{
	name_t own, others[4];

	mach_open();
	own = special_reply_port();
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		pthread_t thread;

		REQUIRE(!pthread_create(&thread, NULL, take_reply_port, &others[i]));
		pthread_join(thread, NULL);
		CHECK(others[i] != own && others[i] != MACH_PORT_NULL);
		for (size_t j = 0; j < i; j++)
			CHECK(others[i] != others[j]);
		/* It outlives its thread, as an ordinary port. */
		CHECK_RET(send_id(others[i], COPY_SEND, 2), 0);
		CHECK_EQ(receive_id(others[i]), 2);
	}
}

/* A wait for a reply that is bound to one port: SYNC_WAIT */
TEST(sync_wait_needs_the_special_reply_port)
{
	struct message message;
	struct mach_msg_overwrite_args arguments = {
		.msg = &message,
		.option = MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_SYNC_WAIT,
		.recv_size = sizeof(message),
	};
	name_t port, special;

	mach_open();
	port = new_send_right();
	special = special_reply_port();
	arguments.rcv_name = port;
	arguments.notify = port;
	CHECK_RET(mach_msg_args(&arguments), MACH_RCV_INVALID_NOTIFY);
	arguments.rcv_name = special;
	CHECK_RET(mach_msg_args(&arguments), MACH_RCV_TIMED_OUT);
	arguments.notify = MACH_PORT_NULL;
	CHECK_RET(mach_msg_args(&arguments), MACH_RCV_INVALID_NOTIFY);
	arguments.notify = MACH_PORT_DEAD;
	CHECK_RET(mach_msg_args(&arguments), MACH_RCV_INVALID_NOTIFY);
	/* A name that is no send right is ignored. */
	arguments.notify = unused_name();
	CHECK_RET(mach_msg_args(&arguments), MACH_RCV_TIMED_OUT);
	/* The receive name comes first. */
	arguments.rcv_name = unused_name();
	CHECK_RET(mach_msg_args(&arguments), MACH_RCV_INVALID_NAME);
	/* A replaced one is ordinary. */
	arguments.notify = port;
	arguments.rcv_name = special;
	special_reply_port();
	CHECK_RET(mach_msg_args(&arguments), MACH_RCV_INVALID_NOTIFY);
}
