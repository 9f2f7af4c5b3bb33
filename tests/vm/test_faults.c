// SPDX-License-Identifier: GPL-2.0
/*
 * Every trap and every step of the loader with the n-th allocation or user copy
 * failing, for each n until none fails. Each try has a process, and so a task, of
 * its own. A failure must be a documented one, must leave nothing behind and
 * nothing half done: what failed before its effect works when it is tried again.
 *
 * time limit: 600 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt.h"
#include "debugfs.h"
#include "harness.h"
#include "inject.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "short_rights.h"

/* Places */

static void nothing_yet(struct scene *scene)
{
	(void)scene;
}

/* Uses names up until the next one needs more memory for the table. */
static void fill_table(void)
{
	name_t name;

	do {
		name = new_dead_name();
	} while ((name >> 8) % 64 != 63);
}

static void a_full_table(struct scene *scene)
{
	a_task(scene);
	fill_table();
}

static void a_set(struct scene *scene)
{
	a_port(scene);
	scene->set = new_port_set();
}

/* Opening, threads, forks */

static long open_device(struct scene *scene)
{
	int fd = mach_open_new();

	(void)scene;
	if (fd < 0)
		return -errno;
	mach_fd = fd;
	return 0;
}

static void has_a_task_now(struct scene *scene, long result)
{
	(void)scene;
	(void)result;
	CHECK_RET(get_api_version(), MACH_ABI_VERSION);
	CHECK(task_self() != 0);
	CHECK_EQ(live("tasks"), 1);
	CHECK_EQ(live("spaces"), 1);
}

TEST_LIMIT(opening_the_device, 300)
{
	try_all(&(struct attempt){
		.prepare = nothing_yet, .act = open_device, .success = 0,
		.harmless = { -ENOMEM }, .verify = has_a_task_now,
	});
}

static void only_opened(struct scene *scene)
{
	(void)scene;
	mach_open();
}

static long ask_version(struct scene *scene)
{
	(void)scene;
	return get_api_version();
}

TEST_LIMIT(first_trap_of_a_thread, 300)
{
	try_all(&(struct attempt){
		.prepare = only_opened, .act = ask_version, .success = MACH_ABI_VERSION,
		.harmless = { -ENOMEM }, .verify = has_a_task_now,
	});
}

/* The try goes on in a child of the process that opened the device. */
static void forked(struct scene *scene)
{
	int status;
	pid_t pid;

	a_task(scene);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid) {
		status = wait_child(pid);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	mach_forget();
}

static void child_has_a_task_now(struct scene *scene, long result)
{
	(void)scene;
	(void)result;
	CHECK_RET(get_api_version(), MACH_ABI_VERSION);
	CHECK(task_self() != 0);
	CHECK_EQ(live("tasks"), 2);
	/* The parent's thread may still wait for the child: it keeps a record. */
	CHECK(live("unborn_tasks") <= 1);
}

/* A task that has been made stands, even if its thread could not be made then. */
TEST_LIMIT(first_trap_of_a_child, 300)
{
	try_all(&(struct attempt){
		.prepare = forked, .act = ask_version, .success = MACH_ABI_VERSION,
		.others = { -ENOMEM }, .verify = child_has_a_task_now,
	});
}

static long fork_once(struct scene *scene)
{
	pid_t pid = fork();

	(void)scene;
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* Whatever its birth met: it has a task, and not the parent's. */
		mach_forget();
		_exit(get_api_version() == MACH_ABI_VERSION && task_self() ? 0 : 1);
	}
	CHECK_HEX(wait_child(pid), 0);
	return 0;
}

TEST_LIMIT(fork_of_a_task, 300)
{
	try_all(&(struct attempt){ .prepare = a_task, .act = fork_once, .success = 0 });
}

/* Names */

static long allocate(struct scene *scene)
{
	return port_allocate_in(self(), MACH_PORT_RIGHT_RECEIVE, &scene->out);
}

static long allocate_set(struct scene *scene)
{
	return port_allocate_in(self(), MACH_PORT_RIGHT_PORT_SET, &scene->out);
}

static long allocate_dead(struct scene *scene)
{
	return port_allocate_in(self(), MACH_PORT_RIGHT_DEAD_NAME, &scene->out);
}

#define ALLOCATES(place, call)						\
	(&(struct attempt){						\
		.prepare = place, .act = call, .success = KERN_SUCCESS,	\
		.harmless = { -EFAULT, KERN_RESOURCE_SHORTAGE, KERN_ABORTED },	\
	})

