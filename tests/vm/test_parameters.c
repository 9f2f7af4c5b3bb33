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

#include "harness.h"
#include "mach.h"
#include "mach_const.h"
#include "message.h"
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
