// SPDX-License-Identifier: GPL-2.0
/*
 * The demo: a static Mach-O program that gets to know its kernel, forks, and
 * exchanges Mach messages with its child, which then becomes a dynamically
 * linked program (dynamic.c) and, last of all, an ELF one. Then it has children
 * that end in other ways (ends.c).
 */
#include "ends.h"
#include "mach.h"

#define ROUNDS 3

#define LINKED_AT 0x100000000ul		/* address of the header in the file */

/* One line of /proc/self/maps: range, protection, three fields of no use here, name. */
static void show_mapping(char *line, void *context)
{
	char *prot = line, *name;

	(void)context;
	while (*prot != ' ')
		prot++;
	*prot++ = '\0';
	prot[3] = '\0';
	name = prot + 4;
	while (*name)
		name++;
	while (name[-1] != ' ')
		name--;
	if (starts_with(line, "00000000-"))
		name = "__PAGEZERO";
	say("    %s  %s  %s\n", prot, line, *name ? name : "zero fill");
}

static int child(void)
{
	struct text_message text;
	name_t own, server;
	char *argv[2], *envp[1];
	long result;
	int i;

	/* The first trap of a child, through the descriptor of its parent. */
	if (trap(NR_get_api_version, 0) != MACH_ABI_VERSION)
		return 10;
	own = reply_port();
	server = bootstrap_port();
	if (!server) {
		say("  child:  no bootstrap port\n");
		return 11;
	}
	say("  child:  process %ld, task %x, bootstrap port %x\n",
	    CALL0(getpid), task_self(), server);
	for (i = 1; i <= ROUNDS; i++) {
		result = send_request(&text, server, own, "ping %d", i);
		if (result) {
			say("  child:  ping %d failed: %lx\n", i, result);
			return 12;
		}
		say("  child:  got  \"%s\"\n", text.text);
	}
	say("  child:  executes a dynamically linked program\n");
	argv[0] = "dynamic";
	argv[1] = envp[0] = NULL;
	result = CALL3(execve, "/demo/dynamic", argv, envp);
	say("  child:  exec failed: %ld\n", result);
	return 13;
}

/* Answers until a message does not ask for an answer. */
static int serve(name_t port)
{
	struct text_message text;
	name_t reply_to;
	long result;

	for (;;) {
		result = message(&text, 0, sizeof(text), port);
		if (result) {
			say("  parent: receiving failed: %lx\n", result);
			return 20;
		}
		say("  parent: got  \"%s\"\n", text.text);
		reply_to = text.header.remote;
		if (!reply_to)
			return 0;
		result = send_answer(&text, reply_to, "pong %s", text.text + length("ping "));
		if (result) {
			say("  parent: answering failed: %lx\n", result);
			return 21;
		}
	}
}

int run(const struct startup *startup)
{
	int status = 0, result;
	name_t port;
	long pid;

	say("\n%s: a static Mach-O program\n", startup->argv[0]);
	say("  executable_path=%s kernfd=%s\n", apple_value(startup, "executable_path="),
	    apple_value(startup, "kernfd="));
	say("  header at %lx (slide %lx), stack at %lx\n", startup->header,
	    startup->header - LINKED_AT, startup->stack);
	for_each_line("/proc/self/maps", show_mapping, NULL);

	if (!mach_start(startup)) {
		say("  no kernel descriptor\n");
		return 1;
	}
	say("  Mach API version %ld, task %x, thread %x, host %x\n",
	    trap(NR_get_api_version, 0), task_self(),
	    (unsigned int)trap(NR_thread_self_trap, 0),
	    (unsigned int)trap(NR_host_self_trap, 0));
	port = new_port();
	result = (int)set_bootstrap_port(port);
	if (!port || result) {
		say("  no bootstrap port: port %x, result %d\n", port, result);
		return 2;
	}
	say("  port %x is the bootstrap port that children inherit\n", port);

	say("\nfork, and messages between the two tasks\n");
	pid = CALL0(fork);
	if (pid == 0)
		leave(child());
	trap(NR_fork_wait_for_child, 0);
	result = serve(port);
	CALL4(wait4, pid, &status, 0, 0);
	say("  parent: child %ld ended with status %d\n", pid, status >> 8 & 0xff);
	if (status)
		return 3;
	return result ? result : show_ends(port);
}
