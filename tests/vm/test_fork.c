// SPDX-License-Identifier: GPL-2.0
/*
 * Fork: the first trap in a child makes its task and runs as the child.
 * time limit: 400 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "family.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

static void first_trap_is_version(void *argument)
{
	CHECK_EQ(get_api_version(), 19);
	check_not_parent(argument);
	CHECK(has_right(self(), MACH_PORT_RIGHT_SEND));
	CHECK(has_right(new_port(), RECEIVE));
	if (can_compare_files())
		CHECK(!same_file(getpid(), mach_fd, ((struct family *)argument)->parent, mach_fd));
}

TEST(child_has_its_own_task)
{
	struct family family;

	family_init(&family);
	for (int i = 0; i < 5; i++) {
		pid_t pid = start_child(first_trap_is_version, &family);

		CHECK_RET(fork_wait(), 0);
		WAIT_CHILD_OK(pid);
		check_parent(&family);
	}
}

static void first_trap_is_task_self(void *argument)
{
	name_t task = task_self();

	CHECK((int32_t)task > 0);
	CHECK_RET(mod_refs_in(task, task, MACH_PORT_RIGHT_SEND, 0), KERN_SUCCESS);
	CHECK_SEND_UREFS(task, 2);	/* one more for self() of the checks */
	check_not_parent(argument);
}

static void first_trap_destroys(void *argument)
{
	struct family *family = argument;

	/* In the parent's space this would work. */
	CHECK_RET(mod_refs_in(family->task, family->port[0], RECEIVE, -1), MACH_SEND_INVALID_DEST);
	check_not_parent(family);
}

static void first_trap_allocates(void *argument)
{
	name_t name = POISON32;

	CHECK_RET(port_allocate_in(((struct family *)argument)->task, RECEIVE, &name),
		  MACH_SEND_INVALID_DEST);
	CHECK_HEX(name, POISON32);
}

static void first_trap_receives(void *argument)
{
	struct message message;

	CHECK_RET(msg_receive(&message, ((struct family *)argument)->port[1]),
		  MACH_RCV_INVALID_NAME);
}

static void first_trap_sends(void *argument)
{
	CHECK_RET(send_id(((struct family *)argument)->port[2], MAKE_SEND, 1),
		  MACH_SEND_INVALID_DEST);
}

static void first_trap_is_reply_port(void *argument)
{
	name_t port = reply_port();

	(void)argument;
	CHECK(has_right(port, RECEIVE));
	CHECK_RET(send_id(port, MAKE_SEND, 3), 0);
	CHECK_EQ(receive_id(port), 3);
}

static void first_trap_is_thread_self(void *argument)
{
	name_t thread = thread_self();

	CHECK((int32_t)thread > 0);
	CHECK_SEND_UREFS(thread, 1);
	CHECK(thread != self());
	check_not_parent(argument);
}

static void first_trap_asks_tracer(void *argument)
{
	CHECK_RET(trap(NR_get_tracer, (unsigned long)getpid()), 0);
	CHECK_RET(trap(NR_get_tracer, (unsigned long)((struct family *)argument)->parent), 0);
}

static void first_trap_faults(void *argument)
{
	CHECK_RET(trap_struct(NR_kernel_printk, NULL), -EFAULT);
	check_not_parent(argument);
}

/* An unknown number makes the child's task as well. */
static void first_trap_is_unknown(void *argument)
{
	struct family *family = argument;

	CHECK_RET(trap(0x1052, 0), -ENOSYS);
	if (can_compare_files())
		CHECK(!same_file(getpid(), mach_fd, family->parent, mach_fd));
	check_not_parent(family);
}

static void first_trap_is_death(void *argument)
{
	CHECK_RET(trap(NR_thread_death_announce, 0), 0);
	check_not_parent(argument);
}

static void first_trap_waits(void *argument)
{
	CHECK_RET(fork_wait(), 0);
	check_not_parent(argument);
}

/* Whatever the first trap is, it runs as the child. */
TEST(any_first_trap_runs_as_the_child)
{
	static void (*const runs[])(void *) = {
		first_trap_is_task_self, first_trap_destroys, first_trap_allocates,
		first_trap_receives, first_trap_sends, first_trap_is_reply_port,
		first_trap_is_thread_self, first_trap_asks_tracer, first_trap_faults,
		first_trap_is_unknown, first_trap_is_death, first_trap_waits,
	};
	struct family family;

	family_init(&family);
	CHECK_RET(send_id(family.port[1], MAKE_SEND, 11), 0);
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		pid_t pid = start_child(runs[i], &family);

		CHECK_RET(fork_wait(), 0);
		if (!WAIT_CHILD_OK(pid))
			note("run %zu", i);
		check_parent(&family);
	}
	CHECK_EQ(receive_id(family.port[1]), 11);
	CHECK_NO_MESSAGE(family.port[2]);
}

/* The parent only opened the device. */
TEST(parent_that_never_trapped)
{
	struct family family = { .parent = getpid() };
	pid_t pid;

	mach_open();
	pid = start_child(first_trap_is_task_self, &family);
	WAIT_CHILD_OK(pid);
	CHECK_EQ(get_api_version(), 19);
}

