// SPDX-License-Identifier: GPL-2.0
/*
 * Traps about ports made to measure, tasks, threads and debuggers with the n-th
 * allocation or user copy failing: with arguments that get as far as they can. See
 * lib/attempt.h.
 *
 * time limit: 600 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "attempt.h"
#include "exception.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "port.h"
#include "process.h"
#include "short_rights.h"

#define GUARD	0x123456789abcull

/* Ports made to measure */

static long construct(struct scene *scene)
{
	return port_construct(MPO_CONTEXT_AS_GUARD | MPO_QLIMIT | MPO_INSERT_SEND_RIGHT, 7, GUARD,
			      &scene->port);
}

static long guard(struct scene *scene)
{
	return port_guard(scene->port, GUARD, true);
}

static long unguard(struct scene *scene)
{
	return port_unguard(scene->port, GUARD);
}

static void is_guarded(struct scene *scene, long result)
{
	(void)result;
	CHECK_RET(mod_refs(scene->port, RECEIVE, -1), KERN_INVALID_RIGHT);
	CHECK_RET(unguard(scene), KERN_SUCCESS);
	destroy_receive(scene->port);
}

static void a_guarded_port(struct scene *scene)
{
	a_task(scene);
	REQUIRE_RET(construct(scene), KERN_SUCCESS);
}

static void is_unguarded(struct scene *scene, long result)
{
	(void)result;
	destroy_receive(scene->port);
}

static long destruct(struct scene *scene)
{
	return port_destruct(scene->port, -1, GUARD);
}

static void is_gone(struct scene *scene, long result)
{
	(void)result;
	CHECK_UNKNOWN(scene->port);
}

static long ask_status(struct scene *scene)
{
	uint32_t words[PORT_STATUS_WORDS], count = PORT_STATUS_WORDS;

	return port_attributes(scene->port, PORT_RECEIVE_STATUS, words, &count);
}

TEST_LIMIT(ports_made_to_measure, 300)
{
	const struct attempt attempts[] = {
		{ .prepare = a_task, .act = construct, .verify = is_guarded },
		{ .prepare = a_port, .act = guard, .verify = is_guarded },
		{ .prepare = a_guarded_port, .act = unguard, .verify = is_unguarded },
		{ .prepare = a_guarded_port, .act = destruct, .verify = is_gone },
		{ .prepare = a_port, .act = ask_status },
	};

	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		struct attempt attempt = attempts[i];

		attempt.harmless[0] = -EFAULT;
		attempt.harmless[1] = KERN_RESOURCE_SHORTAGE;
		/* The options cannot be read, or the name not be told. */
		attempt.harmless[2] = MACH_SEND_INVALID_DATA;
		attempt.harmless[3] = KERN_ABORTED;
		try_all(&attempt);
	}
}

static long ask_for_notification(struct scene *scene)
{
	return request_notification(scene->port, NOTIFY_PORT_DESTROYED, 0, scene->other,
				    MAKE_SEND_ONCE, &scene->out);
}

/* It stands, even where the previous one could not be told. */
static void is_told_of_the_end(struct scene *scene, long result)
{
	(void)result;
	destroy_receive(scene->port);
	CHECK_EQ(receive_id(scene->other), NOTIFY_PORT_DESTROYED);
	CHECK_RET(receive_id(scene->other), MACH_RCV_TIMED_OUT);
}

TEST_LIMIT(asking_for_a_notification, 300)
{
	try_all(&(struct attempt){
		.prepare = a_port, .act = ask_for_notification,
		.harmless = { -EFAULT, KERN_RESOURCE_SHORTAGE }, .others = { KERN_ABORTED },
		.verify = is_told_of_the_end,
	});
}

/* Tasks and threads */

static long task_of_itself(struct scene *scene)
{
	struct task_for_pid args = { .pid = (unsigned int)getpid(), .task_port = &scene->out };

	return trap_struct(NR_task_for_pid_trap, &args);
}

