// SPDX-License-Identifier: GPL-2.0
/*
 * The module's parameters. Each case loads the module anew, and leaves it loaded
 * as it was.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "body.h"
#include "harness.h"
#include "mach.h"
#include "mach_const.h"
#include "message.h"
#include "port.h"
#include "process.h"
#include "short_rights.h"

static int load(const char *parameters)
{
	int fd = open("/mach.ko", O_RDONLY | O_CLOEXEC);
	int result = syscall(SYS_finit_module, fd, parameters, 0) ? errno : 0;

	close(fd);
	return result;
}

/* Nobody may have the device open; what ended a moment ago may still hold it. */
static int unload(void)
{
	for (int i = 0; i < 100; i++) {
		if (syscall(SYS_delete_module, "mach", O_NONBLOCK) == 0)
			return 0;
		usleep(20000);
	}
	return errno;
}

/* Runs @run in a child, with the module loaded with @parameters. */
static void with_parameters(const char *parameters, void (*run)(void))
{
	pid_t pid;

	REQUIRE_EQ(unload(), 0);
	CHECK_EQ(load(parameters), 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		run();
		_exit(0);
	}
	WAIT_CHILD_OK(pid);
	CHECK_EQ(unload(), 0);
	REQUIRE_EQ(load(""), 0);
}

static void fill_the_space(void)
{
	enum { NAMES = 300 };
	struct message message;
	name_t name = 0, service, last = 0;
	int made = 0;
	long result;

	mach_open();
	service = new_port();
	/* A message with a right that will have no room. */
	CHECK_RET(send_with_reply(service, MAKE_SEND, service, MAKE_SEND_ONCE, 7), 0);
	while ((result = port_allocate(MACH_PORT_RIGHT_DEAD_NAME, &name)) == KERN_SUCCESS) {
		made++;
		last = name;
		REQUIRE(made <= NAMES);
	}
	CHECK_RET(result, KERN_NO_SPACE);
	/* The task's own port and the service have names too. */
	CHECK_EQ(made, NAMES - 2);
	CHECK_RET(port_allocate(MACH_PORT_RIGHT_RECEIVE, &name), KERN_NO_SPACE);
	CHECK_RET(trap(NR_mach_reply_port, 0), 0);

	CHECK_RET(msg_receive(&message, service), MACH_RCV_HEADER_ERROR | 0x2000 /* no room in the name space */);
	/* The reply right was dropped, and that is told. */
	CHECK_NOTIFIED(service, NOTIFY_SEND_ONCE);

	/* Room is room again. */
	CHECK_RET(deallocate(last), KERN_SUCCESS);
	CHECK_RET(port_allocate(MACH_PORT_RIGHT_RECEIVE, &name), KERN_SUCCESS);
	CHECK_RET(port_allocate(MACH_PORT_RIGHT_RECEIVE, &name), KERN_NO_SPACE);
}

TEST(names_are_limited)
{
	with_parameters("names_per_task=300", fill_the_space);
}

/* With one MiB for what waits */

#define MIB	(1u << 20)
#define QUEUES	4

static void one_more(void *argument)
{
	name_t port;

	(void)argument;
	mach_open();
	port = new_port();
	CHECK_RET(send_id(port, MAKE_SEND, 1), 0);
	CHECK_EQ(receive_id(port), 1);
}

static void fill_queues(void)
{
	name_t ports[QUEUES];
	int sent = 0, failed = -1;
	struct message message;
	long result = 0;

	mach_open();
	for (int i = 0; i < QUEUES; i++)
		REQUIRE_RET(port_construct(MPO_QLIMIT | MPO_INSERT_SEND_RIGHT,
					   MACH_PORT_QLIMIT_LARGE, 0, &ports[i]), 0);
	for (int i = 0; i < QUEUES && !result; i++)
		for (unsigned int j = 0; j < MACH_PORT_QLIMIT_LARGE && !result; j++) {
			message_init(&message, MSGH_BITS(MAKE_SEND, 0), ports[i], 0, sent);
			result = msg_send_within(&message, HEADER_SIZE, 0);
			if (result)
				failed = i;
			else
				sent++;
		}
	CHECK_RET(result, MACH_SEND_NO_BUFFER);
	CHECK(sent > 1000 && sent < 3000);
	REQUIRE(failed >= 0);
	/* It came back, and others can send. */
	CHECK_HEX(message.header.bits, MSGH_BITS(MOVE_SEND, 0));
	CHECK_SEND_UREFS(ports[failed], 2);
	WAIT_CHILD_OK(start_child(one_more, NULL));
	/* By a send-once right it is not possible either. */
	CHECK_RET(send_id(ports[failed], MAKE_SEND_ONCE, 1), MACH_SEND_NO_BUFFER);
	CHECK_EQ(receive_id(ports[0]), 0);
	CHECK_RET(send_id(ports[0], MAKE_SEND_ONCE, sent), 0);
	/* What waits goes with its port. */
	for (int i = 0; i < QUEUES; i++)
		destroy_receive(ports[i]);
	one_more(NULL);
}

