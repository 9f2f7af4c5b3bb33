// SPDX-License-Identifier: GPL-2.0
/*
 * The end of a task: however its process ends, its ports are dead by the time
 * the parent learns of the end, and nothing is left.
 * time limit: 300 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

/* Ways to end */

static void end_by_return(struct peer_side *side)
{
	(void)side;
}

static void end_by_exit(struct peer_side *side)
{
	(void)side;
	exit(0);
}

static void end_by_kill(struct peer_side *side)
{
	(void)side;
	kill(getpid(), SIGKILL);
	pause();
}

static void end_by_abort(struct peer_side *side)
{
	(void)side;
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void end_by_fault(struct peer_side *side)
{
	volatile int *nowhere = (volatile int *)(uintptr_t)bad_pointers[1];

	(void)side;
	*nowhere = 1;
}

static void *receive_for_ever(void *argument)
{
	struct message message;

	msg_receive_blocking(&message, *(name_t *)argument);
	return NULL;
}

static void *send_for_ever(void *argument)
{
	while (send_id(*(name_t *)argument, MAKE_SEND, 1) == 0)
		;
	return NULL;
}

static void *use_traps_for_ever(void *argument)
{
	while (mod_refs(reply_port(), RECEIVE, -1) == KERN_SUCCESS)
		;
	return argument;
}

/* Three threads in the middle of things; the first one leaves. */
static void start_busy_threads(name_t port)
{
	static name_t other;
	static struct worker receiver, sender, user;

	other = new_port();
	fill_queue(other);
	worker_start(&receiver, receive_for_ever, &port);
	worker_start(&sender, send_for_ever, &other);
	worker_start(&user, use_traps_for_ever, NULL);
	worker_wait_in_trap(&receiver);
	worker_wait_in_trap(&sender);
}

static void end_with_busy_threads(struct peer_side *side)
{
	start_busy_threads(side->own);
	_exit(0);
}

static void end_by_kill_with_busy_threads(struct peer_side *side)
{
	start_busy_threads(side->own);
	kill(getpid(), SIGKILL);
	pause();
}

static void *end_process(void *argument)
{
	(void)argument;
	_exit(0);
}

static void end_by_another_thread(struct peer_side *side)
{
	struct worker worker;
	struct message message;

	worker_start(&worker, end_process, NULL);
	msg_receive_blocking(&message, side->own);
}

static void *end_a_little_later(void *argument)
{
	sleep_ms(50);
	CHECK(has_right(*(name_t *)argument, RECEIVE));
	return NULL;
}

/* Every thread leaves by itself, the first one first. */
static void end_by_last_thread(struct peer_side *side)
{
	static name_t port;
	pthread_t thread;

	port = side->own;
	REQUIRE(!pthread_create(&thread, NULL, end_a_little_later, &port));
	pthread_exit(NULL);
}

static void end_after_closing(struct peer_side *side)
{
	(void)side;
	close(mach_fd);
}

static void end_with_descriptor_in_a_socket(struct peer_side *side)
{
	int sockets[2];

	(void)side;
	REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets) == 0);
	pass_fd(sockets[0], mach_fd);
}

static void wait_in_child(void *argument)
{
	(void)argument;
	for (;;)
		pause();
}

/* The child has the descriptor still, and never traps. */
static void end_with_a_silent_child(struct peer_side *side)
{
	(void)side;
	start_child(wait_in_child, NULL);
}

static void end_with_mapped_memory(struct peer_side *side)
{
	(void)side;
	(void)!mmap(NULL, 4096, PROT_READ, MAP_SHARED, mach_fd, 0);
}

static void end_after_thread_death(struct peer_side *side)
{
	(void)side;
	CHECK_RET(trap(NR_thread_death_announce, 0), 0);
}

static const struct way {
	const char *name;
	void (*run)(struct peer_side *side);
	int status;
} ways[] = {
	{ "return", end_by_return, 0 },
	{ "exit", end_by_exit, 0 },
	{ "SIGKILL", end_by_kill, SIGKILL },
	{ "SIGABRT", end_by_abort, SIGABRT },
	{ "SIGSEGV", end_by_fault, SIGSEGV },
	{ "busy threads", end_with_busy_threads, 0 },
	{ "SIGKILL with busy threads", end_by_kill_with_busy_threads, SIGKILL },
	{ "another thread", end_by_another_thread, 0 },
	{ "last thread", end_by_last_thread, 0 },
	{ "closed descriptor", end_after_closing, 0 },
	{ "descriptor in a socket", end_with_descriptor_in_a_socket, 0 },
	{ "silent child", end_with_a_silent_child, 0 },
	{ "mapping", end_with_mapped_memory, 0 },
	{ "announced thread death", end_after_thread_death, 0 },
};

