// SPDX-License-Identifier: GPL-2.0
/*
 * mach_msg between threads and processes: blocking, waking, interrupting, and
 * ports that go away under a waiting thread.
 * time limit: 900 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"

#define SEND		MACH_PORT_RIGHT_SEND
#define RECEIVE		MACH_PORT_RIGHT_RECEIVE
#define SEND_ONCE	MACH_PORT_RIGHT_SEND_ONCE

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

/* Traffic */

#define ROUND_TRIPS	10000

struct ping_pong {
	name_t to, from;
};

static void *answer_all(void *argument)
{
	struct ping_pong *ports = argument;
	struct message message;

	CHECK_RET(msg_receive_blocking(&message, ports->from), 0);
	for (int i = 0; i < ROUND_TRIPS; i++) {
		if (!CHECK_EQ(message.header.id, i))
			return NULL;
		message.header.bits = MSGH_BITS(MOVE_SEND_ONCE, 0);
		message.header.local = 0;
		if (i == ROUND_TRIPS - 1) {
			CHECK_RET(msg_send(&message, HEADER_SIZE + 40), 0);
			break;
		}
		if (!CHECK_RET(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE + 40,
					sizeof(message), ports->from, 0), 0))
			return NULL;
	}
	return NULL;
}

/* 64 bytes there and back, combined on both sides */
TEST_LIMIT(ping_pong_between_threads, 120)
{
	struct ping_pong ports;
	struct message message;
	pthread_t thread;
	name_t reply;

	mach_open();
	ports.from = new_send_right();
	reply = new_port();
	REQUIRE(!pthread_create(&thread, NULL, answer_all, &ports));
	for (int i = 0; i < ROUND_TRIPS; i++) {
		message_init(&message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), ports.from, reply, i);
		body_fill(message.body, 40, (uint32_t)i);
		REQUIRE_RET(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE + 40,
				     sizeof(message), reply, 0), 0);
		REQUIRE_EQ(message.header.id, i);
		REQUIRE(body_matches(message.body, 40, (uint32_t)i));
	}
	pthread_join(thread, NULL);
	CHECK_NO_MESSAGE(reply);
	CHECK_NO_MESSAGE(ports.from);
	CHECK_SEND_UREFS(ports.from, 1);
}

static void answer_peer(struct peer_side *side)
{
	struct ping_pong ports = { .from = side->own };

	answer_all(&ports);
}

TEST_LIMIT(ping_pong_between_processes, 120)
{
	struct message message;
	struct peer peer;
	name_t reply;

	mach_open();
	peer_start(&peer, answer_peer, NULL);
	reply = new_port();
	for (int i = 0; i < ROUND_TRIPS; i++) {
		message_init(&message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), peer.port, reply, i);
		body_fill(message.body, 40, (uint32_t)i);
		REQUIRE_RET(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE + 40,
				     sizeof(message), reply, 0), 0);
		REQUIRE_EQ(message.header.id, i);
		REQUIRE(body_matches(message.body, 40, (uint32_t)i));
	}
	WAIT_CHILD_OK(peer.pid);
	CHECK_UREFS(peer.port, MACH_PORT_RIGHT_DEAD_NAME, 1);
}

static void count_pids(struct peer_side *side)
{
	struct message message;

	message_init(&message, MSGH_BITS(COPY_SEND, 0), side->parent, 0, getpid());
	CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
}

TEST(token_tells_the_senders_pid)
{
	struct message message;
	struct trailer *trailer;
	struct peer peer;

	mach_open();
	peer_start(&peer, count_pids, NULL);
	CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TRAILER(TRAILER_AUDIT), 0, sizeof(message),
			   peer.service, 0), 0);
	trailer = trailer_of(&message);
	CHECK_EQ(trailer->audit[5], peer.pid);
	CHECK_EQ(message.header.id, peer.pid);
	CHECK_EQ(trailer->audit[1], 0);
	CHECK_EQ(trailer->audit[2], 0);
	CHECK_EQ(trailer->sender[0], 0);
	CHECK_EQ(trailer->sender[1], 1);
	WAIT_CHILD_OK(peer.pid);
}

#define SENDERS		6
#define PER_SENDER	1500

struct sender {
	name_t port;
	uint32_t number;
};

