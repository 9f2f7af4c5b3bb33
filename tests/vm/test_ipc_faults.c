// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that ends at each byte of a message: header, descriptors, what they
 * point to, trailer. A fault has the result that is documented, and no right is
 * lost or comes twice.
 * time limit: 400 s
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "body.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "port.h"
#include "process.h"
#include "short_rights.h"

#define MEMORY		64
#define ARRAY		3
#define TRAILER		60u	/* up to the context */

/* A message with one of everything, and the ports that it is about */
struct world {
	name_t dest;
	name_t reply;
	name_t sent;		/* port with two references to a send right */
	name_t once_port;
	name_t once;
	name_t moved;		/* receive right and one reference to a send right */
	name_t array[ARRAY];
};

static struct complex_message message;

static uint8_t memory[MEMORY];

/* Are arrays of rights out of line built? */
static bool with_arrays;

static void look_for_arrays(void)
{
	name_t port = new_port();

	complex_init(&message, port, MAKE_SEND);
	add_ool_ports(&message, NULL, 0, COPY_SEND, false);
	with_arrays = complex_send(&message) != MACH_SEND_INVALID_TYPE;
	destroy_receive(port);
}

/* A hole that memory that is received does not fill */
static void lasting_hole_init(struct hole *hole)
{
	hole->page_size = 4096;
	hole->pages = mmap(NULL, 2 * hole->page_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(hole->pages != MAP_FAILED);
	REQUIRE(!mprotect(hole->pages + hole->page_size, hole->page_size, PROT_NONE));
}

static void begin(void)
{
	mach_open();
	look_for_arrays();
}

static void make_world(struct world *world)
{
	world->dest = new_port();
	world->reply = new_port();
	world->sent = new_send_right();
	REQUIRE_RET(mod_refs(world->sent, SEND, 1), KERN_SUCCESS);
	world->once_port = new_port();
	world->once = new_send_once(world->once_port);
	world->moved = new_send_right();
	for (int i = 0; i < ARRAY; i++)
		world->array[i] = new_send_right();
}

/* With @memory_first the memory comes before the rights, otherwise after them. */
static void make_message(const struct world *world, const void *address, const name_t *array,
			 bool memory_first)
{
	complex_init(&message, world->dest, MAKE_SEND);
	message.header.bits = MSGH_COMPLEX | MSGH_BITS(MAKE_SEND, MAKE_SEND_ONCE);
	message.header.local = world->reply;
	if (memory_first) {
		add_ool(&message, address, MEMORY, 0, false);
		if (with_arrays)
			add_ool_ports(&message, array, ARRAY, COPY_SEND, false);
	}
	add_port(&message, world->sent, MOVE_SEND);
	add_port(&message, world->once, MOVE_SEND_ONCE);
	add_port(&message, world->moved, MOVE_RECEIVE);
	if (!memory_first) {
		add_ool(&message, address, MEMORY, 0, false);
		if (with_arrays)
			add_ool_ports(&message, array, ARRAY, COPY_SEND, false);
	}
}

/* Nothing has gone: the rights of the body are in the space. */
static void check_untouched(const struct world *world)
{
	CHECK_SEND_UREFS(world->sent, 2);
	CHECK_EQ(port_status(world->sent).srights, 1);
	CHECK(has_right(world->once, SEND_ONCE));
	CHECK_EQ(port_status(world->once_port).sorights, 1);
	CHECK_NO_MESSAGE(world->once_port);
	CHECK(has_right(world->moved, RECEIVE));
	CHECK_SEND_UREFS(world->moved, 1);
}

/* They have gone with the message. */
static void check_lost(const struct world *world)
{
	CHECK_SEND_UREFS(world->sent, 1);
	CHECK_UNKNOWN(world->once);
	CHECK_NOTIFIED(world->once_port, NOTIFY_SEND_ONCE);
	CHECK_NO_MESSAGE(world->once_port);
	CHECK_EQ(port_status(world->once_port).sorights, 0);
	CHECK_UREFS(world->moved, DEAD_NAME, 1);
}

/* The header's rights were made for the message, and are nowhere else. */
static void check_header_consumed(const struct world *world)
{
	CHECK_EQ(port_status(world->dest).srights, 0);
	CHECK_EQ(port_status(world->dest).sorights, 0);
	CHECK_NO_MESSAGE(world->dest);
	CHECK_NOTIFIED(world->reply, NOTIFY_SEND_ONCE);
	CHECK_NO_MESSAGE(world->reply);
	CHECK_EQ(port_status(world->reply).sorights, 0);
}

static void check_array(const struct world *world)
{
	for (int i = 0; i < ARRAY; i++)
		CHECK_SEND_UREFS(world->array[i], 1);
}

/* What a world ends with is the same, whatever happened in it. */
static void end_world(const struct world *world)
{
	const name_t *name = &world->dest;

	for (size_t i = 0; i < sizeof(*world) / sizeof(*name); i++)
		port_destroy(name[i]);
}

static size_t mapped_pages(void)
{
	static char text[65536];
	size_t total = 0, start, end;
	char *line = text;
	FILE *file = fopen("/proc/self/maps", "re");
	size_t size;

	REQUIRE(file);
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[size] = '\0';
	while (sscanf(line, "%zx-%zx", &start, &end) == 2) {
		total += (end - start) / 4096;
		line = strchr(line, '\n');
		if (!line)
			break;
		line++;
	}
	return total;
}

TEST(message_that_cannot_be_read)
{
	struct world world;
	struct hole hole;

	begin();
	make_world(&world);
	lasting_hole_init(&hole);
	make_message(&world, memory, world.array, false);
	for (size_t readable = 0; readable < message.size; readable++) {
		void *at = fault_at(&hole, readable);

		memcpy(at, &message, readable);
		CHECK_RET(mach_msg(at, MACH_SEND_MSG | MACH_SEND_TIMEOUT, message.size, 0, 0, 0),
			  MACH_SEND_INVALID_DATA);
		check_untouched(&world);
		check_array(&world);
		CHECK_EQ(port_status(world.dest).mscount, 0);
		CHECK_EQ(port_status(world.reply).sorights, 0);
		CHECK_NO_MESSAGE(world.dest);
	}
	memcpy(fault_at(&hole, message.size), &message, message.size);
	CHECK_RET(mach_msg(fault_at(&hole, message.size), MACH_SEND_MSG, message.size, 0, 0, 0),
		  0);
	CHECK_RET(complex_receive(&message, world.dest, 0), 0);
}

/* Sizes that are too small or odd for what the message says of itself */
TEST(message_that_is_cut_short)
{
	struct world world;

	begin();
	make_world(&world);
	make_message(&world, memory, world.array, false);
	for (uint32_t size = 0; size < message.size - 4; size++) {
		long result = mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, size, 0, 0, 0);

		CHECK_RET(result, MACH_SEND_MSG_TOO_SMALL);
		if (size >= BODY_AT && size % 4 == 0) {
			/* Too short for its descriptors: these are not touched, the header is. */
			check_header_consumed(&world);
		} else {
			CHECK_EQ(port_status(world.reply).sorights, 0);
			CHECK_NO_MESSAGE(world.reply);
		}
		check_untouched(&world);
		check_array(&world);
	}
}

