// SPDX-License-Identifier: GPL-2.0
/*
 * Messages between many threads and processes: none lost, none twice, none changed.
 * time limit: 900 s
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

/*
 * In an emulated machine a wake-up from one CPU to another can take milliseconds,
 * of a pipe as well, so most round trips are made on one CPU.
 */
#define ROUND_TRIPS		10000
#define ROUND_TRIPS_ACROSS	500

struct ping_pong {
	name_t server;
	int count;
};

static void *answer_all(void *argument)
{
	struct ping_pong *game = argument;
	struct message message;

	CHECK_RET(msg_receive_blocking(&message, game->server), 0);
	for (int i = 0; i < game->count; i++) {
		if (!CHECK_EQ(message.header.id, i))
			return NULL;
		message.header.bits = MSGH_BITS(MOVE_SEND_ONCE, 0);
		message.header.local = 0;
		if (i == game->count - 1) {
			CHECK_RET(msg_send(&message, HEADER_SIZE + 40), 0);
			break;
		}
		if (!CHECK_RET(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE + 40,
					sizeof(message), game->server, 0), 0))
			return NULL;
	}
	return NULL;
}

/* 64 bytes there and back, combined on both sides */
static void ask_all(name_t server, int count)
{
	struct message message;
	name_t reply = new_port();

	for (int i = 0; i < count; i++) {
		message_init(&message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), server, reply, i);
		body_fill(message.body, 40, (uint32_t)i);
		REQUIRE_RET(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, HEADER_SIZE + 40,
				     sizeof(message), reply, 0), 0);
		REQUIRE_EQ(message.header.id, i);
		REQUIRE(body_matches(message.body, 40, (uint32_t)i));
	}
	CHECK_NO_MESSAGE(reply);
}

static void play_with_a_thread(int count)
{
	struct ping_pong game = { .count = count };
	pthread_t thread;

	mach_open();
	game.server = new_send_right();
	REQUIRE(!pthread_create(&thread, NULL, answer_all, &game));
	ask_all(game.server, count);
	pthread_join(thread, NULL);
	CHECK_NO_MESSAGE(game.server);
	CHECK_SEND_UREFS(game.server, 1);
}

static void answer_peer(struct peer_side *side)
{
	struct ping_pong game = { .server = side->own, .count = *(int *)side->argument };

	answer_all(&game);
}

static void play_with_a_process(int count)
{
	struct peer peer;

	mach_open();
	peer_start(&peer, answer_peer, &count);
	ask_all(peer.port, count);
	WAIT_CHILD_OK(peer.pid);
	CHECK_UREFS(peer.port, DEAD_NAME, 1);
}

TEST_LIMIT(ping_pong_between_threads, 120)
{
	stay_on_one_cpu();
	play_with_a_thread(ROUND_TRIPS);
}

TEST_LIMIT(ping_pong_between_threads_on_all_cpus, 120)
{
	play_with_a_thread(ROUND_TRIPS_ACROSS);
}

TEST_LIMIT(ping_pong_between_processes, 120)
{
	stay_on_one_cpu();
	play_with_a_process(ROUND_TRIPS);
}

TEST_LIMIT(ping_pong_between_processes_on_all_cpus, 120)
{
	play_with_a_process(ROUND_TRIPS_ACROSS);
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
	CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TRAILER(TRAILER_AUDIT), 0,
			   sizeof(message),
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
		if (!CHECK_RET(msg_receive_blocking(&message, crowd->port), 0) ||
		    message.header.id == -1)
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

		while ((result = msg_receive_blocking(&message,
						      storm->port)) == MACH_RCV_INTERRUPTED)
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
		if (result != 0 && result != MACH_SEND_TIMED_OUT &&
		    result != MACH_SEND_INVALID_DEST)
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

		if (result != 0 && result != MACH_RCV_TIMED_OUT &&
		    result != MACH_RCV_INVALID_NAME &&
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
		REQUIRE(!pthread_create(&threads[i], NULL,
					i & 1 ? send_to_churn : receive_from_churn, &churn));
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

static void talk_until_killed(struct peer_side *side)
{
	struct message message;

	for (int i = 0;; i++) {
		message_init(&message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), side->parent,
			     side->own, i);
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
		if (message.header.remote != MACH_PORT_DEAD &&
		    message.header.remote != MACH_PORT_NULL) {
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
		CHECK(echo.failure == MACH_RCV_PORT_CHANGED ||
		      echo.failure == MACH_RCV_INVALID_NAME);
	}
}
