// SPDX-License-Identifier: GPL-2.0
/*
 * Out-of-line arrays of rights.
 * time limit: 300 s
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "body.h"
#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

#define PAGE	4096u

static struct complex_message message;

static long regions(void)
{
	struct object_counts counts;

	if (read_object_counts(&counts))
		for (size_t i = 0; i < counts.kinds; i++)
			if (!strcmp(counts.kind[i].name, "ool_regions"))
				return counts.kind[i].live;
	return -1;
}

static long send_ports(name_t to, const name_t *names, uint32_t count, int disposition)
{
	complex_init(&message, to, MAKE_SEND);
	add_ool_ports(&message, names, count, disposition, false);
	return complex_send(&message);
}

/* Receives one array and checks its descriptor. */
static const name_t *receive_ports(name_t from, uint32_t count, int disposition)
{
	const struct ool_ports_item *item;

	if (!CHECK_RET(complex_receive(&message, from, 0), 0))
		return NULL;
	CHECK_EQ(message.count, 1);
	item = ool_ports_at(&message, 0);
	CHECK_EQ(item->type, MSG_OOL_PORTS_DESCRIPTOR);
	CHECK_EQ(item->count, count);
	CHECK_EQ(item->disposition, disposition);
	/* The array is the receiver's own, however it was sent. */
	CHECK_EQ(item->copy, MSG_VIRTUAL_COPY);
	CHECK_EQ(item->deallocate, 1);
	CHECK_EQ(!item->address, !count);
	CHECK_HEX(body_end(&message), BODY_END);
	return pointer_of(item->address);
}

TEST(each_disposition)
{
	enum { COUNT = 5 };
	const name_t *got;
	name_t port, other, names[COUNT];

	mach_open();
	port = new_port();
	other = new_port();
	for (int i = 0; i < COUNT; i++)
		names[i] = other;
	CHECK_RET(send_ports(port, names, COUNT, MAKE_SEND), 0);
	got = receive_ports(port, COUNT, MOVE_SEND);
	for (int i = 0; i < COUNT; i++)
		CHECK_HEX(got[i], other);
	CHECK_SEND_UREFS(other, COUNT);
	/* The array can be written to as any memory, and is zero to its end. */
	for (uint32_t i = COUNT; i < PAGE / 4; i++)
		CHECK_EQ(got[i], 0);
	((name_t *)got)[0] = 1;
	CHECK_RET(send_ports(port, names, COUNT, COPY_SEND), 0);
	CHECK_SEND_UREFS(other, COUNT);
	CHECK(receive_ports(port, COUNT, MOVE_SEND));
	CHECK_SEND_UREFS(other, 2 * COUNT);
	CHECK_RET(send_ports(port, names, COUNT, MOVE_SEND), 0);
	CHECK_SEND_UREFS(other, COUNT);
	CHECK(receive_ports(port, COUNT, MOVE_SEND));
	CHECK_SEND_UREFS(other, 2 * COUNT);
	CHECK_RET(send_ports(port, names, COUNT, MAKE_SEND_ONCE), 0);
	got = receive_ports(port, COUNT, MOVE_SEND_ONCE);
	for (int i = 0; i < COUNT; i++) {
		CHECK(got[i] != other && has_right(got[i], SEND_ONCE));
		names[i] = got[i];
	}
	CHECK_RET(send_ports(port, names, COUNT, MOVE_SEND_ONCE), 0);
	for (int i = 0; i < COUNT; i++)
		CHECK_UNKNOWN(names[i]);
	got = receive_ports(port, COUNT, MOVE_SEND_ONCE);
	for (int i = 0; i < COUNT; i++) {
		CHECK_RET(deallocate(got[i]), KERN_SUCCESS);
		CHECK_NOTIFIED(other, NOTIFY_SEND_ONCE);
	}
	for (int i = 0; i < COUNT; i++)
		names[i] = new_port();
	CHECK_RET(send_ports(port, names, COUNT, MOVE_RECEIVE), 0);
	for (int i = 0; i < COUNT; i++)
		CHECK_UNKNOWN(names[i]);
	got = receive_ports(port, COUNT, MOVE_RECEIVE);
	for (int i = 0; i < COUNT; i++)
		CHECK(has_right(got[i], RECEIVE));
	CHECK_EQ(regions(), 0);
}

