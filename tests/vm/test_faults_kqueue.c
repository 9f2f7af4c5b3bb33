// SPDX-License-Identifier: GPL-2.0
/*
 * Events of all kinds are added to a kqueue, and fetched, with the n-th allocation
 * or user copy failing. See lib/attempt.h.
 *
 * time limit: 600 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attempt.h"
#include "harness.h"
#include "kqueue.h"
#include "mach.h"

/* In a scene: the kqueue, and what is watched. */
#define KQUEUE	port
#define WATCHED	other

static void a_kqueue(struct scene *scene)
{
	mach_open();
	scene->KQUEUE = new_kqueue();
}

static void a_pipe(struct scene *scene)
{
	int fds[2];

	a_kqueue(scene);
	REQUIRE(!pipe(fds));
	REQUIRE_EQ(write(fds[1], "abc", 3), 3);
	scene->WATCHED = fds[0];
}

static void a_socket(struct scene *scene)
{
	int fds[2];

	a_kqueue(scene);
	REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	scene->WATCHED = fds[0];
}

static void an_eventfd(struct scene *scene)
{
	a_kqueue(scene);
	scene->WATCHED = eventfd(1, 0);
}

static void a_file(struct scene *scene)
{
	a_kqueue(scene);
	scene->WATCHED = open(program_path(), O_RDONLY);
}

static void a_directory(struct scene *scene)
{
	a_kqueue(scene);
	mkdir("/tmp", 0777);
	scene->WATCHED = open("/tmp", O_RDONLY | O_DIRECTORY);
}

static void a_named_port(struct scene *scene)
{
	a_kqueue(scene);
	scene->WATCHED = new_port();
}

static void a_set_of_ports(struct scene *scene)
{
	a_kqueue(scene);
	scene->WATCHED = new_port_set();
	REQUIRE_RET(insert_member(new_port(), scene->WATCHED), 0);
}

static void another_kqueue(struct scene *scene)
{
	a_kqueue(scene);
	scene->WATCHED = (name_t)new_kqueue();
}

static void itself(struct scene *scene)
{
	a_kqueue(scene);
	scene->WATCHED = getpid();
}

static void a_signal(struct scene *scene)
{
	a_kqueue(scene);
	scene->WATCHED = 30;
}

#define ADD(name, filter, notes)						\
	static long name(struct scene *scene)					\
	{									\
		return change_event(scene->KQUEUE, (struct event)		\
				    EVENT(filter, scene->WATCHED, EV_ADD, notes));	\
	}

ADD(add_read, EVFILT_READ, 0)
ADD(add_write, EVFILT_WRITE, 0)
ADD(add_except, EVFILT_EXCEPT, 0)
ADD(add_vnode, EVFILT_VNODE, 0x7f)
ADD(add_process, EVFILT_PROC, 0xe4000000)
ADD(add_signal, EVFILT_SIGNAL, 0)
ADD(add_port, EVFILT_MACHPORT, 0)
ADD(add_timer, EVFILT_TIMER, NOTE_SECONDS)
ADD(add_user, EVFILT_USER, 0)

static void a_watched_pipe(struct scene *scene)
{
	a_pipe(scene);
	REQUIRE_RET(add_read(scene), 0);
}

static long fetch(struct scene *scene)
{
	struct event event;

	return fetch_events(scene->KQUEUE, &event, 1, 0);
}

static long make_kqueue(struct scene *scene)
{
	long fd = trap(NR_kqueue_create, 0);

	scene->out = (name_t)fd;
	return fd < 0 ? fd : 0;
}

static void is_a_kqueue(struct scene *scene, long result)
{
	(void)result;
	scene->KQUEUE = scene->out;
	scene->WATCHED = 30;
	CHECK_RET(add_user(scene), 0);
}

TEST_LIMIT(making_a_kqueue, 100)
{
	try_all(&(struct attempt){
		.prepare = a_task, .act = make_kqueue, .harmless = { -ENOMEM },
		.verify = is_a_kqueue,
	});
}

TEST_LIMIT(events_of_all_kinds_are_added, 300)
{
	const struct attempt attempts[] = {
		{ .prepare = a_pipe, .act = add_read },
		{ .prepare = a_socket, .act = add_write },
		{ .prepare = a_socket, .act = add_except },
		{ .prepare = an_eventfd, .act = add_read },
		{ .prepare = a_file, .act = add_read },
		{ .prepare = a_file, .act = add_vnode },
		{ .prepare = a_directory, .act = add_vnode },
		{ .prepare = itself, .act = add_process },
		{ .prepare = a_signal, .act = add_signal },
		{ .prepare = a_signal, .act = add_timer },
		{ .prepare = a_signal, .act = add_user },
		{ .prepare = a_named_port, .act = add_port },
		{ .prepare = a_set_of_ports, .act = add_port },
		{ .prepare = another_kqueue, .act = add_read },
	};

	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		struct attempt attempt = attempts[i];

		attempt.harmless[0] = -EFAULT;
		attempt.harmless[1] = -ENOMEM;
		try_all(&attempt);
	}
}

TEST_LIMIT(events_are_fetched, 100)
{
	/* What cannot be written is lost, but a level-triggered event comes again. */
	try_all(&(struct attempt){
		.prepare = a_watched_pipe, .act = fetch, .success = 1,
		.harmless = { -EFAULT, -ENOMEM },
	});
}
