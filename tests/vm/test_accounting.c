// SPDX-License-Identifier: GPL-2.0
/*
 * What debugfs counts besides objects: rights, and bytes that wait in queues. They
 * come back to what they were, whichever way things go.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "body.h"
#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"

#define MEMORY	(64u << 10)

TEST(rights_are_counted)
{
	name_t ports[3];
	long before;

	mach_open();
	self();
	before = live("rights");
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		ports[i] = new_send_right();
	/* One name has both rights. */
	CHECK_EQ(live("rights"), before + 3);
	CHECK_RET(insert_right(100u << 8 | 3, ports[0], MAKE_SEND_ONCE), 0);
	CHECK_EQ(live("rights"), before + 4);
	new_dead_name();
	CHECK_EQ(live("rights"), before + 5);
	CHECK_RET(deallocate(ports[1]), 0);
	CHECK_EQ(live("rights"), before + 5);
	CHECK_RET(mod_refs(ports[1], MACH_PORT_RIGHT_RECEIVE, -1), 0);
	CHECK_EQ(live("rights"), before + 4);
}

static struct complex_message message;
static uint8_t block[MEMORY];

static void send_block(name_t port)
{
	complex_init(&message, port, MAKE_SEND);
	add_ool(&message, block, sizeof(block), MSG_PHYSICAL_COPY, false);
	REQUIRE_RET(complex_send(&message), 0);
}

TEST(bytes_that_wait_are_counted)
{
	name_t port;
	long before;

	mach_open();
	port = new_port();
	before = live("kept_bytes");
	send_block(port);
	CHECK(live("kept_bytes") >= before + (long)MEMORY);
	send_block(port);
	CHECK(live("kept_bytes") >= before + 2 * (long)MEMORY);
	REQUIRE_RET(complex_receive(&message, port, 0), 0);
	CHECK(live("kept_bytes") < before + 2 * (long)MEMORY);
	CHECK_RET(mod_refs(port, MACH_PORT_RIGHT_RECEIVE, -1), 0);
	CHECK_EQ(live("kept_bytes"), before);
}

static void be_killed_with_much(void *unused)
{
	name_t port;

	(void)unused;
	mach_forget();
	port = new_port();
	for (int i = 0; i < 20; i++)
		new_send_right();
	send_block(port);
	kill(getpid(), SIGKILL);
}

TEST(all_goes_with_a_task_that_is_killed)
{
	long rights, bytes;

	mach_open();
	self();
	rights = live("rights");
	bytes = live("kept_bytes");
	for (int i = 0; i < 10; i++)
		CHECK_HEX(wait_child(start_child(be_killed_with_much, NULL)), SIGKILL);
	/* The end of a process may be seen before the end of its task. */
	for (int i = 0; i < 500 && live("rights") != rights; i++)
		usleep(10000);
	CHECK_EQ(live("rights"), rights);
	CHECK_EQ(live("kept_bytes"), bytes);
}
