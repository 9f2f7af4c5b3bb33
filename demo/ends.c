// SPDX-License-Identifier: GPL-2.0
/*
 * How processes end, and what a program is after an exec that fails.
 */
#include "ends.h"

#define SIGKILL 9

static void greet(const char *greeting)
{
	struct text_message text;

	trap(NR_get_api_version, 0);
	send_notice(&text, bootstrap_port(), "%s", greeting);
}

static void exits(void)
{
	greet("I exit with status 7");
	leave(7);
}

static void waits_for_a_message(void)
{
	struct text_message text;

	greet("I wait for a message that nobody sends");
	message(&text, 0, sizeof(text), reply_port());
}

static void never_traps(void)
{
	leave(0);
}

static void becomes_another(void)
{
	char *argv[2], *envp[1];

	argv[0] = "true";
	argv[1] = envp[0] = NULL;
	CALL3(execve, "/bin/busybox", argv, envp);
}

static void fails_to_execute(void)
{
	char *argv[2], *envp[1];
	name_t before = task_self();
	long result;

	argv[0] = "damaged";
	argv[1] = envp[0] = NULL;
	result = CALL3(execve, "/demo/damaged", argv, envp);
	say("  child:  /demo/damaged is not executed (errno %ld)\n", -result);
	if (task_self() == before)
		greet("I am the same task still");
	leave(0);
}

/*
 * Has a child run @run, which says what it does if it @greets; then sends it
 * @signal, if that is not 0. True when it ends with @expected, as wait4() has it.
 */
static bool show_end(name_t port, const char *what, void (*run)(void), bool greets, int signal,
		     int expected)
{
	struct text_message text;
	int status = 0;
	long pid = CALL0(fork);

	if (pid == 0) {
		run();
		leave(99);
	}
	say("  parent: child %ld %s\n", pid, what);
	trap(NR_fork_wait_for_child, 0);
	if (greets) {
		if (message(&text, 0, sizeof(text), port))
			return false;
		say("  child:  \"%s\"\n", text.text);
	}
	if (signal)
		CALL2(kill, pid, signal);
	CALL4(wait4, pid, &status, 0, 0);
	if (status & 0x7f)
		say("  parent: signal %d ended it\n", status & 0x7f);
	else
		say("  parent: it ended with status %d\n", status >> 8);
	return status == expected;
}

int show_ends(name_t port)
{
	bool good;

	say("\nother ways to end\n");
	/* No table: nobody would relocate its pointers. */
	good = show_end(port, "exits", exits, true, 0, 7 << 8) &&
	       show_end(port, "is killed in a trap", waits_for_a_message, true, SIGKILL, SIGKILL) &&
	       show_end(port, "exits before its first trap", never_traps, false, 0, 0) &&
	       show_end(port, "executes an ELF program before its first trap", becomes_another,
			false, 0, 0) &&
	       show_end(port, "executes a damaged file", fails_to_execute, true, 0, 0);
	return good ? 0 : 4;
}
