// SPDX-License-Identifier: GPL-2.0
/*
 * The descriptor: its duplicates in a child, in the hands of others, and after exec.
 * time limit: 300 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "family.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

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
			CHECK(!same_file(getpid(), slots->fds[i], slots->family.parent,
					 slots->fds[i]));
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
		CHECK(result == -EINVAL || result == -ENXIO || result == -EPERM ||
		      result == -EBADF);
	}
	mach_fd = fd;
	/* Names of the passer must not work through it, whatever it answers. */
	CHECK(mod_refs_in(passing->family.task, passing->family.port[0], RECEIVE,
			  -1) != KERN_SUCCESS);
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
