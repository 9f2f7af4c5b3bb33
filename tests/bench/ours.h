/* SPDX-License-Identifier: GPL-2.0 */
/* What rows that use the module share. */
#ifndef BENCH_OURS_H
#define BENCH_OURS_H

#include "bench.h"
#include "mach.h"
#include "message.h"

/* Bytes of the messages whose way is measured, without the header */
#define PAYLOAD		64u
#define WHOLE_SIZE	(HEADER_SIZE + PAYLOAD)

/* A message as small as they are, and room for its trailer */
struct small_message {
	struct header header;
	char payload[PAYLOAD];
	char trailer[MACH_TRAILER_MAX];
};

struct server {
	name_t port;		/* send right to the server's port */
	name_t reply;		/* where replies come in */
	pid_t pid;
};

/* Starts a second task that answers messages of any size with equal ones. */
void server_start(struct run *run, struct server *server);
/* One with so many threads, which all wait for the next message. */
void server_start_threads(struct run *run, struct server *server, unsigned int threads);

/* One request and its reply, through a message of WHOLE_SIZE. */
static inline void server_call(struct server *server, struct small_message *message)
{
	message->header.bits = MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE);
	message->header.remote = server->port;
	message->header.local = server->reply;
	TRAP(mach_msg(message, MACH_SEND_MSG | MACH_RCV_MSG, WHOLE_SIZE, sizeof(*message),
		      server->reply, 0));
}

#endif
