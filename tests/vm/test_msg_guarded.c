// SPDX-License-Identifier: GPL-2.0
/*
 * Guarded port descriptors: receive rights that move with their guards.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "body.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "port.h"
#include "process.h"
#include "short_rights.h"

#define GUARD	0x123456789abcdef0ull

static struct complex_message message;

static name_t new_guarded_port(uint64_t value)
{
	name_t port = new_port();

	REQUIRE_RET(port_guard(port, value, false), KERN_SUCCESS);
	return port;
}

static long send_guarded(name_t to, name_t name, uint64_t context, int flags)
{
	complex_init(&message, to, MAKE_SEND);
	add_guarded(&message, name, context, flags);
	return complex_send(&message);
}

static const struct guarded_item *receive_guarded(name_t from, int flags)
{
	const struct guarded_item *item;

	if (!CHECK_RET(complex_receive(&message, from, MACH_RCV_GUARDED_DESC), 0))
		return NULL;
	item = item_at(&message, 0);
	CHECK_EQ(message.header.size, BODY_AT + sizeof(*item) + 4);
	CHECK_EQ(item->type, MSG_GUARDED_PORT_DESCRIPTOR);
	CHECK_EQ(item->disposition, MOVE_RECEIVE);
	CHECK_HEX(item->flags, flags);
	CHECK_HEX(body_end(&message), BODY_END);
	return item;
}

TEST(a_guard_that_is_known_lets_the_right_go)
{
	const struct guarded_item *item;
	name_t port, other;

	mach_open();
	port = new_port();
	other = new_guarded_port(GUARD);
	CHECK_RET(send_guarded(port, other, GUARD, 0), 0);
	CHECK_UNKNOWN(other);
	item = receive_guarded(port, 0);
	/* It arrives without guard. */
	CHECK_HEX(item->context, 0);
	CHECK(has_right(item->name, RECEIVE));
	CHECK_RET(port_unguard(item->name, GUARD), KERN_INVALID_ARGUMENT);
	destroy_receive(item->name);
	/* The flag for unguarded ones does not matter then. */
	other = new_guarded_port(GUARD);
	CHECK_RET(send_guarded(port, other, GUARD, GUARD_UNGUARDED_ON_SEND), 0);
	item = receive_guarded(port, GUARD_UNGUARDED_ON_SEND);
	CHECK(has_right(item->name, RECEIVE));
	/* A guard of zero is one. */
	other = new_guarded_port(0);
	CHECK_RET(send_guarded(port, other, 0, 0), 0);
	CHECK(has_right(receive_guarded(port, 0)->name, RECEIVE));
}

TEST(unguarded_rights_with_their_flag)
{
	name_t port, other;

	mach_open();
	port = new_port();
	other = new_port();
	CHECK_RET(send_guarded(port, other, 0, GUARD_UNGUARDED_ON_SEND), 0);
	CHECK_UNKNOWN(other);
	CHECK(has_right(receive_guarded(port, GUARD_UNGUARDED_ON_SEND)->name, RECEIVE));
}

TEST(other_guards_keep_the_right)
{
	name_t port, guarded, plain, send;

	mach_open();
	port = new_port();
	guarded = new_guarded_port(GUARD);
	plain = new_port();
	send = new_send_right();
	for (int flags = 0; flags <= 3; flags++) {
		CHECK_RET(send_guarded(port, guarded, GUARD + 1, flags), MACH_SEND_INVALID_RIGHT);
		CHECK_RET(send_guarded(port, guarded, 0, flags), MACH_SEND_INVALID_RIGHT);
		CHECK_RET(send_guarded(port, plain, 1, flags), MACH_SEND_INVALID_RIGHT);
		CHECK_RET(send_guarded(port, unused_name(), GUARD, flags), MACH_SEND_INVALID_RIGHT);
		if (!(flags & GUARD_UNGUARDED_ON_SEND))
			CHECK_RET(send_guarded(port, plain, 0, flags), MACH_SEND_INVALID_RIGHT);
	}
	destroy_receive(send);
	CHECK_RET(send_guarded(port, send, 0, GUARD_UNGUARDED_ON_SEND), MACH_SEND_INVALID_RIGHT);
	CHECK(has_right(plain, RECEIVE));
	CHECK_RET(port_unguard(guarded, GUARD), KERN_SUCCESS);
	CHECK_NO_MESSAGE(port);
}

