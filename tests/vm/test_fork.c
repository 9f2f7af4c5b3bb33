// SPDX-License-Identifier: GPL-2.0
/*
 * The descriptor across fork, exec and sockets: which task a trap acts on, and
 * who waits for whom.
 * time limit: 600 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"

#define RECEIVE		MACH_PORT_RIGHT_RECEIVE
#define PORTS		24

static long fork_wait(void)
{
	return trap(NR_fork_wait_for_child, 0);
}

/* Do two descriptors of two processes denote the same open file? */
static bool same_file(pid_t a, int fd_a, pid_t b, int fd_b)
{
	return syscall(SYS_kcmp, a, b, 0 /* KCMP_FILE */, fd_a, fd_b) == 0;
}

static bool can_compare_files(void)
{
	return same_file(getpid(), 0, getpid(), 0) || errno != ENOSYS;
}

/* The parent's task as the child must not see it, and as the parent must keep it. */
struct family {
	pid_t parent;
	name_t task;
	name_t port[PORTS];
};

static void family_init(struct family *family)
{
	mach_open();
	family->parent = getpid();
	family->task = self();
	for (int i = 0; i < PORTS; i++)
		family->port[i] = new_port();
}

/*
 * A name of the parent may by chance be a name here as well, but never one with
 * a receive right in it, unless this task made it.
 */
static void check_not_parent(const struct family *family)
{
	for (int i = 0; i < PORTS; i++)
		CHECK(!has_right(family->port[i], RECEIVE));
}

static void check_parent(const struct family *family)
{
	mach_forget();
	CHECK_EQ(self(), family->task);
	for (int i = 0; i < PORTS; i++)
		CHECK(has_right(family->port[i], RECEIVE));
}

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

	CHECK_RET(msg_receive(&message, ((struct family *)argument)->port[1]), MACH_RCV_INVALID_NAME);
}

