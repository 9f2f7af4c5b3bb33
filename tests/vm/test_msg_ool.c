// SPDX-License-Identifier: GPL-2.0
/*
 * Out-of-line memory: copied when it is sent, mapped when it is received.
 * time limit: 400 s
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
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

static void *new_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(memory != MAP_FAILED);
	return memory;
}

static long regions(void)
{
	struct object_counts counts;

	if (read_object_counts(&counts))
		for (size_t i = 0; i < counts.kinds; i++)
			if (!strcmp(counts.kind[i].name, "ool_regions"))
				return counts.kind[i].live;
	return -1;
}

/* Sends one piece of memory to @port. */
static long send_ool(name_t port, const void *memory, uint32_t size, int copy, bool deallocate)
{
	complex_init(&message, port, MAKE_SEND);
	add_ool(&message, memory, size, copy, deallocate);
	return complex_send(&message);
}

/* Receives one piece of memory and checks its descriptor; returns the address. */
static uint8_t *receive_ool(name_t port, uint32_t size, int copy)
{
	const struct ool_item *item;

	if (!CHECK_RET(complex_receive(&message, port, 0), 0))
		return NULL;
	CHECK_HEX(message.header.bits, MSGH_COMPLEX | MSGH_BITS(0, MOVE_SEND));
	CHECK_EQ(message.header.size, BODY_AT + sizeof(*item) + 4);
	CHECK_EQ(message.count, 1);
	item = ool_at(&message, 0);
	CHECK_EQ(item->type, MSG_OOL_DESCRIPTOR);
	CHECK_EQ(item->size, size);
	CHECK_EQ(item->copy, copy);
	CHECK_EQ(item->deallocate, copy == MSG_VIRTUAL_COPY);
	CHECK_HEX(body_end(&message), BODY_END);
	CHECK_EQ(item->address % PAGE, 0);
	CHECK_EQ(!item->address, !size);
	return pointer_of(item->address);
}

/* Is what follows @size bytes in their last page zero? */
static bool rest_is_zero(const uint8_t *memory, size_t size)
{
	for (size_t at = size; at % PAGE; at++)
		if (memory[at])
			return false;
	return true;
}

static const uint32_t sizes[] = {
	1, 2, 4095, 4096, 4097, 8191, 8192, 32768, 32769, 36865, 65535, 1048576, 1048577, 16777216,
};

TEST_LIMIT(sizes_and_alignments, 120)
{
	static const size_t offsets[] = { 0, 1, 7, 2048, 4095 };
	uint8_t *source;
	name_t port;

	mach_open();
	port = new_port();
	source = new_memory(16777216 + 2 * PAGE);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (size_t j = 0; j < ARRAY_SIZE(offsets); j++) {
			/* The type limits physical copies to 7 MiB in all. */
			int copy = sizes[i] > 7 << 20 ? MSG_VIRTUAL_COPY : (int)j % 2;
			uint8_t *from = source + offsets[j], *to;

			body_fill(from, sizes[i], (uint32_t)i);
			if (!CHECK_RET(send_ool(port, from, sizes[i], copy, false), 0))
				return;
			to = receive_ool(port, sizes[i], copy);
			if (!to)
				return;
			CHECK(to + sizes[i] <= from || to >= from + sizes[i]);
			CHECK(body_matches(to, sizes[i], (uint32_t)i));
			CHECK(rest_is_zero(to, sizes[i]));
			CHECK(is_mapped(to + sizes[i] - 1));
			to[0] ^= 1;
			to[sizes[i] - 1] ^= 2;
			CHECK(body_matches(from, sizes[i], (uint32_t)i));
			unmap_received((uintptr_t)to, sizes[i]);
			if (sizes[i] >= 1048576)
				j++;
		}
	CHECK_EQ(regions(), 0);
}

TEST(nothing_has_no_address)
{
	name_t port;

	mach_open();
	port = new_port();
	for (int copy = 0; copy < 2; copy++) {
		/* The address does not matter then, nor is anything unmapped. */
		CHECK_RET(send_ool(port, pointer_of(0xdead0000beef), 0, copy, true), 0);
		CHECK(!receive_ool(port, 0, copy));
	}
}

