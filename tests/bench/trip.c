// SPDX-License-Identifier: GPL-2.0
/* Messages and their replies between two tasks, and within one thread. */
#define _GNU_SOURCE
#include "ours.h"

#include <unistd.h>

static void serve(void *unused)
{
	static struct message message;
	name_t own, client;

	(void)unused;
	mach_forget();
	MUST(get_api_version() == 19);
	client = bootstrap_get();
	own = new_port();
	/* Our port, to whom started us. */
	message.header.bits = MSGH_BITS(COPY_SEND, MAKE_SEND);
	message.header.remote = client;
	message.header.local = own;
	TRAP(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE, sizeof(message), own, 0));
	for (;;) {
		/* The reply goes where the request said, and the next request comes. */
		message.header.bits = MSGH_BITS(MOVE_SEND_ONCE, 0);
		message.header.local = MACH_PORT_NULL;
		TRAP(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, message.header.size,
			      sizeof(message), own, 0));
	}
}

void server_start(struct run *run, struct server *server)
{
	struct message message;

	mach_open();
	server->reply = reply_port();
	MUST(server->reply);
	bootstrap_set(server->reply, MAKE_SEND);
	server->pid = bench_peer(run, serve, NULL);
	TRAP(mach_msg(&message, MACH_RCV_MSG, 0, sizeof(message), server->reply, 0));
	server->port = message.header.remote;
}

BENCH(message_round_trip, 2000, PAIR | OURS)
{
	struct small_message message = { .header = { .id = 1 } };
	struct server server;

	server_start(run, &server);
	while (bench_more(run))
		server_call(&server, &message);
}

BENCH(message_one_thread, 10000, OURS)
{
	struct small_message message = { .header = { .id = 1 } };
	name_t port;

	mach_open();
	port = new_port();
	while (bench_more(run)) {
		message.header.bits = MSGH_BITS(MAKE_SEND, 0);
		message.header.remote = port;
		message.header.local = MACH_PORT_NULL;
		TRAP(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, WHOLE_SIZE, sizeof(message),
			      port, 0));
	}
}

BENCH(message_one_thread_copy_send, 10000, OURS)
{
	struct small_message message = { .header = { .id = 1 } };
	name_t port;

	mach_open();
	port = new_send_right();
	while (bench_more(run)) {
		message.header.bits = MSGH_BITS(COPY_SEND, 0);
		message.header.remote = port;
		message.header.local = MACH_PORT_NULL;
		TRAP(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, WHOLE_SIZE, sizeof(message),
			      port, 0));
	}
}
