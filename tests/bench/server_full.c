// SPDX-License-Identifier: GPL-2.0
/*
 * Darling's server, modelled by its system calls and switches only: "full" beside the
 * lean model in server.c, which has what any such server needs. What is here is what
 * github.com/darlinghq/darlingserver does at its revision 62a3321 (and the libraries
 * and the loader of github.com/darlinghq/darling on the side of the client); what these
 * programs compute costs nothing here.
 *
 * A call, as a client makes it (scripts/generate-rpc-wrappers.py; dserver-rpc-defs.h):
 *
 *  1. getpid and gettid, for the header of the call;
 *  2. sendmsg to the server's address, a path, from a socket that is bound to a name of
 *     the kernel's choice; mach_msg can be interrupted, so it blocks no signals;
 *  3. recvmsg of the reply.
 *
 * What its main thread does when epoll_wait returns (src/server.cpp, Server::start):
 *
 *  4. if calls may be there: recvmmsg of up to 16, until there is none, with the address
 *     and the credentials of each sender. Each time it makes 16 messages to receive
 *     into, and the constructor of a message asks for process, user and group
 *     (src/message.cpp, MessageQueue::receiveMany, Message::Message);
 *  5. for each call: the work queue is told, by a condition variable
 *     (internal-include/darlingserver/workers.hpp);
 *  6. read of the eventfd, which is non-blocking;
 *  7. if replies are there, and the socket can be written: sendmmsg to the addresses of
 *     their receivers, with the server's credentials (MessageQueue::sendMany);
 *  8. epoll_ctl, which arms the one-shot event of the eventfd again;
 *  9. epoll_wait. The socket is edge-triggered, for writing too, so the main thread is
 *     woken also when a client has taken its reply.
 *
 * What one of two workers does (src/thread.cpp, Thread::doWork; each change of context
 * gets or sets the signal mask):
 *
 * 10. it waits for the condition variable;
 * 11. a new call: two contexts are saved, and one is entered. One that goes on: one is
 *     saved, one entered;
 * 12. mach_msg that sends: process_vm_readv of the header and four bytes, and of the
 *     rest (XNU osfmk/ipc/ipc_kmsg.c, ipc_kmsg_get); whoever waits for the message is
 *     put in the work queue, as in 5;
 * 13. mach_msg that receives, and there is nothing: a context is saved and the worker's
 *     entered; the worker is free. When there is something, process_vm_writev of the
 *     whole (ipc_kmsg_put);
 * 14. at the end of a call a reply is made, with process, user and group as in 4, put in
 *     the queue of replies, and the eventfd written; the worker's context is entered.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define AT_ONCE		16	/* messages */
#define CLIENTS		2
#define WORKERS		2
#define QUEUE		8	/* more than there is work or replies at a time */

/* Bytes of a Mach message: the header, what is read with it, the rest */
#define HEADER		24
#define FIRST_PART	28
#define WHOLE		(HEADER + 64)
#define TRAILER		8

enum operation {
	NOTHING,	/* a call that its worker answers at once */
	RECEIVE,	/* mach_msg that receives only */
	SEND_RECEIVE,	/* mach_msg that sends to the other client, and receives */
};

/* As large as dserver_rpc_call_mach_msg_overwrite_t, and its reply */
struct call {
	uint32_t operation;
	int pid, tid;
	uint32_t client;
	uint64_t arguments[5];
};

struct reply {
	uint32_t operation;
	int code;
};

static char message[WHOLE + TRAILER], copy[WHOLE + TRAILER];

/* What the clients and the server are told by the first of them. */
static struct shared {
	pid_t clients[CLIENTS];
	struct sockaddr_un address;
} *shared;

/* --- Clients --- */

static int client_socket(void)
{
	const struct sockaddr_un any = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	MUST(fd >= 0);
	MUST(bind(fd, (const struct sockaddr *)&any, sizeof(any.sun_family)) == 0);
	return fd;
}

static void make_call(int fd, uint32_t client, enum operation operation)
{
	struct call call = { .operation = operation, .client = client };
	struct reply reply;
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec vector = { &call, sizeof(call) };
	struct msghdr header = {
		.msg_name = &shared->address, .msg_namelen = sizeof(shared->address),
		.msg_iov = &vector, .msg_iovlen = 1,
	};

	call.pid = (int)syscall(SYS_getpid);
	call.tid = (int)syscall(SYS_gettid);
	MUST(sendmsg(fd, &header, 0) == sizeof(call));
	vector = (struct iovec){ &reply, sizeof(reply) };
	header = (struct msghdr){
		.msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	MUST(recvmsg(fd, &header, 0) == sizeof(reply));
}

/* The other client: answers each message with the call that waits for the next. */
static void other_client(void *argument)
{
	int fd = client_socket();

	(void)argument;
	make_call(fd, 1, RECEIVE);
	for (;;)
		make_call(fd, 1, SEND_RECEIVE);
}

/* --- The server: messages to and from clients --- */

struct credentials {
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	};
};