TEST_LIMIT(allocating_a_port, 300)
{
	try_all(ALLOCATES(a_task, allocate));
}

TEST_LIMIT(allocating_a_port_in_a_full_table, 300)
{
	try_all(ALLOCATES(a_full_table, allocate));
}

TEST_LIMIT(allocating_a_set, 300)
{
	try_all(ALLOCATES(a_full_table, allocate_set));
}

TEST_LIMIT(allocating_a_dead_name, 300)
{
	try_all(ALLOCATES(a_full_table, allocate_dead));
}

static long make_reply_port(struct scene *scene)
{
	scene->out = reply_port();
	return scene->out ? 0 : KERN_RESOURCE_SHORTAGE;
}

TEST_LIMIT(making_a_reply_port, 300)
{
	try_all(&(struct attempt){
		.prepare = a_full_table, .act = make_reply_port, .success = 0,
		.harmless = { KERN_RESOURCE_SHORTAGE },
	});
}

static long insert_under_own_name(struct scene *scene)
{
	return insert_right(scene->other, scene->other, MAKE_SEND);
}

static void sends_once(struct scene *scene, long result)
{
	(void)result;
	CHECK_SEND_UREFS(scene->other, 1);
}

TEST_LIMIT(inserting_a_right, 300)
{
	try_all(&(struct attempt){
		.prepare = a_port, .act = insert_under_own_name, .success = KERN_SUCCESS,
		.harmless = { -EFAULT }, .verify = sends_once,
	});
}

/* A name that the table must grow for */
static long insert_far_away(struct scene *scene)
{
	return insert_right(100u << 8 | 3, scene->port, MAKE_SEND_ONCE);
}

/* The right that was made for a call that fails is dropped, and says so. */
static void inserted_far_away(struct scene *scene, long result)
{
	if (result != KERN_RESOURCE_SHORTAGE)
		return;
	CHECK_EQ(receive_id(scene->port), NOTIFY_SEND_ONCE);
	CHECK_RET(insert_far_away(scene), KERN_SUCCESS);
}

TEST_LIMIT(inserting_a_right_beyond_the_table, 300)
{
	try_all(&(struct attempt){
		.prepare = a_port, .act = insert_far_away, .success = KERN_SUCCESS,
		.harmless = { -EFAULT }, .others = { KERN_RESOURCE_SHORTAGE },
		.verify = inserted_far_away,
	});
}

static long drop_send(struct scene *scene)
{
	return deallocate(scene->port);
}

static long drop_receive(struct scene *scene)
{
	return mod_refs(scene->port, MACH_PORT_RIGHT_RECEIVE, -1);
}

static long destroy(struct scene *scene)
{
	struct mach_port_destroy_args arguments = {
		.task_right_name = self(),
		.port_right_name = scene->port,
	};

	return trap_struct(NR__kernelrpc_mach_port_destroy, &arguments);
}

TEST_LIMIT(dropping_rights, 300)
{
	try_all(&(struct attempt){
		.prepare = a_port, .act = drop_send, .harmless = { -EFAULT },
	});
	try_all(&(struct attempt){
		.prepare = a_port, .act = drop_receive, .harmless = { -EFAULT },
	});
	try_all(&(struct attempt){ .prepare = a_port, .act = destroy, .harmless = { -EFAULT } });
}

/* The port's queue holds a message whose send-once rights go to another port. */
static void a_port_with_mail(struct scene *scene)
{
	a_port(scene);
	REQUIRE_RET(send_with_reply(scene->port, COPY_SEND, scene->other, MAKE_SEND_ONCE, 1), 0);
	REQUIRE_RET(send_with_reply(scene->port, COPY_SEND, scene->other, MAKE_SEND_ONCE, 2), 0);
}

/* Notifications may be lost without memory, and nothing else. */
static void mail_is_gone(struct scene *scene, long result)
{
	long waiting = 0;

	(void)result;
	CHECK(!has_right(scene->port, MACH_PORT_RIGHT_RECEIVE));
	while (receive_id(scene->other) == NOTIFY_SEND_ONCE)
		waiting++;
	CHECK(waiting == 1 || waiting == 2);
	CHECK(no_message_is_left(0));
}

