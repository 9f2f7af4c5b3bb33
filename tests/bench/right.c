// SPDX-License-Identifier: GPL-2.0
/* A right in a message, and a descriptor over a socket. */
#define _GNU_SOURCE
#include "ours.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process.h"

struct right_message {
	struct header header;
	uint32_t count;
	struct port_descriptor right;
	char trailer[MACH_TRAILER_MAX];
};

static void prepare_right(struct right_message *message, name_t port, name_t other)
{
	message->header.bits = MSGH_BITS(MAKE_SEND, 0) | MSGH_COMPLEX;
	message->header.remote = port;
	message->header.local = MACH_PORT_NULL;
	message->count = 1;
	message->right = (struct port_descriptor)PORT_DESCRIPTOR(other, MAKE_SEND);
}

#define RIGHT_SIZE	((uint32_t)offsetof(struct right_message, trailer))

/* One trap that sends and receives, as Mach programs do it, and one that deallocates. */
BENCH(right_one_thread, 5000, OURS)
{
	struct right_message message = { .header = { .id = 1 } };
	name_t port, other;

	mach_open();
	port = new_port();
	other = new_port();
	while (bench_more(run)) {
		prepare_right(&message, port, other);
		TRAP(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, RIGHT_SIZE, sizeof(message),
			      port, 0));
		TRAP(deallocate(message.right.name));
	}
}

/* The same with three traps. */
BENCH(right_three_traps, 5000, OURS)
{
	struct right_message message = { .header = { .id = 1 } };
	name_t port, other;

	mach_open();
	port = new_port();
	other = new_port();
	while (bench_more(run)) {
		prepare_right(&message, port, other);
		TRAP(mach_msg(&message, MACH_SEND_MSG, RIGHT_SIZE, 0, MACH_PORT_NULL, 0));
		TRAP(mach_msg(&message, MACH_RCV_MSG, 0, sizeof(message), port, 0));
		TRAP(deallocate(message.right.name));
	}
}

BENCH(scm_rights_one_thread, 5000, ONE)
{
	int socket[2], fd;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, socket) == 0);
	fd = open("/dev/null", O_RDWR);
	while (bench_more(run)) {
		pass_fd(socket[0], fd);
		close(take_fd(socket[1]));
	}
}

static void serve_scm_rights(void *argument)
{
	int *socket = argument;

	for (;;) {
		int fd = take_fd(socket[1]);

		pass_fd(socket[1], fd);
		close(fd);
	}
}

BENCH(scm_rights_round_trip, 2000, PAIR)
{
	int socket[2], fd;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, socket) == 0);
	fd = open("/dev/null", O_RDWR);
	bench_peer(run, serve_scm_rights, socket);
	while (bench_more(run)) {
		pass_fd(socket[0], fd);
		close(take_fd(socket[0]));
	}
}
