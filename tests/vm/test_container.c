// SPDX-License-Identifier: GPL-2.0
/*
 * Two containers at once: pid namespaces in which the same numbers are those of
 * other processes. Neither sees the tasks of the other one, whose rights it can
 * be given all the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "lookup.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "rpc.h"

#define CONTAINERS	2
#define INIT_MARK	0xa000
#define CHILD_MARK	0xb000

#define ID_RIGHTS	77777
#define ID_GREETING	88888

/* How processes show their rights to one another */
struct rights {
	struct header header;
	uint32_t descriptors;
	struct port_descriptor ports[4];
};

struct container {
	unsigned int index;
	pid_t init, child;	/* as the test itself numbers them */
	name_t init_task, child_task, thread, port;
	struct gate go, done;
};

static void send_rights(name_t to, const name_t *names)
{
	struct rights message = {
		.header = {
			.bits = MSGH_COMPLEX | MSGH_BITS(COPY_SEND, 0),
			.size = sizeof(message),
			.remote = to,
			.id = ID_RIGHTS,
		},
		.descriptors = 4,
	};

	for (int i = 0; i < 4; i++)
		message.ports[i] = (struct port_descriptor)PORT_DESCRIPTOR(names[i], COPY_SEND);
	REQUIRE_RET(mach_msg(&message, MACH_SEND_MSG, sizeof(message), 0, 0, 0), 0);
}

/* Of the messages on @port those that the other container has sent are counted. */
static int greetings;

static void receive_but_greetings(struct message *message, name_t port)
{
	for (;;) {
		REQUIRE_RET(msg_receive_within(message, port, 20000), 0);
		if (message->header.id != ID_GREETING)
			return;
		greetings++;
	}
}

static void receive_rights(name_t port, name_t *names)
{
	struct message message;
	const struct rights *rights = (const struct rights *)&message;

	receive_but_greetings(&message, port);
	REQUIRE_EQ(message.header.id, ID_RIGHTS);
	for (int i = 0; i < 4; i++)
		names[i] = rights->ports[i].name;
}

struct child_of {
	struct container *container;
	struct gate ready;
};

static void be_child(void *argument)
{
	struct child_of *child = argument;

	REQUIRE_EQ(getpid(), 2);
	REQUIRE_EQ(get_api_version(), 19);
	mark_task(CHILD_MARK + child->container->index);
	gate_open(&child->ready);
	for (;;)
		pause();
}

/* What the first process of a container sees of its own one */
static void check_own(const struct container *container, const pid_t *foreign)
{
	name_t task;
	int32_t pid;

	CHECK_RET(task_for(1, &task), 0);
	CHECK_HEX(task, self());
	CHECK_RET(task_for(2, &task), 0);
	CHECK_HEX(mark_of(task), CHILD_MARK + container->index);
	CHECK_RET(pid_for(task, &pid), 0);
	CHECK_EQ(pid, 2);
	CHECK_RET(task_name_for(2, &task), 0);
	CHECK_RET(pid_for(task, &pid), 0);
	CHECK_EQ(pid, 2);
	CHECK_EQ(trap(NR_tid_for_thread, thread_self()), 1);
	for (int i = 0; i < 2 * CONTAINERS; i++) {
		CHECK_RET(task_for(foreign[i], &task), KERN_FAILURE);
		CHECK_RET(task_name_for(foreign[i], &task), KERN_FAILURE);
		CHECK_RET(trap(NR_get_tracer, (unsigned long)foreign[i]), -ESRCH);
		CHECK_RET(trap(NR_task_64bit, (unsigned long)foreign[i]), -ESRCH);
	}
}

/* Rights of another container give no numbers. */
static void check_foreign(const name_t *names)
{
	struct rpc rpc;
	int32_t pid;

	CHECK_RET(pid_for(names[0], &pid), -ESRCH);
	CHECK_RET(pid_for(names[1], &pid), -ESRCH);
	CHECK_HEX((uint32_t)pid, POISON32);
	CHECK_EQ(trap(NR_tid_for_thread, names[2]), -1);
	CHECK_RET(RPC(&rpc, names[2], 3612, 4, 6), 0);
	CHECK_EQ(rpc_wide_at(&rpc, 1), 0);
	/* What they are rights to they are all the same. */
	CHECK(names[0] != self());
	CHECK((mark_of(names[0]) & ~1ul) == INIT_MARK);
	CHECK_RET(send_id(names[3], COPY_SEND, ID_GREETING), 0);
}

