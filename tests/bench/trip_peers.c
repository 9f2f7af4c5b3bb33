// SPDX-License-Identifier: GPL-2.0
/* A request of 64 bytes and its reply between two processes: what others need. */
#define _GNU_SOURCE
#include "bench.h"

#include <linux/futex.h>
#include <mqueue.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BYTES	64
#define TRIPS	2000

static char buffer[BYTES];

/* Two pairs of descriptors: to the peer and back. */
struct ends {
	int there[2];
	int back[2];
};

static void serve_pipe(void *argument)
{
	struct ends *ends = argument;

	for (;;) {
		MUST(read(ends->there[0], buffer, BYTES) == BYTES);
		MUST(write(ends->back[1], buffer, BYTES) == BYTES);
	}
}

BENCH(pipe_round_trip, TRIPS, PAIR)
{
	struct ends ends;

	MUST(pipe(ends.there) == 0 && pipe(ends.back) == 0);
	bench_peer(run, serve_pipe, &ends);
	while (bench_more(run)) {
		MUST(write(ends.there[1], buffer, BYTES) == BYTES);
		MUST(read(ends.back[0], buffer, BYTES) == BYTES);
	}
}

static void serve_eventfd(void *argument)
{
	struct ends *ends = argument;
	uint64_t value;

	for (;;) {
		MUST(read(ends->there[0], &value, 8) == 8);
		MUST(write(ends->back[0], &value, 8) == 8);
	}
}

BENCH(eventfd_round_trip, TRIPS, PAIR)
{
	struct ends ends = { .there = { eventfd(0, 0) }, .back = { eventfd(0, 0) } };
	uint64_t value = 1;

	bench_peer(run, serve_eventfd, &ends);
	while (bench_more(run)) {
		MUST(write(ends.there[0], &value, 8) == 8);
		MUST(read(ends.back[0], &value, 8) == 8);
	}
}

static void serve_socket(void *argument)
{
	int *socket = argument;

	for (;;) {
		MUST(read(socket[1], buffer, BYTES) == BYTES);
		MUST(write(socket[1], buffer, BYTES) == BYTES);
	}
}

static void socket_round_trip(struct run *run, int type)
{
	int socket[2];

	MUST(socketpair(AF_UNIX, type, 0, socket) == 0);
	bench_peer(run, serve_socket, socket);
	while (bench_more(run)) {
		MUST(write(socket[0], buffer, BYTES) == BYTES);
		MUST(read(socket[0], buffer, BYTES) == BYTES);
	}
}

BENCH(unix_stream_round_trip, TRIPS, PAIR)
{
	socket_round_trip(run, SOCK_STREAM);
}

BENCH(unix_seqpacket_round_trip, TRIPS, PAIR)
{
	socket_round_trip(run, SOCK_SEQPACKET);
}

BENCH(unix_datagram_round_trip, TRIPS, PAIR)
{
	socket_round_trip(run, SOCK_DGRAM);
}

static mqd_t open_queue(const char *name)
{
	struct mq_attr attributes = { .mq_maxmsg = 8, .mq_msgsize = BYTES };
	mqd_t queue = mq_open(name, O_RDWR | O_CREAT, 0600, &attributes);

	MUST(queue >= 0);
	mq_unlink(name);
	return queue;
}

static void serve_mq(void *argument)
{
	mqd_t *queue = argument;

	for (;;) {
		MUST(mq_receive(queue[0], buffer, BYTES, NULL) == BYTES);
		MUST(mq_send(queue[1], buffer, BYTES, 0) == 0);
	}
}

BENCH(posix_mq_round_trip, TRIPS, PAIR)
{
	mqd_t queue[2] = { open_queue("/there"), open_queue("/back") };

	bench_peer(run, serve_mq, queue);
	while (bench_more(run)) {
		MUST(mq_send(queue[0], buffer, BYTES, 0) == 0);
		MUST(mq_receive(queue[1], buffer, BYTES, NULL) == BYTES);
	}
}