TEST_LIMIT(destroying_a_port_with_messages, 300)
{
	try_all(&(struct attempt){
		.prepare = a_port_with_mail, .act = drop_receive, .harmless = { -EFAULT },
		.verify = mail_is_gone,
	});
}

static long type_of_port(struct scene *scene)
{
	struct mach_port_type_args arguments = {
		.task_right_name = self(),
		.port_right_name = scene->port,
		.port_type_out = &scene->out,
	};

	return trap_struct(NR__kernelrpc_mach_port_type_trap, &arguments);
}

TEST_LIMIT(asking_for_a_type, 300)
{
	try_all(&(struct attempt){
		.prepare = a_port, .act = type_of_port, .harmless = { -EFAULT, KERN_ABORTED },
	});
}

/* Sets */

static long join(struct scene *scene)
{
	return insert_member(scene->port, scene->set);
}

static void member_of_another(struct scene *scene)
{
	a_set(scene);
	scene->out = scene->set;
	REQUIRE_RET(join(scene), KERN_SUCCESS);
	scene->set = new_port_set();
}

static long leave(struct scene *scene)
{
	return extract_member(scene->port, scene->out);
}

static void is_in_set(struct scene *scene, long result)
{
	(void)result;
	CHECK_RET(join(scene), KERN_ALREADY_IN_SET);
}

TEST_LIMIT(joining_a_set, 300)
{
	try_all(&(struct attempt){
		.prepare = a_set, .act = join,
		.harmless = { -EFAULT, KERN_RESOURCE_SHORTAGE }, .verify = is_in_set,
	});
}

/* A move that fails leaves the port where it was. */
static long move_or_stay(struct scene *scene)
{
	long result = move_member(scene->port, scene->set);

	if (result)
		CHECK_RET(insert_member(scene->port, scene->out), KERN_ALREADY_IN_SET);
	return result;
}

TEST_LIMIT(moving_to_a_set, 300)
{
	try_all(&(struct attempt){
		.prepare = member_of_another, .act = move_or_stay,
		.harmless = { -EFAULT, KERN_RESOURCE_SHORTAGE }, .verify = is_in_set,
	});
}

TEST_LIMIT(leaving_a_set, 300)
{
	try_all(&(struct attempt){
		.prepare = member_of_another, .act = leave, .harmless = { -EFAULT },
	});
}

/* Sending */

static void a_small_message(struct scene *scene)
{
	a_port(scene);
	scene->size = HEADER_SIZE + 40;
	message_init(&scene->message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), scene->port,
		     scene->other, 7);
	body_fill(scene->message.body, 40, 7);
}

static void a_large_message(struct scene *scene)
{
	a_small_message(scene);
	scene->size = sizeof(scene->message) - MACH_TRAILER_MAX - 4;
	body_fill(scene->message.body, scene->size - HEADER_SIZE, 7);
}

/* With a receive right of a third port, which is the only name it has. */
static void a_message_with_rights(struct scene *scene)
{
	struct port_descriptor descriptors[2];

	a_small_message(scene);
	scene->out = new_port();
	descriptors[0] = (struct port_descriptor)PORT_DESCRIPTOR(scene->port, COPY_SEND);
	descriptors[1] = (struct port_descriptor)PORT_DESCRIPTOR(scene->out, MOVE_RECEIVE);
	scene->message.header.bits |= MSGH_COMPLEX;
	scene->message.body[0] = ARRAY_SIZE(descriptors);
	memcpy(&scene->message.body[1], descriptors, sizeof(descriptors));
	scene->size = HEADER_SIZE + 4 + sizeof(descriptors);
}

static long send_it(struct scene *scene)
{
	return mach_msg(&scene->message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, scene->size, 0, 0, 0);
}

static void arrives(struct scene *scene, long result)
{
	struct message message;

	(void)result;
	CHECK_RET(msg_receive(&message, scene->port), 0);
	CHECK_EQ(message.header.id, 7);
	CHECK_EQ(message.header.size, scene->size);
	if (!(message.header.bits & MSGH_COMPLEX))
		CHECK(body_matches(message.body, scene->size - HEADER_SIZE, 7));
	CHECK_NO_MESSAGE(scene->port);
}

TEST_LIMIT(sending_a_small_message, 300)
{
	try_all(&(struct attempt){
		.prepare = a_small_message, .act = send_it,
		.harmless = { -EFAULT, MACH_SEND_NO_BUFFER, MACH_SEND_INVALID_DATA },
		.verify = arrives,
	});
}