static void send_much_memory(void)
{
	static struct complex_message message;
	static uint8_t memory[2 * MIB];
	name_t port;

	mach_open();
	port = new_port();
	complex_init(&message, port, MAKE_SEND);
	add_ool(&message, memory, sizeof(memory), MSG_PHYSICAL_COPY, false);
	CHECK_RET(complex_send(&message), MACH_SEND_NO_BUFFER);
	for (int round = 0; round < 3; round++) {
		complex_init(&message, port, MAKE_SEND);
		add_ool(&message, memory, MIB / 2, MSG_VIRTUAL_COPY, false);
		CHECK_RET(complex_send(&message), 0);
		complex_init(&message, port, MAKE_SEND);
		add_ool(&message, memory, MIB / 2, MSG_VIRTUAL_COPY, false);
		CHECK_RET(complex_send(&message), MACH_SEND_NO_BUFFER);
		CHECK_RET(complex_receive(&message, port, 0), 0);
	}
	/* What is inline counts as well. */
	for (int i = 0; i < 2; i++) {
		memset(memory, 0, HEADER_SIZE);
		*(struct header *)memory = (struct header){
			.bits = MSGH_BITS(MAKE_SEND, 0), .remote = port,
		};
		CHECK_RET(mach_msg(memory, MACH_SEND_MSG, 600u << 10, 0, 0, 0),
			  i ? MACH_SEND_NO_BUFFER : 0);
	}
}

/* Messages of the kernel count for whoever is to receive them. */
static void miss_send_once_rights(void)
{
	name_t queue, port;
	struct message message;
	uint32_t missed = 0;

	mach_open();
	queue = new_port();
	port = new_port();
	for (;;) {
		REQUIRE(missed < 3000);
		message_init(&message, MSGH_BITS(MAKE_SEND, MAKE_SEND_ONCE), queue, port, 9);
		if (msg_send_within(&message, HEADER_SIZE, 0) == MACH_SEND_NO_BUFFER)
			break;
		/* It is lost for want of room, and its reply right with it. */
		REQUIRE_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 4, queue, 0),
			    MACH_RCV_TOO_LARGE);
		missed++;
	}
	CHECK(missed > 1000);
	CHECK_EQ(port_status(port).msgcount, missed);
	/* The right that came back is missed, too, but there is no room to tell. */
	CHECK_EQ(port_status(port).sorights, missed + 1);
	CHECK_RET(deallocate(message.header.local), KERN_SUCCESS);
	CHECK_EQ(port_status(port).sorights, missed);
	CHECK_EQ(port_status(port).msgcount, missed);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(receive_id(port), NOTIFY_SEND_ONCE);
	CHECK_RET(send_id(queue, MAKE_SEND, 1), 0);
}

static void join_many_sets(void)
{
	enum { EACH = 150 };
	name_t ports[EACH], sets[EACH];
	long result = 0;
	int joined = 0;

	mach_open();
	for (int i = 0; i < EACH; i++) {
		ports[i] = new_port();
		sets[i] = new_port_set();
	}
	for (int i = 0; i < EACH && !result; i++)
		for (int j = 0; j < EACH && !result; j++, joined++)
			result = insert_member(ports[i], sets[j]);
	CHECK_RET(result, KERN_RESOURCE_SHORTAGE);
	CHECK(joined > 3000);
	CHECK_RET(extract_member(ports[0], sets[0]), KERN_SUCCESS);
	CHECK_RET(insert_member(ports[EACH - 1], sets[EACH - 1]), KERN_SUCCESS);
	CHECK_RET(insert_member(ports[0], sets[0]), KERN_RESOURCE_SHORTAGE);
}

TEST(messages_that_wait_are_limited)
{
	with_parameters("queued_mib_per_task=1", fill_queues);
	with_parameters("queued_mib_per_task=1", send_much_memory);
}

TEST(notifications_that_wait_are_limited)
{
	with_parameters("queued_mib_per_task=1", miss_send_once_rights);
}

TEST(memberships_are_limited)
{
	with_parameters("queued_mib_per_task=1", join_many_sets);
}

static void make_a_trap(void)
{
	mach_open();
	CHECK_EQ(get_api_version(), 19);
}

TEST(traps_are_traced)
{
	char line[512];
	bool found = false;
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t length;

	REQUIRE(log >= 0);
	lseek(log, 0, SEEK_END);
	with_parameters("trace=1", make_a_trap);
	while ((length = read(log, line, sizeof(line) - 1)) > 0) {
		line[length] = 0;
		found |= strstr(line, "trap 0x1000 get_api_version by ") && strstr(line, "-> 0x13");
	}
	CHECK(found);
}

TEST(unknown_values_are_refused)
{
	REQUIRE_EQ(unload(), 0);
	CHECK_EQ(load("names_per_task=many"), EINVAL);
	CHECK_EQ(load("trace=perhaps"), EINVAL);
	REQUIRE_EQ(load(""), 0);
}