struct sysv_message {
	long type;
	char text[BYTES];
};

static int sysv_queue(void)
{
	int queue = msgget(IPC_PRIVATE, 0600);

	MUST(queue >= 0);
	return queue;
}

static void serve_sysv(void *argument)
{
	struct sysv_message message;
	int *queue = argument;

	for (;;) {
		MUST(msgrcv(queue[0], &message, BYTES, 0, 0) == BYTES);
		MUST(msgsnd(queue[1], &message, BYTES, 0) == 0);
	}
}

BENCH(sysv_round_trip, TRIPS, PAIR)
{
	int queue[2] = { sysv_queue(), sysv_queue() };
	struct sysv_message message = { .type = 1 };

	bench_peer(run, serve_sysv, queue);
	while (bench_more(run)) {
		MUST(msgsnd(queue[0], &message, BYTES, 0) == 0);
		MUST(msgrcv(queue[1], &message, BYTES, 0, 0) == BYTES);
	}
	msgctl(queue[0], IPC_RMID, NULL);
	msgctl(queue[1], IPC_RMID, NULL);
}

struct futexes {
	_Atomic uint32_t there __attribute__((aligned(64)));
	_Atomic uint32_t back __attribute__((aligned(64)));
	char text[BYTES];
};

static void futex_post(_Atomic uint32_t *word)
{
	atomic_store(word, 1);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void futex_await(_Atomic uint32_t *word)
{
	while (atomic_exchange(word, 0) == 0)
		syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void serve_futex(void *argument)
{
	struct futexes *futexes = argument;

	for (;;) {
		futex_await(&futexes->there);
		futex_post(&futexes->back);
	}
}

BENCH(futex_round_trip, TRIPS, PAIR)
{
	struct futexes *futexes = bench_shared(sizeof(*futexes));

	bench_peer(run, serve_futex, futexes);
	while (bench_more(run)) {
		memcpy(futexes->text, buffer, BYTES);
		futex_post(&futexes->there);
		futex_await(&futexes->back);
		memcpy(buffer, futexes->text, BYTES);
	}
}

/* The same within one thread: what is put in is taken out. */

BENCH(eventfd_one_thread, 10000, ONE)
{
	int fd = eventfd(0, 0);
	uint64_t value = 1;

	MUST(fd >= 0);
	while (bench_more(run)) {
		MUST(write(fd, &value, 8) == 8);
		MUST(read(fd, &value, 8) == 8);
	}
}

BENCH(pipe_one_thread, 10000, ONE)
{
	int ends[2];

	MUST(pipe(ends) == 0);
	while (bench_more(run)) {
		MUST(write(ends[1], buffer, BYTES) == BYTES);
		MUST(read(ends[0], buffer, BYTES) == BYTES);
	}
}

BENCH(sysv_one_thread, 10000, ONE)
{
	struct sysv_message message = { .type = 1 };
	int queue = sysv_queue();

	while (bench_more(run)) {
		MUST(msgsnd(queue, &message, BYTES, 0) == 0);
		MUST(msgrcv(queue, &message, BYTES, 0, 0) == BYTES);
	}
	msgctl(queue, IPC_RMID, NULL);
}

BENCH(posix_mq_one_thread, 10000, ONE)
{
	mqd_t queue = open_queue("/here");

	while (bench_more(run)) {
		MUST(mq_send(queue, buffer, BYTES, 0) == 0);
		MUST(mq_receive(queue, buffer, BYTES, NULL) == BYTES);
	}
}

BENCH(unix_seqpacket_one_thread, 10000, ONE)
{
	int socket[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, socket) == 0);
	while (bench_more(run)) {
		MUST(write(socket[0], buffer, BYTES) == BYTES);
		MUST(read(socket[1], buffer, BYTES) == BYTES);
	}
}
