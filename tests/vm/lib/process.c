// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "message.h"

/* Memory */

const uint64_t bad_pointers[] = {
	0,
	8,
	0xfff,
	0x00007ffffffff000,	/* the end of user space */
	0x0000800000000000,	/* not canonical */
	0x8000000000000000,
	0xcccccccccccccccc,
	0xffff888000000000,	/* the kernel's direct mapping */
	0xffffffff81000000,	/* the kernel's text */
	0xfffffffffffff000,
	0xffffffffffffffff,
};
const size_t bad_pointer_count = ARRAY_SIZE(bad_pointers);

void hole_init(struct hole *hole)
{
	hole->page_size = (size_t)sysconf(_SC_PAGESIZE);
	hole->pages = mmap(NULL, 2 * hole->page_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(hole->pages != MAP_FAILED);
	REQUIRE(munmap(hole->pages + hole->page_size, hole->page_size) == 0);
	poison(hole->pages, hole->page_size);
}

void *fault_at(const struct hole *hole, size_t readable)
{
	return hole->pages + hole->page_size - readable;
}

void hole_done(struct hole *hole)
{
	munmap(hole->pages, hole->page_size);
}

size_t lines_in_maps(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	size_t lines = 0;
	int c;

	REQUIRE(maps);
	while ((c = getc(maps)) != EOF)
		lines += c == '\n';
	fclose(maps);
	return lines;
}

/* Time */

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void sleep_ms(unsigned int ms)
{
	struct timespec rest = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&rest, &rest) && errno == EINTR)
		;
}

/* Processes */

pid_t start_child(void (*run)(void *argument), void *argument)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		mach_forget();
		run(argument);
		_exit(0);
	}
	return pid;
}

int wait_child(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			FATAL("waitpid(%d): %s", pid, strerror(errno));
	return status;
}

void kill_child(pid_t pid)
{
	REQUIRE(kill(pid, SIGKILL) == 0);
	CHECK_EQ(wait_child(pid), SIGKILL);
}

void exec_helper(const char *name, const char *argument)
{
	char at_name[64];

	snprintf(at_name, sizeof(at_name), "@%s", name);
	execl(program_path(), program_path(), at_name, argument, (char *)NULL);
	_exit(126);
}

long int80(unsigned int call, unsigned int a, unsigned int b, unsigned int c)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "0"(call), "b"(a), "c"(b), "d"(c)
			 : "r8", "r9", "r10", "r11", "memory");
	return (int)result;
}

static void try_int80(void *argument)
{
	(void)argument;
	_exit(int80(20, 0, 0, 0) == getpid() ? 0 : 1);
}

bool has_int80(void)
{
	return wait_child(start_child(try_int80, NULL)) == 0;
}

