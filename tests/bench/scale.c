// SPDX-License-Identifier: GPL-2.0
/* The same operation among 1, 100 and 10 000 others. */
#define _GNU_SOURCE
#include "ours.h"

#include <pthread.h>
#include <unistd.h>

#include "process.h"

/* A message to the own port and back out of @from: the port, or its set. */
static void one_message(name_t port, name_t from)
{
	struct small_message message = { .header = { .id = 1 } };

	message.header.bits = MSGH_BITS(MAKE_SEND, 0);
	message.header.remote = port;
	TRAP(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, WHOLE_SIZE, sizeof(message), from, 0));
}

BENCH_SIZES(scale_ports, 2000, VARIES | OURS, 1, 100, 10000)
{
	name_t port = 0;

	mach_open();
	for (uint64_t i = 0; i < run->size; i++)
		port = new_port();
	while (bench_more(run))
		one_message(port, port);
}

BENCH_SIZES(scale_set_members, 2000, VARIES | OURS, 1, 100, 10000)
{
	name_t port = 0, set;

	mach_open();
	set = new_port_set();
	for (uint64_t i = 0; i < run->size; i++) {
		struct mach_port_insert_member_args arguments = { 0 };

		port = new_port();
		arguments.task_right_name = self();
		arguments.port_right_name = port;
		arguments.pset_right_name = set;
		TRAP(trap_struct(NR__kernelrpc_mach_port_insert_member_trap, &arguments));
	}
	while (bench_more(run))
		one_message(port, set);
}

BENCH_SIZES(scale_queued_elsewhere, 2000, VARIES | OURS, 1, 100, 10000)
{
	name_t port;

	mach_open();
	for (uint64_t i = 0; i < run->size; i++)
		TRAP(send_id(new_port(), MAKE_SEND, 1));
	port = new_port();
	while (bench_more(run))
		one_message(port, port);
}

static void *wait_for_ever(void *port)
{
	struct small_message message;

	mach_msg(&message, MACH_RCV_MSG, 0, sizeof(message), (name_t)(uintptr_t)port, 0);
	return NULL;
}

/* Threads that wait at other ports: they are waiters, and threads of the task. */
BENCH_SIZES(scale_waiting_threads, 2000, VARIES | OURS, 1, 100, 10000)
{
	pthread_attr_t attributes;
	pthread_t thread;
	name_t port;

	mach_open();
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	for (uint64_t i = 0; i < run->size; i++)
		MUST(pthread_create(&thread, &attributes, wait_for_ever,
				    (void *)(uintptr_t)new_port()) == 0);
	usleep(200000);
	port = new_port();
	while (bench_more(run))
		one_message(port, port);
}

/* Threads that wait at the very port, of which each message wakes one */
BENCH_SIZES(scale_waiters, 2000, VARIES | OURS, 1, 100, 10000)
{
	struct small_message message = { .header = { .id = 1 } };
	struct server server;

	server_start_threads(run, &server, (unsigned int)run->size);
	/* All of them have come to wait. */
	usleep(200000);
	while (bench_more(run))
		server_call(&server, &message);
}

static void be_a_task(void *argument)
{
	(void)argument;
	mach_forget();
	get_api_version();
	new_port();
	for (;;)
		pause();
}

BENCH_SIZES(scale_tasks, 2000, VARIES | OURS, 1, 100, 10000)
{
	name_t port;

	mach_open();
	for (uint64_t i = 0; i < run->size; i++)
		bench_peer(run, be_a_task, NULL);
	usleep(200000);
	port = new_port();
	while (bench_more(run))
		one_message(port, port);
}
