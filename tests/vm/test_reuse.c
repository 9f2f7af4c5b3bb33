// SPDX-License-Identifier: GPL-2.0
/*
 * Numbers of threads and processes that are used again: what the dead had does
 * not become the living ones'.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "lookup.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "rpc.h"

#define TRIES 200

/* Makes @number the next that a thread or process gets, unless somebody is faster. */
static void want_number(pid_t number)
{
	int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		SKIP("numbers cannot be chosen");
	dprintf(fd, "%d", number - 1);
	close(fd);
}

struct thread {
	struct worker worker;
	name_t port;
	name_t old;		/* that of whoever had the number before */
};

static void *first_owner(void *argument)
{
	struct thread *thread = argument;
	struct set_thread_handles_args handles = {
		.pthread_handle = 0x1111, .dispatch_qaddr = 0x2222,
	};

	thread->port = thread_self();
	CHECK_RET(trap_struct(NR_set_thread_handles, &handles), 0);
	CHECK_RET(trap(NR_pthread_canceled, 2), 0);
	/* Ends without a word. */
	return NULL;
}

static void check_old(name_t old)
{
	struct pthread_kill_args args = { .thread_port = old, .sig = 0 };

	CHECK(has_right(old, MACH_PORT_RIGHT_DEAD_NAME));
	CHECK_EQ(trap(NR_tid_for_thread, old), -1);
	CHECK_RET(trap_struct(NR_pthread_kill_trap, &args), -ESRCH);
	CHECK_RET(trap(NR_pthread_markcancel, old), -ESRCH);
}

static void *second_owner(void *argument)
{
	struct thread *thread = argument;
	struct rpc rpc;

	thread->port = thread_self();
	CHECK_EQ(trap(NR_tid_for_thread, thread->port), thread_id());
	CHECK(thread->port != thread->old);
	CHECK_RET(RPC(&rpc, thread->port, 3612, 4, 6), 0);
	CHECK_EQ(rpc_wide_at(&rpc, 3), 0);
	CHECK_EQ(rpc_wide_at(&rpc, 5), 0);
	/* It may be cancelled, as a new thread may. */
	CHECK_RET(trap(NR_pthread_markcancel, thread->port), 0);
	CHECK_RET(trap(NR_pthread_canceled, 0), 0);
	return NULL;
}

/* Starts and joins threads that run @run until one has had the number @tid. */
static void run_as(pid_t tid, void *(*run)(void *), struct thread *thread)
{
	for (int i = 0; i < TRIES; i++) {
		want_number(tid);
		worker_start(&thread->worker, run, thread);
		worker_join(&thread->worker);
		if (thread->worker.tid == tid)
			return;
	}
	SKIP("number %d is not to be had", tid);
}

TEST(thread_with_the_number_of_another_one)
{
	struct thread first, second = { 0 };

	mach_open();
	self();
	for (int i = 0; i < 20; i++) {
		worker_start(&first.worker, first_owner, &first);
		worker_join(&first.worker);
		second.old = first.port;
		run_as(first.worker.tid, second_owner, &second);
		check_old(first.port);
	}
}

static void use_number(void *argument)
{
	struct thread *first = argument, own = { .old = MACH_PORT_DEAD };

	run_as(first->worker.tid, second_owner, &own);
}

TEST(thread_of_another_process_with_the_number)
{
	struct thread first;

	mach_open();
	self();
	worker_start(&first.worker, first_owner, &first);
	worker_join(&first.worker);
	WAIT_CHILD_OK(start_child(use_number, &first));
	check_old(first.port);
}

/* A process that has rights, gives its task port away, and its descriptor. */
struct owner {
	int socket[2];
	name_t port;
};

static void be_owner(void *argument)
{
	struct owner *owner = argument;
	struct message message;

	REQUIRE_EQ(get_api_version(), 19);
	mark_task(0x1234);
	for (int i = 0; i < 40; i++)
		new_port();
	message_init(&message, MSGH_BITS(COPY_SEND, COPY_SEND), bootstrap_get(), self(), 1);
	REQUIRE_RET(msg_send(&message, HEADER_SIZE), 0);
	pass_fd(owner->socket[1], mach_fd);
	for (;;)
		pause();
}

struct successor {
	struct gate go, done;
	int fd;			/* of the dead process */
};

static void be_successor(void *argument)
{
	struct successor *successor = argument;
	name_t task;
	int held = 0;

	gate_pass(&successor->go);
	/* The first trap of all, through the descriptor of the dead */
	task = (name_t)trap_on(successor->fd, NR_task_self_trap, 0);
	CHECK((int32_t)task > 0);
	mach_fd = successor->fd;
	CHECK_HEX(mark_of(task), 0);
	for (name_t name = 0x103; name < 0x103 + 60 * 4; name += 4)
		held += has_right(name, MACH_PORT_RIGHT_RECEIVE);
	CHECK(held < 5);
	gate_open(&successor->done);
	gate_pass(&successor->go);
}

/* Forks until a child has the number @pid; the others are killed. */
static void start_as(pid_t pid, void (*run)(void *), void *argument)
{
	for (int i = 0; i < TRIES; i++) {
		pid_t child;

		want_number(pid);
		child = start_child(run, argument);
		if (child == pid)
			return;
		kill(child, SIGKILL);
		wait_child(child);
	}
	SKIP("number %d is not to be had", pid);
}

TEST(process_with_the_number_of_another_one)
{
	struct successor successor;
	struct message message;
	struct owner owner;
	name_t task, old;
	int32_t number;
	pid_t pid;

	mach_open();
	owner.port = new_port();
	bootstrap_set(owner.port, MAKE_SEND);
	REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, owner.socket), 0);
	pid = start_child(be_owner, &owner);
	REQUIRE_RET(msg_receive_within(&message, owner.port, 20000), 0);
	old = message.header.remote;
	successor.fd = take_fd(owner.socket[0]);
	CHECK_HEX(mark_of(old), 0x1234);
	kill_child(pid);

	gate_init(&successor.go);
	gate_init(&successor.done);
	start_as(pid, be_successor, &successor);
	/* It has no task yet, least of all that one. */
	CHECK_RET(task_for(pid, &task), KERN_FAILURE);
	CHECK_RET(trap(NR_get_tracer, (unsigned long)pid), -ESRCH);
	CHECK_RET(pid_for(old, &number), -ESRCH);
	gate_open(&successor.go);
	gate_pass(&successor.done);
	CHECK_RET(task_for(pid, &task), 0);
	CHECK(task != old);
	CHECK_RET(pid_for(task, &number), 0);
	CHECK_EQ(number, pid);
	CHECK_RET(pid_for(old, &number), -ESRCH);
	CHECK(has_right(old, MACH_PORT_RIGHT_DEAD_NAME));
	gate_open(&successor.go);
	WAIT_CHILD_OK(pid);
}

static void end_at_once(void *unused)
{
	(void)unused;
}

static void trap_late(void *argument)
{
	atomic_int *trapped = argument;

	sleep_ms(50);
	atomic_store(trapped, 1);
	CHECK_EQ(get_api_version(), 19);
}

TEST(child_with_the_number_of_one_that_never_trapped)
{
	atomic_int *trapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	REQUIRE(trapped != MAP_FAILED);
	mach_open();
	pid = start_child(end_at_once, NULL);
	WAIT_CHILD_OK(pid);
	start_as(pid, trap_late, trapped);
	CHECK_RET(fork_wait(), 0);
	CHECK_EQ(atomic_load(trapped), 1);
	WAIT_CHILD_OK(pid);
}