TEST_LIMIT(sending_a_large_message, 300)
{
	try_all(&(struct attempt){
		.prepare = a_large_message, .act = send_it,
		.harmless = { -EFAULT, MACH_SEND_NO_BUFFER, MACH_SEND_INVALID_DATA },
		.verify = arrives,
	});
}

/*
 * Rights that a failing send has taken out are gone; here that is the reply
 * right only, which says so to its port.
 */
static void arrives_unless_refused(struct scene *scene, long result)
{
	if (result == MACH_SEND_NO_BUFFER) {
		CHECK_NO_MESSAGE(scene->port);
		while (receive_id(scene->other) == NOTIFY_SEND_ONCE)
			;
		CHECK(no_message_is_left(0));
		if (!has_right(scene->out, MACH_PORT_RIGHT_RECEIVE))
			return;
		CHECK_RET(send_it(scene), 0);
	}
	arrives(scene, result);
}

TEST_LIMIT(sending_rights, 300)
{
	try_all(&(struct attempt){
		.prepare = a_message_with_rights, .act = send_it,
		.harmless = { -EFAULT, MACH_SEND_INVALID_DATA },
		.others = { MACH_SEND_NO_BUFFER }, .verify = arrives_unless_refused,
	});
}

/* A send that times out gives the message back, in place. */
static void a_full_queue(struct scene *scene)
{
	a_small_message(scene);
	fill_queue(scene->port);
}

static void nothing_is_lost(struct scene *scene, long result)
{
	uint32_t sent = MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE);

	/* What was copied comes back as one more reference. */
	if (result == -EFAULT || result == MACH_SEND_NO_BUFFER) {
		CHECK_SEND_UREFS(scene->port, 1);
	} else if (result == MACH_SEND_TIMED_OUT && scene->message.header.bits == sent) {
		/* It could not be written back: it is lost, and its rights are released. */
		CHECK_SEND_UREFS(scene->port, 1);
		CHECK_EQ(receive_id(scene->other), NOTIFY_SEND_ONCE);
	} else if (result == MACH_SEND_TIMED_OUT) {
		CHECK_SEND_UREFS(scene->port, 2);
	}
	CHECK(no_message_is_left(MACH_PORT_QLIMIT_BASIC));
}

TEST_LIMIT(getting_a_message_back, 300)
{
	try_all(&(struct attempt){
		.prepare = a_full_queue, .act = send_it, .success = MACH_SEND_TIMED_OUT,
		.others = { -EFAULT, MACH_SEND_NO_BUFFER, MACH_SEND_INVALID_DATA,
			    MACH_SEND_TIMED_OUT | MACH_MSG_IPC_SPACE },
		.verify = nothing_is_lost,
	});
}

/* Without memory for the answer there is none; the request has its effect. */
static void a_request(struct scene *scene)
{
	a_port(scene);
	message_init(&scene->message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), self(), scene->other,
		     MSG_NOBODY_SERVES);
	scene->size = HEADER_SIZE;
}

static void answered_or_not(struct scene *scene, long result)
{
	int32_t id = receive_id(scene->other);

	(void)result;
	CHECK(id == MSG_NOBODY_SERVES + 100 || id == NOTIFY_SEND_ONCE ||
	      id == MACH_RCV_TIMED_OUT);
	CHECK(no_message_is_left(0));
}

TEST_LIMIT(asking_the_kernel, 300)
{
	try_all(&(struct attempt){
		.prepare = a_request, .act = send_it,
		.harmless = { -EFAULT, MACH_SEND_NO_BUFFER, MACH_SEND_INVALID_DATA },
		.verify = answered_or_not,
	});
}

/* Receiving */

static void mail(struct scene *scene)
{
	a_small_message(scene);
	REQUIRE_RET(send_it(scene), 0);
}

static void large_mail(struct scene *scene)
{
	a_large_message(scene);
	REQUIRE_RET(send_it(scene), 0);
}

static void mail_with_rights(struct scene *scene)
{
	a_message_with_rights(scene);
	REQUIRE_RET(send_it(scene), 0);
	fill_table();
}

static long receive_it(struct scene *scene)
{
	return mach_msg(&scene->message, MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_TRAILER(TRAILER_LABELS),
			0, sizeof(scene->message), scene->port, 0);
}