TEST(null_and_dead_names_go_through)
{
	const name_t names[] = { 0, MACH_PORT_DEAD, 0 };
	const name_t *got;
	name_t port, dead;

	mach_open();
	port = new_port();
	for (int disposition = MOVE_RECEIVE; disposition <= MAKE_SEND_ONCE; disposition++) {
		CHECK_RET(send_ports(port, names, 3, disposition), 0);
		got = receive_ports(port, 3, disposition == MOVE_RECEIVE ? MOVE_RECEIVE :
				    carried_right(disposition));
		CHECK(!memcmp(got, names, sizeof(names)));
	}
	dead = new_dead_name();
	CHECK_RET(send_ports(port, &dead, 1, COPY_SEND), 0);
	got = receive_ports(port, 1, MOVE_SEND);
	CHECK_HEX(got[0], MACH_PORT_DEAD);
}

TEST(an_empty_array_has_no_address)
{
	name_t port;

	mach_open();
	port = new_port();
	complex_init(&message, port, MAKE_SEND);
	add_ool_ports(&message, pointer_of(0xdead0000beef), 0, COPY_SEND, true);
	CHECK_RET(complex_send(&message), 0);
	CHECK(!receive_ports(port, 0, MOVE_SEND));
	/* Nor does it matter what it would be of. */
	complex_init(&message, port, MAKE_SEND);
	add_ool_ports(&message, NULL, 0, 99, false);
	CHECK_RET(complex_send(&message), 0);
	CHECK(!receive_ports(port, 0, 0));
}

TEST(refused_arrays)
{
	name_t port, other, once, names[4];
	struct hole hole;

	mach_open();
	port = new_port();
	other = new_send_right();
	hole_init(&hole);
	names[0] = names[2] = names[3] = other;
	names[1] = unused_name();
	/* A name that is none: the ones before it are gone for good. */
	CHECK_RET(mod_refs(other, SEND, 3), KERN_SUCCESS);
	CHECK_RET(send_ports(port, names, 4, MOVE_SEND), MACH_SEND_INVALID_RIGHT);
	CHECK_SEND_UREFS(other, 3);
	CHECK_RET(send_ports(port, names, 4, COPY_SEND), MACH_SEND_INVALID_RIGHT);
	CHECK_SEND_UREFS(other, 3);
	/* The wrong right */
	CHECK_RET(send_ports(port, &other, 1, MOVE_SEND_ONCE), MACH_SEND_INVALID_RIGHT);
	once = new_send_once(port);
	CHECK_RET(send_ports(port, &once, 1, COPY_SEND), MACH_SEND_INVALID_RIGHT);
	CHECK(has_right(once, SEND_ONCE));
	/* No disposition */
	for (int disposition = 0; disposition < 256; disposition++)
		if (disposition < MOVE_RECEIVE || disposition > MAKE_SEND_ONCE)
			CHECK_RET(send_ports(port, &other, 1, disposition),
				  MACH_SEND_INVALID_RIGHT);
	/* Memory comes before what is in it. */
	CHECK_RET(send_ports(port, fault_at(&hole, 12), 4, 0), MACH_SEND_INVALID_MEMORY);
	for (size_t i = 0; i < bad_pointer_count; i++)
		CHECK_RET(send_ports(port, pointer_of(bad_pointers[i]), 1, COPY_SEND),
			  MACH_SEND_INVALID_MEMORY);
	/* Too many: of one array, and in all; before anything is read */
	CHECK_RET(send_ports(port, NULL, 917505, COPY_SEND), MACH_SEND_TOO_LARGE);
	CHECK_RET(send_ports(port, NULL, ~0u, COPY_SEND), MACH_SEND_TOO_LARGE);
	CHECK_RET(send_ports(port, NULL, 16383, COPY_SEND), MACH_SEND_TOO_LARGE);
	CHECK_RET(send_ports(port, NULL, 16382, COPY_SEND), MACH_SEND_INVALID_MEMORY);
	complex_init(&message, port, MAKE_SEND);
	add_ool_ports(&message, NULL, 16000, COPY_SEND, false);
	add_ool_ports(&message, NULL, 382, COPY_SEND, false);
	CHECK_RET(complex_send(&message), MACH_SEND_INVALID_MEMORY);
	add_port(&message, other, COPY_SEND);
	CHECK_RET(complex_send(&message), MACH_SEND_TOO_LARGE);
	/* A type that is none is seen before the sum, one array's count with its descriptor. */
	add_ool(&message, NULL, 0, 5, false);
	CHECK_RET(complex_send(&message), MACH_SEND_INVALID_TYPE);
	/* Cut off */
	for (uint32_t size = BODY_AT; size < BODY_AT + sizeof(struct ool_ports_item); size += 4) {
		complex_init(&message, port, MAKE_SEND);
		add_ool_ports(&message, names, 1, COPY_SEND, false);
		message.size = size;
		CHECK_RET(complex_send(&message), MACH_SEND_MSG_TOO_SMALL);
	}
	CHECK_NO_MESSAGE(port);
	CHECK_SEND_UREFS(other, 3);
	CHECK_EQ(regions(), 0);
}