struct packet {
	char bytes[256];
	struct sockaddr_un address;
	struct credentials control;
	struct iovec vector;
	struct msghdr header;
};

/* What the constructor of a message does. */
static void packet_init(struct packet *packet, size_t bytes, size_t control)
{
	struct ucred own = {
		.pid = (pid_t)syscall(SYS_getpid),
		.uid = (uid_t)syscall(SYS_getuid),
		.gid = (gid_t)syscall(SYS_getgid),
	};

	packet->control.align = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(own)), .cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_CREDENTIALS,
	};
	memcpy(CMSG_DATA(&packet->control.align), &own, sizeof(own));
	packet->vector = (struct iovec){ packet->bytes, bytes };
	packet->header = (struct msghdr){
		.msg_name = &packet->address, .msg_namelen = sizeof(packet->address),
		.msg_iov = &packet->vector, .msg_iovlen = 1,
		.msg_control = packet->control.bytes, .msg_controllen = control,
	};
}

/* What is to be done for a client: its call, or what is left of it. */
static struct client {
	struct call call;
	struct sockaddr_un address;
	socklen_t address_length;
	/* Under the lock of ports. */
	bool waits, has_message;
} clients[CLIENTS];

static int listener, epoll, wakeup;
static pthread_mutex_t ports = PTHREAD_MUTEX_INITIALIZER;

/* --- The server: its queues --- */

struct work {
	uint32_t client;
	bool goes_on;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct work items[QUEUE];
	unsigned int first, count;
} work = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static struct {
	pthread_mutex_t lock;
	struct packet items[QUEUE];
	unsigned int first, count;
} outbox = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Steps 5 and 12 */
static void work_push(struct work item)
{
	pthread_mutex_lock(&work.lock);
	work.items[(work.first + work.count++) % QUEUE] = item;
	pthread_mutex_unlock(&work.lock);
	pthread_cond_signal(&work.more);
}

/* Step 10 */
static struct work work_pop(void)
{
	struct work item;

	pthread_mutex_lock(&work.lock);
	while (!work.count)
		pthread_cond_wait(&work.more, &work.lock);
	item = work.items[work.first++ % QUEUE];
	work.count--;
	pthread_mutex_unlock(&work.lock);
	return item;
}

/* --- The server: workers --- */

static void context_save(void)
{
	sigset_t old;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &old, 8);
}

static void context_enter(void)
{
	sigset_t set;

	sigemptyset(&set);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &set, NULL, 8);
}

static void move_memory(bool read, uint32_t client, size_t from, size_t to)
{
	struct iovec local = { copy + from, to - from }, remote = { message + from, to - from };
	pid_t pid = shared->clients[client];

	MUST((read ? process_vm_readv(pid, &local, 1, &remote, 1, 0) :
		     process_vm_writev(pid, &local, 1, &remote, 1, 0)) == (ssize_t)(to - from));
}

/* Step 14 */
static void finish_call(uint32_t number)
{
	const struct client *client = &clients[number];
	struct packet *packet;
	uint64_t one = 1;

	pthread_mutex_lock(&outbox.lock);
	packet = &outbox.items[(outbox.first + outbox.count++) % QUEUE];
	packet_init(packet, sizeof(struct reply), CMSG_SPACE(sizeof(struct ucred)));
	packet->address = client->address;
	packet->header.msg_namelen = client->address_length;
	pthread_mutex_unlock(&outbox.lock);
	MUST(write(wakeup, &one, 8) == 8);
	context_enter();
}

/* The part of a call that receives; true if there was a message. */
static bool receive(uint32_t number)
{
	struct client *client = &clients[number];
	bool is_there;

	pthread_mutex_lock(&ports);
	is_there = client->has_message;
	client->has_message = false;
	client->waits = !is_there;
	pthread_mutex_unlock(&ports);
	return is_there;
}

static void send_to_other(uint32_t number)
{
	struct client *other = &clients[number ^ 1];
	bool waits;

	move_memory(true, number, 0, FIRST_PART);
	move_memory(true, number, HEADER, WHOLE);
	pthread_mutex_lock(&ports);
	waits = other->waits;
	other->waits = false;
	other->has_message = true;
	pthread_mutex_unlock(&ports);
	if (waits)
		work_push((struct work){ number ^ 1, true });
}

