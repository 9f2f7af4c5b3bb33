// SPDX-License-Identifier: GPL-2.0
/*
 * A static program that reports what it sees, or does what its first argument
 * says:
 *
 *	wait		reports, and then waits for the end of standard input
 *	exec FILE ARG…	executes FILE, with FILE ARG… as arguments
 *	fork		reports what a child sees of the commpage
 *	traps		reports what traps answer whose structures have pointers
 *	protect		tries to get at memory that is closed for ever
 *	root PATH	expands PATH by the virtual root, as does a child
 *	exit N		ends with status N
 */
#include "mach.h"
#include "report.h"

/* To be found zero in spite of whatever was in memory or the file. */
static volatile char zeroes[3 * 4096];

/* Is there memory at @address that the kernel can read for us? */
static bool readable(unsigned long address)
{
	/* The name of a file is looked at; that there is none does not matter. */
	long result = CALL3(open, address, 0, 0);

	return result != -14; /* EFAULT */
}

static void report_child(void)
{
	int status;
	long pid = CALL0(fork);

	if (!pid) {
		say("before %x\n", readable(COMMPAGE));
		trap(NR_get_api_version, 0);
		say("after %x\n", readable(COMMPAGE));
		if (readable(COMMPAGE))
			say("child %s\n", (const char *)COMMPAGE);
		leave(0);
	}
	CALL4(wait4, pid, &status, 0, 0);
	say("status %x\n", status);
}

/* Numbers of no meaning outside of here are told as differences. */
static void report_traps(void)
{
	uint32_t type = 0, count = 10, info[10] = { 0 }, previous = 1;
	name_t port = new_port();
	long result;
	struct mach_port_type_args type_args = {
		.task_right_name = task_self(), .port_right_name = port, .port_type_out = ADDRESS(&type),
	};
	struct mach_port_get_attributes_args attributes = {
		.task_right_name = task_self(), .port_right_name = port,
		.flavor = 1, /* MACH_PORT_LIMITS_INFO */
		.info_out = ADDRESS(info), .count_out = ADDRESS(&count),
	};
	struct mach_port_request_notification_args notification = {
		.task_right_name = task_self(), .port_right_name = port,
		.message_id = 70, /* MACH_NOTIFY_NO_SENDERS */
		.make_send_count = 100,
		.notification_destination_port_name = port,
		.message_type = 21, /* MAKE_SEND_ONCE */
		.previous_destination_port_name_out = ADDRESS(&previous),
	};

	result = trap(NR__kernelrpc_mach_port_type_trap, (uintptr_t)&type_args);
	say("trap_type %lx %x\n", result, type);
	result = trap(NR__kernelrpc_mach_port_get_attributes_trap, (uintptr_t)&attributes);
	say("trap_attributes %lx %x %x\n", result, count, info[0]);
	result = trap(NR__kernelrpc_mach_port_request_notification_trap, (uintptr_t)&notification);
	say("trap_notification %lx %x\n", result, previous);
	type_args.port_type_out = ADDRESS(16);
	say("trap_fault %lx\n", trap(NR__kernelrpc_mach_port_type_trap, (uintptr_t)&type_args));
}

static void try_protect(void)
{
	int prot;

	for (prot = 1; prot <= 4; prot <<= 1)
		say("zero %x %ld\n", prot, CALL3(mprotect, 0, 4096, prot));
	say("commpage %x %ld\n", 2, CALL3(mprotect, COMMPAGE, 4096, 3));
}

static void report_expanded(const char *path)
{
	static struct vchroot_expand_args args;
	size_t i;

	args.dfd = -100; /* AT_FDCWD */
	for (i = 0; path[i]; i++)
		args.path[i] = path[i];
	args.path[i] = '\0';
	if (!trap(NR_vchroot_expand, (uintptr_t)&args))
		say("expanded %s\n", args.path);
}

static void report_root(const char *path)
{
	int status;
	long pid;

	report_expanded(path);
	pid = CALL0(fork);
	if (!pid) {
		report_expanded(path);
		leave(0);
	}
	CALL4(wait4, pid, &status, 0, 0);
}

int run(const struct startup *startup)
{
	const char *what = startup->argc > 1 ? startup->argv[1] : "";
	char byte;
	size_t i;

	if (equal(what, "exit"))
		return (int)number(startup->argv[2]);
	if (equal(what, "exec")) {
		long result = CALL3(execve, startup->argv[2], startup->argv + 2, startup->envp);

		say("exec %ld\n", result);
		return 1;
	}
	mach_start(startup);
	if (equal(what, "fork")) {
		report_child();
		return 0;
	}
	if (equal(what, "traps")) {
		report_traps();
		say("end\n");
		return 0;
	}
	if (equal(what, "root")) {
		report_root(startup->argv[2]);
		return 0;
	}
	if (equal(what, "protect")) {
		try_protect();
		return 0;
	}

	for (i = 0; i < sizeof(zeroes); i++)
		if (zeroes[i])
			say("dirty zeroes %lx\n", (unsigned long)i);
	report(startup);
	report_image("header", startup->header);
	say("end\n");
	if (equal(what, "wait"))
		while (CALL3(read, 0, &byte, 1) > 0)
			;
	return 0;
}