/* Four bytes for a name, whatever a pointer has */
TEST(deallocate_unmaps_the_array)
{
	enum { COUNT = PAGE / 4 };
	name_t *names, port, other;
	const name_t *got;

	mach_open();
	port = new_port();
	other = new_port();
	names = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(names != MAP_FAILED);
	for (int i = 0; i < COUNT; i++)
		names[COUNT + i] = other;
	complex_init(&message, port, MAKE_SEND);
	add_ool_ports(&message, names + COUNT, COUNT, MAKE_SEND, true);
	CHECK_RET(complex_send(&message), 0);
	CHECK(is_mapped(names) && !is_mapped(names + COUNT));
	CHECK(is_mapped(names + 2 * COUNT) && is_mapped(names + 3 * COUNT));
	got = receive_ports(port, COUNT, MOVE_SEND);
	for (int i = 0; i < COUNT; i++)
		if (!CHECK_HEX(got[i], other))
			break;
	CHECK_SEND_UREFS(other, COUNT);
	/* Not when it is refused */
	complex_init(&message, port, MAKE_SEND);
	names[0] = unused_name();
	add_ool_ports(&message, names, 1, COPY_SEND, true);
	CHECK_RET(complex_send(&message), MACH_SEND_INVALID_RIGHT);
	CHECK(is_mapped(names));
}

TEST(copy_option_must_be_one)
{
	name_t port, other;

	mach_open();
	port = new_port();
	other = new_port();
	for (int copy = 0; copy < 256; copy++) {
		for (uint32_t count = 0; count < 2; count++) {
			complex_init(&message, port, MAKE_SEND);
			add_ool_ports(&message, &other, count, MAKE_SEND, false)->copy =
				(uint8_t)copy;
			if (copy > MSG_VIRTUAL_COPY) {
				CHECK_RET(complex_send(&message), MACH_SEND_INVALID_TYPE);
				continue;
			}
			CHECK_RET(complex_send(&message), 0);
			receive_ports(port, count, MOVE_SEND);
		}
	}
	CHECK_NO_MESSAGE(port);
}

/* Nothing is taken by such a disposition, so it does not matter. */
TEST(null_and_dead_names_need_no_disposition)
{
	const name_t names[] = { MACH_PORT_NULL, MACH_PORT_DEAD };
	const name_t *got;
	name_t port;

	mach_open();
	port = new_port();
	for (int disposition = 0; disposition < 256; disposition += 15) {
		if (disposition >= MOVE_RECEIVE && disposition <= MAKE_SEND_ONCE)
			continue;
		CHECK_RET(send_ports(port, names, 2, disposition), 0);
		got = receive_ports(port, 2, 0);
		REQUIRE(got);
		CHECK_HEX(got[0], MACH_PORT_NULL);
		CHECK_HEX(got[1], MACH_PORT_DEAD);
	}
}

TEST_LIMIT(as_many_rights_as_fit, 120)
{
	enum { COUNT = 16382 };
	name_t *names = calloc(COUNT, sizeof(*names));
	const name_t *got;
	name_t port;

	mach_open();
	port = new_port();
	for (int i = 0; i < COUNT; i++)
		names[i] = new_port();
	CHECK_RET(send_ports(port, names, COUNT, MOVE_RECEIVE), 0);
	got = receive_ports(port, COUNT, MOVE_RECEIVE);
	for (int i = 0; i < COUNT; i += 97)
		CHECK(has_right(got[i], RECEIVE));
	/* And now they die underway. */
	CHECK_RET(send_ports(port, got, COUNT, MOVE_RECEIVE), 0);
	destroy_receive(port);
	free(names);
}

