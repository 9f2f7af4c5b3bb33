// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once, at random: several processes with several threads, killed
 * at any moment. Nothing may hang, and nothing may be left. The seed is printed;
 * MACH_TEST_SEED repeats a run as far as the scheduler lets it, and
 * MACH_TEST_SECONDS makes it longer.
 * time limit: 400 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"

#define PROCESSES	4
#define THREADS		3
#define NAMES		24

static unsigned int seconds(void)
{
	const char *text = getenv("MACH_TEST_SECONDS");

	return text ? (unsigned int)atoi(text) : 8;
}

static unsigned int chosen_seed(void)
{
	const char *text = getenv("MACH_TEST_SEED");

	return text ? (unsigned int)strtoul(text, NULL, 0) : (unsigned int)now_ns();
}

/* One thread of one process of the mix. */
struct actor {
	unsigned int seed;
	name_t names[NAMES];	/* any of them may be gone, or another's by now */
	name_t service;		/* the first process' port, or 0 */
};

static unsigned int pick(struct actor *actor, unsigned int choices)
{
	return (unsigned int)rand_r(&actor->seed) % choices;
}

static name_t *any(struct actor *actor)
{
	return &actor->names[pick(actor, NAMES)];
}

static int any_disposition(struct actor *actor)
{
	return MOVE_RECEIVE + (int)pick(actor, 7);
}

static void act_message(struct actor *actor)
{
	static __thread struct message message;
	name_t to = actor->service && pick(actor, 3) == 0 ? actor->service : *any(actor);
	uint32_t size = HEADER_SIZE + 4 * pick(actor, pick(actor, 8) ? 30 : 1000);
	uint32_t option = 0;

	message_init(&message,
		     MSGH_BITS(any_disposition(actor), pick(actor, 2) ? any_disposition(actor) : 0),
		     to, pick(actor, 2) ? *any(actor) : 0, (int32_t)pick(actor, 5000));
	if (pick(actor, 3))
		option |= MACH_SEND_MSG;
	if (pick(actor, 3))
		option |= MACH_RCV_MSG;
	if (pick(actor, 4) == 0)
		option |= MACH_RCV_LARGE;
	option |= MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT | MACH_RCV_TRAILER(pick(actor, 5));
	if (mach_msg(&message, option, size,
		     pick(actor, 6) ? (uint32_t)sizeof(message) : pick(actor, 200),
		     *any(actor), pick(actor, 4)) == 0 && (option & MACH_RCV_MSG))
		*any(actor) = message.header.remote;
}

/* A message with up to four rights in its body, any of which may be wrong. */
static void act_body(struct actor *actor)
{
	struct {
		struct header header;
		uint32_t count;
		struct port_descriptor port[4];
		struct trailer trailer;
	} carrier;
	uint32_t count = pick(actor, 5);
	name_t to = actor->service && pick(actor, 3) == 0 ? actor->service : *any(actor);

	memset(&carrier, 0, sizeof(carrier));
	carrier.header.bits = MSGH_COMPLEX | MSGH_BITS(any_disposition(actor), 0);
	carrier.header.remote = to;
	carrier.count = count;
	for (uint32_t i = 0; i < count; i++)
		carrier.port[i] = (struct port_descriptor)
			PORT_DESCRIPTOR(*any(actor), any_disposition(actor));
	mach_msg(&carrier, MACH_SEND_MSG | MACH_SEND_TIMEOUT,
		 HEADER_SIZE + 4 + count * (uint32_t)sizeof(carrier.port[0]), 0, 0, pick(actor, 3));
	if (mach_msg(&carrier, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(carrier), *any(actor),
		     pick(actor, 3)) == 0 && carrier.header.bits & MSGH_COMPLEX)
		for (uint32_t i = 0; i < carrier.count && i < 4; i++)
			*any(actor) = carrier.port[i].name;
}

static void act_fork(struct actor *actor)
{
	pid_t pid = fork();

	if (pid == 0) {
		mach_forget();
		if (pick(actor, 2))
			for (int i = 0; i < 5; i++)
				reply_port();
		if (pick(actor, 3) == 0)
			exec_helper("nothing", "");
		_exit(0);
	}
	if (pid > 0) {
		if (pick(actor, 4) == 0)
			kill(pid, SIGKILL);
		if (pick(actor, 2))
			trap(NR_fork_wait_for_child, 0);
		waitpid(pid, NULL, 0);
	}
}

static void *short_thread(void *argument)
{
	struct message message;

	thread_self();
	msg_receive_within(&message, *(name_t *)argument, 2);
	return NULL;
}

static void act_thread(struct actor *actor)
{
	pthread_t thread;
	name_t name = *any(actor);

	if (!pthread_create(&thread, NULL, short_thread, &name))
		pthread_join(thread, NULL);
}