static void *send_many(void *argument)
{
	struct sender *sender = argument;
	struct message message;

	for (int i = 0; i < PER_SENDER; i++) {
		message_init(&message, MSGH_BITS(COPY_SEND, 0), sender->port, 0, i);
		message.body[0] = sender->number;
		body_fill(message.body + 1, 60, sender->number * PER_SENDER + (uint32_t)i);
		if (!CHECK_RET(msg_send(&message, HEADER_SIZE + 64), 0))
			break;
	}
	return NULL;
}

/* Every message arrives once, whole, and in its sender's order. */
TEST_LIMIT(many_senders_one_receiver, 120)
{
	struct sender senders[SENDERS];
	int next[SENDERS] = { 0 };
	pthread_t threads[SENDERS];
	struct message message;
	name_t port;

	mach_open();
	port = new_send_right();
	for (uint32_t i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){ port, i };
		REQUIRE(!pthread_create(&threads[i], NULL, send_many, &senders[i]));
	}
	for (int i = 0; i < SENDERS * PER_SENDER; i++) {
		uint32_t who;

		REQUIRE_RET(msg_receive_blocking(&message, port), 0);
		who = message.body[0];
		REQUIRE(who < SENDERS);
		REQUIRE_EQ(message.header.id, next[who]);
		REQUIRE(body_matches(message.body + 1, 60, who * PER_SENDER + (uint32_t)next[who]));
		next[who]++;
	}
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	CHECK_NO_MESSAGE(port);
	CHECK_SEND_UREFS(port, 1);
}

struct crowd {
	name_t port;
	atomic_ulong count;
	atomic_ulong sum;
};

static void *receive_for_crowd(void *argument)
{
	struct crowd *crowd = argument;
	struct message message;

	for (;;) {
		if (!CHECK_RET(msg_receive_blocking(&message, crowd->port), 0) || message.header.id == -1)
			return NULL;
		atomic_fetch_add(&crowd->count, 1);
		atomic_fetch_add(&crowd->sum, (unsigned long)message.header.id);
	}
}

TEST_LIMIT(many_senders_many_receivers, 120)
{
	struct crowd crowd = { 0 };
	struct sender senders[SENDERS];
	pthread_t threads[2 * SENDERS];
	unsigned long sum = 0;

	mach_open();
	crowd.port = new_send_right();
	for (uint32_t i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){ crowd.port, i };
		REQUIRE(!pthread_create(&threads[i], NULL, send_many, &senders[i]));
		REQUIRE(!pthread_create(&threads[SENDERS + i], NULL, receive_for_crowd, &crowd));
		for (unsigned long j = 0; j < PER_SENDER; j++)
			sum += j;
	}
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < SENDERS; i++)
		CHECK_RET(send_id(crowd.port, COPY_SEND, -1), 0);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[SENDERS + i], NULL);
	CHECK_EQ(atomic_load(&crowd.count), SENDERS * PER_SENDER);
	CHECK_EQ(atomic_load(&crowd.sum), sum);
	CHECK_NO_MESSAGE(crowd.port);
}

/* A storm of signals on both ends: nothing is lost, nothing comes twice. */

struct storm {
	name_t port;
	atomic_bool over;
};

static void *send_through_storm(void *argument)
{
	struct storm *storm = argument;
	struct message message;

	for (int i = 0; i < 3000; i++) {
		long result;

		message_init(&message, MSGH_BITS(COPY_SEND, 0), storm->port, 0, i);
		while ((result = msg_send(&message, HEADER_SIZE)) == MACH_SEND_INTERRUPTED)
			;
		if (!CHECK_RET(result, 0))
			break;
	}
	return NULL;
}

static void *receive_through_storm(void *argument)
{
	struct storm *storm = argument;
	struct message message;

	for (int i = 0; i < 3000; i++) {
		long result;

		while ((result = msg_receive_blocking(&message, storm->port)) == MACH_RCV_INTERRUPTED)
			;
		if (!CHECK_RET(result, 0) || !CHECK_EQ(message.header.id, i))
			break;
	}
	atomic_store(&storm->over, true);
	return NULL;
}

