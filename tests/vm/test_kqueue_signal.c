// SPDX-License-Identifier: GPL-2.0
/*
 * Kqueues and signals that other processes send: the client's handlers hand them
 * to the kernel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "kqueue.h"
#include "mach.h"
#include "process.h"

#define SIGNAL(number, ...) ((struct event)EVENT(EVFILT_SIGNAL, number, __VA_ARGS__))

/* What a handler does with BSD signal @number that came from @sender. */
static void handle(int number, pid_t sender)
{
	static uint8_t thread_state[168], float_state[524];
	struct sigprocess_args arguments = { .signum = number };
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_USER };

	info.si_pid = sender;
	memcpy(&arguments.siginfo, &info, sizeof(arguments.siginfo));
	arguments.state.tstate = thread_state;
	arguments.state.fstate = float_state;
	if (trap_struct(NR_sigprocess, &arguments) == -ENOSYS)
		SKIP("sigprocess is not built");
}

TEST(signals_of_others_are_counted)
{
	struct event event;
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	handle(1, getpid());
	CHECK_RET(change_event(kqueue, SIGNAL(30, EV_ADD)), 0);
	CHECK_RET(change_event(kqueue, SIGNAL(31, EV_ADD)), 0);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	handle(30, getpid());
	handle(29, getppid());
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	handle(30, getppid());
	handle(30, getppid());
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_EVENT(event, SIGNAL(30, EV_ADD | EV_CLEAR, 0, 2));
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	handle(30, getppid());
	handle(31, getppid());
	CHECK_RET(change_event(kqueue, SIGNAL(30, EV_DELETE)), 0);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_EVENT(event, SIGNAL(31, EV_ADD | EV_CLEAR, 0, 1));
	handle(30, getppid());
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
}