TEST(ports_are_dead_when_the_parent_knows)
{
	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		for (int round = 0; round < 3; round++) {
			struct peer peer;
			int status;

			peer_start(&peer, ways[i].run, NULL);
			status = wait_child(peer.pid);
			if (!has_right(peer.port, DEAD_NAME))
				FAIL("%s: the port lives", ways[i].name);
			if ((status & ~0x80) != ways[i].status)
				FAIL("%s: status %#x", ways[i].name, status);
			CHECK_RET(send_id(peer.port, COPY_SEND, 1), MACH_SEND_INVALID_DEST);
			CHECK_RET(deallocate(peer.port), KERN_SUCCESS);
			CHECK_UNKNOWN(peer.port);
			destroy_receive(peer.service);
		}
}

/* exec is an end as well: the image that runs on has no task. */

HELPER(report_and_wait)
{
	if (write(atoi(argv[1]), "o", 1) != 1)
		return 1;
	while (pause() < 0)
		;
	return 0;
}

static void exec_and_report(struct peer_side *side)
{
	struct gate *gate = side->argument;
	char number[16];

	REQUIRE(fcntl(gate->fds[1], F_SETFD, 0) == 0);
	snprintf(number, sizeof(number), "%d", gate->fds[1]);
	exec_helper("report_and_wait", number);
}

static void exec_with_kept_descriptor(struct peer_side *side)
{
	REQUIRE(fcntl(mach_fd, F_SETFD, 0) == 0);
	exec_and_report(side);
}

static void exec_with_closed_descriptor(struct peer_side *side)
{
	close(mach_fd);
	exec_and_report(side);
}

static void exec_with_busy_threads(struct peer_side *side)
{
	start_busy_threads(side->own);
	exec_and_report(side);
}

TEST(ports_are_dead_when_another_image_runs)
{
	static void (*const runs[])(struct peer_side *) = {
		exec_and_report, exec_with_kept_descriptor, exec_with_busy_threads,
		exec_with_closed_descriptor,
	};

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		struct gate gate;
		struct peer peer;

		gate_init(&gate);
		peer_start(&peer, runs[i], &gate);
		gate_never_opens_here(&gate);
		gate_pass(&gate);
		if (!has_right(peer.port, DEAD_NAME))
			FAIL("run %zu: the port lives in the new image", i);
		CHECK_RET(send_id(peer.port, COPY_SEND, 1), MACH_SEND_INVALID_DEST);
		kill_child(peer.pid);
	}
}

/* The rights of the dead */

/* Tells the parent its self ports, and a send-once right of the parent's to hold. */
static void tell_self_ports(struct peer_side *side)
{
	struct message message;

	message_init(&message, MSGH_BITS(COPY_SEND, COPY_SEND), side->parent, self(), 1);
	CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
	message_init(&message, MSGH_BITS(COPY_SEND, COPY_SEND), side->parent, thread_self(), 2);
	CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
	/* Ends when told to */
	CHECK_RET(msg_receive_blocking(&message, side->own), 0);
}

TEST(self_ports_die_with_the_task)
{
	struct message message;
	struct peer peer;
	name_t task, thread, reply;

	mach_open();
	peer_start(&peer, tell_self_ports, NULL);
	CHECK_RET(msg_receive_within(&message, peer.service, 5000), 0);
	task = message.header.remote;
	CHECK_RET(msg_receive_within(&message, peer.service, 5000), 0);
	thread = message.header.remote;
	CHECK(task != self() && thread != thread_self());
	CHECK(has_right(task, SEND) && has_right(thread, SEND));

	/* A task port of another is no target of the traps. */
	CHECK_RET(mod_refs_in(task, peer.port, SEND, 1), MACH_SEND_INVALID_DEST);
	CHECK_RET(deallocate_in(task, task), MACH_SEND_INVALID_DEST);
	/* It answers messages. */
	reply = new_port();
	message_init(&message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), task, reply,
		     MSG_NOBODY_SERVES);
	CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
	CHECK_EQ(receive_id(reply), MSG_NOBODY_SERVES + 100);

	CHECK_RET(send_id(peer.port, COPY_SEND, 9), 0);
	WAIT_CHILD_OK(peer.pid);
	CHECK_UREFS(task, DEAD_NAME, 1);
	CHECK_UREFS(thread, DEAD_NAME, 1);
	CHECK_RET(send_id(task, COPY_SEND, 1), MACH_SEND_INVALID_DEST);
}