/* A plain descriptor asks for no guard. */
TEST(plain_descriptors_do_not_look_at_guards)
{
	name_t port, other;

	mach_open();
	port = new_port();
	other = new_guarded_port(GUARD);
	complex_init(&message, port, MAKE_SEND);
	add_port(&message, other, MOVE_RECEIVE);
	CHECK_RET(complex_send(&message), 0);
	CHECK_RET(complex_receive(&message, port, 0), 0);
	other = ((struct port_item *)item_at(&message, 0))->name;
	CHECK_RET(port_guard(other, 1, false), KERN_SUCCESS);
}

TEST(immovable_rights_are_guarded_by_the_buffer)
{
	const struct guarded_item *item;
	name_t port, other, moved;

	mach_open();
	port = new_port();
	other = new_guarded_port(GUARD);
	CHECK_RET(send_guarded(port, other, GUARD, GUARD_IMMOVABLE_RECEIVE), 0);
	item = receive_guarded(port, GUARD_IMMOVABLE_RECEIVE);
	moved = item->name;
	CHECK_HEX(item->context, (uintptr_t)&message);
	CHECK(has_right(moved, RECEIVE));
	/* It moves no more, guard or not. */
	CHECK_RET(send_guarded(port, moved, (uintptr_t)&message, 0), MACH_SEND_INVALID_RIGHT);
	complex_init(&message, port, MAKE_SEND);
	add_port(&message, moved, MOVE_RECEIVE);
	CHECK_RET(complex_send(&message), MACH_SEND_INVALID_RIGHT);
	complex_init(&message, port, MAKE_SEND);
	add_ool_ports(&message, &moved, 1, MOVE_RECEIVE, false);
	CHECK_RET(complex_send(&message), MACH_SEND_INVALID_RIGHT);
	/* Nor is it dropped without the guard. */
	CHECK_RET(mod_refs(moved, RECEIVE, -1), KERN_INVALID_RIGHT);
	CHECK_RET(port_unguard(moved, GUARD), KERN_INVALID_ARGUMENT);
	CHECK_RET(port_unguard(moved, (uintptr_t)&message), KERN_SUCCESS);
	CHECK_RET(mod_refs(moved, RECEIVE, -1), KERN_SUCCESS);
	CHECK_NO_MESSAGE(port);
}

/* Who has not asked for guarded descriptors gets plain ones without a right. */
TEST(receivers_that_do_not_ask)
{
	static uint8_t bytes[100];
	name_t port, a, b, c, send;
	const struct port_item *item;

	mach_open();
	port = new_port();
	a = new_port();
	b = new_guarded_port(GUARD);
	c = new_port();
	send = a;
	CHECK_RET(insert_right(a, a, MAKE_SEND), KERN_SUCCESS);
	body_fill(bytes, sizeof(bytes), 1);
	complex_init(&message, port, MAKE_SEND);
	add_port(&message, port, MAKE_SEND);
	add_guarded(&message, a, 0, GUARD_UNGUARDED_ON_SEND);
	add_ool(&message, bytes, sizeof(bytes), 0, false);
	add_guarded(&message, b, GUARD, GUARD_IMMOVABLE_RECEIVE);
	add_guarded(&message, c, 0, GUARD_UNGUARDED_ON_SEND);
	add_port(&message, port, MAKE_SEND);
	CHECK_RET(complex_send(&message), 0);
	CHECK_RET(complex_receive(&message, port, 0), 0);
	CHECK_EQ(message.count, 6);
	/* Four bytes less for each of them */
	CHECK_EQ(message.header.size, BODY_AT + 5 * sizeof(*item) + sizeof(struct ool_item) + 4);
	CHECK_EQ(*(uint32_t *)((uint8_t *)&message + message.header.size), 0);
	for (uint32_t i = 0; i < 6; i++) {
		item = item_at(&message, i);
		if (i == 2) {
			CHECK(body_matches(pointer_of(ool_at(&message, 2)->address), 100, 1));
			continue;
		}
		CHECK_EQ(item->type, MSG_PORT_DESCRIPTOR);
		CHECK_HEX(item->name, i == 0 || i == 5 ? port : 0);
		CHECK_EQ(item->disposition, i == 0 || i == 5 ? MOVE_SEND : MOVE_RECEIVE);
	}
	CHECK_HEX(body_end(&message), BODY_END);
	CHECK_RET(mod_refs(send, DEAD_NAME, 0), KERN_SUCCESS);
	CHECK_SEND_UREFS(port, 2);
}

TEST(null_and_dead_names_go_through)
{
	name_t port;

	mach_open();
	port = new_port();
	CHECK_RET(send_guarded(port, MACH_PORT_NULL, 5, 0), 0);
	CHECK_HEX(receive_guarded(port, 0)->name, MACH_PORT_NULL);
	CHECK_RET(send_guarded(port, MACH_PORT_DEAD, 5, GUARD_IMMOVABLE_RECEIVE), 0);
	CHECK_HEX(receive_guarded(port, GUARD_IMMOVABLE_RECEIVE)->name, MACH_PORT_DEAD);
}