static void *worker(void *cpu)
{
	bench_pin((int)(intptr_t)cpu);
	for (;;) {
		struct work item = work_pop();
		enum operation operation = clients[item.client].call.operation;

		context_save();
		if (!item.goes_on)
			context_save();
		context_enter();
		if (operation == SEND_RECEIVE && !item.goes_on)
			send_to_other(item.client);
		if (operation != NOTHING) {
			if (!receive(item.client)) {
				context_save();
				context_enter();
				continue;
			}
			move_memory(false, item.client, 0, WHOLE + TRAILER);
		}
		finish_call(item.client);
	}
	return NULL;
}

/* --- The server: the main thread --- */

/* Steps 4 and 5 */
static void receive_calls(void)
{
	static struct packet packets[AT_ONCE];
	struct mmsghdr headers[AT_ONCE];
	int received;

	for (;;) {
		for (int i = 0; i < AT_ONCE; i++) {
			packet_init(&packets[i], sizeof(packets[i].bytes),
				    sizeof(packets[i].control.bytes));
			headers[i] = (struct mmsghdr){ .msg_hdr = packets[i].header };
		}
		received = recvmmsg(listener, headers, AT_ONCE, MSG_CMSG_CLOEXEC | MSG_DONTWAIT,
				    NULL);
		if (received < 0)
			return;
		for (int i = 0; i < received; i++) {
			struct call call;
			struct client *client;

			MUST(headers[i].msg_len == sizeof(call));
			memcpy(&call, packets[i].bytes, sizeof(call));
			MUST(call.client < CLIENTS);
			client = &clients[call.client];
			client->call = call;
			client->address = packets[i].address;
			client->address_length = headers[i].msg_hdr.msg_namelen;
			work_push((struct work){ call.client, false });
		}
	}
}

/* Step 7 */
static void send_replies(void)
{
	struct mmsghdr headers[AT_ONCE];

	pthread_mutex_lock(&outbox.lock);
	while (outbox.count) {
		int sent;

		for (unsigned int i = 0; i < outbox.count; i++)
			headers[i] = (struct mmsghdr){
				.msg_hdr = outbox.items[(outbox.first + i) % QUEUE].header,
			};
		sent = sendmmsg(listener, headers, outbox.count, MSG_DONTWAIT);
		MUST(sent > 0);
		outbox.first += (unsigned int)sent;
		outbox.count -= (unsigned int)sent;
	}
	pthread_mutex_unlock(&outbox.lock);
}

static void serve(void *argument)
{
	struct run *run = argument;
	void *cpu = (void *)(intptr_t)run->peer_cpu;
	struct epoll_event on_wakeup = { .events = EPOLLIN | EPOLLONESHOT, .data.fd = wakeup };
	pthread_t thread;
	bool can_read = false, can_write = false;

	for (int i = 0; i < WORKERS; i++)
		MUST(pthread_create(&thread, NULL, worker, cpu) == 0);
	for (;;) {
		struct epoll_event events[AT_ONCE];
		uint64_t count;
		int ready;

		if (can_read) {
			receive_calls();
			can_read = false;
		}
		(void)!read(wakeup, &count, 8);
		if (can_write)
			send_replies();
		MUST(epoll_ctl(epoll, EPOLL_CTL_MOD, wakeup, &on_wakeup) == 0);
		ready = epoll_wait(epoll, events, AT_ONCE, -1);
		MUST(ready > 0);
		for (int i = 0; i < ready; i++) {
			if (events[i].data.fd != listener)
				continue;
			can_read |= events[i].events & EPOLLIN;
			can_write |= events[i].events & EPOLLOUT;
		}
	}
}

static void start(struct run *run)
{
	const int on = 1;
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };

	shared = bench_shared(sizeof(*shared));
	shared->address.sun_family = AF_UNIX;
	strcpy(shared->address.sun_path, "/.darlingserver.sock");
	unlink(shared->address.sun_path);
	listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	MUST(listener >= 0);
	MUST(setsockopt(listener, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	MUST(bind(listener, (struct sockaddr *)&shared->address, sizeof(shared->address)) == 0);
	wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	event.data.fd = listener;
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0);
	event = (struct epoll_event){ .events = EPOLLIN | EPOLLONESHOT, .data.fd = wakeup };
	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, wakeup, &event) == 0);

	shared->clients[0] = getpid();
	shared->clients[1] = bench_peer(run, other_client, NULL);
	bench_peer(run, serve, run);
}

BENCH(server_model_null_full, 500, PAIR)
{
	int fd;

	start(run);
	fd = client_socket();
	while (bench_more(run))
		make_call(fd, 0, NOTHING);
}

BENCH(server_model_message_full, 500, PAIR)
{
	int fd;

	start(run);
	fd = client_socket();
	while (bench_more(run))
		make_call(fd, 0, SEND_RECEIVE);
}