/* Holds whatever is sent to it, unread and read, until it is killed. */
static void hold_rights(struct peer_side *side)
{
	struct message message;

	for (int i = 0; i < 3; i++)
		CHECK_RET(msg_receive_blocking(&message, side->own), 0);
	CHECK_RET(send_id(side->parent, COPY_SEND, 1), 0);
	for (;;)
		pause();
}

TEST(send_once_rights_of_the_dead_are_reported)
{
	struct message message;
	struct peer peer;
	name_t reply;

	mach_open();
	peer_start(&peer, hold_rights, NULL);
	reply = new_port();
	/* Three are received, two stay in the queue. */
	for (int i = 0; i < 5; i++) {
		message_init(&message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), peer.port, reply, i);
		CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
	}
	CHECK_RET(msg_receive_within(&message, peer.service, 5000), 0);
	CHECK_NO_MESSAGE(reply);
	kill_child(peer.pid);
	for (int i = 0; i < 5; i++)
		CHECK_NOTIFIED(reply, NOTIFY_SEND_ONCE);
	CHECK_NO_MESSAGE(reply);
}

static void fill_and_wait(struct peer_side *side)
{
	fill_queue(side->own);
	CHECK_RET(send_id(side->parent, COPY_SEND, 1), 0);
	for (;;)
		pause();
}

struct blocked_send {
	name_t port;
	long result;
};

static void *send_blocking(void *argument)
{
	struct blocked_send *blocked = argument;

	blocked->result = send_id(blocked->port, COPY_SEND, 7);
	return NULL;
}

TEST(sender_blocked_on_a_dying_task)
{
	struct blocked_send blocked;
	struct message message;
	struct worker worker;
	struct peer peer;

	mach_open();
	peer_start(&peer, fill_and_wait, NULL);
	CHECK_RET(msg_receive_within(&message, peer.service, 5000), 0);
	blocked.port = peer.port;
	worker_start(&worker, send_blocking, &blocked);
	worker_wait_in_trap(&worker);
	kill_child(peer.pid);
	worker_join(&worker);
	CHECK_RET(blocked.result, 0);
	CHECK_UREFS(peer.port, DEAD_NAME, 1);
}

/* A right to a dead port moves on as a dead one. */
static void pass_on(struct peer_side *side)
{
	struct message message;

	for (;;) {
		if (msg_receive_blocking(&message, side->own))
			return;
		message.header.local = message.header.remote;
		message.header.remote = side->parent;
		message.header.bits = MSGH_BITS(COPY_SEND, MOVE_SEND);
		CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
	}
}

TEST(rights_travel_between_tasks)
{
	struct message message;
	struct peer peer;
	name_t port;

	mach_open();
	peer_start(&peer, pass_on, NULL);
	port = new_port();
	message_init(&message, MSGH_BITS(COPY_SEND, MAKE_SEND), peer.port, port, 1);
	CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
	CHECK_RET(msg_receive_within(&message, peer.service, 5000), 0);
	/* Back where the receive right is, it has that right's name. */
	CHECK_HEX(message.header.remote, port);
	CHECK_SEND_UREFS(port, 1);

	/* A send right there and back again: one more reference to the same name. */
	message_init(&message, MSGH_BITS(COPY_SEND, COPY_SEND), peer.port, peer.port, 2);
	CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
	CHECK_RET(msg_receive_within(&message, peer.service, 5000), 0);
	CHECK_HEX(message.header.remote, peer.port);
	CHECK_SEND_UREFS(peer.port, 2);

	kill_child(peer.pid);
	CHECK_UREFS(peer.port, DEAD_NAME, 2);
}

/* Nothing is left */

TEST(no_object_is_left)
{
	static const int counts[] = { 1, 10 };
	char why[400];

	if (!read_object_counts(&(struct object_counts){ .kinds = 0 }))
		SKIP("the module does not tell of its objects");
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		struct object_counts there;
		struct gate ready, go;
		pid_t pids[10];

		for (int j = 0; j < counts[i]; j++) {
			gate_init(&ready);
			gate_init(&go);
			pids[j] = fork();
			REQUIRE(pids[j] >= 0);
			if (pids[j] == 0) {
				name_t port;

				mach_open();
				port = new_send_right();
				fill_queue(port);
				new_dead_name();
				new_port_set();
				gate_open(&ready);
				for (;;)
					pause();
			}
			gate_pass(&ready);
		}
		REQUIRE(read_object_counts(&there));
		CHECK(!object_counts_within(&there, &(struct object_counts){ .kinds = 0 }, why,
					    sizeof(why)));
		for (int j = 0; j < counts[i]; j++)
			kill_child(pids[j]);
		if (!wait_until_no_objects(5000, why, sizeof(why)))
			FAIL("left after %d processes: %s", counts[i], why);
	}
}
