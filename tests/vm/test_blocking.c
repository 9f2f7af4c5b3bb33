// SPDX-License-Identifier: GPL-2.0
/*
 * mach_msg that blocks: woken, interrupted, timed out, killed, and its port going
 * away.
 * time limit: 400 s
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

/* One blocking call in a thread, and what came of it. */
struct call {
	struct worker worker;
	name_t port;
	struct message message;
	uint32_t size;
	uint32_t option;
	uint32_t timeout_ms;
	long result;
	atomic_bool done;
};

static void *make_call(void *argument)
{
	struct call *call = argument;

	call->result = mach_msg(&call->message, call->option, call->size, sizeof(call->message),
				call->port, call->timeout_ms);
	atomic_store(&call->done, true);
	return NULL;
}

static void call_start(struct call *call)
{
	atomic_store(&call->done, false);
	call->result = 0xcccc;
	worker_start(&call->worker, make_call, call);
}

static void start_receiving(struct call *call, name_t port)
{
	call->port = port;
	call->size = 0;
	call->option = MACH_RCV_MSG;
	call->timeout_ms = 0;
	poison(&call->message, sizeof(call->message));
	call_start(call);
}

/* Sends a header-only message with id @id, made by @disposition. */
static void start_sending(struct call *call, name_t port, int disposition, int32_t id)
{
	message_init(&call->message, MSGH_BITS(disposition, 0), port, 0, id);
	call->port = 0;
	call->size = HEADER_SIZE;
	call->option = MACH_SEND_MSG;
	call->timeout_ms = 0;
	call_start(call);
}

/* Receiving */

TEST(blocked_receiver_gets_the_message)
{
	struct call call;
	name_t port;

	mach_open();
	port = new_port();
	for (int i = 0; i < 20; i++) {
		start_receiving(&call, port);
		worker_wait_in_trap(&call.worker);
		CHECK_RET(send_id(port, MAKE_SEND, i), 0);
		worker_join(&call.worker);
		CHECK_RET(call.result, 0);
		CHECK_EQ(call.message.header.id, i);
		CHECK_EQ(call.message.header.size, HEADER_SIZE);
		CHECK_HEX(call.message.header.local, port);
		CHECK_EQ(trailer_of(&call.message)->size, 8);
	}
	CHECK_NO_MESSAGE(port);
}

TEST(receiver_with_a_limit_gets_the_message)
{
	struct call call;
	name_t port;

	mach_open();
	port = new_port();
	start_receiving(&call, port);
	worker_wait_in_trap(&call.worker);
	CHECK_RET(send_id(port, MAKE_SEND, 1), 0);
	worker_join(&call.worker);

	poison(&call.message, sizeof(call.message));
	call.option = MACH_RCV_MSG | MACH_RCV_TIMEOUT;
	call.timeout_ms = 20000;
	call_start(&call);
	worker_wait_in_trap(&call.worker);
	CHECK_RET(send_id(port, MAKE_SEND, 2), 0);
	worker_join(&call.worker);
	CHECK_RET(call.result, 0);
	CHECK_EQ(call.message.header.id, 2);
}

TEST(each_receiver_gets_one_message)
{
	enum { RECEIVERS = 12 };
	static struct call calls[RECEIVERS];
	bool seen[RECEIVERS] = { false };
	name_t port;

	mach_open();
	port = new_port();
	for (int i = 0; i < RECEIVERS; i++)
		start_receiving(&calls[i], port);
	for (int i = 0; i < RECEIVERS; i++)
		worker_wait_in_trap(&calls[i].worker);
	for (int i = 0; i < RECEIVERS; i++)
		CHECK_RET(send_id(port, MAKE_SEND, i), 0);
	for (int i = 0; i < RECEIVERS; i++) {
		int32_t id;

		worker_join(&calls[i].worker);
		CHECK_RET(calls[i].result, 0);
		id = calls[i].message.header.id;
		REQUIRE(id >= 0 && id < RECEIVERS);
		CHECK(!seen[id]);
		seen[id] = true;
	}
	CHECK_NO_MESSAGE(port);
}

