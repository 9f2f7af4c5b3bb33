// SPDX-License-Identifier: GPL-2.0
/*
 * What bodies of messages carry between tasks of 64 and 32 bits. The programs
 * check what they see of it themselves (tests/macho/messages.c).
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "body.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "program.h"
#include "short_rights.h"

#define PROGRAM64	"/macho/messages"
#define PROGRAM32	"/macho/messages32"

#define MEMORY		5000u
#define NAMES		3u
#define REQUEST_ID	77
#define REPLY_ID	78

static struct program program;
static struct complex_message message;
static uint8_t bytes[MEMORY];

static void check_program(void)
{
	char line[128];

	for (int i = 0; report_line(&program, "wrong", i, line, sizeof(line)); i++) {
		note("tests/macho/messages.c: line, got, want: %s", line);
		CHECK(!"as the program wants it");
	}
	CHECK_HEX(program.status, 0);
	CHECK(strstr(program.text, "end\n") != NULL);
}

static void run(const char *path)
{
	char *argv[] = { "messages", "self", NULL };

	program_run(&program, path, argv, (char *[]){ NULL }, NULL);
	check_program();
}

TEST(bodies_in_the_wide_layout)
{
	run(PROGRAM64);
}

TEST(bodies_in_the_narrow_layout)
{
	run(PROGRAM32);
}

static bool is_sent_memory(const uint8_t *memory)
{
	for (size_t i = 0; i < MEMORY; i++)
		if (memory[i] != (uint8_t)(i * 7 + 1))
			return false;
	return true;
}

/* What the program sends; returns the port that it wants an answer to. */
static name_t receive_request(name_t port)
{
	const struct port_item *item;
	const struct ool_item *memory;
	const struct ool_ports_item *ports;
	const struct guarded_item *guarded;
	const name_t *names;

	poison(&message, sizeof(message));
	REQUIRE_EQ(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_GUARDED_DESC, 0,
			    BODY_AT + BODY_ROOM, port, 10000), 0);
	CHECK_EQ(message.header.id, REQUEST_ID);
	CHECK_EQ(message.header.size, BODY_AT + 12 + 3 * 16 + 4);
	REQUIRE_EQ(message.count, 4);
	item = item_at(&message, 0);
	CHECK_EQ(item->type, MSG_PORT_DESCRIPTOR);
	CHECK_EQ(item->disposition, MOVE_SEND);
	memory = ool_at(&message, 1);
	CHECK_EQ(memory->type, MSG_OOL_DESCRIPTOR);
	REQUIRE_EQ(memory->size, MEMORY);
	CHECK(is_sent_memory(pointer_of(memory->address)));
	ports = ool_ports_at(&message, 2);
	CHECK_EQ(ports->type, MSG_OOL_PORTS_DESCRIPTOR);
	CHECK_EQ(ports->disposition, MOVE_SEND);
	REQUIRE_EQ(ports->count, NAMES);
	names = pointer_of(ports->address);
	for (size_t i = 0; i < NAMES; i++)
		CHECK_SEND_UREFS(names[i], 1);
	guarded = item_at(&message, 3);
	CHECK_EQ(guarded->type, MSG_GUARDED_PORT_DESCRIPTOR);
	CHECK_HEX(guarded->context, (uintptr_t)&message);
	CHECK_RET(mod_refs(guarded->name, MACH_PORT_RIGHT_RECEIVE, 0), 0);
	CHECK_HEX(body_end(&message), BODY_END);
	return item->name;
}

static void send_reply(name_t to)
{
	name_t names[NAMES];

	for (size_t i = 0; i < NAMES; i++)
		names[i] = new_send_right();
	complex_init(&message, to, COPY_SEND);
	message.header.id = REPLY_ID;
	add_port(&message, new_port(), MAKE_SEND);
	add_ool(&message, bytes, sizeof(bytes), MSG_VIRTUAL_COPY, false);
	add_ool_ports(&message, names, NAMES, COPY_SEND, false);
	add_guarded(&message, new_port(), 0, 3);
	CHECK_RET(complex_send(&message), 0);
}

static void exchange(const char *path)
{
	char *argv[] = { "messages", "peer", NULL };
	name_t port, reply_to;

	mach_open();
	port = new_send_right();
	bootstrap_set(port, COPY_SEND);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	program_launch(&program, path, argv, (char *[]){ NULL }, NULL);
	reply_to = receive_request(port);
	wait_until_in_trap(program.pid, program.pid);
	send_reply(reply_to);
	wait_until_in_trap(program.pid, program.pid);
	send_reply(reply_to);
	program_read(&program);
	program_finish(&program);
	check_program();
}

TEST(peer_of_the_same_width)
{
	exchange(PROGRAM64);
}

TEST(peer_of_the_other_width)
{
	exchange(PROGRAM32);
}