TEST(volatile_memory_keeps_its_type)
{
	uint8_t bytes[100];
	name_t port;

	mach_open();
	port = new_port();
	body_fill(bytes, sizeof(bytes), 3);
	complex_init(&message, port, MAKE_SEND);
	add_ool(&message, bytes, sizeof(bytes), MSG_PHYSICAL_COPY, false)->type =
		MSG_OOL_VOLATILE_DESCRIPTOR;
	CHECK_RET(complex_send(&message), 0);
	CHECK_RET(complex_receive(&message, port, 0), 0);
	CHECK_EQ(ool_at(&message, 0)->type, MSG_OOL_VOLATILE_DESCRIPTOR);
	CHECK(body_matches(pointer_of(ool_at(&message, 0)->address), sizeof(bytes), 3));
}

/* What the sender does after the call is never seen. */
TEST(the_copy_is_made_when_it_is_sent)
{
	const uint32_t size = 1 << 20;
	uint8_t *source, *to;
	name_t port;

	mach_open();
	port = new_port();
	source = new_memory(size);
	for (int copy = 0; copy < 2; copy++) {
		body_fill(source, size, 1);
		CHECK_RET(send_ool(port, source, size, copy, false), 0);
		memset(source, 0xff, size);
		to = receive_ool(port, size, copy);
		memset(source, 0xee, size);
		CHECK(to && body_matches(to, size, 1));
	}
	/* Nor what it does to the memory itself */
	body_fill(source, size, 2);
	CHECK_RET(send_ool(port, source, size, 1, false), 0);
	CHECK_EQ(munmap(source, size), 0);
	to = receive_ool(port, size, 1);
	CHECK(to && body_matches(to, size, 2));
}

/* Every page that the bytes touch goes, and only these. */
TEST(deallocate_unmaps_the_source)
{
	uint8_t *source, *to;
	name_t port;

	mach_open();
	port = new_port();
	for (int copy = 0; copy < 2; copy++) {
		source = new_memory(5 * PAGE);
		body_fill(source, 5 * PAGE, 4);
		CHECK_RET(send_ool(port, source + PAGE + 100, 2 * PAGE, copy, true), 0);
		CHECK(is_mapped(source) && is_mapped(source + 4 * PAGE));
		for (size_t page = 1; page <= 3; page++)
			CHECK(!is_mapped(source + page * PAGE));
		to = receive_ool(port, 2 * PAGE, copy);
		CHECK(to && !rest_is_zero(to, 1));
		unmap_received((uintptr_t)to, 2 * PAGE);
	}
}

/* Memory that is given up stays when the message cannot be sent. */
TEST(a_refused_message_unmaps_nothing)
{
	uint8_t *source;
	name_t port;

	mach_open();
	port = new_port();
	source = new_memory(4 * PAGE);
	complex_init(&message, port, MAKE_SEND);
	add_ool(&message, source, PAGE, MSG_VIRTUAL_COPY, true);
	add_ool(&message, pointer_of(0x1000), PAGE, MSG_VIRTUAL_COPY, true);
	CHECK_RET(complex_send(&message), MACH_SEND_INVALID_MEMORY);
	CHECK(is_mapped(source));

	complex_init(&message, port, MAKE_SEND);
	add_ool(&message, source, PAGE, MSG_VIRTUAL_COPY, true);
	add_port(&message, unused_name(), COPY_SEND);
	CHECK_RET(complex_send(&message), MACH_SEND_INVALID_RIGHT);
	CHECK(is_mapped(source));

	/* The same memory twice is given up once. */
	complex_init(&message, port, MAKE_SEND);
	add_ool(&message, source, PAGE, MSG_VIRTUAL_COPY, true);
	add_ool(&message, source, 2 * PAGE, MSG_VIRTUAL_COPY, true);
	CHECK_RET(complex_send(&message), 0);
	CHECK(!is_mapped(source) && !is_mapped(source + PAGE) && is_mapped(source + 2 * PAGE));
	CHECK_RET(complex_receive(&message, port, 0), 0);
	CHECK_NO_MESSAGE(port);
	CHECK_EQ(regions(), 0);
}