static long receive_into(name_t port, uint32_t size, uint32_t option, struct message *message)
{
	return mach_msg(message, MACH_RCV_MSG | option, 0, size, port, 0);
}

struct small_receive {
	name_t port;
	long result;
	struct message message;
};

static void *receive_small(void *argument)
{
	struct small_receive *small = argument;

	poison(&small->message, sizeof(small->message));
	small->result = receive_into(small->port, 32, MACH_RCV_LARGE, &small->message);
	return NULL;
}

/* The message arrives while the thread with too small a buffer is waiting. */
TEST(waiting_receiver_is_told_of_a_large_message)
{
	struct small_receive small;
	struct message message;
	struct worker worker;
	name_t port;

	mach_open();
	port = new_port();
	small.port = port;
	worker_start(&worker, receive_small, &small);
	worker_wait_in_trap(&worker);
	message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 5);
	body_fill(message.body, 64, 5);
	CHECK_RET(msg_send(&message, HEADER_SIZE + 64), 0);
	worker_join(&worker);
	CHECK_RET(small.result, MACH_RCV_TOO_LARGE);
	CHECK_EQ(small.message.header.size, HEADER_SIZE + 64);
	CHECK_RET(msg_receive(&message, port), 0);
	CHECK_EQ(message.header.id, 5);
	CHECK(body_matches(message.body, 64, 5));
}

/* The same with a second receiver waiting behind, which has the room. */
TEST(large_message_goes_on_to_the_next_receiver)
{
	struct small_receive small;
	static struct call call;
	struct message message;
	struct worker worker;
	name_t port;

	mach_open();
	port = new_port();
	small.port = port;
	worker_start(&worker, receive_small, &small);
	worker_wait_in_trap(&worker);
	start_receiving(&call, port);
	worker_wait_in_trap(&call.worker);
	message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 5);
	CHECK_RET(msg_send(&message, HEADER_SIZE + 64), 0);
	worker_join(&call.worker);
	CHECK_RET(call.result, 0);
	CHECK_EQ(call.message.header.id, 5);
	/* The first one either was told, or waits still. */
	send_id(port, MAKE_SEND, 6);
	worker_join(&worker);
	CHECK(small.result == MACH_RCV_TOO_LARGE || small.result == 0);
}

TEST(signal_ends_a_blocked_receive)
{
	struct call call;
	name_t port;

	mach_open();
	catch_signal(SIGUSR1);
	port = new_port();
	for (int i = 0; i < 10; i++) {
		start_receiving(&call, port);
		worker_wait_in_trap(&call.worker);
		worker_signal(&call.worker, SIGUSR1);
		worker_join(&call.worker);
		CHECK_RET(call.result, MACH_RCV_INTERRUPTED);
		CHECK(is_poison(&call.message, sizeof(call.message)));
	}
	/* Nobody is left waiting: the next message is queued. */
	CHECK_RET(send_id(port, MAKE_SEND, 3), 0);
	CHECK_EQ(receive_id(port), 3);
}

TEST(signal_with_restart_ends_it_as_well)
{
	struct sigaction action;
	struct call call;
	name_t port;

	mach_open();
	catch_signal(SIGUSR1);
	sigaction(SIGUSR1, NULL, &action);
	action.sa_flags |= SA_RESTART;
	sigaction(SIGUSR1, &action, NULL);
	port = new_port();
	start_receiving(&call, port);
	worker_wait_in_trap(&call.worker);
	worker_signal(&call.worker, SIGUSR1);
	worker_join(&call.worker);
	/* There is no kernel restart; the client library repeats the call. */
	CHECK_RET(call.result, MACH_RCV_INTERRUPTED);
}

static struct call *signalled_call;

