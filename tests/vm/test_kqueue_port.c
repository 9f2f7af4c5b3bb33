// SPDX-License-Identifier: GPL-2.0
/*
 * The filter of messages at ports and port sets.
 * time limit: 200 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "kqueue.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

#define PORT(...)	((struct event)EVENT(EVFILT_MACHPORT, __VA_ARGS__))
#define TRAILER		8u

static void send_to(name_t port, int32_t id)
{
	REQUIRE_RET(send_id(port, MAKE_SEND, id), 0);
}

TEST(an_event_tells_that_a_port_has_messages)
{
	struct event event;
	name_t port;
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	port = new_port();
	REQUIRE_EQ(change_event(kqueue, PORT(port, EV_ADD, 0, 0, 0xab)), 0);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
	send_to(port, 1);
	send_to(port, 2);
	for (int32_t id = 1; id <= 2; id++) {
		/* The message stays where it is. */
		for (int turn = 0; turn < 2; turn++) {
			REQUIRE_EQ(fetch_events(kqueue, &event, 1, FOR_EVER), 1);
			CHECK_EVENT(event, PORT(port, EV_ADD, 0, 0, 0xab));
		}
		CHECK_EQ(receive_id(port), id);
	}
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
	/* Messages that are there already count; so do those of a disabled time. */
	CHECK_EQ(change_event(kqueue, PORT(port, EV_DELETE)), 0);
	send_to(port, 3);
	CHECK_EQ(change_event(kqueue, PORT(port, EV_ADD | EV_DISPATCH)), 0);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
	CHECK_EQ(change_event(kqueue, PORT(port, EV_ENABLE)), 0);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_EQ(receive_id(port), 3);
	CHECK_EQ(change_event(kqueue, PORT(port, EV_ENABLE)), 0);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
	send_to(port, 4);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 1);
}

TEST(with_clear_each_message_is_told_once)
{
	struct event event;
	name_t port, set;
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	port = new_port();
	set = new_port_set();
	for (int i = 0; i < 2; i++) {
		name_t watched = i ? set : port;

		if (i)
			REQUIRE_RET(insert_member(port, set), 0);
		REQUIRE_EQ(change_event(kqueue, PORT(watched, EV_ADD | EV_CLEAR)), 0);
		for (int32_t id = 1; id <= 2; id++) {
			send_to(port, id);
			CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 1);
			CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
		}
		CHECK_EQ(change_event(kqueue, PORT(watched, EV_DELETE)), 0);
		CHECK_EQ(receive_id(port), 1);
		CHECK_EQ(receive_id(port), 2);
	}
}

TEST(an_event_of_a_set_tells_the_member)
{
	struct event event;
	name_t set, members[3];
	int kqueue, seen = 0;

	mach_open();
	kqueue = new_kqueue();
	set = new_port_set();
	REQUIRE_EQ(change_event(kqueue, PORT(set, EV_ADD)), 0);
	for (int i = 0; i < 3; i++) {
		members[i] = new_port();
		REQUIRE_RET(insert_member(members[i], set), 0);
	}
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
	for (int i = 0; i < 3; i++) {
		send_to(members[i], i);
		REQUIRE_EQ(fetch_events(kqueue, &event, 1, 0), 1);
		CHECK_EQ(event.ident, set);
	}
	/* Members take turns. */
	for (int turn = 0; turn < 3; turn++) {
		REQUIRE_EQ(fetch_events(kqueue, &event, 1, 0), 1);
		for (int i = 0; i < 3; i++)
			if (event.data == members[i])
				seen |= 1 << i;
	}
	CHECK_HEX(seen, 7);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(receive_id(set) >= 0, 1);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
	/* A port that gets in with its messages */
	REQUIRE_RET(extract_member(members[0], set), 0);
	send_to(members[0], 9);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
	REQUIRE_RET(insert_member(members[0], set), 0);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_EQ(event.data, members[0]);
	REQUIRE_RET(extract_member(members[0], set), 0);
	CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
}

