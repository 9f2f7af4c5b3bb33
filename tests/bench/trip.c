// SPDX-License-Identifier: GPL-2.0
/* Messages and their replies between two tasks, and within one thread. */
#define _GNU_SOURCE
#include "ours.h"

#include <pthread.h>
#include <unistd.h>

/* Where the threads of the server receive. */
static name_t own;

/* A reply goes where the request said, and the next request comes. */
static void answer(struct header *message, uint32_t room)
{
	for (;;) {
		message->bits = MSGH_BITS(MOVE_SEND_ONCE, 0);
		message->local = MACH_PORT_NULL;
		TRAP(mach_msg(message, MACH_SEND_MSG | MACH_RCV_MSG, message->size, room, own, 0));
	}
}

static void *serve_more(void *unused)
{
	struct small_message message;

	(void)unused;
	TRAP(mach_msg(&message, MACH_RCV_MSG, 0, sizeof(message), own, 0));
	answer(&message.header, sizeof(message));
	return NULL;
}

static void serve(void *threads)
{
	static struct message message;
	pthread_attr_t attributes;
	pthread_t thread;
	name_t client;

	mach_forget();
	MUST(get_api_version() == 19);
	client = bootstrap_get();
	own = new_port();
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	for (unsigned int i = 1; i < *(unsigned int *)threads; i++)
		MUST(pthread_create(&thread, &attributes, serve_more, NULL) == 0);
	/* Our port, to whom started us. */
	message.header.bits = MSGH_BITS(COPY_SEND, MAKE_SEND);
	message.header.remote = client;
	message.header.local = own;
	TRAP(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE, sizeof(message), own, 0));
	answer(&message.header, sizeof(message));
}

void server_start(struct run *run, struct server *server)
{
	server_start_threads(run, server, 1);
}

void server_start_threads(struct run *run, struct server *server, unsigned int threads)
{
	struct message message;

	mach_open();
	server->reply = reply_port();
	MUST(server->reply);
	bootstrap_set(server->reply, MAKE_SEND);
	server->pid = bench_peer(run, serve, &threads);
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