static void send_in_handler(int signal_number)
{
	(void)signal_number;
	send_id(signalled_call->port, MAKE_SEND, 42);
}

/* The message that the handler itself sends is not lost. */
TEST(message_sent_by_the_handler)
{
	struct sigaction action = { .sa_handler = send_in_handler };
	struct call call;
	name_t port;

	mach_open();
	sigaction(SIGUSR1, &action, NULL);
	port = new_port();
	signalled_call = &call;
	start_receiving(&call, port);
	worker_wait_in_trap(&call.worker);
	worker_signal(&call.worker, SIGUSR1);
	worker_join(&call.worker);
	CHECK_RET(call.result, MACH_RCV_INTERRUPTED);
	CHECK_EQ(receive_id(port), 42);
}

TEST(blocked_receivers_learn_of_the_end_of_the_port)
{
	static struct call calls[4];
	name_t port;

	mach_open();
	port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		start_receiving(&calls[i], port);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		worker_wait_in_trap(&calls[i].worker);
	destroy_receive(port);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		worker_join(&calls[i].worker);
		CHECK_RET(calls[i].result, MACH_RCV_PORT_CHANGED);
		CHECK(is_poison(&calls[i].message, sizeof(calls[i].message)));
	}
}

TEST(blocked_receiver_learns_that_the_right_moved)
{
	struct call call;
	name_t port, other;

	mach_open();
	port = new_port();
	other = unused_name();
	start_receiving(&call, port);
	worker_wait_in_trap(&call.worker);
	CHECK_RET(insert_right(other, port, MOVE_RECEIVE), KERN_SUCCESS);
	worker_join(&call.worker);
	CHECK_RET(call.result, MACH_RCV_PORT_CHANGED);
}

TEST(blocked_receiver_learns_of_the_end_of_the_set)
{
	struct call call;
	name_t set;

	mach_open();
	set = new_port_set();
	start_receiving(&call, set);
	worker_wait_in_trap(&call.worker);
	CHECK_RET(mod_refs(set, MACH_PORT_RIGHT_PORT_SET, -1), KERN_SUCCESS);
	worker_join(&call.worker);
	CHECK_RET(call.result, MACH_RCV_PORT_CHANGED);
}

TEST(combined_call_waits_for_the_answer)
{
	struct call call;
	struct message message;
	name_t server, reply;

	mach_open();
	server = new_port();
	reply = new_port();
	message_init(&call.message, MSGH_BITS(MAKE_SEND, MAKE_SEND_ONCE), server, reply, 1);
	call.port = reply;
	call.size = HEADER_SIZE;
	call.option = MACH_SEND_MSG | MACH_RCV_MSG;
	call.timeout_ms = 0;
	call_start(&call);
	worker_wait_in_trap(&call.worker);
	CHECK_RET(msg_receive_within(&message, server, 5000), 0);
	CHECK_RET(send_id(message.header.remote, MOVE_SEND_ONCE, 101), 0);
	worker_join(&call.worker);
	CHECK_RET(call.result, 0);
	CHECK_EQ(call.message.header.id, 101);
	CHECK_HEX(call.message.header.local, reply);
}

/* Sent for good, and interrupted while waiting for the answer */
TEST(combined_call_interrupted_when_receiving)
{
	struct call call;
	name_t server, reply;

	mach_open();
	catch_signal(SIGUSR1);
	server = new_port();
	reply = new_port();
	message_init(&call.message, MSGH_BITS(MAKE_SEND, MAKE_SEND_ONCE), server, reply, 1);
	call.port = reply;
	call.size = HEADER_SIZE;
	call.option = MACH_SEND_MSG | MACH_RCV_MSG;
	call.timeout_ms = 0;
	call_start(&call);
	worker_wait_in_trap(&call.worker);
	worker_signal(&call.worker, SIGUSR1);
	worker_join(&call.worker);
	CHECK_RET(call.result, MACH_RCV_INTERRUPTED);
	CHECK_EQ(receive_id(server), 1);
	CHECK_NO_MESSAGE(server);
}