TEST(unreadable_memory)
{
	struct hole hole;
	name_t port;

	mach_open();
	port = new_port();
	hole_init(&hole);
	for (size_t i = 0; i < bad_pointer_count; i++)
		for (int copy = 0; copy < 2; copy++)
			CHECK_RET(send_ool(port, pointer_of(bad_pointers[i]), 100, copy, true),
				  MACH_SEND_INVALID_MEMORY);
	CHECK_RET(send_ool(port, pointer_of(~0ull - 50), 100, 1, true), MACH_SEND_INVALID_MEMORY);
	CHECK_RET(send_ool(port, pointer_of(4096), 64 << 20, 1, true), MACH_SEND_INVALID_MEMORY);
	/* At every distance from the hole */
	for (uint32_t size = 1; size <= 64; size++)
		for (uint32_t readable = size > 3 ? size - 3 : 0; readable <= size; readable++) {
			const void *memory = fault_at(&hole, readable);

			if (readable < size) {
				CHECK_RET(send_ool(port, memory, size, 0, false),
					  MACH_SEND_INVALID_MEMORY);
				continue;
			}
			CHECK_RET(send_ool(port, memory, size, 0, false), 0);
			/* The hole is a good place to map it, but has to stay one. */
			unmap_received((uintptr_t)receive_ool(port, size, 0), size);
		}
	CHECK_RET(send_ool(port, hole.pages, PAGE, 0, false), 0);
	unmap_received((uintptr_t)receive_ool(port, PAGE, 0), PAGE);
	CHECK_RET(send_ool(port, hole.pages, PAGE + 1, 0, false), MACH_SEND_INVALID_MEMORY);
	CHECK_NO_MESSAGE(port);
	CHECK_EQ(regions(), 0);
}

/* 7 MiB of physical copies; virtual ones and those that are given up do not count. */
TEST_LIMIT(limit_of_physical_copies, 120)
{
	const uint32_t limit = 7 << 20;
	uint8_t *source;
	name_t port;

	mach_open();
	port = new_port();
	source = new_memory(limit + 2 * PAGE);
	CHECK_RET(send_ool(port, source, limit, MSG_PHYSICAL_COPY, false), 0);
	unmap_received((uintptr_t)receive_ool(port, limit, MSG_PHYSICAL_COPY), limit);
	CHECK_RET(send_ool(port, source, limit + 1, MSG_PHYSICAL_COPY, false), 0x400);
	complex_init(&message, port, MAKE_SEND);
	add_ool(&message, source, limit - 4, MSG_PHYSICAL_COPY, false);
	add_ool(&message, source, 4, MSG_PHYSICAL_COPY, false);
	add_ool(&message, source, 1, MSG_PHYSICAL_COPY, false);
	CHECK_RET(complex_send(&message), 0x400);
	CHECK_RET(send_ool(port, source, limit + 1, MSG_VIRTUAL_COPY, false), 0);
	unmap_received((uintptr_t)receive_ool(port, limit + 1, MSG_VIRTUAL_COPY), limit + 1);
	CHECK_RET(send_ool(port, source, limit + 1, MSG_PHYSICAL_COPY, true), 0);
	unmap_received((uintptr_t)receive_ool(port, limit + 1, MSG_PHYSICAL_COPY), limit + 1);
	CHECK_NO_MESSAGE(port);
}

