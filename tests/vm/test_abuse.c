// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that take what they can get: memory, names, descriptors, children; and that
 * stop themselves. What is asked is that a limit stops them, that another process goes
 * on working all the while, and that nothing is left of them.
 *
 * time limit: 400 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "body.h"
#include "harness.h"
#include "mach.h"
#include "mach_const.h"
#include "message.h"
#include "process.h"
#include "rpc.h"

/* --- The one that goes on working ----------------------------------------------- */

struct bystander {
	pid_t pid;
	atomic_uint *rounds;
};

static void work(void *argument)
{
	atomic_uint *rounds = argument;

	mach_open();
	for (;;) {
		name_t port = new_send_right();

		REQUIRE_RET(send_id(port, COPY_SEND, 7), 0);
		REQUIRE_EQ(receive_id(port), 7);
		REQUIRE_RET(port_destroy(port), KERN_SUCCESS);
		atomic_fetch_add(rounds, 1);
	}
}

static struct bystander start_bystander(void)
{
	struct bystander bystander;

	bystander.rounds = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				-1, 0);
	REQUIRE(bystander.rounds != MAP_FAILED);
	bystander.pid = start_child(work, bystander.rounds);
	return bystander;
}

/* Does another round of work, sooner or later; the time limit of the case says when. */
static void still_works(const struct bystander *bystander)
{
	unsigned int rounds = atomic_load(bystander->rounds);

	while (atomic_load(bystander->rounds) == rounds) {
		REQUIRE_EQ(waitpid(bystander->pid, NULL, WNOHANG), 0);
		sleep_ms(1);
	}
}

static void end_bystander(const struct bystander *bystander)
{
	still_works(bystander);
	kill_child(bystander->pid);
}

/* --- Control groups ----------------------------------------------------------------- */

#define GROUP "/sys/fs/cgroup/abuse"

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		SKIP("%s cannot be set to %s: %s", path, text, strerror(errno));
	close(fd);
}

static void make_group(const char *limit, const char *value)
{
	char path[128];

	if (mount("none", "/sys/fs/cgroup", "cgroup2", 0, NULL) && errno != EBUSY)
		SKIP("there are no control groups: %s", strerror(errno));
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory +pids");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		SKIP("no control group: %s", strerror(errno));
	snprintf(path, sizeof(path), GROUP "/%s", limit);
	write_file(path, value);
}

static void join_group(void)
{
	write_file(GROUP "/cgroup.procs", "0");
}

/* Kills who is still in it, waits until nobody is, and removes it. */
static void end_group(void)
{
	write_file(GROUP "/cgroup.kill", "1");
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	while (rmdir(GROUP) && errno == EBUSY) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		sleep_ms(5);
	}
}

/* --- Memory --------------------------------------------------------------------------- */

static void take_names(void)
{
	name_t name;

	for (int i = 0; i < 2000000; i++)
		if (port_allocate(MACH_PORT_RIGHT_RECEIVE, &name))
			return;
}

static void fill_queues(void)
{
	static struct message message;
	name_t port;

	while (!port_allocate(MACH_PORT_RIGHT_RECEIVE, &port)) {
		message_init(&message, MSGH_BITS(MAKE_SEND, 0), port, 0, 1);
		while (!msg_send_within(&message, sizeof(message) - MACH_TRAILER_MAX - 4, 0))
			;
	}
}

static void queue_memory(void)
{
	static struct complex_message message;
	static uint8_t block[256 << 10];
	name_t port;

	while (!port_allocate(MACH_PORT_RIGHT_RECEIVE, &port)) {
		long error = 0;

		memset(block, 1, sizeof(block));
		while (!error) {
			complex_init(&message, port, MAKE_SEND);
			add_ool(&message, block, sizeof(block), MSG_PHYSICAL_COPY, false);
			error = complex_send(&message);
		}
		if (error != MACH_SEND_TIMED_OUT)
			return;
	}
}

static void make_semaphores(void)
{
	struct rpc rpc;

	/* The names of replies use memory up as well, and the process is killed at last. */
	while (!RPC(&rpc, self(), 3418, 0, 0))
		;
}

static void make_timers(void)
{
	while ((name_t)trap(NR_mk_timer_create_trap, 0))
		;
}

static void (*const takers[])(void) = {
	take_names, fill_queues, queue_memory, make_semaphores, make_timers,
};

static void take(void *taker)
{
	join_group();
	mach_open();
	self();
	takers[(size_t)(uintptr_t)taker]();
}

/*
 * Whether the group's memory ends in an error, which the taker takes for its end,
 * or in the killer that Linux sends: it goes, and all that it took.
 */
TEST_LIMIT(memory_of_the_control_group, 200)
{
	struct bystander bystander = start_bystander();

	make_group("memory.max", "24M");
	for (size_t i = 0; i < ARRAY_SIZE(takers); i++) {
		pid_t pid = start_child(take, (void *)(uintptr_t)i);
		int status = wait_child(pid);

		if (status != 0 && status != SIGKILL)
			FAIL("taker %zu: status %#x", i, status);
		still_works(&bystander);
	}
	end_group();
	end_bystander(&bystander);
}

