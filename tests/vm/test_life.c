// SPDX-License-Identifier: GPL-2.0
/*
 * Lives of all kinds, at random: forks, images, threads, kills and descriptors
 * passed around. MACH_TEST_LIVES says how many; `make test-long` takes ten
 * thousand. The seed is printed; MACH_TEST_SEED repeats a run as far as the
 * scheduler lets it.
 *
 * time limit: 1500 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "process.h"

#define AT_ONCE		6

static unsigned int number_from(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned int)strtoul(text, NULL, 0) : otherwise;
}

/* A child and how it must end; killed ones end as it comes. */
struct life {
	pid_t pid;
	int status;
	bool killed;
	void *stack;
};

static void *trap_a_little(void *count)
{
	for (long i = (long)count; i > 0; i--)
		reply_port();
	return NULL;
}

static void start_threads(unsigned int *seed)
{
	pthread_t thread;

	for (int i = 1 + rand_r(seed) % 3; i; i--)
		if (!pthread_create(&thread, NULL, trap_a_little, (void *)(long)(rand_r(seed) % 5)))
			pthread_detach(thread);
}

static void exec_probe(const char *path, int status)
{
	char number[16];
	char *argv[] = { "probe", "exit", number, NULL };
	char *envp[] = { NULL };

	snprintf(number, sizeof(number), "%d", status);
	execve(path, argv, envp);
	_exit(98);
}

/* One life, which ends with @status. */
static void live_once(unsigned int seed, int status)
{
	static const char *const images[] = {
		"/macho/probe", "/macho/probe_fixed", "/macho/probe32",
	};
	char *busybox[] = { "sh", "-c", NULL, NULL };
	char command[32];
	pid_t pid;

	switch (rand_r(&seed) % 8) {
	case 0:
		/* Never traps. */
		break;
	case 1:
		mach_forget();
		for (int i = rand_r(&seed) % 20; i; i--)
			reply_port();
		break;
	case 2:
		start_threads(&seed);
		if (rand_r(&seed) & 1)
			usleep((unsigned int)rand_r(&seed) % 2000);
		break;
	case 3:
		start_threads(&seed);
		exec_probe(images[(unsigned int)rand_r(&seed) % ARRAY_SIZE(images)], status);
		break;
	case 4:
		if (rand_r(&seed) & 1)
			reply_port();
		snprintf(command, sizeof(command), "exit %d", status);
		busybox[2] = command;
		execv("/bin/busybox", busybox);
		_exit(99);
	case 5:
		/* A grandchild that outlives its parent, or does not. */
		pid = fork();
		if (!pid) {
			usleep((unsigned int)rand_r(&seed) % 3000);
			get_api_version();
			_exit(0);
		}
		if (rand_r(&seed) & 1)
			trap(NR_fork_wait_for_child, 0);
		break;
	case 6:
		close(mach_open_new());
		self();
		break;
	default:
		trap(NR_thread_death_announce, 0);
		reply_port();
	}
	_exit(status);
}

/* Passes descriptors between two tasks; both stay what they are. */
static void live_with_descriptor(int socket, int status)
{
	int theirs = take_fd(socket), own = mach_fd;

	/* Through another's descriptor this is still this task. */
	mach_fd = theirs;
	CHECK_EQ(get_api_version(), 19);
	mach_fd = own;
	pass_fd(socket, own);
	close(theirs);
	_exit(status);
}

static void start_with_descriptor(struct life *life)
{
	int sockets[2], theirs, own = mach_fd;

	REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	life->pid = fork();
	REQUIRE(life->pid >= 0);
	if (!life->pid)
		live_with_descriptor(sockets[1], life->status >> 8);
	pass_fd(sockets[0], mach_fd);
	theirs = take_fd(sockets[0]);
	mach_fd = theirs;
	CHECK_EQ(get_api_version(), 19);
	mach_fd = own;
	close(theirs);
	close(sockets[0]);
	close(sockets[1]);
}

/* With the same descriptor table or the same memory */
struct sharing {
	unsigned int seed;
	int status;
};

static int live_sharing(void *argument)
{
	struct sharing *sharing = argument;

	/* Only what needs no memory of its own: the parent runs at the same time. */
	syscall(SYS_ioctl, mach_fd, NR_get_api_version, 0);
	syscall(SYS_ioctl, mach_fd, NR_mach_reply_port, 0);
	syscall(SYS_exit_group, sharing->status);
	return 0;
}

static void start_sharing(struct life *life, unsigned int *seed)
{
	static struct sharing sharings[AT_ONCE + 1];
	static unsigned int next;
	struct sharing *sharing = &sharings[next++ % ARRAY_SIZE(sharings)];
	int flags = rand_r(seed) & 1 ? CLONE_FILES : CLONE_VM | CLONE_VFORK;

	*sharing = (struct sharing){ .status = life->status >> 8 };
	life->stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(life->stack != MAP_FAILED);
	life->pid = clone(live_sharing, (char *)life->stack + 65536, flags | SIGCHLD, sharing);
	REQUIRE(life->pid > 0);
}

static void start(struct life *life, unsigned int *seed)
{
	*life = (struct life){ .status = (rand_r(seed) & 0x7f) << 8 };
	switch (rand_r(seed) % 8) {
	case 0:
		start_with_descriptor(life);
		break;
	case 1:
		start_sharing(life, seed);
		break;
	default:
		life->pid = fork();
		REQUIRE(life->pid >= 0);
		if (!life->pid)
			live_once(*seed, life->status >> 8);
	}
	if (rand_r(seed) % 4 == 0) {
		if (rand_r(seed) & 1)
			usleep((unsigned int)rand_r(seed) % 3000);
		kill(life->pid, SIGKILL);
		life->killed = true;
	}
	if (rand_r(seed) % 4 == 0)
		trap(NR_fork_wait_for_child, 0);
}

static void end(struct life *life)
{
	int status = wait_child(life->pid);

	if (status != life->status && !(life->killed && status == SIGKILL))
		FAIL("ended with %#x, not %#x", status, life->status);
	if (life->stack)
		munmap(life->stack, 65536);
	life->pid = 0;
}

TEST_LIMIT(random_lives, 1400)
{
	unsigned int lives = number_from("MACH_TEST_LIVES", 400);
	unsigned int seed = number_from("MACH_TEST_SEED", (unsigned int)now_ns());
	struct life now[AT_ONCE] = { 0 };
	name_t port;

	note("seed %u", seed);
	mach_open();
	port = new_send_right();
	for (unsigned int i = 0; i < lives; i++) {
		struct life *life = &now[(unsigned int)rand_r(&seed) % AT_ONCE];

		if (life->pid)
			end(life);
		start(life, &seed);
	}
	for (int i = 0; i < AT_ONCE; i++)
		if (now[i].pid)
			end(&now[i]);
	CHECK_EQ(get_api_version(), 19);
	CHECK(has_right(port, MACH_PORT_RIGHT_RECEIVE));
	CHECK_SEND_UREFS(port, 1);
}

TEST(nothing_is_left)
{
	char why[400];

	if (!wait_until_no_objects(5000, why, sizeof(why)))
		FAIL("left: %s", why);
}
