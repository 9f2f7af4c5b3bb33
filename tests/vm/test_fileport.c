// SPDX-License-Identifier: GPL-2.0
/*
 * Ports that stand for open files: made, opened again, sent, and given up.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"

static long make_port(int fd, name_t *name)
{
	struct fileport_makeport_args args = { .fd = fd };
	long result;

	memset(&args.port_out, POISON, sizeof(args.port_out));
	result = trap_struct(NR_fileport_makeport, &args);
	*name = (name_t)args.port_out;
	return result;
}

static long make_fd(name_t name)
{
	return trap(NR_fileport_makefd, name);
}

/* Whether everybody has closed the writing end of a pipe */
static bool is_closed(int reader)
{
	char byte;

	return read(reader, &byte, 1) == 0;
}

TEST(file_is_opened_again)
{
	struct stat one, other;
	struct rpc rpc;
	char byte;
	name_t port;
	int fd;
	long again;

	mach_open();
	fd = memfd_create("file", MFD_CLOEXEC);
	REQUIRE_EQ(write(fd, "abc", 3), 3);
	REQUIRE_EQ(lseek(fd, 1, SEEK_SET), 1);
	REQUIRE_RET(make_port(fd, &port), 0);
	CHECK_SEND_UREFS(port, 1);
	CHECK_RET(RPC(&rpc, self(), 3230, port), 0);
	CHECK_EQ(rpc_words(&rpc)[0], 34);
	again = make_fd(port);
	REQUIRE(again >= 0);
	CHECK(again != fd);
	CHECK_EQ(fcntl((int)again, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fstat(fd, &one) | fstat((int)again, &other), 0);
	CHECK_EQ(one.st_ino, other.st_ino);
	/* It is the same open file, with one position. */
	CHECK_EQ(read((int)again, &byte, 1), 1);
	CHECK_EQ(byte, 'b');
	CHECK_EQ(read(fd, &byte, 1), 1);
	CHECK_EQ(byte, 'c');
	/* The right stays, and can be used at any time. */
	CHECK_SEND_UREFS(port, 1);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(close((int)again), 0);
	again = make_fd(port);
	CHECK_EQ(again, fd);
	CHECK_EQ(lseek((int)again, 0, SEEK_CUR), 3);
	/* Each port is one of its own. */
	{
		name_t second;

		REQUIRE_RET(make_port(fd, &second), 0);
		CHECK(second != port);
		CHECK_RET(deallocate(second), 0);
	}
	CHECK_RET(deallocate(port), 0);
	CHECK_RET(make_fd(port), -EINVAL);
	CHECK_EQ(write((int)again, "d", 1), 1);
}

TEST(file_is_closed_with_the_last_right)
{
	name_t port;
	int fd[2];
	long again;

	mach_open();
	REQUIRE_EQ(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
	REQUIRE_RET(make_port(fd[1], &port), 0);
	CHECK_EQ(close(fd[1]), 0);
	CHECK(!is_closed(fd[0]));
	again = make_fd(port);
	CHECK_RET(deallocate(port), 0);
	CHECK(!is_closed(fd[0]));
	CHECK_EQ(close((int)again), 0);
	CHECK(is_closed(fd[0]));
	/* And with a descriptor that was there first */
	REQUIRE_EQ(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
	REQUIRE_RET(make_port(fd[1], &port), 0);
	CHECK_RET(deallocate(port), 0);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EQ(close(fd[1]), 0);
	CHECK(!is_closed(fd[0]));
	CHECK(is_closed(fd[0]));
}

TEST(file_is_given_to_another_task)
{
	struct message message;
	struct gate sent;
	name_t port, file;
	int fd[2];
	pid_t pid;

	mach_open();
	port = new_port();
	bootstrap_set(port, MAKE_SEND);
	gate_init(&sent);
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		REQUIRE_EQ(pipe2(fd, O_CLOEXEC), 0);
		REQUIRE_EQ(write(fd[1], "hello", 5), 5);
		REQUIRE_RET(make_port(fd[0], &file), 0);
		message_init(&message, MSGH_COMPLEX | MSGH_BITS(COPY_SEND, 0), bootstrap_get(), 0, 5);
		message.body[0] = 1;
		message.body[1] = file;
		message.body[2] = 0;
		message.body[3] = MOVE_SEND << 16;
		REQUIRE_RET(msg_send(&message, HEADER_SIZE + 16), 0);
		CHECK(!has_right(file, MACH_PORT_RIGHT_SEND));
		_exit(0);
	}
	WAIT_CHILD_OK(pid);
	/* Its maker is gone: the file is in the message. */
	REQUIRE_RET(msg_receive_within(&message, port, 10000), 0);
	{
		char text[6] = { 0 };
		long again = make_fd(message.body[1]);

		REQUIRE(again >= 0);
		CHECK_EQ(read((int)again, text, 5), 5);
		CHECK(!strcmp(text, "hello"));
		CHECK(is_closed((int)again));
	}
}

TEST(message_that_is_never_received_closes_the_file)
{
	struct message message;
	name_t port, file;
	int fd[2];

	mach_open();
	port = new_send_right();
	REQUIRE_EQ(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
	REQUIRE_RET(make_port(fd[1], &file), 0);
	message_init(&message, MSGH_COMPLEX | MSGH_BITS(COPY_SEND, 0), port, 0, 5);
	message.body[0] = 1;
	message.body[1] = file;
	message.body[2] = 0;
	message.body[3] = MOVE_SEND << 16;
	REQUIRE_RET(msg_send(&message, HEADER_SIZE + 16), 0);
	CHECK_EQ(close(fd[1]), 0);
	CHECK(!is_closed(fd[0]));
	destroy_receive(port);
	CHECK(is_closed(fd[0]));
}

TEST(all_kinds_of_files)
{
	int pair[2], fd[4];

	mach_open();
	REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fd[0] = pair[0];
	fd[1] = eventfd(0, EFD_CLOEXEC);
	fd[2] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd[3] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		name_t port;

		REQUIRE(fd[i] >= 0);
		REQUIRE_RET(make_port(fd[i], &port), 0);
		CHECK(make_fd(port) >= 0);
	}
}

TEST(what_is_no_file)
{
	name_t port, right;
	int fd;

	mach_open();
	CHECK_RET(make_port(-1, &port), -EBADF);
	CHECK_HEX(port, POISON32);
	CHECK_RET(make_port(100000, &port), -EBADF);
	fd = open("/", O_PATH | O_CLOEXEC);
	CHECK_RET(make_port(fd, &port), -EBADF);
	/* The descriptor by which traps are made */
	fd = open("/dev/mach", O_RDWR | O_CLOEXEC);
	REQUIRE(fd >= 0);
	CHECK_RET(make_port(fd, &port), -EINVAL);
	for (size_t i = 0; i < bad_pointer_count; i++)
		CHECK_RET(trap(NR_fileport_makeport, bad_pointers[i]), -EFAULT);
	right = new_send_right();
	CHECK_RET(make_fd(MACH_PORT_NULL), -EINVAL);
	CHECK_RET(make_fd(MACH_PORT_DEAD), -EINVAL);
	CHECK_RET(make_fd(0x12345), -EINVAL);
	CHECK_RET(make_fd(right), -EINVAL);
	CHECK_RET(make_fd(new_port()), -EINVAL);
	CHECK_RET(make_fd(self()), -EINVAL);
}

TEST(right_is_taken_back_when_nobody_is_told)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rpc rpc;
	uint32_t before;
	int fd[2];

	mach_open();
	REQUIRE(page != MAP_FAILED);
	REQUIRE_EQ(mprotect(page, 4096, PROT_READ | PROT_WRITE), 0);
	REQUIRE_EQ(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
	((struct fileport_makeport_args *)page)->fd = fd[1];
	REQUIRE_EQ(mprotect(page, 4096, PROT_READ), 0);
	CHECK_RET(RPC(&rpc, self(), 3235), 0);
	before = rpc_words(&rpc)[2];
	CHECK_RET(trap(NR_fileport_makeport, (uintptr_t)page), -EFAULT);
	CHECK_RET(RPC(&rpc, self(), 3235), 0);
	CHECK_EQ(rpc_words(&rpc)[2], before);
	CHECK_EQ(close(fd[1]), 0);
	CHECK(is_closed(fd[0]));
}

TEST(descriptors_are_limited)
{
	struct rlimit limit = { .rlim_cur = 64, .rlim_max = 64 };
	name_t port;
	int fd[2], count = 0;

	mach_open();
	REQUIRE_EQ(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
	REQUIRE_RET(make_port(fd[1], &port), 0);
	REQUIRE_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (dup(0) >= 0)
		;
	REQUIRE_EQ(errno, EMFILE);
	CHECK_RET(make_fd(port), -EMFILE);
	CHECK_RET(make_fd(port), -EMFILE);
	CHECK_EQ(close(fd[1]), 0);
	CHECK_EQ(make_fd(port), fd[1]);
	/* So are the ports of who has no privileges. */
	become_nobody(NULL);
	for (; count < 100; count++) {
		name_t more;
		long result = make_port(fd[1], &more);

		if (result) {
			CHECK_RET(result, -EAGAIN);
			break;
		}
	}
	CHECK_EQ(count, 63);
	CHECK_RET(deallocate(port), 0);
	CHECK_RET(make_port(fd[1], &port), 0);
	CHECK_RET(make_port(fd[1], &port), -EAGAIN);
}

static void *open_and_close(void *argument)
{
	name_t port = *(name_t *)argument;
	uint64_t end = now_ns() + 1000000000;

	while (now_ns() < end) {
		long fd = make_fd(port);

		if (fd >= 0)
			close((int)fd);
		else
			CHECK_EQ(fd, -EINVAL);
	}
	return NULL;
}

TEST(opened_while_rights_go)
{
	struct worker worker[2];
	uint64_t end = now_ns() + 1000000000;
	name_t port;
	int fd[2];

	mach_open();
	REQUIRE_EQ(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
	REQUIRE_RET(make_port(fd[1], &port), 0);
	for (int i = 0; i < 2; i++)
		worker_start(&worker[i], open_and_close, &port);
	while (now_ns() < end) {
		name_t old = port, new;

		CHECK_RET(make_port(fd[1], &new), 0);
		port = new;
		CHECK_RET(deallocate(old), 0);
	}
	for (int i = 0; i < 2; i++)
		worker_join(&worker[i]);
	CHECK_RET(deallocate(port), 0);
	CHECK_EQ(close(fd[1]), 0);
	CHECK(is_closed(fd[0]));
}