static void first_trap_sends(void *argument)
{
	CHECK_RET(send_id(((struct family *)argument)->port[2], MAKE_SEND, 1), MACH_SEND_INVALID_DEST);
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

/* Slots */

struct slots {
	struct family family;
	int fds[6];
	int flags[6];
	int other;		/* of another open */
	int unrelated;
};

static void check_slots(void *argument)
{
	struct slots *slots = argument;
	name_t task;

	mach_fd = slots->fds[3];
	task = task_self();
	for (size_t i = 0; i < ARRAY_SIZE(slots->fds); i++) {
		CHECK_EQ((name_t)trap_on(slots->fds[i], NR_task_self_trap, 0), task);
		CHECK_EQ(fcntl(slots->fds[i], F_GETFD), slots->flags[i]);
		if (can_compare_files()) {
			CHECK(same_file(getpid(), slots->fds[0], getpid(), slots->fds[i]));
			CHECK(!same_file(getpid(), slots->fds[i], slots->family.parent, slots->fds[i]));
		}
		CHECK_EQ(fcntl(slots->fds[i], F_GETFL) & O_ACCMODE, O_RDWR);
	}
	/* A descriptor of the parent's other open is the child's as well. */
	CHECK_EQ((name_t)trap_on(slots->other, NR_task_self_trap, 0), task);
	CHECK_EQ(write(slots->unrelated, "x", 1), 1);
	check_not_parent(&slots->family);
	/* Each closes on its own. */
	close(slots->fds[3]);
	mach_fd = slots->fds[5];
	CHECK_EQ(task_self(), task);
}

TEST(every_duplicate_follows)
{
	struct rlimit limit;
	struct slots slots;
	pid_t pid;

	family_init(&slots.family);
	REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	slots.fds[0] = mach_fd;
	slots.fds[1] = dup(mach_fd);
	slots.fds[2] = fcntl(mach_fd, F_DUPFD_CLOEXEC, 63);
	slots.fds[3] = dup2(mach_fd, 64);
	slots.fds[4] = fcntl(mach_fd, F_DUPFD_CLOEXEC, 255);
	slots.fds[5] = dup2(mach_fd, (int)limit.rlim_cur - 1);
	for (size_t i = 0; i < ARRAY_SIZE(slots.fds); i++) {
		REQUIRE(slots.fds[i] >= 0);
		slots.flags[i] = fcntl(slots.fds[i], F_GETFD);
	}
	CHECK_EQ(slots.flags[0], FD_CLOEXEC);
	CHECK_EQ(slots.flags[1], 0);
	slots.other = mach_open_new();
	slots.unrelated = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid = start_child(check_slots, &slots);
	CHECK_RET(fork_wait(), 0);
	WAIT_CHILD_OK(pid);
	for (size_t i = 0; i < ARRAY_SIZE(slots.fds); i++) {
		CHECK_EQ((name_t)trap_on(slots.fds[i], NR_task_self_trap, 0), slots.family.task);
		CHECK_EQ(fcntl(slots.fds[i], F_GETFD), slots.flags[i]);
	}
	check_parent(&slots.family);
}

static void trap_on_each(void *argument)
{
	const int *fds = argument;
	name_t task = (name_t)trap_on(fds[199], NR_task_self_trap, 0);

	CHECK((int32_t)task > 0);
	for (int i = 0; i < 200; i++)
		CHECK_EQ((name_t)trap_on(fds[i], NR_task_self_trap, 0), task);
}

TEST(hundreds_of_duplicates)
{
	int fds[200];

	mach_open();
	for (int i = 0; i < 200; i++) {
		fds[i] = dup(mach_fd);
		REQUIRE(fds[i] >= 0);
	}
	for (int i = 0; i < 5; i++)
		WAIT_CHILD_OK(start_child(trap_on_each, fds));
}

static void trap_without_room(void *argument)
{
	struct rlimit limit = { 3, 3 };

	/* No free slot: none is needed. */
	REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK_EQ(get_api_version(), 19);
	check_not_parent(argument);
}

TEST(child_without_a_free_descriptor)
{
	struct family family;

	family_init(&family);
	WAIT_CHILD_OK(start_child(trap_without_room, &family));
	check_parent(&family);
}

static void read_through_dup(void *argument)
{
	/* The parent's descriptor gets closed under the first trap's feet. */
	int copy = dup(mach_fd);

	close(mach_fd);
	mach_fd = copy;
	CHECK_EQ(get_api_version(), 19);
	check_not_parent(argument);
	close(mach_fd);
}

TEST(child_that_closes_before_and_after)
{
	struct family family;

	family_init(&family);
	for (int i = 0; i < 10; i++)
		WAIT_CHILD_OK(start_child(read_through_dup, &family));
	check_parent(&family);
}

/* fork_wait_for_child */

static void trap_late(void *argument)
{
	sleep_ms(*(unsigned int *)argument);
	get_api_version();
}

TEST(parent_waits_for_the_first_trap)
{
	unsigned int delay_ms = 150;

	mach_open();
	get_api_version();
	for (int i = 0; i < 3; i++) {
		uint64_t waited = now_ns();
		pid_t pid = start_child(trap_late, &delay_ms);

		CHECK_RET(fork_wait(), 0);
		waited = now_ns() - waited;
		CHECK(waited >= 150000000);
		CHECK(waited < 10000000000);
		WAIT_CHILD_OK(pid);
	}
}

TEST(wait_after_the_child_is_there)
{
	unsigned int delay_ms = 0;
	pid_t pid;

	mach_open();
	get_api_version();
	for (int i = 0; i < 10; i++) {
		pid = start_child(trap_late, &delay_ms);
		WAIT_CHILD_OK(pid);
		CHECK_RET(fork_wait(), 0);
	}
}

static void just_exit(void *argument)
{
	sleep_ms(*(unsigned int *)argument);
	_exit(0);
}

static void just_wait(void *argument)
{
	(void)argument;
	for (;;)
		pause();
}

HELPER(wait_forever)
{
	while (pause() < 0)
		;
	return 0;
}

static void just_exec(void *argument)
{
	(void)argument;
	exec_helper("wait_forever", "");
}

/* In the C module this parent waits for ever. */
TEST(wait_for_a_child_that_exits_without_a_trap)
{
	unsigned int delays[] = { 0, 100 };

	mach_open();
	get_api_version();
	for (size_t i = 0; i < ARRAY_SIZE(delays); i++) {
		pid_t pid = start_child(just_exit, &delays[i]);

		CHECK_RET(fork_wait(), 0);
		WAIT_CHILD_OK(pid);
		/* Gone and reaped before the wait */
		pid = start_child(just_exit, &delays[i]);
		WAIT_CHILD_OK(pid);
		CHECK_RET(fork_wait(), 0);
	}
}

TEST(wait_for_a_child_that_execs_without_a_trap)
{
	pid_t pid;

	mach_open();
	get_api_version();
	pid = start_child(just_exec, NULL);
	CHECK_RET(fork_wait(), 0);
	kill_child(pid);
	pid = start_child(just_exec, NULL);
	sleep_ms(100);
	CHECK_RET(fork_wait(), 0);
	kill_child(pid);
}

static void *kill_later(void *argument)
{
	sleep_ms(150);
	kill(*(pid_t *)argument, SIGKILL);
	return NULL;
}

TEST(wait_for_a_child_that_is_killed)
{
	uint64_t waited;
	pthread_t thread;
	pid_t pid;

	mach_open();
	get_api_version();
	pid = start_child(just_wait, NULL);
	waited = now_ns();
	REQUIRE(!pthread_create(&thread, NULL, kill_later, &pid));
	CHECK_RET(fork_wait(), 0);
	CHECK(now_ns() - waited >= 100000000);
	pthread_join(thread, NULL);
	CHECK_EQ(wait_child(pid), SIGKILL);
}

/* A signal ends the wait, and what it was for does not count for the next. */
TEST(interrupted_wait_leaves_nothing)
{
	unsigned int delay_ms = 200;
	struct itimerval timer = { .it_value = { 0, 50000 } };
	struct gate gate;
	uint64_t waited;
	pid_t first, second;

	mach_open();
	get_api_version();
	catch_signal(SIGALRM);
	gate_init(&gate);
	first = fork();
	REQUIRE(first >= 0);
	if (first == 0) {
		mach_forget();
		gate_pass(&gate);
		CHECK_EQ(get_api_version(), 19);
		_exit(0);
	}
	REQUIRE(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	waited = now_ns();
	CHECK_RET(fork_wait(), 0);
	CHECK(now_ns() - waited < 10000000000);
	gate_open(&gate);
	WAIT_CHILD_OK(first);

	/* The late first child does not release the wait for the second one. */
	waited = now_ns();
	second = start_child(trap_late, &delay_ms);
	CHECK_RET(fork_wait(), 0);
	CHECK(now_ns() - waited >= 200000000);
	WAIT_CHILD_OK(second);
}

TEST(many_children_at_once)
{
	enum { CHILDREN = 20 };
	unsigned int delays[CHILDREN];
	pid_t pids[CHILDREN];

	mach_open();
	get_api_version();
	for (unsigned int i = 0; i < CHILDREN; i++) {
		delays[i] = i * 37 % CHILDREN * 5;
		pids[i] = start_child(i % 4 == 3 ? just_exit : trap_late, &delays[i]);
	}
	for (int i = 0; i < CHILDREN; i++)
		CHECK_RET(fork_wait(), 0);
	for (int i = 0; i < CHILDREN; i++)
		WAIT_CHILD_OK(pids[i]);
	/* Every child is accounted for: the next wait waits for the next child. */
	delays[0] = 150;
	{
		uint64_t waited = now_ns();
		pid_t pid = start_child(trap_late, &delays[0]);

		CHECK_RET(fork_wait(), 0);
		CHECK(now_ns() - waited >= 150000000);
		WAIT_CHILD_OK(pid);
	}
}

struct forking_thread {
	pthread_t thread;
	int forks;
};

static void *fork_and_wait(void *argument)
{
	struct forking_thread *self_thread = argument;

	for (int i = 0; i < self_thread->forks; i++) {
		pid_t pid = fork();

		REQUIRE(pid >= 0);
		if (pid == 0) {
			mach_forget();
			if (get_api_version() != 19 || !has_right(new_port(), RECEIVE))
				_exit(3);
			_exit(0);
		}
		CHECK_RET(fork_wait(), 0);
		WAIT_CHILD_OK(pid);
	}
	return NULL;
}

TEST(threads_that_fork_and_wait)
{
	struct forking_thread threads[4];

	mach_open();
	get_api_version();
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		threads[i].forks = 15;
		REQUIRE(!pthread_create(&threads[i].thread, NULL, fork_and_wait, &threads[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i].thread, NULL);
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
			check_not_parent(&family);
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
	CHECK_RET(mach_msg(&message, MACH_RCV_MSG | MACH_RCV_TRAILER(TRAILER_AUDIT), 0, sizeof(message),
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

/* Descriptors passed over a unix socket */

struct passing {
	struct family family;
	int sockets[2];
	struct gate done;
};

/* What a process gets from a descriptor of somebody else: its own task, or a refusal. */
static void use_passed(const struct passing *passing, int fd)
{
	long result = trap_on(fd, NR_task_self_trap, 0);
	int own = mach_fd;

	if (result > 0) {
		mach_fd = fd;
		mach_forget();
		check_not_parent(&passing->family);
		if (own >= 0) {
			mach_fd = own;
			mach_forget();
			CHECK_EQ(self(), (name_t)result);
		}
	} else {
		CHECK(result == -EINVAL || result == -ENXIO || result == -EPERM || result == -EBADF);
	}
	mach_fd = fd;
	/* Names of the passer must not work through it, whatever it answers. */
	CHECK(mod_refs_in(passing->family.task, passing->family.port[0], RECEIVE, -1) != KERN_SUCCESS);
	CHECK(send_id(passing->family.port[1], MAKE_SEND, 66) != 0);
	mach_fd = own;
}

static void receive_passed(void *argument)
{
	struct passing *passing = argument;
	int fd;

	close(passing->sockets[0]);
	close(mach_fd);
	mach_fd = -1;
	fd = take_fd(passing->sockets[1]);
	use_passed(passing, fd);
	close(fd);
}

static void receive_passed_with_own_task(void *argument)
{
	struct passing *passing = argument;
	int fd;

	mach_open();
	CHECK_EQ(get_api_version(), 19);
	fd = take_fd(passing->sockets[1]);
	use_passed(passing, fd);
	close(fd);
	mach_forget();
	CHECK_EQ(get_api_version(), 19);
	CHECK(has_right(new_port(), RECEIVE));
}

static void receive_passed_and_die(void *argument)
{
	struct passing *passing = argument;
	int fd = take_fd(passing->sockets[1]);

	use_passed(passing, fd);
	kill(getpid(), SIGKILL);
}

TEST(passed_descriptor_does_not_impersonate)
{
	struct passing passing;
	pid_t pid;

	family_init(&passing.family);
	REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, passing.sockets) == 0);
	pid = start_child(receive_passed, &passing);
	pass_fd(passing.sockets[0], mach_fd);
	WAIT_CHILD_OK(pid);
	check_parent(&passing.family);

	pid = start_child(receive_passed_with_own_task, &passing);
	pass_fd(passing.sockets[0], mach_fd);
	WAIT_CHILD_OK(pid);
	check_parent(&passing.family);

	pid = start_child(receive_passed_and_die, &passing);
	pass_fd(passing.sockets[0], mach_fd);
	CHECK_EQ(wait_child(pid), SIGKILL);
	check_parent(&passing.family);
	CHECK_NO_MESSAGE(passing.family.port[1]);
}

/* The passer closes its own; a passed one that comes back is the passer's still. */
TEST(passed_descriptor_comes_back)
{
	struct passing passing;
	int back;

	family_init(&passing.family);
	REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, passing.sockets) == 0);
	pass_fd(passing.sockets[0], mach_fd);
	close(mach_fd);
	back = take_fd(passing.sockets[1]);
	mach_fd = back;
	check_parent(&passing.family);
	/* In a socket for ever: must not keep anything when the process ends. */
	pass_fd(passing.sockets[0], mach_fd);
}

static void pass_and_leave(void *argument)
{
	struct passing *passing = argument;

	family_init(&passing->family);
	pass_fd(passing->sockets[0], mach_fd);
	if (passing->family.parent & 1)
		_exit(0);
	kill(getpid(), SIGKILL);
}

/* The passer's task is gone by the time the descriptor is used. */
TEST(passed_descriptor_of_a_dead_process)
{
	struct passing *passing = mmap(NULL, sizeof(*passing), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	REQUIRE(passing != MAP_FAILED);
	for (int i = 0; i < 4; i++) {
		pid_t pid;
		int fd;

		REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, passing->sockets) == 0);
		pid = start_child(pass_and_leave, passing);
		wait_child(pid);
		fd = take_fd(passing->sockets[1]);
		mach_fd = -1;
		use_passed(passing, fd);
		use_passed(passing, fd);
		if (i & 1)
			close(fd);
	}
	mach_open();
	CHECK_EQ(get_api_version(), 19);
}

static void wait_to_be_killed(struct peer_side *side)
{
	struct passing *passing = side->argument;

	pass_fd(passing->sockets[0], mach_fd);
	for (;;)
		pause();
}

/* The end of the process is the end of its ports, whoever holds the descriptor. */
TEST(owner_dies_while_another_holds_its_descriptor)
{
	struct passing passing;
	struct peer peer;
	int fd;

	mach_open();
	REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, passing.sockets) == 0);
	peer_start(&peer, wait_to_be_killed, &passing);
	fd = take_fd(passing.sockets[1]);
	CHECK_RET(send_id(peer.port, COPY_SEND, 1), 0);
	kill_child(peer.pid);
	CHECK_UREFS(peer.port, MACH_PORT_RIGHT_DEAD_NAME, 1);
	CHECK_RET(send_id(peer.port, COPY_SEND, 1), MACH_SEND_INVALID_DEST);
	close(fd);
	CHECK_UREFS(peer.port, MACH_PORT_RIGHT_DEAD_NAME, 1);
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