TEST(arrays_and_everything_else_in_one_message)
{
	static uint8_t bytes[5000];
	name_t port, a, b, names[3];
	const name_t *got;

	mach_open();
	port = new_port();
	a = new_port();
	b = new_port();
	names[0] = a;
	names[1] = b;
	names[2] = MACH_PORT_DEAD;
	body_fill(bytes, sizeof(bytes), 1);
	complex_init(&message, port, MAKE_SEND);
	add_ool_ports(&message, names, 3, MAKE_SEND, false);
	add_port(&message, a, MAKE_SEND);
	add_ool(&message, bytes, sizeof(bytes), 0, false);
	add_ool_ports(&message, names, 2, MAKE_SEND_ONCE, false);
	add_ool(&message, bytes, 0, 0, false);
	add_ool_ports(&message, names, 2, MOVE_RECEIVE, false);
	CHECK_RET(complex_send(&message), 0);
	CHECK_RET(complex_receive(&message, port, 0), 0);
	CHECK_HEX(body_end(&message), BODY_END);
	got = pointer_of(ool_ports_at(&message, 0)->address);
	a = got[0];
	b = got[1];
	CHECK_HEX(got[2], MACH_PORT_DEAD);
	CHECK_HEX(((struct port_item *)item_at(&message, 1))->name, a);
	CHECK(body_matches(pointer_of(ool_at(&message, 2)->address), sizeof(bytes), 1));
	got = pointer_of(ool_ports_at(&message, 3)->address);
	CHECK(has_right(got[0], SEND_ONCE) && has_right(got[1], SEND_ONCE));
	CHECK_EQ(ool_at(&message, 4)->address, 0);
	got = pointer_of(ool_ports_at(&message, 5)->address);
	CHECK_HEX(got[0], a);
	CHECK_HEX(got[1], b);
	CHECK(has_right(a, RECEIVE) && has_right(b, RECEIVE));
	CHECK_SEND_UREFS(a, 2);
	CHECK_SEND_UREFS(b, 1);
	CHECK_EQ(regions(), 0);
}

/* The destination's own receive right, alone and among others: silently dropped */
TEST(circular_moves)
{
	name_t port, other, names[3];

	mach_open();
	port = new_send_right();
	other = new_send_right();
	names[0] = MACH_PORT_NULL;
	names[1] = other;
	names[2] = port;
	complex_init(&message, port, COPY_SEND);
	add_ool_ports(&message, names, 3, MOVE_RECEIVE, false);
	CHECK_RET(complex_send(&message), 0);
	CHECK(!has_right(port, RECEIVE) && !has_right(other, RECEIVE));
	CHECK_RET(mod_refs(port, DEAD_NAME, 0), KERN_SUCCESS);
	CHECK_RET(mod_refs(other, DEAD_NAME, 0), KERN_SUCCESS);

	/* Two ports that carry each other */
	port = new_send_right();
	other = new_send_right();
	complex_init(&message, port, COPY_SEND);
	add_ool_ports(&message, &other, 1, MOVE_RECEIVE, false);
	CHECK_RET(complex_send(&message), 0);
	complex_init(&message, other, COPY_SEND);
	add_ool_ports(&message, &port, 1, MOVE_RECEIVE, false);
	CHECK_RET(complex_send(&message), 0);
	CHECK_RET(mod_refs(port, DEAD_NAME, 0), KERN_SUCCESS);
	CHECK_RET(mod_refs(other, DEAD_NAME, 0), KERN_SUCCESS);
}

/* Ports that carry ports, deep: taken apart without recursion */
TEST(chains_of_arrays_come_apart)
{
	name_t first, at;

	mach_open();
	at = first = new_send_right();
	for (int i = 0; i < 2000; i++) {
		name_t next = new_send_right();

		complex_init(&message, next, COPY_SEND);
		add_ool_ports(&message, &at, 1, MOVE_RECEIVE, false);
		if (!CHECK_RET(complex_send(&message), 0))
			return;
		at = next;
	}
	destroy_receive(at);
	CHECK_RET(mod_refs(first, DEAD_NAME, 0), KERN_SUCCESS);
}

TEST(give_back)
{
	name_t port, a, b, names[2];
	const name_t *got;

	mach_open();
	port = new_port();
	a = new_send_right();
	b = new_port();
	fill_queue(port);
	names[0] = names[1] = a;
	CHECK_RET(mod_refs(a, SEND, 1), KERN_SUCCESS);
	complex_init(&message, port, MAKE_SEND);
	add_ool_ports(&message, names, 2, MOVE_SEND, false);
	add_ool_ports(&message, &b, 1, MOVE_RECEIVE, false);
	CHECK_RET(complex_send(&message), MACH_SEND_TIMED_OUT);
	got = pointer_of(ool_ports_at(&message, 0)->address);
	CHECK(got != names);
	CHECK_HEX(got[0], a);
	CHECK_HEX(got[1], a);
	CHECK_EQ(ool_ports_at(&message, 0)->disposition, MOVE_SEND);
	CHECK_SEND_UREFS(a, 2);
	got = pointer_of(ool_ports_at(&message, 1)->address);
	CHECK_EQ(ool_ports_at(&message, 1)->disposition, MOVE_RECEIVE);
	CHECK(has_right(got[0], RECEIVE));
	/* As it is, it can be sent again. */
	while (receive_id(port) < 0x1000)
		;
	CHECK_RET(complex_send(&message), 0);
	CHECK_RET(complex_receive(&message, port, 0), 0);
	CHECK_SEND_UREFS(a, 2);
	CHECK_EQ(regions(), 0);
}