void pass_fd(int socket, int fd)
{
	char byte = 'f';
	struct iovec data = { &byte, 1 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	REQUIRE_EQ(sendmsg(socket, &message, 0), 1);
}

int take_fd(int socket)
{
	char byte;
	struct iovec data = { &byte, 1 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *rights;
	int fd;

	REQUIRE_EQ(recvmsg(socket, &message, MSG_CMSG_CLOEXEC), 1);
	rights = CMSG_FIRSTHDR(&message);
	REQUIRE(rights && rights->cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(rights), sizeof(fd));
	return fd;
}

void gate_init(struct gate *gate)
{
	REQUIRE(pipe2(gate->fds, O_CLOEXEC) == 0);
}

void gate_open(struct gate *gate)
{
	ssize_t written;

	do {
		written = write(gate->fds[1], "o", 1);
	} while (written < 0 && errno == EINTR);
	REQUIRE_EQ(written, 1);
}

void gate_pass(struct gate *gate)
{
	ssize_t got;
	char byte;

	do {
		got = read(gate->fds[0], &byte, 1);
	} while (got < 0 && errno == EINTR);
	if (got != 1)
		FATAL("nobody is left to open a gate");
}

void gate_never_opens_here(struct gate *gate)
{
	close(gate->fds[1]);
	gate->fds[1] = -1;
}

/* Threads and signals */

pid_t thread_id(void)
{
	return (pid_t)syscall(SYS_gettid);
}

void stay_on_one_cpu(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	REQUIRE(sched_setaffinity(0, sizeof(cpus), &cpus) == 0);
}

/* That of i386, where a 64-bit program has setsockopt(), which does not sleep. */
#define SYS_ioctl32	54

static bool sleeps_in_ioctl(pid_t pid, pid_t tid)
{
	char path[64], text[256], *after_name;
	FILE *file;
	bool sleeping = false;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fgets(text, sizeof(text), file)) {
		after_name = strrchr(text, ')');
		sleeping = after_name && (after_name[2] == 'S' || after_name[2] == 'D');
	}
	fclose(file);
	if (!sleeping)
		return false;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	sleeping = fgets(text, sizeof(text), file) && text[0] != 'r' &&
		   (atoi(text) == SYS_ioctl || atoi(text) == SYS_ioctl32);
	fclose(file);
	return sleeping;
}

void wait_until_in_trap(pid_t pid, pid_t tid)
{
	for (int tries = 0; tries < 20000; tries++) {
		if (sleeps_in_ioctl(pid, tid))
			return;
		usleep(500);
	}
	FATAL("thread %d of process %d does not sleep in a trap", tid, pid);
}

static void do_nothing(int signal_number)
{
	(void)signal_number;
}

void catch_signal(int signal_number)
{
	struct sigaction action = { .sa_handler = do_nothing };

	REQUIRE(sigaction(signal_number, &action, NULL) == 0);
}

static void *worker_main(void *argument)
{
	struct worker *worker = argument;

	worker->tid = thread_id();
	gate_open(&worker->started);
	return worker->run(worker->argument);
}

void worker_start(struct worker *worker, void *(*run)(void *argument), void *argument)
{
	worker->run = run;
	worker->argument = argument;
	gate_init(&worker->started);
	REQUIRE_EQ(pthread_create(&worker->thread, NULL, worker_main, worker), 0);
	gate_pass(&worker->started);
	close(worker->started.fds[0]);
	close(worker->started.fds[1]);
}

void worker_join(struct worker *worker)
{
	REQUIRE_EQ(pthread_join(worker->thread, NULL), 0);
}

void worker_wait_in_trap(const struct worker *worker)
{
	wait_until_in_trap(getpid(), worker->tid);
}

void worker_signal(const struct worker *worker, int signal_number)
{
	REQUIRE(syscall(SYS_tgkill, getpid(), worker->tid, signal_number) == 0);
}

/* Another task */

void peer_start(struct peer *peer, void (*run)(struct peer_side *side), void *argument)
{
	struct message message;
	struct gate received;

	gate_init(&received);
	peer->service = new_port();
	bootstrap_set(peer->service, MAKE_SEND);
	peer->pid = fork();
	REQUIRE(peer->pid >= 0);
	if (peer->pid == 0) {
		struct peer_side side = { .argument = argument };

		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		side.parent = bootstrap_get();
		side.own = new_port();
		message_init(&message, MSGH_BITS(COPY_SEND, MAKE_SEND), side.parent, side.own, 77);
		REQUIRE_RET(msg_send(&message, HEADER_SIZE), 0);
		/* Ending before that, it would leave the parent a dead right. */
		gate_never_opens_here(&received);
		gate_pass(&received);
		close(received.fds[0]);
		run(&side);
		_exit(0);
	}
	REQUIRE_RET(msg_receive_within(&message, peer->service, 20000), 0);
	REQUIRE_EQ(message.header.id, 77);
	peer->port = message.header.remote;
	REQUIRE(peer->port != MACH_PORT_NULL && peer->port != MACH_PORT_DEAD);
	REQUIRE(has_right(peer->port, MACH_PORT_RIGHT_SEND));
	gate_open(&received);
	close(received.fds[0]);
	close(received.fds[1]);
}