/* exec */

/* argument: the number of the old descriptor; answers by exit status */
HELPER(check_exec)
{
	int fd = argc > 1 ? atoi(argv[1]) : -1;
	long result = trap_on(fd, NR_get_api_version, 0);
	name_t task;

	if (result != -ENXIO)
		return result == -EBADF ? 10 : result == 19 ? 11 : 12;
	if (trap_on(fd, 0x1052, 0) != -ENXIO)
		return 13;
	mach_fd = mach_open_new();
	if (mach_fd < 0)
		return 14;
	if (get_api_version() != 19)
		return 15;
	task = task_self();
	if ((int32_t)task <= 0)
		return 16;
	if (trap_on(fd, NR_get_api_version, 0) != -ENXIO)
		return 17;
	close(fd);
	if (task_self() != task)
		return 18;
	return 0;
}

HELPER(check_closed)
{
	return fcntl(atoi(argv[1]), F_GETFD) < 0 && errno == EBADF ? 0 : 20;
}

static void exec_with_descriptor(void *argument)
{
	const char *helper = argument;
	char number[16];

	mach_open();
	self();
	new_port();
	if (!strcmp(helper, "check_exec"))
		REQUIRE(fcntl(mach_fd, F_SETFD, 0) == 0);
	snprintf(number, sizeof(number), "%d", mach_fd);
	exec_helper(helper, number);
}