TEST(refused_descriptors)
{
	uint8_t bytes[8];
	name_t port;

	mach_open();
	port = new_port();
	/* Copy options that do not exist, even where there is nothing to copy */
	for (int copy = 2; copy < 256; copy += 23) {
		CHECK_RET(send_ool(port, bytes, sizeof(bytes), copy, false), MACH_SEND_INVALID_TYPE);
		CHECK_RET(send_ool(port, bytes, 0, copy, false), MACH_SEND_INVALID_TYPE);
	}
	for (int type = 5; type < 256; type += 25) {
		complex_init(&message, port, MAKE_SEND);
		add_ool(&message, bytes, sizeof(bytes), 0, false)->type = (uint8_t)type;
		CHECK_RET(complex_send(&message), MACH_SEND_INVALID_TYPE);
	}
	/* Cut off by the end of the message */
	for (uint32_t size = BODY_AT; size < BODY_AT + sizeof(struct ool_item); size += 4) {
		complex_init(&message, port, MAKE_SEND);
		add_ool(&message, bytes, sizeof(bytes), 0, false);
		message.size = size;
		CHECK_RET(complex_send(&message), MACH_SEND_MSG_TOO_SMALL);
	}
	message.size = BODY_AT + sizeof(struct ool_item);
	CHECK_RET(complex_send(&message), 0);
	CHECK_RET(complex_receive(&message, port, 0), 0);
	/* The second one is missing. */
	complex_init(&message, port, MAKE_SEND);
	add_ool(&message, bytes, sizeof(bytes), 0, false);
	message.count = 2;
	CHECK_RET(complex_send(&message), MACH_SEND_MSG_TOO_SMALL);
	message.count = ~0u;
	CHECK_RET(complex_send(&message), MACH_SEND_MSG_TOO_SMALL);
	/* Types before memory, and memory in order */
	complex_init(&message, port, MAKE_SEND);
	add_ool(&message, pointer_of(0x10), 5, 0, false);
	add_port(&message, unused_name(), COPY_SEND);
	CHECK_RET(complex_send(&message), MACH_SEND_INVALID_MEMORY);
	add_ool(&message, bytes, sizeof(bytes), 9, false);
	CHECK_RET(complex_send(&message), MACH_SEND_INVALID_TYPE);
	complex_init(&message, port, MAKE_SEND);
	add_port(&message, unused_name(), COPY_SEND);
	add_ool(&message, pointer_of(0x10), 5, 0, false);
	CHECK_RET(complex_send(&message), MACH_SEND_INVALID_RIGHT);
	CHECK_NO_MESSAGE(port);
	CHECK_EQ(regions(), 0);
}

TEST(hundreds_of_descriptors)
{
	enum { COUNT = 600 };
	static uint8_t bytes[COUNT * 17];
	name_t port, other;

	mach_open();
	port = new_port();
	other = new_port();
	body_fill(bytes, sizeof(bytes), 9);
	complex_init(&message, port, MAKE_SEND);
	for (uint32_t i = 0; i < COUNT; i++)
		if (i % 3)
			add_ool(&message, bytes + i * 16, i, (int)i % 2, false);
		else
			add_port(&message, other, MAKE_SEND);
	CHECK_RET(complex_send(&message), 0);
	CHECK_EQ(regions(), COUNT - COUNT / 3);
	CHECK_RET(complex_receive(&message, port, 0), 0);
	CHECK_EQ(message.count, COUNT);
	CHECK_HEX(body_end(&message), BODY_END);
	for (uint32_t i = 0; i < COUNT; i++) {
		const struct port_item *carried = item_at(&message, i);
		const struct ool_item *item = item_at(&message, i);

		if (i % 3 == 0) {
			CHECK_HEX(carried->name, other);
			continue;
		}
		if (!CHECK_EQ(item->size, i) ||
		    !CHECK(!memcmp(pointer_of(item->address), bytes + i * 16, i)))
			return;
		unmap_received(item->address, i);
	}
	CHECK_SEND_UREFS(other, COUNT / 3);
	CHECK_EQ(regions(), 0);
}

/* Messages that nobody receives */
TEST(queued_memory_goes_with_its_port)
{
	uint8_t *source;
	name_t port;

	mach_open();
	port = new_port();
	source = new_memory(1 << 20);
	for (int i = 0; i < 5; i++)
		CHECK_RET(send_ool(port, source, 1 << 20, 1, false), 0);
	CHECK_EQ(regions(), 5);
	destroy_receive(port);
	CHECK_EQ(regions(), 0);
	/* And with the process, which the runner looks after. */
	port = new_port();
	CHECK_RET(send_ool(port, source, 1 << 20, 1, false), 0);
}

TEST(too_large_messages_drop_their_memory)
{
	uint8_t byte = 1;
	name_t port;

	mach_open();
	port = new_port();
	CHECK_RET(send_ool(port, &byte, 1, 0, false), 0);
	CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, BODY_AT, port, 0),
		  MACH_RCV_TOO_LARGE);
	CHECK_EQ(regions(), 0);
	/* Kept, it is whole. */
	CHECK_RET(send_ool(port, &byte, 1, 0, false), 0);
	CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_LARGE, 0, BODY_AT,
			   port, 0), MACH_RCV_TOO_LARGE);
	CHECK_EQ(regions(), 1);
	CHECK(receive_ool(port, 1, 0));
}