TEST(memory_that_cannot_be_read)
{
	struct hole hole;

	begin();
	lasting_hole_init(&hole);
	for (int first = 0; first < 2; first++)
		for (size_t readable = 0; readable < MEMORY; readable++) {
			struct world world;

			make_world(&world);
			make_message(&world, fault_at(&hole, readable), world.array, first);
			CHECK_RET(complex_send(&message), MACH_SEND_INVALID_MEMORY);
			check_header_consumed(&world);
			if (first)
				check_untouched(&world);
			else
				check_lost(&world);
			check_array(&world);
			end_world(&world);
		}
}

TEST(array_that_cannot_be_read)
{
	struct hole hole;

	begin();
	if (!with_arrays)
		SKIP("arrays of rights out of line are not built yet");
	lasting_hole_init(&hole);
	for (int first = 0; first < 2; first++)
		for (size_t readable = 0; readable < sizeof(name_t) * ARRAY; readable++) {
			struct world world;

			make_world(&world);
			memcpy(fault_at(&hole, readable), world.array, readable);
			make_message(&world, memory, fault_at(&hole, readable), first);
			CHECK_RET(complex_send(&message), MACH_SEND_INVALID_MEMORY);
			check_header_consumed(&world);
			if (first)
				check_untouched(&world);
			else
				check_lost(&world);
			check_array(&world);
			end_world(&world);
		}
}

/* A right in the middle that is not there: what came before it has gone. */
TEST(right_that_is_not_there)
{
	begin();
	for (int bad = 0; bad < 3; bad++) {
		struct world world, sent;

		make_world(&world);
		sent = world;
		if (bad == 0)
			sent.sent = unused_name();
		else if (bad == 1)
			sent.once = world.sent;
		else
			sent.moved = host_self();
		make_message(&sent, memory, world.array, false);
		CHECK_RET(complex_send(&message), MACH_SEND_INVALID_RIGHT);
		check_header_consumed(&world);
		CHECK_SEND_UREFS(world.sent, bad > 0 ? 1 : 2);
		if (bad > 1)
			CHECK_NOTIFIED(world.once_port, NOTIFY_SEND_ONCE);
		else
			CHECK(has_right(world.once, SEND_ONCE));
		CHECK(has_right(world.moved, RECEIVE));
		check_array(&world);
		end_world(&world);
	}
}