/* --- Children ---------------------------------------------------------------------------- */

static void multiply(void *argument)
{
	(void)argument;
	join_group();
	mach_open();
	/* Every child does the same, and none waits for another. */
	for (int i = 0; i < 1000; i++) {
		pid_t pid = fork();

		get_api_version();
		if (pid < 0)
			sleep_ms(1);
		if (i % 5 == 4)
			_exit(0);
	}
}

TEST_LIMIT(children_without_end, 120)
{
	struct bystander bystander = start_bystander();
	pid_t pid;

	make_group("pids.max", "60");
	pid = start_child(multiply, NULL);
	for (int i = 0; i < 20; i++)
		still_works(&bystander);
	sleep_ms(500);
	end_group();
	waitpid(pid, NULL, 0);
	end_bystander(&bystander);
}

/* --- Suspension ---------------------------------------------------------------------------- */

#define STOPPERS	12

static void *stop_for_ever(void *argument)
{
	struct rpc rpc;

	(void)argument;
	for (;;) {
		RPC(&rpc, thread_self(), THREAD_SUSPEND);
		RPC(&rpc, self(), TASK_SUSPEND);
	}
	return NULL;
}

/* Nobody resumes these; each has threads that stop themselves and one another. */
static void stop_itself(void *argument)
{
	static struct worker workers[4];

	mach_open();
	self();
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
		worker_start(&workers[i], stop_for_ever, NULL);
	stop_for_ever(argument);
}

/* A child of a task that stops is not stopped with it, and does the same. */
static void fork_and_stop(void *argument)
{
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	mach_open();
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		mach_forget();
	}
	stop_itself(argument);
}

TEST_LIMIT(tasks_that_stop_themselves, 120)
{
	struct bystander bystander = start_bystander();
	pid_t pids[STOPPERS];

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < STOPPERS; i++)
			pids[i] = start_child(i % 2 ? stop_itself : fork_and_stop, NULL);
		/* They are killed in the midst of stopping, and when all have long stopped. */
		sleep_ms(round * 20);
		for (int i = 0; i < 5; i++)
			still_works(&bystander);
		for (int i = 0; i < STOPPERS; i++)
			kill_child(pids[i]);
	}
	end_bystander(&bystander);
}

/* --- Descriptors --------------------------------------------------------------------------- */

static void open_all(void *argument)
{
	static const struct rlimit limit = { 20000, 20000 };
	int count = 0, fd;

	(void)argument;
	REQUIRE_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while ((fd = mach_open_new()) >= 0) {
		if (count++ % 100 == 0)
			CHECK_EQ(trap_on(fd, NR_get_api_version, 0), MACH_ABI_VERSION);
	}
	CHECK_EQ(errno, EMFILE);
	CHECK(count > 19000);
	/* The child of such a process needs a new one for each of them. */
	if (fork() == 0)
		_exit(trap_on(count / 2, NR_get_api_version, 0) == MACH_ABI_VERSION ? 0 : 1);
	wait(&count);
	CHECK_EQ(count, 0);
}

TEST_LIMIT(twenty_thousand_descriptors, 120)
{
	struct bystander bystander = start_bystander();

	WAIT_CHILD_OK(start_child(open_all, NULL));
	end_bystander(&bystander);
}

/* --- Rings ------------------------------------------------------------------------------------ */

#define RING	12

/*
 * Each of a ring of tasks sends the next one its receive right, in a message that
 * nobody receives, and is killed: all that holds the rights is on its way.
 */
static void pass_on(struct peer_side *side)
{
	struct complex_message *message = malloc(sizeof(*message));
	name_t next;

	/* The right to the next one comes from the parent. */
	REQUIRE_RET(mach_msg(message, MACH_RCV_MSG, 0, BODY_AT + BODY_ROOM, side->own, 0), 0);
	next = ((struct port_item *)item_at(message, 0))->name;
	for (int i = 0; i < 3; i++) {
		complex_init(message, next, COPY_SEND);
		add_port(message, new_port(), MOVE_RECEIVE);
		add_port(message, side->own, MAKE_SEND);
		complex_send(message);
	}
	complex_init(message, next, COPY_SEND);
	add_port(message, side->own, MOVE_RECEIVE);
	complex_send(message);
	send_id(side->parent, COPY_SEND, 1);
	for (;;)
		pause();
}

TEST_LIMIT(ring_of_rights_through_many_tasks, 120)
{
	struct bystander bystander = start_bystander();
	struct complex_message *message = malloc(sizeof(*message));
	struct peer peers[RING];

	mach_open();
	for (int i = 0; i < RING; i++)
		peer_start(&peers[i], pass_on, NULL);
	for (int i = 0; i < RING; i++) {
		complex_init(message, peers[i].port, COPY_SEND);
		add_port(message, peers[(i + 1) % RING].port, COPY_SEND);
		REQUIRE_RET(complex_send(message), 0);
	}
	for (int i = 0; i < RING; i++) {
		struct message done;

		REQUIRE_RET(msg_receive_blocking(&done, peers[i].service), 0);
	}
	for (int i = 0; i < RING; i++)
		kill_child(peers[i].pid);
	end_bystander(&bystander);
}