static long name_of_itself(struct scene *scene)
{
	struct task_name_for_pid args = { .pid = getpid() };
	long result = trap_struct(NR_task_name_for_pid_trap, &args);

	scene->out = (name_t)args.name_out;
	return result;
}

static long pid_of_itself(struct scene *scene)
{
	struct pid_for_task args = { .task_port = self(), .pid = &scene->out };

	return trap_struct(NR_pid_for_task_trap, &args);
}

static long special_port(struct scene *scene)
{
	scene->out = (name_t)trap(NR_thread_get_special_reply_port, 0);
	return scene->out ? 0 : KERN_RESOURCE_SHORTAGE;
}

static long set_handles(struct scene *scene)
{
	struct set_thread_handles_args args = { .pthread_handle = 1, .dispatch_qaddr = 2 };

	(void)scene;
	return trap_struct(NR_set_thread_handles, &args);
}

static long ask_ids(struct scene *scene)
{
	struct uidgid ids;

	(void)scene;
	return trap_struct(NR_getuidgid, &ids);
}

static long set_ids(struct scene *scene)
{
	struct uidgid ids = { .uid = 5, .gid = 6 };

	(void)scene;
	return trap_struct(NR_setuidgid, &ids);
}

static long set_images(struct scene *scene)
{
	struct set_dyld_info_args args = { .all_images_address = 0x1000, .all_images_length = 8 };

	(void)scene;
	return trap_struct(NR_set_dyld_info, &args);
}

/* One right more, and one that can be dropped */
static void has_right_to_itself(struct scene *scene, long result)
{
	(void)result;
	CHECK_EQ(scene->out, self());
	CHECK_SEND_UREFS(scene->out, 2);
}

/* The port that names a task is made when somebody asks for it first, and stays. */
static void has_name(struct scene *scene, long result)
{
	if (result != KERN_SUCCESS && result != -EFAULT)
		CHECK_RET(name_of_itself(scene), KERN_SUCCESS);
	CHECK_SEND_UREFS(scene->out, 1);
}

static void is_own_pid(struct scene *scene, long result)
{
	(void)result;
	CHECK_EQ((pid_t)scene->out, getpid());
}

static void has_special_port(struct scene *scene, long result)
{
	(void)result;
	CHECK(has_right(scene->out, RECEIVE));
	CHECK_SEND_UREFS(scene->out, 1);
}

static void has_ids(struct scene *scene, long result)
{
	struct uidgid ids = { 0 };

	(void)scene;
	(void)result;
	CHECK_RET(trap_struct(NR_getuidgid, &ids), 0);
	CHECK_EQ(ids.uid, 5);
	CHECK_EQ(ids.gid, 6);
}

TEST_LIMIT(finding_tasks_and_threads, 300)
{
	const struct attempt attempts[] = {
		{ .prepare = a_task, .act = task_of_itself, .verify = has_right_to_itself },
		{ .prepare = a_task, .act = pid_of_itself, .verify = is_own_pid },
		{ .prepare = a_task, .act = special_port, .verify = has_special_port },
		{ .prepare = a_task, .act = set_handles },
		{ .prepare = a_task, .act = ask_ids },
		{ .prepare = a_task, .act = set_ids, .verify = has_ids },
		{ .prepare = a_task, .act = set_images },
	};

	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		struct attempt attempt = attempts[i];

		attempt.harmless[0] = -EFAULT;
		attempt.harmless[1] = KERN_INVALID_ADDRESS;
		attempt.harmless[2] = KERN_FAILURE;
		attempt.harmless[3] = KERN_RESOURCE_SHORTAGE;
		try_all(&attempt);
	}
}

TEST_LIMIT(naming_a_task, 300)
{
	try_all(&(struct attempt){
		.prepare = a_task, .act = name_of_itself, .harmless = { -EFAULT },
		.others = { KERN_INVALID_ADDRESS, KERN_FAILURE, KERN_RESOURCE_SHORTAGE },
		.verify = has_name,
	});
}