static void open_before_any_trap(void *argument)
{
	struct family *family = argument;
	int inherited = mach_fd;

	mach_open();
	CHECK_EQ(get_api_version(), 19);
	check_not_parent(family);
	/* The inherited one speaks for this task, too. */
	CHECK_EQ((name_t)trap_on(inherited, NR_task_self_trap, 0), self());
}

TEST(child_that_opens_the_device_itself)
{
	struct family family;
	pid_t pid;

	family_init(&family);
	pid = start_child(open_before_any_trap, &family);
	CHECK_RET(fork_wait(), 0);
	WAIT_CHILD_OK(pid);
	check_parent(&family);
}

/* Generations */

struct grandchild {
	struct family family;
	struct gate gate;
	struct gate done;
	bool parent_traps;
};

static void leave_a_grandchild(void *argument)
{
	struct grandchild *g = argument;
	pid_t pid;

	if (g->parent_traps)
		CHECK_EQ(get_api_version(), 19);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		mach_forget();
		gate_pass(&g->gate);
		CHECK_EQ(get_api_version(), 19);
		check_not_parent(&g->family);
		CHECK(has_right(new_port(), RECEIVE));
		gate_open(&g->done);
		_exit(0);
	}
}

/* The process that the grandchild's descriptor came from is no more. */
TEST(grandchild_whose_parent_is_gone)
{
	for (int traps = 0; traps < 2; traps++) {
		struct grandchild g = { .parent_traps = traps };

		family_init(&g.family);
		gate_init(&g.gate);
		gate_init(&g.done);
		WAIT_CHILD_OK(start_child(leave_a_grandchild, &g));
		gate_open(&g.gate);
		gate_pass(&g.done);
		check_parent(&g.family);
	}
}

static void child_outlives(void *argument)
{
	struct grandchild *g = argument;

	gate_pass(&g->gate);
	CHECK_EQ(get_api_version(), 19);
	check_not_parent(&g->family);
	gate_open(&g->done);
}

static void parent_that_leaves(void *argument)
{
	struct grandchild *g = argument;

	/* A task of its own, so that the grandchild has its file. */
	family_init(&g->family);
	start_child(child_outlives, g);
}

TEST(child_whose_parent_is_gone_before_the_first_trap)
{
	struct grandchild *g = mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	REQUIRE(g != MAP_FAILED);
	gate_init(&g->gate);
	gate_init(&g->done);
	WAIT_CHILD_OK(start_child(parent_that_leaves, g));
	gate_open(&g->gate);
	gate_pass(&g->done);
}

static void fork_deeper(void *argument)
{
	int *depth = argument;

	if (*depth % 2)
		CHECK_EQ(get_api_version(), 19);
	if (--*depth > 0)
		WAIT_CHILD_OK(start_child(fork_deeper, depth));
	CHECK(has_right(new_port(), RECEIVE));
	CHECK_RET(fork_wait(), 0);
}

TEST(generations)
{
	int depth = 8;

	mach_open();
	get_api_version();
	WAIT_CHILD_OK(start_child(fork_deeper, &depth));
}

/* Threads and forks */

static atomic_bool stop;

static void *trap_all_the_time(void *argument)
{
	(void)argument;
	while (!atomic_load(&stop)) {
		name_t port = new_port();

		CHECK_RET(send_id(port, MAKE_SEND, 1), 0);
		CHECK_EQ(receive_id(port), 1);
		destroy_receive(port);
	}
	return NULL;
}