TEST(names_that_cannot_be_watched)
{
	name_t special, receive, dead, once;
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	receive = new_port();
	dead = new_dead_name();
	once = new_send_once(receive);
	special = (name_t)trap(NR_thread_get_special_reply_port, 0);
	CHECK_EQ(change_event(kqueue, PORT(0, EV_ADD)), -ENOENT);
	CHECK_EQ(change_event(kqueue, PORT(~0u, EV_ADD)), -ENOENT);
	CHECK_EQ(change_event(kqueue, PORT(unused_name(), EV_ADD)), -ENOENT);
	CHECK_EQ(change_event(kqueue, PORT(1ull << 32 | receive, EV_ADD)), -ENOENT);
	CHECK_EQ(change_event(kqueue, PORT(dead, EV_ADD)), -XNU_ENOTSUP);
	CHECK_EQ(change_event(kqueue, PORT(once, EV_ADD)), -XNU_ENOTSUP);
	CHECK_EQ(change_event(kqueue, PORT(self(), EV_ADD)), -XNU_ENOTSUP);
	CHECK_EQ(change_event(kqueue, PORT(special, EV_ADD)), -XNU_ENOTSUP);
	CHECK_EQ(change_event(kqueue, PORT(receive, EV_ADD)), 0);
}

static void destroy(name_t name)
{
	REQUIRE_RET(port_destroy(name), 0);
}

static void move_away(name_t name)
{
	name_t other = new_port();
	struct {
		struct header header;
		uint32_t count;
		struct port_descriptor descriptor;
	} __attribute__((packed)) message = {
		.header = {
			.bits = 0x80000000u | MAKE_SEND, .size = sizeof(message), .remote = other,
		},
		.count = 1,
		.descriptor = PORT_DESCRIPTOR(name, MOVE_RECEIVE),
	};

	REQUIRE_RET(mach_msg(&message, MACH_SEND_MSG, sizeof(message), 0, 0, 0), 0);
}

TEST(the_end_of_a_right_is_the_last_event)
{
	static void (*const ends[])(name_t name) = { destroy, move_away };
	enum { VANISHING = EV_ADD | EV_DISPATCH2 | EV_VANISHED };
	struct event event;
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	for (size_t i = 0; i < ARRAY_SIZE(ends) + 1; i++) {
		bool is_set = i == ARRAY_SIZE(ends);

		for (int flags = EV_ADD; flags; flags = flags == EV_ADD ? VANISHING : 0) {
			name_t name = is_set ? new_port_set() : new_port();

			REQUIRE_EQ(change_event(kqueue, PORT(name, (uint16_t)flags, 0, 0, 0xab)), 0);
			(is_set ? destroy : ends[i])(name);
			REQUIRE_EQ(fetch_events(kqueue, &event, 1, FOR_EVER), 1);
			if (flags == EV_ADD)
				CHECK_EVENT(event, PORT(name, EV_ADD | EV_EOF | EV_ONESHOT, 0, 0, 0xab));
			else
				CHECK_EVENT(event, PORT(name, EV_DISPATCH2 | EV_VANISHED | EV_ONESHOT,
							0, 0, 0xab));
			CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
			/* One that vanished is acknowledged. */
			CHECK_EQ(change_event(kqueue, PORT(name, (uint16_t)(flags & EV_DISPATCH2) |
							   EV_DELETE, 0, 0, 0xab)),
				 flags == EV_ADD ? -ENOENT : -XNU_EINPROGRESS);
			if (flags == EV_ADD)
				continue;
			CHECK_EQ(change_event(kqueue, PORT(name, EV_DISPATCH2 | EV_ENABLE, 0, 0, 0xab)),
				 0);
			REQUIRE_EQ(fetch_events(kqueue, &event, 1, 0), 1);
			CHECK_EVENT(event, PORT(name, EV_DISPATCH2 | EV_DELETE | EV_ONESHOT, 0, 0,
						0xab));
		}
	}
}

/* A kqueue, and a port in a set */
struct place {
	int kqueue;
	name_t port, set;
};

static struct place a_port_in_a_set(void)
{
	struct place place;

	mach_open();
	place = (struct place){ new_kqueue(), new_port(), new_port_set() };
	REQUIRE_RET(insert_member(place.port, place.set), 0);
	return place;
}

/* Has the messages of @name received into @size bytes at @buffer, as @options say. */
static struct event receiving(name_t name, uint32_t options, void *buffer, uint64_t size)
{
	struct event event = PORT(name, EV_ADD, MACH_RCV_MSG | options);

	event.ext[0] = (uintptr_t)buffer;
	event.ext[1] = size;
	return event;
}