/* Received once, whole, in part or, told so, not at all; never twice. */
static void received_once(struct scene *scene, long result)
{
	CHECK_NO_MESSAGE(scene->port);
	if (result == MACH_RCV_INVALID_DATA) {
		/* Its rights were released: the reply right says so. */
		int32_t id = receive_id(scene->other);

		CHECK(id == NOTIFY_SEND_ONCE || id == MACH_RCV_TIMED_OUT);
	} else if (result) {
		receive_id(scene->other);
	}
	CHECK(no_message_is_left(0));
}

#define RECEIVES(place)							\
	(&(struct attempt){						\
		.prepare = place, .act = receive_it, .harmless = { -EFAULT },	\
		.others = { MACH_RCV_INVALID_DATA,			\
			    MACH_RCV_HEADER_ERROR | MACH_MSG_IPC_SPACE,	\
			    MACH_RCV_BODY_ERROR | MACH_MSG_IPC_SPACE },	\
		.verify = received_once,				\
	})

TEST_LIMIT(receiving_a_small_message, 300)
{
	try_all(RECEIVES(mail));
}

TEST_LIMIT(receiving_a_large_message, 300)
{
	try_all(RECEIVES(large_mail));
}

TEST_LIMIT(receiving_rights, 300)
{
	try_all(RECEIVES(mail_with_rights));
}

/* All traps */

/*
 * Whatever trap there is, with arguments that mean nothing: no answer is wrong
 * here, but all objects stay as they were, and the kernel does not complain.
 */
static unsigned int sweep_number;
static uint64_t sweep_arguments[32];

static long sweep(struct scene *scene)
{
	(void)scene;
	trap(sweep_number, (unsigned long)sweep_arguments);
	return 0;
}

TEST_LIMIT(any_trap, 600)
{
	static const unsigned int waits_or_ends[] = {
		NR_thread_death_announce, NR_bsdthread_terminate_trap, NR_stop_after_exec,
		NR_kernel_printk,
	};
	unsigned int faults = 0;

	inject_init();
	for (unsigned int i = 0; i < MACH_TRAP_COUNT; i++) {
		bool skip = false;

		sweep_number = MACH_TRAP_FIRST + i;
		for (size_t j = 0; j < ARRAY_SIZE(waits_or_ends); j++)
			skip |= waits_or_ends[j] == sweep_number;
		for (unsigned int n = 1; !skip; n++) {
			const struct attempt attempt = { .prepare = a_task, .act = sweep };
			pid_t pid = fork();
			int status;

			REQUIRE(pid >= 0 && n < MOST_FAULTS);
			if (pid == 0) {
				alarm(30);
				try(&attempt, n);
			}
			status = wait_child(pid);
			if (status)
				break;
			faults++;
		}
	}
	note("%u faults", faults);
}

/* Programs */

/* Those that hit the program itself are counted as well. */
#define MOST_EXEC_FAULTS	2000

/*
 * Executes @path with the n-th fault on the way, for each n. Whatever comes of
 * it, execve fails and says why, or the process is killed past the point of no
 * return, or the program runs; and then the task is gone.
 */
static void execute_all(const char *path)
{
	char *argv[] = { (char *)path, NULL }, *envp[] = { NULL };
	unsigned int n = 0;
	bool spent;

	if (access(path, X_OK))
		SKIP("there is no %s", path);
	inject_init();
	do {
		siginfo_t info;
		pid_t pid = fork();
		int status;

		REQUIRE(++n < MOST_EXEC_FAULTS);
		REQUIRE(pid >= 0);
		if (pid == 0) {
			int null = open("/dev/null", O_RDWR);

			dup2(null, 0);
			dup2(null, 1);
			dup2(null, 2);
			inject_arm(n);
			execve(path, argv, envp);
			_exit(errno == ENOMEM || errno == EFAULT ? 0 : 200 + (errno & 31));
		}
		REQUIRE_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
		spent = inject_done_in(pid);
		status = wait_child(pid);
		if (spent && WIFEXITED(status) && WEXITSTATUS(status) >= 200)
			FAIL("fault %u: execve sets errno %d", n, WEXITSTATUS(status) - 200);
		if (!spent)
			CHECK_HEX(status, 0);
	} while (spent);
	CHECK(n > 1);
	note("%u faults", n - 1);
}

TEST_LIMIT(executing_a_static_program, 300)
{
	execute_all("/macho/probe");
}

TEST_LIMIT(executing_a_dynamic_program, 300)
{
	execute_all("/macho/dynamic");
}