/* A buffer that ends before the message or its trailer does: all is lost, once. */
TEST_LIMIT(buffer_that_cannot_be_written, 60)
{
	uint32_t options = MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_TRAILER(TRAILER_CTX);
	size_t pages = 0, room, whole = 1;
	struct hole hole;

	begin();
	lasting_hole_init(&hole);
	for (room = 0; room < whole; room++) {
		struct world world;

		make_world(&world);
		make_message(&world, memory, world.array, room & 1);
		whole = message.size + TRAILER;
		REQUIRE_RET(complex_send(&message), 0);
		CHECK_RET(mach_msg(fault_at(&hole, room), options, 0, 4096, world.dest, 0),
			  MACH_RCV_INVALID_DATA);
		check_header_consumed(&world);
		check_lost(&world);
		check_array(&world);
		end_world(&world);
		/* Nor does memory stay that nobody knows of. */
		if (room == 8)
			pages = mapped_pages();
	}
	CHECK_EQ(mapped_pages(), pages);
	{
		struct world world;

		make_world(&world);
		make_message(&world, memory, world.array, false);
		REQUIRE_RET(complex_send(&message), 0);
		CHECK_RET(mach_msg(fault_at(&hole, whole), options, 0, 4096, world.dest, 0), 0);
	}
}

/* The same in one call with the send, and in another task than the sender's */

static size_t whole_size(void)
{
	return BODY_AT + 3 * sizeof(struct port_item) + sizeof(struct ool_item) +
	       (with_arrays ? sizeof(struct ool_ports_item) : 0) + 4 + TRAILER;
}

static void receive_badly(struct peer_side *side)
{
	size_t whole = whole_size();
	struct hole hole;

	lasting_hole_init(&hole);
	for (size_t room = 0; room < whole; room++) {
		CHECK_RET(mach_msg(fault_at(&hole, room), MACH_RCV_MSG |
				   MACH_RCV_TRAILER(TRAILER_CTX), 0, 4096, side->own, 0),
			  MACH_RCV_INVALID_DATA);
		CHECK_RET(send_id(side->parent, COPY_SEND, (int32_t)room), 0);
	}
	CHECK_EQ(port_status(side->own).sorights, 0);
}

TEST_LIMIT(buffer_of_another_task, 60)
{
	struct message answer;
	struct peer peer;
	size_t whole;

	begin();
	whole = whole_size();
	peer_start(&peer, receive_badly, NULL);
	for (size_t room = 0; room < whole; room++) {
		struct world world;

		make_world(&world);
		make_message(&world, memory, world.array, room & 1);
		message.header.remote = peer.port;
		message.header.bits = MSGH_COMPLEX | MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE);
		REQUIRE_RET(complex_send(&message), 0);
		REQUIRE_RET(msg_receive_blocking(&answer, peer.service), 0);
		REQUIRE_EQ(answer.header.id, (int32_t)room);
		check_header_consumed(&world);
		check_lost(&world);
		check_array(&world);
		/* No other space has a right to them any more. */
		CHECK_EQ(port_status(world.sent).srights, 1);
		CHECK_RET(deallocate(world.sent), KERN_SUCCESS);
		CHECK_EQ(port_status(world.sent).srights, 0);
		for (int i = 0; i < ARRAY; i++) {
			CHECK_RET(deallocate(world.array[i]), KERN_SUCCESS);
			CHECK_EQ(port_status(world.array[i]).srights, 0);
		}
		end_world(&world);
	}
	WAIT_CHILD_OK(peer.pid);
}

/*
 * A message that finds no room and comes back into memory that cannot be written
 * is lost: none of its rights stays under a name that the sender does not know.
 */
TEST(message_that_cannot_be_given_back)
{
	struct world world;
	long result;
	void *page;

	begin();
	make_world(&world);
	fill_queue(world.dest);
	make_message(&world, memory, world.array, false);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(page, &message, message.size);
	REQUIRE(!mprotect(page, 4096, PROT_READ));
	result = mach_msg(page, MACH_SEND_MSG | MACH_SEND_TIMEOUT, message.size, 0, 0, 0);
	CHECK_RET(result, MACH_SEND_TIMED_OUT);
	CHECK(!memcmp(page, &message, message.size));
	CHECK_EQ(port_status(world.dest).msgcount, MACH_PORT_QLIMIT_BASIC);
	CHECK_NOTIFIED(world.reply, NOTIFY_SEND_ONCE);
	check_lost(&world);
	check_array(&world);
}

/* Too little room with MACH_RCV_LARGE, and the word for the size behind a fault */
TEST(size_that_cannot_be_told)
{
	struct world world;
	struct hole hole;

	begin();
	make_world(&world);
	lasting_hole_init(&hole);
	make_message(&world, memory, world.array, false);
	REQUIRE_RET(complex_send(&message), 0);
	for (size_t room = 0; room < HEADER_SIZE; room++) {
		long result = mach_msg(fault_at(&hole, room), MACH_RCV_MSG | MACH_RCV_TIMEOUT |
				       MACH_RCV_LARGE, 0, 24, world.dest, 0);

		CHECK(result == MACH_RCV_TOO_LARGE || result == MACH_RCV_INVALID_DATA);
		CHECK_EQ(port_status(world.dest).msgcount, 1);
	}
	/* It is whole still. */
	CHECK_RET(complex_receive(&message, world.dest, 0), 0);
	CHECK_EQ(message.count, with_arrays ? 5 : 4);
	CHECK_SEND_UREFS(world.sent, 2);
	CHECK(has_right(world.moved, RECEIVE));
}