TEST(fork_while_threads_trap)
{
	struct family family;
	pthread_t threads[4];

	family_init(&family);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		REQUIRE(!pthread_create(&threads[i], NULL, trap_all_the_time, NULL));
	for (int i = 0; i < 40; i++) {
		pid_t pid = start_child(first_trap_is_version, &family);

		CHECK_RET(fork_wait(), 0);
		WAIT_CHILD_OK(pid);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	check_parent(&family);
}

static pthread_barrier_t barrier;

static void *trap_first_together(void *argument)
{
	pthread_barrier_wait(&barrier);
	*(name_t *)argument = task_self();
	return NULL;
}

static void race_the_first_trap(void *argument)
{
	name_t names[8];
	pthread_t threads[8];

	pthread_barrier_init(&barrier, NULL, ARRAY_SIZE(threads));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		REQUIRE(!pthread_create(&threads[i], NULL, trap_first_together, &names[i]));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		CHECK_EQ(names[i], names[0]);
	CHECK_EQ(task_self(), names[0]);
	check_not_parent(argument);
}

/* Many threads of the child make its first trap at the same moment. */
TEST(threads_race_for_the_first_trap)
{
	struct family family;

	family_init(&family);
	for (int i = 0; i < 20; i++) {
		pid_t pid = start_child(race_the_first_trap, &family);

		CHECK_RET(fork_wait(), 0);
		WAIT_CHILD_OK(pid);
	}
	check_parent(&family);
}

/* Other ways to be a child */

/* A child that shares the table of descriptors: each acts on its own task. */
TEST(child_with_the_same_table)
{
	struct family family;
	struct gate to_child, to_parent;
	pid_t pid;

	family_init(&family);
	gate_init(&to_child);
	gate_init(&to_parent);
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	REQUIRE(pid >= 0);
	if (pid == 0) {
		name_t port, task;

		mach_forget();
		task = self();
		port = new_port();
		for (int i = 0; i < 20; i++) {
			check_not_parent_but(&family, port);
			CHECK_EQ(task_self(), task);
			CHECK(has_right(port, RECEIVE));
			gate_open(&to_parent);
			gate_pass(&to_child);
		}
		_exit(0);
	}
	for (int i = 0; i < 20; i++) {
		gate_pass(&to_parent);
		check_parent(&family);
		gate_open(&to_child);
	}
	WAIT_CHILD_OK(pid);
	check_parent(&family);
}

static volatile long vfork_result;

/* A vfork child runs in the parent's memory, but is another process. */
TEST(vfork_child)
{
	struct family family;
	name_t name = POISON32;
	pid_t pid;

	family_init(&family);
	pid = vfork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		/* In the parent's space this would be KERN_SUCCESS. */
		vfork_result = port_allocate_in(family.task, RECEIVE, &name);
		_exit(0);
	}
	WAIT_CHILD_OK(pid);
	CHECK(vfork_result != KERN_SUCCESS);
	CHECK_HEX(name, POISON32);
	check_parent(&family);
}

TEST(vfork_child_that_execs)
{
	struct family family;
	pid_t pid;

	family_init(&family);
	pid = vfork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		execl(program_path(), program_path(), "@exit_0", (char *)NULL);
		_exit(126);
	}
	WAIT_CHILD_OK(pid);
	check_parent(&family);
}

HELPER(exit_0)
{
	return 0;
}

static void trap_in_a_pid_namespace(void *argument)
{
	struct message message;
	name_t port;

	(void)argument;
	REQUIRE_EQ(getpid(), 1);
	CHECK_EQ(get_api_version(), 19);
	CHECK_RET(trap(NR_get_tracer, 1), 0);
	port = new_port();
	CHECK_RET(send_id(port, MAKE_SEND, 1), 0);
	CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TRAILER(TRAILER_AUDIT), 0,
			   sizeof(message),
			   port, 0), 0);
	CHECK_EQ(trailer_of(&message)->audit[5], 1);
}

TEST(child_in_a_pid_namespace)
{
	struct family family;
	pid_t pid;

	family_init(&family);
	if (unshare(CLONE_NEWPID))
		SKIP("no pid namespaces");
	pid = start_child(trap_in_a_pid_namespace, NULL);
	CHECK_RET(fork_wait(), 0);
	WAIT_CHILD_OK(pid);
	check_parent(&family);
}

/* Rights over fork */

static void check_inheritance(struct peer_side *side)
{
	name_t again = bootstrap_get();

	/* The same port, so the same name */
	CHECK_EQ(again, side->parent);
	CHECK_SEND_UREFS(side->parent, 2);
}

TEST(bootstrap_port_is_inherited)
{
	struct peer peer;

	mach_open();
	peer_start(&peer, check_inheritance, NULL);
	WAIT_CHILD_OK(peer.pid);
}

static void grand_inheritance(void *argument)
{
	name_t parent = bootstrap_get();

	(void)argument;
	CHECK_RET(send_id(parent, COPY_SEND, 88), 0);
}

static void inherit_through(void *argument)
{
	name_t own;

	CHECK_EQ(get_api_version(), 19);
	WAIT_CHILD_OK(start_child(grand_inheritance, argument));
	/* Setting it here changes nothing for the parent. */
	own = new_port();
	bootstrap_set(own, MAKE_SEND);
	CHECK_EQ(bootstrap_get(), own);
}

TEST(bootstrap_port_is_inherited_by_grandchildren)
{
	name_t port;

	mach_open();
	port = new_port();
	bootstrap_set(port, MAKE_SEND);
	WAIT_CHILD_OK(start_child(inherit_through, NULL));
	CHECK_EQ(receive_id(port), 88);
	CHECK_EQ(bootstrap_get(), port);
	CHECK_NO_MESSAGE(port);
}

static void trap_and_die(void *argument)
{
	(void)argument;
	for (;;) {
		pid_t pid = fork();

		if (pid == 0) {
			get_api_version();
			new_port();
			_exit(0);
		}
		if (pid > 0) {
			fork_wait();
			waitpid(pid, NULL, 0);
		}
	}
}

TEST_LIMIT(families_killed_at_random_moments, 120)
{
	unsigned int seed = (unsigned int)now_ns();
	struct family family;

	note("seed %u", seed);
	family_init(&family);
	for (int i = 0; i < 40; i++) {
		pid_t pid = start_child(trap_and_die, NULL);

		usleep((unsigned int)rand_r(&seed) % 30000);
		kill_child(pid);
	}
	check_parent(&family);
}