/* A buffer that cannot be written: the message is lost, and the address space is as before. */
TEST(unwritable_buffers)
{
	uint8_t *source;
	size_t before;
	name_t port, other;

	mach_open();
	port = new_port();
	other = new_port();
	source = new_memory(3 * PAGE);
	body_fill(source, 3 * PAGE, 1);
	before = lines_in_maps();
	for (size_t i = 0; i < bad_pointer_count; i++) {
		complex_init(&message, port, MAKE_SEND);
		add_ool(&message, source, 3 * PAGE, 0, false);
		add_port(&message, other, MAKE_SEND);
		CHECK_RET(complex_send(&message), 0);
		CHECK_RET(mach_msg(pointer_of(bad_pointers[i]), MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
				   BODY_ROOM, port, 0), MACH_RCV_INVALID_DATA);
		CHECK(!has_right(other, SEND));
	}
	CHECK_EQ(lines_in_maps(), before);
	CHECK_EQ(regions(), 0);
	CHECK_NO_MESSAGE(port);
}

/* No room: the rest is delivered. */
TEST(receiver_without_room)
{
	const uint32_t size = 4 << 20;
	struct rlimit limit;
	uint8_t *source;
	name_t port, other;

	mach_open();
	port = new_port();
	other = new_port();
	source = new_memory(size);
	complex_init(&message, port, MAKE_SEND);
	add_ool(&message, source, 10, 0, false);
	add_ool(&message, source, size, 1, false);
	add_port(&message, other, MAKE_SEND);
	CHECK_RET(complex_send(&message), 0);
	REQUIRE_EQ(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = 0;
	{
		unsigned long pages;
		FILE *statm = fopen("/proc/self/statm", "r");

		REQUIRE(statm && fscanf(statm, "%lu", &pages) == 1);
		fclose(statm);
		limit.rlim_cur = (pages + 64) * PAGE;
	}
	REQUIRE_EQ(setrlimit(RLIMIT_AS, &limit), 0);
	CHECK_RET(complex_receive(&message, port, 0), MACH_RCV_BODY_ERROR | 0x1000);
	limit.rlim_cur = limit.rlim_max;
	REQUIRE_EQ(setrlimit(RLIMIT_AS, &limit), 0);
	CHECK_EQ(message.count, 3);
	CHECK_EQ(ool_at(&message, 0)->size, 10);
	CHECK(ool_at(&message, 0)->address);
	CHECK_EQ(ool_at(&message, 1)->size, 0);
	CHECK_EQ(ool_at(&message, 1)->address, 0);
	CHECK_HEX(((struct port_item *)item_at(&message, 2))->name, other);
	CHECK_HEX(body_end(&message), BODY_END);
	CHECK_EQ(regions(), 0);
}

/* A message that is not sent comes back, its memory at another address. */
TEST(give_back)
{
	uint8_t *source, *back;
	name_t port, other;

	mach_open();
	port = new_port();
	other = new_port();
	fill_queue(port);
	source = new_memory(4 * PAGE);
	body_fill(source, 3 * PAGE, 6);
	complex_init(&message, port, MAKE_SEND);
	add_ool(&message, source, 3 * PAGE, 1, true);
	add_port(&message, other, MAKE_SEND);
	add_ool(&message, source, 0, 1, true);
	CHECK_RET(complex_send(&message), MACH_SEND_TIMED_OUT);
	CHECK(is_mapped(source + 3 * PAGE));
	CHECK_HEX(message.header.bits, MSGH_COMPLEX | MSGH_BITS(MOVE_SEND, 0));
	/* The old address is free, so it may be the new one. */
	back = pointer_of(ool_at(&message, 0)->address);
	CHECK(back && body_matches(back, 3 * PAGE, 6));
	CHECK_EQ(ool_at(&message, 0)->deallocate, 1);
	CHECK_EQ(ool_at(&message, 2)->address, 0);
	CHECK_SEND_UREFS(other, 1);
	CHECK_EQ(regions(), 0);
	/* It can be sent again as it is. */
	while (receive_id(port) < 0x1000)
		;
	((struct port_item *)item_at(&message, 1))->disposition = MOVE_SEND;
	CHECK_RET(complex_send(&message), 0);
	CHECK(!is_mapped(back));
	CHECK_RET(complex_receive(&message, port, 0), 0);
	CHECK(body_matches(pointer_of(ool_at(&message, 0)->address), 3 * PAGE, 6));
	CHECK_HEX(((struct port_item *)item_at(&message, 1))->name, other);
}

/* Received memory is private memory like any other. */

static uint8_t *received(name_t port, uint32_t size)
{
	uint8_t *source = new_memory(size);
	uint8_t *to;

	body_fill(source, size, 7);
	REQUIRE_RET(send_ool(port, source, size, 1, true), 0);
	to = receive_ool(port, size, 1);
	REQUIRE(to);
	return to;
}

TEST(fork_copies_received_memory)
{
	const uint32_t size = 64 * PAGE;
	int status;
	uint8_t *to;
	pid_t child;

	mach_open();
	to = received(new_port(), size);
	to[PAGE] ^= 0xff;
	child = fork();
	if (!child) {
		bool good;

		to[PAGE] ^= 0xff;
		good = body_matches(to, size, 7);
		memset(to, 1, size / 2);
		munmap(to, PAGE);
		_exit(good ? 0 : 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_HEX(status, 0);
	to[PAGE] ^= 0xff;
	CHECK(body_matches(to, size, 7));
	/* And once the parent is gone */
	child = fork();
	if (!child) {
		pid_t grandchild = fork();

		if (!grandchild) {
			sleep_ms(100);
			_exit(body_matches(to, size, 7) ? 0 : 1);
		}
		munmap(to, size);
		waitpid(grandchild, &status, 0);
		_exit(status ? 1 : 0);
	}
	munmap(to, size);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_HEX(status, 0);
}

TEST(protection_and_parts)
{
	const uint32_t size = 1024 * PAGE;
	uint8_t *to, *moved;

	mach_open();
	to = received(new_port(), size);
	CHECK_EQ(mprotect(to, size, PROT_READ), 0);
	CHECK(body_matches(to, size, 7));
	CHECK_EQ(mprotect(to + 4 * PAGE, PAGE, PROT_NONE), 0);
	CHECK_EQ(mprotect(to, size, PROT_READ | PROT_WRITE), 0);
	CHECK_EQ(mprotect(to, size, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	to[0] ^= 1;
	to[0] ^= 1;
	CHECK(body_matches(to, size, 7));
	moved = mremap(to, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
		       (uint8_t *)new_memory(2 * size) + PAGE);
	CHECK(moved != MAP_FAILED);
	CHECK(body_matches(moved, size, 7));
	CHECK_EQ(munmap(moved + 10 * PAGE, PAGE), 0);
	CHECK(!is_mapped(moved + 10 * PAGE));
	CHECK(is_mapped(moved + 9 * PAGE) && is_mapped(moved + 11 * PAGE));
	CHECK(!memcmp(moved + 11 * PAGE, moved + 11 * PAGE, PAGE));
	/* Thrown away, it is zero like any anonymous memory. */
	CHECK_EQ(madvise(moved, PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(moved[0], 0);
	moved[1] = 5;
	CHECK_EQ(moved[1], 5);
	CHECK_EQ(madvise(moved + PAGE, PAGE, MADV_COLD), 0);
	madvise(moved + 2 * PAGE, PAGE, MADV_FREE);
	madvise(moved + 3 * PAGE, PAGE, MADV_PAGEOUT);
	mlock(moved + 5 * PAGE, PAGE);
	munlock(moved + 5 * PAGE, PAGE);
	CHECK_EQ(munmap(moved, 10 * PAGE), 0);
}

TEST(growing_received_memory)
{
	uint8_t *to, *larger;

	mach_open();
	to = received(new_port(), 2 * PAGE);
	larger = mremap(to, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
	CHECK(larger != MAP_FAILED);
	if (larger == MAP_FAILED)
		return;
	CHECK(body_matches(larger, 2 * PAGE, 7));
	CHECK_EQ(larger[7 * PAGE], 0);
	larger[7 * PAGE] = 1;
	CHECK_EQ(larger[7 * PAGE], 1);
}

/* Its pages come when they are touched, whatever became of the area before. */
TEST(received_memory_that_nobody_has_touched)
{
	const uint32_t size = 100 * PAGE + 10;
	uint8_t *to, *moved, *want;
	int status, gate[2];
	pid_t child;
	char c;

	mach_open();
	/* Both halves of a fork, the parent's gone before the child looks */
	to = received(new_port(), size);
	CHECK_EQ(pipe(gate), 0);
	child = fork();
	if (!child) {
		close(gate[1]);
		if (read(gate[0], &c, 1))
			_exit(2);
		_exit(body_matches(to, size, 7) && rest_is_zero(to, size) ? 0 : 1);
	}
	CHECK(body_matches(to, size, 7));
	CHECK(rest_is_zero(to, size));
	to[PAGE] ^= 0xff;
	munmap(to, size);
	close(gate[1]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_HEX(status, 0);
	/* Written first, and taken apart */
	to = received(new_port(), size);
	want = new_memory(size);
	body_fill(want, size, 7);
	to[40 * PAGE] ^= 1;
	to[40 * PAGE] ^= 1;
	CHECK_EQ(munmap(to + 3 * PAGE, PAGE), 0);
	CHECK_EQ(mprotect(to + 70 * PAGE, PAGE, PROT_NONE), 0);
	moved = mremap(to + 4 * PAGE, 66 * PAGE, 66 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       new_memory(66 * PAGE));
	REQUIRE(moved != MAP_FAILED);
	CHECK_EQ(mprotect(to + 70 * PAGE, PAGE, PROT_READ), 0);
	CHECK(!memcmp(to, want, 3 * PAGE));
	CHECK(!memcmp(moved, want + 4 * PAGE, 66 * PAGE));
	CHECK(!memcmp(to + 70 * PAGE, want + 70 * PAGE, size - 70 * PAGE));
	CHECK(rest_is_zero(to, size));
	/* By the kernel */
	to = received(new_port(), size);
	CHECK_EQ(pipe(gate), 0);
	CHECK_EQ(write(gate[1], "x", 1), 1);
	CHECK_EQ(read(gate[0], to + 90 * PAGE, 1), 1);
	want[90 * PAGE] = 'x';
	CHECK(!memcmp(to, want, size));
}

TEST(other_processes_read_and_write_received_memory)
{
	const uint32_t size = 8 * PAGE;
	static uint8_t copy[8 * PAGE];
	int status;
	uint8_t *to;
	pid_t child;

	mach_open();
	to = received(new_port(), size);
	child = fork();
	if (!child) {
		struct iovec local = { copy, size }, remote = { to, size };
		const bool read = process_vm_readv(getppid(), &local, 1, &remote, 1, 0) == size &&
				  body_matches(copy, size, 7);

		memset(copy, 0x33, size);
		remote.iov_len = local.iov_len = PAGE;
		_exit(read && process_vm_writev(getppid(), &local, 1, &remote, 1, 0) == PAGE &&
		      to[0] != 0x33 ? 0 : 1);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_HEX(status, 0);
	CHECK_EQ(to[0], 0x33);
	CHECK_EQ(to[PAGE - 1], 0x33);
}

/* Sent on, before and after it was written to */
TEST(received_memory_is_sent_on)
{
	const uint32_t size = 16 * PAGE;
	uint8_t *to, *next;
	name_t port;

	mach_open();
	port = new_port();
	to = received(port, size);
	to[3 * PAGE] ^= 1;
	to[3 * PAGE] ^= 1;
	CHECK_RET(send_ool(port, to + 10, size - 10, 1, true), 0);
	CHECK(!is_mapped(to));
	next = receive_ool(port, size - 10, 1);
	CHECK(next && rest_is_zero(next, size - 10));
}

/* Two tasks */

static void send_and_wait(struct peer_side *side)
{
	const uint32_t size = 1 << 20;
	uint8_t *source = new_memory(size);

	body_fill(source, size, 8);
	complex_init(&message, side->parent, COPY_SEND);
	add_ool(&message, source, size, 1, false);
	CHECK_RET(complex_send(&message), 0);
	memset(source, 0, size);
}

TEST(memory_of_a_sender_that_has_exited)
{
	struct peer peer;
	uint8_t *to;

	mach_open();
	peer_start(&peer, send_and_wait, NULL);
	WAIT_CHILD_OK(peer.pid);
	CHECK_RET(complex_receive(&message, peer.service, 0), 0);
	to = pointer_of(ool_at(&message, 0)->address);
	CHECK(body_matches(to, 1 << 20, 8));
	to[0] = 1;
	CHECK_EQ(regions(), 0);
}

static void receive_for_ever(struct peer_side *side)
{
	for (;;)
		if (!complex_receive(&message, side->own, 0))
			unmap_received(ool_at(&message, 0)->address, ool_at(&message, 0)->size);
}

/* Whatever a receiver is killed in the middle of, nobody else notices. */
TEST_LIMIT(receivers_killed_at_any_time, 120)
{
	const uint32_t size = 2 << 20;
	uint8_t *source;

	mach_open();
	source = new_memory(size);
	body_fill(source, size, 1);
	for (unsigned int round = 0; round < 12; round++) {
		struct peer peer;

		peer_start(&peer, receive_for_ever, NULL);
		for (unsigned int i = 0; i < 6; i++) {
			complex_init(&message, peer.port, COPY_SEND);
			add_ool(&message, source, size, 1, false);
			complex_send(&message);
		}
		sleep_ms(round * 3);
		kill_child(peer.pid);
		CHECK(body_matches(source, size, 1));
		CHECK_RET(deallocate(peer.port), KERN_SUCCESS);
	}
	for (int i = 0; i < 50 && regions(); i++)
		sleep_ms(20);
	CHECK_EQ(regions(), 0);
}

static void send_for_ever(struct peer_side *side)
{
	const uint32_t size = 8 << 20;
	void *source = new_memory(size);

	for (;;) {
		complex_init(&message, side->parent, COPY_SEND);
		add_ool(&message, source, size, 1, false);
		complex_send(&message);
	}
}

TEST_LIMIT(senders_killed_at_any_time, 120)
{
	mach_open();
	for (unsigned int round = 0; round < 8; round++) {
		struct peer peer;

		peer_start(&peer, send_for_ever, NULL);
		sleep_ms(5 + round * 7);
		kill_child(peer.pid);
		while (!complex_receive(&message, peer.service, 0)) {
			CHECK_EQ(ool_at(&message, 0)->size, 8 << 20);
			unmap_received(ool_at(&message, 0)->address, 8 << 20);
		}
		destroy_receive(peer.service);
	}
	CHECK_EQ(regions(), 0);
}

/* Threads of one task receive at once. */

static name_t shared_port;

static void *receive_some(void *argument)
{
	struct complex_message *own = calloc(1, sizeof(*own));

	for (int i = 0; i < 100; i++) {
		CHECK_RET(mach_msg(own, MACH_RCV_MSG, 0, BODY_AT + BODY_ROOM, shared_port, 0), 0);
		for (uint32_t j = 0; j < own->count; j++) {
			const struct ool_item *item = ool_at(own, j);

			CHECK(body_matches(pointer_of(item->address), item->size, item->size));
			unmap_received(item->address, item->size);
		}
	}
	free(own);
	return argument;
}

TEST_LIMIT(threads_receive_side_by_side, 120)
{
	struct worker workers[4];
	uint8_t *source[4];

	mach_open();
	shared_port = new_send_right();
	for (uint32_t i = 0; i < 4; i++) {
		source[i] = new_memory(8 * PAGE);
		body_fill(source[i], i * 7000 + 1, i * 7000 + 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
		worker_start(&workers[i], receive_some, NULL);
	for (uint32_t i = 0; i < 400; i++) {
		complex_init(&message, shared_port, COPY_SEND);
		for (uint32_t j = 0; j < 4; j++)
			add_ool(&message, source[j], j * 7000 + 1, 1, false);
		CHECK_RET(mach_msg(&message, MACH_SEND_MSG, message.size, 0, 0, 0), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
		worker_join(&workers[i]);
	CHECK_EQ(regions(), 0);
}

/* More than there is: refused, and everything goes on. */
TEST_LIMIT(more_memory_than_there_is, 300)
{
	const size_t size = 256u << 20;
	name_t port[8];
	unsigned int sent = 0;
	long result = 0;
	void *source;

	mach_open();
	/* Never written to: it costs the sender nothing. */
	source = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(source != MAP_FAILED);
	for (size_t i = 0; i < ARRAY_SIZE(port); i++)
		port[i] = new_port();
	for (size_t i = 0; i < 40 && !result; i++) {
		result = send_ool(port[i % ARRAY_SIZE(port)], source, (uint32_t)size, 1, false);
		sent += !result;
	}
	note("%u times 256 MiB", sent);
	CHECK_RET(result, MACH_SEND_NO_BUFFER);
	for (size_t i = 0; i < ARRAY_SIZE(port); i++)
		destroy_receive(port[i]);
	CHECK_EQ(regions(), 0);
}