/* Sending */

TEST(blocked_sender_goes_on_when_there_is_room)
{
	struct call call;
	name_t port;

	mach_open();
	port = new_port();
	fill_queue(port);
	start_sending(&call, port, MAKE_SEND, 5);
	worker_wait_in_trap(&call.worker);
	CHECK(!atomic_load(&call.done));
	CHECK_EQ(receive_id(port), 0);
	worker_join(&call.worker);
	CHECK_RET(call.result, 0);
	for (int i = 1; i <= 5; i++)
		CHECK_EQ(receive_id(port), i);
	CHECK_NO_MESSAGE(port);
}

TEST(blocked_senders_go_on_one_by_one)
{
	enum { SENDERS = 10 };
	static struct call calls[SENDERS];
	bool seen[SENDERS] = { false };
	struct message message;
	name_t port;

	mach_open();
	port = new_port();
	fill_queue(port);
	for (int i = 0; i < SENDERS; i++) {
		start_sending(&calls[i], port, MAKE_SEND, 100 + i);
		worker_wait_in_trap(&calls[i].worker);
	}
	for (int i = 0; i < MACH_PORT_QLIMIT_BASIC; i++)
		CHECK_EQ(receive_id(port), i);
	for (int i = 0; i < SENDERS; i++) {
		int32_t id;

		CHECK_RET(msg_receive_within(&message, port, 10000), 0);
		id = message.header.id - 100;
		REQUIRE(id >= 0 && id < SENDERS);
		CHECK(!seen[id]);
		seen[id] = true;
	}
	for (int i = 0; i < SENDERS; i++) {
		worker_join(&calls[i].worker);
		CHECK_RET(calls[i].result, 0);
	}
	CHECK_NO_MESSAGE(port);
}

/*
 * The receiver is always back before the next sender runs, so what the senders
 * that were told of room send takes no room: the others must be told all the same.
 */
TEST(blocked_senders_go_on_when_the_receiver_is_quick)
{
	enum { SENDERS = 3 * MACH_PORT_QLIMIT_BASIC };
	static struct call calls[SENDERS];
	struct sched_param first = { .sched_priority = 1 };
	struct message message;
	cpu_set_t one;
	name_t port;

	mach_open();
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	REQUIRE_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	port = new_port();
	fill_queue(port);
	for (int i = 0; i < SENDERS; i++) {
		start_sending(&calls[i], port, MAKE_SEND, 100 + i);
		worker_wait_in_trap(&calls[i].worker);
	}
	REQUIRE_EQ(sched_setscheduler(0, SCHED_FIFO, &first), 0);
	for (int i = 0; i < MACH_PORT_QLIMIT_BASIC; i++)
		CHECK_EQ(receive_id(port), i);
	for (int i = 0; i < SENDERS; i++)
		REQUIRE_RET(msg_receive_within(&message, port, 10000), 0);
	for (int i = 0; i < SENDERS; i++) {
		worker_join(&calls[i].worker);
		CHECK_RET(calls[i].result, 0);
	}
	CHECK_NO_MESSAGE(port);
}

TEST(sender_with_a_limit_goes_on)
{
	struct call call;
	name_t port;

	mach_open();
	port = new_port();
	fill_queue(port);
	message_init(&call.message, MSGH_BITS(MAKE_SEND, 0), port, 0, 5);
	call.port = 0;
	call.size = HEADER_SIZE;
	call.option = MACH_SEND_MSG | MACH_SEND_TIMEOUT;
	call.timeout_ms = 30000;
	call_start(&call);
	worker_wait_in_trap(&call.worker);
	CHECK_EQ(receive_id(port), 0);
	worker_join(&call.worker);
	CHECK_RET(call.result, 0);
	for (int i = 1; i <= 5; i++)
		CHECK_EQ(receive_id(port), i);
}