/* What was entered for a buffer that cannot be written leaves the space again. */
TEST(unwritable_buffers)
{
	name_t port, other, moved, names[2];
	size_t before;

	mach_open();
	port = new_port();
	other = new_send_right();
	moved = new_send_right();
	before = lines_in_maps();
	names[0] = names[1] = other;
	complex_init(&message, port, MAKE_SEND);
	add_ool_ports(&message, names, 2, COPY_SEND, false);
	add_ool_ports(&message, names, 1, MAKE_SEND_ONCE, false);
	add_ool_ports(&message, &moved, 1, MOVE_RECEIVE, false);
	CHECK_RET(complex_send(&message), 0);
	CHECK_RET(mach_msg(pointer_of(8), MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, BODY_ROOM, port, 0),
		  MACH_RCV_INVALID_DATA);
	CHECK_SEND_UREFS(other, 1);
	CHECK_NOTIFIED(other, NOTIFY_SEND_ONCE);
	CHECK_RET(mod_refs(moved, DEAD_NAME, 0), KERN_SUCCESS);
	CHECK_EQ(lines_in_maps(), before);
	CHECK_EQ(regions(), 0);
}

/* No room for the array: its rights are dropped, the others delivered. */
TEST(receiver_without_room)
{
	enum { COUNT = 16000 };
	static name_t names[COUNT];
	unsigned long pages;
	struct rlimit limit;
	name_t port, other;
	FILE *statm;

	mach_open();
	port = new_port();
	other = new_port();
	for (int i = 0; i < COUNT; i++)
		names[i] = other;
	complex_init(&message, port, MAKE_SEND);
	add_ool_ports(&message, names, COUNT, MAKE_SEND, false);
	add_port(&message, other, MAKE_SEND);
	CHECK_RET(complex_send(&message), 0);
	REQUIRE_EQ(getrlimit(RLIMIT_AS, &limit), 0);
	statm = fopen("/proc/self/statm", "r");
	REQUIRE(statm && fscanf(statm, "%lu", &pages) == 1);
	fclose(statm);
	limit.rlim_cur = (pages + 8) * PAGE;
	REQUIRE_EQ(setrlimit(RLIMIT_AS, &limit), 0);
	CHECK_RET(complex_receive(&message, port, 0), MACH_RCV_BODY_ERROR | 0x1000);
	CHECK_EQ(ool_ports_at(&message, 0)->address, 0);
	CHECK_EQ(ool_ports_at(&message, 0)->count, COUNT);
	CHECK_HEX(((struct port_item *)item_at(&message, 1))->name, other);
	CHECK_SEND_UREFS(other, 1);
	CHECK_EQ(regions(), 0);
}

/* Between tasks, and the sender is gone */

static void send_many(struct peer_side *side)
{
	enum { COUNT = 300 };
	static name_t names[COUNT];

	for (int i = 0; i < COUNT; i++)
		names[i] = new_port();
	complex_init(&message, side->parent, COPY_SEND);
	add_ool_ports(&message, names, COUNT, MAKE_SEND, false);
	add_ool_ports(&message, names, COUNT / 2, MOVE_RECEIVE, false);
	CHECK_RET(complex_send(&message), 0);
}

TEST(rights_of_a_sender_that_has_exited)
{
	const name_t *sent, *received;
	struct peer peer;

	mach_open();
	peer_start(&peer, send_many, NULL);
	WAIT_CHILD_OK(peer.pid);
	CHECK_RET(complex_receive(&message, peer.service, 0), 0);
	sent = pointer_of(ool_ports_at(&message, 0)->address);
	received = pointer_of(ool_ports_at(&message, 1)->address);
	for (int i = 0; i < 300; i++)
		/* Those whose receive right stayed behind are dead. */
		CHECK_HEX(sent[i], i < 150 ? received[i] : MACH_PORT_DEAD);
}
