// SPDX-License-Identifier: GPL-2.0
/*
 * A Mach-O program that needs a dynamic linker (dyld.c): it is started with
 * main's arguments as dyld passes them, says hello to whoever serves the
 * bootstrap port, and becomes an ELF program.
 */
#include "mach.h"

int main(int argc, char **argv, char **envp, char **apple);

int main(int argc, char **argv, char **envp, char **apple)
{
	const struct startup startup = {
		.argc = argc, .argv = argv, .envp = envp, .apple = apple,
	};
	char *next[3];
	struct text_message text;
	name_t server;
	long result;

	say("  main() of a dynamic program: executable_path=%s kernfd=%s\n",
	    apple_value(&startup, "executable_path="), apple_value(&startup, "kernfd="));
	if (!mach_start(&startup))
		return 30;
	server = bootstrap_port();
	if (!server) {
		say("  no bootstrap port\n");
		return 31;
	}
	say("  a new task, %x, with the bootstrap port of the old one\n", task_self());
	/* No reply wanted: that tells the server to stop. */
	result = send_notice(&text, server, "hello from the new image");
	if (result) {
		say("  sending failed: %lx\n", result);
		return 32;
	}
	next[0] = "echo";
	next[1] = "  an ELF program now, in the same process; its task has ended";
	next[2] = NULL;
	result = CALL3(execve, "/bin/busybox", next, envp);
	say("  exec failed: %ld\n", result);
	return 33;
}