TEST(signal_gives_the_message_back)
{
	struct call call;
	name_t port, reply;

	mach_open();
	catch_signal(SIGUSR1);
	port = new_send_right();
	reply = new_port();
	fill_queue(port);
	message_init(&call.message, MSGH_BITS(MOVE_SEND, MAKE_SEND_ONCE), port, reply, 5);
	body_fill(call.message.body, 32, 5);
	call.port = 0;
	call.size = HEADER_SIZE + 32;
	call.option = MACH_SEND_MSG;
	call.timeout_ms = 0;
	call_start(&call);
	worker_wait_in_trap(&call.worker);
	CHECK(!has_right(port, SEND));
	worker_signal(&call.worker, SIGUSR1);
	worker_join(&call.worker);
	CHECK_RET(call.result, MACH_SEND_INTERRUPTED);
	CHECK_HEX(call.message.header.bits, MSGH_BITS(MOVE_SEND, MOVE_SEND_ONCE));
	CHECK_HEX(call.message.header.remote, port);
	CHECK(has_right(call.message.header.local, SEND_ONCE));
	CHECK_EQ(call.message.header.id, 5);
	CHECK_EQ(call.message.header.size, HEADER_SIZE + 32);
	CHECK(body_matches(call.message.body, 32, 5));
	CHECK_SEND_UREFS(port, 1);
	CHECK_NO_MESSAGE(reply);

	/* The library repeats the call with what was given back. */
	CHECK_EQ(receive_id(port), 0);
	CHECK_RET(msg_send(&call.message, HEADER_SIZE + 32), 0);
	for (int i = 1; i < 5; i++)
		CHECK_EQ(receive_id(port), i);
	CHECK_RET(msg_receive(&call.message, port), 0);
	CHECK_EQ(call.message.header.id, 5);
	CHECK_RET(send_id(call.message.header.remote, MOVE_SEND_ONCE, 6), 0);
	CHECK_EQ(receive_id(reply), 6);
	CHECK(!has_right(port, SEND));
}

/* A dead destination takes every message, and destroys it. */
TEST(blocked_senders_go_on_when_the_port_dies)
{
	static struct call calls[4];
	name_t port, reply;

	mach_open();
	port = new_port();
	reply = new_port();
	fill_queue(port);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		struct call *call = &calls[i];

		message_init(&call->message, MSGH_BITS(MAKE_SEND, MAKE_SEND_ONCE), port, reply, 1);
		call->port = 0;
		call->size = HEADER_SIZE;
		call->option = MACH_SEND_MSG;
		call->timeout_ms = 0;
		call_start(call);
		worker_wait_in_trap(&call->worker);
	}
	destroy_receive(port);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		worker_join(&calls[i].worker);
		CHECK_RET(calls[i].result, 0);
		CHECK_NOTIFIED(reply, NOTIFY_SEND_ONCE);
	}
	CHECK_NO_MESSAGE(reply);
}

/* Killed */

static void block_in_receive(void *argument)
{
	struct call call;

	(void)argument;
	mach_open();
	start_receiving(&call, new_port());
	start_receiving(&call, new_port());
	msg_receive_blocking(&call.message, new_port());
}

static void block_in_send(void *argument)
{
	name_t port;

	(void)argument;
	mach_open();
	port = new_port();
	fill_queue(port);
	send_id(port, MAKE_SEND, 1);
}

TEST(killed_while_receiving)
{
	for (int i = 0; i < 5; i++) {
		pid_t pid = start_child(block_in_receive, NULL);

		wait_until_in_trap(pid, pid);
		kill_child(pid);
	}
}

TEST(killed_while_sending)
{
	for (int i = 0; i < 5; i++) {
		pid_t pid = start_child(block_in_send, NULL);

		wait_until_in_trap(pid, pid);
		kill_child(pid);
	}
}