static void be_init(struct container *container)
{
	struct child_of child = { .container = container };
	struct set_tracer_args tracer = { .target = 2, .tracer = 1 };
	struct message message;
	name_t outside, names[4];
	pid_t numbers[2 * CONTAINERS];
	int32_t pid;
	name_t port, task;

	REQUIRE_EQ(getpid(), 1);
	mach_forget();
	REQUIRE_EQ(get_api_version(), 19);
	mark_task(INIT_MARK + container->index);
	gate_init(&child.ready);
	start_child(be_child, &child);
	CHECK_RET(fork_wait(), 0);
	gate_pass(&child.ready);

	port = new_send_right();
	outside = bootstrap_get();
	REQUIRE_RET(task_for(2, &task), 0);
	names[0] = self();
	names[1] = task;
	names[2] = thread_self();
	names[3] = port;
	send_rights(outside, names);
	/* The outside has no number here. */
	CHECK_RET(task_for(getppid(), &task), KERN_FAILURE);

	/* Which numbers there are outside, and the rights of the other container */
	gate_pass(&container->go);
	for (int i = 0; i < 2 * CONTAINERS; i++) {
		receive_but_greetings(&message, port);
		numbers[i] = message.header.id;
	}
	check_own(container, numbers);
	receive_rights(port, names);
	check_foreign(names);
	if (container->index == 0)
		CHECK_RET(trap_struct(NR_set_tracer, &tracer), 0);
	gate_open(&container->done);

	/* Everybody is done with that. */
	gate_pass(&container->go);
	while (receive_id(port) == ID_GREETING)
		greetings++;
	CHECK_EQ(greetings, 1);
	CHECK_EQ(trap(NR_get_tracer, 2), container->index == 0 ? 1 : 0);
	CHECK_EQ(trap(NR_get_tracer, 1), 0);
	CHECK_RET(pid_for(self(), &pid), 0);
	CHECK_EQ(pid, 1);
	gate_open(&container->done);
	for (;;)
		pause();
}

static void start(struct container *container, unsigned int index)
{
	long pid;

	container->index = index;
	gate_init(&container->go);
	gate_init(&container->done);
	pid = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (pid < 0)
		SKIP("no pid namespaces");
	if (pid == 0) {
		be_init(container);
		_exit(1);
	}
	container->init = (pid_t)pid;
}

static void check_outside(struct container *container)
{
	name_t task;
	int32_t pid;

	CHECK_RET(pid_for(container->init_task, &pid), 0);
	CHECK_EQ(pid, container->init);
	CHECK_RET(pid_for(container->child_task, &pid), 0);
	CHECK(pid > 2);
	container->child = pid;
	CHECK_RET(task_for(pid, &task), 0);
	CHECK_HEX(task, container->child_task);
	CHECK_HEX(mark_of(task), CHILD_MARK + container->index);
	CHECK_EQ(trap(NR_tid_for_thread, container->thread), container->init);
	CHECK_EQ(trap(NR_get_tracer, (unsigned long)pid), 0);
}

TEST(containers_do_not_see_each_other)
{
	struct container containers[CONTAINERS];
	name_t port, names[4], task;

	mach_open();
	port = new_port();
	bootstrap_set(port, MAKE_SEND);
	for (unsigned int i = 0; i < CONTAINERS; i++) {
		start(&containers[i], i);
		receive_rights(port, names);
		containers[i].init_task = names[0];
		containers[i].child_task = names[1];
		containers[i].thread = names[2];
		containers[i].port = names[3];
		check_outside(&containers[i]);
	}
	/* Their numbers are other processes here. */
	CHECK_RET(task_for(1, &task), KERN_FAILURE);
	CHECK_RET(task_for(2, &task), KERN_FAILURE);

	for (unsigned int i = 0; i < CONTAINERS; i++) {
		struct container *other = &containers[!i];

		gate_open(&containers[i].go);
		for (unsigned int j = 0; j < CONTAINERS; j++) {
			CHECK_RET(send_id(containers[i].port, COPY_SEND, containers[j].init), 0);
			CHECK_RET(send_id(containers[i].port, COPY_SEND, containers[j].child), 0);
		}
		names[0] = other->init_task;
		names[1] = other->child_task;
		names[2] = other->thread;
		names[3] = other->port;
		send_rights(containers[i].port, names);
		gate_pass(&containers[i].done);
	}
	CHECK_EQ(trap(NR_get_tracer, (unsigned long)containers[0].child), containers[0].init);
	CHECK_EQ(trap(NR_get_tracer, (unsigned long)containers[1].child), 0);
	for (unsigned int i = 0; i < CONTAINERS; i++) {
		gate_open(&containers[i].go);
		gate_pass(&containers[i].done);
	}

	/* The end of one is the end of all that is in it, and of nothing else. */
	kill_child(containers[0].init);
	CHECK_RET(task_for(containers[0].init, &task), KERN_FAILURE);
	CHECK_RET(task_for(containers[0].child, &task), KERN_FAILURE);
	CHECK(has_right(containers[0].child_task, MACH_PORT_RIGHT_DEAD_NAME));
	CHECK_RET(task_for(containers[1].child, &task), 0);
	CHECK_HEX(mark_of(task), CHILD_MARK + 1);
	kill_child(containers[1].init);
}

static void be_inner(void *argument)
{
	(void)argument;
	REQUIRE_EQ(getpid(), 1);
	/* Inherited from outside, through the namespaces in between */
	CHECK_RET(send_id(bootstrap_get(), COPY_SEND, 12), 0);
}

static void be_outer(void *argument)
{
	long pid;

	(void)argument;
	REQUIRE_EQ(getpid(), 1);
	pid = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	REQUIRE(pid >= 0);
	if (pid == 0) {
		mach_forget();
		be_inner(NULL);
		_exit(0);
	}
	/* A first trap of its own only now */
	CHECK_RET(fork_wait(), 0);
	WAIT_CHILD_OK((pid_t)pid);
}

TEST(container_in_a_container)
{
	name_t port;
	long pid;

	mach_open();
	port = new_port();
	bootstrap_set(port, MAKE_SEND);
	pid = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (pid < 0)
		SKIP("no pid namespaces");
	if (pid == 0) {
		mach_forget();
		be_outer(NULL);
		_exit(0);
	}
	WAIT_CHILD_OK((pid_t)pid);
	CHECK_EQ(receive_id(port), 12);
}