TEST(exec_closes_the_descriptor)
{
	CHECK_HEX(wait_child(start_child(exec_with_descriptor, "check_closed")), 0);
}

TEST(exec_ends_the_task_of_a_kept_descriptor)
{
	CHECK_EQ(WEXITSTATUS(wait_child(start_child(exec_with_descriptor, "check_exec"))), 0);
}

static void *exec_in_thread(void *argument)
{
	exec_with_descriptor(argument);
	return NULL;
}

static void exec_from_thread(void *argument)
{
	pthread_t thread;

	REQUIRE(!pthread_create(&thread, NULL, exec_in_thread, argument));
	pause();
}

TEST(exec_from_a_thread)
{
	CHECK_EQ(WEXITSTATUS(wait_child(start_child(exec_from_thread, "check_exec"))), 0);
	CHECK_HEX(wait_child(start_child(exec_from_thread, "check_closed")), 0);
}

TEST(failed_exec_changes_nothing)
{
	struct family family;
	char *arguments[] = { "nothing", NULL };
	int fd;

	family_init(&family);
	CHECK_RET(send_id(family.port[3], MAKE_SEND, 5), 0);
	CHECK(execv("/nowhere/at/all", arguments) < 0);
	CHECK(execv("/", arguments) < 0);
	fd = open("/tmp/not-a-program", O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0755);
	if (fd >= 0) {
		CHECK_EQ(write(fd, "\x7f" "ELFnot really one", 18), 18);
		close(fd);
		CHECK(execv("/tmp/not-a-program", arguments) < 0);
		unlink("/tmp/not-a-program");
	}
	check_parent(&family);
	CHECK_EQ(receive_id(family.port[3]), 5);
}

/* argument: descriptor of the parent's task, inherited over fork and exec */
HELPER(use_inherited)
{
	long result = trap_on(atoi(argv[1]), NR_task_self_trap, 0);

	if (result > 0)		/* a task of its own */
		return trap_on(atoi(argv[1]), NR_get_api_version, 0) == 19 ? 0 : 30;
	return result == -ENXIO || result == -EINVAL ? 0 : 31;
}

static void exec_with_inherited(void *argument)
{
	char number[16];

	(void)argument;
	REQUIRE(fcntl(mach_fd, F_SETFD, 0) == 0);
	snprintf(number, sizeof(number), "%d", mach_fd);
	exec_helper("use_inherited", number);
}

TEST(descriptor_inherited_over_fork_and_exec)
{
	struct family family;

	family_init(&family);
	CHECK_HEX(wait_child(start_child(exec_with_inherited, NULL)), 0);
	check_parent(&family);
	/* The flags of a slot belong to the process. */
	CHECK_EQ(fcntl(mach_fd, F_GETFD), FD_CLOEXEC);
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