TEST(refused_descriptors)
{
	name_t port, other;

	mach_open();
	port = new_port();
	other = new_port();
	for (int flags = 4; flags < 0x10000; flags <<= 1)
		CHECK_RET(send_guarded(port, other, 0, flags | 2), MACH_SEND_INVALID_TYPE);
	for (int disposition = 0; disposition < 256; disposition++)
		if (disposition != MOVE_RECEIVE) {
			complex_init(&message, port, MAKE_SEND);
			add_guarded(&message, other, 0, 2)->disposition = (uint8_t)disposition;
			CHECK_RET(complex_send(&message), MACH_SEND_INVALID_TYPE);
		}
	for (uint32_t size = BODY_AT; size < BODY_AT + sizeof(struct guarded_item); size += 4) {
		complex_init(&message, port, MAKE_SEND);
		add_guarded(&message, other, 0, 2);
		message.size = size;
		CHECK_RET(complex_send(&message), MACH_SEND_MSG_TOO_SMALL);
	}
	CHECK(has_right(other, RECEIVE));
	CHECK_NO_MESSAGE(port);
}

TEST(circular_moves)
{
	name_t port;

	mach_open();
	port = new_send_right();
	complex_init(&message, port, COPY_SEND);
	add_guarded(&message, port, 0, GUARD_UNGUARDED_ON_SEND);
	CHECK_RET(complex_send(&message), 0);
	CHECK_RET(mod_refs(port, DEAD_NAME, 0), KERN_SUCCESS);
}

TEST(give_back)
{
	const struct guarded_item *item;
	name_t port, other;

	mach_open();
	port = new_port();
	other = new_guarded_port(GUARD);
	fill_queue(port);
	CHECK_RET(send_guarded(port, other, GUARD, GUARD_IMMOVABLE_RECEIVE), MACH_SEND_TIMED_OUT);
	item = item_at(&message, 0);
	CHECK_EQ(item->type, MSG_GUARDED_PORT_DESCRIPTOR);
	CHECK_HEX(item->context, 0);
	CHECK(has_right(item->name, RECEIVE));
	/* As it is, it can be sent again. */
	while (receive_id(port) < 0x1000)
		;
	CHECK_RET(complex_send(&message), 0);
	item = receive_guarded(port, GUARD_IMMOVABLE_RECEIVE | GUARD_UNGUARDED_ON_SEND);
	CHECK_HEX(item->context, (uintptr_t)&message);
}

TEST(unwritable_buffers)
{
	name_t port, other, send;

	mach_open();
	port = new_port();
	for (uint32_t options = 0; options <= MACH_RCV_GUARDED_DESC;
	     options += MACH_RCV_GUARDED_DESC) {
		other = send = new_send_right();
		CHECK_RET(send_guarded(port, other, 0, 3), 0);
		CHECK_RET(mach_msg(pointer_of(8), MACH_RCV_MSG | MACH_RCV_TIMEOUT | options, 0,
				   1000, port, 0), MACH_RCV_INVALID_DATA);
		CHECK_RET(mod_refs(send, DEAD_NAME, 0), KERN_SUCCESS);
	}
	CHECK_NO_MESSAGE(port);
}

static void receive_and_tell(struct peer_side *side)
{
	const struct guarded_item *item;

	CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_GUARDED_DESC, 0, sizeof(message),
			   side->own, 0), 0);
	item = item_at(&message, 0);
	CHECK_HEX(item->context, (uintptr_t)&message);
	CHECK_RET(port_unguard(item->name, (uintptr_t)&message), KERN_SUCCESS);
	CHECK_EQ(receive_id(item->name), 77);
	CHECK_RET(send_id(side->parent, COPY_SEND, 78), 0);
}

/* What waits at the port goes along. */
TEST(to_another_task)
{
	struct peer peer;
	name_t other;

	mach_open();
	other = new_guarded_port(GUARD);
	CHECK_RET(send_id(other, MAKE_SEND, 77), 0);
	peer_start(&peer, receive_and_tell, NULL);
	complex_init(&message, peer.port, COPY_SEND);
	add_guarded(&message, other, GUARD, GUARD_IMMOVABLE_RECEIVE);
	CHECK_RET(complex_send(&message), 0);
	CHECK_UNKNOWN(other);
	WAIT_CHILD_OK(peer.pid);
	CHECK_EQ(receive_id(peer.service), 78);
}