static void act(struct actor *actor)
{
	name_t name;

	switch (pick(actor, 30)) {
	case 0:
	case 1:
		if (port_allocate(1 + (int)pick(actor, 4), &name) == KERN_SUCCESS)
			*any(actor) = name;
		break;
	case 2:
		*any(actor) = reply_port();
		break;
	case 3:
	case 4:
		mod_refs(*any(actor), (int)pick(actor, 6), (int)pick(actor, 5) - 2);
		break;
	case 5:
		if (pick(actor, 4) == 0)
			mod_refs(*any(actor), MACH_PORT_RIGHT_RECEIVE, -1);
		break;
	case 6:
		deallocate(*any(actor));
		break;
	case 7:
	case 8:
		name = *any(actor);
		insert_right(pick(actor, 2) ? name : *any(actor), name, any_disposition(actor));
		break;
	case 9:
		*any(actor) = pick(actor, 2) ? thread_self() : host_self();
		break;
	case 10:
		if (pick(actor, 8) == 0)
			act_fork(actor);
		break;
	case 11:
		if (pick(actor, 4) == 0)
			act_thread(actor);
		break;
	case 12:
		trap(0x1000 + pick(actor, 2) * 0x52, 0);
		break;
	case 13:
		if (pick(actor, 8) == 0)
			trap(NR_thread_death_announce, 0);
		break;
	case 14:
		close(mach_open_new());
		break;
	case 15:
		insert_member(*any(actor), *any(actor));
		break;
	case 16:
		if (pick(actor, 2))
			extract_member(*any(actor), *any(actor));
		else
			move_member(*any(actor), pick(actor, 3) ? *any(actor) : MACH_PORT_NULL);
		break;
	case 17:
		if (pick(actor, 4) == 0)
			port_destroy(*any(actor));
		break;
	case 18:
	case 19:
	case 20:
		act_body(actor);
		break;
	default:
		act_message(actor);
	}
}

static void *actor_main(void *argument)
{
	struct actor *actor = argument;

	for (;;)
		act(actor);
	return NULL;
}

HELPER(nothing)
{
	return 0;
}

/* Signals are let in when the process is set up, where they would be a failure. */
static void block_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	REQUIRE(sigprocmask(how, &set, NULL) == 0);
}

static void process_main(unsigned int seed, bool joined)
{
	static struct actor actors[THREADS];

	mach_open();
	catch_signal(SIGUSR1);
	self();
	for (unsigned int i = 0; i < THREADS; i++) {
		actors[i].seed = seed * 31 + i;
		if (joined)
			actors[i].service = bootstrap_get();
		for (size_t j = 0; j < NAMES / 2; j++)
			actors[i].names[j] = reply_port();
	}
	block_signals(SIG_UNBLOCK);
	for (unsigned int i = 1; i < THREADS; i++) {
		pthread_t thread;

		REQUIRE(!pthread_create(&thread, NULL, actor_main, &actors[i]));
	}
	actor_main(&actors[0]);
}

TEST_LIMIT(random_mix, 300)
{
	unsigned int seed = chosen_seed(), kills = 0;
	uint64_t end = now_ns() + seconds() * 1000000000ull;
	pid_t pids[PROCESSES] = { 0 };
	struct message message;
	name_t service;
	bool joined;

	note("seed %u", seed);
	block_signals(SIG_BLOCK);
	mach_open();
	/* Where it can be, all processes know a port of this one. */
	service = new_port();
	joined = bootstrap_is_served();
	if (joined)
		bootstrap_set(service, MAKE_SEND);
	while (now_ns() < end) {
		unsigned int i = (unsigned int)rand_r(&seed) % PROCESSES;

		if (pids[i]) {
			unsigned int way = (unsigned int)rand_r(&seed) % 3;

			if (way == 0) {
				kill(pids[i], SIGUSR1);
			} else if (way == 1) {
				int status;

				kill(pids[i], SIGKILL);
				REQUIRE(waitpid(pids[i], &status, 0) == pids[i]);
				CHECK_EQ(status, SIGKILL);
				pids[i] = 0;
				kills++;
			}
		} else {
			pids[i] = fork();
			REQUIRE(pids[i] >= 0);
			if (pids[i] == 0) {
				mach_forget();
				process_main(seed, joined);
			}
		}
		/* Serve a little: whatever comes, its rights are dropped. */
		while (msg_receive_within(&message, service, 1) == 0)
			deallocate(message.header.remote);
		usleep((unsigned int)rand_r(&seed) % 30000);
	}
	for (int i = 0; i < PROCESSES; i++)
		if (pids[i]) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
	note("%u processes killed", kills);
	CHECK_EQ(get_api_version(), 19);
	CHECK(has_right(service, MACH_PORT_RIGHT_RECEIVE));
}

/* After all cases before it, and their processes: nothing lives. */
TEST(nothing_is_left)
{
	char why[400];

	if (!read_object_counts(&(struct object_counts){ .kinds = 0 }))
		SKIP("the module does not tell of its objects");
	if (!wait_until_no_objects(5000, why, sizeof(why)))
		FAIL("left: %s", why);
}