TEST_LIMIT(signals_lose_no_message, 120)
{
	struct worker sender, receiver;
	struct storm storm = { 0 };

	mach_open();
	catch_signal(SIGUSR1);
	storm.port = new_send_right();
	worker_start(&receiver, receive_through_storm, &storm);
	worker_start(&sender, send_through_storm, &storm);
	while (!atomic_load(&storm.over)) {
		/* A thread that ended in between is not there any more. */
		(void)!tgkill(getpid(), sender.tid, SIGUSR1);
		(void)!tgkill(getpid(), receiver.tid, SIGUSR1);
		usleep(100);
	}
	worker_join(&sender);
	worker_join(&receiver);
	CHECK_NO_MESSAGE(storm.port);
	/* An interrupted send gave its right back each time. */
	CHECK(has_right(storm.port, SEND));
}

/* Rights taken away while others use them */

struct churn {
	name_t port;
	atomic_bool over;
};

static void *send_to_churn(void *argument)
{
	struct churn *churn = argument;

	while (!atomic_load(&churn->over)) {
		struct message message;
		long result;

		message_init(&message, MSGH_BITS(MAKE_SEND, 0), churn->port, 0, 1);
		result = msg_send_within(&message, HEADER_SIZE, 1);
		if (result != 0 && result != MACH_SEND_TIMED_OUT && result != MACH_SEND_INVALID_DEST)
			FAIL("sending: %#lx %s", result, code_name(result));
	}
	return NULL;
}

static void *receive_from_churn(void *argument)
{
	struct churn *churn = argument;

	while (!atomic_load(&churn->over)) {
		struct message message;
		long result = msg_receive_within(&message, churn->port, 1);

		if (result != 0 && result != MACH_RCV_TIMED_OUT && result != MACH_RCV_INVALID_NAME &&
		    result != MACH_RCV_PORT_CHANGED)
			FAIL("receiving: %#lx %s", result, code_name(result));
	}
	return NULL;
}

TEST_LIMIT(ports_destroyed_in_use, 120)
{
	struct churn churn = { 0 };
	pthread_t threads[4];

	mach_open();
	self();
	churn.port = new_port();
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		REQUIRE(!pthread_create(&threads[i], NULL, i & 1 ? send_to_churn : receive_from_churn, &churn));
	for (int i = 0; i < 400; i++) {
		name_t old = churn.port;

		churn.port = new_port();
		if (i % 8 == 0)
			usleep(2000);
		/* Its send rights, given back to a timed out sender, may be there. */
		CHECK_RET(mod_refs(old, RECEIVE, -1), KERN_SUCCESS);
	}
	atomic_store(&churn.over, true);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
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

static void talk_until_killed(struct peer_side *side)
{
	struct message message;

	for (int i = 0;; i++) {
		message_init(&message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), side->parent, side->own, i);
		if (mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE, sizeof(message),
			     side->own, 0))
			return;
	}
}

struct echo {
	name_t port;
	long failure;
};

static void *echo_all(void *argument)
{
	struct echo *echo = argument;
	struct message message;

	for (;;) {
		long result = msg_receive_blocking(&message, echo->port);

		if (result) {
			echo->failure = result;
			return NULL;
		}
		message.header.bits = MSGH_BITS(MOVE_SEND_ONCE, 0);
		message.header.local = 0;
		/* Its port may be dead by now, which is no failure for a send-once right. */
		if (message.header.remote != MACH_PORT_DEAD && message.header.remote != MACH_PORT_NULL) {
			result = msg_send(&message, HEADER_SIZE);
			if (result)
				FAIL("answering: %#lx %s", result, code_name(result));
		}
	}
}

/* Peers killed at any moment of a conversation */
TEST_LIMIT(killed_at_random_moments, 120)
{
	unsigned int seed = (unsigned int)now_ns();

	note("seed %u", seed);
	mach_open();
	for (int i = 0; i < 25; i++) {
		struct echo echo = { 0 };
		struct peer peer;
		pthread_t thread;

		peer_start(&peer, talk_until_killed, NULL);
		echo.port = peer.service;
		REQUIRE(!pthread_create(&thread, NULL, echo_all, &echo));
		usleep((unsigned int)rand_r(&seed) % 20000);
		kill_child(peer.pid);
		CHECK(has_right(peer.port, MACH_PORT_RIGHT_DEAD_NAME));
		CHECK_RET(deallocate(peer.port), KERN_SUCCESS);
		destroy_receive(peer.service);
		pthread_join(thread, NULL);
		CHECK(echo.failure == MACH_RCV_PORT_CHANGED || echo.failure == MACH_RCV_INVALID_NAME);
	}
}