/* Debuggers */

static long set_tracer(struct scene *scene)
{
	struct set_tracer_args args = { .target = getpid(), .tracer = getpid() };

	(void)scene;
	return trap_struct(NR_set_tracer, &args);
}

static void is_traced(struct scene *scene, long result)
{
	(void)scene;
	(void)result;
	CHECK_EQ(trap(NR_get_tracer, 0), getpid());
}

static long ask_for_signals(struct scene *scene)
{
	(void)scene;
	return set_sigexc(getpid(), 1);
}

static long choose_signal(struct scene *scene)
{
	(void)scene;
	return set_pending(getpid(), 17);
}

static long ask_watchpoint(struct scene *scene)
{
	struct last_triggered_watchpoint_args args;

	(void)scene;
	return trap_struct(NR_last_triggered_watchpoint, &args);
}

TEST_LIMIT(having_a_debugger, 300)
{
	const struct attempt attempts[] = {
		{ .prepare = a_task, .act = set_tracer, .verify = is_traced },
		{ .prepare = a_task, .act = ask_for_signals },
		{ .prepare = a_task, .act = choose_signal },
		{ .prepare = a_task, .act = ask_watchpoint },
	};

	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		struct attempt attempt = attempts[i];

		attempt.harmless[0] = -EFAULT;
		attempt.harmless[1] = KERN_RESOURCE_SHORTAGE;
		try_all(&attempt);
	}
}

static struct handed handed;
static int signum;

static void *be_debugger(void *argument)
{
	struct scene *scene = argument;
	struct told told;

	for (;;) {
		RECEIVE_TOLD(&told, scene->port, EXC_WIDE | EXC_DEFAULT);
		answer(&told, 0);
	}
	return NULL;
}

static void a_debugged_task(struct scene *scene)
{
	static struct worker debugger;

	a_port(scene);
	REQUIRE_RET(listen_to(self(), EXC_MASK_ALL, scene->port, EXC_WIDE | EXC_DEFAULT, 0), 0);
	handed_fill(&handed, 1);
	signum = -1;
	worker_start(&debugger, be_debugger, scene);
	worker_wait_in_trap(&debugger);
}

static long ask_what_to_do(struct scene *scene)
{
	const struct fake_signal signal = { BSD_SEGV, SIGSEGV, SEGV_MAPERR, 0x1000 };

	(void)scene;
	return sigprocess(&signal, &handed, &signum);
}

/* Whether it could be told or not: the fault was handled, or is delivered as a signal. */
static void was_told_what_to_do(struct scene *scene, long result)
{
	(void)scene;
	if (result == 0)
		CHECK(signum == 0 || signum == BSD_SEGV);
	CHECK(handed_matches(&handed, 1));
}

TEST_LIMIT(telling_an_exception, 300)
{
	try_all(&(struct attempt){
		.prepare = a_debugged_task, .act = ask_what_to_do, .others = { -EFAULT, -ENOMEM },
		.verify = was_told_what_to_do,
	});
}

static void a_stopped_thread(struct scene *scene)
{
	a_task(scene);
	handed_fill(&handed, 2);
}

/* Nobody has suspended it: it says what its registers are, and goes on at once. */
static long stop_in_a_handler(struct scene *scene)
{
	(void)scene;
	return thread_suspended(&handed);
}

static void goes_on_with_its_registers(struct scene *scene, long result)
{
	(void)scene;
	(void)result;
	CHECK(handed_matches(&handed, 2));
}

TEST_LIMIT(stopping_in_a_handler, 300)
{
	try_all(&(struct attempt){
		.prepare = a_stopped_thread, .act = stop_in_a_handler, .harmless = { -EFAULT, -ENOMEM },
		.verify = goes_on_with_its_registers,
	});
}
