// SPDX-License-Identifier: GPL-2.0
/*
 * Mach by a server in user space, modelled by its system calls and switches only.
 *
 * A client sends a call over a datagram socket and waits for its answer. In the
 * server a main thread waits with epoll, reads calls and writes answers; workers
 * run calls, to and from which calls go by futexes and an eventfd. For a message
 * one worker reads the sender's memory, and another, which runs the receiver's
 * call, writes the receiver's. What the server computes costs nothing here.
 *
 * Sockets are read until they are empty, and a worker changes to the context of a
 * call and back, which sets the signal mask. This is the lean model: what any such
 * server needs. What Darling's does stands in server_full.c.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define BYTES	64

static char memory[BYTES], copy[BYTES], call[BYTES], answer[BYTES];

static struct model {
	bool message;		/* a call is a message to the other client */
	int sockets[2][2];	/* of each client: its end, the server's */
	pid_t clients[2];
	int epoll, done;
	/* Which client's call a worker is to run, plus one. */
	_Atomic uint32_t run_call, deliver, answered;
} *model;

static void mask_signals(int how)
{
	sigset_t set;

	sigfillset(&set);
	syscall(SYS_rt_sigprocmask, how, &set, NULL, 8);
}

static void futex_wait_for(_Atomic uint32_t *word, uint32_t *value)
{
	while (!(*value = atomic_exchange(word, 0)))
		syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void futex_give(_Atomic uint32_t *word, uint32_t value)
{
	atomic_store(word, value);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void transfer(int fd, void *bytes, bool send)
{
	struct iovec vector = { bytes, BYTES };
	struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1 };

	MUST((send ? sendmsg(fd, &header, 0) : recvmsg(fd, &header, 0)) == BYTES);
}

/* A client's call, without and with the wait for its answer */
static void client_calls(int client)
{
	transfer(model->sockets[client][0], call, true);
}

static void client_waits(int client)
{
	transfer(model->sockets[client][0], answer, false);
}

/* A worker changes to the context of a call, and back. */
static void change_context(void)
{
	mask_signals(SIG_BLOCK);
	mask_signals(SIG_UNBLOCK);
}

static void move_memory(bool read, int client)
{
	struct iovec local = { copy, BYTES }, remote = { memory, BYTES };
	pid_t pid = model->clients[client];

	MUST((read ? process_vm_readv(pid, &local, 1, &remote, 1, 0) :
		     process_vm_writev(pid, &local, 1, &remote, 1, 0)) == BYTES);
}

static void is_answered(uint32_t client)
{
	uint64_t one = 1;

	atomic_store(&model->answered, client + 1);
	MUST(write(model->done, &one, 8) == 8);
}

/* Runs calls as they come in. */
static void *first_worker(void *unused)
{
	uint32_t client;

	bench_pin((int)(intptr_t)unused);
	for (;;) {
		futex_wait_for(&model->run_call, &client);
		client--;
		change_context();
		if (!model->message) {
			is_answered(client);
			continue;
		}
		/* The arguments, then the message; it is for the other's call. */
		move_memory(true, (int)client);
		move_memory(true, (int)client);
		futex_give(&model->deliver, (client ^ 1) + 1);
	}
	return NULL;
}

/* Goes on with the call of whoever waits for a message. */
static void *second_worker(void *unused)
{
	uint32_t client;

	bench_pin((int)(intptr_t)unused);
	for (;;) {
		futex_wait_for(&model->deliver, &client);
		client--;
		change_context();
		move_memory(false, (int)client);
		is_answered(client);
	}
	return NULL;
}

static void serve(void *argument)
{
	struct run *run = argument;
	void *cpu = (void *)(intptr_t)run->peer_cpu;
	struct epoll_event event;
	pthread_t thread;

	MUST(pthread_create(&thread, NULL, first_worker, cpu) == 0);
	MUST(pthread_create(&thread, NULL, second_worker, cpu) == 0);
	for (;;) {
		MUST(epoll_wait(model->epoll, &event, 1, -1) == 1);
		if (event.data.u32 == 2) {
			uint64_t count;

			MUST(read(model->done, &count, 8) == 8);
			transfer(model->sockets[atomic_exchange(&model->answered, 0) - 1][1],
				 answer, true);
			continue;
		}
		transfer(model->sockets[event.data.u32][1], call, false);
		MUST(recv(model->sockets[event.data.u32][1], call, BYTES, MSG_DONTWAIT) < 0);
		futex_give(&model->run_call, event.data.u32 + 1);
	}
}

/* The other client: each answer is a message, which it answers with the next call. */
static void other_client(void *argument)
{
	(void)argument;
	for (;;) {
		client_waits(1);
		client_calls(1);
	}
}

static void start(struct run *run, bool message)
{
	model = bench_shared(sizeof(*model));
	model->message = message;
	model->epoll = epoll_create1(0);
	model->done = eventfd(0, 0);
	for (uint32_t i = 0; i < 3; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data = { .u32 = i } };
		int fd = model->done;

		if (i < 2) {
			MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, model->sockets[i]) == 0);
			fd = model->sockets[i][1];
		}
		MUST(epoll_ctl(model->epoll, EPOLL_CTL_ADD, fd, &event) == 0);
	}
	model->clients[0] = getpid();
	model->clients[1] = bench_peer(run, other_client, NULL);
	bench_peer(run, serve, run);
}

static void calls(struct run *run, bool message)
{
	start(run, message);
	while (bench_more(run)) {
		client_calls(0);
		client_waits(0);
	}
}

BENCH(server_model_null_lean, 500, PAIR)
{
	calls(run, false);
}

BENCH(server_model_message_lean, 500, PAIR)
{
	calls(run, true);
}