TEST(messages_are_received_into_a_buffer)
{
	struct message message = { .header = { 0 } };
	struct place place = a_port_in_a_set();
	struct event change, event;
	name_t port = place.port, set = place.set;
	int kqueue = place.kqueue;

	for (int i = 0; i < 2; i++) {
		name_t watched = i ? set : port;

		change = receiving(watched, 0, &message, sizeof(message));
		REQUIRE_EQ(change_event(kqueue, change), 0);
		send_to(port, 41);
		send_to(port, 42);
		for (int32_t id = 41; id <= 42; id++) {
			poison(&message, sizeof(message));
			REQUIRE_EQ(fetch_events(kqueue, &event, 1, FOR_EVER), 1);
			CHECK_EVENT(event, PORT(watched, EV_ADD));
			CHECK_EQ(event.ext[0], (uintptr_t)&message);
			CHECK_EQ(event.ext[1], HEADER_SIZE + TRAILER);
			CHECK_EQ(message.header.id, id);
			CHECK_EQ(message.header.size, HEADER_SIZE);
			CHECK_EQ(message.header.local, port);
			CHECK_EQ(trailer_of(&message)->size, TRAILER);
			CHECK(is_poison(message.body + 2, 100));
		}
		CHECK_EQ(fetch_events(kqueue, &event, 1, 0), 0);
		CHECK_EQ(change_event(kqueue, PORT(watched, EV_DELETE)), 0);
	}

	/* Another trailer */
	change = receiving(port, MACH_RCV_TRAILER(3), &message, sizeof(message));
	REQUIRE_EQ(change_event(kqueue, change), 0);
	send_to(port, 43);
	REQUIRE_EQ(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_EQ(event.ext[1], HEADER_SIZE + 52);

	/* A buffer that cannot be written: the message is lost, and the event says so. */
	change.ext[0] = 8;
	REQUIRE_EQ(change_event(kqueue, change), 0);
	send_to(port, 44);
	REQUIRE_EQ(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_HEX(event.fflags, MACH_RCV_INVALID_DATA);
	CHECK_NO_MESSAGE(port);
}

TEST(messages_that_are_too_large)
{
	struct message message = { .header = { 0 } };
	struct place place = a_port_in_a_set();
	struct event change, event;
	name_t port = place.port, set = place.set;
	int kqueue = place.kqueue;

	/* It stays, if that is asked for, and the size is told. */
	change = receiving(set, MACH_RCV_LARGE, &message, HEADER_SIZE + TRAILER - 1);
	REQUIRE_EQ(change_event(kqueue, change), 0);
	send_to(port, 1);
	REQUIRE_EQ(fetch_events(kqueue, &event, 1, FOR_EVER), 1);
	CHECK_HEX(event.fflags, MACH_RCV_TOO_LARGE);
	CHECK_EQ(event.ext[1], HEADER_SIZE);
	CHECK_EQ(event.data, 0);
	CHECK_EQ(message.header.size, HEADER_SIZE);
	change.fflags |= MACH_RCV_LARGE_IDENTITY;
	REQUIRE_EQ(change_event(kqueue, change), 0);
	REQUIRE_EQ(fetch_events(kqueue, &event, 1, FOR_EVER), 1);
	CHECK_EQ(event.data, port);
	CHECK_EQ(message.header.local, port);

	/* Without a buffer it stays anyway. */
	change = receiving(set, 0, NULL, 0);
	REQUIRE_EQ(change_event(kqueue, change), 0);
	REQUIRE_EQ(fetch_events(kqueue, &event, 1, FOR_EVER), 1);
	CHECK_HEX(event.fflags, MACH_RCV_TOO_LARGE);
	CHECK_EQ(event.data, port);
	CHECK_EQ(event.ext[1], HEADER_SIZE);
	CHECK_EQ(receive_id(port), 1);

	/* Else it is lost. */
	change = receiving(set, 0, &message, HEADER_SIZE);
	REQUIRE_EQ(change_event(kqueue, change), 0);
	send_to(port, 2);
	REQUIRE_EQ(fetch_events(kqueue, &event, 1, FOR_EVER), 1);
	CHECK_HEX(event.fflags, MACH_RCV_TOO_LARGE);
	CHECK_NO_MESSAGE(port);
}

/* kevent_qos with an area for messages */
static long fetch_into(int kqueue, struct kevent_qos_s *events, int room, void *area,
		       uint64_t *available, unsigned int flags)
{
	struct kevent_qos_args arguments = {
		.fd = kqueue,
		.eventlist = (uintptr_t)events, .nevents = room,
		.data_out = (uintptr_t)area, .data_available = (uintptr_t)available,
		.flags = flags | KEVENT_FLAG_IMMEDIATE,
	};

	return trap_struct(NR_kevent_qos, &arguments);
}

TEST(messages_are_received_into_the_area_of_the_call)
{
	enum { ROOM = 100, EACH = HEADER_SIZE + TRAILER };
	struct kevent_qos_s changes[3], events[3];
	uint8_t area[ROOM];
	name_t ports[3];

	mach_open();
	for (int stack = 0; stack < 2; stack++) {
		unsigned int flags = stack ? KEVENT_FLAG_STACK_DATA : 0;
		uint64_t available = ROOM;
		int kqueue = new_kqueue();

		for (int i = 0; i < 3; i++) {
			ports[i] = new_port();
			changes[i] = (struct kevent_qos_s) {
				.ident = ports[i], .filter = EVFILT_MACHPORT, .flags = EV_ADD | EV_DISPATCH,
				.fflags = MACH_RCV_MSG,
			};
		}
		REQUIRE_EQ(kevent_at(KEVENT_QOS, kqueue, changes, 3, NULL, 0, 0, NULL), 0);
		for (int i = 0; i < 3; i++)
			send_to(ports[i], 10 + i);
		poison(area, sizeof(area));
		REQUIRE_EQ(fetch_into(kqueue, events, 3, area, &available, flags), 3);
		CHECK_EQ(available, ROOM - 3 * EACH);
		for (int i = 0; i < 3; i++) {
			uint64_t at = (uint64_t)i * EACH;
			struct header header;

			CHECK_EQ(events[i].ident, ports[i]);
			CHECK_HEX(events[i].fflags, 0);
			CHECK_EQ(events[i].ext[1], EACH);
			CHECK_EQ(events[i].ext[0] - (uintptr_t)area, stack ? ROOM - at - EACH : at);
			memcpy(&header, (void *)(uintptr_t)events[i].ext[0], sizeof(header));
			CHECK_EQ(header.id, 10 + i);
		}
		CHECK(is_poison(stack ? area : area + 3 * EACH, ROOM - 3 * EACH));

		/* What has no room stays. */
		send_to(ports[0], 20);
		changes[0].flags = EV_ENABLE;
		available = EACH - 1;
		REQUIRE_EQ(kevent_at(KEVENT_QOS, kqueue, changes, 1, NULL, 0, 0, NULL), 0);
		REQUIRE_EQ(fetch_into(kqueue, events, 3, area, &available, flags), 1);
		CHECK_HEX(events[0].fflags, MACH_RCV_TOO_LARGE);
		CHECK_EQ(events[0].data, ports[0]);
		CHECK_EQ(events[0].ext[1], HEADER_SIZE);
		CHECK_EQ(available, EACH - 1);
		CHECK_EQ(receive_id(ports[0]), 20);
		/* A size that cannot be read */
		CHECK_EQ(fetch_into(kqueue, events, 3, area, (void *)8, flags), -EFAULT);
	}
}

static void *receive_events(void *argument)
{
	int kqueue = *(int *)argument;
	struct event event;

	REQUIRE_EQ(fetch_events(kqueue, &event, 1, FOR_EVER), 1);
	return NULL;
}

TEST(a_message_wakes_who_waits_for_events)
{
	struct worker worker;
	name_t port;
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	port = new_port();
	REQUIRE_EQ(change_event(kqueue, PORT(port, EV_ADD)), 0);
	worker_start(&worker, receive_events, &kqueue);
	worker_wait_in_trap(&worker);
	send_to(port, 1);
	worker_join(&worker);
	/* So does the end of the port. */
	CHECK_EQ(receive_id(port), 1);
	worker_start(&worker, receive_events, &kqueue);
	worker_wait_in_trap(&worker);
	destroy(port);
	worker_join(&worker);
}

static void *send_many(void *argument)
{
	name_t port = *(name_t *)argument;

	for (int i = 0; i < 2000; i++)
		REQUIRE_RET(send_id(port, MAKE_SEND, i), 0);
	return NULL;
}

TEST(no_message_goes_unnoticed)
{
	struct worker worker;
	struct message message;
	struct event change, event;
	name_t port;
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	port = new_port();
	change = PORT(port, EV_ADD, MACH_RCV_MSG);
	change.ext[0] = (uintptr_t)&message;
	change.ext[1] = sizeof(message);
	REQUIRE_EQ(change_event(kqueue, change), 0);
	worker_start(&worker, send_many, &port);
	for (int i = 0; i < 2000; i++) {
		REQUIRE_EQ(fetch_events(kqueue, &event, 1, FOR_EVER), 1);
		CHECK_HEX(event.fflags, 0);
		CHECK_EQ(message.header.id, i);
	}
	worker_join(&worker);
}
